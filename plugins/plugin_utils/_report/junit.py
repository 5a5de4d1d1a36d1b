# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.
"""A diagnosis as JUnit XML, a case for the verdict and one for each rule, for whatever shows test results. Pure."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import rows
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import Json, clean, member, value_in_words

# Of a rule that fired: `info` tells of what is in order as well.
_FAILS = frozenset({"critical", "error", "warning"})
_STATUS_FAILS = frozenset({"failing", "lagging"})


def junit(diagnosis: Json, *, gathered_at: str | None = None) -> str:
    """The XML document. gathered_at: when the evidence was gathered (RFC 3339)."""
    target = member(diagnosis, "target")
    name = f"sre.backup_sync.{target.get('kind') or 'target'}.{target.get('name') or 'target'}"
    cases = [_of_status(diagnosis), *(_of_rule(row) for row in rows(diagnosis, "findings"))]
    suite = ElementTree.Element("testsuite", {"name": clean(name), "errors": "0", "time": "0"})
    if gathered_at:
        suite.set("timestamp", gathered_at.rstrip("Z"))
    for case in cases:
        case.set("classname", clean(name))
        case.set("time", "0")
        suite.append(case)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    whole = ElementTree.Element("testsuites")
    whole.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(whole, encoding="unicode") + "\n"


def _of_status(diagnosis: Json) -> ElementTree.Element:
    status, cause = str(diagnosis.get("status") or "unknown"), member(diagnosis, "root_cause")
    told = f"{status}: {cause.get('title')} ({cause.get('confidence')})" if cause else status
    case = ElementTree.Element("testcase", {"name": "status"})
    if status in _STATUS_FAILS:
        _told(case, "failure", told, str(cause.get("explanation") or ""), type=status)
    elif status != "healthy":
        _told(case, "skipped", told)
    return case


def _of_rule(row: Json) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"name": clean(f"{row.get('rule')}: {row.get('title')}")})
    state, severity, explanation = row.get("state"), str(row.get("severity")), str(row.get("explanation") or "")
    seen = "\n".join(f"{one.get('path')}: {clean(value_in_words(one))}" for one in rows(row, "evidence"))
    if state == "fired" and severity in _FAILS:
        _told(case, "failure", explanation, seen, type=severity)
    elif state == "fired":
        _told(case, "system-out", None, f"{explanation}\n{seen}")
    elif state == "accepted":
        by = member(row, "accepted")
        _told(case, "skipped", f"accepted by {by.get('owner')} until {by.get('until')}: {by.get('reason')}")
    elif state == "unknown":
        missing = row.get("missing")
        _told(case, "skipped", f"unknown without {', '.join(map(str, missing))}" if isinstance(missing, list) else "unknown")
    return case


def _told(case: ElementTree.Element, tag: str, message: str | None, text: str = "", **more: str) -> None:
    found = ElementTree.SubElement(case, tag, more)
    if message is not None:
        found.set("message", clean(message))
    lines = [clean(line) for line in text.splitlines()]
    found.text = "\n".join(lines) or None
