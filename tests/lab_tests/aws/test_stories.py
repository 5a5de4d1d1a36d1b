# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Region scenarios expand into worlds whose rows have AWS's shapes, and whose links hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lab.aws.scenario import RegionScenario, build_stage, load_region_scenario, region_scenario
from lab.aws.stories.stage import Stage
from lab.aws.validation import check_row
from lab.aws.world import Row

_SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "lab" / "region_scenarios").glob("*.yaml"))
_NOW = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc).timestamp()
# Collection -> the answers that its rows are given in.
_SHAPES: dict[str, list[tuple[str, str, str | None]]] = {
    "vaults": [("backup", "DescribeBackupVault", None)],
    "copy_jobs": [("backup", "DescribeCopyJob", "CopyJob"), ("backup", "ListCopyJobs", "CopyJobs")],
    "backup_jobs": [("backup", "DescribeBackupJob", None)],
    "recovery_points": [("backup", "DescribeRecoveryPoint", None)],
    "plans": [("backup", "GetBackupPlan", None)],
    "protected_resources": [("backup", "DescribeProtectedResource", None)],
    "keys": [("kms", "DescribeKey", "KeyMetadata")],
    "log_groups": [("logs", "DescribeLogGroups", "logGroups")],
    "event_buses": [("events", "ListEventBuses", "EventBuses")],
    "event_rules": [("events", "DescribeRule", None)],
    "trails": [("cloudtrail", "DescribeTrails", "trailList")],
    "trail_events": [("cloudtrail", "LookupEvents", "Events")],
    "health_events": [("health", "DescribeEvents", "events")],
    "quotas": [("service-quotas", "GetServiceQuota", "Quota")],
}
_EXPECTED = {"status", "cause", "confidence", "scope", "dr_readiness", "alert", "pattern", "gaps", "fired", "clear", "unknown"}
_FORBIDDEN = _EXPECTED | {"causes"}


def _stage(**story: Any) -> Stage:
    return build_stage(region_scenario({"kind": "region", **story}), _NOW)


def _copies(stage: Stage) -> list[Row]:
    return list(stage.source.place.all("copy_jobs"))


def _points(stage: Stage, side: str) -> list[Row]:
    return list(stage.side(side).place.all("recovery_points"))


