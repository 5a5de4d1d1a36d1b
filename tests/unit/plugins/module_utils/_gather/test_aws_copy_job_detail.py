# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 3 of the region runbook."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import aws_copy_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_job_detail import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import THERE, copy, job_id
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    NOW_S,
    FakeAccount,
    FakeClients,
    forbidden,
    vault_arn,
)

VAULTS = {"vault_name": "main", "vaults_feed": {"destination_arn": THERE}}
NOT_FOUND = ReadFailed("not_found", "backup in eu-west-1 (source) refused it", code="ResourceNotFoundException")


def point(**more):
    """What DescribeRecoveryPoint says of a healthy point."""
    return {"Status": "COMPLETED", "StorageClass": "WARM", "IsEncrypted": True, **more}


def sides(*jobs, described=None, points=None, children=(), destination=None):
    """Clients whose source has these jobs; points: what each recovery point is, by default a healthy one."""

    def describe_point(arguments):
        return (points or {}).get(arguments["RecoveryPointArn"], point())

    def list_jobs(arguments):  # filters by parent only, as a server may that does not know the others
        return {"CopyJobs": list(children) if "ByParentJobId" in arguments else list(jobs)}

    replies = {
        "backup:ListCopyJobs": list_jobs,
        "backup:ListBackupJobs": {"BackupJobs": []},
        "backup:DescribeCopyJob": described if described is not None else NOT_FOUND,
        "backup:DescribeRecoveryPoint": describe_point,
    }
    there = destination if destination is not None else {"backup:DescribeCopyJob": NOT_FOUND}
    return FakeClients(FakeAccount(replies=replies), FakeAccount("destination", "eu-central-1", replies=there))


def handed_over(clients):
    """The parameters as the step before gives them; its calls are forgotten."""
    before = aws_copy_jobs.gather(VAULTS, clients)
    clients.aws_source.asked.clear()
    clients.aws_destination.asked.clear()
    return {**VAULTS, "copy_jobs": before.evidence, "jobs_feed": before.feed["jobs"]}


def detail(*jobs, params=None, **more):
    """(the evidence, the source) over what step 2 handed over."""
    clients = sides(*jobs, **more)
    told = gather({**handed_over(clients), **(params or {})}, clients).evidence
    return told, clients.aws_source


# ----------------------------------------------------------------------------------------------- the chosen job


@pytest.mark.parametrize(
    ("jobs", "how", "number"),
    [
        ([copy(1, age=5, state="FAILED"), copy(2, "b", age=9, state="FAILED"), copy(3, "c")], "latest_failed", 1),
        # made good since, while another hangs
        ([copy(1, age=5, state="FAILED"), copy(2, age=4), copy(3, "b", age=9, state="RUNNING")], "longest_open", 3),
        ([copy(1, age=5, state="FAILED"), copy(2, age=4), copy(3, "b", age=1, state="RUNNING")], "latest_failed", 1),
        ([copy(1, age=1, state="RUNNING"), copy(2, "b", age=1.5, state="CREATED"), copy(3, age=9)], "longest_open", 2),
        ([copy(1, age=5), copy(2, age=4)], "latest", 2),
    ],
)
def test_the_most_telling_job(jobs, how, number):
    told, dummy = detail(*jobs)
    assert (told["summary"]["chosen"], told["job"]["copy_job"]) == (how, job_id(number))


def test_the_list_has_said_all_so_no_job_is_described():
    told, source = detail(
        copy(
            1,
            state="FAILED",
            message="no",
            DestinationEncryptionKeyArn="arn:aws:kms:eu-central-1:1:key/x",
            DestinationVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT",
            DestinationVaultLockState="LOCKED",
        )
    )
    assert source.operations() == ["DescribeRecoveryPoint"]
    job = told["job"]
    assert job["message"] == "no"
    assert job["lifecycle"] == {"delete_after_days": 35, "cold_after_days": None}
    assert job["destination_key"] == "arn:aws:kms:eu-central-1:1:key/x"
    assert job["destination_vault_type"] == "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"
    assert job["destination_vault_lock"] == "LOCKED"
    assert (job["latest"], job["observed_in"], job["composite"]) == (True, "source", False)


def test_evidence_alone_will_do():
    clients = sides(copy(1, state="FAILED", message="no"), copy(2, "b"))
    params = handed_over(clients)
    del params["jobs_feed"]
    told = gather(params, clients).evidence
    assert told["summary"]["chosen"] == "latest_failed"
    assert (told["job"]["copy_job"], told["job"]["plan"]) == (job_id(1), "nightly")
    assert clients.aws_source.operations() == ["DescribeRecoveryPoint"]


