# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook replay: the same bytes again, what if, own rules, and one sentence for what cannot be read."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import harness
import pytest

REPLAY = "sre.backup_sync.replay"
# A fault of each kind, and what to suppose so that verdict and findings change and a cause is left.
SUPPOSED = {
    ("cluster", "dns-failure"): {"settings.rpo_s": 864000, "facts.kinds.network": []},
    ("region", "kms-key-policy"): {"facts.keys_refusing": []},
}


@pytest.fixture(scope="module", params=sorted(SUPPOSED), ids="-".join)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[t.Any, Path]:
    """A scenario, and the folder of the report that a run of it left; the lab is gone."""
    kind, name = request.param
    folder = tmp_path_factory.mktemp(name)
    described = harness.scenario(name, kind)
    with harness.lab(harness.scenario_file(name, kind), folder / "lab") as lab:
        run = harness.play(folder / "run", harness.variables(lab.info, described, folder / "report"))
    assert run.code == 0, run.output[-3000:]
    return request.param, next((folder / "report").iterdir())


def _replay(folder: Path, **values: t.Any) -> harness.Run:
    return harness.play(folder, {"sync_report_dir": str(folder / "report"), **values}, playbook=REPLAY)


def _said(run: harness.Run) -> str:
    return re.sub(r"\s+", " ", run.output.replace('\\"', '"').replace("\\'", "'"))


def test_a_replay_gives_the_same_bytes(recorded: tuple[t.Any, Path], tmp_path: Path) -> None:
    saved = recorded[1]
    run = _replay(tmp_path, sync_replay_evidence=str(saved))
    assert run.code == 0, run.output[-3000:]
    again = tmp_path / "report" / saved.name
    for name in ("diagnosis.json", "evidence.json"):
        assert (again / name).read_bytes() == (saved / name).read_bytes(), name
    assert "STATUS FAILING" in _said(run)


def test_what_if_tells_the_verdict_before_and_after(recorded: tuple[t.Any, Path], tmp_path: Path) -> None:
    case, saved = recorded
    run = _replay(tmp_path, sync_replay_evidence=str(saved / "evidence.json"), sync_replay_what_if=SUPPOSED[case])
    assert run.code == 0, run.output[-3000:]
    told = json.loads(run.output.split("What would differ", 1)[1].split("=> ", 1)[1].split("\n}\n", 1)[0] + "}")["msg"]
    before = json.loads((saved / "diagnosis.json").read_text())
    assert told["before"]["cause"] == before["root_cause"]["cause"]
    assert told["before"] != told["after"] and told["findings"]
    last = _said(run).split("TASK [Tell what would be]")[1]
    assert "What stands above is as it was read. Supposing" in last and "would be the same" not in last
    assert " instead of " in last
    again = tmp_path / "report" / saved.name
    assert (again / "diagnosis.json").read_bytes() == (saved / "diagnosis.json").read_bytes()  # what is so stays reported


def test_what_changes_nothing_is_told_too(recorded: tuple[t.Any, Path], tmp_path: Path) -> None:
    rpo_s = json.loads((recorded[1] / "evidence.json").read_text())["settings"]["rpo_s"]
    run = _replay(tmp_path, sync_replay_evidence=str(recorded[1]), sync_replay_what_if={"settings.rpo_s": rpo_s})
    assert run.code == 0 and "status, cause and disaster recovery would be the same." in _said(run), run.output[-3000:]


def test_own_rules_see_the_saved_evidence(recorded: tuple[t.Any, Path], tmp_path: Path) -> None:
    (kind, dummy), saved = recorded
    step = {"cluster": "jobs", "region": "copy_jobs"}[kind]
    own = tmp_path / "own.yml"
    rule = {"id": "own.jobs", "runbook": "own", "title": "Jobs were read", "severity": "warning", "needs": [step]}
    own.write_text(json.dumps({"rules": [{**rule, "when": f"{step}.summary", "explanation": "They were."}]}))
    run = _replay(tmp_path, sync_replay_evidence=str(saved), sync_replay_rule_files=[str(own)])
    assert run.code == 0, run.output[-3000:]
    assert "own.jobs" in {row["rule"] for row in run.diagnosis["findings"] if row["state"] == "fired"}


def test_all_formats_are_written(recorded: tuple[t.Any, Path], tmp_path: Path) -> None:
    saved = recorded[1]
    formats = ["text", "json", "html", "markdown", "junit", "openmetrics"]
    run = _replay(tmp_path, sync_replay_evidence=str(saved), sync_report_formats=formats)
    assert run.code == 0, run.output[-3000:]
    folder = tmp_path / "report" / saved.name
    names = {"evidence.json", "diagnosis.json", "report.txt", "report.html", "report.md", "junit.xml", "metrics.prom"}
    assert {path.name for path in folder.iterdir()} == names
    with open(folder / "metrics.prom", "rb") as metrics:
        checked = subprocess.run(["promtool", "check", "metrics"], stdin=metrics, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


OLD = {"schema": "sre.backup_sync/evidence/v0", "target": {"kind": "cluster"}, "evidence": {}}
BAD: dict[str, tuple[dict[str, t.Any], str]] = {
    "nothing given": ({}, "sync_replay_evidence: it is empty; give the evidence.json of a run"),
    "no such file": ({"sync_replay_evidence": "/nowhere"}, "/nowhere: it cannot be read (No such file or directory)"),
    "an older schema": (
        {"sync_replay_evidence": "old.json"},
        "has the schema 'sre.backup_sync/evidence/v0'; this version reads sre.backup_sync/evidence/v1",
    ),
    "no place": (
        {"sync_replay_evidence": "new.json", "sync_replay_what_if": {"jobs.nope": 1}},
        "supposing: 'jobs.nope' is nowhere in this evidence",
    ),
    "what-if that is a text": (
        {"sync_replay_evidence": "new.json", "sync_replay_what_if": "jobs=1"},
        "sync_replay_what_if: it is no dictionary",
    ),
    "rule files that are a text": (
        {"sync_replay_evidence": "new.json", "sync_replay_rule_files": "own.yml"},
        "sync_replay_rule_files: it is no list",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_one_sentence(name: str, tmp_path: Path) -> None:
    values, sentence = BAD[name]
    (tmp_path / "old.json").write_text(json.dumps(OLD))
    (tmp_path / "new.json").write_text(json.dumps({**OLD, "schema": "sre.backup_sync/evidence/v1"}))
    run = harness.play(tmp_path, values, playbook=REPLAY)
    assert run.code != 0 and "Traceback" not in run.output
    assert sentence in _said(run), run.output[-3000:]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (["/nowhere.yml"], "cluster_sync_rule_files: /nowhere.yml: the rule file cannot be read"),
        ("own.yml", "cluster_sync_rule_files: it is no list but a text"),
    ],
)
def test_rule_files_that_cannot_be_used_get_one_sentence(tmp_path: Path, value: t.Any, sentence: str) -> None:
    run = harness.play(tmp_path, {"cluster_sync_rule_files": value}, playbook="sre.backup_sync.rules")
    assert run.code != 0
    assert sentence in run.output and "Traceback" not in run.output and "Error while resolving" not in run.output
