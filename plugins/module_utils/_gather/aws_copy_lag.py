# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 6 of the region runbook: did the copy jobs bring each recovery point over within its window?

Reads the source vault's points; the copy jobs come from step 2 and are read only without it.
"""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict
from datetime import datetime, timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    human,
    median,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import pack_refused, unless_refused
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import jobs_read, read_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_lag import (
    VERDICTS,
    Backups,
    Outcome,
    judge,
    spent,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_points import (
    Points,
    list_points,
    pack_points,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_upstream import (
    UpstreamRow,
    list_backup_jobs,
    read_upstream,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst, rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import (
    Job,
    Links,
    RecoveryPoint,
    in_order,
    jobs_only_resources,
    link,
    resource_names,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copy_verdicts import Grace, lags
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Step

NAME = "copy_lag"
STALE = 2.0  # a resource whose newest point is this many of its own intervals old has stopped being backed up
_PROBLEM_ORDER = ("failed", "aborted", "expired", "missing", "never", "partial")

Params = t.Dict[str, t.Any]
Json = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read the source's points and hold them against the copy jobs. The outcome is that of the points.

    Raises BadParameter.
    """
    asked = _Asked(params)
    try:
        source = clients.aws_source
        query = _aws.connected_sides(params, clients)
    except ReadFailed as failure:
        return Gathered(failed(NAME, _aws.named_sides(params), failure))
    denied: list[Json] = []
    since = source.now() - timedelta(seconds=asked.look_back_s)
    answers = _aws.side_by_side(_reads(params, clients, asked, since, denied))
    points, refused = answers["points"]
    if refused is not None:
        health = {"outcome": refused.outcome}
        told = failed(NAME, query, refused, source_health=health, denied=denied)
        return Gathered(told, {"points": pack_refused(refused)})
    jobs, upstream = asked.jobs, asked.upstream
    if jobs is None:
        found = _aws.side_read(answers["jobs"], "source", "copy jobs", denied)
        jobs = found and found.copies.rows
    if upstream is None:
        upstream = _aws.side_read(answers["upstream"], "source", "backup jobs", denied)
    now = source.now()
    query["window"] = {"start": rfc3339(since), "end": rfc3339(now)}
    judged = _Judged(points, jobs, upstream or (), asked, now.timestamp())
    problems = _problems(points.rows, upstream or (), now.timestamp())
    if jobs is not None and upstream is not None:  # a resource that they tell of was backed up, or was tried to be
        problems += _never(asked.selected, {row.resource_arn for row in (*points.rows, *jobs, *upstream)})
    result = evidence(
        NAME,
        outcome="ok" if points.rows else "empty",
        query=query,
        summary=judged.summary(),
        rows={
            "source_problems": (problems[: asked.max_rows], len(problems)),
            "resources": judged.rows(),
        },
        covered=query["window"],
        observed_at=rfc3339(now),
        clock=source.clock.as_evidence(),
        source_health=_health(points.rows, problems, upstream is not None),
        denied=denied,
    )
    return Gathered(result, {"points": pack_points(points)})


def _reads(
    params: Params, clients: t.Any, asked: _Asked, since: datetime, denied: list[Json]
) -> dict[str, _aws.Read]:
    """What no earlier step has handed over."""
    source = clients.aws_source
    reads: dict[str, _aws.Read] = {"points": lambda: list_points(source, asked.vault, since, clients.progress)}
    if asked.jobs is None:
        reads["jobs"] = jobs_read(params, clients, since, denied)
    if asked.upstream is None:
        reads["upstream"] = unless_refused(
            params.get("upstream_feed"),
            lambda: list_backup_jobs(source, asked.vault, since, clients.progress).open_ends(),
        )
    return reads


class _Asked:
    """The parameters, checked before any request. Raises BadParameter."""

    def __init__(self, params: Params) -> None:
        self.vault, dummy = _aws.vault_names(params)
        self.max_rows = rows_parameter(params)
        self.look_back_s = _aws.look_back_parameter(params)
        self.expected_s = duration_parameter(params, "expected_window")
        self.jobs = read_jobs(params.get("jobs_feed"))
        self.upstream = read_upstream(params.get("upstream_feed"))
        self.selected = params.get("selected") or []
        if not all(isinstance(row, dict) and row.get("resource_arn") for row in self.selected):
            raise BadParameter("selected: give the member selected of the feed of the copy rule step unchanged.")
        self.queued = params.get("queued") or {}
        if not all(isinstance(value, (int, float)) for value in self.queued.values()):
            raise BadParameter("queued: give the member queued of the feed of the log step unchanged.")


