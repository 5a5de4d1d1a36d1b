# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backup plans, what they are assigned to and their roles, as AWS would tell them to step 7 of the region runbook."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import JobReader, pack_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_rules import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import ROLE, THERE, copy
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DAY,
    NOW_S,
    SOURCE,
    FakeAccount,
    FakeClients,
    vault_arn,
)

ELSEWHERE = vault_arn("us-east-1")
OWN_POLICY = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
NO_ROLE = ReadFailed("not_found", "The role cannot be found.", code="NoSuchEntity")


def trust(service="backup.amazonaws.com"):
    """A trust policy."""
    return {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}


def rule(name="nightly-rule", copies=THERE, *, days=35, cold=None, keeps=35, **more):
    """A rule of a plan that writes to the source vault."""
    told = (("DeleteAfterDays", days), ("MoveToColdStorageAfterDays", cold))
    lifecycle = {member: value for member, value in told if value}
    row = {
        "RuleName": name,
        "RuleId": f"{name}-id",
        "TargetBackupVaultName": "main",
        "ScheduleExpression": "cron(0 5 ? * * *)",
        "Lifecycle": {"DeleteAfterDays": keeps} if keeps else {},
        "CopyActions": [{"DestinationBackupVaultArn": copies, "Lifecycle": lifecycle}] if copies else [],
    }
    return {**row, **more}


def plan(*rules, name="nightly", version="v1", selections=(), versions=(), selected_days=None, **selection):
    """A plan.

    selections: [(name, role, resources)], made so many days ago, with these further members; versions: the older ones
    [(id, rules, age in days)]
    """
    own = {"selections": selections, "selected_days": selected_days, "selection": selection}
    return {"name": name, "version": version, "rules": rules, "versions": versions, **own}


def get_plan(row, version):
    """GetBackupPlan's answer."""
    older = {given: rules for given, rules, dummy in row["versions"]}
    rules = older.get(version, row["rules"])
    return {
        "BackupPlanId": f"{row['name']}-id",
        "BackupPlanArn": f"arn:aws:backup:eu-west-1:{SOURCE}:backup-plan:{row['name']}-id",
        "VersionId": version or row["version"],
        "BackupPlan": {"BackupPlanName": row["name"], "Rules": list(rules)},
    }


class World:
    """A source and a destination with plans, jobs and roles."""

    def __init__(self, *plans, jobs=(), roles=None, opt_in=None, opt_in_there=None, managed=None, **replies):
        self.plans = {f"{row['name']}-id": row for row in plans}
        self.jobs = jobs
        self.roles = {ROLE: {}} if roles is None else roles
        source = {
            "backup:ListBackupPlans": {"BackupPlansList": [self._listed(row) for row in plans]},
            "backup:GetBackupPlan": lambda asked: get_plan(self.plans[asked["BackupPlanId"]], asked.get("VersionId")),
            "backup:ListBackupSelections": self._selections,
            "backup:GetBackupSelection": self._selection,
            "backup:ListBackupPlanVersions": self._versions,
            "backup:DescribeRegionSettings": {
                "ResourceTypeOptInPreference": {"EBS": True, "EFS": True, **(opt_in or {})},
                "ResourceTypeManagementPreference": managed or {"DynamoDB": True},
            },
            "iam:GetRole": lambda asked: self._role(asked, "get"),
            "iam:ListAttachedRolePolicies": lambda asked: self._role(asked, "attached"),
            "iam:ListRolePolicies": lambda asked: self._role(asked, "inline"),
            "iam:GetRolePolicy": self._inline,
            "iam:GetPolicy": {"Policy": {"DefaultVersionId": "v7"}},
            "iam:GetPolicyVersion": self._document,
        }
        there = {"backup:DescribeRegionSettings": {"ResourceTypeOptInPreference": opt_in_there or {"EBS": True}}}
        self.source = FakeAccount(replies={**source, **{key: value for key, value in replies.items() if ":" in key}})
        self.destination = FakeAccount("destination", "eu-central-1", SOURCE, replies=there)

    def told(self, **params):
        """The evidence of the step."""
        return self.gathered(**params).evidence

    def gathered(self, **params):
        """What the step returns."""
        feed = {
            "destination_arn": THERE,
            "source_account": SOURCE,
            "destination_account": SOURCE,
            "min_retention_days": None,
            "max_retention_days": None,
        }
        vaults = {**feed, **params.pop("vaults", {})}
        jobs = pack_jobs(JobReader().row(job) for job in self.jobs)
        given = {"vault_name": "main", "vaults_feed": vaults, "jobs_feed": jobs, **params}
        return gather(given, FakeClients(self.source, self.destination))

    def kinds(self, **params):
        """The kinds of its problems."""
        return [problem["kind"] for problem in self.told(**params)["problems"]]

    @staticmethod
    def _listed(row):
        return {"BackupPlanId": f"{row['name']}-id", "BackupPlanName": row["name"], "VersionId": row["version"]}

    def _selections(self, asked):
        of_plan = self.plans[asked["BackupPlanId"]]
        days, rows = of_plan["selected_days"], of_plan["selections"]
        made = {} if days is None else {"CreationDate": NOW_S - days * DAY}
        listed = [{"SelectionId": name, "SelectionName": name, "IamRoleArn": role, **made} for name, role, dummy in rows]
        return {"BackupSelectionsList": listed}

    def _selection(self, asked):
        of_plan = self.plans[asked["BackupPlanId"]]
        resources = {name: found for name, dummy, found in of_plan["selections"]}[asked["SelectionId"]]
        return {"BackupSelection": {"Resources": resources, **of_plan["selection"]}}

    def _versions(self, asked):
        row = self.plans[asked["BackupPlanId"]]
        ages = [(version, age) for version, dummy, age in row["versions"]]
        older = [{"VersionId": version, "CreationDate": NOW_S - age * DAY} for version, age in ages]
        return {"BackupPlanVersionsList": [{"VersionId": row["version"], "CreationDate": NOW_S - DAY}, *older]}

    def _role(self, asked, what):
        arn = next((arn for arn in self.roles if arn.endswith("/" + asked["RoleName"])), None)
        if arn is None:
            return NO_ROLE
        role = self.roles[arn]
        if what == "attached":
            return {"AttachedPolicies": [{"PolicyArn": policy} for policy in role.get("attached", [OWN_POLICY])]}
        if what == "inline":
            return {"PolicyNames": list(role.get("inline", {}))}
        row = {"Arn": arn, "AssumeRolePolicyDocument": role.get("trust", trust())}
        if role.get("boundary"):
            row["PermissionsBoundary"] = {"PermissionsBoundaryArn": role["boundary"]}
        return {"Role": row}

    def _inline(self, asked):
        role = next(role for arn, role in self.roles.items() if arn.endswith("/" + asked["RoleName"]))
        return {"PolicyDocument": role["inline"][asked["PolicyName"]]}

    def _document(self, asked):
        documents = {key: value for role in self.roles.values() for key, value in role.get("documents", {}).items()}
        return {"PolicyVersion": {"Document": documents[asked["PolicyArn"]]}}


def allow(*actions, effect="Allow", resource="*"):
    """A policy document."""
    return {"Statement": [{"Effect": effect, "Action": list(actions), "Resource": resource}]}


ASSIGNED = [("disks", ROLE, [f"arn:aws:ec2:eu-west-1:{SOURCE}:volume/vol-orders"])]


def failing(version, number=1, **more):
    """A failed job of a version of the plan."""
    job = copy(number, state="FAILED", **more)
    job["CreatedBy"]["BackupPlanVersion"] = version
    return job
