# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 2 against recorded events of a real API server."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import recorded_side as side
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._eventrows import (
    MOST_GROUPS,
    CopyObjects,
    read_event,
    tells_trouble,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.events import STEP


def _recorded():
    return side.FakeCluster({side.EVENTS: side.items("events-list")})


def _feed():
    answers = {side.JOBS: side.items("jobs-list-label-eq"), side.CRONJOBS: side.items("cronjobs-list")}
    return side.run(jobs.STEP, side.FakeCluster(answers)).feed


def test_figures_of_recorded_events():
    cluster = _recorded()
    evidence = side.run(STEP, cluster, jobs=_feed()).evidence
    summary = evidence["summary"]
    assert (evidence["outcome"], summary["events"], summary["warnings"]) == ("ok", 79, 32)
    reasons = {(row["reason"], row["type"]): row for row in summary["by_reason"]}
    assert reasons["FailedCreate", "Warning"]["count"] == 9  # nine events of one job, each naming another pod
    assert reasons["FailedCreate", "Warning"]["objects"] == 1
    assert summary["by_reason"][0]["reason"] == "SuccessfulCreate"
    assert (summary["oldest_at"], summary["newest_at"]) == ("2026-11-20T20:55:28Z", "2026-11-20T20:59:12Z")
    assert summary["retention_s"] == 272.0
    assert evidence["covered"] == {"start": "2026-11-20T20:55:28Z", "end": "2026-11-20T21:00:00Z"}
    assert cluster.asked == [(side.EVENTS, None)]


def test_rows_are_newest_first_and_leave_out_the_other_tenant():
    rows = side.run(STEP, _recorded(), jobs=_feed()).evidence["events"]
    last = [row["last_at"] for row in rows]
    assert last == sorted(last, reverse=True)
    assert "other-tenant-report" not in {row["object"] for row in rows}


def test_normal_events_that_tell_trouble():
    rows = side.run(STEP, _recorded(), max_rows=18).evidence["events"]
    blocked = side.by(rows, "reason")["JobAlreadyActive"]
    assert (blocked["type"], blocked["count"], blocked["resource"]) == ("Normal", 3, "slow")
    # eighteen groups tell of trouble; no room is left for the creation of pods
    assert "SuccessfulCreate" not in {row["reason"] for row in rows[:10] if row["last_at"] < "2026-11-20T20:57:00Z"}


def test_a_saw_completed_job_tells_trouble_only_when_the_job_failed():
    def event(condition):
        return read_event({"reason": "SawCompletedJob", "type": "Normal", "message": f"Saw completed job: x, condition: {condition}"})

    assert tells_trouble(event("Failed"))
    assert not tells_trouble(event("Complete"))


def test_an_event_of_a_new_recorder_is_timed_by_its_event_time():
    (scheduling,) = [obj for obj in side.items("events-list") if obj["reason"] == "FailedScheduling"]
    assert scheduling.get("lastTimestamp") is None
    assert read_event(scheduling).last_at.isoformat() == "2026-11-20T20:55:28.412345+00:00"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"series": {"lastObservedTime": "2026-11-20T20:30:00.5Z", "count": 7}, "lastTimestamp": "2026-11-20T20:40:00Z"}, 30),
        ({"lastTimestamp": "2026-11-20T20:40:00Z", "eventTime": "2026-11-20T20:50:00Z"}, 40),
        ({"eventTime": "2026-11-20T20:50:00.1Z", "firstTimestamp": "2026-11-20T20:10:00Z"}, 50),
        ({"firstTimestamp": "2026-11-20T20:10:00Z"}, 10),
        ({}, 1),
    ],
)
def test_last_seen(times, expected):
    event = {"metadata": {"creationTimestamp": "2026-11-20T20:01:00Z"}, **times}
    assert read_event(event).last_at.minute == expected


