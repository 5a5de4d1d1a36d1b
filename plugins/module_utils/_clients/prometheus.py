# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The only file that knows how Prometheus is reached: by its own address, or through the API server's service proxy.

Everything that speaks the Prometheus query API is a Prometheus here: Thanos, Mimir, VictoriaMetrics.
"""

from __future__ import annotations

import json
import os
import re
import time
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlencode

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.clock import Clock
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus_options import base_url
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.transport import fault
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed

try:
    import urllib3
    import urllib3.exceptions as http_errors

    HAS_URLLIB3 = True
except ImportError:
    HAS_URLLIB3 = False

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.kubernetes import Cluster

_LONGEST_GET = 2000  # characters of query string; longer questions are posted
_LONGEST_POST = 60_000
_LONGEST_PROXIED = 6000  # the service proxy takes GET alone, and gateways before API servers cut off at 8 KiB
_MOST_BYTES = 8 * 1024 * 1024  # the queries are bounded, so a larger reply is not an answer to them

Params = t.Dict[str, t.Any]
Json = t.Dict[str, t.Any]


class QueryRefused(ReadFailed):
    """Prometheus understood the request and refused the query; `text` is its own sentence."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(
            "error", f"Prometheus refuses the query: {text}", code=code, hint="Check the metric names and matchers."
        )
        self.text = text


@dataclass
class Answer:
    """One instant vector: pairs of labels and value (NaN and infinities included), and the server's warnings."""

    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Prometheus:
    """Bounded, read-only access to one Prometheus."""

    def __init__(self, params: Params, cluster_getter: t.Callable[[], Cluster]) -> None:
        """Choose the way; nothing is sent yet.

        Raises BadParameter, and ReadFailed(not_configured) when no option says where Prometheus is.
        """
        if not HAS_URLLIB3:
            raise ReadFailed(
                "not_configured",
                "The Python library urllib3 is not installed where this step runs.",
                hint="It comes with the kubernetes library: pip install 'kubernetes>=29.0.0,!=37.0.2'",
            )
        self._timeout = float(params.get("timeout") or 20.0)
        self._way: _Direct | _ServiceProxy
        if params.get("prometheus_url"):
            self._way = _Direct(params, self._timeout)
        elif params.get("prometheus_service"):
            self._way = _ServiceProxy(params, cluster_getter)
        else:
            raise ReadFailed(
                "not_configured",
                "Nobody said where Prometheus is.",
                hint="Give prometheus_url, or prometheus_service to go through the API server.",
            )
        self.address = self._way.address
        self.longest_query = self._way.longest_query  # characters, as encoded for a URL
        self.requests = 0

    @property
    def clock(self) -> Clock:
        """What the replies told of the server's clock."""
        return self._way.clock

    def query(self, promql: str, at: float | None = None) -> Answer:
        """Evaluate at one moment (epoch seconds; the server's own now without). Raises ReadFailed, QueryRefused."""
        arguments = {"query": promql, "timeout": f"{self._timeout:g}s"}
        if at is not None:
            arguments["time"] = f"{at:.3f}"
        reply = self._ask("query", arguments)
        return _vector(reply)

    def metadata(self, metric: str) -> Json:
        """{type, help, unit} as the exporter declares the metric; empty when Prometheus knows nothing of it."""
        data = self._ask("metadata", {"metric": metric}).get("data")
        entries = data.get(metric) if isinstance(data, dict) else None
        return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}

    def _ask(self, endpoint: str, arguments: dict[str, str]) -> Json:
        self.requests += 1
        reply = self._way.ask(endpoint, arguments)
        if reply.get("status") != "success":
            raise ReadFailed(
                "error",
                f"{self.address} answered JSON that is not a Prometheus reply.",
                hint="Is the address that of Prometheus, with its path prefix if it has one?",
            )
        return reply


