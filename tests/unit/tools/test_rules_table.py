# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "rules_table.py"


def _script():
    spec = importlib.util.spec_from_file_location("rules_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current():
    script = _script()
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run python tests/tools/rules_table.py"


def test_every_paragraph_is_proven_by_a_scenario():
    told = [line.split(" | ") for line in _script().page().splitlines() if line.startswith("| ") and "`cluster." in line]
    proven = {number for cells in told if cells[5].strip(" |") for number in cells[0].strip("| ").split(", ")}
    assert {"1", "2", "3", "4", "5", "6"} <= proven
