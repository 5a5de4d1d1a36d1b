# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a region bundle is diagnosed as: cause, confidence, chain, what stays open, and what must not be concluded."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import report_lines
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.mutated import mutated
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import (
    DESTINATION_KEY,
    ROLE,
    SOURCE_KEY,
    about,
    behind,
    fail,
    healthy,
    late,
    open_job,
    problem,
    row_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

DENIED = "Access Denied trying to call AWS Backup service"
INTERNAL = "An internal error occurred."


def cause_of(bundle):
    root = engine.diagnose(bundle)["root_cause"]
    return (root["cause"], root["confidence"]) if root else None


def across(bundle, verdict="not_mentioned"):
    vaults = bundle["evidence"]["vaults"]
    vaults["summary"].update(same_account=False, needs_policy=True)
    vaults["destination"]["policy"].update(outcome="ok", copy_into={"verdict": verdict, "statement": "{}"})
    vaults["cross_account"] = {"enabled": True, "same_organization": True}
    return bundle


def test_all_well():
    diagnosis = engine.diagnose(healthy())
    assert (diagnosis["status"], diagnosis["root_cause"], diagnosis["gaps"]) == ("healthy", None, [])
    assert diagnosis["dr_readiness"]["verdict"] == "ready" and diagnosis["scope"]["verdict"] == "none"
    assert diagnosis["alert"]["verdict"] == "false_positive" and diagnosis["next_steps"] == []


@pytest.mark.parametrize(
    "message, cause",
    [
        (
            "Access Denied: Both source and destination account must be a member of the same organization",
            "org_membership",
        ),
        ("Cross-account copy feature is not enabled for your organization", "cross_account_disabled"),
        ("Could not find cryopod", "vault_not_found"),
        ("The KMS key is either disabled or pending deletion", "kms_disabled"),
        ("Retention specified in the job is not within the range", "vault_lock_retention"),
        ("Cannot find recovery point.", "source_rp_missing"),
        ("Rate exceeded", "throttling"),
        (INTERNAL, "aws_transient"),
    ],
)
def test_a_message_names_its_cause_and_not_iam(message, cause):
    found = cause_of({**fail(healthy(), message), "alert": None})
    assert found is not None and found[0] == cause


def test_a_message_alone_is_likely_and_says_what_would_settle_it():
    diagnosis = engine.diagnose(fail(healthy(), INTERNAL, "orders"))
    assert diagnosis["root_cause"]["confidence"] == "likely" and "again" in diagnosis["settle_by"]


def test_message_and_configuration_confirm():
    assert cause_of(across(fail(healthy(), DENIED))) == ("vault_access_policy", "confirmed")


def test_what_the_configuration_does_not_bear_out_is_possible_only():
    diagnosis = engine.diagnose(across(fail(healthy(), DENIED), "allowed"))
    root = diagnosis["root_cause"]
    assert (root["cause"], root["confidence"]) == ("vault_access_policy", "possible")
    assert "as it stands" in diagnosis["settle_by"]


def test_words_that_stand_for_several_go_to_what_the_configuration_shows():
    bundle = across(fail(healthy(), DENIED), "allowed")
    problem(bundle, "role_not_allowed", role="AWSBackupDefaultServiceRole")
    assert cause_of(bundle) == ("iam_source_role", "confirmed")


def test_a_vault_that_is_gone_is_no_matter_of_iam():
    bundle = fail(healthy(), DENIED)
    bundle["evidence"]["vaults"]["destination"].update(exists=False, outcome="forbidden")
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "vault_not_found"
    assert diagnosis["dr_readiness"]["verdict"] == "not_ready"
    assert [item["believe"] for item in diagnosis["contradictions"]] == ["vaults"]


def test_access_denied_alone_is_no_cause():
    diagnosis = engine.diagnose(fail(healthy(), "Access denied"))
    assert diagnosis["status"] == "failing" and diagnosis["root_cause"] is None


def test_cloudtrail_says_what_access_denied_means():
    bundle = fail(healthy(), "Access denied", "orders", "users")
    bundle["evidence"]["logs"]["api_errors"] = [
        {
            **{"event_name": "CreateGrant", "service": "kms", "error_code": "AccessDenied", "at": None},
            "message": "is not authorized to perform: kms:CreateGrant on this resource",
        }
    ]
    found = engine.diagnose(bundle)["root_cause"]
    assert (found["cause"], found["confidence"]) == ("kms_key_policy", "confirmed")
    assert set(found["recorders"]) == {"aws", "cloudtrail"}
    assert found["resources"] == ["orders", "users"]


def test_without_a_message_nothing_is_guessed():
    diagnosis = engine.diagnose(fail(healthy(), None, "orders", category="MISCELLANEOUS"))
    assert diagnosis["status"] == "failing" and diagnosis["root_cause"] is None


def test_a_category_is_no_more_than_a_hint():
    diagnosis = engine.diagnose(fail(healthy(), None, "orders", category="AccessDenied"))
    assert diagnosis["root_cause"] is None


@pytest.mark.parametrize(
    "kind", ["role_not_allowed", "retention_below_minimum", "role_not_trusting", "default_vault_cross_account"]
)
def test_a_defect_without_matching_failures_is_a_risk_and_no_cause(kind):
    diagnosis = engine.diagnose(problem(healthy(), kind, role="AWSBackupDefaultServiceRole"))
    assert diagnosis["status"] == "healthy" and diagnosis["root_cause"] is None
    assert any(item["state"] == "fired" and item["rule"].startswith("region.3") for item in diagnosis["findings"])
    assert cause_of(problem(fail(healthy(), INTERNAL), kind, role="x")) == ("aws_transient", "likely")


def test_a_disabled_key_is_no_cause_of_a_throttled_copy_but_nothing_can_be_restored():
    bundle = fail(healthy(), "Rate exceeded", "orders")
    bundle["evidence"]["keys"]["kms_keys"][0].update(enabled=False, state="Disabled")
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "throttling"
    readiness = diagnosis["dr_readiness"]
    assert readiness["verdict"] == "not_ready" and DESTINATION_KEY in readiness["reason"]


def test_nothing_copied_for_want_of_a_copy_action():
    bundle = problem(behind(healthy(), "never_started", verdict="missing"), "no_copy_action")
    bundle["evidence"]["copy_rules"]["summary"]["copying"] = 0
    bundle["evidence"]["copy_jobs"]["summary"]["jobs"] = 0
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["status"] == "lagging"
    assert diagnosis["root_cause"]["cause"] == "rule_no_copy_action"
    broken = [hop["link"] for hop in diagnosis["root_cause"]["chain"] if hop["state"] == "broken"]
    assert broken == ["copy_rule"]


def test_a_copy_that_fails_was_started_so_no_rule_is_missing():
    bundle = problem(fail(healthy(), INTERNAL), "no_copy_action")
    assert cause_of(bundle) == ("aws_transient", "likely")


def test_jobs_that_are_green_do_not_outweigh_points_that_are_not_there():
    diagnosis = engine.diagnose(behind(healthy(), "failed", "orders"))
    assert diagnosis["status"] == "lagging" and diagnosis["root_cause"]["cause"] == "point_missing"
    assert [item["believe"] for item in diagnosis["contradictions"]] == ["recovery_points"]


def test_a_copy_that_was_never_started_is_told_without_a_cause():
    diagnosis = engine.diagnose(behind(healthy(), "never_started"))
    assert diagnosis["status"] == "lagging" and diagnosis["root_cause"] is None


def test_aborted_backups_upstream_are_the_cause_where_nothing_was_copied():
    bundle = behind(healthy(), "never_started", "ledger")
    row = {**about("ledger"), "state": "ABORTED", "latest": True, "message": "too close to the automated backup window"}
    bundle["evidence"]["copy_jobs"]["upstream"] = [row]
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "upstream_window"
    bundle["evidence"]["copy_jobs"]["upstream"][0]["latest"] = False  # a later backup made it good
    assert engine.diagnose(bundle)["root_cause"] is None


@pytest.mark.parametrize("state, cause", [("EXPIRED", "upstream_window"), ("FAILED", "upstream_failed")])
def test_backups_that_end_badly_without_a_message(state, cause):
    bundle = behind(healthy(), "never_started", "ledger")
    row = {**about("ledger"), "state": state, "latest": True, "message": None}
    bundle["evidence"]["copy_jobs"]["upstream"] = [row]
    assert cause_of(bundle)[0] == cause


def test_waiting_jobs():
    assert cause_of(open_job(late(healthy(), "queue", "orders"), "orders", stuck=False, sibling=True))[0] == (
        "quota_concurrency_resource"
    )
    stuck = open_job(late(healthy(), "queue", "orders"), "orders", stuck=True, sibling=False)
    assert cause_of(stuck)[0] == "stuck_created"
    within = engine.diagnose(open_job(healthy(), "orders", stuck=False, sibling=False))
    assert within["status"] == "healthy" and within["root_cause"] is None


def test_a_full_copy_is_no_latency():
    bundle = late(healthy(), "transfer")
    for row in bundle["evidence"]["metrics"]["resources"]:
        row.update(full_copy="key_changed", ratio=3.1)
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["root_cause"]["cause"] == "full_copy" and diagnosis["dr_readiness"]["verdict"] == "ready"


# --------------------------------------------------------------------------------------------------------------- gaps

GRANT = {
    "kind": "iam",
    "statement": {"Effect": "Allow", "Action": "backup:ListRecoveryPointsByBackupVault", "Resource": "*"},
}


def test_a_refused_read_is_a_gap_with_the_statement_to_add():
    bundle = healthy()
    error = {"code": "AccessDeniedException", "message": "no", "hint": None, "grant": GRANT}
    bundle["evidence"]["recovery_points"] = {"outcome": "forbidden", "error": error}
    diagnosis = engine.diagnose(bundle)
    assert (diagnosis["status"], diagnosis["root_cause"]) == ("inconclusive", None)
    assert diagnosis["dr_readiness"]["verdict"] == "unknown"
    gap = next(gap for gap in diagnosis["gaps"] if gap["step"] == "recovery_points")
    assert json.dumps(GRANT["statement"]) in gap["close"] and gap["grant"] == GRANT
    assert diagnosis["settle_by"].startswith("Close the gap in recovery_points")


def test_the_health_of_aws_is_no_gap_while_all_is_well_and_the_keys_are():
    bundle = healthy()
    bundle["evidence"].update(keys=None, health=None)
    assert [gap["step"] for gap in engine.diagnose(bundle)["gaps"]] == ["keys"]
    fail(bundle, INTERNAL, "orders")
    assert {gap["step"] for gap in engine.diagnose(bundle)["gaps"]} == {"keys", "health"}


@pytest.mark.parametrize("step, words", [("logs", "region_sync_log_groups"), ("health", "support plan")])
def test_what_is_not_configured_is_no_sign_of_success(step, words):
    bundle = healthy()
    bundle["evidence"][step] = {"outcome": "not_configured", "error": {"message": "none", "hint": None}}
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["status"] == "healthy"
    assert [gap["step"] for gap in diagnosis["gaps"]] == [step] and words in diagnosis["gaps"][0]["close"]


@pytest.mark.parametrize(
    "hint, told",
    [
        ("Check vault_name, region and the account.", "Check region_sync_vault_name, region and the account."),
        ("give destination.role_arn.", "give region_sync_destination.role_arn."),
        ("give another role_arn.", "give another region_sync_source.role_arn."),
        ("set use_insights.", "set region_sync_step_options.logs.use_insights."),
    ],
)
def test_a_hint_is_told_in_the_words_of_the_role(hint, told):
    bundle = healthy()
    bundle["evidence"]["vaults"] = {"outcome": "not_found", "error": {"message": "none", "hint": hint}}
    gap = next(gap for gap in engine.diagnose(bundle)["gaps"] if gap["step"] == "vaults")
    assert gap["close"] == told


def test_without_the_job_list_nothing_is_confirmed():
    bundle = across(fail(healthy(), DENIED))
    bundle["evidence"]["copy_jobs"]["outcome"] = "throttled"
    root = engine.diagnose(bundle)["root_cause"]
    assert root is None or root["confidence"] != "confirmed"


def test_a_region_that_cannot_be_reached_says_nothing_of_copies():
    bundle = healthy()
    bundle["evidence"]["recovery_points"] = {"outcome": "unreachable", "error": {"message": "timed out"}}
    diagnosis = engine.diagnose(bundle)
    assert (diagnosis["status"], diagnosis["root_cause"]) == ("inconclusive", None)


# -------------------------------------------------------------------------------------------------------------- chain


def hops(bundle):
    return {hop["link"]: hop["state"] for hop in engine.diagnose(bundle)["root_cause"]["chain"]}


def test_the_chain_is_proven_up_to_the_broken_hop():
    found = hops(across(fail(healthy(), DENIED)))
    assert [found[link] for link in ("source_backup", "source_point", "copy_rule", "copy_job")] == ["proven"] * 4
    assert found["authorization"] == "broken" and found["encryption"] == "unknown"


def test_a_key_that_was_not_looked_at_proves_no_encryption():
    bundle = fail(healthy(), INTERNAL)
    assert hops(bundle)["encryption"] == "proven"
    bundle["evidence"]["keys"] = None
    assert hops(bundle)["encryption"] == "unknown"


def test_a_source_point_that_is_gone_breaks_the_chain_before_the_rule():
    bundle = fail(healthy(), "Cannot find recovery point.", "orders")
    bundle["evidence"]["copy_job_detail"]["source_points"][0].update(available=False, why="expired")
    found = hops(bundle)
    assert (found["source_backup"], found["source_point"], found["copy_rule"]) == ("proven", "broken", "unknown")


# ------------------------------------------------------------------------------------------------------------- bounds


def test_a_resource_behind_the_bound_of_rows_is_not_forgotten():
    bundle = fail(healthy(), "Rate exceeded", "orders")
    bundle["evidence"]["copy_jobs"]["summary"].update(resources=300, resources_failing=200)
    scope = engine.diagnose(bundle)["scope"]
    assert scope["spread"]["resources_failing"] == 200 and scope["verdict"] != "specific"


def test_an_older_message_of_the_resource_does_not_decide():
    bundle = fail(healthy(), "Rate exceeded", "orders")
    old = {**row_of(bundle, "copy_jobs", "resources", "orders"), "copy_job": "OLD", "message": INTERNAL}
    bundle["evidence"]["copy_jobs"]["jobs"].append({**old, "latest": False, "created_at": "2026-11-10T20:15:00Z"})
    assert cause_of(bundle) == ("throttling", "likely")


def test_the_role_stands_in_the_commands():
    steps = engine.diagnose(fail(healthy(), INTERNAL, "orders"))["next_steps"]
    assert any(ROLE in step.get("command", "") for step in steps)


def test_the_source_key_is_found_where_another_resource_was_asked_for():
    bundle = fail(healthy(), "Given key ID is not accessible", "orders")
    bundle["evidence"]["copy_job_detail"]["source_points"] = []
    commands = " ".join(step.get("command", "") for step in engine.diagnose(bundle)["next_steps"])
    assert SOURCE_KEY in commands and "<source_key>" not in commands


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["FAILED", "CREATED", "orders", "denied", "ok"]),
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["resource", "state", "message", "resources", "jobs", "groups", "summary", "slots", "slot", "runs",
             "failed", "policy", "principals", "kms_keys", "used_by", "problems", "kind", "types",
             "roles", "actions", "verdict"]
        ),  # fmt: skip
        children,
        max_size=5,
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["vaults", "copy_jobs", "copy_job_detail", "logs", "metrics", "copy_lag", "copy_rules", "keys"]
        ),
        st.fixed_dictionaries({"outcome": st.sampled_from(["ok", "forbidden"])}, optional={
            name: anything for name in ("summary", "resources", "jobs", "groups", "slots", "problems", "roles", "kms_keys",
                                        "events", "api_errors", "upstream", "source_points", "destination")
        }),  # fmt: skip
    )
)
def test_any_json_gives_a_diagnosis(evidence):
    bundle = {"target": {"kind": "region"}, "evidence": evidence}
    diagnosis = engine.diagnose(bundle)
    assert diagnosis["status"] in ("failing", "lagging", "inconclusive")
    assert json.dumps(diagnosis) == json.dumps(engine.diagnose(bundle))


BUNDLES = [
    healthy(),
    fail(healthy(), "The KMS key is either disabled or pending deletion", "orders"),
    fail(behind(healthy(), "never_started"), "Access denied", "users"),
    open_job(problem(late(healthy(), "queue"), "rule_changed", types=["EBS"]), "orders", stuck=True, sibling=False),
]


@settings(max_examples=300, deadline=None)
@given(mutated(BUNDLES))
def test_any_change_of_a_bundle_gives_a_diagnosis_and_a_report(bundle):
    diagnosis = engine.diagnose(plain(bundle))
    json.dumps(diagnosis, allow_nan=False)
    assert report_lines(diagnosis)
