# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""services/proxy: which backend a name means, and the way there."""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

from lab.apiserver.status import Answer, ApiError, bad_request, object_not_found
from lab.apiserver.store import Store

_BACKEND_TIMEOUT_S = 60
_FORWARDED = ("Accept", "Content-Type")


@dataclass(frozen=True)
class ServiceId:
    """The three parts of ``http:prometheus:9090``."""

    scheme: str
    name: str
    port: str


def parse_id(text: str) -> ServiceId:
    """Split ``[scheme:]name[:port]``."""
    parts = text.split(":")
    if len(parts) == 1:
        return ServiceId("", parts[0], "")
    if len(parts) == 2:
        return ServiceId("", parts[0], parts[1])
    if len(parts) == 3 and parts[0] in ("", "http", "https"):
        return ServiceId(*parts)
    raise bad_request(f'invalid service request "{text}"', fair_queue=False)


def _unavailable(message: str) -> ApiError:
    return ApiError(503, message, "ServiceUnavailable", fair_queue=False)


def _missing(name: str) -> ApiError:
    error = object_not_found(name, "", "services")
    error.fair_queue = False
    return error


def resolve(store: Store, namespace: str, wanted: ServiceId) -> tuple[str, int]:
    """Return the address and port of a ready endpoint; a service without Endpoints object counts as missing."""
    service = store.get("", "services", namespace, wanted.name)
    if service is None:
        raise _missing(wanted.name)
    port_name = wanted.port
    if wanted.port.isdigit():
        ports = [port for port in service["spec"]["ports"] if port["port"] == int(wanted.port)]
        if not ports:
            raise _unavailable(f'no service port {wanted.port} found for service "{wanted.name}"')
        port_name = ports[0].get("name", "")
    endpoints = store.get("", "endpoints", namespace, wanted.name)
    if endpoints is None:
        raise _missing(wanted.name)
    for subset in endpoints.get("subsets") or []:
        for port in subset.get("ports") or []:
            if subset.get("addresses") and port.get("name", "") == port_name:
                return subset["addresses"][0]["ip"], port["port"]
    raise _unavailable(f'no endpoints available for service "{wanted.name}"')


def forward(
    address: tuple[str, int], method: str, path: str, query: str, headers: Message, body: bytes
) -> Answer:
    """Send the request on and return the backend's own answer, error answers included."""
    target = urllib.parse.quote(path, safe="/:%") + (f"?{query}" if query else "")
    sent = {key: headers[key] for key in _FORWARDED if key in headers}
    connection = http.client.HTTPConnection(*address, timeout=_BACKEND_TIMEOUT_S)
    try:
        connection.request(method, target, body=body or None, headers=sent)
        response = connection.getresponse()
    except OSError:
        connection.close()
        host, port = address
        text = f"error trying to reach service: dial tcp {host}:{port}: connect: connection refused"
        raise _unavailable(text) from None
    content_type = response.headers.get("Content-Type")
    chunks = _drain(connection, response)
    return Answer(response.status, content_type=content_type, chunks=chunks, fair_queue=False)


def _drain(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(65536):
            yield chunk
    finally:
        connection.close()


def service_objects(namespace: str, name: str, port: int, backend: str) -> list[dict[str, Any]]:
    """Return a Service and the Endpoints that lead to ``backend``, an http URL on loopback."""
    url = urllib.parse.urlsplit(backend)
    metadata = {"name": name, "namespace": namespace}
    ports = [{"name": "web", "port": port, "protocol": "TCP", "targetPort": port}]
    address = {"addresses": [{"ip": url.hostname}], "ports": [{"name": "web", "port": url.port, "protocol": "TCP"}]}
    spec = {"type": "ClusterIP", "ports": ports}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": dict(metadata), "spec": spec},
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": dict(metadata), "subsets": [address]},
    ]
