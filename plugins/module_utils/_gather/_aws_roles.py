# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The IAM roles that AWS Backup copies with: whether they exist, trust the service, and may do what a copy needs.

IAM is asked for documents, not for a simulation: that would need a right of its own and says little more. What a
service control policy forbids is not seen here.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from urllib.parse import unquote

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    Answer,
    Answers,
    Read,
    Refused,
    arn,
    last_part,
    listed,
    member_of,
    side_by_side,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_policy import Decision, combine, evaluate

MOST_ROLES = 5
COPY_INTO, COPY_FROM = "backup:CopyIntoBackupVault", "backup:CopyFromBackupVault"
_SERVICE = "backup.amazonaws.com"
_MOST_DOCUMENTS = 20  # of one role; IAM attaches 10 managed policies at most unless it is asked for more
_OWN_POLICIES = ":iam::aws:policy/service-role/AWSBackup"  # they allow, and deny nothing
_OWN_POLICY = "AWSBackupServiceRolePolicyForBackup"
# What a copy of the type calls in the service that owns the resource.
_TYPE_ACTIONS = {
    "EBS": "ec2:CopySnapshot",
    "Storage Gateway": "ec2:CopySnapshot",
    "EC2": "ec2:CopyImage",
    "RDS": "rds:CopyDBSnapshot",
    "Aurora": "rds:CopyDBClusterSnapshot",
    "DocumentDB": "rds:CopyDBClusterSnapshot",
    "Neptune": "rds:CopyDBClusterSnapshot",
    "FSx": "fsx:CopyBackup",
}

Json = t.Dict[str, t.Any]


@dataclass
class Role:
    """A role as far as it could be read."""

    arn: str
    exists: bool | None = None
    trust: Json | str | None = None  # its trust policy
    managed: list[str] | None = None  # ARNs of attached policies; None: not read
    documents: list[Json | str] = field(default_factory=list)  # its policies
    complete: bool = True  # whether all of its policies were read
    boundary: str | None = None  # ARN of the permissions boundary
    limits: Json | str | None = None  # the boundary's document; None: none, or not read

    @property
    def name(self) -> str:
        """Without its path."""
        return last_part(self.arn) or self.arn

    @property
    def backup_policy(self) -> bool | None:
        """Whether AWS's own policy for backups and copies is attached."""
        if self.managed is None:
            return None
        return any(_OWN_POLICIES in policy and last_part(policy) == _OWN_POLICY for policy in self.managed)


def actions_for(types: t.Iterable[str]) -> list[str]:
    """The actions that copies of these types need of the role."""
    return [COPY_INTO, COPY_FROM, *sorted({_TYPE_ACTIONS[kind] for kind in types if kind in _TYPE_ACTIONS})]


# ---------------------------------------------------------------------------------------------------------- reading


def role_reads(account: t.Any, arns: t.Iterable[str]) -> dict[str, Read]:
    """The reads whose answers read_roles() takes."""
    reads: dict[str, Read] = {}
    for role in map(Role, arns):
        reads[f"{role.arn} role"] = _read(account, "GetRole", "Role", RoleName=role.name)
        reads[f"{role.arn} attached"] = _listed(account, "ListAttachedRolePolicies", "AttachedPolicies", role.name)
        reads[f"{role.arn} inline"] = _listed(account, "ListRolePolicies", "PolicyNames", role.name)
    return reads


def read_roles(account: t.Any, arns: t.Iterable[str], answers: Answers) -> tuple[list[Role], Refused]:
    """The roles with their documents, which are read here: each once, however many roles have it."""
    roles = [Role(name) for name in arns]
    refused: Refused = []
    wanted: dict[str, Read] = {}
    for role in roles:
        _take_role(role, *answers[f"{role.arn} role"], refused)
        attached, inline = answers[f"{role.arn} attached"], answers[f"{role.arn} inline"]
        wanted.update(_documents_of(account, role, attached, inline, refused))
    found = side_by_side(wanted)
    refused += [(f"policy {key}", failure) for key, (dummy, failure) in found.items() if failure is not None]
    for role in roles:
        _take_documents(role, {key: document for key, (document, dummy) in found.items()})
    return roles, refused


def _read(account: t.Any, operation: str, member: str, **arguments: str) -> Read:
    return lambda: member_of(account.call("iam", operation, **arguments), member, operation)


def _listed(account: t.Any, operation: str, member: str, role: str) -> Read:
    asked = {"token": "Marker", "sent_as": "Marker", "RoleName": role}
    return lambda: list(listed(account, "iam", operation, member, **asked))


