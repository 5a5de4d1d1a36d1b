# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWX as code: the real modules of awx.awx against a small AWX that keeps what they create."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import fake_awx
import harness
import pytest

pytestmark = pytest.mark.xdist_group("awx")

AWX = "sre.backup_sync.awx"
PLAYBOOKS = [f"playbooks/{path.name}" for path in (harness.ROOT / "playbooks").glob("*.yml")]
PAIRS = {
    "awx_configuration_clusters": {
        "prod": {"cluster_sync_namespace": "backup", "cluster_sync_source": {"context": "eu-west"}},
        "both": {"cluster_sync_namespace": "backup", "cluster_sync_rpo": "2h"},
    },
    "awx_configuration_regions": {"both": {"region_sync_vault_name": "backup"}},
    "awx_configuration_image": "registry.example.com/backup-sync:0.1.0",
    "awx_configuration_notify_url": "https://pager.example.com/awx",
    "awx_configuration_cluster_credentials": ["clusters"],
    "awx_configuration_region_credentials": ["aws"],
}


@pytest.fixture(scope="module")
def python() -> t.Iterator[Path]:
    with harness.warm_python() as program:
        yield program


@pytest.fixture(scope="module")
def awx() -> t.Iterator[fake_awx.FakeAwx]:
    """One AWX for all tests, which go through its life in their order."""
    with fake_awx.FakeAwx(PLAYBOOKS) as running:
        for number, name in enumerate(("clusters", "aws"), 1):
            running.create("credential_types", {"name": f"type {number}", "kind": "cloud"})
            kind = running.named("credential_types")[f"type {number}"]["id"]
            running.create("credentials", {"name": name, "credential_type": kind, "inputs": {"password": "p"}})
        yield running


def _apply(folder: Path, awx: fake_awx.FakeAwx, python: Path, *arguments: str, **values: t.Any) -> harness.Run:
    connection = {"controller_host": awx.address, "controller_oauthtoken": fake_awx.TOKEN}
    given = {**PAIRS, "awx_configuration_connection": connection, "ansible_python_interpreter": str(python), **values}
    return harness.play(folder, given, *arguments, playbook=AWX)


def _changed(run: harness.Run) -> int:
    return int(re.findall(r"changed=(\d+)", run.output)[-1])


def test_all_that_a_scheduled_diagnosis_needs_and_nothing_the_second_time(awx: t.Any, python: Path, tmp_path: Path) -> None:
    run = _apply(tmp_path, awx, python)
    assert run.code == 0, run.output[-3000:]
    assert awx.ignored <= {"type"}, awx.ignored  # the node module names the type of what it creates
    _check_objects(awx)
    awx.changes.clear()
    again = _apply(tmp_path, awx, python)
    read = [("POST", f"{awx.named('projects')['Backup sync']['url']}update/")]
    assert (again.code, _changed(again), awx.changes) == (0, 0, read), again.output[-3000:]


def _check_objects(awx: fake_awx.FakeAwx) -> None:
    hosts = {name: json.loads(item["variables"]) for name, item in awx.named("hosts").items()}
    assert hosts == {
        "prod": PAIRS["awx_configuration_clusters"]["prod"],
        "both": {"cluster_sync_namespace": "backup", "cluster_sync_rpo": "2h", "region_sync_vault_name": "backup"},
    }
    assert sorted(awx.links("groups", "backup_sync_clusters", "hosts")) == ["both", "prod"]
    assert awx.links("groups", "backup_sync_regions", "hosts") == ["both"]

    templates = awx.named("job_templates")
    played = {name.removeprefix("Backup sync "): item["playbook"] for name, item in templates.items()}
    assert played == {
        "clusters": "playbooks/cluster.yml",
        "Regions": "playbooks/region.yml",
        "gate": "playbooks/gate.yml",
        "verdict": "playbooks/verdict.yml",
    }
    environment = awx.named("execution_environments")["Backup sync"]
    assert {item["execution_environment"] for item in templates.values()} == {environment["id"]}
    assert environment["image"] == "registry.example.com/backup-sync:0.1.0"
    assert awx.links("job_templates", "Backup sync clusters", "credentials") == ["clusters"]
    assert sorted(awx.links("job_templates", "Backup sync gate", "credentials")) == ["aws", "clusters"]
    asked = {
        name.removeprefix("Backup sync "): [row["variable"] for row in awx.surveys["job_templates", item["id"]]["spec"]]
        for name, item in templates.items()
        if ("job_templates", item["id"]) in awx.surveys
    }
    assert asked == {
        "clusters": ["cluster_sync_alert", "cluster_sync_job_name", "cluster_sync_fail_on"],
        "Regions": ["region_sync_alert", "region_sync_copy_job_id", "region_sync_fail_on"],
        "gate": ["sync_gate_override_by", "sync_gate_override_reason"],
    }
    # AWX hands defaults to every launch, where they would win over what a pair says
    assert not [row for survey in awx.surveys.values() for row in survey["spec"] if "default" in row]

    nodes = "workflow_job_template_nodes"
    run_by = {name: awx.items["job_templates"][node["unified_job_template"]]["name"] for name, node in awx.named(nodes).items()}
    assert run_by == {name: f"Backup sync {name}" for name in ("clusters", "Regions", "verdict")}
    assert [awx.links(nodes, name, "always_nodes") for name in ("clusters", "Regions", "verdict")] == [["Regions"], ["verdict"], []]
    schedule = awx.named("schedules")["Backup sync"]
    assert schedule["unified_job_template"] == awx.named("workflow_job_templates")["Backup sync workflow"]["id"]
    assert awx.links("workflow_job_templates", "Backup sync workflow", "notification_templates_error") == ["Backup sync"]
    told = awx.named("notification_templates")["Backup sync"]["notification_configuration"]
    assert told["url"] == "https://pager.example.com/awx"
    kubeconfig = awx.named("credential_types")["Backup sync kubeconfig"]["injectors"]
    assert kubeconfig == {
        "file": {"template": "{{ kubeconfig }}"},
        "env": {"K8S_AUTH_KUBECONFIG": "{{ tower.filename }}"},
    }


