# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Add a run to the history of its target, and tell what the earlier runs say about it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import rfc3339
from ansible_collections.sre.backup_sync.plugins.plugin_utils._controller import ControllerAction
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report import history, history_file
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import absolute, report_folder, target_name
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.formats import gathered_at
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import PLACES, folder_problem, report_problems
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.pseudonyms import renamed

# Values are looked at by report_problems(), which names the role's variable too.
_ARGUMENTS: dict[str, t.Any] = {
    "diagnosis": {"type": "dict", "required": True},
    "evidence": {"type": "dict"},
    "path": {"type": "raw", "required": True},
    "announce": {"type": "list", "elements": "str", "choices": list(PLACES), "default": []},
    "delivered": {"type": "list", "elements": "str", "choices": list(PLACES)},
    "report_path": {"type": "raw", "default": ""},
    "rename": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ControllerAction):
    """Runs on the controller only: the history belongs where the reports are."""

    arguments = _ARGUMENTS

    def done(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what changed since the run before. Like report files, the history is kept in check mode too."""
        problem = folder_problem("path (sync_report_history_dir)", arguments["path"], needed=True)
        problem = problem or " ".join(report_problems({"rename": arguments["rename"], "path": arguments["report_path"]}))
        if not problem:
            try:
                return _kept(arguments)
            except OSError as exc:
                problem = (
                    f"path (sync_report_history_dir): the history cannot be kept in {arguments['path']} ({exc.strerror or exc}); "
                    "see what is in the way, give another folder, or leave it empty for no history."
                )
        return {"failed": True, "msg": problem}


def _kept(arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    """Raises OSError."""
    diagnosis, evidence = arguments["diagnosis"], arguments["evidence"]
    folder, name = absolute(arguments["path"]), history_file.file_name(diagnosis)
    entry = history.entry_of(diagnosis, evidence, gathered_at(evidence) or str(rfc3339(datetime.now(timezone.utc))))
    if arguments["delivered"] is not None:
        history_file.announced(folder, name, entry.key, arguments["delivered"])
        return {}
    left_out = history.left_out(diagnosis)
    if left_out:
        return {"history": history.not_counted(left_out), "announcement": {}}
    known, places = history_file.add(folder, name, entry, arguments["announce"])
    told = history.as_json(history.told_of(known.entries, entry), history.titles_of(diagnosis), known.set_aside)
    return {"history": told, "announcement": _announcement(arguments, told, places) if places else {}}


def _announcement(arguments: dict[str, t.Any], told: dict[str, t.Any], places: list[str]) -> dict[str, t.Any]:
    """The body to post at each place."""
    # Imported here: most runs have nothing to tell.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._report import notification

    together = {name: arguments[name] for name in ("evidence", "diagnosis")}
    shown = renamed({**together, "history": told}, arguments["rename"])
    report = report_folder(arguments["report_path"], target_name(shown["diagnosis"]))
    read = gathered_at(arguments["evidence"])
    return {place: notification.BODIES[place](shown["diagnosis"], shown["history"], report, read) for place in places}
