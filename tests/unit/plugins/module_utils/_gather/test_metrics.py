# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics step against a real Prometheus with a past of our making; without one these tests fail, not skip."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.metric_past import (
    BAD,
    DURATION,
    GOOD,
    RATE,
    gathered,
    lab,
    one,
    params,
    piece,
    seconds_since,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import metrics


# -------------------------------------------------------------------------------------------------- success rate


def test_a_healthy_gauge_costs_few_requests() -> None:
    series = [one(RATE, "orders", piece("-9d", value=0.99)), one(DURATION, "orders", piece("-9d", value=120))]
    with lab.start({"series": series}) as prometheus:
        given = params(prometheus_url=prometheus.url)
        clients = Clients(given)
        found = metrics.gather(given, clients).evidence
        assert clients.prometheus.requests == 4
    assert found["outcome"] == "ok" and found["denied"] == [] and found["error"] is None
    success, duration = found["summary"]["success_rate"], found["summary"]["duration"]
    assert success == {
        "verdict": "ok", "type": "gauge", "unit": "ratio", "avg": 0.99, "min": 0.99, "last": 0.99, "previous_avg": 0.99,
        "series": 1, "below": 0, "runs": None, "threshold": 0.9,
    }  # fmt: skip
    assert duration == {
        "verdict": "ok", "type": "gauge", "avg_s": 120.0, "p95_s": 120.0, "max_s": 120.0, "baseline_s": 120.0,
        "ratio": 1.0, "rising": False, "slow": False, "slow_series": 0, "series": 1,
    }  # fmt: skip
    assert found["summary"]["pushed"] is False and found["summary"]["freshness"]["stale"] is False
    assert 0 <= found["summary"]["freshness"]["age_s"] <= 61
    assert found["series"][0] == {
        "labels": {"job_name": "backup-sync-orders", "namespace": "backup"}, "resource": "orders",
        "success_avg": 0.99, "success_min": 0.99, "success_last": 0.99, "last_change_at": None,
        "duration_avg_s": 120.0, "duration_baseline_s": 120.0, "duration_ratio": 1.0, "stale": False,
    }  # fmt: skip
    assert found["clock"]["samples"] == 4 and abs(found["clock"]["offset_s"]) < 2


def test_a_drop_four_hours_ago_is_seen_in_last_and_dated() -> None:
    found = gathered(
        one(RATE, "users", piece("-9d", value=1)),
        one(RATE, "orders", piece("-9d", "-4h", value=1), piece("-4h", value=0.42)),
    )
    success, row = found["summary"]["success_rate"], found["series"][0]
    # 20 h at 1 and 4 h at 0.42 are 0.9033; with the other series at 1, 0.9517
    assert success["avg"] == pytest.approx(0.9517, abs=0.001) and success["min"] == 0.42
    assert success["last"] == pytest.approx(0.71) and success["previous_avg"] == 1.0
    assert success["below"] == 1 and success["unit"] == "ratio"
    assert row["resource"] == "orders" and row["success_last"] == 0.42
    assert row["success_avg"] == pytest.approx(0.9033, abs=0.001)
    assert 4 * 3600 - 700 <= seconds_since(row["last_change_at"], found) <= 4 * 3600 + 60
    assert found["summary"]["duration"]["verdict"] == "metric_unknown"
    rates = [part["success_rate"] for part in found["course"]]
    assert rates[:10] == [1.0] * 10 and rates[10:] == [pytest.approx(0.71, abs=0.01)] * 2
    assert {part["duration_s"] for part in found["course"]} == {None}
    assert found["course"][-1]["end"] == found["query"]["window"]["end"]


