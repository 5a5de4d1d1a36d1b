# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch metrics. A row of ``metrics``: Namespace, MetricName, Dimensions, samples: [(epoch, value)], unit.

Buckets begin at the request's StartTime, which is rounded down to the minute, the five minutes or the hour by its age:
they stand on the clock's hours only where the client starts on one. A sample is seen with the Periods that its age has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

from lab.aws.errors import AwsError, LabNotImplemented
from lab.aws.operations import Call, Handler
from lab.aws.operations.cloudwatch_math import Points, Series, evaluate, invalid_expression
from lab.aws.paging import make_token, page, read_token
from lab.aws.world import Place, Row

MAX_QUERIES = 500
MAX_POINTS = 100_800
MAX_STATISTICS_POINTS = 1_440
LIST_PAGE = 500
_DAY = 86_400
# Age of a sample, and what a Period must then be a multiple of.
_RESOLUTIONS = ((455 * _DAY, math.inf), (63 * _DAY, 3600), (15 * _DAY, 300), (3 * 3600, 60))
_LISTED_FOR = 14 * _DAY
_SHORT_PERIODS = (1, 5, 10, 20, 30)
_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
_PERCENTILE = re.compile(r"p(100|\d{1,2}(\.\d{1,10})?)")
_OTHER_STATISTICS = re.compile(r"(tm|wm|tc|ts|TM|WM|TC|TS|PR)(\d|\().*|IQM|iqm")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)


def _samples(place: Place, metric: dict[str, Any], unit: str | None) -> Iterator[tuple[float, float]]:
    """Yield the samples of exactly this metric: a series with further dimensions is another one."""
    wanted = _identity(metric)
    for row in place.all("metrics"):
        if _identity(row) == wanted and unit in (None, row.get("unit", "None")):
            yield from row["samples"]


def _identity(metric: dict[str, Any]) -> tuple[str, str, frozenset[tuple[str, str]]]:
    dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions", ()))
    return metric["Namespace"], metric["MetricName"], dimensions


def _resolution(age: float) -> float:
    return next((step for limit, step in _RESOLUTIONS if age > limit), 1)


def _window(params: dict[str, Any], now: float) -> tuple[float, float]:
    """Return the rounded start and end; the end is exclusive."""
    start, end = params["StartTime"].timestamp(), params["EndTime"].timestamp()
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    step = max(60.0, min(_resolution(now - start), 3600.0))
    return start // step * step, end // 60 * 60


