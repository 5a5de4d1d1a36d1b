# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 8 of the region runbook: the points of both vaults."""

from __future__ import annotations

import random

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_point_rows import (
    VAULTS,
    VAULTS_FEED,
    clients,
    job,
    packed_jobs,
    point,
    snapshot,
    volume,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DAY,
    HOUR,
    NOW_S,
    forbidden,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_points import list_points, pack_points
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_recovery_points import STEP


def gathered(both, **params):
    """Run the step as a task would."""
    return STEP.gather({"vault_name": "main", "look_back": "14d", "vaults_feed": VAULTS_FEED, **params}, both)


def evidence(source=(), destination=(), jobs=(), **params):
    """The evidence of the step alone."""
    return gathered(clients(source, destination, jobs), **params).evidence


def only(rows):
    """The only row."""
    (row,) = rows
    return row


def points_feed(*rows):
    """feed.points of the copy lag step."""
    both = clients(rows)
    return pack_points(list_points(both.aws_source, "main", both.aws_source.now(), both.progress))


def test_a_copied_point_is_counted_and_its_resource_is_current():
    found = evidence([point("source", "s", 5)], [point("destination", "d", 5)], [job("J", "s", "d", hours=4.5)])
    summary, row = found["summary"], only(found["resources"])
    assert (summary["source_points"], summary["destination_points"], summary["copied"]) == (1, 1, 1)
    assert summary["methods"] == {"linkage": 1, "source_vault": 0, "time": 0, "composite": 0}
    assert summary["calibration"] == {"EBS": {"pairs": 1, "median_offset_s": 0.0, "used": True}}
    assert (summary["resources"], summary["resources_ready"], summary["compared"]) == (1, 1, True)
    assert summary["worst_exposure_s"] == 5 * HOUR
    assert row == {
        "resource": "orders",
        "resource_arn": volume("orders"),
        "type": "EBS",
        "newest_source_at": "2026-11-20T16:00:00Z",
        "newest_matched_at": "2026-11-20T16:00:00Z",
        "exposure_s": 5 * HOUR,
        "exposure_error_s": 1.5,
        "behind_s": 0.0,
        "ready": True,
        "verdict": "current",
        "why": "copied",
        "method": "linkage",
        "missing": 0,
    }
    assert found["points"] == []


def test_the_older_of_two_copies_comes_first_however_near_they_are():
    # the ages, told to a tenth of a second, are equal; an order that hung on them would change with the clock
    older = 5 + 0.04 / 3600
    found = evidence(
        [point("source", "s1", older, "ant"), point("source", "s2", 5, "bee")],
        [point("destination", "d1", older, "ant"), point("destination", "d2", 5, "bee")],
        [job("J1", "s1", "d1", "ant", hours=4.5), job("J2", "s2", "d2", "bee", hours=4.5)],
    )
    assert [(row["resource"], row["exposure_s"]) for row in found["resources"]] == [
        ("ant", 5 * HOUR),
        ("bee", 5 * HOUR),
    ]


def test_a_failed_copy_is_told_with_its_jobs_words():
    failed = job("J", "s2", hours=4.5, state="FAILED", StatusMessage="Access Denied trying to call AWS Backup service")
    found = evidence(
        [point("source", "s1", 29), point("source", "s2", 5)],
        [point("destination", "d1", 29)],
        [job("I", "s1", "d1", hours=28), failed],
        rpo="26h",
    )
    assert only(found["points"]) == {
        "resource": "orders",
        "resource_arn": volume("orders"),
        "type": "EBS",
        "source": snapshot("source", "s2"),
        "destination": None,
        "verdict": "failed",
        "method": None,
        "point_in_time": "2026-11-20T16:00:00Z",
        "copied_at": None,
        "lag_s": None,
        "copy_job": "J",
        "message": "Access Denied trying to call AWS Backup service",
        "status": None,
    }
    row = only(found["resources"])
    assert (row["verdict"], row["why"]) == ("lagging", "failed")
    assert (row["exposure_s"], row["behind_s"]) == (29 * HOUR, 24 * HOUR)


def test_a_point_from_before_the_jobs_that_were_handed_over_is_not_called_never_started():
    old = [point("source", "s1", 20 * 24)]
    feeds = {"points_feed": points_feed(*old), "jobs_feed": packed_jobs(), "vaults_feed": VAULTS_FEED}
    assert only(gathered(clients(old), look_back="30d", **feeds).evidence["points"])["verdict"] == "never_started"
    assert only(gathered(clients(old), look_back="14d", **feeds).evidence["points"])["verdict"] != "never_started"


def test_what_is_unusable_is_told_with_its_status():
    broken = point("destination", "d", 5, Status="EXPIRED", StatusMessage="could not be deleted")
    found = evidence([point("source", "s", 5)], [broken], [job("J", "s", "d", hours=4.75, took_s=3600)])
    row = only(found["points"])
    assert (row["verdict"], row["status"], row["message"]) == ("unusable", "EXPIRED", "could not be deleted")
    assert (row["lag_s"], row["copied_at"], row["destination"]) == (
        3600.0,
        "2026-11-20T17:15:00Z",
        snapshot("destination", "d"),
    )


def test_a_job_that_ended_well_without_a_point_is_told():
    done = job("J", "s", "d", hours=29, StatusMessage="kept in the backup vault")
    found = evidence([point("source", "s", 30)], (), [done])
    assert (found["outcome"], found["summary"]["failed"], found["summary"]["absent"]) == ("empty", 1, 1)
    assert only(found["points"])["message"] == (
        "The copy job ended well, but its recovery point is not in the destination vault. "
        "It said: kept in the backup vault"
    )


def test_quiet_verdicts_are_counted_only():
    kept = {"DestinationRecoveryPointLifecycle": {"DeleteAfterDays": 2}}
    found = evidence(
        [point("source", "s1", 60), point("source", "s2", 5)],
        [point("destination", "d2", 5), point("destination", "older", 80)],
        [job("I", "s1", "d1", hours=59, **kept), job("J", "s2", "d2", hours=4.5)],
    )
    summary = found["summary"]
    assert (summary["expired_by_design"], summary["source_expired"], summary["copied"]) == (1, 1, 1)
    assert found["points"] == []


def test_the_timeline_says_what_became_of_the_newest_points():
    source = [point("source", f"s{hours}", hours) for hours in range(5, 45)]
    destination = [point("destination", f"d{hours}", hours) for hours in range(7, 45)]
    jobs = [job(f"J{hours}", f"s{hours}", f"d{hours}", hours=hours - 0.5) for hours in range(7, 45)]
    jobs += [job("J5", "s5", hours=4.5, state="FAILED")]
    row = only(evidence(source, destination, jobs)["timeline"])
    assert {verdict: len(times) for verdict, times in row["verdicts"].items()} == {"failed": 1, "pending": 1, "copied": 22}
    assert row["verdicts"]["copied"] == sorted(row["verdicts"]["copied"], reverse=True)


def test_resources_come_worst_first_and_are_bounded():
    source = [point("source", f"s{n}", 5, f"r{n}") for n in range(4)]
    destination = [point("destination", f"d{n}", 5, f"r{n}") for n in (1, 2, 3)]
    jobs = [job(f"J{n}", f"s{n}", f"d{n}", f"r{n}", hours=4.5) for n in (1, 2, 3)]
    jobs.append(job("J0", "s0", resource="r0", hours=4.5, state="FAILED"))
    found = evidence(source, destination, jobs, max_rows=2)
    assert [row["verdict"] for row in found["resources"]] == ["missing", "current"]
    assert (found["total"], found["truncated"]) == ({"resources": 4, "points": 1, "timeline": 4}, True)
    assert [row["resource"] for row in found["timeline"]] == [row["resource"] for row in found["resources"]]
    assert found["summary"]["resources_ready"] == 3


def test_a_type_whose_copies_do_not_keep_the_date_is_said_to_go_by_jobs_only():
    source = [point("source", "s1", 30), point("source", "s2", 54)]
    destination = [point("destination", "d1", 28), point("destination", "d2", 54)]
    found = evidence(source, destination, [job("J", "s1", "d1", hours=28)])
    assert found["summary"]["calibration"]["EBS"] == {"pairs": 1, "median_offset_s": 2 * HOUR, "used": False}
    # its copy may be d2 or may not: nothing says so, and no point is called an orphan
    assert (found["summary"]["gap"], found["summary"]["unknown"], found["summary"]["orphan"]) == (1, 1, 0)


def test_continuous_sources_go_by_their_jobs():
    continuous = "arn:aws:backup:eu-west-1:111122223333:recovery-point:continuous:orders-1a2b"
    found = evidence(
        [point("source", "c", 300, RecoveryPointArn=continuous, Status="AVAILABLE")],
        [point("destination", "d", 5)],
        [job("J", "temporary", "d", hours=4.9)],
    )
    assert (found["summary"]["copied"], found["summary"]["orphan"], found["summary"]["jobs_only"]) == (1, 0, 1)
    assert only(found["resources"])["exposure_s"] == 5 * HOUR


def test_a_composite_goes_by_the_jobs_of_its_members_or_by_its_own():
    source = [
        point("source", "stack", 30, "stack", IsParent=True),
        point("source", "db", 30, "db", ParentRecoveryPointArn=snapshot("source", "stack")),
    ]
    parent = job("P", "stack", None, "stack", hours=29, state="PARTIAL", IsParent=True)
    member = job("J", "db", None, "db", hours=29, state="FAILED", ParentJobId="P")

    def jobs(**feeds):
        found = gathered(clients(source), points_feed=points_feed(*source), **feeds).evidence
        return {row["resource"]: (row["verdict"], row["copy_job"]) for row in found["points"]}

    assert jobs(jobs_feed=packed_jobs(member)) == {"db": ("failed", "J"), "stack": ("failed", "J")}
    fed = jobs(jobs_feed=packed_jobs(member), parents_feed=packed_jobs(parent))
    assert fed == {"db": ("failed", "J"), "stack": ("failed", "P")}


# ------------------------------------------------------------------------------------------------------ reading


def test_with_all_feeds_only_the_destination_is_read():
    both = clients([point("source", "s", 5)], [point("destination", "d", 5)])
    gathered(both, points_feed=points_feed(point("source", "s", 5)), jobs_feed=packed_jobs())
    assert both.aws_source.calls == 0
    assert both.aws_destination.operations() == ["ListRecoveryPointsByBackupVault"]


def test_it_reads_as_far_back_as_the_feed_of_points_goes_and_a_minute_for_rounded_dates():
    both = clients((), [point("destination", "d", 5)])
    fed = points_feed(point("source", "s", 5))  # of a reading that begins now
    gathered(both, points_feed=fed, jobs_feed=packed_jobs(), look_back="14d")
    asked = both.aws_destination.arguments("ListRecoveryPointsByBackupVault")[0]
    assert asked["ByCreatedAfter"].timestamp() == NOW_S - 60


def test_alone_it_reads_both_sides_and_the_jobs():
    both = clients([point("source", "s", 5)], [point("destination", "d", 5)], [job("J", "s", "d", hours=4.5)])
    gathered(both, vaults_feed=None)
    assert sorted(both.aws_source.operations()) == ["ListCopyJobs", "ListRecoveryPointsByBackupVault"]
    assert sorted(both.aws_destination.operations()) == ["GetCallerIdentity", "ListRecoveryPointsByBackupVault"]
    assert both.aws_source.arguments("ListCopyJobs")[0]["ByDestinationVaultArn"] == VAULTS["destination"]
    asked = both.aws_source.arguments("ListRecoveryPointsByBackupVault")[0]
    assert asked["ByCreatedAfter"].timestamp() == NOW_S - 14 * DAY


def test_feeds_and_own_reading_come_to_the_same():
    source, destination = [point("source", "s", 5)], [point("destination", "d", 5)]
    jobs = [job("J", "s", "d", hours=4.5)]
    alone = evidence(source, destination, jobs)
    fed = gathered(clients((), destination), points_feed=points_feed(*source), jobs_feed=packed_jobs(*jobs)).evidence
    assert fed["resources"] == alone["resources"]
    assert fed["summary"] == alone["summary"]


def test_without_the_source_nothing_is_compared():
    refused = forbidden("ListRecoveryPointsByBackupVault")
    found = evidence(refused, [point("destination", "d", 5)], jobs_feed=packed_jobs())
    summary = found["summary"]
    assert (summary["compared"], summary["unknown"], summary["orphan"]) == (False, 1, 0)
    assert only(found["resources"])["verdict"] == "unknown"
    assert only(found["denied"])["side"] == "source"


def test_without_jobs_dates_still_pair():
    source = [point("source", "s1", 29), point("source", "s2", 12)]
    found = evidence(source, [point("destination", "d", 29)], forbidden("ListCopyJobs"))
    assert (found["summary"]["copied"], found["summary"]["unknown"]) == (1, 1)
    assert (only(found["resources"])["verdict"], only(found["resources"])["method"]) == ("lagging", "source_vault")
    assert only(found["denied"])["what"] == "copy jobs"


def test_a_destination_that_may_not_be_read_ends_the_step():
    found = evidence([point("source", "s", 5)], forbidden("ListRecoveryPointsByBackupVault"))
    assert found["outcome"] == "forbidden"


def insufficient():
    """What AWS says of a vault that another account shares, and of one that does not exist."""
    return ReadFailed(
        "forbidden",
        "backup in eu-central-1 (destination) refused ListRecoveryPointsByBackupVault: "
        "Insufficient privileges to perform this action.",
        code="AccessDeniedException",
    )


def test_a_shared_vault_needs_the_id_of_its_owner_and_the_hint_says_so():
    found = evidence([point("source", "s", 5)], insufficient())
    assert "destination_vault_account_id" in found["error"]["hint"]


def test_the_owner_of_a_shared_vault_is_sent():
    both = clients([point("source", "s", 5)], [point("destination", "d", 5)])
    gathered(both, destination_vault_account_id="444455556666")
    (there,) = both.aws_destination.arguments("ListRecoveryPointsByBackupVault")
    (here,) = both.aws_source.arguments("ListRecoveryPointsByBackupVault")
    assert there["BackupVaultAccountId"] == "444455556666"
    assert "BackupVaultAccountId" not in here


@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({"look_back": "soon"}, "look_back"),
        ({"rpo": "often"}, "rpo"),
        ({"expected_window": "often"}, "expected_window"),
        ({"points_feed": "x"}, "points_feed"),
        ({"jobs_feed": "x"}, "jobs_feed"),
        ({"parents_feed": "x", "jobs_feed": packed_jobs()}, "parents_feed"),
        ({"destination_vault_account_id": "prod"}, "destination_vault_account_id"),
        ({"destination_vault_name": "a/b"}, "destination_vault_name"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_call(params, option):
    both = clients()
    with pytest.raises(BadParameter, match=f"^{option}: "):
        gathered(both, **params)
    assert both.aws_destination.calls == both.aws_source.calls == 0


_STATES = st.lists(st.sampled_from(["COMPLETED", "FAILED", "RUNNING", "gone", None]), min_size=1, max_size=9)


@settings(max_examples=40, deadline=None)
@given(st.randoms(), _STATES)
def test_the_order_of_rows_does_not_matter(chance: random.Random, states):
    names = ["orders" if n % 3 else "users" for n in range(len(states))]
    source = [point("source", f"s{n}", 6 * n + 5, name) for n, name in enumerate(names)]
    jobs = [
        job(f"J{n}", f"s{n}", f"d{n}", name, hours=6 * n + 4, state="COMPLETED" if state == "gone" else state)
        for n, (name, state) in enumerate(zip(names, states))
        if state
    ]
    destination = [
        point("destination", f"d{n}", 6 * n + 5, name)
        for n, (name, state) in enumerate(zip(names, states))
        if state in ("COMPLETED", None)
    ]
    expected = evidence(source, destination, jobs, max_rows=3)
    for rows in (source, destination, jobs):
        chance.shuffle(rows)
    assert evidence(source, destination, jobs, max_rows=3) == expected
