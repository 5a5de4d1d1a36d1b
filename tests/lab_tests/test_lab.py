# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running lab: selectors, rights, faults, clocks, size, and the process that serves it."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.apiserver.selectors import parse_labels
from lab.cluster import Cluster
from lab.run import Lab
from lab.scenario import Scenario, load_scenario

_LAB = Path(__file__).resolve().parents[1] / "lab"
_JOBS = "/apis/batch/v1/namespaces/backup/jobs"
_SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/namespaces/backup/volumesnapshots"


class Client:
    """Reads as user reader."""

    def __init__(self, cluster: Cluster, user: str = "reader") -> None:
        trust = ssl.create_default_context(cadata=cluster.pki.ca.decode())
        self._connection = http.client.HTTPSConnection("localhost", cluster.port, context=trust, timeout=20)
        self._headers = {"Authorization": f"Bearer {cluster.tokens[user]}", "Accept": "application/json"}

    def get(self, target: str, method: str = "GET") -> tuple[int, bytes, http.client.HTTPMessage]:
        self._connection.request(method, target, headers=self._headers)
        response = self._connection.getresponse()
        return response.status, response.read(), response.headers

    def names(self, target: str) -> list[str]:
        status, body, _headers = self.get(target)
        assert status == 200, body
        return [item["metadata"]["name"] for item in json.loads(body)["items"]]


@contextmanager
def _running(folder: Path, **destination: Any) -> Iterator[tuple[Lab, Client]]:
    with Lab(Scenario("test", destination=destination), folder) as lab:
        yield lab, Client(lab.clusters["destination"])


_JOB = {"job": {"name": "copy", "ago": "20m", "log": ["one", "two"]}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("app!=x", True),
        ("app notin (x)", True),
        ("!app", True),
        ("app", False),
        ("app in (x)", False),
        ("app=", False),
        ("tier>3", True),
        ("tier<3", False),
        ("tier", True),
    ],
)
def test_selectors_and_absent_labels(selector: str, matches: bool) -> None:
    labels = {"tier": "5"}
    assert all(requirement.matches(labels) for requirement in parse_labels(selector)) is matches


def test_denied_resources_are_refused(tmp_path: Path) -> None:
    with _running(tmp_path, stories=[_JOB], deny=["pods/log", "jobs.batch"]) as (_lab, client):
        [pod] = client.names("/api/v1/namespaces/backup/pods")
        assert client.get(f"/api/v1/namespaces/backup/pods/{pod}/log")[0] == 403
        assert client.get(_JOBS)[0] == 403
        assert client.get("/apis/batch/v1/namespaces/backup/cronjobs")[0] == 200
        assert client.get("/api/v1/namespaces/backup/secrets")[0] == 403


def test_a_denied_right_must_be_one() -> None:
    with pytest.raises(ValueError, match="jobs"), _running(Path("/nonexistent"), deny=["jobs"]):
        raise AssertionError("started")


def test_an_absent_api_is_a_plain_404(tmp_path: Path) -> None:
    stories = [{"snapshots": {"resource": "orders", "every": "1h"}}]
    with _running(tmp_path, stories=stories, absent_apis=["snapshot.storage.k8s.io"]) as (_lab, client):
        assert client.get(_SNAPSHOTS)[:2] == (404, b"404 page not found\n")
        assert b"snapshot.storage.k8s.io" not in client.get("/apis")[1]


def test_writes_and_watches_are_refused(tmp_path: Path) -> None:
    with _running(tmp_path, stories=[_JOB]) as (lab, client):
        admin = Client(lab.clusters["destination"], "admin")
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert client.get(f"{_JOBS}/copy", method)[0] == 403
            assert admin.get(f"{_JOBS}/copy", method)[0] == 405
        assert client.get(f"{_JOBS}?watch=true")[0] == 403
        assert admin.get(f"{_JOBS}?watch=true")[0] == 405
        assert {call["verb"] for call in lab.calls()} == {"create", "update", "patch", "delete", "watch"}


def test_faults_strike_as_often_as_told(tmp_path: Path) -> None:
    faults = [
        {"match": "GET /apis/batch/v1/.*jobs", "status": 429, "times": 2, "retry_after_s": 7},
        {"match": "GET /api/v1/.*events", "status": 503},
    ]
    with _running(tmp_path, stories=[_JOB], faults=faults) as (_lab, client):
        first = client.get(_JOBS)
        assert (first[0], first[2]["Retry-After"]) == (429, "7")
        assert [client.get(_JOBS)[0] for _unused in range(3)] == [429, 200, 200]
        assert client.get("/api/v1/namespaces/backup/events")[0] == 503


@pytest.mark.parametrize("where", ["after_headers", "mid_body"])
def test_cut_connections(tmp_path: Path, where: str) -> None:
    faults = [{"match": f"GET {_JOBS}", "cut": where, "times": 1}]
    with _running(tmp_path, stories=[_JOB], faults=faults) as (lab, client):
        with pytest.raises(http.client.IncompleteRead):
            client.get(_JOBS)
        assert Client(lab.clusters["destination"]).names(_JOBS) == ["copy"]


def test_slow_answers_hold_up_nobody_else(tmp_path: Path) -> None:
    faults = [{"match": f"GET {_JOBS}", "slow_s": 2.0}]
    with _running(tmp_path, stories=[_JOB], faults=faults) as (lab, client):
        began = time.monotonic()
        slow = threading.Thread(target=client.get, args=(_JOBS,))
        slow.start()
        Client(lab.clusters["destination"]).get("/version")
        assert slow.is_alive()
        slow.join()
        assert time.monotonic() - began >= 2.0


