# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runs by the hour of the day (UTC) in which they began, so that hours can be compared with each other: pure."""

from __future__ import annotations

import typing as t

_DAY_S = 86400
_HOUR_S = 3600


class Ran(t.NamedTuple):
    """A run that ended. began: epoch seconds; whole: all runs of the resource from that time on are still listed."""

    resource: str
    began: float
    bad: bool
    whole: bool = True


def by_hour(runs: t.Iterable[Ran]) -> list[dict[str, int]]:
    """Per hour with runs: slot (0..23), runs, failed, and both as compared_ and days_.

    Hours can be compared by resources that ran at several hours of one day: how many runs of theirs there were on such
    days (compared_), and on how many days of the hour any was, and any failed (days_). A list from which good runs are
    removed sooner than bad ones compares nothing, so that only whole runs count there.
    """
    every, compared = _Tally(), _Tally()
    by_day: dict[tuple[str, int], list[tuple[int, bool]]] = {}
    for run in runs:
        hour = int(run.began % _DAY_S // _HOUR_S)
        every.add(hour, run.bad)
        if run.whole:
            by_day.setdefault((run.resource, int(run.began // _DAY_S)), []).append((hour, run.bad))
    of_day: dict[tuple[int, int], bool] = {}  # (hour, day): whether any run that can be compared failed
    for (dummy_resource, day), listed in by_day.items():
        if len({hour for hour, dummy_bad in listed}) > 1:
            for hour, bad in listed:
                compared.add(hour, bad)
                of_day[hour, day] = bad or of_day.get((hour, day), False)
    days = _Tally()
    for (hour, dummy_day), bad in of_day.items():
        days.add(hour, bad)
    return [
        {"slot": hour, **every.of(hour), **compared.of(hour, "compared_"), **days.of(hour, "days_")}
        for hour in range(24)
        if every.runs[hour]
    ]


class _Tally:
    """How many there were of each hour, and how many of them were bad."""

    def __init__(self) -> None:
        self.runs = [0] * 24
        self.failed = [0] * 24

    def add(self, hour: int, bad: bool) -> None:
        """Count one."""
        self.runs[hour] += 1
        self.failed[hour] += bad

    def of(self, hour: int, kind: str = "") -> dict[str, int]:
        """The members of the hour's row."""
        return {f"{kind}runs": self.runs[hour], f"{kind}failed": self.failed[hour]}
