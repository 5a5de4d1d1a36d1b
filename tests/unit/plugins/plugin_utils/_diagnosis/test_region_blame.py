# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A defect explains what it has to do with: a role its own copies, a key its own points, an event what came after it."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.twins import tell_apart
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import (
    ACTIONS,
    DESTINATION_KEY,
    ROLE,
    SOURCE_KEY,
    about,
    behind,
    fail,
    healthy,
    key,
    open_job,
    problem,
    row_of,
)

OTHER_ROLE = "arn:aws:iam::111122223333:role/MediaBackupRole"
OTHER_KEY = "arn:aws:kms:eu-west-1:111122223333:key/media"
LOCK = "Retention specified in the job is not within the range specified by the target Backup Vault."
DISABLED = "The KMS key is either disabled or pending deletion"
NOT_ACCESSIBLE = "Given key ID is not accessible"
INTERNAL = "An internal error occurred."


def diagnosed(bundle):
    diagnosis = engine.diagnose(bundle)
    return diagnosis["root_cause"] or {"cause": None, "confidence": None, "resources": []}, diagnosis


def steps_of(diagnosis):
    return " ".join(f"{item['text']} {item.get('command', '')}" for item in diagnosis["next_steps"])


# ---------------------------------------------------------------------------------------------------------------- roles


def copied_by(bundle, role, *names):
    for listed in ("resources", "jobs"):
        for row in bundle["evidence"]["copy_jobs"][listed]:
            if row["resource"] in names:
                row["role"] = role
    return bundle


@pytest.mark.parametrize("kind", ["role_missing", "role_not_trusting", "role_not_allowed"])
def test_the_role_of_others_explains_nothing(kind):
    bundle = copied_by(fail(healthy(), "Access denied", "orders", "users"), OTHER_ROLE, "media")
    root, dummy = diagnosed(problem(bundle, kind, role="MediaBackupRole", types=["EBS", "EFS"]))
    assert root["cause"] is None


@pytest.mark.parametrize(
    "kind, cause",
    [
        ("role_missing", "iam_role_missing"),
        ("role_not_trusting", "iam_role_trust"),
        ("role_not_allowed", "iam_source_role"),
    ],
)
def test_the_role_of_the_failing_copies_does_and_is_named(kind, cause):
    bundle = copied_by(fail(healthy(), "Access denied", "media"), OTHER_ROLE, "media")
    root, diagnosis = diagnosed(problem(bundle, kind, role="MediaBackupRole"))
    assert (root["cause"], root["resources"]) == (cause, ["media"])
    assert "MediaBackupRole" in diagnosis["next_steps"][0]["text"]
    assert "AWSBackupDefaultServiceRole" not in steps_of(diagnosis)


def test_the_defect_of_a_role_bears_no_message_of_another_role_out():
    bundle = copied_by(fail(healthy(), "The IAM role cannot be assumed by AWS Backup", "orders"), OTHER_ROLE, "media")
    untrusting = {"role": "MediaBackupRole", "arn": OTHER_ROLE, "exists": True, "trusts_backup": False}
    bundle["evidence"]["copy_rules"]["roles"].append(untrusting)
    problem(bundle, "role_not_trusting", role="MediaBackupRole")
    assert diagnosed(bundle)[0]["confidence"] == "likely"


# ----------------------------------------------------------------------------------------------------------------- keys


def keyed(bundle, *rows, **arns):
    """The source points' keys by resource, and the keys that were looked at."""
    points = bundle["evidence"]["copy_job_detail"]["source_points"]
    points[:] = [{**about(name), "point": "p", "available": True, "key_arn": arn} for name, arn in arns.items()]
    bundle["evidence"]["keys"]["kms_keys"] = [key("destination", "destination_vault", DESTINATION_KEY), *rows]
    return bundle


def disabled(arn, state="Disabled"):
    return key("source", "source_points", arn, state=state, enabled=False)


def test_a_key_that_encrypts_nothing_of_what_fails_explains_nothing():
    bundle = fail(fail(healthy(), NOT_ACCESSIBLE, "orders", "users"), "more than 50 user tags", "media")
    keyed(bundle, disabled(OTHER_KEY), key("source", "source_points", SOURCE_KEY), orders=SOURCE_KEY, media=OTHER_KEY)
    assert diagnosed(bundle)[0]["cause"] == "kms_key_policy"


def test_the_source_key_of_what_fails_is_the_one_to_enable():
    bundle = keyed(fail(healthy(), DISABLED, "orders", "users"), disabled(SOURCE_KEY), orders=SOURCE_KEY)
    root, diagnosis = diagnosed(bundle)
    assert (root["cause"], root["confidence"], root["resources"]) == ("kms_disabled", "confirmed", ["orders", "users"])
    assert diagnosis["next_steps"][0]["command"] == (
        f"aws kms enable-key --key-id {SOURCE_KEY} --region eu-west-1 --profile prod"
    )
    assert f"enable-key --key-id {DESTINATION_KEY}" not in steps_of(diagnosis)


