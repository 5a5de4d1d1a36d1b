# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 2 of the region runbook."""

from __future__ import annotations

from datetime import timedelta

import hypothesis
import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_copyrows import fold_message
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import read_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_upstream import read_upstream
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_jobs import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import (
    ROLE,
    THERE,
    backup,
    copy,
    job_id,
    volume,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    NOW,
    FakeAccount,
    FakeClients,
    forbidden,
    vault_arn,
)

PARAMS = {"vault_name": "main", "vaults_feed": {"destination_arn": THERE}}


def sides(copies=(), backups=(), there=(), *, running=None):
    """Clients whose source has these jobs. running: what ByState=RUNNING finds, copies to any vault."""

    def copy_jobs(arguments):
        if arguments.get("ByState") == "RUNNING":
            return running if isinstance(running, ReadFailed) else {"CopyJobs": list(running or [])}
        return copies if isinstance(copies, ReadFailed) else {"CopyJobs": list(copies)}

    backup_jobs = backups if isinstance(backups, ReadFailed) else {"BackupJobs": list(backups)}
    source = FakeAccount(replies={"backup:ListCopyJobs": copy_jobs, "backup:ListBackupJobs": backup_jobs})
    listed_there = there if isinstance(there, ReadFailed) else {"CopyJobs": list(there)}
    destination = FakeAccount("destination", "eu-central-1", replies={"backup:ListCopyJobs": listed_there})
    return FakeClients(source, destination)


def found(*args, params=None, **more):
    """The evidence over such sides."""
    return gather({**PARAMS, **(params or {})}, sides(*args, **more)).evidence


# ------------------------------------------------------------------------------------------------------ figures


def test_what_ended_in_the_window_is_counted_whenever_it_began():
    told = found(
        [
            copy(1, age=30, took=28, state="FAILED"),  # began before the window, failed in it
            copy(2, age=40, took=2),  # ended before it
            copy(3, age=3),
            copy(4, "other", age=1, state="RUNNING"),
        ]
    )
    summary = told["summary"]
    assert told["outcome"] == "ok"
    assert summary["window"] == {"completed": 1, "failed": 1, "partial": 0}
    assert summary["by_state"] == {"COMPLETED": 2, "FAILED": 1, "RUNNING": 1}
    assert (summary["jobs"], summary["open"], summary["read"]) == (4, 1, 4)
    assert summary["oldest_listed_at"] == "2026-11-19T05:00:00Z"
    assert summary["observed_in"] == "source"


def test_the_list_goes_back_two_weeks_and_always_a_day_beyond_the_window():
    clients = sides([copy(1)])
    gather(PARAMS, clients)
    assert clients.aws_source.arguments("ListCopyJobs")[0]["ByCreatedAfter"] == NOW - timedelta(days=14)
    assert clients.aws_source.arguments("ListBackupJobs") == [
        {"ByBackupVaultName": "main", "ByCreatedAfter": NOW - timedelta(days=2), "MaxResults": 1000}
    ]
    clients = sides([copy(1)])
    gather({**PARAMS, "window": "7d", "look_back": "2d"}, clients)
    assert clients.aws_source.arguments("ListCopyJobs")[0]["ByCreatedAfter"] == NOW - timedelta(days=8)


def test_two_calls_and_none_to_the_destination():
    clients = sides([copy(1)], [backup(2)])
    gather(PARAMS, clients)
    assert sorted(clients.aws_source.operations()) == ["ListBackupJobs", "ListCopyJobs"]
    assert clients.aws_destination.calls == 0


def test_what_is_covered_never_exceeds_what_aws_keeps():
    assert found([copy(1)])["covered"] == {"start": "2026-11-06T21:00:00Z", "end": "2026-11-20T21:00:00Z"}
    assert found([copy(1)], params={"look_back": "60d"})["covered"]["start"] == "2026-10-21T21:00:00Z"


def test_jobs_without_a_plan_are_on_demand():
    assert found([copy(1), copy(2, plan=None)])["summary"]["on_demand"] == 1


def test_categories_are_counted_as_aws_spells_them():
    told = found([copy(1), copy(2, state="FAILED", MessageCategory="AccessDenied")])
    assert told["summary"]["categories"] == {"AccessDenied": 1, "SUCCESS": 1}


