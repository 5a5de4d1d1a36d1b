# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Prometheus: real, quick, with the past that was asked for, and gone without a trace."""

from __future__ import annotations

import json
import os
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lab import prometheus

DROP = {
    "metric": "rate",
    "labels": {"job_name": "orders"},
    "values": [{"from": "-24h", "to": "-4h", "value": 1}, {"from": "-4h", "to": "now", "value": 0.42}],
}


def ask(url: str | None, promql: str) -> list[float]:
    """The values of an instant query."""
    with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}") as reply:
        return [float(row["value"][1]) for row in json.load(reply)["data"]["result"]]


def test_it_has_the_past_and_is_up_within_ten_seconds(tmp_path: Path) -> None:
    begin = time.monotonic()
    with prometheus.start({"series": [DROP]}, folder=tmp_path / "prometheus") as lab:
        assert time.monotonic() - begin < 10  # one on an idle machine
        assert ask(lab.url, "rate") == [0.42] and ask(lab.url, "rate offset 5h") == [1.0]
        assert ask(lab.url, "rate offset 25h") == []
        assert ask(lab.url, "count_over_time(rate[24h])")[0] == pytest.approx(1440, abs=2)
        (pid,) = lab.pids
    assert not any((tmp_path / "prometheus").iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    "entry, promql, expected",
    [
        ({"values": [{"from": "-10h30m", "per_h": 1}]}, "m", 10),
        ({"values": [{"from": "-10h30m", "to": "-5h", "per_h": 1}], "start": 2}, "m offset 6h", 6),
        ({"values": [{"from": "-10h", "value": 10, "rise_to": 20}]}, "m offset 5h", 15),
        ({"values": [{"from": "-10h30m", "value": "push_time", "every": "1h"}]}, "time() - m", 1800),
        ({"values": [{"from": "-10h30m", "per_h": 1}], "kind": "histogram", "seconds": 70}, "m_sum", 700),
        ({"values": [{"from": "-10h30m", "per_h": 1}], "kind": "histogram", "seconds": 70}, 'm_bucket{le="60"}', 0),
        ({"values": [{"from": "-10h30m", "per_h": 1}], "kind": "histogram", "seconds": 70}, 'm_bucket{le="300"}', 10),
        ({"values": [{"from": "-10h30m", "per_h": 1}], "kind": "summary", "seconds": 70}, 'm{quantile="0.95"}', 70),
    ],
)
def test_shapes_of_series(entry: dict[str, Any], promql: str, expected: float) -> None:
    with prometheus.start({"series": [{"metric": "m", "labels": {}, **entry}]}) as lab:
        assert ask(lab.url, promql) == [pytest.approx(expected, abs=0.1 if expected < 1000 else 5)]


def test_nothing_is_started_for_an_absent_prometheus() -> None:
    with prometheus.start({"absent": True}) as lab:
        assert lab.url is None and lab.pids == []


def test_a_series_that_promtool_refuses_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="promtool"):
        prometheus.start({"series": [{**DROP, "metric": "not a name"}]}, folder=tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_typing_error_in_a_scenario_is_told() -> None:
    with pytest.raises(ValueError, match="serie"):
        prometheus.start({"serie": []})


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(prometheus.PrometheusMissing, match="apt-get install prometheus"):
        prometheus.start({"series": [DROP]})
