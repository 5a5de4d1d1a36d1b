# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 3 against recorded jobs and pods of a real API server."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import recorded_side as side
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _pods, events, jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.job_detail import STEP, choose

_LABELLED = ("audit", "config", "schema", "shards", "unscheduled")


def _by_label_or_name(query):
    if "job-name in" in query["labelSelector"]:
        return side.items("pods-list-label-on-job-only-by-name") if "legacy" in query["labelSelector"] else []
    found = [pod for name in _LABELLED for pod in side.items(f"pods-list-of-{name}")]
    return found + side.items("pods-list-by-batch-job-name")


def _cluster(**more):
    return side.FakeCluster(
        {
            side.JOBS: side.items("jobs-list-label-eq"),
            side.CRONJOBS: side.items("cronjobs-list"),
            side.EVENTS: side.items("events-list"),
            side.PODS: _by_label_or_name,
            f"{side.JOBS}/backup-sync-users": side.recorded("job-get-users"),
            **more,
        }
    )


def _steps(cluster, **params):
    """The three steps in a row, and what the third asked for."""
    listed = side.run(jobs.STEP, cluster)
    seen = side.run(events.STEP, cluster, jobs=listed.feed)
    cluster.asked.clear()
    feeds = {"jobs": listed.evidence, "jobs_feed": listed.feed, "events_feed": seen.feed}
    return side.run(STEP, cluster, **feeds, **params)


def test_a_named_job():
    cluster = _cluster()
    evidence = _steps(cluster, job_name="backup-sync-users").evidence
    assert evidence["outcome"] == "ok"
    assert evidence["summary"] == {"chosen": "named", "pods": 10, "pods_gone": False, "restarts": 3}
    assert (evidence["job"]["state"], evidence["job"]["reason"]) == ("failed", "BackoffLimitExceeded")
    assert [row["type"] for row in evidence["conditions"]] == ["FailureTarget", "Failed"]
    assert [row["reason"] for row in evidence["events"]] == ["SuccessfulCreate", "BackoffLimitExceeded"]
    assert evidence["pods"][0]["job"] == "backup-sync-users"
    # one job, the pods by label, and by name those of running or starting jobs that the label did not find
    assert cluster.paths() == [f"{side.JOBS}/backup-sync-users", side.PODS, side.PODS]


