# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine, verdict
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.kind import KIND
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import report_lines
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.mutated import mutated
from hypothesis import given, settings
from hypothesis import strategies as st

DNS = 'Fatal: Get "https://s3.example.com/": dial tcp: lookup s3.example.com on 10.96.0.10:53: no such host'
NAMES = ("orders", "users", "media", "ledger")


def answered(**members):
    return {"outcome": "ok", "summary": {}, **members}


def failing_bundle(line=DNS):
    """Four resources whose latest copy failed with one line in the log."""
    jobs = answered(
        summary={"resources": 4, "resources_failing": 4},
        resources=[{"resource": name, "state": "failed", "job": f"{name}-1"} for name in NAMES],
        jobs=[
            {"job": f"{name}-1", "resource": name, "state": "failed", "reason": "BackoffLimitExceeded"} for name in NAMES
        ],
    )
    lines = [{"job": f"{name}-1", "resource": name, "text": line, "final": True} for name in NAMES]
    points = [{"resource": name, "verdict": "lagging", "ready": True, "exposure_s": 30000} for name in NAMES]
    evidence = {
        "jobs": jobs,
        "events": answered(events=[]),
        "job_detail": answered(pods=[]),
        "logs": answered(lines=lines, tails=[]),
        "metrics": answered(),
        "copy_lag": answered(),
        "replication_rules": answered(),
        "recovery_points": answered(resources=points),
    }
    return {"target": {"kind": "cluster", "name": "t"}, "settings": {"rpo_s": 7200}, "evidence": evidence}


def test_a_message_alone_is_likely():
    diagnosis = engine.diagnose(failing_bundle())
    assert diagnosis["status"] == "failing"
    assert (diagnosis["root_cause"]["cause"], diagnosis["root_cause"]["confidence"]) == ("network_dns", "likely")
    assert diagnosis["dr_readiness"]["verdict"] == "not_ready"


def oom_bundle():
    """The mover's log and the kubelet say the same."""
    bundle = failing_bundle("Killed")
    bundle["evidence"]["job_detail"] = answered(
        pods=[
            {
                "pod": f"{name}-1-x",
                "job": f"{name}-1",
                "resource": name,
                "containers": [{"container": "sync", "state": "terminated", "reason": "OOMKilled", "exit_code": 137}],
            }
            for name in NAMES
        ]
    )
    bundle["evidence"]["events"] = answered(
        events=[{"reason": "OOMKilling", "type": "Warning", "message": "Memory cgroup out of memory", "component": "node"}]
    )
    return bundle


@pytest.mark.parametrize(
    ("target", "flags"),
    [
        ({}, ""),
        ({"destination_context": "eu-dr"}, " --context eu-dr"),
        ({"destination_kubeconfig": "/home/me/my dr.yml"}, " --kubeconfig '/home/me/my dr.yml'"),
        ({"destination_kubeconfig": "~/dr.yml", "destination_context": "eu-dr"}, " --kubeconfig ~/dr.yml --context eu-dr"),
    ],
    ids=["neither", "context", "kubeconfig", "both"],
)
def test_a_command_asks_the_cluster_that_was_asked(target, flags):
    bundle = failing_bundle()
    bundle["target"].update(target)
    commands = [step["command"] for step in engine.diagnose(bundle)["next_steps"] if "command" in step]
    assert f"kubectl{flags} -n kube-system get pods,svc -l k8s-app=kube-dns" in commands


def test_two_recorders_that_agree_confirm():
    root = engine.diagnose(oom_bundle())["root_cause"]
    assert root["cause"] == "oom"
    assert root["confidence"] == "confirmed"


@pytest.mark.parametrize("blind", ["logs", "events", "job_detail"])
def test_what_could_not_be_read_keeps_a_cause_from_being_confirmed(blind):
    bundle = oom_bundle()
    bundle["evidence"][blind] = {"outcome": "forbidden", "error": {"message": "no"}}
    diagnosis = engine.diagnose(bundle)
    assert (diagnosis["root_cause"] or {}).get("confidence") != "confirmed"
    assert blind in {gap["step"] for gap in diagnosis["gaps"]}