@pytest.mark.parametrize(
    "metric, value, unit, expected",
    [
        (RATE, 97.5, "auto", ("percent", 0.975)),
        (RATE + "_percent", 1, "auto", ("percent", 0.01)),
        (RATE + "_ratio", 1, "auto", ("ratio", 1.0)),
        (RATE, 1, "auto", ("ambiguous", 1.0)),
        (RATE, 0.97, "auto", ("ratio", 0.97)),
        (RATE, 0.97, "percent", ("percent", 0.0097)),
    ],
)
def test_the_unit_is_found(metric: str, value: float, unit: str, expected: tuple[str, float]) -> None:
    found = gathered(one(metric, "orders", piece("-9d", value=value)), options={"unit": unit})
    success = found["summary"]["success_rate"]
    assert (success["unit"], success["avg"]) == expected
    assert success["below"] == (1 if expected[1] < 0.9 else 0)
    assert success["verdict"] == "ok"


@pytest.mark.parametrize("value, unit", [(250, "auto"), (-1, "auto"), (97, "ratio")])
def test_what_cannot_be_a_rate_is_not_read_as_one(value: float, unit: str) -> None:
    found = gathered(one(RATE, "orders", piece("-24h", value=value)), options={"unit": unit})
    success = found["summary"]["success_rate"]
    assert success["verdict"] == "partial" and success["unit"] == "ambiguous" and success["avg"] is None
    assert found["denied"][0]["what"] == "success_rate" and f"{value:g}" in found["denied"][0]["message"]


def test_zero_is_zero_and_not_absent() -> None:
    success = gathered(one(RATE, "orders", piece("-9d", value=0)))["summary"]["success_rate"]
    assert success["verdict"] == "ok" and success["avg"] == 0.0 and success["below"] == 1


def test_nan_is_no_run() -> None:
    nan = float("nan")
    found = gathered(one(RATE, "orders", piece("-9d", value=nan)))
    success = found["summary"]["success_rate"]
    assert success["verdict"] == "no_runs" and success["avg"] is None and success["series"] == 1
    assert success["below"] == 0


def test_numbers_between_nan_are_averaged() -> None:
    nan = float("nan")
    found = gathered(one(RATE, "orders", piece("-24h", "-12h", value=0.5), piece("-12h", value=nan)))
    success = found["summary"]["success_rate"]
    assert success["verdict"] == "ok" and success["avg"] == 0.5 and success["below"] == 1


# ------------------------------------------------------------------------------------------------------ counters


def test_counters_of_two_jobs() -> None:
    # one run an hour, at half past: 24 in the window; orders fails besides five times in the last 5.5 hours
    found = gathered(
        one(GOOD, "orders", piece("-48h30m", per_h=1)),
        one(BAD, "orders", piece("-48h30m", "-5h30m", per_h=0), piece("-5h30m", per_h=1)),
        one(GOOD, "users", piece("-48h30m", per_h=1)),
        one(BAD, "users", piece("-48h30m", per_h=0)),
    )
    success = found["summary"]["success_rate"]
    assert success["type"] == "counter" and success["unit"] == "ratio" and success["series"] == 2
    assert success["runs"] == {"succeeded": 48, "failed": 5}
    assert success["avg"] == pytest.approx(48 / 53) and success["previous_avg"] == 1.0
    orders, users = found["series"]
    assert orders["resource"] == "orders" and orders["success_avg"] == pytest.approx(24 / 29)
    assert orders["success_last"] == 0.5 and users["success_avg"] == 1.0 and users["success_last"] == 1.0
    assert orders["success_min"] <= 0.5 and success["min"] <= 0.5 and success["below"] == 1
    rates = [part["success_rate"] for part in found["course"]]
    # four runs in each two hours, and in the last four hours two failures beside them
    assert rates[:9] == [1.0] * 9 and rates[10:] == [pytest.approx(4 / 6)] * 2


def test_a_failure_counter_that_is_born_counting_one_counts() -> None:
    found = gathered(
        one(GOOD, "orders", piece("-49h", per_h=0.125)),
        one(BAD, "orders", piece("-90m", value=1)),
    )
    success = found["summary"]["success_rate"]
    assert success["runs"] == {"succeeded": 3, "failed": 1} and success["avg"] == 0.75
    rates = [part["success_rate"] for part in found["course"]]
    assert rates[-1] in (0.0, 0.5) and set(rates[:-1]) <= {1.0, None}  # hours without a run have no rate


