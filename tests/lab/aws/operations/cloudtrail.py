# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudTrail: trails, and the history of 90 days that LookupEvents searches.

Rows of ``trails`` lie in the trail's home Region; ``trail_events`` are Events of LookupEvents, newest first where the
sequence is not a list. AWS allows two lookups a second: the fault {match: "cloudtrail:LookupEvents", rate_per_s: 2}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from lab.aws.errors import AwsError, LabNotImplemented
from lab.aws.operations import Call, Handler
from lab.aws.paging import page_of, read_token
from lab.aws.world import Place, Row

_KEPT_S = 90 * 86_400
_PAGE = 50


def _describe_trails(place: Place, call: Call) -> dict[str, Any]:
    names = call.params.get("trailNameList") or []
    home = [_shown(row) for row in place.all("trails")]
    shadows = (
        list(_shadows(place, {row["TrailARN"] for row in home})) if call.params.get("includeShadowTrails", True) else []
    )
    if not names:
        return {"trailList": home + shadows}
    # A name means a trail of this Region, an ARN any trail.
    found = [row for row in home if row["Name"] in names or row["TrailARN"] in names]
    return {"trailList": found + [row for row in shadows if row["TrailARN"] in names]}


def _shadows(place: Place, known: set[str]) -> Iterator[Row]:
    """Yield the trails of other Regions that cover this one too, and those of the organization's management account."""
    organization = place.world.organization
    member = place.account in organization.get("accounts", ())
    for (account, region), other in list(place.world.places.items()):
        for row in other.all("trails"):
            ours = account == place.account or (
                member and account == organization.get("management") and row.get("IsOrganizationTrail", False)
            )
            here = region == place.region or row.get("IsMultiRegionTrail", False)
            if ours and here and row["TrailARN"] not in known:
                known.add(row["TrailARN"])
                yield _shown(row)


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _lookup_events(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    if "EventCategory" in params:
        raise LabNotImplemented("cloudtrail", "LookupEvents of Insights events")
    matches = _attribute_test(params.get("LookupAttributes", []))
    oldest, now = (datetime.fromtimestamp(at, timezone.utc) for at in (call.now - _KEPT_S, call.now))
    start, end = params.get("StartTime", oldest), params.get("EndTime", now)
    if start > end:
        raise AwsError("InvalidTimeRangeException", "The start time must be before or equal to the end time.")
    first = int(read_token(call, params["NextToken"], "InvalidNextTokenException")) if "NextToken" in params else 0
    events = _events(place)
    window = (max(start, oldest), min(end, now))
    found = ((index, row) for index, row in _between(events, first, window) if matches(row))
    rows, token = page_of(call, found, params.get("MaxResults", _PAGE))
    answer = {"Events": [_shown(row) for row in rows]}
    return {**answer, "NextToken": token} if token else answer


def _events(place: Place) -> Sequence[Row]:
    rows = place.all("trail_events")
    return sorted(rows, key=lambda row: row["EventTime"], reverse=True) if isinstance(rows, list) else rows


def _between(events: Sequence[Row], first: int, window: tuple[datetime, datetime]) -> Iterator[tuple[int, Row]]:
    for index in range(first, len(events)):
        row = events[index]
        if row["EventTime"] < window[0]:
            return
        if row["EventTime"] <= window[1]:
            yield index, row


def _attribute_test(attributes: list[dict[str, str]]) -> Callable[[Row], bool]:
    if len(attributes) > 1:
        raise AwsError("InvalidLookupAttributesException", "Only one lookup attribute can be specified.")
    if not attributes:
        return lambda row: True
    key, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    if key in ("ResourceName", "ResourceType"):
        return lambda row: any(resource.get(key) == value for resource in row.get("Resources", ()))
    return lambda row: row.get(key) == value


OPERATIONS: dict[str, Handler] = {"DescribeTrails": _describe_trails, "LookupEvents": _lookup_events}
