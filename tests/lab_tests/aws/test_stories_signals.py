# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stories derive from the jobs: events, CloudTrail, metrics, Health; and worlds of any size."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime, timezone
from typing import Any

import pytest

from lab.aws.scenario import build_stage, region_scenario
from lab.aws.stories.stage import Stage
from lab.aws.validation import check_row
from lab.aws.world import Row

_NOW = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc).timestamp()
_FAILED = {"index": 0, "message": "Rate exceeded", "trail": {"event": "CopySnapshot", "message": "denied"}}


def _stage(**story: Any) -> Stage:
    return build_stage(region_scenario({"kind": "region", **story}), _NOW)


def _one_failing(**story: Any) -> Stage:
    return _stage(protect=[{"resources": ["orders"], "for": "3d", "fails": _FAILED}], **story)


def _group(stage: Stage, side: str = "source") -> Row:
    [group] = stage.side(side).place.all("log_groups")
    return dict(group)


def _told(stage: Stage) -> list[dict[str, Any]]:
    return [json.loads(event["message"]) for event in _group(stage)["_events"]]


def test_each_state_of_a_copy_is_an_event_with_its_traps() -> None:
    stage = _one_failing()
    events = _told(stage)
    assert Counter(event["detail"]["state"] for event in events) == {
        "CREATED": 3,
        "RUNNING": 3,
        "COMPLETED": 2,
        "FAILED": 1,
    }
    for event in events:
        detail = event["detail"]
        assert (event["source"], event["detail-type"]) == ("aws.backup", "Copy Job State Change")
        assert ("copyJobId" in detail) == (detail["state"] != "CREATED"), "the first event does not name its job"
        known = isinstance(detail["destinationRecoveryPointArn"], str)
        assert known == (detail["state"] == "COMPLETED") and (known or detail["destinationRecoveryPointArn"] == {})
        assert "backupPlanRuleId" in detail["createdBy"] and "backupRuleId" not in detail["createdBy"]
        assert event["region"] == "eu-west-1" and len(event["resources"]) == 1
    [failed] = [event["detail"] for event in events if event["detail"]["state"] == "FAILED"]
    assert failed["statusMessage"] == "Rate exceeded"


def test_the_running_event_tells_the_queue_time() -> None:
    stage = _stage(protect=[{"resources": ["orders"], "for": "1d", "copy_queue": "1h"}])
    [running] = [event for event in _told(stage) if event["detail"]["state"] == "RUNNING"]
    waited = datetime.fromisoformat(running["time"]) - datetime.fromisoformat(running["detail"]["creationDate"])
    assert 0.94 * 3600 < waited.total_seconds() < 1.06 * 3600


def test_events_come_late_in_the_order_of_time() -> None:
    events = _group(_one_failing())["_events"]
    stamps = [event["timestamp"] for event in events]
    assert stamps == sorted(stamps) and max(stamps) <= _NOW * 1000
    assert all(0 <= event["ingestionTime"] - event["timestamp"] <= 300_000 for event in events)
    assert len({event["eventId"] for event in events}) == len(events)


def test_the_rule_leads_to_the_group_and_without_logs_there_is_neither() -> None:
    stage = _one_failing()
    [rule] = stage.source.place.all("event_rules")
    assert rule["_targets"][0]["Arn"] == _group(stage)["logGroupArn"]
    assert json.loads(rule["EventPattern"])["source"] == ["aws.backup"]
    none = _one_failing(logs="none").source.place
    assert not none.all("event_rules") and not none.all("log_groups") and not none.all("trails")


def test_a_transformer_reshapes_what_is_written() -> None:
    stage = _one_failing(logs={"transformed": True})
    messages = [event["message"] for event in _group(stage)["_events"]]
    assert any("is FAILED: Rate exceeded" in message for message in messages)
    assert not any('"detail-type"' in message for message in messages)


def test_events_can_be_lost() -> None:
    states = {event["detail"]["state"] for event in _told(_one_failing(logs={"lost": ["FAILED", "CREATED"]}))}
    assert states == {"RUNNING", "COMPLETED"}


def test_a_trail_group_holds_records_of_its_own_side() -> None:
    stage = _one_failing(logs={"cloudtrail": "/aws/cloudtrail/all", "side": "destination"})
    [record] = [json.loads(event["message"]) for event in _group(stage, "destination")["_events"]]
    assert (record["eventName"], record["errorCode"], record["awsRegion"]) == (
        "CopySnapshot",
        "AccessDenied",
        "eu-central-1",
    )
    assert record["userIdentity"]["invokedBy"] == "backup.amazonaws.com"
    [trail] = stage.destination.place.all("trails")
    assert trail["CloudWatchLogsLogGroupArn"] == _group(stage, "destination")["arn"]
    assert not stage.source.place.all("log_groups") and not stage.source.place.all("event_rules")


def test_cloudtrail_remembers_who_started_a_copy() -> None:
    for on_demand, service in ((False, "backup.amazonaws.com"), (True, None)):
        stage = _stage(protect=[{"resources": ["orders"], "for": "2d", "on_demand": on_demand}])
        events = stage.source.place.all("trail_events")
        assert [event["EventName"] for event in events] == ["StartCopyJob"] * 2
        records = [json.loads(event["CloudTrailEvent"]) for event in events]
        assert {record["userIdentity"].get("invokedBy") for record in records} == {service}


