# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 6 of the region runbook: copy jobs against the recovery points of the source."""

from __future__ import annotations

import random

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_point_rows import (
    VAULTS,
    VAULTS_FEED,
    backup_job,
    clients,
    job,
    packed_jobs,
    point,
    snapshot,
    volume,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DAY,
    NOW_S,
    forbidden,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_upstream
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_points import read_points
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_lag import STEP

HALF_HOUR = 1800.0
SIX_HOURS = 21600.0


def gathered(both, **params):
    """Run the step as a task would."""
    given_params = {"vault_name": "main", "look_back": "14d", "vaults_feed": VAULTS_FEED, **params}
    return STEP.gather(given_params, both)


def evidence(points, jobs=(), backups=(), **params):
    """The evidence of the step alone."""
    return gathered(clients(points, (), jobs, backups), **params).evidence


def only(found):
    """The only resource's row."""
    (row,) = found["resources"]
    return row


def test_lag_runs_from_the_completion_of_the_point_to_that_of_its_job():
    # the point of 5 h ago was complete 4 h 45 min ago; its job ran from 4 h 40 min to 4 h 10 min ago
    found = evidence([point("source", "s", 5)], [job("J", "s", "d", hours=4 + 2 / 3)])
    row = only(found)
    assert (row["verdict"], row["lag_s"], row["copy_job"]) == ("on_time", 2100.0, "J")
    assert row["source_point"] == snapshot("source", "s")
    assert (row["point_in_time"], row["completed_at"]) == ("2026-11-20T16:00:00Z", "2026-11-20T16:15:00Z")
    assert row["copied_at"] == "2026-11-20T16:50:00Z"
    assert (row["window_s"], row["window_from"]) == (SIX_HOURS, "default")
    assert (row["resource"], row["resource_arn"], row["type"]) == ("orders", volume("orders"), "EBS")
    assert found["summary"]["median_lag_s"] == found["summary"]["worst_lag_s"] == 2100.0


def test_a_copy_beyond_its_window_is_late():
    found = evidence([point("source", "s", 5)], [job("J", "s", "d", hours=4.7, took_s=2 * 3600)], expected_window="1h")
    assert (only(found)["verdict"], only(found)["window_from"]) == ("late", "parameter")


@pytest.mark.parametrize(
    ("queued", "why", "queue_s", "transfer_s"),
    [({}, None, None, None), ({"J": 5400}, "queue", 5400.0, 1800.0), ({"J": 60}, "transfer", 60.0, 7140.0)],
)
def test_the_queue_is_told_apart_where_events_tell_it(queued, why, queue_s, transfer_s):
    jobs = [job("J", "s", "d", hours=4.7, took_s=7200)]
    found = evidence([point("source", "s", 5)], jobs, expected_window="1h", queued=queued)
    row, summary = only(found), found["summary"]
    assert (row["why"], row["queue_s"], row["transfer_s"]) == (why, queue_s, transfer_s)
    assert (summary["median_queue_s"], summary["median_transfer_s"]) == (queue_s, transfer_s)
    assert summary["queue_known"] == len(queued)


def test_a_second_copy_of_a_point_does_not_make_the_first_one_late():
    jobs = [job("J", "s", "d", hours=28), job("K", "s", "e", hours=2)]
    row = only(evidence([point("source", "s", 29)], jobs))
    assert (row["verdict"], row["copy_job"], row["lag_s"]) == ("on_time", "J", 1800 + 2700.0)


def test_a_job_that_was_created_late_is_late_for_that():
    found = evidence([point("source", "s", 9)], [job("J", "s", "d", hours=3)], expected_window="1h")
    assert (only(found)["verdict"], only(found)["why"]) == ("late", "not_started")


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        ([], "not_started"),
        ([job("J", "s", hours=8, state="FAILED")], "failing"),
        ([job("J", "s", hours=8, state="CREATED")], "queue"),
        ([job("J", "s", hours=8, state="RUNNING")], "transfer"),
    ],
)
def test_a_point_that_should_have_arrived_is_overdue(jobs, why):
    row = only(evidence([point("source", "s", 9)], jobs))
    # nine hours less the fifteen minutes of the backup
    assert (row["verdict"], row["why"], row["lag_s"], row["copied_at"]) == ("overdue", why, 31500.0, None)


def test_the_longest_overdue_comes_first_however_near_they_are():
    # told to a tenth of a second both are as late; an order that hung on that would change with the clock
    found = evidence([point("source", "s1", 9, "ant"), point("source", "s2", 9 + 0.04 / 3600, "bee")])
    assert [(row["resource"], row["lag_s"]) for row in found["resources"]] == [("bee", 31500.0), ("ant", 31500.0)]


