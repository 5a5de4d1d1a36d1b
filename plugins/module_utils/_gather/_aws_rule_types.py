# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Copies that cannot be: of types that AWS Backup does not copy or shall leave alone, and by roles that may not."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import vault_arn
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_policy import Decision
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_roles import (
    COPY_FROM,
    COPY_INTO,
    Role,
    actions_for,
    decide,
    trusts_backup,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_rule_problems import Known, problem

# Every Region that is not among these must be enabled by the account first; AWS adds no more to them.
_ALWAYS_ENABLED = frozenset(
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 "
    "eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 "
    "ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2".split()
)
_NEVER_COPIED = frozenset({"Redshift", "Redshift Serverless"})
_NOT_TO_OPT_IN_REGIONS = frozenset({"DocumentDB", "FSx"})
_NOT_BETWEEN_ACCOUNTS_THERE = frozenset({"CloudFormation", "Neptune", "Timestream"})

Json = t.Dict[str, t.Any]


def find_type_problems(known: Known) -> list[Json]:
    """Of the types that the pair is about."""
    return [*_opted_out(known), *_not_managed(known), *_unsupported(known)]


def _opted_out(known: Known) -> t.Iterator[Json]:
    failing = known.jobs.failing if known.jobs else set()
    copied = known.jobs.copied if known.jobs else set()
    # Clusters, whose ARNs do not tell Aurora from DocumentDB and Neptune, must be opted in even where they are named.
    named = {kind for plan in known.here for kind in plan.types}
    for side, settings in known.opt_in.items():
        # At the source AWS Backup passes over what is opted out, but for what a selection names outright. At the
        # destination it may stop a copy; where copies arrive it evidently does not.
        spared = named if side == "source" else copied - failing
        out = {kind for kind in known.types() - spared if (settings or {}).get(kind) is False}
        if out:
            region = known.pair.source_region if side == "source" else known.pair.destination_region
            yield problem(
                "opted_out",
                f"AWS Backup is not opted in for {', '.join(sorted(out))} in {region}, so it passes over "
                f"{'what a plan does not name outright' if side == 'source' else 'resources of these types'}.",
                side=side,
                types=out,
                path="ResourceTypeOptInPreference",
                expected=True,
                actual=False,
            )


def _not_managed(known: Known) -> t.Iterator[Json]:
    copied = known.jobs.copied - known.jobs.failing if known.jobs else set()
    if "DynamoDB" in known.types() - copied and (known.managed or {}).get("DynamoDB") is False:
        yield problem(
            "not_managed",
            "DynamoDB without AWS Backup's advanced features cannot be copied to another Region or account.",
            types=["DynamoDB"],
            path="ResourceTypeManagementPreference.DynamoDB",
            expected=True,
            actual=False,
        )


def _unsupported(known: Known) -> t.Iterator[Json]:
    """What a copy arrived of is supported, whatever the documents said when this was written."""
    copied = known.jobs.copied if known.jobs else set()
    left = known.types() - copied
    regions = [known.pair.source_region, known.pair.destination_region]
    china = all(region.startswith("cn-") for region in regions)
    opt_in = [region for region in regions if "-gov-" not in region and not region.startswith("cn-")]
    opt_in = [region for region in opt_in if region not in _ALWAYS_ENABLED]
    crosses = known.same_account is False
    rules: list[tuple[frozenset[str] | set[str], bool, str]] = [
        (_NEVER_COPIED, True, "AWS Backup does not copy backups of {types}."),
        (
            _NOT_TO_OPT_IN_REGIONS,
            bool(opt_in),
            f"AWS Backup does not copy {{types}} from or to a Region that must be enabled first ({', '.join(opt_in)}).",
        ),
        (
            _NOT_BETWEEN_ACCOUNTS_THERE,
            bool(opt_in) and crosses,
            f"AWS Backup does not copy {{types}} between accounts where a Region must be enabled first "
            f"({', '.join(opt_in)}).",
        ),
        (left, china and crosses, "AWS Backup does not copy between accounts in the Regions of China ({types})."),
    ]
    for kinds, holds, message in rules:
        types = left & kinds if holds else set()
        if types:
            yield problem(
                "unsupported_type",
                message.format(types=", ".join(sorted(types))),
                types=types,
                path="CopyActions[].DestinationBackupVaultArn",
                expected="a type and Regions between which AWS Backup copies",
                actual=" to ".join(regions),
            )
    if known.jobs and known.jobs.clusters and "RDS" not in copied:
        yield problem(
            "unsupported_type",
            "AWS Backup does not copy backups of Multi-AZ clusters of RDS; those of Multi-AZ instances it does.",
            types=["RDS"],
            resources=known.jobs.clusters.values(),
            path="CopyActions[].DestinationBackupVaultArn",
            expected="instances, or Aurora",
            actual="Multi-AZ clusters",
        )


# ------------------------------------------------------------------------------------------------------------ roles


def judge_role(known: Known, role: Role) -> tuple[Json, list[Json], list[tuple[str, ReadFailed]]]:
    """(row of `roles`, its problems, documents that are no JSON)."""
    unreadable: list[tuple[str, ReadFailed]] = []
    trusts: bool | None = None
    decisions: dict[str, Decision | None] = {}
    try:
        trusts = trusts_backup(role, known.source_account)
    except ReadFailed as failure:
        unreadable.append((f"trust policy of role {role.name}", failure))
    actions = actions_for(_types(known, role))
    try:
        decisions = {action: decide(role, action, _resource(known, action)) for action in actions}
    except ReadFailed as failure:
        unreadable.append((f"policies of role {role.name}", failure))
    row = {
        "role": role.name,
        "arn": role.arn,
        "exists": role.exists,
        "trusts_backup": trusts,
        "managed_policies": role.managed or [],
        "backup_policy": role.backup_policy,
        "actions": {action: decision.verdict if decision else None for action, decision in decisions.items()},
        "boundary": role.boundary,
    }
    return row, list(_role_problems(known, role, trusts, decisions)), unreadable


def _types(known: Known, role: Role) -> set[str]:
    """Types that the role copies."""
    named = {kind for plan in known.here if role.arn in plan.roles for kind in plan.types}
    return named | (known.jobs.types_by_role.get(role.arn, set()) if known.jobs else set())


def _resource(known: Known, action: str) -> str | None:
    pair = known.pair
    if action == COPY_INTO:
        return pair.destination_arn
    if action == COPY_FROM and known.source_account and pair.destination_arn:
        partition = pair.destination_arn.split(":")[1]
        return vault_arn(partition, pair.source_region, known.source_account, pair.source_vault)
    return None


def _role_problems(
    known: Known, role: Role, trusts: bool | None, decisions: dict[str, Decision | None]
) -> t.Iterator[Json]:
    if role.exists is False:
        yield problem(
            "role_missing",
            f"The role {role.arn}, with which AWS Backup is told to copy, does not exist.",
            role=role.name,
            path="IamRoleArn",
            expected=role.arn,
        )
        return
    if trusts is False:
        yield problem(
            "role_not_trusting",
            f"The role {role.name} does not trust AWS Backup, which cannot assume it.",
            role=role.name,
            path="AssumeRolePolicyDocument",
            expected="backup.amazonaws.com",
            actual=role.trust,
        )
    told = {action: decision for action, decision in decisions.items() if decision}
    lacking = {action: decision for action, decision in told.items() if _is_lacking(known, action, decision)}
    if lacking:
        said = "; ".join(
            f"{action} is denied by {decision.statement}" if decision.deny else f"nothing allows {action}"
            for action, decision in lacking.items()
        )
        yield problem(
            "role_not_allowed",
            f"The role {role.name} may not do what its copies need: {said}.",
            role=role.name,
            types=_types(known, role),
            path="policies",
            expected=dict.fromkeys(lacking, "allowed"),
            actual={action: decision.verdict for action, decision in lacking.items()},
        )


def _is_lacking(known: Known, action: str, decision: Decision) -> bool:
    """Whether the copies must fail by it.

    Between accounts the destination's own role calls the service that owns the resource. Older roles do without
    CopyFromBackupVault, so there only a Deny counts.
    """
    if decision.verdict == "denied":
        return True
    needed = action == COPY_INTO or (action != COPY_FROM and known.same_account is True)
    return decision.verdict == "not_mentioned" and needed
