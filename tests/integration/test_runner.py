# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks as AWX runs them: by ansible-runner, here, on a worker, red, and cancelled in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import ansible_runner
import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("runner")

RUNNER = str(Path(sys.executable).parent / "ansible-runner")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[harness.Lab, dict[str, t.Any]]]:
    """A pair that fails, whose kubeconfigs travel with the job."""
    folder = tmp_path_factory.mktemp("runner")
    with harness.lab(harness.scenario_file("dns-failure"), folder / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario("dns-failure"))
        for side in ("source", "destination"):
            file = Path(lab.info[side]["kubeconfig"])
            values[f"cluster_sync_{side}"] = {"kubeconfig": yaml.safe_load(file.read_text())}
        yield lab, values


def _job(folder: Path, values: dict[str, t.Any]) -> Path:
    """A private data directory as AWX makes one: the pair is a host of the inventory."""
    job = folder / "job"
    for name in ("project", "inventory", "env"):
        (job / name).mkdir(parents=True)
    (job / "project" / "job.yml").write_text("- import_playbook: sre.backup_sync.cluster\n")
    (job / "inventory" / "hosts.json").write_text(json.dumps({"backup_sync_clusters": {"hosts": {"prod": values}}}))
    (job / "env" / "envvars").write_text(json.dumps(_variables(folder)))
    (job / "env" / "settings").write_text(json.dumps({"suppress_env_files": True}))
    return job


def _variables(folder: Path) -> dict[str, str]:
    return {name: value for name, value in harness.environment(folder).items() if name.startswith("ANSIBLE_")}


def _run(folder: Path, *arguments: str, **more: t.Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # pylint: disable=subprocess-run-check
        [RUNNER, *arguments], env=harness.environment(folder), stdout=subprocess.PIPE, timeout=120, **more
    )


def _told(artifacts: Path) -> tuple[str, int, dict[str, t.Any]]:
    """(status, exit code, what set_stats left) of a job."""
    events = [json.loads(file.read_text()) for file in (artifacts / "job_events").glob("*.json")]
    last = max(events, key=lambda event: event["counter"])
    assert last["event"] == "playbook_on_stats"
    return (artifacts / "status").read_text(), int((artifacts / "rc").read_text()), last["event_data"]["artifact_data"]


def _secrets(values: dict[str, t.Any]) -> list[str]:
    return [values[f"cluster_sync_{side}"]["kubeconfig"]["users"][0]["user"]["token"] for side in ("source", "destination")]


def test_a_job_leaves_diagnosis_events_and_exit_code(pair: t.Any, tmp_path: Path) -> None:
    job = _job(tmp_path, pair[1])
    done = _run(tmp_path, "run", str(job), "-p", "job.yml", "--ident", "one")
    artifacts = job / "artifacts" / "one"
    status, code, left = _told(artifacts)
    assert (done.returncode, status, code) == (0, "successful", 0), done.stdout[-3000:]
    assert left["backup_sync"]["cluster"]["prod"] == {
        "status": "failing",
        "cause": "network_dns",
        "confidence": "likely",
        "dr_ready": "not_ready",
        "worst_exposure_s": left["backup_sync"]["cluster"]["prod"]["worst_exposure_s"],
    }
    stdout = (artifacts / "stdout").read_text()
    assert "DNS does not resolve the endpoint's name" in stdout
    for secret in _secrets(pair[1]):
        assert secret not in stdout
        assert all(secret not in file.read_text() for file in (artifacts / "job_events").iterdir())


def test_a_red_job_has_its_artifact_too(pair: t.Any, tmp_path: Path) -> None:
    job = _job(tmp_path, {**pair[1], "cluster_sync_fail_on": "failing"})
    done = _run(tmp_path, "run", str(job), "-p", "job.yml", "--ident", "red")
    status, code, left = _told(job / "artifacts" / "red")
    assert (done.returncode, status, code, left["backup_sync"]["cluster"]["prod"]["status"]) == (2, "failed", 2, "failing")


def test_a_node_of_a_workflow_takes_along_what_the_ones_before_left(pair: t.Any, tmp_path: Path) -> None:
    before = {"region": {"vaults": {"status": "healthy"}}, "cluster": {"stage": {"status": "lagging"}}}
    job = _job(tmp_path, pair[1])
    (job / "env" / "extravars").write_text(json.dumps({"backup_sync": before}))
    assert _run(tmp_path, "run", str(job), "-p", "job.yml", "--ident", "second").returncode == 0
    left = _told(job / "artifacts" / "second")[2]["backup_sync"]
    assert left["region"] == before["region"]
    assert {name: told["status"] for name, told in left["cluster"].items()} == {"stage": "lagging", "prod": "failing"}


def test_a_worker_elsewhere_does_the_same(pair: t.Any, tmp_path: Path) -> None:
    """As AWX does it: the job goes out as a stream, the worker runs it in a folder of its own, the stream that comes back is read."""
    job = _job(tmp_path, pair[1])
    out = _run(tmp_path, "transmit", str(job), "-p", "job.yml")
    assert out.returncode == 0
    (tmp_path / "worker").mkdir()
    worked = _run(tmp_path, "worker", "--private-data-dir", str(tmp_path / "worker"), input=out.stdout)
    assert worked.returncode == 0, worked.stdout[-2000:]
    back = tmp_path / "back"
    back.mkdir()
    processed = _run(tmp_path, "process", str(back), "--ident", "far", input=worked.stdout)
    status, code, left = _told(back / "artifacts" / "far")
    assert (processed.returncode, status, code, left["backup_sync"]["cluster"]["prod"]["cause"]) == (0, "successful", 0, "network_dns")


@pytest.fixture
def slow_pair(tmp_path: Path) -> t.Iterator[dict[str, t.Any]]:
    """The same pair, where the logs come slowly."""
    described = harness.scenario("dns-failure")
    described.setdefault("destination", {})["faults"] = [{"match": "GET /api/v1/.*/log", "slow_s": 4, "times": 1}]
    file = tmp_path / "slow.yaml"
    file.write_text(yaml.safe_dump(described))
    with harness.lab(file, tmp_path / "lab") as lab:
        yield harness.variables(lab.info, described)


def test_a_job_that_is_cancelled_in_the_middle_leaves_nothing_half_done(slow_pair: t.Any, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    job = _job(tmp_path, {**slow_pair, "sync_report_dir": str(reports), "sync_report_history_dir": str(tmp_path / "history")})
    reached = threading.Event()

    def look(event: dict[str, t.Any]) -> bool:
        if event["event"] == "playbook_on_task_start" and "Step 4" in event["event_data"]["task"]:
            reached.set()
        return True  # else the runner keeps no event

    run = ansible_runner.run(
        private_data_dir=str(job), playbook="job.yml", ident="cut", event_handler=look, cancel_callback=reached.is_set, quiet=True
    )
    assert reached.is_set() and (run.status, run.rc) == ("canceled", 254)
    # The runner kills the play; Ansible's worker is a group of its own, and ends with the step that it is at.
    deadline = time.monotonic() + 15
    while any(str(job) in name for name in _processes()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not reports.exists() and not (tmp_path / "history").exists()


def _processes() -> list[str]:
    """The command lines of all processes."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has ended
    return found
