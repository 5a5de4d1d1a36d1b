# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 6: copy runs against source backups."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_sides import (
    NOW,
    SNAPSHOTS,
    FakeCluster,
    Sides,
    checked,
    items,
    minutes_ago,
    recorded,
    snapshot,
    source_side,
)

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.copy_lag import STEP

VELERO = {
    "kind": "custom",
    "group": "velero.io",
    "version": "v1",
    "plural": "backups",
    "point_in_time": "status.startTimestamp",
    "completed": "status.completionTimestamp",
    "state": "status.phase",
}
VOLSYNC = {
    "kind": "custom",
    "group": "volsync.backube",
    "version": "v1alpha1",
    "plural": "replicationsources",
    "point_in_time": "status.lastSyncTime",
    "completed": "status.lastSyncTime",
    "state": "status.latestMoverStatus.result",
    "resource": "spec.sourcePVC",
}


def run(job, state, *, started, ended=None, resource="orders", scheduled=None):
    """A row of the job step's feed; times in minutes before now."""
    return {
        "job": job,
        "resource": resource,
        "state": state,
        "scheduled_at": None if scheduled is None else minutes_ago(scheduled),
        "started_at": None if started is None else minutes_ago(started),
        "ended_at": None if ended is None else minutes_ago(ended),
        "cronjob": None,
    }


def step(snapshots, runs=(), *, schedules=None, jobs=None, source=None, cluster=None, **given):
    """Run the step; returns what it gathered."""
    evidence = {"outcome": "ok", "clock": {"offset_s": 0.0, "error_s": 0.5}, "summary": {}, **(jobs or {})}
    params = checked(
        STEP,
        **{
            "source": {"host": "x"},
            "jobs": evidence,
            "jobs_feed": {"runs": list(runs), "schedules": schedules or {}},
            **given,
        },
    )
    side = source or source_side({SNAPSHOTS: snapshots})
    return STEP.gather(params, Sides(cluster, side))


def only(gathered):
    """The only resource's row."""
    (row,) = gathered.evidence["resources"]
    return row


# ---------------------------------------------------------------------------------------------------- verdicts


def test_a_copy_within_its_window_is_on_time():
    gathered = step([snapshot("s", 120)], [run("c", "succeeded", started=110, ended=100)])
    row = only(gathered)
    assert (row["verdict"], row["why"], row["lag_s"]) == ("on_time", None, 1200.0)
    assert (row["source_backup"], row["copy_job"]) == ("s", "c")
    assert (row["completed_at"], row["copied_at"]) == (minutes_ago(120), minutes_ago(100))
    assert (row["window_s"], row["window_from"]) == (3600.0, "default")
    assert row["lag_error_s"] == 6.0  # 0.5 + 0.5 of the clocks, 1 s rounding, 2 s for each side's writer
    assert (row["run_s"], row["start_delay_s"]) == (600.0, 600.0)


@pytest.mark.parametrize(
    "runs, expected",
    [
        # waited 100 min, ran 5
        ([run("c", "succeeded", started=200, ended=195), run("p", "succeeded", started=400, ended=395)], "late_start"),
        # waited 5 min, ran 100, and its like run 5
        (
            [
                run("c", "succeeded", started=295, ended=195),
                run("p", "succeeded", started=400, ended=395),
                run("q", "succeeded", started=500, ended=495),
            ],
            "long_run",
        ),
        # waited 5 min, ran 100, as it always does: the window is too small
        ([run("c", "succeeded", started=295, ended=195), run("p", "succeeded", started=500, ended=400)], None),
    ],
)
def test_a_late_copy_says_whether_it_waited_or_ran_long(runs, expected):
    row = only(step([snapshot("s", 300)], runs))
    assert (row["verdict"], row["why"]) == ("late", expected)


