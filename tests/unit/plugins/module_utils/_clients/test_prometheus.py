# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Prometheus is reached: against a real one, against fronts before it, and through the lab's API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab import prometheus as lab
from lab.apiserver import proxy
from lab.run import Lab
from lab.scenario import Scenario
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import QueryRefused
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus_options import (
    prometheus_spec,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
)

SERIES = [{"metric": "copies", "labels": {"job_name": "orders"}, "values": [{"from": "-1h", "to": "now", "value": 3}]}]
ERROR = {"status": "error", "errorType": "bad_data", "error": 'invalid parameter "query"'}


def client(**given: Any) -> Any:
    """The Prometheus of these options."""
    defaults = {name: option.get("default") for name, option in prometheus_spec().items()}
    return Clients({**defaults, "timeout": 5.0, **given}).prometheus


def refusal(prometheus: Any, promql: str = "copies") -> ReadFailed:
    """What the question ends with."""
    with pytest.raises(ReadFailed) as failed:
        prometheus.query(promql)
    return failed.value


@contextmanager
def front(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Iterator[tuple[str, list[Any]]]:
    """A server that always gives this reply, and the requests it got."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        """Answers."""

        def log_message(self, *dummy: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Note the request and answer."""
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.command, self.path, dict(self.headers), form.decode()))
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()


VECTOR = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode()


# ------------------------------------------------------------------------------------------------ a real Prometheus


def test_samples_come_with_labels_and_odd_values() -> None:
    with lab.start({"series": SERIES}) as prometheus:
        asked = client(prometheus_url=prometheus.url + "/")
        answer = asked.query("copies")
        assert answer.samples == [({"__name__": "copies", "job_name": "orders"}, 3.0)] and answer.warnings == []
        assert asked.query("copies / 0").samples[0][1] == float("inf")
        assert asked.query("copies * 0 / 0").samples[0][1] != asked.query("copies * 0 / 0").samples[0][1]
        assert asked.query("no_such_metric").samples == []
        assert asked.metadata("copies") == {}
        assert asked.clock.samples == 6 and abs(asked.clock.offset_s) < 2


def test_a_long_question_is_posted_and_answered() -> None:
    with lab.start({"series": SERIES}) as prometheus:
        asked = client(prometheus_url=prometheus.url)
        assert len(asked.query(" or ".join(["copies"] * 500)).samples) == 1
    with front(200, VECTOR) as (url, seen):
        client(prometheus_url=url).query("copies" * 500, 12.5)
    method, path, headers, form = seen[0]
    assert (method, path) == ("POST", "/api/v1/query") and form.endswith("&time=12.500")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_bad_question_comes_back_in_the_servers_words() -> None:
    with lab.start({"series": SERIES}) as prometheus:
        refused = refusal(client(prometheus_url=prometheus.url), "copies[")
        assert isinstance(refused, QueryRefused) and refused.code == 400 and "parse error" in refused.text
        assert "scalar" in refusal(client(prometheus_url=prometheus.url), "1").message
        many = refusal(client(prometheus_url=prometheus.url), "copies + on() group_left copies * on() copies[1m]")
        assert isinstance(many, QueryRefused)


def test_basic_authentication() -> None:
    with lab.start({"series": SERIES, "basic": True}) as prometheus:
        good = {"prometheus_username": prometheus.username, "prometheus_password": prometheus.password}
        assert client(prometheus_url=prometheus.url, **good).query("copies").samples
        for given in ({}, {**good, "prometheus_password": "wrong"}):
            refused = refusal(client(prometheus_url=prometheus.url, **given))
            assert (refused.outcome, refused.code) == ("forbidden", 401)
            assert "prometheus_password" in refused.hint and "wrong" not in refused.message


def test_a_bearer_token() -> None:
    with lab.start({"series": SERIES, "token": "s3cret"}) as prometheus:
        assert client(prometheus_url=prometheus.url, prometheus_token="s3cret\n").query("copies").samples
        assert refusal(client(prometheus_url=prometheus.url)).outcome == "forbidden"


