# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Large targets of both kinds: memory and evidence stay bounded; four times as much takes about four times as long."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import harness
import pytest
import yaml
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose

MEMORY_KIB = 350 * 1024
EVIDENCE_BYTES = 300_000
DIAGNOSED_S = 0.15
WRITTEN_S = 0.6
SHARES = {"nothing": 0.002, "quarter": 0.25, "whole": 1.0}
GROWTH = 8  # four times as much: linear cost grows by 4, squares by 16; this lies half way between the two
ROUNDS = 3
GIB = 1 << 30


def _namespace(share: float) -> dict[str, t.Any]:
    """A namespace with this share of 5,000 Jobs, 20,000 events, 2,000 snapshots a side and a log of 1 GiB."""
    snapshots = int(2000 * share)
    return {
        "name": "size",
        "namespace": "backup",
        "source": {"stories": [{"bulk": {"snapshots": snapshots}}]},
        "destination": {
            "stories": [
                {
                    "bulk": {
                        "jobs": int(5000 * share),
                        "pods": max(2, int(100 * share)),
                        "events": int(20000 * share),
                        "snapshots": snapshots,
                        "imported": True,
                        "failed_every": 7,
                        "log_bytes": int(GIB * share),
                        "log_tail": ["Fatal: copy failed: dial tcp 203.0.113.20:443: i/o timeout"],
                    }
                }
            ]
        },
    }


def _regions(share: float) -> dict[str, t.Any]:
    """Two Regions with this share of 100,000 copy jobs, 100,000 recovery points a side and 1,000,000 log events."""
    return {
        "kind": "region",
        "name": "size",
        "protect": [{"resources": ["orders"]}],
        "bulk": {
            "copy_jobs": int(100_000 * share),
            "points": int(100_000 * share),
            "log_events": int(1_000_000 * share),
            "failed_every": 7,
        },
    }


STORIES = {"cluster": _namespace, "region": _regions}


def _measured(kind: str, folder: Path, share: float, **options: t.Any) -> dict[str, t.Any]:
    """Run the playbook on such a target: what came out, its processor time in seconds, its largest process in KiB.

    Processor time, because what else runs on the machine does not change it.
    """
    folder.mkdir(parents=True)
    described = folder / "size.yaml"
    described.write_text(yaml.safe_dump(STORIES[kind](share)))
    with harness.lab(described, folder / "lab") as lab:
        values = harness.variables(lab.info, {}, folder / "report")
        values.update(options)
        extra = folder / "vars.json"
        extra.write_text(json.dumps(values))
        command = [str(harness.ANSIBLE / "ansible-playbook"), f"sre.backup_sync.{kind}", "-e", f"@{extra}"]
        with open(folder / "output", "wb") as output:
            process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, env=harness.environment(folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            # wait4 tells of the process and of all that it waited for: the workers too
            dummy, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    output_text = (folder / "output").read_text()
    assert process.returncode == 0, output_text[-3000:]
    path = next((folder / "report").glob("*/evidence.json"))
    bundle = json.loads(path.read_text())
    return {
        "seconds": usage.ru_utime + usage.ru_stime,
        "kib": usage.ru_maxrss,
        "bytes": path.stat().st_size,
        "bundle": bundle,
        "evidence": bundle["evidence"],
        "output": output_text,
    }


def _diagnosed_s(bundle: dict[str, t.Any]) -> float:
    """Seconds of the engine, the best of three: what the machine does beside it is not to be measured."""
    taken = []
    for dummy in range(3):
        start = time.perf_counter()
        diagnose(bundle)
        taken.append(time.perf_counter() - start)
    return min(taken)


_WRITE = """
import json, sys, time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible.plugins.action import ActionBase  # what every run has loaded by then
bundle = json.load(open(sys.argv[1]))
diagnosis = diagnose(bundle)
start = time.process_time()
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import write_files
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.formats import files_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import FORMATS
write_files(sys.argv[2], files_of(FORMATS, diagnosis, bundle, sys.argv[2]))
print(time.process_time() - start)
"""


def _written_s(bundle: dict[str, t.Any], folder: Path) -> float:
    """Processor seconds of all formats, from their first import to the last file, in a process that has made none."""
    saved = folder / "saved.json"
    saved.write_text(json.dumps(bundle))
    command = [sys.executable, "-c", _WRITE, str(saved), str(folder / "report")]
    taken = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for dummy in range(2)]
    assert len(list((folder / "report").iterdir())) == 7
    return min(taken)


def _growth(seconds: dict[str, float]) -> float:
    """How much more the whole takes than a quarter of it, beyond what every run costs."""
    return (seconds["whole"] - seconds["nothing"]) / max(seconds["quarter"] - seconds["nothing"], 0.5)


def _least_growth(kind: str, folder: Path, found: dict[str, dict[str, t.Any]]) -> float:
    """The growth of the least that each size took; measured again only where one round says more than is allowed.

    A neighbour on the same core makes some runs dearer and never one cheaper, while squares would show in every round.
    """
    seconds = {name: found[name]["seconds"] for name in SHARES}
    for dummy in range(1, ROUNDS):
        if _growth(seconds) < GROWTH:
            break
        for name, share in SHARES.items():
            seconds[name] = min(seconds[name], _measured(kind, folder / str(dummy) / name, share)["seconds"])
    return _growth(seconds)