def named(resource):
    """A row of feed.selected of the copy rule step."""
    row = {"resource_arn": volume(resource), "resource": resource, "type": "EBS", "plan": "nightly", "rule": "daily"}
    return {**row, "since": "2026-11-01T05:00:00Z", "ran_at": "2026-11-20T05:00:00Z"}


def test_a_resource_that_a_plan_names_and_nothing_knows_was_never_backed_up():
    tried = backup_job("B", "FAILED", "tried", hours=5)
    jobs = [job("J", "s", "d", hours=4.5), job("K", "t", hours=4.5, resource="copied", state="RUNNING")]
    selected = [named(name) for name in ("orders", "copied", "tried", "fresh")]
    found = evidence([point("source", "s", 5)], jobs, [tried], selected=selected)
    told = [(row["resource"], row["state"]) for row in found["source_problems"]]
    assert told == [("tried", "failed"), ("fresh", "never")]
    assert found["source_health"]["never"] == 1
    assert "since 2026-11-01T05:00:00Z and its rule daily ran" in found["source_problems"][1]["message"]


def test_nothing_is_called_never_backed_up_where_the_jobs_could_not_be_read():
    for refused in ({"jobs": forbidden()}, {"backups": forbidden()}):
        assert evidence([point("source", "s", 5)], selected=[named("fresh")], **refused)["source_problems"] == []


def test_a_young_point_is_in_flight():
    row = only(evidence([point("source", "s", 5)], [job("J", "s", hours=4, state="FAILED")]))
    assert (row["verdict"], row["why"]) == ("in_flight", "failing")


def test_what_something_newer_made_good_is_not_overdue():
    points = [point("source", "old", 29), point("source", "new", 5)]
    row = only(evidence(points, [job("J", "old", hours=28, state="FAILED"), job("K", "new", "d", hours=4.5)]))
    assert (row["verdict"], row["source_point"]) == ("on_time", snapshot("source", "new"))


def test_the_oldest_of_those_that_wait_decides():
    points = [point("source", "copied", 53), point("source", "waits", 29), point("source", "young", 5)]
    row = only(evidence(points, [job("J", "copied", "d", hours=52)]))
    assert (row["verdict"], row["source_point"]) == ("overdue", snapshot("source", "waits"))


def test_the_window_follows_the_usual_lag():
    points = [point("source", f"s{n}", 24 * n) for n in (1, 2, 3)]
    jobs = [job(f"J{n}", f"s{n}", f"d{n}", hours=24 * n - 0.25, took_s=4 * 3600) for n in (1, 2, 3)]
    row = only(evidence(points, jobs))
    assert (row["window_s"], row["window_from"]) == (12 * 3600.0, "history")


def test_a_rule_that_copies_nothing_makes_nothing_overdue():
    hourly = {"BackupPlanId": "plan", "BackupRuleId": "hourly"}
    points = [point("source", "daily", 30), point("source", "hourly", 12, CreatedBy=hourly)]
    assert only(evidence(points, [job("J", "daily", "d", hours=29.5)]))["verdict"] == "on_time"


def test_a_continuous_source_is_judged_by_its_jobs():
    continuous = "arn:aws:backup:eu-west-1:111122223333:recovery-point:continuous:orders-1a2b"
    points = [point("source", "s", 200, RecoveryPointArn=continuous, Status="AVAILABLE")]
    row = only(evidence(points, [job("J", "temporary", "d", hours=5, took_s=HALF_HOUR)]))
    assert (row["verdict"], row["lag_s"]) == ("on_time", HALF_HOUR)
    assert row["source_point"] == snapshot("source", "temporary")


def test_one_whose_point_is_older_than_what_was_read_too():
    assert only(evidence([], [job("J", "temporary", "d", hours=5)]))["verdict"] == "on_time"


def test_a_composite_is_judged_by_its_members():
    parent = snapshot("source", "stack")
    points = [
        point("source", "stack", 30, "stack", IsParent=True),
        point("source", "db", 30, "db", ParentRecoveryPointArn=parent, CompositeMemberIdentifier="Db"),
    ]
    jobs = [
        job("P", "stack", "stack", "stack", hours=29, state="PARTIAL", IsParent=True),
        job("J", "db", None, "db", hours=29, state="FAILED", ParentJobId="P"),
    ]
    row = only(evidence(points, jobs))
    assert (row["resource"], row["verdict"]) == ("db", "overdue")
    # the copy job step hands on the jobs of members only
    assert only(gathered(clients(points), jobs_feed=packed_jobs(jobs[1])).evidence)["resource"] == "db"