# ----------------------------------------------------------------------------------------------------- resources


class _Judged:
    """Every resource's verdict: the worst rows, and figures over all."""

    def __init__(
        self,
        points: Points,
        jobs: t.Sequence[Job] | None,
        upstream: t.Sequence[UpstreamRow],
        asked: _Asked,
        now: float,
    ) -> None:
        self._worst = Worst(asked.max_rows)
        self._verdicts: Counter[str] = Counter()
        self._worst_lag: float | None = None
        self._queued: t.Mapping[str, float] = asked.queued
        links = link(points.rows, in_order(jobs or ()))
        jobs_only = jobs_only_resources(points.rows, links)
        self._lags = lags(points.rows, links, jobs_only)
        self._parts = [part for part in (spent(job, asked.queued) for job in _copied(links)) if part]
        grace = Grace(self._lags, asked.expected_s)
        backups = Backups(points.rows, links, jobs_only)
        names = resource_names(jobs or (), points.rows)
        names = {**resource_names(upstream), **names}
        broken = {row.resource_arn for row in upstream}
        for arn in sorted(backups.resources() | broken, key=lambda arn: (names[arn], arn)):
            mine = backups.of(arn)
            if jobs is None:  # nobody could look at the copy jobs: no verdict about them
                outcome = Outcome("unknown", mine[-1] if mine else None)
            else:
                outcome = judge(mine, now=now, window_s=grace.of(arn)[0], queued=asked.queued)
            if arn in broken and outcome.why is None and outcome.verdict in ("on_time", "unknown"):
                outcome = outcome._replace(why="upstream")
            self._verdicts[outcome.verdict] += 1
            lag = outcome.lag_s
            if lag is not None and (self._worst_lag is None or lag > self._worst_lag):
                self._worst_lag = lag
            self._worst.push(_badness(outcome), (arn, names[arn], outcome, grace.of(arn)))

    def rows(self) -> tuple[list[Json], int]:
        """The worst resources, and how many there are. Only rows that are shown are made: there may be many others."""
        return [self._row(*kept) for kept in self._worst.rows()], self._worst.total

    def _row(self, arn: str, name: tuple[str, str], outcome: Outcome, window_s: tuple[float, str]) -> Json:
        backup, job = outcome.backup, outcome.job
        copied = job is not None and backup is not None and backup.arrived is not None
        parts = spent(job, self._queued)
        return {
            "resource": name[0],
            "resource_arn": arn,
            "type": name[1],
            "source_point": (backup.arn or None) if backup else None,
            "point_in_time": _aws.stamp(backup.created) if backup else None,
            "completed_at": _aws.stamp(backup.completed) if backup else None,
            "copy_job": job.copy_job if job else None,
            "copied_at": _aws.stamp(job.completed) if copied and job else None,
            "lag_s": outcome.lag_s,
            "window_s": window_s[0],
            "window_from": window_s[1],
            "verdict": outcome.verdict,
            "why": outcome.why,
            "queue_s": parts.queue_s if parts else None,
            "transfer_s": parts.transfer_s if parts else None,
        }

    def summary(self) -> Json:
        """Figures over everything."""
        return {
            "resources": self._worst.total,
            **{verdict: self._verdicts[verdict] for verdict in VERDICTS},
            "worst_lag_s": self._worst_lag,
            "median_lag_s": median([lag for mine in self._lags.values() for lag in mine]),
            "median_queue_s": median([part.queue_s for part in self._parts]),
            "median_transfer_s": median([part.transfer_s for part in self._parts]),
            "queue_known": len(self._parts),
        }