def _metric(stage: Stage, side: str, name: str, *dimensions: str) -> list[tuple[float, float]]:
    found = [
        row["samples"]
        for row in stage.side(side).place.all("metrics")
        if row["MetricName"] == name and tuple(item["Name"] for item in row["Dimensions"]) == dimensions
    ]
    return found[0] if found else []


def test_metrics_count_copies_in_the_source_under_the_destinations_name() -> None:
    stage = _one_failing()
    for dimensions in (("BackupVaultName",), ("ResourceType",), ("BackupVaultName", "ResourceType")):
        assert sum(value for dummy, value in _metric(stage, "source", "NumberOfCopyJobsFailed", *dimensions)) == 1
        assert sum(value for dummy, value in _metric(stage, "source", "NumberOfCopyJobsCompleted", *dimensions)) == 2
    rows = [row for row in stage.source.place.all("metrics") if row["MetricName"].startswith("NumberOfCopyJobs")]
    names = {item["Value"] for row in rows for item in row["Dimensions"] if item["Name"] == "BackupVaultName"}
    assert names == {"backup-dr"}
    assert all(
        at % 300 == 0 and value > 0 for row in rows for at, value in row["samples"]
    ), "sparse, every five minutes"
    assert not any("CopyJob" in row["MetricName"] for row in stage.destination.place.all("metrics"))
    assert not _one_failing(metrics=False).source.place.all("metrics")


def test_health_lies_in_its_only_region() -> None:
    event = {"service": "EBS", "region": "destination", "start": "4h", "end": "-1h", "entities": ["vol-1"]}
    stage = _stage(health={"events": [event]})
    place = stage.world.place(stage.source.account, "us-east-1")
    [row] = place.all("health_events")
    check_row("health", "DescribeEvents", row, "events")
    check_row("health", "DescribeAffectedEntities", row["_entities"][0], "entities")
    assert (row["region"], row["statusCode"], place.settings["health_subscribed"]) == ("eu-central-1", "closed", True)
    assert row["endTime"].timestamp() == _NOW - 3600


@pytest.fixture(scope="module")
def big() -> Stage:
    bulk = {"copy_jobs": 100_000, "points": 100_000, "log_events": 1_000_000, "failed_every": 50}
    began = time.process_time()
    stage = _stage(protect=[{"resources": ["orders"]}], bulk=bulk)
    assert time.process_time() - began < 5
    return stage


def test_bulk_is_made_when_it_is_read(big: Stage) -> None:
    copies, points = big.source.place.all("copy_jobs"), big.destination.place.all("recovery_points")
    assert len(copies) == 100_010 and len(big.source.place.all("recovery_points")) == 100_010
    assert copies[10]["State"] == "FAILED" and copies[11]["State"] == "COMPLETED" and copies[-1] == copies[100_009]
    assert copies[10:13] == [copies[10], copies[11], copies[12]]
    with pytest.raises(IndexError):
        copies[100_010]
    for position in (10, 11, 60, -1):
        check_row("backup", "DescribeCopyJob", copies[position], "CopyJob")
    check_row("backup", "DescribeRecoveryPoint", points[-1])
    assert len({copies[position]["CopyJobId"] for position in range(0, 100_010, 97)}) == len(range(0, 100_010, 97))


def test_bulk_links_hold(big: Stage) -> None:
    copies, points = big.source.place.all("copy_jobs"), big.destination.place.all("recovery_points")
    assert len(points) == 10 + 98_000
    done = [copies[position] for position in range(10, 310) if copies[position]["State"] == "COMPLETED"]
    for copy, point in zip(done, (points[position] for position in range(10, 304))):
        assert copy["DestinationRecoveryPointArn"] == point["RecoveryPointArn"]
        assert copy["ResourceArn"] == point["ResourceArn"]
    [vault] = big.destination.place.matching("vaults", BackupVaultName="backup-dr")
    assert vault["NumberOfRecoveryPoints"] == len(points)


def test_bulk_events_are_a_target_of_the_rule(big: Stage) -> None:
    group = big.source.place.row("log_groups", logGroupName="/aws/events/all-of-backup")
    [rule] = big.source.place.all("event_rules")
    assert group is not None and group["logGroupArn"] in {target["Arn"] for target in rule["_targets"]}
    events = group["_generate"]()
    assert len(events) == 1_000_000 and events[0]["timestamp"] < events[-1]["timestamp"] <= _NOW * 1000
    assert json.loads(events[-1]["message"])["detail"]["state"] == "FAILED"


def test_metrics_count_bulk_too(big: Stage) -> None:
    names = ("NumberOfCopyJobsFailed", "NumberOfCopyJobsCompleted")
    rows = [row for row in big.source.place.all("metrics") if row["MetricName"] in names]
    by_type = [row for row in rows if row["Dimensions"] == [{"Name": "ResourceType", "Value": "EFS"}]]
    assert {row["MetricName"]: sum(value for dummy, value in row["samples"]) for row in by_type} == {
        "NumberOfCopyJobsFailed": 2_000.0,
        "NumberOfCopyJobsCompleted": 98_000.0,
    }
