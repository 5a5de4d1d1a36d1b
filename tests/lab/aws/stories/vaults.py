# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys ``source_vault``, ``destination_vault`` and ``keys``: vaults with policy and lock; what encrypts them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.aws.stories.jobs import Keys
from lab.aws.stories.kinds import KINDS
from lab.aws.stories.people import ORGANIZATION_ID, service_linked_role
from lab.aws.stories.plan import DEFAULT_ROLE, role_arn
from lab.aws.stories.protect import Entry
from lab.aws.stories.stage import SIDES, Side, Stage, key_type
from lab.aws.stories.words import DAY_S, ago_s, as_list, hex_of, moment, one_of, only, uuid_of
from lab.aws.world import Row
from lab.clock import seconds

_VAULT = {"policy", "key", "lock", "state", "absent", "points", "type", "created", "notifications"}
_KEY = {"state", "manager", "without", "deny", "policy", "grants", "deletion", "created", "alias"}
_POLICIES = ("none", "organization", "other_organization", "account", "deny")
_KEY_STATES = ("Enabled", "Disabled", "PendingDeletion", "PendingImport", "Unavailable")
_TYPES = {"standard": "BACKUP_VAULT", "air_gapped": "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"}
_USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
_GRANTED = ["Decrypt", "DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"]
_ALIASES = {
    ("source", "backup"): "alias/backup",
    ("source", "data"): "alias/data",
    ("destination", "backup"): "alias/backup-dr",
}
_OWNED = "arn:aws:kms:{region}:000000000000:key/{id}"


def principals(stage: Stage) -> dict[str, str]:
    """Return what a key's policy can admit, by the name that stories use."""
    return {
        "source_role": role_arn(stage.source.account, DEFAULT_ROLE),
        "source_service_linked_role": service_linked_role(stage.source.account),
        "destination_service_linked_role": service_linked_role(stage.destination.account),
    }


def write_keys(stage: Stage, entries: list[Entry]) -> Keys:
    """Write the keys of both sides; return those that vaults and resources use."""
    described = only(stage.raw.get("keys"), SIDES, "keys")
    for name in SIDES:
        known = {alias[1] for alias in _ALIASES if alias[0] == name}
        described[name] = only(described.get(name), known, f"keys.{name}")
    arns: dict[tuple[str, str], str] = {}
    unmanaged = any(not KINDS[kind].managed for entry in entries for kind in _kinds(entry))
    for side_name, key_name in _ALIASES:
        if key_name == "data" and not unmanaged:
            continue
        side = stage.side(side_name)
        raw = described[side_name].get(key_name, {})
        arns[side_name, key_name] = _write_key(stage, side, key_name, raw)
    vault_keys = {name: _vault_key(stage, stage.side(name), arns[name, "backup"]) for name in SIDES}
    return Keys(vault_keys["source"], vault_keys["destination"], arns.get(("source", "data"), vault_keys["source"]))


def _kinds(entry: Entry) -> list[str]:
    return [entry.kind, *(member["type"] for member in entry.members)]


def _vault_key(stage: Stage, side: Side, own: str) -> str:
    """Return the key of a side's vault: its own, the managed key of a service, or one that AWS owns."""
    chosen = (stage.raw.get(f"{side.name}_vault") or {}).get("key", "backup")
    if (stage.raw.get(f"{side.name}_vault") or {}).get("type") == "air_gapped":
        chosen = "aws-owned"
    if chosen == "backup":
        return own
    if chosen == "aws-owned":
        return _OWNED.format(region=side.region, id=uuid_of("owned key", side.region))
    return _managed_key(stage, side, str(chosen))