def test_counters_without_runs_are_not_zero_percent() -> None:
    found = gathered(one(GOOD, "orders", piece("-49h", per_h=0)), one(BAD, "orders", piece("-49h", per_h=0)))
    success = found["summary"]["success_rate"]
    assert success["verdict"] == "no_runs" and success["avg"] is None
    assert success["runs"] == {"succeeded": 0, "failed": 0} and success["below"] == 0


def test_a_counter_reset_is_no_negative_run() -> None:
    found = gathered(
        one(GOOD, "orders", piece("-48h30m", "-10h", per_h=1), start=100),
        one(GOOD, "orders", piece("-10h", per_h=1), start=0),
        one(BAD, "orders", piece("-48h30m", per_h=0)),
    )
    # 14 before the reset, 9 after it
    assert found["summary"]["success_rate"]["runs"] == {"succeeded": 23, "failed": 0}


def test_replicas_of_an_exporter_are_one_copy_job() -> None:
    found = gathered(
        one(GOOD, "orders", piece("-48h30m", "-12h", per_h=1), labels={"pod": "exporter-a"}),
        one(GOOD, "orders", piece("-12h", per_h=1), labels={"pod": "exporter-b"}),
    )
    assert found["total"]["series"] == 1
    assert found["series"][0]["stale"] is False
    assert seconds_since(found["series"][0]["last_change_at"], found) < 2 * 3600
    # 12 of the first, 11 of the other
    assert found["summary"]["success_rate"]["runs"] == {"succeeded": 23, "failed": 0}


def test_gauges_of_two_pods_stand_for_themselves() -> None:
    found = gathered(
        one(RATE, "orders", piece("-9d", value=0.5), labels={"pod": "a"}),
        one(RATE, "orders", piece("-9d", value=0.75), labels={"pod": "b"}),
    )
    assert [row["success_last"] for row in found["series"]] == [0.5, 0.75]
    assert {row["resource"] for row in found["series"]} == {"orders"}


def test_infinity_becomes_null() -> None:
    options = {"success_rate_query": f"{RATE} / 0", "duration_query": f"{RATE} / 0"}
    found = gathered(one(RATE, "orders", piece("-9d", value=0.5)), options=options)
    assert found["summary"]["success_rate"]["avg"] is None and found["summary"]["duration"]["max_s"] is None


def test_runs_stand_beside_a_gauge() -> None:
    found = gathered(
        one(RATE, "orders", piece("-9d", value=0.75)),
        one(GOOD, "orders", piece("-49h", per_h=1)),
        one(BAD, "orders", piece("-49h", per_h=0)),
    )
    success = found["summary"]["success_rate"]
    assert success["type"] == "gauge" and success["avg"] == 0.75
    assert success["runs"]["succeeded"] in (23, 24) and success["runs"]["failed"] == 0


# ------------------------------------------------------------------------------------------------------ duration


def test_a_duration_that_grows_is_slow_and_rising() -> None:
    found = gathered(
        one(RATE, "orders", piece("-9d", value=0.99)),
        one(DURATION, "orders", piece("-9d", "-24h", value=120), piece("-24h", value=120, rise_to=1020)),
    )
    duration, row = found["summary"]["duration"], found["series"][0]
    assert duration["avg_s"] == pytest.approx(570, abs=5) and duration["baseline_s"] == pytest.approx(120, abs=0.5)
    assert duration["ratio"] == pytest.approx(4.75, abs=0.1) and duration["rising"] and duration["slow"]
    assert duration["max_s"] == pytest.approx(1020, abs=5) and duration["p95_s"] == pytest.approx(975, abs=5)
    assert row["duration_ratio"] == pytest.approx(4.75, abs=0.1)


