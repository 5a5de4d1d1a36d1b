# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7: the replication rules in the ConfigMap."""

from __future__ import annotations

import time

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_sides import (
    CONFIGMAP,
    FakeCluster,
    Sides,
    checked,
    minutes_ago,
    recorded,
    source_side,
)

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_document import Unparsable, equal, parse
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.replication_rules import STEP

RULES = """\
replicationRules:
  - name: orders
    enabled: "true"
    source: {cluster: prod, namespace: shop}
    destination: {cluster: dr, namespace: shop}
    schedule: "*/15 * * * *"
    rpo: 1h
    retention: {daily: 7, weekly: 4}
  - name: users
    source: {cluster: prod}
    destination: {cluster: dr}
    schedule: "0 * * * *"
    rpo: 2h
    retention: P30D
"""


def configmap(data, *, changed=600, **more):
    """A ConfigMap whose data changed so many minutes ago."""
    meta = {
        "name": "backup-vault-config",
        "creationTimestamp": minutes_ago(9000),
        "managedFields": [
            {"time": minutes_ago(changed), "fieldsV1": {"f:data": {}}},
            {"time": minutes_ago(1), "fieldsV1": {"f:metadata": {"f:labels": {}}}},
        ],
    }
    return {"metadata": meta, "data": data, **more}


def step(data, *, source=None, **given):
    """Run the step on the data of a ConfigMap (or on a whole one)."""
    found = data if "metadata" in data else configmap(data)
    other = source_side({CONFIGMAP: source if source and "metadata" in source else configmap(source or {})})
    if source is not None:
        given["source"] = {"host": "x"}
    return STEP.gather(checked(STEP, **given), Sides(FakeCluster({CONFIGMAP: found}), other)).evidence


def kinds(evidence):
    """[(kind, rule or path)]"""
    return [(row["kind"], row["rule"] or row["path"]) for row in evidence["problems"]]


# ------------------------------------------------------------------------------------------------------- shapes


def test_the_recorded_configmap():
    evidence = step(recorded("configmap-get"))
    assert evidence["summary"]["format"] == "yaml"
    assert evidence["summary"]["changed_at"] == "2026-11-20T20:55:27Z"
    orders, users, media = evidence["rules"]
    assert (orders["rule"], orders["destination"], orders["interval_s"]) == (
        "orders-primary",
        "orders-dr/eu-west-1/222222222222",
        900.0,
    )
    assert orders["resources"] == ["rds:orders", "ebs:vol-0orders"]
    assert (users["interval_s"], users["retention_s"]) == (3600.0, 35 * 86400.0)  # from the defaults
    assert media["enabled"] is False  # destination: null
    assert kinds(evidence) == [("disabled_rule", "media-primary")]
    assert (evidence["summary"]["rules"], evidence["summary"]["disabled"]) == (3, 1)


def test_one_document_with_a_list_of_rules():
    evidence = step({"config.yaml": RULES})
    assert kinds(evidence) == []
    orders, users = evidence["rules"]
    assert (orders["source"], orders["destination"]) == ("prod/shop", "dr/shop")
    assert (orders["rpo_s"], orders["retention_s"], orders["enabled"]) == (3600.0, 28 * 86400.0, True)
    assert (users["interval_s"], users["retention_s"]) == (3600.0, 30 * 86400.0)


def test_flat_keys_are_one_rule():
    evidence = step(
        {
            "schedule": "0 3 * * *",
            "rpo": "24h",
            "retentionDays": "14",
            "sourceCluster": "prod",
            "destinationCluster": "dr",
        }
    )
    (rule,) = evidence["rules"]
    assert (rule["rule"], rule["source"], rule["destination"]) == ("backup-vault-config", "prod", "dr")
    assert (rule["interval_s"], rule["rpo_s"], rule["retention_s"]) == (86400.0, 86400.0, 14 * 86400.0)
    assert (evidence["summary"]["format"], kinds(evidence)) == ("text", [])


