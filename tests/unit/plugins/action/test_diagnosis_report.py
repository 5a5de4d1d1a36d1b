# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from ansible_collections.sre.backup_sync.plugins.action.diagnosis_report import ActionModule

DIAGNOSIS = {
    "target": {"name": "prod"},
    "status": "failing",
    "root_cause": {"cause": "dns", "title": "DNS fails", "confidence": "likely", "score": 0.7},
}


@pytest.fixture
def report(monkeypatch):
    """Runs the action; returns its result and what it displayed."""

    def run(*, colours=False, no_log=False, **arguments):
        monkeypatch.setattr("ansible.utils.color.ANSIBLE_COLOR", colours)
        task = SimpleNamespace(args={"diagnosis": DIAGNOSIS, **arguments}, async_val=0, check_mode=False, diff=False)
        task.no_log = no_log
        task.action = "sre.backup_sync.diagnosis_report"
        task.ignore_unreachable = task.delegate_to = None
        action = ActionModule(task, MagicMock(), SimpleNamespace(check_mode=False), MagicMock(), MagicMock(), MagicMock())
        shown = {"screen_only": [], "log_only": []}
        monkeypatch.setattr(
            action, "_display", SimpleNamespace(display=lambda told, **where: [shown[each].append(told) for each in where or shown])
        )
        result = action.run(task_vars={})
        if colours:
            return result, "\n".join(shown["screen_only"]), "\n".join(shown["log_only"])
        assert shown["screen_only"] == shown["log_only"]
        return result, "\n".join(shown["screen_only"])

    return run


def test_with_no_log_the_files_are_written_and_nothing_is_shown(report, tmp_path):
    result, shown = report(no_log=True, path=str(tmp_path))
    assert not shown and "FAILING" in (tmp_path / "prod" / "report.txt").read_text()
    assert not result.get("failed")


def test_no_folder_no_files(report):
    result, shown = report()
    assert (result["folder"], result["files"]) == (None, [])
    assert "STATUS      FAILING" in shown and "REPORT" not in shown
    assert not result.get("failed")


def test_colours_stress_what_matters_and_stay_out_of_the_log(report):
    dummy, screen, log = report(colours=True)
    status = next(line for line in screen.splitlines() if "STATUS" in line)
    assert status == "\x1b[0;31mSTATUS      FAILING\x1b[0m"
    assert "\x1b" not in log and re.sub("\x1b\\[[0-9;]*m", "", screen) == log


def test_files_of_all_formats(report, tmp_path):
    result, shown = report(path=str(tmp_path), evidence={"schema": "x"})
    assert sorted(os.listdir(tmp_path / "prod")) == ["diagnosis.json", "evidence.json", "report.txt"]
    assert json.loads((tmp_path / "prod" / "diagnosis.json").read_text()) == DIAGNOSIS
    assert json.loads((tmp_path / "prod" / "evidence.json").read_text()) == {"schema": "x"}
    assert (tmp_path / "prod" / "report.txt").read_text() == shown + "\n"
    assert len(result["files"]) == 3


@pytest.mark.parametrize(
    "formats, files, printed",
    [(["text"], ["report.txt"], True), (["json"], ["diagnosis.json"], False)],
)
def test_formats(report, tmp_path, formats, files, printed):
    dummy, shown = report(path=str(tmp_path), formats=formats)
    assert os.listdir(tmp_path / "prod") == files
    assert ("STATUS" in shown) is printed and "prod" in shown


def test_an_unwritable_folder_fails_after_the_screen(report, tmp_path):
    (tmp_path / "prod").write_text("")  # where the target's folder should be
    result, shown = report(path=str(tmp_path))
    assert "STATUS      FAILING" in shown
    assert result["failed"] and result["msg"].startswith("path (sync_report_dir): the report cannot be written to ")
    assert "lines" not in result


@pytest.mark.parametrize(
    "fail_on, red_statuses",
    [
        ("never", set()),
        ("failing", {"failing"}),
        ("lagging", {"failing", "lagging"}),
        ("unknown", {"failing", "lagging", "inconclusive"}),
    ],
)
def test_what_turns_red(report, tmp_path, fail_on, red_statuses):
    for status in ("healthy", "lagging", "failing", "inconclusive"):
        result, shown = report(diagnosis=dict(DIAGNOSIS, status=status), fail_on=fail_on, path=str(tmp_path))
        assert bool(result.get("failed")) is (status in red_statuses)
        assert status.upper() in shown
        assert (tmp_path / "prod" / "diagnosis.json").is_file()


def test_options_that_cannot_be_used_are_named_after_the_screen(report):
    result, shown = report(path=["reports"], formats=["pdf"], fail_on="often")
    assert "STATUS      FAILING" in shown
    assert result["failed"] and (result["folder"], result["files"]) == (None, [])
    for variable in ("path (sync_report_dir): ", "formats (sync_report_formats): ", "fail_on (sync_report_fail_on): "):
        assert variable in result["msg"]


@pytest.mark.parametrize("path", [None, "", "  "])
def test_an_empty_folder_is_none(report, path):
    result, dummy = report(path=path)
    assert result["files"] == [] and not result.get("failed")


EVIDENCE = {"text": "lookup objects.dr.example.com: no such host", "arn": "arn:aws:backup:eu-west-1:111122223333:x"}


def test_names_are_hidden_in_all_that_is_told(report, tmp_path):
    told = {**DIAGNOSIS, "root_cause": {**DIAGNOSIS["root_cause"], "title": "objects.dr.example.com does not resolve"}}
    result, shown = report(
        diagnosis=told, path=str(tmp_path), evidence=EVIDENCE, rename=["account_ids", "host_names"]
    )
    files = "".join(path.read_text() for path in (tmp_path / "prod").iterdir())
    assert not any(name in files + shown + str(result) for name in ("objects.dr", "111122223333"))
    assert "host-1.invalid" in shown and "host-1.invalid" in files and "000000000001" in files


def test_a_wrong_choice_of_names_shows_none(report):
    told = {**DIAGNOSIS, "root_cause": {**DIAGNOSIS["root_cause"], "title": "https://objects.dr.example.com fails"}}
    result, shown = report(diagnosis=told, rename=["hosts"])
    assert result["failed"] and "rename (sync_report_rename)" in result["msg"] and "host_names" in result["msg"]
    assert "objects.dr" not in shown
