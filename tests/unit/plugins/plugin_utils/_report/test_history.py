# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs say about a run, and the file that keeps them."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import stat
import time
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import rfc3339
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report import history_file
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.history import (
    MOST_RUNS,
    Entry,
    as_json,
    changes_in_words,
    entry_from,
    entry_of,
    since_in_words,
    told_of,
    trend_in_words,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import BUNDLE, DIAGNOSIS


def run(hour, status="failing", **more):
    """A run at an hour of a day, or of the days after it."""
    at = f"2026-11-{20 + hour // 24}T{hour % 24:02}:00:00Z"
    return Entry(**{"at": at, "run": f"run-{hour}", "status": status, "cause": "dns", "readiness": "not_ready", "rules": "a", **more})


def healthy(hour, **more):
    return run(hour, "healthy", **{"cause": None, "readiness": "ready", **more})


def told(*entries):
    return told_of(entries[:-1], entries[-1])


# ---------------------------------------------------------------------------------------------------------- since when


def test_the_first_run_has_no_since():
    first = told(run(1))
    assert since_in_words(first) == "FAILING; this is the first run in the history"
    assert changes_in_words(first, {}) == [] and not first.changed and as_json(first, {})["since"] is None


def test_since_is_the_first_of_an_unbroken_row():
    now = told(run(1), healthy(2), healthy(3), run(4), run(5), run(6))
    assert (now.since, now.in_a_row, now.changed) == (run(4).at, 3, False)
    assert since_in_words(now) == "FAILING since 2026-11-20 04:00Z (2 h), 3 runs in a row; before that healthy"


def test_what_the_history_begins_with_may_be_older():
    assert since_in_words(told(run(1), run(4))).startswith("FAILING at least since 2026-11-20 01:00Z (3 h), 2 runs")


def test_a_status_that_is_new_is_so_since_this_run():
    now = told(healthy(1), run(2))
    assert now.changed
    assert since_in_words(now) == "FAILING since this run; before that healthy"


def test_runs_after_this_one_say_nothing_of_it():
    now = told_of([healthy(1), run(9)], run(5))
    assert (now.runs, now.previous) == (2, healthy(1))


# ------------------------------------------------------------------------------------------------------------- changes


def test_what_is_new_and_what_is_resolved():
    now = told(run(1, fired=("lag", "old")), run(2, fired=("lag", "new")))
    assert (now.new, now.resolved, now.flapping) == (["new"], ["old"], [])
    assert changes_in_words(now, {"new": "Something new", "old": "Something old"}) == [
        "new: Something new",
        "resolved: Something old",
    ]


def test_what_nobody_can_tell_is_neither_new_nor_resolved():
    now = told(run(1, fired=("a",), unknown=("b",)), run(2, fired=("b",), unknown=("a",)))
    assert (now.new, now.resolved) == ([], [])


def test_what_comes_and_goes_flaps_and_is_not_new_each_time():
    entries = [run(hour, fired=("lag", "odd") if hour % 2 else ("lag",)) for hour in range(1, 6)]
    now = told(*entries)
    assert (now.new, now.resolved, now.flapping) == ([], [], ["odd"])
    # two changes are a come and a go
    assert told(*entries[:3]).flapping == []


def test_old_flapping_is_forgotten():
    entries = [run(hour, fired=("odd",) if hour % 2 else ()) for hour in range(1, 6)]
    entries += [run(hour, fired=()) for hour in range(6, 20)]
    assert told(*entries).flapping == []


def test_a_status_that_flaps_is_said():
    now = told(*(run(hour) if hour % 2 else healthy(hour) for hour in range(1, 6)))
    assert since_in_words(now).endswith("the status flaps: 4 changes in the last 5 runs")


def test_another_cause_under_the_same_status_is_a_change():
    now = told(run(1), run(2, cause="tls"))
    assert now.changed and changes_in_words(now, {}) == ["another cause: tls, before dns"]


def test_other_rules_are_said_beside_what_they_may_have_changed():
    now = told(run(1, rules="a"), run(2, rules="b", fired=("new",)))
    assert now.rules_changed
    assert changes_in_words(now, {})[-1] == "the rules changed (a to b): what is new or resolved may come from that"
    assert not told(run(1, rules=None), run(2)).rules_changed


def test_the_trend_of_the_exposure():
    grows = told(*(run(hour, worst_exposure_s=3600.0 * hour) for hour in range(1, 6)))
    assert trend_in_words(grows) == "worst exposure grows: 60 min at 2026-11-20 01:00Z, 5 h now"
    shrinks = told(run(1, worst_exposure_s=7200.0), run(2, worst_exposure_s=600.0))
    assert trend_in_words(shrinks) == "worst exposure shrinks: 2 h at 2026-11-20 01:00Z, 10 min now"
    assert trend_in_words(told(run(1, worst_exposure_s=7200.0), run(2, worst_exposure_s=7300.0))) is None
    assert trend_in_words(told(run(1, worst_exposure_s=7200.0), run(2))) is None


def test_an_entry_survives_the_file():
    entry = entry_of(DIAGNOSIS, BUNDLE, "2026-11-21T23:30:00Z")
    assert entry.status == "failing" and entry.fired and entry.worst_exposure_s == 23400.0
    assert entry.rules == DIAGNOSIS["rule_set"]
    assert entry_from(json.loads(json.dumps(entry.as_json()))) == entry


def test_the_same_evidence_is_the_same_run_and_other_evidence_another():
    at = "2026-11-21T23:30:00Z"
    assert entry_of(DIAGNOSIS, BUNDLE, at).run == entry_of(DIAGNOSIS, json.loads(json.dumps(BUNDLE)), at).run
    assert entry_of(DIAGNOSIS, BUNDLE, at).run != entry_of(DIAGNOSIS, {**BUNDLE, "settings": {}}, at).run


# ------------------------------------------------------------------------------------------------------------ the file


def rows_of(folder, name="prod"):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_each_run_is_a_line_for_its_owner_only(tmp_path):
    folder = tmp_path / "made"
    assert history_file.add(str(folder), "prod", run(1))[0].entries == []
    before, dummy = history_file.add(str(folder), "prod", run(2))
    assert before.entries == [run(1)]
    assert [row["at"] for row in rows_of(folder)[1:]] == [run(1).at, run(2).at]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "prod.jsonl").stat().st_mode) == 0o600


