# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Region scenarios through the real SDK: what the reader sees, and what it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import SESSION

from lab.apiserver.pki import Pki
from lab.aws.run import RegionLab
from lab.aws.scenario import load_region_scenario, region_scenario
from lab.run import Lab, open_lab

_LAB = Path(__file__).resolve().parents[2] / "lab"
_TWO_ACCOUNTS = {"destination": {"account": "444455556666"}, "protect": [{"resources": ["orders"], "type": "EFS"}]}
_ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10)


class Reader:
    """Clients with what lab.json tells, and nothing else."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.info = info

    def client(self, service: str, side: str = "source") -> Any:
        """Return a client of a side; the destination's with the keys of the role, where one is to be assumed."""
        told = self.info[side]
        keys = {
            "aws_access_key_id": told["access_key"],
            "aws_secret_access_key": told["secret_key"],
            "aws_session_token": told["session_token"],
        }
        if told["role_arn"]:
            issued = self._client("sts", told["region"], keys).assume_role(
                RoleArn=told["role_arn"], RoleSessionName="reader"
            )["Credentials"]
            keys = {
                "aws_access_key_id": issued["AccessKeyId"],
                "aws_secret_access_key": issued["SecretAccessKey"],
                "aws_session_token": issued["SessionToken"],
            }
        return self._client(service, told["region"], keys)

    def _client(self, service: str, region: str, keys: dict[str, Any]) -> Any:
        return SESSION.client(
            service, region_name=region, endpoint_url=self.info["url"], verify=self.info["ca"], config=_ONCE, **keys
        )


@pytest.fixture
def start(tmp_path: Path, pki: Pki) -> Iterator[Callable[..., Reader]]:
    """Return what starts the lab of a story or of a scenario's name, and reads its lab.json."""
    with ExitStack() as stack:

        def started(name: str = "", **story: Any) -> Reader:
            told = {"kind": "region", **story}
            path = _LAB / "region_scenarios" / f"{name}.yaml"
            scenario = load_region_scenario(path) if name else region_scenario(told)
            stack.enter_context(RegionLab(scenario, tmp_path, pki=pki))
            return Reader(json.loads((tmp_path / "lab.json").read_text(encoding="utf-8")))

        yield started


