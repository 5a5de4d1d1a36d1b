# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import classifier_with
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CLUSTER, WORDS
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.expressions import Expression
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rule_files import load_file
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import evaluate
from hypothesis import given, settings
from hypothesis import strategies as st

RULE = """
rules:
  - id: own.rule
    runbook: own
    title: A rule
    severity: warning
    needs: [jobs, logs|job_detail]
    when: jobs.summary.jobs
    values: {n: jobs.summary.jobs}
    explanation: "{n} jobs"
"""


_LEAF = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5))
_NAMES = st.sampled_from(["summary", "resources", "failing", "causes", "state", "rows", "outcome"])
_ANY = st.recursive(_LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)))


@pytest.fixture
def rule(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULE)
    return load_file(str(path), "cluster").rules[0]


def test_a_rule_without_its_step_is_unknown_never_clear(rule):
    result = evaluate(rule, {"jobs": {}}, lambda name: name == "jobs")
    assert (result.state, result.missing) == ("unknown", ("logs|job_detail",))


def test_either_step_meets_an_alternative_need(rule):
    assert evaluate(rule, {"jobs": {}}, lambda name: name in ("jobs", "job_detail")).state == "clear"


def test_what_a_rule_also_sees_by_keeps_it_from_being_clear(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULE.replace("    when:", "    sees: [logs, job_detail]\n    when:"))
    rule = load_file(str(path), "cluster").rules[0]
    assert evaluate(rule, {"jobs": {}}, lambda name: True).state == "clear"
    unseen = evaluate(rule, {"jobs": {}}, lambda name: name != "logs")
    assert (unseen.state, unseen.missing) == ("unknown", ("logs",))
    assert evaluate(rule, {"jobs": {"summary": {"jobs": 7}}}, lambda name: name != "logs").state == "fired"


