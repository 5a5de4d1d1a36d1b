# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role-based access control: who may do what, by the Role and Binding objects of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.apiserver.status import ApiError, object_details, qualified
from lab.apiserver.store import Store

_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class User:
    """An authenticated user."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Attributes:
    """What a request wants to do; ``path`` is set for requests that are not about resources."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """Return ``pods/log``: RBAC compares resource and subresource as one word."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def _object(kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": {"name": name}, **rest}


def bootstrap_objects() -> list[dict[str, Any]]:
    """Return the roles that every user has on a fresh server: discovery, health and reviews of oneself."""
    everyone = [{"kind": "Group", "apiGroup": _GROUP, "name": "system:authenticated"}]
    anyone = [*everyone, {"kind": "Group", "apiGroup": _GROUP, "name": "system:unauthenticated"}]
    public = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
    discovery = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", *public[2:]]
    reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    basic = [
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": reviews},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ]
    roles: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = [
        ("system:basic-user", basic, everyone),
        ("system:discovery", [{"verbs": ["get"], "nonResourceURLs": discovery}], everyone),
        ("system:public-info-viewer", [{"verbs": ["get"], "nonResourceURLs": public}], anyone),
    ]
    made: list[dict[str, Any]] = []
    for name, rules, subjects in roles:
        reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
        made.append(_object("ClusterRole", name, rules=rules))
        made.append(_object("ClusterRoleBinding", name, roleRef=reference, subjects=subjects))
    return made


def role_for(namespace: str, name: str, rules: list[dict[str, Any]], group: str) -> list[dict[str, Any]]:
    """Return a Role with its RoleBinding to a group of users."""
    reference = {"apiGroup": _GROUP, "kind": "Role", "name": name}
    subjects = [{"kind": "Group", "apiGroup": _GROUP, "name": group}]
    made = [
        _object("Role", name, rules=rules),
        _object("RoleBinding", name, roleRef=reference, subjects=subjects),
    ]
    for body in made:
        body["metadata"]["namespace"] = namespace
    return made


def cluster_role_for(name: str, rules: list[dict[str, Any]], group: str) -> list[dict[str, Any]]:
    """Return a ClusterRole with its ClusterRoleBinding to a group of users."""
    reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "Group", "apiGroup": _GROUP, "name": group}]
    return [
        _object("ClusterRole", name, rules=rules),
        _object("ClusterRoleBinding", name, roleRef=reference, subjects=subjects),
    ]


@dataclass(frozen=True)
class Grant:
    """One rule that applies to a user, with the sentence that a review gives as its reason."""

    rule: dict[str, Any]
    reason: str


class Authorizer:
    """Evaluates the rules of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allowed(self, user: User, wanted: Attributes) -> tuple[bool, str]:
        """Return whether ``user`` may do ``wanted``, and why; system:masters may do all and no rule is named."""
        if "system:masters" in user.groups:
            return True, ""
        for grant in self.grants(user, wanted.namespace):
            if _covers(grant.rule, wanted):
                return True, grant.reason
        return False, ""

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """Yield every rule of ``user``, cluster-wide ones first."""
        for binding in self._store.objects(_GROUP, "clusterrolebindings"):
            yield from self._of_binding(binding, user, "")
        if namespace:
            for binding in self._store.objects(_GROUP, "rolebindings"):
                if binding["metadata"].get("namespace") == namespace:
                    yield from self._of_binding(binding, user, namespace)

    def _of_binding(self, binding: dict[str, Any], user: User, namespace: str) -> Iterator[Grant]:
        subject = _subject_of(binding, user)
        if subject is None:
            return
        reference = binding["roleRef"]
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        scope = namespace if plural == "roles" else ""
        role = self._store.get(_GROUP, plural, scope, reference["name"])
        if role is None:
            return
        name = binding["metadata"]["name"]
        bound = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
        reason = f'RBAC: allowed by {bound} of {reference["kind"]} "{reference["name"]}" to {subject}'
        for rule in role.get("rules") or []:
            yield Grant(rule, reason)


def _subject_of(binding: dict[str, Any], user: User) -> str | None:
    for subject in binding.get("subjects") or []:
        kind, name = subject["kind"], subject["name"]
        if (kind == "User" and name == user.name) or (kind == "Group" and name in user.groups):
            return f'{kind} "{name}"'
    return None


def _covers(rule: dict[str, Any], wanted: Attributes) -> bool:
    if not {"*", wanted.verb} & set(rule["verbs"]):
        return False
    if wanted.path:
        return any(_path_matches(pattern, wanted.path) for pattern in rule.get("nonResourceURLs", []))
    names = rule.get("resourceNames")
    return (
        bool({"*", wanted.group} & set(rule.get("apiGroups", [])))
        and any(_resource_matches(pattern, wanted) for pattern in rule.get("resources", []))
        and (not names or wanted.name in names)
    )


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _resource_matches(pattern: str, wanted: Attributes) -> bool:
    if pattern in ("*", wanted.full_resource):
        return True
    return bool(wanted.subresource) and pattern == f"*/{wanted.subresource}"


def forbidden(user: User, wanted: Attributes) -> ApiError:
    """Return the 403 in the words of the real server."""
    headers = {"X-Content-Type-Options": "nosniff"}
    if wanted.path:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
        return ApiError(403, message, "Forbidden", {}, headers=headers)
    scope = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    named = f' "{wanted.name}"' if wanted.name else ""
    message = (
        f'{qualified(wanted.resource, wanted.group)}{named} is forbidden: User "{user.name}" cannot {wanted.verb} '
        f'resource "{wanted.full_resource}" in API group "{wanted.group}" {scope}'
    )
    details = object_details(wanted.name, wanted.group, wanted.resource)
    return ApiError(403, message, "Forbidden", details, headers=headers)
