# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the options of a report may be; asked before anything is read, and again when the report is made."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.pseudonyms import KINDS

FORMATS = ("text", "json", "html", "markdown", "junit", "openmetrics")
DEFAULT_FORMATS = ("text", "json")
FAIL_ON = ("never", "failing", "lagging", "unknown")
PLACES = ("webhook", "slack")  # where people can be told of a change
_ADDRESS = re.compile(r"https?://([^\s/@]+@)?(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+)(:\d+)?([/?]\S*)?")  # the role asks the same
_VARIABLES = {"formats": "sync_report_formats", "rename": "sync_report_rename"}
_CHOICES = {"formats": FORMATS, "rename": KINDS}


def report_problems(options: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each option that cannot be used.

    options: path, formats, rename, fail_on, history_dir, notify_webhook, notify_slack; each may be absent.
    """
    found = [
        folder_problem("path (sync_report_dir)", options.get("path")),
        folder_problem("sync_report_history_dir", options.get("history_dir")),
        *_notify_problems(options),
    ]
    for option, choices in _CHOICES.items():
        given = options.get(option) or []
        wrong = [item for item in _listed(given) if item not in choices]
        if wrong:
            found.append(f"{option} ({_VARIABLES[option]}): it cannot hold {wrong[0]!r}; give of {', '.join(choices)}.")
    if str(options.get("fail_on") or "never") not in FAIL_ON:
        found.append(
            f"fail_on (sync_report_fail_on): it cannot be {str(options['fail_on'])[:80]!r}; give one of {', '.join(FAIL_ON)}."
        )
    return [problem for problem in found if problem]


def folder_problem(option: str, path: t.Any, *, needed: bool = False) -> str | None:
    """What is wrong with the folder that an option names; None where nothing is. needed: it may not be empty."""
    if isinstance(path, (dict, list, bool)):
        return f"{option}: it is no text; give one folder" + ("." if needed else ", or leave it empty for none.")
    place = str(path or "").strip()
    if not place:
        return f"{option}: it is empty; give a folder, without which nobody knows what changed." if needed else None
    if "\0" not in place and _can_be_made(place):
        return None
    end = "." if needed else ", or leave it empty for none."
    return f"{option}: no folder can be made at {place!r}; give one that this user may write to{end}"


def _notify_problems(options: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Addresses are secrets, and are not shown."""
    for option in (f"notify_{place}" for place in PLACES):
        address = options.get(option)
        if address in (None, ""):
            continue
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            yield f"sync_report_{option}: it is no address; give one that begins with https:// or http:// and holds no blank."
        elif not str(options.get("history_dir") or "").strip():
            yield f"sync_report_{option}: what changed is not known without a history; set sync_report_history_dir too."


def _listed(given: t.Any) -> list[str]:
    """The entries, of a text those between its commas, as Ansible reads a list."""
    entries = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else [given]
    return [str(entry).strip()[:80] for entry in entries]


def _can_be_made(path: str) -> bool:
    """Whether the nearest folder above it is one that takes another."""
    place = os.path.abspath(os.path.expanduser(path))
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)
