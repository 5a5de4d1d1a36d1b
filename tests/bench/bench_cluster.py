# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the cluster playbook takes, side by side with what one would do without it.

Machines are noisy, so only ratios count: every round runs all contestants one after the other, the ratio is taken
within the round, and the median over the rounds is told. Writes build/bench.json and prints the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

HERE = Path(__file__).parent
RIVALS = {
    "cluster_vs_kubernetes_core": "kubernetes_core",
    "cluster_vs_empty": "empty",
    "cluster_vs_bare_script": "bare_script",
}


def main() -> int:
    """Run the rounds; exit code 1 when a contestant fails, since a failed run is fast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scenario", default="healthy")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args()
    described = harness.scenario(options.scenario)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with harness.lab(harness.SCENARIOS / f"{options.scenario}.yaml", folder / "lab") as lab:
            contestants = _contestants(folder, lab.info, described)
            for run in contestants.values():  # a warm-up: byte code and page cache
                run()
            rounds = [{title: run() for title, run in contestants.items()} for dummy in range(options.rounds)]
    figures = _figures(rounds)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.write_text(json.dumps({**known, **figures}, indent=2, sort_keys=True) + "\n")
    for title, value in figures.items():
        print(f"{title}: {value}")
    return 0


def _contestants(
    folder: Path, info: dict[str, t.Any], described: dict[str, t.Any]
) -> dict[str, t.Callable[[], float]]:
    values = harness.variables(info, described, folder / "report")
    rival = {
        "source_kubeconfig": info["source"]["kubeconfig"],
        "destination_kubeconfig": info["destination"]["kubeconfig"],
        "namespace": values["cluster_sync_namespace"],
        "prometheus_url": (info.get("prometheus") or {}).get("url", ""),
    }
    script = [sys.executable, str(HERE / "bare_script.py"), json.dumps(rival)]
    return {
        "cluster": lambda: _playbook(folder / "cluster", values, "sre.backup_sync.cluster"),
        "kubernetes_core": lambda: _playbook(folder / "core", rival, str(HERE / "kubernetes_core.yml")),
        "empty": lambda: _playbook(folder / "empty", {}, str(HERE / "empty.yml")),
        "bare_script": lambda: _timed(lambda: subprocess.run(script, check=True, stdout=subprocess.DEVNULL)),
    }


def _playbook(folder: Path, values: dict[str, t.Any], playbook: str) -> float:
    runs: list[harness.Run] = []
    taken = _timed(lambda: runs.append(harness.play(folder, values, playbook=playbook)))
    if runs[0].code != 0:
        raise SystemExit(f"{playbook} failed:\n{runs[0].output[-3000:]}")
    return taken


def _timed(work: t.Callable[[], t.Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _figures(rounds: list[dict[str, float]]) -> dict[str, t.Any]:
    figures: dict[str, t.Any] = {
        key: round(statistics.median(one["cluster"] / one[rival] for one in rounds), 3) for key, rival in RIVALS.items()
    }
    for title in rounds[0]:
        figures[f"{title}_s"] = round(statistics.median(one[title] for one in rounds), 3)
    figures["rounds"] = len(rounds)
    return figures


if __name__ == "__main__":
    sys.exit(main())