def test_counts_of_a_series():
    assert read_event({"series": {"count": 7}, "count": 2}).times == 7
    assert read_event({"count": 2}).times == 2
    assert read_event({}).times == 1


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("backup-sync-users", "backup-sync-users"),
        ("backup-sync-users-q6p84", "backup-sync-users"),
        ("backup-sync-shards-3-s54hv", "backup-sync-shards"),
        ("backup-sync-orders-29920136-l2nd7", "backup-sync-orders"),  # of a run that is no longer listed
        ("backup-sync-gone", "backup-sync-gone"),  # known by its beginning alone
        ("backup-sync-ledger-2", "backup-sync-ledger-2"),  # not a pod of backup-sync-ledger
        ("other-tenant-report-9w5r2", None),
    ],
)
def test_whose_object_it_is(name, owner):
    feed = _feed()
    assert CopyObjects(feed["jobs"], feed["cronjobs"], ("backup-sync",)).owner_of(name) == owner


def test_combined_events_join_their_group():
    def event(number, message):
        return {
            "metadata": {"name": str(number), "creationTimestamp": "2026-11-20T20:50:00Z"},
            "involvedObject": {"kind": "Job", "name": "backup-sync-bulk"},
            "reason": "FailedCreate",
            "type": "Warning",
            "message": message,
            "lastTimestamp": f"2026-11-20T20:5{number}:00Z",
            "count": number,
        }

    answers = [
        event(1, 'Error creating: pods "backup-sync-bulk-ghp65" is forbidden'),
        event(3, '(combined from similar events): Error creating: pods "backup-sync-bulk-mncd4" is forbidden'),
    ]
    (row,) = side.run(STEP, side.FakeCluster({side.EVENTS: answers})).evidence["events"]
    assert (row["count"], row["combined"], row["last_at"]) == (4, True, "2026-11-20T20:53:00Z")


def test_events_older_than_the_window_say_only_how_far_back_the_list_goes():
    evidence = side.run(STEP, _recorded(), window="2m").evidence
    assert evidence["covered"]["start"] == "2026-11-20T20:58:00Z"
    assert evidence["summary"]["oldest_at"] == "2026-11-20T20:55:28Z"
    assert all(row["last_at"] >= "2026-11-20T20:58:00Z" for row in evidence["events"])


@pytest.mark.parametrize(("exists", "outcome"), [(True, "empty"), (False, "not_found"), (None, "empty")])
def test_no_events(exists, outcome):
    evidence = side.run(STEP, side.FakeCluster({}, namespace_exists=exists)).evidence
    assert (evidence["outcome"], evidence["covered"]) == (outcome, None)
    assert evidence["summary"]["retention_s"] is None


def test_refused():
    evidence = side.run(STEP, side.FakeCluster({side.EVENTS: side.refused("events")})).evidence
    assert (evidence["outcome"], evidence["error"]["code"]) == ("forbidden", 403)


def test_what_is_no_feed_is_refused():
    with pytest.raises(BadParameter, match=r"^jobs: "):
        side.run(STEP, _recorded(), jobs="text")


def test_groups_are_bounded_and_trouble_stays():
    def many(dummy):
        for number in range(3 * MOST_GROUPS):
            word = "".join(chr(ord("a") + int(digit)) for digit in f"{number:05d}")
            yield {
                "metadata": {"name": f"{number}"},
                "involvedObject": {"kind": "Thing", "name": f"other{word}"},
                "reason": "Odd",
                "type": "Warning" if number % 1000 == 0 else "Normal",
                "message": f"message {word}",
                "lastTimestamp": "2026-11-20T20:50:00Z",
            }

    found = side.run(STEP, side.FakeCluster({side.EVENTS: many}))
    summary = found.evidence["summary"]
    assert summary["events"] == 3 * MOST_GROUPS
    assert summary["groups"] == MOST_GROUPS == len(found.feed["groups"])
    assert summary["not_grouped"] == 2 * MOST_GROUPS
    assert found.evidence["total"]["events"] == 6  # the warnings
