# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab answers as a real API server did: every recording is replayed over HTTPS and compared."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
from golden_world import FINAL, GOLDEN, KUBELETS, Recording, World, clock_of, load, logs, moment_of

from lab.apiserver import rbac
from lab.clock import Clock
from lab.cluster import READER_GROUP, Cluster

# Every recording that is not replayed, and why.
LEFT_OUT = {
    "watch-*": "a watch stream: the lab refuses watch, the collection only gets and lists",
    "table-cronjobs": "Table output, for people at a terminal",
    "table-events": "Table output, for people at a terminal",
    "table-jobs": "Table output, for people at a terminal",
    "table-pods": "Table output, for people at a terminal",
    "table-volumesnapshots": "Table output, for people at a terminal",
    "accept-protobuf-*": "protobuf: no client of the collection asks for it",
    "componentstatuses-warning": "states of the control plane, which nothing here reads",
    "content-*": "a write with a wrong body: the lab refuses all writes before it reads them",
    "long-label-422": "a write that the server would validate",
    "job-create-terminating-namespace-403": "a write that the server would validate",
}

_RECORDINGS = load()
_HEADERS = ("Content-Type", "Cache-Control", "X-Content-Type-Options", "Retry-After", "Vary")
_PROXY_RULE = {
    "verbs": ["get"],
    "apiGroups": [""],
    "resources": ["services/proxy"],
    "resourceNames": ["http:prom:9090"],
}
_BY_NAME_RULE = {
    "verbs": ["get", "list"],
    "apiGroups": [""],
    "resources": ["configmaps"],
    "resourceNames": ["backup-vault-config"],
}
_FUTURE_RULES = [
    {"verbs": ["list"], "apiGroups": ["backup.example.org"], "resources": ["vaultcopies"]},
    {"verbs": ["list"], "apiGroups": ["batch"], "resources": ["crowjobs"]},
    {"verbs": ["list"], "apiGroups": ["snapshot.storage.k8s.io"], "resources": ["volumegroupsnapshots"]},
]


