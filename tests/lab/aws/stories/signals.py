# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key ``logs``: events of copy jobs in a log group, where a rule sends them, and what CloudTrail wrote.

AWS Backup itself writes nothing to CloudWatch Logs. Each copy job sends an event for each state; the events have the
traps of the real ones: ``destinationRecoveryPointArn`` is an empty object until it is known, the first event has no
``copyJobId``, and the id of the rule is called otherwise than in the API.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from lab.aws.stories.stage import Side, Stage
from lab.aws.stories.words import DAY_S, ago_s, as_list, hex_of, iso, iso_ms, moment, one_of, only, uuid_of
from lab.aws.world import Row
from lab.clock import seconds

EVENT_GROUP = "/aws/events/aws-backup"
_KEYS = {"eventbridge", "cloudtrail", "retention", "class", "transformed", "rule_state", "lost", "side", "extra"}
_CLASSES = ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY")
_BATCH_S = 300
_TRAIL_KEPT_S = 7 * DAY_S
_PATTERN = {"source": ["aws.backup"], "detail-type": ["Copy Job State Change"]}
_TRANSFORMER = {
    "InputPathsMap": {"job": "$.detail.copyJobId", "state": "$.detail.state", "why": "$.detail.statusMessage"},
    "InputTemplate": '"Copy job <job> is <state>: <why>"',
}


def write_signals(stage: Stage, copies: list[Row]) -> None:
    """Write event buses, the rule with its log group, the trail with its log group, and CloudTrail's history."""
    raw = stage.raw.get("logs", {})
    keys = {"eventbridge": None} if raw == "none" else only(raw, _KEYS, "logs")
    side = stage.side(one_of(keys.get("side", "source"), ("source", "destination"), "logs.side"))
    one_of(keys.get("class", "STANDARD"), _CLASSES, "logs.class")
    for each in stage.sides():
        each.add("event_buses", [{"Name": "default", "Arn": _bus(each)}])
    group = keys.get("eventbridge", None if "cloudtrail" in keys else EVENT_GROUP)
    if group:
        lost = as_list(keys.get("lost"))
        events = [event for event in _copy_events(stage, copies) if event[1]["detail"]["state"] not in lost]
        _write_rule(stage, side, str(group), keys)
        _write_group(stage, side, str(group), keys, _entries(events, keys))
    records = {each.name: list(_trail_records(stage, each, copies)) for each in stage.sides()}
    for each in stage.sides():
        newest_first = sorted(records[each.name], key=_when, reverse=True)
        each.add("trail_events", [_history(each, *record) for record in newest_first])
    if keys.get("cloudtrail"):
        _write_trail(stage, side, str(keys["cloudtrail"]), keys, records[side.name])


def _bus(side: Side) -> str:
    return f"arn:aws:events:{side.region}:{side.account}:event-bus/default"


def _when(record: tuple[float, dict[str, Any]]) -> float:
    return record[0]