class _Direct:
    """HTTP to Prometheus' own address."""

    longest_query = _LONGEST_POST

    def __init__(self, params: Params, timeout: float) -> None:
        self.address = base_url(str(params["prometheus_url"]))
        self.clock = Clock()
        self._timeout = timeout
        self._headers = _headers(params)
        for option in ("prometheus_ca_cert", "prometheus_client_cert", "prometheus_client_key"):
            if params.get(option) and not os.path.isfile(params[option]):
                raise BadParameter(f"{option}: there is no file {params[option]}; give the path of a PEM file.")
        verified = params.get("prometheus_validate_certs", True)
        try:
            self._pool = urllib3.PoolManager(
                cert_reqs="CERT_REQUIRED" if verified else "CERT_NONE",
                ca_certs=params.get("prometheus_ca_cert") or None,
                cert_file=params.get("prometheus_client_cert") or None,
                key_file=params.get("prometheus_client_key") or None,
                retries=False,
            )
        except (OSError, ValueError) as exc:
            raise BadParameter(f"prometheus_ca_cert, prometheus_client_cert: not usable: {exc}") from exc

    def ask(self, endpoint: str, arguments: dict[str, str]) -> Json:
        """The JSON object that Prometheus answers. Raises ReadFailed."""
        encoded = urlencode(arguments)
        url = f"{self.address}/api/v1/{endpoint}"
        if len(encoded) <= _LONGEST_GET:
            status, headers, body = self._send("GET", f"{url}?{encoded}", None)
        else:
            status, headers, body = self._send("POST", url, encoded)
        document = _json_object(body)
        if status == 200 and document is not None:
            return document
        raise _refusal(self.address, status, headers, body, document)

    def _send(self, method: str, url: str, form: str | None) -> tuple[int, t.Any, bytes]:
        headers = dict(self._headers)
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        timeout = urllib3.Timeout(connect=min(self._timeout, 10.0), read=self._timeout + 2.0)
        try:
            for attempt in (1, 2):
                sent = time.time()
                try:
                    reply = self._pool.request(
                        method, url, body=form, headers=headers, timeout=timeout, redirect=False, preload_content=False
                    )
                    break
                except http_errors.ProtocolError:
                    if attempt == 2:  # a kept connection that the other side has closed is worth one more try
                        raise
            self.clock.add(reply.headers.get("Date"), sent, time.time())
            body = reply.read(_MOST_BYTES + 1, decode_content=True)
            reply.release_conn()
        except (http_errors.HTTPError, OSError) as exc:
            raise _transport_failure(self.address, exc) from exc
        if len(body) > _MOST_BYTES:
            raise ReadFailed("error", f"{self.address} answered more than 8 MiB, far more than was asked for.")
        return reply.status, reply.headers, body


class _ServiceProxy:
    """GET through the API server: `create` on services/proxy, which a POST needs, is more than reading should ask."""

    longest_query = _LONGEST_PROXIED

    def __init__(self, params: Params, cluster_getter: t.Callable[[], Cluster]) -> None:
        service = params["prometheus_service"]
        self._name = f"{service.get('scheme') or 'http'}:{service['name']}:{service.get('port') or '9090'}"
        self._service = str(service["name"])
        self._port = str(service.get("port") or "9090")
        self._namespace = str(service["namespace"])
        self._path = path_of("", "v1", "services", self._namespace, self._name) + "/proxy/api/v1/"
        self._cluster = cluster_getter()
        self.clock = self._cluster.clock
        self.address = f"{self._cluster.host} (service {self._namespace}/{self._name})"

    def ask(self, endpoint: str, arguments: dict[str, str]) -> Json:
        """The JSON object that Prometheus answers. Raises ReadFailed."""
        try:
            return self._cluster.get(self._path + endpoint, dict(arguments))
        except ReadFailed as failure:
            raise self._explained(failure) from failure

    def _explained(self, failure: ReadFailed) -> ReadFailed:
        """The same failure with what it means for a service behind the proxy."""
        text, code = failure.message, failure.code
        refused = _error_text(text)
        if refused and code in (400, 422):
            return QueryRefused(refused, int(code or 0))
        outcome, hint, grant = failure.outcome, failure.hint, failure.grant
        if code == 403 and "services/proxy" in text:
            hint = f"Allow get on services/proxy with exactly the resource name {self._name} in {self._namespace}."
        elif code in (401, 403) and "API server does not accept" not in text:
            grant, hint = None, "The API server passes no credentials on: behind a login give prometheus_url instead."
        elif code == 404 and outcome == "not_found":
            hint = (
                f"Either there is no service {self._service} in {self._namespace}, or it has no endpoints object: "
                "check its name, its selector and that Prometheus runs."
            )
        elif code == 404:
            hint = "The service answers but serves no Prometheus API at this path: is it the right service and port?"
        elif code == 503 and "no service port" in text:
            outcome, hint = "not_found", f"The service has no port {self._port}; give its port number or name."
        elif code == 503 and "no endpoints available" in text:
            outcome, hint = "unreachable", "No Prometheus pod is ready behind the service, or the port name is wrong."
        elif code in (502, 503) or "dial tcp" in text:
            outcome, hint = "unreachable", "The control plane cannot reach the Prometheus pod; check network policies."
        elif "not JSON" in text:
            hint = "No Prometheus answers there, most likely a login page; give prometheus_url instead."
        return ReadFailed(outcome, text.rstrip(".") + ".", code=code, hint=hint, grant=grant)


# ---------------------------------------------------------------------------------------------------- pure pieces


def _headers(params: Params) -> dict[str, str]:
    """Request headers, credentials included; never logged. Raises BadParameter."""
    headers = {"Accept": "application/json"}
    headers.update({str(name): str(value) for name, value in (params.get("prometheus_headers") or {}).items()})
    if params.get("prometheus_tenant"):
        headers["X-Scope-OrgID"] = str(params["prometheus_tenant"])
    if params.get("prometheus_token"):
        headers["Authorization"] = f"Bearer {str(params['prometheus_token']).strip()}"
    elif params.get("prometheus_username"):
        pair = f"{params['prometheus_username']}:{params.get('prometheus_password') or ''}"
        headers.update(urllib3.make_headers(basic_auth=pair))
    if any("\n" in value or "\r" in value for value in headers.values()):
        raise BadParameter("prometheus_headers, prometheus_token: a header cannot hold a line break; remove it.")
    return headers