def _managed_key(stage: Stage, side: Side, alias: str) -> str:
    """Write the managed key of a service (``aws/ebs``), whose policy nobody can change; return its ARN."""
    if not alias.startswith("aws/"):
        raise ValueError(f"{side.name}_vault.key is {alias!r}: use backup, aws-owned, or a managed one (aws/backup).")
    arn = f"arn:aws:kms:{side.region}:{side.account}:key/{uuid_of('key', side.region, side.account, alias)}"
    if side.place.row("keys", Arn=arn) is None:
        policy = {
            "Version": "2012-10-17",
            "Id": f"auto-{alias.partition('/')[2]}-1",
            "Statement": [
                {
                    "Sid": f"Allow access through {alias.partition('/')[2]} for all principals in the account",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [*_USE, "kms:CreateGrant"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"kms:CallerAccount": side.account}},
                },
                {
                    "Sid": "Allow direct access to key metadata to the account",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{side.account}:root"},
                    "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                    "Resource": "*",
                },
            ],
        }
        created = moment(stage.now - 400 * DAY_S)
        side.add("keys", [_key_row(side, arn, "AWS", "Enabled", created, policy, [f"alias/{alias}"], [])])
    return arn


def _write_key(stage: Stage, side: Side, name: str, raw: Any) -> str:
    if isinstance(raw, str):
        return _managed_key(stage, side, raw)
    where = f"keys.{side.name}.{name}"
    keys = only(raw, _KEY, where)
    state = one_of(keys.get("state", "Enabled"), _KEY_STATES, f"{where}.state")
    alias = str(keys.get("alias", _ALIASES[side.name, name]))
    arn = f"arn:aws:kms:{side.region}:{side.account}:key/{uuid_of('key', side.region, side.account, alias)}"
    created = stage.now - ago_s(keys.get("created", "300d"))
    policy = keys.get("policy") or _key_policy(stage, side, name, keys, where)
    grants = [] if keys.get("grants") is False else _grants(stage, side, arn, created)
    row = _key_row(side, arn, "CUSTOMER", state, moment(created), policy, [alias], grants)
    if state == "PendingDeletion":
        row["DeletionDate"] = moment(stage.now + seconds(keys.get("deletion", "7d")))
    side.add("keys", [row])
    return arn


def _key_row(
    side: Side,
    arn: str,
    manager: str,
    state: str,
    created: Any,
    policy: Mapping[str, Any],
    aliases: list[str],
    grants: list[Row],
) -> Row:
    return {
        "AWSAccountId": side.account,
        "KeyId": arn.rpartition("/")[2],
        "Arn": arn,
        "CreationDate": created,
        "Enabled": state == "Enabled",
        "Description": aliases[0].partition("/")[2],
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": state,
        "Origin": "AWS_KMS",
        "KeyManager": manager,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
        "_policy": json.dumps(policy),
        "_grants": grants,
        "_aliases": aliases,
    }


