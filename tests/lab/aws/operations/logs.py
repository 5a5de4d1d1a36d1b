# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch Logs: groups, FilterLogEvents and Insights queries.

A row of ``log_groups`` is a LogGroup with ``_events``: [{timestamp in ms, message, logStreamName, ingestionTime,
eventId}], or with ``_generate``: a callable that returns a sequence of events in the order of time, made while they are
read.
``_scan_events``: how many events one page of FilterLogEvents looks at, so that a small fixture has empty pages too.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.aws.errors import AwsError, LabNotImplemented
from lab.aws.operations import Call, Handler, Resource
from lab.aws.operations.logs_insights import Query, QueryError, Result, parse_query, run_query
from lab.aws.operations.logs_pattern import PatternError, PatternNotInLab, compile_pattern
from lab.aws.paging import make_token, page, read_token
from lab.aws.world import Place, Row

PAGE_EVENTS = 10_000
PAGE_BYTES = 1_048_576
# AWS does not say how much one page searches; a Region's default is enough for tests of empty pages with large groups.
SCAN_EVENTS = 50_000
MAX_QUERY_GROUPS = 50
_DAY_MS = 86_400_000
_YEAR_2024_MS = 1_704_067_200_000
_EVENT_MEMBERS = ("logStreamName", "timestamp", "message", "ingestionTime", "eventId")
Event = dict[str, Any]


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def _describe_log_groups(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    if prefix and pattern:
        raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if params.get("includeLinkedAccounts"):
        raise LabNotImplemented("logs", "DescribeLogGroups of linked accounts")
    names = params.get("logGroupIdentifiers")
    rows = [
        row
        for row in place.all("log_groups")
        if row["logGroupName"].startswith(prefix or "")
        and (pattern or "") in row["logGroupName"]
        and (not names or row["logGroupName"] in names)
        and params.get("logGroupClass") in (None, _class(row))
    ]
    rows.sort(key=lambda row: row["logGroupName"])
    found, token = page(call, rows, params.get("limit", 50), params.get("nextToken"), "InvalidParameterException")
    answer: dict[str, Any] = {"logGroups": [_shown(place, row, bool(pattern)) for row in found]}
    return {**answer, "nextToken": token} if token else answer


def _class(row: Row) -> str:
    return str(row.get("logGroupClass", "STANDARD"))


def _arn(place: Place, name: str) -> str:
    return f"arn:aws:logs:{place.region}:{place.account}:log-group:{name}"


def _shown(place: Place, row: Row, short: bool) -> Row:
    arn = _arn(place, row["logGroupName"])
    full = {"arn": f"{arn}:*", "logGroupArn": arn, "logGroupClass": "STANDARD", **row}
    members = ("arn", "creationTime", "logGroupName") if short else full
    return {key: full[key] for key in members if key in full and not key.startswith("_")}


def _group(place: Place, name: str | None, identifier: str | None) -> Row:
    """Return the group that a name or an ARN of this account and Region stands for."""
    wanted = name or str(identifier)
    if identifier and identifier.startswith("arn:"):
        wanted = identifier.removesuffix(":*").removeprefix(_arn(place, ""))
    row = place.row("log_groups", logGroupName=wanted)
    if row is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return row


def _events(row: Row) -> Sequence[Event]:
    if "_generate" in row:
        generated: Sequence[Event] = row["_generate"]()
        return generated
    events = row.get("_events", ())
    # A story's list may be in any order; to sort a sorted list costs little.
    return sorted(events, key=_at) if isinstance(events, list) else events


def _at(event: Event) -> int:
    return int(event["timestamp"])


def _kept_since(row: Row, now: float) -> int:
    """Return the time in ms before which the group's retention has deleted all events."""
    days = row.get("retentionInDays")
    return int(now * 1000) - days * _DAY_MS if days else 0


def _filter_log_events(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    if ("logGroupName" in params) == ("logGroupIdentifier" in params):
        raise _invalid("Exactly one of logGroupName or logGroupIdentifier must be specified.")
    if "logStreamNames" in params and "logStreamNamePrefix" in params:
        raise _invalid("logStreamNamePrefix and logStreamNames cannot be specified together.")
    row = _group(place, params.get("logGroupName"), params.get("logGroupIdentifier"))
    if _class(row) != "STANDARD":
        raise AwsError(
            "InvalidOperationException",
            f"The log group {row['logGroupName']} is of log-group-class {_class(row)}. "
            "FilterLogEvents is not supported for this log class.",
        )
    scan = _Scan.of(row, call)
    events, position = scan.page()
    answer: dict[str, Any] = {"events": events, "searchedLogStreams": []}
    return answer if position is None else {**answer, "nextToken": make_token(_lasting(call), [position, scan.forward])}


def _lasting(call: Call) -> Call:
    """The token decides on the direction, so that a later request need not repeat it."""
    return replace(call, params={key: value for key, value in call.params.items() if key != "startFromHead"})


@dataclass
class _Scan:
    """One page of FilterLogEvents: events[first:last] may match, ``position`` is where to begin."""

    events: Sequence[Event]
    first: int
    last: int
    position: int
    forward: bool
    matches: Callable[[Event], bool]
    limit: int
    budget: int

    @classmethod
    def of(cls, row: Row, call: Call) -> _Scan:
        params = call.params
        start = max(params.get("startTime", 0), _kept_since(row, call.now))
        end = params.get("endTime", 1 << 62)
        if params.get("startTime", 0) > end:
            raise _invalid("endTime must not be before startTime.")
        forward = params.get("startFromHead", True)
        if not forward and params.get("startTime", 0) < _YEAR_2024_MS:
            raise _invalid("startFromHead=false requires a startTime on or after 2024-01-01T00:00:00Z.")
        events = _events(row)
        first, last = bisect_left(events, start, key=_at), bisect_right(events, end, key=_at)
        position = first if forward else last - 1
        if token := params.get("nextToken"):
            position, forward = read_token(_lasting(call), token, "InvalidParameterException")
        limit = min(params.get("limit", PAGE_EVENTS), PAGE_EVENTS)
        return cls(
            events, first, last, position, forward, _test(params), limit, int(row.get("_scan_events", SCAN_EVENTS))
        )

    def page(self) -> tuple[list[Event], int | None]:
        """Return the events of the page, and the position of the next page, or None at the end."""
        found: list[Event] = []
        size = 0
        step = 1 if self.forward else -1
        end = self.last if self.forward else self.first - 1
        stop = min(self.position + self.budget, end) if self.forward else max(self.position - self.budget, end)
        events, matches = self.events, self.matches
        for index in range(self.position, stop, step):
            event = events[index]
            if not matches(event):
                continue
            size += len(event["message"].encode())
            if len(found) == self.limit or (found and size > PAGE_BYTES):
                return found, index
            found.append(_whole(event, index))
        return found, None if stop == end else stop


def _whole(event: Event, index: int) -> Event:
    at = event["timestamp"]
    full = {"ingestionTime": at, "eventId": f"{at:020d}{index:036d}", **event}
    return {key: full[key] for key in _EVENT_MEMBERS}


def _test(params: dict[str, Any]) -> Callable[[Event], bool]:
    try:
        matches = compile_pattern(params.get("filterPattern", ""))
    except PatternError as error:
        raise _invalid(str(error)) from error
    except PatternNotInLab as error:
        raise LabNotImplemented("logs", str(error)) from error
    names, prefix = frozenset(params.get("logStreamNames", ())), params.get("logStreamNamePrefix", "")
    if not names and not prefix:
        return lambda event: matches(event["message"])

    def test(event: Event) -> bool:
        stream = event["logStreamName"]
        return (not names or stream in names) and stream.startswith(prefix) and matches(event["message"])

    return test


# ---- Insights


@dataclass
class _Running:
    """A query that was started. It is answered with Running once, so that clients have to ask again."""

    result: Result
    groups: int
    status: str = "Scheduled"


def _queries(place: Place) -> dict[str, _Running]:
    queries: dict[str, _Running] = place.settings.setdefault("_queries", {})
    return queries


def _start_query(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    if params.get("queryLanguage", "CWLI") != "CWLI":
        raise LabNotImplemented("logs", f"queries in {params['queryLanguage']}")
    given = [key for key in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if params.get(key)]
    if len(given) != 1:
        raise _invalid("Exactly one of logGroupName, logGroupNames or logGroupIdentifiers must be specified.")
    names = params[given[0]] if given[0] != "logGroupName" else [params["logGroupName"]]
    if len(names) > MAX_QUERY_GROUPS:
        raise _invalid(f"A query can search {MAX_QUERY_GROUPS} log groups at most.")
    if params["startTime"] > params["endTime"]:
        raise _invalid("End time must not be before start time.")
    rows = [_group(place, None, name) for name in names]
    try:
        query = parse_query(params["queryString"])
    except QueryError as error:
        raise AwsError("MalformedQueryException", str(error)) from error
    _check_times(rows, call)
    query_id = str(uuid.uuid4())
    _queries(place)[query_id] = _Running(_run(place, query, rows, call), len(rows))
    return {"queryId": query_id}


def _check_times(rows: list[Row], call: Call) -> None:
    start, end = call.params["startTime"], call.params["endTime"]
    oldest = min(max(row.get("creationTime", 0), _kept_since(row, call.now)) for row in rows)
    if end * 1000 < oldest:
        raise AwsError(
            "MalformedQueryException",
            "Query's end date and time is either before the log groups creation time or exceeds the log groups log "
            f"retention settings ([{start},{end}])",
        )


def _run(place: Place, query: Query, rows: list[Row], call: Call) -> Result:
    def events() -> Iterator[tuple[Event, str]]:
        for row in rows:
            held, group = _events(row), f"{place.account}:{row['logGroupName']}"
            since = max(call.params["startTime"] * 1000, _kept_since(row, call.now))
            last = bisect_right(held, call.params["endTime"] * 1000, key=_at)
            for index in range(bisect_left(held, since, key=_at), last):
                yield held[index], group

    return run_query(query, events(), call.params.get("limit"))


def _query(place: Place, call: Call) -> _Running:
    found = _queries(place).get(call.params["queryId"])
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Query {call.params['queryId']} does not exist.")
    return found


def _get_query_results(place: Place, call: Call) -> dict[str, Any]:
    query = _query(place, call)
    query.status = {"Scheduled": "Running", "Running": "Complete"}.get(query.status, query.status)
    if query.status != "Complete":
        return {"results": [], "status": query.status, "queryLanguage": "CWLI", "statistics": _statistics(None)}
    size = call.params.get("maxItems") or PAGE_EVENTS
    rows, token = page(call, query.result.rows, size, call.params.get("nextToken"), "InvalidParameterException")
    answer = {
        "results": [[{"field": name, "value": value} for name, value in row] for row in rows],
        "status": query.status,
        "queryLanguage": "CWLI",
        "statistics": _statistics(query),
    }
    return {**answer, "nextToken": token} if token else answer


def _statistics(query: _Running | None) -> dict[str, float]:
    result = query.result if query else Result([])
    return {
        "recordsMatched": float(result.matched),
        "recordsScanned": float(result.scanned),
        "bytesScanned": float(result.scanned_bytes),
        "estimatedRecordsSkipped": 0.0,
        "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": float(query.groups if query else 0),
    }


def _stop_query(place: Place, call: Call) -> dict[str, Any]:
    query = _query(place, call)
    if query.status not in ("Scheduled", "Running"):
        raise _invalid(f"The specified query is not running (status {query.status}).")
    query.status = "Cancelled"
    return {"success": True}


def _group_resource(place: Place, call: Call) -> str:
    """AWS matches policies with the group and an empty stream, so that a policy's ARN has to end in ``:*``."""
    params = call.params
    names = params.get("logGroupNames") or params.get("logGroupIdentifiers") or [""]
    name = params.get("logGroupName") or params.get("logGroupIdentifier") or names[0]
    return f"{_arn(place, name.removesuffix(':*').removeprefix(_arn(place, '')))}:log-stream:"


OPERATIONS: dict[str, Handler] = {
    "DescribeLogGroups": _describe_log_groups,
    "FilterLogEvents": _filter_log_events,
    "StartQuery": _start_query,
    "GetQueryResults": _get_query_results,
    "StopQuery": _stop_query,
}
RESOURCES: dict[str, Resource] = {
    "DescribeLogGroups": _group_resource,
    "FilterLogEvents": _group_resource,
    "StartQuery": _group_resource,
}
