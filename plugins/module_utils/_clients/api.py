# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What is known of an API server without its client library: connection options, paths, the grant that a path needs.

It is apart from the client so that parameters can be checked without loading the library.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter


_TIMEOUT_S = 20.0


def connection_spec() -> dict[str, t.Any]:
    """The connection options of kubernetes.core, and the one that bounds a read.

    kubernetes.core hides kubeconfig as a whole, which masks its path in error messages, and every name in an inline
    kubeconfig wherever it occurs in a result. Here only what is secret inside it is masked (see kubeconfig_secrets).
    Raises BadParameter where kubernetes.core is not installed.
    """
    # Imported here: the steps of AWS ask this file for paths, and need no kubernetes.core.
    try:
        from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
    except ImportError:
        raise BadParameter(
            "The collection kubernetes.core, which pairs of clusters need, is not installed where the playbook runs: "
            "ansible-galaxy collection install kubernetes.core, or pip install ansible, which brings it."
        ) from None
    return dict(AUTH_ARG_SPEC, kubeconfig={"type": "raw", "no_log": False}, timeout={"type": "float", "default": _TIMEOUT_S})


def timeout_of(options: t.Mapping[str, t.Any]) -> float:
    """Seconds to wait for an answer. Raises BadParameter."""
    seconds = float(options.get("timeout") or _TIMEOUT_S)
    if not 0 < seconds < float("inf"):
        raise BadParameter(f"timeout: {seconds:g} is no time to wait; give seconds greater than 0.")
    return seconds


def check_address(host: str) -> None:
    """Raises BadParameter when this is no address of an API server."""
    if not _ADDRESS.fullmatch(host):
        raise BadParameter(
            f"host: {host!r} is no address of an API server; write it like https://dr:6443, also as the server of a "
            "kubeconfig."
        )


_ADDRESS = re.compile(r"https?://[^/\s]+.*")


def path_of(group: str, version: str, resource: str, namespace: str | None = None, name: str | None = None) -> str:
    """The URL path of a collection or object; refuses names that would change the path.

    The API server decodes %2F in a name into a path separator, so a slash must be refused here.
    """
    for given in (namespace, name, resource):
        if given is not None and not _PATH_SEGMENT.fullmatch(given):
            raise BadParameter(f"{given!r} cannot be part of an API path; use the plain name of the object.")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    parts = [root]
    if namespace:
        parts.append(f"namespaces/{namespace}")
    parts.append(resource)
    if name:
        parts.append(name)
    return "/".join(parts)


_PATH_SEGMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
_API_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/?]+))?)?"
)


def grant_for(path: str) -> dict[str, t.Any] | None:
    """The RBAC rule that allows reading this path and no more, with the namespace it is needed in (null: a ClusterRole)."""
    match = _API_PATH.match(path)
    if not match:
        return None
    resource, sub, name = match["resource"], match["sub"], match["name"]
    rule: dict[str, t.Any] = {
        "apiGroups": [match["group"] or ""],
        "resources": [f"{resource}/{sub}" if sub else resource],
        "verbs": ["get"] if name else ["list"],
    }
    if name and (sub == "proxy" or resource in ("configmaps", "namespaces")):
        rule["resourceNames"] = [name]
    # a namespace is asked for by its own name, so that a Role in it can allow that
    namespace = name if resource == "namespaces" else match["namespace"]
    return {"kind": "Role" if namespace else "ClusterRole", "namespace": namespace, "rule": rule}
