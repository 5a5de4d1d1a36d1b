# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What failures keep to: enough of them, by intervals that do not overlap, and hardly by chance."""

from __future__ import annotations

import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.apart import apart, with_apart
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.hours import Limits
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import shipped_values

SETTINGS = {"thresholds": shipped_values("cluster")}
LIMITS = Limits.of(SETTINGS)
ONE_OF_TWO = [("node", "a", 4, 4), ("node", "b", 5, 0)]


def told(*rows):
    return {"outcome": "ok", "spread": [dict(zip(("what", "value", "of", "failing"), row)) for row in rows]}


@pytest.mark.parametrize(
    "rows, expected",
    [
        (ONE_OF_TWO, ["a"]),
        ([("node", "a", 3, 3), ("node", "b", 4, 0)], []),  # 44 to 100 % against 0 to 49 %: may be chance
        ([("node", "a", 1, 1), ("node", "b", 400, 0)], []),  # one resource is no matter of the node
        ([("node", f"n{number}", 1, int(number == 0)) for number in range(16)], []),
        ([("node", "a", 40, 30), ("node", "b", 40, 10)], ["a"]),
        ([("node", "a", 4, 4), ("node", "b", 5, 5)], []),
        ([("type", "EBS", 9, 9), ("type", "RDS", 9, 9), ("type", "EFS", 30, 0)], ["EBS", "RDS"]),
        # of six nodes one stands out by chance (p = 0.018 before the correction for their number)
        ([("node", "a", 3, 3), ("node", "b", 5, 0)], ["a"]),
        ([("node", "a", 3, 3), *(("node", f"n{number}", 1, 0) for number in range(5))], []),
        # one sort is no measure for another
        ([("type", "EBS", 9, 9), ("role", "a", 30, 0)], []),
        # the rest of very many is a measure, and stands out for nobody
        ([("node", "a", 4, 4), ("node", None, 400, 0)], ["a"]),
        ([("node", "a", 400, 0), ("node", None, 40, 40)], []),
        ([], []),
        ([("node", "a", 0, 0), ("node", None, 3, None), ("node", "b", "x", 1), ("node", "c", 3, 9), (7, "d", 3, 3)], []),
    ],
)
def test_what_stands_apart(rows, expected):
    assert sorted(row["value"] for row in apart(told(*rows), LIMITS)) == expected


def test_the_figures_are_told_and_the_clearest_comes_first():
    rows = [("type", "EBS", 20, 20), ("type", "EFS", 60, 1), ("role", "a", 40, 20), ("role", "b", 40, 1)]
    found = apart(told(*rows), LIMITS)
    assert [row["value"] for row in found] == ["EBS", "a"]
    assert found[0]["p"] < 1e-15
    assert {**found[0], "p": 0} == {
        **{"what": "type", "value": "EBS", "failing": 20, "of": 20, "others_failing": 1, "others": 60, "p": 0},
        **{"interval": [0.839, 1.0], "others_interval": [0.003, 0.089]},
    }


def test_the_others_are_those_that_do_not_stand_apart_themselves():
    found = apart(told(("node", "a", 8, 8), ("node", "b", 8, 8), ("node", "c", 24, 6)), LIMITS)
    assert [(row["value"], row["others_failing"], row["others"]) for row in found] == [("a", 6, 24), ("b", 6, 24)]


@pytest.mark.parametrize(
    "rows, verdict, expected",
    [
        (ONE_OF_TWO, "unknown", "specific"),
        (ONE_OF_TWO, "systemic", "specific"),  # nearly half of all, and none of them elsewhere
        ([("node", "a", 40, 30), ("node", "b", 40, 10)], "systemic", "systemic"),
        ([("node", "a", 4, 1), ("node", "b", 5, 0)], "unknown", "unknown"),
    ],
)
def test_what_keeps_wholly_to_something_is_specific(rows, verdict, expected):
    found = with_apart({"verdict": verdict}, {"job_detail": told(*rows)}, "job_detail", ["orders"], SETTINGS)
    assert found["verdict"] == expected


@pytest.mark.parametrize("failing, outcome", [([], "ok"), (["orders"], "forbidden"), (["orders"], None)])
def test_where_nothing_fails_or_nothing_was_read_nothing_stands_apart(failing, outcome):
    evidence = {"job_detail": {**told(*ONE_OF_TWO), "outcome": outcome}}
    found = with_apart({"verdict": "unknown"}, evidence, "job_detail", failing, SETTINGS)
    assert found == {"verdict": "unknown", "apart": []}
