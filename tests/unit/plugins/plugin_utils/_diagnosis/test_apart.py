# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What failures keep to, by intervals that do not overlap."""

from __future__ import annotations

import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.apart import apart, with_apart


def told(*rows):
    return {"spread": [dict(zip(("what", "value", "of", "failing"), row)) for row in rows]}


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([("node", "a", 4, 4), ("node", "b", 5, 0)], ["a"]),
        ([("node", "a", 3, 3), ("node", "b", 4, 0)], []),  # 44 to 100 % against 0 to 49 %: may be chance
        ([("node", "a", 1, 1), ("node", "b", 400, 0)], ["a"]),
        ([("node", "a", 40, 30), ("node", "b", 40, 10)], ["a"]),
        ([("node", "a", 4, 4), ("node", "b", 5, 5)], []),
        ([("type", "EBS", 9, 9), ("type", "RDS", 9, 9), ("type", "EFS", 30, 0)], ["EBS", "RDS"]),
        # one sort is no measure for another
        ([("type", "EBS", 9, 9), ("role", "a", 30, 0)], []),
        ([], []),
        ([("node", "a", 0, 0), ("node", None, 3, None), ("node", "b", "x", 1)], []),
    ],
)
def test_what_stands_apart(rows, expected):
    assert sorted(row["value"] for row in apart(told(*rows))) == expected


def test_the_figures_are_told_and_the_clearest_comes_first():
    found = apart(told(("type", "EBS", 20, 20), ("type", "EFS", 60, 1), ("role", "a", 40, 20), ("role", "b", 40, 1)))
    assert [row["value"] for row in found] == ["EBS", "a"]
    assert found[0] == {
        **{"what": "type", "value": "EBS", "failing": 20, "of": 20, "others_failing": 1, "others": 60},
        **{"interval": [0.839, 1.0], "others_interval": [0.003, 0.089]},
    }


@pytest.mark.parametrize("verdict, expected", [("unknown", "specific"), ("systemic", "systemic"), ("none", "none")])
def test_what_keeps_to_something_is_specific_where_the_numbers_alone_say_nothing(verdict, expected):
    rows = told(("node", "a", 4, 4), ("node", "b", 5, 0))
    assert with_apart({"verdict": verdict}, rows)["verdict"] == expected
    assert with_apart({"verdict": verdict}, {})["verdict"] == verdict