def _buckets(
    samples: Iterable[tuple[float, float]], window: tuple[float, float], period: int, now: float
) -> dict[float, list[float]]:
    start, end = window
    found: dict[float, list[float]] = {}
    for at, value in samples:
        step = _resolution(now - at)
        if start <= at < end and at <= now and period % step == 0:
            found.setdefault(start + (at - start) // period * period, []).append(value)
    return found


def _statistic(values: list[float], stat: str) -> float:
    simple = {
        "Sum": lambda: math.fsum(values),
        "SampleCount": lambda: float(len(values)),
        "Average": lambda: math.fsum(values) / len(values),
        "Minimum": lambda: min(values),
        "Maximum": lambda: max(values),
    }
    if stat in simple:
        return float(simple[stat]())
    rank = math.ceil(float(stat[1:]) / 100 * len(values))
    return float(sorted(values)[max(rank, 1) - 1])


def _check_stat(stat: str, where: str) -> None:
    if stat in ("Sum", "SampleCount", "Average", "Minimum", "Maximum") or _PERCENTILE.fullmatch(stat):
        return
    if _OTHER_STATISTICS.fullmatch(stat):
        raise LabNotImplemented("cloudwatch", f"statistic {stat}")
    raise _invalid(f"The value {stat} for parameter {where} is not supported.")


def _check_period(period: int, where: str) -> None:
    if period % 60 and period not in _SHORT_PERIODS:
        raise _invalid(f"The parameter {where} must be 1, 5, 10, 20, 30, or a multiple of 60.")


# ---- GetMetricData


class _Request:
    """The queries of one GetMetricData, each evaluated once."""

    def __init__(self, place: Place, call: Call) -> None:
        self._place = place
        self._now = call.now
        self._window = _window(call.params, call.now)
        self._queries = {query["Id"]: query for query in call.params["MetricDataQueries"]}
        self._done: dict[str, Series] = {}
        self._open: list[str] = []

    def series(self, query_id: str) -> Series:
        """Return the series of an id; raise KeyError where the request has no such id."""
        query = self._queries[query_id]
        if query_id in self._open:
            raise invalid_expression(query_id, "Circular reference")
        if query_id not in self._done:
            self._open.append(query_id)
            if "MetricStat" in query:
                self._done[query_id] = self._metric(query["MetricStat"])
            elif len(self._periods_under(query_id, set())) > 1:
                raise LabNotImplemented("cloudwatch", "metric math over more than one Period")
            else:
                self._done[query_id] = evaluate(query_id, query["Expression"], self.series)
            self._open.pop()
        return self._done[query_id]

    def _periods_under(self, query_id: str, seen: set[str]) -> set[int]:
        """Return the periods of all metrics that an expression leads to."""
        seen.add(query_id)
        query = self._queries[query_id]
        if "MetricStat" in query:
            return {query["MetricStat"]["Period"]}
        names = {name for name in re.findall(r"[A-Za-z]\w*", query["Expression"]) if name in self._queries} - seen
        return {period for name in names for period in self._periods_under(name, seen)}

    def _metric(self, stat: dict[str, Any]) -> Series:
        start, end = self._window
        period = stat["Period"]
        samples = _samples(self._place, stat["Metric"], stat.get("Unit"))
        buckets = _buckets(samples, self._window, period, self._now)
        points: Points = {at: _statistic(values, stat["Stat"]) for at, values in buckets.items()}
        return Series(
            points, tuple(start + index * period for index in range(max(0, math.ceil((end - start) / period))))
        )


def _check_queries(place: Place, queries: list[dict[str, Any]]) -> None:
    if len(queries) > MAX_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}.")
    seen: set[str] = set()
    for number, query in enumerate(queries, 1):
        where = f"MetricDataQueries.member.{number}"
        if not _ID.fullmatch(query["Id"]) or query["Id"] in seen:
            raise _invalid(
                f"The value {query['Id']} for parameter {where}.Id is not matching the expected pattern or not unique."
            )
        seen.add(query["Id"])
        if ("Expression" in query) == ("MetricStat" in query):
            raise _invalid(f"The parameter {where} must have exactly one of Expression and MetricStat.")
        if query.get("AccountId", place.account) != place.account:
            raise LabNotImplemented("cloudwatch", "GetMetricData of another account")
        if stat := query.get("MetricStat"):
            _check_stat(stat["Stat"], f"{where}.MetricStat.Stat")
            _check_period(stat["Period"], f"{where}.MetricStat.Period")


