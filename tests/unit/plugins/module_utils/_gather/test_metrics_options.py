# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and bounds of the metrics step, against a real Prometheus with a past of our making."""

from __future__ import annotations

import json
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
)
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import Answer
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import metrics


# ------------------------------------------------------------------------------------------------- parameters


def test_matchers_limit_everything() -> None:
    found = gathered(
        one(RATE, "orders", piece("-9d", value=0.99)),
        one(RATE, "other", piece("-9d", value=0.1), labels={"namespace": "elsewhere"}),
        options={"matchers": '{namespace="backup"}'},
    )
    assert found["total"]["series"] == 1 and found["summary"]["success_rate"]["avg"] == 0.99
    assert found["query"]["matchers"] == 'namespace="backup"'


def test_own_queries() -> None:
    found = gathered(
        {"metric": "copies", "labels": {"resource": "orders", "end": "ok"}, "values": [piece("-9d", per_h=3)]},
        {"metric": "copies", "labels": {"resource": "orders", "end": "bad"}, "values": [piece("-9d", per_h=1)]},
        {
            "metric": "took",
            "labels": {"resource": "orders"},
            "values": [piece("-9d", "-1d", value=60), piece("-1d", value=300)],
        },
        options={
            "success_rate_query": 'sum by (resource) (increase(copies{end="ok"}[1d]))\n'
            "/ sum by (resource) (increase(copies[1d])) # ok",
            "duration_query": "took",
        },
    )  # fmt: skip
    success, duration = found["summary"]["success_rate"], found["summary"]["duration"]
    assert success["verdict"] == "ok" and success["avg"] == pytest.approx(0.75, abs=0.01)
    assert success["previous_avg"] == pytest.approx(0.75, abs=0.01) and success["below"] == 1
    assert duration["avg_s"] == 300 and duration["baseline_s"] == pytest.approx(60, abs=1) and duration["slow"] is True
    assert found["series"][0]["resource"] == "orders" and found["total"]["series"] == 1


def test_an_own_query_without_an_answer() -> None:
    found = gathered(one(RATE, "orders", piece("-2h", value=1)), options={"success_rate_query": "no_such_metric"})
    assert found["summary"]["success_rate"]["verdict"] == "metric_unknown"


@pytest.mark.parametrize(
    "options, told",
    [
        ({"success_rate_query": "sum(backup"}, ["success_rate_query", "parse error"]),
        ({"duration_query": "rate(x)"}, ["duration_query", "expected type range vector"]),
        ({"success_rate_query": "x[5m]"}, ["success_rate_query", "instant vector"]),
        ({"matchers": "namespace=backup"}, ["matchers", "namespace=backup", "parse error"]),
    ],
)
def test_promql_that_is_refused_names_the_option(options: dict[str, str], told: list[str]) -> None:
    with pytest.raises(BadParameter) as refused:
        gathered(one(RATE, "orders", piece("-2h", value=1)), options=options)
    assert all(text in str(refused.value) for text in told), str(refused.value)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"success_rate_metric": 'x{a="b"}'}, "success_rate_metric"),
        ({"threshold": 90.0}, "threshold"),
        ({"window": "a day"}, "window"),
        ({"max_rows": 0}, "max_rows"),
        ({"prometheus_url": "prometheus:9090"}, "prometheus_url"),
        ({"prometheus_url": "http://me:secret@prometheus:9090"}, "prometheus_username"),
        ({"prometheus_ca_cert": "/no/such/file.pem"}, "prometheus_ca_cert"),
    ],
)
def test_bad_parameters_are_told_before_any_request(options: dict[str, Any], told: str) -> None:
    given = params(**{"prometheus_url": "http://127.0.0.1:1", **options})
    with pytest.raises(BadParameter, match=told):
        metrics.gather(given, Clients(given))


def test_nothing_configured() -> None:
    given = params()
    found = metrics.gather(given, Clients(given)).evidence
    assert found["outcome"] == "not_configured" and "prometheus_url" in found["error"]["hint"]