def test_a_key_that_is_to_be_deleted_is_saved_first():
    bundle = keyed(fail(healthy(), DISABLED, "orders"), disabled(SOURCE_KEY, "PendingDeletion"), orders=SOURCE_KEY)
    assert "cancel-key-deletion" in diagnosed(bundle)[1]["next_steps"][0]["command"]
    assert "enable-key" not in steps_of(diagnosed(bundle)[1])


def test_the_key_of_the_destination_vault_is_every_copys():
    bundle = keyed(fail(healthy(), DISABLED), orders=SOURCE_KEY)
    bundle["evidence"]["keys"]["kms_keys"][0].update(state="Disabled", enabled=False)
    root, diagnosis = diagnosed(bundle)
    assert root["resources"] == ["ledger", "media", "orders", "users"]
    command = diagnosis["next_steps"][0]["command"]
    assert command == f"aws kms enable-key --key-id {DESTINATION_KEY} --region eu-central-1"


@pytest.mark.parametrize(
    ("grants", "confidence", "state"),
    [("empty", "confirmed", "fired"), ("forbidden", "likely", "unknown"), ("throttled", "likely", "unknown")],
)
def test_whom_the_policy_leaves_out_may_have_a_grant_that_nobody_could_read(grants, confidence, state):
    policy = {"outcome": "ok", "principals": {ROLE: dict.fromkeys(ACTIONS, "not_mentioned")}, "why": []}
    told = key("source", "source_points", SOURCE_KEY, policy=policy)
    told["grants"] = {"outcome": grants, "count": 0, "for_principals": []}
    bundle = keyed(fail(healthy(), NOT_ACCESSIBLE, "orders", "users"), told, orders=SOURCE_KEY)
    root, diagnosis = diagnosed(bundle)
    assert (root["cause"], root["confidence"]) == ("kms_key_policy", confidence)
    (rule,) = [finding for finding in diagnosis["findings"] if finding["rule"] == "region.6.key_policy"]
    assert rule["state"] == state


def test_a_statement_that_denies_is_what_is_to_be_taken_out():
    statement = '{"Effect":"Deny","Principal":"*","Action":["kms:CreateGrant"],"Resource":"*"}'
    why = [{"principal": ROLE, "verdict": "denied", "actions": ["kms:CreateGrant"], "statement": statement}]
    verdicts = {**dict.fromkeys(ACTIONS, "allowed"), "kms:CreateGrant": "denied"}
    policy = {"outcome": "ok", "principals": {ROLE: verdicts}, "why": why}
    bundle = fail(healthy(), NOT_ACCESSIBLE, "orders", "users")
    keyed(bundle, key("source", "source_points", SOURCE_KEY, policy=policy), orders=SOURCE_KEY)
    root, diagnosis = diagnosed(bundle)
    assert (root["cause"], root["confidence"]) == ("kms_key_policy", "confirmed")
    assert SOURCE_KEY in diagnosis["next_steps"][0]["text"] and statement in diagnosis["next_steps"][0]["text"]


@pytest.mark.parametrize("name, cause", [("media", None), ("orders", "kms_default_managed_key_dest")])
def test_only_types_that_are_not_fully_managed_mind_the_managed_key_of_the_vault(name, cause):
    bundle = fail(healthy(), "Access denied", name)
    bundle["evidence"]["keys"]["kms_keys"][0].update(manager="AWS", aws_managed_for="backup")
    assert diagnosed(bundle)[0]["cause"] == cause


# --------------------------------------------------------------------------------------------------------------- health


def event(bundle, **changed):
    told = {"service": "BACKUP", "code": "X", "category": "issue", "region": "eu-central-1", "status": "open"}
    told.update({"started_at": "2026-11-20T20:30:00Z", **changed})
    bundle["evidence"]["health"]["events"] = [told]
    return bundle


def test_an_event_before_the_failures_of_all_of_a_type_is_the_cause():
    root, diagnosis = diagnosed(event(fail(healthy(), INTERNAL, "orders", "users"), service="EC2"))
    assert (root["cause"], root["confidence"]) == ("aws_service_event", "confirmed")
    assert "services=EC2," in steps_of(diagnosis)


@pytest.mark.parametrize(
    "changed",
    [
        {"started_at": "2026-11-20T20:41:00Z"},  # the copies failed at 20:40
        {"service": "RDS"},
        {"service": "S3"},
        {"started_at": None},
    ],
)
def test_an_event_that_came_after_or_is_of_another_service_is_a_hint(changed):
    root, diagnosis = diagnosed(event(fail(healthy(), INTERNAL, "orders", "users"), **changed))
    assert root["cause"] == "aws_transient"
    fired = {finding["rule"] for finding in diagnosis["findings"] if finding["state"] == "fired"}
    assert "region.6.health_other" in fired and "region.6.health" not in fired


