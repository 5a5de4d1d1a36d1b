# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services beside AWS Backup as the real SDK sees them: its own paginators, protocols and errors, over HTTPS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    ACCOUNT,
    SOURCE,
    Aws,
    ago,
    allowing,
    new_world,
    refusal,
)
from lab.aws.world import Place, World

Serve = Callable[[World], Aws]
_GROUP = "/aws/events/backup"
_FAILED = '{ ($.source = "aws.backup") && ($.detail-type = "Copy Job State Change") && ($.detail.state = "FAILED") }'


class _Million(Sequence[dict[str, Any]]):
    """A million events of the last day, made when they are read; ten of them are failed copies."""

    def __init__(self, now_ms: int) -> None:
        self._start = now_ms - 86_400_000

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: Any) -> Any:
        state = "FAILED" if index % 100_000 == 7 else "COMPLETED"
        text = '{"source":"aws.backup","detail-type":"Copy Job State Change","detail":{"copyJobId":"%d","state":"%s"}}'
        at = self._start + index * 86
        return {"timestamp": at, "message": text % (index, state), "logStreamName": "s", "ingestionTime": at}


def _now_ms() -> int:
    return int(time.time() * 1000)


def _with(world: World, **rows: Any) -> Place:
    place = world.place(ACCOUNT, SOURCE)
    place.rows.update(rows)
    return place


def test_a_million_log_events_through_the_paginator(serve: Serve) -> None:
    world, now = new_world(), _now_ms()
    _with(world, log_groups=[{"logGroupName": _GROUP, "_generate": lambda: _Million(now)}])
    logs = serve(world).client("logs")
    begun = time.process_time()
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=_GROUP, filterPattern=_FAILED))
    took = time.process_time() - begun
    events = [json.loads(event["message"])["detail"]["copyJobId"] for page in pages for event in page["events"]]
    assert events == [str(index) for index in range(7, 1_000_000, 100_000)]
    assert sum(not page["events"] for page in pages) == 10, "empty pages that go on"
    assert took < 8, took  # a third of that on an idle machine


def test_logs_and_their_refusals(serve: Serve) -> None:
    world = new_world()
    event = {"timestamp": _now_ms(), "message": "Copy job failed", "logStreamName": "s"}
    rows = [
        {"logGroupName": _GROUP, "_events": [event]},
        {"logGroupName": "cold", "logGroupClass": "INFREQUENT_ACCESS"},
    ]
    _with(world, log_groups=rows)
    logs = serve(world).client("logs")
    groups = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 1}).build_full_result()
    assert [group["logGroupName"] for group in groups["logGroups"]] == [_GROUP, "cold"]
    assert len(logs.filter_log_events(logGroupName=_GROUP, filterPattern='"Copy job failed"')["events"]) == 1
    assert refusal(logs.filter_log_events, logGroupName="cold")[0] == "InvalidOperationException"
    assert refusal(logs.filter_log_events, logGroupName="absent")[0::2] == ("ResourceNotFoundException", 400)
    code, message, dummy = refusal(logs.filter_log_events, logGroupName=_GROUP, filterPattern="%(a|b)%")
    assert (code, message) == ("InvalidParameterException", "Invalid filter pattern")
    assert refusal(logs.filter_log_events, logGroupName=_GROUP, filterPattern="[a, b]")[0::2] == (
        "LabNotImplemented",
        501,
    )
    assert (
        refusal(logs.filter_log_events, logGroupName=_GROUP, filterPattern="x" * 1025)[0] == "InvalidParameterException"
    )


