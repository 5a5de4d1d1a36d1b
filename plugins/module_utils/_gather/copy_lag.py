# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 6: did the copy jobs bring each source backup over within its window?

The runs of the copy jobs come from step 1; only the source cluster is read.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    DEFAULT_ROWS,
    BadParameter,
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    human,
    median,
    rfc3339,
    seconds_between,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _backups
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    denied_entry,
    namespace_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._lag import (
    VERDICTS,
    Copies,
    Outcome,
    Run,
    judge,
    run_of,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import (
    USABLE,
    Point,
    Skew,
    epoch,
    known_time,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Step, guarded

NAME = "copy_lag"
DEFAULT_WINDOW_S = 3600.0
LEAST_WINDOW_S = 900.0
STALE = 2.5  # a resource whose newest backup is this many of its own intervals old has stopped being backed up
_READ_JOBS = ("ok", "empty")
_PROBLEM_ORDER = ("failed", "missing", "partial", "not_ready")

Params = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read the source's backups and hold them against the copy runs that step 1 found.

    The outcome is that of the source read. Raises BadParameter.
    """
    mapping = _backups.mapping_of(params, "source_backups")
    expected = duration_parameter(params, "expected_window")
    look_back = t.cast(float, duration_parameter(params, "look_back", least=60))
    jobs, feed = _jobs_parameters(params)
    destination, most = namespace_parameter(params), rows_parameter(params)
    namespace = (params.get("source") or {}).get("namespace") or destination
    query: dict[str, t.Any] = {"source": mapping.as_query(namespace), "namespace": destination}
    if not params.get("source"):
        return Gathered(failed(NAME, query, no_source()))
    try:
        started = datetime.now(timezone.utc).timestamp()
        reading = _backups.read_points(clients.source, mapping, namespace, since=started - look_back)
    except ReadFailed as failure:
        health = {"outcome": failure.outcome}
        return Gathered(failed(NAME, query, failure, summary=_no_figures(), source_health=health))
    now = clients.source.clock.now()
    query["window"] = window(now, look_back)
    denied = reading.denied
    skew = Skew.between(clients.source.clock.as_evidence(), _destination_clock(clients, jobs, denied))
    same = _backups.same_cluster(clients, destination, namespace)
    by_resource: dict[str, list[Point]] = defaultdict(list)
    for point in reading.points:
        by_resource[point.resource].append(point)
    copies = _copies(jobs, feed, set(by_resource), skew)
    rows, windows = _rows(by_resource, copies, epoch(now) or 0.0, expected, skew)
    problems = _problems(by_resource, now)
    summary = _summary(rows, copies, skew, future=_in_future(reading.points, now, skew))
    summary["same_cluster"] = same
    result = evidence(
        NAME,
        outcome="ok" if reading.points else "empty",
        query=query,
        summary=summary,
        rows={
            "source_problems": (problems[:most], len(problems)),
            "resources": ([row for row, dummy in rows[:most]], len(rows)),
        },
        covered={"start": query["window"]["start"], "end": rfc3339(now)} if not reading.cut else None,
        observed_at=rfc3339(now),
        clock=clients.source.clock.as_evidence(),
        source_health=_health(by_resource, problems),
        denied=denied,
    )
    points = _backups.newest_first(reading.points)
    feed_out = {
        "points": [point.as_feed() for point in points],
        "skew": {"skew_s": skew.skew_s, "error_s": skew.error_s},
        "windows": windows,
    }
    return Gathered(result, feed_out, [same_cluster_warning()] if same else [])


def no_source() -> ReadFailed:
    """Without `source` the default kubeconfig would be read, which may well be the wrong cluster."""
    return ReadFailed(
        "not_configured",
        "No source cluster was given, so there is nothing to compare the copies with.",
        hint="Give the connection options of the source cluster in the option source.",
    )


def same_cluster_warning() -> str:
    """What a user who gave one cluster twice needs to know."""
    return (
        "source and destination are the same namespace of the same API server: what is compared is a backup with "
        "itself; give the connection options of the other cluster in the option source "
        "(cluster_sync_source of the role cluster_sync)."
    )


def _jobs_parameters(params: Params) -> tuple[Params, Params]:
    """The evidence and feed of step 1; empty when absent or not answered. Raises BadParameter."""
    jobs, feed = params.get("jobs") or {}, params.get("jobs_feed") or {}
    if jobs and "outcome" not in jobs:
        raise BadParameter("jobs: give the member evidence of the result of k8s_sync_job_info unchanged.")
    if feed and not isinstance(feed.get("runs"), list):
        raise BadParameter("jobs_feed: give the member feed of the result of k8s_sync_job_info unchanged.")
    return (jobs, feed) if jobs.get("outcome") in _READ_JOBS else ({}, {})


def _destination_clock(clients: t.Any, jobs: Params, denied: list[dict[str, t.Any]]) -> dict[str, t.Any] | None:
    """The clock that step 1 measured; one small request where it did not."""
    if jobs.get("clock"):
        return t.cast(t.Dict[str, t.Any], jobs["clock"])
    dummy, failure = guarded(lambda: clients.cluster.get("/version"))
    if failure is not None:
        denied.append(denied_entry("clock of the destination", failure))
    return t.cast(t.Optional[t.Dict[str, t.Any]], clients.cluster.clock.as_evidence())


# ----------------------------------------------------------------------------------------------- copy runs


class _CopyRuns:
    """Which runs serve which resource. mapping: per_resource | pooled | none."""

    def __init__(self, mapping: str, by_resource: dict[str, Copies], read: bool) -> None:
        self.mapping = mapping
        self.by_resource = by_resource
        self.read = read

    def of(self, resource: str) -> Copies:
        """The pool, or the resource's own."""
        return self.by_resource.get("" if self.mapping == "pooled" else resource, Copies(()))

    def all_runs(self) -> list[Run]:
        """Every run, of whatever resource."""
        return [run for copies in self.by_resource.values() for run in copies.runs]


def _copies(jobs: Params, feed: Params, source_resources: set[str], skew: Skew) -> _CopyRuns:
    grouped: dict[str, list[Run]] = defaultdict(list)
    try:
        for row in feed.get("runs") or []:
            run = run_of(row, skew)
            grouped[run.resource].append(run)
        schedules = {str(name): _positive(value) for name, value in (feed.get("schedules") or {}).items()}
    except AttributeError as exc:
        raise BadParameter("jobs_feed: give the member feed of the result of k8s_sync_job_info unchanged.") from exc
    for row in jobs.get("resources") or []:
        _add_remembered_success(grouped, row, skew)
    suspended = {row.get("resource") for row in jobs.get("cronjobs") or [] if row.get("suspended")}
    owners = set(grouped) | set(schedules) | {str(row.get("resource")) for row in jobs.get("resources") or []}
    horizon = (jobs.get("summary") or {}).get("horizon") or {}
    prunable = any(horizon.get(name) is not None for name in ("successful_limit", "failed_limit", "ttl_s"))
    read = bool(jobs)
    if not owners:
        return _CopyRuns("none", {}, read)
    served = _served(owners, source_resources)
    if served:
        mine = {
            name: Copies(tuple(grouped.get(owner, ())), schedules.get(owner), prunable, owner in suspended)
            for name, owner in served.items()
        }
        return _CopyRuns("per_resource", mine, read)
    runs = tuple(run for name in sorted(grouped) for run in grouped[name])
    intervals = [value for value in schedules.values() if value is not None]
    pool = Copies(runs, max(intervals, default=None), prunable, bool(suspended) and suspended >= set(schedules))
    return _CopyRuns("pooled", {"": pool}, read)


def _add_remembered_success(grouped: dict[str, list[Run]], row: Params, skew: Skew) -> None:
    """The CronJob's last success, where the job itself is gone and only its end is known."""
    ended = skew.to_source(known_time(row.get("last_success_at")))
    resource = str(row.get("resource"))
    if ended is not None and not any(run.state == "succeeded" for run in grouped[resource]):
        grouped[resource].append(Run(None, resource, "succeeded", None, None, ended))


def _served(owners: set[str], source_resources: set[str]) -> dict[str, str]:
    """Which copy job resource serves which source resource: equal names, else the only one that starts or ends alike.

    A claim orders-data is copied by the job of orders; taking all runs for all resources would call a resource copied
    because another one was.
    """
    served = {name: name for name in owners & source_resources}
    free = source_resources - owners
    alike = {
        owner: [name for name in free if _begins_or_ends(owner, name)] for owner in owners - source_resources if owner
    }
    claims = [name for names in alike.values() for name in names]
    for owner, names in alike.items():
        if len(names) == 1 and claims.count(names[0]) == 1:
            served[names[0]] = owner
    return served


def _begins_or_ends(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long.startswith(short + "-") or long.endswith("-" + short)


def _positive(value: t.Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    return float(value) if good else None


# ------------------------------------------------------------------------------------------------ resources


def _rows(
    by_resource: dict[str, list[Point]], copies: _CopyRuns, now: float, expected: float | None, skew: Skew
) -> tuple[list[tuple[dict[str, t.Any], Outcome]], dict[str, float]]:
    """The rows of all resources, worst first, and the window of each."""
    error_s = skew.uncertainty()
    rows, windows = [], {}
    for resource, points in by_resource.items():
        mine = copies.of(resource)
        window_s, window_from = _window(expected, mine.interval_s)
        windows[resource] = window_s
        usable = [point for point in points if point.state in USABLE]
        if copies.read:
            outcome = judge(usable, mine, now=now, window_s=window_s, error_s=error_s)
        else:  # nobody could look at the copy jobs: no verdict about them
            outcome = Outcome("unknown", max(usable, key=_completed, default=None))
        rows.append((_row(resource, outcome, mine, window_s, window_from, error_s, skew), outcome))
    rows.sort(key=lambda pair: (VERDICTS.index(pair[0]["verdict"]), -(pair[0]["lag_s"] or 0.0), pair[0]["resource"]))
    return rows, windows


def _completed(point: Point) -> tuple[float, str]:
    return (epoch(point.completed_at) or 0.0, point.name)


def _window(expected: float | None, interval_s: float | None) -> tuple[float, str]:
    """A copy must be there before the next one is due; a very short schedule still gets a quarter of an hour."""
    if expected is not None:
        return expected, "parameter"
    return (DEFAULT_WINDOW_S, "default") if interval_s is None else (max(interval_s, LEAST_WINDOW_S), "schedule")


def _row(
    resource: str, outcome: Outcome, copies: Copies, window_s: float, window_from: str, error_s: float, skew: Skew
) -> dict[str, t.Any]:
    backup, run = outcome.backup, outcome.run
    completed = epoch(backup.completed_at) if backup else None
    return {
        "resource": resource,
        "source_backup": backup.name if backup else None,
        "point_in_time": rfc3339(backup.point_in_time) if backup else None,
        "completed_at": rfc3339(backup.completed_at) if backup else None,
        "copy_job": run.job if run else None,
        "copy_started_at": _written(run.started, skew) if run else None,
        "copied_at": _written(run.ended, skew) if run and run.state == "succeeded" else None,
        "lag_s": outcome.lag_s,
        "lag_error_s": error_s,
        "window_s": window_s,
        "window_from": window_from,
        "verdict": outcome.verdict,
        "why": outcome.why,
        "start_delay_s": run.start_delay_s(completed) if run and completed is not None else None,
        "run_s": run.length_s if run else None,
        "usual_run_s": copies.usual_s,
    }


def _written(time: float | None, skew: Skew) -> str | None:
    """The time as the destination wrote it, which is what a reader finds there."""
    return None if time is None else rfc3339(datetime.fromtimestamp(round(time + skew.skew_s), timezone.utc))


def _summary(
    rows: list[tuple[dict[str, t.Any], Outcome]], copies: _CopyRuns, skew: Skew, *, future: bool
) -> dict[str, t.Any]:
    verdicts = [row["verdict"] for row, dummy in rows]
    lags = [row["lag_s"] for row, dummy in rows if row["lag_s"] is not None]
    good = [run.length_s for run in copies.all_runs() if run.state == "succeeded" and run.length_s is not None]
    latest = [row["run_s"] for row, outcome in rows if row["run_s"] is not None and row["copied_at"]]
    whys = [row["why"] for row, dummy in rows]
    return {
        "resources": len(rows),
        "mapping": copies.mapping,
        **{verdict: verdicts.count(verdict) for verdict in VERDICTS},
        "worst_lag_s": max(lags, default=None),
        "median_lag_s": median(lags),
        "skew_s": skew.skew_s,
        "skew_error_s": skew.error_s,
        "late_start": whys.count("late_start"),
        "long_run": whys.count("long_run"),
        "median_run_s": median(latest),
        "baseline_run_s": median(good),
        "skew_suspected": future or any(outcome.suspect for dummy, outcome in rows),
    }


def _no_figures() -> dict[str, t.Any]:
    return {"resources": 0, "mapping": "none", **{verdict: 0 for verdict in VERDICTS}}


def _in_future(points: list[Point], now: datetime, skew: Skew) -> bool:
    """Whether a source time lies ahead of the source's own server: its writers' clocks disagree."""
    ahead = (epoch(now) or 0.0) + skew.uncertainty(1)
    return any((epoch(point.completed_at) or 0.0) > ahead for point in points)


# ------------------------------------------------------------------------------------------- source's health


def _problems(by_resource: dict[str, list[Point]], now: datetime) -> list[dict[str, t.Any]]:
    """What is wrong at the source itself, per resource, worst first: a broken backup cannot be copied."""
    found = []
    for resource, points in by_resource.items():
        latest = _backups.newest_first(point for point in points if point.state != "in_progress")
        broken = latest[0] if latest and latest[0].state in ("failed", "partial") else None
        if broken is not None:
            found.append(_problem(broken, broken.state, broken.error))
        stuck = _not_ready(points, now)
        if broken is None and stuck is not None:
            found.append(_problem(stuck, "not_ready", "the backup was cut and is not ready to use"))
        text = _missing(points, now)
        if text is not None and stuck is None:  # a backup that hangs is there, and says more than its absence
            newest = max((point for point in points if point.state in USABLE), key=_completed, default=points[0])
            found.append(dict(_problem(newest, "missing", text), resource=resource))
    return sorted(found, key=lambda row: (_PROBLEM_ORDER.index(row["state"]), row["resource"]))


def _problem(point: Point, state: str, message: str | None) -> dict[str, t.Any]:
    at = point.completed_at or point.point_in_time or point.created_at
    return {
        "resource": point.resource,
        "backup": point.name,
        "state": state,
        "message": message,
        "at": rfc3339(at),
    }


def _not_ready(points: list[Point], now: datetime) -> Point | None:
    """The newest backup, cut after the last good one, that has not become ready for longer than any copy window needs."""
    last_good = max((epoch(point.point_in_time) or 0.0 for point in points if point.state in USABLE), default=0.0)
    for point in _backups.newest_first(points):
        age = seconds_between(point.point_in_time, now)
        hangs = point.state == "in_progress" and point.ready is False and age is not None and age > DEFAULT_WINDOW_S
        if hangs and (epoch(point.point_in_time) or 0.0) > last_good:
            return point
    return None


def _missing(points: list[Point], now: datetime) -> str | None:
    """Why the resource counts as no longer backed up; None when it is, or when it is too young to have a rhythm."""
    times = sorted(time for time in (epoch(p.completed_at) for p in points if p.state in USABLE) if time is not None)
    if len(times) < 3:
        return None
    interval = median([later - earlier for earlier, later in zip(times, times[1:])])
    age = (epoch(now) or 0.0) - times[-1]
    if not interval or age <= STALE * interval:
        return None
    return f"the newest completed backup is {human(age)} old, and they used to come every {human(interval)}"


def _health(by_resource: dict[str, list[Point]], problems: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    states = [row["state"] for row in problems]
    everything = [point for points in by_resource.values() for point in points]
    newest = max((p for p in everything if p.state in USABLE and p.completed_at), key=_completed, default=None)
    return {
        "outcome": "ok" if everything else "empty",
        "resources": len(by_resource),
        **{state: states.count(state) for state in ("failed", "partial", "missing")},
        "in_progress": sum(any(p.state == "in_progress" for p in points) for points in by_resource.values()),
        "newest_at": rfc3339(newest.completed_at) if newest else None,
    }


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec={
        **connection_spec(),
        **_backups.pairing_spec(),
        "jobs": {"type": "dict"},
        "jobs_feed": {"type": "dict"},
        "expected_window": {"type": "str"},
        "max_rows": {"type": "int", "default": DEFAULT_ROWS},
    },
)
