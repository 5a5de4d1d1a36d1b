# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail: trails and their shadows, and the history of 90 days."""

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

_MANAGEMENT = "999988887777"


def _trail(name: str, region: str, account: str = ACCOUNT, **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "HomeRegion": region,
        "TrailARN": f"arn:aws:cloudtrail:{region}:{account}:trail/{name}",
        **more,
    }


def _trails() -> Place:
    place = new_place(trails=[_trail("here", "eu-central-1")])
    world = place.world
    world.place(ACCOUNT, "eu-west-1").rows["trails"] = [
        _trail("everywhere", "eu-west-1", IsMultiRegionTrail=True),
        _trail("there-only", "eu-west-1"),
    ]
    world.place(_MANAGEMENT, "us-east-1").rows["trails"] = [
        _trail("organization", "us-east-1", _MANAGEMENT, IsMultiRegionTrail=True, IsOrganizationTrail=True),
        _trail("private", "us-east-1", _MANAGEMENT, IsMultiRegionTrail=True),
    ]
    world.organization = {"accounts": [ACCOUNT, _MANAGEMENT], "management": _MANAGEMENT}
    return place


def _names(place: Place, **params: Any) -> list[str]:
    return [trail["Name"] for trail in ask(place, "cloudtrail", "DescribeTrails", **params)["trailList"]]


def test_trails_of_other_regions_and_of_the_organization_are_shadows() -> None:
    assert _names(_trails()) == ["here", "everywhere", "organization"]
    assert _names(_trails(), includeShadowTrails=False) == ["here"]
    arn = f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/everywhere"
    assert _names(_trails(), trailNameList=["everywhere"]) == []
    assert _names(_trails(), trailNameList=[arn, "here"]) == ["here", "everywhere"]


def test_a_trail_of_an_organization_that_the_account_is_not_in_is_not_seen() -> None:
    place = _trails()
    place.world.organization["accounts"] = [_MANAGEMENT]
    assert _names(place) == ["here", "everywhere"]


def _event(number: int, age_s: float, **more: Any) -> dict[str, Any]:
    return {
        "EventId": f"id-{number}",
        "EventName": "StartCopyJob",
        "EventSource": "backup.amazonaws.com",
        "EventTime": utc(NOW - age_s),
        "Username": "reader",
        "Resources": [{"ResourceType": "AWS::Backup::BackupVault", "ResourceName": "vault-a"}],
        "CloudTrailEvent": "{}",
        **more,
    }


def _ids(place: Place, **params: Any) -> list[str]:
    found = pages(place, "cloudtrail", "LookupEvents", **params)
    return [event["EventId"] for answer in found for event in answer["Events"]]


def test_newest_first_within_ninety_days() -> None:
    days = 86_400.0
    place = new_place(trail_events=[_event(3, 91 * days), _event(2, 89 * days), _event(1, 60), _event(0, -60)])
    assert _ids(place) == ["id-1", "id-2"]
    assert _ids(place, StartTime=utc(NOW - 200 * days), EndTime=utc(NOW + days)) == ["id-1", "id-2"]


def test_the_window_includes_both_ends() -> None:
    place = new_place(trail_events=[_event(number, number * 60) for number in range(5)])
    assert _ids(place, StartTime=utc(NOW - 180), EndTime=utc(NOW - 60)) == ["id-1", "id-2", "id-3"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("EventName", "StartCopyJob", ["id-0"]),
        ("EventName", "startcopyjob", []),
        ("EventSource", "kms.amazonaws.com", ["id-1"]),
        ("Username", "AWSBackup", ["id-1"]),
        ("ResourceName", "key-1", ["id-1"]),
        ("ResourceType", "AWS::Backup::BackupVault", ["id-0"]),
        ("EventId", "id-1", ["id-1"]),
        ("ReadOnly", "false", ["id-1"]),
    ],
)
def test_one_attribute_selects(key: str, value: str, expected: list[str]) -> None:
    other = {
        "EventName": "CreateGrant",
        "EventSource": "kms.amazonaws.com",
        "Username": "AWSBackup",
        "ReadOnly": "false",
        "Resources": [{"ResourceType": "AWS::KMS::Key", "ResourceName": "key-1"}],
    }
    place = new_place(trail_events=[_event(0, 10), _event(1, 20, **other)])
    assert _ids(place, LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}]) == expected


def test_fifty_a_page() -> None:
    place = new_place(trail_events=[_event(number, number) for number in range(101)])
    assert [len(answer["Events"]) for answer in pages(place, "cloudtrail", "LookupEvents")] == [50, 50, 1]
    assert _ids(place, MaxResults=7) == [f"id-{number}" for number in range(101)]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (
            {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "a"}] * 2},
            "InvalidLookupAttributesException",
        ),
        ({"StartTime": utc(NOW), "EndTime": utc(NOW - 1)}, "InvalidTimeRangeException"),
        ({"NextToken": "made-up"}, "InvalidNextTokenException"),
        ({"EventCategory": "insight"}, "LabNotImplemented"),
    ],
)
def test_refusals(params: dict[str, Any], code: str) -> None:
    assert refused(new_place(), "cloudtrail", "LookupEvents", **params).code == code
