# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 1: the pair of backup vaults, and whether the destination's lets copies from the source in.

A vault has no replication configuration; what it has are a key, a lock with bounds of retention, and an access policy.
Both vaults and both policies are asked for at once. What else is needed depends on the answers: AWS Backup may say
"access denied" of a vault that does not exist, so that only the list of vaults tells; and the organization matters
only between accounts.
"""

from __future__ import annotations

import difflib
import typing as t
from functools import partial

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import (
    CREDENTIAL_OPTIONS,
    destination_options,
    moment,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws_failures import UNIDENTIFIED
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    clip,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws, _aws_policy
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "vaults"
DEFAULT_QUOTA = 1_000_000  # recovery points of a vault
_QUOTA_CODE = "L-514878B6"
_ASK_QUOTA_ABOVE = 0.5  # below this share of the default no quota can be near
# What the policy of either vault decides of a copy.
_COPY_ACTION = {
    "source": ("copy_from", "backup:CopyFromBackupVault"),
    "destination": ("copy_into", "backup:CopyIntoBackupVault"),
}
_NETWORK = {
    "outcome": "not_applicable",
    "reason": "AWS Backup copies inside AWS: no copy goes through a VPC, so neither VPC peering nor a Transit Gateway, "
    "NAT, security group or network ACL can break one.",
}

Json = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read both vaults and what decides whether copies pass from one to the other.

    Raises BadParameter when the options name one vault twice, and when AWS does not accept the credentials or the role
    that they name: then nothing can be diagnosed.
    """
    names = dict(zip(_aws.SIDES, _aws.vault_names(params)))
    try:
        accounts = {"source": clients.aws_source, "destination": clients.aws_destination}
    except ReadFailed as failure:
        return Gathered(failed(NAME, _aws.named_sides(params), failure))
    theirs = {option for option, value in (params.get("destination") or {}).items() if value is not None}
    one_identity = not theirs.intersection(CREDENTIAL_OPTIONS)
    if one_identity and accounts["source"].region == accounts["destination"].region:
        _refuse_one_vault(names["source"], names["destination"])
    roles = {"source": params.get("role_arn"), "destination": destination_options(params)["role_arn"]}
    sides = {side: _Side(side, account, names[side], _aws.arn(roles[side])) for side, account in accounts.items()}
    _ask_vaults(sides.values())
    for side in sides.values():
        _check_identity(side, given=side.name == "source" or not one_identity)
    _ask_for_missing(sides.values(), one_identity)
    if sides["source"].arn:
        _refuse_one_vault(sides["source"].arn, sides["destination"].arn)
    return _answer(_aws.connected_sides(params, clients), sides, _ask_further(sides))


def _refuse_one_vault(source: str, destination: str | None) -> None:
    if source == destination:
        raise BadParameter(
            "destination: it is the same vault as the source; give destination.region, destination_vault_name or the "
            "other account's credentials."
        )


class _Side:
    """What is known of one vault, as the answers come in."""

    def __init__(self, name: str, account: t.Any, vault: str, role: _aws.Arn | None) -> None:
        self.name = name
        self.account = account
        self.vault = vault
        self.row: Json = {}  # DescribeBackupVault's answer, or the vault's row in the list of vaults
        self.failure: ReadFailed | None = None  # why there is no description
        self.exists: bool | None = None
        self.owner = role.account if role else None  # account id
        self.near: str | None = None  # the name of another vault that could be meant
        self.policy: str | None = None
        self.policy_failure: ReadFailed | None = None
        self.quota, self.quota_from = float(DEFAULT_QUOTA), "default"
        self.denied: list[Json] = []

    def note(self, what: str, failure: ReadFailed) -> None:
        """Keep a refused read."""
        self.denied.append(_aws.denied_on(self.name, what, failure))

    @property
    def outcome(self) -> str:
        """Of this side."""
        if self.exists is False:
            return "not_found"
        return self.failure.outcome if self.failure else "ok"

    @property
    def arn(self) -> str | None:
        """The vault's ARN, whether it exists or not; None when its account is not known."""
        if self.row:
            return str(self.row["BackupVaultArn"])
        if self.owner is None:
            return None
        return _aws.vault_arn(self.account.partition, self.account.region, self.owner, self.vault)

    @property
    def points(self) -> int | None:
        """Recovery points in the vault, about."""
        return self.row.get("NumberOfRecoveryPoints")


