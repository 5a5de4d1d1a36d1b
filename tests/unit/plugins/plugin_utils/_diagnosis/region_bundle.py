# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A region pair in which all is well, written by hand from the contract of the evidence, and ways to break it."""

from __future__ import annotations

import typing as t

RESOURCES = {"orders": "EBS", "users": "EBS", "media": "EFS", "ledger": "RDS"}
ROLE = "arn:aws:iam::111122223333:role/service-role/AWSBackupDefaultServiceRole"
DESTINATION_KEY = "arn:aws:kms:eu-central-1:111122223333:key/dest"
SOURCE_KEY = "arn:aws:kms:eu-west-1:111122223333:key/src"
NOW = "2026-11-20T21:00:00Z"
ACTIONS = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")

Json = t.Dict[str, t.Any]


def answered(**members: t.Any) -> Json:
    return {"outcome": "ok", "observed_at": NOW, "query": {}, "denied": [], **members}


def arn(name: str) -> str:
    return f"arn:aws:ec2:eu-west-1:111122223333:volume/{name}"


def about(name: str) -> Json:
    return {"resource": name, "resource_arn": arn(name), "type": RESOURCES.get(name, "EBS")}


def key(side: str, used_by: str, arn_: str, **changed: t.Any) -> Json:
    allowed = {"outcome": "ok", "principals": {ROLE: dict.fromkeys(ACTIONS, "allowed")}, "why": []}
    row = {"side": side, "used_by": [used_by], "arn": arn_, "exists": True, "state": "Enabled", "enabled": True}
    row.update(manager="CUSTOMER", aliases=[], aws_managed_for=None, policy=allowed)
    return {**row, "grants": {"outcome": "empty", "count": 0, "for_principals": []}, **changed}


