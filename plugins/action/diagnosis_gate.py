# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide whether a runbook may go on, say so, and record it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible import constants as C
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._controller import ControllerAction
from ansible_collections.sre.backup_sync.plugins.plugin_utils._gate import record
from ansible_collections.sre.backup_sync.plugins.plugin_utils._gate.decision import Asked, decide, decision_in_words
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import absolute
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.formats import gathered_at
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import clean
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.gate import gate_settings

_ARGUMENTS: dict[str, t.Any] = {
    "diagnosis": {"type": "dict"},
    "evidence": {"type": "dict"},
    "problem": {"type": "str", "default": ""},
    "target": {"type": "str", "default": ""},
    "kind": {"type": "str", "choices": ["", "cluster", "region"], "default": ""},
    "max_age": {"type": "str", "default": "15m"},
    "resources": {"type": "list", "elements": "str", "default": []},
    "override_by": {"type": "str", "default": ""},
    "override_reason": {"type": "str", "default": ""},
    "record": {"type": "str", "default": ""},
}
_COLOURS = {"passed": C.COLOR_OK, "overridden": C.COLOR_WARN}


class ActionModule(ControllerAction):
    """Runs on the controller only, where the diagnosis is."""

    arguments = _ARGUMENTS

    def done(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the decision. It is made and recorded in check mode too, and the record says so."""
        options = ("max_age", "resources", "override_by", "override_reason", "record")
        checked = gate_settings({"sync_gate_from": "play", **{f"sync_gate_{name}": arguments[name] for name in options}})
        if checked["problems"]:
            return {"failed": True, "msg": " ".join(checked["problems"])}
        decision = _decided(arguments, checked["settings"]["max_age_s"], str(variables.get("inventory_hostname") or ""))
        decision["check_mode"] = bool(self._task.check_mode)
        problem = _recorded(arguments["record"], decision)
        told = decision_in_words(decision)
        result = {"decision": decision, "told": told}
        if problem and decision["decision"] == "overridden":
            decision |= {"decision": "stopped", "override": None}
            return {**result, "failed": True, "msg": f"{problem} An override counts only when it is recorded."}
        if problem:
            self._display.warning(problem)
        if decision["decision"] != "stopped" and not self._task.no_log:  # what stops is told by the task that fails
            self._display.display(f"GATE        {decision['decision'].upper()}: {told}", color=_COLOURS[decision["decision"]])
        return result


def _decided(arguments: dict[str, t.Any], max_age_s: float, host: str) -> dict[str, t.Any]:
    asked = Asked(
        max_age_s=max_age_s,
        target=clean(arguments["target"]),
        kind=arguments["kind"],
        resources=tuple(arguments["resources"]),
        by=clean(arguments["override_by"]),  # nobody is called by a character that nobody sees
        reason=clean(arguments["override_reason"]),
    )
    return decide(
        asked,
        datetime.now(timezone.utc),
        diagnosis=arguments["diagnosis"],
        read_at=parse_time(_read_at(arguments["evidence"])),
        problem=arguments["problem"],
        called=host,
    )


def _read_at(evidence: t.Any) -> str | None:
    """When the recovery points were read, which is what the readiness rests on."""
    steps = (evidence or {}).get("evidence")
    points = steps.get("recovery_points") if isinstance(steps, dict) else None
    return gathered_at({"evidence": {"recovery_points": points}})


def _recorded(path: str, decision: dict[str, t.Any]) -> str | None:
    """A sentence where a record is wanted and cannot be kept."""
    if not path.strip():
        return None
    try:
        record.append(absolute(path), decision)
    except OSError as exc:
        return (
            f"record (sync_gate_record): the decision cannot be added to {absolute(path)} ({exc.strerror or exc}); give a file "
            "that this user may write to."
        )
    return None
