# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the copy jobs of a pair of vaults mean together: per resource, per message, per hour, and one by one."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import (
    BAD,
    ENDED,
    CopyJobRow,
    PairJobs,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst, fold
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._hours import Ran, by_hour
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._spread import Spread
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import OPEN

STUCK_S = 7200.0  # AWS tries again for two hours by itself
_MOST_NAMES = 10
_MOST_CATEGORIES = 30
_ARN = re.compile(r"\barn:aws[\w-]*:[^\s,;'\"()\[\]]+")
_SEVERITY = {"FAILED": 8, "PARTIAL": 7, "RUNNING": 2, "CREATED": 3, "COMPLETED": 0}
_STUCK_SEVERITY = 9

Json = t.Dict[str, t.Any]
Rows = t.Tuple[t.List[Json], int]


def ended_at(row: CopyJobRow) -> float:
    """When an ended job ended; its creation where AWS does not say."""
    return row.created if row.completed is None else row.completed


def fold_message(text: str, resource: str) -> str:
    """A message without what only tells one resource from the next: ARNs, ids, its name, numbers, times."""
    text = _ARN.sub("#", text)
    if len(resource) > 2:
        text = text.replace(resource, "#")
    return fold(text)


def group_of(row: CopyJobRow) -> tuple[str, str]:
    """What jobs of one cause have in common: (folded message, else the category; state)."""
    return (fold_message(row.message, row.resource) if row.message else f"({row.category})", row.state)


def job_row(
    row: CopyJobRow,
    *,
    now: float,
    latest: bool | None = None,
    children: dict[str, int] | None = None,
    sibling_running: bool | None = None,
    observed_in: str | None = None,
) -> Json:
    """The row of `jobs`. children: of a composite parent {state: n}; None for any other job."""
    origin = row.origin
    return {
        "resource": row.resource,
        "resource_arn": row.resource_arn,
        "type": row.type,
        "copy_job": row.copy_job,
        "state": row.state,
        "message": row.message,
        "category": row.category,
        "created_at": stamp(row.created),
        "completed_at": stamp(row.completed),
        "duration_s": None if row.duration_s is None else round(row.duration_s, 1),
        "age_s": round(now - row.created, 1),
        "size_bytes": row.size_bytes,
        "role": origin.role,
        "plan": origin.plan,
        "rule": origin.rule,
        "plan_id": origin.plan_id,
        "rule_id": origin.rule_id,
        "plan_version": origin.plan_version,
        "source_point": row.source_point or None,
        "destination_point": row.destination_point,
        "parent": row.parent,
        "children": children or {},
        "composite": children is not None,
        "sibling_running": sibling_running if row.state == "CREATED" else None,
        "stuck": is_stuck(row, now, sibling_running),
        "observed_in": observed_in,
        "latest": latest,
    }


def is_stuck(row: CopyJobRow, now: float, sibling_running: bool | None) -> bool:
    """Whether the job waits longer than AWS tries by itself, and for nothing that runs."""
    return row.state == "CREATED" and sibling_running is False and now - row.created > STUCK_S