def test_a_composite_whose_members_have_no_jobs_is_judged_by_its_own():
    points = [point("source", "stack", 30, "stack", IsParent=True)]
    row = only(evidence(points, [job("P", "stack", None, "stack", hours=29, state="FAILED", IsParent=True)]))
    assert (row["resource"], row["verdict"], row["why"]) == ("stack", "overdue", "failing")


# ---------------------------------------------------------------------------------------------- source's health


def test_backups_that_failed_are_problems_of_the_source():
    points = [point("source", "s", 29)]
    backups = [backup_job("B", "EXPIRED", hours=3, StatusMessage="Backup job expired before completion")]
    found = evidence(points, [job("J", "s", "d", hours=28)], backups)
    (problem,) = found["source_problems"]
    assert (problem["resource"], problem["state"], problem["at"]) == ("orders", "expired", "2026-11-20T18:00:00Z")
    assert problem["message"] == "Backup job expired before completion"
    assert (only(found)["verdict"], only(found)["why"]) == ("on_time", "upstream")
    assert found["source_health"]["failed"] == 1


def test_that_backups_failed_says_more_than_that_they_are_missing():
    points = [point("source", f"s{n}", 49 + 24 * n) for n in range(4)]
    found = evidence(points, (), [backup_job("B", "FAILED", hours=3)])
    assert [row["state"] for row in found["source_problems"]] == ["failed"]
    assert (found["source_health"]["failed"], found["source_health"]["missing"]) == (1, 0)


def test_a_resource_that_never_had_a_good_backup_is_unknown_for_that():
    found = evidence([], (), [backup_job("B", "ABORTED", hours=3)])
    assert (only(found)["verdict"], only(found)["why"], only(found)["source_point"]) == ("unknown", "upstream", None)


@pytest.mark.parametrize(("newest", "states"), [(47, []), (49, ["missing"])])
def test_a_resource_that_is_no_longer_backed_up_is_missing(newest, states):
    points = [point("source", f"s{n}", newest + 24 * n) for n in range(4)]
    found = evidence(points)
    assert [row["state"] for row in found["source_problems"]] == states
    assert found["source_health"] == {
        "outcome": "ok",
        "resources": 1,
        "failed": 0,
        "missing": len(states),
        "never": 0,
        "newest_at": "2026-11-18T22:00:00Z" if newest == 47 else "2026-11-18T20:00:00Z",
    }


def test_two_points_are_no_rhythm():
    assert not evidence([point("source", "s1", 200), point("source", "s2", 201)])["source_problems"]


# ------------------------------------------------------------------------------------------- reading and feeds


def test_the_list_is_bounded_by_the_look_back_and_read_in_large_pages():
    both = clients([point("source", "s", 5)])
    gathered(both, jobs_feed=packed_jobs(), upstream_feed=_aws_upstream.pack_upstream([]), look_back="3d")
    assert both.aws_source.operations() == ["ListRecoveryPointsByBackupVault"]
    (asked,) = both.aws_source.arguments("ListRecoveryPointsByBackupVault")
    assert (asked["BackupVaultName"], asked["MaxResults"]) == ("main", 1000)
    assert asked["ByCreatedAfter"].timestamp() == NOW_S - 3 * DAY
    assert both.aws_destination.calls == 0


def test_alone_it_reads_the_jobs_of_the_destination_vault():
    both = clients([point("source", "s", 5)], (), [job("J", "s", "d", hours=4)])
    gathered(both)
    (asked,) = both.aws_source.arguments("ListCopyJobs")
    assert asked["ByDestinationVaultArn"] == VAULTS["destination"]


def test_jobs_of_the_feed_count_as_those_that_were_read():
    points, jobs = [point("source", "s", 5)], [job("J", "s", "d", hours=4)]
    fed = gathered(clients(points), jobs_feed=packed_jobs(*jobs)).evidence
    assert fed["resources"] == evidence(points, jobs)["resources"]


