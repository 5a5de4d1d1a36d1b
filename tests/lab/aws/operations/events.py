# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge: buses, rules and their targets. Rows of ``event_rules`` are DescribeRule outputs with ``_targets``."""

from __future__ import annotations

from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.paging import page
from lab.aws.world import Place, Row

_PAGE = 100
_DEFAULT = "default"


def _arn(place: Place, rest: str) -> str:
    return f"arn:aws:events:{place.region}:{place.account}:{rest}"


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _page(call: Call, rows: list[Row], member: str) -> dict[str, Any]:
    found, token = page(
        call, rows, call.params.get("Limit", _PAGE), call.params.get("NextToken"), "ValidationException"
    )
    return {member: found, "NextToken": token} if token else {member: found}


def _buses(place: Place) -> list[Row]:
    """Return all buses; an account has the default one without asking for it."""
    rows = list(place.all("event_buses"))
    if not any(row["Name"] == _DEFAULT for row in rows):
        rows.append({"Name": _DEFAULT, "Arn": _arn(place, f"event-bus/{_DEFAULT}")})
    return sorted(rows, key=lambda row: row["Name"])


def _bus(place: Place, call: Call) -> str:
    """Return the name of the bus that the request names, by name or by ARN; it must exist."""
    given = str(call.params.get("EventBusName", _DEFAULT))
    name = given.removeprefix(_arn(place, "event-bus/"))
    if not any(row["Name"] == name for row in _buses(place)):
        raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")
    return name


def _rules(place: Place, bus: str) -> list[Row]:
    rows = [row for row in place.all("event_rules") if row.get("EventBusName", _DEFAULT) == bus]
    return sorted(rows, key=lambda row: row["Name"])


def _rule(place: Place, call: Call, name: str) -> Row:
    bus = _bus(place, call)
    found = next((row for row in _rules(place, bus) if row["Name"] == name), None)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {bus}.")
    return found


def _list_event_buses(place: Place, call: Call) -> dict[str, Any]:
    prefix = call.params.get("NamePrefix", "")
    return _page(call, [_shown(row) for row in _buses(place) if row["Name"].startswith(prefix)], "EventBuses")


def _list_rules(place: Place, call: Call) -> dict[str, Any]:
    prefix, bus = call.params.get("NamePrefix", ""), _bus(place, call)
    rows = [{"EventBusName": bus, **_shown(row)} for row in _rules(place, bus) if row["Name"].startswith(prefix)]
    for row in rows:
        row.pop("CreatedBy", None)
    return _page(call, rows, "Rules")


def _describe_rule(place: Place, call: Call) -> dict[str, Any]:
    return {"EventBusName": _DEFAULT, **_shown(_rule(place, call, call.params["Name"]))}


def _list_targets_by_rule(place: Place, call: Call) -> dict[str, Any]:
    return _page(call, list(_rule(place, call, call.params["Rule"]).get("_targets", ())), "Targets")


def _rule_resource(place: Place, call: Call) -> str:
    name = call.params.get("Name") or call.params.get("Rule") or "*"
    bus = str(call.params.get("EventBusName", _DEFAULT)).removeprefix(_arn(place, "event-bus/"))
    return _arn(place, f"rule/{name}" if bus == _DEFAULT else f"rule/{bus}/{name}")


OPERATIONS: dict[str, Handler] = {
    "ListEventBuses": _list_event_buses,
    "ListRules": _list_rules,
    "DescribeRule": _describe_rule,
    "ListTargetsByRule": _list_targets_by_rule,
}
RESOURCES: dict[str, Resource] = {
    "ListEventBuses": lambda place, call: _arn(place, "event-bus/*"),
    "ListRules": _rule_resource,
    "DescribeRule": _rule_resource,
    "ListTargetsByRule": _rule_resource,
}
