# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell what the identities of a pair may read, and what they lack."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._access import needs
from ansible_collections.sre.backup_sync.plugins.plugin_utils._controller import ControllerAction
from ansible_collections.sre.backup_sync.plugins.plugin_utils._permissions import report

_SIDES: dict[str, t.Any] = {side: {"type": "dict", "default": {}} for side in ("source", "destination")}
_ARGUMENTS: dict[str, t.Any] = {
    "kind": {"type": "str", "choices": ["cluster", "region"], "required": True},
    "target": {"type": "str", "required": True},
    "places": {"type": "dict", "default": {}},
    "settings": {"type": "dict", "default": {}},
    "asked": {"type": "dict", "default": {}, "options": _SIDES},
    "answers": {"type": "list", "elements": "dict", "default": [], "options": _SIDES},
}


class ActionModule(ControllerAction):
    """Runs on the controller only."""

    arguments = _ARGUMENTS

    def done(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the rows and what is missing."""
        if arguments["kind"] == "cluster":
            wanted = needs(arguments["settings"])
            rows = report.of_cluster(wanted, arguments["asked"])
            missing = report.missing_rules(wanted, rows)
        else:
            rows = report.of_region(arguments["answers"])
            missing = report.missing_statements(arguments["answers"])
        told = report.lines(arguments["kind"], arguments["target"], arguments["places"], rows, missing)
        if not self._task.no_log:
            self._display.display("\n".join(told))
        unknown = sorted({row.side for row in rows if row.state == report.UNKNOWN})
        problem = None
        if missing:
            problem = f"The identity of the {' and '.join(missing)} of {arguments['target']} lacks what stands above."
        elif unknown:
            problem = f"The {' and '.join(unknown)} of {arguments['target']} could not be asked; see above."
        return {"rows": [row._asdict() for row in rows], "missing": missing, "problem": problem}
