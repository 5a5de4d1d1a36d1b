# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Backup: filters, pages, vaults that may not be seen, plans and their versions, settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    ACCOUNT,
    DESTINATION,
    OTHER,
    READER_ARN,
    SOURCE,
    Aws,
    ago,
    new_world,
    refusal,
)
from lab.aws.world import World

Serve = Callable[[World], Aws]
_VAULT = f"arn:aws:backup:{SOURCE}:{ACCOUNT}:backup-vault:prod"
_DR = f"arn:aws:backup:{DESTINATION}:{ACCOUNT}:backup-vault:dr"
_VOLUME = f"arn:aws:ec2:{SOURCE}:{ACCOUNT}:volume/vol-1"


def _job(number: int, hours: float, state: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    done = {} if state in ("CREATED", "RUNNING") else {"CompletionDate": ago(hours=hours - 0.5)}
    return {
        "AccountId": ACCOUNT,
        "CopyJobId": f"job-{number}",
        "SourceBackupVaultArn": _VAULT,
        "DestinationBackupVaultArn": _DR,
        "ResourceArn": _VOLUME,
        "ResourceType": "EBS",
        "State": state,
        "CreationDate": ago(hours=hours),
        **done,
        **more,
    }


def _with(collection: str, *rows: dict[str, Any], region: str = SOURCE) -> World:
    world = new_world()
    world.place(ACCOUNT, region).rows[collection] = list(rows)
    return world


def _ids(answer: dict[str, Any]) -> list[str]:
    return [row["CopyJobId"] for row in answer["CopyJobs"]]


def test_copy_jobs_are_told_newest_first_and_only_where_they_were_started(serve: Serve) -> None:
    aws = serve(_with("copy_jobs", _job(1, 5), _job(2, 3), _job(3, 9), {**_job(4, 4), "_why": "a note of the story"}))
    assert _ids(aws.client("backup").list_copy_jobs()) == ["job-2", "job-4", "job-1", "job-3"]
    assert aws.client("backup", DESTINATION).list_copy_jobs()["CopyJobs"] == []


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"ByState": "FAILED"}, ["job-2"]),
        ({"ByState": "RUNNING"}, ["job-3"]),
        ({"ByResourceArn": "arn:aws:rds:r:1:db:x"}, ["job-4"]),
        ({"ByResourceType": "RDS"}, ["job-4"]),
        ({"ByDestinationVaultArn": "arn:other"}, ["job-5"]),
        ({"ByAccountId": OTHER}, []),
        ({"ByAccountId": ACCOUNT, "ByState": "FAILED"}, ["job-2"]),
        ({"ByParentJobId": "job-9"}, ["job-6"]),
        ({"ByMessageCategory": "AccessDenied"}, ["job-2"]),
        ({"ByMessageCategory": "ANY", "ByState": "FAILED"}, ["job-2"]),
        ({"BySourceRecoveryPointArn": "arn:point"}, ["job-5"]),
        ({"ByCreatedAfter": timedelta(hours=2, minutes=1)}, ["job-1", "job-2"]),
        ({"ByCreatedBefore": timedelta(hours=4, minutes=59)}, ["job-5", "job-6"]),
        ({"ByCreatedAfter": timedelta(hours=4, minutes=1), "ByCreatedBefore": timedelta(hours=3)}, ["job-4"]),
        ({"ByCompleteAfter": timedelta(hours=1)}, ["job-1"]),
        ({"ByCompleteBefore": timedelta(hours=5)}, ["job-6"]),
        ({"ByState": "FAILED", "ByResourceType": "RDS"}, []),
    ],
)
def test_filters(serve: Serve, filters: dict[str, Any], ids: list[str]) -> None:
    jobs = [
        _job(1, 1),
        _job(2, 2, "FAILED", MessageCategory="AccessDenied"),
        _job(3, 3, "RUNNING"),
        _job(4, 4, ResourceArn="arn:aws:rds:r:1:db:x", ResourceType="RDS"),
        _job(5, 5, DestinationBackupVaultArn="arn:other", SourceRecoveryPointArn="arn:point"),
        _job(6, 6, ParentJobId="job-9"),
    ]
    given = {
        key: ago(seconds=value.total_seconds()) if isinstance(value, timedelta) else value
        for key, value in filters.items()
    }
    assert _ids(serve(_with("copy_jobs", *jobs)).client("backup").list_copy_jobs(**given)) == ids


