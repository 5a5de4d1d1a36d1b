# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every scenario builds, and its objects are what a strict API server would accept and the controllers would write."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from golden_world import load

from lab.scenario import SIDES, Scenario, build_side, load_scenario
from lab.stories.side import Side

_SCENARIOS = sorted((Path(__file__).resolve().parents[1] / "lab" / "scenarios").glob("*.yaml"))
_CUSTOM = ("snapshot.storage.k8s.io", "velero.io", "volsync.backube")
_VERSION = kubernetes_validate.latest_version()


_SEEN: set[str] = set()


def _form(value: Any) -> Any:
    """Return the structure of an object without its texts and numbers: the schemas look at nothing else."""
    if isinstance(value, dict):
        return {key: _form(item) for key, item in value.items()}
    return [_form(item) for item in value] if isinstance(value, list) else type(value).__name__


def _valid(body: dict[str, Any]) -> None:
    """Validate built-in objects, once per form (10 ms each); no schema of the custom ones is at hand."""
    form = f"{body['kind']} {_form(body)}"
    if form in _SEEN or body["apiVersion"].startswith(_CUSTOM):
        return
    kubernetes_validate.validate(body, _VERSION, strict=True)
    _SEEN.add(form)


def test_every_object_is_valid() -> None:
    """In one test, so that each form is validated once."""
    for path in _SCENARIOS:
        scenario = load_scenario(path)
        assert scenario.name == path.stem
        for name in SIDES:
            side = build_side(scenario, name, time.time())
            for body in side.objects:
                _valid(body)
            for _kind, entry in (*side.entries[:3], *side.entries[-3:]):
                _valid(entry.read())


def _destination(*stories: dict[str, Any], **more: Any) -> Side:
    scenario = Scenario("test", destination={"stories": list(stories), **more})
    side = build_side(scenario, "destination", 1_795_200_000.0)
    for body in side.objects:
        _valid(body)
    return side


def _job(**run: Any) -> Side:
    return _destination({"job": {"name": "copy", "ago": "30m", **run}})


def _all(side: Side, kind: str) -> list[dict[str, Any]]:
    return [body for body in side.objects if body["kind"] == kind]


def _conditions(job: dict[str, Any]) -> list[str]:
    return [condition["type"] for condition in job["status"].get("conditions", [])]


# The run of a story, and the recording of a real Job that came to the same end.
_ENDS = {
    "succeeded": ({"result": "succeeded"}, "job-get-customers"),
    "failed": ({"result": "failed", "retries": 1}, "job-get-users"),
    "running": ({"result": "running"}, "job-get-live"),
    "quota_blocked": ({"result": "quota_blocked"}, "job-get-bulk"),
    "image_pull": ({"result": "image_pull"}, "job-get-media"),
    "config_error": ({"result": "config_error"}, "job-get-config"),
    "unschedulable": ({"result": "unschedulable"}, "job-get-unscheduled"),
    "suspended": ({"result": "suspended"}, "job-get-archive"),
    "deadline": ({"result": "deadline"}, "job-get-deadline-failed"),
    "deadline, pod terminating": ({"result": "deadline", "ago": "130s"}, "job-get-deadline-failuretarget-only"),
    "crash_loop": ({"result": "crash_loop"}, "job-get-audit"),
}


@pytest.mark.parametrize("end", _ENDS)
def test_job_status_is_that_of_a_real_job(end: str) -> None:
    run, recording = _ENDS[end]
    [job] = _all(_job(**run), "Job")
    real = load()[recording].body
    assert _shape(job["status"]) == _shape(real["status"])
    assert set(job["spec"]) ^ set(real["spec"]) <= {"activeDeadlineSeconds"}
    assert set(job["metadata"]) == set(real["metadata"])
    assert set(job["spec"]["template"]["metadata"]["labels"]) == set(real["spec"]["template"]["metadata"]["labels"])


def _shape(status: dict[str, Any]) -> dict[str, Any]:
    """Return the status without its times."""
    shape = {key: value for key, value in status.items() if not key.endswith("Time")}
    for key in ("startTime", "completionTime"):
        shape[key] = key in status
    shape["conditions"] = [
        {key: value for key, value in condition.items() if not key.endswith("Time")}
        for condition in status.get("conditions", [])
    ]
    return shape


_PODS = {
    "succeeded": ({"result": "succeeded"}, "pods-list-of-customers"),
    "failed": ({"result": "failed", "termination_message": "no"}, "pods-list-of-schema"),
    "running": ({"result": "running"}, "pods-list-of-live"),
    "image_pull": ({"result": "image_pull"}, "pods-list-of-media"),
    "config_error": ({"result": "config_error"}, "pods-list-of-config"),
    "unschedulable": ({"result": "unschedulable"}, "pods-list-of-unscheduled"),
}


@pytest.mark.parametrize("end", _PODS)
def test_pod_status_has_the_form_of_the_recorded_one(end: str) -> None:
    run, recording = _PODS[end]
    [pod] = _all(_job(**run), "Pod")
    real = load()[recording].body["items"][0]
    assert set(pod["status"]) == set(real["status"])
    assert set(pod["metadata"]) == set(real["metadata"])
    for mine, theirs in zip(pod["status"].get("containerStatuses", []), real["status"].get("containerStatuses", [])):
        assert set(mine) == set(theirs)
        [(state, detail)] = mine["state"].items()
        assert set(detail) == set(theirs["state"][state])