def test_nothing_at_all_is_empty_and_both_sides_were_asked():
    clients = sides()
    told = gather(PARAMS, clients).evidence
    assert told["outcome"] == "empty"
    assert told["summary"]["jobs"] == 0
    assert told["summary"]["observed_in"] is None
    assert clients.aws_destination.operations() == ["ListCopyJobs"]


# -------------------------------------------------------------------------------------------------------- sides


def test_jobs_that_only_the_destination_knows_say_so():
    told = found([], there=[copy(1, state="FAILED")])
    assert told["summary"]["observed_in"] == "destination"
    assert told["jobs"][0]["observed_in"] == "destination"


def test_jobs_from_another_vault_into_the_same_one_are_not_of_this_pair():
    told = found([copy(1, SourceBackupVaultArn=vault_arn("eu-west-1", name="elsewhere"))])
    assert told["outcome"] == "empty"
    assert told["summary"]["other_sources"] == 1


def test_a_destination_that_refuses_is_denied_and_the_step_goes_on():
    told = found([], there=forbidden())
    assert told["outcome"] == "empty"
    assert [(row["what"], row["side"], row["outcome"]) for row in told["denied"]] == [
        ("copy jobs", "destination", "forbidden")
    ]
    assert told["denied"][0]["grant"]["statement"]["Action"] == "backup:ListCopyJobs"


def test_refused_backup_jobs_leave_the_copy_jobs():
    told = found([copy(1)], forbidden("ListBackupJobs"))
    assert told["outcome"] == "ok"
    assert told["summary"]["upstream"] is None
    assert [(row["what"], row["side"]) for row in told["denied"]] == [("backup jobs", "source")]


def test_refused_copy_jobs_leave_the_backup_jobs_and_no_figures():
    clients = sides(forbidden(), [backup(1, state="ABORTED")])
    gathered = gather(PARAMS, clients)
    told = gathered.evidence
    assert told["outcome"] == "forbidden"
    assert told["error"]["grant"]["statement"]["Action"] == "backup:ListCopyJobs"
    assert list(told["summary"]) == ["upstream"]
    assert told["summary"]["upstream"]["aborted"] == 1
    assert told["covered"] is None
    assert sorted(gathered.feed) == ["jobs", "upstream"]  # why there are none
    assert clients.aws_destination.calls == 0  # refused is not the same as none


def test_both_refused_is_a_failed_step():
    told = found(forbidden(), forbidden("ListBackupJobs"))
    assert told["outcome"] == "forbidden"
    assert told["summary"] == {}


# ------------------------------------------------------------------------------------------------ waiting, stuck


@pytest.mark.parametrize(
    ("jobs", "backups", "running", "waiting", "stuck"),
    [
        ([copy(1, age=3, state="CREATED")], [], [], 0, 1),
        ([copy(1, age=1.9, state="CREATED")], [], None, 0, 0),  # AWS still tries by itself
        ([copy(1, age=3, state="CREATED"), copy(2, age=5, state="RUNNING")], [], None, 1, 0),
        ([copy(1, age=3, state="CREATED"), copy(2, "other", age=5, state="RUNNING")], [], [], 0, 1),
        ([copy(1, age=3, state="CREATED")], [backup(2, age=4, state="RUNNING")], None, 1, 0),
        # a copy of the resource to another vault
        ([copy(1, age=3, state="CREATED")], [], [{"ResourceArn": volume("orders"), "State": "RUNNING"}], 1, 0),
        ([copy(1, age=3, state="CREATED")], [], [{"ResourceArn": volume("orders"), "State": "CREATED"}], 0, 1),
        ([copy(1, age=3, state="CREATED")], [], forbidden(), 0, 0),  # nobody knows
    ],
)
def test_waiting_for_the_resource_is_not_stuck(jobs, backups, running, waiting, stuck):
    told = found(jobs, backups, running=running)
    assert (told["summary"]["waiting"], told["summary"]["stuck"]) == (waiting, stuck)
    row = next(row for row in told["jobs"] if row["copy_job"] == job_id(1))
    assert row["stuck"] is bool(stuck)
    assert row["sibling_running"] is (None if isinstance(running, ReadFailed) else bool(waiting))


