# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from the API server to a node's kubelet, with the failures that lie on it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.apiserver.status import ApiError, object_not_found
from lab.apiserver.store import Store


@dataclass(frozen=True)
class KubeletFault:
    """What is wrong with the kubelet of a node: its port is closed, or it answers 500 with ``error``."""

    error: str = ""

    @property
    def down(self) -> bool:
        """Tell whether nothing listens."""
        return not self.error


def reach(
    store: Store, fault: KubeletFault | None, pod: dict[str, Any], container: str, query: Mapping[str, str]
) -> None:
    """Raise what the API server answers where it cannot get the log from the pod's node."""
    node_name = pod["spec"]["nodeName"]
    node = store.get("", "nodes", "", node_name)
    if node is None:
        error = object_not_found(node_name, "", "pods")
        error.fair_queue = False
        raise error
    address, port = _address(node)
    if fault is None:
        return
    if fault.down:
        raise _refused(address, port, pod, container, query)
    message = f"Internal error occurred: {fault.error}"
    details = {"causes": [{"message": fault.error}]}
    raise ApiError(500, message, "InternalError", details, fair_queue=False)


def _address(node: dict[str, Any]) -> tuple[str, int]:
    status = node.get("status", {})
    known = status.get("addresses") or []
    for kind in ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"):
        for entry in known:
            if entry["type"] == kind:
                return entry["address"], status["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    shown = " ".join(f"{{{entry['type']} {entry['address']}}}" for entry in known)
    message = f"no preferred addresses found; known addresses: [{shown}]"
    raise ApiError(500, message, fair_queue=False)


def _refused(address: str, port: int, pod: dict[str, Any], container: str, query: Mapping[str, str]) -> ApiError:
    """Return Go's dial error; it shows the address of the node."""
    metadata = pod["metadata"]
    forwarded = {key: value for key, value in query.items() if key != "container"}
    suffix = f"?{urllib.parse.urlencode(sorted(forwarded.items()))}" if forwarded else ""
    url = f"https://{address}:{port}/containerLogs/{metadata['namespace']}/{metadata['name']}/{container}{suffix}"
    message = f'Get "{url}": dial tcp {address}:{port}: connect: connection refused'
    return ApiError(500, message, fair_queue=False)