def _tell(found: dict[str, dict[str, t.Any]]) -> None:
    """The figures, for whoever runs the tests with -s."""
    for name, run in found.items():
        print(f"{name}: {run['seconds']:.1f} s, {run['kib'] / 1024:.0f} MiB, {run['bytes']} B")


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    folder = tmp_path_factory.mktemp("size")
    found = {name: _measured("cluster", folder / name, share) for name, share in SHARES.items()}
    found["whole log"] = _measured(
        "cluster", folder / "whole-log", 1.0, cluster_sync_step_options={"logs": {"tail_lines": 0, "max_bytes": 0}}
    )
    _tell(found)
    return found


of_clusters = pytest.mark.xdist_group("size-clusters")
of_regions = pytest.mark.xdist_group("size-regions")


@of_clusters
def test_everything_was_seen(sizes: dict[str, dict[str, t.Any]]) -> None:
    evidence = sizes["whole"]["evidence"]
    assert evidence["jobs"]["summary"]["jobs"] == 5000
    assert evidence["events"]["summary"]["events"] >= 20000
    assert evidence["recovery_points"]["summary"]["source_points"] == 2000
    assert evidence["recovery_points"]["summary"]["destination_points"] == 2000
    assert any("i/o timeout" in row["text"] for row in evidence["logs"]["lines"])
    assert sizes["whole log"]["evidence"]["logs"]["summary"]["bytes"] >= GIB


@of_clusters
@pytest.mark.parametrize("run", ["whole", "whole log"])
def test_memory_and_evidence_are_bounded(sizes: dict[str, dict[str, t.Any]], run: str) -> None:
    assert sizes[run]["kib"] < MEMORY_KIB
    assert sizes[run]["bytes"] < EVIDENCE_BYTES


@of_clusters
def test_the_diagnosis_of_much_evidence_is_quick(sizes: dict[str, dict[str, t.Any]]) -> None:
    assert max(_diagnosed_s(sizes[run]["bundle"]) for run in ("whole", "whole log")) < DIAGNOSED_S


@of_clusters
def test_all_formats_of_much_evidence_are_written_quickly(sizes: dict[str, dict[str, t.Any]], tmp_path: Path) -> None:
    assert _written_s(sizes["whole"]["bundle"], tmp_path) < WRITTEN_S


def test_cost_grows_linearly(sizes: dict[str, dict[str, t.Any]], tmp_path: Path) -> None:
    assert _least_growth("cluster", tmp_path, sizes) < GROWTH


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    folder = tmp_path_factory.mktemp("regions")
    found = {name: _measured("region", folder / name, share) for name, share in SHARES.items()}
    _tell(found)
    return found


@of_regions
def test_everything_of_the_regions_was_seen(regions: dict[str, dict[str, t.Any]]) -> None:
    evidence = regions["whole"]["evidence"]
    assert evidence["copy_jobs"]["summary"]["read"] == 100_010
    points = evidence["recovery_points"]["summary"]
    assert points["source_points"] == 100_010
    assert points["destination_points"] == 100_010 - 14_286  # but for every seventh copy, which failed
    assert points["copied"] == points["destination_points"]
    assert points["failed"] + points["gap"] == 14_286
    assert evidence["logs"]["summary"]["failed_events"] > 0


@of_regions
def test_memory_and_evidence_of_the_regions_are_bounded(regions: dict[str, dict[str, t.Any]]) -> None:
    assert regions["whole"]["kib"] < MEMORY_KIB
    assert regions["whole"]["bytes"] < EVIDENCE_BYTES


@of_regions
def test_the_diagnosis_of_much_evidence_of_regions_is_quick(regions: dict[str, dict[str, t.Any]]) -> None:
    assert _diagnosed_s(regions["whole"]["bundle"]) < DIAGNOSED_S


@of_regions
def test_all_formats_of_much_evidence_of_regions_are_written_quickly(
    regions: dict[str, dict[str, t.Any]], tmp_path: Path
) -> None:
    assert _written_s(regions["whole"]["bundle"], tmp_path) < WRITTEN_S


def test_cost_of_the_regions_grows_linearly(regions: dict[str, dict[str, t.Any]], tmp_path: Path) -> None:
    assert _least_growth("region", tmp_path, regions) < GROWTH


@of_regions
def test_progress_of_the_regions_is_visible_on_long_work(regions: dict[str, dict[str, t.Any]]) -> None:
    told = re.findall(r"^(\w+): .*?([\d,]+) read", regions["whole"]["output"], re.MULTILINE)
    assert {"recovery_points", "copy_lag", "copy_jobs"} & {step for step, dummy in told}
    assert not re.search(r"^\w+: .*[\d,]+ read", regions["nothing"]["output"], re.MULTILINE)
