# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs say about a run, and the file that keeps them."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import re
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
    left_out,
    since_in_words,
    told_of,
    trend_in_words,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import BUNDLE, DIAGNOSIS


NAME = "prod-1a2b3c4d.jsonl"


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
    assert (now.runs, now.previous, now.later) == (2, healthy(1), True)
    assert since_in_words(told_of([run(9)], run(5))) == "FAILING; this is the earliest run in the history"


# ------------------------------------------------------------------------------------------------------------- changes


def test_what_is_new_and_what_is_resolved():
    now = told(run(1, fired=("lag", "old")), run(2, fired=("lag", "new")))
    assert (now.new, now.resolved, now.flapping) == (["new"], ["old"], [])
    assert changes_in_words(now, {"new": "Something new", "old": "Something old"}) == [
        "new: Something new",
        "resolved: Something old",
    ]


def test_what_nobody_can_tell_is_neither_new_nor_resolved():
    now = told(run(1, fired=("a",), open=("b",)), run(2, fired=("b",), open=("a",)))
    assert (now.new, now.resolved) == ([], [])


def test_what_could_not_be_told_in_between_is_held_against_what_was_known_before():
    fired_again = told(run(1), run(2, open=("a",)), run(3, fired=("a",)))
    assert (fired_again.new, fired_again.resolved) == (["a"], [])
    cleared = told(run(1, fired=("a",)), run(2, open=("a",)), run(3))
    assert (cleared.new, cleared.resolved) == ([], ["a"])


def test_what_somebody_accepts_is_neither_resolved_nor_new_again():
    accepted = copy.deepcopy(DIAGNOSIS)
    row = next(row for row in accepted["findings"] if row["state"] == "fired" and row["severity"] != "info")
    row["state"] = "accepted"
    entries = [entry_of(DIAGNOSIS, {"n": n}, f"2026-11-20T0{n}:00:00Z") for n in (1, 3)]
    entries.insert(1, entry_of(accepted, {"n": 2}, "2026-11-20T02:00:00Z"))
    assert row["rule"] in entries[0].fired and row["rule"] in entries[1].open
    assert (told(*entries[:2]).resolved, told(*entries).new) == ([], [])


def test_good_news_of_a_rule_is_no_trouble_that_is_resolved():
    well = {**DIAGNOSIS, "findings": [{"rule": "matched", "state": "fired", "severity": "info"}]}
    assert entry_of(well, None, "2026-11-20T01:00:00Z").fired == ()


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


def test_the_worst_exposure_that_goes_on_to_grow():
    grows = told(*(run(hour, worst_exposure_s=3600.0 * hour) for hour in range(1, 7)))
    assert trend_in_words(grows) == "worst exposure grows: at most 3 h up to 2026-11-20 03:00Z, 6 h now"


def test_between_two_copies_every_exposure_grows_and_nothing_is_said():
    saw = [healthy(hour, worst_exposure_s=600.0 + 3600.0 * (hour % 24)) for hour in range(48)]
    assert [trend_in_words(told_of(saw[:n], saw[n])) for n in range(1, 48)] == [None] * 47


def test_a_resource_that_lost_its_last_copy_does_not_make_the_exposure_shrink():
    # the worst one has no exposure any more, and the next is better off
    assert trend_in_words(told(run(1, worst_exposure_s=108000.0), run(2, worst_exposure_s=3600.0))) is None


def test_an_exposure_that_is_back_within_the_rpo():
    now = told(run(1, worst_exposure_s=23400.0), run(2, worst_exposure_s=27000.0), healthy(3, worst_exposure_s=600.0))
    assert trend_in_words(now) == "worst exposure is back within the RPO: 7 h 30 min at most before, 10 min now"
    assert "disaster recovery is ready, before not ready" in changes_in_words(now, {})


def test_no_trend_without_a_figure_of_this_run():
    assert trend_in_words(told(run(1, worst_exposure_s=7200.0), run(2))) is None


def test_a_run_that_left_out_steps_is_known_as_one():
    assert left_out(DIAGNOSIS) == []
    assert left_out({"gaps": [{"step": "logs", "outcome": "not_run"}, {"step": "metrics", "outcome": "forbidden"}]}) == ["logs"]


