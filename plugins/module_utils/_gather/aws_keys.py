# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Of the region runbook, where the rest is inconclusive: whether a copy may use the keys that it needs.

A copy reads with the key of its source point and writes with the key of the destination vault. The role of the copy has
to be let in by both. Between accounts the destination's own service-linked role does the writing, so that the key of
the source has to let that in too. A key tells its state and its grants to other accounts, but its policy only at home.
"""

from __future__ import annotations

import itertools
import json
import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws, _aws_policy
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_policy import Decision, OneOf
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "keys"
ACTIONS = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
_MOST_KEYS = 5  # source keys, and roles
_GRANTS = 100  # a page; only grants to the principals that are asked for are read
_MOST_GRANTS = 1000  # of a principal that are counted: one is enough to know that it has some
_LINKED_ROLE = "role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
_KEY_ARN = re.compile(r"arn:[\w-]+:kms:[a-z0-9-]+:\d{12}:(?:key|alias)/[\w/-]+")
_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+")
# Through which a copy reaches a key: AWS Backup itself, or the service that owns what is copied.
_VIA = tuple("backup ec2 rds elasticfilesystem fsx dynamodb s3 storagegateway redshift timestream".split())

Json = t.Dict[str, t.Any]


class _Principal(t.NamedTuple):
    """Who needs a key."""

    name: str
    arns: tuple[str, ...]  # empty: a role that is not known, of the account
    account: str
    organization: str | None


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read the source keys and the destination vault's key: state, policy and grants.

    Raises BadParameter when source_keys or copy_roles are no ARNs of keys and roles.
    """
    dummy, vault = _aws.vault_names(params)
    source_keys = _arns(params, "source_keys", _KEY_ARN, "a KMS key")
    roles = _arns(params, "copy_roles", _ROLE_ARN, "an IAM role")
    rows = rows_parameter(params)
    try:
        accounts = {"source": clients.aws_source, "destination": clients.aws_destination}
        query = _aws.connected_sides(params, clients)
    except ReadFailed as absent:
        return Gathered(failed(NAME, _aws.named_sides(params), absent))
    vaults, unread = params.get("vaults_feed"), None
    if not vaults:
        vaults, unread = _read_vaults(accounts, vault, roles)
    keys = _keys(source_keys[:_MOST_KEYS], accounts, vaults)
    for key in keys:
        key.principals = _principals(key, roles[:_MOST_KEYS], accounts["source"].partition, vaults)
    _read(keys, check_access=params.get("check_access") is not False)
    shown = sorted((key.row() for key in keys), key=_severity, reverse=True)
    failure = _failure(keys, unread)
    return Gathered(
        evidence(
            NAME,
            outcome=failure.outcome if failure else "ok" if keys else "empty",
            query=query,
            observed_at=rfc3339(accounts["source"].now()),
            clock=accounts["source"].clock.as_evidence(),
            summary=_summary(shown),
            rows={"kms_keys": (shown[:rows], len(keys) + len(source_keys[_MOST_KEYS:]))},
            error=failure.as_error() if failure else None,
            denied=_denied(keys, unread),
        )
    )


def _arns(params: Params, option: str, form: re.Pattern[str], what: str) -> list[str]:
    given = list(dict.fromkeys(str(item) for item in params.get(option) or []))
    for item in given:
        if not form.fullmatch(item):
            raise BadParameter(f"{option}: {item[:120]!r} is no ARN of {what}; give the whole ARN.")
    return given


def _read_vaults(accounts: dict[str, t.Any], vault: str, roles: list[str]) -> tuple[Json, ReadFailed | None]:
    """What the vaults step would have handed over, as far as it is needed here, and why there is no vault in it."""
    reads: dict[str, _aws.Read] = {"destination": lambda: _aws.describe_vault(accounts["destination"], vault)}
    if not roles:
        reads["source"] = lambda: _aws.caller(accounts["source"])
    answers = _aws.side_by_side(reads)
    found, failure = answers["destination"]
    row = found or {}
    parts = _aws.arn(row.get("BackupVaultArn"))
    return {
        "destination_key_arn": row.get("EncryptionKeyArn"),
        "destination_account": parts.account if parts else None,
        "source_account": roles[0].split(":", 5)[4] if roles else answers["source"][0],
    }, failure


# ------------------------------------------------------------------------------------------------------------- keys