def test_insights(serve: Serve) -> None:
    world, now = new_world(), _now_ms()
    _with(world, log_groups=[{"logGroupName": _GROUP, "_generate": lambda: _Million(now)}])
    logs = serve(world).client("logs")
    window = {"logGroupName": _GROUP, "startTime": now // 1000 - 86_400, "endTime": now // 1000}
    text = (
        'filter source = "aws.backup" and detail.state = "FAILED" | stats count(*) as failed by detail.state as state'
    )
    query = logs.start_query(queryString=text, **window)["queryId"]
    statuses = []
    while not statuses or statuses[-1] == "Running":
        answer = logs.get_query_results(queryId=query)
        statuses.append(answer["status"])
    assert statuses == ["Running", "Complete"]
    assert answer["results"] == [[{"field": "state", "value": "FAILED"}, {"field": "failed", "value": "10"}]]
    assert refusal(logs.start_query, queryString="parse x", **window)[0] == "MalformedQueryException"


def test_a_policy_names_the_log_group_with_a_star_behind_it(serve: Serve) -> None:
    arn = f"arn:aws:logs:{SOURCE}:{ACCOUNT}:log-group:{_GROUP}"
    world = new_world(allowing("logs:FilterLogEvents", resource=f"{arn}:*"))
    _with(world, log_groups=[{"logGroupName": _GROUP, "_events": []}, {"logGroupName": "other", "_events": []}])
    logs = serve(world).client("logs")
    assert logs.filter_log_events(logGroupName=_GROUP)["events"] == []
    code, message, dummy = refusal(logs.filter_log_events, logGroupName="other")
    assert code == "AccessDeniedException" and "log-group:other:log-stream:" in message


def test_metrics_through_the_paginators(serve: Serve) -> None:
    world = new_world()
    now = time.time() // 3600 * 3600
    dimensions = [{"Name": "BackupVaultName", "Value": "dr"}]
    row = {"Namespace": "AWS/Backup", "MetricName": "NumberOfCopyJobsFailed", "Dimensions": dimensions, "unit": "Count"}
    _with(world, metrics=[{**row, "samples": [(now - 7200, 1.0), (now - 7000, 2.0), (now - 300, 4.0)]}])
    cloudwatch = serve(world).client("cloudwatch")
    metric = {key: row[key] for key in ("Namespace", "MetricName", "Dimensions")}
    found = cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/Backup").build_full_result()
    assert found["Metrics"] == [metric]
    start = datetime.fromtimestamp(now - 10_800, timezone.utc)
    window = {"StartTime": start, "EndTime": datetime.fromtimestamp(now, timezone.utc), "ScanBy": "TimestampAscending"}
    queries = [
        {"Id": "f", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "filled", "Expression": "FILL(f, 0)"},
    ]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(MetricDataQueries=queries, MaxDatapoints=2, **window)
    values = [
        (at, value)
        for page in pages
        for result in page["MetricDataResults"]
        for at, value in zip(result["Timestamps"], result["Values"])
    ]
    assert values == [(start + timedelta(hours=hour), value) for hour, value in enumerate((0.0, 3.0, 4.0))]
    queries[1]["Expression"] = "SEARCH('{AWS/Backup}', 'Sum', 300)"
    assert refusal(cloudwatch.get_metric_data, MetricDataQueries=queries, **window)[0::2] == ("LabNotImplemented", 501)
    queries[1]["Expression"] = "f +"
    assert refusal(cloudwatch.get_metric_data, MetricDataQueries=queries, **window)[0] == "ValidationError"
    points = cloudwatch.get_metric_statistics(
        **metric, StartTime=start, EndTime=window["EndTime"], Period=3600, Statistics=["Sum"]
    )["Datapoints"]
    assert sorted(point["Sum"] for point in points) == [3.0, 4.0]
    code, message, dummy = refusal(
        cloudwatch.get_metric_statistics,
        **metric, StartTime=ago(days=14), EndTime=window["EndTime"], Period=60, Statistics=["Sum"],
    )  # fmt: skip
    assert code == "InvalidParameterCombination" and "exceeds the limit of 1,440" in message


def test_rules_and_targets(serve: Serve) -> None:
    world = new_world()
    target = {"Id": "logs", "Arn": f"arn:aws:logs:{SOURCE}:{ACCOUNT}:log-group:{_GROUP}"}
    _with(
        world, event_rules=[{"Name": "a", "State": "ENABLED", "_targets": [target]}, {"Name": "b", "State": "DISABLED"}]
    )
    events = serve(world).client("events")
    rules = events.get_paginator("list_rules").paginate(PaginationConfig={"PageSize": 1}).build_full_result()["Rules"]
    assert [rule["Name"] for rule in rules] == ["a", "b"]
    targets = events.get_paginator("list_targets_by_rule")
    assert targets.paginate(Rule="a").build_full_result()["Targets"] == [target]
    assert events.list_targets_by_rule(Rule="b")["Targets"] == []
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]
    assert refusal(events.describe_rule, Name="c")[0] == "ResourceNotFoundException"


