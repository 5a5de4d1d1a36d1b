# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the diagnosis does not know, and what would settle it."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    USABLE,
    outcome,
    rows,
    step,
    text,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Gaps, Kind

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.verdict import Candidate


def gaps(kind: Kind, evidence: t.Any) -> list[dict[str, t.Any]]:
    """Steps that did not answer, and reads inside answering steps that were refused."""
    told = kind.gaps
    listed = []
    for name in kind.words.steps:
        state = outcome(evidence, name)
        found = step(evidence, name)
        if (state == "not_run" and told.idle(name, evidence)) or told.moot(name, evidence):
            continue
        if state not in USABLE and state != "not_applicable":
            listed.append(_gap(told, name, state, told.effects[name], found.get("error")))
        for denied in rows(found, "denied"):
            what = text(denied, "what") or "a read"
            listed.append(
                _gap(told, name, text(denied, "outcome") or "forbidden", f"{what} could not be read", denied)
            )
        effect = told.partial(name, found) if state in USABLE else None
        if effect:
            listed.append(_gap(told, name, "partial", effect, None))
    return listed


def _gap(told: Gaps, name: str, state: str, effect: str, error: t.Any) -> dict[str, t.Any]:
    error = error if isinstance(error, dict) else {}
    grant = error.get("grant") if isinstance(error.get("grant"), dict) else None
    return {
        "step": name,
        "outcome": state,
        "effect": effect,
        "message": text(error, "message"),
        "close": told.grant(grant) or _with_variables(told, text(error, "hint")) or _standing(told, name, state),
        "grant": grant,
    }


def _standing(told: Gaps, name: str, state: str) -> str | None:
    """How such a gap is closed in general."""
    return (told.not_configured.get(name) if state == "not_configured" else None) or told.close.get(state)


def _with_variables(told: Gaps, hint: str | None) -> str | None:
    """The hint in the role's words."""
    for pattern, variable, count in told.variables:
        hint = pattern.sub(variable, hint, count=count) if hint else hint
    return hint


def contradiction(first: str, second: str, believe: str, reason: str) -> dict[str, t.Any]:
    """Two signals that cannot both be true, which step to believe, and why."""
    return {"signals": [first, second], "believe": believe, "reason": reason}


def settle_by(
    kind: Kind,
    root: Candidate | None,
    runner_up: Candidate | None,
    open_gaps: list[dict[str, t.Any]],
    facts: dict[str, t.Any],
) -> str | None:
    """The one observation that would decide; None when the cause is confirmed."""
    if root and root.confidence == "confirmed":
        return None
    for gap in open_gaps:
        if gap["step"] in kind.gaps.first and gap["close"]:
            return f"Close the gap in {gap['step']}: {gap['close']}"
    for candidate in (root, runner_up):
        if candidate and candidate.cause.id in kind.settle:
            return kind.settle[candidate.cause.id]
    return kind.settle_without_cause if not root and facts["failing"] else None
