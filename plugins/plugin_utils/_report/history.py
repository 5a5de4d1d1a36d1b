# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the earlier runs of a target say about this one: since when it is so, what changed, which way it goes. Pure."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import asdict, dataclass, field, fields

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human, parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure, rows, text, texts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import Json, member, minute, spaced

MOST_RUNS = 1000  # of a target that are kept: six weeks of hourly ones
SHOWN_RUNS = 60  # of the exposure, in a drawing
_LOOKED_AT = 12  # runs, this one included, in which something flaps
_FLAPS = 3  # changes among these that make it flapping
_TREND_RUNS = 24
_TREND_SHARE = 0.1  # by which the exposure has to grow


@dataclass(frozen=True)
class Entry:
    """One run. at: when its evidence was gathered (RFC 3339). run: what tells it from another of the same second.

    fired: ids of rules; open: those of which it tells neither that they are so nor that they are not (unknown, accepted).
    Rules of severity info are left out: what they tell is no trouble. rules: the name of the rule set.
    """

    at: str
    run: str
    status: str
    cause: str | None = None
    confidence: str | None = None
    readiness: str | None = None
    worst_exposure_s: float | None = None
    rpo_s: float | None = None
    fired: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    rules: str | None = None

    @property
    def key(self) -> str:
        """What has to change for people to be told anew."""
        return "/".join(str(each or "none") for each in (self.status, self.cause, self.readiness))

    def as_json(self) -> Json:
        """The row of the history file."""
        return asdict(self)


@dataclass
class Told:
    """What the history says of a run. since, previous: None where nothing earlier is known."""

    entry: Entry
    runs: int = 1  # up to this one, which counts
    later: bool = False  # whether the history has later ones: old evidence was diagnosed
    since: str | None = None
    since_start: bool = False  # the history begins with it, so it may be older
    in_a_row: int = 1
    previous: Entry | None = None
    other: Entry | None = None  # the last one with another answer
    status_before: str | None = None
    new: list[str] = field(default_factory=list)  # ids of rules, as all of these
    resolved: list[str] = field(default_factory=list)
    flapping: list[str] = field(default_factory=list)
    status_changes: int = 0
    rules_changed: bool = False
    exposed: list[Entry] = field(default_factory=list)  # runs that know the worst exposure

    @property
    def changed(self) -> bool:
        """Whether the answer is another than that of the run before."""
        return self.previous is not None and self.previous.key != self.entry.key


def left_out(diagnosis: Json) -> list[str]:
    """Steps that the run left out by a tag: what it says is no part of a history, as it did not look."""
    return [str(row.get("step")) for row in rows(diagnosis, "gaps") if row.get("outcome") == "not_run"]


def entry_of(diagnosis: Json, evidence: t.Any, at: str) -> Entry:
    """What is kept of a run; the same evidence makes the same run again."""
    ready, cause = member(diagnosis, "dr_readiness"), member(diagnosis, "root_cause")
    whole = json.dumps(evidence or [at, diagnosis], sort_keys=True, default=str)
    states: dict[str, list[str]] = {}
    for row in rows(diagnosis, "findings"):
        if row.get("severity") != "info":
            states.setdefault(str(row.get("state")), []).append(str(row.get("rule")))
    return Entry(
        at=at,
        run=hashlib.sha256(whole.encode()).hexdigest()[:12],
        status=str(diagnosis.get("status") or "unknown"),
        cause=text(cause, "cause"),
        confidence=text(cause, "confidence"),
        readiness=text(ready, "verdict"),
        worst_exposure_s=figure(ready, "worst_exposure_s"),
        rpo_s=figure(ready, "rpo_s"),
        fired=tuple(sorted(states.get("fired", ()))),
        open=tuple(sorted([*states.get("unknown", ()), *states.get("accepted", ())])),
        rules=text(diagnosis, "rule_set"),
    )


def entry_from(row: t.Any) -> Entry:
    """The inverse of Entry.as_json. Raises ValueError for what is no entry."""
    if not isinstance(row, dict) or parse_time(text(row, "at")) is None or text(row, "status") is None:
        raise ValueError("no run")
    numbers = {name: figure(row, name) for name in ("worst_exposure_s", "rpo_s")}
    words = {name: text(row, name) for name in ("cause", "confidence", "readiness", "rules")}
    listed = {name: tuple(texts(row, name)) for name in ("fired", "open")}
    told: dict[str, t.Any] = {"at": row["at"], "run": str(row.get("run")), "status": row["status"], **numbers, **words, **listed}
    return Entry(**{each.name: told[each.name] for each in fields(Entry)})


def titles_of(diagnosis: Json) -> dict[str, str]:
    """{rule: its title} of all rules that the diagnosis tells of."""
    return {str(row.get("rule")): str(row.get("title") or row.get("rule")) for row in rows(diagnosis, "findings")}


def told_of(known: t.Sequence[Entry], entry: Entry) -> Told:
    """What the runs that are known say about this one. known: the oldest first; this one may be among them."""
    others = [each for each in known if each.run != entry.run]
    before = [each for each in others if each.at <= entry.at]
    told = Told(entry=entry, runs=len(before) + 1, later=len(before) < len(others), since=entry.at, since_start=True)
    told.exposed = [each for each in [*before, entry] if each.worst_exposure_s is not None]
    if not before:
        return told
    told.previous = before[-1]
    told.other = next((each for each in reversed(before) if each.key != entry.key), None)
    for each in reversed(before):
        if each.status != entry.status:
            told.since_start, told.status_before = False, each.status
            break
        told.since, told.in_a_row = each.at, told.in_a_row + 1
    recent = [*before[1 - _LOOKED_AT :], entry]
    told.status_changes = sum(one.status != other.status for one, other in zip(recent, recent[1:]))
    told.rules_changed = None not in (entry.rules, before[-1].rules) and entry.rules != before[-1].rules
    told.flapping = [rule for rule in sorted({rule for each in recent for rule in each.fired}) if _flaps(rule, recent)]
    fired = {rule for each in before for rule in each.fired}
    told.new = [
        rule for rule in entry.fired if rule not in told.flapping and _last_known(rule, before) is False
    ]
    told.resolved = [
        rule
        for rule in sorted(fired - set(entry.fired) - set(entry.open) - set(told.flapping))
        if _last_known(rule, before)
    ]
    return told


