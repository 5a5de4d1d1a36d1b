# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: the reader and its role, the roles of AWS Backup, the organization; settings and quotas."""

from __future__ import annotations

import copy as copying
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.aws.stories.kinds import KINDS
from lab.aws.stories.plan import DEFAULT_ROLE, Plan, role_arn
from lab.aws.stories.stage import MANAGEMENT_ACCOUNT, SIDES, Side, Stage
from lab.aws.stories.words import as_list, one_of, only
from lab.aws.world import Identity

ORGANIZATION_ID = "o-a1b2c3d4e5"
READER_KEY = "AKIALABREADER0000001"
READER_SECRET = "lab/reader/secret/key/of/forty/characters"
READER_ROLE = "backup-sync-reader"
_CREDENTIALS = ("good", "expired", "unknown", "wrong_secret")
_ROLE = ("assumable", "not_assumable", "absent")
_POLICY_TYPES = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")
_BACKUP_SERVICE = {"Service": "backup.amazonaws.com"}

# What the collection ships for whoever runs it: the lab's reader has exactly that.
_POLICIES = Path(__file__).resolve().parents[4] / "roles" / "region_sync" / "files"
_SERVICE_ROLE = (
    "backup:CopyIntoBackupVault backup:CopyFromBackupVault backup:DescribeBackupVault ec2:CopySnapshot ec2:CopyImage "
    "ec2:CreateSnapshot ec2:CreateTags ec2:DescribeSnapshots ec2:DescribeTags rds:CopyDBSnapshot "
    "rds:CopyDBClusterSnapshot rds:CreateDBSnapshot rds:DeleteDBSnapshot rds:DescribeDBSnapshots "
    "elasticfilesystem:Backup dynamodb:StartAwsBackupJob fsx:CopyBackup fsx:CreateBackup s3:GetObject "
    "s3:GetObjectVersion s3:ListBucketVersions s3:GetBucketVersioning "
    "kms:CreateGrant kms:Decrypt kms:DescribeKey kms:GenerateDataKey* kms:ReEncrypt* tag:GetResources"
).split()


def service_linked_role(account: str) -> str:
    """Return the role that writes into an account's vaults."""
    return f"arn:aws:iam::{account}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"


