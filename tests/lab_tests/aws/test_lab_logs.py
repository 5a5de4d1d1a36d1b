# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch Logs: groups, FilterLogEvents with its pages, Insights queries."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.asking import ACCOUNT, NOW, ask, new_place, pages, refused
from lab.aws.world import Place

_NOW_MS = int(NOW * 1000)
_FAILED = '{ ($.source = "aws.backup") && ($.detail-type = "Copy Job State Change") && ($.detail.state = "FAILED") }'


def _event(at_ms: int, message: str, stream: str = "stream-1") -> dict[str, Any]:
    return {
        "timestamp": at_ms,
        "message": message,
        "logStreamName": stream,
        "ingestionTime": at_ms,
        "eventId": str(at_ms),
    }


def _copy(at_ms: int, state: str, reason: str = "") -> dict[str, Any]:
    detail = {"state": state, "statusMessage": reason, "backupSizeInBytes": 7}
    body = {"source": "aws.backup", "detail-type": "Copy Job State Change", "detail": detail}
    return _event(at_ms, json.dumps(body))


def _place(events: Any = (), **group: Any) -> Place:
    row = {"logGroupName": "/aws/events/backup", "creationTime": 0, "_events": events, **group}
    return new_place(log_groups=[row])


def _filter(place: Place, **params: Any) -> list[int]:
    """Return the times of all events of all pages."""
    found = pages(place, "logs", "FilterLogEvents", token="nextToken", logGroupName="/aws/events/backup", **params)
    return [event["timestamp"] for answer in found for event in answer["events"]]


class _Million(Sequence[dict[str, Any]]):
    """A million events, made when they are read; every 100,000th is a failed copy."""

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: Any) -> Any:
        state = "FAILED" if index % 100_000 == 7 else "COMPLETED"
        message = (
            '{"source":"aws.backup","detail-type":"Copy Job State Change","detail":{"copyJobId":"%d","state":"%s"}}'
        )
        at = _NOW_MS - 86_400_000 + index * 86
        return {"timestamp": at, "message": message % (index, state), "logStreamName": "s"}


# ---- groups


def test_groups_come_sorted_in_pages() -> None:
    place = new_place(log_groups=[{"logGroupName": f"g-{index % 7}{index}", "creationTime": 5} for index in range(120)])
    found = list(pages(place, "logs", "DescribeLogGroups", token="nextToken"))
    names = [group["logGroupName"] for answer in found for group in answer["logGroups"]]
    assert [len(answer["logGroups"]) for answer in found] == [50, 50, 20]
    assert names == sorted(f"g-{index % 7}{index}" for index in range(120))


def test_a_prefix_gives_whole_groups_and_a_pattern_only_three_members() -> None:
    row = {
        "logGroupName": "/aws/lambda/Backup",
        "creationTime": 5,
        "storedBytes": 9,
        "retentionInDays": 7,
        "_events": [],
    }
    place = new_place(log_groups=[row, {"logGroupName": "/aws/backup", "creationTime": 6}])
    arn = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/Backup"
    [group] = ask(place, "logs", "DescribeLogGroups", logGroupNamePrefix="/aws/lambda/")["logGroups"]
    assert group["storedBytes"] == 9 and group["arn"] == f"{arn}:*" and group["logGroupArn"] == arn
    assert ask(place, "logs", "DescribeLogGroups", logGroupNamePattern="Backup")["logGroups"] == [
        {"logGroupName": "/aws/lambda/Backup", "creationTime": 5, "arn": f"{arn}:*"}
    ]
    error = refused(place, "logs", "DescribeLogGroups", logGroupNamePattern="b", logGroupNamePrefix="b")
    assert error.code == "InvalidParameterException" and "mutually exclusive" in error.message


def test_a_token_of_another_listing_is_refused() -> None:
    place = new_place(log_groups=[{"logGroupName": f"g{index}"} for index in range(3)])
    token = ask(place, "logs", "DescribeLogGroups", limit=1)["nextToken"]
    error = refused(place, "logs", "DescribeLogGroups", logGroupNamePrefix="g", limit=1, nextToken=token)
    assert error.code == "InvalidParameterException"


# ---- FilterLogEvents


def test_the_window_includes_both_ends() -> None:
    place = _place([_event(at, "x") for at in (100, 101, 102, 103, 104)])
    assert _filter(place, startTime=101, endTime=103) == [101, 102, 103]


