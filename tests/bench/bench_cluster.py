# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the cluster playbook takes, side by side with what one would do without it.

Writes build/bench.json and prints the figures.
"""

from __future__ import annotations

import json
import sys
import tempfile
import typing as t
from pathlib import Path

import rounds
from rounds import HERE, harness

RATIOS = {
    "cluster_vs_kubernetes_core": ("cluster", "kubernetes_core"),
    "cluster_vs_empty": ("cluster", "empty"),
    "cluster_vs_bare_script": ("cluster", "bare_script"),
}


def main() -> int:
    """Run the rounds."""
    options = rounds.options(str(__doc__), "healthy")
    described = harness.scenario(options.scenario)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with harness.lab(harness.scenario_file(options.scenario), folder / "lab") as lab:
            told = rounds.contest(_contestants(folder, lab.info, described), options.rounds)
    rounds.tell(rounds.figures(told, RATIOS), options.output)
    return 0


def _contestants(
    folder: Path, info: dict[str, t.Any], described: dict[str, t.Any]
) -> dict[str, rounds.Contestant]:
    values = harness.variables(info, described, folder / "report")
    rival = {
        "source_kubeconfig": info["source"]["kubeconfig"],
        "destination_kubeconfig": info["destination"]["kubeconfig"],
        "namespace": values["cluster_sync_namespace"],
        "prometheus_url": (info.get("prometheus") or {}).get("url", ""),
    }
    script = [sys.executable, str(HERE / "bare_script.py"), json.dumps(rival)]
    return {
        "cluster": lambda: rounds.playbook(folder / "cluster", values),
        "kubernetes_core": lambda: rounds.playbook(folder / "core", rival, str(HERE / "kubernetes_core.yml")),
        "empty": lambda: rounds.playbook(folder / "empty", {}, str(HERE / "empty.yml")),
        "bare_script": lambda: rounds.program(script),
    }


if __name__ == "__main__":
    sys.exit(main())