def test_one_document_a_rule():
    rule = "schedule: '0 3 * * *'\ndestination: dr\n"
    evidence = step({"rule-orders.yaml": rule, "rule-users.yaml": rule})
    assert [row["rule"] for row in evidence["rules"]] == ["orders", "users"]


@pytest.mark.parametrize(
    "name, text, form",
    [
        ("rules", '{"rules": [{"name": "a", "destination": "dr"}]}', "json"),
        ("rules.ini", "[a]\nschedule = 0 3 * * *\ndestination = dr\n", "ini"),
        ("rules", "[a]\nschedule = 0 3 * * *\ndestination = dr\n", "ini"),
        ("rules.properties", "# copies\nschedule=0 3 * * *\ndestination=dr\n", "properties"),
        ("rules", "schedule=0 3 * * *\ndestination=dr\n", "properties"),
        ("rules", "rules:\n- {name: a, destination: dr}\n", "yaml"),
        ("rules", "rules: [{name: a}]\nmore: {}\n", "yaml"),
    ],
)
def test_the_format_is_told_by_suffix_or_look(name, text, form):
    assert step({name: text})["summary"]["format"] == form


def test_a_rules_path_finds_rules_of_another_name():
    text = "copy:\n  jobs:\n  - {name: a, destination: dr}\n"
    assert step({"c.yaml": text})["rules"] == []
    assert [row["rule"] for row in step({"c.yaml": text}, rules_path="copy.jobs")["rules"]] == ["a"]


# ---------------------------------------------------------------------------------------------------- unparsable


@pytest.mark.parametrize(
    "name, text, line, column",
    [
        ("c.yaml", "rules:\n\t- name: a\n", 2, 1),
        ("c.yaml", "a: b\nrules: [x\n", 3, 1),
        ("c.json", '{"rules": [\n  {"name": }\n]}', 2, 12),
        ("c.ini", "[a]\nx = 1\n[a]\n", 3, 1),
        ("c.properties", "a=1\nnonsense\n", 2, 1),
    ],
)
def test_what_cannot_be_parsed_is_a_finding_with_its_place(name, text, line, column):
    evidence = step({name: text})
    (problem,) = evidence["problems"]
    assert (evidence["outcome"], problem["kind"], problem["path"]) == ("ok", "unparsable", name)
    assert (problem["line"], problem["column"]) == (line, column)


def test_aliases_that_explode_are_refused_at_once():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    started = time.monotonic()
    (problem,) = step({"c.yaml": bomb})["problems"]
    assert "aliases" in problem["message"] and time.monotonic() - started < 2


def test_a_document_that_holds_itself_is_refused():
    with pytest.raises(Unparsable, match="aliases"):
        parse("a: &a [*a]\n", "yaml")


@pytest.mark.parametrize("text", ["[" * 3000, "a: " + "[" * 900 + "]" * 900])
def test_deep_documents_are_refused(text):
    with pytest.raises(Unparsable):
        parse(text, "yaml")


def test_deep_json_is_refused():
    with pytest.raises(Unparsable):
        parse("[" * 100_000, "json")


def test_a_document_beyond_the_size_of_a_configmap_is_refused():
    with pytest.raises(Unparsable):
        parse("a: " + "x" * 1024 * 1024, "yaml")


def test_yaml_makes_no_objects():
    with pytest.raises(Unparsable):
        parse("!!python/object/apply:os.system [true]", "yaml")


def test_a_key_that_stands_twice_is_said():
    assert kinds(step({"c.yaml": "rpo: 1h\nrpo: 2h\n"})) == [("duplicate_rule", "rpo")]
    assert kinds(step({"c.json": '{"rpo": 1, "rpo": 2}'})) == [("duplicate_rule", "rpo")]