def reader_policy(side: str, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the shipped policy of a side, but for some actions."""
    document: dict[str, Any] = json.loads((_POLICIES / f"policy_{side}.json").read_text(encoding="utf-8"))
    statements = [{**row, "Action": _left(row["Action"], without)} for row in document["Statement"]]
    return {**document, "Statement": [row for row in statements if row["Action"]]}


def _left(actions: Sequence[str], without: Sequence[str]) -> list[str]:
    return [action for action in actions if not _struck(action, without)]


def _struck(action: str, names: Sequence[str]) -> bool:
    """Tell whether an action is among the names; ``health:*`` names all of a service."""
    service = action.partition(":")[0]
    return action in names or f"{service}:*" in names


def _denied(side: Side) -> list[str]:
    known = [action for name in SIDES for row in reader_policy(name)["Statement"] for action in row["Action"]]
    names = [str(name) for name in as_list(side.raw.get("deny"))]
    for name in names:
        if not any(_struck(action, [name]) for action in known):
            raise ValueError(f"{side.name}.deny: the reader has no action {name!r} that could be taken away.")
    return names


def write_reader(stage: Stage) -> None:
    """Write the user ``reader`` of the source account and, with two accounts, the role that it assumes in the other.

    What a side denies is taken from that side's account; where both sides are one account and only one of them denies,
    it is an explicit Deny for that Region.
    """
    source, destination = stage.sides()
    one, other = _denied(source), _denied(destination)
    account = source.account
    user = f"arn:aws:iam::{account}:user/reader"
    if stage.cross_account:
        policies = [reader_policy("source", one)]
        _write_reader_role(stage, user, other)
    else:
        both = [name for name in one if name in other]
        policies = [reader_policy(name, both) for name in SIDES]
        for side, names in ((source, one), (destination, other)):
            rest = [name for name in names if name not in both]
            if rest:
                policies.append(_deny_in(side.region, rest))
    credentials = one_of(source.raw.get("credentials", "good"), _CREDENTIALS, "source.credentials")
    if credentials == "unknown":
        return
    secret = READER_SECRET if credentials != "wrong_secret" else READER_SECRET[::-1]
    expired = credentials == "expired"
    stage.world.identities[reader_key(stage)] = Identity(
        secret, reader_token(stage), account, user, policies, stage.now - 3600 if expired else None
    )


def reader_key(stage: Stage) -> str:
    """Return the reader's access key id; temporary ones begin otherwise."""
    return READER_KEY.replace("AKIA", "ASIA") if stage.source.raw.get("credentials") == "expired" else READER_KEY


def reader_token(stage: Stage) -> str | None:
    """Return the session token of the reader, None with long-lived keys: only temporary credentials expire."""
    return "lab-session-token" if stage.source.raw.get("credentials") == "expired" else None


def reader_role(stage: Stage) -> str | None:
    """Return the ARN of the role to assume for the destination, None where both sides are one account."""
    return f"arn:aws:iam::{stage.destination.account}:role/{READER_ROLE}" if stage.cross_account else None


def _deny_in(region: str, names: list[str]) -> dict[str, Any]:
    only_there = {"StringEquals": {"aws:RequestedRegion": region}}
    statement = {"Effect": "Deny", "Action": names, "Resource": "*", "Condition": only_there}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _write_reader_role(stage: Stage, user: str, denied: list[str]) -> None:
    side = stage.destination
    state = one_of(side.raw.get("role", "assumable"), _ROLE, "destination.role")
    if state == "absent":
        return
    trusted = user if state == "assumable" else f"arn:aws:iam::{side.account}:user/somebody-else"
    policies = {"read": reader_policy("destination", denied)}
    _write_role(stage, side.account, f"arn:aws:iam::{side.account}:role/{READER_ROLE}", {"AWS": trusted}, policies)


def _write_role(stage: Stage, account: str, arn: str, trusted: Any, policies: dict[str, Any], **attached: Any) -> None:
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    stage.world.roles.append(
        {
            "RoleName": arn.rpartition("/")[2],
            "Arn": arn,
            "account": account,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "policies": policies,
            "attached": attached.get("attached", {}),
        }
    )


def write_service_roles(stage: Stage, plan: Plan) -> None:
    """Write the roles that back up and copy, and the service-linked role of each account."""
    raw = stage.raw.get("roles") or {}
    used = {plan.role_arn(entry).rpartition("/")[2] for entry in plan.entries} | {DEFAULT_ROLE} | set(raw)
    account = stage.source.account
    for name in sorted(used):
        keys = only(raw.get(name), {"trust", "without", "deny", "absent"}, f"roles.{name}")
        if not keys.get("absent"):
            _write_service_role(stage, account, name, keys)
    for owner in stage.accounts():
        trusted = {"Service": "backup.amazonaws.com"}
        _write_role(stage, owner, service_linked_role(owner), trusted, {})


def _write_service_role(stage: Stage, account: str, name: str, keys: dict[str, Any]) -> None:
    without = [str(action) for action in as_list(keys.get("without"))]
    for action in without:
        if action not in _SERVICE_ROLE:
            raise ValueError(f"roles.{name}.without: the role has no action {action!r} that could be taken away.")
    allowed = _left(_SERVICE_ROLE, without)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    inline = {}
    if keys.get("deny"):
        statement = {"Effect": "Deny", "Action": as_list(keys["deny"]), "Resource": "*"}
        inline["guard"] = {"Version": "2012-10-17", "Statement": [statement]}
    # A role whose managed policy was trimmed has a policy of the customer in its place.
    managed = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    policy_arn = f"arn:aws:iam::{account}:policy/{name}-policy" if without else managed
    trusted = {"Service": keys["trust"]} if "trust" in keys else _BACKUP_SERVICE
    _write_role(stage, account, role_arn(account, name), trusted, inline, attached={policy_arn: document})


def write_organization(stage: Stage) -> None:
    """Write the organization: by default all accounts of the story are in one, with cross-account backup enabled."""
    raw = stage.raw.get("organization", {})
    if raw == "none":
        return
    keys = only(raw, {"members", "cross_account_backup", "policies"}, "organization")
    names = as_list(keys.get("members", SIDES))
    for name in names:
        one_of(name, SIDES, "organization.members")
    members = sorted({stage.side(name).account for name in names})
    stage.world.organization.update(
        {
            "Id": ORGANIZATION_ID,
            "accounts": [MANAGEMENT_ACCOUNT, *members],
            "management": MANAGEMENT_ACCOUNT,
            "cross_account_backup": bool(keys.get("cross_account_backup", True)),
            "policies": [_policy(stage, number, policy) for number, policy in enumerate(as_list(keys.get("policies")))],
        }
    )


def _policy(stage: Stage, number: int, raw: Any) -> dict[str, Any]:
    where = f"organization.policies[{number}]"
    keys = only(raw, {"name", "type", "deny", "condition", "sides"}, where)
    kind = one_of(keys.get("type", _POLICY_TYPES[0]), _POLICY_TYPES, where)
    statement: dict[str, Any] = {"Effect": "Deny", "Action": as_list(keys["deny"]), "Resource": "*"}
    if kind == "RESOURCE_CONTROL_POLICY":
        statement["Principal"] = "*"
    if keys.get("condition"):
        statement["Condition"] = copying.deepcopy(keys["condition"])
    short = "service_control_policy" if kind == "SERVICE_CONTROL_POLICY" else "resource_control_policy"
    identifier = f"p-lab{number:05d}"
    return {
        "PolicySummary": {
            "Id": identifier,
            "Arn": f"arn:aws:organizations::{MANAGEMENT_ACCOUNT}:policy/{ORGANIZATION_ID}/{short}/{identifier}",
            "Name": str(keys.get("name", f"guard-{number}")),
            "Description": "",
            "Type": kind,
            "AwsManaged": False,
        },
        "Content": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        "_targets": sorted({stage.side(name).account for name in as_list(keys.get("sides", SIDES))}),
    }


def write_settings(stage: Stage) -> None:
    """Write what is one per place: opted-in types, whether the Region is on and reachable, quotas."""
    for side in stage.sides():
        raw = only(side.raw.get("region_settings"), {"opt_in", "management"}, f"{side.name}.region_settings")
        opted = {kind: True for kind in KINDS}
        managed = {"DynamoDB": True, "EFS": True}
        for kind, value in (raw.get("opt_in") or {}).items():
            opted[one_of(kind, KINDS, f"{side.name}.region_settings.opt_in")] = bool(value)
        for kind, value in (raw.get("management") or {}).items():
            managed[one_of(kind, managed, f"{side.name}.region_settings.management")] = bool(value)
        side.place.settings["region_settings"] = {
            "ResourceTypeOptInPreference": opted,
            "ResourceTypeManagementPreference": managed,
        }
        if side.raw.get("unreachable"):
            side.place.settings["unreachable"] = True
        if side.raw.get("enabled", True) is False:
            side.place.settings["enabled"] = False
        side.add("quotas", _quotas(side))


def _quotas(side: Side) -> list[dict[str, Any]]:
    known = (("L-514878B6", "Recovery points per backup vault", 1_000_000.0), ("L-7705D2CB", "Backup vaults", 300.0))
    return [
        {
            "ServiceCode": "backup",
            "ServiceName": "AWS Backup",
            "QuotaArn": f"arn:aws:servicequotas:{side.region}:{side.account}:backup/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": value,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
        for code, name, value in known
    ]