def _code(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def test_the_reader_reads_both_accounts(start: Callable[..., Reader]) -> None:
    reader = start(**_TWO_ACCOUNTS)
    assert reader.info["source"]["role_arn"] is None
    assert reader.info["destination"]["role_arn"] == "arn:aws:iam::444455556666:role/backup-sync-reader"
    backup = reader.client("backup")
    [copy] = backup.list_copy_jobs(MaxResults=1)["CopyJobs"]
    vault = copy["DestinationBackupVaultArn"]
    assert vault == "arn:aws:backup:eu-central-1:444455556666:backup-vault:backup-dr"
    assert len(backup.list_copy_jobs(ByDestinationVaultArn=vault)["CopyJobs"]) == 10
    found = backup.describe_recovery_point(BackupVaultName="backup", RecoveryPointArn=copy["SourceRecoveryPointArn"])
    there = reader.client("backup", "destination")
    [newest] = there.list_recovery_points_by_backup_vault(BackupVaultName="backup-dr", MaxResults=1)["RecoveryPoints"]
    assert newest["CreationDate"] == found["CreationDate"]
    policy = json.loads(there.get_backup_vault_access_policy(BackupVaultName="backup-dr")["Policy"])
    assert policy["Statement"][0]["Action"] == "backup:CopyIntoBackupVault"
    assert backup.describe_global_settings()["GlobalSettings"] == {"isCrossAccountBackupEnabled": "true"}
    [plan] = backup.list_backup_plans()["BackupPlansList"]
    [selection] = backup.list_backup_selections(BackupPlanId=plan["BackupPlanId"])["BackupSelectionsList"]
    assert selection["IamRoleArn"].endswith(":role/service-role/AWSBackupDefaultServiceRole")
    role = reader.client("iam").get_role(RoleName="AWSBackupDefaultServiceRole")["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "backup.amazonaws.com"}
    key = there.describe_backup_vault(BackupVaultName="backup-dr")["EncryptionKeyArn"]
    kms = reader.client("kms", "destination")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert "AWSServiceRoleForBackup" in kms.get_key_policy(KeyId=key)["Policy"]


def test_the_reader_may_read_and_nothing_else(start: Callable[..., Reader]) -> None:
    reader = start(**_TWO_ACCOUNTS)
    backup = reader.client("backup")
    [copy] = backup.list_copy_jobs(MaxResults=1)["CopyJobs"]
    vault = {"DestinationBackupVaultArn": copy["DestinationBackupVaultArn"], "SourceBackupVaultName": "backup"}
    role = "arn:aws:iam::111122223333:role/other"
    start_copy = {"RecoveryPointArn": copy["SourceRecoveryPointArn"], "IamRoleArn": role, **vault}
    assert _code(backup.start_copy_job, **start_copy) == "AccessDeniedException"


def test_events_and_logs_are_found_as_a_collector_finds_them(start: Callable[..., Reader]) -> None:
    reader = start("throttling")
    events = reader.client("events")
    [rule] = events.list_rules()["Rules"]
    [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    group = target["Arn"].rpartition(":log-group:")[2]
    pattern = '{ ($.detail-type = "Copy Job State Change") && ($.detail.state = "FAILED") }'
    found = reader.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    assert len(found) == 20
    metrics = reader.client("cloudwatch").list_metrics(Namespace="AWS/Backup", MetricName="NumberOfCopyJobsFailed")
    assert metrics["Metrics"]


def test_denials_of_one_side_hold_in_its_region_only(start: Callable[..., Reader]) -> None:
    reader = start("half-denied")
    assert _code(reader.client("backup").list_backup_plans) == "AccessDeniedException"
    there = reader.client("backup", "destination")
    assert there.list_backup_plans()["BackupPlansList"] == []
    assert _code(there.list_recovery_points_by_backup_vault, BackupVaultName="backup-dr") == "AccessDeniedException"
    assert reader.client("backup").list_recovery_points_by_backup_vault(BackupVaultName="backup")["RecoveryPoints"]
    for side in ("source", "destination"):
        assert _code(reader.client("kms", side).list_aliases) == "AccessDeniedException"


def test_denials_of_another_account_are_those_of_its_role(start: Callable[..., Reader]) -> None:
    story = {**_TWO_ACCOUNTS, "destination": {"account": "444455556666", "deny": ["backup:DescribeBackupVault"]}}
    reader = start(**story)
    assert reader.client("backup").describe_backup_vault(BackupVaultName="backup")
    with pytest.raises(ClientError, match="because no identity-based policy allows the backup:DescribeBackupVault"):
        reader.client("backup", "destination").describe_backup_vault(BackupVaultName="backup-dr")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [("expired", "ExpiredToken"), ("unknown", "UnrecognizedClient"), ("wrong_secret", "InvalidSignature")],
)
def test_credentials_can_be_bad(start: Callable[..., Reader], credentials: str, code: str) -> None:
    reader = start(source={"credentials": credentials}, protect=[{"resources": ["orders"]}])
    assert _code(reader.client("backup").list_copy_jobs).startswith(code)


@pytest.mark.parametrize("role", ["not_assumable", "absent"])
def test_roles_can_be_out_of_reach(start: Callable[..., Reader], role: str) -> None:
    reader = start(destination={"account": "444455556666", "role": role}, protect=[{"resources": ["orders"]}])
    assert reader.client("backup").list_copy_jobs()["CopyJobs"]
    assert _code(lambda: reader.client("backup", "destination")) == "AccessDenied"


def test_a_region_can_be_out_of_reach(start: Callable[..., Reader]) -> None:
    reader = start("region-unreachable")
    assert reader.client("backup").list_copy_jobs()["CopyJobs"]
    with pytest.raises(BotoCoreError):
        reader.client("backup", "destination").list_backup_vaults()


def test_a_region_can_be_off(start: Callable[..., Reader]) -> None:
    reader = start(destination={"region": "eu-south-1", "enabled": False}, protect=[{"resources": ["orders"]}])
    assert _code(reader.client("backup", "destination").list_backup_vaults).startswith("UnrecognizedClient")


@pytest.mark.parametrize(
    ("absent", "code"), [(True, "AccessDeniedException"), ("not_found", "ResourceNotFoundException")]
)
def test_a_missing_vault_is_answered_either_way(start: Callable[..., Reader], absent: Any, code: str) -> None:
    reader = start(destination_vault={"absent": absent}, protect=[{"resources": ["orders"]}])
    there = reader.client("backup", "destination")
    assert _code(there.describe_backup_vault, BackupVaultName="backup-dr") == code
    assert [vault["BackupVaultName"] for vault in there.list_backup_vaults()["BackupVaultList"]] == ["Default"]


def test_outside_of_an_organization_there_are_no_global_settings(start: Callable[..., Reader]) -> None:
    reader = start(**_TWO_ACCOUNTS, organization={"members": ["destination"]})
    assert _code(reader.client("backup").describe_global_settings) == "InvalidRequestException"


def test_health_needs_a_support_plan(start: Callable[..., Reader]) -> None:
    reader = start("health-not-subscribed")
    assert _code(reader.client("health").describe_events).startswith("SubscriptionRequired")


def test_a_fault_can_name_a_side(start: Callable[..., Reader]) -> None:
    fault = {"match": "backup:ListBackupVaults", "region": "destination", "throttle": True}
    reader = start(faults=[fault], protect=[{"resources": ["orders"]}])
    assert reader.client("backup").list_backup_vaults()["BackupVaultList"]
    assert "Throttling" in _code(reader.client("backup", "destination").list_backup_vaults)


def test_both_kinds_of_scenario_open(tmp_path: Path) -> None:
    region = open_lab(_LAB / "region_scenarios" / "healthy.yaml", tmp_path / "region")
    with region:
        told = json.loads((tmp_path / "region" / "lab.json").read_text(encoding="utf-8"))
        assert told["kind"] == "region" and told["vars"] == {"region_sync_rpo": "26h"}
        Reader(told).client("backup").list_copy_jobs()
        [call] = region.calls()
        assert (call["operation"], call["region"]) == ("ListCopyJobs", "eu-west-1")
    assert isinstance(open_lab(_LAB / "scenarios" / "healthy.yaml", tmp_path / "cluster"), Lab)
