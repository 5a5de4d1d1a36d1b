# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings import cluster_settings

GOOD = {"cluster_sync_namespace": "backup", "cluster_sync_rpo": "24h", "cluster_sync_window": "1d"}


def test_durations_become_seconds():
    assert cluster_settings(dict(GOOD, cluster_sync_expected_window="")) == {
        "problems": [],
        "settings": {"rpo_s": 86400, "expected_window_s": None, "window_s": 86400},
    }


@pytest.mark.parametrize(
    "variable, value",
    [
        ("cluster_sync_namespace", ""),
        ("cluster_sync_namespace", None),
        ("cluster_sync_namespace", "  "),
        ("cluster_sync_rpo", "soon"),
        ("cluster_sync_rpo", "-1h"),
        ("cluster_sync_rpo", "0"),
        ("cluster_sync_window", "900d"),
        ("cluster_sync_expected_window", "1 fortnight"),
        ("cluster_sync_rule_files", ["/nowhere.yml"]),
    ],
)
def test_a_bad_variable_gets_one_sentence_that_names_it(variable, value):
    problems = cluster_settings({**GOOD, variable: value})["problems"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{variable}: ")
    assert "\n" not in problems[0]


def test_every_bad_variable_is_told_at_once():
    assert len(cluster_settings({"cluster_sync_rpo": "x", "cluster_sync_window": "y"})["problems"]) == 3