def two_recorders(line, words):
    """The mover says one thing, a condition of its pod another."""
    bundle = failing_bundle(line)
    bundle["evidence"]["job_detail"] = answered(
        pods=[{"pod": f"{name}-1-x", "job": f"{name}-1", "resource": name, "message": words} for name in NAMES]
    )
    return bundle


def test_words_that_need_confirming_do_not_confirm_one_another():
    split = "image replicapool/csi-vol-1 is in split-brain"
    diagnosis = engine.diagnose(two_recorders(split, split))
    assert (diagnosis["root_cause"]["cause"], diagnosis["root_cause"]["confidence"]) == ("data_corruption", "possible")
    assert len(diagnosis["root_cause"]["recorders"]) == 2
    assert "mirrored image on both clusters" in diagnosis["settle_by"]


def test_a_second_sign_of_another_kind_confirms_them():
    mismatch = "corrupted: checksum mismatch"
    diagnosis = engine.diagnose(two_recorders("image replicapool/csi-vol-1 is in split-brain", mismatch))
    assert (diagnosis["root_cause"]["cause"], diagnosis["root_cause"]["confidence"]) == ("data_corruption", "confirmed")
    assert diagnosis["settle_by"] is None


def test_killed_alone_may_be_memory_and_says_what_would_tell():
    diagnosis = engine.diagnose(failing_bundle("Killed"))
    assert (diagnosis["root_cause"]["cause"], diagnosis["root_cause"]["confidence"]) == ("oom", "possible")
    assert "OOMKilled" in diagnosis["settle_by"]
    assert engine.diagnose(oom_bundle())["settle_by"] is None


def test_symptoms_are_never_the_cause():
    bundle = failing_bundle("Job has reached the specified backoff limit")
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"] is None
    assert diagnosis["status"] == "failing" and diagnosis["settle_by"]


def test_configuration_that_explains_nothing_is_a_risk_not_a_cause():
    bundle = failing_bundle("nothing that any signature knows")
    bundle["evidence"]["replication_rules"] = answered(
        problems=[{"kind": "placeholder_value", "path": "rules[3].bucket", "message": "CHANGEME"}]
    )
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"] is None
    assert "cluster.6.settings" in {row["rule"] for row in diagnosis["findings"] if row["state"] == "fired"}


def test_the_first_broken_link_goes_before_what_follows_from_it():
    bundle = failing_bundle()
    for line in list(bundle["evidence"]["logs"]["lines"]):
        later = dict(line, text="Fatal: upload failed: XMinioStorageFull: minimum free drive threshold")
        bundle["evidence"]["logs"]["lines"].append(later)
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "network_dns"
    assert diagnosis["runner_up"]["cause"] == "storage_capacity"


def test_chain_breaks_at_the_cause_and_claims_nothing_behind_it():
    facts = {"readiness": {"verdict": "unknown"}, "failing": ["a"], "affected": ["a"], "source_troubled": [], "telling_jobs": {}}
    candidate = verdict.Candidate(KIND.causes()["network_dns"], KIND.words.chain, ["a"], link="transfer")
    hops = {hop["link"]: hop["state"] for hop in verdict.chain(KIND, {}, facts, candidate)[0]}
    assert hops["transfer"] == "broken"
    assert {hops["store"], hops["destination_metadata"], hops["point_ready"]} == {"unknown"}
    assert "proven" not in hops.values()


@pytest.mark.parametrize(
    "status, expected", [("healthy", "false_positive"), ("failing", "true_positive"), ("inconclusive", "unknown")]
)
def test_alert_verdict(status, expected):
    assert verdict.alert_verdict({"name": "BackupSyncFailed"}, status, {})["verdict"] == expected


def test_the_same_bundle_gives_the_same_bytes():
    bundle = failing_bundle()
    first = json.dumps(engine.diagnose(copy.deepcopy(bundle)), sort_keys=True)
    assert json.dumps(engine.diagnose(bundle), sort_keys=True) == first


