# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Schedules of backup plans: cron(...) with AWS's six fields, and rate(...).

AWS counts the days of the week from Sunday = 1 and has a year as its sixth field. What cannot be said in the five
fields of a common cron is not understood, and then nothing is concluded from it.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._schedule import Schedule, zone_of

try:
    from cronsim import CronSim, CronSimError

    HAS_CRONSIM = True
except (ImportError, TypeError):  # TypeError: cronsim's type aliases need Python 3.10
    HAS_CRONSIM = False

DEFAULT = "cron(0 5 ? * * *)"  # what AWS Backup uses for a rule without a schedule
_SLOTS = 25  # of a schedule on weekdays that is a month
_CRON = re.compile(r"\s*cron\((?P<fields>[^()]*)\)\s*", re.IGNORECASE)
_RATE = re.compile(r"\s*rate\(\s*(?P<number>\d{1,6})\s+(?P<unit>minute|hour|day)s?\s*\)\s*", re.IGNORECASE)
_UNIT_S = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_WEEKDAY_NUMBER = re.compile(r"(?<![#/\dA-Za-z])\d+")  # neither a step nor the n of "the n-th Friday"


class Distance(t.NamedTuple):
    """How far apart the slots of a schedule are, seconds."""

    usual_s: float
    longest_s: float  # over a weekend, say


class BackupSchedule:
    """A schedule that was understood."""

    def __init__(self, slots: Schedule) -> None:
        self._slots = slots

    def distance(self, near: datetime) -> Distance | None:
        """Of the next slots; None when there are not two in the coming decades."""
        slots = list(self._slots.after(near, _SLOTS))
        gaps = [(later - earlier).total_seconds() for earlier, later in zip(slots, slots[1:])]
        usual = median(gaps)
        return None if usual is None else Distance(usual, max(gaps))

    def hours(self, near: datetime) -> set[int]:
        """The hours of the day (UTC) with slots, of the day that the next slot begins."""
        return self._slots.hours(near)

    def slots(self, near: datetime, most: int) -> list[datetime]:
        """The next slots."""
        return list(self._slots.after(near, most))


def parse_schedule(expression: t.Any, time_zone: t.Any = None) -> BackupSchedule | None:
    """The schedule of a rule, in its time zone, UTC without one; None when it is not understood."""
    text = str(expression or DEFAULT)
    rate = _RATE.fullmatch(text)
    if rate:
        every_s = int(rate["number"]) * _UNIT_S[rate["unit"].lower()]
        return BackupSchedule(Schedule("", timezone.utc, every_s)) if every_s else None
    cron, zone = _CRON.fullmatch(text), zone_of(time_zone)
    fields = _five_fields(cron["fields"]) if cron else None
    if not HAS_CRONSIM or fields is None or zone is None:
        return None
    try:
        CronSim(fields, datetime.now(timezone.utc))
    except (CronSimError, AssertionError, ValueError):
        return None
    return BackupSchedule(Schedule(fields, zone, None))


def _five_fields(text: str) -> str | None:
    """minute hour day-of-month month day-of-week, as the library reads them; None when that tells less than six do."""
    fields = text.replace("?", "*").upper().split()
    if len(fields) != 6 or fields[5] != "*":
        return None
    weekday = "7" if fields[4] == "L" else fields[4]
    fields[4] = _WEEKDAY_NUMBER.sub(lambda number: str(int(number[0]) - 1), weekday)
    return None if "W" in fields[2] or "-1" in fields[4].split(",") else " ".join(fields[:5])
