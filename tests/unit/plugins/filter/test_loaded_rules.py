# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter loaded_rules: what is loaded, from where, and one sentence for what cannot be used."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.sre.backup_sync.plugins.filter.loaded_rules import loaded_rules

RULE = {"id": "own.rule", "runbook": "own", "title": "A rule", "severity": "info", "needs": [], "when": "jobs", "explanation": "x"}
ENTRY = {"rule": "own.rule", "owner": "a", "reason": "b", "until": "2026-12-31", "targets": ["prod"], "resources": ["orders"]}


@pytest.fixture
def written(tmp_path):
    """Writes a rule file, and gives its path."""

    def write(**lists):
        path = tmp_path / "own.yml"
        path.write_text(yaml.safe_dump(lists))
        return str(path)

    return write


@pytest.mark.parametrize("kind", ["cluster", "region"])
def test_without_files_all_are_shipped(kind):
    told = loaded_rules([], kind)
    assert len(told["rules"]) > 40 and told["accepted"] == []
    assert {row["from"] for row in told["rules"]} == {"shipped"}


def test_own_rules_are_told_apart_from_those_that_replace_shipped_ones(written):
    path = written(rules=[RULE, {**RULE, "id": "cluster.1.jobs_failed"}], accepted=[ENTRY])
    told = loaded_rules([path], "cluster")
    own = {row["rule"]: row["replaces"] for row in told["rules"] if row["from"] == path}
    assert own == {"own.rule": False, "cluster.1.jobs_failed": True}
    assert told["accepted"] == [{**ENTRY, "from": path}]
    assert len(told["rules"]) == len(loaded_rules([], "cluster")["rules"]) + 1


def test_own_signatures_and_thresholds_are_told(written):
    signature = {"id": "own.a", "pattern": "Jam", "sample": "a jam", "cause": "throttling", "fix": "Wait."}
    path = written(signatures=[signature], thresholds={"clock_skew_s": 5})
    told = loaded_rules([path], "cluster")
    row = {name: signature[name] for name in ("pattern", "cause", "fix")}
    assert told["signatures"] == [{"signature": "own.a", **row, "from": path}]
    thresholds = {row["threshold"]: (row["value"], row["shipped"], row["from"]) for row in told["thresholds"]}
    assert thresholds.pop("clock_skew_s") == (5, 30, path)
    assert thresholds and all(value == shipped and file == "shipped" for value, shipped, file in thresholds.values())


@pytest.mark.parametrize(
    "files, kind, sentence",
    [
        ("own.yml", "cluster", "must be a list of paths"),
        ([], "tape", "kind is 'tape'; give cluster or region"),
        (["/nowhere.yml"], "cluster", "/nowhere.yml: the rule file cannot be read"),
    ],
)
def test_what_it_cannot_use_gets_one_sentence(files, kind, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        loaded_rules(files, kind)


def test_null_is_no_file():
    assert loaded_rules(None, "cluster") == loaded_rules([], "cluster")


def test_an_accepted_finding_of_no_rule_is_refused(written):
    with pytest.raises(AnsibleFilterError, match="own.yml: accepted own.other: there is no rule of this id"):
        loaded_rules([written(accepted=[{**ENTRY, "rule": "own.other"}])])
