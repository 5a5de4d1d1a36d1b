# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which resources a defect of the configuration, a key or an event of AWS has anything to do with."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import is_failing
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    rows,
    step,
    text,
    texts,
    usable,
    value,
)

Told = t.Mapping[str, t.Sequence[str]]

# What the messages of a copy would have to name, or be able to mean, for a problem of the configuration to explain it.
_CAUSES_OF: t.Mapping[str, tuple[str, ...]] = {
    "role_missing": ("iam_role_missing", "iam_role_trust"),
    "role_not_trusting": ("iam_role_trust",),
    "role_not_allowed": ("iam_source_role",),
    "retention_below_minimum": ("vault_lock_retention",),
    "retention_above_maximum": ("vault_lock_retention",),
    "cold_too_early": ("rule_lifecycle",),
    "default_vault_cross_account": ("default_vault_cross_account",),
}
# Types that AWS Backup manages wholly: their copies may be encrypted with aws/backup. Others are managed where the
# account says so (ResourceTypeManagementPreference), as tables of DynamoDB are.
_FULLY_MANAGED = frozenset(
    {"CloudFormation", "EFS", "S3", "SAP HANA on Amazon EC2", "Timestream", "VirtualMachine", "Aurora DSQL", "EKS"}
)
# AWS Health names services, AWS Backup types. These two stand behind every copy.
_BEHIND_ALL = frozenset({"BACKUP", "KMS"})
_SERVICES = {
    "EBS": {"EBS", "EC2"},
    "EC2": {"EC2", "EBS"},
    "EFS": {"EFS", "ELASTICFILESYSTEM"},
    "FSx": {"FSX"},
    **dict.fromkeys(("RDS", "Aurora", "DocumentDB", "Neptune"), {"RDS"}),
}
_REGION_OFF = frozenset({"InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException"})
_PASSING = ("aws_transient", "aws_fatal")


def blamed(may_be: Told, of_problem: Told) -> dict[str, list[str]]:
    """{kind of a problem: [resources]} that it concerns, and whose messages name its cause or can mean it."""
    found = {}
    for kind, causes in _CAUSES_OF.items():
        named = {name for cause in causes for name in may_be.get(cause, ())}
        found[kind] = sorted(named & set(of_problem.get(kind, ())))
    return found


def region_off(evidence: t.Any) -> dict[str, t.Any] | None:
    """{region, code}: the destination Region does not know credentials that the source Region takes; None else.

    Keys and users of an account hold in all of its Regions but those that are not enabled for it.
    """
    vaults = step(evidence, "vaults")
    refused = [row for row in rows(vaults, "denied") if text(row, "side") == "destination"]
    code = next((found for row in refused if (found := text(row, "code")) in _REGION_OFF), None)
    one_account = value(vaults, "summary", "same_account") is True
    if not code or not one_account or text(vaults, "source", "outcome") != "ok":
        return None
    return {"region": text(vaults, "destination", "region"), "code": code}


def left_out(evidence: t.Any, missing: t.Sequence[str], types: t.Mapping[str, str]) -> list[str]:
    """Resources without a backup though their plan's rule is there, their type opted in, and others are backed up.

    missing: those that were not backed up when they should have been. What is left is the selection, or the resource.
    """
    rules = {(text(row, "plan"), text(row, "rule")) for row in rows(step(evidence, "copy_rules"), "rules")}
    opted_in = value(step(evidence, "copy_rules"), "opt_in", "source")
    lag, jobs, points = (step(evidence, name) for name in ("copy_lag", "copy_jobs", "recovery_points"))
    problems = {text(row, "resource"): text(row, "at") or "" for row in rows(lag, "source_problems")}
    plans = {text(row, "resource"): (text(row, "plan"), text(row, "rule")) for row in rows(jobs, "resources")}
    newest = {text(row, "resource"): text(row, "newest_source_at") or "" for row in rows(points, "resources")}
    return [
        name
        for name in missing
        if plans.get(name) in rules
        and value(opted_in, types.get(name, "")) is True
        and any(
            plans.get(other, (None, None))[0] == plans[name][0] and at > problems.get(name, "")
            for other, at in newest.items()
            if other not in problems
        )
    ]


# ----------------------------------------------------------------------------------------------------------------- keys


def keys_used(evidence: t.Any, types: t.Mapping[str, str], name: str) -> set[str] | None:
    """ARNs of the keys that the source points of a resource are encrypted with; None where that is not known.

    Not every point is asked for: a resource without an answer of its own has the keys of its type.
    """
    points = [
        row
        for row in rows(step(evidence, "copy_job_detail"), "source_points")
        if text(row, "key_arn") or row.get("encrypted") is False
    ]
    own = [row for row in points if text(row, "resource") == name]
    of_type = [row for row in points if name in types and text(row, "type") == types[name]]
    return {arn for row in own or of_type if (arn := text(row, "key_arn"))} if own or of_type else None


def _concerns(evidence: t.Any, types: t.Mapping[str, str], key: Row, name: str) -> bool:
    if "destination_vault" in texts(key, "used_by"):
        return True
    used = keys_used(evidence, types, name)
    if used is None:  # of this resource or type no point was asked for; where none could be, nobody knows whose key it is
        return usable(evidence, "copy_job_detail")
    return text(key, "arn") in used


