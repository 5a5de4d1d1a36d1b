# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What each format of a report writes into the folder of its target. Pure."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime, timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time, rfc3339
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure, step, text
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import whole_report
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import Json


def files_of(
    formats: t.Collection[str], diagnosis: Json, evidence: t.Any, where: str, history: Json | None = None
) -> dict[str, str]:
    """{name of a file: what it holds} for the formats.

    evidence: the bundle, or nothing; where: the folder; history: what earlier runs say, as history.as_json() has it.
    """
    found: dict[str, str] = {}
    read = gathered_at(evidence)
    if "json" in formats:
        found.update({"evidence.json": _json(evidence)} if evidence else {})
        found["diagnosis.json"] = _json(diagnosis)
    if "text" in formats:
        found["report.txt"] = "\n".join(whole_report(diagnosis, where=where, history=history, gathered_at=read)) + "\n"
    # Imported where they are asked for: most reports have text and JSON only.
    if "html" in formats:
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.html import html

        found["report.html"] = html(diagnosis, evidence, gathered_at=read, where=where, history=history)
    if "markdown" in formats:
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.markdown import markdown

        found["report.md"] = markdown(diagnosis, where=where, history=history, gathered_at=read)
    if "junit" in formats:
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.junit import junit

        found["junit.xml"] = junit(diagnosis, gathered_at=read)
    if "openmetrics" in formats:
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.openmetrics import openmetrics

        found["metrics.prom"] = openmetrics(diagnosis, evidence, gathered_at=read)
    return found


def gathered_at(evidence: t.Any) -> str | None:
    """When the newest step of the bundle was gathered, by the clock of the machine that did (RFC 3339).

    None where nobody says. The servers' own clocks may differ by hours, and then runs would change places.
    """
    gathered = evidence.get("evidence") if isinstance(evidence, dict) else None
    read = [_on_our_clock(step(gathered, name)) for name in gathered] if isinstance(gathered, dict) else []
    newest = max((moment for moment in read if moment is not None), default=None)
    return rfc3339(newest)


def _on_our_clock(read: Json) -> datetime | None:
    moment = parse_time(text(read, "observed_at"))
    try:
        return moment and moment - timedelta(seconds=figure(read, "clock", "offset_s") or 0.0)
    except OverflowError:  # a time at the end of the calendar
        return None


def _json(value: t.Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
