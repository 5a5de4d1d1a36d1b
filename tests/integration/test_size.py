# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A large namespace: memory and evidence stay bounded, and four times as much takes about four times as long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import harness
import pytest
import yaml

MEMORY_KIB = 350 * 1024
EVIDENCE_BYTES = 300_000
GIB = 1 << 30


def _scenario(folder: Path, share: float) -> Path:
    """A namespace with this share of 5,000 Jobs, 20,000 events, 2,000 snapshots a side and a log of 1 GiB."""
    snapshots = int(2000 * share)
    described = {
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
    path = folder / "size.yaml"
    path.write_text(yaml.safe_dump(described))
    return path


def _measured(folder: Path, share: float, **options: t.Any) -> dict[str, t.Any]:
    """Run the playbook on that namespace: seconds, the largest process in KiB, and what came out."""
    folder.mkdir()
    with harness.lab(_scenario(folder, share), folder / "lab") as lab:
        values = harness.variables(lab.info, {}, folder / "report")
        values.update(options)
        extra = folder / "vars.json"
        extra.write_text(json.dumps(values))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "sre.backup_sync.cluster", "-e", f"@{extra}"]
        start = time.monotonic()
        with open(folder / "output", "wb") as output:
            process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, env=harness.environment(folder), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            # wait4 tells of the process and of all that it waited for: the workers too
            dummy, status, usage = os.wait4(process.pid, 0)
        taken = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "output").read_text()[-3000:]
    path = next((folder / "report").glob("*/evidence.json"))
    return {
        "seconds": taken,
        "kib": usage.ru_maxrss,
        "bytes": path.stat().st_size,
        "evidence": json.loads(path.read_text())["evidence"],
    }


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    folder = tmp_path_factory.mktemp("size")
    found = {
        "nothing": _measured(folder / "nothing", 0.002),
        "quarter": _measured(folder / "quarter", 0.25),
        "whole": _measured(folder / "whole", 1.0),
        "whole log": _measured(
            folder / "whole-log", 1.0, cluster_sync_step_options={"logs": {"tail_lines": 0, "max_bytes": 0}}
        ),
    }
    told = {name: f"{run['seconds']:.1f} s, {run['kib'] / 1024:.0f} MiB, {run['bytes']} B" for name, run in found.items()}
    print(told)
    return found


pytestmark = pytest.mark.xdist_group("size")


def test_everything_was_seen(sizes: dict[str, dict[str, t.Any]]) -> None:
    evidence = sizes["whole"]["evidence"]
    assert evidence["jobs"]["summary"]["jobs"] == 5000
    assert evidence["events"]["summary"]["events"] >= 20000
    assert evidence["recovery_points"]["summary"]["source_points"] == 2000
    assert evidence["recovery_points"]["summary"]["destination_points"] == 2000
    assert any("i/o timeout" in row["text"] for row in evidence["logs"]["lines"])
    assert sizes["whole log"]["evidence"]["logs"]["summary"]["bytes"] >= GIB


@pytest.mark.parametrize("run", ["whole", "whole log"])
def test_memory_and_evidence_are_bounded(sizes: dict[str, dict[str, t.Any]], run: str) -> None:
    assert sizes[run]["kib"] < MEMORY_KIB
    assert sizes[run]["bytes"] < EVIDENCE_BYTES


def test_cost_grows_linearly(sizes: dict[str, dict[str, t.Any]]) -> None:
    """Beyond what every run costs, four times as much takes at most six times as long: noise is allowed, squares not."""
    least = sizes["nothing"]["seconds"]
    quarter, whole = sizes["quarter"]["seconds"] - least, sizes["whole"]["seconds"] - least
    assert whole < 6 * max(quarter, 0.5)