def test_a_jobs_own_times_are_outside_of_the_bounds(serve: Serve) -> None:
    job = _job(1, 2)
    client = serve(_with("copy_jobs", job)).client("backup")
    assert client.list_copy_jobs(ByCreatedAfter=job["CreationDate"])["CopyJobs"] == []
    assert client.list_copy_jobs(ByCreatedBefore=job["CreationDate"])["CopyJobs"] == []
    assert client.list_copy_jobs(ByCompleteAfter=job["CompletionDate"])["CopyJobs"] == []
    assert client.list_copy_jobs(ByCompleteBefore=job["CompletionDate"])["CopyJobs"] == []


def test_pages_give_every_row_once(serve: Serve) -> None:
    aws = serve(_with("copy_jobs", *[_job(n, n + 1, "FAILED" if n % 2 else "COMPLETED") for n in range(21)]))
    pages = list(aws.client("backup").get_paginator("list_copy_jobs").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["CopyJobs"]) for page in pages] == [5, 5, 5, 5, 1]
    assert [id_ for page in pages for id_ in _ids(page)] == [f"job-{n}" for n in range(21)]
    failed = aws.client("backup").get_paginator("list_copy_jobs").paginate(
        ByState="FAILED", PaginationConfig={"PageSize": 5}
    )
    assert [id_ for page in failed for id_ in _ids(page)] == [f"job-{n}" for n in range(21) if n % 2]
    assert [call["params"].get("MaxResults") for call in aws.calls()] == [5] * 7


def test_a_full_last_page_has_no_token(serve: Serve) -> None:
    answer = serve(_with("copy_jobs", _job(1, 1), _job(2, 2))).client("backup").list_copy_jobs(MaxResults=2)
    assert "NextToken" not in answer


def test_a_page_without_a_size_is_bounded_and_a_story_may_bound_all(serve: Serve) -> None:
    world = _with("copy_jobs", *[_job(n, n + 1) for n in range(130)])
    client = serve(world).client("backup")
    assert len(client.list_copy_jobs()["CopyJobs"]) == 100
    assert len(client.list_copy_jobs(MaxResults=1000)["CopyJobs"]) == 130
    world.place(ACCOUNT, SOURCE).settings["page_size"] = 7
    assert len(client.list_copy_jobs(MaxResults=1000)["CopyJobs"]) == 7


def test_tokens_hold_for_one_listing_only(serve: Serve) -> None:
    world = _with("copy_jobs", *[_job(n, n + 1) for n in range(9)])
    world.place(ACCOUNT, DESTINATION).rows["copy_jobs"] = world.place(ACCOUNT, SOURCE).rows["copy_jobs"]
    aws = serve(world)
    client = aws.client("backup")
    token = client.list_copy_jobs(MaxResults=3)["NextToken"]
    assert _ids(client.list_copy_jobs(MaxResults=2, NextToken=token)) == ["job-3", "job-4"]
    for call, params in (
        (client.list_copy_jobs, {"NextToken": "bm9uc2Vuc2U="}),
        (client.list_copy_jobs, {"NextToken": token[:-2] + "AA"}),
        (client.list_copy_jobs, {"NextToken": token, "ByState": "COMPLETED"}),
        (client.list_backup_jobs, {"NextToken": token}),
        (aws.client("backup", DESTINATION).list_copy_jobs, {"NextToken": token}),
    ):
        assert refusal(call, **params)[0] == "InvalidParameterValueException"


def test_rows_that_come_later_are_seen(serve: Serve) -> None:
    world = _with("copy_jobs", _job(1, 2))
    client = serve(world).client("backup")
    client.list_copy_jobs()
    world.place(ACCOUNT, SOURCE).rows["copy_jobs"].append(_job(2, 1))
    assert _ids(client.list_copy_jobs()) == ["job-2", "job-1"]
    assert client.describe_copy_job(CopyJobId="job-2")["CopyJob"]["State"] == "COMPLETED"


def test_a_job_is_described_where_it_was_started(serve: Serve) -> None:
    job = _job(1, 2)
    aws = serve(_with("copy_jobs", job))
    assert aws.client("backup").describe_copy_job(CopyJobId="job-1")["CopyJob"]["CreationDate"] == job["CreationDate"]
    elsewhere = aws.client("backup", DESTINATION)
    assert refusal(elsewhere.describe_copy_job, CopyJobId="job-1")[0] == "ResourceNotFoundException"


