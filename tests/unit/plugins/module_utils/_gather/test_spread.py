# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.sre.backup_sync.plugins.module_utils._gather._spread import Spread


def spread(*seen):
    found = Spread()
    for what, value, failing in seen:
        found.add(what, value, failing)
    return found.rows()


def test_the_worst_of_each_sort_comes_first():
    rows = spread(("type", "EBS", False), ("type", "RDS", True), ("type", "RDS", False), ("role", "a", True), ("role", "b", True))
    assert [(row["what"], row["value"], row["of"], row["failing"]) for row in rows] == [
        ("role", "a", 1, 1),
        ("role", "b", 1, 1),
        ("type", "RDS", 2, 1),
        ("type", "EBS", 1, 0),
    ]


def test_where_all_are_alike_nothing_is_compared():
    assert spread(("node", "node-1", True), ("node", "node-1", False), ("node", None, True)) == []


def test_of_very_many_the_worst_are_kept_and_the_rest_is_counted():
    rows = spread(*(("node", f"node-{number}", number == 700) for number in range(1000)))
    assert len(rows) == 21 and rows[0] == {"what": "node", "value": "node-700", "of": 1, "failing": 1}
    assert rows[-1] == {"what": "node", "value": None, "of": 980, "failing": 0}