def test_an_event_through_which_another_of_the_type_got_is_a_hint():
    assert diagnosed(event(fail(healthy(), INTERNAL, "orders")))[0]["cause"] == "aws_transient"


@pytest.mark.parametrize("began, found", [("2026-11-20T20:05:00Z", True), ("2026-11-20T20:15:00Z", False)])
def test_of_a_stuck_job_an_event_counts_that_began_before_it_was_made(began, found):
    bundle = open_job(behind(healthy(), "in_progress", "ledger"), "ledger", stuck=True, sibling=False)
    bundle["evidence"]["copy_jobs"]["jobs"][-1]["created_at"] = "2026-11-20T20:10:00Z"
    row_of(bundle, "copy_jobs", "resources", "ledger")["completed_at"] = "2026-11-19T20:40:00Z"
    diagnosis = engine.diagnose(event(bundle, service="RDS", started_at=began))
    causes = {(diagnosis[name] or {}).get("cause") for name in ("root_cause", "runner_up")}
    assert ("aws_service_event" in causes) is found


# --------------------------------------------------------------------------------------------------------------- doubts


@pytest.mark.parametrize("outcome, confidence", [("ok", "possible"), ("forbidden", "likely")])
def test_a_lock_that_was_not_read_casts_no_doubt(outcome, confidence):
    bundle = fail(healthy(), LOCK)
    bundle["evidence"]["vaults"]["destination"]["outcome"] = outcome
    assert diagnosed(bundle)[0]["confidence"] == confidence


@pytest.mark.parametrize(
    "spoil",
    [
        lambda evidence: evidence["keys"]["kms_keys"].pop(0),  # the destination vault's
        lambda evidence: evidence["copy_job_detail"].update(source_points=[]),
    ],
)
def test_keys_that_were_not_looked_at_cast_no_doubt(spoil):
    bundle = fail(healthy(), DISABLED, "orders")
    assert diagnosed(bundle)[0]["confidence"] == "possible"
    spoil(bundle["evidence"])
    assert diagnosed(bundle)[0]["confidence"] == "likely"


def test_a_role_that_was_not_read_and_an_action_that_was_not_asked_for_cast_no_doubt():
    trust = fail(healthy(), "The IAM role cannot be assumed by AWS Backup", "orders")
    assert diagnosed(trust)[0]["confidence"] == "possible"
    assert diagnosed(copied_by(trust, OTHER_ROLE, "orders"))[0]["confidence"] == "likely"
    refused = "not authorized to perform: {} because no identity-based policy allows the {} action"
    asked = fail(healthy(), refused.format(*["backup:CopyIntoBackupVault"] * 2), "orders")
    assert diagnosed(asked)[0]["confidence"] == "possible"
    not_asked = fail(healthy(), refused.format(*["kms:CreateGrant"] * 2), "orders")
    assert diagnosed(not_asked)[0]["confidence"] == "likely"


# ------------------------------------------------------------------------------------------------------------- the rest


def test_a_region_that_is_off_is_told_by_the_refusal_of_one_side_only():
    bundle = behind(healthy(), "never_started")
    vaults = bundle["evidence"]["vaults"]
    vaults["destination"].update(exists=None, outcome="forbidden")
    vaults["denied"] = [{"side": "destination", "what": "DescribeBackupVault", "code": "OptInRequired"}]
    assert (diagnosed(bundle)[0]["cause"], diagnosed(bundle)[0]["confidence"]) == ("region_disabled", "confirmed")
    vaults["denied"][0]["code"] = "ExpiredToken"
    assert diagnosed(bundle)[0]["cause"] != "region_disabled"
    vaults["denied"][0]["code"] = "OptInRequired"
    vaults["source"]["outcome"] = "forbidden"
    assert diagnosed(bundle)[0]["cause"] != "region_disabled"


def test_copies_that_are_over_before_the_next_arrive():
    bundle = behind(healthy(), "expired_by_design", "orders", "users", verdict="missing")
    assert (diagnosed(bundle)[0]["cause"], diagnosed(bundle)[0]["confidence"]) == ("rule_lifecycle", "likely")
    root, dummy = diagnosed(problem(bundle, "short_retention", side="destination"))
    assert (root["cause"], root["confidence"]) == ("rule_lifecycle", "confirmed")