def healthy() -> Json:
    """Four resources, copied every night at 20:00, all there."""
    side = {"outcome": "ok", "exists": True, "state": "AVAILABLE", "type": "BACKUP_VAULT", "points": 90}
    side.update(account="111122223333", points_quota=1000000, quota_from="default", points_share=0.0001, locked=False)
    policy = {"outcome": "empty", "statements": 0}
    no = {"verdict": "not_mentioned", "statement": None, "conditions": {}}
    source = {**side, "vault": "backup", "region": "eu-west-1", "policy": {**policy, "copy_from": no}}
    destination = {**side, "vault": "backup-dr", "region": "eu-central-1", "policy": {**policy, "copy_into": no}}
    destination["key"] = {"arn": DESTINATION_KEY, "type": "CUSTOMER_MANAGED_KMS_KEY"}
    accessible = {"source_accessible": True, "destination_accessible": True}
    vaults = answered(
        source=source,
        destination=destination,
        summary={"same_account": True, "needs_policy": False, **accessible},
        cross_account=None,
        network={"outcome": "not_applicable", "reason": "Copies do not go through a VPC."},
    )
    runs = [{**about(name), **_run(name)} for name in RESOURCES]
    copy_jobs = answered(
        summary={
            **{"jobs": 40, "by_state": {"COMPLETED": 40}, "window": {"completed": 4, "failed": 0, "partial": 0}},
            **{"open": 0, "waiting": 0, "stuck": 0, "resources": 4, "resources_failing": 0, "on_demand": 0},
            **{"observed_in": "source", "days": 10, "upstream": {"aborted": 0, "resources": 0}},
        },
        resources=runs,
        groups=[],
        jobs=[],
        upstream=[],
        slots=[{"slot": 20, "runs": 40, "failed": 0}],
    )
    detail = answered(
        summary={"chosen": "latest", "points_asked": 1},
        job={**about("orders"), "copy_job": "JOB-orders", "state": "COMPLETED", "message": None},
        source_points=[
            {**about("orders"), "copy_job": "JOB-orders", "point": "snap-1", "available": True, "key_arn": SOURCE_KEY}
        ],
        children=[],
    )
    logs = answered(
        summary={"groups": 1, "copy_events": 4, "failed_events": 0, "api_errors": 0, "cut": False, "phrases": {}},
        groups=[{"group": "/aws/events/backup", "outcome": "ok"}],
        events=[],
        api_errors=[],
    )
    rate = {"verdict": "ok", "rate": 1.0, "succeeded": 4, "failed": 0, "runs": 4, "low": 0.51, "high": 1.0}
    duration = {"verdict": "ok", "median_s": 1500.0, "baseline_median_s": 1480.0, "ratio": 1.01, "rising": False}
    counts = {"outcome": "ok", "completed": 4, "failed": 0, "agrees": True, "difference": 0}
    metrics = answered(
        summary={
            "success_rate": {**rate, "threshold": 0.95},
            "duration": {**duration, "excluded": {}},
            "counts": counts,
            "custom": {"CopyJobSuccessRate": None, "CopyJobDuration": None},
        },
        resources=[{**about(name), "ratio": 1.0, "full_copy": None} for name in RESOURCES],
    )
    lag = {"verdict": "on_time", "why": None, "lag_s": 1600.0, "window_s": 21600.0}
    copy_lag = answered(
        summary={"resources": 4, "on_time": 4, "worst_lag_s": 1600.0},
        source_health={"outcome": "ok", "resources": 4, "failed": 0, "newest_at": "2026-11-20T20:05:00Z"},
        source_problems=[],
        resources=[{**about(name), **lag, "point_in_time": "2026-11-20T20:05:00Z"} for name in RESOURCES],
    )
    copy_rules = answered(
        summary={"plans": 1, "rules": 1, "copying": 1, "problems": 0, "on_demand_only": False},
        rules=[{"plan": "production", "plan_id": "PLAN", "rule": "daily", "copies_here": True}],
        roles=[{"role": "AWSBackupDefaultServiceRole", "arn": ROLE, "exists": True, "trusts_backup": True}],
        problems=[],
    )
    opted_in = dict.fromkeys(("EBS", "EFS", "RDS"), True)
    copy_rules["opt_in"] = {"source": opted_in, "destination": opted_in, "managed_source": {"EFS": True}}
    copy_rules["roles"][0]["actions"] = {"backup:CopyIntoBackupVault": "allowed"}
    current = {"verdict": "current", "why": "copied", "ready": True, "exposure_s": 3300.0, "exposure_error_s": 2.0}
    recovery_points = answered(
        summary={"resources": 4, "resources_ready": 4, "compared": True, "source_points": 40, "copied": 40},
        resources=[{**about(name), **current, "behind_s": 0.0} for name in RESOURCES],
        points=[],
    )
    recovery_points["summary"].update(jobs_only=0, worst_exposure_s=3300.0, rpo_s=93600.0)
    keys = answered(
        summary={"kms_keys": 2, "unusable": 0, "denied": 0},
        kms_keys=[key("destination", "destination_vault", DESTINATION_KEY), key("source", "source_points", SOURCE_KEY)],
    )
    return {
        "schema": "sre.backup_sync/evidence/v1",
        "target": {
            **{"kind": "region", "name": "pair", "source": "eu-west-1", "destination": "eu-central-1"},
            **{"vault": "backup", "destination_vault": "backup-dr", "source_profile": "prod"},
            **{"source_account": "111122223333", "destination_account": "111122223333", "destination_profile": None},
        },
        "settings": {"rpo_s": 93600},
        "alert": {"name": "CrossRegionBackupSyncFailed"},
        "evidence": {
            **{"vaults": vaults, "copy_jobs": copy_jobs, "copy_job_detail": detail, "logs": logs, "metrics": metrics},
            **{"copy_lag": copy_lag, "copy_rules": copy_rules, "recovery_points": recovery_points},
            **{"keys": keys, "health": answered(summary={"events": 0, "open": 0}, events=[])},
        },
    }