def test_events_come_oldest_first_or_newest_first() -> None:
    at = [_NOW_MS - 3, _NOW_MS - 2, _NOW_MS - 1]
    place = _place([_event(at[1], "x"), _event(at[0], "x"), _event(at[2], "x")])
    assert _filter(place) == at
    assert _filter(place, startFromHead=False, startTime=_NOW_MS - 9, limit=1) == at[::-1]
    group = {"logGroupName": "/aws/events/backup", "startTime": _NOW_MS - 9, "limit": 1}
    token = ask(place, "logs", "FilterLogEvents", startFromHead=False, **group)["nextToken"]
    answer = ask(place, "logs", "FilterLogEvents", nextToken=token, **group)
    assert [event["timestamp"] for event in answer["events"]] == [at[1]], "the token knows the direction"
    error = refused(
        place, "logs", "FilterLogEvents", logGroupName="/aws/events/backup", startFromHead=False, startTime=5
    )
    assert error.code == "InvalidParameterException"


def test_only_what_the_pattern_matches() -> None:
    place = _place([_copy(1, "COMPLETED"), _copy(2, "FAILED"), _event(3, "FAILED"), _copy(4, "FAILED")])
    assert _filter(place, filterPattern=_FAILED) == [2, 4]
    assert _filter(place, filterPattern="FAILED") == [2, 3, 4]


def test_streams_are_chosen_by_name_or_prefix() -> None:
    place = _place([_event(1, "x", "a-1"), _event(2, "x", "a-2"), _event(3, "x", "b-1")])
    assert _filter(place, logStreamNames=["a-2", "b-1"]) == [2, 3]
    assert _filter(place, logStreamNamePrefix="a-") == [1, 2]


def test_a_page_ends_at_ten_thousand_events_or_one_megabyte_or_the_limit() -> None:
    many = _place([_event(index, "x") for index in range(10_001)])
    assert [len(answer["events"]) for answer in _pages(many)] == [10_000, 1]
    large = _place([_event(index, "x" * 400_000) for index in range(5)])
    assert [len(answer["events"]) for answer in _pages(large)] == [2, 2, 1]
    assert [len(answer["events"]) for answer in _pages(_place([_event(1, "x"), _event(2, "x")]), limit=1)] == [1, 1]


def _pages(place: Place, **params: Any) -> list[dict[str, Any]]:
    group = "/aws/events/backup"
    return list(pages(place, "logs", "FilterLogEvents", token="nextToken", logGroupName=group, **params))


def test_a_page_that_searched_enough_is_empty_and_goes_on() -> None:
    place = _place([_event(index, "quiet") for index in range(25)] + [_event(25, "loud")], _scan_events=10)
    found = _pages(place, filterPattern="loud")
    assert [len(answer["events"]) for answer in found] == [0, 0, 1]
    assert ["nextToken" in answer for answer in found] == [True, True, False]


def test_what_retention_deleted_is_gone() -> None:
    place = _place([_event(_NOW_MS - 90_000_000, "old"), _event(_NOW_MS - 80_000_000, "new")], retentionInDays=1)
    assert _filter(place) == [_NOW_MS - 80_000_000]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"logGroupName": "absent"}, "ResourceNotFoundException"),
        ({}, "InvalidParameterException"),
        ({"logGroupName": "/aws/events/backup", "logGroupIdentifier": "x"}, "InvalidParameterException"),
        ({"logGroupName": "/aws/events/backup", "filterPattern": "%(a)%"}, "InvalidParameterException"),
        ({"logGroupName": "/aws/events/backup", "filterPattern": "[a, b]"}, "LabNotImplemented"),
        ({"logGroupName": "/aws/events/backup", "nextToken": "made-up"}, "InvalidParameterException"),
        ({"logGroupName": "/aws/events/backup", "startTime": 5, "endTime": 4}, "InvalidParameterException"),
        (
            {"logGroupName": "/aws/events/backup", "logStreamNames": ["a"], "logStreamNamePrefix": "a"},
            "InvalidParameterException",
        ),
    ],
)
def test_refusals(params: dict[str, Any], code: str) -> None:
    assert refused(_place(), "logs", "FilterLogEvents", **params).code == code