# ------------------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("enabled: false", "disabled_rule"),
        ("suspend: 'yes'", "disabled_rule"),
        ("destination: {cluster: prod}", "same_source_and_destination"),
        ("schedule: 0 3 * *", "schedule_invalid"),
        ("schedule: 99 3 * * *", "schedule_invalid"),
        ("schedule: 0 3 * * *", "interval_exceeds_rpo"),
        ("interval: 2h", "interval_exceeds_rpo"),
        ("retention: 10m", "retention_too_short"),
        ("destination: {cluster: CHANGEME}", "placeholder_value"),
        ("destination: {cluster: '${DR}'}", "placeholder_value"),
        ("destination: {cluster: <cluster>}", "placeholder_value"),
        ("destination: {cluster: 'dr '}", "whitespace"),
    ],
)
def test_a_defect_of_a_rule_is_found(rule, expected):
    base = {"source": "{cluster: prod}", "destination": "{cluster: dr}", "rpo": "1h"}
    name, dummy, value = rule.partition(": ")
    lines = "".join(f"    {key}: {text}\n" for key, text in {**base, name: value}.items())
    assert [kind for kind, dummy in kinds(step({"c.yaml": f"rules:\n  - name: a\n{lines}"}))] == [expected]


@pytest.mark.parametrize(
    "rule",
    [
        "schedule: cron(0 5 ? * * *)",  # another scheduler's
        "schedule: '@hourly'",
        "schedule: 30m",
        "destination: {cluster: prod, namespace: copies}",  # another namespace of the same cluster
        "enabled: 'on'",
        "retention: 1h",
    ],
)
def test_what_is_in_order_is_not_found(rule):
    text = f"rules:\n  - name: a\n    source: {{cluster: prod}}\n    rpo: 1h\n    {rule}\n"
    assert kinds(step({"c.yaml": text})) == []


def test_the_same_vault_name_in_another_account_is_another_place():
    text = "rules:\n- {name: a, source: {vault: v}, destination: {vault: v, account: '2'}}\n"
    assert kinds(step({"c.yaml": text})) == []
    same = text.replace(", account: '2'", "")
    assert kinds(step({"c.yaml": same})) == [("same_source_and_destination", "a")]


def test_a_rule_without_an_rpo_is_held_against_the_caller_s():
    text = "rules:\n- {name: a, destination: dr, interval: 2h}\n"
    assert kinds(step({"c.yaml": text})) == []
    assert kinds(step({"c.yaml": text}, rpo="1h")) == [("interval_exceeds_rpo", "a")]


def test_two_rules_of_one_name_are_one_finding():
    text = "rules:\n- {name: a, destination: dr}\n- {name: a, destination: dr}\n"
    assert kinds(step({"c.yaml": text})) == [("duplicate_rule", "a")]


def test_required_keys_by_path_by_rule_and_by_key():
    wanted = [
        "replicationRules[orders].rpo",
        "replicationRules[0].schedule",
        "replicationRules[*].retention",
        "LOG_LEVEL",
        "config.yaml",
        "replicationRules[users].kms_key",
        "absent",
    ]
    evidence = step({"config.yaml": RULES, "LOG_LEVEL": "info"}, required_keys=wanted)
    assert kinds(evidence) == [("missing_key", "absent"), ("missing_key", "replicationRules[users].kms_key")]


@pytest.mark.parametrize(
    "expected, kind",
    [
        ({"a.flag": True}, None),
        ({"a.flag": False}, "unexpected_value"),
        ({"a.count": 30}, None),
        ({"a.count": True}, "type_mismatch"),
        ({"a.rpo": "P1D"}, None),
        ({"a.rpo": "86400"}, None),
        ({"a.rpo": "12h"}, "unexpected_value"),
        ({"a.size": "1024Mi"}, None),
        ({"a.size": {"min": "2Gi"}}, "unexpected_value"),
        ({"a.rpo": {"duration_max": "24h"}}, None),
        ({"a.rpo": {"duration_max": "23h"}}, "unexpected_value"),
        ({"a.word": {"duration_max": "23h"}}, "type_mismatch"),
        ({"a.word": {"one_of": ["x", "word"]}}, None),
        ({"a.word": {"one_of": ["x"]}}, "unexpected_value"),
        ({"a.word": {"regex": "^w"}}, None),
        ({"a.word": {"regex": "^x"}}, "unexpected_value"),
        ({"a.word": {"absent": True}}, "unexpected_value"),
        ({"a.gone": {"absent": True}}, None),
        ({"a.gone": {"not_empty": True}}, "missing_key"),
        ({"a.empty": {"not_empty": True}}, "unexpected_value"),
        ({"a.count": {"max": 30}}, None),
        ({"a.count": {"max": 29}}, "unexpected_value"),
    ],
)
def test_expected_values_are_compared_after_typing(expected, kind):
    text = "a:\n  flag: 'on'\n  count: '30'\n  rpo: 24h\n  size: 1Gi\n  word: word\n  empty: ''\n"
    found = [row["kind"] for row in step({"c.yaml": text}, expected=expected)["problems"]]
    assert found == ([] if kind is None else [kind])


