# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which hours failures of copies keep to, by the rate of each hour against the other hours' own rate."""

from __future__ import annotations

import math
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Row, figure, rows, text

_NEGLIGIBLE = 1e-12


def fisher(bad: int, good: int, others_bad: int, others_good: int) -> float:
    """Fisher's exact test, one-sided: how likely a slot has so many failures or more if all slots fail alike."""
    runs, failed, total = bad + good, bad + others_bad, bad + good + others_bad + others_good

    def chosen(of: int, some: int) -> float:
        return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)

    whole, likely = chosen(total, runs), 0.0
    for count in range(max(bad, runs - (total - failed)), min(runs, failed) + 1):
        term = math.exp(chosen(failed, count) + chosen(total - failed, runs - count) - whole)
        likely += term
        if count * total > failed * runs and term < likely * _NEGLIGIBLE:
            break  # beyond the mean they only get smaller
    return min(1.0, likely)


class Limits(t.NamedTuple):
    """When hours are said to stand out; catalogue/thresholds.yml has the figures."""

    least: int  # failures, and good runs, below which nothing is said; also days, of an hour that stands out
    significance: float  # after Bonferroni's correction for the number of slots
    times: float  # a slot must fail at least this many times as often as the others

    @classmethod
    def of(cls, settings: Row) -> Limits:
        """Those of a diagnosis."""
        told = settings["thresholds"]
        return cls(told["pattern_least"], told["pattern_significance"], told["pattern_times"])


class Hours(t.NamedTuple):
    """Hours, runs and failures of a step's slots (see by_hour() of the gathering)."""

    limits: Limits
    every: list[tuple[int, int, int]]
    compared: list[tuple[int, int, int]]  # of the resources that ran at several hours of a day
    days: list[tuple[int, int, int]]  # their days
    observed_at: str | None

    @classmethod
    def of(cls, told: Row, limits: Limits) -> Hours:
        """Those of a step that lists slots."""
        every, compared, days = (
            [slot for row in rows(told, "slots") if (slot := _slot(row, kind))] for kind in ("", "compared_", "days_")
        )
        return cls(limits, every, compared, days, text(told, "observed_at"))

    def figures(self) -> dict[str, int]:
        """What every verdict is told with."""
        failed = sum(slot[2] for slot in self.every)
        succeeded = sum(slot[1] for slot in self.every) - failed
        return {"failed": failed, "succeeded": succeeded, "slots_with_runs": len(self.every)}

    def one_stands_out(self) -> bool:
        """Whether an hour fails more often than the others, be it because of what runs in it."""
        return bool(_periodic(self.every, self.limits))

    def periodic(self) -> dict[str, t.Any] | None:
        """The hours that failures keep to, with the figures of the test; None where they keep to none.

        All copies of a nightly plan start at one hour, so all their failures lie there too: that is the schedule. What
        each resource does at its own hour tells resources apart, not hours; so only resources are compared that are
        copied at several hours of a day. An hour is periodic when its failure rate is significantly above that of the
        other hours, both of jobs and of days, on three days at least: what fails together in one night is one incident.
        """
        often = {row["slot"] for row in _periodic(self.days, self.limits)}
        hours = [row for row in _periodic(self.compared, self.limits) if row["slot"] in often]
        if not hours:
            return None
        others_runs = sum(slot[1] for slot in self.compared) - sum(row["runs"] for row in hours)
        others_bad = sum(slot[2] for slot in self.compared) - sum(row["failed"] for row in hours)
        return {
            "slots": hours,
            "rate_of_others": round(others_bad / others_runs, 3) if others_runs else None,
            "p": min(row["p"] for row in hours),
            "test": "Fisher's exact test of each hour (UTC) against all others, of jobs and of days, Bonferroni",
            "next_expected_at": _next(self.observed_at, [row["slot"] for row in hours]),
        }


def _slot(row: Row, of: str) -> tuple[int, int, int] | None:
    """Hour, runs and failures of an hour; `of`: of the resources that can be compared, or their days."""
    hour, runs, failed = (figure(row, name) for name in ("slot", f"{of}runs", f"{of}failed"))
    if hour is None or not runs or failed is None or not 0 <= hour <= 23 or not 0 <= failed <= runs:
        return None
    return int(hour), int(runs), int(failed)


def _periodic(slots: list[tuple[int, int, int]], limits: Limits) -> list[dict[str, t.Any]]:
    """The hours whose failure rate stands out."""
    bad, runs = sum(slot[2] for slot in slots), sum(slot[1] for slot in slots)
    found = []
    for hour, here, failed in slots:
        others = runs - here
        if failed < limits.least or not others or failed / here < limits.times * (bad - failed) / others:
            continue
        p = min(1.0, fisher(failed, here - failed, bad - failed, others - (bad - failed)) * len(slots))
        if p <= limits.significance:
            rate = round(failed / here, 3)
            found.append({"slot": hour, "runs": here, "failed": failed, "rate": rate, "p": float(f"{p:.2g}")})
    return found


def _next(now: str | None, hours: list[int]) -> str | None:
    """The next time that one of the hours begins."""
    try:
        moment = datetime.strptime((now or "")[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    full = moment.replace(minute=0, second=0)
    ahead = min((hour - moment.hour - 1) % 24 + 1 for hour in hours)
    return (full + timedelta(hours=ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")
