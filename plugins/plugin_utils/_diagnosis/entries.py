# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What all entries of a rule file have in common."""

from __future__ import annotations

import typing as t


class RuleError(Exception):
    """A rule file, or an entry of one, that cannot be used; the text names the file, the entry and the key."""


def label_of(entry: t.Any, file: str, what: str, number: int, *, name: str, keys: t.Collection[str]) -> str:
    """How messages call an entry: by its file, what it is, and its name or its place in the list.

    Raises RuleError for what is no mapping, or has another key than these.
    """
    if not isinstance(entry, dict):
        raise RuleError(f"{file}: {what} {number} is no mapping.")
    label = f"{file}: {what} {' '.join(str(entry.get(name) or number).split())}"
    unknown = sorted(set(map(str, entry)) - set(keys))
    if unknown:
        raise RuleError(f"{label}: unknown key {unknown[0]!r}; the keys are {', '.join(sorted(keys))}.")
    return label