def test_ten_minutes_are_no_ten_megabytes():
    assert equal("10m", "600s") and not equal("10m", "10M") and equal("10M", 10_000_000)


def test_secret_like_values_are_masked():
    text = "a: {password: hunter22, api_token: tok12345, kms_key: alias/dr}\n"
    wanted = {"a.password": "x", "a.api_token": "y", "a.kms_key": "alias/other"}
    evidence = step({"c.yaml": text}, expected=wanted, source={"c.yaml": text.replace("hunter22", "other999")})
    assert "hunter22" not in str(evidence) and "other999" not in str(evidence) and "tok12345" not in str(evidence)
    [drift] = evidence["drift"]
    assert drift["path"] == '["c.yaml"].a.password'
    assert drift["source"].startswith("********") and drift["destination"].startswith("********")
    assert drift["source"] != drift["destination"]
    assert [row["actual"] for row in evidence["problems"] if row["path"] == "a.kms_key"] == ["alias/dr"]


# ------------------------------------------------------------------------------------------------- two clusters


def test_drift_is_by_rule_and_after_typing():
    other = RULES.replace("rpo: 2h", "rpo: 4h").replace("rpo: 1h", "rpo: 60m")
    blocks = other.split("  - name: ")
    swapped = blocks[0] + "  - name: " + blocks[2] + "  - name: " + blocks[1]
    evidence = step({"config.yaml": RULES}, source={"config.yaml": swapped})
    assert evidence["drift"] == [
        {"path": '["config.yaml"].replicationRules[users].rpo', "source": "4h", "destination": "2h"}
    ]
    assert evidence["summary"]["compared"] is True


def test_keys_that_must_differ_and_ignored_paths_are_no_drift():
    mine = "destinationCluster: dr\ndestination: {cluster: a}\nlimit: 1\nother: {deep: 1}\n"
    theirs = "destinationCluster: prod\ndestination: {cluster: b}\nlimit: 2\nother: {deep: 2}\n"
    evidence = step({"c.yaml": mine}, source={"c.yaml": theirs}, drift_ignore=['["c.yaml"].other'])
    assert [row["path"] for row in evidence["drift"]] == ['["c.yaml"].limit']


def test_a_key_on_one_side_only_is_drift():
    evidence = step({"a": "1"}, source={"b": "1"})
    assert [(row["path"], row["source"], row["destination"]) for row in evidence["drift"]] == [
        ("a", None, "1"),
        ("b", "1", None),
    ]


def test_a_refused_source_is_said_and_is_no_drift():
    source = source_side({CONFIGMAP: ReadFailed("forbidden", "no")})
    sides = Sides(FakeCluster({CONFIGMAP: configmap({"a": "1"})}), source)
    evidence = STEP.gather(checked(STEP, source={"host": "x"}), sides).evidence
    assert (evidence["outcome"], evidence["drift"], evidence["summary"]["compared"]) == ("ok", [], False)
    assert evidence["denied"][0]["what"] == "ConfigMap of the source"


# --------------------------------------------------------------------------------------------------------- jobs


