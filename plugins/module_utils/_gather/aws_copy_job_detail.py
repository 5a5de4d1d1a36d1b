# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 3 of the region runbook: one copy job in full, and whether its source is still there to be copied.

AWS describes a copy job with what the list has already said, so only a named job is described. What the list cannot say
is the state of the recovery point that the job starts from: that of this job, and of one job of each other group of
failures, since one cause may hide behind another.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta
from functools import partial

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    evidence,
    failed,
    parse_time,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    LOOK_BACK,
    Read,
    arn,
    copy_job_id,
    denied_on,
    last_part,
    look_back_parameter,
    named_sides,
    side_by_side,
    side_read,
    vault_spec,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_copyrows import (
    STUCK_S,
    ended_at,
    group_of,
    job_row,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import (
    BAD,
    CopyJobRow,
    JobReader,
    Origin,
    describe_job,
    jobs_read,
    list_children,
    newest_first,
    read_jobs,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_source_point import describe_point, point_row
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import OPEN
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "copy_job_detail"

_MOST_POINTS = 5

Json = t.Dict[str, t.Any]


class _Asked(t.NamedTuple):
    copy_job: str | None
    told: Json  # evidence of the step before, as far as it was handed over
    jobs: list[CopyJobRow] | None  # leaf jobs, newest first; None: nothing was handed over
    observed_in: str | None  # the side that knows these jobs
    look_back_s: float
    rows: int


class _Chosen(t.NamedTuple):
    how: str  # named latest_failed longest_open latest
    job: CopyJobRow
    raw: Json | None  # as DescribeCopyJob gave it, where it was asked
    observed_in: str | None


def gather(params: Params, clients: t.Any) -> Gathered:
    """Find the job, then ask for the recovery points side by side."""
    asked, query = _asked(params), named_sides(params)
    query["copy_job"] = asked.copy_job
    denied: list[Json] = []
    try:
        query["source"]["region"] = clients.aws_source.region
        if asked.copy_job is None and asked.jobs is None:
            since = clients.aws_source.now() - timedelta(seconds=asked.look_back_s)
            found = jobs_read(params, clients, since, denied)()
            query.update(found.pair.query())
            asked = asked._replace(jobs=found.copies.rows, observed_in=found.observed_in)
        if asked.copy_job is not None:
            chosen: _Chosen | None = _named(clients, asked, asked.copy_job, denied)
        else:
            chosen = _most_telling(asked, clients)
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure, denied=denied))
    if chosen is None:
        return Gathered(_empty(query, clients.aws_source, denied))
    return _answer(clients, asked, query, chosen, denied)


def _asked(params: Params) -> _Asked:
    given = copy_job_id(params, "copy_job_id")
    told = params.get("copy_jobs") or {}
    seen_in = (told.get("summary") or {}).get("observed_in")
    jobs = read_jobs(params.get("jobs_feed"))
    if jobs is None and isinstance(told.get("jobs"), list):
        jobs = sorted(map(_from_evidence, _leaf_rows(told["jobs"])), key=newest_first, reverse=True)
    return _Asked(given or None, told, jobs, seen_in or None, look_back_parameter(params), rows_parameter(params))


def _leaf_rows(rows: list[t.Any]) -> list[Json]:
    if not all(isinstance(row, dict) and row.get("copy_job") for row in rows):
        raise BadParameter("copy_jobs: this is not the evidence of the copy job step; hand it over unchanged.")
    return [row for row in rows if not row.get("composite")]


def _from_evidence(row: Json) -> CopyJobRow:
    """A row of `jobs` as the tuple it was made of."""
    created, completed = parse_time(row.get("created_at")), parse_time(row.get("completed_at"))
    origin = Origin(**{name: row.get(name) for name in Origin._fields})
    return CopyJobRow(
        copy_job=str(row["copy_job"]),
        state=str(row.get("state")),
        created=created.timestamp() if created else 0.0,
        completed=completed.timestamp() if completed else None,
        source_point=row.get("source_point") or "",
        destination_point=row.get("destination_point"),
        resource_arn=row.get("resource_arn") or "",
        resource=row.get("resource") or "unknown",
        type=row.get("type") or "unknown",
        size_bytes=row.get("size_bytes"),
        message=row.get("message"),
        category=row.get("category"),
        origin=origin,
        parent=row.get("parent"),
    )


# ----------------------------------------------------------------------------------------------------- which job


def _named(clients: t.Any, asked: _Asked, copy_job: str, denied: list[Json]) -> _Chosen:
    """The job of that id, which the destination may know when the source does not. Raises ReadFailed."""
    sides = ("destination", "source") if asked.observed_in == "destination" else ("source", "destination")
    ends: list[str] = []
    for side in sides:
        account = clients.aws_source if side == "source" else clients.aws_destination
        try:
            raw = describe_job(account, copy_job)
            return _Chosen("named", JobReader().row(raw), raw, side)
        except ReadFailed as failure:
            if failure.outcome == "not_found":
                ends.append(f"nor does the {side}" if ends else f"The {side} knows no copy job {copy_job}")
            elif not ends:
                raise
            else:
                ends.append(f"the {side} did not say")
                denied.append(denied_on(side, "copy job", failure))
    raise ReadFailed(
        "not_found",
        f"{', '.join(ends)}.",
        code="ResourceNotFoundException",
        hint="AWS Backup forgets copy jobs after about 30 days; aws backup list-copy-jobs shows those it has.",
    )


