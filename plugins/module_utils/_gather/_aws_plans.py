# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Backup plans: their rules, where these copy to, what they are assigned to, and how a rule was before.

Only a plan itself tells which vault its rules write to, so every plan is read once; selections only where it matters.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    PAGE,
    Answers,
    Read,
    Refused,
    arn,
    listed,
    member_of,
    side_by_side,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import Pair
from ansible_collections.sre.backup_sync.plugins.module_utils._step import guarded

MOST_SELECTIONS = 100
_CHUNK = 40  # plans between two words of progress
_KEEP = -1  # AWS also writes "never" like this

Json = t.Dict[str, t.Any]


class Lifecycle(t.NamedTuple):
    """How long recovery points are kept, days from the creation of the source's; None for ever, or never moved."""

    delete_after: int | None
    cold_after: int | None


class Target(t.NamedTuple):
    """A vault that a rule copies to."""

    arn: str
    lifecycle: Lifecycle  # as it will be: what the copy action leaves out it inherits
    inherits: bool  # the copy action says nothing of expiry, so the backup's own holds
    path: str  # where in the plan this stands


class Rule(t.NamedTuple):
    """A rule of a plan that writes to the source vault."""

    plan: str
    plan_id: str
    version: str
    row: Json  # as AWS tells it

    @property
    def name(self) -> str:
        """Its name, unique in its plan."""
        return str(self.row.get("RuleName") or "")

    @property
    def key(self) -> tuple[str, str]:
        """What finds the rule again in another version of its plan: ids are AWS's and may be new with each version."""
        return self.plan_id, self.name

    @property
    def path(self) -> str:
        """Where the rule stands in the plan."""
        return f"Rules[{self.name}]"

    @property
    def keeps(self) -> Lifecycle:
        """Lifecycle of the backups."""
        return lifecycle(self.row.get("Lifecycle"))

    @property
    def targets(self) -> list[Target]:
        """Where it copies to."""
        own, found = self.keeps, []
        for number, action in enumerate(self.row.get("CopyActions") or []):
            copy = lifecycle(action.get("Lifecycle"))
            inherits = copy.delete_after is None
            kept = Lifecycle(own.delete_after if inherits else copy.delete_after, copy.cold_after)
            path = f"{self.path}.CopyActions[{number}]"
            found.append(Target(str(action.get("DestinationBackupVaultArn") or ""), kept, inherits, path))
        airtight = self.row.get("TargetLogicallyAirGappedBackupVaultArn")
        if airtight:
            path = f"{self.path}.TargetLogicallyAirGappedBackupVaultArn"
            found.append(Target(str(airtight), own, True, path))
        return found

    def copies_to(self, pair: Pair) -> Target | None:
        """The target that is the destination vault."""
        for target in self.targets:
            if pair.leads_here({"DestinationBackupVaultArn": target.arn}):
                return target
        return None


def lifecycle(row: Json | None) -> Lifecycle:
    """What a Lifecycle says; nothing and -1 both mean never."""

    def days(name: str) -> int | None:
        value = (row or {}).get(name)
        return None if value in (None, _KEEP) else int(value)

    return Lifecycle(days("DeleteAfterDays"), days("MoveToColdStorageAfterDays"))


@dataclass
class Selection:
    """What a plan is assigned to, and the role that backs up and copies it."""

    name: str
    selection_id: str
    role: str | None
    made: float | None = None  # epoch seconds
    resources: list[str] | None = None  # ARNs with wildcards; None: not read
    exact: list[str] = field(default_factory=list)  # ARNs that it takes in whatever tags they have

    @property
    def types(self) -> set[str]:
        """Types of resources that it names outright, as far as their ARNs tell."""
        return {kind for text in self.resources or [] for kind in [type_of(text)] if kind}


@dataclass
class Plan:
    """A plan and its rules on the source vault."""

    plan_id: str
    name: str
    version: str
    account: str | None
    rules: list[Rule]
    selections: list[Selection] = field(default_factory=list)

    @property
    def roles(self) -> list[str]:
        """ARNs, each once."""
        return list(dict.fromkeys(selection.role for selection in self.selections if selection.role))

    @property
    def types(self) -> set[str]:
        """Types that its selections name outright."""
        return {kind for selection in self.selections for kind in selection.types}


class Plans(t.NamedTuple):
    """All plans of the source's account and Region."""

    total: int
    here: list[Plan]  # those with a rule on the source vault
    complete: bool  # whether every plan could be read
    refused: Refused


# ---------------------------------------------------------------------------------------------------------- reading