def test_a_group_is_found_by_its_arn() -> None:
    arn = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/events/backup"
    for identifier in (arn, f"{arn}:*", "/aws/events/backup"):
        assert ask(_place([_event(1, "x")]), "logs", "FilterLogEvents", logGroupIdentifier=identifier)["events"]


def test_infrequent_access_cannot_be_filtered() -> None:
    error = refused(
        _place(logGroupClass="INFREQUENT_ACCESS"), "logs", "FilterLogEvents", logGroupName="/aws/events/backup"
    )
    assert error.code == "InvalidOperationException"
    assert error.message.endswith("FilterLogEvents is not supported for this log class.")


def test_a_million_events_are_searched_quickly_in_little_memory() -> None:
    place = _place(_generate=_Million)
    begun = time.process_time()
    found = _pages(place, filterPattern=_FAILED, startTime=0, endTime=_NOW_MS)
    took = time.process_time() - begun
    assert sum(len(answer["events"]) for answer in found) == 10 and len(found) == 20
    assert took < 8, took  # half of that on an idle machine
    tracemalloc.start()
    ask(place, "logs", "FilterLogEvents", logGroupName="/aws/events/backup", filterPattern=_FAILED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


# ---- Insights


def _query(place: Place, text: str, **params: Any) -> list[dict[str, str]]:
    window = {"startTime": 0, "endTime": int(NOW), **params}
    query = ask(place, "logs", "StartQuery", logGroupNames=["/aws/events/backup"], queryString=text, **window)[
        "queryId"
    ]
    assert ask(place, "logs", "GetQueryResults", queryId=query)["status"] == "Running"
    answer = ask(place, "logs", "GetQueryResults", queryId=query)
    assert answer["status"] == "Complete"
    return [{pair["field"]: pair["value"] for pair in row} for row in answer["results"]]


_HOUR = 3_600_000
_EVENTS = [
    _copy(_NOW_MS - 3 * _HOUR, "FAILED", "Access denied"),
    _copy(_NOW_MS - 2 * _HOUR, "FAILED", "Access denied"),
    _copy(_NOW_MS - 2 * _HOUR + 60_000, "FAILED", "KMS key"),
    _copy(_NOW_MS - _HOUR, "COMPLETED"),
    _event(_NOW_MS - _HOUR + 1, "Copy Failed: plain text"),
]


def test_the_query_of_the_fact_sheet() -> None:
    text = (
        'filter source="aws.backup" and `detail-type`="Copy Job State Change" and detail.state="FAILED" '
        "| stats count(*) by detail.statusMessage, bin(1h)"
    )
    assert _query(_place(_EVENTS), text) == [
        {"detail.statusMessage": "Access denied", "bin(1h)": "2026-11-20 00:00:00.000", "count(*)": "1"},
        {"detail.statusMessage": "Access denied", "bin(1h)": "2026-11-20 01:00:00.000", "count(*)": "1"},
        {"detail.statusMessage": "KMS key", "bin(1h)": "2026-11-20 01:00:00.000", "count(*)": "1"},
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("@message like /(?i)copy failed|sync failed|replication error/", 1),
        ("@message like 'Copy Failed'", 1),
        ("@message not like /FAILED/", 2),
        ("detail.statusMessage =~ /^Access/", 2),
        ('detail.statusMessage like "denied"', 2),
        ('detail.state != "FAILED"', 1),
        ('not detail.state = "FAILED"', 2),
        ('detail.state = "COMPLETED" or detail.statusMessage = "KMS key"', 2),
        ('(detail.state = "FAILED" or detail.state = "COMPLETED") and not detail.statusMessage like /KMS/', 3),
        ("detail.backupSizeInBytes = 7", 4),
        ("detail.backupSizeInBytes = 7.0", 4),
        ('detail.absent = "x"', 0),
        ('detail.absent != "x"', 0),
        ("detail.absent not like /x/", 0),
    ],
)
def test_conditions(condition: str, expected: int) -> None:
    assert len(_query(_place(_EVENTS), f"fields @timestamp | filter {condition}")) == expected