def test_alone_it_lists_the_jobs_itself():
    clients = sides(copy(1, state="FAILED"))
    told = gather(VAULTS, clients).evidence
    assert told["job"]["copy_job"] == job_id(1)
    assert clients.aws_source.operations() == ["ListCopyJobs", "DescribeRecoveryPoint"]


def test_a_waiting_job_keeps_what_the_step_before_knew():
    told, dummy = detail(copy(1, age=5, state="CREATED"))
    assert (told["job"]["stuck"], told["job"]["sibling_running"]) == (True, False)


def test_no_job_at_all_is_empty():
    told, source = detail(destination={"backup:ListCopyJobs": {"CopyJobs": []}})
    assert told["outcome"] == "empty"
    assert told["job"] is None
    assert told["summary"] == {"chosen": None, "points_asked": 0}
    assert source.calls == 0


# -------------------------------------------------------------------------------------------------------- named


def test_a_named_job_is_described():
    clients = sides(described={"CopyJob": copy(7, state="FAILED", message="because")})
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, clients).evidence
    assert (told["summary"]["chosen"], told["summary"]["of_pair"]) == ("named", True)
    assert told["job"]["message"] == "because"
    assert clients.aws_source.operations() == ["DescribeCopyJob", "DescribeRecoveryPoint"]
    assert clients.aws_source.arguments("DescribeRecoveryPoint") == [
        {"BackupVaultName": "main", "RecoveryPointArn": copy(7)["SourceRecoveryPointArn"]}
    ]


def test_a_named_job_of_other_vaults_is_shown_and_said():
    elsewhere = copy(7, SourceBackupVaultArn=vault_arn("eu-west-1", name="other"))
    clients = sides(described={"CopyJob": elsewhere})
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, clients).evidence
    assert told["summary"]["of_pair"] is False
    assert clients.aws_source.arguments("DescribeRecoveryPoint")[0]["BackupVaultName"] == "other"


def test_a_named_job_may_be_known_to_the_destination_only():
    clients = sides(destination={"backup:DescribeCopyJob": {"CopyJob": copy(7)}})
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, clients).evidence
    assert told["job"]["observed_in"] == "destination"


@pytest.mark.parametrize(("there", "says"), [(NOT_FOUND, "nor does the destination"), (forbidden(), "did not say")])
def test_a_named_job_that_nobody_knows(there, says):
    clients = sides(destination={"backup:DescribeCopyJob": there})
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, clients).evidence
    assert told["outcome"] == "not_found"
    assert says in told["error"]["message"]


def test_a_side_that_did_not_say_is_among_the_refused():
    clients = sides(destination={"backup:DescribeCopyJob": forbidden("DescribeCopyJob")})
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, clients).evidence
    assert [(row["side"], row["what"], row["outcome"]) for row in told["denied"]] == [
        ("destination", "copy job", "forbidden")
    ]
    assert job_id(7) in told["error"]["message"]


def test_an_answer_without_the_job_is_a_failed_read():
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, sides(described={})).evidence
    assert (told["outcome"], told["error"]["code"]) == ("error", "IncompleteReply")


def test_alone_the_row_says_which_side_knows_the_job():
    told = gather(VAULTS, sides(copy(1, state="FAILED"))).evidence
    assert (told["job"]["copy_job"], told["job"]["observed_in"]) == (job_id(1), "source")


def test_a_refusal_is_not_taken_for_a_missing_job():
    clients = sides(described=forbidden("DescribeCopyJob"))
    told = gather({**VAULTS, "copy_job_id": job_id(7)}, clients).evidence
    assert told["outcome"] == "forbidden"
    assert clients.aws_destination.calls == 0


@pytest.mark.parametrize("given", ["copy-1", "0A1B2C3D", "arn:aws:backup:x", job_id(1) + "0"])
def test_a_malformed_id_is_refused_before_anything_is_asked(given):
    clients = sides()
    with pytest.raises(BadParameter, match="^copy_job_id: "):
        gather({**VAULTS, "copy_job_id": given}, clients)
    assert clients.aws_source.calls == 0


# ------------------------------------------------------------------------------------------------------ children


def test_children_of_a_named_parent_come_from_the_feed():
    jobs = [copy(1, "stack", state="PARTIAL", IsParent=True), copy(2, "a", ParentJobId=job_id(1))]
    jobs.append(copy(3, "b", state="FAILED", ParentJobId=job_id(1)))
    told, source = detail(*jobs, described={"CopyJob": jobs[0]}, params={"copy_job_id": job_id(1)})
    assert sorted(row["copy_job"] for row in told["children"]) == [job_id(2), job_id(3)]
    assert told["job"]["children"] == {"COMPLETED": 1, "FAILED": 1}
    assert "ListCopyJobs" not in source.operations()