def test_events_of_the_logs_speak_where_copy_jobs_were_not_read():
    bundle = behind(healthy(), "failed", "orders", "users")
    bundle["evidence"].update(copy_jobs=None, copy_job_detail=None)
    failed = {"state": "FAILED", "message": DISABLED, "at": "2026-11-20T20:20:00Z", "copy_job": "J", "count": 1}
    bundle["evidence"]["logs"]["events"] = [
        {**failed, "resource_arn": about(name)["resource_arn"]} for name in ("orders", "users", "media")
    ]
    root, dummy = diagnosed(bundle)
    assert (root["cause"], root["confidence"], root["resources"]) == ("kms_disabled", "possible", ["orders", "users"])


def test_what_no_selection_takes_in_any_more_while_others_of_the_plan_are_backed_up():
    bundle = healthy()
    row_of(bundle, "recovery_points", "resources", "orders")["exposure_s"] = 200000.0
    missing = {**about("orders"), "state": "missing", "message": None, "at": "2026-11-17T20:00:00Z"}
    bundle["evidence"]["copy_lag"]["source_problems"].append(missing)
    assert diagnosed(bundle)[0]["cause"] == "upstream_missing"  # nothing is known of the others
    row_of(bundle, "recovery_points", "resources", "media")["newest_source_at"] = "2026-11-20T20:00:00Z"
    assert diagnosed(bundle)[0]["cause"] == "selection_excludes"
    bundle["evidence"]["copy_rules"]["opt_in"]["source"]["EBS"] = False
    assert diagnosed(bundle)[0]["cause"] == "upstream_missing"


# ---------------------------------------------------------------------------------------------------------------- twins


def test_resources_of_one_name_are_told_apart():
    bundle = healthy()
    volume, table = "arn:aws:ec2:eu-west-1:1:volume/vol-0abc", "arn:aws:rds:eu-west-1:1:db:app"
    rows = [
        {"resource": "app", "resource_arn": volume, "type": "EBS", "state": "FAILED", "copy_job": "J1"},
        {"resource": "app", "resource_arn": table, "type": "RDS", "state": "COMPLETED", "copy_job": "J2"},
        {"resource": "b", "resource_arn": "arn:b", "type": "EBS", "state": "COMPLETED", "copy_job": "J3"},
    ]
    evidence = bundle["evidence"]
    evidence["copy_jobs"].update(resources=rows, groups=[{"state": "FAILED", "resource_names": ["app"], "types": []}])
    evidence["copy_job_detail"].update(
        source_points=[{"resource": "app", "copy_job": "J1"}, {"resource": "app", "type": "RDS"}]
    )
    evidence["copy_rules"]["problems"] = [{"types": ["RDS"], "resources": ["app", "b"]}]
    before = copy.deepcopy(evidence)
    told = tell_apart(evidence)
    assert evidence == before
    assert [row["resource"] for row in told["copy_jobs"]["resources"]] == ["app (vol-0abc)", "app (RDS)", "b"]
    assert [row["resource_arn"] for row in told["copy_jobs"]["resources"]] == [volume, table, "arn:b"]
    assert told["copy_jobs"]["groups"][0]["resource_names"] == ["app (vol-0abc)"]
    points = told["copy_job_detail"]["source_points"]
    assert [row["resource"] for row in points] == ["app (vol-0abc)", "app (RDS)"]
    assert told["copy_rules"]["problems"][0]["resources"] == ["app (RDS)", "b"]


def test_two_volumes_of_one_name_are_two_resources():
    rows = [{"resource": "app", "resource_arn": f"arn:aws:ec2:e:1:volume/vol-{n}", "type": "EBS"} for n in (1, 2)]
    told = tell_apart({"copy_jobs": {"resources": rows, "groups": [{"resource_names": ["app"]}]}})
    assert [row["resource"] for row in told["copy_jobs"]["resources"]] == ["app (vol-1)", "app (vol-2)"]
    assert told["copy_jobs"]["groups"][0]["resource_names"] == ["app (vol-1)", "app (vol-2)"]


@pytest.mark.parametrize(
    "odd", [None, [], "x", {"copy_jobs": None}, {"copy_jobs": {"resources": [None, {"resource": 1}]}}]
)
def test_names_that_are_unique_stay_as_they_are(odd):
    evidence = healthy()["evidence"]
    assert tell_apart(evidence) is evidence
    assert tell_apart(odd) is odd


def test_the_failure_of_one_of_two_twins_is_not_that_of_both():
    bundle = fail(healthy(), "The snapshot cannot have more than 50 user tags.", "orders")
    for step in ("copy_jobs", "recovery_points", "copy_lag", "metrics"):
        row_of(bundle, step, "resources", "users")["resource"] = "orders"  # another volume of the same name, all well
    root, diagnosis = diagnosed(bundle)
    assert root["resources"] == [f"orders ({about('orders')['resource_arn']})"]  # whose last part is the name as well
    assert diagnosis["scope"]["spread"]["resources_affected"] == 1