class Lab:
    """A running server, and the state that belongs to a recording."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._world = World(_RECORDINGS)
        trust = ssl.create_default_context(cadata=cluster.pki.ca.decode())
        self._connection = http.client.HTTPSConnection("127.0.0.1", cluster.port, context=trust, timeout=10)

    def prepare(self, recording: Recording) -> None:
        """Put the cluster into the state in which the recording was made."""
        store = self._world.store(moment_of(recording))
        store.compacted = 2000 if "expired" in recording.name else 0
        for body in _rights(recording.name):
            store.add(self._world.registry.of_object(body), body)
        state = self.cluster.state
        state.clock = Clock(shift_s=clock_of(recording, _RECORDINGS) - time.time())
        self.cluster.use(store)

    def replay(self, recording: Recording) -> tuple[http.client.HTTPResponse, bytes]:
        """Send the recorded request."""
        request = recording.request
        target = request["path"] + (f"?{request['query']}" if request["query"] else "")
        body = request["body"]
        raw = body if body is None or isinstance(body, str) else json.dumps(body)
        self._connection.putrequest(request["method"], target, skip_accept_encoding=True)
        for key, value in {**request["headers"], **self._authorization(recording)}.items():
            self._connection.putheader(key, value)
        if raw is not None:
            self._connection.putheader("Content-Length", str(len(raw)))
        self._connection.endheaders(raw.encode() if raw is not None else None)
        response = self._connection.getresponse()
        return response, response.read()

    def _authorization(self, recording: Recording) -> dict[str, str]:
        special = {
            "auth-401-bearer-with-blank": "Bearer not known",
            "auth-403-empty-bearer": "Bearer ",
            "auth-403-basic": "Basic dXNlcjp1c2Vy",
        }
        who = recording.request["as"]
        if who == "anonymous":
            return {}
        if who in self.cluster.tokens:
            return {"Authorization": f"Bearer {self.cluster.tokens[who]}"}
        return {"Authorization": special.get(recording.name, "Bearer unknown")}


def _rights(name: str) -> list[dict[str, Any]]:
    """Return the Roles that user reader had at that time."""
    if name.startswith(("rbac-before", "ssar-denied-reader-before", "ssrr-reader-before")):
        return []
    made = rbac.role_for("backup", "backup-sync-reader", _RECORDINGS["rbac-role-object"].body["rules"], READER_GROUP)
    if name.startswith(("rbac-granted", "ssar-allowed-absent-crd")):
        future = rbac.role_for("backup", "backup-sync-future", _FUTURE_RULES, READER_GROUP)
        future[1]["subjects"] = [{"kind": "User", "name": "reader"}]
        made += future
    if name.startswith("rbac-resourcename"):
        made += rbac.role_for("backup", "by-name", [_BY_NAME_RULE], READER_GROUP)
    if name.startswith("proxy-granted"):
        made += rbac.role_for("monitoring", "proxy", [_PROXY_RULE], READER_GROUP)
    if name == "rbac-role-object":
        return []
    return made


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    cluster = Cluster("golden", registry=World(_RECORDINGS).registry)
    cluster.state.kubelets = dict(KUBELETS)
    cluster.state.logs = dict(logs(_RECORDINGS))
    with cluster:
        yield Lab(cluster)


def _left_out(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in LEFT_OUT)


def _index() -> list[str]:
    return (GOLDEN / "index.txt").read_text(encoding="utf-8").split()


# Some together, so that not each needs a lab of its own.
_REPLAYED = [name for name in _RECORDINGS if name != "http-on-https-port-400"]
_AT_ONCE = 25


@pytest.mark.parametrize("first", range(0, len(_REPLAYED), _AT_ONCE))
def test_recordings(lab: Lab, first: int) -> None:
    wrong = {}
    for name in _REPLAYED[first : first + _AT_ONCE]:
        try:
            _replay(lab, name)
        except AssertionError as difference:
            wrong[name] = str(difference)
    assert wrong == {}


def _replay(lab: Lab, name: str) -> None:
    recording = _RECORDINGS[name]
    lab.prepare(recording)
    response, body = lab.replay(recording)
    assert response.status == recording.response["status"], body[:500]
    _compare_headers(response, recording.response["headers"])
    _compare_body(name, body, recording)


def _compare_headers(response: http.client.HTTPResponse, recorded: dict[str, Any]) -> None:
    assert (response.getheader("Date") is not None) is recorded["Date present"]
    assert (response.getheader("Audit-Id") is not None) is recorded["Audit-Id present"]
    assert (response.headers.get_all("Warning") or []) == recorded["Warning"]
    for key in _HEADERS:
        assert response.getheader(key) == recorded.get(key), key
    queued = response.getheader("X-Kubernetes-Pf-Flowschema-Uid") is not None
    assert queued is recorded.get("X-Kubernetes-Pf-* present", False)


def _compare_body(name: str, body: bytes, recording: Recording) -> None:
    expected = recording.body
    if recording.response.get("body_encoding") == "base64":
        assert body == base64.b64decode(expected)
    elif isinstance(expected, str):
        assert body.decode() == expected
    else:
        assert _comparable(name, json.loads(body)) == _comparable(name, expected)


def _comparable(name: str, body: Any) -> Any:
    """Return what must be equal: addresses, build data, hashes and the time of asking are the machine's own."""
    if "version" in name and "gitVersion" in body:
        return sorted(body)
    if "serverAddressByClientCIDRs" in body:
        return {**body, "serverAddressByClientCIDRs": len(body["serverAddressByClientCIDRs"])}
    if "paths" in body:
        groups = [path for path in body["paths"] if path.startswith("/api") and not path.startswith("/apis/api")]
        return groups
    if body.get("kind") == "APIResourceList":
        return {**body, "resources": [_without(entry, "storageVersionHash") for entry in body["resources"]]}
    if body.get("kind") == "SelfSubjectReview":
        return {**body, "metadata": sorted(body["metadata"])}
    if name.startswith("ssrr-") and "status" in body and isinstance(body["status"], dict):
        return {**body, "status": _without_dead_ends(body["status"])}
    return body


def _without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


def _without_dead_ends(status: dict[str, Any]) -> dict[str, Any]:
    """Drop the rule of the OpenShift fork, and the order of the default rules, which differs between two recordings."""
    rules = [rule for rule in status["nonResourceRules"] if "/.well-known" not in rule["nonResourceURLs"]]
    return {**status, "nonResourceRules": sorted(rules, key=str)}


def test_plain_http_on_the_tls_port(lab: Lab) -> None:
    recorded = _RECORDINGS["http-on-https-port-400"]
    with socket.create_connection(("127.0.0.1", lab.cluster.port), timeout=10) as plain:
        plain.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(plain)
        response.begin()
        assert response.status == recorded.response["status"]
        assert response.read().decode() == recorded.body
        assert response.getheader("Content-Type") is None and response.getheader("Date") is None


def test_every_recording_is_replayed_or_named() -> None:
    index = _index()
    assert set(_RECORDINGS) <= set(index)
    assert [name for name in index if name not in _RECORDINGS and not _left_out(name)] == []
    assert [name for name in _RECORDINGS if _left_out(name)] == []


def test_nothing_is_left_out_in_vain() -> None:
    index = _index()
    assert [pattern for pattern in LEFT_OUT if not any(fnmatch(name, pattern) for name in index)] == []


def test_the_world_is_not_empty() -> None:
    assert len(World(_RECORDINGS).store(FINAL).all("batch", "jobs")) > 15
