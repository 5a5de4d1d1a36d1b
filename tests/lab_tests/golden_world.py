# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster in which the recordings were made, put together again from the recordings themselves.

Names changed while they were made (CronJobs ran, Jobs were pruned). Every list and every object carries a
resourceVersion, so the state at the moment of one recording can be told from all the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.apiserver import rbac
from lab.apiserver.kubelets import KubeletFault
from lab.apiserver.logs import LogLines
from lab.apiserver.resources import CUSTOM_TYPES, Registry, ResourceType, custom_type
from lab.apiserver.store import Store
from lab.clock import parse_time

GOLDEN = Path(__file__).resolve().parents[1] / "lab" / "golden"
FINAL = 1_000_000
_NAMESPACE = "backup"
_KUBELET = {"kubeletEndpoint": {"Port": 16999}}
_CONVERTED = "events.k8s.io"
# Objects that vanished between two recordings, where only a filtered list shows it.
_GONE = {
    "backup-sync-orders-29920138": 2100,
    "backup-sync-orders-29920139": 2100,
    "backup-sync-ledger-2-rrgdd": 1821,
}
# From here on one more Job existed, which only the counts of remaining items show.
_UNSEEN_JOB_FROM = 2200


@dataclass
class Recording:
    """One exchange."""

    name: str
    request: dict[str, Any]
    response: dict[str, Any]
    note: str

    @property
    def body(self) -> Any:
        """Return the answer's body: parsed JSON, or text."""
        return self.response["body"]


def load() -> dict[str, Recording]:
    """Return all recordings by name."""
    found = {}
    for path in sorted(GOLDEN.glob("*.json")):
        raw = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = Recording(path.stem, raw["request"], raw["response"], raw["note"])
    return found


def registry() -> Registry:
    """Return the types of that cluster; one deprecated version of a class was added there to get a warning."""
    deprecated = custom_type(
        "snapshot.storage.k8s.io",
        "v1beta1",
        "volumesnapshotclasses",
        "VolumeSnapshotClass",
        namespaced=False,
        short_names=["vsclass", "vsclasses"],
        warning="snapshot.storage.k8s.io/v1beta1 VolumeSnapshotClass is deprecated; "
        "use snapshot.storage.k8s.io/v1 VolumeSnapshotClass",
    )
    installed = tuple(kind for kind in CUSTOM_TYPES if kind.plural != "replicationdestinations")
    return Registry((*installed, deprecated))


@dataclass
class _History:
    """What the recordings know of one object: its versions, and the lists that no longer held it."""

    kind: ResourceType
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    gone: int = FINAL + 1

    def at(self, moment: int) -> dict[str, Any] | None:
        """Return the object as it was at a resource version, or None where it did not exist."""
        if not min(self.versions) <= moment < self.gone:
            return None
        return self.versions[max(version for version in self.versions if version <= moment)]


class World:
    """The history of every object in the recordings."""

    def __init__(self, recordings: dict[str, Recording]) -> None:
        self.registry = registry()
        self._objects: dict[tuple[str, str, str, str], _History] = {}
        lists = [item for item in recordings.values() if _is_list(item) and "items" in item.body]
        for recording in recordings.values():
            for body, moment in _objects_of(recording):
                self._remember(body, moment)
        for recording in lists:
            self._forget(recording)
        for (*_scope, name), history in self._objects.items():
            history.gone = min(history.gone, _GONE.get(name, history.gone))

    def _remember(self, body: dict[str, Any], moment: int) -> None:
        kind = self.registry.of_object(body)
        metadata = body["metadata"]
        key = (kind.group, kind.plural, metadata.get("namespace", ""), metadata["name"])
        history = self._objects.setdefault(key, _History(kind))
        history.versions[int(metadata["resourceVersion"])] = body
        history.seen.add(moment)

    def _forget(self, recording: Recording) -> None:
        """Take from a whole list what is missing in it."""
        query = recording.request["query"]
        if "Selector=" in query and not query.endswith("Selector=") or recording.body["metadata"].get("continue"):
            return
        if "continue=" in query or recording.body["apiVersion"].startswith((_CONVERTED, "meta.k8s.io")):
            return
        moment = int(recording.body["metadata"]["resourceVersion"])
        plural = recording.request["path"].rstrip("/").rsplit("/", 1)[-1]
        names = {item["metadata"]["name"] for item in recording.body["items"]}
        for (_group, known, namespace, name), history in self._objects.items():
            inside = f"/namespaces/{namespace}/" in recording.request["path"]
            if known == plural and inside and name not in names and max(history.seen) < moment:
                history.gone = min(history.gone, moment)

    def store(self, moment: int) -> Store:
        """Return the state at a resource version."""
        store = Store(moment)
        for history in self._objects.values():
            body = history.at(moment)
            if body is not None:
                store.add(history.kind, body)
        unseen = [_unseen_job()] if moment >= _UNSEEN_JOB_FROM else []
        for body in (*_by_hand(), *unseen):
            store.add(self.registry.of_object(body), body)
        return store


def _is_list(recording: Recording) -> bool:
    body = recording.body
    answered = recording.response["status"] == 200 and isinstance(body, dict)
    return answered and "resourceVersion" in body.get("metadata", {})