def list_plans(account: t.Any) -> list[Json]:
    """The rows of ListBackupPlans. Raises ReadFailed."""
    return list(listed(account, "backup", "ListBackupPlans", "BackupPlansList", MaxResults=PAGE))


def read_plans(account: t.Any, rows: list[Json], vault: str, say: t.Callable[[str], None]) -> Plans:
    """Read each plan once; keep those that write to the vault."""
    here: list[Plan] = []
    refused: Refused = []
    names = {str(row.get("BackupPlanId")): str(row.get("BackupPlanName") or "") for row in rows}
    ids = list(names)
    for start in range(0, len(ids), _CHUNK):
        if start:
            say(f"backup plans: {start:,} of {len(ids):,} read")
        reads = {plan_id: _get_plan(account, plan_id) for plan_id in ids[start : start + _CHUNK]}
        for plan_id, (reply, failure) in side_by_side(reads).items():
            if failure is not None:
                if failure.outcome != "not_found":  # deleted since the list was made
                    refused.append((f"backup plan {names[plan_id] or plan_id}", failure))
                continue
            plan = parse_plan(reply, vault)
            if plan.rules:
                here.append(plan)
    return Plans(len(ids), here, not refused, refused)


def _get_plan(account: t.Any, plan_id: str, **version: str) -> Read:
    def read() -> Json:
        reply: Json = account.call("backup", "GetBackupPlan", BackupPlanId=plan_id, **version)
        member_of(reply, "BackupPlan", "GetBackupPlan")
        return reply

    return read


def parse_plan(reply: Json, vault: str) -> Plan:
    """A plan as GetBackupPlan tells it, with its rules on a vault."""
    body = reply["BackupPlan"]
    plan_id, version = str(reply.get("BackupPlanId") or ""), str(reply.get("VersionId") or "")
    name = str(body.get("BackupPlanName") or plan_id)
    rules = [
        Rule(name, plan_id, version, row)
        for row in body.get("Rules") or []
        if row.get("TargetBackupVaultName") == vault
    ]
    parts = arn(reply.get("BackupPlanArn"))
    return Plan(plan_id, name, version, parts.account if parts else None, rules)


def selection_lists(account: t.Any, plans: list[Plan]) -> dict[str, Read]:
    """The reads whose answers take_lists() takes."""
    return {f"selections {plan.plan_id}": _list_selections(account, plan.plan_id) for plan in plans}


def take_lists(plans: list[Plan], answers: Answers) -> Refused:
    """Note what the plans are assigned to, and the roles; returns what was refused."""
    refused: Refused = []
    for plan in plans:
        rows, failure = answers[f"selections {plan.plan_id}"]
        if failure is not None:
            refused.append((f"selections of plan {plan.name}", failure))
        for row in rows or []:
            name, selection_id = str(row.get("SelectionName") or ""), str(row.get("SelectionId"))
            made = moment(row.get("CreationDate"))
            plan.selections.append(Selection(name, selection_id, row.get("IamRoleArn"), made))
    return refused


def selection_reads(account: t.Any, plans: list[Plan]) -> tuple[dict[str, Read], Refused]:
    """The reads of what each selection names, for take_selections(); plans come in the order of their weight."""
    ids = [(plan.plan_id, selection.selection_id) for plan in plans for selection in plan.selections]
    reads = {f"selection {plan_id} {chosen}": _get_selection(account, plan_id, chosen) for plan_id, chosen in ids}
    if len(reads) <= MOST_SELECTIONS:
        return reads, []
    told = f"Only the first {MOST_SELECTIONS} of {len(reads)} selections were read."
    return dict(list(reads.items())[:MOST_SELECTIONS]), [("selections", ReadFailed("not_applicable", told))]


def take_selections(plans: list[Plan], answers: Answers) -> Refused:
    """Note what the selections name; returns what was refused."""
    refused: Refused = []
    for plan in plans:
        for selection in plan.selections:
            body, failure = answers.get(f"selection {plan.plan_id} {selection.selection_id}", (None, None))
            if failure is not None:
                refused.append((f"selection {selection.name}", failure))
            elif body is not None:
                selection.resources = [str(text) for text in body.get("Resources") or []]
                selection.exact = _exact(body, selection.resources)
    return refused


def _exact(body: Json, resources: list[str]) -> list[str]:
    """Of a selection that also asks for tags none is sure."""
    if body.get("ListOfTags") or any((body.get("Conditions") or {}).values()):
        return []
    kept_out = [str(pattern) for pattern in body.get("NotResources") or []]
    return [text for text in resources if "*" not in text and not any(fnmatchcase(text, one) for one in kept_out)]


