# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate of disaster-recovery runbooks: a pair that is ready, one that is not, saved evidence, overrides, many targets."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("gate")

GATE = "sre.backup_sync.gate"
EXAMPLE = str(harness.ROOT / "docs" / "examples" / "dr_runbook.yml")
# What the runbooks say of them: a healthy pair can be relied on, without DNS nothing was copied for hours.
READY = ("cluster", "healthy")
NOT_READY = ("cluster", "dns-failure")
REGION_READY = ("region", "healthy")
OVERRIDE = {"sync_gate_override_by": "Jane Doe", "sync_gate_override_reason": "restored by hand, see INC-42"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[tuple[str, str], dict[str, t.Any]]]:
    """The variables of each pair, whose labs are up."""
    folder = tmp_path_factory.mktemp("gate")
    cases = [READY, NOT_READY, REGION_READY]
    files = {harness.scenario_file(name, kind): folder / f"{kind}-{name}" for kind, name in cases}
    with harness.labs(files) as running:
        yield {
            (kind, name): harness.variables(lab.info, harness.scenario(name, kind))
            for (kind, name), lab in zip(cases, running)
        }


def _said(run: harness.Run) -> str:
    return " ".join(run.output.replace("\\n", " ").split())


def _lines(file: Path) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("case", [READY, REGION_READY], ids="-".join)
def test_a_pair_that_is_ready_passes(case: tuple[str, str], pairs: t.Any, tmp_path: Path) -> None:
    record = tmp_path / "gate.jsonl"
    run = harness.play(tmp_path, {**pairs[case], "sync_gate_record": str(record)}, playbook=GATE)
    assert run.code == 0, run.output[-3000:]
    assert "GATE        PASSED: " in run.output and "DR          READY" in run.output
    [line] = _lines(record)
    assert (line["decision"], line["readiness"], line["override"]) == ("passed", "ready", None)
    assert line["age_s"] < 60


def test_a_pair_that_is_not_ready_stops_the_play_with_the_reason(pairs: t.Any, tmp_path: Path) -> None:
    run = harness.play(tmp_path, pairs[NOT_READY], playbook=GATE)
    assert run.code == 2 and "Traceback" not in run.output
    said = _said(run)
    assert "is not ready: ledger: not ready, exposure" in said
    assert "cause: DNS does not resolve the endpoint's name (likely)" in said
    assert "To go on all the same, set sync_gate_override_by and sync_gate_override_reason." in said


def test_an_override_lets_it_pass_and_is_recorded(pairs: t.Any, tmp_path: Path) -> None:
    record = tmp_path / "log" / "gate.jsonl"
    run = harness.play(tmp_path, {**pairs[NOT_READY], **OVERRIDE, "sync_gate_record": str(record)}, playbook=GATE)
    assert run.code == 0, run.output[-3000:]
    assert "GATE        OVERRIDDEN: Jane Doe goes on all the same: restored by hand, see INC-42." in run.output
    [line] = _lines(record)
    assert (line["decision"], line["readiness"]) == ("overridden", "not_ready")
    assert line["override"] == {"by": "Jane Doe", "reason": "restored by hand, see INC-42"}


@pytest.mark.parametrize("missing", sorted(OVERRIDE))
def test_half_an_override_is_refused_before_anything_is_read(missing: str, pairs: t.Any, tmp_path: Path) -> None:
    half = {name: value for name, value in OVERRIDE.items() if name != missing}
    run = harness.play(tmp_path, {**pairs[READY], **half}, playbook=GATE)
    assert run.code == 2 and f"{missing}: it is empty" in run.output
    assert "Step 1" not in run.output


def test_a_pair_that_nobody_can_ask_stops_and_can_be_overridden(tmp_path: Path) -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "not-a-token-of-anybody"}}],
    }
    sides = {f"cluster_sync_{side}": {"kubeconfig": kubeconfig} for side in ("source", "destination")}
    gone = {"cluster_sync_namespace": "backup", **sides}
    run = harness.play(tmp_path, gone, playbook=GATE)
    assert run.code == 2, run.output[-3000:]
    assert "localhost is not known to be ready: Nothing can be read with cluster_sync_destination" in _said(run)
    again = harness.play(tmp_path, {**gone, **OVERRIDE}, playbook=GATE)
    assert again.code == 0, again.output[-3000:]
    assert "GATE        OVERRIDDEN: Jane Doe" in again.output


# ------------------------------------------------------------------------------------------------- saved evidence


