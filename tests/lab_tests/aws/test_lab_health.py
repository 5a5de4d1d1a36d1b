# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Health: only with the support plan, filters, details, entities."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.asking import (
    ACCOUNT,
    NOW,
    ask,
    new_place,
    pages,
    refused,
    utc,
)
from lab.aws.world import Place


def _arn(number: int) -> str:
    return f"arn:aws:health:eu-west-1::event/BACKUP/AWS_BACKUP_ISSUE/AWS_BACKUP_ISSUE_{number}"


def _event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "arn": _arn(number),
        "service": "BACKUP",
        "eventTypeCode": "AWS_BACKUP_ISSUE",
        "eventTypeCategory": "issue",
        "region": "eu-west-1",
        "startTime": utc(NOW - 3600),
        "lastUpdatedTime": utc(NOW - number * 60),
        "statusCode": "open",
        "eventScopeCode": "PUBLIC",
        "_description": f"event {number}",
        "_entities": [
            {
                "entityArn": f"e-{number}",
                "eventArn": _arn(number),
                "entityValue": f"vault-{number}",
                "statusCode": "IMPAIRED",
            }
        ],
        **more,
    }


def _place(events: list[dict[str, Any]] | None = None, subscribed: bool = True) -> Place:
    """Return a place in another Region: there is one endpoint for all."""
    place = new_place("eu-west-1")
    home = place.world.place(ACCOUNT, "us-east-1")
    home.settings["health_subscribed"] = subscribed
    other = {"service": "RDS", "region": "us-west-2", "statusCode": "closed", "eventTypeCategory": "scheduledChange"}
    home.rows["health_events"] = events or [_event(3), _event(1), _event(2, endTime=utc(NOW - 60), **other)]
    return place


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DescribeEvents", {}),
        ("DescribeEventDetails", {"eventArns": [_arn(1)]}),
        ("DescribeAffectedEntities", {"filter": {"eventArns": [_arn(1)]}}),
    ],
)
def test_without_the_support_plan_everything_is_refused(operation: str, params: dict[str, Any]) -> None:
    assert refused(_place(subscribed=False), "health", operation, **params).code == "SubscriptionRequiredException"
    assert refused(new_place(), "health", operation, **params).code == "SubscriptionRequiredException"


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"services": ["RDS", "EC2"]}, [2]),
        ({"regions": ["eu-west-1"]}, [1, 3]),
        ({"eventStatusCodes": ["open", "upcoming"]}, [1, 3]),
        ({"eventTypeCategories": ["scheduledChange"]}, [2]),
        ({"eventArns": [_arn(3)]}, [3]),
        ({"lastUpdatedTimes": [{"from": utc(NOW - 120)}]}, [1, 2]),
        ({"startTimes": [{"to": utc(NOW - 3601)}]}, []),
        ({"endTimes": [{"from": utc(NOW - 300), "to": utc(NOW)}]}, [2]),
        ({"entityValues": ["vault-3"]}, [3]),
        ({"services": ["BACKUP"], "regions": ["us-west-2"]}, []),
    ],
)
def test_filters_and_newest_first(wanted: dict[str, Any], numbers: list[int]) -> None:
    events = ask(_place(), "health", "DescribeEvents", filter=wanted)["events"]
    assert [event["arn"] for event in events] == [_arn(number) for number in numbers]


def test_events_come_in_pages() -> None:
    place = _place([_event(number) for number in range(25)])
    assert [len(answer["events"]) for answer in pages(place, "health", "DescribeEvents", token="nextToken")] == [
        10,
        10,
        5,
    ]
    assert refused(place, "health", "DescribeEvents", nextToken="made-up").code == "InvalidPaginationToken"


def test_details_and_what_is_not_found() -> None:
    answer = ask(_place(), "health", "DescribeEventDetails", eventArns=[_arn(1), _arn(9)])
    [found] = answer["successfulSet"]
    assert found["event"]["arn"] == _arn(1) and found["eventDescription"] == {"latestDescription": "event 1"}
    assert [failed["eventArn"] for failed in answer["failedSet"]] == [_arn(9)]


def test_affected_entities() -> None:
    wanted = {"eventArns": [_arn(1), _arn(3)]}
    entities = ask(_place(), "health", "DescribeAffectedEntities", filter=wanted)["entities"]
    assert [entity["entityValue"] for entity in entities] == ["vault-3", "vault-1"]
    wanted = {**wanted, "entityValues": ["vault-1"], "statusCodes": ["IMPAIRED"]}
    assert [
        each["entityArn"] for each in ask(_place(), "health", "DescribeAffectedEntities", filter=wanted)["entities"]
    ] == ["e-1"]