def test_a_short_duration_is_never_slow() -> None:
    found = gathered(one(DURATION, "orders", piece("-9d", "-24h", value=20), piece("-24h", value=60)))
    duration = found["summary"]["duration"]
    assert duration["ratio"] == pytest.approx(3, abs=0.05) and duration["slow"] is False
    assert duration["rising"] is False


def test_one_slow_job_among_many_is_slow() -> None:
    usual = [one(DURATION, f"job{number}", piece("-9d", value=600)) for number in range(10)]
    found = gathered(*usual, one(DURATION, "orders", piece("-9d", "-24h", value=600), piece("-24h", value=1800)))
    duration = found["summary"]["duration"]
    assert duration["ratio"] < 1.5 and duration["slow"] is True and duration["slow_series"] == 1
    assert found["series"][0]["resource"] == "orders"


@pytest.mark.parametrize("name", [DURATION, DURATION + "_seconds"])
def test_a_histogram(name: str) -> None:
    took = [{"from_run": 0, "seconds": 100}, {"from_run": 24 * 8, "seconds": 500}]
    found = gathered(one(name, "orders", piece("-9d", per_h=1), kind="histogram", seconds=took))
    duration = found["summary"]["duration"]
    assert duration["type"] == "histogram" and duration["verdict"] == "ok" and duration["series"] == 1
    assert duration["avg_s"] == pytest.approx(500, abs=10) and duration["baseline_s"] == pytest.approx(100, abs=5)
    assert 300 < duration["p95_s"] <= 900 and duration["max_s"] is None and duration["slow"] is True
    assert found["series"][0]["resource"] == "orders"


def test_a_summary_says_its_own_quantile() -> None:
    found = gathered(one(DURATION, "orders", piece("-9d", per_h=1), kind="summary", seconds=200))
    duration = found["summary"]["duration"]
    assert duration["type"] == "summary" and duration["avg_s"] == pytest.approx(200) and duration["p95_s"] == 200
    assert duration["ratio"] == pytest.approx(1) and duration["slow"] is False


def test_a_counter_of_seconds_is_divided_by_runs() -> None:
    found = gathered(
        one(DURATION + "_total", "orders", piece("-9d", per_h=300)),
        one(GOOD, "orders", piece("-9d", per_h=1)),
    )
    duration = found["summary"]["duration"]
    assert duration["type"] == "counter" and duration["avg_s"] == pytest.approx(300, rel=0.06)
    assert duration["baseline_s"] == pytest.approx(300, rel=0.02)


# ------------------------------------------------------------------------------------------- absent, gone, stale


def test_a_metric_that_was_never_there() -> None:
    found = gathered(one("something_else", "orders", piece("-2h", value=1)))
    assert found["outcome"] == "empty" and found["covered"] is None
    assert found["summary"]["success_rate"]["verdict"] == "metric_unknown"
    assert found["summary"]["success_rate"]["avg"] is None and found["summary"]["success_rate"]["series"] == 0
    assert found["summary"]["duration"]["verdict"] == "metric_unknown" and found["series"] == []


def test_a_metric_that_disappeared_three_days_ago() -> None:
    found = gathered(one(RATE, "orders", piece("-6d", "-3d", value=1)))
    assert found["outcome"] == "ok" and found["summary"]["success_rate"]["verdict"] == "series_gone"
    assert found["summary"]["duration"]["verdict"] == "metric_unknown"


@pytest.mark.parametrize("ended", ["-3d", "-3h"])
def test_a_target_that_is_down(ended: str) -> None:
    target = {"job": "exporter", "instance": "10.0.0.1:8080"}
    found = gathered(
        one(RATE, "orders", piece("-6d", ended, value=1), labels=target),
        {"metric": "up", "labels": target, "values": [piece("-6d", ended, value=1), piece(ended, value=0)]},
    )
    assert found["summary"]["success_rate"]["verdict"] == "target_down"


