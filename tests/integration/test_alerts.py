# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shipped alert rules and the dashboard, by Prometheus' own tool and against the documented names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import harness
import yaml

FILES = harness.ROOT / "roles" / "sync_report" / "files"
TESTS = Path(__file__).with_name("alerts_test.yml")


def _promtool(*arguments: str, folder: Path) -> str:
    """What promtool says where it finds a fault; nothing where all is well."""
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _expressions() -> dict[str, str]:
    """The queries of the alerts and of the dashboard's panels."""
    rules = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"][0]["rules"]
    panels: list[dict[str, t.Any]] = json.loads((FILES / "dashboard.json").read_text())["panels"]
    found = {rule["alert"]: rule["expr"] for rule in rules}
    found.update({f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel["targets"]})
    return found


def test_the_alerts_fire_for_what_they_say(tmp_path: Path) -> None:
    for file in (FILES / "alerts.yml", TESTS):
        shutil.copy(file, tmp_path)
    assert _promtool("check", "rules", "alerts.yml", folder=tmp_path) == ""
    assert _promtool("test", "rules", TESTS.name, folder=tmp_path) == ""


def test_each_alert_is_tested_to_fire_and_not_to() -> None:
    alerts = {rule["alert"] for rule in yaml.safe_load((FILES / "alerts.yml").read_text())["groups"][0]["rules"]}
    rows = [row for test in yaml.safe_load(TESTS.read_text())["tests"] for row in test["alert_rule_test"]]
    assert {row["alertname"] for row in rows if row["exp_alerts"]} == alerts
    assert {row["alertname"] for row in rows if not row["exp_alerts"]} == alerts - {"BackupCopyExposed"}


def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    known = {"$target": "prod", "$kind": "cluster"}
    rules = []
    for number, query in enumerate(_expressions().values()):
        for name, value in known.items():
            query = query.replace(name, value)
        rules.append({"record": f"query_{number}", "expr": query})
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert _promtool("check", "rules", "queries.yml", folder=tmp_path) == ""


def test_alerts_and_dashboard_ask_for_names_that_are_written() -> None:
    guide = set(re.findall(r"backup_sync_\w+", (harness.ROOT / "docs" / "reports.md").read_text()))
    asked = {name for query in _expressions().values() for name in re.findall(r"backup_sync_\w+", query)}
    assert asked <= guide
    assert guide - asked == set()  # nothing is written that nobody looks at


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