def test_nobody_listens() -> None:
    with lab.start({"down": True}) as prometheus:
        refused = refusal(client(prometheus_url=prometheus.url))
    assert refused.outcome == "unreachable" and "refused" in refused.message and "object at" not in refused.message


@pytest.mark.parametrize("spec", [{"html": True}, {"redirect": True}])
def test_a_login_page(spec: dict[str, Any]) -> None:
    with lab.start(spec) as prometheus:
        refused = refusal(client(prometheus_url=prometheus.url))
    assert refused.outcome == "forbidden" and "login" in refused.message and "prometheus_token" in refused.hint


# ----------------------------------------------------------------------------------------------------- other replies


@pytest.mark.parametrize(
    "status, body, kind, outcome, told",
    [
        (403, b"forbidden by policy", "text/plain", "forbidden", "forbidden by policy"),
        (401, b'{"status":"error","error":"no org id"}', "application/json", "forbidden", "no org id"),
        (404, b"404 page not found", "text/plain", "api_missing", "404"),
        (422, json.dumps({**ERROR, "error": "query is too long"}).encode(), "application/json", "error", "too long"),
        (429, b"slow down", "text/plain", "throttled", "slow down"),
        (503, json.dumps({**ERROR, "errorType": "timeout"}).encode(), "application/json", "timeout", "gave the query"),
        (503, b"Service Unavailable", "text/plain", "unreachable", "not ready"),
        (504, b"<h1>Gateway Time-out</h1>", "text/html", "timeout", "Gateway Time-out"),
        (200, b"<html>Grafana</html>", "text/html", "error", "text/html"),
        (200, b'{"hello": 1}', "application/json", "error", "not a Prometheus reply"),
        (200, b"[]", "application/json", "error", "not JSON"),
        (301, b"", "text/plain", "error", "redirects to https://elsewhere"),
        (500, b"<b>boom</b>", "text/html", "error", "boom"),
    ],
)
def test_every_reply_has_one_outcome(status: int, body: bytes, kind: str, outcome: str, told: str) -> None:
    headers = {"Location": "https://elsewhere/api?x=1"} if status == 301 else {}
    with front(status, body, kind, **headers) as (url, dummy):
        refused = refusal(client(prometheus_url=url))
    assert refused.outcome == outcome and told in refused.message


def test_credentials_tenant_and_headers_are_sent() -> None:
    with front(200, VECTOR) as (url, seen):
        client(prometheus_url=url + "/prometheus/api/v1/", prometheus_tenant="backup", prometheus_token="t0ken",
               prometheus_headers={"X-Key": "k"}).query("up", 12.5)  # fmt: skip
    method, path, headers, dummy = seen[0]
    assert method == "GET" and path.startswith("/prometheus/api/v1/query?query=up&") and "time=12.500" in path
    assert headers["X-Scope-OrgID"] == "backup" and headers["X-Key"] == "k"
    assert headers["Authorization"] == "Bearer t0ken"
    assert "timeout=5s" in path


def test_a_reply_without_end_is_refused() -> None:
    with front(200, b" " * (9 * 1024 * 1024)) as (url, dummy):
        assert "more than 8 MiB" in refusal(client(prometheus_url=url)).message


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with Lab(Scenario("x"), tmp_path / "lab") as running:
        url = running.clusters["source"].url
        refused = refusal(client(prometheus_url=url))
        assert refused.outcome == "unreachable" and "prometheus_ca_cert" in refused.hint
        trusted = refusal(client(prometheus_url=url, prometheus_ca_cert=str(tmp_path / "lab" / "ca.pem")))
        assert trusted.code in (401, 403)
        assert refusal(client(prometheus_url=url, prometheus_validate_certs=False)).code in (401, 403)


@pytest.mark.parametrize(
    "given, told",
    [
        ({"prometheus_url": "ftp://x"}, "prometheus_url"),
        ({"prometheus_url": "http://u:p@x"}, "prometheus_username"),
        ({"prometheus_url": "http://x", "prometheus_client_cert": "/no/such.pem"}, "prometheus_client_cert"),
        ({"prometheus_url": "http://x", "prometheus_headers": {"X": "a\nb"}}, "prometheus_headers"),
    ],
)
def test_unusable_options(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadParameter, match=told):
        client(**given)


