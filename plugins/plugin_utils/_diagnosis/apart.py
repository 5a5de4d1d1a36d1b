# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What failures keep to: the node, type, role or rule that fails more often than all others of its sort."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._statistics import wilson
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
    usable,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.hours import Limits, fisher


class _Value(t.NamedTuple):
    what: str
    value: str | None  # None: the rest of very many
    of: int
    failing: int


def with_apart(
    scope: dict[str, t.Any], evidence: t.Any, step_name: str, failing: t.Sized, settings: Row
) -> dict[str, t.Any]:
    """The scope with what failures keep to, by the step's list `spread`.

    Where they keep to it wholly, the scope is specific, however many they are: what others have as well is not to blame.
    """
    found = apart(step(evidence, step_name), Limits.of(settings)) if failing and usable(evidence, step_name) else []
    wholly = any(not row["others_failing"] for row in found)
    return {**scope, "verdict": "specific" if wholly else scope["verdict"], "apart": found}


def apart(told: Row, limits: Limits) -> list[dict[str, t.Any]]:
    """Those values that stand apart, the clearest first; `others` are those of its sort that do not.

    A value stands apart when at least so many resources of it fail as limits say, when the 95 % interval (Wilson) of its
    share of failures lies wholly above that of the others, and when chance alone would hardly make it so (Fisher's exact
    test, Bonferroni's correction for the number of values): few data never do.
    """
    found = []
    for what in dict.fromkeys(text(row, "what") for row in rows(told, "spread")):
        alike = _values(told, what)
        first = [one for one in alike if _stands_out(one, [other for other in alike if other is not one], len(alike), limits)]
        others = [one for one in alike if one not in first]
        found += [_described(one, others) for one in first if one.value and _stands_out(one, others, len(alike), limits)]
    return sorted(found, key=lambda item: (item["p"], item["what"], item["value"]))


def _values(told: Row, what: str | None) -> list[_Value]:
    found = []
    for row in rows(told, "spread"):
        of, failing = figure(row, "of"), figure(row, "failing")
        if what and text(row, "what") == what and of and failing is not None and 0 <= failing <= of:
            found.append(_Value(what, text(row, "value"), int(of), int(failing)))
    return found


def _stands_out(one: _Value, others: list[_Value], values: int, limits: Limits) -> bool:
    of, failing = sum(other.of for other in others), sum(other.failing for other in others)
    if one.failing < limits.least or not of or wilson(one.failing, one.of)[0] <= wilson(failing, of)[1]:
        return False
    return _chance(one, of, failing) * values <= limits.significance


def _chance(one: _Value, others: int, others_failing: int) -> float:
    return fisher(one.failing, one.of - one.failing, others_failing, others - others_failing)


def _described(one: _Value, others: list[_Value]) -> dict[str, t.Any]:
    of, failing = sum(other.of for other in others), sum(other.failing for other in others)
    return {
        "what": one.what,
        "value": one.value,
        "failing": one.failing,
        "of": one.of,
        "others_failing": failing,
        "others": of,
        "interval": [round(bound, 3) for bound in wilson(one.failing, one.of)],
        "others_interval": [round(bound, 3) for bound in wilson(failing, of)],
        "p": float(f"{_chance(one, of, failing):.2g}"),
    }
