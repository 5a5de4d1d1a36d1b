# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.metrics import STEP
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings import cluster
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.cluster import cluster_settings

GOOD = {"cluster_sync_namespace": "backup", "cluster_sync_rpo": "24h", "cluster_sync_window": "1d"}
CUSTOM = {
    "kind": "custom",
    "group": "velero.io",
    "version": "v1",
    "plural": "backups",
    "point_in_time": "status.startTimestamp",
    "completed": "status.completionTimestamp",
}


def test_durations_become_seconds():
    assert cluster_settings(dict(GOOD, cluster_sync_expected_window="")) == {
        "problems": [],
        "warnings": [],
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


def test_rule_files_are_judged_together(tmp_path):
    rule = {"id": "own.rule", "runbook": "own", "title": "A", "severity": "info", "needs": [], "when": "jobs", "explanation": "x"}
    known = {"rule": "own.rule", "owner": "a", "reason": "b", "until": "2026-12-31"}
    contents = {"a.yml": {"rules": [rule]}, "b.yml": {"accepted": [known]}, "c.yml": {"x": []}, "d.yml": {"y": []}}
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))

    def problems(*names):
        return cluster_settings({**GOOD, "cluster_sync_rule_files": [str(tmp_path / name) for name in names]})["problems"]

    assert problems("a.yml", "b.yml") == []
    assert "there is no rule of this id" in problems("b.yml")[0]
    [both] = problems("a.yml", "c.yml", "d.yml")
    assert "unknown key 'x'" in both and "unknown key 'y'" in both  # all that is wrong, not the first alone


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"cluster_sync_source": "context=eu-west"}, "cluster_sync_source: it is no dictionary but a text; write"),
        ({"cluster_sync_rule_files": "/etc/rules.yml"}, "cluster_sync_rule_files: it is no list but a text"),
        ({"cluster_sync_required_keys": "text"}, "cluster_sync_required_keys: it is no list but a text"),
        ({"cluster_sync_required_keys": ["a", {"b": 1}]}, "cluster_sync_required_keys[1]: it is no text"),
        ({"cluster_sync_name": {"a": 1}}, "cluster_sync_name: it is no text but a dictionary"),
        ({"cluster_sync_name": "prod", "names_of_others": ["prod"]}, "two pairs of this run are called 'prod'"),
        ({"cluster_sync_alert": ["a"]}, "cluster_sync_alert: it is no text but a list"),
        ({"cluster_sync_alert": True}, "cluster_sync_alert: it is no text but a boolean; give one text, in quotes"),
        ({"cluster_sync_label_selector": {"app": "x"}}, "cluster_sync_label_selector: it is no text but a dict"),
        ({"cluster_sync_namespace": ["backup"]}, "cluster_sync_namespace: it is no text but a list"),
        ({"cluster_sync_configmap": ["a"]}, "cluster_sync_configmap: it is no text but a list"),
        ({"cluster_sync_step_options": ["a"]}, "cluster_sync_step_options: it is no dictionary but a list"),
        ({"cluster_sync_step_options": {"log": {}}}, "options.log: there is no such option; give logs."),
        ({"cluster_sync_expected": ["a"]}, "cluster_sync_expected: it is no dictionary but a list"),
        ({"backup_sync_in_process": ["a"]}, "backup_sync_in_process: it is no boolean but a list"),
        ({"cluster_sync_source": {"contxt": "a"}}, "source.contxt: there is no such option; give context."),
        ({"cluster_sync_source": {"api_key": ["s3cr3t"]}}, "cluster_sync_source.api_key: it is no text but a list"),
        ({"cluster_sync_destination": {"timeout": "long"}}, "destination.timeout: it is no number but a text"),
        ({"cluster_sync_copy_side": "left"}, "cluster_sync_copy_side: it cannot be 'left'; give "),
        ({"cluster_sync_on_error": "stop"}, "cluster_sync_on_error: it cannot be 'stop'; give report or fail."),
        ({"cluster_sync_fail_on": "x"}, "it cannot be 'x'; give never, failing, lagging or unknown."),
        ({"cluster_sync_namespace": "Backup"}, "cluster_sync_namespace: 'Backup' is no namespace; it has small"),
        ({"cluster_sync_namespace": "a.b"}, "cluster_sync_namespace: 'a.b' is no namespace"),
        ({"cluster_sync_source_namespace": "-a"}, "cluster_sync_source_namespace: '-a' is no namespace"),
        ({"cluster_sync_configmap": "a/b"}, "cluster_sync_configmap: 'a/b' is no name of an object"),
        ({"cluster_sync_job_name": "x..y"}, "cluster_sync_job_name: 'x..y' is no name of an object"),
        ({"cluster_sync_job_name": "x" * 254}, "and has at most 253 characters."),
        ({"cluster_sync_label_selector": "app in (a"}, "cluster_sync_label_selector: 'app in (a' is no label"),
        ({"cluster_sync_expected": {"a": {"min": "x"}}}, "cluster_sync_expected: a: min 'x' is no number"),
        ({"cluster_sync_window": "5m"}, "outside what can be asked; give a duration from 10 min"),
        ({"cluster_sync_source_backups": {"kind": "tape"}}, "source_backups.kind: it cannot be 'tape'; give"),
        ({"cluster_sync_source_backups": {"kin": "job"}}, "source_backups.kin: there is no such option; give kind."),
        ({"cluster_sync_source": {"timeout": -1}}, "cluster_sync_source.timeout: -1 is no time to wait; give seconds"),
        ({"cluster_sync_destination": {"host": "dr:6443"}}, "cluster_sync_destination.host: 'dr:6443' is no address"),
        ({"cluster_sync_window": 24}, "24 is outside what can be asked; give a duration from 10 min to 31 d. A bare"),
        ({"cluster_sync_prometheus": {"promtheus_url": "x"}}, "promtheus_url: there is no such option; give prometheus_url."),
        ({"cluster_sync_prometheus": {"x": "y"}}, "there is no such option; give one that the role's documentation lists."),
        ({"cluster_sync_prometheus": {"prometheus_url": "prom:9090"}}, "prometheus.prometheus_url: it must be an address"),
        ({"cluster_sync_prometheus": {"prometheus_service": {"name": "p"}}}, "service.namespace: it is missing; give it."),
        ({"cluster_sync_prometheus": {"prometheus_username": "u"}}, "prometheus_password belong together; give both."),
        ({"cluster_sync_prometheus": {"prometheus_client_key": "k"}}, "client_key: it needs prometheus_client_cert; give both"),
        ({"cluster_sync_prometheus": {"max_rows": 2.5}}, "max_rows: it is no whole number but a number; give a whole"),
        (
            {"cluster_sync_prometheus": {"prometheus_url": "http://a", "prometheus_service": {"namespace": "a", "name": "b"}}},
            "cluster_sync_prometheus.prometheus_url: it excludes prometheus_service; give one of them.",
        ),
        (
            {"cluster_sync_recovery_points": {"label_selector": "a in (b"}},
            "cluster_sync_recovery_points.label_selector: 'a in (b' is no label selector",
        ),
        (
            {"cluster_sync_recovery_points": dict(CUSTOM, identity="metadata[")},
            "cluster_sync_recovery_points.identity: 'metadata[' is not a JMESPath expression",
        ),
        (
            {"cluster_sync_source_backups": dict(CUSTOM, plural="a/b")},
            "cluster_sync_source_backups.plural: 'a/b' cannot be part of an API path",
        ),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_read(changes, sentence):
    problems = cluster_settings({"cluster_sync_namespace": "backup", **changes})["problems"]
    assert len(problems) == 1 and sentence in problems[0], problems
    assert "s3cr3t" not in problems[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster_sync_namespace": 2024},
        {"cluster_sync_rpo": 3600},
        {"cluster_sync_alert": 7},
        {"cluster_sync_source": None, "cluster_sync_prometheus": "", "cluster_sync_required_keys": None},
        {"cluster_sync_source": {"context": "a", "validate_certs": "no", "timeout": "2.5", "kubeconfig": {"a": "b"}}},
        {"cluster_sync_configmap": "backup.vault-config", "cluster_sync_label_selector": "tier in (a,b),!old"},
        {"cluster_sync_source_backups": CUSTOM, "cluster_sync_expected": {"a": {"min": 1}}},
        {"cluster_sync_step_options": {"logs": {"max_rows": 1}}, "backup_sync_in_process": "false"},
        {"cluster_sync_name": "backup", "cluster_sync_source_namespace": "backup"},
        {"cluster_sync_source": {"verify_ssl": False, "ssl_ca_cert": "ca.pem"}},
    ],
)
def test_what_can_be_used_is_not_refused(changes):
    assert cluster_settings({**GOOD, **changes})["problems"] == []