def test_samples_that_ended_three_hours_ago_are_stale() -> None:
    found = gathered(one(RATE, "orders", piece("-6d", "-3h", value=1)))
    freshness = found["summary"]["freshness"]
    assert found["summary"]["success_rate"]["verdict"] == "stale" and found["summary"]["success_rate"]["last"] == 1.0
    assert freshness["stale"] is True and freshness["age_s"] == pytest.approx(3 * 3600, abs=400)
    assert found["series"][0]["stale"] is True


def test_a_rare_scrape_is_not_stale() -> None:
    found = gathered(one(RATE, "orders", piece("-6d", "-20m", value=1)), scrape="30m")
    assert found["summary"]["success_rate"]["verdict"] == "ok" and found["series"][0]["stale"] is False


def test_one_dead_series_does_not_make_all_stale() -> None:
    found = gathered(one(RATE, "orders", piece("-6d", "-3h", value=1)), one(RATE, "users", piece("-6d", value=1)))
    assert found["summary"]["success_rate"]["verdict"] == "ok"
    assert {row["resource"]: row["stale"] for row in found["series"]} == {"orders": True, "users": False}


def pushes(*values: dict[str, Any], **labels: str) -> dict[str, Any]:
    """What a Pushgateway says of a group."""
    return {"metric": "push_time_seconds", "labels": labels, "values": list(values)}


def test_a_pushgateway_that_shows_a_dead_jobs_last_good_value() -> None:
    found = gathered(
        {"metric": RATE, "labels": {"job": "backup-sync-orders"}, "values": [piece("-9d", value=1)]},
        pushes(
            piece("-9d", "-22h", value="push_time", every="1h"),
            piece("-22h", value="push_time", every="30d"),
            job="backup-sync-orders",
        ),
    )
    assert found["summary"]["pushed"] is True and found["summary"]["success_rate"]["verdict"] == "stale"
    assert found["summary"]["success_rate"]["avg"] == 1.0
    assert found["summary"]["freshness"]["push_age_s"] == pytest.approx(22 * 3600, abs=120)
    assert found["summary"]["freshness"]["age_s"] < 120  # the samples themselves are fresh: that is the trap
    assert found["series"][0]["stale"] is True and found["series"][0]["resource"] == "orders"


def test_a_living_group_does_not_hide_a_dead_one() -> None:
    gateway = {"job": "pushgateway", "instance": "gateway:9091"}
    orders, billing = ({**gateway, "exported_job": name} for name in ("orders", "billing"))
    found = gathered(
        {"metric": RATE, "labels": orders, "values": [piece("-9d", value=1)]},
        pushes(piece("-30h", value="push_time", every="30d"), **orders),
        pushes(piece("-9d", value="push_time", every="1h"), **billing),
    )
    assert found["summary"]["success_rate"]["verdict"] == "stale" and found["series"][0]["stale"] is True
    assert found["summary"]["freshness"]["push_age_s"] == pytest.approx(30 * 3600, abs=120)


def test_a_daily_push_is_not_stale_after_twenty_hours() -> None:
    found = gathered(
        {"metric": RATE, "labels": {"exported_job": "orders", "job": "pushgateway"}, "values": [piece("-9d", value=1)]},
        pushes(piece("-188h", value="push_time", every="24h"), exported_job="orders", job="pushgateway"),
    )
    assert found["summary"]["pushed"] is True and found["summary"]["success_rate"]["verdict"] == "ok"
    assert found["summary"]["freshness"]["push_age_s"] == pytest.approx(20 * 3600, abs=120)
    assert found["series"][0]["resource"] == "orders"


def test_a_partial_answer_says_so() -> None:
    found = gathered(one(RATE, "orders", piece("-9d", value=0.99)), warnings=["store 10.0.0.7 is unavailable"])
    assert found["summary"]["success_rate"]["verdict"] == "partial"
    assert found["summary"]["warnings"] == ["store 10.0.0.7 is unavailable"]


def test_a_young_prometheus_says_what_it_covers() -> None:
    found = gathered(one(RATE, "orders", piece("-3h", value=0.99)))
    assert seconds_since(found["covered"]["start"], found) == pytest.approx(3 * 3600, abs=400)