def _take_role(role: Role, row: Json | None, failure: ReadFailed | None, refused: Refused) -> None:
    if failure is not None:
        role.exists = False if failure.outcome == "not_found" else None
        if role.exists is None:
            refused.append((f"role {role.name}", failure))
        return
    row = row or {}
    # the name of a role is unique in its account, with whatever path: another one of this name is not the one in use
    role.exists = row.get("Arn", role.arn) == role.arn
    role.trust = _document(row.get("AssumeRolePolicyDocument"))
    role.boundary = (row.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")


def _documents_of(
    account: t.Any,
    role: Role,
    attached: Answer,
    inline: Answer,
    refused: Refused,
) -> dict[str, Read]:
    """The reads of a role's documents, but for those of AWS Backup's own policies, which are known."""
    if role.exists is False:
        return {}
    for what, (dummy, failure) in (("attached", attached), ("inline", inline)):
        if failure is not None:
            role.complete = False
            refused.append((f"{what} policies of role {role.name}", failure))
    if attached[1] is None:
        role.managed = [str(row.get("PolicyArn")) for row in attached[0] or []]
    reads: dict[str, Read] = {
        policy: _managed(account, policy) for policy in role.managed or [] if _OWN_POLICIES not in policy
    }
    for name in inline[0] or []:
        reads[f"{name} of role {role.name}"] = _inline(account, role.name, str(name))
    if role.boundary:
        reads[role.boundary] = _managed(account, role.boundary)
    if len(reads) > _MOST_DOCUMENTS:
        role.complete = False
    return dict(list(reads.items())[:_MOST_DOCUMENTS])


def _managed(account: t.Any, policy: str) -> Read:
    def read() -> t.Any:
        about = member_of(account.call("iam", "GetPolicy", PolicyArn=policy), "Policy", "GetPolicy")
        version = member_of(about, "DefaultVersionId", "GetPolicy")
        reply = account.call("iam", "GetPolicyVersion", PolicyArn=policy, VersionId=version)
        return _document(member_of(reply, "PolicyVersion", "GetPolicyVersion").get("Document"))

    return read


def _inline(account: t.Any, role: str, name: str) -> Read:
    def read() -> t.Any:
        return _document(account.call("iam", "GetRolePolicy", RoleName=role, PolicyName=name).get("PolicyDocument"))

    return read


def _document(value: t.Any) -> Json | str | None:
    """A policy document; IAM sends it with its signs escaped for a URL, which botocore undoes."""
    if not isinstance(value, str):
        return value
    text = unquote(value)
    try:
        parsed = json.loads(text)
    except ValueError:
        return text  # whoever evaluates it will say that it is no JSON
    return parsed if isinstance(parsed, dict) else text


def _take_documents(role: Role, found: Json) -> None:
    names = list(role.managed or [])
    if role.backup_policy:
        role.documents.append(_ALLOWED_BY_AWS)
    for key, document in found.items():
        if key == role.boundary:
            role.limits = document
        if key not in names and not key.endswith(f" of role {role.name}"):
            continue
        if document is None:
            role.complete = False
        else:
            role.documents.append(document)


_ALLOWED_BY_AWS: Json = {
    "Statement": [
        {
            "Sid": _OWN_POLICY,
            "Effect": "Allow",
            "Action": [COPY_INTO, COPY_FROM, *sorted(set(_TYPE_ACTIONS.values()))],
            "Resource": "*",
        }
    ]
}


# ---------------------------------------------------------------------------------------------------------- judging


def trusts_backup(role: Role, account: str | None) -> bool | None:
    """Whether AWS Backup may assume the role; None when that cannot be decided. Raises ReadFailed for no JSON."""
    if not role.exists or role.trust is None:
        return None
    known = {"aws:SourceAccount": account} if account else {}
    decision = evaluate(role.trust, principal_arns=[_SERVICE], action="sts:AssumeRole", known=known)
    return {"allowed": True, "denied": False, "not_mentioned": False}.get(decision.verdict)


def decide(role: Role, action: str, resource: str | None) -> Decision | None:
    """What the role's policies say about an action; None when they could not be read. Raises ReadFailed for no JSON.

    A boundary narrows what the policies allow. A document that could not be read may allow or deny.
    """
    if role.exists is not True:
        return None
    names, owner = [role.arn], _owner(role)

    def said(document: Json | str | None) -> Decision:
        return evaluate(document, principal_arns=names, account=owner, action=action, resource=resource)

    decision = combine([said(document) for document in role.documents])
    if not role.complete:
        return decision if decision.verdict == "denied" else None
    if decision.verdict in ("allowed", "conditional") and role.boundary:
        if role.limits is None:
            return decision._replace(verdict="conditional", conditions={"PermissionsBoundary": role.boundary})
        limit = said(role.limits)
        return decision if limit.verdict == "allowed" else limit
    return decision


def _owner(role: Role) -> str | None:
    parts = arn(role.arn)
    return parts.account if parts else None
