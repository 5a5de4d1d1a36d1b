# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""When the newest points of a resource were cut and what became of each, for a picture of it. Pure."""

from __future__ import annotations

import typing as t
from collections import defaultdict

NEWEST = 24  # points of a resource: a day of hourly ones, more than three weeks of daily ones


class Timeline:
    """The points of every resource; only those of the resources that are shown are sorted."""

    def __init__(self) -> None:
        self._points: dict[str, list[tuple[float, str]]] = defaultdict(list)

    def add(self, resource: str, time: float | None, verdict: str) -> None:
        """A point by the time of its data, epoch seconds; one without a time has no place in a picture."""
        if time is not None:
            self._points[resource].append((time, verdict))

    def of(self, resource: str, stamp: t.Callable[[float], str | None]) -> dict[str, list[str]]:
        """{verdict: the times of its points, newest first} of the newest points."""
        found: dict[str, list[str]] = {}
        for time, verdict in sorted(self._points.get(resource, ()), reverse=True)[:NEWEST]:
            at = stamp(time)
            if at is not None:
                found.setdefault(verdict, []).append(at)
        return found
