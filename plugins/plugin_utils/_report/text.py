# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""A diagnosis as the one screen that somebody reads at 03:00: at most LINES lines of at most WIDTH columns.

The same sections with all their entries make the report file.

Pure: it takes the diagnosis (schema sre.backup_sync/diagnosis/v1) and returns text. Whatever the diagnosis does not
know is left out or called unknown; nothing is concluded here. Only commands may be wider than the screen, since a
broken command cannot be copied.
"""

from __future__ import annotations

import textwrap
import typing as t
from dataclasses import dataclass

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import rows as _list
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import text as text_at
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import texts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import (
    Json,
    alert_in_words,
    chain_in_words,
    clean,
    contradiction_in_words,
    member,
    minute,
    place_in_words,
    plain_text,
    readiness_in_words,
    resource_in_words,
    scope_in_words,
    sentence,
    spaced,
    value_in_words,
)

LINES = 40
WIDTH = 100
LABEL = 12  # columns of the words at the left
_LONGEST_PATH = 40


@dataclass(frozen=True)
class _Room:
    """How many entries, and lines of one entry, each section may take."""

    explanation: int  # lines
    evidence: int
    evidence_lines: int
    resources: int
    steps: int
    step_lines: int
    command_lines: int
    gaps: int
    notes: int
    proofs: bool = False  # what proves each hop of the chain


# The first that fits is taken: what is cut first is what the report files hold anyway.
_ROOMS = (
    _Room(explanation=3, evidence=5, evidence_lines=3, resources=3, steps=3, step_lines=2, command_lines=4, gaps=4, notes=2),
    _Room(explanation=2, evidence=4, evidence_lines=2, resources=2, steps=3, step_lines=1, command_lines=2, gaps=3, notes=2),
    _Room(explanation=1, evidence=2, evidence_lines=2, resources=1, steps=2, step_lines=1, command_lines=1, gaps=2, notes=1),
)


# A file has no last line.
_FILE = _Room(
    explanation=100,
    evidence=100,
    evidence_lines=100,
    resources=10_000,
    steps=100,
    step_lines=100,
    command_lines=500,
    gaps=100,
    notes=100,
    proofs=True,
)


def whole_report(
    diagnosis: Json, *, where: str | None = None, history: Json | None = None, gathered_at: str | None = None
) -> list[str]:
    """The report file, line by line: the sections of the screen with all their entries."""
    return _screen(diagnosis, _FILE, where, history or {}, gathered_at)


def report_lines(
    diagnosis: Json, *, where: str | None = None, history: Json | None = None, gathered_at: str | None = None
) -> list[str]:
    """The screen, line by line.

    where: the folder that holds the report files; None when none were written. history: what earlier runs say, as
    history.as_json() has it. gathered_at: when the evidence was read (RFC 3339).
    """
    lines: list[str] = []
    for room in _ROOMS:
        lines = _screen(diagnosis, room, where, history or {}, gathered_at)
        if len(lines) <= LINES:
            break
    return lines[:LINES]


def _screen(
    diagnosis: Json, room: _Room, where: str | None, history: Json, gathered_at: str | None
) -> list[str]:
    answer = [
        *_heading(diagnosis),
        *_status(diagnosis, gathered_at),
        *_since(history, room),
        *_cause(diagnosis, room),
        *_scope(diagnosis),
        *_readiness(diagnosis, room),
    ]
    details = [
        _evidence(diagnosis, room),
        _notes(diagnosis, room),
        _next_steps(diagnosis, room, where),
        _gaps(diagnosis, room),
        _entry("REPORT", where) if where else [],
    ]
    for section in details:
        if section:
            answer += ["", *section]
    return answer


# ------------------------------------------------------------------------------------------------------- the answer


def _heading(diagnosis: Json) -> list[str]:
    target = member(diagnosis, "target")
    parts = [str(target.get("name") or "backup sync"), place_in_words(target)]
    text = clean(" | ".join(part for part in parts if part))
    supposed = "; ".join(f"{place} is {plain_text(value)}" for place, value in member(diagnosis, "supposing").items())
    return [
        *_wrapped(text, WIDTH, 2),
        "=" * min(len(text), WIDTH),
        *(_entry("SUPPOSED", f"{supposed}. What follows is not so, but would be.", most=3) if supposed else []),
    ]


def _status(diagnosis: Json, gathered_at: str | None) -> list[str]:
    read = f", read {minute(gathered_at)}" if minute(gathered_at) else ""
    lines = _entry("STATUS", str(diagnosis.get("status") or "unknown").upper() + read, most=1)
    alert = alert_in_words(diagnosis)
    return [*lines, *(_entry("ALERT", alert, most=2) if alert else [])]


def _since(history: Json, room: _Room) -> list[str]:
    """Since when it is so, and what is new about it."""
    since = text_at(history, "since_in_words")
    changes = texts(history, "changes_in_words")
    lines = _entry("SINCE", since, most=room.step_lines) if since else []
    return lines + (_entry("CHANGED", "; ".join(changes), most=room.notes) if changes else [])


def _cause(diagnosis: Json, room: _Room) -> list[str]:
    cause = member(diagnosis, "root_cause")
    if cause:
        lines = _entry("CAUSE", cause.get("title") or cause.get("cause"), most=1)
        lines += _entry("", cause.get("explanation") or "", most=room.explanation) if cause.get("explanation") else []
        reason = f": {cause['because']}" if cause.get("because") else ""
        lines += _entry("CONFIDENCE", _confidence(cause) + reason, most=2)
        chain = chain_in_words(cause)
        lines += _entry("CHAIN", chain, most=2) if chain else []
        lines += _proofs(cause) if room.proofs else []
    else:
        lines = _entry("CAUSE", "none" if diagnosis.get("status") == "healthy" else "none found", most=1)
    for further in _list(diagnosis, "further_causes")[: room.notes]:
        about = ", ".join(str(name) for name in (further.get("resources") or [])[:3])
        text = f"{further.get('title') or further.get('cause')} ({_confidence(further)}) of {about or 'others'}"
        lines += _entry("AND", text, most=1)
    runner_up = member(diagnosis, "runner_up")
    if runner_up:
        text = f"{runner_up.get('title') or runner_up.get('cause')} ({_confidence(runner_up)})"
        lines += _entry("OR", text, most=1)
    if diagnosis.get("settle_by"):
        lines += _entry("DECIDE BY", diagnosis["settle_by"], most=room.step_lines)
    return lines


def _confidence(cause: Json) -> str:
    return str(cause.get("confidence") or "unknown")


def _proofs(cause: Json) -> list[str]:
    """What each hop up to the broken one is known by."""
    lines: list[str] = []
    for hop in _list(cause, "chain"):
        seen = member(hop, "evidence")
        if seen:
            link = spaced(hop.get("link"))
            lines += _entry("", f"{link} {hop.get('state')} by {_observation(seen)}", most=100)
    return lines


def _scope(diagnosis: Json) -> list[str]:
    scope = scope_in_words(diagnosis)
    return _entry("SCOPE", scope, most=2) if scope else []


def _readiness(diagnosis: Json, room: _Room) -> list[str]:
    readiness = member(diagnosis, "dr_readiness")
    lines = _entry("DR", readiness_in_words(readiness), most=2)
    rows = [row for row in _list(readiness, "resources") if row.get("verdict") != "ready"]
    for row in rows[: room.resources]:
        lines += _entry("", resource_in_words(row), most=1)
    if len(rows) > room.resources:
        lines += _entry("", f"and {len(rows) - room.resources} more")
    return lines


# ------------------------------------------------------------------------------------------------------ the details


def _evidence(diagnosis: Json, room: _Room) -> list[str]:
    """What speaks for the cause; without a cause, what the fired findings stand on."""
    rows = _list(member(diagnosis, "root_cause"), "evidence")
    if not rows:
        fired = [finding for finding in _list(diagnosis, "findings") if finding.get("state") == "fired"]
        rows = [row for finding in fired for row in _list(finding, "evidence")[:1]]
    lines: list[str] = []
    seen: set[str] = set()
    for row in rows:
        text = _observation(row)
        if text in seen:
            continue
        seen.add(text)
        at = parse_time(row.get("at"))
        stamp = f" @ {at:%m-%d %H:%M:%SZ}" if at else ""
        message = isinstance(row.get("value"), str)
        told = _cut_in_the_middle(text, stamp, room.evidence_lines) if message else text + stamp
        lines += _entry("EVIDENCE" if not lines else "", told, most=room.evidence_lines)
        if len(seen) == room.evidence:
            break
    return lines


def _observation(row: Json) -> str:
    return f"{_place(row)}: {clean(value_in_words(row))}"


def _place(row: Json) -> str:
    """`jobs summary.resources_failing`; an expression that nobody reads at a glance is left to the report."""
    step, path = str(row.get("step")), str(row.get("path") or "")
    path = path[len(step) + 1 :] if path.startswith(f"{step}.") else path
    return _clip(clean(f"{step} {path}" if len(path) <= _LONGEST_PATH else step), WIDTH - LABEL)


def _cut_in_the_middle(text: str, stamp: str, most: int) -> str:
    """A message and its time in so many lines, cut between words of its middle: an error's last words tell most."""
    room = most * (WIDTH - LABEL) - len(stamp)
    while True:
        head = text
        if len(text) > room:
            first, last = text[: room // 3], text[5 - room + room // 3 :]
            head = f"{first.rpartition(' ')[0] or first} ... {last.partition(' ')[2] or last}"
        if len(textwrap.wrap(head + stamp, WIDTH - LABEL, break_on_hyphens=False)) <= most:
            return head + stamp
        room -= 4  # words that do not fit on a line leave blanks


def _notes(diagnosis: Json, room: _Room) -> list[str]:
    """Contradictions, and the warnings among the findings that the cause does not explain."""
    lines: list[str] = []
    for row in _list(diagnosis, "contradictions")[: room.notes]:
        lines += _entry("BUT", contradiction_in_words(row), most=room.notes + 1)
    told = member(diagnosis, "root_cause").get("title")
    titles = [
        str(finding.get("title") or finding.get("rule"))
        for finding in _list(diagnosis, "findings")
        if finding.get("state") == "fired" and finding.get("severity") != "info"
    ]
    others = [title for title in dict.fromkeys(titles) if title != told]
    if others:
        lines += _entry("ALSO", "; ".join(others), most=room.notes)
    known = [
        f"{finding.get('title') or finding.get('rule')} ({by.get('owner')}, until {by.get('until')}: {by.get('reason')})"
        for finding in _list(diagnosis, "findings")
        if finding.get("state") == "accepted" and (by := member(finding, "accepted"))
    ]
    if known:
        lines += _entry("ACCEPTED", "; ".join(known), most=room.notes)
    return lines


def _next_steps(diagnosis: Json, room: _Room, where: str | None) -> list[str]:
    steps = _list(diagnosis, "next_steps")
    elsewhere = "the report (report.txt)" if where else "a report: add -e sync_report_dir=reports"
    lines: list[str] = []
    for number, step in enumerate(steps[: room.steps], 1):
        lines += _entry("NEXT" if number == 1 else "", f"{number}. {step.get('text') or ''}", most=room.step_lines)
        lines += _command(step.get("command"), room.command_lines, elsewhere)
    if len(steps) > room.steps:
        lines += _entry("", f"and {len(steps) - room.steps} more in {elsewhere}")
    return lines


def _command(command: t.Any, most: int, elsewhere: str) -> list[str]:
    """The command in lines that can be copied; one that is too long for the screen is named, never cut in half."""
    if not command:
        return []
    given = [clean(line, keep_indent=True) for line in str(command).strip().splitlines()]
    lines = [part for line in given for part in _broken(line, WIDTH - LABEL - 5)]
    if len(lines) > most:
        if len(given) > 1 or most > 1:
            return [f"{'':{LABEL}}   (the text to use has {len(lines)} lines: see {elsewhere})"]
        lines = given
    return [f"{'':{LABEL}}   {'$ ' if not index else '  '}{line}" for index, line in enumerate(lines)]


def _gaps(diagnosis: Json, room: _Room) -> list[str]:
    """What could not be read, and how to close it: the same remedy is told once."""
    by_remedy: dict[str, list[str]] = {}
    for gap in _list(diagnosis, "gaps"):
        what = f"{gap.get('step')} ({spaced(gap.get('outcome') or 'unknown')})"
        told = "" if gap.get("grant") else sentence(gap.get("message"))  # what a grant is for says the grant itself
        remedy = str(gap.get("close") or gap.get("effect") or "")
        by_remedy.setdefault(" ".join(filter(None, (told, remedy))), []).append(what)
    lines: list[str] = []
    for remedy, steps in list(by_remedy.items())[: room.gaps]:
        names = list(dict.fromkeys(steps))
        if len(names) > 3 and room is not _FILE:  # the remedy is what the reader needs; it must not be cut off behind a long list
            names = [names[0], f"{len(names) - 1} more"]
        text = ", ".join(names) + (f": {remedy}" if remedy else "")
        lines += _entry("GAPS" if not lines else "", text, most=room.step_lines)
    if len(by_remedy) > room.gaps:
        lines += _entry("", f"and {len(by_remedy) - room.gaps} more")
    return lines


# ----------------------------------------------------------------------------------------------------------- layout


def _entry(label: str, text: t.Any, *, most: int = 2) -> list[str]:
    """`LABEL     text`, wrapped under itself, at most so many lines."""
    wrapped = _wrapped(clean(str(text)), WIDTH - LABEL, most)
    return [f"{label if not index else '':{LABEL}}{line}" for index, line in enumerate(wrapped)]


def _wrapped(text: str, width: int, most: int) -> list[str]:
    wrapped = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    if len(wrapped) > most:
        wrapped = wrapped[:most]
        wrapped[-1] = _clip(wrapped[-1] + " ...", width, always=True)
    return wrapped


def _clip(text: str, most: int, *, always: bool = False) -> str:
    """At most so many characters; three dots say that something was cut."""
    if len(text) <= most:
        return text
    return (text[: -len(" ...")] if always and text.endswith(" ...") else text)[: max(most - 4, 0)].rstrip() + " ..."


def _broken(line: str, most: int) -> list[str]:
    """A shell line in several, joined by backslashes at blanks outside quotes; whole where there is no such place."""
    parts: list[str] = []
    rest = line
    while len(rest) > most:
        cut = _last_blank(rest, most - 2)
        if cut is None:
            break
        parts.append(rest[:cut] + " \\")
        rest = "  " + rest[cut + 1 :].lstrip()
        if rest.strip() == "":
            return parts
    return [*parts, rest]


def _last_blank(line: str, most: int) -> int | None:
    """Where the line can be broken: the last blank outside quotes up to `most`, after its indentation."""
    quote: str | None = None
    found = None
    start = len(line) - len(line.lstrip())
    for index, char in enumerate(line[: most + 1]):
        if quote:
            quote = None if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == " " and index > start and line[index - 1] != "\\":
            found = index
    return found
