# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Whether a disaster-recovery runbook may go on with a target, and why not. Pure.

Ready is what the diagnosis proves ready, what was read lately enough, and what has not run out since: an exposure grows with
the clock until the next copy is read, so what was 10 minutes below its RPO a quarter of an hour ago is not proven any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human, rfc3339
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure, rows, text
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import (
    Json,
    clean,
    member,
    resource_in_words,
    sentence,
)

SCHEMA = "sre.backup_sync/gate/v1"
_AHEAD_S = 60.0  # by which the clock of the machine that gathered may run ahead of ours
_MOST_NAMED = 3
_KINDS = {"cluster": "clusters", "region": "Regions"}
_AS_WORDS = {"ready": "ready", "not_ready": "not ready", "unknown": "not known to be ready"}


@dataclass(frozen=True)
class Asked:
    """What the runbook wants.

    target, kind: whose diagnosis it must be, and of a pair of what; "" for any. resources: those that it fails over; () for
    all. by, reason: of who goes on in any case.
    """

    max_age_s: float
    target: str = ""
    kind: str = ""
    resources: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class _Finding:
    """ready, not_ready or unknown, and why in a sentence that has no end."""

    verdict: str
    why: str


def decide(
    asked: Asked,
    now: datetime,
    *,
    diagnosis: Json | None,
    read_at: datetime | None = None,
    problem: str = "",
    called: str = "",
) -> Json:
    """The decision as its record keeps it: passed, stopped or overridden, with the reason.

    read_at: when the evidence was gathered, by our clock. problem: why there is no diagnosis; called: the target's name then.
    """
    known = diagnosis or {}
    age_s = (now - read_at).total_seconds() if read_at else None
    found = _Finding("unknown", clean(problem) or "there is no diagnosis") if diagnosis is None else _judged(known, age_s, asked)
    ready = found.verdict == "ready"
    overridden = not ready and bool(asked.by and asked.reason)
    return {
        "schema": SCHEMA,
        "kind": asked.kind or _kind(known) or "unknown",
        "target": asked.target or _target(known) or called,
        "decision": "passed" if ready else "overridden" if overridden else "stopped",
        "readiness": found.verdict,
        "reason": found.why,
        "override": {"by": asked.by, "reason": asked.reason} if overridden else None,
        "status": text(known, "status"),
        "cause": text(known, "root_cause", "cause"),
        "resources": list(asked.resources),
        "worst_exposure_s": _worst(member(known, "dr_readiness"), asked.resources),
        "rpo_s": figure(known, "dr_readiness", "rpo_s"),
        "read_at": rfc3339(read_at),
        "age_s": age_s if age_s is None else round(age_s if age_s < -_AHEAD_S else max(age_s, 0.0), 1),
        "decided_at": rfc3339(now.astimezone(timezone.utc)),
    }


def decision_in_words(decision: Json) -> str:
    """Sentences: `prod is ready: worst exposure 20 min (RPO 2 h). Read 12 s ago.`"""
    age_s = decision["age_s"]
    read = "" if age_s is None or age_s < 0 else f" Read {human(age_s)} ago."
    told = f"{decision['target']} is {_AS_WORDS[decision['readiness']]}: {sentence(decision['reason'])}{read}"
    if decision["decision"] == "passed":
        return told
    if decision["decision"] == "overridden":
        override = decision["override"]
        return f"{override['by']} goes on all the same: {sentence(override['reason'])} {told}"
    return f"{told} To go on all the same, set sync_gate_override_by and sync_gate_override_reason."


def _judged(diagnosis: Json, age_s: float | None, asked: Asked) -> _Finding:
    if asked.target and asked.target != _target(diagnosis):
        return _Finding("unknown", f"the diagnosis is of {_target(diagnosis) or 'another'}")
    if asked.kind and asked.kind != _kind(diagnosis):
        theirs = _KINDS.get(_kind(diagnosis), "something else")
        return _Finding("unknown", f"the diagnosis is of the pair of {theirs} that is called so, not of that of {_KINDS[asked.kind]}")
    if not _target(diagnosis):
        return _Finding("unknown", "the diagnosis does not say what it is of")
    if diagnosis.get("supposing") is not None:
        return _Finding("unknown", "the diagnosis is of supposed values")
    if age_s is None:
        return _Finding("unknown", "nobody can say when the evidence was read")
    if age_s < -_AHEAD_S:
        return _Finding("unknown", f"the evidence is dated {human(-age_s)} ahead of this machine's clock")
    readiness = member(diagnosis, "dr_readiness")
    found = _of_resources(readiness, asked.resources) if asked.resources else _of_all(readiness)
    if found.verdict != "ready":
        found = _Finding(found.verdict, f"{found.why}{_cause(diagnosis)}")
    if age_s > asked.max_age_s:
        then = f"older than the {human(asked.max_age_s)} that are allowed; it was {_AS_WORDS[found.verdict]} then"
        return _Finding("unknown", f"what was read is {then}: {found.why}")
    if found.verdict != "ready":
        return found
    return _still(found, readiness, max(age_s, 0.0), asked.resources)


