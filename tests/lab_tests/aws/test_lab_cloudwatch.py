# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch: buckets, statistics, metric math, pages, what is kept and what is listed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.asking import NOW, ask, new_place, pages, refused, utc
from lab.aws.world import Place

_VAULT = [{"Name": "BackupVaultName", "Value": "dr-vault"}]
_TYPED = [*_VAULT, {"Name": "ResourceType", "Value": "EBS"}]
_DAY = 86_400.0


def _row(name: str, samples: list[tuple[float, float]], dimensions: Any = None, unit: str = "Count") -> dict[str, Any]:
    dimensions = _VAULT if dimensions is None else dimensions
    return {"Namespace": "AWS/Backup", "MetricName": name, "Dimensions": dimensions, "samples": samples, "unit": unit}


def _stat(query_id: str, name: str = "Failed", period: int = 300, stat: str = "Sum", **more: Any) -> dict[str, Any]:
    metric = {"Namespace": "AWS/Backup", "MetricName": name, "Dimensions": more.pop("dimensions", _VAULT)}
    unit = {"Unit": more.pop("unit")} if "unit" in more else {}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat, **unit}, **more}


def _data(place: Place, *queries: dict[str, Any], start: float, end: float = NOW, **more: Any) -> dict[str, Any]:
    more.setdefault("ScanBy", "TimestampAscending")
    answer = ask(
        place,
        "cloudwatch",
        "GetMetricData",
        MetricDataQueries=list(queries),
        StartTime=utc(start),
        EndTime=utc(end),
        **more,
    )
    return {
        result["Id"]: {int(at.timestamp() - NOW): value for at, value in zip(result["Timestamps"], result["Values"])}
        for result in answer["MetricDataResults"]
    }


def _place(*samples: tuple[float, float], **others: list[tuple[float, float]]) -> Place:
    """Return a place with the metric Failed and others; times are seconds from NOW."""
    rows = {"Failed": list(samples), **others}
    return new_place(metrics=[_row(name, [(NOW + at, value) for at, value in found]) for name, found in rows.items()])


# ---- buckets


def test_sparse_data_has_points_only_where_there_are_samples() -> None:
    place = _place((-3600, 1), (-3500, 2), (-600, 4))
    assert _data(place, _stat("m"), start=NOW - 7200) == {"m": {-3600: 3.0, -600: 4.0}}


def test_buckets_begin_at_the_start_rounded_to_the_minute() -> None:
    """An hour's buckets of a request from 04:59:31 begin at 04:59, 05:59 ... as AWS explained for its own API."""
    place = _place((-3600, 1), (-3599, 2), (-61, 4))
    assert _data(place, _stat("m", period=3600), start=NOW - 7229) == {"m": {-3660: 7.0}}
    assert _data(place, _stat("m", period=3600), start=NOW - 7200) == {"m": {-3600: 7.0}}


def test_the_start_is_inclusive_and_the_end_exclusive() -> None:
    place = _place((-600, 1), (-300, 2), (-1, 8))
    assert _data(place, _stat("m"), start=NOW - 600, end=NOW - 300) == {"m": {-600: 1.0}}
    assert _data(place, _stat("m"), start=NOW - 600, end=NOW - 1) == {"m": {-600: 1.0, -300: 2.0}}


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("Sum", 55.0),
        ("SampleCount", 10.0),
        ("Average", 5.5),
        ("Minimum", 1.0),
        ("Maximum", 10.0),
        ("p50", 5.0),
        ("p95", 10.0),
        ("p90", 9.0),
        ("p0", 1.0),
        ("p100", 10.0),
    ],
)
def test_statistics(stat: str, expected: float) -> None:
    place = _place(*((-200 + index, float(index)) for index in (5, 3, 8, 1, 10, 2, 9, 4, 7, 6)))
    assert _data(place, _stat("m", stat=stat), start=NOW - 300) == {"m": {-300: expected}}


def test_another_set_of_dimensions_is_another_metric() -> None:
    place = new_place(metrics=[_row("Failed", [(NOW - 100, 1.0)]), _row("Failed", [(NOW - 100, 5.0)], _TYPED)])
    found = _data(
        place, _stat("a"), _stat("b", dimensions=_TYPED[::-1]), _stat("c", dimensions=_TYPED[1:]), start=NOW - 300
    )
    assert found == {"a": {-300: 1.0}, "b": {-300: 5.0}, "c": {}}


def test_another_unit_has_no_data() -> None:
    place = _place((-100, 1))
    assert _data(place, _stat("a", unit="Count"), _stat("b", unit="Seconds"), start=NOW - 300) == {
        "a": {-300: 1.0},
        "b": {},
    }


def test_samples_of_the_future_are_not_there_yet() -> None:
    assert _data(_place((60, 1)), _stat("m"), start=NOW - 300, end=NOW + 600) == {"m": {}}


