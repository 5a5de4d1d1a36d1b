# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Health: one endpoint, so one set of ``health_events`` an account, in its us-east-1.

Rows are Events with ``_description``, ``_metadata`` and ``_entities`` (AffectedEntity). The setting
``health_subscribed`` of that place tells whether the account's support plan includes the API; without it every call is
refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler
from lab.aws.paging import page
from lab.aws.world import Place, Row

HOME = "us-east-1"
_PAGE = 10
# A list of the filter, and the member of the event that has to be in it.
_LISTS = {
    "eventArns": "arn",
    "eventTypeCodes": "eventTypeCode",
    "services": "service",
    "regions": "region",
    "availabilityZones": "availabilityZone",
    "eventTypeCategories": "eventTypeCategory",
    "eventStatusCodes": "statusCode",
    "actionabilities": "actionability",
}
_TIMES = {"startTimes": "startTime", "endTimes": "endTime", "lastUpdatedTimes": "lastUpdatedTime"}
_ENTITY_LISTS = {"entityArns": "entityArn", "entityValues": "entityValue"}


def _rows(place: Place, call: Call) -> list[Row]:
    home = place.world.place(place.account, HOME)
    if not home.settings.get("health_subscribed", False):
        raise AwsError(
            "SubscriptionRequiredException",
            "AWS Health API is only available to accounts with a support plan that includes it.",
        )
    if call.params.get("locale", "en") != "en":
        raise AwsError("UnsupportedLocale", "The specified locale is not supported.")
    return list(home.all("health_events"))


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _describe_events(place: Place, call: Call) -> dict[str, Any]:
    wanted = call.params.get("filter", {})
    rows = [row for row in _rows(place, call) if _event_fits(row, wanted)]
    rows.sort(key=_updated, reverse=True)
    return _page(call, [_shown(row) for row in rows], "events")


def _updated(row: Row) -> datetime:
    at: datetime = row["lastUpdatedTime"] if "lastUpdatedTime" in row else row["startTime"]
    return at


def _page(call: Call, rows: list[Row], member: str) -> dict[str, Any]:
    params = call.params
    found, token = page(call, rows, params.get("maxResults", _PAGE), params.get("nextToken"), "InvalidPaginationToken")
    return {member: found, "nextToken": token} if token else {member: found}


def _event_fits(row: Row, wanted: dict[str, Any]) -> bool:
    entities = row.get("_entities", ())
    return (
        _in_lists(row, wanted, _LISTS)
        and all(_in_ranges(row.get(member), wanted[key]) for key, member in _TIMES.items() if key in wanted)
        and all(
            any(entity.get(member) in wanted[key] for entity in entities)
            for key, member in _ENTITY_LISTS.items()
            if key in wanted
        )
        and ("personas" not in wanted or bool(set(wanted["personas"]) & set(row.get("personas", ()))))
    )


def _in_lists(row: Row, wanted: dict[str, Any], lists: dict[str, str]) -> bool:
    return all(row.get(member) in wanted[key] for key, member in lists.items() if key in wanted)


def _in_ranges(at: datetime | None, ranges: list[dict[str, datetime]]) -> bool:
    return at is not None and any(each.get("from", at) <= at <= each.get("to", at) for each in ranges)


def _describe_event_details(place: Place, call: Call) -> dict[str, Any]:
    rows = {row["arn"]: row for row in _rows(place, call)}
    found: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for arn in call.params["eventArns"]:
        if arn in rows:
            row = rows[arn]
            description = {"latestDescription": row.get("_description", "")}
            found.append(
                {"event": _shown(row), "eventDescription": description, "eventMetadata": row.get("_metadata", {})}
            )
        else:
            failed.append(
                {"eventArn": arn, "errorName": "InvalidEventArn", "errorMessage": f"Event {arn} was not found."}
            )
    return {"successfulSet": found, "failedSet": failed}


def _describe_affected_entities(place: Place, call: Call) -> dict[str, Any]:
    wanted = call.params["filter"]
    rows = [
        _shown(entity)
        for row in _rows(place, call)
        if row["arn"] in wanted["eventArns"]
        for entity in row.get("_entities", ())
        if _entity_fits(entity, wanted)
    ]
    return _page(call, rows, "entities")


def _entity_fits(entity: Row, wanted: dict[str, Any]) -> bool:
    return _in_lists(entity, wanted, {**_ENTITY_LISTS, "statusCodes": "statusCode"}) and (
        "lastUpdatedTimes" not in wanted or _in_ranges(entity.get("lastUpdatedTime"), wanted["lastUpdatedTimes"])
    )


OPERATIONS: dict[str, Handler] = {
    "DescribeEvents": _describe_events,
    "DescribeEventDetails": _describe_event_details,
    "DescribeAffectedEntities": _describe_affected_entities,
}