class _Key:
    """One key, as its answers come in."""

    def __init__(self, side: str, account: t.Any, arn: str, region: str, regions: t.Iterable[str]) -> None:
        self.side = side
        self.account = account
        self.arn = arn
        self.used_by: list[str] = []
        self.principals: list[_Principal] = []
        self.readable = region == account.region  # a key answers in its own Region only
        self.at_home: bool | None = None  # whether the side's own account owns it
        domain = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
        self.via = OneOf(f"{service}.{name}.{domain}" for name in regions for service in _VIA)
        self.about: Json = {}
        self.exists: bool | None = None
        self.failure: ReadFailed | None = None
        self.aliases: list[str] = []
        self.policy: Json = {"outcome": "not_applicable", "principals": {}, "why": []}
        self.grants: Json = {"outcome": "not_applicable", "count": None, "for_principals": []}
        self.denied: list[Json] = []

    def note(self, what: str, failure: ReadFailed) -> None:
        """Keep a refused read; of a key that is gone nothing else can be told."""
        if self.exists is not False:
            self.denied.append(_aws.denied_on(self.side, f"{what} {self.arn}", failure))

    def row(self) -> Json:
        """The row of the evidence."""
        manager = self.about.get("KeyManager")
        owners = [name[len("alias/aws/") :] for name in self.aliases if name.startswith("alias/aws/")]
        return {
            "side": self.side,
            "used_by": self.used_by,
            "arn": self.arn,
            "outcome": self.failure.outcome if self.failure else "ok" if self.readable else "not_applicable",
            "exists": self.exists,
            "state": self.about.get("KeyState"),
            "enabled": self.about.get("Enabled"),
            "manager": manager,
            "aliases": self.aliases,
            "aws_managed_for": owners[0] if owners else None,
            "policy": self.policy,
            "grants": self.grants,
        }


def _keys(source_keys: list[str], accounts: dict[str, t.Any], vaults: Json) -> list[_Key]:
    """Each key once, though it may serve both sides."""
    wanted = [("source", "source_points", arn) for arn in source_keys]
    if vaults.get("destination_key_arn"):
        wanted.append(("destination", "destination_vault", str(vaults["destination_key_arn"])))
    regions = list(dict.fromkeys(account.region for account in accounts.values()))
    found: dict[str, _Key] = {}
    for side, use, arn in wanted:
        parts = _aws.arn(arn)
        if parts and arn not in found:
            key = found[arn] = _Key(side, accounts[side], arn, parts.region, regions)
            owner = vaults.get(f"{side}_account")
            key.at_home = parts.account == owner if owner else None
        if parts:
            found[arn].used_by.append(use)
    return list(found.values())


def _principals(key: _Key, roles: list[str], partition: str, vaults: Json) -> list[_Principal]:
    """Who needs this key: the copy's role and, to read in another account, the destination's service-linked role."""
    organizations = {vaults.get(f"{side}_account"): vaults.get(f"{side}_organization") for side in _aws.SIDES}
    source, destination = vaults.get("source_account"), vaults.get("destination_account")
    needed: list[tuple[str, tuple[str, ...], str]] = [(role, (role,), role.split(":", 5)[4]) for role in roles]
    if not roles and source:
        needed.append((f"arn:{partition}:iam::{source}:root", (), source))
    if "source_points" in key.used_by and destination and destination != source:
        linked = f"arn:{partition}:iam::{destination}:{_LINKED_ROLE}"
        needed.append((linked, (linked,), destination))
    return [_Principal(*principal, organizations.get(principal[2])) for principal in needed]


# ---------------------------------------------------------------------------------------------------------- reading


def _read(keys: list[_Key], *, check_access: bool) -> None:
    """Ask all keys side by side; without check_access for their state alone."""
    reads: dict[str, _aws.Read] = {}
    for at, key in enumerate(keys):
        if not key.readable:
            continue
        reads[f"{at} DescribeKey"] = _call(key, "DescribeKey", "KeyMetadata")
        if not check_access:
            continue
        if key.at_home is not False:
            reads[f"{at} GetKeyPolicy"] = _call(key, "GetKeyPolicy", "Policy")
        for principal in key.principals:
            for arn in principal.arns:
                reads[f"{at} ListGrants {arn}"] = _grants(key, arn)
    answers = _aws.side_by_side(reads)
    for at, key in enumerate(keys):
        if key.readable:
            _take_state(key, *answers[f"{at} DescribeKey"])
            _take_policy(key, answers.get(f"{at} GetKeyPolicy"))
            asked = f"{at} ListGrants "
            _take_grants(key, {name: answer for name, answer in answers.items() if name.startswith(asked)})
    _read_aliases(keys)


def _call(key: _Key, operation: str, member: str) -> _aws.Read:
    return lambda: _aws.member_of(key.account.call("kms", operation, KeyId=key.arn), member, operation)


def _grants(key: _Key, principal: str) -> _aws.Read:
    """A busy key has tens of thousands of grants; KMS picks those of one principal, which may be many as well."""

    def read() -> int:
        marks = {"token": "NextMarker", "sent_as": "Marker"}
        asked = {"KeyId": key.arn, "GranteePrincipal": principal, "Limit": _GRANTS}
        grants = _aws.listed(key.account, "kms", "ListGrants", "Grants", **marks, **asked)
        return sum(1 for dummy in itertools.islice(grants, _MOST_GRANTS))

    return read


def _take_state(key: _Key, answer: Json | None, failure: ReadFailed | None) -> None:
    if failure is None:
        key.about, key.exists = answer or {}, True
        return
    key.failure = failure
    key.exists = False if failure.outcome == "not_found" else None
    key.note("DescribeKey", failure)