def test_targets_do_not_mix(tmp_path):
    history_file.add(str(tmp_path), "prod", run(1))
    assert history_file.add(str(tmp_path), "../prod", run(2))[0].entries == []
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_the_same_run_is_not_counted_twice(tmp_path):
    for dummy in range(2):
        before, dummy2 = history_file.add(str(tmp_path), "prod", run(1))
    assert before.entries == [] and len(rows_of(tmp_path)) == 2


def test_only_the_newest_runs_are_kept(tmp_path):
    rows = [{"announced": {}}, *(run(hour).as_json() for hour in range(MOST_RUNS))]
    start = datetime(2026, 9, 1, tzinfo=timezone.utc)
    many = [{**row, "at": rfc3339(start + timedelta(hours=number))} for number, row in enumerate(rows[1:])]
    (tmp_path / "prod.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [rows[0], *many]))
    history_file.add(str(tmp_path), "prod", run(1, run="new"))
    kept = rows_of(tmp_path)[1:]
    assert len(kept) == MOST_RUNS and kept[-1]["run"] == "new" and kept[0]["run"] == "run-1"


@pytest.mark.parametrize(
    "damage",
    [b"{not json\n", b'{"at": "yesterday"}\n', b"\xff\xfe\x00\n", b"[1, 2]\n", b'{"announced": 7}\n', b"[" * 100_000 + b"\n"],
)
def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_kept(tmp_path, damage):
    history_file.add(str(tmp_path), "prod", run(1))
    path = tmp_path / "prod.jsonl"
    spoilt = path.read_bytes() + damage
    path.write_bytes(spoilt)
    before, dummy = history_file.add(str(tmp_path), "prod", run(2))
    assert before.entries == [run(1)]
    with open(before.set_aside, "rb") as stream:
        assert stream.read() == spoilt
    assert [row["at"] for row in rows_of(tmp_path)[1:]] == [run(1).at, run(2).at]
    assert history_file.add(str(tmp_path), "prod", run(3))[0].set_aside is None
    assert "set aside" not in str(changes_in_words(told(run(1)), {}))
    assert as_json(told(run(1)), {}, before.set_aside)["changes_in_words"][0].endswith(before.set_aside)


def test_a_file_that_is_no_history_at_all_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(history_file, "_MOST_BYTES", 1000)
    (tmp_path / "prod.jsonl").write_bytes(b"x" * 5000)
    before, dummy = history_file.add(str(tmp_path), "prod", run(1))
    assert before.entries == [] and os.path.getsize(before.set_aside) == 5000


def _add_many(folder, worker):
    for number in range(10):
        history_file.add(folder, "prod", run(number, run=f"{worker}-{number}"))


def test_runs_at_the_same_time_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_many, args=(str(tmp_path), worker)) for worker in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 10
    assert {row["run"] for row in rows_of(tmp_path)[1:]} == {f"{w}-{n}" for w in range(10) for n in range(10)}