def test_what_somebody_changed_by_hand_is_told_in_check_mode_and_put_right(awx: t.Any, python: Path, tmp_path: Path) -> None:
    gate = awx.named("job_templates")["Backup sync gate"]
    gate["playbook"] = "playbooks/cluster.yml"
    awx.changes.clear()
    run = _apply(tmp_path, awx, python, "--check")
    assert (run.code, _changed(run), awx.changes) == (0, 1, []), run.output[-3000:]
    run = _apply(tmp_path, awx, python)
    assert (run.code, _changed(run), gate["playbook"]) == (0, 1, "playbooks/gate.yml"), run.output[-3000:]


def test_a_pair_that_is_to_come_is_told_in_check_mode(awx: t.Any, python: Path, tmp_path: Path) -> None:
    more = {**PAIRS["awx_configuration_clusters"], "second": {"cluster_sync_namespace": "backup"}}
    awx.changes.clear()
    run = _apply(tmp_path, awx, python, "--check", awx_configuration_clusters=more)
    assert (run.code, awx.changes) == (0, []) and _changed(run) >= 1, run.output[-3000:]
    assert re.search(r"changed: .*item=second", run.output)


def test_where_nothing_is_there_check_mode_says_what_it_cannot_tell(python: Path, tmp_path: Path) -> None:
    with fake_awx.FakeAwx(PLAYBOOKS) as empty:
        empty.changes.clear()
        run = _apply(tmp_path, empty, python, "--check")
    assert (run.code, empty.changes) == (2, []) and "It may refer to what is not in AWX yet, which --check cannot tell" in run.output, run.output[-2000:]


def test_a_kind_that_is_no_longer_there_is_taken_away_and_its_pairs_stay(awx: t.Any, python: Path, tmp_path: Path) -> None:
    moved = {"prod": {"region_sync_vault_name": "backup"}, "both": {"region_sync_vault_name": "backup"}}
    run = _apply(
        tmp_path, awx, python, awx_configuration_clusters={}, awx_configuration_regions=moved, awx_configuration_notify_url=""
    )
    assert run.code == 0, run.output[-3000:]
    assert list(awx.named("groups")) == ["backup_sync_regions"]
    assert sorted(awx.links("groups", "backup_sync_regions", "hosts")) == ["both", "prod"] == sorted(awx.named("hosts"))
    assert "Backup sync clusters" not in awx.named("job_templates") and awx.named("notification_templates") == {}
    assert sorted(awx.named("workflow_job_template_nodes")) == ["Regions", "verdict"]
    assert awx.links("workflow_job_template_nodes", "Regions", "always_nodes") == ["verdict"]


