# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "rules_table.py"


def _script():
    spec = importlib.util.spec_from_file_location("rules_table", SCRIPT)
    module = sys.modules["rules_table"] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


TABLES = {table.kind: table for table in _script().TABLES}


@pytest.mark.parametrize("kind", TABLES)
def test_the_page_is_current(kind):
    table = TABLES[kind]
    assert table.path.read_text(encoding="utf-8") == _script().page(table), "run python tests/tools/rules_table.py"


def test_every_paragraph_is_proven_by_a_scenario():
    page = _script().page(TABLES["cluster"])
    told = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and "`cluster." in line]
    proven = {number for cells in told if cells[5].strip(" |") for number in cells[0].strip("| ").split(", ")}
    assert {"1", "2", "3", "4", "5", "6"} <= proven


def test_both_runbooks_have_a_page():
    assert set(TABLES) == {"cluster", "region"}
