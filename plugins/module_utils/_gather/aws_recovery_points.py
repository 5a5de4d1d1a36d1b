# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 8 of the region runbook: which recovery points are in the destination vault, and which source points they are
copies of.

Reads the destination vault's points; the source's come from step 6 and the copy jobs from step 2.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import unless_refused
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import jobs_read, read_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_points import (
    Points,
    list_points,
    read_points,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst, rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import (
    METHODS,
    SAME_DATE_S,
    Job,
    RecoveryPoint,
    has_arrived,
    pair,
    resource_names,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copy_verdicts import (
    ASIDE,
    VERDICTS,
    CopyLedger,
    Grace,
    Line,
    Standing,
    lag_of,
    lags,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import ROUNDING_S
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.readiness import RESOURCE_VERDICTS
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.timeline import Timeline
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Step

NAME = "recovery_points"
_UNMEASURED_S = 2.0  # error of AWS's time where no reply told it
_QUIET = frozenset({"copied", "expired_by_design", *ASIDE})
_BADNESS = {verdict: -place for place, verdict in enumerate(VERDICTS)}
_ACCOUNT = re.compile(r"\d{12}")

Params = t.Dict[str, t.Any]
Json = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """List the destination's points and keep the ledger against the source's; the outcome is that of the list.

    Raises BadParameter.
    """
    asked = _Asked(params)
    try:
        destination = clients.aws_destination
        query = _aws.connected_sides(params, clients)
    except ReadFailed as failure:
        return Gathered(failed(NAME, _aws.named_sides(params), failure))
    denied: list[Json] = []
    reads, since = _reads(params, clients, asked, denied)
    answers = _aws.side_by_side(reads)
    found, refused = answers["destination"]
    if refused is not None:
        return Gathered(failed(NAME, query, refused, denied=denied))
    points, jobs = asked.points, asked.jobs
    if points is None:
        points = _aws.side_read(answers["source"], "source", "recovery points", denied)
    if jobs is None:
        told = _aws.side_read(answers["jobs"], "source", "copy jobs", denied)
        jobs = told and told.copies.rows + told.copies.parents
    now = destination.now()
    query["look_back"] = {"start": rfc3339(since), "end": rfc3339(now)}
    clock = destination.clock.as_evidence()
    # those handed over were read by the option, those read here as far back as the points
    jobs_from = now.timestamp() - asked.look_back_s if asked.jobs is not None else since.timestamp()
    books = _Books(asked, points, found, jobs, jobs_from, now.timestamp(), (clock or {}).get("error_s", _UNMEASURED_S))
    result = evidence(
        NAME,
        outcome="ok" if found.rows else "empty",
        query=query,
        summary=books.summary(),
        rows={
            "resources": books.resource_rows(),
            "points": books.point_rows(),
            "timeline": books.timeline_rows(),
        },
        covered=query["look_back"],
        observed_at=rfc3339(now),
        clock=clock,
        denied=denied,
    )
    return Gathered(result)


class _Asked:
    """The parameters, checked before any request. Raises BadParameter."""

    def __init__(self, params: Params) -> None:
        self.source_vault, self.destination_vault = _aws.vault_names(params)
        self.max_rows = rows_parameter(params)
        self.look_back_s = _aws.look_back_parameter(params)
        self.rpo_s = duration_parameter(params, "rpo")
        self.expected_s = duration_parameter(params, "expected_window")
        self.owner = params.get("destination_vault_account_id") or None
        if self.owner and not _ACCOUNT.fullmatch(str(self.owner)):
            raise BadParameter(
                f"destination_vault_account_id: {self.owner!r} is no id of an AWS account; it has twelve digits."
            )
        self.points = read_points(params.get("points_feed"))
        self.jobs = read_jobs(params.get("jobs_feed"))
        parents = read_jobs(params.get("parents_feed"), "parents_feed")
        if self.jobs is not None:
            self.jobs += parents or []
        feed = params.get("vaults_feed") or {}
        self.source_arn: str | None = feed.get("source_arn")
        self.destination_arn: str | None = feed.get("destination_arn")


def _reads(
    params: Params, clients: t.Any, asked: _Asked, denied: list[Json]
) -> tuple[dict[str, _aws.Read], datetime]:
    """What is to be read, and from when on: as far back as the source's points go."""
    destination = clients.aws_destination
    if asked.points is not None:
        since = datetime.fromtimestamp(asked.points.since, timezone.utc)
    else:
        since = destination.now() - timedelta(seconds=asked.look_back_s)
    # the date of a copy may be rounded to before that of its source
    earlier = since - timedelta(seconds=SAME_DATE_S)
    reads: dict[str, _aws.Read] = {
        "destination": lambda: list_points(
            destination, asked.destination_vault, earlier, clients.progress, owner=asked.owner
        )
    }
    if asked.points is None or asked.jobs is None:
        source = clients.aws_source
        if asked.points is None:
            reads["source"] = unless_refused(
                params.get("points_feed"), lambda: list_points(source, asked.source_vault, since, clients.progress)
            )
        if asked.jobs is None:
            reads["jobs"] = jobs_read(params, clients, since, denied)
    return reads, since


# ------------------------------------------------------------------------------------------------------ the books


class _Books:
    """The ledger in figures, the worst resources and the telling points."""

    def __init__(
        self,
        asked: _Asked,
        points: Points | None,
        found: Points,
        jobs: t.Sequence[Job] | None,
        jobs_from: float,
        now: float,
        clock_error_s: float,
    ) -> None:
        self._points = Worst(asked.max_rows)
        self._resources = Worst(asked.max_rows)
        self._timeline = Timeline()
        self._rpo_s, self._now = asked.rpo_s, now
        self._error_s = round(clock_error_s + ROUNDING_S, 1)
        self._compared = points is not None
        self._sources: t.Sequence[RecoveryPoint] = points.rows if points is not None else ()
        self._destinations = found.rows
        self._verdicts: Counter[str] = Counter()
        self._methods: Counter[str | None] = Counter()
        self._ready = self._absent = 0
        self._worst_exposure: float | None = None
        source_vault = (points.vault if points is not None else None) or asked.source_arn
        self._pairing = pair(
            self._sources,
            found.rows,
            jobs or (),
            source_vault=source_vault,
            destination_vault=found.vault or asked.destination_arn,
        )
        ledger = CopyLedger(
            self._sources,
            found.rows,
            self._pairing,
            now=now,
            grace=Grace(lags(self._sources, self._pairing.links, self._pairing.jobs_only), asked.expected_s),
            jobs_since=None if jobs is None else max(jobs_from, now - _aws.KEPT_S),  # AWS forgets them
            compared=self._compared,
        )
        unlisted = [job for mine in self._pairing.links.unlisted.values() for job in mine]
        self._names = resource_names(unlisted, found.rows, self._sources)
        for arn, standing in self._standings(ledger).items():
            if standing.backed_up or not self._compared:
                self._add_resource(arn, standing)

    def _standings(self, ledger: CopyLedger) -> dict[str, Standing]:
        """Every line once: counted, shown where it tells something, and added to its resource's standing."""
        standings: dict[str, Standing] = defaultdict(Standing)
        for line in ledger.lines():
            self._verdicts[line.verdict] += 1
            if line.verdict in ("copied", "in_progress", "unusable") and line.destination is not None:
                self._methods[line.method] += 1
            self._absent += line.absent
            standings[line.resource_arn].add(line)
            if line.verdict != "not_expected":
                self._timeline.add(line.resource_arn, line.time, line.verdict)
            if line.verdict not in _QUIET:
                self._points.push((_BADNESS[line.verdict], line.time or 0.0, self._arns(line)), line)
        return standings

    def _arns(self, line: Line) -> tuple[str, str]:
        """The points of either side, "" where there is none; of a snapshot that is gone what its job called it."""
        source = line.job.source_point if line.job else ""
        if line.source is not None:
            source = self._sources[line.source].arn
        return source, "" if line.destination is None else self._destinations[line.destination].arn

    def point_rows(self) -> tuple[list[Json], int]:
        """The worst of the telling points, and how many there are. Only rows that are shown are made."""
        return [self._point_row(line) for line in self._points.rows()], self._points.total

    def _point_row(self, line: Line) -> Json:
        source = None if line.source is None else self._sources[line.source]
        destination = None if line.destination is None else self._destinations[line.destination]
        name, kind = self._names[line.resource_arn]
        arns, job = self._arns(line), line.job
        arrived = job is not None and has_arrived(job)
        return {
            "resource": name,
            "resource_arn": line.resource_arn,
            "type": kind,
            "source": arns[0] or None,
            "destination": arns[1] or None,
            "verdict": line.verdict,
            "method": line.method,
            "point_in_time": _aws.stamp(line.time),
            "copied_at": _aws.stamp(job.completed) if arrived and job else None,
            "lag_s": lag_of(source, job) if arrived and job and (source or not line.lone) else None,
            "copy_job": job.copy_job if job else None,
            "message": self._message(line, destination),
            "status": destination.status if destination else None,
        }

    def _message(self, line: Line, destination: RecoveryPoint | None) -> str | None:
        """What AWS says of it, else what is odd about it."""
        said = (destination.message if destination else None) or (line.job.message if line.job else None)
        if line.absent:
            return "The copy job ended well, but its recovery point is not in the destination vault." + (
                f" It said: {said}" if said else ""
            )
        return said

    def _add_resource(self, arn: str, standing: Standing) -> None:
        found = standing.row(self._now, self._rpo_s, self._error_s, self._compared)
        self._ready += found["verdict"] == "current"
        exposure = found["exposure_s"]
        if exposure is not None and (self._worst_exposure is None or exposure > self._worst_exposure):
            self._worst_exposure = exposure
        badness = -RESOURCE_VERDICTS.index(found["verdict"])
        # by the copy's own time, not by its age: a rounded age orders two near ones differently from second to second
        age = float("-inf") if found["newest_matched"] is None else -found["newest_matched"]
        # of those without any usable copy the one whose source is newest comes first: it is surely still in use
        self._resources.push((badness, age, found["newest_source"] or 0.0, arn), (arn, found))

    def resource_rows(self) -> tuple[list[Json], int]:
        """The worst resources, and how many there are. Only rows that are shown are made."""
        return [self._resource_row(*kept) for kept in self._resources.rows()], self._resources.total

    def _resource_row(self, arn: str, found: Json) -> Json:
        name, kind = self._names[arn]
        figures = {key: value for key, value in found.items() if not key.startswith("newest_")}
        return {
            "resource": name,
            "resource_arn": arn,
            "type": kind,
            "newest_source_at": _aws.stamp(found["newest_source"]),
            "newest_matched_at": _aws.stamp(found["newest_matched"]),
            **figures,
        }

    def timeline_rows(self) -> tuple[list[Json], int]:
        """When the points of the worst resources were cut, and what became of them."""
        rows = [
            {
                "resource": self._names[arn][0],
                "resource_arn": arn,
                "verdicts": self._timeline.of(arn, _aws.stamp),
            }
            for arn, dummy in self._resources.rows()
        ]
        return rows, self._resources.total

    def summary(self) -> Json:
        """Figures over everything."""
        pairing = self._pairing
        return {
            "source_points": len(self._sources),
            "destination_points": len(self._destinations),
            **{verdict: self._verdicts[verdict] for verdict in (*VERDICTS, *ASIDE)},
            "absent": self._absent,
            "duplicates": len(pairing.duplicates),
            "elsewhere": len(pairing.elsewhere),
            "methods": {method: self._methods[method] for method in METHODS},
            "calibration": {kind: found._asdict() for kind, found in sorted(pairing.calibration.items())}
            if self._compared
            else {},
            "jobs_only": len(pairing.jobs_only) if self._compared else 0,
            "resources": self._resources.total,
            "resources_ready": self._ready,
            "worst_exposure_s": self._worst_exposure,
            "rpo_s": self._rpo_s,
            "compared": self._compared,
        }


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec={
        **_aws.vault_spec(),
        "look_back": {"type": "str", "default": _aws.LOOK_BACK},
        "rpo": {"type": "str"},
        "expected_window": {"type": "str"},
        "destination_vault_account_id": {"type": "str"},
        "points_feed": {"type": "str"},
        "jobs_feed": {"type": "str"},
        "parents_feed": {"type": "str"},
        "vaults_feed": {"type": "dict"},
    },
)
