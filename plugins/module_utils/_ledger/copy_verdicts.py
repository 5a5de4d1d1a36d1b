# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the pairing of AWS recovery points means: a verdict for every source point, and per resource what would be lost.

Pure. Verdicts are those that a person would give who has both vaults and the list of jobs before them.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import (
    OPEN,
    USABLE,
    Job,
    Links,
    Pairing,
    RecoveryPoint,
    has_arrived,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.readiness import (
    exposure_of,
    resource_verdict,
)

LEAST_GRACE_S = 6 * 3600.0
GRACE_LAGS = 3.0  # a copy that takes this many times as long as usual is not merely slow
DAY_S = 86400.0
STALLED = 2.0  # a resource that only jobs tell of has stopped being copied after this many of its usual intervals

# Worst first.
VERDICTS = (
    "failed",  # its last copy job failed, and nothing newer of the resource was copied
    "never_started",  # no copy job at all, and old enough to have one
    "unusable",  # a copy is there, but EXPIRED, DELETING, STOPPED, PARTIAL or CREATING
    "ambiguous",  # more than one copy could be its own, or more than one source
    "unknown",  # not there, and nobody can say why: the jobs could not be read, or are forgotten by now
    "gap",  # not there, but something newer of the resource is
    "in_progress",
    "pending",  # too young to expect a job
    "orphan",  # at the destination only
    "expired_by_design",  # was copied; the copy has reached the end of its lifecycle
    "copied",
)
# Also yielded, but neither good nor bad: its rule copies nothing; its source has reached the end of its own lifecycle.
ASIDE = ("not_expected", "source_expired")

# Source points in one of these states are expected at the destination.
_EXPECTED = frozenset({"AVAILABLE", "COMPLETED", "PARTIAL"})
# How the engine of both runbooks calls them.
_NEUTRAL = {
    "copied": "matched",
    "unusable": "not_ready",
    "failed": "overdue",
    "never_started": "overdue",
    "gap": "missing",
    "ambiguous": "ambiguous",
    "unknown": "unknown",
    "in_progress": "in_flight",
    "pending": "in_flight",
}


class Line(t.NamedTuple):
    """One line of the ledger.

    source, destination: places in the lists. job: the one that decides. time: of the data, epoch seconds. absent: a job
    says that it was copied, its time is not over, and there is no such point. overdue: it should be there by now.
    lone: the source's side of it is not listed.
    """

    verdict: str
    resource_arn: str
    source: int | None = None
    destination: int | None = None
    method: str | None = None
    job: Job | None = None
    time: float | None = None
    absent: bool = False
    overdue: bool = False
    lone: bool = False


def completed_at(point: RecoveryPoint) -> float | None:
    """When the source point was there to be copied."""
    return point.created if point.completed is None else point.completed


class Grace:
    """How long a copy of a resource may take."""

    def __init__(self, lags: t.Mapping[str, list[float]], expected_s: float | None) -> None:
        """lags: by resource ARN, seconds that its copies took. expected_s: what the user said, which always counts."""
        self._expected = expected_s
        self._pooled = GRACE_LAGS * (median([lag for mine in lags.values() for lag in mine]) or 0.0)
        self._own = {arn: GRACE_LAGS * (median(mine) or 0.0) for arn, mine in lags.items()}

    def of(self, resource_arn: str) -> tuple[float, str]:
        """(seconds, where they are from: parameter | history | default)"""
        if self._expected is not None:
            return self._expected, "parameter"
        usual = self._own.get(resource_arn, self._pooled)
        return (round(usual, 1), "history") if usual > LEAST_GRACE_S else (LEAST_GRACE_S, "default")


class Scheduled:
    """Which rules of backup plans copy, as far as jobs and pairs show: not every rule of a vault has a copy action."""

    def __init__(self, sources: t.Sequence[RecoveryPoint], *signs: t.Sequence[t.Any]) -> None:
        """signs: lists as long as sources, whose entry is None where nothing shows that the point is copied."""
        self._rules: set[str | None] = set()
        self._resources: set[str] = set()
        for sign in signs:
            for point, seen in zip(sources, sign):
                if seen is not None:
                    self._rules.add(point.rule)
                    self._resources.add(point.resource_arn)

    def copies(self, point: RecoveryPoint) -> bool:
        """False where another rule copies the point's resource, and its own rule copies nothing at all."""
        return point.rule is None or point.rule in self._rules or point.resource_arn not in self._resources


def lag_of(point: RecoveryPoint | None, job: Job) -> float | None:
    """Seconds from the completion of the source point to that of its copy; of a job without a listed point, its own."""
    start = job.created if point is None else completed_at(point)
    return None if start is None or job.completed is None else round(job.completed - start, 1)


def lags(sources: t.Sequence[RecoveryPoint], links: Links, jobs_only: t.Container[str]) -> dict[str, list[float]]:
    """By resource ARN the lags of all copies that the jobs tell of. Below zero is no lag but an odd clock: left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for point, job in zip(sources, links.arrived):
        lag = None if job is None else lag_of(point, job)
        if lag is not None and lag >= 0:
            found[point.resource_arn].append(lag)
    for resource_arn, jobs in links.unlisted.items():
        if resource_arn in jobs_only:
            mine = [lag_of(None, job) for job in jobs if has_arrived(job)]
            found[resource_arn].extend(lag for lag in mine if lag is not None and lag >= 0)
    return {arn: mine for arn, mine in found.items() if mine}


# ----------------------------------------------------------------------------------------------- per point


class CopyLedger:
    """Gives every point its verdict.

    now: epoch seconds. jobs_since: from when on all jobs are known, None where they could not be read. compared:
    whether the source's points are known; if not, no destination point can be an orphan.
    """

    def __init__(
        self,
        sources: t.Sequence[RecoveryPoint],
        destinations: t.Sequence[RecoveryPoint],
        pairing: Pairing,
        *,
        now: float,
        grace: Grace,
        jobs_since: float | None,
        compared: bool = True,
    ) -> None:
        self.sources = sources
        self.destinations = destinations
        self.pairing = pairing
        self.now = now
        self.grace = grace
        self.jobs_since = jobs_since
        self.compared = compared
        self._continuous = {
            point.resource_arn: place for place, point in enumerate(sources) if point.continuous
        }
        self._places = {job.copy_job: place for place, job in pairing.explained.items()}
        self._newest_copied = self._newest()
        self._scheduled = Scheduled(sources, pairing.partner, pairing.links.latest)

    def lines(self) -> t.Iterator[Line]:
        """Every line, of the source's points first."""
        for place, point in enumerate(self.sources):
            line = self._source_line(place, point)
            if line is not None:
                yield line
        for resource_arn in sorted(self.pairing.jobs_only):
            yield from self._job_lines(resource_arn)
        yield from self._lone_destinations()

    def _newest(self) -> dict[str, float]:
        """By resource the time of the newest data that has arrived in a usable form."""
        newest: dict[str, float] = {}

        def note(resource_arn: str, time: float | None) -> None:
            if time is not None and time > newest.get(resource_arn, float("-inf")):
                newest[resource_arn] = time

        for source, destination in enumerate(self.pairing.partner):
            if destination is not None and self.destinations[destination].status in USABLE:
                note(self.sources[source].resource_arn, self._time(source, destination))
        for destination in self.pairing.explained:
            point = self.destinations[destination]
            if point.status in USABLE and point.resource_arn in self.pairing.jobs_only:
                note(point.resource_arn, self._job_time(self.pairing.explained[destination], destination))
        return newest

    def _time(self, source: int, destination: int) -> float | None:
        """Of the data of a pair: the earlier one, as a copy that does not keep the date says a later one."""
        times = (self.sources[source].created, self.destinations[destination].created)
        return min((time for time in times if time is not None), default=None)

    def _job_time(self, job: Job, destination: int | None) -> float:
        """Of the data that a job without a listed source point copied: a snapshot taken shortly before it."""
        created = None if destination is None else self.destinations[destination].created
        return job.created if created is None else min(created, job.created)

    def _source_line(self, place: int, point: RecoveryPoint) -> Line | None:
        job, destination = self.pairing.links.latest[place], self.pairing.partner[place]
        if destination is not None:
            return self._paired(place, destination, job)
        if point.continuous and job is None:
            return None  # the jobs of its temporary snapshots tell
        if job is None and point.status not in _EXPECTED:
            return None
        age = self.now - (completed_at(point) or self.now)
        line = Line("", point.resource_arn, source=place, job=job, time=point.created)
        line = line._replace(overdue=age > self.grace.of(point.resource_arn)[0])
        arrived = self.pairing.links.arrived[place]
        if place in self.pairing.ambiguous_sources:
            return line._replace(verdict="ambiguous")
        if job is not None and job.state in OPEN:
            return line._replace(verdict="in_progress")
        if arrived is not None or (job is not None and has_arrived(job)):
            job = arrived or t.cast(Job, job)
            if self._over(point.created, point.delete_at, job):
                return line._replace(verdict="expired_by_design", job=job)
            return line._replace(verdict=self._missed(line), absent=True)
        if job is not None:
            return line._replace(verdict=self._missed(line))
        return line._replace(verdict=self._without_job(line, point))

    def _paired(self, place: int, destination: int, job: Job | None) -> Line:
        method, status = self.pairing.method[place], self.destinations[destination].status
        if status in USABLE:
            verdict, job = "copied", self.pairing.links.arrived[place] or job
        elif status == "CREATING" and job is not None and job.state in OPEN:
            verdict = "in_progress"
        else:
            verdict = "unusable"
        time = self._time(place, destination)
        return Line(verdict, self.sources[place].resource_arn, place, destination, method, job, time)

    def _over(self, created: float | None, delete_at: float | None, job: Job) -> bool:
        """Whether the copy has reached the end of its lifecycle, which runs from the creation of its source."""
        days = job.origin.delete_after_days
        if days is not None and days > 0:
            delete_at = (job.created if created is None else created) + days * DAY_S
        return delete_at is not None and delete_at <= self.now

    def _missed(self, line: Line) -> str:
        newest = self._newest_copied.get(line.resource_arn)
        return "gap" if newest is not None and line.time is not None and newest > line.time else "failed"

    def _without_job(self, line: Line, point: RecoveryPoint) -> str:
        if not self._scheduled.copies(point):
            return "not_expected"
        if not line.overdue:
            return "pending"
        if self.jobs_since is not None and (completed_at(point) or self.now) < self.jobs_since:
            return "unknown"  # its job may be forgotten by now, and its copy gone since
        missed = self._missed(line)
        if missed == "gap":
            return missed
        return "unknown" if self.jobs_since is None else "never_started"

    # ------------------------------------------------------------------------------------ resources of jobs only

    def _job_lines(self, resource_arn: str) -> t.Iterator[Line]:
        """Each job stands for the snapshot that it copied, the last one where it was tried again."""
        jobs = self.pairing.links.unlisted.get(resource_arn, [])
        for job in last_tries(jobs):
            destination = self._places.get(job.copy_job)
            line = Line(
                "", resource_arn, None, destination, "linkage", job, self._job_time(job, destination)
            )
            if job.state in OPEN:
                overdue = self.now - job.created > self.grace.of(resource_arn)[0]
                yield line._replace(verdict="in_progress", overdue=overdue)
            elif destination is not None:
                usable = self.destinations[destination].status in USABLE
                yield line._replace(verdict="copied" if usable else "unusable")
            elif has_arrived(job) and self._over(line.time, None, job):
                yield line._replace(verdict="expired_by_design", method=None)
            else:
                yield line._replace(verdict=self._missed(line), method=None, absent=has_arrived(job))
        if self._stalled(resource_arn, jobs):
            source = self._continuous.get(resource_arn)
            yield Line("unknown" if self.jobs_since is None else "never_started", resource_arn, source, overdue=True)

    def _stalled(self, resource_arn: str, jobs: t.Sequence[Job]) -> bool:
        """Whether its copies have stopped coming, or never came."""
        grace_s = self.grace.of(resource_arn)[0]
        if not jobs:
            place = self._continuous.get(resource_arn)
            if place is None or self.pairing.links.latest[place] is not None:
                return False
            point = self.sources[place]
            return point.status in _EXPECTED and self.now - (completed_at(point) or self.now) > grace_s
        times = [job.created for job in jobs]
        interval = median([later - earlier for earlier, later in zip(times, times[1:])])
        return len(times) > 2 and self.now - times[-1] > max(STALLED * (interval or 0.0), grace_s)

    # --------------------------------------------------------------------------------------------- destination

    def _lone_destinations(self) -> t.Iterator[Line]:
        pairing, oldest = self.pairing, self._oldest()
        aside = {place for place in pairing.partner if place is not None} | pairing.duplicates | pairing.elsewhere
        for place, point in enumerate(self.destinations):
            job = pairing.explained.get(place)
            if place in aside or (job is not None and point.resource_arn in pairing.jobs_only):
                continue
            first, time = oldest.get(point.resource_arn), point.created
            if point.status not in USABLE:
                verdict = "unusable"
            elif place in pairing.ambiguous_destinations:
                verdict = "ambiguous"
            elif job is not None or (first is not None and point.created is not None and point.created < first):
                verdict = "source_expired"
            elif not self._dated(point):
                verdict, time = "unknown", None  # its date says nothing, so it may well be the copy of a listed one
            elif not self.compared or point.resource_arn in pairing.jobs_only:
                verdict = "unknown"
            else:
                verdict = "orphan"
            method = "linkage" if job is not None else None
            yield Line(verdict, point.resource_arn, None, place, method, job, time, lone=True)

    def _dated(self, point: RecoveryPoint) -> bool:
        calibration = self.pairing.calibration.get(point.type)
        return calibration is None or calibration.used

    def _oldest(self) -> dict[str, float]:
        oldest: dict[str, float] = {}
        for point in self.sources:
            if point.created is not None and not point.continuous:
                oldest[point.resource_arn] = min(point.created, oldest.get(point.resource_arn, point.created))
        return oldest


def last_tries(jobs: t.Iterable[Job]) -> list[Job]:
    """Of the jobs for one source point the one that brought it over, else the newest. jobs: in order."""
    last: dict[str, Job] = {}
    for job in jobs:
        snapshot = job.source_point or job.copy_job
        if snapshot not in last or not has_arrived(last[snapshot]):
            last[snapshot] = job
    return list(last.values())


# -------------------------------------------------------------------------------------------- per resource

_Key = t.Tuple[float, int, str]  # time, how good, verdict
_GOODNESS = {verdict: place for place, verdict in enumerate(VERDICTS)}
_NEUTRAL_NAMES = tuple(sorted(set(_NEUTRAL.values())))
_NEUTRAL_BITS = {verdict: 1 << _NEUTRAL_NAMES.index(name) for verdict, name in _NEUTRAL.items()}


class Standing:
    """What a disaster now would cost a resource, gathered line by line in any order; small, as there may be many.

    backed_up: whether the source has points or copies of it. newest, newest_pair: the newest source point, and the
    newest that has a copy; of two of one time the worse. best: time and method of the newest usable copy.
    """

    __slots__ = ("backed_up", "newest", "newest_pair", "best", "missing", "_neutral")

    def __init__(self) -> None:
        self.backed_up = False
        self.newest: _Key | None = None
        self.newest_pair: _Key | None = None
        self.best: tuple[float, str] | None = None
        self.missing = 0
        self._neutral = 0

    def add(self, line: Line) -> None:
        """Take a line of this resource into account."""
        verdict, time = line.verdict, line.time
        self.backed_up = self.backed_up or not line.lone
        if verdict == "not_expected":
            return
        if not line.lone:
            late = line.overdue and verdict in ("in_progress", "unknown")
            self._neutral |= _NEUTRAL_BITS["failed" if late else verdict] if verdict in _NEUTRAL_BITS else 0
            self.missing += verdict in ("failed", "never_started", "gap") or (verdict == "unknown" and late)
            key = (float("-inf") if time is None else time, -_GOODNESS[verdict], verdict)
            self.newest = max(self.newest or key, key)
            if verdict in ("copied", "unusable") and time is not None:
                self.newest_pair = max(self.newest_pair or key, key)
        # an ambiguous or unknown point is a copy of this resource all the same, if not known of what
        usable = verdict == "copied" or (line.lone and verdict in ("source_expired", "ambiguous", "unknown"))
        if usable and time is not None and (self.best is None or time > self.best[0]):
            self.best = (time, line.method or "")

    def row(self, now: float, rpo_s: float | None, error_s: float, compared: bool) -> dict[str, t.Any]:
        """Figures and verdict; times are epoch seconds. compared: False where the source's points are not known."""
        best = self.best[0] if self.best else None
        newest = self.newest[0] if self.newest and self.newest[0] != float("-inf") else None
        broken = self.newest_pair is not None and self.newest_pair[2] == "unusable"
        exposure = exposure_of(best, now, error_s)
        neutral = {name for place, name in enumerate(_NEUTRAL_NAMES) if self._neutral >> place & 1}
        verdict = resource_verdict(neutral, broken, exposure, rpo_s, error_s)
        if not compared and (rpo_s is None or exposure is None):
            verdict = "unknown"
        return {
            "newest_source": newest,
            "newest_matched": best,
            "exposure_s": exposure,
            "exposure_error_s": error_s,
            "behind_s": None if best is None or newest is None else round(max(newest - best, 0.0), 1),
            "ready": None if self.newest_pair is None else not broken,
            "verdict": verdict,
            "why": self.newest[2] if self.newest else None,
            "method": (self.best[1] or None) if self.best else None,
            "missing": self.missing,
        }
