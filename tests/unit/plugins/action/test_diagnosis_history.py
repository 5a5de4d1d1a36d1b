# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from ansible_collections.sre.backup_sync.plugins.action.diagnosis_history import ActionModule


def diagnosis(status="failing"):
    """A diagnosis of that status."""
    return {
        "target": {"name": "prod"},
        "status": status,
        "root_cause": {"cause": "dns", "title": "DNS of 111122223333 fails", "confidence": "likely"},
        "findings": [{"rule": "r.1", "title": "One", "state": "fired"}],
    }


def evidence(hour):
    """Evidence that was gathered at that hour."""
    return {"evidence": {"jobs": {"observed_at": f"2026-11-20T{hour:02}:00:00Z", "account": "111122223333"}}}


def run(**arguments):
    """The result of the action."""
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False)
    task.action = "sre.backup_sync.diagnosis_history"
    task.ignore_unreachable = task.delegate_to = None
    context = SimpleNamespace(check_mode=False)
    return ActionModule(task, MagicMock(), context, MagicMock(), MagicMock(), MagicMock()).run(task_vars={})


def test_what_changed_since_the_run_before(tmp_path):
    run(diagnosis={**diagnosis("healthy"), "findings": []}, evidence=evidence(1), path=str(tmp_path))
    result = run(diagnosis=diagnosis(), evidence=evidence(2), path=str(tmp_path))
    assert not result.get("failed") and result["changed"] is False and result["announcement"] == {}
    told = result["history"]
    assert (told["runs"], told["changed"], told["new"]) == (2, True, ["r.1"])
    assert told["since_in_words"] == "FAILING since this run; before that healthy"
    assert told["changes_in_words"] == ["new: One"]


def test_the_body_to_post_names_the_report_and_has_other_names_where_asked(tmp_path):
    result = run(
        diagnosis=diagnosis(),
        evidence=evidence(1),
        path=str(tmp_path),
        announce=["webhook"],
        report_path="/reports",
        rename=["account_ids"],
    )
    body = result["announcement"]["webhook"]
    assert body["report"] == "/reports/prod" and "111122223333" not in str(body)
    assert run(diagnosis=diagnosis(), evidence=evidence(2), path=str(tmp_path), announce=["webhook"])["announcement"] == {}


def test_where_nobody_could_be_told_the_next_run_tells(tmp_path):
    known = {"diagnosis": diagnosis(), "path": str(tmp_path)}
    run(**known, evidence=evidence(1), announce=["slack", "webhook"])
    assert run(**known, evidence=evidence(1), delivered=["webhook"]) == {"changed": False}
    assert list(run(**known, evidence=evidence(2), announce=["slack", "webhook"])["announcement"]) == ["slack"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"path": ""}, "path (sync_report_history_dir): it is empty; give a folder, without which nobody knows what changed."),
        ({"path": ["x"]}, "path (sync_report_history_dir): it is no text; give one folder."),
        ({"path": "/dev/null/x"}, "path (sync_report_history_dir): no folder can be made at '/dev/null/x'"),
        ({"path": "/tmp", "rename": ["names"]}, "rename (sync_report_rename): it cannot hold 'names'"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(arguments, sentence):
    result = run(diagnosis=diagnosis(), **arguments)
    assert result["failed"] and result["msg"].startswith(sentence)


def test_a_folder_that_is_taken_away_is_one_sentence(tmp_path):
    run(diagnosis=diagnosis(), path=str(tmp_path))
    [file] = tmp_path.glob("*.jsonl")
    file.unlink()
    file.mkdir()
    result = run(diagnosis=diagnosis(), path=str(tmp_path))
    assert result["failed"] and "the history cannot be kept in" in result["msg"]


def test_a_run_that_left_out_a_step_is_not_kept(tmp_path):
    partial = {**diagnosis("inconclusive"), "gaps": [{"step": "logs", "outcome": "not_run"}]}
    result = run(diagnosis=partial, evidence=evidence(1), path=str(tmp_path), announce=["webhook"])
    assert result["history"] == {"changes_in_words": ["nothing is kept of this run in the history, as it left out logs"]}
    assert result["announcement"] == {} and not list(tmp_path.iterdir())


def test_hidden_names_stay_hidden_in_the_body(tmp_path):
    told = {**diagnosis(), "target": {"name": "node.example.com", "source": "node.example.com", "node": "node.example.com"}}
    body = run(
        diagnosis=told,
        evidence=evidence(1),
        path=str(tmp_path),
        announce=["webhook"],
        report_path="/reports",
        rename=["host_names"],
    )["announcement"]["webhook"]
    assert "node.example.com" not in str(body) and body["report"] == "/reports/host-1.invalid"