@pytest.mark.parametrize(
    "runs, jobs, expected",
    [
        ([], {}, "not_started"),
        ([], {"cronjobs": [{"resource": "orders", "suspended": True}]}, "suspended"),
        ([run("c", "failed", started=100, ended=90)], {}, "failing"),
        ([run("c", "failing", started=100)], {}, "failing"),
        ([run("c", "suspended", started=None)], {}, "suspended"),
        ([run("c", "blocked", started=None)], {}, "not_started"),
        ([run("c", "running", started=10)], {}, "late_start"),  # waited 110 min, runs for 10
    ],
)
def test_an_overdue_copy_says_why(runs, jobs, expected):
    old = run("p", "succeeded", started=500, ended=490)
    row = only(step([snapshot("s", 120)], [old, *runs], jobs=jobs))
    assert (row["verdict"], row["why"], row["lag_s"]) == ("overdue", expected, 7200.0)
    assert row["copied_at"] is None


def test_a_young_backup_is_in_flight():
    row = only(step([snapshot("s", 30)], [run("p", "succeeded", started=500, ended=490)]))
    assert (row["verdict"], row["lag_s"], row["source_backup"]) == ("in_flight", None, "s")


def test_an_older_backup_is_overdue_although_the_newest_is_always_in_flight():
    snapshots = [snapshot(f"s{minutes}", minutes) for minutes in (5, 20, 35, 50)]
    gathered = step(snapshots, [run("p", "succeeded", started=51, ended=48)], schedules={"orders": 900.0})
    row = only(gathered)
    assert (row["verdict"], row["source_backup"], row["window_s"], row["window_from"]) == (
        "overdue",
        "s50",
        900.0,
        "schedule",
    )


def test_without_any_run_the_lag_is_the_least_that_is_certain():
    snapshots = [snapshot(f"s{minutes}", minutes) for minutes in (10, 70, 130, 900)]
    row = only(step(snapshots, []))
    assert (row["verdict"], row["source_backup"], row["lag_s"], row["why"]) == ("overdue", "s70", 4200.0, "not_started")
    failing = only(step(snapshots, [run("c", "failed", started=100, ended=90)]))
    assert (failing["source_backup"], failing["why"]) == ("s900", "failing")


def test_copies_that_are_always_late_stay_late_while_the_newest_is_in_flight():
    snapshots = [snapshot("old", 200), snapshot("new", 10)]
    runs = [run("c", "succeeded", started=190, ended=60), run("p", "succeeded", started=300, ended=295)]
    row = only(step(snapshots, runs))
    assert (row["verdict"], row["source_backup"], row["lag_s"]) == ("late", "old", 8400.0)


def test_a_run_that_began_before_the_backup_was_complete_does_not_hold_it():
    row = only(step([snapshot("s", 120)], [run("c", "succeeded", started=125, ended=110)]))
    assert row["verdict"] == "overdue"


def test_a_pruned_run_may_have_copied_it_so_late_is_not_certain():
    horizon = {"summary": {"horizon": {"successful_limit": 3, "failed_limit": 1, "ttl_s": None}}}
    runs = [run("c", "succeeded", started=100, ended=95)]
    assert only(step([snapshot("s", 400)], runs, jobs=horizon))["verdict"] == "unknown"
    assert only(step([snapshot("s", 400)], runs))["verdict"] == "late"  # nothing is ever pruned here
    # the schedule's only slot since the backup is the one that is listed
    runs = [run("c", "succeeded", started=100, ended=95, scheduled=100)]
    certain = step([snapshot("s", 400)], runs, jobs=horizon, schedules={"orders": 6 * 3600.0}, expected_window="1h")
    assert only(certain)["verdict"] == "late"


def test_a_success_that_only_its_cronjob_remembers_counts():
    jobs = {"resources": [{"resource": "orders", "last_success_at": minutes_ago(90)}]}
    row = only(step([snapshot("s", 120)], [], jobs=jobs))
    assert (row["verdict"], row["copy_job"], row["copied_at"]) == ("on_time", None, minutes_ago(90))


def test_without_the_jobs_nothing_is_said_about_copies():
    gathered = step([snapshot("s", 500)], jobs={"outcome": "forbidden"})
    assert only(gathered)["verdict"] == "unknown"
    assert (gathered.evidence["summary"]["mapping"], gathered.evidence["outcome"]) == ("none", "ok")


# ----------------------------------------------------------------------------------------------------- mapping


