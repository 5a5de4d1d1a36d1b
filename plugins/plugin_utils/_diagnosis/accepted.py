# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Findings that somebody has accepted for a while: they are told with their owner, and speak for no cause.

What copies fail for stays the status; only that a rule fired is taken for known. After its last day an acceptance is
over: the finding fires again and says whose it was.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from datetime import date, datetime

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError, label_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import newest_reading

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import Result

_REQUIRED = ("rule", "owner", "reason", "until")
_KEYS = frozenset({*_REQUIRED, "targets", "resources"})


@dataclass(frozen=True)
class Acceptance:
    """One accepted finding; targets, resources: what it is for, all when there are none."""

    rule: str
    owner: str
    reason: str
    until: date  # its last day
    targets: tuple[str, ...]
    resources: tuple[str, ...]
    label: str  # the file and the entry, for messages


def acceptance(entry: t.Any, file: str, number: int) -> Acceptance:
    """One entry of a file's list `accepted`. Raises RuleError with a sentence that names file, entry and key."""
    label = label_of(entry, file, "accepted", number, name="rule", keys=_KEYS)
    for key in _REQUIRED:
        if not str(entry.get(key) or "").strip():
            raise RuleError(f"{label}: the key {key!r} is missing; who accepts a finding says who, why and how long.")
    return Acceptance(
        rule=str(entry["rule"]),
        owner=str(entry["owner"]),
        reason=str(entry["reason"]),
        until=_day(entry["until"], label),
        targets=_names(entry, "targets", "pairs", label),
        resources=_names(entry, "resources", "resources", label),
        label=label,
    )


def _names(entry: dict[str, t.Any], key: str, of: str, label: str) -> tuple[str, ...]:
    if key not in entry:
        return ()
    given = entry[key]
    if not isinstance(given, list) or not given or not all(type(name) in (str, int) for name in given):
        raise RuleError(f"{label}: {key} must be a list of the names of {of}; leave it out for all of them.")
    return tuple(str(name) for name in given)


def _day(given: t.Any, label: str) -> date:
    if isinstance(given, datetime):  # a YAML time; only its day counts
        return given.date()
    if isinstance(given, date):
        return given
    try:
        return datetime.strptime(str(given), "%Y-%m-%d").date()
    except ValueError as exc:
        raise RuleError(f"{label}: until is {given!r}; write the last day like 2026-12-31.") from exc


def day_of(evidence: t.Any) -> date | None:
    """The day on which the evidence was gathered, so that a replay judges as the run did; None when it does not say."""
    try:
        return date.fromisoformat((newest_reading(evidence) or "")[:10])
    except ValueError:
        return None


def applied(
    results: t.Sequence[Result], accepted: t.Sequence[Acceptance], target: str | None, today: date | None
) -> list[Result]:
    """The results, those that were accepted in the state `accepted`; where an acceptance is over, it says so."""
    mine: dict[str, Acceptance] = {}
    for entry in accepted:
        if not entry.targets or target in entry.targets:
            best = mine.get(entry.rule)
            mine[entry.rule] = entry if best is None or entry.until > best.until else best
    return [_judged(result, mine[result.rule.id], today) if result.rule.id in mine else result for result in results]


def _judged(result: Result, entry: Acceptance, today: date | None) -> Result:
    if result.state != "fired":
        return result
    left = tuple(name for name in result.resources if name not in entry.resources) if entry.resources else ()
    if left or (entry.resources and not result.resources):
        return replace(result, resources=left or result.resources)  # it fires for others, or nobody knows for whom
    over = today is None or today > entry.until
    told = {"owner": entry.owner, "reason": entry.reason, "until": entry.until.isoformat(), "over": over}
    if not over:
        return replace(result, state="accepted", accepted=told, next_steps=())
    end = "that is over" if today else "the evidence does not tell its day, so that nobody knows whether that is over"
    since = f"{entry.owner} had accepted this until {entry.until.isoformat()} ({entry.reason}); {end}."
    return replace(result, accepted=told, explanation=f"{result.explanation} {since}")