BAD = {
    "no image": ({"awx_configuration_image": ""}, "awx_configuration_image: it is empty; name the image"),
    "a blank image": ({"awx_configuration_image": "  "}, "awx_configuration_image: it is empty; name the image"),
    "no name": ({"awx_configuration_name": ""}, "awx_configuration_name: it is empty"),
    "a pair that is a text": ({"awx_configuration_clusters": {"prod": "backup"}}, "prod is described by no dictionary"),
    "a pair that is null": ({"awx_configuration_regions": {"west": None}}, "west is described by no dictionary"),
    "an odd schedule": ({"awx_configuration_schedule": "hourly"}, "awx_configuration_schedule: AWX needs a start and a rule"),
    "an odd address": ({"awx_configuration_notify_url": "not a url"}, "awx_configuration_notify_url: it is no address"),
    "another organization": (
        {"awx_configuration_organization": "nosuch"},
        "Execution environment: Request to /api/v2/organizations/?name=nosuch returned 0 items, expected 1. Nothing that comes after it",
    ),
    "no pairs": (
        {"awx_configuration_clusters": {}, "awx_configuration_regions": {}},
        "awx_configuration_clusters and awx_configuration_regions: both are empty",
    ),
    "an odd status": ({"awx_configuration_fail_on": "sometimes"}, "value of awx_configuration_fail_on must be one of: never, failing"),
    "a credential that is not there": ({"awx_configuration_cluster_credentials": ["none"]}, "returned 0 items, expected 1"),
    "another token": (
        {"awx_configuration_connection": {"controller_host": "{address}", "controller_oauthtoken": "x"}},
        "Invalid authentication credentials",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_said(name: str, awx: t.Any, python: Path, tmp_path: Path) -> None:
    values, sentence = BAD[name]
    awx.changes.clear()
    values = json.loads(json.dumps(values).replace("{address}", awx.address))
    run = _apply(tmp_path, awx, python, **values)
    assert run.code == 2 and "Traceback" not in run.output
    assert sentence in " ".join(run.output.split()), run.output[-2000:]
    assert awx.changes == [] or not sentence.startswith("awx_configuration_"), awx.changes


def test_an_image_that_is_null_is_said(awx: t.Any, python: Path, tmp_path: Path) -> None:
    awx.changes.clear()
    run = _apply(tmp_path, awx, python, awx_configuration_image=None)
    said = " ".join(run.output.split())
    # before ansible-core 2.19 null is none of the texts that the role's arguments may be, which Ansible says
    told = "from ansible.release import __version__; print(__version__)"
    version = subprocess.run([str(harness.ANSIBLE / "python"), "-c", told], stdout=subprocess.PIPE, text=True, check=True).stdout
    before = tuple(map(int, version.split(".")[:2])) < (2, 19)
    ours = "awx_configuration_image: it is empty; name the image"
    sentence = "argument 'awx_configuration_image' is of type <class 'NoneType'>" if before else ours
    assert run.code == 2 and "Traceback" not in said and awx.changes == []
    assert sentence in said, said[-2000:]


# ---------------------------------------------------------------------------------------------- what the workflow runs


FAILING = {"status": "failing", "cause": "network_dns", "confidence": "likely", "dr_ready": "not_ready", "worst_exposure_s": 9.0}
HEALTHY = {"status": "healthy", "cause": None, "confidence": None, "dr_ready": "ready", "worst_exposure_s": 1.0}


def _verdict(folder: Path, told: t.Any, **values: t.Any) -> harness.Run:
    inventory = {
        "backup_sync_clusters": {"hosts": {"prod": {}, "both": {"cluster_sync_name": "named"}}},
        "backup_sync_regions": {"hosts": {"both": {}}},
    }
    (folder / "inventory.yml").write_text(json.dumps(inventory))
    given = {**({"backup_sync": told} if told is not None else {}), **values}
    return harness.play(folder, given, "-i", str(folder / "inventory.yml"), playbook="sre.backup_sync.verdict")


def test_the_verdict_reads_the_artifact(tmp_path: Path) -> None:
    artifact = {"cluster": {"prod": FAILING, "named": HEALTHY}, "region": {"both": HEALTHY}}
    run = _verdict(tmp_path, artifact)
    assert run.code == 2
    assert "prod, clusters: FAILING, network dns; disaster recovery not ready" in run.output
    assert "both, clusters: HEALTHY; disaster recovery ready" in run.output
    assert "both, Regions: HEALTHY; disaster recovery ready" in run.output
    assert "prod is FAILING." in run.output and '"both is' not in run.output
    assert _verdict(tmp_path, artifact, backup_sync_fail_on="never").code == 0


def test_a_pair_of_both_kinds_is_red_by_either(tmp_path: Path) -> None:
    run = _verdict(tmp_path, {"cluster": {"prod": HEALTHY, "named": HEALTHY}, "region": {"both": FAILING}})
    assert run.code == 2 and "both is HEALTHY and FAILING." in run.output


@pytest.mark.parametrize("told", [None, [], {"region": {"both": HEALTHY}}, {"cluster": {"named": HEALTHY}, "region": {"both": HEALTHY}}])
def test_a_pair_that_nothing_was_told_of_is_red(told: t.Any, tmp_path: Path) -> None:
    run = _verdict(tmp_path, told)
    assert run.code == 2 and "prod is NOT DIAGNOSED." in run.output and "Traceback" not in run.output


@pytest.mark.parametrize("status", ["exploded", None, ["healthy"]])
def test_a_status_that_is_none_is_red(status: t.Any, tmp_path: Path) -> None:
    run = _verdict(tmp_path, {"cluster": {"prod": {"status": status}, "named": HEALTHY}, "region": {"both": HEALTHY}})
    assert run.code == 2 and '"prod is ' in run.output and "Traceback" not in run.output and "is NONE" not in run.output


def test_a_verdict_without_pairs_or_with_an_odd_status_is_refused(tmp_path: Path) -> None:
    for odd in ("often", ["failing"]):
        assert "must be never, failing, lagging or unknown." in _verdict(tmp_path, {}, backup_sync_fail_on=odd).output
    run = harness.play(tmp_path, {"backup_sync": {}}, playbook="sre.backup_sync.verdict")
    assert run.code == 2 and "The inventory has no pair in backup_sync_clusters" in run.output