def _run(name: str) -> Json:
    times = {"created_at": "2026-11-20T20:15:00Z", "completed_at": "2026-11-20T20:40:00Z"}
    counts = {"runs": 10, "failed": 0, "consecutive_failures": 0}
    told = {"state": "COMPLETED", "copy_job": f"JOB-{name}", "message": None, "category": "SUCCESS"}
    return {**told, **times, **counts, "role": ROLE, "plan": "production", "rule": "daily"}


# ------------------------------------------------------------------------------------------------ ways to break it


def row_of(bundle: Json, step: str, listed: str, name: str) -> Json:
    return next(row for row in bundle["evidence"][step][listed] if row["resource"] == name)


def fail(bundle: Json, message: str | None, *names: str, category: str | None = None, times: int = 3) -> Json:
    """The newest copies of the resources (all unless named) failed with the message."""
    jobs = bundle["evidence"]["copy_jobs"]
    failing = names or tuple(RESOURCES)
    for name in failing:
        row_of(bundle, "copy_jobs", "resources", name).update(
            state="FAILED", message=message, category=category, failed=times, consecutive_failures=times
        )
        jobs["jobs"].append(
            {
                **row_of(bundle, "copy_jobs", "resources", name),
                **{"latest": True, "stuck": False, "composite": False, "source_point": "snap-1", "plan_id": "PLAN"},
            }
        )
        late(bundle, "failing", name)
        behind(bundle, "failed", name)
    types = sorted({RESOURCES[name] for name in failing})
    group = {"message": message, "category": category, "state": "FAILED", "kind": "failed"}
    group.update(count=times * len(failing), in_window=len(failing), types=types)
    group.update(resources=len(failing), resource_names=sorted(failing))
    group.update(roles=[ROLE], copy_job=f"JOB-{failing[0]}", last_at="2026-11-20T20:20:00Z")
    jobs["groups"].append(group)
    jobs["summary"]["resources_failing"] = len(failing)
    jobs["summary"]["window"] = {"completed": 4 - len(failing), "failed": len(failing), "partial": 0}
    jobs["slots"] = [{"slot": 20, "runs": 40, "failed": times * len(failing)}]
    rate = bundle["evidence"]["metrics"]["summary"]["success_rate"]
    rate.update(succeeded=4 - len(failing), failed=len(failing), rate=1 - len(failing) / 4)
    bundle["evidence"]["copy_job_detail"]["source_points"] = [
        {**about(name), "copy_job": f"JOB-{name}", "point": "snap-1", "available": True, "key_arn": SOURCE_KEY}
        for name in failing[:5]
    ]
    return bundle


def behind(bundle: Json, why: str, *names: str, verdict: str = "lagging") -> Json:
    """The newest source points of the resources have no copy."""
    for name in names or tuple(RESOURCES):
        row_of(bundle, "recovery_points", "resources", name).update(
            verdict=verdict, why=why, ready=verdict != "not_ready", exposure_s=180000.0, behind_s=86400.0
        )
    rows = bundle["evidence"]["recovery_points"]["resources"]
    bundle["evidence"]["recovery_points"]["summary"]["resources_ready"] = sum(r["verdict"] == "current" for r in rows)
    return bundle


def late(bundle: Json, why: str, *names: str) -> Json:
    for name in names or tuple(RESOURCES):
        row_of(bundle, "copy_lag", "resources", name).update(verdict="overdue", why=why, lag_s=80000.0)
    return bundle


def problem(bundle: Json, kind: str, **members: t.Any) -> Json:
    told = {"kind": kind, "side": "source", "types": [], "resources": [], "role": None, "message": f"It is {kind}."}
    bundle["evidence"]["copy_rules"]["problems"].append({**told, **members})
    return bundle


def open_job(bundle: Json, name: str, *, stuck: bool, sibling: bool | None) -> Json:
    row = {**about(name), "copy_job": f"OPEN-{name}", "state": "CREATED", "message": None, "composite": False}
    row.update(stuck=stuck, sibling_running=sibling, age_s=9000.0 if stuck else 3000.0)
    bundle["evidence"]["copy_jobs"]["jobs"].append(row)
    bundle["evidence"]["copy_jobs"]["summary"]["stuck"] += stuck
    return bundle
