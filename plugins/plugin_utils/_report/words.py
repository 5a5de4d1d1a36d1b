# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What every format of a report puts into words alike. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human, parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import rows as _list

Json = t.Dict[str, t.Any]


def member(holder: Json, name: str) -> Json:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


_LONGEST_NAME = 50
_OWN_WORDS = ("verdict", "state", "outcome", "why")  # members whose texts are ours
_LONGEST_LINE = 20_000  # characters; whatever is longer is for programs, and evidence.json has it


def clean(text: str, *, keep_indent: bool = False) -> str:
    """One line without control characters: logs and messages are other people's text, and a terminal obeys it."""
    visible = "".join(char if char.isprintable() else " " for char in text[:_LONGEST_LINE])
    if keep_indent:
        return visible.rstrip()
    return " ".join(visible.split())


def spaced(name: t.Any) -> str:
    """A name of ours, as not_mentioned, as words."""
    return str(name).replace("_", " ")


def sentence(text: t.Any) -> str:
    """The text with an end."""
    told = str(text or "").strip()
    return told if not told or told.endswith((".", "!", "?")) else f"{told}."


def value_in_words(row: Json) -> str:
    """The value in words; the evidence's own, as not_mentioned, without their underscores."""
    text = plain_text(row.get("value"))
    own_word = str(row.get("path") or "").rpartition(".")[2] in _OWN_WORDS
    return spaced(text) if own_word else text


def plain_text(value: t.Any) -> str:
    """A value as people write it: of a row its message, or what is known of it; of a list the first rows."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        told = value.get("message") or value.get("text")
        # that something never happened is telling; that a member is not known is not
        held = {key: "never" if one is None and key.endswith("_at") else one for key, one in value.items()}
        known = (_member_in_words(key, one) for key, one in held.items() if one not in (None, "", [], {}))
        return str(told) if told else ", ".join(known)
    if isinstance(value, list):
        return "; ".join(plain_text(one) for one in value[:3]) + ("; ..." if len(value) > 3 else "")
    return json.dumps(value, default=str)


def _member_in_words(name: str, held: t.Any) -> str:
    """`worst exposure: 26 min`; what is called something_s are seconds."""
    length = figure({name: held}, name) if name.endswith("_s") else None
    told = plain_text(held) if length is None else human(length)
    told = spaced(told) if name in _OWN_WORDS else told
    return f"{spaced(name.removesuffix('_s'))}: {told}"


# --------------------------------------------------------------------------------------- members of a diagnosis


def alert_in_words(diagnosis: Json) -> str | None:
    """`CrossClusterBackupSyncFailed: true positive`; None without an alert."""
    alert = member(diagnosis, "alert")
    if not alert.get("name"):
        return None
    verdict = spaced(alert.get("verdict") or "unknown")
    return f"{alert['name']}: {verdict}" + (f": {alert['reason']}" if alert.get("reason") else "")


def chain_in_words(cause: Json) -> str:
    """The way of a backup up to its first broken link: `source backup > snapshot > transfer? > STORE BROKEN`.

    A question mark stands at what is not proven.
    """
    told: list[str] = []
    for hop in _list(cause, "chain"):
        link = spaced(hop.get("link"))
        if hop.get("state") == "broken":
            of = f" (of {cause['chain_of']})" if cause.get("chain_of") else ""
            return " > ".join([*told, f"{link.upper()} BROKEN{of}"])
        told.append(link if hop.get("state") == "proven" else f"{link}?")
    return ""


def scope_in_words(diagnosis: Json) -> str | None:
    """`systemic: 5 of 5 resources fail; shared endpoint: s3.example.com`"""
    scope = member(diagnosis, "scope")
    if not scope or scope.get("verdict") == "none":
        return None
    parts = []
    spread = member(scope, "spread")
    every = int(figure(spread, "resources") or 0)
    if every:
        failing, affected = (int(figure(spread, f"resources_{name}") or 0) for name in ("failing", "affected"))
        told = f"{failing} of {every} resources fail"
        late = f"{affected} of {every} resources are behind, late or at risk"
        past = "copies failed and were made good since; no resource fails now"
        both = f"{told}, {affected} are behind, late or at risk" if affected > failing else told
        parts.append(both if failing else late if affected else past)
    # the cause that they share stands above
    parts += [f"shared {name}: {value}" for name, value in sorted(member(scope, "shared").items()) if name != "cause"]
    for row in _list(scope, "apart")[:2]:
        rest = f"of others {row.get('others_failing')} of {row.get('others')}"
        parts.append(f"{row.get('what')} {row.get('value')}: {row.get('failing')} of {row.get('of')}, {rest}")
    verdict = str(scope.get("verdict") or "unknown")
    return f"{verdict}: {'; '.join(parts)}" if parts else verdict


def readiness_in_words(readiness: Json) -> str:
    """`NOT READY, worst exposure 31 h 6 min (RPO 24 h)`"""
    text = spaced(readiness.get("verdict") or "unknown").upper()
    worst, rpo = figure(readiness, "worst_exposure_s"), figure(readiness, "rpo_s")
    if worst is not None:
        text += f", worst exposure {human(worst)}"
    if rpo is not None:
        text += f" (RPO {human(rpo)})"
    return f"{text}: {readiness['reason']}" if readiness.get("reason") else text


def resource_in_words(row: Json) -> str:
    text = f"{in_the_middle(str(row.get('resource')), _LONGEST_NAME)}: {spaced(row.get('verdict') or 'unknown')}"
    exposure = figure(row, "exposure_s")
    return text if exposure is None else f"{text}, exposure {human(exposure)}"


def place_in_words(target: Json) -> str:
    """`eu-west-1 (111122223333) -> eu-central-1 (444455556666) | vault backup -> backup-dr`

    Accounts are told where there are two, the other vault or namespace where it is called otherwise.
    """
    accounts = [target.get(f"{side}_account") for side in ("source", "destination")]
    two = all(accounts) and accounts[0] != accounts[1]
    sides = [
        f"{target[side]} ({account})" if two else str(target[side])
        for side, account in zip(("source", "destination"), accounts)
        if target.get(side)
    ]
    parts = [" -> ".join(sides)]
    if target.get("namespace"):
        parts.append(f"namespace {_both(target.get('source_namespace'), target['namespace'])}")
    if target.get("vault"):
        parts.append(f"vault {_both(target['vault'], target.get('destination_vault'))}")
    return " | ".join(part for part in parts if part)


def _both(source: t.Any, destination: t.Any) -> str:
    """One name where both sides have it, or only one is known."""
    names = [str(name) for name in (source, destination) if name]
    return " -> ".join(dict.fromkeys(names))


def minute(at: t.Any) -> str:
    """`2026-11-21 20:55Z`; nothing of what is no time."""
    moment = parse_time(at)
    return f"{moment:%Y-%m-%d %H:%MZ}" if moment else ""


def in_the_middle(name: str, most: int) -> str:
    """At most so many characters: names of resources differ at their ends."""
    return name if len(name) <= most else f"{name[: most // 2 - 2]}...{name[len(name) - (most - most // 2 - 1) :]}"


def contradiction_in_words(row: Json) -> str:
    """Both signals, which one to believe, and why."""
    signals = row.get("signals")
    told = " ".join(str(signal) for signal in signals) if isinstance(signals, list) else ""
    return f"{told} Believe {spaced(row.get('believe'))}: {row.get('reason')}"