def test_the_history_of_calls_is_limited_to_some_requests_at_a_time(serve: Serve) -> None:
    world = new_world()
    # so rarely one more that no machine is slow enough for a third
    world.faults = [{"match": "cloudtrail:LookupEvents", "rate_per_s": 0.01, "burst": 2}]
    rows = [
        {"EventId": str(index), "EventName": "StartCopyJob", "EventTime": ago(minutes=index)} for index in range(60)
    ]
    _with(world, trail_events=rows)
    cloudtrail = serve(world).client("cloudtrail")
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "StartCopyJob"}]
    pages = list(cloudtrail.get_paginator("lookup_events").paginate(LookupAttributes=wanted))
    assert [len(page["Events"]) for page in pages] == [50, 10]
    assert refusal(cloudtrail.lookup_events)[0] == "ThrottlingException"
    code = refusal(serve(new_world()).client("cloudtrail").lookup_events, StartTime=ago(hours=1), EndTime=ago(hours=2))[
        0
    ]
    assert code == "InvalidTimeRangeException"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_health_is_the_same_from_every_region(serve: Serve, region: str) -> None:
    world = new_world()
    health = serve(world).client("health", region)
    assert refusal(health.describe_events)[0] == "SubscriptionRequiredException"
    home = world.place(ACCOUNT, "us-east-1")
    home.settings["health_subscribed"] = True
    arn = "arn:aws:health:eu-west-1::event/BACKUP/AWS_BACKUP_ISSUE/AWS_BACKUP_ISSUE_1"
    home.rows["health_events"] = [{"arn": arn, "service": "BACKUP", "startTime": ago(hours=1), "_description": "text"}]
    found = health.get_paginator("describe_events").paginate(filter={"services": ["BACKUP"]}).build_full_result()
    assert [event["arn"] for event in found["events"]] == [arn]
    [detail] = health.describe_event_details(eventArns=[arn])["successfulSet"]
    assert detail["eventDescription"]["latestDescription"] == "text"


def test_quotas_through_the_paginator(serve: Serve) -> None:
    world = new_world()
    _with(world, quotas=[{"ServiceCode": "backup", "QuotaCode": f"L-{index}", "Value": 5.0} for index in range(130)])
    quotas = serve(world).client("service-quotas")
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="backup")
    assert [len(page["Quotas"]) for page in pages] == [100, 30]
    assert quotas.get_service_quota(ServiceCode="backup", QuotaCode="L-7")["Quota"]["Value"] == 5.0
    assert refusal(quotas.get_service_quota, ServiceCode="backup", QuotaCode="L-x")[0] == "NoSuchResourceException"


def test_networks_and_regions(serve: Serve) -> None:
    world = new_world()
    _with(world, vpc_peerings=[{"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"}}])
    ec2 = serve(world).client("ec2")
    active = [{"Name": "status-code", "Values": ["active"]}]
    found = ec2.get_paginator("describe_vpc_peering_connections").paginate(Filters=active).build_full_result()
    assert [row["VpcPeeringConnectionId"] for row in found["VpcPeeringConnections"]] == ["pcx-1"]
    assert ec2.describe_transit_gateways()["TransitGateways"] == []
    regions = {row["RegionName"]: row["OptInStatus"] for row in ec2.describe_regions(AllRegions=True)["Regions"]}
    assert regions["us-east-1"] == "opt-in-not-required" and regions["me-south-1"] == "not-opted-in"
    code = refusal(ec2.describe_vpc_peering_connections, VpcPeeringConnectionIds=["pcx-2"])[0]
    assert code == "InvalidVpcPeeringConnectionID.NotFound"
