# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the pairing of AWS recovery points means: a verdict for every source point, and per resource what would be lost."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import (
    ARRIVED,
    OPEN,
    USABLE,
    Job,
    Links,
    Pairing,
    RecoveryPoint,
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


def lag_of(point: RecoveryPoint | None, job: Job) -> float | None:
    """Seconds from the completion of the source point to that of its copy; of a job without a listed point, its own."""
    start = job.created if point is None else completed_at(point)
    return None if start is None or job.completed is None else round(job.completed - start, 1)


def lags(sources: t.Sequence[RecoveryPoint], links: Links, jobs_only: t.Container[str]) -> dict[str, list[float]]:
    """By resource ARN the lags of all copies that the jobs tell of. Below zero is no lag but an odd clock: left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for place, job in links.arrived.items():
        lag = lag_of(sources[place], job)
        if lag is not None and lag >= 0:
            found[sources[place].resource_arn].append(lag)
    for resource_arn, jobs in links.unlisted.items():
        if resource_arn in jobs_only:
            mine = [lag_of(None, job) for job in jobs if job.state in ARRIVED]
            found[resource_arn].extend(lag for lag in mine if lag is not None and lag >= 0)
    return {arn: mine for arn, mine in found.items() if mine}


# ----------------------------------------------------------------------------------------------- per point


class CopyLedger:
    """Gives every point its verdict.

    now: epoch seconds. jobs_since: from when on all jobs are known, None where they could not be read.
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
    ) -> None:
        self.sources = sources
        self.destinations = destinations
        self.pairing = pairing
        self.now = now
        self.grace = grace
        self.jobs_since = jobs_since
        self._places = {job.copy_job: place for place, job in pairing.explained.items()}
        self._newest_copied = self._newest()
        self._copying_rules, self._copied_resources = self._copying()

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

        for source, (destination, dummy) in self.pairing.pairs.items():
            if self.destinations[destination].status in USABLE:
                note(self.sources[source].resource_arn, self._time(source, destination))
        for destination in self.pairing.explained:
            point = self.destinations[destination]
            if point.status in USABLE and point.resource_arn in self.pairing.jobs_only:
                note(point.resource_arn, self._job_time(self.pairing.explained[destination], destination))
        return newest

    def _copying(self) -> tuple[set[str], set[str]]:
        """The plan rules whose points are copied, as jobs and pairs show, and the resources that are."""
        rules, resources = set(), set()
        for place in (*self.pairing.pairs, *self.pairing.links.latest):
            point = self.sources[place]
            resources.add(point.resource_arn)
            if point.rule is not None:
                rules.add(point.rule)
        return rules, resources

    def _time(self, source: int, destination: int) -> float | None:
        """Of the data of a pair: the earlier one, as a copy that does not keep the date says a later one."""
        times = (self.sources[source].created, self.destinations[destination].created)
        return min((time for time in times if time is not None), default=None)

    def _job_time(self, job: Job, destination: int | None) -> float:
        """Of the data that a job without a listed source point copied: a snapshot taken shortly before it."""
        created = None if destination is None else self.destinations[destination].created
        return job.created if created is None else min(created, job.created)

    def _source_line(self, place: int, point: RecoveryPoint) -> Line | None:
        job, found = self.pairing.links.latest.get(place), self.pairing.pairs.get(place)
        if found is not None:
            return self._paired(place, found[0], found[1], job)
        if point.continuous and job is None:
            return None  # the jobs of its temporary snapshots tell
        if job is None and point.status not in _EXPECTED:
            return None
        age = self.now - (completed_at(point) or self.now)
        line = Line("", point.resource_arn, source=place, job=job, time=point.created)
        line = line._replace(overdue=age > self.grace.of(point.resource_arn)[0])
        arrived = self.pairing.links.arrived.get(place)
        if place in self.pairing.ambiguous_sources:
            return line._replace(verdict="ambiguous")
        if job is not None and job.state in OPEN:
            return line._replace(verdict="in_progress")
        if arrived is not None or (job is not None and job.state in ARRIVED):
            job = arrived or t.cast(Job, job)
            if self._over(point.created, point.delete_at, job):
                return line._replace(verdict="expired_by_design", job=job)
            return line._replace(verdict=self._missed(line), absent=True)
        if job is not None:
            return line._replace(verdict=self._missed(line))
        return line._replace(verdict=self._without_job(line, point))

    def _paired(self, place: int, destination: int, method: str, job: Job | None) -> Line:
        links, status = self.pairing.links, self.destinations[destination].status
        if status in USABLE:
            verdict, job = "copied", links.arrived.get(place, job)
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
        copied = point.resource_arn in self._copied_resources
        if point.rule is not None and point.rule not in self._copying_rules and copied:
            return "not_expected"  # another rule copies the resource, and this one nothing at all
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
        """Each job stands for the snapshot that it copied."""
        jobs = self.pairing.links.unlisted.get(resource_arn, [])
        for job in jobs:
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
            elif job.state in ARRIVED and self._over(line.time, None, job):
                yield line._replace(verdict="expired_by_design", method=None)
            else:
                yield line._replace(verdict=self._missed(line), method=None, absent=job.state in ARRIVED)
        if self._stalled(resource_arn, jobs):
            source = self._continuous_place(resource_arn)
            yield Line("unknown" if self.jobs_since is None else "never_started", resource_arn, source, overdue=True)

    def _continuous_place(self, resource_arn: str) -> int | None:
        places = (i for i, point in enumerate(self.sources) if point.resource_arn == resource_arn and point.continuous)
        return next(places, None)

    def _stalled(self, resource_arn: str, jobs: t.Sequence[Job]) -> bool:
        """Whether its copies have stopped coming, or never came."""
        grace_s = self.grace.of(resource_arn)[0]
        if not jobs:
            place = self._continuous_place(resource_arn)
            if place is None or place in self.pairing.links.latest:
                return False
            point = self.sources[place]
            return point.status in _EXPECTED and self.now - (completed_at(point) or self.now) > grace_s
        times = [job.created for job in jobs]
        interval = median([later - earlier for earlier, later in zip(times, times[1:])])
        return len(times) > 2 and self.now - times[-1] > max(STALLED * (interval or 0.0), grace_s)

    # --------------------------------------------------------------------------------------------- destination

    def _lone_destinations(self) -> t.Iterator[Line]:
        pairing, oldest = self.pairing, self._oldest()
        taken = {destination for destination, dummy in pairing.pairs.values()}
        aside = taken | pairing.duplicates | pairing.elsewhere
        for place, point in enumerate(self.destinations):
            job = pairing.explained.get(place)
            if place in aside or (job is not None and point.resource_arn in pairing.jobs_only):
                continue
            first = oldest.get(point.resource_arn)
            if point.status not in USABLE:
                verdict = "unusable"
            elif place in pairing.ambiguous_destinations:
                verdict = "ambiguous"
            elif job is not None or (first is not None and point.created is not None and point.created < first):
                verdict = "source_expired"
            else:
                verdict = "orphan"
            method = "linkage" if job is not None else None
            yield Line(verdict, point.resource_arn, None, place, method, job, point.created)

    def _oldest(self) -> dict[str, float]:
        oldest: dict[str, float] = {}
        for point in self.sources:
            if point.created is not None and not point.continuous:
                oldest[point.resource_arn] = min(point.created, oldest.get(point.resource_arn, point.created))
        return oldest