def _write_for_ever(folder, started):
    number = 0
    while True:
        number += 1
        history_file.add(folder, "prod", run(1, run=f"n-{number}", cause="x" * 100_000))
        started.set()


def test_a_kill_while_it_writes_leaves_a_whole_file(tmp_path):
    context = multiprocessing.get_context("fork")
    for attempt in range(12):
        started = context.Event()
        writer = context.Process(target=_write_for_ever, args=(str(tmp_path), started))
        writer.start()
        assert started.wait(30)
        time.sleep(0.003 * attempt)  # so that each is killed at another point of its work
        os.kill(writer.pid, signal.SIGKILL)
        writer.join(30)
        assert all(row.get("announced") is not None or entry_from(row) for row in rows_of(tmp_path))
        before, dummy = history_file.add(str(tmp_path), "prod", run(2, run=f"after-{attempt}"))
        assert before.set_aside is None and before.entries
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prod.jsonl", "prod.jsonl.lock"]  # and nothing half written


def test_who_waits_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(history_file, "_WAIT_S", 0.05)
    with history_file._held(str(tmp_path), "prod"), pytest.raises(TimeoutError, match="another run has held"):
        history_file.add(str(tmp_path), "prod", run(1))


# ------------------------------------------------------------------------------------------------------ who tells people


def claims(folder, entry, places=("webhook",)):
    return history_file.add(str(folder), "prod", entry, places)[1]


def told_them(folder, entry, *places):
    history_file.announced(str(folder), "prod", entry.key, places)


def test_people_are_told_once_of_a_change(tmp_path):
    assert claims(tmp_path, run(1)) == ["webhook"]
    told_them(tmp_path, run(1), "webhook")
    assert claims(tmp_path, run(2)) == []
    assert claims(tmp_path, run(3, confidence="confirmed")) == []  # no other answer
    assert claims(tmp_path, healthy(4)) == ["webhook"]
    told_them(tmp_path, healthy(4), "webhook")
    assert claims(tmp_path, healthy(5)) == []
    assert claims(tmp_path, run(6)) == ["webhook"]


def test_that_all_is_well_is_no_news_at_first(tmp_path):
    assert claims(tmp_path, healthy(1)) == []


def test_of_runs_at_the_same_time_one_tells(tmp_path):
    assert claims(tmp_path, run(1, run="a")) == ["webhook"]
    assert claims(tmp_path, run(1, run="b")) == []


def test_what_could_not_be_delivered_is_tried_again_there_only(tmp_path):
    both = ("webhook", "slack")
    assert claims(tmp_path, run(1), both) == ["webhook", "slack"]
    told_them(tmp_path, run(1), "webhook")
    assert claims(tmp_path, run(2), both) == ["slack"]


def test_who_was_ended_before_it_told_is_not_waited_for(tmp_path, monkeypatch):
    assert claims(tmp_path, run(1)) == ["webhook"]
    now = time.time()
    monkeypatch.setattr(history_file.time, "time", lambda: now + 700)
    assert claims(tmp_path, run(2)) == ["webhook"]


def test_runs_survive_what_is_told(tmp_path):
    claims(tmp_path, run(1))
    told_them(tmp_path, run(1), "webhook")
    assert history_file.add(str(tmp_path), "prod", run(2))[0].entries == [run(1)]
    assert dataclasses.asdict(history_file.add(str(tmp_path), "prod", run(3))[0].announced["webhook"])["key"] == run(1).key
