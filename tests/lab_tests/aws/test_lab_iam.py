# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: by action, resource and condition, and IAM's own reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    ACCOUNT,
    DESTINATION,
    OTHER,
    READER_ARN,
    SOURCE,
    Aws,
    allowing,
    new_world,
    refusal,
)
from lab.aws import iam
from lab.aws.world import World

Serve = Callable[[World], Aws]
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/AWSBackupDefaultServiceRole"
_MANAGED = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
_SERVICE = {"Service": "backup.amazonaws.com"}
_TRUST = {"Statement": [{"Effect": "Allow", "Principal": _SERVICE, "Action": "sts:AssumeRole"}]}


def _role(**more: Any) -> dict[str, Any]:
    return {
        "RoleName": "AWSBackupDefaultServiceRole",
        "Arn": _ROLE,
        "account": ACCOUNT,
        "AssumeRolePolicyDocument": _TRUST,
        "policies": {"inline": allowing("kms:Decrypt")},
        "attached": {_MANAGED: allowing("backup:CopyIntoBackupVault", "kms:CreateGrant")},
        **more,
    }


def test_no_policy_that_allows_is_told_in_the_words_of_aws(serve: Serve) -> None:
    aws = serve(new_world(allowing("backup:Describe*")))
    assert refusal(aws.client("backup").list_copy_jobs) == (
        "AccessDeniedException",
        f"User: {READER_ARN} is not authorized to perform: backup:ListCopyJobs "
        "because no identity-based policy allows the backup:ListCopyJobs action",
        403,
    )


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("kms", "list_aliases", "AccessDeniedException", 400),
        ("iam", "list_role_policies", "AccessDenied", 403),
        ("ec2", "describe_transit_gateways", "UnauthorizedOperation", 403),
        ("cloudwatch", "list_metrics", "AccessDeniedException", 400),
    ],
)
def test_a_refusal_is_each_services_own(serve: Serve, service: str, operation: str, code: str, status: int) -> None:
    params = {"RoleName": "r"} if service == "iam" else {}
    found = refusal(getattr(serve(new_world(allowing("x:y"))).client(service), operation), **params)
    assert (found[0], found[2]) == (code, status)
    assert f"{service}:{''.join(word.title() for word in operation.split('_'))}" in found[1]


def test_an_explicit_deny_wins(serve: Serve) -> None:
    deny = {"Statement": {"Effect": "Deny", "Action": "backup:List*", "Resource": "*"}}
    aws = serve(new_world(allowing("*"), deny))
    message = refusal(aws.client("backup").list_copy_jobs)[1]
    assert message.endswith("backup:ListCopyJobs with an explicit deny in an identity-based policy")
    aws.client("backup").describe_region_settings()


def test_resources_are_heeded(serve: Serve) -> None:
    vault = f"arn:aws:backup:*:{ACCOUNT}:backup-vault:prod*"
    world = new_world(allowing("backup:DescribeBackupVault", resource=vault))
    names = {"BackupVaultName": "prod-1", "BackupVaultArn": vault.replace("*", SOURCE, 1)}
    world.place(ACCOUNT, SOURCE).rows["vaults"] = [names, {**names, "BackupVaultName": "dev"}]
    client = serve(world).client("backup")
    client.describe_backup_vault(BackupVaultName="prod-1")
    message = refusal(client.describe_backup_vault, BackupVaultName="dev")[1]
    assert f"on resource: arn:aws:backup:{SOURCE}:{ACCOUNT}:backup-vault:dev because" in message


def test_recovery_points_of_unmanaged_types_are_no_resources_of_backup(serve: Serve) -> None:
    world = new_world(allowing("backup:DescribeRecoveryPoint", resource="arn:aws:backup:*"))
    world.place(ACCOUNT, SOURCE).rows["vaults"] = [{"BackupVaultName": "prod", "BackupVaultArn": "arn:x"}]
    snapshot = f"arn:aws:ec2:{SOURCE}::snapshot/snap-1"
    managed = f"arn:aws:backup:{SOURCE}:{ACCOUNT}:recovery-point:1"
    client = serve(world).client("backup")
    denied = refusal(client.describe_recovery_point, BackupVaultName="prod", RecoveryPointArn=snapshot)
    assert (denied[0], "no identity-based policy" in denied[1]) == ("AccessDeniedException", True)
    missing = refusal(client.describe_recovery_point, BackupVaultName="prod", RecoveryPointArn=managed)
    assert missing[0] == "ResourceNotFoundException"


def test_conditions_are_heeded(serve: Serve) -> None:
    here = {"StringEquals": {"aws:RequestedRegion": [SOURCE]}, "Bool": {"aws:SecureTransport": "true"}}
    aws = serve(new_world(allowing("backup:*", Condition=here)))
    aws.client("backup").list_copy_jobs()
    assert refusal(aws.client("backup", DESTINATION).list_copy_jobs)[0] == "AccessDeniedException"