def test_children_are_listed_when_nobody_handed_them_over():
    parent = copy(1, "stack", state="PARTIAL", IsParent=True)
    clients = sides(described={"CopyJob": parent}, children=[copy(2, "a", ParentJobId=job_id(1)), copy(9, "x")])
    told = gather({**VAULTS, "copy_job_id": job_id(1)}, clients).evidence
    assert [row["copy_job"] for row in told["children"]] == [job_id(2)]
    assert clients.aws_source.arguments("ListCopyJobs") == [{"ByParentJobId": job_id(1), "MaxResults": 1000}]


# ------------------------------------------------------------------------------------------------- source points

FIRST = copy(1)["SourceRecoveryPointArn"]


@pytest.mark.parametrize(
    ("said", "exists", "available", "why"),
    [
        (point(), True, True, None),
        (point(Status="AVAILABLE"), True, True, None),
        (point(Status="EXPIRED"), True, False, "expired"),
        (point(Status="DELETING"), True, False, "deleting"),
        (point(StorageClass="COLD"), True, False, "cold"),
        (point(StorageClass="DELETED"), True, False, "gone"),
        (point(Status="STOPPED"), True, False, "continuous"),
        (point(Status="CREATING"), True, None, None),
        (NOT_FOUND, False, False, "gone"),
        (forbidden("DescribeRecoveryPoint"), None, None, None),
    ],
)
def test_whether_the_source_can_be_copied(said, exists, available, why):
    told, dummy = detail(copy(1, state="FAILED"), points={FIRST: said})
    row = told["source_points"][0]
    assert (row["exists"], row["available"], row["why"]) == (exists, available, why)
    assert [entry["what"] for entry in told["denied"]] == (["source point"] if exists is None else [])


@pytest.mark.parametrize(
    ("point_arn", "said", "available"),
    [
        ("arn:aws:backup:eu-west-1:1:recovery-point:continuous:orders-0a1b", point(Status="AVAILABLE"), False),
        # the snapshot by which a continuous point is copied, deleted as it should be
        ("arn:aws:rds:eu-west-1:1:snapshot:awsbackup:copyjob-0a1b", NOT_FOUND, None),
    ],
)
def test_continuous_sources(point_arn, said, available):
    told, dummy = detail(copy(1, state="FAILED", SourceRecoveryPointArn=point_arn), points={point_arn: said})
    row = told["source_points"][0]
    assert (row["available"], row["why"]) == (available, "continuous")


def test_a_point_tells_its_key_and_its_end():
    said = point(
        EncryptionKeyArn="arn:aws:kms:eu-west-1:1:key/s",
        CreationDate=NOW_S - 3600,
        CalculatedLifecycle={"DeleteAt": NOW_S + 3600.0, "MoveToColdStorageAt": NOW_S},
    )
    told, dummy = detail(copy(1, state="FAILED"), points={FIRST: said})
    row = told["source_points"][0]
    assert (row["key_arn"], row["encrypted"]) == ("arn:aws:kms:eu-west-1:1:key/s", True)
    assert (row["created_at"], row["delete_at"], row["cold_at"]) == (
        "2026-11-20T20:00:00Z",
        "2026-11-20T22:00:00Z",
        "2026-11-20T21:00:00Z",
    )


def test_one_point_of_each_group_and_five_at_most():
    jobs = [
        copy(100 * n + m, f"r{n}", age=5 + n + m / 10, state="FAILED", message="cause " + "x" * n)
        for n in range(1, 8)
        for m in range(n)
    ]
    told, source = detail(*jobs)
    assert told["summary"]["points_asked"] == 5
    assert len(source.arguments("DescribeRecoveryPoint")) == 5
    # the newest failure first, then the newest of the most frequent other groups
    assert [row["copy_job"] for row in told["source_points"]] == [job_id(n) for n in (100, 700, 600, 500, 400)]


def test_a_point_that_two_groups_share_is_asked_for_once():
    told, source = detail(
        copy(1, "a", age=4, state="FAILED", message="one"),
        copy(2, "a", age=5, state="FAILED", message="another", SourceRecoveryPointArn=FIRST),
    )
    assert len(source.arguments("DescribeRecoveryPoint")) == 1
    assert [row["copy_job"] for row in told["source_points"]] == [job_id(1)]
