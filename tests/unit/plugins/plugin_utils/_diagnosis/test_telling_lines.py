# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _telling
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import telling_patterns
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.telling_lines import (
    FILE,
    as_text,
    prepared_patterns,
)


def test_the_file_is_that_of_the_catalogue():
    assert Path(FILE).read_text(encoding="utf-8") == as_text(telling_patterns()), "run python tests/tools/telling_index.py"


def test_what_is_read_is_what_would_be_made():
    patterns = prepared_patterns()
    assert patterns == [*telling_patterns(), _telling.GENERAL]
    prepared = _telling._PREPARED[tuple(patterns)]
    made = _telling.index_of(patterns)
    assert prepared == made
    assert list(prepared.by_word) == list(made.by_word)  # the order is that in which words are looked for
