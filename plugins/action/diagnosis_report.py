# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the files of a report, print its screen, and turn the task red when that was asked for; in this order."""

from __future__ import annotations

import os
import typing as t

from ansible import constants as C
from ansible.utils.color import stringc
from ansible_collections.sre.backup_sync.plugins.plugin_utils._controller import ControllerAction
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import report_folder, target_name, write_files
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.formats import files_of, gathered_at
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import DEFAULT_FORMATS, report_problems
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.pseudonyms import KINDS, renamed
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import LABEL, report_lines

# What each choice of fail_on counts as red.
_RED = {
    "never": frozenset[str](),
    "failing": frozenset({"failing"}),
    "lagging": frozenset({"failing", "lagging"}),
    "unknown": frozenset({"failing", "lagging", "inconclusive"}),
}

# (label of a line, what it begins with, or "" for whatever it says)
_COLOURS = {
    ("STATUS", "FAILING"): C.COLOR_ERROR,
    ("STATUS", "LAGGING"): C.COLOR_WARN,
    ("STATUS", "INCONCLUSIVE"): C.COLOR_WARN,
    ("STATUS", "HEALTHY"): C.COLOR_OK,
    ("DR", "NOT READY"): C.COLOR_ERROR,
    ("DR", "UNKNOWN"): C.COLOR_WARN,
    ("DR", "READY"): C.COLOR_OK,
    ("CAUSE", ""): C.COLOR_HIGHLIGHT,
    ("SUPPOSED", ""): C.COLOR_WARN,
    ("BUT", ""): C.COLOR_WARN,
    ("GAPS", ""): C.COLOR_WARN,
}

# Values are looked at by report_problems(), which names the role's variable too and lets the screen be printed all the same.
_ARGUMENTS: dict[str, t.Any] = {
    "diagnosis": {"type": "dict", "required": True},
    "evidence": {"type": "dict"},
    "history": {"type": "dict"},
    "path": {"type": "raw", "default": ""},
    "formats": {"type": "list", "elements": "str", "default": list(DEFAULT_FORMATS)},
    "fail_on": {"type": "raw", "default": "never"},
    "rename": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ControllerAction):
    """Runs on the controller only: the report belongs where the play is read."""

    arguments = _ARGUMENTS

    def done(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what was written and printed. The files of a read-only diagnosis are written in check mode too."""
        problems = report_problems(arguments)
        if arguments["rename"]:  # of a wrong choice nobody knows what it was to hide, so all names are
            together = {name: arguments[name] for name in ("evidence", "diagnosis", "history")}
            arguments.update(renamed(together, KINDS if problems else arguments["rename"]))
        diagnosis = arguments["diagnosis"]
        folder, files, problem = (None, [], " ".join(problems)) if problems else _written(arguments)
        read = gathered_at(arguments["evidence"])
        lines = report_lines(diagnosis, where=folder, history=arguments["history"], gathered_at=read)
        if self._task.no_log:
            pass  # the screen is what was asked not to be shown
        elif problems or "text" in arguments["formats"]:
            # the log of Ansible gets the words alone
            self._display.display("\n".join(map(_coloured, lines)), screen_only=True)
            self._display.display("\n".join(lines), log_only=True)
        elif folder:
            self._display.display(f"The report is in {folder}.")
        result = {"folder": folder, "files": files}
        verdict = problem or _red(diagnosis, arguments["fail_on"])
        if verdict:  # without the lines: a failed task's result is printed, and they stand right above it
            return {**result, "failed": True, "msg": verdict}
        return {**result, "lines": lines}


def _coloured(line: str) -> str:
    """The line in the colour that Ansible has for such news, where it shows colours at all."""
    label, told = line[:LABEL].strip(), line[LABEL:]
    colour = _COLOURS.get((label, told.partition(",")[0])) or _COLOURS.get((label, ""))
    return stringc(line, colour) if colour else line


def _written(arguments: dict[str, t.Any]) -> tuple[str | None, list[str], str | None]:
    """(folder, paths written, one sentence when they could not be)."""
    diagnosis = arguments["diagnosis"]
    folder = report_folder(arguments["path"], target_name(diagnosis))
    if folder is None:
        return None, [], None
    files: dict[str, str] = {}
    broken = []
    for form in arguments["formats"]:
        try:
            files.update(files_of([form], diagnosis, arguments["evidence"], folder, arguments["history"]))
        except Exception as exc:  # pylint: disable=broad-exception-caught  # no fault of one format may take the others
            broken.append(f"formats (sync_report_formats): {form} cannot be made of this evidence ({exc!r}); leave it out.")
    try:
        write_files(folder, files)
    except OSError as exc:
        sentence = (
            f"path (sync_report_dir): the report cannot be written to {folder} ({exc.strerror or exc}); "
            "give a folder that this user may write to, or leave it empty for no files."
        )
        return None, [], sentence
    return folder, [os.path.join(folder, file) for file in files], " ".join(broken) or None


def _red(diagnosis: dict[str, t.Any], fail_on: str) -> str | None:
    """The sentence that ends the task, or None."""
    status = str(diagnosis.get("status") or "inconclusive")
    if status not in _RED[fail_on or "never"]:
        return None
    cause = diagnosis.get("root_cause") or {}
    because = f" ({cause.get('title') or cause.get('cause')})" if cause else ""
    return f"The copies are {status}{because}, and fail_on={fail_on} asks to stop here; the report was made before."
