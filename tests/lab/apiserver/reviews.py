# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reviews of oneself: what may I do, what are my rules, who am I."""

from __future__ import annotations

import json
from typing import Any

from lab.clock import rfc3339
from lab.apiserver.rbac import Attributes, Authorizer, User
from lab.apiserver.status import ApiError, Answer, bad_request, invalid, json_answer

_AUTHORIZATION = "authorization.k8s.io/v1"
_RESOURCE_FIELDS = (
    "namespace",
    "verb",
    "group",
    "version",
    "resource",
    "subresource",
    "name",
    "fieldSelector",
    "labelSelector",
)
_MEDIA = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


def read_body(raw: bytes, content_type: str, kind: str) -> dict[str, Any]:
    """Return the posted object; only JSON is read here, other media types are refused as unknown ones are."""
    if content_type.split(";")[0].strip() not in ("", "application/json"):
        message = f"the body of the request was in an unknown format - accepted media types include: {_MEDIA}"
        raise ApiError(415, message, "UnsupportedMediaType")
    try:
        body = json.loads(raw)
    except ValueError:
        text = raw.decode(errors="replace")
        message = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {text}"
        raise bad_request(message) from None
    return body if isinstance(body, dict) else {}


def access_review(authorizer: Authorizer, user: User, body: dict[str, Any]) -> Answer:
    """Answer a SelfSubjectAccessReview; it does not look whether namespace or resource exist."""
    spec = body.get("spec") or {}
    if ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
        raise _one_of_two()
    resource: dict[str, Any] = spec.get("resourceAttributes", {})
    path: dict[str, Any] = spec.get("nonResourceAttributes", {})
    if "resourceAttributes" in spec:
        wanted = Attributes(
            verb=resource.get("verb", ""),
            group=resource.get("group", ""),
            resource=resource.get("resource", ""),
            subresource=resource.get("subresource", ""),
            namespace=resource.get("namespace", ""),
            name=resource.get("name", ""),
        )
        known = {key: resource[key] for key in _RESOURCE_FIELDS if resource.get(key)}
        echoed = {"resourceAttributes": known}
    else:
        wanted = Attributes(verb=path.get("verb", ""), path=path.get("path", ""))
        echoed = {"nonResourceAttributes": path}
    allowed, reason = authorizer.allowed(user, wanted)
    status: dict[str, Any] = {"allowed": allowed}
    if reason:
        status["reason"] = reason
    unknown = [key for key in resource if key not in _RESOURCE_FIELDS]
    warnings = [f'unknown field "spec.resourceAttributes.{key}"' for key in unknown]
    return json_answer(_review("SelfSubjectAccessReview", echoed, status), 201, warnings)


def _one_of_two() -> ApiError:
    text = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
    return invalid("", "", "spec.resourceAttributes", "FieldValueInvalid", text, "authorization.k8s.io")


def _review(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": _AUTHORIZATION, "metadata": {}, "spec": spec, "status": status}


def rules_review(authorizer: Authorizer, user: User, body: dict[str, Any]) -> Answer:
    """Answer a SelfSubjectRulesReview."""
    namespace = (body.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise bad_request("no namespace on request")
    rules = [grant.rule for grant in authorizer.grants(user, namespace)]
    status = {
        "resourceRules": [rule for rule in rules if "resources" in rule],
        "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
        "incomplete": False,
    }
    return json_answer(_review("SelfSubjectRulesReview", {}, status), 201)


def whoami(user: User, now: float) -> Answer:
    """Answer a SelfSubjectReview."""
    info: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    answer = {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": rfc3339(now)},
        "status": {"userInfo": {key: value for key, value in info.items() if value}},
    }
    return json_answer(answer, 201)
