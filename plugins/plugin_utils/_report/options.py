# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the options of a report may be; asked before anything is read, and again when the report is made."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.pseudonyms import KINDS

FORMATS = ("text", "json", "html", "markdown", "junit", "openmetrics")
DEFAULT_FORMATS = ("text", "json")
FAIL_ON = ("never", "failing", "lagging", "unknown")
_VARIABLES = {"formats": "sync_report_formats", "rename": "sync_report_rename"}
_CHOICES = {"formats": FORMATS, "rename": KINDS}


def report_problems(options: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each option that cannot be used. options: path, formats, rename, fail_on; each may be absent."""
    found = []
    path = options.get("path")
    if isinstance(path, (dict, list, bool)):
        found.append("path (sync_report_dir): it is no text; give one folder, or leave it empty for no files.")
    elif str(path or "").strip() and not _can_be_made(str(path).strip()):
        found.append(
            f"path (sync_report_dir): no folder can be made at {str(path).strip()!r}; give one that this user may write to, "
            "or leave it empty for no files."
        )
    for option, choices in _CHOICES.items():
        given = options.get(option) or []
        wrong = [item for item in _listed(given) if item not in choices]
        if wrong:
            found.append(f"{option} ({_VARIABLES[option]}): it cannot hold {wrong[0]!r}; give of {', '.join(choices)}.")
    if str(options.get("fail_on") or "never") not in FAIL_ON:
        found.append(
            f"fail_on (sync_report_fail_on): it cannot be {str(options['fail_on'])[:80]!r}; give one of {', '.join(FAIL_ON)}."
        )
    return found


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
