# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in which people start the playbook: many pairs, one step left out, check mode, as part of a workflow."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import boto3
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


# ---------------------------------------------------------------------------------------------------- two Regions


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Lab]:
    folder = tmp_path_factory.mktemp("playbook-regions")
    with harness.lab(harness.scenario_file("vault-access-policy", "region"), folder / "lab") as running:
        yield running


def _region_values(regions: harness.Lab, folder: Path) -> dict[str, t.Any]:
    return harness.variables(regions.info, harness.scenario("vault-access-policy", "region"), folder / "report")


def _hosts(folder: Path, hosts: dict[str, dict[str, t.Any]]) -> tuple[str, str]:
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"backup_sync_regions": {"hosts": hosts}}))
    return "-i", str(inventory)


def _play_regions(folder: Path, report: str, *arguments: str) -> harness.Run:
    return harness.play(folder, {"sync_report_dir": report}, *arguments, playbook="sre.backup_sync.region")


def test_each_host_is_a_pair_of_vaults_and_one_bad_host_fails_alone(regions: harness.Lab, tmp_path: Path) -> None:
    values = _region_values(regions, tmp_path)
    report = values.pop("sync_report_dir")
    bad = dict(values, region_sync_source={"profile": "nowhere"})
    run = _play_regions(tmp_path, report, *_hosts(tmp_path, {"prod": values, "stage": values, "typo": bad}))
    assert run.code != 0
    for name in ("prod", "stage"):
        diagnosis = json.loads((Path(report) / name / "diagnosis.json").read_text())
        assert (diagnosis["target"]["name"], diagnosis["root_cause"]["cause"]) == (name, "vault_access_policy")
    assert not (Path(report) / "typo" / "diagnosis.json").exists()
    assert "there is no profile 'nowhere'" in run.output and "Traceback" not in run.output


def test_two_pairs_of_vaults_of_one_name_are_refused(regions: harness.Lab, tmp_path: Path) -> None:
    values = dict(_region_values(regions, tmp_path), region_sync_name="prod")
    report = values.pop("sync_report_dir")
    run = _play_regions(tmp_path, report, *_hosts(tmp_path, {"one": values, "two": values}))
    assert run.code != 0
    assert "region_sync_name: two pairs of this run are called 'prod'" in run.output


def test_a_region_step_that_is_left_out_is_a_gap(regions: harness.Lab, tmp_path: Path) -> None:
    values = _region_values(regions, tmp_path)
    run = harness.play(tmp_path, values, "--skip-tags", "region_sync_vaults,region_sync_logs,region_sync_copy_jobs")
    assert run.code == 0, run.output[-2000:]
    assert {"vaults", "logs", "copy_jobs"} <= {gap["step"] for gap in run.diagnosis["gaps"]}
    assert run.diagnosis["status"] != "healthy"
    assert (run.diagnosis["root_cause"] or {}).get("confidence") != "confirmed"
    assert run.diagnosis["dr_readiness"]["verdict"] == "not_ready"


def test_one_region_step_alone_reads_what_it_needs(regions: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _region_values(regions, tmp_path), "--tags", "region_sync_recovery_points")
    assert run.code == 0, run.output[-2000:]
    assert [name for name, found in run.evidence["evidence"].items() if found] == ["recovery_points"]
    assert run.diagnosis["dr_readiness"]["verdict"] == "not_ready"
    assert len(run.diagnosis["gaps"]) >= 9


def test_check_mode_reads_regions_and_diagnoses(regions: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _region_values(regions, tmp_path), "--check")
    assert run.code == 0, run.output[-2000:]
    assert "The destination vault does not let the copy in" in run.output


def test_what_is_secret_of_aws_stays_out_of_output_and_report(regions: harness.Lab, tmp_path: Path) -> None:
    """The secret key of the source, and all of a session of the destination's role that somebody else has assumed."""
    source, values = regions.info["source"], _region_values(regions, tmp_path)
    sts = boto3.client(
        "sts",
        region_name=source["region"],
        endpoint_url=regions.info["url"],
        verify=regions.info["ca"],
        aws_access_key_id=source["access_key"],
        aws_secret_access_key=source["secret_key"],
    )
    role = regions.info["destination"]["role_arn"]
    session = sts.assume_role(RoleArn=role, RoleSessionName="by-hand")["Credentials"]
    values["region_sync_destination"] = {
        "access_key": session["AccessKeyId"],
        "secret_key": session["SecretAccessKey"],
        "session_token": session["SessionToken"],
    }
    secrets = [source["secret_key"], session["SecretAccessKey"], session["SessionToken"]]
    for more in ({}, {"backup_sync_in_process": False}):
        run = harness.play(tmp_path, dict(values, **more), "-vvv")
        assert run.code == 0, run.output[-2000:]
        assert [secret for secret in secrets if secret in run.output] == []
        assert run.diagnosis["root_cause"]["cause"] == "vault_access_policy"
    for path in (tmp_path / "report").rglob("*"):
        assert path.is_dir() or not any(secret in path.read_text() for secret in secrets)


def test_a_run_that_aws_slows_down_comes_to_its_end_and_says_so(tmp_path: Path) -> None:
    """Five calls a second, where a run makes dozens at once."""
    described = harness.scenario("vault-access-policy", "region")
    story = tmp_path / "slow.yaml"
    story.write_text(yaml.safe_dump({**described, "faults": [{"match": "*", "rate_per_s": 5}]}))
    with harness.lab(story, tmp_path / "lab") as lab:
        run = harness.play(tmp_path, harness.variables(lab.info, described, tmp_path / "report"))
        refused = [call for call in lab.audit() if re.search("Throttl|TooManyRequests", call["code"])]
    assert run.code == 0, run.output[-3000:]
    assert refused
    steps = [found["requests"]["throttled"] for found in run.evidence["evidence"].values() if found]
    assert sum(steps) == len(refused)
    assert run.diagnosis["root_cause"]["cause"] == "vault_access_policy"
    assert [gap for gap in run.diagnosis["gaps"] if gap["outcome"] == "throttled"] == []
    told = [finding for finding in run.diagnosis["findings"] if finding["rule"] == "region.x.reads_throttled"]
    assert [finding["state"] for finding in told] == ["fired"]
    assert "AWS asked to slow down" in run.output
