# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which trouble of a region pair a cause explains: now or long ago, all of it or a part, the copies or the backups."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import report_lines
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import (
    RESOURCES,
    about,
    behind,
    fail,
    healthy,
    late,
    open_job,
    problem,
    row_of,
)

TAGS = "The snapshot cannot have more than 50 user tags."
INTERNAL = "An internal error occurred."
DENIED = "Access denied"
OTHERS = ("users", "media", "ledger")


def steps_of(diagnosis):
    return [step["text"] for step in diagnosis["next_steps"]]


def cause_of(bundle):
    root = engine.diagnose(bundle)["root_cause"]
    return root["cause"] if root else None


def fired(diagnosis):
    return {finding["rule"] for finding in diagnosis["findings"] if finding["state"] == "fired"}


# ------------------------------------------------------------------------------------------ what is said of the past


def test_an_old_message_is_not_credited_to_who_fails_for_something_else_now():
    bundle = fail(healthy(), TAGS, "orders", "media", "ledger")
    fail(bundle, INTERNAL, "users")
    bundle["evidence"]["copy_jobs"]["groups"][-1]["resource_names"] = sorted(RESOURCES)  # a week ago all said so
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "tag_limit"
    assert diagnosis["root_cause"]["resources"] == ["ledger", "media", "orders"]
    assert diagnosis["scope"]["shared"].get("cause") != "aws_transient"


def test_where_nothing_newer_is_said_the_old_message_still_suggests_a_cause():
    bundle = fail(healthy(), None, "orders")
    bundle["evidence"]["copy_jobs"]["groups"][0].update(message=INTERNAL, copy_job="JOB-long-ago")
    root = engine.diagnose(bundle)["root_cause"]
    assert (root["cause"], root["confidence"], root["resources"]) == ("aws_transient", "possible", ["orders"])


# ------------------------------------------------------------------------------------- one that fails hides no others


def removed(bundle):
    """The copy action is gone; orders had failed for its tags before."""
    fail(bundle, TAGS, "orders")
    behind(bundle, "never_started", "orders", *OTHERS)
    return problem(bundle, "no_copy_action", rule="daily", plan="production")


def test_one_that_fails_does_not_hide_that_nothing_is_copied():
    diagnosis = engine.diagnose(removed(healthy()))
    assert diagnosis["status"] == "failing"
    assert diagnosis["root_cause"]["cause"] == "rule_no_copy_action"
    assert set(diagnosis["root_cause"]["resources"]) == set(RESOURCES)
    assert diagnosis["scope"]["verdict"] == "systemic"


@pytest.mark.parametrize("why, expected", [("pending", list(RESOURCES)), ("failed", list(OTHERS))])
def test_what_a_missing_copy_action_accounts_for(why, expected):
    bundle = removed(healthy())
    behind(bundle, why, "orders")
    assert engine.diagnose(bundle)["root_cause"]["resources"] == sorted(expected)


@pytest.mark.parametrize("kind, waits", [("no_copy_action", False), ("retention_below_minimum", True)])
def test_nobody_waits_for_a_rule_that_copies_no_more(kind, waits):
    bundle = problem(fail(healthy(), TAGS, "orders"), "rule_changed", rule="daily", plan="production")
    diagnosis = engine.diagnose(problem(bundle, kind, rule="daily", plan="production"))
    assert any(step.startswith("Wait for the next run") for step in steps_of(diagnosis)) is waits


def test_a_composite_counts_once_with_the_member_that_fails():
    bundle = fail(healthy(), TAGS, "orders")
    for step in ("copy_jobs", "recovery_points"):
        bundle["evidence"][step]["summary"]["resources"] = 5
    behind(bundle, "failed", "media")
    bundle["evidence"]["copy_jobs"]["jobs"][0]["parent"] = "PARENT"
    assert engine.diagnose(bundle)["scope"]["verdict"] == "unknown"
    parent = {**about("media"), "copy_job": "PARENT", "state": "PARTIAL", "composite": True}
    bundle["evidence"]["copy_jobs"]["jobs"].append(parent)
    assert engine.diagnose(bundle)["scope"]["verdict"] == "specific"


# -------------------------------------------------------------------------------------------------- more than a cause


def test_two_causes_of_two_resources_are_both_causes():
    diagnosis = engine.diagnose(fail(fail(healthy(), TAGS, "orders"), INTERNAL, "users"))
    told = [diagnosis["root_cause"], *diagnosis["further_causes"]]
    assert [(item["cause"], item["resources"]) for item in told] == [
        ("tag_limit", ["orders"]),
        ("aws_transient", ["users"]),
    ]
    assert diagnosis["runner_up"] is None
    assert len(steps_of(diagnosis)) > 1 and "tags" in steps_of(diagnosis)[0] and "tags" not in steps_of(diagnosis)[1]
    lines = "\n".join(report_lines(diagnosis))
    assert "\nAND " in lines and "of users" in lines and "\nOR " not in lines and "DECIDE BY" not in lines


