# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "messages_table.py"


def _script():
    spec = importlib.util.spec_from_file_location("messages_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current():
    script = _script()
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run python tests/tools/messages_table.py"


def test_rows_of_a_table_have_the_columns_of_its_head():
    bars = {line.replace("\\|", "").count("|") for line in _script().page().splitlines() if line.startswith("| A")}
    assert bars == {8}


def test_a_row_that_can_mean_two_things_says_what_decides():
    row = next(line for line in _script().page().splitlines() if line.startswith("| A13 |"))
    assert "`kms_key_policy` or `kms_disabled`" in row and "DescribeKey" in row
