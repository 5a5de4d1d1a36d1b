# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios: one YAML file with the state of both clusters and what is expected of the diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.apiserver import proxy, rbac
from lab.apiserver.faults import parse_fault
from lab.apiserver.http import Audit
from lab.apiserver.kubelets import KubeletFault
from lab.apiserver.pki import Pki
from lab.apiserver.rbac import User
from lab.apiserver.resources import CUSTOM_TYPES, Registry, ResourceType, custom_type
from lab.clock import Clock, Moment, lab_shift, seconds
from lab.cluster import READER_GROUP, Cluster
from lab.stories.bulk import story_bulk
from lab.stories.cronjobs import story_cronjob
from lab.stories.jobs import story_job
from lab.stories.others import story_configmap, story_events, story_replication_sources, story_velero_backups
from lab.stories.pairs import expand_pairs
from lab.stories.side import Side
from lab.stories.snapshots import story_snapshots

SIDES = ("source", "destination")
_STORIES: dict[str, Callable[[Side, Any], None]] = {
    "cronjob": story_cronjob,
    "job": story_job,
    "snapshots": story_snapshots,
    "configmap": story_configmap,
    "events": story_events,
    "velero_backups": story_velero_backups,
    "replication_sources": story_replication_sources,
    "bulk": story_bulk,
}
_SCENARIO_KEYS = {
    "name",
    "title",
    "namespace",
    "now",
    "event_ttl",
    "prometheus",
    "vars",
    "expect",
    "must_not",
    *SIDES,
}
_SIDE_KEYS = {
    "unreachable",
    "clock_ahead_s",
    "absent_apis",
    "deny",
    "grant",
    "faults",
    "kubelets",
    "crds",
    "services",
    "token_expired",
    "stories",
    "objects",
}


@dataclass(frozen=True)
class Scenario:
    """A scenario as written. ``prometheus``, ``vars``, ``expect`` and ``must_not`` are handed on untouched."""

    name: str
    title: str = ""
    namespace: str = "backup"
    now: Any = None
    event_ttl: Any = "1h"
    source: dict[str, Any] = field(default_factory=dict)
    destination: dict[str, Any] = field(default_factory=dict)
    prometheus: Any = None
    vars: dict[str, Any] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    must_not: Any = field(default_factory=dict)

    def side(self, name: str) -> dict[str, Any]:
        """Return the description of one side."""
        return self.source if name == "source" else self.destination


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """The safe loader, in C where it is there: a scenario must be up in a fraction of a second."""


def kind_of(path: Path) -> str:
    """Return the kind of a scenario file: ``cluster`` unless it says ``kind: region``."""
    with path.open(encoding="utf-8") as stream:
        raw = yaml.load(stream, Loader=_Loader)  # noqa: S506
    return str(raw.get("kind", "cluster")) if isinstance(raw, dict) else "cluster"


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; a key that nobody reads is an error, because it is most likely a typing error."""
    with path.open(encoding="utf-8") as stream:
        raw = yaml.load(stream, Loader=_Loader)  # noqa: S506
    raw = expand_pairs(raw)
    _only(raw, _SCENARIO_KEYS, str(path))
    for name in SIDES:
        _only(raw.get(name) or {}, _SIDE_KEYS, f"{path}: {name}")
    known = {key: value for key, value in raw.items() if value is not None}
    return Scenario(**{"name": path.stem, **known})


def _only(raw: dict[str, Any], known: set[str], where: str) -> None:
    unknown = set(raw) - known
    if unknown:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")


_SHIPPED = Path(__file__).resolve().parents[2] / "roles" / "cluster_sync" / "files"
_SHIPPED_NAMESPACE = "backup"  # of the shipped manifests


def reader_rules(side: str, namespace: str, copies: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return the reader's rules as (where, rule): a namespace, or "" for the whole cluster.

    They are those of the shipped manifests and no others, so that each scenario tells whether they suffice. copies: the
    copy jobs run on this side, so that the source needs what the manifest of the destination allows, too.
    """
    names = [side] if side == "destination" or not copies else ["destination", "source"]
    found: list[tuple[str, dict[str, Any]]] = []
    for name in names:
        for body in yaml.safe_load((_SHIPPED / f"rbac_{name}.yml").read_text("utf-8"))["items"]:
            where = body["metadata"].get("namespace", "")
            where = namespace if where == _SHIPPED_NAMESPACE else where
            rules = [(where, _for_namespace(rule, namespace)) for rule in body.get("rules", [])]
            found += [rule for rule in rules if rule not in found]
    return found


def _for_namespace(rule: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**rule, "resourceNames": [namespace]} if rule["resources"] == ["namespaces"] else rule


