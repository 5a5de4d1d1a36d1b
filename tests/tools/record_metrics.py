# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record what a real Prometheus answers the playbook in the demo's scenarios, for machines that cannot have one.

To be run again (make recordings) whenever the metrics step asks other questions; a test says when that is so.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests")]

import places  # noqa: E402  pylint: disable=wrong-import-position
import demo  # noqa: E402  pylint: disable=wrong-import-position
import harness  # noqa: E402  pylint: disable=wrong-import-position
from lab import prometheus, recorded  # noqa: E402  pylint: disable=wrong-import-position


def main() -> int:
    """Write a recording for each of the demo's scenarios that has metrics, into the folder that is given."""
    [folder] = places.given("record_metrics.py", "FOLDER")
    for kind, name in demo.SCENARIOS:
        if kind == "cluster" and "prometheus" in harness.scenario(name):
            recording = _record(name)
            if not recording["answers"]:
                print(f"record: the playbook asked nothing in the scenario {name}", file=sys.stderr)
                return 1
            text = json.dumps(recording, indent=1, sort_keys=True)
            (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            print(f"{name}: {len(recording['answers'])} answers recorded")
    return 0


def _record(name: str) -> dict[str, t.Any]:
    answers: dict[str, t.Any] = {}
    with tempfile.TemporaryDirectory(prefix="backup-sync-record-") as place:
        folder = pathlib.Path(place)
        with harness.lab(harness.scenario_file(name), folder / "lab") as lab:
            values = harness.variables(lab.info, harness.scenario(name), folder / "report")
            between = recorded.handler(recorded.recorder(lab.info["prometheus"]["url"], answers))
            with prometheus.serve_front(prometheus.PrometheusLab(), between) as front:
                values["cluster_sync_prometheus"]["prometheus_url"] = front.url
                begin = time.time()
                harness.play(folder / "run", values)
    return {"recorded_at": begin, "answers": answers}


if __name__ == "__main__":
    sys.exit(main())
