# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shipped schemas of evidence.json and diagnosis.json hold for what is written, and say nothing that is never written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator, FormatChecker

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import OUTCOMES, plain
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.mutated import mutated
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import fail, healthy
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_region_rules import FIRING
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

SCHEMAS = {
    name: json.loads((Path(CATALOGUE).parents[3] / "docs" / "schemas" / f"{name}.json").read_text())
    for name in ("diagnosis", "evidence")
}
VALID = {name: Draft202012Validator(schema, format_checker=FormatChecker()) for name, schema in SCHEMAS.items()}


def problems(document, name="diagnosis"):
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in VALID[name].iter_errors(document)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_one(name):
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_what_rules_say_is_as_described():
    found = {name: problems(diagnose(story(healthy()))) for name, story in FIRING.items()}
    assert found == {name: [] for name in FIRING}


@pytest.mark.parametrize(
    "bundle, more",
    [
        (failing_bundle(), {}),
        (healthy(), {}),
        (healthy(), {"supposing": {"settings.rpo_s": 60}}),
        ({"target": {"kind": "cluster"}, "evidence": {}}, {}),
        ({**failing_bundle(), "alert": {"name": "BackupSyncFailed"}}, {}),
    ],
)
def test_a_diagnosis_is_as_described(bundle, more):
    assert problems(diagnose(bundle, **more)) == []


def test_an_accepted_finding_is_as_described(tmp_path):
    path = tmp_path / "own.yml"
    known = {"rule": "cluster.1.jobs_failed", "owner": "a", "reason": "b", "until": "2999-12-31"}
    path.write_text(json.dumps({"accepted": [known]}))
    bundle = failing_bundle()
    bundle["evidence"]["jobs"]["observed_at"] = "2026-11-20T21:00:00Z"
    diagnosis = diagnose(bundle, rule_files=[str(path)])
    assert "accepted" in {row["state"] for row in diagnosis["findings"]} and problems(diagnosis) == []


@settings(max_examples=60, deadline=None)
@given(mutated([healthy(), fail(healthy(), "The KMS key is either disabled or pending deletion", "orders"), failing_bundle()]))
def test_any_change_of_a_bundle_gives_a_diagnosis_as_described(bundle):
    assert problems(diagnose(plain(bundle))) == []


@pytest.mark.parametrize(
    "change, place",
    [
        ({"status": "sick"}, "status"),
        ({"more": 1}, ""),
        ({"root_cause": {"cause": "x"}}, "root_cause"),
        ({"schema": "sre.backup_sync/diagnosis/v2"}, "schema"),
        ({"gaps": [{"step": 1, "outcome": "ok"}]}, "gaps/0/step"),
    ],
)
def test_another_diagnosis_is_refused(change, place):
    assert [line.partition(":")[0] for line in problems({**diagnose(failing_bundle()), **change})] == [place]


def test_the_outcomes_of_a_step_are_those_of_the_schema():
    assert set(SCHEMAS["evidence"]["$defs"]["step"]["properties"]["outcome"]["enum"]) == set(OUTCOMES)


def test_evidence_is_as_described():
    bundle = {**healthy(), "schema": "sre.backup_sync/evidence/v1"}
    assert problems(bundle, "evidence") == []
    bundle["evidence"]["keys"] = None
    assert problems(bundle, "evidence") == []
    bundle["evidence"]["logs"] = {"outcome": "sulky"}
    assert len(problems(bundle, "evidence")) == 1