def _without(rules: list[tuple[str, dict[str, Any]]], denied: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Take denied resources (``pods/log``, ``jobs.batch``) out of the rules."""
    left, struck = [], set()
    for where, rule in rules:
        group = rule["apiGroups"][0]
        names = {resource: f"{resource}.{group}" if group else resource for resource in rule["resources"]}
        struck |= {name for name in names.values() if name in denied}
        kept = [resource for resource, name in names.items() if name not in denied]
        if kept:
            left.append((where, {**rule, "resources": kept}))
    if struck != set(denied):
        raise ValueError(f"deny: {sorted(set(denied) - struck)} are not among the reader's rights (write jobs.batch)")
    return left


def _rights(scenario: Scenario, side: str) -> list[dict[str, Any]]:
    raw, namespace = scenario.side(side), scenario.namespace
    copies = side == (scenario.vars or {}).get("cluster_sync_copy_side", "destination")
    rules = _without(reader_rules(side, namespace, copies), raw.get("deny", []))
    rules += [(namespace, rule) for rule in raw.get("grant", [])]
    made: list[dict[str, Any]] = []
    for where in (namespace, "monitoring"):
        mine = [rule for place, rule in rules if place == where]
        if mine:
            made += rbac.role_for(where, "backup-sync-reader", mine, READER_GROUP)
    wide = [rule for place, rule in rules if not place]
    return made + (rbac.cluster_role_for("backup-sync-reader", wide, READER_GROUP) if wide else [])


def _registry(raw: dict[str, Any]) -> Registry:
    absent = set(raw.get("absent_apis", []))
    kinds: list[ResourceType] = [kind for kind in CUSTOM_TYPES if kind.group not in absent]
    return Registry((*kinds, *(custom_type(**crd) for crd in raw.get("crds", []))))


def _basics(side: Side) -> None:
    """Write what every cluster has: namespaces, two nodes, snapshot classes, and a Secret that nobody should read."""
    old = side.moment.ago("90d")
    for name in sorted({side.namespace, "default", "kube-system", "monitoring"}):
        labels = {"kubernetes.io/metadata.name": name}
        metadata = side.metadata("Namespace", name, old, namespace="", labels=labels)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        side.add({**body, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    for number in (1, 2):
        side.add(_node(side, f"{side.name}-node-{number}", old))
    for name, default in (("csi-gold", "true"), ("csi-dr", "false")):
        notes = {"snapshot.storage.kubernetes.io/is-default-class": default}
        metadata = side.metadata("VolumeSnapshotClass", name, old, namespace="", generation=1, annotations=notes)
        body = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": metadata}
        side.add({**body, "driver": "csi.example.com", "deletionPolicy": "Delete"})
    metadata = side.metadata("Secret", "backup-credentials", old)
    data = {"access-key": "bGFiLW9ubHk="}
    side.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})


def _node(side: Side, name: str, created: float) -> dict[str, Any]:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    }
    metadata = side.metadata("Node", name, created, namespace="")
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status}


def _tell(side: Side, stories: list[dict[str, Any]]) -> None:
    for story in stories:
        if len(story) != 1 or not set(story) <= set(_STORIES):
            raise ValueError(f"a story is one key of {sorted(_STORIES)}, not {sorted(story)}")
        [(kind, content)] = story.items()
        _STORIES[kind](side, content)


def build_side(scenario: Scenario, name: str, now: float) -> Side:
    """Return all objects and logs of one side; ``now`` is the lab's time without any skew."""
    moments = {side: Moment(now + _ahead(scenario, side), _ahead(scenario, side)) for side in SIDES}
    peer = SIDES[1 - SIDES.index(name)]
    side = Side(name, moments[name], moments[peer], scenario.namespace, seconds(scenario.event_ttl))
    raw = scenario.side(name)
    _basics(side)
    _tell(side, raw.get("stories") or [])
    for body in raw.get("objects") or []:
        side.add(_completed(side, side.moment.expand(body)))
    for service in raw.get("services") or []:
        for body in proxy.service_objects(**service):
            side.add(body)
    return side


def _completed(side: Side, body: dict[str, Any]) -> dict[str, Any]:
    """Return a raw object with the metadata that only a server can know."""
    metadata = body["metadata"]
    made = side.metadata(
        body["kind"], metadata["name"], side.moment.ago("1h"), namespace=metadata.get("namespace", side.namespace)
    )
    return {**body, "metadata": {**made, **metadata}}


def _ahead(scenario: Scenario, side: str) -> float:
    return float(scenario.side(side).get("clock_ahead_s", 0))


def build_cluster(scenario: Scenario, name: str, pki: Pki, audit: Audit, now: float | None = None) -> Cluster:
    """Return one side of a scenario as a cluster that can be started."""
    raw = scenario.side(name)
    shift = lab_shift(scenario.now)
    clock = Clock(shift, _ahead(scenario, name))
    registry = _registry(raw)
    unreachable = bool(raw.get("unreachable"))
    cluster = Cluster(name, registry=registry, clock=clock, pki=pki, audit=audit, unreachable=unreachable)
    side = build_side(scenario, name, time.time() + shift if now is None else now)
    store = cluster.state.store
    store.resource_version = next(side.versions)
    served = {kind.group for kind in registry.custom} | registry.builtin_groups
    cluster.add(body for body in side.objects if _group(body) in served)
    cluster.add(_rights(scenario, name))
    for kind, entry in side.entries:
        store.add_entry(kind, entry)
    cluster.state.logs = side.logs
    cluster.state.faults = [parse_fault(fault) for fault in raw.get("faults", [])]
    cluster.state.kubelets = {node: _kubelet(text) for node, text in raw.get("kubelets", {}).items()}
    if raw.get("token_expired"):
        _forget_reader(cluster)
    return cluster


def _group(body: dict[str, Any]) -> str:
    group, slash, _version = body["apiVersion"].partition("/")
    return group if slash else ""


def _kubelet(text: str) -> KubeletFault:
    return KubeletFault("" if text == "down" else text)


def _forget_reader(cluster: Cluster) -> None:
    users: dict[str, User] = cluster.state.users
    users.pop(cluster.tokens["reader"])