def test_backup_jobs(serve: Serve) -> None:
    rows = [
        {
            "AccountId": ACCOUNT,
            "BackupJobId": f"b-{n}",
            "BackupVaultName": "prod" if n else "other",
            "ResourceType": "EBS",
            "State": state,
            "CreationDate": ago(hours=n + 1),
            "CompletionDate": ago(hours=n),
        }
        for n, state in enumerate(["COMPLETED", "ABORTED", "EXPIRED"])
    ]
    client = serve(_with("backup_jobs", *rows)).client("backup")

    def found(**params: Any) -> list[str]:
        return [row["BackupJobId"] for row in client.list_backup_jobs(**params)["BackupJobs"]]

    assert found(ByBackupVaultName="prod") == ["b-1", "b-2"]
    assert found(ByState="ABORTED") == ["b-1"]
    assert client.describe_backup_job(BackupJobId="b-2")["State"] == "EXPIRED"
    assert refusal(client.describe_backup_job, BackupJobId="b-9")[0] == "ResourceNotFoundException"


def test_summaries_leave_out_today(serve: Serve) -> None:
    world = _with(
        "copy_jobs",
        _job(1, 0.1),
        _job(2, 30, "FAILED", MessageCategory="AccessDenied"),
        _job(3, 31, "COMPLETED", MessageCategory="SUCCESS"),
        _job(4, 31, "COMPLETED", MessageCategory="SUCCESS"),
        _job(5, 24 * 10, "COMPLETED", MessageCategory="SUCCESS"),
        _job(6, 24 * 16, "COMPLETED", MessageCategory="SUCCESS"),
    )
    noon = ago().replace(hour=12, minute=0, second=0).timestamp()
    for row in world.place(ACCOUNT, SOURCE).rows["copy_jobs"]:
        shift = timedelta(seconds=noon - ago().timestamp())
        row["CreationDate"] += shift
    world.now = lambda: noon
    client = serve(world).client("backup")

    def counts(**params: Any) -> list[tuple[str, str, int]]:
        rows = client.list_copy_job_summaries(**params)["CopyJobSummaries"]
        return sorted((row["State"], row.get("MessageCategory", ""), row["Count"]) for row in rows)

    fortnight = counts(AggregationPeriod="FOURTEEN_DAYS", State="ANY", MessageCategory="ANY")
    assert fortnight == [("COMPLETED", "SUCCESS", 3), ("FAILED", "AccessDenied", 1)]
    assert counts(AggregationPeriod="SEVEN_DAYS", State="COMPLETED") == [("COMPLETED", "SUCCESS", 2)]
    whole = counts(AggregationPeriod="FOURTEEN_DAYS", State="AGGREGATE_ALL", MessageCategory="AGGREGATE_ALL")
    assert whole == [("AGGREGATE_ALL", "AGGREGATE_ALL", 4)]
    days = client.list_copy_job_summaries(State="COMPLETED")["CopyJobSummaries"]
    assert [(row["Count"], (row["EndTime"] - row["StartTime"]).days) for row in days] == [(2, 1), (1, 1)]


def _point(number: int, hours: float, vault: str = "prod", **more: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": f"arn:aws:ec2:{SOURCE}::snapshot/snap-{number}",
        "BackupVaultName": vault,
        "BackupVaultArn": _VAULT.replace("prod", vault),
        "ResourceArn": _VOLUME,
        "ResourceType": "EBS",
        "Status": "COMPLETED",
        "CreationDate": ago(hours=hours),
        "BackupSizeInBytes": 42,
        "StorageClass": "WARM",
        **more,
    }


_PROD = {"BackupVaultName": "prod", "BackupVaultArn": _VAULT, "NumberOfRecoveryPoints": 3, "Locked": False}


def test_recovery_points_of_a_vault(serve: Serve) -> None:
    world = _with(
        "recovery_points",
        _point(1, 30),
        _point(2, 2, CreatedBy={"BackupPlanId": "p"}),
        _point(3, 9, ResourceType="RDS", ResourceArn="arn:aws:rds:r:1:db:x", ParentRecoveryPointArn="arn:parent"),
        _point(4, 1, "other"),
    )
    world.place(ACCOUNT, SOURCE).rows["vaults"] = [_PROD]
    client = serve(world).client("backup")

    def points(**params: Any) -> list[str]:
        rows = client.list_recovery_points_by_backup_vault(BackupVaultName="prod", **params)["RecoveryPoints"]
        assert all("StorageClass" not in row for row in rows)
        return [row["RecoveryPointArn"][-1] for row in rows]

    assert points() == ["2", "3", "1"]
    assert points(ByCreatedAfter=ago(hours=24)) == ["2", "3"]
    assert points(ByCreatedBefore=ago(hours=5)) == ["3", "1"]
    assert points(ByResourceType="RDS") == ["3"]
    assert points(ByResourceArn=_VOLUME) == ["2", "1"]
    assert points(ByBackupPlanId="p") == ["2"]
    assert points(ByParentRecoveryPointArn="arn:parent") == ["3"]
    arn = _point(1, 0)["RecoveryPointArn"]
    assert client.describe_recovery_point(BackupVaultName="prod", RecoveryPointArn=arn)["StorageClass"] == "WARM"
    # The vault must be the one that holds it.
    elsewhere = {"BackupVaultName": "prod", "RecoveryPointArn": _point(4, 0)["RecoveryPointArn"]}
    assert refusal(client.describe_recovery_point, **elsewhere)[0] == "ResourceNotFoundException"


