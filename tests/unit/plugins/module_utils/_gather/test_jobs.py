# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 1 against recorded objects of a real API server."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import recorded_side as side
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _copyjobs, _cronjobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import Selector
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.jobs import STEP


def _recorded_cluster(**more):
    answers = {side.JOBS: side.items("jobs-list-label-eq"), side.CRONJOBS: side.items("cronjobs-list"), **more}
    return side.FakeCluster(answers)


def test_states_of_recorded_jobs():
    cluster = _recorded_cluster()
    evidence = side.run(STEP, cluster).evidence
    states = {row["resource"]: row["state"] for row in evidence["resources"]}
    assert states == {
        "users": "failed",  # BackoffLimitExceeded
        "ledger": "failed",  # DeadlineExceeded
        "schema": "failed",  # PodFailurePolicy
        "shards": "failed",  # FailedIndexes
        "bulk": "blocked",  # quota: no condition, no `active`
        "slow": "overdue",  # runs into its own next slots
        "audit": "starting",  # CrashLoopBackOff
        "media": "starting",  # ImagePullBackOff
        "config": "starting",  # CreateContainerConfigError
        "unscheduled": "starting",
        "live": "running",
        "archive": "suspended",
        "orders": "succeeded",
        "customers": "succeeded",
        "legacy": "succeeded",
        "weekly": None,  # a CronJob that has never run
    }
    assert cluster.asked == [(side.JOBS, {"labelSelector": "app=backup-sync"}), (side.CRONJOBS, None)]


def test_figures_of_recorded_jobs():
    evidence = side.run(STEP, _recorded_cluster()).evidence
    summary = evidence["summary"]
    assert evidence["outcome"] == "ok"
    assert summary["jobs"] == 16
    assert summary["cronjobs"] == 3
    assert summary["window"] == {"runs": 8, "succeeded": 4, "failed": 4}
    assert summary["horizon"] == {"successful_limit": 2, "failed_limit": 1, "ttl_s": None}
    assert summary["median_duration_s"] == 8.0  # 7, 7, 9 and 9 seconds
    # orders keeps two successful runs and has two: what ended before the older of them may have been removed
    assert evidence["covered"] == {"start": "2026-11-20T20:58:09Z", "end": "2026-11-20T21:00:00Z"}


def test_a_failed_job_ends_with_its_condition():
    row = side.by(side.run(STEP, _recorded_cluster()).evidence["jobs"], "job")["backup-sync-ledger"]
    assert (row["started_at"], row["ended_at"]) == ("2026-11-20T20:55:59Z", "2026-11-20T20:56:40Z")
    assert row["duration_s"] == 41.0
    assert (row["reason"], row["deadline_s"]) == ("DeadlineExceeded", 15)


def test_start_delay_is_measured_from_the_slot_in_its_own_zone():
    row = side.by(side.run(STEP, _recorded_cluster()).evidence["jobs"], "job")["backup-sync-slow-29920136"]
    assert row["scheduled_at"] == "2026-11-20T20:56:00Z"  # written as 21:56+01:00
    assert row["start_delay_s"] == 0.0


def test_cronjobs_of_the_recording():
    rows = side.by(side.run(STEP, _recorded_cluster()).evidence["cronjobs"], "cronjob")
    assert {name: row["state"] for name, row in rows.items()} == {
        "backup-sync-slow": "stuck",
        "backup-sync-weekly": "suspended",
        "backup-sync-orders": "ok",
    }
    slow = rows["backup-sync-slow"]
    assert slow["missed"] == 3  # 20:57, 20:58, 20:59
    assert slow["next_due_at"] == "2026-11-20T20:57:00Z"
    assert slow["stuck"] == {"job": "backup-sync-slow-29920136", "age_s": 240.0, "median_s": None}
    assert rows["backup-sync-weekly"]["last_schedule_at"] is None


def test_feed_of_the_recording():
    feed = side.run(STEP, _recorded_cluster()).feed
    assert feed["schedules"] == {"orders": 60.0, "slow": 60.0, "weekly": 604800.0}
    assert len(feed["jobs"]) == 16
    assert side.by(feed["runs"], "job")["backup-sync-orders-29920139"] == {
        "job": "backup-sync-orders-29920139",
        "resource": "orders",
        "state": "succeeded",
        "scheduled_at": "2026-11-20T20:59:00Z",
        "started_at": "2026-11-20T20:59:00Z",
        "ended_at": "2026-11-20T20:59:09Z",
        "cronjob": "backup-sync-orders",
    }


