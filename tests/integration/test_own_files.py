# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures and thresholds of the user, from their file through the log step to the verdict."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("own-files")

TOLD = "GATEWAY-042: tenant backup is over its daily allowance"
# Nothing in it is a word of trouble, and it is none of the last lines, which are kept in any case.
LOG = ["level=info msg=started", TOLD, *(f'level=info msg="part {number} put away"' for number in range(20))]
STORY = {
    "name": "own-signature",
    "namespace": "backup",
    "pairs": [
        {
            "resources": ["orders", "users"],
            "fails": {"index": [0, 1, 2], "result": "failed", "took": "3m", "retries": 0, "exit_code": 1, "log": LOG},
        }
    ],
}
OWN = {
    "signatures": [
        {
            "id": "own.gateway",
            "pattern": r"gateway-\d{3}: tenant \S{1,60} is over",
            "sample": TOLD,
            "cause": "throttling",
            "fix": "Ask the gateway team for a higher allowance.",
        }
    ],
    "thresholds": {"short_history": 2},
}


@pytest.fixture(scope="module", params=[True, False], ids=["in-worker", "by-modules"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, harness.Run]:
    """The same pair without and with the user's file."""
    folder = tmp_path_factory.mktemp("own")
    story, own = folder / "story.yaml", folder / "own.yml"
    story.write_text(yaml.safe_dump(STORY))
    own.write_text(yaml.safe_dump(OWN))
    more: dict[str, t.Any] = {"without": {}, "with": {"cluster_sync_rule_files": [str(own)]}}
    with harness.lab(story, folder / "lab") as lab:
        return {name: _played(lab, folder / name, values, request.param) for name, values in more.items()}


def _played(lab: harness.Lab, folder: Path, values: dict[str, t.Any], in_process: bool) -> harness.Run:
    folder.mkdir()
    variables = harness.variables(lab.info, {}, folder / "report")
    return harness.play(folder, {**variables, "backup_sync_in_process": in_process, **values})


def test_without_the_file_nobody_knows(runs: dict[str, harness.Run]) -> None:
    told = runs["without"]
    assert told.code == 0 and TOLD not in json.dumps(told.evidence)
    assert (told.diagnosis["root_cause"] or {}).get("cause") != "throttling"


def test_with_it_the_line_is_kept_and_names_the_cause(runs: dict[str, harness.Run]) -> None:
    told = runs["with"]
    assert told.code == 0, told.output[-3000:]
    assert TOLD in {row["text"] for row in told.evidence["evidence"]["logs"]["lines"]}
    root = told.diagnosis["root_cause"]
    assert (root["cause"], sorted(root["resources"])) == ("throttling", ["orders", "users"])
    assert told.diagnosis["next_steps"][0]["text"] == OWN["signatures"][0]["fix"]  # type: ignore[index]


def test_a_threshold_of_the_file_decides(runs: dict[str, harness.Run]) -> None:
    states = {
        name: next(row["state"] for row in run.diagnosis["findings"] if row["rule"] == "cluster.x.short_memory")
        for name, run in runs.items()
    }
    assert states == {"without": "fired", "with": "clear"}  # the lab's CronJobs keep three runs, as Kubernetes does


def test_the_playbook_rules_lists_what_the_file_adds(tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text(yaml.safe_dump(OWN))
    run = harness.play(tmp_path, {"cluster_sync_rule_files": [str(own)]}, playbook="sre.backup_sync.rules")
    assert run.code == 0 and "own.gateway" in run.output and '"threshold": "short_history"' in run.output