def test_fields_sort_and_limit() -> None:
    condition = "filter absent = 1 or source = 'aws.backup'"
    text = f"fields @timestamp, detail.state as state | {condition} | sort @timestamp asc | limit 2"
    assert _query(_place(_EVENTS), text) == [
        {"@timestamp": "2026-11-20 00:00:00.000", "state": "FAILED", "@ptr": str(_NOW_MS - 3 * _HOUR)},
        {"@timestamp": "2026-11-20 01:00:00.000", "state": "FAILED", "@ptr": str(_NOW_MS - 2 * _HOUR)},
    ]


def test_the_newest_come_first_where_nothing_is_sorted_and_the_window_is_in_seconds() -> None:
    start = int(NOW) - 7200
    rows = _query(_place(_EVENTS), "fields @message", startTime=start, endTime=start + 60)
    assert ["KMS" in row["@message"] for row in rows] == [True, False]


def test_counts_are_sorted_as_numbers() -> None:
    events = [_copy(_NOW_MS - index, "A") for index in range(10)] + [_copy(_NOW_MS - index, "B") for index in range(9)]
    rows = _query(_place(events), "stats count(*) as n by detail.state as state | sort n desc")
    assert rows == [{"state": "A", "n": "10"}, {"state": "B", "n": "9"}]
    text = "stats count(*) as n by detail.state as state | sort n | limit 1"
    assert _query(_place(events), text) == [{"state": "B", "n": "9"}]
    assert _query(_place(events), "stats count(*)") == [{"count(*)": "19"}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parse @message '*' as a",
        "fields @message | display @message",
        "fields strlen(@message)",
        "filter @message",
        "filter a > 5",
        "filter a = b",
        "filter a in ['b']",
        "filter (a = 1",
        "filter @message like /[/",
        "stats sum(a) by b",
        "stats count(a)",
        "stats count(*) by b | filter b = 1",
        "stats count(*) by b | sort c",
        "limit 0",
        "limit 100001",
        "fields a,",
        "fields a |",
        "fields @message; limit 1",
    ],
)
def test_other_queries_are_malformed(text: str) -> None:
    params = {"logGroupName": "/aws/events/backup", "startTime": 0, "endTime": int(NOW)}
    assert refused(_place(), "logs", "StartQuery", queryString=text, **params).code == "MalformedQueryException"


def test_refusals_of_a_query() -> None:
    place = _place(creationTime=_NOW_MS)
    window = {"startTime": 0, "endTime": int(NOW) - 60, "queryString": "fields @message"}
    assert refused(place, "logs", "StartQuery", logGroupName="absent", **window).code == "ResourceNotFoundException"
    assert refused(place, "logs", "StartQuery", **window).code == "InvalidParameterException"
    names = ["/aws/events/backup"] * 51
    assert refused(place, "logs", "StartQuery", logGroupNames=names, **window).code == "InvalidParameterException"
    error = refused(place, "logs", "StartQuery", logGroupName="/aws/events/backup", **window)
    assert error.code == "MalformedQueryException" and "before the log groups creation time" in error.message
    assert refused(place, "logs", "GetQueryResults", queryId="x").code == "ResourceNotFoundException"


def test_a_query_can_be_stopped_while_it_runs() -> None:
    place = _place(_EVENTS)
    window = {
        "logGroupName": "/aws/events/backup",
        "startTime": 0,
        "endTime": int(NOW),
        "queryString": "fields @message",
    }
    query = ask(place, "logs", "StartQuery", **window)["queryId"]
    assert ask(place, "logs", "StopQuery", queryId=query) == {"success": True}
    assert ask(place, "logs", "GetQueryResults", queryId=query)["status"] == "Cancelled"
    assert refused(place, "logs", "StopQuery", queryId=query).code == "InvalidParameterException"


def test_results_come_in_pages_with_statistics() -> None:
    place = _place([_event(_NOW_MS - index, "x") for index in range(5)], logGroupClass="INFREQUENT_ACCESS")
    window = {"startTime": 0, "endTime": int(NOW), "queryString": "fields @message"}
    query = ask(place, "logs", "StartQuery", logGroupName="/aws/events/backup", **window)["queryId"]
    ask(place, "logs", "GetQueryResults", queryId=query)
    found = list(pages(place, "logs", "GetQueryResults", token="nextToken", queryId=query, maxItems=3))
    assert [len(answer["results"]) for answer in found] == [3, 2]
    assert found[0]["statistics"]["recordsMatched"] == found[0]["statistics"]["recordsScanned"] == 5.0
