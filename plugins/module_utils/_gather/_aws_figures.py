# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Success rate and duration of copies, derived from the copy jobs, because AWS Backup measures neither.

A duration runs from creation to completion, with the time in the queue. A copy that could not build on an earlier one
is a full copy and takes longer without anything being slower, so it is told apart and not compared.
"""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_copyrows import ended_at
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import BAD, ENDED, CopyJobRow
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst
from ansible_collections.sre.backup_sync.plugins.module_utils._statistics import percentile, wilson

FULL_COPIES = ("first_copy", "base_expired", "key_changed")
_LEAST_BASELINE = 3  # copies of a resource before the window that make a baseline
_DAY_S = 86400.0
_MOST_DAYS = 31
_USUAL_GAP_S = 7 * _DAY_S  # between copies of a resource where nothing tells
# Retention counts from the creation of the source's point, which is older than the copy job by the time of the backup.
_BACKUP_S = 3600.0

Json = t.Dict[str, t.Any]
Rows = t.Tuple[t.List[Json], int]


def success_rate(rows: list[CopyJobRow], start: float, window_s: float, threshold: float) -> Json:
    """summary.success_rate. start: of the window, epoch seconds. No ended job is no rate, not a perfect one."""
    now, before, earlier = Counter[bool](), Counter[bool](), Counter[bool]()
    for row in rows:
        if row.state in ENDED:
            good, at = row.state not in BAD, ended_at(row)
            if at >= start:
                now[good] += 1
            else:
                earlier[good] += 1
                before[good] += at >= start - window_s
    runs = now[True] + now[False]
    low, high = wilson(now[True], runs)
    return {
        "verdict": "ok" if runs else "no_runs",
        "rate": _rate(now),
        "succeeded": now[True],
        "failed": now[False],
        "runs": runs,
        "low": round(low, 4) if runs else None,
        "high": round(high, 4) if runs else None,
        "threshold": threshold,
        "previous": _rate(before),
        "baseline": _rate(earlier),
    }


def _rate(ended: Counter[bool]) -> float | None:
    runs = ended[True] + ended[False]
    return round(ended[True] / runs, 4) if runs else None


def breakdown(rows: list[CopyJobRow], start: float, name: t.Callable[[CopyJobRow], str], most: int) -> Rows:
    """Rates of the jobs that ended in the window, by what `name` says of each; most failures first."""
    runs, failed = Counter[str](), Counter[str]()
    for row in rows:
        if row.state in ENDED and ended_at(row) >= start:
            runs[name(row)] += 1
            failed[name(row)] += row.state in BAD
    ranked = sorted(runs, key=lambda one: (-failed[one], -runs[one], one))
    told = [
        {"name": one, "runs": runs[one], "failed": failed[one], "rate": round(1 - failed[one] / runs[one], 4)}
        for one in ranked[:most]
    ]
    return told, len(ranked)


def course(rows: list[CopyJobRow], now: float, look_back_s: float) -> Rows:
    """Rate and median duration of the jobs that ended, day by day up to now (epoch seconds), the oldest first.

    A day without an ended job has runs 0 and neither rate nor duration.
    """
    days = int(min(look_back_s // _DAY_S, _MOST_DAYS))
    start = now - days * _DAY_S
    ended: list[list[CopyJobRow]] = [[] for dummy in range(days)]
    for row in rows:
        day = int((ended_at(row) - start) // _DAY_S) if row.state in ENDED else -1
        if 0 <= day < days:
            ended[day].append(row)
    told = []
    for day, runs in enumerate(ended):
        failed = sum(row.state in BAD for row in runs)
        lengths = [row.duration_s for row in runs if row.state == "COMPLETED" and row.duration_s is not None]
        told.append(
            {
                "start": stamp(start + day * _DAY_S),
                "end": stamp(start + (day + 1) * _DAY_S),
                "success_rate": round(1 - failed / len(runs), 4) if runs else None,
                "duration_s": _tenth(median(lengths)),
                "runs": len(runs),
                "failed": failed,
            }
        )
    return told, days


# ------------------------------------------------------------------------------------------------------ full copies


def full_copies(rows: list[CopyJobRow], since: float) -> dict[str, str]:
    """{copy job: why it had to be a full copy} of what is known.

    since: how far back the jobs are listed, epoch seconds. What another vault, a deletion by hand or a job before that
    did is not known; such copies pass for ordinary ones.
    """
    of_resource: dict[str, list[CopyJobRow]] = {}
    for row in rows:
        of_resource.setdefault(row.resource_arn, []).append(row)
    gaps = {resource: gap for resource, jobs in of_resource.items() if (gap := _usual_gap(jobs)) is not None}
    pooled = median(list(gaps.values())) or _USUAL_GAP_S
    found: dict[str, str] = {}
    for resource, jobs in of_resource.items():
        jobs.sort(key=lambda row: (row.created, row.copy_job))
        # an earlier copy would be listed: the list begins long before the first job of the resource
        is_new = jobs[0].created - since > 2 * gaps.get(resource, pooled)
        found.update(_full_of_resource([row for row in jobs if row.state == "COMPLETED"], is_new))
    return found


def _usual_gap(jobs: list[CopyJobRow]) -> float | None:
    made = sorted({row.created for row in jobs})
    return median([later - earlier for earlier, later in zip(made, made[1:])])


def _full_of_resource(copies: list[CopyJobRow], is_new: bool) -> t.Iterator[tuple[str, str]]:
    """copies: those that completed, oldest first."""
    key: str | None = None
    kept_until: float | None = None  # the last of the earlier copies; None: not known, or for ever
    known = True
    for number, row in enumerate(copies):
        if number == 0:
            if is_new:
                yield row.copy_job, "first_copy"
        elif known and kept_until is not None and kept_until <= row.created:
            yield row.copy_job, "base_expired"
        elif key is not None and row.origin.destination_key not in (None, key):
            yield row.copy_job, "key_changed"
        key = row.origin.destination_key or key
        kept = row.origin.delete_after_days
        if kept is None or kept < 0:
            known = False
        else:
            kept_until = max(row.created + kept * _DAY_S - _BACKUP_S, kept_until or 0.0)


# --------------------------------------------------------------------------------------------------------- duration


class Durations:
    """How long completed copies took in the window and before it, seconds."""

    def __init__(self, rows: list[CopyJobRow], start: float, since: float) -> None:
        """start: of the window; since: how far back the jobs are listed. Epoch seconds."""
        self.start = start
        self.full = full_copies(rows, since)
        self.excluded: Counter[str] = Counter()
        self.now: dict[str, list[float]] = {}  # resource: ordinary copies in the window
        self.now_full: dict[str, list[float]] = {}  # resource: full copies in the window
        self.reason: dict[str, str] = {}  # resource: why its newest full copy in the window is one
        self.before: dict[str, list[float]] = {}  # resource: ordinary copies before the window
        self.runs: dict[str, list[CopyJobRow]] = {}  # resource: ended jobs in the window
        for row in sorted(rows, key=lambda row: (row.created, row.copy_job)):
            if row.state in ENDED:
                self._add(row)

    def _add(self, row: CopyJobRow) -> None:
        here = ended_at(row) >= self.start
        if here:
            self.runs.setdefault(row.resource_arn, []).append(row)
        if row.state != "COMPLETED" or row.duration_s is None:
            return
        reason = self.full.get(row.copy_job)
        if reason and here:
            self.excluded[reason] += 1
            self.reason[row.resource_arn] = reason
            self.now_full.setdefault(row.resource_arn, []).append(row.duration_s)
        elif not reason:
            (self.now if here else self.before).setdefault(row.resource_arn, []).append(row.duration_s)

    def baseline_s(self, resource: str) -> float | None:
        """The usual duration of a resource's copies before the window; None where there were too few."""
        earlier = self.before.get(resource, [])
        return median(earlier) if len(earlier) >= _LEAST_BASELINE else None

    def summary(self) -> Json:
        """summary.duration: resources that have a baseline of their own, against it.

        Where nothing but full copies ended, the figures are theirs and say nothing of rising.
        """
        resources = [resource for resource in self.now if self.baseline_s(resource) is not None]
        compared = bool(resources)
        now, kind = self.now, resources
        if not self.now and self.now_full:
            now, kind = self.now_full, [one for one in self.now_full if self.baseline_s(one) is not None]
        lengths = _pool(now, kind or list(now))
        earlier = _pool(self.before, kind)
        middle, usual, slow = median(lengths), median(earlier), percentile(earlier, 0.95)
        rising = None
        if compared and middle is not None and usual is not None and slow is not None:
            rising = middle > max(2 * usual, slow)
        return {
            "verdict": "no_runs" if not lengths else "ok" if earlier else "no_baseline",
            "median_s": _tenth(middle),
            "p95_s": _tenth(percentile(lengths, 0.95)),
            "baseline_median_s": _tenth(usual),
            "baseline_p95_s": _tenth(slow),
            "ratio": _ratio(middle, usual),
            "rising": rising,
            "compared": len(resources),
            "excluded": {reason: self.excluded[reason] for reason in FULL_COPIES},
        }

    def rows(self, most: int) -> Rows:
        """resources[]: those that fail first, then by how much longer their copies took than before."""
        worst = Worst(most)
        for resource, runs in self.runs.items():
            lengths = self.now.get(resource) or self.now_full.get(resource) or []
            middle, usual = median(lengths), self.baseline_s(resource)
            failed = sum(row.state in BAD for row in runs)
            ratio = _ratio(middle, usual)
            worst.push((failed, ratio or 0.0, middle or 0.0, resource), (runs[-1], len(runs), failed, middle, usual))
        return [self._row(*figures) for figures in worst.rows()], worst.total

    def _row(self, row: CopyJobRow, runs: int, failed: int, middle: float | None, usual: float | None) -> Json:
        return {
            "resource": row.resource,
            "resource_arn": row.resource_arn,
            "type": row.type,
            "runs": runs,
            "failed": failed,
            "median_s": _tenth(middle),
            "baseline_s": _tenth(usual),
            "ratio": _ratio(middle, usual),
            "full_copy": self.reason.get(row.resource_arn),
        }


def _pool(lengths: dict[str, list[float]], resources: list[str]) -> list[float]:
    return [length for resource in resources for length in lengths.get(resource, [])]


def _ratio(value: float | None, usual: float | None) -> float | None:
    return round(value / usual, 2) if value is not None and usual else None


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