@pytest.fixture(scope="module")
def saved(pairs: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of the pair that is ready."""
    folder = tmp_path_factory.mktemp("saved")
    run = harness.play(folder / "run", {**pairs[READY], "sync_report_dir": str(folder / "report")})
    assert run.code == 0, run.output[-3000:]
    return next((folder / "report").iterdir()) / "evidence.json"


def _ago(evidence: Path, ago: timedelta, folder: Path) -> Path:
    """The same evidence as if it had been gathered so long ago."""
    bundle = json.loads(evidence.read_text())
    at = (datetime.now(timezone.utc) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    for step in bundle["evidence"].values():
        if step and step.get("observed_at"):
            step.update(observed_at=at)
    file = folder / "evidence.json"
    file.write_text(json.dumps(bundle))
    return file


def test_saved_evidence_passes_while_it_is_young_enough(saved: Path, tmp_path: Path) -> None:
    old = _ago(saved, timedelta(minutes=20), tmp_path)
    values = {"sync_gate_from": "sync_replay", "sync_replay_evidence": str(old)}
    run = harness.play(tmp_path, values, playbook=GATE)
    assert run.code == 2, run.output[-3000:]
    assert "what was read is older than the 15 min that are allowed; it was ready then" in _said(run)
    young = harness.play(tmp_path, {**values, "sync_gate_max_age": "1h"}, playbook=GATE)
    assert young.code == 0, young.output[-3000:]
    assert "Read 20 min ago." in young.output


def test_saved_evidence_runs_out_by_the_rpo(saved: Path, tmp_path: Path) -> None:
    old = _ago(saved, timedelta(days=3), tmp_path)
    values = {"sync_gate_from": "sync_replay", "sync_replay_evidence": str(old), "sync_gate_max_age": "7d"}
    run = harness.play(tmp_path, values, playbook=GATE)
    assert run.code == 2 and "since then is more than the RPO" in _said(run)


@pytest.mark.parametrize("evidence", ["/nowhere/evidence.json", ""])
def test_evidence_that_cannot_be_read_stops_with_a_sentence(evidence: str, tmp_path: Path) -> None:
    values = {"sync_gate_from": "sync_replay", "sync_replay_evidence": evidence}
    run = harness.play(tmp_path, values, playbook=GATE)
    assert run.code == 2 and "Traceback" not in run.output
    assert "localhost is not known to be ready: " in _said(run)


def test_saved_evidence_of_one_pair_does_not_open_the_gate_for_another(saved: Path, tmp_path: Path) -> None:
    values = {"sync_gate_from": "sync_replay", "sync_replay_evidence": str(saved)}
    name = json.loads(saved.read_text())["target"]["name"]
    record = tmp_path / "gate.jsonl"
    inventory = _inventory(tmp_path, backup_sync_clusters={name: {}, "another": {}})
    run = harness.play(tmp_path, {**values, "sync_gate_record": str(record)}, *inventory, playbook=GATE)
    assert run.code == 2, run.output[-3000:]
    assert {line["target"]: line["decision"] for line in _lines(record)} == {name: "passed", "another": "stopped"}
    assert f"another is not known to be ready: the diagnosis is of {name}." in _said(run)


def test_nor_does_that_of_clusters_for_the_regions_that_are_called_alike(saved: Path, tmp_path: Path) -> None:
    name = json.loads(saved.read_text())["target"]["name"]
    values = {"sync_gate_from": "sync_replay", "sync_replay_evidence": str(saved), "sync_gate_record": str(tmp_path / "gate.jsonl")}
    inventory = _inventory(tmp_path, backup_sync_clusters={name: {}}, backup_sync_regions={name: {}})
    run = harness.play(tmp_path, values, *inventory, playbook=GATE)
    assert run.code == 2, run.output[-3000:]
    assert {line["kind"]: line["decision"] for line in _lines(tmp_path / "gate.jsonl")} == {"cluster": "passed", "region": "stopped"}
    assert f"{name} is not known to be ready: the diagnosis is of the pair of clusters that is called so" in _said(run)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sync_gate_from": "", **OVERRIDE}, "sync_gate_from: it is empty; give play, cluster_sync, region_sync or sync_replay."),
        ({"sync_gate_from": None, **OVERRIDE}, "sync_gate_from: it is empty"),
        ({"sync_gate_override_by": "false", "sync_gate_override_reason": "no"}, "sync_gate_override_by: 'false' says no"),
    ],
    ids=["from-nothing", "from-null", "an-override-that-says-no"],
)
def test_no_override_gets_past_what_was_not_meant(values: dict[str, t.Any], sentence: str, tmp_path: Path) -> None:
    run = harness.play(tmp_path, values, playbook=GATE)
    assert run.code == 2 and sentence in _said(run), run.output[-3000:]


def test_resources_that_are_null_are_all(saved: Path, tmp_path: Path) -> None:
    values = {"sync_gate_from": "sync_replay", "sync_replay_evidence": str(saved), "sync_gate_resources": None, "sync_gate_max_age": "1d"}
    run = harness.play(tmp_path, values, playbook=GATE)
    assert run.code == 0, run.output[-3000:]


@pytest.mark.parametrize(
    "bad",
    [
        {"sync_gate_override_by": "Jane Doe"},
        {"sync_gate_record": "/dev/full", **OVERRIDE},
        {"sync_gate_max_age": "soon"},
    ],
    ids=["half-an-override", "a-record-that-is-no-file", "an-odd-age"],
)
def test_a_rescue_never_sees_the_decision_on_an_earlier_target(bad: dict[str, t.Any], pairs: t.Any, tmp_path: Path) -> None:
    gate = {"name": "Ask", "ansible.builtin.include_role": {"name": "sre.backup_sync.sync_gate"}}
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "DECIDED {{ backup_sync_gate.decision }}"}}
    tasks = [
        {**gate, "vars": {"sync_gate_from": "cluster_sync"}},
        show,
        {"name": "Again", "block": [{**gate, "vars": bad}], "rescue": [show]},
    ]
    playbook = tmp_path / "runbook.yml"
    play = {"name": "A runbook", "hosts": "localhost", "gather_facts": False, "tasks": tasks}
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    run = harness.play(tmp_path, pairs[READY], playbook=str(playbook))
    assert [line.split()[-1].strip('"') for line in run.output.splitlines() if '"msg": "DECIDED' in line] == ["passed", "stopped"]


# --------------------------------------------------------------------------------------------------- many targets


def _inventory(folder: Path, **groups: dict[str, dict[str, t.Any]]) -> tuple[str, str]:
    file = folder / "inventory.yml"
    file.write_text(yaml.safe_dump({name: {"hosts": hosts} for name, hosts in groups.items()}))
    return "-i", str(file)


def test_the_example_fails_over_what_is_ready_and_ends_red_for_the_rest(pairs: t.Any, tmp_path: Path) -> None:
    record = tmp_path / "gate.jsonl"
    inventory = _inventory(
        tmp_path,
        backup_sync_clusters={"orders": pairs[READY], "ledger": pairs[NOT_READY]},
        backup_sync_regions={"vaults": pairs[REGION_READY]},
    )
    run = harness.play(tmp_path, {"dr_runbook_record": str(record)}, *inventory, playbook=EXAMPLE)
    assert run.code == 2, run.output[-3000:]
    said = _said(run)
    assert "orders is failed over" in said and "vaults is failed over" in said and "ledger is failed over" not in said
    assert "ledger stays; ledger: not ready, exposure" in said
    assert "Not failed over: ledger" in said
    assert {line["target"]: line["decision"] for line in _lines(record)} == {
        "orders": "passed",
        "ledger": "stopped",
        "vaults": "passed",
    }


def test_the_playbook_asks_every_host_of_both_groups(pairs: t.Any, tmp_path: Path) -> None:
    both = {**pairs[READY], **pairs[REGION_READY]}
    record = tmp_path / "gate.jsonl"
    inventory = _inventory(tmp_path, backup_sync_clusters={"both": both}, backup_sync_regions={"both": both, "one": both})
    run = harness.play(tmp_path, {"sync_gate_record": str(record)}, *inventory, playbook=GATE)
    assert run.code == 0, run.output[-3000:]
    assert sorted((line["target"], line["rpo_s"]) for line in _lines(record)) == sorted(
        (name, {"cluster": _rpo(pairs, READY), "region": _rpo(pairs, REGION_READY)}[kind])
        for name, kind in (("both", "cluster"), ("both", "region"), ("one", "region"))
    )


def _rpo(pairs: t.Any, case: tuple[str, str]) -> float:
    given = pairs[case].get(f"{case[0]}_sync_rpo", {"cluster": "24h", "region": "36h"}[case[0]])
    return float(given[:-1]) * 3600