@pytest.mark.parametrize("where", ["backups refused", "seen at the destination"])
def test_nothing_is_stuck_where_nobody_could_see_what_else_goes_on(where):
    waiting = [copy(1, age=5, state="CREATED")]
    if where == "backups refused":
        told = found(waiting, forbidden("ListBackupJobs"))
    else:
        told = found((), (), waiting)
    assert told["summary"]["stuck"] == 0
    assert (told["jobs"][0]["sibling_running"], told["jobs"][0]["stuck"]) == (None, False)


def test_lists_of_jobs_that_could_not_be_read_are_absent_not_empty():
    told = found(forbidden(), [backup(1, state="FAILED", age=3)])
    assert (told["outcome"], told["total"]) == ("forbidden", {"upstream": 1})
    assert "jobs" not in told


def test_copies_elsewhere_are_asked_for_only_when_a_job_waits_for_no_visible_reason():
    clients = sides([copy(1, age=1, state="CREATED")])
    gather(PARAMS, clients)
    assert len(clients.aws_source.arguments("ListCopyJobs")) == 1


# -------------------------------------------------------------------------------------------------------- rows


def test_resources_by_their_newest_job():
    told = found(
        [
            copy(1, "a", age=30),
            copy(2, "a", age=20, state="FAILED", message="Copy job failed 1"),
            copy(3, "a", age=6, state="FAILED", message="Copy job failed 2"),
            copy(4, "a", age=1, state="RUNNING"),
            copy(5, "b", age=30, state="FAILED"),
            copy(6, "b", age=6),
        ]
    )
    first, second = told["resources"]
    assert (first["resource"], first["state"], first["consecutive_failures"]) == ("a", "RUNNING", 2)
    assert (first["runs"], first["failed"]) == (3, 2)
    assert first["last_success_at"] == "2026-11-19T15:30:00Z"
    assert (first["role"], first["plan"], first["rule"]) == (ROLE, "nightly", "nightly-rule")
    assert (second["resource"], second["state"], second["consecutive_failures"]) == ("b", "COMPLETED", 0)
    assert told["summary"]["resources"] == 2
    assert told["summary"]["resources_failing"] == 1


def test_jobs_worst_first():
    told = found(
        [
            copy(1, "fine", age=2),
            copy(2, "fine", age=26, state="FAILED"),  # made good since
            copy(3, "bad", age=2, state="FAILED"),
            copy(4, "stuck", age=5, state="CREATED"),
            copy(5, "busy", age=1, state="RUNNING"),
            copy(6, "tags", age=3, message="Tags were not copied"),
        ],
        running=[],
    )
    assert [row["resource"] for row in told["jobs"]] == ["stuck", "bad", "busy", "fine", "tags", "fine"]
    by_id = {row["copy_job"]: row for row in told["jobs"]}
    assert by_id[job_id(3)]["latest"] is True
    assert by_id[job_id(2)]["latest"] is False
    assert (by_id[job_id(3)]["duration_s"], by_id[job_id(3)]["age_s"]) == (1800.0, 7200.0)
    assert by_id[job_id(5)]["duration_s"] is None
    assert by_id[job_id(3)]["plan_version"] == "v1"
    assert told["total"]["jobs"] == 6


def test_a_composite_parent_is_a_row_and_no_figure():
    told = found(
        [
            copy(1, "stack", age=4, state="PARTIAL", IsParent=True),
            copy(2, "a", age=4, ParentJobId=job_id(1)),
            copy(3, "b", age=4, state="FAILED", message="no", ParentJobId=job_id(1)),
        ]
    )
    assert told["summary"]["window"] == {"completed": 1, "failed": 1, "partial": 0}
    assert (told["summary"]["jobs"], told["summary"]["parents"]) == (2, 1)
    child, parent = told["jobs"][:2]
    assert (child["copy_job"], child["parent"], child["composite"]) == (job_id(3), job_id(1), False)
    assert (parent["copy_job"], parent["composite"], parent["latest"]) == (job_id(1), True, False)
    assert parent["children"] == {"COMPLETED": 1, "FAILED": 1}


