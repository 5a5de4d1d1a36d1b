# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 8: which recovery points are in the destination, and which source backups they are copies of."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    DEFAULT_ROWS,
    BadParameter,
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _backups
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    denied_entry,
    namespace_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.copy_lag import (
    DEFAULT_WINDOW_S,
    no_source,
    same_cluster_warning,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.matching import METHODS, Matching, match
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import USABLE, Point, Skew, epoch
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.readiness import (
    POINT_VERDICTS,
    Entry,
    keep_ledger,
    resource_rows,
    stamp,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.timeline import Timeline
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Step, guarded

NAME = "recovery_points"

Params = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """List the destination's points and keep the ledger against the source's; the outcome is that of the list.

    Raises BadParameter.
    """
    asked = _Asked(params)
    namespace = asked.namespace
    query = {
        **asked.destination.as_query(namespace),
        "source": asked.source.as_query(asked.source_namespace),
    }
    try:
        reading = _backups.read_points(clients.cluster, asked.destination, namespace)
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    denied = reading.denied
    sources, skew = _source_points(params, clients, asked, denied)
    now = (epoch(clients.cluster.clock.now()) or 0.0) - skew.skew_s  # all comparing is done on the source's clock
    if not sources:
        entries, rows = _without_source(reading.points, skew)
    else:
        matching = _match(sources, reading.points, asked, skew, clients, denied)
        entries = keep_ledger(sources, reading.points, matching, now=now, skew=skew, window_s=asked.window_s)
        rows = resource_rows(entries, now=now, rpo_s=asked.rpo_s, skew=skew)
    same = bool(params.get("source")) and _backups.same_cluster(clients, namespace, asked.source_namespace)
    most = asked.max_rows
    telling = sorted((entry for entry in entries if entry.verdict != "matched" or entry.suspect), key=_worst_first)
    summary = _summary(entries, rows, sources, reading.points, asked.rpo_s)
    summary.update(skew_s=skew.skew_s, skew_error_s=skew.error_s, same_cluster=same)
    result = evidence(
        NAME,
        outcome="ok" if reading.points else "empty",
        query=query,
        summary=summary,
        rows={
            "resources": (rows[:most], len(rows)),
            "points": ([_point_row(entry, now) for entry in telling[:most]], len(telling)),
            "timeline": (_timeline(entries, rows[:most]), len(rows)),
        },
        covered=None,
        observed_at=rfc3339(clients.cluster.clock.now()),
        clock=clients.cluster.clock.as_evidence(),
        denied=denied,
    )
    return Gathered(result, warnings=[same_cluster_warning()] if same else [])


class _Asked:
    """The parameters, checked before any request. Raises BadParameter."""

    def __init__(self, params: Params) -> None:
        self.destination = _backups.mapping_of(params, "recovery_points")
        self.source = _backups.mapping_of(params, "source_backups")
        self.namespace = namespace_parameter(params)
        self.source_namespace: str = (params.get("source") or {}).get("namespace") or self.namespace
        self.max_rows = rows_parameter(params)
        self.rpo_s = duration_parameter(params, "rpo")
        self.tolerance_s = t.cast(float, duration_parameter(params, "tolerance", least=0, most=86400.0))
        self.look_back_s = t.cast(float, duration_parameter(params, "look_back", least=60))
        self.key_order = tuple(params.get("match_keys") or _backups.DEFAULT_MATCH_KEYS)
        self.rename = _renamer(params.get("name_rewrite"))
        self.has_source = bool(params.get("source"))
        self._expected = duration_parameter(params, "expected_window")
        self._windows = params.get("windows") or {}
        if not all(isinstance(value, (int, float)) for value in self._windows.values()):
            raise BadParameter("windows: give the member windows of the feed of k8s_copy_lag_info unchanged.")
        rows = params.get("source_points")
        self.points = None if rows is None else _backups.points_parameter("source_points", rows)

    def window_s(self, resource: str) -> float:
        """When a copy of the resource is due, seconds after its backup was complete."""
        if self._expected is not None:
            return self._expected
        return float(self._windows.get(resource, DEFAULT_WINDOW_S))


def _renamer(given: dict[str, t.Any] | None) -> t.Callable[[str], str]:
    """From the name of a destination point to the name of its source. Raises BadParameter."""
    if not given:
        return str
    try:
        pattern = re.compile(given["pattern"])
        replacement = given.get("replacement") or ""
        pattern.sub(replacement, "")
    except (re.error, IndexError) as exc:
        raise BadParameter(f"name_rewrite: it is not a usable pattern and replacement: {exc}") from exc

    def rename(name: str) -> str:
        try:
            return pattern.sub(replacement, name)
        except (re.error, IndexError):  # a replacement that names a group which the pattern lacks
            return name

    return rename


# ----------------------------------------------------------------------------------------------- source side


def _source_points(
    params: Params, clients: t.Any, asked: _Asked, denied: list[dict[str, t.Any]]
) -> tuple[list[Point] | None, Skew]:
    """The source's points, None when there are none to be had, and how far the clocks differ."""
    if asked.points is not None:
        return asked.points, _fed_skew(params.get("skew") or {}) or _measured_skew(asked, clients, denied)
    if not params.get("source"):
        denied.append(denied_entry("source backups", no_source()))
        return None, Skew()
    since = (epoch(clients.cluster.clock.now()) or 0.0) - asked.look_back_s
    reading, failure = guarded(
        lambda: _backups.read_points(clients.source, asked.source, asked.source_namespace, since=since)
    )
    if failure is not None:
        denied.append(denied_entry("source backups", failure))
        return None, Skew()
    return reading.points, Skew.between(clients.source.clock.as_evidence(), clients.cluster.clock.as_evidence())


def _fed_skew(fed: Params) -> Skew | None:
    told = all(isinstance(fed.get(name), (int, float)) for name in ("skew_s", "error_s"))
    return Skew(float(fed["skew_s"]), float(fed["error_s"])) if told else None


def _measured_skew(asked: _Asked, clients: t.Any, denied: list[dict[str, t.Any]]) -> Skew:
    """One small request tells the source's clock; without it every comparison is half a minute less certain."""
    if not asked.has_source:
        return Skew()
    dummy, failure = guarded(lambda: clients.source.get("/version"))
    if failure is not None:
        denied.append(denied_entry("clock of the source", failure))
    return Skew.between(clients.source.clock.as_evidence(), clients.cluster.clock.as_evidence())


def _match(
    sources: list[Point],
    destinations: list[Point],
    asked: _Asked,
    skew: Skew,
    clients: t.Any,
    denied: list[dict[str, t.Any]],
) -> Matching:
    """Pair the points; storage handles are read only when something is left that they could pair."""

    def pair() -> Matching:
        return match(
            sources,
            destinations,
            skew=skew,
            tolerance_s=asked.tolerance_s,
            key_order=asked.key_order,
            rename=asked.rename,
        )

    matching = pair()
    if {asked.source.kind, asked.destination.kind} != {"volumesnapshot"}:
        return matching
    taken = {destination for destination, dummy in matching.pairs.values()}
    lone_sources = [
        point for index, point in enumerate(sources) if index not in matching.pairs and point.state in USABLE
    ]
    lone_destinations = [point for index, point in enumerate(destinations) if index not in taken]
    unread = [point for point in lone_sources if point.handle is None]
    if not lone_sources or not lone_destinations or (unread and not asked.has_source):
        return matching
    _add_handles(clients.cluster, "destination", lone_destinations, denied)
    if unread and any(point.handle for point in lone_destinations):
        _add_handles(clients.source, "source", unread, denied)
    return pair()


def _add_handles(cluster: t.Any, side: str, points: list[Point], denied: list[dict[str, t.Any]]) -> None:
    """VolumeSnapshotContents are cluster-scoped: that reading them is refused is usual, and no error."""
    dummy, failure = guarded(lambda: _backups.add_handles(cluster, points))
    if failure is not None:
        denied.append(denied_entry(f"storage handles of the {side}", failure))


# ------------------------------------------------------------------------------------------------- evidence


def _without_source(points: list[Point], skew: Skew) -> tuple[list[Entry], list[dict[str, t.Any]]]:
    """Nothing to compare with: what is broken by itself is said, the rest is unknown and no orphan."""
    entries = [
        Entry(
            point.resource,
            "not_ready" if point.error or point.ready is False else "unknown",
            destination=point,
            time=skew.to_source(point.point_in_time),
        )
        for point in points
    ]
    newest: dict[str, Point] = {}
    for point in _backups.newest_first(points):
        newest.setdefault(point.resource, point)
    rows = [
        {
            "resource": resource,
            "newest_source_at": None,
            "newest_matched_at": None,
            "exposure_s": None,
            "exposure_error_s": None,
            "behind_s": None,
            "ready": point.ready,
            "verdict": "not_ready" if point.ready is False else "unknown",
            "method": None,
            "missing": 0,
        }
        for resource, point in sorted(newest.items())
    ]
    return entries, sorted(rows, key=lambda row: row["verdict"] != "not_ready")


def _timeline(entries: list[Entry], rows: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The list `timeline`, of the same resources as the list `resources`."""
    timeline = Timeline()
    for entry in entries:
        timeline.add(entry.resource, entry.time, entry.verdict)
    return [{"resource": row["resource"], "verdicts": timeline.of(row["resource"], stamp)} for row in rows]


def _summary(
    entries: list[Entry],
    rows: list[dict[str, t.Any]],
    sources: list[Point] | None,
    destinations: list[Point],
    rpo_s: float | None,
) -> dict[str, t.Any]:
    verdicts = Counter(entry.verdict for entry in entries)
    methods = Counter(entry.method for entry in entries)
    exposures = [row["exposure_s"] for row in rows if row["exposure_s"] is not None]
    return {
        "source_points": len(sources or ()),
        "destination_points": len(destinations),
        **{verdict: verdicts[verdict] for verdict in POINT_VERDICTS},
        "resources": len(rows),
        "resources_ready": sum(row["verdict"] == "current" for row in rows),
        "worst_exposure_s": max(exposures, default=None),
        "rpo_s": rpo_s,
        "methods": {method: methods[method] for method in METHODS},
        "compared": bool(sources),
        "skew_suspected": any(entry.suspect for entry in entries) or any(value < 0 for value in exposures),
    }


def _worst_first(entry: Entry) -> tuple[int, float, str, str]:
    point = entry.source or entry.destination
    return (POINT_VERDICTS.index(entry.verdict), -(entry.time or 0.0), entry.resource, point.name if point else "")


def _point_row(entry: Entry, now: float) -> dict[str, t.Any]:
    source, destination = entry.source, entry.destination
    cut = source.point_in_time if source else None
    if cut is None and destination is not None:
        cut = destination.point_in_time
    return {
        "resource": entry.resource,
        "source": source.name if source else None,
        "destination": destination.name if destination else None,
        "verdict": entry.verdict,
        "method": entry.method,
        "point_in_time": rfc3339(cut),
        "available_at": rfc3339(destination.available_at) if destination else None,
        "age_s": None if entry.time is None else round(now - entry.time, 1),
        "ready": destination.ready if destination else None,
        "error": destination.error if destination else None,
        "imported": destination.imported if destination else None,
        "suspect": entry.suspect,
    }


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec={
        **connection_spec(),
        **_backups.pairing_spec(),
        "recovery_points": _backups.backups_spec(),
        "source_points": {"type": "list", "elements": "dict"},
        "skew": {"type": "dict"},
        "windows": {"type": "dict"},
        "rpo": {"type": "str"},
        "tolerance": {"type": "str", "default": "5m"},
        "expected_window": {"type": "str"},
        "name_rewrite": {
            "type": "dict",
            "options": {"pattern": {"type": "str", "required": True}, "replacement": {"type": "str", "default": ""}},
        },
        "max_rows": {"type": "int", "default": DEFAULT_ROWS},
    },
)