def test_an_entry_survives_the_file():
    entry = entry_of(DIAGNOSIS, BUNDLE, "2026-11-21T23:30:00Z")
    assert entry.status == "failing" and entry.fired and entry.worst_exposure_s == 23400.0
    assert entry.rules == DIAGNOSIS["rule_set"]
    assert entry_from(json.loads(json.dumps(entry.as_json()))) == entry


def test_the_same_evidence_is_the_same_run_and_other_evidence_another():
    at = "2026-11-21T23:30:00Z"
    assert entry_of(DIAGNOSIS, BUNDLE, at).run == entry_of(DIAGNOSIS, json.loads(json.dumps(BUNDLE)), at).run
    assert entry_of(DIAGNOSIS, BUNDLE, at).run != entry_of(DIAGNOSIS, {**BUNDLE, "settings": {}}, at).run
    # without evidence nothing but the time tells one from another
    assert entry_of(DIAGNOSIS, None, at).run != entry_of(DIAGNOSIS, None, "2026-11-21T23:31:00Z").run


# ------------------------------------------------------------------------------------------------------------ the file


def rows_of(folder, name=NAME):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_each_run_is_a_line_for_its_owner_only(tmp_path):
    folder = tmp_path / "made"
    assert history_file.add(str(folder), NAME, run(1))[0].entries == []
    before, dummy = history_file.add(str(folder), NAME, run(2))
    assert before.entries == [run(1)]
    assert [row["at"] for row in rows_of(folder)[1:]] == [run(1).at, run(2).at]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600


def test_targets_do_not_mix(tmp_path):
    history_file.add(str(tmp_path), NAME, run(1))
    assert history_file.add(str(tmp_path), "other.jsonl", run(2))[0].entries == []
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*"))


def test_the_same_run_is_not_counted_twice(tmp_path):
    for dummy in range(2):
        before, dummy2 = history_file.add(str(tmp_path), NAME, run(1))
    assert before.entries == [] and len(rows_of(tmp_path)) == 2


def test_only_the_newest_runs_are_kept(tmp_path):
    rows = [{"announced": {}}, *(run(hour).as_json() for hour in range(MOST_RUNS))]
    start = datetime(2026, 9, 1, tzinfo=timezone.utc)
    many = [{**row, "at": rfc3339(start + timedelta(hours=number))} for number, row in enumerate(rows[1:])]
    (tmp_path / NAME).write_text("".join(json.dumps(row) + "\n" for row in [rows[0], *many]))
    history_file.add(str(tmp_path), NAME, run(1, run="new"))
    kept = rows_of(tmp_path)[1:]
    assert len(kept) == MOST_RUNS and kept[-1]["run"] == "new" and kept[0]["run"] == "run-1"


