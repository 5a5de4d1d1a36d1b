# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7 of the region runbook: the roles that copy."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_plan_world import (
    ASSIGNED,
    ELSEWHERE,
    World,
    allow,
    failing,
    plan,
    rule,
    trust,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import ROLE, THERE
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DESTINATION,
    SOURCE,
    forbidden,
    vault_arn,
)


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
