# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contests: every round runs all contestants one after the other, and only ratios within a round count.

Machines are noisy; the median over the rounds is told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

Contestant = t.Callable[[], float]  # seconds that a run took


def options(description: str, scenario: str) -> argparse.Namespace:
    """The arguments of a contest's program."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scenario", default=scenario)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    return parser.parse_args()


def contest(contestants: dict[str, Contestant], rounds: int) -> list[dict[str, float]]:
    """What each took in each round, after one round that warms up byte code and page cache."""
    for run in contestants.values():
        run()
    return [{title: run() for title, run in contestants.items()} for dummy in range(rounds)]


def figures(told: list[dict[str, float]], ratios: dict[str, tuple[str, str]]) -> dict[str, t.Any]:
    """{key: median ratio} for {key: (contestant, rival)}, and the median seconds of each contestant."""
    found: dict[str, t.Any] = {
        key: round(statistics.median(one[ours] / one[rival] for one in told), 3)
        for key, (ours, rival) in ratios.items()
    }
    for title in told[0]:
        found[f"{title}_s"] = round(statistics.median(one[title] for one in told), 3)
    found["rounds"] = len(told)
    return found


def tell(found: dict[str, t.Any], output: Path) -> None:
    """Print the figures and add them to the file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(output.read_text()) if output.exists() else {}
    output.write_text(json.dumps({**known, **found}, indent=2, sort_keys=True) + "\n")
    for title, value in found.items():
        print(f"{title}: {value}")


def playbook(folder: Path, values: dict[str, t.Any], name: str | None = None) -> float:
    """Seconds of a run of the playbook; a run that fails ends the contest, since failing is fast."""
    runs: list[harness.Run] = []
    taken = timed(lambda: runs.append(harness.play(folder, values, playbook=name)))
    if runs[0].code != 0:
        raise SystemExit(f"{name or 'the playbook'} failed:\n{runs[0].output[-3000:]}")
    return taken


def program(command: list[str], **more: t.Any) -> float:
    """Seconds of a program that must succeed."""
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more))


def timed(work: t.Callable[[], t.Any]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
