# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7 of the region runbook."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import aws_copy_rules
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import JobReader, pack_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_rules import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import ROLE, THERE, copy
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DAY,
    DESTINATION,
    NOW_S,
    SOURCE,
    FakeAccount,
    FakeClients,
    forbidden,
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


def plan(*rules, name="nightly", version="v1", selections=(), versions=()):
    """A plan. selections: [(name, role, resources)], versions: the older ones [(id, rules, age in days)]"""
    return {"name": name, "version": version, "rules": rules, "selections": selections, "versions": versions}


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
        return gather(given, FakeClients(self.source, self.destination)).evidence

    def kinds(self, **params):
        """The kinds of its problems."""
        return [problem["kind"] for problem in self.told(**params)["problems"]]

    @staticmethod
    def _listed(row):
        return {"BackupPlanId": f"{row['name']}-id", "BackupPlanName": row["name"], "VersionId": row["version"]}

    def _selections(self, asked):
        rows = self.plans[asked["BackupPlanId"]]["selections"]
        listed = [{"SelectionId": name, "SelectionName": name, "IamRoleArn": role} for name, role, dummy in rows]
        return {"BackupSelectionsList": listed}

    def _selection(self, asked):
        rows = self.plans[asked["BackupPlanId"]]["selections"]
        resources = {name: found for name, dummy, found in rows}[asked["SelectionId"]]
        return {"BackupSelection": {"Resources": resources}}

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


# ------------------------------------------------------------------------------------------------------------ rules


def test_a_rule_that_copies_here_is_told_with_what_it_is_assigned_to():
    world = World(plan(rule(StartWindowMinutes=60, CompletionWindowMinutes=180), selections=ASSIGNED), jobs=[copy(1)])
    told = world.told()
    row = told["rules"][0]
    assert told["outcome"] == "ok"
    assert told["problems"] == [] and told["denied"] == []
    assert (row["copies_here"], row["copies_to"], row["delete_after_days"]) == (True, [THERE], 35)
    assert (row["interval_s"], row["start_window_s"], row["completion_window_s"]) == (86400.0, 3600.0, 10800.0)
    assert (row["selections"], row["roles"]) == (["disks"], ["AWSBackupDefaultServiceRole"])
    assert told["summary"] == {
        "plans": 1,
        "rules": 1,
        "copying": 1,
        "problems": 0,
        "changed_at": None,
        "on_demand_only": False,
    }
    assert told["replication"] == {"rules": ["nightly-rule"], "created_by": {"nightly-rule": 1}, "on_demand": 0}


def test_only_plans_on_the_source_vault_are_read_further_and_versions_not_at_all():
    other = plan(rule(TargetBackupVaultName="another"), name="other", selections=ASSIGNED)
    world = World(plan(rule(), selections=ASSIGNED), other, jobs=[copy(1)])
    told = world.told()
    assert world.source.operations().count("GetBackupPlan") == 2
    assert [asked["BackupPlanId"] for asked in world.source.arguments("ListBackupSelections")] == ["nightly-id"]
    assert "ListBackupPlanVersions" not in world.source.operations()
    assert "ListCopyJobs" not in world.source.operations()
    assert world.destination.operations() == ["DescribeRegionSettings"]
    assert (told["summary"]["plans"], told["summary"]["rules"]) == (2, 1)


def test_a_rule_without_copy_action_is_a_problem_where_nothing_else_copies():
    told = World(plan(rule(copies=None))).told()
    (problem,) = told["problems"]
    assert (problem["kind"], problem["rule"], problem["expected"], problem["actual"]) == (
        "no_copy_action",
        "nightly-rule",
        THERE,
        None,
    )


def test_a_rule_without_copy_action_beside_one_that_copies_may_be_meant_so():
    assert World(plan(rule()), plan(rule("dev", copies=None), name="dev")).kinds() == []
    assert World(plan(rule(), rule("hourly", copies=None))).kinds() == []


def test_a_rule_that_did_copy_and_no_longer_does_is_a_problem_all_the_same():
    was = plan(rule("old", copies=None), name="old", version="v2", versions=[("v1", [rule("old")], 90)])
    job = copy(1, plan="old")
    job["CreatedBy"]["BackupRuleName"] = "old"
    world = World(plan(rule()), was, jobs=[job])
    told = world.told()
    assert [problem["kind"] for problem in told["problems"]] == ["no_copy_action", "rule_changed"]
    assert told["problems"][0]["resources"] == ["orders"]
    assert told["problems"][1]["actual"] == {"CopyActions": []}