def _job(name="sync-orders-1", created="2026-11-20T20:00:00Z", *, spec=None, owner=None, **status):
    meta = {"name": name, "uid": name, "creationTimestamp": created}
    if owner:
        meta["ownerReferences"] = [{"kind": "CronJob", "name": owner}]
    return {"metadata": meta, "spec": spec or {}, "status": status}


def _condition(kind, at="2026-11-20T20:10:00Z", status="True"):
    return {"type": kind, "status": status, "lastTransitionTime": at, "reason": kind + "Reason"}


START = "2026-11-20T20:00:00Z"


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({}, {"conditions": [_condition("FailureTarget")], "terminating": 1}, "failing"),
        ({}, {"conditions": [_condition("FailureTarget"), _condition("Failed")]}, "failed"),
        ({}, {"conditions": [_condition("SuccessCriteriaMet")]}, "completing"),
        ({}, {"conditions": [_condition("Suspended", status="False")], "active": 1, "ready": 1}, "running"),
        ({"suspend": True}, {}, "suspended"),
        ({"managedBy": "kueue.x-k8s.io/multikueue"}, {}, "unmanaged"),
        ({"managedBy": "kubernetes.io/job-controller"}, {"startTime": START, "active": 1, "ready": 1}, "running"),
        ({}, {"startTime": START}, "blocked"),
        ({}, {"startTime": "2026-11-20T20:58:30Z"}, "running"),  # ninety seconds old: too young to show trouble
        ({}, {"startTime": START, "failed": 1}, "starting"),  # waits between two tries
        ({}, {"startTime": START, "uncountedTerminatedPods": {"succeeded": ["u"]}}, "running"),
        ({}, {"startTime": START, "active": 1, "ready": 0}, "starting"),
        ({}, {"startTime": START, "active": 1}, "running"),  # an old server without `ready`
    ],
)
def test_state(spec, status, expected):
    assert _copyjobs.parse_job(_job(spec=spec, **status), side.NOW, None).state == expected


@pytest.mark.parametrize("name", ["job-get-deadline-failuretarget-only", "job-get-reports-restart-onfailure-backofflimit"])
def test_recorded_single_jobs(name):
    expected = {"job-get-deadline-failuretarget-only": "failing"}.get(name, "failed")
    assert _copyjobs.parse_job(side.recorded(name), side.NOW, None).state == expected


def _run(number, minutes_long, *, owner="sync-orders", ago_h=0):
    start = f"2026-11-20T{20 - ago_h:02d}:00:00Z"
    end = f"2026-11-20T{20 - ago_h:02d}:{minutes_long:02d}:00Z"
    return _job(
        f"sync-orders-{number}", start, owner=owner, startTime=start, completionTime=end, conditions=[_condition("Complete", end)]
    )


def test_overdue_is_three_times_the_usual_and_more_than_ten_minutes():
    usual = [_run(29920001 + hour, 5, ago_h=hour) for hour in (2, 3, 4)]
    running = _job("sync-orders-29920009", "2026-11-20T20:44:00Z", owner="sync-orders", startTime="2026-11-20T20:44:00Z", active=1, ready=1)
    rows = side.run(STEP, side.FakeCluster({side.JOBS: [*usual, running]})).evidence["jobs"]
    assert side.by(rows, "job")["sync-orders-29920009"]["state"] == "overdue"  # 16 minutes against 5
    running["status"]["startTime"] = "2026-11-20T20:46:00Z"
    rows = side.run(STEP, side.FakeCluster({side.JOBS: [*usual, running]})).evidence["jobs"]
    assert side.by(rows, "job")["sync-orders-29920009"]["state"] == "running"  # 14 minutes


