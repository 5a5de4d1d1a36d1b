# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Whether the copy jobs of a resource bring its recovery points over in time: pure.

Every point is copied by a job of its own, and both carry times of one AWS Region, so that no clocks are compared. The
time between creation and end of a job includes its queue; only events tell when it left it.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict

from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import (
    OPEN,
    USABLE,
    Job,
    Links,
    RecoveryPoint,
    has_arrived,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copy_verdicts import (
    Scheduled,
    completed_at,
    last_tries,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import ROUNDING_S, judge_lag

VERDICTS = ("overdue", "late", "unknown", "in_flight", "on_time")  # worst first
ERROR_S = 2 * ROUNDING_S  # either time may be cut to the second


class Backup(t.NamedTuple):
    """A source point that should be copied, or the snapshot that a job copied where no point is listed.

    completed: epoch seconds. arrived: the job that brought it over; latest: the newest one for it.
    """

    completed: float
    created: float
    arn: str
    arrived: Job | None
    latest: Job | None


class Outcome(t.NamedTuple):
    """The backup that decides a resource's verdict, and the job that copied it or should."""

    verdict: str
    backup: Backup | None = None
    job: Job | None = None
    lag_s: float | None = None
    why: str | None = None


class Spent(t.NamedTuple):
    """Where the time of a job went, seconds."""

    queue_s: float
    transfer_s: float


def spent(job: Job | None, queued: t.Mapping[str, float]) -> Spent | None:
    """None while the job is open, and where nobody told when it left the queue."""
    queue = None if job is None else queued.get(job.copy_job)
    if job is None or job.completed is None or queue is None:
        return None
    whole = max(job.completed - job.created, 0.0)
    queue = min(max(queue, 0.0), whole)
    return Spent(round(queue, 1), round(whole - queue, 1))


class Backups:
    """The backups to be copied, by resource."""

    def __init__(self, sources: t.Sequence[RecoveryPoint], links: Links, jobs_only: t.Container[str]) -> None:
        self._sources = sources
        self._links = links
        self._jobs_only = jobs_only
        self._scheduled = Scheduled(sources, links.latest)
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, (point, job) in enumerate(zip(sources, links.latest)):
            # the job of a composite is lent by a member; the members' jobs count for themselves
            if point.continuous or (job is not None and job.source_point != point.arn):
                continue
            if job is not None or (point.status in USABLE and not point.is_parent and self._scheduled.copies(point)):
                self._places[point.resource_arn].append(place)

    def resources(self) -> set[str]:
        """ARNs."""
        return set(self._places) | {arn for arn in self._links.unlisted if arn in self._jobs_only}

    def of(self, resource_arn: str) -> list[Backup]:
        """Those of a resource, oldest first."""
        found = []
        for place in self._places.get(resource_arn, ()):
            point = self._sources[place]
            completed = completed_at(point)
            if completed is not None:
                created = completed if point.created is None else point.created
                arrived, latest = self._links.arrived[place], self._links.latest[place]
                found.append(Backup(completed, created, point.arn, arrived, latest))
        if resource_arn in self._jobs_only:
            for job in last_tries(self._links.unlisted.get(resource_arn, ())):
                arrived = job if has_arrived(job) else None
                found.append(Backup(job.created, job.created, job.source_point, arrived, job))
        return sorted(found, key=lambda backup: (backup.completed, backup.arn))


def judge(
    backups: t.Sequence[Backup], *, now: float, window_s: float, queued: t.Mapping[str, float]
) -> Outcome:
    """The verdict of one resource from its backups, oldest first. now: epoch seconds.

    The newest backup decides, unless an older one that nothing newer makes good is overdue, or the last copy was late.
    """
    if not backups:
        return Outcome("unknown")
    last = max((place for place, backup in enumerate(backups) if backup.arrived is not None), default=-1)
    copied = _copied(backups[last], window_s, queued) if last >= 0 else None
    waiting = backups[last + 1 :]
    if waiting:
        age = round(now - waiting[0].completed, 1)
        if age - ERROR_S > window_s:
            return Outcome("overdue", waiting[0], waiting[0].latest, age, _why_overdue(waiting[0], queued))
        if copied is None or copied.verdict != "late":
            job = waiting[-1].latest
            failing = job is not None and job.state not in OPEN
            return Outcome("in_flight", waiting[-1], job, None, "failing" if failing else None)
    return t.cast(Outcome, copied)


def _copied(backup: Backup, window_s: float, queued: t.Mapping[str, float]) -> Outcome:
    job = t.cast(Job, backup.arrived)
    if job.completed is None:
        return Outcome("unknown", backup, job)
    lag = judge_lag(backup.completed, job.completed, window_s, ERROR_S)
    if lag.verdict == "skew":
        return Outcome("unknown", backup, job, lag.lag_s)
    why = _why_late(backup, job, queued) if lag.verdict == "late" else None
    return Outcome(lag.verdict, backup, job, lag.lag_s, why)


def _why_late(backup: Backup, job: Job, queued: t.Mapping[str, float]) -> str | None:
    """What took longest: until its job was created, its queue, or its transfer; None where that cannot be told."""
    waited, whole = job.created - backup.completed, t.cast(float, job.completed) - job.created
    if waited > whole:
        return "not_started"
    parts = spent(job, queued)
    if parts is None:
        return None
    return "queue" if parts.queue_s > parts.transfer_s else "transfer"


def _why_overdue(backup: Backup, queued: t.Mapping[str, float]) -> str:
    job = backup.latest
    if job is None:
        return "not_started"
    if job.state not in OPEN:
        return "failing"
    return "queue" if job.state == "CREATED" else "transfer"