def test_of_two_that_explain_as_much_the_surer_one_comes_first():
    bundle = fail(fail(healthy(), TAGS, "orders"), "The KMS key is either disabled or pending deletion", "users")
    bundle["evidence"]["keys"]["kms_keys"][1].update(enabled=False, state="Disabled")
    row_of(bundle, "copy_jobs", "resources", "users")["type"] = "EBS"
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "kms_disabled" and diagnosis["root_cause"]["confidence"] == "confirmed"
    assert [item["cause"] for item in diagnosis["further_causes"]] == ["tag_limit"]


# ------------------------------------------------------------------------- what a later copy of another has disproved


def failed_before(bundle, message):
    """orders failed at 18:00; the others were copied at 20:15."""
    fail(bundle, message, "orders")
    times = {"created_at": "2026-11-20T18:00:00Z", "completed_at": "2026-11-20T18:03:00Z"}
    row_of(bundle, "copy_jobs", "resources", "orders").update(times)
    return bundle


def denies(bundle):
    bundle["evidence"]["vaults"]["destination"]["policy"]["copy_into"]["verdict"] = "denied"
    return bundle


def across(bundle):
    vaults = bundle["evidence"]["vaults"]
    vaults["summary"].update(same_account=False)
    vaults["cross_account"] = {"enabled": False, "same_organization": True}
    return bundle


def locked(bundle):
    bundle["evidence"]["copy_rules"]["rules"][0]["delete_after_days"] = 35
    return problem(bundle, "retention_above_maximum", rule="daily", plan="production")


@pytest.mark.parametrize(
    "change, message, cause",
    [
        (denies, DENIED, "vault_access_policy"),
        (across, DENIED, "cross_account_disabled"),
        (locked, "The value of the parameter lifecycle is invalid.", "vault_lock_retention"),
    ],
)
def test_a_later_copy_by_the_same_way_disproves_what_is_one_for_all(change, message, cause):
    assert cause_of(change(fail(healthy(), message, "orders"))) == cause
    assert cause_of(change(failed_before(healthy(), message))) != cause


def test_a_message_that_names_the_cause_stays_whatever_was_copied_since():
    assert cause_of(locked(failed_before(healthy(), "Retention specified in the job is not within the range"))) == (
        "vault_lock_retention"
    )


def test_a_copy_that_is_kept_otherwise_disproves_no_lock():
    bundle = locked(failed_before(healthy(), "The value of the parameter lifecycle is invalid."))
    other = {"plan": "production", "plan_id": "PLAN", "rule": "weekly", "copies_here": True, "delete_after_days": 20}
    bundle["evidence"]["copy_rules"]["rules"].append(other)
    for name in OTHERS:
        row_of(bundle, "copy_jobs", "resources", name)["rule"] = "weekly"
    assert cause_of(bundle) == "vault_lock_retention"


def test_an_invalid_parameter_of_something_else_is_no_lock():
    assert cause_of(locked(fail(healthy(), "Invalid parameter: iops of the volume is invalid"))) != (
        "vault_lock_retention"
    )


def test_a_type_is_not_switched_off_when_its_backups_are_tried():
    bundle = problem(behind(healthy(), "never_started", "media"), "opted_out", types=["EFS"], side="source")
    assert cause_of(bundle) == "opt_in_disabled"
    tried = {**about("media"), "state": "FAILED", "message": "The file system is not in available state"}
    bundle["evidence"]["copy_jobs"]["upstream"] = [{**tried, "latest": True}]
    assert cause_of(bundle) == "resource_state"


# ------------------------------------------------------------------------------------ the backups, and not the copies


def too_old(bundle):
    for name in RESOURCES:
        row_of(bundle, "recovery_points", "resources", name).update(
            verdict="lagging", why="copied", behind_s=0.0, exposure_s=144000.0
        )
    return bundle


def test_old_backups_are_no_lag_of_the_copies():
    diagnosis = engine.diagnose(problem(too_old(healthy()), "interval_exceeds_rpo"))
    assert (diagnosis["status"], diagnosis["dr_readiness"]["verdict"]) == ("lagging", "not_ready")
    assert diagnosis["root_cause"]["cause"] == "rule_interval" and diagnosis["root_cause"]["confidence"] == "likely"
    assert "region.4.exposed" in fired(diagnosis) and "region.4.lag_confirmed" not in fired(diagnosis)
    assert diagnosis["alert"]["verdict"] == "false_positive" and "backups" in diagnosis["alert"]["reason"]
    assert any(line.startswith("SCOPE") and "4 of 4 resources are behind" in line for line in report_lines(diagnosis))


def test_an_alert_about_copies_is_false_when_one_backup_failed_and_every_copy_is_there():
    bundle = healthy()
    bundle["evidence"]["copy_jobs"]["upstream"] = [{**about("orders"), "state": "ABORTED", "latest": True}]
    diagnosis = engine.diagnose(bundle)
    assert (diagnosis["status"], diagnosis["dr_readiness"]["verdict"]) == ("lagging", "ready")
    assert diagnosis["alert"]["verdict"] == "false_positive"