@pytest.mark.parametrize(
    ("days", "period", "seen"),
    [
        (1, 60, True),
        (16, 60, False),
        (16, 300, True),
        (62, 300, True),
        (64, 300, False),
        (64, 3600, True),
        (454, 3600, True),
        (456, 3600, False),
        (456, 86_400, False),
    ],
)
def test_old_samples_have_only_coarse_periods(days: int, period: int, seen: bool) -> None:
    place = _place((-days * _DAY, 1))
    found = _data(place, _stat("m", period=period), start=NOW - days * _DAY - 3600, end=NOW - days * _DAY + 3600)
    assert bool(found["m"]) is seen


# ---- metric math


def _math(expression: str) -> dict[int, float]:
    place = _place((-1200, 2), (-600, 6), Completed=[(-1200, 8), (-900, 4), (-600, 0)])
    queries = [
        _stat("f", ReturnData=False),
        _stat("c", "Completed", ReturnData=False),
        _stat("n", "None", ReturnData=False),
    ]
    found = _data(place, *queries, {"Id": "e", "Expression": expression}, start=NOW - 1500)
    assert list(found) == ["e"]
    result: dict[int, float] = found["e"]
    return result


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("f", {-1200: 2, -600: 6}),
        ("f + c", {-1200: 10, -600: 6}),
        ("f-c*2", {-1200: -14, -600: 6}),
        ("(f-c)*2", {-1200: -12, -600: 12}),
        ("f/c", {-1200: 0.25}),
        ("-f/2", {-1200: -1, -600: -3}),
        ("10/f", {-1200: 5, -600: 10 / 6}),
        ("FILL(f, 0)", {-1500: 0, -1200: 2, -900: 0, -600: 6, -300: 0}),
        ("FILL(n, 0)", {-1500: 0, -1200: 0, -900: 0, -600: 0, -300: 0}),
        ("FILL(f, REPEAT)", {-1200: 2, -900: 2, -600: 6, -300: 6}),
        ("FILL(f, LINEAR)", {-1200: 2, -900: 4, -600: 6}),
        ("FILL(n, REPEAT)", {}),
        ("100*FILL(c,0)/(FILL(c,0)+FILL(f,0))", {-1200: 80, -900: 100, -600: 0}),
    ],
)
def test_metric_math(expression: str, expected: dict[int, float]) -> None:
    assert _math(expression) == expected


def test_an_expression_may_use_another() -> None:
    place = _place((-300, 2))
    queries = [{"Id": "b", "Expression": "a*2"}, {"Id": "a", "Expression": "FILL(m,0)+1"}, _stat("m")]
    assert _data(place, *queries, start=NOW - 600) == {"b": {-600: 2, -300: 6}, "a": {-600: 1, -300: 3}, "m": {-300: 2}}


@pytest.mark.parametrize(
    "expression", ["f +", "f c", "1 + 1", "x", "FILL(f)", "FILL(1, 0)", "(f", "f ; c", "f/0", "", "e"]
)
def test_wrong_expressions_are_refused(expression: str) -> None:
    queries = [_stat("f"), {"Id": "e", "Expression": expression}] if expression else [_stat("f"), {"Id": "e"}]
    params = {"MetricDataQueries": queries, "StartTime": utc(NOW - 600), "EndTime": utc(NOW)}
    assert refused(_place(), "cloudwatch", "GetMetricData", **params).code == "ValidationError"


@pytest.mark.parametrize(
    "expression",
    [
        "SEARCH('{AWS/Backup,BackupVaultName} Failed', 'Sum', 300)",
        "SUM(METRICS())",
        "RATE(f)",
        "SELECT SUM(x) FROM y",
        "f + g",
    ],
)
def test_what_the_lab_does_not_have_is_never_guessed(expression: str) -> None:
    queries = [_stat("f"), _stat("g", period=60), {"Id": "e", "Expression": expression}]
    params = {"MetricDataQueries": queries, "StartTime": utc(NOW - 600), "EndTime": utc(NOW)}
    error = refused(_place(), "cloudwatch", "GetMetricData", **params)
    assert (error.code, error.status) == ("LabNotImplemented", 501)


@pytest.mark.parametrize(
    ("queries", "more"),
    [
        ([_stat("m"), _stat("m")], {}),
        ([_stat("M")], {}),
        ([_stat("m", period=90)], {}),
        ([_stat("m", stat="Median")], {}),
        ([_stat("m", stat="p101")], {}),
        ([{**_stat("m"), "Expression": "m"}], {}),
        ([_stat(f"m{index}") for index in range(501)], {}),
        ([_stat("m")], {"EndTime": utc(NOW - 600)}),
        ([_stat("m")], {"MaxDatapoints": 100_801}),
    ],
)
def test_wrong_requests_are_refused(queries: list[dict[str, Any]], more: dict[str, Any]) -> None:
    params = {"MetricDataQueries": queries, "StartTime": utc(NOW - 600), "EndTime": utc(NOW), **more}
    assert refused(_place(), "cloudwatch", "GetMetricData", **params).code == "ValidationError"