def test_copies_on_demand_need_no_rule():
    on_demand = [copy(1, plan=None)]
    told = World(plan(rule(copies=None)), jobs=on_demand).told()
    assert told["problems"] == []
    assert told["summary"]["on_demand_only"] is True
    assert World(jobs=on_demand).told()["outcome"] == "empty"
    assert World(jobs=[]).kinds() == ["no_copy_action"]


def test_a_copy_into_another_vault_is_told_with_both_arns():
    (problem,) = World(plan(rule(copies=ELSEWHERE))).told()["problems"]
    assert (problem["kind"], problem["expected"], problem["actual"]) == ("copies_elsewhere", THERE, [ELSEWHERE])


def test_nothing_is_concluded_from_plans_that_could_not_be_read():
    def get(asked):
        return forbidden("GetBackupPlan") if asked["BackupPlanId"] == "b-id" else get_plan(silent, None)

    silent = plan(rule(copies=None), name="a")
    world = World(silent, plan(name="b"), **{"backup:GetBackupPlan": get})
    told = world.told()
    assert told["problems"] == []
    assert [(row["what"], row["side"], row["outcome"]) for row in told["denied"]] == [
        ("backup plan b", "source", "forbidden")
    ]


def test_refused_plans_are_the_outcome_and_the_rest_is_told_nevertheless():
    world = World(jobs=[copy(1, state="FAILED")], **{"backup:ListBackupPlans": forbidden("ListBackupPlans")})
    told = world.told()
    assert told["outcome"] == "forbidden"
    assert told["error"]["grant"]["statement"]["Action"] == "backup:ListBackupPlans"
    assert told["problems"] == []
    assert told["summary"]["copying"] is None
    assert [role["role"] for role in told["roles"]] == ["AWSBackupDefaultServiceRole"]
    assert told["opt_in"]["source"]["EBS"] is True


# -------------------------------------------------------------------------------------------------------- lifecycle


@pytest.mark.parametrize(
    ("rules", "bounds", "kinds"),
    [
        (rule(days=29), (30, 365), ["retention_below_minimum"]),
        (rule(days=30), (30, 365), []),
        (rule(days=366), (30, 365), ["retention_above_maximum"]),
        # what the copy action leaves out it inherits from the backup
        (rule(days=None, keeps=20), (30, None), ["retention_below_minimum"]),
        (rule(days=-1, keeps=400), (30, 365), ["retention_above_maximum"]),
        (rule(days=None, keeps=None), (None, 365), ["retention_above_maximum"]),
        (rule(days=None, keeps=None), (30, None), []),
        (rule(days=6), (None, None), ["short_retention"]),
        (rule(days=100, cold=11), (None, None), ["cold_too_early"]),
        (rule(days=100, cold=10), (None, None), []),
    ],
)
def test_retention_of_copies_against_the_lock_of_the_vault(rules, bounds, kinds):
    least, most = bounds
    vaults = {"min_retention_days": least, "max_retention_days": most}
    assert World(plan(rules)).kinds(vaults=vaults) == kinds


def test_the_vault_default_of_another_account():
    arn = vault_arn(account=DESTINATION, name="Default")
    vaults = {"destination_arn": arn, "destination_account": DESTINATION}
    world = World(plan(rule(copies=arn)))
    assert world.kinds(vaults=vaults, destination_vault_name="Default") == ["default_vault_cross_account"]


# ---------------------------------------------------------------------------------------------------------- changes


def failing(version, number=1, **more):
    """A failed job of a version of the plan."""
    job = copy(number, state="FAILED", **more)
    job["CreatedBy"]["BackupPlanVersion"] = version
    return job


def test_a_rule_that_changed_since_its_job_failed():
    world = World(plan(rule(days=35), version="v2", versions=[("v1", [rule(days=7)], 90)]), jobs=[failing("v1")])
    told = world.told()
    (problem,) = told["problems"]
    assert problem["kind"] == "rule_changed"
    assert problem["expected"]["CopyActions"][0]["Lifecycle"] == {"DeleteAfterDays": 7}
    assert problem["actual"]["CopyActions"][0]["Lifecycle"] == {"DeleteAfterDays": 35}
    assert "2026-11-19T21:00:00Z" in problem["message"]  # when v2 took the place of v1
    assert told["rules"][0]["failing_version"] == "v1"
    assert told["summary"]["changed_at"] == "2026-11-19T21:00:00Z"