def _badness(outcome: Outcome) -> tuple[int, float]:
    """Sorts the worst last; an overdue backup by its time, since a rounded age orders two near ones by chance."""
    longest = outcome.lag_s or 0.0
    if outcome.verdict == "overdue" and outcome.backup is not None:
        longest = -outcome.backup.completed
    return -VERDICTS.index(outcome.verdict), longest


def _copied(links: Links) -> t.Iterator[Job]:
    """The jobs that brought something over."""
    yield from (job for job in links.arrived if job is not None)
    for jobs in links.unlisted.values():
        yield from (job for job in jobs if job.state == "COMPLETED")


# ------------------------------------------------------------------------------------------------ source's health


def _problems(
    points: t.Iterable[RecoveryPoint], upstream: t.Sequence[UpstreamRow], now: float
) -> list[Json]:
    """What is wrong at the source itself, worst first: a backup that does not exist cannot be copied."""
    found = {}
    for row in upstream:
        found[row.resource_arn] = _problem(
            row.resource_arn, row.resource, row.type, row.state.lower(), row.message, row.ended
        )
    by_resource: dict[str, list[RecoveryPoint]] = defaultdict(list)
    for point in points:
        by_resource[point.resource_arn].append(point)
    for arn, mine in by_resource.items():
        text, at = _missing(mine, now)
        if text is not None and arn not in found:
            newest = max(mine, key=lambda point: (point.created or 0.0, point.arn))
            found[arn] = _problem(arn, newest.resource, newest.type, "missing", text, at)
    return sorted(
        found.values(), key=lambda row: (_PROBLEM_ORDER.index(row["state"]), row["resource"], row["resource_arn"])
    )


def _never(selected: t.Iterable[Json], known: t.Container[str]) -> list[Json]:
    """Resources that a plan names and of which nothing is known: neither a point nor a job."""
    return [
        _problem(
            row["resource_arn"],
            str(row.get("resource")),
            str(row.get("type")),
            "never",
            f"The plan {row.get('plan')} has named it since {row.get('since')} and its rule {row.get('rule')} ran at "
            f"{row.get('ran_at')} at the latest, but there is neither a recovery point nor a copy job of it, nor a backup job that failed.",
            None,
        )
        for row in selected
        if row["resource_arn"] not in known
    ]


def _problem(arn: str, name: str, kind: str, state: str, message: str | None, at: float | None) -> Json:
    return {
        "resource": name,
        "resource_arn": arn,
        "type": kind,
        "state": state,
        "message": message,
        "at": _aws.stamp(at),
    }


def _missing(points: list[RecoveryPoint], now: float) -> tuple[str | None, float | None]:
    """Why the resource counts as no longer backed up, and since when; None when it is, or has no rhythm yet."""
    stopped = [point for point in points if point.status == "STOPPED"]
    if len(stopped) == len(points):
        return "its continuous backup was stopped", max(point.created or 0.0 for point in stopped) or None
    times = sorted({point.created for point in points if point.created is not None and not point.continuous})
    if len(times) < 3 or any(point.continuous for point in points):
        return None, None
    interval = median([later - earlier for earlier, later in zip(times, times[1:])])
    age = now - times[-1]
    if not interval or age <= STALE * interval:
        return None, None
    return f"the newest recovery point is {human(age)} old, and they used to come every {human(interval)}", times[-1]


def _health(points: t.Sequence[RecoveryPoint], problems: list[Json], jobs_known: bool) -> Json:
    """source_health. jobs_known: whether the backup jobs could be read."""
    states = Counter(row["state"] for row in problems)
    return {
        "outcome": "ok" if points else "empty",
        "resources": len({point.resource_arn for point in points}),
        "failed": sum(states[state] for state in ("failed", "aborted", "expired", "partial")) if jobs_known else None,
        "missing": states["missing"],
        "never": states["never"],
        "newest_at": _aws.stamp(max((point.created for point in points if point.created is not None), default=None)),
    }


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec={
        **_aws.vault_spec(),
        "look_back": {"type": "str", "default": _aws.LOOK_BACK},
        "expected_window": {"type": "str"},
        "jobs_feed": {"type": "str"},
        "upstream_feed": {"type": "str"},
        "selected": {"type": "list", "elements": "dict"},
        "queued": {"type": "dict"},
        "vaults_feed": {"type": "dict"},
    },
)