def _list_selections(account: t.Any, plan_id: str) -> Read:
    asked = {"BackupPlanId": plan_id, "MaxResults": PAGE}
    return lambda: list(listed(account, "backup", "ListBackupSelections", "BackupSelectionsList", **asked))


def _get_selection(account: t.Any, plan_id: str, selection_id: str) -> Read:
    operation, asked = "GetBackupSelection", {"BackupPlanId": plan_id, "SelectionId": selection_id}
    return lambda: member_of(account.call("backup", operation, **asked), "BackupSelection", operation)


# --------------------------------------------------------------------------------------------------------- versions


class History(t.NamedTuple):
    """What became of a plan since an older version."""

    changed_at: float | None  # since when the plan is as it is now, epoch seconds
    superseded_at: dict[str, float]  # version: when the next one took its place
    older: dict[str, list[Json] | None]  # version: the rules it had; None when it could not be read


def read_history(account: t.Any, plan: Plan, versions: t.Collection[str]) -> tuple[History, Refused]:
    """The versions of a plan, and the rules of the named ones, which are not the current one."""
    refused: Refused = []

    asked = {"BackupPlanId": plan.plan_id, "MaxResults": PAGE}
    rows, failure = guarded(
        lambda: list(listed(account, "backup", "ListBackupPlanVersions", "BackupPlanVersionsList", **asked))
    )
    if failure is not None:
        refused.append((f"versions of plan {plan.name}", failure))
    dates = sorted(
        (made, str(row.get("VersionId"))) for row in rows or [] for made in [moment(row.get("CreationDate"))] if made
    )
    superseded: dict[str, float] = {}
    if len({made for made, dummy in dates}) == len(dates):  # one date for all versions is the plan's, not theirs
        superseded = {version: later for (dummy, version), (later, dummy2) in zip(dates, dates[1:])}
    current = {version: made for made, version in dates}.get(plan.version)
    older: dict[str, list[Json] | None] = {}
    for version in versions:
        reply, failure = guarded(_get_plan(account, plan.plan_id, VersionId=version))
        if failure is not None:
            refused.append((f"version {version} of plan {plan.name}", failure))
        older[version] = None if reply is None else reply["BackupPlan"].get("Rules") or []
    return History(current if superseded else None, superseded, older), refused


_COMPARED = (
    "TargetBackupVaultName",
    "TargetLogicallyAirGappedBackupVaultArn",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartWindowMinutes",
    "CompletionWindowMinutes",
    "Lifecycle",
    "EnableContinuousBackup",
    "CopyActions",
)


def rule_changes(old: Json | None, new: Json) -> tuple[Json, Json] | None:
    """({member: as it was}, {member: as it is}) of what differs; None when nothing does. old None: it was not there."""
    if old is None:
        return {"RuleName": None}, {"RuleName": new.get("RuleName")}
    # AWS leaves out what is false or empty in one answer and says it in the next
    differing = [name for name in _COMPARED if (old.get(name) or None) != (new.get(name) or None)]
    if not differing:
        return None
    return {name: old.get(name) for name in differing}, {name: new.get(name) for name in differing}


# ------------------------------------------------------------------------------------------------------------ types

# What an ARN says of the type. rds:cluster is none of them: Aurora, DocumentDB and Neptune share it.
_TYPES = (
    (re.compile(r"ec2:[^:]*:[^:]*:volume/"), "EBS"),
    (re.compile(r"ec2:[^:]*:[^:]*:instance/"), "EC2"),
    (re.compile(r"rds:[^:]*:[^:]*:db:"), "RDS"),
    (re.compile(r"elasticfilesystem:"), "EFS"),
    (re.compile(r"dynamodb:"), "DynamoDB"),
    (re.compile(r"s3:"), "S3"),
    (re.compile(r"fsx:"), "FSx"),
    (re.compile(r"storagegateway:"), "Storage Gateway"),
    (re.compile(r"redshift:"), "Redshift"),
    (re.compile(r"redshift-serverless:"), "Redshift Serverless"),
    (re.compile(r"timestream:"), "Timestream"),
    (re.compile(r"backup-gateway:"), "VirtualMachine"),
    (re.compile(r"ssm-sap:"), "SAP HANA on Amazon EC2"),
    (re.compile(r"eks:"), "EKS"),
    (re.compile(r"cloudformation:"), "CloudFormation"),
)


def type_of(resource: str) -> str | None:
    """The type, in AWS Backup's word, of a resource's ARN, which may hold wildcards; None when it does not tell."""
    rest = resource.split(":", 2)[2] if resource.startswith("arn:") and resource.count(":") >= 2 else ""
    return next((kind for pattern, kind in _TYPES if pattern.match(rest)), None)