def _take_policy(key: _Key, answer: _aws.Answer | None) -> None:
    if answer is None:
        return
    found, failure = answer
    decisions: dict[str, dict[str, Decision]] = {}
    if failure is None:
        try:
            decisions = {
                who.name: {action: _decision(key, found, who, action) for action in ACTIONS}
                for who in key.principals
            }
        except ReadFailed as unreadable:
            failure = unreadable
    if failure:
        key.policy["outcome"] = failure.outcome
        key.note("GetKeyPolicy", failure)
        return
    key.policy = {
        "outcome": "ok",
        "principals": {
            name: {action: decision.verdict for action, decision in per_action.items()}
            for name, per_action in decisions.items()
        },
        "why": [row for name, per_action in decisions.items() for row in _reasons(name, per_action)],
    }


def _decision(key: _Key, document: str | None, who: _Principal, action: str) -> Decision:
    known: Json = {
        "kms:ViaService": key.via,
        # Grants are asked for by AWS's services only; other calls do not carry the key at all.
        "kms:GrantIsForAWSResource": "true" if action == "kms:CreateGrant" else None,
    }
    if who.organization:
        known["aws:PrincipalOrgID"] = who.organization
    return _aws_policy.evaluate(
        document, principal_arns=who.arns, account=who.account, action=action, resource=key.arn, known=known
    )


def _reasons(name: str, decisions: dict[str, Decision]) -> list[Json]:
    """The statements behind everything but a plain Allow, each with the actions that it decides."""
    rows: dict[str, Json] = {}
    for action, decision in decisions.items():
        if decision.verdict == "allowed" or decision.statement is None:
            continue
        row = {
            "principal": name,
            "verdict": decision.verdict,
            "actions": [],
            "statement": decision.statement,
            "conditions": decision.conditions,
        }
        rows.setdefault(json.dumps(row, sort_keys=True), row)["actions"].append(action)
    return list(rows.values())


def _take_grants(key: _Key, answers: _aws.Answers) -> None:
    if not answers:
        return
    failure = next((failure for dummy, failure in answers.values() if failure), None)
    if failure is not None:
        key.grants["outcome"] = failure.outcome
        key.note("ListGrants", failure)
        return
    counts = {name.split(" ", 2)[2]: count for name, (count, dummy) in answers.items()}
    key.grants = {
        "outcome": "ok" if any(counts.values()) else "empty",
        "count": sum(counts.values()),
        "for_principals": [name for name, count in counts.items() if count],
    }


def _read_aliases(keys: list[_Key]) -> None:
    """Only the alias of a key that AWS manages tells which service's it is, and no other account can ask."""
    asked = {key.arn: key for key in keys if key.about.get("KeyManager") == "AWS" and key.at_home is not False}
    answers = _aws.side_by_side({arn: _call(key, "ListAliases", "Aliases") for arn, key in asked.items()})
    for arn, (found, failure) in answers.items():
        if failure:
            asked[arn].note("ListAliases", failure)
        else:
            asked[arn].aliases = [str(alias.get("AliasName")) for alias in found]


# ----------------------------------------------------------------------------------------------------------- answers


def _failure(keys: list[_Key], unread: ReadFailed | None) -> ReadFailed | None:
    """Why there is no answer: no key told anything, or the vault did not tell its key and there is no other."""
    if not keys:
        return unread
    known = any(key.exists is not None for key in keys)
    return None if known else next((key.failure for key in keys if key.failure), None)


def _denied(keys: list[_Key], unread: ReadFailed | None) -> list[Json]:
    vault = [_aws.denied_on("destination", "DescribeBackupVault", unread)] if unread else []
    return [*vault, *(row for key in keys for row in key.denied)]


def _summary(rows: list[Json]) -> Json:
    return {
        "kms_keys": len(rows),
        "unusable": sum(_unusable(row) for row in rows),
        "denied": sum(_refused(row) for row in rows),
    }


def _unusable(row: Json) -> bool:
    return row["exists"] is False or row["state"] not in (None, "Enabled")


def _refused(row: Json) -> bool:
    """Whether somebody who needs the key is surely let in neither by its policy nor by a grant."""
    granted, known = row["grants"]["for_principals"], row["grants"]["outcome"] in ("ok", "empty")
    return any(
        verdict == "denied" or (verdict == "not_mentioned" and known and name not in granted)
        for name, per_action in row["policy"]["principals"].items()
        for verdict in per_action.values()
    )


def _severity(row: Json) -> tuple[bool, bool, bool]:
    return _unusable(row), _refused(row), row["outcome"] != "ok"


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        _aws.vault_spec(),
        source_keys={"type": "list", "elements": "str", "no_log": False},
        copy_roles={"type": "list", "elements": "str"},
        check_access={"type": "bool", "default": True},
        vaults_feed={"type": "dict"},
    ),
)