def _cronjob(**changes):
    obj = {
        "metadata": {"name": "sync-orders", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {"schedule": "0 * * * *", "concurrencyPolicy": "Forbid"},
        "status": {"lastScheduleTime": "2026-11-20T20:00:00Z", "lastSuccessfulTime": "2026-11-20T20:05:00Z"},
    }
    for part, values in changes.items():
        obj[part].update(values)
    return obj


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ok"),
        ({"spec": {"suspend": True}}, "suspended"),
        ({"status": {"lastScheduleTime": "2026-11-20T17:00:00Z"}}, "missed"),
        ({"status": {"lastSuccessfulTime": "2026-11-20T19:05:00Z"}}, "failing"),
        ({"status": {"lastSuccessfulTime": "2026-11-20T19:05:00Z", "active": [{"name": "sync-orders-1"}]}}, "ok"),
        ({"status": {"lastScheduleTime": "2026-11-20T17:00:00Z", "active": [{"name": "sync-orders-1"}]}}, "stuck"),
        ({"metadata": {"creationTimestamp": "2026-11-20T20:30:00Z"}, "status": {"lastScheduleTime": None}}, "never_ran"),
        ({"spec": {"schedule": "nonsense"}}, "ok"),
    ],
)
def test_state_of_a_cronjob(changes, expected):
    cronjob = _cronjobs.parse_cronjob(_cronjob(**changes), Selector(""), None)
    schedule = _cronjobs.schedule_of(cronjob)
    interval_s = schedule.interval_s(side.NOW) if schedule else None
    row = _cronjobs.cronjob_row(
        cronjob, resource="orders", schedule=schedule, interval_s=interval_s, runs=[], median_s=300.0, now=side.NOW
    )
    assert row["state"] == expected


def test_recorded_cronjob_whose_only_run_failed_is_failing():
    obj = side.recorded("cronjob-get-failcron")
    obj["spec"]["suspend"] = False  # it was suspended before it was recorded
    cronjob = _cronjobs.parse_cronjob(obj, Selector(""), None)
    row = _cronjobs.cronjob_row(
        cronjob, resource="failcron", schedule=None, interval_s=None, runs=[], median_s=None, now=side.NOW
    )
    assert row["last_success_at"] is None
    assert row["state"] == "failing"


def test_a_cronjob_is_taken_when_its_template_matches_or_it_owns_a_listed_job():
    def named(name, template=None):
        return {"metadata": {"name": name}, "spec": {"schedule": "@daily", "jobTemplate": {"metadata": {"labels": template}}}}

    cronjobs = [named("owner"), named("template", {"app": "backup-sync"}), named("other", {"app": "report"})]
    cluster = side.FakeCluster({side.JOBS: [_run(29920001, 5, owner="owner")], side.CRONJOBS: cronjobs})
    found = {row["cronjob"] for row in side.run(STEP, cluster).evidence["cronjobs"]}
    assert found == {"owner", "template"}


def test_resource_label_of_the_cronjob_holds_for_its_jobs():
    cronjob = _cronjob(metadata={"labels": {"app": "backup-sync", "backup-sync/resource": "shop-db"}})
    cluster = side.FakeCluster({side.JOBS: [_run(29920001, 5)], side.CRONJOBS: [cronjob]})
    assert [row["resource"] for row in side.run(STEP, cluster).evidence["jobs"]] == ["shop-db"]


def test_consecutive_failures_stop_at_the_last_success():
    def failed(number, hour):
        at = f"2026-11-20T{hour}:30:00Z"
        return _job(f"sync-orders-{number}", at, owner="sync-orders", startTime=at, conditions=[_condition("Failed", at)])

    jobs = [failed(29920001, 20), failed(29920002, 19), _run(29920003, 5, ago_h=2), failed(29920004, 15)]
    row = side.run(STEP, side.FakeCluster({side.JOBS: jobs})).evidence["resources"][0]
    assert (row["consecutive_failures"], row["runs"], row["failed"]) == (2, 4, 3)
    assert row["last_success_at"] == "2026-11-20T18:05:00Z"


def _ended(hour, *, good, number):
    at = f"2026-11-20T{hour:02d}:00:00Z"
    condition = _condition("Complete" if good else "Failed", at)
    more = {"completionTime": at} if good else {}
    return _job(f"sync-orders-{number}", at, owner="sync-orders", startTime=at, conditions=[condition], **more)


def _hours(jobs, **limits):
    cluster = side.FakeCluster({side.JOBS: jobs, side.CRONJOBS: [_cronjob(spec=limits)]})
    return side.run(STEP, cluster).evidence


def test_hours_count_the_runs_that_were_made_for_them():
    jobs = [_ended(hour, good=hour != 2, number=hour) for hour in (2, 3, 4)]
    told = _hours(jobs, successfulJobsHistoryLimit=100, failedJobsHistoryLimit=100)
    names = ("slot", "runs", "failed", "compared_runs", "compared_failed", "days_runs", "days_failed")
    assert [[row[name] for name in names] for row in told["slots"]] == [
        [2, 1, 1, 1, 1, 1, 1],
        [3, 1, 0, 1, 0, 1, 0],
        [4, 1, 0, 1, 0, 1, 0],
    ]
    assert told["summary"]["switches"] == 1