def test_a_misspelt_variable_is_warned_of_and_somebody_elses_is_not():
    given = ["cluster_sync_rpoo", "cluster_sync_rop", "cluster_sync_RPO", "cluster_sync_namespace", "cluster_sync_team", "cluster_sync_source_namespace"]
    found = cluster_settings({**GOOD, "names_given": given})
    assert found["problems"] == []
    assert found["warnings"] == [
        f"cluster_sync_{name} is no variable of the role cluster_sync and changes nothing; did you mean cluster_sync_rpo?"
        for name in ("RPO", "rop", "rpoo")
    ]


def test_the_metrics_options_of_the_role_are_those_of_the_step():
    """But for the window, which the role sets."""
    folder = Path(cluster.__file__).parents[3] / "roles" / "cluster_sync"
    options = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert set(options["cluster_sync_prometheus"]["options"]) == set(STEP.argument_spec) - {"window"}


def test_what_defaults_to_the_namespace_is_not_told_again():
    same = ["a"]
    variables = {
        "cluster_sync_namespace": same,
        "cluster_sync_source_namespace": same,
        "cluster_sync_name": same,
    }
    assert len(cluster_settings(variables)["problems"]) == 1


@pytest.mark.parametrize("role", ["cluster_sync", "region_sync"])
def test_every_variable_of_the_role_is_looked_at(role):
    """The role hands over each option of its argument spec, and each has a default."""
    folder = Path(cluster.__file__).parents[3] / "roles" / role
    options = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    checked = yaml.safe_load((folder / "vars" / "main.yml").read_text())[f"__{role}_checked"]
    handed = set(re.findall(r"'(\w+)': ", checked))
    of_the_report = {"report", "path", "formats", "rename", "fail_on", "history_dir", "notify_webhook", "notify_slack"}
    assert set(options) == handed - {"names_of_others", "names_given"} - of_the_report
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text())
    assert set(options) - {"backup_sync_in_process"} == set(defaults)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cluster_sync_context", "the member context of cluster_sync_source or cluster_sync_destination"),
        ("cluster_sync_prom", "cluster_sync_prometheus"),
        ("cluster_sync_dest", "cluster_sync_destination"),
        ("sync_report_dirr", "sync_report_dir"),
    ],
)
def test_a_name_that_is_nearly_a_variable_is_warned_of(name, meant):
    found = cluster.cluster_settings({"cluster_sync_namespace": "backup", "names_given": [name]})
    assert [warning for warning in found["warnings"] if meant in warning and name in warning]


def test_a_name_that_is_like_no_variable_is_somebodys_own():
    given = ["cluster_sync_on_call_rota", "sync_report_dir", "cluster_sync_rpo"]
    assert cluster.cluster_settings({"cluster_sync_namespace": "backup", "names_given": given})["warnings"] == []


def test_options_of_the_report_are_refused_before_anything_is_read():
    found = cluster.cluster_settings({"cluster_sync_namespace": "backup", "report": {"rename": ["hosts"]}})
    assert [problem for problem in found["problems"] if "sync_report_rename" in problem]
