# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Reading evidence without trusting its shape: a saved bundle may be old, cut or edited by hand."""

from __future__ import annotations

import typing as t

USABLE = frozenset({"ok", "empty"})
_NOTHING_THERE = frozenset({"not_configured", "not_applicable"})
_TOO_LARGE = 1e15

Row = t.Dict[str, t.Any]
Citation = t.Dict[str, t.Any]  # {step, path, value, at}: what was seen, where in evidence.json, and when if it says so


def step(evidence: t.Any, name: str) -> Row:
    """The evidence of one step, {} when it is absent or no mapping."""
    found = evidence.get(name) if isinstance(evidence, dict) else None
    return found if isinstance(found, dict) else {}


def outcome(evidence: t.Any, name: str) -> str:
    """The step's outcome; `not_run` when the bundle has no such step."""
    found = step(evidence, name).get("outcome")
    return found if isinstance(found, str) else "not_run"


def usable(evidence: t.Any, name: str) -> bool:
    """Whether the step's answer can carry a conclusion, also the conclusion that nothing is there."""
    return outcome(evidence, name) in USABLE


def seen(evidence: t.Any, name: str) -> bool:
    """Whether the step's answer leaves nothing in doubt: it can carry a conclusion, or there is nothing to read there."""
    return usable(evidence, name) or outcome(evidence, name) in _NOTHING_THERE


def newest_reading(evidence: t.Any) -> str | None:
    """When the newest step was gathered (RFC 3339); None where none says."""
    times = [text(told, "observed_at") for told in evidence.values()] if isinstance(evidence, dict) else []
    return max((at for at in times if at), default=None)


def rows(holder: t.Any, name: str) -> list[Row]:
    """The mappings in a list member, [] for anything else."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def rows_about(evidence: t.Any, step_name: str, name: str, resource: str) -> list[tuple[int, Row]]:
    """The rows of the resource in a list of a step that answered, with their places in the list."""
    listed = rows(step(evidence, step_name), name) if usable(evidence, step_name) else []
    return [(index, row) for index, row in enumerate(listed) if text(row, "resource") == resource]


def citation(step_name: str, path: str, seen_value: t.Any, at: str | None = None) -> Citation:
    """An observation as it is told."""
    return {"step": step_name, "path": path, "value": seen_value, "at": at}


def texts(holder: t.Any, *path: str) -> list[str]:
    """The texts in a list at the path, [] for anything else."""
    found = value(holder, *path)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def value(holder: t.Any, *path: str) -> t.Any:
    """Whatever stands at the path; None where the path ends early."""
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder


def figure(holder: t.Any, *path: str) -> float | None:
    """A number at the path; None when it is absent, no number, or beyond all that counts and durations can be."""
    found = value(holder, *path)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not abs(found) < _TOO_LARGE:
        return None
    return float(found)


def text(holder: t.Any, *path: str) -> str | None:
    """A non-empty string at the path, else None."""
    found = value(holder, *path)
    return found if isinstance(found, str) and found else None
