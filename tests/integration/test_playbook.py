# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in which people start the playbook: many pairs, one step left out, check mode, as part of a workflow."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("playbook")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Lab]:
    folder = tmp_path_factory.mktemp("playbook")
    with harness.lab(harness.scenario_file("dns-failure"), folder / "lab") as running:
        yield running


def _values(lab: harness.Lab, folder: Path) -> dict[str, t.Any]:
    return harness.variables(lab.info, harness.scenario("dns-failure"), folder / "report")


def test_each_host_of_the_group_is_a_pair_and_one_bad_host_fails_alone(lab: harness.Lab, tmp_path: Path) -> None:
    values = _values(lab, tmp_path)
    report = values.pop("sync_report_dir")
    bad = dict(values, cluster_sync_destination={"kubeconfig": "/nowhere"})
    inventory = tmp_path / "inventory.yml"
    hosts = {"prod": values, "stage": values, "typo": bad}
    inventory.write_text(yaml.safe_dump({"backup_sync_clusters": {"hosts": hosts}}))
    run = harness.play(tmp_path, {"sync_report_dir": report}, "-i", str(inventory))
    assert run.code != 0
    for name in ("prod", "stage"):
        diagnosis = json.loads((Path(report) / name / "diagnosis.json").read_text())
        assert (diagnosis["target"]["name"], diagnosis["root_cause"]["cause"]) == (name, "network_dns")
    assert not (Path(report) / "typo" / "diagnosis.json").exists()
    assert "/nowhere" in run.output and "Traceback" not in run.output


def test_two_pairs_of_one_name_are_refused_before_one_report_replaces_the_other(lab: harness.Lab, tmp_path: Path) -> None:
    values = dict(_values(lab, tmp_path), cluster_sync_name="prod")
    report = values.pop("sync_report_dir")
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"backup_sync_clusters": {"hosts": {"one": values, "two": values}}}))
    run = harness.play(tmp_path, {"sync_report_dir": report}, "-i", str(inventory))
    assert run.code != 0
    assert "two pairs of this run are called 'prod'" in run.output


def test_a_step_that_is_left_out_is_a_gap(lab: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _values(lab, tmp_path), "--skip-tags", "cluster_sync_logs,cluster_sync_jobs")
    assert run.code == 0, run.output[-2000:]
    assert {"logs", "jobs"} <= {gap["step"] for gap in run.diagnosis["gaps"]}
    assert run.diagnosis["status"] != "healthy"
    assert (run.diagnosis["root_cause"] or {}).get("confidence") != "confirmed"


def test_check_mode_reads_and_diagnoses(lab: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _values(lab, tmp_path), "--check")
    assert run.code == 0, run.output[-2000:]
    assert "DNS does not resolve" in run.output


def test_tokens_stay_out_of_the_output_at_any_verbosity(lab: harness.Lab, tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(Path(lab.info["destination"]["kubeconfig"]).read_text())
    token = kubeconfig["users"][0]["user"]["token"]
    values = dict(_values(lab, tmp_path), cluster_sync_destination={"kubeconfig": kubeconfig})
    for more in ({}, {"backup_sync_in_process": False}):
        run = harness.play(tmp_path, dict(values, **more), "-vvv")
        assert run.code == 0, run.output[-2000:]
        assert token not in run.output
        assert run.diagnosis["root_cause"]["cause"] == "network_dns"
    for path in (tmp_path / "report").rglob("*"):
        assert path.is_dir() or token not in path.read_text()