def test_a_copy_of_one_resource_is_none_of_another():
    snapshots = [snapshot("o", 120, "orders"), snapshot("u", 120, "users")]
    runs = [run("c", "succeeded", started=110, ended=100), run("x", "failed", started=110, ended=105, resource="users")]
    gathered = step(snapshots, runs)
    assert [(row["resource"], row["verdict"]) for row in gathered.evidence["resources"]] == [
        ("users", "overdue"),
        ("orders", "on_time"),
    ]
    assert gathered.evidence["summary"]["mapping"] == "per_resource"


def test_a_claim_is_served_by_the_only_job_whose_name_it_begins_with():
    snapshots = [snapshot("o", 120, "orders-data"), snapshot("u", 120, "users-data")]
    runs = [run("c", "succeeded", started=110, ended=100), run("x", "failed", started=110, ended=105, resource="users")]
    gathered = step(snapshots, runs)
    assert gathered.evidence["summary"]["mapping"] == "per_resource"
    assert {row["resource"]: row["verdict"] for row in gathered.evidence["resources"]} == {
        "users-data": "overdue",
        "orders-data": "on_time",
    }


def test_one_job_for_everything_serves_every_resource():
    snapshots = [snapshot("o", 120, "orders"), snapshot("u", 120, "users")]
    gathered = step(snapshots, [run("c", "succeeded", started=110, ended=100, resource="nightly")])
    assert gathered.evidence["summary"]["mapping"] == "pooled"
    assert gathered.evidence["summary"]["on_time"] == 2


def test_a_short_schedule_still_gets_a_quarter_of_an_hour():
    runs = [run("c", "succeeded", started=110, ended=100)]
    assert only(step([snapshot("s", 120)], runs, schedules={"orders": 300.0}))["window_s"] == 900.0
    given = only(step([snapshot("s", 120)], runs, schedules={"orders": 300.0}, expected_window="5m"))
    assert (given["window_s"], given["window_from"], given["verdict"]) == (300.0, "parameter", "late")


# ------------------------------------------------------------------------------------------------------- clocks


def test_a_destination_that_is_ahead_is_corrected():
    fast = {"clock": {"offset_s": 600.0, "error_s": 0.5}}
    # The run ended 100 min before now on our clock; its own cluster writes ten minutes more.
    row = only(step([snapshot("s", 120)], [run("c", "succeeded", started=100, ended=90)], jobs=fast))
    assert (row["lag_s"], row["copied_at"]) == (1200.0, minutes_ago(90))


def test_a_missing_clock_costs_one_request_and_an_unmeasured_one_more_uncertainty():
    silent = FakeCluster({"/version": {}})
    gathered = step([snapshot("s", 120)], jobs={"clock": None}, cluster=silent)
    assert silent.calls == [("/version", {})]
    assert gathered.evidence["summary"]["skew_error_s"] == 1.0
    refused = FakeCluster({"/version": ReadFailed("unreachable", "no route")})
    refused.clock.as_evidence = lambda: None
    gathered = step([snapshot("s", 120)], jobs={"clock": None}, cluster=refused)
    assert gathered.evidence["denied"][0]["outcome"] == "unreachable"
    assert gathered.evidence["summary"]["skew_error_s"] == 30.0


def test_a_backup_from_the_future_makes_the_clocks_suspect():
    assert step([snapshot("s", -5)]).evidence["summary"]["skew_suspected"] is True
    assert step([snapshot("s", 5)]).evidence["summary"]["skew_suspected"] is False


# --------------------------------------------------------------------------------------------- the source itself


def test_what_is_broken_at_the_source_is_said():
    snapshots = [
        snapshot("ok", 60, "orders"),
        snapshot("bad", 30, "users", ready=False, error={"message": "rpc error: token=abcdefgh"}),
        snapshot("stuck", 300, "media", ready=False),
        *(snapshot(f"a{hours}", hours * 60, "audit") for hours in (10, 11, 12)),
    ]
    evidence = step(snapshots, look_back="7d").evidence
    assert [(row["resource"], row["state"]) for row in evidence["source_problems"]] == [
        ("users", "failed"),
        ("audit", "missing"),
        ("media", "not_ready"),
    ]
    assert evidence["source_problems"][1]["message"] == (
        "the newest completed backup is 10 h old, and they used to come every 60 min"
    )
    health = evidence["source_health"]
    assert (health["failed"], health["missing"], health["partial"], health["resources"]) == (1, 1, 0, 4)
    assert health["newest_at"] == minutes_ago(60)