def _json_object(body: bytes) -> Json | None:
    try:
        value = json.loads(body)
    except (ValueError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _error_text(text: str) -> str | None:
    """Prometheus' own sentence out of a reply that the API server's client quotes as text, perhaps cut short."""
    match = re.search(r'"error":\s*"((?:[^"\\]|\\.)*)', text)
    if not match:
        return None
    try:
        return str(json.loads(f'"{match.group(1)}"'))
    except ValueError:
        return match.group(1)


def _vector(reply: Json) -> Answer:
    """The samples of an instant query. Raises ReadFailed when it is no instant vector."""
    data = reply.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind != "vector":
        raise QueryRefused(f"it gives a {kind} and not an instant vector", 200)
    answer = Answer(warnings=[str(text) for text in reply.get("warnings") or []])
    for row in t.cast(Json, data).get("result") or []:
        value = row.get("value")
        if value:  # a native histogram has no single value
            answer.samples.append((row.get("metric") or {}, float(value[1])))
    return answer


def _refusal(address: str, status: int, headers: t.Any, body: bytes, document: Json | None) -> ReadFailed:
    """What a reply means that is not 200 with JSON."""
    text = (str(document["error"]) if document and document.get("error") else _page_text(body))[:500].rstrip(".")
    said = f": {text}." if text else "."
    if document and document.get("errorType") in ("timeout", "canceled"):
        return ReadFailed(
            "timeout", f"Prometheus gave the query up{said}", code=status, hint="Raise timeout or narrow the matchers."
        )
    if status in (400, 422) and document:
        return QueryRefused(text or "no reason given", status)
    if status == 200 or 300 <= status < 400:
        return _not_prometheus(address, status, headers, body)
    if status in (401, 403):
        return ReadFailed(
            "forbidden",
            f"{address} does not accept the credentials (HTTP {status}){said}",
            code=status,
            hint="Check prometheus_token, or prometheus_username and prometheus_password, and prometheus_tenant.",
        )
    if status == 404:
        return ReadFailed(
            "api_missing",
            f"{address} serves no Prometheus API (HTTP 404).",
            code=404,
            hint="Add the path prefix to prometheus_url (/prometheus for Mimir) or check host and port.",
        )
    if status == 429:
        return ReadFailed("throttled", f"{address} asks to slow down{said}", code=429, hint="Run it later.")
    if status == 504:
        return ReadFailed("timeout", f"{address}: the gateway gave up waiting{said}", code=504, hint="Raise timeout.")
    if status in (502, 503):
        return ReadFailed(
            "unreachable",
            f"{address} is there but Prometheus is not ready (HTTP {status}){said}",
            code=status,
            hint="Is Prometheus still starting, or is nothing behind the gateway?",
        )
    return ReadFailed("error", f"{address} answered HTTP {status}{said}", code=status)


def _not_prometheus(address: str, status: int, headers: t.Any, body: bytes) -> ReadFailed:
    """A redirect, or a page with 200: a login in front of Prometheus, or another program."""
    target = str(headers.get("Location") or "").split("?", maxsplit=1)[0]
    page = body[:20000].decode("utf-8", "replace")
    login = re.search(r"(?i)\blog-?in\b|\bsign[ -]?in\b|oauth|\bsso\b|/auth|password", f"{target} {page}")
    where = f"redirects to {target}" if target else f"answers {headers.get('Content-Type') or 'something'} and not JSON"
    if login:
        return ReadFailed(
            "forbidden",
            f"{address} {where}: a login page stands before Prometheus.",
            code=status,
            hint="Give prometheus_token or other credentials that the login accepts, or prometheus_service.",
        )
    hint = "Give the address it redirects to as prometheus_url." if target else "Is prometheus_url that of Prometheus?"
    return ReadFailed("error", f"{address} {where}.", code=status, hint=hint)


def _page_text(body: bytes) -> str:
    """The readable words of an error page."""
    return " ".join(re.sub(r"<[^>]{0,500}>", " ", body[:4000].decode("utf-8", "replace")).split())[:300]


def _transport_failure(address: str, exc: BaseException) -> ReadFailed:
    """Nothing that HTTP could express came back."""
    found = fault(exc)
    if found.timed_out:
        return ReadFailed(
            "timeout",
            f"{address}: no answer in time: {found.text}.",
            hint="Check the route to Prometheus, or raise timeout.",
        )
    hint = "Check prometheus_url, DNS and the route from here to Prometheus."
    if found.untrusted:
        hint = "The certificate is not trusted here: give prometheus_ca_cert, or check the address."
    return ReadFailed("unreachable", f"{address} cannot be reached: {found.text}.", hint=hint)