def test_a_plan_that_changed_elsewhere_leaves_the_rule_as_it_was():
    world = World(plan(rule(), version="v2", versions=[("v1", [rule(), rule("extra")], 90)]), jobs=[failing("v1")])
    told = world.told()
    assert told["problems"] == []
    assert told["rules"][0]["failing_version"] == "v1"


def test_the_newest_failing_job_decides_not_an_older_one():
    changed = plan(rule(), version="v2", versions=[("v1", [rule(days=7)], 90)])
    world = World(changed, jobs=[failing("v2"), failing("v1", 2)])
    told = world.told()
    assert told["problems"] == []
    assert told["rules"][0]["failing_version"] is None
    assert told["summary"]["changed_at"] == "2026-11-19T21:00:00Z"
    # the versions are listed, but the rules of the older one are not needed
    assert [asked.get("VersionId") for asked in world.source.arguments("GetBackupPlan")] == [None]


# -------------------------------------------------------------------------------------------------------- schedules


def test_backups_further_apart_than_the_rpo():
    weekdays = rule(ScheduleExpression="cron(0 5 ? * MON-FRI *)")
    (problem,) = World(plan(weekdays), jobs=[copy(1)]).told(rpo="36h")["problems"]
    assert (problem["kind"], problem["expected"], problem["actual"]) == ("interval_exceeds_rpo", 129600.0, 259200.0)
    assert problem["resources"] == ["orders"]
    assert World(plan(weekdays)).kinds() == []  # no RPO given
    assert World(plan(rule())).kinds(rpo="36h") == []
    assert World(plan(rule(ScheduleExpression="cron(0 5 15W * ? *)"))).kinds(rpo="36h") == []  # not understood


def test_a_monthly_rule_beside_a_daily_one_of_the_same_resources():
    monthly = rule("monthly", ScheduleExpression="cron(0 8 1 * ? *)", days=365)
    by_month = copy(2)
    by_month["CreatedBy"]["BackupRuleName"] = "monthly"
    assert World(plan(rule(), monthly), jobs=[copy(1), by_month]).kinds(rpo="36h") == []
    alone = copy(2, "archive")
    alone["CreatedBy"]["BackupRuleName"] = "monthly"
    (problem,) = World(plan(rule(), monthly), jobs=[copy(1), alone]).told(rpo="36h")["problems"]
    assert (problem["rule"], problem["resources"]) == ("monthly", ["archive"])


def test_of_two_rules_that_start_together_only_the_longer_one_runs():
    monthly = rule("monthly", copies=None, keeps=365, ScheduleExpression="cron(0 5 1 * ? *)")
    (problem,) = World(plan(rule(), monthly)).told()["problems"]
    assert (problem["kind"], problem["rule"], problem["actual"]) == (
        "overlapping_rule",
        "nightly-rule",
        "2026-12-01T05:00:00Z",
    )
    shorter = rule("monthly", copies=None, keeps=14, ScheduleExpression="cron(0 5 1 * ? *)")
    assert World(plan(rule(), shorter)).kinds() == []
    later = rule("monthly", copies=None, keeps=365, ScheduleExpression="cron(0 8 1 * ? *)")
    assert World(plan(rule(), later)).kinds() == []


# ------------------------------------------------------------------------------------------------------------ types


def efs(number=1, **more):
    """A copy job of a file system."""
    return copy(number, ResourceType="EFS", **more)


def test_a_type_that_is_opted_out_at_the_source():
    (problem,) = World(plan(rule()), jobs=[efs()], opt_in={"EFS": False, "S3": False}).told()["problems"]
    assert (problem["kind"], problem["side"], problem["types"]) == ("opted_out", "source", ["EFS"])