@pytest.mark.parametrize("change", [lambda told: behind(told, "gap", "media"), lambda told: late(told, "queue")])
def test_an_alert_is_true_where_a_copy_is_missing_or_late(change):
    assert engine.diagnose(change(too_old(healthy())))["alert"]["verdict"] == "true_positive"


def test_without_an_rpo_that_is_what_is_missing():
    bundle = healthy()
    bundle["settings"] = {}
    bundle["evidence"]["recovery_points"]["summary"]["rpo_s"] = None
    readiness = engine.diagnose(bundle)["dr_readiness"]
    assert (readiness["verdict"], readiness["reason"]) == ("unknown", "no RPO was given to hold the exposure against")


# --------------------------------------------------------------------------------- there, and of no use all the same


def test_a_copy_that_is_expired_is_there_and_cannot_be_used():
    bundle = behind(healthy(), "unusable", "orders", verdict="not_ready")
    bundle["evidence"]["recovery_points"]["points"] = [{**about("orders"), "verdict": "unusable", "status": "EXPIRED"}]
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "point_not_ready" and diagnosis["contradictions"] == []


def no_vault(bundle):
    bundle["evidence"]["vaults"]["destination"].update(exists=False, outcome="not_found")
    grant = {"kind": "iam", "statement": {"Effect": "Allow", "Action": "backup:X", "Resource": "*"}}
    error = {"code": "AccessDeniedException", "message": "Insufficient privileges", "grant": grant}
    bundle["evidence"]["recovery_points"] = {"outcome": "forbidden", "error": error}
    return bundle


def key(**changed):
    def change(bundle):
        bundle["evidence"]["keys"]["kms_keys"][0].update(changed)
        return bundle

    return change


LOST = [
    (no_vault, "vault_not_found"),
    (key(enabled=False, state="PendingDeletion"), "kms_disabled"),
    (key(exists=False, enabled=None, state=None), "kms_missing"),
]


@pytest.mark.parametrize("change, cause", LOST)
def test_what_the_copies_cannot_be_restored_without_is_a_cause_before_any_copy_fails(change, cause):
    diagnosis = engine.diagnose(change(healthy()))
    assert (diagnosis["status"], diagnosis["dr_readiness"]["verdict"]) == ("lagging", "not_ready")
    assert diagnosis["root_cause"]["cause"] == cause and diagnosis["alert"]["verdict"] == "true_positive"
    assert diagnosis["scope"]["verdict"] == "systemic" and diagnosis["gaps"] == []


@pytest.mark.parametrize("change, cause", LOST)
def test_and_stands_beside_the_cause_of_what_fails_for_itself(change, cause):
    diagnosis = engine.diagnose(change(fail(healthy(), TAGS, "orders")))
    assert diagnosis["root_cause"]["cause"] == "tag_limit" and diagnosis["dr_readiness"]["verdict"] == "not_ready"
    assert [item["cause"] for item in diagnosis["further_causes"]] == [cause]


# ----------------------------------------------------------------------------------------------------------- under way


def test_a_copy_that_is_under_way_says_since_when_and_when_to_look_again():
    bundle = open_job(behind(healthy(), "in_progress", "orders"), "orders", stuck=False, sibling=False)
    bundle["evidence"]["copy_jobs"]["jobs"][-1]["created_at"] = "2026-11-20T20:00:00Z"
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"] is None and "region.4.under_way" in fired(diagnosis)
    assert "since 2026-11-20T20:00:00Z; look again at 2026-11-20T22:00:00Z" in steps_of(diagnosis)[0]
    assert not any("VPC" in line for line in report_lines(diagnosis))


@pytest.mark.parametrize(
    "window_s, expected",
    [(7200.0, "2026-11-20T21:30:00Z"), (60.0, "2026-11-20T22:00:00Z"), (None, "2026-11-20T22:00:00Z")],
)
def test_a_running_copy_is_looked_at_when_its_window_closes(window_s, expected):
    bundle = open_job(behind(healthy(), "in_progress", "orders"), "orders", stuck=False, sibling=False)
    bundle["evidence"]["copy_jobs"]["jobs"][-1].update(state="RUNNING", created_at="2026-11-20T19:40:00Z")
    row_of(bundle, "copy_lag", "resources", "orders").update(
        copy_job="OPEN-orders", completed_at="2026-11-20T19:30:00Z", window_s=window_s
    )
    assert f"look again at {expected}" in steps_of(engine.diagnose(bundle))[0]


def test_copies_that_always_take_longer_than_the_window_are_told_so():
    bundle = healthy()
    row_of(bundle, "copy_lag", "resources", "orders").update(verdict="late", why="transfer", window_s=60.0)
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"] is None
    assert any("region_sync_expected_window" in step for step in steps_of(diagnosis))
    assert "region.4.window_short" not in fired(engine.diagnose(late(healthy(), "not_started", "orders")))