def jobs(*rows, resources=(), outcome="ok", **more):
    """The evidence of step 1."""
    return {"outcome": outcome, "jobs": list(rows), "resources": [{"resource": name} for name in resources], **more}


def job(name, state, started, ended=None, configmaps=()):
    return {
        "job": name,
        "state": state,
        "started_at": minutes_ago(started),
        "ended_at": None if ended is None else minutes_ago(ended),
        "config": {"configmaps": list(configmaps), "secrets": []},
    }


def test_runs_that_may_not_have_seen_the_last_change():
    evidence = step(
        {"config.yaml": RULES},  # changed 600 minutes ago
        jobs=jobs(
            job("still-runs", "running", 700),
            job("failed", "failed", 800, 790),
            job("succeeded", "succeeded", 800, 790),
            job("younger", "running", 500),
            job("reads-another", "running", 700, configmaps=["other"]),
            job("reads-it", "running", 650, configmaps=["backup-vault-config"]),
        ),
    )
    assert [row["job"] for row in evidence["older_runs"]] == ["reads-it", "still-runs", "failed"]
    assert evidence["summary"]["changed_after_start"] == 3
    assert evidence["older_runs"][0]["changed_at"] == minutes_ago(600)


def test_rules_and_jobs_that_do_not_meet():
    assert kinds(step({"config.yaml": RULES}, jobs=jobs(resources=["orders", "media"]))) == [
        ("rule_without_jobs", "users"),
        ("job_without_rule", None),
    ]
    assert kinds(step({"config.yaml": RULES}, jobs=jobs(resources=["orders"], truncated=True))) == []
    assert kinds(step({"config.yaml": RULES}, jobs=jobs(resources=["nightly"]))) == []  # names say nothing here
    assert kinds(step({"config.yaml": RULES}, jobs=jobs(resources=["orders"], outcome="forbidden"))) == []


# ----------------------------------------------------------------------------------------------------- outcomes


@pytest.mark.parametrize("outcome", ["not_found", "forbidden", "unreachable"])
def test_the_outcome_is_that_of_the_read(outcome):
    cluster = FakeCluster({CONFIGMAP: ReadFailed(outcome, "no")})
    assert STEP.gather(checked(STEP), Sides(cluster)).evidence["outcome"] == outcome


def test_a_configmap_without_data_is_empty():
    assert step({})["outcome"] == "empty"


def test_one_request_a_side():
    cluster, source = FakeCluster({CONFIGMAP: configmap({})}), source_side({CONFIGMAP: configmap({})})
    STEP.gather(checked(STEP, source={"host": "x"}), Sides(cluster, source))
    assert [len(side.calls) for side in (cluster, source)] == [1, 1]


def test_an_immutable_configmap_is_said():
    assert step(configmap({"a": "1"}, immutable=True))["summary"]["immutable"] is True


def test_a_named_key_that_is_not_there_is_a_finding():
    evidence = step({"config.yaml": RULES}, key="other.yaml")
    assert (evidence["outcome"], kinds(evidence)) == ("ok", [("missing_key", "other.yaml")])


@pytest.mark.parametrize(
    "given, words",
    [
        ({"format": "toml"}, "format"),
        ({"rpo": "often"}, "rpo"),
        ({"expected": {"a": {"one_of": [1], "maximum": 2}}}, "maximum"),
        ({"expected": {"a": {"regex": "("}}}, "regex"),
        ({"expected": {"a": {"min": "much"}}}, "min"),
        ({"expected": {"a": {"one_of": "x"}}}, "one_of"),
        ({"configmap": "../secrets/x"}, "configmap: '../secrets/x' is no name"),
        ({"jobs": {"jobs": []}}, "jobs:"),
    ],
)
def test_unusable_parameters_are_named_before_anything_is_read(given, words):
    cluster = FakeCluster({CONFIGMAP: configmap({})})
    with pytest.raises(BadParameter) as caught:
        STEP.gather(checked(STEP, **given), Sides(cluster))
    assert words in str(caught.value) and cluster.calls == []