def test_opt_in_does_not_matter_for_what_a_selection_names_outright_but_for_clusters():
    named = [("files", ROLE, ["arn:aws:elasticfilesystem:*:*:file-system/*"])]
    assert World(plan(rule(), selections=named), jobs=[efs()], opt_in={"EFS": False}).kinds() == []
    cluster = [copy(1, ResourceType="Aurora", ResourceArn=f"arn:aws:rds:eu-west-1:{SOURCE}:cluster:orders")]
    outright = [("clusters", ROLE, [f"arn:aws:rds:eu-west-1:{SOURCE}:cluster:orders"])]
    assert World(plan(rule(), selections=outright), jobs=cluster, opt_in={"Aurora": False}).kinds() == ["opted_out"]


def test_opt_out_at_the_destination_matters_only_where_copies_do_not_arrive():
    assert World(plan(rule()), jobs=[efs()], opt_in_there={"EFS": False}).kinds() == []
    (problem,) = World(plan(rule()), jobs=[efs(state="FAILED")], opt_in_there={"EFS": False}).told()["problems"]
    assert (problem["kind"], problem["side"]) == ("opted_out", "destination")


def test_backups_that_failed_upstream_tell_their_types_too():
    upstream = {"upstream": [{"type": "EFS", "resource": "media"}]}
    assert World(plan(rule()), opt_in={"EFS": False}).kinds(copy_jobs=upstream) == ["opted_out"]


def test_dynamodb_without_advanced_features_cannot_be_copied():
    table = [("tables", ROLE, ["arn:aws:dynamodb:*:*:table/*"])]
    world = World(plan(rule(), selections=table), managed={"DynamoDB": False})
    assert world.kinds() == ["not_managed"]
    copied = [copy(1, ResourceType="DynamoDB")]
    assert World(plan(rule()), jobs=copied, managed={"DynamoDB": False}).kinds() == []


def test_types_that_are_not_copied_to_a_region_that_must_be_enabled_first():
    def kinds(state, region="eu-south-1"):
        arn = vault_arn(region)
        jobs = [copy(1, ResourceType="FSx", state=state, DestinationBackupVaultArn=arn)]
        return World(plan(rule(copies=arn)), jobs=jobs).kinds(vaults={"destination_arn": arn})

    assert kinds("FAILED") == ["unsupported_type"]
    assert kinds("COMPLETED") == []  # AWS has learnt it since
    assert kinds("FAILED", "eu-central-1") == []


def test_multi_az_clusters_of_rds_are_not_copied():
    cluster = f"arn:aws:rds:eu-west-1:{SOURCE}:cluster:ledger"
    job = copy(1, "ledger", ResourceType="RDS", ResourceArn=cluster, state="FAILED")
    (problem,) = World(plan(rule()), jobs=[job]).told()["problems"]
    assert (problem["kind"], problem["resources"]) == ("unsupported_type", ["ledger"])


# ------------------------------------------------------------------------------------------------------------ roles


def role_told(role, **params):
    """(row, kinds of problems) of the one role of a plan."""
    roles = {} if role is None else {ROLE: role}
    told = World(plan(rule(), selections=ASSIGNED), roles=roles).told(**params)
    return told["roles"][0], [problem["kind"] for problem in told["problems"]], told


def test_the_role_of_aws_may_all_that_a_copy_needs():
    row, kinds, dummy = role_told({})
    assert kinds == []
    assert (row["exists"], row["trusts_backup"], row["backup_policy"]) == (True, True, True)
    assert row["actions"] == {
        "backup:CopyIntoBackupVault": "allowed",
        "backup:CopyFromBackupVault": "allowed",
        "ec2:CopySnapshot": "allowed",
    }


def test_a_role_that_does_not_exist():
    row, kinds, dummy = role_told(None)
    assert (row["exists"], kinds) == (False, ["role_missing"])


def test_a_role_that_trusts_somebody_else():
    row, kinds, dummy = role_told({"trust": trust("ec2.amazonaws.com")})
    assert (row["trusts_backup"], kinds) == (False, ["role_not_trusting"])


def test_a_role_whose_own_policy_lacks_an_action():
    policy = f"arn:aws:iam::{SOURCE}:policy/backup"
    role = {"attached": [policy], "documents": {policy: allow("ec2:*", "backup:CopyFromBackupVault")}}
    row, kinds, told = role_told(role)
    assert (row["backup_policy"], kinds) == (False, ["role_not_allowed"])
    assert told["problems"][0]["actual"] == {"backup:CopyIntoBackupVault": "not_mentioned"}