# -------------------------------------------------------------------------------------------- per resource


@dataclass
class Standing:
    """What a disaster now would cost a resource, gathered line by line in any order."""

    resource_arn: str
    backed_up: bool = False  # the source has points or copies of it
    newest: tuple[float, int, str] | None = None  # newest source point: time, badness, verdict
    newest_pair: tuple[float, int, str] | None = None
    best: tuple[float, str] | None = None  # newest usable copy: time, method
    missing: int = 0
    neutral: set[str] = field(default_factory=set)

    def add(self, line: Line) -> None:
        """Take a line of this resource into account."""
        if line.verdict == "not_expected":
            self.backed_up = True
            return
        of_source = line.source is not None or (line.job is not None and line.verdict != "source_expired")
        self.backed_up = self.backed_up or of_source
        neutral = _NEUTRAL.get(line.verdict)
        if neutral and (of_source or line.verdict == "ambiguous"):
            late = line.overdue and line.verdict in ("in_progress", "unknown")
            self.neutral.add("overdue" if late else neutral)
        self.missing += line.verdict in ("failed", "never_started", "gap") or (line.verdict == "unknown" and line.overdue)
        if line.time is None:
            if of_source and self.newest is None:
                self.newest = (float("-inf"), 0, line.verdict)
            return
        key = (line.time, -VERDICTS.index(line.verdict) if line.verdict in VERDICTS else 0, line.verdict)
        if of_source:
            self.newest = max(self.newest or key, key)
            if line.destination is not None:
                self.newest_pair = max(self.newest_pair or key, key)
        if line.verdict in ("copied", "source_expired"):
            good = (line.time, line.method or "")
            self.best = max(self.best or good, good)

    def row(self, now: float, rpo_s: float | None, error_s: float, compared: bool) -> dict[str, t.Any]:
        """Figures and verdict; times are epoch seconds. compared: False where the source's points are not known."""
        best = self.best[0] if self.best else None
        newest = self.newest[0] if self.newest and self.newest[0] != float("-inf") else None
        broken = self.newest_pair is not None and self.newest_pair[2] == "unusable"
        exposure = exposure_of(best, now, error_s)
        verdict = resource_verdict(self.neutral, broken, exposure, rpo_s, error_s)
        if not compared and (rpo_s is None or exposure is None):
            verdict = "unknown"
        ready: bool | None = None
        if self.newest_pair is not None and self.newest_pair[2] in ("copied", "unusable"):
            ready = not broken
        return {
            "newest_source": newest,
            "newest_matched": best,
            "exposure_s": exposure,
            "exposure_error_s": error_s,
            "behind_s": None if best is None or newest is None else round(max(newest - best, 0.0), 1),
            "ready": ready,
            "verdict": verdict,
            "why": self.newest[2] if self.newest else None,
            "method": self.best[1] or None if self.best else None,
            "missing": self.missing,
        }
