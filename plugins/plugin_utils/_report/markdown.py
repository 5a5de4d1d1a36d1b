# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.
"""A diagnosis as Markdown, for tickets and chat. Pure.

Other people's text stays text: what was read stands in code spans, and marks in sentences are escaped.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import rows, text, texts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import (
    Json,
    alert_in_words,
    chain_in_words,
    clean,
    contradiction_in_words,
    member,
    minute,
    place_in_words,
    readiness_in_words,
    resource_in_words,
    scope_in_words,
    spaced,
    value_in_words,
)

_MOST_RESOURCES = 50
_LONGEST = 2000  # characters of a message
_MARKS = re.compile(r"([\\`*_{}\[\]<#|~&$])")
_LINKS = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=www)\.", re.IGNORECASE)
_MENTION = re.compile(r"@(?=\w)")


def markdown(
    diagnosis: Json, *, where: str | None = None, history: Json | None = None, gathered_at: str | None = None
) -> str:
    """The report.

    where: the folder of its files, None when there are none; history: what earlier runs say; gathered_at: when the evidence
    was read (RFC 3339).
    """
    target = member(diagnosis, "target")
    status = str(diagnosis.get("status") or "unknown").upper()
    sections = [
        [f"## {_prose(target.get('name') or 'backup sync')}: {status}", "", _prose(_where_and_when(target, gathered_at))],
        _answer(diagnosis, history or {}),
        _listed("Evidence", [_observation(row) for row in rows(member(diagnosis, "root_cause"), "evidence")]),
        _steps(diagnosis),
        _listed("But", [_prose(contradiction_in_words(row)) for row in rows(diagnosis, "contradictions")]),
        _listed("Also found", [_finding(row) for row in rows(diagnosis, "findings") if row.get("state") == "fired"]),
        _listed("Accepted", [_accepted(row) for row in rows(diagnosis, "findings") if row.get("state") == "accepted"]),
        _resources(diagnosis),
        _listed("Gaps", [_gap(row) for row in rows(diagnosis, "gaps")]),
        [f"All of it is in {_code(where)}."] if where else [],
    ]
    return "\n\n".join("\n".join(lines).strip() for lines in sections if any(lines)) + "\n"


def _where_and_when(target: Json, gathered_at: str | None) -> str:
    read = minute(gathered_at)
    return " | ".join(part for part in (place_in_words(target), f"read {read}" if read else "") if part)


def _answer(diagnosis: Json, history: Json) -> list[str]:
    cause = member(diagnosis, "root_cause")
    told = [("Cause", "none" if diagnosis.get("status") == "healthy" else "none found")]
    if cause:
        told = [("Cause", str(cause.get("title") or cause.get("cause")))]
        told.append(("Why", str(cause.get("explanation") or "")))
        told.append(("Confidence", ": ".join(str(cause[name]) for name in ("confidence", "because") if cause.get(name))))
        told.append(("Chain", chain_in_words(cause)))
    for row in rows(diagnosis, "further_causes"):
        told.append(("And", f"{row.get('title')} ({row.get('confidence')})"))
    runner_up = member(diagnosis, "runner_up")
    told.append(("Or", f"{runner_up.get('title')} ({runner_up.get('confidence')})" if runner_up else ""))
    told.append(("Decide by", str(diagnosis.get("settle_by") or "")))
    told.append(("Scope", scope_in_words(diagnosis) or ""))
    told.append(("Disaster recovery", readiness_in_words(member(diagnosis, "dr_readiness"))))
    told.append(("Alert", alert_in_words(diagnosis) or ""))
    told.append(("Since", text(history, "since_in_words") or ""))
    told += [("Changed", said) for said in texts(history, "changes_in_words")]
    return [f"- **{label}:** {_prose(said)}" for label, said in told if said]


def _steps(diagnosis: Json) -> list[str]:
    lines: list[str] = []
    for number, row in enumerate(rows(diagnosis, "next_steps"), start=1):
        lines.append(f"{number}. {_prose(row.get('text') or '')}")
        if row.get("command"):
            lines += [f"   {line}" for line in _block(str(row["command"]))]
    return ["### Next steps", "", *lines] if lines else []


def _resources(diagnosis: Json) -> list[str]:
    found = [row for row in rows(member(diagnosis, "dr_readiness"), "resources") if row.get("verdict") != "ready"]
    told = [_prose(resource_in_words(row)) for row in found[:_MOST_RESOURCES]]
    if len(found) > _MOST_RESOURCES:
        told.append(f"and {len(found) - _MOST_RESOURCES} more")
    return _listed("Not ready", told)


def _observation(row: Json) -> str:
    place = _code(f"{row.get('step')} {row.get('path')}")
    at = f" at {_prose(row['at'])}" if row.get("at") else ""
    return f"{place}{at}: {_code(value_in_words(row))}"


def _finding(row: Json) -> str:
    return f"**{_prose(row.get('title') or row.get('rule'))}** ({_prose(row.get('severity'))}): {_prose(row.get('explanation'))}"


def _accepted(row: Json) -> str:
    by = member(row, "accepted")
    return f"**{_prose(row.get('title'))}**, by {_prose(by.get('owner'))} until {_prose(by.get('until'))}: {_prose(by.get('reason'))}"


def _gap(row: Json) -> str:
    outcome = spaced(row.get("outcome") or "unknown")
    told = " ".join(str(row[name]) for name in ("message", "close") if row.get(name))
    return f"**{_prose(row.get('step'))}** ({_prose(outcome)}): {_prose(told or row.get('effect') or '')}"


def _listed(title: str, entries: t.Iterable[str]) -> list[str]:
    lines = [f"- {entry}" for entry in dict.fromkeys(entries)]
    return [f"### {title}", "", *lines] if lines else []


def _prose(text: t.Any) -> str:
    """A sentence in which nothing is a mark, a link or a mention."""
    escaped = _MARKS.sub(r"\\\1", clean(str(text))[:_LONGEST])
    return _MENTION.sub("@\u200b", _LINKS.sub(r"\\\g<0>", escaped))


def _code(text: t.Any) -> str:
    """A code span, with more backticks around it than in a row inside of it."""
    told = clean(str(text))[:_LONGEST] or " "
    fence = "`" * (max(map(len, re.findall("`+", told)), default=0) + 1)
    return f"{fence} {told} {fence}" if "`" in told else f"{fence}{told}{fence}"


def _block(command: str) -> list[str]:
    lines = [clean(line, keep_indent=True) for line in command.strip().splitlines()]
    fence = "`" * max(3, max((len(found) for line in lines for found in re.findall("`+", line)), default=0) + 1)
    return [f"{fence}sh", *lines, fence]