@pytest.mark.parametrize(
    "damage",
    [
        b"{not json\n",
        b'{"at": "yesterday"}\n',
        b"\xff\xfe\x00\n",
        b"[1, 2]\n",
        b'{"announced": 7}\n',
        b'{"announced": {"webhook": {"at": 1' + b"0" * 400 + b"}}}\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=["no JSON", "no run", "no UTF-8", "no mapping", "nobody told", "no time", "very deep"],
)
def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_kept(tmp_path, damage):
    history_file.add(str(tmp_path), NAME, run(1))
    path = tmp_path / NAME
    spoilt = path.read_bytes() + damage
    path.write_bytes(spoilt)
    before, dummy = history_file.add(str(tmp_path), NAME, run(2))
    assert before.entries == [run(1)]
    with open(before.set_aside, "rb") as stream:
        assert stream.read() == spoilt
    assert [row["at"] for row in rows_of(tmp_path)[1:]] == [run(1).at, run(2).at]
    assert history_file.add(str(tmp_path), NAME, run(3))[0].set_aside is None
    assert "set aside" not in str(changes_in_words(told(run(1)), {}))
    assert as_json(told(run(1)), {}, before.set_aside)["changes_in_words"][0].endswith(before.set_aside)


def test_a_file_that_is_no_history_at_all_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(history_file, "_MOST_BYTES", 1000)
    (tmp_path / NAME).write_bytes(b"x" * 5000)
    before, dummy = history_file.add(str(tmp_path), NAME, run(1))
    assert before.entries == [] and os.path.getsize(before.set_aside) == 5000


def _add_many(folder, worker):
    for number in range(10):
        history_file.add(folder, NAME, run(number, run=f"{worker}-{number}"))


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
        history_file.add(folder, NAME, run(1, run=f"n-{number}", cause="x" * 100_000))
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
        before, dummy = history_file.add(str(tmp_path), NAME, run(2, run=f"after-{attempt}"))
        assert before.set_aside is None and before.entries
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.lock"]  # and nothing half written


def test_who_waits_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(history_file, "_WAIT_S", 0.05)
    with history_file._held(str(tmp_path), NAME), pytest.raises(TimeoutError, match="another run has held"):
        history_file.add(str(tmp_path), NAME, run(1))


# ------------------------------------------------------------------------------------------------------ who tells people


def claims(folder, entry, places=("webhook",)):
    return history_file.add(str(folder), NAME, entry, places)[1]


def told_them(folder, entry, *places):
    history_file.announced(str(folder), NAME, entry.key, places)


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


@pytest.mark.parametrize("ended", [True, False])
def test_the_all_clear_follows_what_may_have_been_read(tmp_path, ended, monkeypatch):
    # it was posted, and whether it arrived nobody knows: the answer was lost, or the run was ended
    assert claims(tmp_path, run(1)) == ["webhook"]
    if not ended:
        told_them(tmp_path, run(1))
    assert claims(tmp_path, healthy(2)) == ["webhook"]
    told_them(tmp_path, healthy(2), "webhook")
    assert claims(tmp_path, healthy(3)) == []
    assert claims(tmp_path, run(4)) == ["webhook"]
    told_them(tmp_path, run(4))
    assert claims(tmp_path, healthy(5)) == ["webhook"]  # though healthy is what was last known to arrive


def test_old_evidence_is_no_news(tmp_path):
    claims(tmp_path, run(5))
    told_them(tmp_path, run(5), "webhook")
    assert claims(tmp_path, healthy(6)) == ["webhook"]
    told_them(tmp_path, healthy(6), "webhook")
    assert claims(tmp_path, run(1)) == [] and claims(tmp_path, healthy(7)) == []


def test_runs_survive_what_is_told(tmp_path):
    claims(tmp_path, run(1))
    told_them(tmp_path, run(1), "webhook")
    assert history_file.add(str(tmp_path), NAME, run(2))[0].entries == [run(1)]
    assert history_file.add(str(tmp_path), NAME, run(3))[0].announced["webhook"].key == run(1).key


def test_pairs_that_are_called_alike_have_a_file_each():
    pairs = [
        {"kind": "cluster", "name": "backup", "namespace": "backup", "source": "a", "destination": "b"},
        {"kind": "cluster", "name": "backup", "namespace": "backup", "source": "a", "destination": "c"},
        {"kind": "region", "name": "backup", "vault": "backup", "source": "a", "destination": "b"},
    ]
    names = {history_file.file_name({"target": pair}) for pair in pairs}
    assert len(names) == 3 and all(re.fullmatch(r"backup-[0-9a-f]{8}\.jsonl", name) for name in names)
    assert history_file.file_name({"target": {**pairs[2], "source_account": "1"}}) in names  # it is not known in each run
    assert "/" not in history_file.file_name({"target": {"name": "../../etc/passwd"}})


def test_a_linked_file_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / NAME).symlink_to(tmp_path / "real" / "kept.jsonl")
    history_file.add(str(tmp_path), NAME, run(1))
    assert (tmp_path / NAME).is_symlink() and len(rows_of(tmp_path)) == 2


def test_only_what_was_half_written_is_cleared_away(tmp_path):
    (tmp_path / f".{NAME}.abcd1234").write_text("half")
    (tmp_path / f".{NAME}.b.jsonl.abcd1234").write_text("of another")
    history_file.add(str(tmp_path), NAME, run(1))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == [f".{NAME}.b.jsonl.abcd1234"]