def key_faults(evidence: t.Any, may_be: Told, types: t.Mapping[str, str]) -> dict[str, dict[str, list[t.Any]]]:
    """{cause: {keys, resources}} of keys that are not as a copy needs them.

    keys: {arn, side, state, principals, statement, place}, those first that have to do with a resource whose messages
    can mean the cause. resources: these. The key of the destination vault is every copy's, one of source points only theirs.
    """
    across = value(step(evidence, "vaults"), "summary", "same_account") is False
    managed = _managed(evidence)
    found: dict[str, dict[str, list[t.Any]]] = {}
    for row in rows(step(evidence, "keys"), "kms_keys"):
        for cause in _faults(row, across):
            entry = found.setdefault(cause, {"keys": [], "resources": []})
            told = [name for name in may_be.get(cause, ()) if _concerns(evidence, types, row, name)]
            if cause == "kms_default_managed_key_dest":
                told = [name for name in told if types.get(name) not in managed]
            fault: dict[str, t.Any] = {name: text(row, name) for name in ("arn", "side", "state")}
            fault.update(principals=refused_by(row), statement=_statement(row), place=_place(text(row, "side")))
            entry["keys"].insert(0 if told and not entry["resources"] else len(entry["keys"]), fault)
            entry["resources"] = sorted({*entry["resources"], *told})
    return found


def _faults(key: Row, across: bool) -> t.Iterator[str]:
    used_by = texts(key, "used_by")
    if key.get("exists") is False:
        yield "kms_missing"
    elif key.get("enabled") is False:
        yield "kms_disabled"
    if refused_by(key):
        yield "kms_key_policy"
    if text(key, "manager") == "AWS":
        if "destination_vault" in used_by and text(key, "aws_managed_for") == "backup":
            yield "kms_default_managed_key_dest"
        if "source_points" in used_by and across:
            yield "kms_default_managed_key_source"


def _place(side: str | None) -> str | None:
    """The flags by which a command reaches the key."""
    return f"--region {{{side}}} --profile {{{side}_profile}}" if side in ("source", "destination") else None


def _managed(evidence: t.Any) -> set[str]:
    preferred = value(step(evidence, "copy_rules"), "opt_in", "managed_source")
    chosen = {name for name, on in preferred.items() if on is True} if isinstance(preferred, dict) else set()
    return {*_FULLY_MANAGED, *chosen}


def _statement(key: Row) -> str | None:
    """The statement of the key's policy that denies, as its policy has it."""
    why = [row for row in rows(key.get("policy"), "why") if text(row, "verdict") == "denied"]
    return next((found for row in why if (found := text(row, "statement"))), None)


def refused_by(key: t.Any) -> list[str]:
    """The principals that need the key, and that neither its policy nor a grant lets do all that a copy needs.

    Whom the policy does not mention may have a grant, so where the grants could not be read only a denial is sure.
    """
    known = text(key, "grants", "outcome") in ("ok", "empty")
    return sorted(name for name, denied in _kept_out(key).items() if denied or known)


def perhaps_refused_by(key: t.Any) -> list[str]:
    """Those whom the policy does not mention, while nobody could read the grants."""
    return sorted(set(_kept_out(key)) - set(refused_by(key)))


def _kept_out(key: t.Any) -> dict[str, bool]:
    """{principal: whether it is denied, not just left out} of those who need the key, as far as policy and grants tell."""
    principals = value(key, "policy", "principals")
    granted = texts(key, "grants", "for_principals")
    found = {}
    for name, actions in principals.items() if isinstance(principals, dict) else ():
        verdicts = {str(verdict) for verdict in actions.values()} if isinstance(actions, dict) else set()
        if "denied" in verdicts or ("not_mentioned" in verdicts and name not in granted):
            found[str(name)] = "denied" in verdicts
    return found


# --------------------------------------------------------------------------------------------------------------- health


def health(evidence: t.Any, may_be: Told, stuck: t.Sequence[str], types: t.Mapping[str, str]) -> dict[str, t.Any]:
    """{events: open issues that can be behind a copy's trouble, resources, others: the rest of what goes on}.

    An event can be the cause of what came after it began, to a resource of a service that it is about, when no copy
    of the type has got through since.
    """
    suspects = {name for cause in _PASSING for name in may_be.get(cause, ())} | set(stuck)
    events: list[Row] = []
    others: list[Row] = []
    touched: set[str] = set()
    for event in rows(step(evidence, "health"), "events"):
        if text(event, "status") == "closed" or text(event, "category") != "issue":
            continue
        hit = {name for name in suspects if _explains(evidence, event, name, name in stuck, types)}
        (events if hit else others).append(event)
        touched |= hit
    return {"events": events, "resources": sorted(touched), "others": others}


def _explains(evidence: t.Any, event: Row, name: str, stuck: bool, types: t.Mapping[str, str]) -> bool:
    began, service = parse_time(text(event, "started_at")), (text(event, "service") or "").upper()
    type_ = types.get(name, "")
    ended = _troubled_at(evidence, name, stuck)
    if began is None or ended is None or began > ended:
        return False
    if service not in _BEHIND_ALL | _SERVICES.get(type_, {type_.upper()}):
        return False
    for row in rows(step(evidence, "copy_jobs"), "resources"):
        good = parse_time(text(row, "last_success_at") or (None if is_failing(row) else text(row, "completed_at")))
        if text(row, "type") == type_ and good and good > began:
            return False
    return True


def _troubled_at(evidence: t.Any, name: str, stuck: bool) -> t.Any:
    """When the newest copy of the resource failed; of one that is stuck, when it was made."""
    jobs = step(evidence, "copy_jobs")
    if stuck:
        made = [text(row, "created_at") for row in rows(jobs, "jobs") if row.get("stuck") is True and _of(row, name)]
        return parse_time(next(iter(made), None))
    ended = [
        text(row, "completed_at") for row in rows(jobs, "resources") if _of(row, name) and is_failing(row)
    ]
    return parse_time(next(iter(ended), None))


def _of(row: Row, name: str) -> bool:
    return text(row, "resource") == name