# ---------------------------------------------------------------------------------------------------------- reading


def _ask_vaults(sides: t.Iterable[_Side]) -> None:
    """Both vaults and both policies, at once."""
    reads: dict[str, _aws.Read] = {}
    for side in sides:
        reads[f"{side.name} vault"] = partial(_aws.describe_vault, side.account, side.vault)
        reads[f"{side.name} policy"] = _call(side, "backup", "GetBackupVaultAccessPolicy", BackupVaultName=side.vault)
    answers = _aws.side_by_side(reads)
    for side in sides:
        row, side.failure = answers[f"{side.name} vault"]
        side.exists = True if row else False if side.failure and side.failure.outcome == "not_found" else None
        _take_row(side, row)
        document, side.policy_failure = answers[f"{side.name} policy"]
        side.policy = (document or {}).get("Policy")


def _call(side: _Side, service: str, operation: str, **arguments: t.Any) -> _aws.Read:
    return lambda: side.account.call(service, operation, **arguments)


def _take_row(side: _Side, row: Json | None) -> None:
    if row:
        side.row = row
        parts = _aws.arn(row["BackupVaultArn"])
        side.owner = parts.account if parts else None


def _check_identity(side: _Side, given: bool) -> None:
    """Raise BadParameter when AWS does not know who asks, or does not let them be who they want to be.

    given: whether the options name credentials for this side. Where they do not, it may be a Region that the account
    has not enabled, which is a finding.
    """
    failure, option = side.failure, "destination." if side.name == "destination" else ""
    if failure is None or failure.outcome not in ("forbidden", "error"):
        return
    if failure.message.startswith(f"{option}role_arn:"):
        raise BadParameter(_one_sentence(failure))
    if failure.code in UNIDENTIFIED and given:
        raise BadParameter(f"{option}credentials: {_one_sentence(failure)}")


def _one_sentence(failure: ReadFailed) -> str:
    """What happened, and the remedy."""
    remedy = failure.hint or "check what is given"
    return f"{failure.message.rstrip('.')}; {remedy[:1].lower()}{remedy[1:]}"


def _ask_for_missing(sides: t.Collection[_Side], one_identity: bool) -> None:
    """Of a vault that could not be described: whether the list of vaults has it, and whose account this is."""
    owners = [side.owner for side in sides if side.owner]
    reads: dict[str, _aws.Read] = {}
    for side in sides:
        if side.owner is None and one_identity and owners:
            side.owner = owners[0]
        outcome = side.failure.outcome if side.failure else "ok"
        if side.failure and outcome == "forbidden" and side.failure.code not in UNIDENTIFIED:
            reads[f"{side.name} list"] = _vaults_of(side)
        if side.owner is None and outcome in ("forbidden", "not_found"):
            reads[f"{side.name} caller"] = partial(_aws.caller, side.account)
    answers = _aws.side_by_side(reads)
    for side in sides:
        side.owner = side.owner or answers.get(f"{side.name} caller", (None, None))[0]
        _take_list(side, *answers.get(f"{side.name} list", (None, None)))
        if side.failure and side.exists is not False:
            side.note("DescribeBackupVault", side.failure)


def _take_list(side: _Side, vaults: dict[str, Json] | None, refused: ReadFailed | None) -> None:
    if refused:
        side.note("ListBackupVaults", refused)
    if vaults is not None:
        _take_row(side, vaults.get(side.vault))
        side.exists = side.vault in vaults
        side.near = next(iter(difflib.get_close_matches(side.vault, vaults, n=1)), None)


def _vaults_of(side: _Side) -> _aws.Read:
    """{name: row} of all vaults that there are; an account has 300 of them at most unless AWS allows more."""

    def read() -> dict[str, Json]:
        rows = _aws.listed(side.account, "backup", "ListBackupVaults", "BackupVaultList", MaxResults=_aws.PAGE)
        return {str(row.get("BackupVaultName")): row for row in rows if row.get("BackupVaultArn")}

    return read


