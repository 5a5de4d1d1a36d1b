# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The figures that decide, and what a user sets them to; the table is catalogue/thresholds.yml."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import read_yaml
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError

FILE = "thresholds.yml"


@dataclass(frozen=True)
class Threshold:
    """One row of the table; the fields are described at its head."""

    name: str
    kinds: tuple[str, ...]
    value: float
    least: float
    most: float
    meaning: str
    source: str
    whole: bool = False


@functools.lru_cache(maxsize=None)
def thresholds_of(kind: str) -> dict[str, Threshold]:
    """Those of a kind of target by name."""
    table = (Threshold(**{**row, "kinds": tuple(row["kinds"])}) for row in read_yaml(FILE)["thresholds"])
    return {row.name: row for row in table if kind in row.kinds}


def shipped_values(kind: str) -> dict[str, float]:
    """{name: value} where nobody says otherwise."""
    return {name: row.value for name, row in thresholds_of(kind).items()}


def own_values(given: t.Mapping[t.Any, t.Any], file: str, kind: str) -> dict[str, float]:
    """What a file sets. Raises RuleError with a sentence that names file and threshold."""
    known = thresholds_of(kind)
    for name, value in given.items():
        label = f"{file}: threshold {name}"
        row = known.get(str(name))
        if row is None:
            raise RuleError(f"{label}: there is none of this name for targets of kind {kind}; known: {', '.join(sorted(known))}.")
        number = "whole number" if row.whole else "number"
        odd = isinstance(value, bool) or not isinstance(value, int if row.whole else (int, float))
        if odd or not row.least <= value <= row.most:
            shown = "what is given" if isinstance(value, int) and abs(value) > 1e15 else repr(str(value)[:80])
            raise RuleError(f"{label}: {shown} cannot be used; give a {number} from {row.least:g} to {row.most:g}.")
    return {str(name): value for name, value in given.items()}