def test_events_have_the_form_of_recorded_ones() -> None:
    real = {event["reason"]: event for event in load()["events-list"].body["items"]}
    reasons = set()
    for run, _recording in _ENDS.values():
        for event in _all(_job(**run), "Event"):
            twin = real.get(event["reason"])
            if twin is not None:
                assert set(event) - {"apiVersion", "kind"} == set(twin), event["reason"]
                assert (event["type"], event["source"].keys()) == (twin["type"], twin["source"].keys())
                reasons.add(event["reason"])
    assert reasons >= {"SuccessfulCreate", "FailedCreate", "FailedScheduling", "BackoffLimitExceeded", "Suspended"}


def test_blocked_job_has_only_events() -> None:
    side = _job(result="quota_blocked", ago="50m")
    assert not _all(side, "Pod")
    created = [event for event in _all(side, "Event") if event["reason"] == "FailedCreate"]
    assert len({event["message"] for event in created}) == len(created)
    assert any(event["message"].startswith("(combined from similar events): ") for event in created)


def test_deadline_and_on_failure_leave_no_pod_and_no_log() -> None:
    for run in ({"result": "deadline"}, {"result": "failed", "restart_policy": "OnFailure"}, {"result": "pods_gone"}):
        side = _job(log=["lost"], **run)
        assert not _all(side, "Pod") and not side.logs
        assert "Failed" in _conditions(_all(side, "Job")[0])


def test_a_run_that_has_not_ended_is_running() -> None:
    [job] = _all(_job(ago="1m", took="4m", result="failed"), "Job")
    assert job["status"]["active"] == 1 and _conditions(job) == []


def test_history_limits_prune_jobs_but_not_events() -> None:
    story = {"name": "copy", "every": "10m", "for": "5h", "latest": "8m", "took": "1m"}
    side = _destination({"cronjob": {**story, "except": [{"index": [1, 4, 9], "result": "failed"}]}})
    ends = Counter(_conditions(job)[-1] for job in _all(side, "Job"))
    assert ends == {"Complete": 3, "Failed": 1}
    jobs = {job["metadata"]["name"] for job in _all(side, "Job")}
    owners = {pod["metadata"]["ownerReferences"][0]["name"] for pod in _all(side, "Pod")}
    assert owners == jobs
    reasons = Counter(event["reason"] for event in _all(side, "Event"))
    assert reasons["SawCompletedJob"] > 4 and reasons["SuccessfulDelete"] >= 2
    everything = _destination({"cronjob": {**story, "keep_all": True}})
    assert len(_all(everything, "Job")) == 30


def test_cronjob_says_its_slots() -> None:
    side = _destination({"cronjob": {"name": "copy", "every": "6h", "for": "24h", "latest": "1h", "start_delay": "5m"}})
    [cronjob] = _all(side, "CronJob")
    newest = max(_all(side, "Job"), key=lambda job: job["metadata"]["name"])
    slot = newest["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert cronjob["status"]["lastScheduleTime"] == slot < newest["metadata"]["creationTimestamp"]
    minute, hours, *_rest = cronjob["spec"]["schedule"].split()
    assert int(minute) == int(slot[14:16]) and int(slot[11:13]) in map(int, hours.split(","))


def test_forbid_blocks_the_schedule_without_a_warning() -> None:
    runs = {"every": "1h", "for": "20m", "runs": [{"ago": "5h10m", "result": "running"}]}
    side = _destination({"cronjob": {"name": "copy", "schedule": "0 * * * *", "latest": "2h", **runs}})
    [event] = [event for event in _all(side, "Event") if event["reason"] == "JobAlreadyActive"]
    assert (event["type"], event["count"]) == ("Normal", 5)
    assert len(_all(side, "CronJob")[0]["status"]["active"]) == 1


def test_label_trap() -> None:
    side = _job(pod_labels="none")
    assert _all(side, "Job")[0]["metadata"]["labels"] == {"app": "backup-sync"}
    assert "app" not in _all(side, "Pod")[0]["metadata"]["labels"]


def test_events_live_one_hour_unless_told() -> None:
    story = {"job": {"name": "copy", "ago": "3h"}}
    assert not _all(_destination(story), "Event")
    scenario = Scenario("test", event_ttl="6h", destination={"stories": [story]})
    assert _all(build_side(scenario, "destination", time.time()), "Event")


def test_imported_snapshots_keep_the_cut_time_of_the_other_clock() -> None:
    series = {"resource": "orders", "every": "1h", "for": "6h", "latest": "30m"}
    scenario = Scenario(
        "skew",
        source={"stories": [{"snapshots": series}]},
        destination={"clock_ahead_s": 300, "stories": [{"snapshots": {**series, "imported": True, "delay": "10m"}}]},
    )
    now = 1_795_200_000.0
    source = {body["metadata"]["name"]: body for body in _all(build_side(scenario, "source", now), "VolumeSnapshot")}
    copies = _all(build_side(scenario, "destination", now), "VolumeSnapshot")
    assert {copy["metadata"]["name"] for copy in copies} == set(source) and len(copies) == 6
    for copy in copies:
        assert copy["status"]["creationTime"] == source[copy["metadata"]["name"]]["status"]["creationTime"]
        assert "volumeSnapshotContentName" in copy["spec"]["source"]
    made = copies[0]["metadata"]["creationTimestamp"]
    assert int(made[14:16]) == (int(copies[0]["status"]["creationTime"][14:16]) + 15) % 60


@pytest.mark.parametrize(
    "story",
    [
        {"job": {"name": "x", "ago": "1h", "reslut": "failed"}},
        {"job": {"name": "x", "ago": "1h", "result": "vanished"}},
        {"snapshots": {"resource": "x", "every": "1h", "imprted": True}},
        {"bulk": {"job": 1}},
        {"jobs": {}},
    ],
)
def test_typing_errors_are_refused(story: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        _destination(story)