def _most_telling(asked: _Asked, clients: t.Any) -> _Chosen | None:
    """The newest failure that is still so; else what hangs, any failure, what is open, the newest: in this order."""
    jobs = asked.jobs or []
    now = clients.aws_source.now().timestamp()
    good: dict[str, float] = {}
    for job in jobs:
        if job.state == "COMPLETED":
            good[job.resource_arn] = max(job.created, good.get(job.resource_arn, 0.0))
    bad = sorted((job for job in jobs if job.state in BAD), key=lambda job: (ended_at(job), job.copy_job))
    still = [job for job in bad if good.get(job.resource_arn, 0.0) < job.created]
    waiting = [job for job in jobs if job.state in OPEN]  # newest first
    hanging = [job for job in waiting if now - job.created > STUCK_S]
    ranked = (("latest_failed", still), ("longest_open", hanging), ("latest_failed", bad), ("longest_open", waiting))
    for how, found in ranked:
        if found:
            return _Chosen(how, found[-1], None, asked.observed_in)
    return _Chosen("latest", jobs[0], None, asked.observed_in) if jobs else None


def _empty(query: Json, source: t.Any, denied: list[Json]) -> Json:
    now = source.now()
    return evidence(
        NAME,
        outcome="empty",
        query=query,
        summary={"chosen": None, "points_asked": 0},
        rows={"source_points": ([], 0), "children": ([], 0)},
        observed_at=rfc3339(now),
        clock=source.clock.as_evidence(),
        job=None,
        denied=denied,
    )


# --------------------------------------------------------------------------------------------------------- answer


def _answer(clients: t.Any, asked: _Asked, query: Json, chosen: _Chosen, denied: list[Json]) -> Gathered:
    source, job = clients.aws_source, chosen.job
    asking = [one for one in _to_ask(asked, job) if one.source_point]
    vault = last_part((chosen.raw or {}).get("SourceBackupVaultArn")) or query["source"]["vault"]
    reads: dict[str, Read] = {
        one.source_point: partial(
            describe_point, source, vault if one is job else query["source"]["vault"], one.source_point
        )
        for one in asking
    }
    children = [row for row in asked.jobs or [] if row.parent == job.copy_job]
    if (chosen.raw or {}).get("IsParent") and not children:
        account = clients.aws_destination if chosen.observed_in == "destination" else source
        reads["children"] = partial(list_children, account, job.copy_job)
    found = side_by_side(reads)
    if "children" in found:
        children = side_read(found.pop("children"), chosen.observed_in or "source", "children", denied) or []
    points = []
    for one in asking:
        told, failure = found[one.source_point]
        if failure is not None and failure.outcome != "not_found":
            denied.append(denied_on("source", "source point", failure))
        points.append(point_row(one, told, failure))
    now = source.now()
    rows = [job_row(row, now=now.timestamp(), observed_in=chosen.observed_in) for row in children]
    return Gathered(
        evidence(
            NAME,
            outcome="ok",
            query=query,
            summary={
                "chosen": chosen.how,
                "points_asked": len(asking),
                "of_pair": _of_pair(chosen.raw, query) if chosen.raw else True,
            },
            rows={"source_points": (points, len(points)), "children": (rows[: asked.rows], len(rows))},
            observed_at=rfc3339(now),
            clock=source.clock.as_evidence(),
            job=_job(asked, chosen, children, now.timestamp()),
            denied=denied,
        )
    )


def _to_ask(asked: _Asked, job: CopyJobRow) -> list[CopyJobRow]:
    """The job, and the newest of each other group of failures; the most frequent groups first."""
    groups: dict[tuple[str, str], list[CopyJobRow]] = {}
    for row in asked.jobs or []:
        if row.state in BAD:
            groups.setdefault(group_of(row), []).append(row)
    groups.pop(group_of(job), None)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    newest = [max(rows, key=lambda row: (ended_at(row), row.copy_job)) for dummy, rows in ranked]
    apart = {row.source_point: row for row in reversed([job, *newest])}
    return [row for row in [job, *newest] if apart[row.source_point] is row][:_MOST_POINTS]


def _of_pair(raw: Json, query: Json) -> bool:
    """Whether the named job copies between the two vaults that the task is about, as far as they are known by name."""
    for side, member in (("source", "SourceBackupVaultArn"), ("destination", "DestinationBackupVaultArn")):
        parts, wanted = arn(raw.get(member)), query[side]
        if parts is None:
            continue
        if parts.resource != f"backup-vault:{wanted['vault']}" or wanted["region"] not in (None, parts.region):
            return False
    return True


def _job(asked: _Asked, chosen: _Chosen, children: list[CopyJobRow], now: float) -> Json:
    """The row of the job with what only this step shows."""
    job, raw = chosen.job, chosen.raw or {}
    states: dict[str, int] = {}
    for child in children:
        states[child.state] = states.get(child.state, 0) + 1
    siblings = [row for row in asked.jobs or [] if row.resource_arn == job.resource_arn]
    before: Json = next((row for row in asked.told.get("jobs") or [] if row.get("copy_job") == job.copy_job), {})
    running = True if any(row.state == "RUNNING" for row in siblings) else before.get("sibling_running")
    row = job_row(
        job,
        now=now,
        latest=siblings[0].copy_job == job.copy_job if siblings else None,
        children=(states or raw.get("ChildJobsInState") or {}) if raw.get("IsParent") else None,
        sibling_running=running,
        observed_in=chosen.observed_in,
    )
    origin = job.origin
    row["lifecycle"] = {"delete_after_days": origin.delete_after_days, "cold_after_days": origin.cold_after_days}
    row["destination_key"] = origin.destination_key
    row["destination_vault_type"] = origin.vault_type
    row["destination_vault_lock"] = origin.vault_lock
    return row


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        vault_spec(),
        copy_job_id={"type": "str"},
        look_back={"type": "str", "default": LOOK_BACK},
        copy_jobs={"type": "dict"},
        jobs_feed={"type": "str"},
        vaults_feed={"type": "dict"},
    ),
)
