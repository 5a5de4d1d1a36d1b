# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show what the collection does: start the lab for a broken and a healthy pair of each kind, and diagnose each.

The reports, in all formats, stay in the folder that is given first. A second one is where the collection was installed; without it,
it is taken from here. The exit status says whether both diagnoses are what their scenarios state.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing as t

import places
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import FORMATS  # noqa: E402  pylint: disable=wrong-import-position

RECORDINGS = ROOT / "tests" / "lab" / "recordings"
# (kind of target, scenario): a broken and a healthy one of each
SCENARIOS = (
    ("cluster", "dns-failure"),
    ("cluster", "healthy"),
    ("region", "vault-access-policy"),
    ("region", "healthy"),
)


def main() -> int:
    """Run the scenarios one after the other."""
    folder, *installed = places.given("demo.py", "FOLDER", "[COLLECTIONS]")
    places.empty(folder)
    wrong: list[str] = []
    for kind, name in SCENARIOS:
        wrong += _show(kind, name, folder, installed)
    for sentence in wrong:
        print(f"demo: {sentence}", file=sys.stderr)
    print(f"\nThe reports are in {folder}; open the report.html of each in a browser.")
    return 1 if wrong else 0


def _show(kind: str, name: str, folder: pathlib.Path, installed: list[pathlib.Path]) -> list[str]:
    """Diagnose one scenario before the reader's eyes; what is not as the scenario states."""
    path, described = harness.scenario_file(name, kind), harness.scenario(name, kind)
    target = f"{kind}-{name}"
    print(f"\n##### {target}: {described['title']} #####", flush=True)
    with tempfile.TemporaryDirectory(prefix="backup-sync-demo-") as place:
        path = with_metrics(path, described, pathlib.Path(place))
        with harness.lab(path, pathlib.Path(place) / "lab") as lab:
            values = harness.variables(lab.info, described, folder)
            values[f"{kind}_sync_name"] = target
            values["sync_report_formats"] = list(FORMATS)
            command = ["ansible-playbook", f"sre.backup_sync.{kind}", "-e", f"@{_written(place, values)}"]
            code = subprocess.run(command, check=False, env=_environment(pathlib.Path(place), installed)).returncode
    if code:
        return [f"{target}: the playbook ended with {code}"]
    return _unexpected(target, folder / target / "diagnosis.json", described["expect"])


def with_metrics(path: pathlib.Path, described: dict[str, t.Any], place: pathlib.Path) -> pathlib.Path:
    """The scenario to start: as it is, or, where Prometheus is not installed, with the recorded answers of one."""
    if "prometheus" not in described or (shutil.which("prometheus") and shutil.which("promtool")):
        return path
    print(
        "demo: Prometheus is not installed, so the lab serves what a real one answered to the same samples; "
        "on Debian: apt-get install prometheus"
    )
    instead = place / path.name
    recording = {"recorded": str(RECORDINGS / f"{path.stem}.json")}
    instead.write_text(yaml.safe_dump({**described, "prometheus": recording}), "utf-8")
    return instead


def _written(place: str, values: dict[str, t.Any]) -> pathlib.Path:
    """The variables in a file, as a user would keep them."""
    path = pathlib.Path(place) / "vars.yml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def _environment(place: pathlib.Path, installed: list[pathlib.Path]) -> dict[str, str]:
    """That of the tests, but with the colours of whoever looks on, and with the collection that is meant."""
    environment = harness.environment(place)
    if installed:
        environment["ANSIBLE_COLLECTIONS_PATH"] = str(installed[0])
    if sys.stdout.isatty():
        del environment["ANSIBLE_NOCOLOR"]
        environment["TERM"] = os.environ.get("TERM", "dumb")
    return environment


def _unexpected(name: str, report: pathlib.Path, expect: dict[str, t.Any]) -> list[str]:
    diagnosis = yaml.safe_load(report.read_text(encoding="utf-8"))
    seen = {
        "status": diagnosis["status"],
        "cause": (diagnosis["root_cause"] or {}).get("cause"),
        "dr_readiness": diagnosis["dr_readiness"]["verdict"],
    }
    return [
        f"{name}: {key} is {seen[key]}, the scenario states {expect[key]}"
        for key in seen
        if key in expect and seen[key] != expect[key]
    ]


if __name__ == "__main__":
    sys.exit(main())