def test_rows_are_bounded_and_figures_are_not():
    jobs = [copy(n, f"r{n}", age=n / 10, state="FAILED", message=f"m{n}") for n in range(1, 40)]
    told = found(jobs, params={"max_rows": 5})
    assert [len(told[name]) for name in ("jobs", "resources")] == [5, 5]
    assert told["total"]["jobs"] == 39
    assert told["truncated"] is True
    assert told["summary"]["jobs"] == 39


# ------------------------------------------------------------------------------------------------------- groups

DENIED = (
    "Access Denied trying to call AWS Backup service: User: arn:aws:sts::111122223333:assumed-role/backup/AWSBackup-{0} "
    "is not authorized to perform: kms:CreateGrant on resource: arn:aws:kms:eu-central-1:111122223333:key/{0} for vol-{1}"
)


def test_messages_are_one_group_whatever_their_ids():
    told = found(
        [
            copy(1, "a", age=30, took=1, state="FAILED", message=DENIED.format("1a2b3c4d", "0a1b2c3d")),
            copy(2, "b", age=5, took=1, state="FAILED", message=DENIED.format("99", "0ffffff1")),
            copy(3, "c", age=9, took=1, state="FAILED", message="There are too many copy jobs running for resource c"),
            copy(4, "d", age=9, took=1, message="Unable to copy resource tags"),
            copy(5, "e", age=9, took=1),
        ]
    )
    groups = told["groups"]
    assert [(row["kind"], row["count"], row["in_window"], row["resources"]) for row in groups] == [
        ("failed", 2, 1, 2),
        ("failed", 1, 1, 1),
        ("completed_with_message", 1, 1, 1),
    ]
    assert groups[0]["message"] == DENIED.format("99", "0ffffff1")  # the newest, as it came
    assert groups[0]["copy_job"] == job_id(2)
    assert groups[0]["resource_names"] == ["a", "b"]
    assert groups[0]["roles"] == [ROLE]
    assert (groups[0]["first_at"], groups[0]["last_at"]) == ("2026-11-19T16:00:00Z", "2026-11-20T17:00:00Z")
    assert told["summary"]["with_message"] == 1


def test_folding_keeps_what_was_forbidden():
    create, copying = DENIED, DENIED.replace("kms:CreateGrant", "ec2:CopySnapshot")
    assert fold_message(create.format("1", "2"), "x") == fold_message(create.format("3", "4"), "y")
    assert fold_message(create.format("1", "2"), "x") != fold_message(copying.format("1", "2"), "x")
    assert fold_message("no key arn:aws:kms:x:1:alias/red", "x") == fold_message("no key arn:aws:kms:x:1:alias/blue", "x")
    assert fold_message("cannot copy table-orders now", "table-orders") == fold_message("cannot copy blue now", "blue")


def test_failures_without_a_message_are_told_apart_by_category():
    told = found([copy(1, state="FAILED"), copy(2, state="FAILED", MessageCategory="AccessDenied")])
    assert [(row["message"], row["count"]) for row in told["groups"]] == [(None, 1), (None, 1)]


def test_secrets_in_messages_are_masked():
    told = found([copy(1, state="FAILED", message="proxy https://user:hunter2@proxy/ failed")])
    assert "hunter2" not in str(told)


# -------------------------------------------------------------------------------------------------------- slots


def test_hours_count_their_own_jobs():
    # NOW is 21:00, so an age of 19 hours is 02:00
    told = found(
        [copy(n, age=19 + 24 * n, took=1.5, state="FAILED" if n == 1 else "COMPLETED") for n in range(3)]
        + [copy(9, "other", age=4), copy(10, "other", age=2, state="RUNNING")]
    )
    assert [(row["slot"], row["runs"], row["failed"]) for row in told["slots"]] == [(2, 3, 1), (17, 1, 0)]
    assert told["summary"]["days"] == 3