def test_a_resource_whose_rhythm_still_holds_is_not_missing():
    snapshots = [snapshot(f"a{hours}", hours * 60) for hours in (2, 3, 4)]
    assert step(snapshots).evidence["source_problems"] == []


def test_recorded_velero_backups():
    source = source_side({"/apis/velero.io/v1/namespaces/backup/backups": items("velero-backups-list")})
    evidence = step([], source=source, source_backups=VELERO).evidence
    points = step([], source=source, source_backups=VELERO).feed["points"]
    assert {point["name"]: point["state"] for point in points} == {
        "adhoc-bad-location": "failed",
        "adhoc-running": "in_progress",
        "daily-20261119030000": "completed",
        "daily-20261120030000": "partial",
    }
    assert {point["resource"] for point in points} == {"daily"}
    (problem,) = evidence["source_problems"]
    assert problem["backup"] == "adhoc-bad-location" and problem["message"].startswith("an existing backup storage")
    assert evidence["source_health"]["in_progress"] == 1
    assert evidence["query"]["source"]["group"] == "velero.io"


def test_a_partial_velero_backup_is_a_problem_of_its_own():
    last = [item for item in items("velero-backups-list") if item["metadata"]["name"].startswith("daily-")]
    source = source_side({"/apis/velero.io/v1/namespaces/backup/backups": last})
    (problem,) = step([], source=source, source_backups=VELERO).evidence["source_problems"]
    assert (problem["state"], problem["at"]) == ("partial", "2026-11-20T03:06:55Z")


def test_recorded_volsync_sources():
    path = "/apis/volsync.backube/v1alpha1/namespaces/backup/replicationsources"
    source = source_side({path: items("volsync-replicationsources-list")})
    gathered = step([], source=source, source_backups=VOLSYNC)
    assert {point["resource"]: (point["state"], point["completed_at"]) for point in gathered.feed["points"]} == {
        "orders-data": ("completed", "2026-11-20T20:45:38Z"),
        "users-data": ("failed", None),
    }
    (problem,) = [row for row in gathered.evidence["source_problems"] if row["state"] == "failed"]
    assert (problem["resource"], "Access Key Id" in problem["message"]) == ("users-data", True)


def test_recorded_jobs_that_make_backups():
    jobs = [recorded("job-get-customers"), recorded("job-get-users")]
    source = source_side({"/apis/batch/v1/namespaces/backup/jobs": jobs})
    gathered = step([], source=source, source_backups={"kind": "job", "label_selector": "app=backup"})
    assert {point["resource"]: (point["state"], point["completed_at"]) for point in gathered.feed["points"]} == {
        "customers": ("completed", "2026-11-20T20:55:35Z"),
        "users": ("failed", None),
    }
    assert source.calls[0][1] == {"labelSelector": "app=backup"}


def test_recorded_snapshots():
    points = {point["name"]: point for point in step(items("volumesnapshots-list")).feed["points"]}
    assert {name: point["state"] for name, point in points.items()} == {
        "fresh-no-status": "in_progress",
        "imported-dr-copy": "completed",
        "missing-class": "failed",
        "orders-20261120-0300": "completed",
        "orders-20261120-0900": "in_progress",
        "users-20261120-0300": "failed",
    }
    assert points["orders-20261120-0300"]["point_in_time"] == "2026-11-20T03:00:07Z"
    assert points["imported-dr-copy"]["point_in_time"] is None
    assert points["orders-20261120-0300"]["resource"] == "orders-data"


# ----------------------------------------------------------------------------------------------------- outcomes


@pytest.mark.parametrize("outcome", ["forbidden", "unreachable", "timeout", "not_found"])
def test_the_outcome_is_that_of_the_source_read(outcome):
    source = source_side({SNAPSHOTS: ReadFailed(outcome, "no")}, groups=["snapshot.storage.k8s.io"])
    gathered = step([], source=source)
    assert gathered.evidence["outcome"] == gathered.evidence["source_health"]["outcome"] == outcome


