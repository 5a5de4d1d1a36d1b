# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import kind_of, shipped_rules

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "rules_table.py"


def _script():
    spec = importlib.util.spec_from_file_location("rules_table", SCRIPT)
    module = sys.modules["rules_table"] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


TABLES = {table.kind: table for table in _script().TABLES}


@pytest.mark.parametrize("kind", TABLES)
def test_the_page_is_current(kind):
    table = TABLES[kind]
    assert table.path.read_text(encoding="utf-8") == _script().page(table), "run python tests/tools/rules_table.py"


def _runbook(kind):
    return yaml.safe_load(_script().RUNBOOKS.read_text(encoding="utf-8"))[kind]


@pytest.mark.parametrize("kind", TABLES)
def test_each_step_has_a_module_and_its_evidence(kind):
    modules = {path.stem for path in (SCRIPT.parents[2] / "plugins" / "modules").glob("*.py")}
    steps = _runbook(kind)["steps"]
    assert [number for number, *dummy in steps] == list(range(1, 9))
    told = [pair for dummy, dummy, read in steps for pair in read]
    assert told and {module for module, dummy in told} <= modules
    assert {key for dummy, key in told} == set(kind_of(kind).words.steps)


@pytest.mark.parametrize("kind", TABLES)
def test_each_sentence_is_proven_to_fire_to_stay_clear_and_to_be_unknown(kind):
    known = {rule.id for rule in shipped_rules(kind)}
    stated = {state: set(_script().stated_in(TABLES[kind], state)) for state in _script().STATES}
    missing = [
        (says, state)
        for dummy, says, rules in _runbook(kind)["sentences"]
        for state, proven in stated.items()
        if not proven & set(rules)
    ]
    assert missing == []
    assert {rule for dummy, dummy, rules in _runbook(kind)["sentences"] for rule in rules} <= known
    assert set.union(*stated.values()) <= known


def test_each_rule_of_clusters_is_proven_to_fire_to_stay_clear_and_to_be_unknown():
    """Those of Regions are by the stories of test_region_rules.py."""
    known = {rule.id for rule in shipped_rules("cluster")}
    for state in _script().STATES:
        assert known - set(_script().stated_in(TABLES["cluster"], state)) == set(), state


@pytest.mark.parametrize("kind", TABLES)
def test_each_paragraph_has_sentences(kind):
    assert {number for number, *dummy in _runbook(kind)["sentences"]} == set(range(1, 7))


def test_both_runbooks_have_a_page():
    assert set(TABLES) == {"cluster", "region"}