class Picture:
    """All jobs put together. Resources are told by their ARN."""

    def __init__(
        self,
        found: PairJobs,
        *,
        now: float,
        window_start: float,
        at_work: t.AbstractSet[str] | None,
    ) -> None:
        """now, window_start: epoch seconds. at_work: resources that something else works on now, None if not known."""
        self.jobs = jobs = found.copies
        self.now = now
        self.window_start = window_start
        self.observed_in = found.observed_in
        self.composite = {row.copy_job for row in jobs.parents}
        self.others_known = at_work is not None
        self.runs: dict[str, list[CopyJobRow]] = {}  # resource: its jobs, newest first
        for row in jobs.rows:
            self.runs.setdefault(row.resource_arn, []).append(row)
        self.at_work = {row.resource_arn for row in jobs.rows if row.state == "RUNNING"} | (at_work or set())

    def in_window(self, row: CopyJobRow) -> bool:
        """Whether an ended job ended in the window."""
        return ended_at(row) >= self.window_start

    def latest(self, row: CopyJobRow) -> bool:
        """Whether it is the newest job of its resource."""
        runs = self.runs.get(row.resource_arn, [row])
        return runs[0].copy_job == row.copy_job and row.copy_job not in self.composite

    def sibling_running(self, row: CopyJobRow) -> bool | None:
        """Whether something works on the resource of a waiting job now: AWS Backup does one thing at a time with it."""
        if row.resource_arn in self.at_work:
            return True
        return False if self.others_known else None

    def stuck(self, row: CopyJobRow) -> bool:
        """See is_stuck."""
        return is_stuck(row, self.now, self.sibling_running(row))

    # --------------------------------------------------------------------------------------------------- summary

    def summary(self) -> Json:
        """The figures over all leaf jobs."""
        rows = self.jobs.rows
        ended = Counter(row.state for row in rows if row.state in ENDED and self.in_window(row))
        categories = Counter(row.category for row in rows if row.category)
        return {
            "jobs": len(rows),
            "parents": len(self.jobs.parents),
            "by_state": dict(Counter(row.state for row in rows)),
            "window": {state.lower(): ended[state] for state in ENDED},
            "open": sum(row.state in OPEN for row in rows),
            "waiting": sum(row.state == "CREATED" and self.sibling_running(row) is True for row in rows),
            "stuck": sum(self.stuck(row) for row in rows),
            "resources": len(self.runs),
            "resources_failing": sum(_consecutive_failures(runs) > 0 for runs in self.runs.values()),
            "categories": dict(sorted(categories.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CATEGORIES]),
            "on_demand": sum(row.origin.plan_id is None for row in rows),
            "with_message": sum(_completed_with_message(row) for row in rows),
            "oldest_listed_at": stamp(rows[-1].created) if rows else None,
            "observed_in": self.observed_in,
            "read": self.jobs.read,
            "other_sources": self.jobs.other_sources,
            "days": len({int(row.created // 86400) for row in rows if row.state in ENDED}),
        }

    # ------------------------------------------------------------------------------------------------------ rows

    def lists(self, most: int) -> dict[str, Rows]:
        """All lists of the evidence, by name."""
        hours = by_hour(Ran(row.resource_arn, row.created, row.state in BAD) for row in self.jobs.rows if row.state in ENDED)
        return {
            "resources": self.resource_rows(most),
            "groups": self.group_rows(most),
            "jobs": self.job_rows(most),
            "slots": (hours, len(hours)),
            "spread": self.spread_rows(),
        }

    def job_rows(self, most: int) -> Rows:
        """The jobs, worst first: what is still so before what a later job of the resource has made good."""
        worst = Worst(most)
        for row in self.jobs.rows:
            worst.push((self._severity(row, self.latest(row)), row.created, row.copy_job), row)
        for row in self.jobs.parents:  # after a child that says why
            if row.state != "COMPLETED":
                worst.push((self._severity(row, False), row.created, row.copy_job), row)
        return [self.row(row) for row in worst.rows()], worst.total

    def row(self, row: CopyJobRow) -> Json:
        """The row of one job."""
        return job_row(
            row,
            now=self.now,
            latest=self.latest(row),
            children=self.jobs.children.get(row.copy_job),
            sibling_running=self.sibling_running(row),
            observed_in=self.observed_in,
        )

    def _severity(self, row: CopyJobRow, latest: bool) -> float:
        severity = float(_STUCK_SEVERITY if self.stuck(row) else _SEVERITY.get(row.state, 1))
        if row.state in BAD and not latest:
            severity /= 2 if self.in_window(row) else 4
        return severity or float(bool(row.message))

    def resource_rows(self, most: int) -> Rows:
        """The resources, worst first."""
        worst = Worst(most)
        for arn, runs in self.runs.items():
            failures = _consecutive_failures(runs)
            severity = 3 if failures else 2 if self.stuck(runs[0]) else runs[0].state in OPEN
            worst.push((severity, failures, runs[0].created, arn), (runs, failures))
        return [_resource_row(runs, failures) for runs, failures in worst.rows()], worst.total

    def spread_rows(self) -> Rows:
        """By type, role and rule of their newest jobs how many resources there are, and how many of them fail."""
        spread = Spread()
        for runs in self.runs.values():
            newest, failing = runs[0], _consecutive_failures(runs) > 0
            for what, value in (("type", newest.type), ("role", newest.origin.role), ("rule", newest.origin.rule)):
                spread.add(what, value, failing)
        told = spread.rows()
        return told, len(told)

    def group_rows(self, most: int) -> Rows:
        """What failed, by message and state; and what came to an end with a message."""
        groups: dict[tuple[str, str], list[CopyJobRow]] = {}
        for row in self.jobs.rows:
            if row.state in BAD or _completed_with_message(row):
                groups.setdefault(group_of(row), []).append(row)
        worst = Worst(most)
        for key, rows in groups.items():
            here = sum(self.in_window(row) for row in rows)
            worst.push((rows[0].state in BAD, here, len(rows), max(map(ended_at, rows)), key), (rows, here))
        return [_group_row(rows, here) for rows, here in worst.rows()], worst.total


def _completed_with_message(row: CopyJobRow) -> bool:
    return row.state == "COMPLETED" and row.message is not None


def _consecutive_failures(runs: list[CopyJobRow]) -> int:
    """How many of the newest ended jobs ended badly, up to the last good one."""
    failures = 0
    for row in runs:
        if row.state == "COMPLETED":
            break
        failures += row.state in BAD
    return failures


def _resource_row(runs: list[CopyJobRow], failures: int) -> Json:
    newest = runs[0]
    return {
        "resource": newest.resource,
        "resource_arn": newest.resource_arn,
        "type": newest.type,
        "state": newest.state,
        "copy_job": newest.copy_job,
        "created_at": stamp(newest.created),
        "completed_at": stamp(newest.completed),
        "message": newest.message,
        "category": newest.category,
        "runs": sum(row.state in ENDED for row in runs),
        "failed": sum(row.state in BAD for row in runs),
        "consecutive_failures": failures,
        "last_success_at": stamp(max((ended_at(row) for row in runs if row.state == "COMPLETED"), default=None)),
        "role": newest.origin.role,
        "plan": newest.origin.plan,
        "rule": newest.origin.rule,
    }


def _group_row(rows: list[CopyJobRow], in_window: int) -> Json:
    newest = max(rows, key=lambda row: (ended_at(row), row.copy_job))
    names = {row.resource_arn: row.resource for row in rows}
    kind = {"FAILED": "failed", "PARTIAL": "partial"}.get(newest.state, "completed_with_message")
    return {
        "message": newest.message,
        "category": newest.category,
        "state": newest.state,
        "kind": kind,
        "count": len(rows),
        "in_window": in_window,
        "resources": len(names),
        "resource_names": sorted(set(names.values()))[:_MOST_NAMES],
        "types": sorted({row.type for row in rows}),
        "roles": sorted({row.origin.role for row in rows if row.origin.role})[:_MOST_NAMES],
        "first_at": stamp(min(map(ended_at, rows))),
        "last_at": stamp(ended_at(newest)),
        "copy_job": newest.copy_job,
    }
