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


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"cluster_sync_source": "context=eu-west"}, "cluster_sync_source: it is no dictionary; write it as JSON"),
        ({"cluster_sync_rule_files": "/etc/rules.yml"}, "cluster_sync_rule_files: it is no list"),
        ({"cluster_sync_name": {"a": 1}}, "cluster_sync_name: it is no text"),
        ({"cluster_sync_name": "prod", "names_of_others": ["prod"]}, "two pairs of this run are called 'prod'"),
    ],
)
def test_what_has_the_wrong_shape_is_named_before_anything_is_read(changes, sentence):
    problems = cluster_settings({"cluster_sync_namespace": "backup", **changes})["problems"]
    assert len(problems) == 1 and sentence in problems[0]