class _Organizations(t.NamedTuple):
    """Of two accounts: the id of each one's organization, "" where it is in none, None where that is not known."""

    enabled: bool | None  # whether copies between accounts are switched on
    source: str | None
    destination: str | None

    def as_evidence(self) -> Json:
        """Two accounts without an organization have no common one."""
        known = self.source is not None and self.destination is not None
        none = "" in (self.source, self.destination)
        return {
            "enabled": self.enabled,
            "source_organization": self.source or None,
            "destination_organization": self.destination or None,
            "same_organization": False if none else self.source == self.destination if known else None,
        }


def _ask_further(sides: dict[str, _Side]) -> _Organizations | None:
    """The organization, where the accounts differ, and the quota of a vault that is filling up, at once."""
    source, destination = sides["source"], sides["destination"]
    reads: dict[str, _aws.Read] = {}
    if _same_account(sides) is False:
        reads["settings"] = _call(source, "backup", "DescribeGlobalSettings")
        for side in sides.values():
            reads[f"{side.name} organization"] = _call(side, "organizations", "DescribeOrganization")
    for side in sides.values():
        if (side.points or 0) > DEFAULT_QUOTA * _ASK_QUOTA_ABOVE:
            reads[f"{side.name} quota"] = _call(
                side, "service-quotas", "GetServiceQuota", ServiceCode="backup", QuotaCode=_QUOTA_CODE
            )
    answers = _aws.side_by_side(reads)
    for side in sides.values():
        _take_quota(side, answers.get(f"{side.name} quota"))
    if "settings" not in answers:
        return None
    ours, theirs = (_organization(side, answers[f"{side.name} organization"]) for side in (source, destination))
    return _organizations(source, answers["settings"], ours, theirs)


def _take_quota(side: _Side, answer: _aws.Answer | None) -> None:
    if answer is None:
        return
    if answer[1]:
        side.note("GetServiceQuota", answer[1])
        return
    value = (answer[0].get("Quota") or {}).get("Value")
    if value:
        side.quota, side.quota_from = float(value), "service_quotas"


def _same_account(sides: dict[str, _Side]) -> bool | None:
    owners = {side.owner for side in sides.values()}
    return None if None in owners else len(owners) == 1


def _organization(side: _Side, answer: _aws.Answer) -> str | None:
    """The id of the account's organization; "" for none, None for unknown."""
    found, failure = answer
    if failure is None:
        return (found.get("Organization") or {}).get("Id")
    if failure.code == "AWSOrganizationsNotInUseException":
        return ""
    side.note("DescribeOrganization", failure)
    return None


def _organizations(source: _Side, settings: _aws.Answer, ours: str | None, theirs: str | None) -> _Organizations:
    found, failure = settings
    if failure is None:
        value = (found.get("GlobalSettings") or {}).get("isCrossAccountBackupEnabled")
        return _Organizations(None if value is None else str(value).lower() == "true", ours, theirs)
    if failure.code == "InvalidRequestException":  # AWS Backup's word for an account that is in no organization
        return _Organizations(False, ours or "", theirs)
    source.note("DescribeGlobalSettings", failure)
    return _Organizations(None, ours, theirs)


# ----------------------------------------------------------------------------------------------------------- answers


def _answer(query: Json, sides: dict[str, _Side], cross: _Organizations | None) -> Gathered:
    source, destination = sides["source"], sides["destination"]
    same = _same_account(sides)
    policies = {name: _policy(side, sides, cross) for name, side in sides.items()}
    failure = _failure(source)
    return Gathered(
        evidence(
            NAME,
            outcome=failure.outcome if failure else "ok",
            query=query,
            observed_at=rfc3339(source.account.now()),
            clock=source.account.clock.as_evidence(),
            summary={
                "same_account": same,
                "source_accessible": bool(source.row),
                "destination_accessible": bool(destination.row),
                "needs_policy": None if same is None else not same,
            },
            error=failure.as_error() if failure else None,
            source=_side_row(source, policies["source"]),
            destination=_side_row(destination, policies["destination"]),
            cross_account=cross.as_evidence() if cross else None,
            network=_NETWORK,
            denied=[*source.denied, *destination.denied],
        ),
        feed={
            "source_arn": source.arn,
            "destination_arn": destination.arn,
            "source_account": source.owner,
            "destination_account": destination.owner,
            "destination_key_arn": destination.row.get("EncryptionKeyArn"),
            "destination_locked": destination.row.get("Locked"),
            "min_retention_days": destination.row.get("MinRetentionDays"),
            "max_retention_days": destination.row.get("MaxRetentionDays"),
            "source_organization": cross.source or None if cross else None,
            "destination_organization": cross.destination or None if cross else None,
        },
    )


