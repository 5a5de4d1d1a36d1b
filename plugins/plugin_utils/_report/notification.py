# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What people are told when the answer about a target changes: the bodies that are posted. Pure.

For Slack everything stands in plain text blocks (https://docs.slack.dev/reference/block-kit), in which nothing is a mark,
a link or a mention, whoever wrote it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure, rows, text, texts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import (
    Json,
    clean,
    member,
    minute,
    place_in_words,
    readiness_in_words,
)

SCHEMA = "sre.backup_sync/notification/v1"
# https://docs.slack.dev/reference/block-kit/blocks/header-block and section-block
_LONGEST_HEADER, _LONGEST_SECTION = 150, 3000
_SIGNS = {"healthy": "\u2705", "lagging": "\u26a0\ufe0f", "failing": "\u274c"}


def webhook(diagnosis: Json, history: Json, report: str | None = None, gathered_at: str | None = None) -> Json:
    """For a program: what changed, in members that keep their names. docs/reports.md lists them."""
    target, cause, ready = (member(diagnosis, name) for name in ("target", "root_cause", "dr_readiness"))
    named = {name: text(cause, name) for name in ("cause", "title", "confidence")}
    return {
        "schema": SCHEMA,
        "target": {name: target.get(name) for name in ("kind", "name", "source", "destination")},
        "observed_at": gathered_at,
        "status": diagnosis.get("status"),
        "previous_status": text(history, "other", "status"),
        "since": text(history, "since"),
        "cause": named if cause else None,
        "dr_readiness": {
            "verdict": text(ready, "verdict"),
            "worst_exposure_s": figure(ready, "worst_exposure_s"),
            "rpo_s": figure(ready, "rpo_s"),
        },
        "new": texts(history, "new"),
        "resolved": texts(history, "resolved"),
        "text": "\n".join(_lines(diagnosis, history, gathered_at)),
        "report": report,
    }


def slack(diagnosis: Json, history: Json, report: str | None = None, gathered_at: str | None = None) -> Json:
    """For Slack's incoming webhooks, and for what speaks as they do."""
    headline, *lines = _lines(diagnosis, history, gathered_at)
    steps = [f"{number}. {clean(str(row.get('text')))}" for number, row in enumerate(rows(diagnosis, "next_steps")[:3], 1)]
    sections = ["\n".join(lines), "\n".join(steps), f"Report: {clean(report)}" if report else ""]
    sign = _SIGNS.get(str(diagnosis.get("status")), "\u2754")
    return {
        # shown where blocks are not, for example on a locked phone; the three characters are all that Slack has to be told
        "text": headline.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "mrkdwn": False,
        "blocks": [
            {"type": "header", "text": _plain(f"{sign} {headline}", _LONGEST_HEADER)},
            *({"type": "section", "text": _plain(told, _LONGEST_SECTION)} for told in sections if told),
        ],
    }


def _plain(told: str, most: int) -> Json:
    return {"type": "plain_text", "emoji": False, "text": told if len(told) <= most else f"{told[: most - 4]} ..."}


def _lines(diagnosis: Json, history: Json, gathered_at: str | None) -> list[str]:
    """Who and what, then what is known of it."""
    target, cause = member(diagnosis, "target"), member(diagnosis, "root_cause")
    status, before = str(diagnosis.get("status") or "unknown"), text(history, "other", "status")
    headline = f"Backup sync {target.get('name') or 'target'}: {status.upper()}"
    headline += f" (was {before})" if before and before != status else ""
    told = [
        headline,
        place_in_words(target),
        f"Read: {minute(gathered_at)}" if minute(gathered_at) else "",
        f"Cause: {cause.get('title')} ({cause.get('confidence')})" if cause else "",
        f"Disaster recovery: {readiness_in_words(member(diagnosis, 'dr_readiness'))}",
        *(f"{said[:1].upper()}{said[1:]}" for said in texts(history, "changes_in_words")),
    ]
    return [clean(line) for line in told if line]


# One for each of the places of options.py.
BODIES: dict[str, t.Callable[[Json, Json, str | None, str | None], Json]] = {"webhook": webhook, "slack": slack}
