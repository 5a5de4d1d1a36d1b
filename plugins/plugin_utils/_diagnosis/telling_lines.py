# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which log lines are worth keeping, ready for the log step.

To read the catalogue of signatures and to look into each of its patterns takes longer than the step itself. So what the
step needs of it lies beside it in telling.json, written by tests/tools/telling_index.py; a unit test fails when it is not
that of the catalogue.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._gather._telling import GENERAL, Index, index_of, prepare
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE

FILE = os.path.join(CATALOGUE, "telling.json")


def prepared_patterns() -> list[str]:
    """The patterns of the catalogue and the general words of trouble; the log step then finds their index made."""
    with open(FILE, encoding="utf-8") as file:
        told = json.load(file)
    by_word = {word.encode(): tuple(numbers) for word, numbers in told["by_word"].items()}
    required = tuple(_checks(checks) for checks in told["required"])
    return prepare(Index(tuple(told["patterns"]), required, by_word, tuple(told["always"])))


def _checks(told: list[t.Any]) -> tuple[t.Any, ...]:
    return tuple(check.encode() if isinstance(check, str) else _checks(check) for check in told)


def as_text(patterns: list[str]) -> str:
    """What the file holds for the catalogue's patterns."""
    index = index_of([*patterns, GENERAL])
    by_word = {word.decode(): numbers for word, numbers in index.by_word.items()}
    told = {"patterns": index.patterns, "required": index.required, "by_word": by_word, "always": index.always}
    return json.dumps(told, default=bytes.decode, ensure_ascii=False, indent=1) + "\n"