def test_an_inline_policy_that_denies():
    role = {"inline": {"guard": allow("backup:CopyIntoBackupVault", effect="Deny", resource=THERE)}}
    row, kinds, dummy = role_told(role)
    assert (row["actions"]["backup:CopyIntoBackupVault"], kinds) == ("denied", ["role_not_allowed"])
    elsewhere = {"inline": {"guard": allow("backup:CopyIntoBackupVault", effect="Deny", resource=ELSEWHERE)}}
    assert role_told(elsewhere)[1] == []


def test_a_boundary_narrows_what_policies_allow():
    boundary = f"arn:aws:iam::{SOURCE}:policy/boundary"
    row, kinds, dummy = role_told({"boundary": boundary, "documents": {boundary: allow("ec2:*")}})
    assert row["boundary"] == boundary
    assert (row["actions"]["backup:CopyIntoBackupVault"], kinds) == ("not_mentioned", ["role_not_allowed"])


def test_older_roles_do_without_copy_from_and_another_account_does_not_copy_snapshots_itself():
    policy = f"arn:aws:iam::{SOURCE}:policy/backup"
    role = {"attached": [policy], "documents": {policy: allow("backup:CopyIntoBackupVault")}}
    assert role_told(role)[2]["problems"][0]["actual"] == {"ec2:CopySnapshot": "not_mentioned"}
    arn = vault_arn(account=DESTINATION)
    world = World(plan(rule(copies=arn), selections=ASSIGNED), roles={ROLE: role})
    assert world.kinds(vaults={"destination_arn": arn, "destination_account": DESTINATION}) == []


def test_policies_that_could_not_be_read_may_say_anything():
    refused = {"iam:ListAttachedRolePolicies": forbidden("ListAttachedRolePolicies", "iam")}
    told = World(plan(rule(), selections=ASSIGNED), **refused).told()
    assert told["problems"] == []
    row = told["roles"][0]
    assert (row["backup_policy"], row["actions"]["backup:CopyIntoBackupVault"]) == (None, None)
    assert [entry["what"] for entry in told["denied"]] == ["attached policies of role AWSBackupDefaultServiceRole"]


def test_roles_of_failing_jobs_come_first_and_five_are_read():
    names = [f"arn:aws:iam::{SOURCE}:role/r{number}" for number in range(7)]
    selections = [(f"s{number}", name, []) for number, name in enumerate(names)]
    jobs = [failing("v1", number, IamRoleArn=names[6]) for number in range(3)]
    world = World(plan(rule(), selections=selections), roles={name: {} for name in names}, jobs=jobs)
    assert [row["role"] for row in world.told()["roles"]] == ["r6", "r0", "r1", "r2", "r3"]


# ------------------------------------------------------------------------------------------------------------ alone


def test_alone_it_asks_for_jobs_and_the_vault_itself():
    there = {
        "backup:DescribeRegionSettings": {},
        "sts:GetCallerIdentity": {"Account": SOURCE},
        "backup:DescribeBackupVault": {"BackupVaultArn": THERE, "MinRetentionDays": 40, "Locked": True},
    }
    world = World(plan(rule()), **{"backup:ListCopyJobs": {"CopyJobs": [copy(1, plan=None)]}})
    clients = FakeClients(world.source, FakeAccount("destination", "eu-central-1", SOURCE, replies=there))
    told = gather({"vault_name": "main"}, clients).evidence
    assert [problem["kind"] for problem in told["problems"]] == ["retention_below_minimum"]
    assert told["replication"]["on_demand"] == 1
    (asked,) = world.source.arguments("ListCopyJobs")
    assert asked["ByDestinationVaultArn"] == THERE


def test_a_feed_that_is_none_is_refused_before_anything_is_asked():
    world = World()
    with pytest.raises(BadParameter, match="jobs_feed"):
        world.told(jobs_feed="nonsense")
    with pytest.raises(BadParameter, match="rpo"):
        world.told(rpo="soon")
    assert world.source.calls == 0


def test_plans_whose_selections_are_not_read_are_counted(monkeypatch):
    monkeypatch.setattr(aws_copy_rules, "_MOST_PLANS", 1)
    both = [plan(rule(), name=name, selections=ASSIGNED) for name in ("nightly", "weekly")]
    told = World(*both, jobs=[copy(1)]).told()
    assert [(row["outcome"], row["message"]) for row in told["denied"]] == [
        ("not_applicable", "Only the selections of 1 of 2 plans were read.")
    ]