def _last_known(rule: str, before: t.Sequence[Entry]) -> bool | None:
    """Whether it fired in the last run that could tell; None where none could."""
    return next((rule in each.fired for each in reversed(before) if rule not in each.open), None)


def _flaps(rule: str, recent: t.Sequence[Entry]) -> bool:
    """Whether it came and went; runs in which nobody could tell do not count."""
    states = [rule in each.fired for each in recent if rule not in each.open]
    return sum(one != other for one, other in zip(states, states[1:])) >= _FLAPS


# ----------------------------------------------------------------------------------------------------------- in words


def since_in_words(told: Told) -> str:
    """`FAILING since 2026-11-21 12:00Z (8 h), 9 runs in a row; before that healthy`"""
    status = told.entry.status.upper()
    if told.runs == 1:
        return f"{status}; this is the {'earliest' if told.later else 'first'} run in the history"
    if told.in_a_row == 1:
        words = f"{status} since this run"
    else:
        words = f"{status} {'at least since' if told.since_start else 'since'} {minute(told.since)}"
        words += f" ({human(_seconds(told.since, told.entry.at))}), {told.in_a_row} runs in a row"
    words += f"; before that {told.status_before}" if told.status_before else ""
    if told.status_changes >= _FLAPS:
        words += f"; the status flaps: {told.status_changes} changes in the last {min(told.runs, _LOOKED_AT)} runs"
    return words


def changes_in_words(told: Told, titles: t.Mapping[str, str]) -> list[str]:
    """A sentence for each kind of change since the run before. titles: of rules, by id."""
    found = []
    previous, entry = told.previous, told.entry
    if previous is not None and previous.status == entry.status and previous.cause != entry.cause:
        found.append(f"another cause: {entry.cause or 'none'}, before {previous.cause or 'none'}")
    if previous is not None and previous.readiness != entry.readiness:
        found.append(f"disaster recovery is {spaced(entry.readiness or 'unknown')}, before {spaced(previous.readiness or 'unknown')}")
    for name, rules in (("new", told.new), ("resolved", told.resolved), ("flapping", told.flapping)):
        if rules:
            found.append(f"{name}: {'; '.join(dict.fromkeys(titles.get(rule, rule) for rule in rules))}")
    if told.rules_changed and previous is not None:
        found.append(f"the rules changed ({previous.rules} to {entry.rules}): what is new or resolved may come from that")
    trend = trend_in_words(told)
    return [*found, trend] if trend else found


def trend_in_words(told: Told) -> str | None:
    """Whether the worst exposure goes on to grow, or is back within the RPO; None where it does neither.

    Between two copies every exposure grows, so within the RPO that says nothing. That it shrinks says nothing either: a
    resource that lost its last copy has no exposure at all, and is the worst all the same.
    """
    recent = told.exposed[-_TREND_RUNS:]
    if len(recent) < 2 or recent[-1].run != told.entry.run:
        return None
    half = (len(recent) + 1) // 2
    earlier, later = (max(each.worst_exposure_s or 0.0 for each in part) for part in (recent[:half], recent[half:]))
    now = told.entry.worst_exposure_s or 0.0
    if told.entry.readiness == "not_ready" and now >= later > earlier * (1 + _TREND_SHARE):
        return f"worst exposure grows: at most {human(earlier)} up to {minute(recent[half - 1].at)}, {human(now)} now"
    if told.entry.readiness == "ready" and told.previous is not None and told.previous.readiness == "not_ready":
        return f"worst exposure is back within the RPO: {human(max(earlier, later))} at most before, {human(now)} now"
    return None


def _seconds(start: str | None, end: str) -> float | None:
    begun, ended = parse_time(start), parse_time(end)
    return (ended - begun).total_seconds() if begun and ended else None


def as_json(told: Told, titles: t.Mapping[str, str], set_aside: str | None = None) -> Json:
    """What reports and notifications show of it; the module diagnosis_history documents it."""
    previous, other = told.previous, told.other
    changes = changes_in_words(told, titles)
    if set_aside:
        changes.append(f"the history was damaged; what could be read is kept, the file as it was is {set_aside}")
    return {
        "runs": told.runs,
        "since": told.since if previous is not None else None,
        "in_a_row": told.in_a_row,
        "changed": told.changed,
        "previous": {"at": previous.at, "status": previous.status, "cause": previous.cause} if previous else None,
        "other": {"at": other.at, "status": other.status, "cause": other.cause} if other else None,
        "new": told.new,
        "resolved": told.resolved,
        "flapping": told.flapping,
        "rules_changed": told.rules_changed,
        "set_aside": set_aside,
        "since_in_words": since_in_words(told),
        "changes_in_words": changes,
        "exposure": [
            {"at": each.at, "worst_exposure_s": each.worst_exposure_s, "readiness": each.readiness}
            for each in told.exposed[-SHOWN_RUNS:]
        ],
    }


def not_counted(steps: t.Sequence[str]) -> Json:
    """The same of a run that left out steps."""
    return {"changes_in_words": [f"nothing is kept of this run in the history, as it left out {', '.join(steps)}"]}