def test_an_api_that_is_not_served_is_named():
    error = step([], source=source_side({})).evidence["error"]
    assert "snapshot.storage.k8s.io/v1/volumesnapshots is not installed" in error["message"] and error["hint"]


def test_a_refusal_for_an_api_that_is_not_there_is_api_missing():
    source = source_side({SNAPSHOTS: ReadFailed("forbidden", "no", code=403)})
    assert step([], source=source).evidence["outcome"] == "api_missing"


def test_nothing_there_is_not_the_same_as_no_namespace():
    assert step([]).evidence["outcome"] == "empty"
    assert step([], source=source_side({SNAPSHOTS: []}, spaces=False)).evidence["outcome"] == "not_found"


def test_no_source_is_not_configured_and_nothing_is_read():
    source = source_side({SNAPSHOTS: []})
    gathered = STEP.gather(checked(STEP), Sides(None, source))
    assert gathered.evidence["outcome"] == "not_configured"
    assert source.calls == []


def test_one_read_of_the_source_and_none_of_the_destination():
    cluster, source = FakeCluster(), source_side({SNAPSHOTS: [snapshot("s", 60)]})
    step([], source=source, cluster=cluster)
    assert [path for path, dummy in source.calls] == [SNAPSHOTS]
    assert cluster.calls == []


def test_the_namespace_of_the_source_is_its_own():
    path = SNAPSHOTS.replace("/backup/", "/prod/")
    source = source_side({path: [snapshot("s", 60)]})
    gathered = STEP.gather(checked(STEP, source={"host": "x", "namespace": "prod"}), Sides(None, source))
    assert gathered.evidence["outcome"] == "ok"


def test_one_cluster_given_twice_is_said():
    same = source_side({SNAPSHOTS: []}, host="https://DR.example:6443/")
    gathered = step([], source=same)
    assert gathered.evidence["summary"]["same_cluster"] is True and len(gathered.warnings) == 1
    assert step([]).warnings == []


def test_old_backups_are_left_out_but_for_the_newest_of_each_resource():
    snapshots = [snapshot("o1", 3000), snapshot("o2", 2900), snapshot("u1", 3000, "users"), snapshot("u2", 10, "users")]
    names = {point["name"] for point in step(snapshots, look_back="1d").feed["points"]}
    assert names == {"o2", "u2"}


def test_rows_are_bounded_and_counted():
    evidence = step([snapshot(f"s{n}", 120, f"r{n}") for n in range(9)], max_rows=2).evidence
    assert (len(evidence["resources"]), evidence["total"]["resources"], evidence["truncated"]) == (2, 9, True)
    assert evidence["summary"]["overdue"] == 9


# --------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    "given, words",
    [
        ({"expected_window": "soon"}, "expected_window"),
        ({"expected_window": "-5m"}, "expected_window"),
        ({"look_back": "99999d"}, "look_back"),
        ({"source_backups": {"kind": "pvc"}}, "source_backups.kind"),
        ({"source_backups": {"kind": "custom", "plural": "backups"}}, "version and point_in_time and completed"),
        ({"source_backups": {**VELERO, "state": "status.[phase"}}, "source_backups.state"),
        ({"source_backups": {**VELERO, "plural": "a/b"}}, "a/b"),
        ({"source_backups": {"kind": "job", "state": "status.phase"}}, "source_backups.state"),
        ({"jobs": {"jobs": []}}, "jobs:"),
        ({"jobs_feed": {"jobs": []}}, "jobs_feed:"),
    ],
)
def test_unusable_parameters_are_named_before_anything_is_read(given, words):
    source = source_side({SNAPSHOTS: []})
    with pytest.raises(BadParameter) as caught:
        STEP.gather(checked(STEP, **{"source": {"host": "x"}, **given}), Sides(None, source))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert source.calls == []


def test_now_is_the_source_s_own():
    assert step([snapshot("s", 60)]).evidence["observed_at"] == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