@pytest.mark.parametrize("kind", engine.KINDS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_without_what_it_needs_no_rule_is_clear(kind, data):
    """Over all rules: whatever else the evidence holds, and whether or not the steps that are left answered."""
    rule = data.draw(st.sampled_from(engine.shipped_rules(kind)).filter(lambda rule: rule.needs or rule.sees))
    need = data.draw(st.sampled_from(rule.needs + rule.sees))
    others = sorted(set(WORDS[kind].steps) - set(need.split("|")))
    answered = data.draw(st.sets(st.sampled_from(others)))
    context = {name: data.draw(_ANY) for name in answered} | {"facts": data.draw(_ANY), "settings": {}, "target": {}}
    result = evaluate(rule, context, lambda name: name in answered)
    assert result.state == "unknown" if need in rule.needs else result.state != "clear"


def test_a_fired_rule_explains_with_values(rule):
    result = evaluate(rule, {"jobs": {"summary": {"jobs": 7}}}, lambda name: True)
    assert (result.state, result.explanation) == ("fired", "7 jobs")


@pytest.mark.parametrize(
    "change, sentence",
    [
        (("title:", "titel:"), r"rules.yml: rule own.rule: unknown key 'titel'"),
        (("severity: warning", "severity: bad"), r"rule own.rule: severity must be one of"),
        (("when: jobs.summary.jobs", "when: 'jobs['"), r"rule own.rule: when: 'jobs\[' is no JMESPath"),
        (("{n: jobs.summary.jobs}", "{m: jobs.summary.jobs}"), r"explanation uses \{n\}, which values does not define"),
        (("rules:", "regeln:"), r"unknown key 'regeln'; a rule file has rules, signatures, accepted and thresholds"),
        (("rules:\n", "rules: 7\nx:\n"), r"unknown key 'x'"),
        (("rules:", "rules: ["), r"is not valid YAML"),
        (("    runbook: own\n", ""), r"the key 'runbook' is missing"),
        ((RULE, ""), r"the rule file is empty; give it rules, signatures"),
        ((RULE, "thresholds: [1]"), r"what stands under the key thresholds must be a mapping of names to numbers"),
        ((RULE, "accepted: [{until: 2026-02-30}]"), r"is not valid YAML: day is out of range"),
        ((RULE, "thresholds: {clock_skew_s: " + "9" * 5000 + "}"), r"is not valid YAML"),
        (("id: own.rule", "id: null"), r"rule 1: the key 'id' is missing"),
        (("rules:", "rules: []\nrules:"), r"is not valid YAML: the key 'rules' stands there twice"),
        (("title: A rule", "title: A rule\n    title: B"), r"is not valid YAML: the key 'title' stands there twice"),
        ((RULE, "[a]"), r"rules.yml: it is no mapping; a rule file has rules, signatures"),
        (("id: own.rule", "id: [own.a]"), r"id must be a text of one line"),
        (("id: own.rule", 'id: "a\\nb"'), r"id must be a text of one line"),
        (("id: own.rule", 'id: " "'), r"id must be a text of one line"),
        (("title: A rule", "title: [x]"), r"rule own.rule: title must be a text of one line"),
        (('"{n} jobs"', "[x]"), r"rule own.rule: explanation must be a text"),
        (("    needs:", "    next_steps: [{text: [a]}]\n    needs:"), r"what a next step says must be texts"),
        (("when: jobs.summary.jobs", "when: [a]"), r"rule own.rule: when: it must be a text, one JMESPath expression"),
        (("when: jobs.summary.jobs", "when: true"), r"rule own.rule: when: it must be a text"),
        (("when: jobs.summary.jobs", "when: " + "(" * 3000), r"rule own.rule: when: '\({200}...' is nested too deeply"),
        (("when: jobs.summary.jobs", "when: '" + "!" * 150 + "jobs'"), r"rule own.rule: when: '!{150}jobs' is nested too deeply"),
        (("when: jobs.summary.jobs", "when: nofunc(jobs)"), r"when: 'nofunc\(jobs\)' calls nofunc\(\), which JMESPath does not have"),
        (("when: jobs.summary.jobs", "when: 'jbos.jobs[?a].b'"), r"begins with 'jbos'; an expression begins with one of jobs, .*, target\.$"),
        (("when: jobs.summary.jobs", "when: 'length(target.a || nope)'"), r"begins with 'nope'"),
        (("{n: jobs.summary.jobs}", "{n: jbos.summary}"), r"values.n: 'jbos.summary' begins with 'jbos'"),
        ((RULE, "signatures: {a: 1}"), r"what stands under the key signatures must be a list"),
    ],
)
def test_a_bad_rule_file_gets_one_sentence(tmp_path, change, sentence):
    path = tmp_path / "rules.yml"
    path.write_text(RULE.replace(*change))
    with pytest.raises(RuleError, match=sentence) as caught:
        load_file(str(path), "cluster")
    assert "\n" not in str(caught.value)


def test_a_missing_rule_file_is_named():
    with pytest.raises(RuleError, match="/nowhere.yml: the rule file cannot be read"):
        load_file("/nowhere.yml", "cluster")


@pytest.mark.parametrize("kind", engine.KINDS)
def test_expressions_of_shipped_rules_are_jmespath(kind):
    """They are compiled when they are asked, so that a run would meet a wrong one only where its rule fires."""
    for rule in engine.shipped_rules(kind):
        for expression in rule.expressions():
            expression.check(WORDS[kind].steps)


@pytest.mark.parametrize("text", ["jobs.jobs[?failed].{a: name, b: c} | [0].d", "sort_by(jobs.a, &b)", "[jobs, facts.x]", "@.jobs", "jobs.*.a[1:2][]"])
def test_what_is_asked_of_a_part_may_be_called_anything(text):
    Expression(text, "rule").check(CLUSTER.steps)


def test_shipped_rules_name_known_steps_and_causes():
    causes = classifier_with().causes
    for rule in engine.shipped_rules("cluster"):
        assert rule.cause is None or rule.cause in causes, rule.id
        for need in rule.needs:
            assert set(need.split("|")) <= set(CLUSTER.steps), rule.id


def test_every_paragraph_of_the_runbook_has_rules():
    told = {reference for rule in engine.shipped_rules("cluster") for reference in rule.runbook}
    assert {f"cluster/diagnosis/{number}" for number in range(1, 7)} <= told


def test_without_evidence_every_rule_is_unknown():
    bundle = {"target": {"kind": "cluster"}, "evidence": {}}
    diagnosis = engine.diagnose(bundle)
    assert {finding["state"] for finding in diagnosis["findings"]} == {"unknown"}
    assert diagnosis["status"] == "inconclusive" and diagnosis["root_cause"] is None
    assert diagnosis["dr_readiness"]["verdict"] == "unknown"


def test_next_steps_keep_no_placeholder():
    for cause in classifier_with().causes.values():
        for item in cause.next_steps:
            known = set(re.findall(r"\{([a-z_]+)\}", " ".join(item.values())))
            assert known <= {
                "namespace", "job", "pod", "resource", "configmap", "destination", "source",
                "destination_context", "source_context",
            }, cause.id  # fmt: skip


@pytest.mark.parametrize(
    "change, sentence",
    [
        (('"{n} jobs"', '"{n jobs"'), "a brace that opens or closes nothing"),
        (('"{n} jobs"', '"{n:.1f} jobs"'), "plain {names} only"),
        (("needs: [jobs, logs|job_detail]", "needs: [jbos]"), "needs names 'jbos'"),
        (("    needs:", "    cause: [a]\n    needs:"), "cause must be the id of one cause"),
    ],
)
def test_more_that_a_rule_must_not_be(tmp_path, change, sentence):
    path = tmp_path / "rules.yml"
    path.write_text(RULE.replace(*change))
    with pytest.raises(RuleError, match=sentence):
        load_file(str(path), "cluster")


def test_a_condition_that_cannot_be_evaluated_is_unknown(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULE.replace("when: jobs.summary.jobs", "when: length(jobs.summary.jobs)"))
    result = evaluate(load_file(str(path), "cluster").rules[0], {"jobs": {"summary": {"jobs": 7}}}, lambda name: True)
    assert result.state == "unknown"