def test_recovery_points_of_a_resource(serve: Serve) -> None:
    database = _point(3, 1, ResourceArn="arn:aws:rds:r:1:db:x")
    world = _with("recovery_points", _point(1, 30), _point(2, 2, "other"), database)
    client = serve(world).client("backup")
    rows = client.list_recovery_points_by_resource(ResourceArn=_VOLUME, MaxResults=5)["RecoveryPoints"]
    assert [(row["RecoveryPointArn"][-1], row["BackupSizeBytes"]) for row in rows] == [("2", 42), ("1", 42)]
    rds = {"ResourceArn": "arn:aws:rds:r:1:db:x", "MaxResults": 5}
    assert refusal(client.list_recovery_points_by_resource, **rds)[0] == "InvalidParameterValueException"


def test_a_missing_vault_looks_like_one_that_may_not_be_seen(serve: Serve) -> None:
    world = _with("vaults", _PROD)
    client = serve(world).client("backup")
    for operation in (
        client.describe_backup_vault,
        client.get_backup_vault_access_policy,
        client.list_recovery_points_by_backup_vault,
    ):
        code, message, status = refusal(operation, BackupVaultName="gone")
        assert (code, message, status) == (
            "AccessDeniedException",
            "Insufficient privileges to perform this action.",
            403,
        )
    world.place(ACCOUNT, SOURCE).settings["missing_vault"] = "not_found"
    assert refusal(client.describe_backup_vault, BackupVaultName="gone")[0] == "ResourceNotFoundException"
    assert client.describe_backup_vault(BackupVaultName="prod")["NumberOfRecoveryPoints"] == 3
    assert [row["BackupVaultName"] for row in client.list_backup_vaults()["BackupVaultList"]] == ["prod"]


def test_a_vaults_policy_and_notifications(serve: Serve) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    topic = {"SNSTopicArn": f"arn:aws:sns:{SOURCE}:{ACCOUNT}:t", "BackupVaultEvents": ["COPY_JOB_FAILED"]}
    bare = {"BackupVaultName": "bare", "BackupVaultArn": "arn:bare"}
    client = serve(_with("vaults", {**_PROD, "_policy": text, "_notifications": topic}, bare)).client("backup")
    assert client.get_backup_vault_access_policy(BackupVaultName="prod")["Policy"] == text
    assert client.get_backup_vault_notifications(BackupVaultName="prod")["BackupVaultEvents"] == ["COPY_JOB_FAILED"]
    for operation in (client.get_backup_vault_access_policy, client.get_backup_vault_notifications):
        assert refusal(operation, BackupVaultName="bare")[0] == "ResourceNotFoundException"


def test_a_vaults_policy_may_deny_its_readers(serve: Serve) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": READER_ARN},
        "Action": "backup:DescribeBackupVault",
        "Resource": "*",
    }
    client = serve(_with("vaults", {**_PROD, "_policy": json.dumps({"Statement": statement})})).client("backup")
    code, message, dummy = refusal(client.describe_backup_vault, BackupVaultName="prod")
    assert code == "AccessDeniedException"
    assert message.endswith("with an explicit deny in a resource-based policy")
    client.get_backup_vault_access_policy(BackupVaultName="prod")


def test_a_vault_of_another_account_is_seen_only_when_shared(serve: Serve) -> None:
    world = new_world()
    shared = {**_PROD, "BackupVaultName": "lag", "_shared_with": [ACCOUNT]}
    world.place(OTHER, SOURCE).rows["vaults"] = [shared, {**_PROD, "BackupVaultName": "own"}]
    client = serve(world).client("backup")
    seen = client.describe_backup_vault(BackupVaultName="lag", BackupVaultAccountId=OTHER)
    assert seen["BackupVaultName"] == "lag"
    assert refusal(client.describe_backup_vault, BackupVaultName="lag")[0] == "AccessDeniedException"
    own = {"BackupVaultName": "own", "BackupVaultAccountId": OTHER}
    assert refusal(client.describe_backup_vault, **own)[0] == "AccessDeniedException"
    assert client.list_backup_vaults()["BackupVaultList"] == []
    assert [row["BackupVaultName"] for row in client.list_backup_vaults(ByShared=True)["BackupVaultList"]] == ["lag"]


