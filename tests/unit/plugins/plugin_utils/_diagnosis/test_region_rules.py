# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule of the region runbook: what makes it fire; clear where all is well, unknown without its steps."""

from __future__ import annotations

import copy

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._aws_messages import region_causes
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import REGION
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import (
    ROLE,
    about,
    behind,
    fail,
    healthy,
    key,
    late,
    open_job,
    problem,
    row_of,
)

DENIED = "Access Denied trying to call AWS Backup service"
THROTTLED = "Rate exceeded"
INTERNAL = "An internal error occurred."
QUOTA = "ResourceLimitExceeded: too many snapshot copies in progress"
SPREAD = [{"what": "type", "value": "RDS", "of": 4, "failing": 4}, {"what": "type", "value": "EBS", "of": 30, "failing": 0}]


def evidence(bundle, step):
    return bundle["evidence"][step]


def across(bundle, **cross):
    """The vaults lie in two accounts."""
    evidence(bundle, "vaults")["summary"].update(same_account=False, needs_policy=True)
    told = {"enabled": True, "source_organization": "o-1", "destination_organization": "o-1", "same_organization": True}
    evidence(bundle, "vaults")["cross_account"] = {**told, **cross}
    return bundle


def aborted(bundle):
    row = {**about("ledger"), "state": "ABORTED", "latest": True, "ended_at": "2026-11-20T20:01:00Z"}
    row["message"] = "Backup job could not start because it is too close to the automated backup window"
    evidence(bundle, "copy_jobs")["upstream"] = [row]
    return behind(bundle, "never_started", "ledger")


def pattern(bundle, slots, days=("18", "19", "20"), hour="02"):
    """Failures that a later copy has made good: [(hour of the day, runs, failed)]."""
    jobs = evidence(bundle, "copy_jobs")
    jobs["slots"] = [
        {"slot": slot, "runs": runs, "failed": failed, "compared_runs": runs, "compared_failed": failed}
        | {"days_runs": 12, "days_failed": min(failed, 8)}
        for slot, runs, failed in slots
    ]
    jobs["jobs"] = [
        {**about("orders"), "copy_job": f"J{day}", "state": "FAILED", "message": QUOTA, "latest": False}
        | {"created_at": f"2026-11-{day}T{hour}:10:00Z", "completed_at": f"2026-11-{day}T{hour}:20:00Z"}
        for day in days
    ]
    row_of(bundle, "copy_jobs", "resources", "orders").update(runs=100, failed=sum(slot[2] for slot in slots))
    return bundle