def test_hours_are_compared_by_resources_that_were_copied_at_several_hours_of_a_day():
    # 02:00 and 17:00 of three days; at 02:00 two copies of the first night fail. "other" has an hour of its own.
    told = found(
        [copy(n, age=19 + 24 * n, took=0.5, state="FAILED" if n == 0 else "COMPLETED") for n in range(3)]
        + [copy(9, age=18.5, took=0.2, state="FAILED")]
        + [copy(10 + n, age=4 + 24 * n, took=0.5) for n in range(2)]
        + [copy(20 + n, "other", age=19 + 24 * n, took=0.5, state="FAILED") for n in range(3)]
    )
    figures = [[row[name] for name in ("slot", "runs", "failed")] for row in told["slots"]]
    assert figures == [[2, 7, 5], [17, 2, 0]]
    names = ("compared_runs", "compared_failed", "days_runs", "days_failed")
    assert [[row[name] for name in names] for row in told["slots"]] == [[3, 2, 2, 1], [2, 0, 2, 0]]


# ----------------------------------------------------------------------------------------------------- upstream


def test_backups_that_left_nothing_to_copy():
    clients = sides(
        [copy(1)],
        [
            backup(11, "a", age=6, state="ABORTED", message="too close to the weekly maintenance window"),
            backup(12, "a", age=30, state="COMPLETED"),
            backup(13, "b", age=7, state="EXPIRED"),
            backup(14, "b", age=2, state="COMPLETED"),
            backup(15, "a", age=40, took=1, state="FAILED"),  # before the window
            backup(16, "c", age=5, BackupVaultName="another", state="FAILED"),
        ],
    )
    gathered = gather(PARAMS, clients)
    told = gathered.evidence
    assert [(row["backup_job"], row["state"], row["latest"]) for row in told["upstream"]] == [
        (job_id(11), "ABORTED", True),
        (job_id(13), "EXPIRED", False),
    ]
    assert told["upstream"][0]["message"] == "too close to the weekly maintenance window"
    assert told["summary"]["upstream"] == {"aborted": 1, "expired": 1, "failed": 0, "partial": 0, "resources": 1}
    assert [row.backup_job for row in read_upstream(gathered.feed["upstream"])] == [job_id(11)]


def test_a_composite_backup_counts_by_its_children():
    told = found(
        [],
        [
            backup(1, "stack", state="PARTIAL", IsParent=True),
            backup(2, "a", state="FAILED", ParentJobId=job_id(1)),
        ],
    )
    assert told["outcome"] == "ok"
    assert [row["backup_job"] for row in told["upstream"]] == [job_id(2)]


# ---------------------------------------------------------------------------------------------- feed and bounds


def test_the_feed_holds_every_leaf_job():
    gathered = gather(PARAMS, sides([copy(1, IsParent=True), copy(2, ParentJobId=job_id(1)), copy(3, age=200)]))
    assert [row.copy_job for row in read_jobs(gathered.feed["jobs"])] == [job_id(2), job_id(3)]
    assert [row.copy_job for row in read_jobs(gathered.feed["parents"])] == [job_id(1)]
    assert gathered.feed["observed_in"] == "source"


_PAGE = [
    copy(1, "a", age=5),
    copy(2, "a", age=5, state="FAILED", message="x 1"),
    copy(3, "b", age=5, state="FAILED", message="x 2"),
    copy(4, "b", age=9, state="CREATED"),
    copy(5, "stack", age=9, state="PARTIAL", IsParent=True),
    copy(6, "c", age=9, state="FAILED", message="x 3", ParentJobId=job_id(5)),
    copy(7, "c", age=9, message="y"),
]


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(hypothesis.strategies.permutations(_PAGE))
def test_the_order_of_the_list_does_not_matter(page):
    assert gather(PARAMS, sides(page)).evidence == gather(PARAMS, sides(_PAGE)).evidence
    assert gather(PARAMS, sides(page)).feed == gather(PARAMS, sides(_PAGE)).feed


@pytest.mark.parametrize(
    ("option", "value"), [("window", "soon"), ("look_back", "0s"), ("max_rows", 0), ("vault_name", "my vault")]
)
def test_bad_parameters_are_named_before_anything_is_asked(option, value):
    clients = sides()
    with pytest.raises(BadParameter, match=f"^{option}: "):
        gather({**PARAMS, option: value}, clients)
    assert clients.aws_source.calls == 0
