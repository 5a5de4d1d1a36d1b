# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schedules of backup plans."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_cron import parse_schedule

NOW = datetime(2026, 11, 20, 21, tzinfo=timezone.utc)  # a Friday
HOUR, DAY = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("expression", "usual", "longest"),
    [
        (None, DAY, DAY),  # AWS's default
        ("cron(0 5 ? * * *)", DAY, DAY),
        ("cron(0/15 * * * ? *)", HOUR / 4, HOUR / 4),
        ("cron(0 5 ? * 2-6 *)", DAY, 3 * DAY),  # Monday to Friday
        ("cron(0 5 ? * 1 *)", 7 * DAY, 7 * DAY),
        ("cron(0 8 L * ? *)", 30.5 * DAY, 31 * DAY),
        ("rate(12 hours)", 12 * HOUR, 12 * HOUR),
        ("rate(1 day)", DAY, DAY),
    ],
)
def test_how_far_apart_the_slots_are(expression, usual, longest):
    distance = parse_schedule(expression).distance(NOW)
    assert distance.usual_s == pytest.approx(usual, abs=DAY / 2)
    assert distance.longest_s == longest


@pytest.mark.parametrize(
    ("expression", "zone", "slot"),
    [
        ("cron(30 4 ? * 1 *)", None, "2026-11-22T04:30:00Z"),  # AWS's first day of the week is Sunday
        ("cron(30 4 ? * SUN *)", None, "2026-11-22T04:30:00Z"),
        ("cron(30 4 ? * 7 *)", None, "2026-11-21T04:30:00Z"),
        ("cron(30 4 ? * L *)", None, "2026-11-21T04:30:00Z"),  # the last day of the week
        ("cron(30 4 ? * 6L *)", None, "2026-11-27T04:30:00Z"),  # the last Friday of the month
        ("cron(30 4 ? * 6#3 *)", None, "2026-12-18T04:30:00Z"),  # the third Friday
        ("cron(0 5 ? * * *)", "America/New_York", "2026-11-21T10:00:00Z"),
    ],
)
def test_the_next_slot(expression, zone, slot):
    (following,) = parse_schedule(expression, zone).slots(NOW, 1)
    assert following.strftime("%Y-%m-%dT%H:%M:%SZ") == slot


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("cron(0 5 15W * ? *)", None),
        ("cron(0 5 ? * * 2027)", None),
        ("cron(0 5 * * *)", None),
        ("cron(0 25 ? * * *)", None),
        ("cron(0 5 ? * 0 *)", None),
        ("rate(0 hours)", None),
        ("every day", None),
        ("cron(0 5 ? * * *)", "Mars/Olympus"),
    ],
)
def test_what_is_not_understood_is_none(expression, zone):
    assert parse_schedule(expression, zone) is None
