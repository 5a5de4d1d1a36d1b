# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from pathlib import Path

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import load_catalogue

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "messages_table.py"


def _script():
    spec = importlib.util.spec_from_file_location("messages_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current():
    for path, page in _script().PAGES.items():
        assert path.read_text(encoding="utf-8") == page(), "run python tests/tools/messages_table.py"


def test_rows_of_a_table_have_the_columns_of_its_head():
    for page in _script().PAGES.values():
        bars = 0
        for line in page().splitlines():
            if line.startswith(("| row |", "| cause |")):
                bars = line.count("|")
            assert not line.startswith("|") or line.replace("\\|", "").count("|") == bars, line


def test_every_signature_has_its_row_and_all_but_harmless_ones_a_meaning():
    rows = [line.split(" | ") for line in _script().page_of_clusters().splitlines() if line.startswith("| ")]
    told = {cells[0].strip("| "): cells for cells in rows}
    lists = load_catalogue().lists
    entries = [entry for name, dummy in _script()._LISTS for entry in lists[name]]
    assert len(entries) > 150 and {entry.id for entry in entries} <= set(told)
    silent = [entry.id for entry in entries if not told[entry.id][2].strip() and not entry.wrapper]
    assert silent == []


def test_a_row_that_can_mean_two_things_says_what_decides():
    row = next(line for line in _script().page_of_aws().splitlines() if line.startswith("| A13 |"))
    assert "`kms_key_policy` or `kms_disabled`" in row and "DescribeKey" in row
