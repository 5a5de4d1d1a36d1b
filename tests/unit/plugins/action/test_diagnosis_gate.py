# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from ansible_collections.sre.backup_sync.plugins.action.diagnosis_gate import ActionModule
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import rfc3339

READY = {"verdict": "ready", "rpo_s": 7200.0, "worst_exposure_s": 60.0, "reason": None, "resources": []}
DIAGNOSIS = {"target": {"name": "prod"}, "status": "healthy", "dr_readiness": READY}
OVERRIDE = {"override_by": "Jane", "override_reason": "INC-42"}


def evidence(offset_s=0.0, at=None):
    """Evidence of now by a server whose clock is so far ahead."""
    now = at or rfc3339(datetime.fromtimestamp(datetime.now(timezone.utc).timestamp() + offset_s, timezone.utc))
    return {"evidence": {"recovery_points": {"observed_at": now, "clock": {"offset_s": offset_s}}, "logs": {"observed_at": "2126-01-01T00:00:00Z"}}}


def run(no_log=False, check_mode=False, **arguments):
    """(the result of the action, what it showed)."""
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=check_mode, diff=False, no_log=no_log)
    task.action = "sre.backup_sync.diagnosis_gate"
    task.ignore_unreachable = task.delegate_to = None
    context = SimpleNamespace(check_mode=check_mode)
    action = ActionModule(task, MagicMock(), context, MagicMock(), MagicMock(), MagicMock())
    action._display = MagicMock()
    result = action.run(task_vars={"inventory_hostname": "host1"})
    return result, action._display


def test_the_age_is_that_of_the_recovery_points_by_our_clock():
    result, display = run(diagnosis=DIAGNOSIS, evidence=evidence(offset_s=7200.0))
    assert result["decision"]["decision"] == "passed" and result["decision"]["age_s"] < 60
    [call] = display.display.call_args_list
    assert call.args[0].startswith("GATE        PASSED: prod is ready")


def test_each_decision_is_a_line_of_the_record(tmp_path):
    file = tmp_path / "new" / "gate.jsonl"
    run(diagnosis=DIAGNOSIS, evidence=evidence(), record=str(file))
    run(problem="no route", record=str(file), check_mode=True)
    run(problem="no route", record=str(file), **OVERRIDE)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["decision"], line["target"], line["check_mode"]) for line in lines] == [
        ("passed", "prod", False),
        ("stopped", "host1", True),
        ("overridden", "host1", False),
    ]
    assert lines[2]["override"] == {"by": "Jane", "reason": "INC-42"}
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_override_that_cannot_be_recorded_does_not_count(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "write", lambda *dummy: 1)  # as a full disk does
    full = {"record": str(tmp_path / "gate.jsonl")}
    result, dummy = run(problem="no route", **full, **OVERRIDE)
    assert result["failed"] and "An override counts only when it is recorded." in result["msg"]
    assert (result["decision"]["decision"], result["decision"]["override"]) == ("stopped", None)
    passed, display = run(diagnosis=DIAGNOSIS, evidence=evidence(), **full)
    assert not passed.get("failed") and passed["decision"]["decision"] == "passed"
    [call] = display.warning.call_args_list
    assert call.args[0].startswith("record (sync_gate_record): the decision cannot be added to ")
    assert "(the disk took a part of the line only)" in call.args[0]


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path):
    file = tmp_path / "gate.jsonl"
    file.write_text('{"decision": "pas')
    run(problem="no route", record=str(file))
    assert json.loads(file.read_text().splitlines()[1])["decision"] == "stopped"


def test_a_pipe_that_nobody_reads_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    result, dummy = run(problem="no route", record=str(tmp_path / "pipe"))
    assert result["failed"] and "no file can be written at" in result["msg"]


def test_nobody_is_no_name(tmp_path):
    result, dummy = run(problem="no route", override_by="\u200b", override_reason="\u200b")
    assert result["decision"]["decision"] == "stopped"


def test_without_the_time_of_the_points_nobody_can_tell_how_old_they_are():
    told = evidence()
    del told["evidence"]["recovery_points"]["observed_at"]
    result, dummy = run(diagnosis=DIAGNOSIS, evidence=told)
    assert result["decision"]["reason"] == "nobody can say when the evidence was read"


def test_with_no_log_nothing_is_shown():
    result, display = run(no_log=True, diagnosis=DIAGNOSIS, evidence=evidence())
    assert result["decision"]["decision"] == "passed" and not display.display.called


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"override_by": "Jane"}, "sync_gate_override_reason: it is empty, and sync_gate_override_by is not; say why"),
        ({"override_reason": "x"}, "sync_gate_override_by: it is empty, and sync_gate_override_reason is not; say who"),
        ({"max_age": "soon"}, "sync_gate_max_age: 'soon' is no duration"),
        ({"record": "/dev/null/x"}, "sync_gate_record: no file can be written at '/dev/null/x'"),
        ({"record": "/tmp/a\0b"}, "sync_gate_record: no file can be written at '/tmp/a"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(arguments, sentence):
    result, dummy = run(**arguments)
    assert result["failed"] and result["msg"].startswith(sentence)