@pytest.mark.parametrize("path", _SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    scenario = load_region_scenario(path)
    assert scenario.name == path.stem
    stage = build_stage(scenario, _NOW)
    _every_row_has_the_shape_of_aws(stage)
    _links_hold(stage)
    _destination_points_are_of_the_destination(stage)
    _the_same_on_every_start(scenario, stage)
    _what_is_expected_is_stated_in_known_words(scenario)


def _every_row_has_the_shape_of_aws(stage: Stage) -> None:
    world = stage.world
    for place in world.places.values():
        for collection, rows in place.rows.items():
            if collection == "metrics":
                continue
            for row in rows:
                for service, operation, member in _SHAPES[collection]:
                    check_row(service, operation, row, member)
        for plan in place.all("plans"):
            for version in plan["_versions"]:
                check_row("backup", "GetBackupPlan", version)
            for selection in plan["_selections"]:
                check_row("backup", "GetBackupSelection", selection)
        for rule in place.all("event_rules"):
            for target in rule["_targets"]:
                check_row("events", "ListTargetsByRule", target, "Targets")
        for key in place.all("keys"):
            assert json.loads(key["_policy"])["Statement"]
            for grant in key["_grants"]:
                check_row("kms", "ListGrants", grant, "Grants")


def _links_hold(stage: Stage) -> None:
    backups = {row["BackupJobId"]: row for row in stage.source.place.all("backup_jobs")}
    copies = {row["CopyJobId"]: row for row in _copies(stage)}
    assert len(copies) == len(_copies(stage)), "two copy jobs of one id"
    landed = {row["RecoveryPointArn"]: row for row in _points(stage, "destination")}
    sources = {row["RecoveryPointArn"]: row for row in _points(stage, "source")}
    assert len(landed) == len(_points(stage, "destination")) and len(sources) == len(_points(stage, "source"))
    versions = {
        version["VersionId"] for plan in stage.source.place.all("plans") for version in [plan, *plan["_versions"]]
    }
    for copy in copies.values():
        assert copy["SourceBackupVaultArn"] == stage.source.vault_arn
        assert copy["AccountId"] == stage.source.account
        assert copy.get("ParentJobId", copy["CopyJobId"]) in copies
        assert (copy["State"] in ("CREATED", "RUNNING")) == ("CompletionDate" not in copy)
        if "CreatedBy" in copy:
            backup = backups[copy["CreatedByBackupJobId"]]
            assert backup["CompletionDate"] <= copy["CreationDate"]
            assert copy["CreatedBy"]["BackupPlanVersion"] in versions
        else:
            assert "CreatedByBackupJobId" not in copy
        point = landed.get(copy.get("DestinationRecoveryPointArn", ""))
        source = sources.get(copy["SourceRecoveryPointArn"])
        if point and source:
            assert point["CreationDate"] == source["CreationDate"], "a copy keeps the creation date of its source"
            assert point["ResourceArn"] == copy["ResourceArn"]
        assert "DestinationRecoveryPointArn" not in copy or copy["State"] in ("COMPLETED", "PARTIAL")
    named = {copy.get("DestinationRecoveryPointArn") for copy in copies.values()}
    kept = datetime.now(timezone.utc) - timedelta(days=29)  # AWS forgets jobs, points it does not
    young = {arn for arn, row in landed.items() if row["CreationDate"] > kept}
    assert young <= named, "a recovery point that no copy job made"


def _destination_points_are_of_the_destination(stage: Stage) -> None:
    for point in _points(stage, "destination"):
        assert f":{stage.destination.region}:" in point["RecoveryPointArn"]
        assert f":{stage.source.region}:" in point["ResourceArn"] or point["ResourceArn"].startswith("arn:aws:s3:::")
        assert point["SourceBackupVaultArn"] == stage.source.vault_arn
        assert point["CalculatedLifecycle"]["DeleteAt"].timestamp() > _NOW
    for side in stage.sides():
        for vault in side.place.all("vaults"):
            held = [
                row for row in side.place.all("recovery_points") if row["BackupVaultName"] == vault["BackupVaultName"]
            ]
            assert vault["NumberOfRecoveryPoints"] == len(held)


def _the_same_on_every_start(scenario: RegionScenario, stage: Stage) -> None:
    again = build_stage(scenario, _NOW)
    assert list(again.world.places) == list(stage.world.places)
    for key, place in stage.world.places.items():
        assert again.world.places[key].rows == place.rows
        assert again.world.places[key].settings == place.settings
    assert again.world.roles == stage.world.roles and again.world.identities == stage.world.identities


def _what_is_expected_is_stated_in_known_words(scenario: RegionScenario) -> None:
    assert scenario.title and scenario.expect["status"]
    assert set(scenario.expect) <= _EXPECTED and set(scenario.must_not) <= _FORBIDDEN
    for key, value in scenario.expect.items():
        wanted = value if isinstance(value, list) else [value]
        forbidden = scenario.must_not.get("causes" if key == "cause" else key, [])
        assert not set(map(str, wanted)) & set(map(str, forbidden)), f"{key} is expected and forbidden"


def test_the_shortest_story_is_a_healthy_world() -> None:
    stage = _stage(protect=[{"resources": ["orders"]}])
    assert Counter(row["State"] for row in _copies(stage)) == {"COMPLETED": 10}
    assert len(_points(stage, "source")) == len(_points(stage, "destination")) == 10
    [plan] = stage.source.place.all("plans")
    [rule] = plan["BackupPlan"]["Rules"]
    assert rule["CopyActions"][0]["DestinationBackupVaultArn"] == stage.destination.vault_arn
    # 09:30 less five hours: the schedule says what the slots are.
    assert rule["ScheduleExpression"] == "cron(30 4 ? * * *)"
    assert stage.destination.account == stage.source.account
    assert not stage.destination.place.row("vaults", BackupVaultName="backup-dr")["_policy"]  # type: ignore[index]


_ARNS = {
    "EBS": (
        r"arn:aws:ec2:eu-west-1::snapshot/snap-0[0-9a-f]{16}",
        r"arn:aws:ec2:eu-central-1::snapshot/snap-0[0-9a-f]{16}",
    ),
    "EC2": (r"arn:aws:ec2:eu-west-1::image/ami-0[0-9a-f]{16}", r"arn:aws:ec2:eu-central-1::image/ami-0[0-9a-f]{16}"),
    "RDS": (
        r"arn:aws:rds:eu-west-1:111122223333:snapshot:awsbackup:job-[0-9a-f-]{36}",
        r"arn:aws:rds:eu-central-1:444455556666:snapshot:awsbackup:copyjob-[0-9a-f-]{36}",
    ),
    "EFS": (
        r"arn:aws:backup:eu-west-1:111122223333:recovery-point:[0-9A-F-]{36}",
        r"arn:aws:backup:eu-central-1:444455556666:recovery-point:[0-9A-F-]{36}",
    ),
}


@pytest.mark.parametrize("kind", _ARNS)
def test_arns_follow_the_type(kind: str) -> None:
    stage = _stage(
        destination={"account": "444455556666"}, protect=[{"resources": ["orders"], "type": kind, "for": "2d"}]
    )
    for side, pattern in zip(("source", "destination"), _ARNS[kind]):
        for point in _points(stage, side):
            assert re.fullmatch(pattern, point["RecoveryPointArn"]), point["RecoveryPointArn"]


def test_unmanaged_types_keep_the_key_of_the_resource_until_they_are_copied() -> None:
    stage = _stage(protect=[{"resources": ["orders"]}, {"resources": ["media"], "type": "EFS"}])
    keys = {row["Arn"]: row["_aliases"][0] for side in stage.sides() for row in side.place.all("keys")}
    in_source = {row["ResourceType"]: keys[row["EncryptionKeyArn"]] for row in _points(stage, "source")}
    assert in_source == {"EBS": "alias/data", "EFS": "alias/backup"}
    assert {keys[row["EncryptionKeyArn"]] for row in _points(stage, "destination")} == {"alias/backup-dr"}


def test_lifecycle_counts_from_the_sources_creation() -> None:
    entry = {"resources": ["orders"], "for": "10d", "copy_queue": "30h"}
    stage = _stage(plan={"copy_lifecycle": {"delete_after": 3, "cold_after": 1}}, protect=[entry])
    ages = [(_NOW - row["CreationDate"].timestamp()) / 3600 for row in _points(stage, "destination")]
    # Nights are 5, 29, 53, 77 h ago: the first two copies still wait, the fourth has reached its three days.
    assert [round(age) for age in ages] == [53]
    [point] = _points(stage, "destination")
    assert point["CalculatedLifecycle"]["DeleteAt"].timestamp() - point["CreationDate"].timestamp() == 3 * 86400
    assert point["CalculatedLifecycle"]["MoveToColdStorageAt"].timestamp() - point["CreationDate"].timestamp() == 86400


def test_a_changed_plan_has_two_versions_and_each_job_names_its_own() -> None:
    plan = {"changed": "-40h", "copy": False, "before": {"copy": True}}
    stage = _stage(plan=plan, protect=[{"resources": ["orders"]}])
    [row] = stage.source.place.all("plans")
    [older] = row["_versions"]
    assert row["BackupPlan"]["Rules"][0]["CopyActions"] == []
    assert older["BackupPlan"]["Rules"][0]["CopyActions"] != []
    assert {copy["CreatedBy"]["BackupPlanVersion"] for copy in _copies(stage)} == {older["VersionId"]}
    assert len(_copies(stage)) == 8, "the nights 5 h and 29 h ago are of the rule without a copy action"


def test_choices_are_exact() -> None:
    fails = {"within": "47h", "count": 5, "message": "Rate exceeded"}
    stage = _stage(protect=[{"resources": {"volume": 10}, "fails": fails}])
    failed = [row for row in _copies(stage) if row["State"] == "FAILED"]
    assert len(failed) == 5
    assert all(_NOW - row["CreationDate"].timestamp() < 47 * 3600 for row in failed)
    hours = _stage(protect=[{"resources": ["a"], "every": "1h", "at": "00:00", "for": "3d", "fails": {"hours": [2]}}])
    failed = [row for row in _copies(hours) if row["State"] == "FAILED"]
    assert len(failed) == 3 and {row["CreationDate"].hour for row in failed} == {2}


def test_upstream_failures_leave_neither_point_nor_copy() -> None:
    entry = {
        "resources": ["ledger"],
        "type": "RDS",
        "backup_fails": {"index": 0, "state": "ABORTED", "message": "too late"},
    }
    stage = _stage(protect=[entry])
    [aborted] = [row for row in stage.source.place.all("backup_jobs") if row["State"] == "ABORTED"]
    assert aborted["StatusMessage"] == "too late" and "RecoveryPointArn" not in aborted
    assert aborted["BackupJobId"] not in {row["CreatedByBackupJobId"] for row in _copies(stage)}
    assert len(_points(stage, "source")) == 9
    [resource] = stage.source.place.all("protected_resources")
    assert (_NOW - resource["LastBackupTime"].timestamp()) / 3600 > 28


def test_a_composite_sums_up_its_members() -> None:
    members = [{"name": "Disk", "type": "EBS", "fails": {"index": 0}}, {"name": "Files", "type": "EFS"}]
    stage = _stage(protect=[{"resources": ["shop"], "for": "2d", "composite": members}])
    newest, older = [row for row in _copies(stage) if row["IsParent"]]
    assert newest["State"] == "PARTIAL" and newest["ChildJobsInState"] == {"COMPLETED": 1, "FAILED": 1}
    assert older["State"] == "COMPLETED" and older["NumberOfChildJobs"] == 2
    children = [row for row in _copies(stage) if row.get("ParentJobId") == newest["CopyJobId"]]
    assert {row["CompositeMemberIdentifier"]: row["State"] for row in children} == {
        "Disk": "FAILED",
        "Files": "COMPLETED",
    }
    landed = {row.get("CompositeMemberIdentifier"): row for row in _points(stage, "destination")}
    assert landed["Files"]["ParentRecoveryPointArn"] == landed[None]["RecoveryPointArn"]


def test_continuous_sources_have_one_point_and_no_natural_key() -> None:
    stage = _stage(protect=[{"resources": ["ledger"], "type": "RDS", "continuous": True}])
    [point] = _points(stage, "source")
    assert point["Status"] == "AVAILABLE" and ":continuous:" in point["RecoveryPointArn"]
    assert point["RecoveryPointArn"] not in {row["SourceRecoveryPointArn"] for row in _copies(stage)}
    assert len(_points(stage, "destination")) == 10


def test_jobs_are_remembered_for_thirty_days_and_points_for_their_retention() -> None:
    stage = _stage(protect=[{"resources": ["orders"], "for": "50d"}])
    assert len(_copies(stage)) == 30
    assert len(_points(stage, "destination")) == 35


_WRONG = {
    "scenario has no key 'protects': did you mean 'protect'?": {"protects": []},
    "protect[0] has no key 'resorces': did you mean 'resources'?": {"protect": [{"resorces": ["a"]}]},
    "protect[0] names no resources": {"protect": [{"type": "EBS"}]},
    "protect[0].type is 'EBBS'": {"protect": [{"resources": ["a"], "type": "EBBS"}]},
    "protect[0].fails[0].state is 'ABORTED': use one of FAILED, PARTIAL.": {
        "protect": [{"resources": ["a"], "fails": {"index": 0, "state": "ABORTED"}}]
    },
    "protect[0].fails[0] has no key 'mesage'": {
        "protect": [{"resources": ["a"], "fails": {"index": 0, "mesage": "x"}}]
    },
    "protect[0].fails[0] does not say which runs": {"protect": [{"resources": ["a"], "fails": {"message": "x"}}]},
    "protect[0].missing[0] chooses no run at all.": {"protect": [{"resources": ["a"], "missing": {"index": 99}}]},
    "protect[1]: EBS 'a' is protected twice.": {"protect": [{"resources": ["a"]}, {"resources": ["a"]}]},
    "plan has no key 'copies'": {"plan": {"copies": False}, "protect": [{"resources": ["a"]}]},
    "plan.before needs plan.changed": {"plan": {"before": {"copy": False}}, "protect": [{"resources": ["a"]}]},
    "plan.copy_lifecycle has no key 'days'": {
        "plan": {"copy_lifecycle": {"days": 1}},
        "protect": [{"resources": ["a"]}],
    },
    "destination has no key 'regoin': did you mean 'region'?": {"destination": {"regoin": "eu-west-3"}},
    "source.account is 111122223333: write the twelve digits": {"source": {"account": 111122223333}},
    "source and destination are the same account and Region": {"destination": {"region": "eu-west-1"}},
    "destination_vault.policy is 'open'": {"destination_vault": {"policy": "open"}},
    "destination_vault.key is 'cmk'": {"destination_vault": {"key": "cmk"}},
    "keys.destination has no key 'data'": {"keys": {"destination": {"data": {}}}},
    "keys.source.data.without is 'root'": {
        "keys": {"source": {"data": {"without": ["root"]}}},
        "protect": [{"resources": ["a"]}],
    },
    "source.deny: the reader has no action 'backup:StartCopyJob'": {"source": {"deny": ["backup:StartCopyJob"]}},
    "roles.AWSBackupDefaultServiceRole.without": {"roles": {"AWSBackupDefaultServiceRole": {"without": ["s3:Fly"]}}},
    "logs has no key 'event_bridge'": {"logs": {"event_bridge": "x"}},
    "bulk has no key 'copyjobs'": {"bulk": {"copyjobs": 1}},
    "health.events[0] has no key 'when'": {"health": {"events": [{"when": "3h"}]}},
    "source.region_settings.opt_in is 'Elastic'": {"source": {"region_settings": {"opt_in": {"Elastic": False}}}},
}


@pytest.mark.parametrize("sentence", _WRONG)
def test_what_nobody_would_read_is_refused_with_a_sentence(sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        _stage(**_WRONG[sentence])
    assert sentence in str(caught.value)


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not of kind region"):
        region_scenario({"name": "x"})
