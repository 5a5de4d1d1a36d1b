# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thresholds: each decides something, can be set in a file, and is refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import KINDS, diagnose
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rule_files import load_file
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.supposed import SuppositionError
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import own_values, thresholds_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import fail, healthy
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_region_facts import jobs, rated
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle


@pytest.fixture
def setting(tmp_path):
    """Writes a file of thresholds, and gives its path."""

    def write(**values):
        path = tmp_path / "own.yml"
        path.write_text(yaml.safe_dump({"thresholds": values}))
        return str(path)

    return write


def state(diagnosis, rule):
    return next(row["state"] for row in diagnosis["findings"] if row["rule"] == rule)


def skewed():
    bundle = failing_bundle()
    bundle["evidence"]["copy_lag"]["summary"] = {"skew_s": -20.0, "skew_error_s": 0.5}
    return bundle


def remembering_five():
    bundle = failing_bundle()
    bundle["evidence"]["jobs"]["summary"]["horizon"] = {"successful_limit": 5, "failed_limit": 1}
    return bundle


def filled():
    bundle = healthy()
    bundle["evidence"]["vaults"]["destination"].update(points=800, points_quota=1000, points_share=0.8)
    return bundle


def running():
    bundle = healthy()
    bundle["evidence"]["copy_jobs"]["summary"]["by_state"] = {"RUNNING": 60}
    return bundle


# By threshold: evidence, a value other than the shipped one, the rule that it decides, its state before and after.
RULES = {
    "clock_skew_s": (skewed, 15, "cluster.x.clock_skew", ("clear", "fired")),
    "short_history": (remembering_five, 5, "cluster.x.short_memory", ("clear", "fired")),
    "vault_points_share": (filled, 0.75, "region.6.capacity", ("clear", "fired")),
    "running_copies": (running, 60, "region.6.concurrency", ("clear", "fired")),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_goes_by_the_files_threshold(setting, name):
    bundle, value, rule, expected = RULES[name]
    states = (state(diagnose(bundle()), rule), state(diagnose(bundle(), rule_files=[setting(**{name: value})]), rule))
    assert states == expected


@pytest.mark.parametrize(
    "name, value, slots, expected",
    [
        ("pattern_least", 11, [(2, 12, 10), (8, 12, 0), (20, 12, 0)], ("periodic", "unknown")),
        ("pattern_significance", 1e-6, [(2, 12, 5), (8, 12, 0), (20, 12, 0)], ("periodic", "random")),
        ("pattern_times", 1, [(2, 12, 12), (8, 12, 7)], ("random", "periodic")),
    ],
)
def test_hours_go_by_the_files_thresholds(setting, name, value, slots, expected):
    def verdict(rule_files):
        bundle = fail(healthy(), "Internal Failure", "users", times=1)
        bundle["evidence"]["copy_jobs"].update(jobs(slots, days=12)["copy_jobs"])
        return diagnose(bundle, rule_files=rule_files)["pattern"]["verdict"]

    assert (verdict([]), verdict([setting(**{name: value})])) == expected


def test_the_least_runs_of_a_rate_that_speaks_for_all(setting):
    bundle = rated(fail(healthy(), "Rate exceeded", "orders"), 12, 16, ["EBS"], 9)
    bundle["evidence"]["copy_jobs"]["summary"]["resources"] = 60
    scopes = [diagnose(bundle, rule_files=files)["scope"]["verdict"] for files in ([], [setting(least_runs=10)])]
    assert scopes == ["specific", "systemic"]


def test_every_threshold_is_proven_here():
    told = {*RULES, "pattern_least", "pattern_significance", "pattern_times", "least_runs"}
    assert told == {name for kind in KINDS for name in thresholds_of(kind)}


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_values_can_be_set(kind, setting):
    values = {name: row.value for name, row in thresholds_of(kind).items()}
    assert load_file(setting(**values), kind).thresholds == values


def test_documented_with_their_values():
    page = Path(CATALOGUE).parents[3] / "docs" / "rules.md"
    lines = page.read_text().splitlines()
    for kind in KINDS:
        for row in thresholds_of(kind).values():
            assert [line for line in lines if line.startswith(f"| `{row.name}` | {row.value:g} | {row.least:g} to {row.most:g} |")], row


@pytest.mark.parametrize(
    "kind, values, sentence",
    [
        ("cluster", {"clock_skew": 5}, r"own.yml: threshold clock_skew: there is none of this name for targets of kind cluster; known: clock_skew_s"),
        ("region", {"clock_skew_s": 5}, "there is none of this name for targets of kind region"),
        ("cluster", {"clock_skew_s": "5 s"}, "own.yml: threshold clock_skew_s: '5 s' cannot be used; give a number from 1 to 3600"),
        ("cluster", {"clock_skew_s": 0}, "'0' cannot be used; give a number from 1 to 3600"),
        ("cluster", {"clock_skew_s": True}, "'True' cannot be used"),
        ("cluster", {"clock_skew_s": float("nan")}, "'nan' cannot be used"),
        ("cluster", {"pattern_least": 2.5}, "'2.5' cannot be used; give a whole number from 2 to 1000"),
        ("region", {7: 1}, "threshold 7: there is none of this name"),
        ("cluster", {"clock_skew_s": 16**5000}, "what is given cannot be used; give a number from 1 to 3600"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(kind, values, sentence):
    with pytest.raises(RuleError, match=sentence) as caught:
        own_values(values, "own.yml", kind)
    assert "\n" not in str(caught.value)


def test_a_threshold_can_be_supposed():
    supposing = {"settings.thresholds.clock_skew_s": 15}
    assert state(diagnose(skewed(), supposing=supposing), "cluster.x.clock_skew") == "fired"
    with pytest.raises(SuppositionError, match="nowhere in this evidence"):
        diagnose(skewed(), supposing={"settings.thresholds.nope": 15})


@pytest.mark.parametrize("value", [None, 0, -1, float("nan"), 1e300, "3"])
def test_what_is_supposed_of_a_threshold_keeps_to_its_bounds(value):
    with pytest.raises(SuppositionError, match="supposing: threshold pattern_least: .* cannot be used; give a whole number"):
        diagnose(skewed(), supposing={"settings.thresholds.pattern_least": value})
