# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""How far failures spread: of every node, type or role how many are seen, and how many of them fail."""

from __future__ import annotations

import typing as t

_MOST_VALUES = 20  # of one sort


class Spread:
    """Counts resources, each once of each sort."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[bool]] = {}

    def add(self, what: str, value: str | None, failing: bool) -> None:
        """One resource. what: the sort, like node. value: which of them, None where it is not known."""
        if value:
            self._found.setdefault((what, value), []).append(failing)

    def rows(self) -> list[dict[str, t.Any]]:
        """{what, value, of, failing}, of each sort the worst first, the rest of very many in one row without a value.

        Where all are of one value nothing is compared.
        """
        told = []
        for what in sorted({what for what, dummy in self._found}):
            alike = [(value, found) for (sort, value), found in self._found.items() if sort == what]
            alike.sort(key=lambda item: (-sum(item[1]), -len(item[1]), item[0]))
            if len(alike) > 1:
                told += [_row(what, value, found) for value, found in alike[:_MOST_VALUES]]
                rest = [failing for dummy, found in alike[_MOST_VALUES:] for failing in found]
                told += [_row(what, None, rest)] if rest else []
        return told


def _row(what: str, value: str | None, found: list[bool]) -> dict[str, t.Any]:
    return {"what": what, "value": value, "of": len(found), "failing": sum(found)}