_CONTEXT = {"aws:requestedregion": SOURCE, "aws:principalorgid": "o-1", "kms:n": "5", "aws:tagkeys": ["a", "b"]}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": ["o-2", "o-1"]}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-2"}}, False),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-2"}}, True),
        ({"StringNotEquals": {"aws:PrincipalOrgID": ["o-2", "o-1"]}}, False),
        ({"StringEquals": {"aws:absent": "x"}}, False),
        ({"StringNotEquals": {"aws:absent": "x"}}, True),
        ({"StringEqualsIfExists": {"aws:absent": "x"}}, True),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "x"}}, False),
        ({"StringLike": {"aws:RequestedRegion": "eu-*"}}, True),
        ({"StringNotLike": {"aws:RequestedRegion": "eu-*"}}, False),
        ({"Null": {"aws:absent": "true"}}, True),
        ({"Null": {"aws:PrincipalOrgID": "true"}}, False),
        ({"NumericLessThan": {"kms:n": "6"}}, True),
        ({"NumericGreaterThanEquals": {"kms:n": "6"}}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["b", "c"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["b", "c"]}}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1", "aws:RequestedRegion": "us-east-1"}}, False),
    ],
)
def test_condition_operators(condition: dict[str, Any], holds: bool) -> None:
    assert iam.conditions_hold(condition, _CONTEXT) is holds


def test_a_statement_with_not_action_and_not_resource() -> None:
    statement = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret*"}
    assert iam.applies(statement, iam.Ask("backup:ListCopyJobs", "*", {}))
    assert not iam.applies(statement, iam.Ask("IAM:GetRole", "*", {}))
    assert not iam.applies(statement, iam.Ask("s3:GetObject", "arn:aws:s3:::secret-1", {}))


def _organization(*statements: dict[str, Any]) -> dict[str, Any]:
    summary = {"Id": "p-guard", "Name": "guard", "Type": "SERVICE_CONTROL_POLICY"}
    content = json.dumps({"Statement": list(statements)})
    policy = {"PolicySummary": summary, "Content": content, "_targets": [ACCOUNT]}
    return {"Id": "o-1", "accounts": [ACCOUNT, OTHER], "management": OTHER, "policies": [policy]}


def test_a_service_control_policy_bounds_its_accounts(serve: Serve) -> None:
    world = new_world()
    world.organization = _organization({"Effect": "Deny", "Action": "backup:ListCopyJobs", "Resource": "*"})
    client = serve(world).client("backup")
    assert refusal(client.list_copy_jobs)[1].endswith("with an explicit deny in a service control policy")
    client.list_backup_jobs()
    world.organization["management"] = ACCOUNT  # which no such policy binds
    client.list_copy_jobs()


def test_a_role_and_its_policies(serve: Serve) -> None:
    world = new_world()
    world.roles = [_role(), _role(account=OTHER, RoleName="theirs")]
    client = serve(world).client("iam")
    name = "AWSBackupDefaultServiceRole"
    role = client.get_role(RoleName=name)["Role"]
    assert (role["Arn"], role["AssumeRolePolicyDocument"]) == (_ROLE, _TRUST)
    attached = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSBackupServiceRolePolicyForBackup", "PolicyArn": _MANAGED}]
    assert client.list_role_policies(RoleName=name)["PolicyNames"] == ["inline"]
    inline = client.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"]
    assert inline == allowing("kms:Decrypt")
    version = client.get_policy(PolicyArn=_MANAGED)["Policy"]["DefaultVersionId"]
    document = client.get_policy_version(PolicyArn=_MANAGED, VersionId=version)["PolicyVersion"]["Document"]
    assert document == allowing("backup:CopyIntoBackupVault", "kms:CreateGrant")


def test_what_iam_does_not_know(serve: Serve) -> None:
    world = new_world()
    world.roles = [_role(), _role(account=OTHER, RoleName="theirs")]
    client = serve(world).client("iam")
    assert refusal(client.get_role, RoleName="theirs") == (
        "NoSuchEntity",
        "The role with name theirs cannot be found.",
        404,
    )
    name = "AWSBackupDefaultServiceRole"
    assert refusal(client.get_role_policy, RoleName=name, PolicyName="none")[0] == "NoSuchEntity"
    assert refusal(client.get_policy, PolicyArn=_MANAGED + "X")[0] == "NoSuchEntity"


def test_simulation_tells_allow_from_both_kinds_of_deny(serve: Serve) -> None:
    deny = {"Statement": {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}}
    world = new_world()
    world.roles = [_role(policies={"inline": deny})]
    world.organization = _organization({"Effect": "Deny", "Action": "backup:CopyIntoBackupVault", "Resource": "*"})
    results = serve(world).client("iam").simulate_principal_policy(
        PolicySourceArn=_ROLE,
        ActionNames=["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "backup:CopyIntoBackupVault"],
    )["EvaluationResults"]
    assert {row["EvalActionName"]: row["EvalDecision"] for row in results} == {
        "kms:CreateGrant": "allowed",
        "kms:Decrypt": "explicitDeny",
        "kms:Encrypt": "implicitDeny",
        "backup:CopyIntoBackupVault": "explicitDeny",
    }
    allowed = [row["OrganizationsDecisionDetail"]["AllowedByOrganizations"] for row in results]
    assert allowed == [True, True, True, False]
    assert results[0]["MatchedStatements"] == [
        {"SourcePolicyId": "AWSBackupServiceRolePolicyForBackup", "SourcePolicyType": "aws-managed"}
    ]
    assert results[1]["MatchedStatements"] == [{"SourcePolicyId": "inline", "SourcePolicyType": "role"}]


def test_pages_of_iam(serve: Serve) -> None:
    world = new_world()
    world.roles = [_role(policies={f"p{n}": {} for n in range(5)})]
    pages = list(
        serve(world).client("iam").get_paginator("list_role_policies").paginate(
            RoleName="AWSBackupDefaultServiceRole", PaginationConfig={"PageSize": 2}
        )
    )
    assert [page["PolicyNames"] for page in pages] == [["p0", "p1"], ["p2", "p3"], ["p4"]]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