@pytest.mark.parametrize(
    "bundle, sentence",
    [
        ([], "no evidence bundle"),
        ({"evidence": {}}, "target.kind"),
        ({"schema": "other/v9", "target": {"kind": "cluster"}, "evidence": {}}, "schema 'other/v9'"),
    ],
)
def test_what_is_no_bundle_is_refused_in_one_sentence(bundle, sentence):
    with pytest.raises(engine.BundleError, match=sentence):
        engine.diagnose(bundle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
STEP = st.dictionaries(
    st.sampled_from(["outcome", "summary", "jobs", "resources", "pods", "events", "lines", "tails", "points", "drift",
                     "cronjobs", "problems", "rules", "denied", "error", "total", "source_problems", "source_health"]),
    JSON | st.just("ok") | st.lists(st.dictionaries(st.sampled_from(["resource", "state", "job", "message", "text", "verdict"]), JSON, max_size=4), max_size=3),
    max_size=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["jobs", "events", "job_detail", "logs", "metrics", "copy_lag",
                                        "replication_rules", "recovery_points"]), STEP | JSON, max_size=8))  # fmt: skip
def test_any_json_gives_a_diagnosis(evidence):
    diagnosis = engine.diagnose(plain({"target": {"kind": "cluster"}, "evidence": evidence}))
    assert diagnosis["status"] in ("healthy", "lagging", "failing", "inconclusive")
    json.dumps(diagnosis, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(mutated([failing_bundle(), oom_bundle()]))
def test_any_change_of_a_bundle_gives_a_diagnosis_and_a_report(bundle):
    diagnosis = engine.diagnose(plain(bundle))
    json.dumps(diagnosis, allow_nan=False)
    assert report_lines(diagnosis)


# ------------------------------------------------------------------------- what a reviewer once got a wrong answer for


def calm_bundle():
    """One resource, copied and there."""
    bundle = failing_bundle()
    evidence = bundle["evidence"]
    evidence["jobs"] = answered(
        summary={"resources": 1, "resources_failing": 0},
        resources=[{"resource": "orders", "state": "succeeded", "job": "orders-1", "consecutive_failures": 0}],
        jobs=[],
    )
    evidence["logs"] = answered(lines=[], tails=[])
    evidence["recovery_points"] = answered(
        resources=[{"resource": "orders", "verdict": "current", "ready": True, "exposure_s": 600}]
    )
    return bundle


def test_the_calm_bundle_is_healthy():
    assert engine.diagnose(calm_bundle())["status"] == "healthy"


def test_a_run_in_flight_does_not_hide_the_failures_before_it():
    bundle = calm_bundle()
    bundle["evidence"]["jobs"]["resources"][0].update(state="running", consecutive_failures=5)
    assert engine.diagnose(bundle)["status"] == "failing"


def test_a_copy_inside_the_same_cluster_proves_nothing():
    bundle = calm_bundle()
    bundle["evidence"]["recovery_points"]["summary"] = {"same_cluster": True}
    diagnosis = engine.diagnose(bundle)
    assert (diagnosis["status"], diagnosis["dr_readiness"]["verdict"]) == ("inconclusive", "unknown")


@pytest.mark.parametrize("state", ["partial", "missing", "failed", "not_ready"])
def test_a_backup_that_is_in_doubt_is_not_healthy_however_well_copied(state):
    bundle = calm_bundle()
    bundle["evidence"]["copy_lag"] = answered(source_problems=[{"resource": "orders", "state": state}])
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["status"] == "lagging"
    assert diagnosis["dr_readiness"]["verdict"] != "ready"


def test_what_is_copied_but_has_no_source_backup_is_not_ready():
    bundle = calm_bundle()
    bundle["evidence"]["jobs"]["resources"].append({"resource": "ledger", "state": "succeeded", "job": "ledger-1"})
    bundle["evidence"]["copy_lag"] = answered(
        summary={"mapping": "per_resource"}, resources=[{"resource": "orders", "copy_job": "orders-1", "verdict": "on_time"}]
    )
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["dr_readiness"]["verdict"] == "unknown"
    assert "ledger" in diagnosis["dr_readiness"]["reason"]


def test_a_copy_still_being_written_does_not_spoil_the_good_one_before_it():
    bundle = calm_bundle()
    bundle["evidence"]["recovery_points"]["resources"][0].update(ready=False, verdict="current")
    assert engine.diagnose(bundle)["dr_readiness"]["verdict"] == "ready"


def test_yesterdays_message_does_not_decide_todays_cause():
    bundle = failing_bundle("Fatal: write /repo: no space left on device")
    old = [dict(row, job=f"{row['resource']}-0", text=DNS) for row in bundle["evidence"]["logs"]["lines"]]
    bundle["evidence"]["logs"]["lines"] = old + bundle["evidence"]["logs"]["lines"]
    assert engine.diagnose(bundle)["root_cause"]["cause"] == "storage_capacity"


def test_yesterdays_message_is_not_credited_to_who_fails_for_something_else():
    bundle = failing_bundle("Fatal: write /repo: no space left on device")
    bundle["evidence"]["logs"]["lines"][0]["text"] = DNS
    old = [dict(row, job=f"{row['resource']}-0", text=DNS) for row in bundle["evidence"]["logs"]["lines"]]
    bundle["evidence"]["logs"]["lines"] = old + bundle["evidence"]["logs"]["lines"]
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "storage_capacity"
    further = [(item["cause"], item["resources"]) for item in diagnosis["further_causes"]]
    assert further == [("network_dns", [NAMES[0]])] and diagnosis["runner_up"] is None


def test_an_old_message_alone_is_at_most_possible():
    bundle = failing_bundle()
    for row in bundle["evidence"]["logs"]["lines"]:
        row["job"] = f"{row['resource']}-0"
    assert (engine.diagnose(bundle)["root_cause"] or {"confidence": "possible"})["confidence"] == "possible"


def test_a_suspended_schedule_explains_only_its_own_resource():
    bundle = failing_bundle()
    bundle["evidence"]["jobs"] = answered(
        summary={"resources": 2, "resources_failing": 0},
        resources=[{"resource": name, "state": "succeeded", "job": f"{name}-1"} for name in ("orders", "users")],
        cronjobs=[{"cronjob": "users", "resource": "users", "state": "suspended"}],
    )
    bundle["evidence"]["logs"] = answered(lines=[], tails=[])
    bundle["evidence"]["recovery_points"] = answered(
        resources=[
            {"resource": "orders", "verdict": "lagging", "ready": True, "exposure_s": 90000},
            {"resource": "users", "verdict": "current", "ready": True, "exposure_s": 60},
        ]
    )
    root = engine.diagnose(bundle)["root_cause"]
    assert root["cause"] == "point_missing"
    assert root["resources"] == ["orders"]


def test_a_disabled_rule_that_names_nothing_affected_is_no_cause():
    bundle = failing_bundle("nothing that any signature knows")
    bundle["evidence"]["replication_rules"] = answered(rules=[{"rule": "old", "enabled": False, "resources": []}])
    assert engine.diagnose(bundle)["root_cause"] is None


def test_drift_confirms_only_where_the_message_names_it():
    line = "Failed to copy: NoSuchBucket: The specified bucket does not exist, bucket=backup-dr"
    bundle = failing_bundle(line)
    bundle["evidence"]["replication_rules"] = answered(drift=[{"path": "note", "source": "a", "destination": "remark"}])
    assert engine.diagnose(bundle)["root_cause"]["confidence"] == "likely"
    bundle["evidence"]["replication_rules"] = answered(
        drift=[{"path": "bucket", "source": "backup", "destination": "backup-dr"}]
    )
    assert engine.diagnose(bundle)["root_cause"]["confidence"] == "confirmed"


def test_another_applications_event_is_no_cause():
    bundle = failing_bundle("nothing that any signature knows")
    bundle["evidence"]["events"] = answered(
        events=[{"reason": "FailedScheduling", "type": "Warning", "kind": "Pod", "object": "webshop-1",
                 "message": "0/3 nodes are available: 3 Insufficient cpu."}]
    )  # fmt: skip
    assert engine.diagnose(bundle)["root_cause"] is None


def test_an_exit_code_counts_for_the_tool_that_the_image_names():
    bundle = failing_bundle("nothing that any signature knows")
    bundle["evidence"]["job_detail"] = answered(
        pods=[
            {"pod": f"{name}-1-x", "job": f"{name}-1", "resource": name,
             "containers": [{"container": "sync", "image": "restic/restic:0.17", "state": "terminated", "exit_code": 11}]}
            for name in NAMES
        ]
    )  # fmt: skip
    assert engine.diagnose(bundle)["root_cause"]["cause"] == "repository_lock"
