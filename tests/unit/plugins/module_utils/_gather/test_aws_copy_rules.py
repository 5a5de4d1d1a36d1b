# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7 of the region runbook: the rules that copy."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import aws_copy_rules
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_rules import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_plan_world import (
    ASSIGNED,
    ELSEWHERE,
    World,
    failing,
    get_plan,
    plan,
    rule,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import ROLE, THERE, copy
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DESTINATION,
    SOURCE,
    FakeAccount,
    FakeClients,
    forbidden,
    vault_arn,
)

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


# --------------------------------------------------------------------------------------------------------- selected


def selected(world):
    """(resource, plan, rule) of what should have been backed up by now."""
    return [(row["resource"], row["plan"], row["rule"]) for row in world.gathered().feed["selected"]]


def test_what_a_plan_names_outright_is_handed_on_once_its_rule_has_run():
    # selected ten days ago, and a copy job of the rule was made a day ago
    world = World(plan(rule(), selections=ASSIGNED, selected_days=10), jobs=[copy(1)])
    (row,) = world.gathered().feed["selected"]
    assert (row["resource_arn"], row["resource"], row["type"]) == (ASSIGNED[0][2][0], "vol-orders", "EBS")
    assert (row["since"], row["plan"], row["rule"]) == ("2026-11-10T21:00:00Z", "nightly", "nightly-rule")
    assert row["since"] < row["ran_at"] < "2026-11-20T21:00:00Z"


@pytest.mark.parametrize(
    "assigned",
    [
        {"selected_days": None},  # AWS did not say when
        {"selected_days": 0.5},  # perhaps after the slot of that run
        {"selected_days": 10, "ListOfTags": [{"ConditionKey": "backup"}]},
        {"selected_days": 10, "Conditions": {"StringEquals": [{"ConditionKey": "aws:ResourceTag/backup"}]}},
        {"selected_days": 10, "NotResources": ["arn:aws:ec2:*:*:volume/vol-o*"]},
    ],
)
def test_what_may_not_be_selected_is_not_handed_on(assigned):
    assert selected(World(plan(rule(), selections=ASSIGNED, **assigned), jobs=[copy(1)])) == []


def test_neither_wildcards_nor_rules_that_do_not_run_or_copy_here_ask_for_a_backup():
    every = [("disks", ROLE, ["arn:aws:ec2:*:*:volume/*", f"arn:aws:rds:eu-west-1:{SOURCE}:cluster:shop"])]
    assert selected(World(plan(rule(), selections=every, selected_days=10), jobs=[copy(1)])) == []
    assert selected(World(plan(rule(), selections=ASSIGNED, selected_days=10), jobs=[copy(1, plan=None)])) == []
    elsewhere = plan(rule(copies=ELSEWHERE), selections=ASSIGNED, selected_days=10)
    assert selected(World(elsewhere, jobs=[copy(1)])) == []
