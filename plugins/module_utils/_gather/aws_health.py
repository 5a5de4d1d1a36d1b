# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Of the region runbook, where the rest is inconclusive: what AWS itself says of its services in both Regions.

The API is part of the larger support plans only. Without one nothing is known, which is not the same as no trouble.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    ReadFailed,
    clip,
    evidence,
    failed,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst, rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "health"
# AWS Backup and the services whose resources it copies; a filter takes ten.
SERVICES = ("BACKUP", "EBS", "EC2", "RDS", "S3", "EFS", "ELASTICFILESYSTEM", "DYNAMODB", "FSX", "KMS")
_CATEGORIES = ("issue", "scheduledChange")
_PAGE = 100
_MOST_DESCRIBED = 10  # one call describes ten
_WEIGHT = {"open": 2, "upcoming": 1, "closed": 0}

Json = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read what is going on or coming, and what ended in the window.

    Two lists, because an event that goes on may not have been touched for longer than the window.
    """
    rows, window_s = rows_parameter(params), _aws.window_parameter(params)
    try:
        query, source = _aws.connected_sides(params, clients), clients.aws_source
    except ReadFailed as failure:
        return Gathered(failed(NAME, _aws.named_sides(params), failure))
    query.update(services=list(SERVICES), window=window(source.now(), window_s))
    regions = list(dict.fromkeys([*(query[side]["region"] for side in _aws.SIDES), "global"]))
    since = source.now() - timedelta(seconds=window_s)
    answers = _aws.side_by_side(
        {
            "current": _events(source, rows, regions, eventStatusCodes=["open", "upcoming"]),
            "ended": _events(source, rows, regions, eventStatusCodes=["closed"], endTimes=[{"from": since}]),
        }
    )
    refused = next((failure for dummy, failure in answers.values() if failure), None)
    if refused:
        return Gathered(failed(NAME, query, refused))
    return _answer(source, query, rows, [answers["current"][0], answers["ended"][0]])


class _Events(t.NamedTuple):
    """A list of events: the worst of them, and how many go on."""

    worst: Worst
    open: int


def _events(account: t.Any, rows: int, regions: list[str], **more: t.Any) -> _aws.Read:
    wanted = {
        "services": list(SERVICES),
        "regions": regions,
        "eventTypeCategories": list(_CATEGORIES),
        **more,
    }

    def read() -> _Events:
        worst, going_on = Worst(rows), 0
        marks = {"token": "nextToken", "sent_as": "nextToken"}
        asked = {"filter": wanted, "maxResults": _PAGE}
        for event in _aws.listed(account, "health", "DescribeEvents", "events", **marks, **asked):
            worst.push(_severity(event), event)
            going_on += event.get("statusCode") == "open"
        return _Events(worst, going_on)

    return read


def _severity(event: Json) -> tuple[t.Any, ...]:
    return (
        _WEIGHT.get(event.get("statusCode", ""), 0),
        event.get("eventTypeCategory") == "issue",
        event.get("service") == "BACKUP",
        moment(event.get("startTime")) or 0.0,
    )


def _answer(source: t.Any, query: Json, rows: int, lists: list[_Events]) -> Gathered:
    events = [event for listed in lists for event in listed.worst.rows()][:rows]
    told, denied = _descriptions(source, events[:_MOST_DESCRIBED])
    total = sum(listed.worst.total for listed in lists)
    return Gathered(
        evidence(
            NAME,
            outcome="ok" if total else "empty",
            query=query,
            covered=query["window"],
            observed_at=rfc3339(source.now()),
            clock=source.clock.as_evidence(),
            summary={"events": total, "open": sum(listed.open for listed in lists)},
            rows={"events": ([_row(event, told) for event in events], total)},
            denied=denied,
        )
    )


def _descriptions(source: t.Any, events: list[Json]) -> tuple[dict[str, str | None], list[Json]]:
    """{ARN of an event: what AWS writes about it}, and the refusal to tell."""
    if not events:
        return {}, []
    try:
        reply = source.call("health", "DescribeEventDetails", eventArns=[event["arn"] for event in events])
    except ReadFailed as failure:
        return {}, [_aws.denied_on("source", "DescribeEventDetails", failure)]
    return {
        detail["event"]["arn"]: clip((detail.get("eventDescription") or {}).get("latestDescription"))
        for detail in reply.get("successfulSet") or []
    }, []


def _row(event: Json, descriptions: dict[str, str | None]) -> Json:
    return {
        "service": event.get("service"),
        "code": event.get("eventTypeCode"),
        "category": event.get("eventTypeCategory"),
        "region": event.get("region"),
        "status": event.get("statusCode"),
        "started_at": _aws.stamp(moment(event.get("startTime"))),
        "ended_at": _aws.stamp(moment(event.get("endTime"))),
        "description": descriptions.get(event["arn"]),
    }


STEP = Step(name=NAME, gather=gather, argument_spec=dict(_aws.vault_spec(), window={"type": "str", "default": "24h"}))