# ------------------------------------------------------------------------------------------------------ bounds


def test_many_series_stay_bounded_and_the_worst_come_first() -> None:
    series = [one(RATE, str(number), piece("-24h", value=0.95), scrape="30m") for number in range(400)]
    series.append(one(RATE, "orders", piece("-24h", value=0.2), scrape="30m"))
    found = gathered(*series, options={"max_rows": 10})
    success = found["summary"]["success_rate"]
    assert success["series"] == 401 and found["total"]["series"] == 401 and found["truncated"] is True
    assert len(found["series"]) == 10 and found["series"][0]["resource"] == "orders"
    assert success["below"] == 1 and success["avg"] == pytest.approx((400 * 0.95 + 0.2) / 401, abs=1e-4)
    assert len(json.dumps(found)) < 10_000


def test_many_counters_stay_bounded() -> None:
    series = [one(GOOD, str(number), piece("-49h", per_h=1), scrape="30m") for number in range(100)]
    series += [one(BAD, str(number), piece("-49h", per_h=1), scrape="30m") for number in (7, 8)]
    found = gathered(*series, options={"max_rows": 5})
    success = found["summary"]["success_rate"]
    assert success["series"] == 100 and success["below"] == 2 and len(found["series"]) == 5
    assert {row["resource"] for row in found["series"][:2]} == {"7", "8"}
    assert success["runs"]["succeeded"] == pytest.approx(2400, abs=100)


class Refusing:
    """A Prometheus that answers the first questions and refuses the rest."""

    address = "fake"
    longest_query = 60_000
    clock = type("NoClock", (), {"as_evidence": lambda self: None})()

    def __init__(self, answers: list[list[tuple[dict[str, str], float]]]) -> None:
        self.answers = answers

    def query(self, promql: str, at: float | None = None) -> Answer:
        """The next answer."""
        if not self.answers:
            raise ReadFailed("timeout", "too slow", code=503)
        return Answer(self.answers.pop(0))


def test_a_refused_side_question_is_noted_and_the_step_goes_on() -> None:
    inventory = [
        ({"sync_fact": "now"}, 1_800_000_000.0),
        ({"sync_fact": "series", "__name__": RATE}, 1.0),
        ({"sync_fact": "series", "__name__": DURATION}, 1.0),
    ]
    success = [({"sync_fact": name}, 0.5) for name in ("avg", "min", "max", "last")] + [({"sync_fact": "fractions"}, 1)]
    prometheus = Refusing([inventory, success])
    clients = type("Fake", (), {"prometheus": prometheus})()
    found = metrics.gather(params(), clients).evidence
    assert found["outcome"] == "ok" and found["summary"]["success_rate"]["avg"] == 0.5
    assert found["summary"]["duration"]["verdict"] == "partial"
    refused = [(row["what"], row["outcome"]) for row in found["denied"]]
    assert refused == [("duration", "timeout"), ("freshness", "timeout")]


def test_a_question_that_does_not_fit_is_split_and_means_the_same() -> None:
    series = [
        one(GOOD, "orders", piece("-48h30m", per_h=1)),
        one(BAD, "orders", piece("-48h30m", per_h=0.5)),
        one(DURATION + "_total", "orders", piece("-9d", per_h=300)),
    ]
    with lab.start({"series": series}) as prometheus:
        found = []
        for longest in (60_000, 3_000):
            given = params(prometheus_url=prometheus.url)
            clients = Clients(given)
            clients.prometheus.longest_query = longest
            found.append((metrics.gather(given, clients).evidence, clients.prometheus.requests))
    (whole, few), (split, more) = found
    assert few == 4 and more > 8
    assert split["summary"]["success_rate"] == whole["summary"]["success_rate"] and split["outcome"] == "ok"
    assert split["summary"]["duration"]["series"] == 1 and split["total"] == whole["total"]
