# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Kubernetes cron schedules: how far apart their slots are, and which slots lie between two moments.

Without the library cronsim, and for whatever cannot be understood, the answer is None: unknown.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta, timezone, tzinfo

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median, parse_duration

try:
    from cronsim import CronSim, CronSimError

    HAS_CRONSIM = True
except (ImportError, TypeError):  # TypeError: cronsim's type aliases need Python 3.10
    HAS_CRONSIM = False

try:
    from zoneinfo import ZoneInfo
except ImportError:  # Python before 3.9
    ZoneInfo = None  # type: ignore[assignment,misc]

MOST_SLOTS = 1000

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# Kubernetes knows five fields and none of cronsim's L, LW and #.
_FIELDS = re.compile(r"[\d*,/-]+|[A-Za-z]{3}([,-][A-Za-z]{3})*")


class Schedule:
    """A schedule that was understood."""

    def __init__(self, expression: str, zone: tzinfo, every_s: float | None) -> None:
        self._expression = expression
        self._zone = zone
        self._every_s = every_s

    def after(self, moment: datetime, most: int = MOST_SLOTS) -> t.Iterator[datetime]:
        """The slots after a moment (UTC), at most so many.

        A schedule like @every 1h has no fixed slots: they count from the moment, as the controller counts from its
        last run.
        """
        if self._every_s is not None:
            for count in range(1, most + 1):
                yield moment + timedelta(seconds=self._every_s * count)
            return
        slots = CronSim(self._expression, moment.astimezone(self._zone))
        for dummy in range(most):
            slot = next(slots, None)
            if slot is None:
                return
            yield slot.astimezone(timezone.utc)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot after a moment; None if there is none in the coming decades."""
        return next(self.after(moment, 1), None)

    def between(self, start: datetime, end: datetime) -> list[datetime]:
        """The slots with start < slot <= end, at most MOST_SLOTS."""
        found: list[datetime] = []
        for slot in self.after(start):
            if slot > end:
                break
            found.append(slot)
        return found

    def hours(self, near: datetime) -> set[int]:
        """The hours of the day (UTC) with slots, of the day that the next slot begins; none of @every, whose slots move."""
        found: set[int] = set()
        slot = None if self._every_s is not None else self.next_after(near)
        end = slot + timedelta(days=1) if slot else near
        while slot and slot < end:
            found.add(slot.hour)
            slot = self.next_after(slot.replace(minute=59, second=59))
        return found

    def interval_s(self, near: datetime) -> float | None:
        """The usual distance of two slots (the median of the next 24), seconds."""
        if self._every_s is not None:
            return self._every_s
        slots = list(self.after(near, 25))
        return median([(later - earlier).total_seconds() for earlier, later in zip(slots, slots[1:])])


def parse_schedule(text: t.Any, time_zone: t.Any = None) -> Schedule | None:
    """A CronJob's schedule in its time zone, UTC without one; None when it is not understood."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    if text.startswith("@every "):
        every_s = parse_duration(text[7:])
        # the controller's library rounds down to whole seconds and never below one
        return None if every_s is None else Schedule("", timezone.utc, max(1.0, float(int(every_s))))
    zone = zone_of(time_zone)
    expression = _MACROS.get(text.lower(), text).replace("?", "*")
    fields = expression.split()
    if not HAS_CRONSIM or zone is None or len(fields) != 5 or not all(map(_FIELDS.fullmatch, fields)):
        return None
    try:
        CronSim(expression, datetime.now(timezone.utc))
    except (CronSimError, AssertionError, ValueError):
        return None
    return Schedule(expression, zone, None)


def zone_of(name: t.Any) -> tzinfo | None:
    """The zone; UTC without a name, which is the usual zone of a controller manager; None if it is unknown here."""
    if not name or str(name).upper() in ("UTC", "ETC/UTC"):
        return timezone.utc
    if ZoneInfo is None:
        return None
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return None
