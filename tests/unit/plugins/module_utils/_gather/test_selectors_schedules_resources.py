# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Selectors, schedules and resources: pure helpers of the steps, held against what an API server does."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst, fold
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import resource_name, resource_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._schedule import parse_schedule
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import Selector, selector_parameter

NOW = datetime(2026, 11, 20, 21, tzinfo=timezone.utc)


# What a real API server refused (400) and what it took.
@pytest.mark.parametrize(
    "text",
    [
        "app in backup-sync)",
        "-app=x",
        "app in (a,b",
        "app=backup up",
        "app>abc",
        "a b",
        "app=" + "x" * 64,
        "app,",
        "app in ()",
        "x/y/z=1",
        "a=!b",
        ",",
        "!",
        "(",
        "app=x=y",
    ],
)
def test_refuses_what_the_server_refuses(text):
    with pytest.raises(BadParameter, match=r"^label_selector: .*; write it like"):
        selector_parameter({"label_selector": text})


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("app=backup-sync", {"app": "backup-sync"}, True),
        ("app==backup-sync", {"app": "backup-sync"}, True),
        ("app=backup-sync", {"app": "other"}, False),
        ("app=backup-sync", None, False),
        ("app!=x", {}, True),
        ("app!=x", {"app": "x"}, False),
        ("app in (a, b)", {"app": "b"}, True),
        ("app in (a,b)", {}, False),
        ("app notin (a,b)", {}, True),
        ("app notin (a,b)", {"app": "a"}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("!app", {}, True),
        ("app=", {"app": ""}, True),
        ("app=", {}, False),
        ("n>3", {"n": "4"}, True),
        ("n>3", {"n": "3"}, False),
        ("n<3", {"n": "x"}, False),
        ("a=1,b!=2", {"a": "1", "b": "3"}, True),
        ("a=1,b!=2", {"a": "1", "b": "2"}, False),
        ("in in (notin)", {"in": "notin"}, True),
        ("example.com/app=x", {"example.com/app": "x"}, True),
        ("", {}, True),
    ],
)
def test_selector_matches_as_the_server_does(text, labels, expected):
    assert Selector(text).matches(labels) is expected


@pytest.mark.parametrize(
    ("text", "zone", "interval_s", "following"),
    [
        ("0 3 * * *", None, 86400, "2026-11-21T03:00:00+00:00"),
        ("0 3 * * *", "Europe/Berlin", 86400, "2026-11-21T02:00:00+00:00"),
        ("@hourly", None, 3600, "2026-11-20T22:00:00+00:00"),
        ("*/15 * * * *", None, 900, "2026-11-20T21:15:00+00:00"),
        ("@every 1h30m", None, 5400, "2026-11-20T22:30:00+00:00"),
        ("0 2 * * 1-5", None, 86400, "2026-11-23T02:00:00+00:00"),
        ("30 2 ? * SUN", None, 604800, "2026-11-22T02:30:00+00:00"),
    ],
)
def test_schedule(text, zone, interval_s, following):
    schedule = parse_schedule(text, zone)
    assert schedule.interval_s(NOW) == interval_s
    assert schedule.next_after(NOW).isoformat() == following


@pytest.mark.parametrize("text", ["", None, "bad", "* * * *", "0 0 * * * *", "0 0 L * *", "61 * * * *", "@every soon"])
def test_schedule_that_kubernetes_would_not_take_is_unknown(text):
    assert parse_schedule(text) is None


def test_unknown_zone_makes_the_schedule_unknown():
    assert parse_schedule("0 3 * * *", "Mars/Olympus") is None


def test_slots_between_take_the_end_and_leave_out_the_start():
    start, end = NOW.replace(hour=18), NOW
    slots = parse_schedule("@hourly").between(start, end)
    assert [slot.hour for slot in slots] == [19, 20, 21]


def test_slots_follow_the_change_to_winter_time():
    # 25 October 2026: Berlin falls back at 01:00 UTC, so 03:00 there moves from 01:00 to 02:00 UTC.
    schedule = parse_schedule("0 3 * * *", "Europe/Berlin")
    before = datetime(2026, 10, 24, tzinfo=timezone.utc)
    assert [slot.hour for slot in schedule.after(before, 3)] == [1, 2, 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("backup-sync-orders-29920138", "orders"),
        ("orders-20261120-0300", "orders"),
        ("orders-1763672400", "orders"),
        ("orders-20261120t030000", "orders"),
        ("orders-20261120030000", "orders"),
        ("sync-orders-2026-11-20", "orders"),
        ("copy-orders", "orders"),
        ("orders-backup", "orders"),
        ("backup-sync", "backup-sync"),
        ("ledger-2", "ledger-2"),
        ("shop-orders", "shop-orders"),
        ("orders-crypt", "orders-crypt"),  # five consonants are a suffix on pods only
    ],
)
def test_resource_of_a_name(name, expected):
    assert resource_name(name, strip=("backup-sync",)) == expected


def _object(**meta):
    return {"metadata": {"name": "backup-sync-orders-29920138", **meta}}


@pytest.mark.parametrize(
    ("obj", "kind", "expected"),
    [
        (_object(labels={"backup-sync/resource": "db"}), "Job", "db"),
        (_object(labels={"velero.io/schedule-name": "nightly"}), "Backup", "nightly"),
        (_object(ownerReferences=[{"kind": "CronJob", "name": "backup-sync-users"}]), "Job", "users"),
        ({"metadata": {"name": "x"}, "spec": {"source": {"persistentVolumeClaimName": "orders"}}}, "VolumeSnapshot", "orders"),
        (
            {"metadata": {"name": "x"}, "spec": {"jobTemplate": {"metadata": {"labels": {"backup-sync/resource": "db"}}}}},
            "CronJob",
            "db",
        ),
        ({"metadata": {"name": "orders-x7k9d"}}, "Pod", "orders"),
        ({"metadata": {"name": "a-x7k9d", "ownerReferences": [{"kind": "Job", "name": "sync-users-29920138"}]}}, "Pod", "users"),
    ],
)
def test_resource_of_an_object(obj, kind, expected):
    assert resource_of(obj, kind=kind) == expected


def test_fold_joins_what_only_ids_tell_apart():
    first = 'Error creating: pods "backup-sync-bulk-ghp65" is forbidden at 2026-11-20T20:55:28Z'
    second = '(combined from similar events): Error creating: pods "backup-sync-bulk-mncd4" is forbidden at 2026-11-20T20:59:01Z'
    assert fold(first) == fold(second)
    assert fold("lock 3e2448da-697d-433c-9286-08967500c366 of 7") == fold("lock 047886ac-2246-4fb4-b58e-25354d85cf8e of 12")
    assert fold("no space left") != fold("no such host")


def test_worst_keeps_the_largest_and_counts_all():
    worst = Worst(2)
    for key in (3, 9, 1, 9, 5):
        worst.push((key,), f"row {key}")
    assert worst.rows() == ["row 9", "row 9"]
    assert worst.total == 5
