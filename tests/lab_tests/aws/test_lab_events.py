# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge: buses, rules, targets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.asking import ACCOUNT, ask, new_place, pages, refused
from lab.aws.operations import Call, module_of
from lab.aws.world import Identity, Place

_BUSES = f"arn:aws:events:eu-central-1:{ACCOUNT}:event-bus"
_TARGETS = [{"Id": "1", "Arn": f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/events/backup"}]


def _rule(name: str, **more: Any) -> dict[str, Any]:
    pattern = json.dumps({"source": ["aws.backup"]})
    arn = f"arn:aws:events:eu-central-1:{ACCOUNT}:rule/{name}"
    return {"Name": name, "Arn": arn, "EventPattern": pattern, "State": "ENABLED", "CreatedBy": ACCOUNT, **more}


def _place() -> Place:
    return new_place(
        event_buses=[{"Name": "hub", "Arn": f"{_BUSES}/hub"}],
        event_rules=[
            _rule("to-logs", _targets=_TARGETS),
            _rule("alarm"),
            _rule("to-hub", EventBusName="hub", _targets=[]),
        ],
    )


def test_the_default_bus_is_always_there() -> None:
    buses = ask(_place(), "events", "ListEventBuses")["EventBuses"]
    assert buses == [{"Name": "default", "Arn": f"{_BUSES}/default"}, {"Name": "hub", "Arn": f"{_BUSES}/hub"}]
    assert ask(_place(), "events", "ListEventBuses", NamePrefix="h")["EventBuses"] == buses[1:]


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({}, ["alarm", "to-logs"]),
        ({"EventBusName": "hub"}, ["to-hub"]),
        ({"EventBusName": f"{_BUSES}/hub"}, ["to-hub"]),
        ({"NamePrefix": "to-"}, ["to-logs"]),
    ],
)
def test_rules_belong_to_one_bus(params: dict[str, Any], names: list[str]) -> None:
    rules = ask(_place(), "events", "ListRules", **params)["Rules"]
    assert [rule["Name"] for rule in rules] == names
    assert {rule["EventBusName"] for rule in rules} == {"default" if params.get("EventBusName") is None else "hub"}


def test_rules_come_in_pages() -> None:
    place = new_place(event_rules=[_rule(f"rule-{index:03d}") for index in range(101)])
    assert [len(answer["Rules"]) for answer in pages(place, "events", "ListRules")] == [100, 1]


def test_a_rule_and_its_targets() -> None:
    rule = ask(_place(), "events", "DescribeRule", Name="to-logs")
    assert rule["CreatedBy"] == ACCOUNT and rule["EventBusName"] == "default"
    assert ask(_place(), "events", "ListTargetsByRule", Rule="to-logs") == {"Targets": _TARGETS}


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("ListRules", {"EventBusName": "absent"}),
        ("DescribeRule", {"Name": "absent"}),
        ("DescribeRule", {"Name": "to-logs", "EventBusName": "hub"}),
        ("ListTargetsByRule", {"Rule": "absent"}),
    ],
)
def test_what_does_not_exist(operation: str, params: dict[str, Any]) -> None:
    assert refused(_place(), "events", operation, **params).code == "ResourceNotFoundException"


def test_policies_are_matched_with_the_rule() -> None:
    module, who = module_of("events"), Identity("", None, ACCOUNT, "")
    assert module is not None
    for params, rule in (({"Name": "a"}, "a"), ({"Name": "a", "EventBusName": f"{_BUSES}/hub"}, "hub/a")):
        call = Call(ACCOUNT, "eu-central-1", "events", "DescribeRule", params, who, 0.0)
        assert module.RESOURCES["DescribeRule"](_place(), call) == f"arn:aws:events:eu-central-1:{ACCOUNT}:rule/{rule}"