def low_rate(bundle, failed, runs):
    fail(bundle, THROTTLED, "orders", "media", times=failed // 2)
    evidence(bundle, "metrics")["summary"]["success_rate"].update(succeeded=runs - failed, failed=failed, runs=runs)
    return bundle


def vault(bundle, side="destination", **changed):
    evidence(bundle, "vaults")[side].update(changed)
    return bundle


def policy(bundle, verdict, side="destination", member="copy_into"):
    evidence(bundle, "vaults")[side]["policy"][member]["verdict"] = verdict
    return bundle


def keys(bundle, **changed):
    evidence(bundle, "keys")["kms_keys"][0].update(changed)
    return bundle


def members(bundle, step, **changed):
    evidence(bundle, step).update(changed)
    return bundle


def summary(bundle, step, **changed):
    evidence(bundle, step)["summary"].update(changed)
    return bundle


def gone(bundle):
    vault(bundle, exists=False, outcome="forbidden")
    return fail(bundle, "Could not find cryopod arn:aws:backup:eu-central-1:111122223333:backup-vault:backup-dr")


def refused(bundle):
    principals = {ROLE: {"kms:CreateGrant": "denied", "kms:Decrypt": "allowed"}}
    return keys(bundle, policy={"outcome": "ok", "principals": principals, "why": []})


def point(bundle, why):
    evidence(bundle, "copy_job_detail")["source_points"][0].update(available=False, why=why)
    return bundle


def completed_with_message(bundle):
    row = {"state": "COMPLETED", "kind": "completed_with_message", "message": "Not all was copied.", "count": 1}
    evidence(bundle, "copy_jobs")["groups"].append({**row, "resource_names": ["orders"], "types": ["EBS"]})
    return bundle


def source_problem(bundle, state, name="ledger"):
    evidence(bundle, "copy_lag")["source_problems"].append({**about(name), "state": state, "message": None, "at": None})
    return bundle


def under_way(bundle, name):
    open_job(behind(bundle, "in_progress", name), name, stuck=False, sibling=False)
    evidence(bundle, "copy_jobs")["jobs"][-1]["created_at"] = "2026-11-20T20:10:00Z"
    return bundle


def arrived_late(bundle, name):
    row_of(bundle, "copy_lag", "resources", name).update(verdict="late", why="transfer")
    return bundle


def unreachable(bundle):
    bundle["evidence"]["recovery_points"] = {"outcome": "unreachable", "error": {"message": "no route"}}
    return bundle


def health_event(bundle, **changed):
    event = {"service": "BACKUP", "code": "X", "category": "issue", "region": "eu-central-1", "status": "open"}
    event["started_at"] = "2026-11-20T20:30:00Z"
    return members(bundle, "health", events=[{**event, **changed}])


def region_off(bundle):
    refused = {"side": "destination", "what": "DescribeBackupVault", "outcome": "forbidden"}
    members(bundle, "vaults", denied=[{**refused, "code": "UnrecognizedClientException", "message": "no"}])
    return behind(vault(bundle, exists=None, outcome="forbidden"), "never_started")


def left_out(bundle):
    source_problem(exposed(bundle), "missing", "orders")
    row_of(bundle, "recovery_points", "resources", "users")["newest_source_at"] = "2026-11-20T20:05:00Z"
    return bundle


def exposed(bundle):
    row_of(bundle, "recovery_points", "resources", "orders")["exposure_s"] = 200000.0
    return bundle


def partial(bundle):
    row = {**about("shop"), "copy_job": "P", "state": "PARTIAL", "composite": True, "children": {"FAILED": 1}}
    evidence(bundle, "copy_jobs")["jobs"].append(row)
    return bundle


def slow(bundle):
    evidence(bundle, "metrics")["summary"]["duration"].update(rising=True, ratio=3.0)
    return late(bundle, "transfer")


def full(bundle):
    for row in evidence(bundle, "metrics")["resources"]:
        row.update(full_copy="base_expired", ratio=3.0)
    return late(bundle, "transfer")


# What makes a rule fire, as the runbook or AWS's documents say it.
FIRING = {
    "region.1.jobs_failed": lambda b: fail(b, INTERNAL, "orders"),
    "region.1.jobs_aborted": aborted,
    "region.1.no_jobs": lambda b: summary(b, "copy_jobs", jobs=0),
    "region.1.iam": lambda b: fail(b, DENIED),
    "region.1.access_denied_only": lambda b: fail(b, "Access denied"),
    "region.1.vault_not_found": gone,
    "region.1.replication_rule": gone,
    "region.1.network": lambda b: fail(b, INTERNAL, "orders"),
    "region.1.configuration": lambda b: fail(b, "Cross-account copy feature is not enabled for your organization"),
    "region.1.source_point": lambda b: fail(b, "Cannot find recovery point.", "orders"),
    "region.1.region_off": region_off,
    "region.1.collector_network": unreachable,
    "region.1.no_reason": lambda b: fail(b, None, "orders", category="MISCELLANEOUS"),
    "region.2.success_rate": lambda b: low_rate(b, 40, 100),
    "region.2.few_jobs": lambda b: low_rate(b, 2, 18),
    "region.2.slow": slow,
    "region.2.full_copies": full,
    "region.2.queue": lambda b: late(b, "queue", "orders"),
    "region.2.intermittent": lambda b: pattern(b, [(20, 40, 6)], hour="20"),
    "region.2.counts_disagree": lambda b: summary(b, "metrics", counts={"agrees": False, "difference": 30}),
    "region.3.rules_correct": lambda b: fail(b, INTERNAL, "orders"),
    "region.3.no_rule": lambda b: summary(behind(b, "never_started"), "copy_rules", plans=0, rules=0),
    "region.3.no_copy_action": lambda b: problem(behind(b, "never_started"), "no_copy_action"),
    "region.3.copies_elsewhere": lambda b: problem(behind(b, "never_started"), "copies_elsewhere"),
    "region.3.overlapping_rule": lambda b: problem(behind(b, "never_started"), "overlapping_rule"),
    "region.3.opted_out": lambda b: problem(behind(b, "never_started", "media"), "opted_out", types=["EFS"]),
    "region.3.unsupported": lambda b: problem(
        fail(b, "Copy job from eu-west-1 to eu-south-1 cannot be initiated for RDS resources", "ledger"),
        "unsupported_type",
        types=["RDS"],
    ),
    "region.3.not_managed": lambda b: problem(behind(b, "never_started", "ledger"), "not_managed", types=["RDS"]),
    "region.3.rule_changed": lambda b: problem(b, "rule_changed"),
    "region.3.vault_lock": lambda b: problem(
        fail(b, "Retention specified in the job is not within the range specified by the target Backup Vault."),
        "retention_below_minimum",
    ),
    "region.3.vault_access": lambda b: vault(
        summary(b, "vaults", destination_accessible=False), exists=None, outcome="forbidden"
    ),
    "region.3.vault_policy": lambda b: across(fail(b, DENIED)),
    "region.3.vault_policy_conditions": lambda b: policy(b, "conditional"),
    "region.3.source_vault_policy": lambda b: policy(fail(b, DENIED), "denied", "source", "copy_from"),
    "region.3.cross_account": lambda b: across(
        fail(b, "Cross-account copy feature is not enabled for your organization"), enabled=False
    ),
    "region.3.organization": lambda b: across(
        fail(b, "Access Denied: Both source and destination account must be a member of the same organization"),
        same_organization=False,
    ),
    "region.3.default_vault": lambda b: problem(fail(b, "Access denied"), "default_vault_cross_account"),
    "region.3.role_missing": lambda b: problem(
        fail(b, "IAM Role cannot be assumed by AWS Backup"), "role_missing", role="AWSBackupDefaultServiceRole"
    ),
    "region.3.role_trust": lambda b: problem(
        fail(b, "IAM Role cannot be assumed by AWS Backup"), "role_not_trusting", role="AWSBackupDefaultServiceRole"
    ),
    "region.3.role_policy": lambda b: problem(
        fail(b, "no identity-based policy allows the backup:CopyIntoBackupVault action"), "role_not_allowed"
    ),
    "region.3.cold_too_early": lambda b: problem(b, "cold_too_early"),
    "region.4.lag_confirmed": lambda b: behind(b, "failed", "orders"),
    "region.4.matched": lambda b: b,
    "region.4.window_exceeded": lambda b: late(b, "transfer", "orders"),
    "region.4.window_short": lambda b: arrived_late(b, "orders"),
    "region.4.under_way": lambda b: under_way(b, "orders"),
    "region.4.never_started": lambda b: behind(b, "never_started"),
    "region.4.arrived_not": lambda b: completed_with_message(behind(b, "failed", "orders")),
    "region.4.not_usable": lambda b: behind(b, "unusable", "orders", verdict="not_ready"),
    "region.4.exposed": exposed,
    "region.4.jobs_only": lambda b: summary(b, "recovery_points", jobs_only=2),
    "region.4.on_demand": lambda b: summary(b, "copy_rules", on_demand_only=True),
    "region.5.periodic": lambda b: pattern(b, [(2, 30, 12), (8, 30, 0), (20, 40, 1)]),
    "region.5.contention": lambda b: fail(pattern(b, [(2, 30, 12), (8, 30, 0)]), QUOTA, "users", times=1)
    and pattern(b, [(2, 30, 12), (8, 30, 0)]),
    "region.5.maintenance_window": aborted,
    "region.5.schedule": lambda b: pattern(b, [(20, 40, 6)], hour="20"),
    "region.5.random": lambda b: pattern(b, [(8, 30, 3), (14, 30, 2), (20, 40, 3)], hour="20"),
    "region.6.logs": lambda b: summary(b, "logs", failed_events=2),
    "region.6.api_errors": lambda b: summary(b, "logs", api_errors=1),
    "region.6.phrases": lambda b: summary(b, "logs", phrases={"copy failed": 2}),
    "region.6.capacity": lambda b: vault(b, points_share=0.95),
    "region.6.quota": lambda b: fail(b, QUOTA, "orders"),
    "region.6.concurrency": lambda b: summary(b, "copy_jobs", by_state={"RUNNING": 100}),
    "region.6.encryption": lambda b: fail(b, "The KMS key is either disabled or pending deletion"),
    "region.6.key_disabled": lambda b: keys(
        fail(b, "The KMS key is either disabled or pending deletion"), enabled=False, state="Disabled"
    ),
    "region.6.key_missing": lambda b: keys(fail(b, "Given key ID does not exist"), exists=False, enabled=None),
    "region.6.key_policy": lambda b: refused(fail(b, "Given key ID is not accessible", "orders", "users")),
    "region.6.key_managed_destination": lambda b: keys(b, manager="AWS", aws_managed_for="backup"),
    "region.6.key_managed_source": lambda b: members(
        across(b), "keys", kms_keys=[key("source", "source_points", "arn:aws:kms:::key/ebs", manager="AWS")]
    ),
    "region.6.peering": lambda b: fail(b, INTERNAL, "orders"),
    "region.6.health": lambda b: health_event(fail(b, INTERNAL, "orders", "users")),
    "region.6.health_other": lambda b: health_event(fail(b, INTERNAL, "orders", "users"), service="S3"),
    "region.6.health_past": lambda b: health_event(fail(b, INTERNAL, "orders"), status="closed"),
    "region.x.stuck": lambda b: open_job(b, "orders", stuck=True, sibling=False),
    "region.x.waiting": lambda b: open_job(b, "orders", stuck=False, sibling=True),
    "region.x.retrying": lambda b: open_job(b, "orders", stuck=False, sibling=False),
    "region.x.source_point_gone": lambda b: point(fail(b, "Cannot find recovery point.", "orders"), "expired"),
    "region.x.source_point_cold": lambda b: point(
        fail(b, "Recovery points in cold storage cannot be copied", "orders"), "cold"
    ),
    "region.x.upstream": lambda b: source_problem(b, "failed"),
    "region.x.source_missing": lambda b: source_problem(exposed(b), "missing", "orders"),
    "region.x.left_out": left_out,
    "region.x.never_backed_up": lambda b: source_problem(b, "never", "fresh"),
    "region.x.copies_expire": lambda b: behind(b, "expired_by_design", "orders", verdict="missing"),
    "region.x.apart": lambda b: members(fail(b, INTERNAL, "orders"), "copy_jobs", spread=SPREAD),
    "region.x.completed_with_message": completed_with_message,
    "region.x.partial": partial,
    "region.x.short_retention": lambda b: problem(b, "short_retention"),
    "region.x.interval_exceeds_rpo": lambda b: problem(exposed(b), "interval_exceeds_rpo"),
    "region.x.reads_denied": lambda b: members(b, "keys", denied=[{"what": "GetKeyPolicy", "outcome": "forbidden"}]),
    "region.x.reads_throttled": lambda b: members(b, "keys", requests={"calls": 3, "throttled": 2}),
    "region.x.observed_in_destination": lambda b: summary(b, "copy_jobs", observed_in="destination"),
}

RULES = {rule.id: rule for rule in engine.shipped_rules("region")}
# What is told where all is well.
TOLD_WHEN_WELL = {"region.4.matched"}


def states(bundle):
    return {finding["rule"]: finding["state"] for finding in engine.diagnose(bundle)["findings"]}


def test_every_rule_has_a_story():
    assert set(FIRING) == set(RULES)


def test_each_fires():
    found = {name: states(story(healthy()))[name] for name, story in FIRING.items()}
    assert found == dict.fromkeys(FIRING, "fired")


def test_where_all_is_well_only_that_is_told():
    found = states(healthy())
    assert {name for name, state in found.items() if state == "fired"} == TOLD_WHEN_WELL
    assert set(found.values()) == {"fired", "clear"}


def test_matched_is_clear_where_something_is_wrong():
    assert states(fail(healthy(), INTERNAL, "orders"))["region.4.matched"] == "clear"


def test_each_is_unknown_never_clear_without_its_steps():
    found = {}
    for name, rule in RULES.items():
        for need in rule.needs:
            bundle = FIRING[name](healthy())
            for step in need.split("|"):
                bundle["evidence"][step] = {"outcome": "forbidden", "error": {"message": "no"}}
            found[name, need] = states(bundle)[name]
    assert found and found == dict.fromkeys(found, "unknown")


def nothing_known(bundle, step, *path, value=None):
    """A read inside a step that answered did not come."""
    holder = evidence(bundle, step)
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return bundle


UNSEEN = {
    "region.1.jobs_aborted": lambda b: summary(b, "copy_jobs", upstream=None),
    "region.1.vault_not_found": lambda b: vault(b, exists=None),
    "region.2.counts_disagree": lambda b: summary(b, "metrics", counts={"outcome": "forbidden", "agrees": None}),
    "region.3.no_rule": lambda b: members(b, "copy_rules", denied=[{"what": "backup plan gold"}]),
    "region.x.left_out": lambda b: nothing_known(b, "copy_rules", "opt_in", "source"),
    "region.3.no_copy_action": lambda b: members(b, "copy_rules", denied=[{"what": "backup plan gold"}]),
    "region.3.copies_elsewhere": lambda b: members(b, "copy_rules", denied=[{"what": "backup plan gold"}]),
    "region.3.overlapping_rule": lambda b: members(b, "copy_rules", denied=[{"what": "backup plan gold"}]),
    "region.3.opted_out": lambda b: nothing_known(b, "copy_rules", "opt_in", "destination"),
    "region.3.not_managed": lambda b: nothing_known(b, "copy_rules", "opt_in", "managed_source"),
    "region.3.rule_changed": lambda b: members(b, "copy_rules", denied=[{"what": "versions of plan gold"}]),
    "region.3.vault_lock": lambda b: vault(b, locked=None),
    "region.3.vault_policy": lambda b: vault(across(b), policy={"outcome": "forbidden", "copy_into": None}),
    "region.3.vault_policy_conditions": lambda b: vault(b, policy={"outcome": "forbidden", "copy_into": None}),
    "region.3.source_vault_policy": lambda b: vault(b, "source", policy={"outcome": "forbidden", "copy_from": None}),
    "region.3.cross_account": lambda b: across(b, enabled=None),
    "region.3.organization": lambda b: across(b, same_organization=None),
    "region.3.role_missing": lambda b: nothing_known(b, "copy_rules", "roles", 0, "exists"),
    "region.3.role_trust": lambda b: nothing_known(b, "copy_rules", "roles", 0, "trusts_backup"),
    "region.3.role_policy": lambda b: members(b, "copy_rules", denied=[{"what": "inline policies of role copy"}]),
    "region.6.logs": lambda b: members(b, "logs", denied=[{"what": "log group a"}]),
    "region.6.api_errors": lambda b: members(b, "logs", denied=[{"what": "log group a"}]),
    "region.6.phrases": lambda b: summary(b, "logs", cut=True),
    "region.6.capacity": lambda b: vault(b, points_share=None),
    "region.6.key_disabled": lambda b: keys(b, exists=None, enabled=None),
    "region.6.key_missing": lambda b: keys(b, exists=None, enabled=None),
    "region.6.key_policy": lambda b: keys(b, policy={"outcome": "not_applicable", "principals": {}}),
    "region.6.key_managed_destination": lambda b: keys(b, exists=None),
    "region.6.key_managed_source": lambda b: keys(b, exists=None),
    "region.x.stuck": lambda b: open_job(b, "orders", stuck=False, sibling=None),
    "region.x.waiting": lambda b: open_job(b, "orders", stuck=False, sibling=None),
    "region.x.source_point_gone": lambda b: nothing_known(b, "copy_job_detail", "source_points", 0, "available"),
    "region.x.source_point_cold": lambda b: nothing_known(b, "copy_job_detail", "source_points", 0, "available"),
    "region.x.never_backed_up": lambda b: nothing_known(b, "copy_lag", "source_health", "failed"),
}


def test_every_rule_that_can_be_blind_has_a_story():
    assert set(UNSEEN) == {name for name, rule in RULES.items() if rule.unknown}


def test_each_is_unknown_never_clear_where_a_read_did_not_come():
    found = {name: states(story(healthy()))[name] for name, story in UNSEEN.items()}
    assert found == dict.fromkeys(UNSEEN, "unknown")


def test_rules_name_known_steps_causes_and_hops():
    for rule in RULES.values():
        assert rule.cause is None or rule.cause in region_causes(), rule.id
        assert all(set(need.split("|")) <= set(REGION.steps) for need in rule.needs), rule.id
        assert rule.link is None or rule.link in REGION.chain, rule.id


def test_every_paragraph_of_the_runbook_has_rules():
    told = {reference for rule in RULES.values() for reference in rule.runbook}
    assert {f"region/diagnosis/{number}" for number in range(1, 7)} <= told


def test_next_steps_keep_no_placeholder_and_no_flag_without_a_value():
    for name, story in FIRING.items():
        for step in engine.diagnose(story(healthy()))["next_steps"]:
            command = step.get("command", "")
            assert "{source" not in command and "{destination" not in command and "{copy_job" not in command, name
            assert "--profile  " not in command and not command.endswith("--profile"), name
            assert "None" not in command, name


def test_commands_go_to_the_side_that_they_are_about():
    steps = engine.diagnose(FIRING["region.3.vault_policy"](healthy()))["next_steps"]
    commands = [step["command"] for step in steps if "command" in step]
    policy_commands = [command for command in commands if "get-backup-vault-access-policy" in command]
    assert policy_commands and all("--region eu-central-1" in command for command in policy_commands)
    assert all("--profile" not in command for command in policy_commands)  # no profile is known of the destination


def test_a_command_for_an_account_that_is_reached_by_a_role_says_so():
    bundle = FIRING["region.3.vault_policy"](healthy())
    role = "arn:aws:iam::444455556666:role/backup-sync-reader"
    bundle["target"]["destination_role"] = role
    commands = [step["command"] for step in engine.diagnose(bundle)["next_steps"] if "command" in step]
    told = {command: command.endswith(f"  # as {role}") for command in commands}
    assert all(told[command] == ("--region eu-central-1" in command) for command in commands) and any(told.values()), told


def test_a_vault_that_is_not_there_is_told_with_the_one_that_the_plan_copies_to():
    other = "arn:aws:backup:eu-central-1:444455556666:backup-vault:backup-dr"
    bundle = gone(healthy())
    assert not any(other in step["text"] for step in engine.diagnose(bundle)["next_steps"])
    first = engine.diagnose(problem(bundle, "copies_elsewhere", actual=[other]))
    assert first["root_cause"]["cause"] == "vault_not_found"
    assert first["next_steps"][0]["text"].startswith(f"The plan copies to {other}; if that is the vault that is meant")


def test_a_bundle_stays_as_it_is():
    bundle = FIRING["region.3.vault_policy"](healthy())
    before = copy.deepcopy(bundle)
    engine.diagnose(bundle)
    assert bundle == before


def test_an_explanation_knows_all_that_it_names():
    for name, story in FIRING.items():
        findings = engine.diagnose(story(healthy()))["findings"]
        explanation = next(finding["explanation"] for finding in findings if finding["rule"] == name)
        assert explanation.strip() and "unknown" not in explanation, (name, explanation)