def _key_policy(stage: Stage, side: Side, name: str, keys: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a policy that lets AWS Backup copy, but for the principals that the story leaves out."""
    known = principals(stage)
    for missing in as_list(keys.get("without")):
        one_of(missing, known, f"{where}.without")
    admitted = {known[who] for who in known if who not in as_list(keys.get("without"))}
    arns = sorted(admitted)
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Enable IAM policies",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{side.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if arns:
        statements += [
            {"Sid": "Use of the key", "Effect": "Allow", "Principal": {"AWS": arns}, "Action": _USE, "Resource": "*"},
            {
                "Sid": "Grants for AWS resources",
                "Effect": "Allow",
                "Principal": {"AWS": arns},
                "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
                "Resource": "*",
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
        ]
    if keys.get("deny"):
        denied = {"Effect": "Deny", "Principal": "*", "Action": as_list(keys["deny"]), "Resource": "*"}
        statements.append({"Sid": "Guard", **denied})
    return {"Version": "2012-10-17", "Id": f"{name}-key", "Statement": statements}


def _grants(stage: Stage, side: Side, arn: str, created: float) -> list[Row]:
    return [
        {
            "KeyId": arn,
            "GrantId": hex_of(64, "grant", arn),
            "Name": "",
            "CreationDate": moment(created + 3600),
            "GranteePrincipal": service_linked_role(side.account),
            "RetiringPrincipal": service_linked_role(side.account),
            "IssuingAccount": f"arn:aws:iam::{side.account}:root",
            "Operations": _GRANTED,
        }
    ]


# -------------------------------------------------------------------------------------------------------------- vaults
def read_vault(stage: Stage, name: str) -> dict[str, Any]:
    """Return how the story describes the vault of a side, checked."""
    where = f"{name}_vault"
    keys = only(stage.raw.get(where), _VAULT, where)
    one_of(keys.get("type", "standard"), _TYPES, f"{where}.type")
    keys["lock"] = only(keys.get("lock"), {"min", "max", "date"}, f"{where}.lock")
    return keys


def note_destination(stage: Stage) -> None:
    """Note on the stage what the jobs must know of the destination's vault, and how a missing vault is answered."""
    for name in SIDES:
        absent = read_vault(stage, name).get("absent", False)
        known = ("False", "True", "access_denied", "not_found")
        if one_of(str(absent), known, f"{name}_vault.absent") == "not_found":
            stage.side(name).place.settings["missing_vault"] = "not_found"
    raw = read_vault(stage, "destination")
    stage.destination_type = _TYPES[raw.get("type", "standard")]
    stage.destination_absent = bool(raw.get("absent"))


def write_vaults(stage: Stage, keys: Keys) -> None:
    """Write the two vaults and, beside each, the vault ``Default`` that every account in use has."""
    for name, key in (("source", keys.source), ("destination", keys.destination)):
        side, raw = stage.side(name), read_vault(stage, name)
        default_key = _managed_key(stage, side, "aws/backup")
        side.add("vaults", [_vault_row(stage, side, {}, default_key, "Default")])
        if not raw.get("absent"):
            side.add("vaults", [_vault_row(stage, side, raw, key, side.vault)])


def _vault_row(stage: Stage, side: Side, raw: dict[str, Any], key: str, name: str) -> Row:
    arn = f"arn:aws:backup:{side.region}:{side.account}:backup-vault:{name}"
    held = sum(1 for dummy in side.place.matching("recovery_points", BackupVaultName=name))
    lock = raw.get("lock") or {}
    row: Row = {
        "BackupVaultName": name,
        "BackupVaultArn": arn,
        "VaultType": _TYPES[raw.get("type", "standard")],
        "VaultState": raw.get("state", "AVAILABLE"),
        "EncryptionKeyArn": key,
        "EncryptionKeyType": key_type(key),
        "CreationDate": moment(stage.now - ago_s(raw.get("created", "300d"))),
        "CreatorRequestId": uuid_of("creator", arn),
        "NumberOfRecoveryPoints": int(raw.get("points", held)),
        "Locked": bool(lock),
        "_policy": _vault_policy(stage, side, raw, arn) if raw or name == side.vault else None,
        "_notifications": _notifications(raw, name, arn),
    }
    for key_name, member in (("min", "MinRetentionDays"), ("max", "MaxRetentionDays")):
        if key_name in lock:
            row[member] = int(lock[key_name])
    if "date" in lock:  # in the past: immutable; in the future: still to be undone
        row["LockDate"] = moment(stage.now + seconds(lock["date"]))
    return row


def _vault_policy(stage: Stage, side: Side, raw: dict[str, Any], arn: str) -> str | None:
    """Return the access policy of a vault as text, None without one: an account's own copies need none."""
    default = "organization" if side.name == "destination" and stage.cross_account else "none"
    chosen = raw.get("policy", default)
    if isinstance(chosen, Mapping):
        return json.dumps(chosen)
    one_of(chosen, _POLICIES, f"{side.name}_vault.policy")
    if chosen == "none":
        return None
    allow: dict[str, Any] = {"Sid": "CopyInto", "Effect": "Allow", "Principal": "*", "Resource": "*"}
    allow["Action"] = "backup:CopyIntoBackupVault"
    if chosen == "deny":
        allow["Effect"] = "Deny"
    elif chosen == "account":
        allow["Principal"] = {"AWS": f"arn:aws:iam::{stage.source.account}:root"}
    else:
        organization = ORGANIZATION_ID if chosen == "organization" else "o-zzzz0000zz"
        allow["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": organization}}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _notifications(raw: dict[str, Any], name: str, arn: str) -> Row | None:
    keys = only(raw.get("notifications"), {"topic", "events"}, f"vault {name}: notifications")
    if not keys:
        return None
    return {
        "BackupVaultName": name,
        "BackupVaultArn": arn,
        "SNSTopicArn": str(keys["topic"]),
        "BackupVaultEvents": as_list(keys.get("events", ["COPY_JOB_FAILED"])),
    }