def _get_metric_data(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    _check_queries(place, params["MetricDataQueries"])
    request = _Request(place, call)
    descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    shown = []
    for query in params["MetricDataQueries"]:
        series = request.series(query["Id"])
        if query.get("ReturnData", True):
            shown.append((query, sorted(series.points.items(), reverse=descending)))
    size = params.get("MaxDatapoints", MAX_POINTS)
    if not 1 <= size <= MAX_POINTS:
        raise _invalid(f"The parameter MaxDatapoints must be between 1 and {MAX_POINTS}.")
    start = int(read_token(call, params["NextToken"], "InvalidNextToken")) if "NextToken" in params else 0
    results = list(_page_of_points(shown, start, start + size))
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    total = sum(len(points) for dummy, points in shown)
    return {**answer, "NextToken": make_token(call, start + size)} if start + size < total else answer


def _page_of_points(
    shown: list[tuple[dict[str, Any], list[tuple[float, float]]]], start: int, end: int
) -> Iterator[dict[str, Any]]:
    """Yield the results whose points lie at start..end of all points in a row; the first page names every id."""
    position = 0
    for query, points in shown:
        low, high = max(0, start - position), min(len(points), end - position)
        position += len(points)
        part = points[low : max(low, high)]
        if not part and start:
            continue
        metric = query.get("MetricStat", {}).get("Metric", {})
        yield {
            "Id": query["Id"],
            "Label": query.get("Label") or metric.get("MetricName") or query["Id"],
            "Timestamps": [_utc(at) for at, dummy in part],
            "Values": [value for dummy, value in part],
            "StatusCode": "Complete" if high >= len(points) else "PartialData",
        }


# ---- ListMetrics, GetMetricStatistics


def _list_metrics(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    if params.get("IncludeLinkedAccounts"):
        raise LabNotImplemented("cloudwatch", "ListMetrics of linked accounts")
    since = call.now - (3 * 3600 if params.get("RecentlyActive") else _LISTED_FOR)
    rows = [row for row in place.all("metrics") if _listed(row, params) and _active(row, since, call.now)]
    found, token = page(call, rows, LIST_PAGE, params.get("NextToken"), "InvalidParameterValueException")
    metrics = [{key: row.get(key, []) for key in ("Namespace", "MetricName", "Dimensions")} for row in found]
    return {"Metrics": metrics, "NextToken": token} if token else {"Metrics": metrics}


def _listed(row: Row, params: dict[str, Any]) -> bool:
    if any(params.get(key, row[key]) != row[key] for key in ("Namespace", "MetricName")):
        return False
    has = {each["Name"]: each["Value"] for each in row.get("Dimensions", ())}
    wanted = params.get("Dimensions", ())
    return all(each["Name"] in has and each.get("Value", has[each["Name"]]) == has[each["Name"]] for each in wanted)


def _active(row: Row, since: float, now: float) -> bool:
    return any(since <= at <= now for at, dummy in row["samples"])


def _get_metric_statistics(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    simple, extended = params.get("Statistics", []), params.get("ExtendedStatistics", [])
    if bool(simple) == bool(extended):
        code = "InvalidParameterCombinationException" if simple else "MissingRequiredParameterException"
        raise AwsError(code, "Exactly one of the parameters Statistics and ExtendedStatistics must be given.")
    for stat in extended:
        _check_stat(stat, "ExtendedStatistics")
    period = params["Period"]
    _check_period(period, "Period")
    window = _window(params, call.now)
    count = int((window[1] - window[0]) // period)
    if count > MAX_STATISTICS_POINTS:
        raise AwsError(
            "InvalidParameterCombinationException",
            f"You have requested up to {count:,} datapoints, which exceeds the limit of {MAX_STATISTICS_POINTS:,}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
    buckets = _buckets(_samples(place, params, params.get("Unit")), window, period, call.now)
    unit = next(
        (row.get("unit", "None") for row in place.all("metrics") if _identity(row) == _identity(params)), "None"
    )
    points = [_datapoint(at, values, simple, extended, unit) for at, values in buckets.items()]
    # AWS gives them in no order at all.
    points.sort(key=lambda point: int(point["Timestamp"].timestamp()) * 2_654_435_761 % 2**32)
    return {"Label": params["MetricName"], "Datapoints": points}


def _datapoint(at: float, values: list[float], simple: list[str], extended: list[str], unit: str) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": _utc(at), "Unit": unit, **{stat: _statistic(values, stat) for stat in simple}}
    if extended:
        point["ExtendedStatistics"] = {stat: _statistic(values, stat) for stat in extended}
    return point


OPERATIONS: dict[str, Handler] = {
    "GetMetricData": _get_metric_data,
    "ListMetrics": _list_metrics,
    "GetMetricStatistics": _get_metric_statistics,
}