# ---- pages


def test_points_come_newest_first_in_pages() -> None:
    place = _place((-900, 1), (-600, 2), (-300, 3), Completed=[(-900, 4), (-300, 6)])
    params = {
        "MetricDataQueries": [_stat("f"), _stat("c", "Completed", Label="copies")],
        "StartTime": utc(NOW - 900),
        "EndTime": utc(NOW),
        "MaxDatapoints": 2,
    }
    found = list(pages(place, "cloudwatch", "GetMetricData", **params))
    seen = [
        [
            (result["Id"], result["Label"], result["Values"], result["StatusCode"])
            for result in answer["MetricDataResults"]
        ]
        for answer in found
    ]
    assert seen == [
        [("f", "Failed", [3.0, 2.0], "PartialData"), ("c", "copies", [], "PartialData")],
        [("f", "Failed", [1.0], "Complete"), ("c", "copies", [6.0], "PartialData")],
        [("c", "copies", [4.0], "Complete")],
    ]
    params["NextToken"] = "made-up"
    assert refused(place, "cloudwatch", "GetMetricData", **params).code == "InvalidNextToken"


# ---- ListMetrics


def _names(place: Place, **params: Any) -> list[str]:
    return [metric["MetricName"] for metric in ask(place, "cloudwatch", "ListMetrics", **params)["Metrics"]]


def test_series_that_were_idle_for_two_weeks_are_not_listed() -> None:
    place = _place(
        (-13.9 * _DAY, 1),
        Idle=[(-14.1 * _DAY, 1)],
        Recent=[(-3 * 3600, 1)],
        Earlier=[(-11_000, 1)],
        Never=[],
        Future=[(60, 1)],
    )
    assert _names(place) == ["Failed", "Recent", "Earlier"]
    assert _names(place, RecentlyActive="PT3H") == ["Recent"]


def test_listing_by_dimension_gives_series_with_further_dimensions_too() -> None:
    rows = [_row("A", [(NOW - 1, 1)]), _row("B", [(NOW - 1, 1)], _TYPED), _row("C", [(NOW - 1, 1)], [])]
    place = new_place(metrics=rows)
    assert _names(place, Dimensions=_VAULT) == ["A", "B"]
    assert _names(place, Dimensions=[{"Name": "ResourceType"}]) == ["B"]
    assert _names(place, Dimensions=[{"Name": "BackupVaultName", "Value": "other"}]) == []
    assert _names(place, MetricName="C") == ["C"]
    assert _names(place, Namespace="AWS/EC2") == []


def test_five_hundred_metrics_a_page() -> None:
    place = new_place(metrics=[_row(f"M{index}", [(NOW - 1, 1)]) for index in range(501)])
    assert [len(answer["Metrics"]) for answer in pages(place, "cloudwatch", "ListMetrics")] == [500, 1]


# ---- GetMetricStatistics


def _statistics(place: Place, **params: Any) -> dict[str, Any]:
    return {
        "Namespace": "AWS/Backup",
        "MetricName": "Failed",
        "Dimensions": _VAULT,
        "StartTime": utc(NOW - 900),
        "EndTime": utc(NOW),
        "Period": 300,
        **params,
    }


def test_statistics_of_one_metric_come_in_no_order() -> None:
    place = _place((-900, 1), (-850, 3), (-600, 2), (-300, 5))
    answer = ask(place, "cloudwatch", "GetMetricStatistics", **_statistics(place, Statistics=["Sum", "Maximum"]))
    points = answer["Datapoints"]
    assert answer["Label"] == "Failed"
    assert sorted((point["Timestamp"], point["Sum"], point["Maximum"], point["Unit"]) for point in points) == [
        (utc(NOW - 900), 4.0, 3.0, "Count"),
        (utc(NOW - 600), 2.0, 2.0, "Count"),
        (utc(NOW - 300), 5.0, 5.0, "Count"),
    ]
    assert [point["Timestamp"] for point in points] != sorted(point["Timestamp"] for point in points)
    answer = ask(place, "cloudwatch", "GetMetricStatistics", **_statistics(place, ExtendedStatistics=["p99"]))
    assert {point["ExtendedStatistics"]["p99"] for point in answer["Datapoints"]} == {3.0, 2.0, 5.0}


def test_statistics_that_are_refused() -> None:
    place = _place()
    many = _statistics(place, Statistics=["Sum"], Period=60, StartTime=utc(NOW - 1441 * 60))
    error = refused(place, "cloudwatch", "GetMetricStatistics", **many)
    assert error.code == "InvalidParameterCombinationException" and "1,441 datapoints" in error.message
    assert (
        ask(place, "cloudwatch", "GetMetricStatistics", **{**many, "StartTime": utc(NOW - 1440 * 60)})["Datapoints"]
        == []
    )
    error = refused(place, "cloudwatch", "GetMetricStatistics", **_statistics(place))
    assert error.code == "MissingRequiredParameterException"
