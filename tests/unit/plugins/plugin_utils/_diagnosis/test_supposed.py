# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What if a fact were another: places, values, and the two verdicts."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.supposed import (
    SuppositionError,
    compared,
    derived,
    gathered,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

EVIDENCE = {
    "keys": {
        "keys": [{"arn": "a", "state": "Disabled", "uses": 0}, {"arn": "b", "state": "Enabled"}],
        "deep": [[{"n": 1}, {"n": 2}], [{"n": 3}]],
        "summary": {"unusable": 1, "none": None},
    }
}


@pytest.mark.parametrize(
    "place, path, new",
    [
        ("keys.summary.unusable", ["keys", "summary", "unusable"], 0),
        ("keys.summary.none", ["keys", "summary", "none"], {"any": "thing"}),
        ("keys.summary", ["keys", "summary"], None),
        ("keys.keys[1].state", ["keys", "keys", 1, "state"], "x"),
        ("keys.keys[-1].state", ["keys", "keys", 1, "state"], "x"),
        ("keys.keys[?arn=='b'].state", ["keys", "keys", 1, "state"], "x"),
        ("keys.keys[?state!='Enabled' && arn].state", ["keys", "keys", 0, "state"], "x"),
        ("keys.keys[?uses].state", ["keys", "keys", 0, "state"], "x"),
        ("keys.keys[0]", ["keys", "keys", 0], {}),
        ("keys.deep[1][0].n", ["keys", "deep", 1, 0, "n"], 7.5),
        ("settings.rpo_s", ["settings", "rpo_s"], 7200),
        ('keys."summary"', ["keys", "summary"], {}),
    ],
)
def test_a_place_is_changed_and_nothing_else(place, path, new):
    document = {**EVIDENCE, "settings": {"rpo_s": 60}}
    expected = copy.deepcopy(document)
    holder = expected
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = new
    evidence, settings = gathered(EVIDENCE, {"rpo_s": 60}, {place: new})
    assert {**evidence, "settings": settings} == expected
    assert EVIDENCE["keys"]["keys"][1] == {"arn": "b", "state": "Enabled"}  # what was handed in stays


def test_all_that_a_place_leads_to_is_changed():
    evidence, dummy = gathered(EVIDENCE, {}, {"keys.keys[*].state": "Enabled", "keys.deep[*][*].n": 0})
    assert [row["state"] for row in evidence["keys"]["keys"]] == ["Enabled", "Enabled"]
    assert evidence["keys"]["deep"] == [[{"n": 0}, {"n": 0}], [{"n": 0}]]


@pytest.mark.parametrize(
    "place, sentence",
    [
        ("keys.keyz", "'keys.keyz' is nowhere in this evidence; name a step and its members"),
        ("keys.keys[7].state", "is nowhere in this evidence"),
        ("keys.keys[?arn=='z'].state", "is nowhere in this evidence"),
        ("keys.summary[0]", "is nowhere in this evidence"),
        ("keys.keys[", "is no JMESPath expression that can be looked up"),
        ("", "is no JMESPath expression"),
        ("length(keys.keys)", "only members, [number], [*] and [?condition] lead to a place"),
        ("keys.{a: keys}", "only members, [number]"),
        ("keys.keys[].state", "only members, [number]"),
        ("keys.keys[0:1].state", "only members, [number]"),
    ],
)
def test_a_place_that_cannot_be_changed_is_refused(place, sentence):
    with pytest.raises(SuppositionError) as refused:
        gathered(EVIDENCE, {}, {place: 1})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "place, value, sentence",
    [
        ("keys.keys[0].state", ["x"], "'keys.keys[0].state' holds a text, and the value given for it is a list; give a text."),
        ("keys.keys", "x", "holds a list, and the value given for it is a text; give a list."),
        ("settings.rpo_s", "2h", "holds a number, and the value given for it is a text; give a number."),
        ("keys.summary.unusable", True, "holds a number, and the value given for it is a boolean"),
        ("settings.window_s", 60, "bears on the gathering alone; of the settings only settings.rpo_s and those of settings.thresholds"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(place, value, sentence):
    with pytest.raises(SuppositionError) as refused:
        gathered(EVIDENCE, {"rpo_s": 60.0, "window_s": 60.0}, {place: value})
    assert sentence in str(refused.value)


def test_facts_and_evidence_do_not_get_mixed_up():
    facts = {"failing": ["orders"]}
    supposing = {"facts.failing": [], "keys.summary.unusable": 0}
    assert derived(facts, supposing) == {"failing": []} and facts == {"failing": ["orders"]}
    assert gathered(EVIDENCE, {}, supposing)[0]["keys"]["summary"]["unusable"] == 0
    with pytest.raises(SuppositionError):
        derived(facts, {"facts.falling": []})


def test_the_verdict_before_and_after():
    bundle = failing_bundle()
    before = diagnose(bundle)
    supposing = {
        "jobs.resources[*].state": "succeeded",
        "jobs.jobs[*].state": "succeeded",
        "recovery_points.resources[*].verdict": "matched",
        "recovery_points.resources[*].exposure_s": 600,
    }
    told = compared(before, diagnose(bundle, supposing=supposing))
    assert told["before"]["status"] == "failing" and told["before"]["cause"] == "network_dns"
    assert told["after"]["status"] != "failing" and told["after"]["cause"] is None
    assert {"rule": "cluster.1.jobs_failed", "before": "fired", "after": "clear"} in told["findings"]
    assert diagnose(bundle) == before


def test_a_changed_setting_changes_readiness_alone():
    bundle = failing_bundle()
    told = compared(diagnose(bundle), diagnose(bundle, supposing={"settings.rpo_s": 86400}))
    assert (told["before"]["dr_readiness"], told["after"]["dr_readiness"]) == ("not_ready", "ready")
    assert told["before"]["status"] == told["after"]["status"] == "failing"