def test_expired_continue_token_offers_another(tmp_path: Path) -> None:
    stories = [{"bulk": {"jobs": 10}}]
    faults = [{"match": f"GET {_JOBS}", "expire_continue": True}]
    with _running(tmp_path, stories=stories, faults=faults) as (_lab, client):
        token = json.loads(client.get(f"{_JOBS}?limit=4")[1])["metadata"]["continue"]
        status, body, _headers = client.get(f"{_JOBS}?limit=4&continue={token}")
        assert (status, json.loads(body)["reason"]) == (410, "Expired")
        rest = json.loads(body)["metadata"]["continue"]
        assert len(client.names(f"{_JOBS}?limit=6&continue={rest}")) == 6


def test_clock_skew_shows_in_the_date_header(tmp_path: Path) -> None:
    with _running(tmp_path, stories=[_JOB], clock_ahead_s=300) as (lab, client):
        ahead = parsedate_to_datetime(client.get("/version")[2]["Date"]).timestamp() - time.time()
        assert 298 < ahead < 301
        source = Client(lab.clusters["source"]).get("/version")[2]["Date"]
        assert abs(parsedate_to_datetime(source).timestamp() - time.time()) < 2


def test_unreachable_side_and_expired_token(tmp_path: Path) -> None:
    with _running(tmp_path / "a", unreachable=True) as (_lab, client), pytest.raises(ConnectionRefusedError):
        client.get("/version")
    with _running(tmp_path / "b", token_expired=True) as (_lab, client):
        assert client.get("/version")[0] == 401


def test_kubelet_down_is_a_500_without_reason(tmp_path: Path) -> None:
    kubelets = {"destination-node-1": "down", "destination-node-2": "down"}
    with _running(tmp_path, stories=[_JOB], kubelets=kubelets) as (_lab, client):
        [pod] = client.names("/api/v1/namespaces/backup/pods")
        status, body, _headers = client.get(f"/api/v1/namespaces/backup/pods/{pod}/log?tailLines=5")
        assert status == 500 and "reason" not in json.loads(body)


class _Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path}).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def test_service_proxy_reaches_a_backend(tmp_path: Path) -> None:
    backend = HTTPServer(("127.0.0.1", 0), _Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{backend.server_address[1]}"
    services = [{"namespace": "monitoring", "name": "prometheus", "port": 9090, "backend": url}]
    base = "/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy"
    with _running(tmp_path, services=services) as (_lab, client):
        status, body, _headers = client.get(f"{base}/api/v1/query?query=up%7Ba%3D%22b%22%7D")
        assert (status, json.loads(body)["path"]) == (200, "/api/v1/query?query=up%7Ba%3D%22b%22%7D")
        assert client.get(f"{base}/missing")[0] == 404
        backend.shutdown()
        backend.server_close()
        status, body, _headers = client.get(f"{base}/api/v1/query")
        assert status == 503 and "error trying to reach service" in json.loads(body)["message"]


def test_large_namespace_and_endless_log(tmp_path: Path) -> None:
    bulk = {"jobs": 5000, "pods": 2, "events": 20000, "snapshots": 2000, "log_bytes": 1 << 30, "log_tail": ["the end"]}
    began = time.process_time()
    with _running(tmp_path, stories=[{"bulk": bulk}]) as (_lab, client):
        assert time.process_time() - began < 1.5
        status, body, _headers = client.get(f"{_JOBS}?limit=500")
        page = json.loads(body)
        assert (status, len(page["items"]), page["metadata"]["remainingItemCount"]) == (200, 500, 4500)
        events = json.loads(client.get("/api/v1/namespaces/backup/events?limit=500")[1])
        assert events["metadata"]["remainingItemCount"] == 19500
        pod = client.names("/api/v1/namespaces/backup/pods")[0]
        log = f"/api/v1/namespaces/backup/pods/{pod}/log"
        began = time.process_time()
        assert client.get(f"{log}?tailLines=2")[1].endswith(b"\nthe end\n")
        assert len(client.get(f"{log}?limitBytes=1000000")[1]) == 1_000_000
        assert time.process_time() - began < 1.0


def test_serve_starts_fast_and_ends_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, str(_LAB / "serve.py"), "--scenario", str(_LAB / "scenarios" / "healthy.yaml")]
    process = subprocess.Popen([*command, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        summary = tmp_path / "lab.json"
        end = time.monotonic() + 10
        while not summary.exists() and time.monotonic() < end:
            time.sleep(0.02)
        ready = json.loads(summary.read_text(encoding="utf-8"))
        assert ready["expect"]["status"] == "healthy" and ready["pid"] == process.pid
        assert Path(ready["destination"]["kubeconfig"]).exists()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_two_sides_of_the_healthy_scenario_match(tmp_path: Path) -> None:
    with Lab(load_scenario(_LAB / "scenarios" / "healthy.yaml"), tmp_path) as lab:
        source, destination = (Client(lab.clusters[name]) for name in ("source", "destination"))
        assert source.names(_SNAPSHOTS) == destination.names(_SNAPSHOTS) != []
        assert len(destination.names("/apis/batch/v1/namespaces/backup/cronjobs?labelSelector=app%3Dbackup-sync")) == 4
        assert all(call["user"] == "reader" and call["verb"] == "list" for call in lab.calls())