def _of_all(readiness: Json) -> _Finding:
    verdict = str(readiness.get("verdict"))
    if verdict == "ready":
        return _Finding(verdict, _exposure(readiness, figure(readiness, "worst_exposure_s")))
    listed = [row for row in rows(readiness, "resources") if row.get("verdict") != "ready"]
    told = _told(readiness, listed) or "the diagnosis does not say why"
    return _Finding(verdict if verdict in _AS_WORDS else "unknown", told)


def _of_resources(readiness: Json, wanted: tuple[str, ...]) -> _Finding:
    """Of these alone. What speaks against all, as a vault that is gone, speaks against them too."""
    known = {str(row.get("resource")) for row in rows(readiness, "resources")}
    if readiness.get("verdict") == "not_ready" and text(readiness, "reason"):
        return _Finding("not_ready", str(text(readiness, "reason")))
    if text(readiness, "verdict") not in _AS_WORDS:
        return _Finding("unknown", "the diagnosis does not say whether it is ready")
    strangers = [name for name in wanted if name not in known]
    if strangers:
        among = f"; it lists {', '.join(sorted(known)[:_MOST_NAMED * 2])}" if known else ""
        said = f"; {text(readiness, 'reason')}" if text(readiness, "reason") else ""
        return _Finding("unknown", f"the diagnosis says nothing of {', '.join(strangers)}{among}{said}")
    asked = [row for row in rows(readiness, "resources") if str(row.get("resource")) in wanted]
    listed = [row for row in asked if row.get("verdict") != "ready"]
    if not listed:
        return _Finding("ready", _exposure(readiness, _worst(readiness, wanted)))
    verdict = "not_ready" if any(row.get("verdict") == "not_ready" for row in listed) else "unknown"
    return _Finding(verdict, _told({**readiness, "reason": None}, listed))


def _still(found: _Finding, readiness: Json, age_s: float, wanted: tuple[str, ...]) -> _Finding:
    """Whether it is ready by now too: until another copy is read, the exposure has grown by the time that passed."""
    exposure_s, rpo_s = _worst(readiness, wanted), figure(readiness, "rpo_s")
    if exposure_s is None or rpo_s is None:  # ready without these is none of ours
        return _Finding("unknown", "the diagnosis calls it ready and tells no exposure or no RPO")
    errors = [figure(row, "exposure_error_s") or 0.0 for row in rows(readiness, "resources")]
    if max(exposure_s, 0.0) + max(errors, default=0.0) + age_s <= rpo_s:
        return found
    return _Finding("unknown", f"{found.why}, which with the {human(age_s)} since then is more than the RPO")


def _worst(readiness: Json, wanted: tuple[str, ...]) -> float | None:
    """The worst exposure in seconds of these resources, () for all."""
    if not wanted:
        return figure(readiness, "worst_exposure_s")
    named = [figure(row, "exposure_s") for row in rows(readiness, "resources") if str(row.get("resource")) in wanted]
    return None if None in named else max((known for known in named if known is not None), default=None)


def _told(readiness: Json, listed: list[Json]) -> str:
    """The reason and the resources that are not ready, the first ones by name."""
    parts = [str(text(readiness, "reason") or ""), *map(resource_in_words, listed[:_MOST_NAMED])]
    more = len(listed) - _MOST_NAMED + int(figure(readiness, "resources_not_shown") or 0)
    parts.append(f"and {more} more" if listed and more > 0 else "")
    return clean("; ".join(part for part in parts if part))


def _exposure(readiness: Json, worst_s: float | None) -> str:
    return f"worst exposure {human(worst_s)} (RPO {human(figure(readiness, 'rpo_s'))})"


def _target(diagnosis: Json) -> str:
    return clean(str(member(diagnosis, "target").get("name") or ""))


def _kind(diagnosis: Json) -> str:
    return str(member(diagnosis, "target").get("kind") or "")


def _cause(diagnosis: Json) -> str:
    """The cause, or what would decide it, to be put behind a reason."""
    cause = member(diagnosis, "root_cause")
    if cause.get("title"):
        return clean(f"; cause: {cause['title']} ({cause.get('confidence')})")
    settle_by = text(diagnosis, "settle_by")
    return clean(f"; to decide it: {settle_by}").rstrip(".") if settle_by else ""
