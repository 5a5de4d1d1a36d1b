# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of a target over runs of the playbook, and whom a change is told to: a real listener, real runs."""

from __future__ import annotations

import copy
import json
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import harness
import pytest

from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import BUNDLE, HOSTILE

REPLAY = "sre.backup_sync.replay"
FAILING = {**BUNDLE, "schema": "sre.backup_sync/evidence/v1"}


def healthy() -> dict[str, t.Any]:
    """The same pair when all is well: nothing failed, nothing is behind."""
    bundle = copy.deepcopy(FAILING)
    evidence = bundle["evidence"]
    evidence["jobs"].update(summary={"resources": 4, "resources_failing": 0}, slots=[])
    for row in [*evidence["jobs"]["resources"], *evidence["jobs"]["jobs"]]:
        row.update(state="succeeded", reason=None)
    evidence["logs"].update(lines=[])
    evidence["metrics"] = {"outcome": "ok", "summary": {}}
    for row in evidence["copy_lag"]["resources"]:
        row.update(verdict="on_time", lag_s=300.0, why=None)
    for row in evidence["recovery_points"]["resources"]:
        row.update(verdict="current", exposure_s=600.0)
    evidence["recovery_points"]["summary"]["worst_exposure_s"] = 600.0
    return bundle


class Listener:
    """An endpoint on a free port: it answers with the statuses that it is given, then with 200, and keeps what it got."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[dict[str, t.Any]] = []
        left = list(statuses)
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            """Takes a POST."""

            def do_POST(self) -> None:  # pylint: disable=invalid-name
                """Keep the body, answer with the next status."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append({"path": self.path, "type": self.headers["Content-Type"], "body": json.loads(body)})
                self.send_response(left.pop(0) if left else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *dummy: t.Any) -> None:
                """Nothing: the output is the tests'."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *dummy: t.Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def address(self, path: str) -> str:
        """Where to post to, with a secret in it as webhooks have."""
        return f"http://127.0.0.1:{self._server.server_port}/{path}/s3cr3t-t0k3n"


def replay(folder: Path, bundle: dict[str, t.Any], minute: int, *arguments: str, **values: t.Any) -> harness.Run:
    """A run over the evidence as if it had been gathered at that minute; the history is in the folder `history`."""
    told = copy.deepcopy(bundle)
    for step in ("jobs", "recovery_points"):
        told["evidence"][step]["observed_at"] = f"2026-11-21T23:{minute:02}:00Z"
    place = folder / f"run-{minute}"
    place.mkdir(parents=True)
    (place / "evidence.json").write_text(json.dumps(told))
    values = {"sync_replay_evidence": str(place), "sync_report_history_dir": str(folder / "history"), **values}
    return harness.play(place, values, *arguments, playbook=REPLAY)


def the_file(folder: Path) -> Path:
    """The history of the only target."""
    [file] = (folder / "history").glob("*.jsonl")
    return file


def runs_of(folder: Path) -> list[dict[str, t.Any]]:
    """The runs in the history of the only target."""
    file = the_file(folder)
    return [row for line in file.read_text().splitlines() if "status" in (row := json.loads(line))]


def test_the_report_says_since_when_and_what_changed(tmp_path: Path) -> None:
    formats = ["text", "json", "html", "markdown"]
    assert replay(tmp_path, healthy(), 1).code == 0
    second = replay(tmp_path, FAILING, 2)
    assert second.code == 0
    assert "CHANGED     disaster recovery is not ready, before ready; new: " in second.output
    run = replay(tmp_path, FAILING, 5, sync_report_dir=str(tmp_path / "report"), sync_report_formats=formats)
    assert run.code == 0, run.output[-3000:]
    since = "FAILING since 2026-11-21 23:02Z (3 min), 2 runs in a row; before that healthy"
    assert f"SINCE       {since}" in run.output
    [report] = (tmp_path / "report").iterdir()
    assert since in (report / "report.txt").read_text() and since in (report / "report.html").read_text()
    assert since in (report / "report.md").read_text()
    # the diagnosis itself stays what the evidence says
    assert "since" not in json.loads((report / "diagnosis.json").read_text())


def test_ten_runs_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        runs = list(pool.map(lambda minute: replay(tmp_path, FAILING, minute), range(10)))
    assert [run.code for run in runs] == [0] * 10, runs[0].output[-3000:]
    assert [row["at"][14:16] for row in runs_of(tmp_path)] == [f"{minute:02}" for minute in range(10)]
    assert len({row["run"] for row in runs_of(tmp_path)}) == 10


def test_a_damaged_history_is_set_aside_and_said(tmp_path: Path) -> None:
    replay(tmp_path, FAILING, 1)
    file = the_file(tmp_path)
    file.write_text(file.read_text() + '{"at": "2026-11-2')
    run = replay(tmp_path, FAILING, 2)
    assert run.code == 0 and "the history was damaged" in " ".join(run.output.split())
    [aside] = (tmp_path / "history").glob("*.damaged-*")
    assert aside.read_text().endswith('{"at": "2026-11-2') and len(runs_of(tmp_path)) == 2


def test_people_are_told_of_a_change_once(tmp_path: Path) -> None:
    with Listener() as listener:
        places = {
            "sync_report_notify_webhook": listener.address("hook"),
            "sync_report_notify_slack": listener.address("slack"),
            "sync_report_dir": str(tmp_path / "report"),
        }
        outputs = [replay(tmp_path, bundle, minute, "-v", **places) for minute, bundle in enumerate([healthy(), FAILING, FAILING, healthy()])]
        assert [run.code for run in outputs] == [0] * 4, outputs[1].output[-3000:]
        told = [(got["path"].split("/")[1], got["body"].get("status") or got["body"]["text"]) for got in listener.got]
    assert told == [
        ("hook", "failing"),
        ("slack", "Backup sync t: FAILING (was healthy)"),
        ("hook", "healthy"),
        ("slack", "Backup sync t: HEALTHY (was failing)"),
    ]
    first = listener.got[0]
    assert first["type"] == "application/json" and first["body"]["schema"] == "sre.backup_sync/notification/v1"
    assert first["body"]["report"] == str(tmp_path / "report" / "t")
    assert all("s3cr3t-t0k3n" not in run.output for run in outputs)


def test_a_listener_that_is_down_never_ends_the_run_and_is_tried_again(tmp_path: Path) -> None:
    with Listener(500, 404) as listener:  # twice an error, then it takes it
        run = replay(tmp_path, FAILING, 1, sync_report_notify_webhook=listener.address("hook"))
        assert run.code == 0 and len(listener.got) == 3 and "Nobody could be told" not in run.output
        address = listener.address("hook")
    down = replay(tmp_path, healthy(), 2, "-vvv", sync_report_notify_webhook=address)  # nothing listens there any more
    assert down.code == 0, down.output[-3000:]
    said = " ".join(down.output.split())
    assert "Nobody could be told by sync_report_notify_webhook: status -1, no answer; see whether name, port" in said
    assert "The next run tries again." in said and "[ERROR]" not in said
    assert "STATUS      HEALTHY" in down.output and "s3cr3t-t0k3n" not in down.output
    with Listener() as listener:
        run = replay(tmp_path, healthy(), 3, sync_report_notify_webhook=listener.address("hook"))
        assert [got["body"]["status"] for got in listener.got] == ["healthy"], run.output[-3000:]


def test_a_red_job_has_told_before_it_ends(tmp_path: Path) -> None:
    with Listener() as listener:
        run = replay(tmp_path, FAILING, 1, sync_report_notify_slack=listener.address("slack"), sync_report_fail_on="failing")
        assert run.code == 2 and len(listener.got) == 1, run.output[-3000:]


def test_nobody_is_told_in_check_mode(tmp_path: Path) -> None:
    with Listener() as listener:
        run = replay(tmp_path, FAILING, 1, "--check", sync_report_notify_webhook=listener.address("hook"))
        assert run.code == 0 and listener.got == [], run.output[-3000:]
        assert "STATUS      FAILING" in run.output and len(runs_of(tmp_path)) == 1


@pytest.mark.parametrize("name", ["marks", "escapes", "script"])
def test_hostile_text_is_told_as_it_is(name: str, tmp_path: Path) -> None:
    bundle = copy.deepcopy(FAILING)
    bundle["target"].update(source=HOSTILE[name].replace("\ud800", ""), destination="b")
    with Listener() as listener:
        run = replay(tmp_path, bundle, 1, sync_report_notify_webhook=listener.address("hook"))
        assert run.code == 0, run.output[-3000:]
        shown = " ".join("".join(char if char.isprintable() else " " for char in bundle["target"]["source"]).split())
        assert shown in listener.got[0]["body"]["text"] and "\x1b[31m" not in run.output


def test_a_history_that_cannot_be_kept_does_not_take_the_diagnosis_away(tmp_path: Path) -> None:
    replay(tmp_path, healthy(), 1)
    file = the_file(tmp_path)
    file.unlink()
    file.mkdir()
    with Listener() as listener:
        values = {"sync_report_notify_webhook": listener.address("hook"), "sync_report_dir": str(tmp_path / "report")}
        run = replay(tmp_path, FAILING, 2, **values, sync_report_fail_on="failing")
    said = " ".join(run.output.split())
    told = "STATUS FAILING, read 2026-11-21 23:02Z CHANGED what is new cannot be told: path (sync_report_history_dir)"
    assert told in said, run.output[-3000:]
    assert run.code == 2 and (tmp_path / "report" / "t" / "diagnosis.json").exists()
    assert "fail_on=failing asks to stop here" in said


@pytest.mark.parametrize("given", [None, " ", ""])
def test_an_empty_folder_is_no_history(given: str | None, tmp_path: Path) -> None:
    run = replay(tmp_path, FAILING, 1, sync_report_history_dir=given)
    assert run.code == 0 and "STATUS      FAILING" in run.output and "CHANGED" not in run.output


def test_a_run_of_some_steps_is_not_counted(tmp_path: Path) -> None:
    some = copy.deepcopy(FAILING)
    some["evidence"].update(logs=None, jobs={**some["evidence"]["jobs"]})
    with Listener() as listener:
        place = {"sync_report_notify_webhook": listener.address("hook")}
        replay(tmp_path, healthy(), 1, **place)
        run = replay(tmp_path, some, 2, **place)
        assert "nothing is kept of this run in the history, as it left out logs" in " ".join(run.output.split())
        assert listener.got == [] and len(runs_of(tmp_path)) == 1


BAD: dict[str, tuple[dict[str, t.Any], str]] = {
    "no history": (
        {"sync_report_notify_webhook": "https://hooks.example/x", "sync_report_history_dir": ""},
        "sync_report_notify_webhook: what changed is not known without a history; set sync_report_history_dir too.",
    ),
    "no address": (
        {"sync_report_notify_slack": "hooks.example/s3cr3t-t0k3n"},
        "sync_report_notify_slack: it is no address; give one that begins with https:// or http:// and holds no blank.",
    ),
    "an address with a blank": (
        {"sync_report_notify_webhook": "https://hooks.example/s3cr3t-t0k3n?x=a b"},
        "sync_report_notify_webhook: it is no address; give one that begins with https:// or http:// and holds no blank.",
    ),
    "a secret where the port is": (
        {"sync_report_notify_slack": "https://bot:s3cr3t-t0k3n/x@hooks.example/"},
        "sync_report_notify_slack: it is no address; give one that begins with https:// or http:// and holds no blank.",
    ),
    "no folder": (
        {"sync_report_history_dir": "/dev/null/history"},
        "no folder can be made at '/dev/null/history'; give one that this user may write to",
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("playbook", ["sre.backup_sync.cluster", "sre.backup_sync.region", REPLAY])
def test_one_sentence(name: str, playbook: str, tmp_path: Path) -> None:
    values, sentence = BAD[name]
    (tmp_path / "evidence.json").write_text(json.dumps(FAILING))
    run = harness.play(
        tmp_path,
        {"sync_replay_evidence": str(tmp_path), "sync_report_history_dir": str(tmp_path / "history"), **values},
        playbook=playbook,
    )
    said = " ".join(run.output.replace('\\"', '"').replace("\\'", "'").split())
    if playbook == REPLAY and name == "no history":
        sentence = "path (sync_report_history_dir): it is empty; give a folder, without which nobody knows what changed."
    # where there is a diagnosis already it is told all the same
    assert run.code == (0 if playbook == REPLAY else 2) and sentence in said, run.output[-3000:]
    assert ("STATUS FAILING, read 2026-11-21 23:30Z CHANGED what is new cannot be told" in said) == (playbook == REPLAY)
    assert "Traceback" not in said and "s3cr3t-t0k3n" not in said