def test_every_point_is_handed_on():
    parent = point("source", "stack", 6, IsParent=True)
    child = point(
        "source", "db", 6.1, "db", ParentRecoveryPointArn=parent["RecoveryPointArn"], CompositeMemberIdentifier="Db"
    )
    odd = point("source", "odd", 7, Status="PARTIAL", StatusMessage="one child is missing", CompletionDate=None)
    found = gathered(clients([parent, child, odd, parent]))  # a list that grows while it is read gives a row twice
    points = read_points(found.feed["points"])
    assert (points.vault, points.since) == (VAULTS["source"], NOW_S - 14 * DAY)
    assert [row.arn for row in points.rows] == [row["RecoveryPointArn"] for row in (parent, child, odd)]
    assert points.rows[0].is_parent
    assert (points.rows[1].parent, points.rows[1].member) == (parent["RecoveryPointArn"], "Db")
    assert points.rows[1].created == child["CreationDate"]
    assert points.rows[1].completed == child["CompletionDate"]
    assert points.rows[1].delete_at == child["CalculatedLifecycle"]["DeleteAt"]
    assert (points.rows[2].status, points.rows[2].message) == ("PARTIAL", "one child is missing")
    assert (points.rows[2].completed, points.rows[2].rule) == (None, "daily")


def test_without_jobs_there_is_no_verdict():
    both = clients([point("source", "s", 50)], (), forbidden("ListCopyJobs"))
    found = gathered(both).evidence
    assert (found["outcome"], only(found)["verdict"], only(found)["why"]) == ("ok", "unknown", None)
    (denied,) = found["denied"]
    assert (denied["what"], denied["side"], denied["grant"]["statement"]["Action"]) == (
        "copy jobs",
        "source",
        "backup:ListCopyJobs",
    )


def test_unread_backup_jobs_are_a_gap_and_no_reason_to_stop():
    both = clients([point("source", "s", 5)], (), [job("J", "s", "d", hours=4)], forbidden("ListBackupJobs"))
    found = gathered(both).evidence
    assert (only(found)["verdict"], [row["what"] for row in found["denied"]]) == ("on_time", ["backup jobs"])


def test_a_source_vault_that_may_not_be_read_ends_the_step():
    found = gathered(clients(forbidden("ListRecoveryPointsByBackupVault"))).evidence
    assert (found["outcome"], found["source_health"]) == ("forbidden", {"outcome": "forbidden"})
    assert found["error"]["grant"]["statement"]["Action"] == "backup:ListRecoveryPointsByBackupVault"


def test_an_empty_vault_is_empty():
    assert evidence([])["outcome"] == "empty"


@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({"look_back": "soon"}, "look_back"),
        ({"expected_window": "often"}, "expected_window"),
        ({"jobs_feed": "x"}, "jobs_feed"),
        ({"upstream_feed": "x"}, "upstream_feed"),
        ({"queued": {"J": "long"}}, "queued"),
        ({"vault_name": "a/b"}, "vault_name"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_call(params, option):
    both = clients()
    with pytest.raises(BadParameter, match=f"^{option}: "):
        gathered(both, **params)
    assert both.aws_source.calls == 0


@settings(max_examples=40, deadline=None)
@given(st.randoms(), st.lists(st.sampled_from(["COMPLETED", "FAILED", "RUNNING", None]), min_size=1, max_size=9))
def test_the_order_of_rows_does_not_matter(chance: random.Random, states):
    points = [point("source", f"s{n}", 6 * n + 5, "orders" if n % 2 else "users") for n in range(len(states))]
    jobs = [
        job(f"J{n}", f"s{n}", f"d{n}", hours=6 * n + 4, state=state, resource="orders" if n % 2 else "users")
        for n, state in enumerate(states)
        if state
    ]
    expected = evidence(points, jobs)
    chance.shuffle(points)
    chance.shuffle(jobs)
    assert evidence(points, jobs) == expected


def test_alone_jobs_that_only_the_destination_knows_count():
    mine = [job("J", "s", "d", hours=4 + 2 / 3)]
    both = clients([point("source", "s", 5)], **{"backup:ListCopyJobs": {"CopyJobs": mine}})
    assert only(gathered(both).evidence)["verdict"] == "on_time"


def test_sides_that_cannot_be_connected_to_are_named():
    class NoLibrary:
        """Clients where botocore is absent."""

        @property
        def aws_source(self):
            """See Clients."""
            raise ReadFailed("not_configured", "The Python library boto3 is not installed where this step runs.")

    told = gathered(NoLibrary(), region="eu-west-1").evidence
    assert told["outcome"] == "not_configured"
    assert told["query"]["source"] == {"region": "eu-west-1", "vault": "main"}
    assert told["query"]["destination"] == {"region": "eu-central-1", "vault": "main"}


def test_nobody_says_that_no_backup_failed_who_could_not_read_the_jobs():
    told = evidence([point("source", "s", 5)], (), forbidden("ListBackupJobs"))
    assert told["source_health"]["failed"] is None
    assert [row["what"] for row in told["denied"]] == ["backup jobs"]
    assert evidence([point("source", "s", 5)])["source_health"]["failed"] == 0