def _objects_of(recording: Recording) -> Iterator[tuple[dict[str, Any], int]]:
    body = recording.body
    if recording.response["status"] != 200 or not isinstance(body, dict) or "/namespaces" not in _scope(recording):
        return
    version = body.get("apiVersion", "")
    if version.startswith((_CONVERTED, "meta.k8s.io", "apidiscovery")):
        return
    if "items" in body:
        named = {"apiVersion": version, "kind": body["kind"].removesuffix("List")}
        for item in body["items"]:
            yield {**named, **item}, int(body["metadata"]["resourceVersion"])
    elif "metadata" in body:
        yield body, int(body["metadata"]["resourceVersion"])


def _scope(recording: Recording) -> str:
    """Return the path, with the cluster-scoped lists of snapshots counted in; their old version is not."""
    path: str = recording.request["path"]
    return f"/namespaces{path}" if path.startswith("/apis/snapshot.storage.k8s.io/v1/volume") else path


def moment_of(recording: Recording) -> int:
    """Return the resource version at which the recording was made; errors say none and take the last state."""
    body = recording.body
    if not isinstance(body, dict):
        return FINAL
    message = body.get("message", "")
    if "current: " in message:
        return int(message.rsplit(" ", 1)[1])
    return int(body.get("metadata", {}).get("resourceVersion") or FINAL)


def _node(name: str, addresses: list[dict[str, str]]) -> dict[str, Any]:
    status = {"addresses": addresses, "daemonEndpoints": _KUBELET}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


def _pod(name: str, node: str, containers: list[str], init: str = "") -> dict[str, Any]:
    running = {"running": {"startedAt": "2026-11-20T20:55:30Z"}}
    statuses = [{"name": container, "state": running, "lastState": {}} for container in containers]
    spec: dict[str, Any] = {"nodeName": node, "containers": [{"name": container} for container in containers]}
    if init:
        spec["initContainers"] = [{"name": init}]
    metadata = {"name": name, "namespace": _NAMESPACE}
    status = {"phase": "Succeeded", "containerStatuses": statuses}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def _service(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "monitoring"}
    ports = [{"name": "web", "port": 9090}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def _unseen_job() -> dict[str, Any]:
    metadata = {"name": "backup-sync-slow-unseen", "namespace": _NAMESPACE, "labels": {"app": "backup-sync"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}


def _by_hand() -> Iterator[dict[str, Any]]:
    """Yield what no recording shows, but whose effects were recorded: nodes, the pods of the log tests, services."""
    here = [{"type": "InternalIP", "address": "127.0.0.1"}]
    yield _node("lab-node-1", here)
    yield _node("lab-node-down", here)
    yield _node("lab-node-500", here)
    yield _node("lab-node-noaddr", [])
    for name in ("log-two-containers", "log-default-annotation"):
        yield _pod(name, "lab-node-1", ["sync", "metrics"])
    for name in ("log-empty", "log-bytes"):
        yield _pod(name, "lab-node-1", ["sync"])
    yield _pod("log-init", "lab-node-1", ["sync"], "prepare")
    yield _pod("log-node-down", "lab-node-down", ["sync"])
    yield _pod("log-kubelet-500", "lab-node-500", ["sync"])
    yield _pod("log-node-noaddr", "lab-node-noaddr", ["sync"])
    yield _pod("log-node-gone", "lab-node-gone", ["sync"])
    yield _service("prom")
    yield _service("prom-noslice")
    yield {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "prom", "namespace": "monitoring"}}
    yield from rbac.bootstrap_objects()


KUBELETS = {"lab-node-down": KubeletFault(), "lab-node-500": KubeletFault("internal error: runtime is down")}


def logs(recordings: dict[str, Recording]) -> dict[tuple[str, str, str, bool], LogLines]:
    """Return the texts of the stand-in kubelet of that cluster, read back from the recordings."""
    stamped = recordings["log-all-params"].body.splitlines()
    usual = LogLines(tuple(_line(text) for text in stamped))
    killed = LogLines(tuple((0, text.encode()) for text in recordings["log-previous-ok"].body.splitlines()))
    strange = LogLines(((0, b"INFO start"), (0, b"ERROR bad byte \xff\xfe in name"), (0, b"INFO end")))
    texts = {
        ("backup-sync-customers-qg8xp", "sync", False): usual,
        ("log-two-containers", "metrics", False): usual,
        ("log-init", "sync", False): usual,
        ("log-bytes", "sync", False): strange,
        ("backup-sync-audit-pcfgx", "sync", True): killed,
    }
    return {(_NAMESPACE, *key): source for key, source in texts.items()}


def _line(text: str) -> tuple[int, bytes]:
    stamp, _blank, rest = text.partition(" ")
    whole, _dot, fraction = stamp.rstrip("Z").partition(".")
    return int(parse_time(f"{whole}Z")) * 1_000_000_000 + int(fraction), rest.encode()


def clock_of(recording: Recording, recordings: dict[str, Recording]) -> float:
    """Return the time at which a log was read: just so that ``sinceSeconds`` selects what it selected then."""
    lines = [_line(text) for text in recordings["log-all-params"].body.splitlines()]
    if recording.name != "log-sinceseconds":
        return lines[-1][0] / 1e9 + 600
    first = recording.body.splitlines()[0].encode()
    return next(at for at, text in lines if text == first) / 1e9 + 549 - 7