def test_pods_of_troubled_jobs():
    rows = {row["pod"]: row for row in _steps(_cluster(), job_name="backup-sync-users").evidence["pods"]}
    crashed = rows["backup-sync-audit-pcfgx"]["containers"][0]
    assert (crashed["state"], crashed["reason"], crashed["restarts"]) == ("waiting", "CrashLoopBackOff", 3)
    assert (crashed["last"]["reason"], crashed["last"]["exit_code"]) == ("OOMKilled", 137)
    config = rows["backup-sync-config-fvqbk"]["containers"][0]
    assert (config["reason"], config["message"]) == ("CreateContainerConfigError", 'secret "vault-credentials" not found')
    schema = rows["backup-sync-schema-x7k9d"]["containers"][0]
    assert (schema["exit_code"], schema["message"]) == (42, "configuration error: destination vault does not exist\n")
    (condition,) = rows["backup-sync-unscheduled-jjb65"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")


def test_feed_for_the_log_step():
    feed = side.by(_steps(_cluster(), job_name="backup-sync-users").feed["pods"], "pod")
    assert len(feed) == 10
    audit = feed["backup-sync-audit-pcfgx"]
    assert (audit["failed"], audit["scheduled"], audit["resource"]) == (True, True, "audit")
    assert audit["containers"] == [
        {"container": "sync", "role": "main", "restarts": 3, "state": "waiting", "failed": True, "previous": True}
    ]
    assert feed["backup-sync-unscheduled-jjb65"]["scheduled"] is False
    assert feed["backup-sync-shards-0-6h676"]["failed"] is False


def test_an_unknown_job_is_answered_with_those_that_exist():
    evidence = _steps(_cluster(), job_name="backup-sync-user").evidence
    assert evidence["outcome"] == "not_found"
    message = evidence["error"]["message"]
    assert "there is no job backup-sync-user in namespace backup" in message
    assert "backup-sync-users" in message
    assert message.count(",") <= 4


def test_the_label_trap():
    """The label stands on the Job alone: its pods are found by its name."""
    only_legacy = [obj for obj in side.items("jobs-list-label-eq") if obj["metadata"]["name"] == "backup-sync-legacy"]

    def pods(query):
        return _by_label_or_name(query) if "job-name in" in query["labelSelector"] else []

    cluster = _cluster(**{side.JOBS: only_legacy, side.PODS: pods})
    cluster.answers[f"{side.JOBS}/backup-sync-legacy"] = only_legacy[0]
    found = _steps(cluster)
    assert [pod["job"] for pod in found.feed["pods"]] == ["backup-sync-legacy"]
    assert cluster.asked[-1] == (side.PODS, {"labelSelector": "job-name in (backup-sync-legacy)"})


def test_without_any_labelled_pod_those_of_good_jobs_are_looked_for_too():
    good = [obj for obj in side.items("jobs-list-label-eq") if obj["metadata"]["name"].endswith(("legacy", "customers"))]
    cluster = _cluster(**{side.JOBS: good, side.PODS: []})
    _steps(cluster)
    path, query = cluster.asked[-1]
    assert path == side.PODS
    assert set(query["labelSelector"][len("job-name in (") : -1].split(",")) == {"backup-sync-legacy", "backup-sync-customers"}


def test_pods_that_the_controller_deleted_are_gone_and_not_looked_for():
    ledger = [obj for obj in side.items("jobs-list-label-eq") if obj["metadata"]["name"] == "backup-sync-ledger"]
    cluster = _cluster(**{side.JOBS: ledger, side.PODS: []})
    cluster.answers[f"{side.JOBS}/backup-sync-ledger"] = ledger[0]
    evidence = _steps(cluster).evidence
    assert (evidence["summary"]["chosen"], evidence["summary"]["pods_gone"]) == ("latest_failed", True)
    assert cluster.paths() == [f"{side.JOBS}/backup-sync-ledger", side.PODS]


def _row(job, state, *, latest=True, at="2026-11-20T20:00:00Z"):
    return {"job": job, "state": state, "latest": latest, "started_at": at, "ended_at": at if state == "failed" else None}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], (None, None)),
        ([_row("a", "failed"), _row("b", "failed", at="2026-11-20T20:30:00Z"), _row("c", "overdue")], ("b", "latest_failed")),
        ([_row("a", "failed", latest=False), _row("c", "overdue")], ("c", "longest_running")),
        ([_row("a", "failed", latest=False), _row("c", "running")], ("a", "latest_failed")),
        ([_row("a", "running", at="2026-11-20T20:30:00Z"), _row("b", "running")], ("b", "longest_running")),
        ([_row("a", "succeeded"), _row("b", "succeeded", at="2026-11-20T20:30:00Z")], ("b", "latest")),
    ],
)
def test_the_most_telling_job(rows, expected):
    chosen, how = choose(rows)
    assert (chosen and chosen["job"], how) == expected


def test_without_the_earlier_steps_it_reads_for_itself():
    cluster = _cluster()
    cluster.answers[f"{side.JOBS}/backup-sync-ledger"] = side.by(
        [{"job": obj["metadata"]["name"], "obj": obj} for obj in side.items("jobs-list-label-eq")], "job"
    )["backup-sync-ledger"]["obj"]
    evidence = side.run(STEP, cluster).evidence
    assert evidence["job"]["job"] == "backup-sync-ledger"  # the newest failure
    assert cluster.asked[0] == (side.JOBS, {"labelSelector": "app=backup-sync"})
    assert (side.EVENTS, {"fieldSelector": "involvedObject.name=backup-sync-ledger"}) in cluster.asked


def test_a_job_removed_since_it_was_listed_keeps_its_row():
    evidence = _steps(_cluster()).evidence  # backup-sync-ledger cannot be read any more
    assert evidence["outcome"] == "ok"
    assert evidence["job"]["job"] == "backup-sync-ledger"
    assert evidence["denied"][0]["outcome"] == "not_found"