def _plan() -> dict[str, Any]:
    def version(name: str, rules: int) -> dict[str, Any]:
        rule = {
            "RuleName": "daily",
            "TargetBackupVaultName": "prod",
            "CopyActions": [{"DestinationBackupVaultArn": _DR}],
        }
        return {
            "BackupPlanId": "p",
            "BackupPlanArn": "arn:p",
            "VersionId": name,
            "CreationDate": ago(days=9),
            "BackupPlan": {"BackupPlanName": "nightly", "Rules": [rule] * rules},
        }

    selection = {
        "BackupPlanId": "p",
        "SelectionId": "s",
        "CreationDate": ago(days=9),
        "BackupSelection": {"SelectionName": "all", "IamRoleArn": "arn:role", "Resources": ["*"]},
    }
    return {**version("v2", 2), "_versions": [version("v1", 1)], "_selections": [selection]}


def test_plans_versions_and_selections(serve: Serve) -> None:
    gone = {**_plan(), "BackupPlanId": "old", "DeletionDate": ago(days=1)}
    client = serve(_with("plans", _plan(), gone)).client("backup")
    (listed,) = client.list_backup_plans()["BackupPlansList"]
    assert (listed["BackupPlanName"], listed["VersionId"], "BackupPlan" in listed) == ("nightly", "v2", False)
    assert len(client.list_backup_plans(IncludeDeleted=True)["BackupPlansList"]) == 2
    assert len(client.get_backup_plan(BackupPlanId="p")["BackupPlan"]["Rules"]) == 2
    assert len(client.get_backup_plan(BackupPlanId="p", VersionId="v1")["BackupPlan"]["Rules"]) == 1
    assert refusal(client.get_backup_plan, BackupPlanId="p", VersionId="v0")[0] == "ResourceNotFoundException"
    assert refusal(client.get_backup_plan, BackupPlanId="q")[0] == "ResourceNotFoundException"
    versions = client.list_backup_plan_versions(BackupPlanId="p")["BackupPlanVersionsList"]
    assert [row["VersionId"] for row in versions] == ["v2", "v1"]
    (selection,) = client.list_backup_selections(BackupPlanId="p")["BackupSelectionsList"]
    assert (selection["SelectionName"], selection["IamRoleArn"]) == ("all", "arn:role")
    found = client.get_backup_selection(BackupPlanId="p", SelectionId="s")["BackupSelection"]
    assert found["Resources"] == ["*"]
    assert refusal(client.get_backup_selection, BackupPlanId="p", SelectionId="t")[0] == "ResourceNotFoundException"


def test_settings_of_the_region(serve: Serve) -> None:
    world = new_world()
    client = serve(world).client("backup")
    assert client.describe_region_settings()["ResourceTypeOptInPreference"]["EBS"] is True
    world.place(ACCOUNT, SOURCE).settings["region_settings"] = {"ResourceTypeOptInPreference": {"EBS": False}}
    assert client.describe_region_settings()["ResourceTypeOptInPreference"] == {"EBS": False}
    assert "DynamoDB" in client.get_supported_resource_types()["ResourceTypes"]


def test_global_settings_need_an_organization(serve: Serve) -> None:
    world = new_world()
    client = serve(world).client("backup")
    assert refusal(client.describe_global_settings)[0] == "InvalidRequestException"
    world.organization = {"Id": "o-1", "accounts": [ACCOUNT], "management": OTHER, "cross_account_backup": False}
    assert client.describe_global_settings()["GlobalSettings"] == {"isCrossAccountBackupEnabled": "false"}
    world.organization["cross_account_backup"] = True
    assert client.describe_global_settings()["GlobalSettings"] == {"isCrossAccountBackupEnabled": "true"}


def test_protected_resources(serve: Serve) -> None:
    row = {"ResourceArn": _VOLUME, "ResourceType": "EBS", "LastBackupTime": ago(hours=1)}
    client = serve(_with("protected_resources", row)).client("backup")
    assert [found["ResourceArn"] for found in client.list_protected_resources()["Results"]] == [_VOLUME]
    assert client.describe_protected_resource(ResourceArn=_VOLUME)["ResourceType"] == "EBS"
    assert refusal(client.describe_protected_resource, ResourceArn="arn:x")[0] == "ResourceNotFoundException"
