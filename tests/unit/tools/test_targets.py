# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TARGETS = ROOT / "tests" / "integration" / "targets"
ENTRY_POINTS = [
    (path.parents[1].name, entry)
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
]


def _tasks(target):
    return "".join(path.read_text(encoding="utf-8") for path in sorted((TARGETS / target / "tasks").glob("*.yml")))


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")))
def test_each_module_has_a_target(module):
    tasks = _tasks(module)
    assert f"sre.backup_sync.{module}" in tasks
    if "setup_step" in tasks:  # which does all of this
        assert re.search(r"step_holds:\n      - ", tasks)
    else:
        assert "check_mode:" in tasks and re.search(r"failed_when: (\w+) is not failed\n", tasks)


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_each_entry_point_of_a_role_has_a_target(role, entry):
    tasks = _tasks(f"role_{role}")
    assert f"name: sre.backup_sync.{role}\n" in tasks and "msg: It went on." in tasks and "check_mode: " in tasks
    assert entry == "main" or f"tasks_from: {entry}\n" in tasks