def test_hours_are_compared_only_as_far_back_as_no_run_was_removed():
    # Three good runs are kept, and there are three: those before 04:00 may have been removed, the failed one of 02:00 was not.
    jobs = [_ended(hour, good=hour != 2, number=hour) for hour in (2, 4, 5, 6)]
    told = _hours(jobs, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=100)
    assert [(row["slot"], row["runs"], row["compared_runs"]) for row in told["slots"]] == [
        (2, 1, 0),
        (4, 1, 0),
        (5, 1, 1),
        (6, 1, 1),
    ]


def test_references_of_the_pods():
    template = {
        "containers": [
            {
                "image": "i",
                "envFrom": [{"secretRef": {"name": "s1"}}, {"configMapRef": {"name": "c1"}}],
                "env": [{"valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}}],
            }
        ],
        "volumes": [
            {"secret": {"secretName": "s3"}},
            {"configMap": {"name": "c2"}},
            {"projected": {"sources": [{"secret": {"name": "s4"}}]}},
        ],
    }
    job = _copyjobs.parse_job(_job(spec={"template": {"spec": template}}), side.NOW, None)
    assert job.config == (("c1", "c2"), ("s1", "s2", "s3", "s4"))


# --------------------------------------------------------------------------------------------- when there is nothing


@pytest.mark.parametrize(("exists", "outcome"), [(True, "empty"), (False, "not_found"), (None, "empty")])
def test_no_jobs(exists, outcome):
    cluster = side.FakeCluster({}, namespace_exists=exists)
    evidence = side.run(STEP, cluster).evidence
    assert evidence["outcome"] == outcome
    assert [entry["what"] for entry in evidence["denied"]] == (["namespace"] if exists is None else [])
    assert cluster.paths() == [side.JOBS, side.CRONJOBS, "namespace"]


def test_cronjobs_without_jobs_need_no_look_at_the_namespace():
    cluster = side.FakeCluster({side.CRONJOBS: side.items("cronjobs-list")})
    assert side.run(STEP, cluster).evidence["outcome"] == "ok"
    assert "namespace" not in cluster.paths()


def test_refused_cronjobs_are_said_and_the_step_goes_on():
    evidence = side.run(STEP, _recorded_cluster(**{side.CRONJOBS: side.refused("cronjobs")})).evidence
    assert evidence["outcome"] == "ok"
    assert evidence["denied"][0]["what"] == "cronjobs"
    assert evidence["denied"][0]["grant"]["rule"] == {"resources": ["cronjobs"]}


def test_refused_jobs_with_readable_cronjobs():
    evidence = side.run(STEP, _recorded_cluster(**{side.JOBS: side.refused("jobs")})).evidence
    assert evidence["outcome"] == "forbidden"
    assert evidence["error"]["grant"]["rule"] == {"resources": ["jobs"]}
    assert len(evidence["cronjobs"]) == 3  # those with the label; which others own copy jobs is unknown


def test_an_unreachable_cluster_is_asked_once():
    cluster = _recorded_cluster(**{side.JOBS: ReadFailed("unreachable", "no route")})
    assert side.run(STEP, cluster).evidence["outcome"] == "unreachable"
    assert cluster.paths() == [side.JOBS]


@pytest.mark.parametrize(
    "params",
    [{"namespace": ""}, {"namespace": "a/b"}, {"label_selector": "a b"}, {"window": "soon"}, {"max_rows": 0}],
)
def test_bad_parameters_are_refused_before_any_request(params):
    cluster = _recorded_cluster()
    with pytest.raises(BadParameter, match=f"^{next(iter(params))}: "):
        side.run(STEP, cluster, **params)
    assert cluster.asked == []


def test_rows_are_bounded_and_the_worst_stay():
    template = side.items("jobs-list-label-eq")

    def many(dummy):
        for number in range(5000):
            obj = copy.copy(template[number % len(template)])
            obj["metadata"] = dict(obj["metadata"], name=f"{obj['metadata']['name']}-x{number}", uid=str(number))
            yield obj

    evidence = side.run(STEP, side.FakeCluster({side.JOBS: many})).evidence
    assert evidence["total"]["jobs"] == 5000
    assert evidence["truncated"] is True
    assert {row["state"] for row in evidence["jobs"]} == {"failed"}
    assert len(evidence["jobs"]) == 50