def _failure(source: _Side) -> ReadFailed | None:
    """Why the step has no answer: without the source vault there is no pair. A missing destination is an answer."""
    if source.exists is not False:
        return None if source.row else source.failure
    meant, owner = f" Did you mean {source.near}?" if source.near else "", source.owner or "(unknown)"
    return ReadFailed(
        "not_found",
        f"There is no backup vault {source.vault} in {source.account.region} of the account {owner}.",
        code=source.failure.code if source.failure else None,
        hint=f"Check vault_name, region and the account of the credentials.{meant}",
    )


def _side_row(side: _Side, policy: Json) -> Json:
    row, points = side.row, side.points
    return {
        "vault": side.vault,
        "arn": side.arn,
        "account": side.owner,
        "region": side.account.region,
        "outcome": side.outcome,
        "exists": side.exists,
        "type": row.get("VaultType"),
        "state": row.get("VaultState", "AVAILABLE") if row else None,  # older vaults have no state
        "points": points,
        "points_quota": int(side.quota),
        "quota_from": side.quota_from,
        "points_share": None if points is None else round(points / side.quota, 4),
        "key": {"arn": row.get("EncryptionKeyArn"), "type": row.get("EncryptionKeyType")},
        "locked": row.get("Locked"),
        "lock_at": _aws.stamp(moment(row.get("LockDate"))),
        "min_retention_days": row.get("MinRetentionDays"),
        "max_retention_days": row.get("MaxRetentionDays"),
        "policy": policy,
        "message": clip(side.failure.message) if side.failure else None,
    }


def _policy(side: _Side, sides: dict[str, _Side], cross: _Organizations | None) -> Json:
    """What the vault's access policy means for a copy from the source account."""
    member, action = _COPY_ACTION[side.name]
    failure = side.policy_failure
    if not side.exists:
        return {"outcome": side.outcome, "statements": None, member: None}
    if failure and failure.outcome != "not_found":
        side.note("GetBackupVaultAccessPolicy", failure)
        return {"outcome": failure.outcome, "statements": None, member: None}
    try:
        statements = _aws_policy.statements(side.policy)
        decision = _aws_policy.evaluate(
            side.policy,
            account=sides["source"].owner,
            action=action,
            resource=side.arn,
            known=_known(sides, cross),
        )
    except ReadFailed as unreadable:
        side.note("GetBackupVaultAccessPolicy", unreadable)
        return {"outcome": unreadable.outcome, "statements": None, member: None}
    if decision.verdict == "conditional" and decision.allow is False and _same_account(sides) is False:
        # Whether a Deny applies or not: nothing lets the other account in.
        decision = decision._replace(verdict="not_mentioned", statement=None, conditions={})
    return {
        "outcome": "ok" if statements else "empty",
        "statements": len(statements),
        member: {name: getattr(decision, name) for name in ("verdict", "statement", "conditions")},
    }


def _known(sides: dict[str, _Side], cross: _Organizations | None) -> Json:
    """Values of condition keys, as far as the reads told them."""
    known: Json = {"backup:CopyTargets": [sides["destination"].arn]} if sides["destination"].arn else {}
    if cross and cross.source:
        known["aws:PrincipalOrgID"] = cross.source
    elif cross and cross.source == "":
        known.update({"aws:PrincipalOrgID": None, "aws:PrincipalOrgPaths": None})
    return known


STEP = Step(name=NAME, gather=gather, argument_spec=_aws.vault_spec())