def test_nobody_said_where() -> None:
    with pytest.raises(ReadFailed) as failed:
        client()
    assert failed.value.outcome == "not_configured"


# --------------------------------------------------------------------------------------------- through the API server


@pytest.fixture(name="cluster")
def fixture_cluster(tmp_path: Path) -> Iterator[Lab]:
    """A cluster of the lab whose service monitoring/prometheus leads to a real Prometheus.

    One for each test: ansible-test runs every test in a process of its own, which never comes to the end of a module.
    """
    with Lab(Scenario("proxied", prometheus={"series": SERIES}), tmp_path) as running:
        yield running


def proxied(running: Lab, user: str = "", **service: str) -> Any:
    """The client that goes through the lab's API server."""
    given = {"namespace": "monitoring", "name": "prometheus", "port": "9090", "scheme": "http", **service}
    kubeconfig = str(running.folder / f"destination{user}.kubeconfig")
    return client(prometheus_service=given, kubeconfig=kubeconfig)


def test_the_service_proxy_answers_alike_and_only_reads(cluster: Lab) -> None:
    asked = proxied(cluster)
    direct = client(prometheus_url=cluster.metrics.url)  # type: ignore[union-attr]
    assert asked.query("copies").samples == direct.query("copies").samples != []
    assert asked.query(" or ".join(["copies"] * 500)).samples
    assert "service monitoring/http:prometheus:9090" in asked.address
    calls = [call for call in cluster.calls() if "proxy" in json.dumps(call)]
    assert calls and {call.get("verb") for call in calls} == {"get"}


def test_a_question_refused_behind_the_proxy(cluster: Lab) -> None:
    refused = refusal(proxied(cluster), "copies[")
    assert isinstance(refused, QueryRefused) and "parse error" in refused.text


def test_a_missing_right_names_the_grant(cluster: Lab) -> None:
    refused = refusal(proxied(cluster, name="thanos"))
    assert refused.outcome == "forbidden" and refused.code == 403
    rule = {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"], "resourceNames": ["http:thanos:9090"]}
    assert refused.grant == {"kind": "Role", "namespace": "monitoring", "rule": rule}
    assert "http:thanos:9090" in refused.hint


@pytest.mark.parametrize(
    "service, outcome, told",
    [
        ({"name": "nothing"}, "not_found", "endpoints"),
        ({"port": "9999"}, "not_found", "no port 9999"),
        ({"port": "nope"}, "unreachable", "port name"),
    ],
)
def test_services_that_lead_nowhere(cluster: Lab, service: dict[str, str], outcome: str, told: str) -> None:
    refused = refusal(proxied(cluster, "-admin", **service))
    assert refused.outcome == outcome and told in refused.hint


@pytest.mark.parametrize(
    "status, body, kind, outcome, told",
    [
        (200, b"<html>Log in</html>", "text/html", "error", "login page"),
        (404, b"404 page not found", "text/plain", "api_missing", "right service"),
        (403, b"who are you", "text/plain", "forbidden", "no credentials on"),
    ],
)
def test_what_else_answers_behind_the_proxy(
    cluster: Lab, status: int, body: bytes, kind: str, outcome: str, told: str
) -> None:
    with front(status, body, kind) as (url, dummy):
        name = f"odd-{status}"
        cluster.clusters["destination"].add(proxy.service_objects("monitoring", name, 9090, url))
        refused = refusal(proxied(cluster, "-admin", name=name))
    assert refused.outcome == outcome and told in refused.hint and refused.grant is None


def test_a_backend_that_is_down_behind_the_proxy(cluster: Lab) -> None:
    with lab.start({"down": True}) as gone:
        cluster.clusters["destination"].add(proxy.service_objects("monitoring", "down", 9090, str(gone.url)))
        refused = refusal(proxied(cluster, "-admin", name="down"))
    assert refused.outcome == "unreachable" and "control plane" in refused.hint


def test_a_service_name_that_would_change_the_path(cluster: Lab) -> None:
    with pytest.raises(BadParameter):
        proxied(cluster, name="prom/../../secrets")