def test_refused_pods_are_said_and_left_to_the_log_step():
    found = _steps(_cluster(**{side.PODS: side.refused("pods")}), job_name="backup-sync-users")
    assert found.evidence["outcome"] == "ok"
    assert found.evidence["denied"][0]["what"] == "pods"
    assert found.evidence["summary"]["pods_gone"] is None
    assert found.feed == {}


def test_refused_job_still_shows_pods():
    found = _steps(_cluster(**{f"{side.JOBS}/backup-sync-users": side.refused("jobs")}), job_name="backup-sync-users")
    assert found.evidence["outcome"] == "forbidden"
    assert len(found.evidence["pods"]) > 0


def test_unreachable_is_asked_once():
    cluster = _cluster(**{f"{side.JOBS}/backup-sync-users": ReadFailed("timeout", "no answer")})
    assert _steps(cluster, job_name="backup-sync-users").evidence["outcome"] == "timeout"
    assert len(cluster.asked) == 1


@pytest.mark.parametrize("name", ["a/b", "a%2Fstatus", "x y"])
def test_a_name_that_would_change_the_path_is_refused(name):
    cluster = _cluster()
    with pytest.raises(BadParameter, match="^job_name: .*is no name of an object"):
        side.run(STEP, cluster, job_name=name)
    assert cluster.asked == []


# ----------------------------------------------------------------------------------------------------- pods


def _pod(*, init=(), main=(), phase="Running", **status):
    return {
        "metadata": {"name": "p"},
        "spec": {"initContainers": [spec for spec, dummy in init], "containers": [spec for spec, dummy in main]},
        "status": {
            "phase": phase,
            "initContainerStatuses": [dict(state, name=spec["name"]) for spec, state in init],
            "containerStatuses": [dict(state, name=spec["name"]) for spec, state in main],
            **status,
        },
    }


_DONE = {"state": {"terminated": {"exitCode": 0}}}
_BROKE = {"state": {"terminated": {"exitCode": 1}}}
_RUNS = {"state": {"running": {}}, "ready": True}


def test_roles():
    pod = _pod(
        init=[({"name": "prepare"}, _DONE), ({"name": "vault-agent", "restartPolicy": "Always"}, _RUNS)],
        main=[({"name": "sync"}, _RUNS), ({"name": "istio-proxy"}, _RUNS)],
    )
    roles = {row["container"]: row["role"] for row in _pods.container_rows(pod)}
    assert roles == {"prepare": "init", "vault-agent": "sidecar", "sync": "main", "istio-proxy": "sidecar"}


@pytest.mark.parametrize(
    ("pod", "failed", "fine"),
    [
        (_pod(main=[({"name": "sync"}, _RUNS)]), False, True),
        (_pod(main=[({"name": "sync"}, _BROKE)], phase="Failed"), True, False),
        (_pod(main=[({"name": "sync"}, _DONE), ({"name": "istio-proxy"}, _BROKE)], phase="Succeeded"), False, True),
        (_pod(init=[({"name": "i"}, _BROKE)], main=[({"name": "sync"}, {})], phase="Pending"), True, False),
        (_pod(main=[({"name": "sync"}, {"state": {"waiting": {"reason": "ContainerCreating"}}})], phase="Pending"), False, False),
        (_pod(main=[({"name": "sync"}, dict(_RUNS, restartCount=1, lastState=_BROKE["state"]))]), True, False),
        (_pod(main=[({"name": "sync"}, _RUNS)], reason="Evicted"), False, False),
    ],
)
def test_what_is_failed_and_what_is_fine(pod, failed, fine):
    containers = _pods.container_rows(pod)
    assert (_pods.pod_failed(pod, containers), _pods.is_fine(pod, containers)) == (failed, fine)


def test_a_pod_that_ends_after_the_deadline_is_not_fine():
    (pod,) = side.items("pods-deadline-terminating")
    assert not _pods.is_fine(pod, _pods.container_rows(pod))