# ---------------------------------------------------------------------------------------------------------- EventBridge
def _copy_events(stage: Stage, copies: list[Row]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield (time, event) for each state of each copy job."""
    for copy in copies:
        created = copy["CreationDate"].timestamp()
        yield _event(stage, copy, "CREATED", created)
        if copy.get("_running") and copy["_running"] <= stage.now:
            yield _event(stage, copy, "RUNNING", copy["_running"])
        # The documented states are four: what ends as PARTIAL is told as its members are.
        if copy["State"] in ("COMPLETED", "FAILED"):
            yield _event(stage, copy, copy["State"], copy["CompletionDate"].timestamp())


def _event(stage: Stage, copy: Row, state: str, at: float) -> tuple[float, dict[str, Any]]:
    detail: dict[str, Any] = {
        "creationDate": iso_ms(copy["CreationDate"].timestamp()),
        "state": state,
        "resourceArn": copy["ResourceArn"],
        "resourceType": copy["ResourceType"],
        "sourceBackupVaultArn": copy["SourceBackupVaultArn"],
        "destinationBackupVaultArn": copy["DestinationBackupVaultArn"],
        "destinationRecoveryPointArn": {},
        "iamRoleArn": copy["IamRoleArn"],
    }
    if state != "CREATED":
        detail["copyJobId"] = copy["CopyJobId"]
        detail["backupSizeInBytes"] = copy["BackupSizeInBytes"]
    if state in ("COMPLETED", "FAILED"):
        detail["completionDate"] = iso_ms(copy["CompletionDate"].timestamp())
        if "StatusMessage" in copy:
            detail["statusMessage"] = copy["StatusMessage"]
        if "DestinationRecoveryPointArn" in copy:
            detail["destinationRecoveryPointArn"] = copy["DestinationRecoveryPointArn"]
    by = copy.get("CreatedBy")
    if by:
        detail["createdBy"] = {
            "backupPlanId": by["BackupPlanId"],
            "backupPlanArn": by["BackupPlanArn"],
            "backupPlanVersion": by["BackupPlanVersion"],
            "backupPlanRuleId": by["BackupRuleId"],
        }
    return at, {
        "version": "0",
        "id": uuid_of("event", copy["CopyJobId"], state),
        "detail-type": "Copy Job State Change",
        "source": "aws.backup",
        "account": stage.source.account,
        "time": iso(at),
        "region": stage.source.region,
        "resources": [copy["SourceRecoveryPointArn"]],
        "detail": detail,
    }


def _write_rule(stage: Stage, side: Side, group: str, keys: dict[str, Any]) -> None:
    target: Row = {"Id": "logs", "Arn": f"{_group_arn(side, group)}"}
    if keys.get("transformed"):
        target["InputTransformer"] = _TRANSFORMER
    side.add(
        "event_rules",
        [
            {
                "Name": "backup-copy-events",
                "Arn": f"arn:aws:events:{side.region}:{side.account}:rule/backup-copy-events",
                "EventPattern": json.dumps(_PATTERN),
                "State": str(keys.get("rule_state", "ENABLED")),
                "EventBusName": "default",
                "CreatedBy": side.account,
                "_targets": [target],
            }
        ],
    )


def _entries(events: list[tuple[float, dict[str, Any]]], keys: dict[str, Any]) -> list[tuple[float, str, str]]:
    """Return (time, message, stream) of what the rule's target writes."""
    made = []
    for at, event in events:
        detail = event["detail"]
        message = json.dumps(event, separators=(",", ":"))
        if keys.get("transformed"):
            why = detail.get("statusMessage", "")
            message = f'"Copy job {detail.get("copyJobId", "")} is {detail["state"]}: {why}"'
        made.append((at, message, hex_of(32, "stream", int(at // DAY_S))))
    return made


# -------------------------------------------------------------------------------------------------------------- groups
def _group_arn(side: Side, group: str) -> str:
    return f"arn:aws:logs:{side.region}:{side.account}:log-group:{group}"


def _write_group(
    stage: Stage, side: Side, group: str, keys: dict[str, Any], entries: list[tuple[float, str, str]]
) -> None:
    """Write a log group; AWS Backup hands its events over in batches every five minutes."""
    days = int(keys.get("retention", 30))
    for extra in as_list(keys.get("extra")):
        told = only(extra, {"ago", "message", "stream"}, "logs.extra")
        entries.append((stage.now - ago_s(told["ago"]), str(told["message"]), str(told.get("stream", "extra"))))
    kept = sorted((entry for entry in entries if stage.now - entry[0] <= days * DAY_S and entry[0] <= stage.now))
    events = []
    for number, (at, message, stream) in enumerate(kept):
        arrived = min(stage.now, math.ceil(at / _BATCH_S) * _BATCH_S)
        events.append(
            {
                "timestamp": int(at * 1000),
                "message": message,
                "logStreamName": stream,
                "ingestionTime": int(arrived * 1000),
                "eventId": f"{int(at * 1000) * 2**20 + number:056d}",
            }
        )
    side.add("log_groups", [group_row(side, group, stage.now, days, events, str(keys.get("class", "STANDARD")))])


def group_row(side: Side, group: str, now: float, days: int, events: list[Row], log_class: str = "STANDARD") -> Row:
    """Return a log group with its events."""
    arn = _group_arn(side, group)
    return {
        "logGroupName": group,
        "creationTime": int((now - 300 * DAY_S) * 1000),
        "retentionInDays": days,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": sum(len(event["message"]) + 26 for event in events),
        "logGroupClass": log_class,
        "_events": events,
    }


# ---------------------------------------------------------------------------------------------------------- CloudTrail
def _trail_records(stage: Stage, side: Side, copies: list[Row]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield (time, record) of a side: the start of each copy in the source, and calls denied on its behalf."""
    for copy in copies:
        at = copy["CreationDate"].timestamp()
        if stage.now - at > _TRAIL_KEPT_S:
            continue
        if side.name == "source" and "ParentJobId" not in copy:
            yield at, _started(side, copy, at)
        denied = copy.get("_trail")
        if denied and denied.get("side", "destination") == side.name:
            when = copy["CompletionDate"].timestamp() - 10
            yield when, _refused(side, copy, when, denied)


def _record(side: Side, copy: Row, at: float, event: str, source: str, **more: Any) -> dict[str, Any]:
    role = copy["IamRoleArn"]
    name = role.rpartition("/")[2]
    session = f"arn:aws:sts::{copy['AccountId']}:assumed-role/{name}/AWSBackup-{name}"
    identity = {
        "type": "AssumedRole",
        "principalId": f"AROALAB{hex_of(14, role).upper()}:AWSBackup",
        "arn": session,
        "accountId": copy["AccountId"],
        "invokedBy": "backup.amazonaws.com",
    }
    return {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": iso(at),
        "eventSource": source,
        "eventName": event,
        "awsRegion": side.region,
        "sourceIPAddress": "backup.amazonaws.com",
        "userAgent": "backup.amazonaws.com",
        "requestID": uuid_of("request", copy["CopyJobId"], event),
        "eventID": uuid_of("trail", copy["CopyJobId"], event, side.name),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": side.account,
        "eventCategory": "Management",
        **more,
    }


def _started(side: Side, copy: Row, at: float) -> dict[str, Any]:
    request = {
        "recoveryPointArn": copy["SourceRecoveryPointArn"],
        "sourceBackupVaultName": side.vault,
        "destinationBackupVaultArn": copy["DestinationBackupVaultArn"],
        "iamRoleArn": copy["IamRoleArn"],
    }
    answer = {"copyJobId": copy["CopyJobId"], "creationDate": iso_ms(at), "isParent": copy["IsParent"]}
    made = _record(side, copy, at, "StartCopyJob", "backup.amazonaws.com", readOnly=False)
    if "CreatedBy" not in copy:  # somebody started it: the service acts for nobody then
        user = f"arn:aws:iam::{side.account}:role/copy-orchestrator"
        made["userIdentity"] = {"type": "AssumedRole", "arn": user, "accountId": side.account}
        made["sourceIPAddress"] = made["userAgent"] = "lambda.amazonaws.com"
    return {**made, "requestParameters": request, "responseElements": answer}


def _refused(side: Side, copy: Row, at: float, denied: dict[str, Any]) -> dict[str, Any]:
    return _record(
        side,
        copy,
        at,
        str(denied.get("event", "CopySnapshot")),
        str(denied.get("source", "ec2.amazonaws.com")),
        readOnly=False,
        errorCode=str(denied.get("code", "AccessDenied")),
        errorMessage=str(denied.get("message", copy.get("StatusMessage", ""))),
        requestParameters=None,
        responseElements=None,
    )


def _history(side: Side, at: float, record: dict[str, Any]) -> Row:
    """Return a record as LookupEvents tells it."""
    named = (record.get("requestParameters") or {}).get("recoveryPointArn")
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": str(record["readOnly"]).lower(),
        "EventTime": moment(int(at)),
        "EventSource": record["eventSource"],
        "Username": record["userIdentity"]["arn"].rpartition("/")[2],
        "Resources": [{"ResourceType": "AWS::Backup::RecoveryPoint", "ResourceName": named}] if named else [],
        "CloudTrailEvent": json.dumps(record),
    }


def _write_trail(
    stage: Stage, side: Side, group: str, keys: dict[str, Any], records: list[tuple[float, dict[str, Any]]]
) -> None:
    entries = [(at, json.dumps(record), f"{side.account}_CloudTrail_{side.region}") for at, record in records]
    _write_group(stage, side, group, keys, entries)
    side.add(
        "trails",
        [
            {
                "Name": "management-events",
                "S3BucketName": "example-trail",
                "IncludeGlobalServiceEvents": True,
                "IsMultiRegionTrail": False,
                "HomeRegion": side.region,
                "TrailARN": f"arn:aws:cloudtrail:{side.region}:{side.account}:trail/management-events",
                "LogFileValidationEnabled": True,
                "CloudWatchLogsLogGroupArn": f"{_group_arn(side, group)}:*",
                "CloudWatchLogsRoleArn": f"arn:aws:iam::{side.account}:role/trail-to-logs",
                "HasCustomEventSelectors": False,
                "HasInsightSelectors": False,
                "IsOrganizationTrail": False,
            }
        ],
    )


# -------------------------------------------------------------------------------------------------------------- Health
def write_health(stage: Stage) -> None:
    """Write the events of AWS Health, and whether the account's support plan lets it ask for them."""
    keys = only(stage.raw.get("health"), {"subscribed", "events"}, "health")
    for account in stage.accounts():
        place = stage.world.place(account, "us-east-1")
        place.settings["health_subscribed"] = bool(keys.get("subscribed", True))
        rows = [_health_event(stage, number, raw) for number, raw in enumerate(as_list(keys.get("events")))]
        place.rows["health_events"] = rows


def _health_event(stage: Stage, number: int, raw: Any) -> Row:
    where = f"health.events[{number}]"
    known = {"service", "code", "region", "start", "end", "status", "category", "description", "entities"}
    keys = only(raw, known, where)
    service = str(keys.get("service", "BACKUP"))
    code = str(keys.get("code", f"AWS_{service}_OPERATIONAL_ISSUE"))
    region = keys.get("region", "destination")
    region = stage.side(region).region if region in ("source", "destination") else str(region)
    started = stage.now - ago_s(keys.get("start", "3h"))
    arn = f"arn:aws:health:{region}::event/{service}/{code}/{code}_{hex_of(8, 'health', number, code).upper()}"
    status = one_of(keys.get("status", "closed" if "end" in keys else "open"), ("open", "closed", "upcoming"), where)
    row: Row = {
        "arn": arn,
        "service": service,
        "eventTypeCode": code,
        "eventTypeCategory": str(keys.get("category", "issue")),
        "region": region,
        "startTime": moment(started),
        "lastUpdatedTime": moment(started + 600),
        "statusCode": status,
        "eventScopeCode": "PUBLIC",
        "_description": str(keys.get("description", "We are investigating increased error rates.")),
        "_entities": [
            {
                "entityArn": f"{arn}/entity/{position}",
                "eventArn": arn,
                "entityValue": str(entity),
                "awsAccountId": stage.source.account,
                "lastUpdatedTime": moment(started),
                "statusCode": "IMPAIRED",
            }
            for position, entity in enumerate(as_list(keys.get("entities")))
        ],
    }
    if "end" in keys:
        row["endTime"] = moment(stage.now + seconds(keys["end"]))
    return row
