# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demo without Prometheus shows what it shows with one: the recorded answers fit the questions asked today."""

from __future__ import annotations

import sys
from pathlib import Path

import harness
import pytest
import yaml

sys.path.insert(0, str(harness.ROOT / "tests" / "tools"))

import demo  # noqa: E402  pylint: disable=wrong-import-position


def _metrics(folder: Path, scenario_file: Path) -> dict:
    described = yaml.safe_load(scenario_file.read_text())
    with harness.lab(scenario_file, folder / "lab") as lab:
        values = harness.variables(lab.info, described, folder / "report")
        run = harness.play(folder / "run", values)
    assert run.code == 0, run.output[-3000:]
    return run.evidence["evidence"]["metrics"]


@pytest.mark.parametrize("name", [name for kind, name in demo.SCENARIOS if kind == "cluster"])
def test_the_recorded_answers_make_the_same_evidence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = harness.scenario_file(name)
    with monkeypatch.context() as without:
        without.setattr(demo.shutil, "which", lambda program: None)
        instead = demo.with_metrics(real, harness.scenario(name), tmp_path)
    assert instead != real
    one, other = _metrics(tmp_path / "real", real), _metrics(tmp_path / "recorded", instead)
    assert one["outcome"] == "ok"
    for evidence in (one, other):
        del evidence["query"]["prometheus"]  # its port
        for row in evidence["series"]:
            del row["last_change_at"]  # told in steps of the clock, of ten minutes
    assert harness.differences(one, other, slack_s=120.0) == []
