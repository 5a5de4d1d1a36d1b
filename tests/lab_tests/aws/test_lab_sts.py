# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""STS and Organizations: callers, roles of other accounts, decoded messages, who belongs together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    ACCOUNT,
    OTHER,
    READER_ARN,
    SOURCE,
    Aws,
    allowing,
    new_world,
    refusal,
)
from lab.aws.world import World

Serve = Callable[[World], Aws]
_ROLE = f"arn:aws:iam::{OTHER}:role/sync-reader"


def _trusting(principal: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more}
    return {
        "RoleName": "sync-reader",
        "Arn": _ROLE,
        "account": OTHER,
        "AssumeRolePolicyDocument": {"Statement": [statement]},
        "policies": {"read": allowing("backup:ListBackupVaults")},
        "attached": {},
    }


def test_everybody_may_ask_who_they_are(serve: Serve) -> None:
    world = new_world({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
    answer = serve(world).client("sts").get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (ACCOUNT, READER_ARN)
    assert answer["UserId"].startswith("AIDA")


def test_keys_of_a_role_work_in_its_account_with_its_policies(serve: Serve) -> None:
    world = new_world()
    world.roles = [_trusting(f"arn:aws:iam::{ACCOUNT}:root")]
    world.place(OTHER, SOURCE).rows["vaults"] = [{"BackupVaultName": "dr", "BackupVaultArn": "arn:dr"}]
    aws = serve(world)
    answer = aws.client("sts").assume_role(RoleArn=_ROLE, RoleSessionName="probe", DurationSeconds=900)
    given = answer["Credentials"]
    assert 890 < given["Expiration"].timestamp() - time.time() <= 900
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    arn = f"arn:aws:sts::{OTHER}:assumed-role/sync-reader/probe"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    assert aws.client("sts", **keys).get_caller_identity()["Arn"] == arn
    backup = aws.client("backup", **keys)
    assert [row["BackupVaultName"] for row in backup.list_backup_vaults()["BackupVaultList"]] == ["dr"]
    assert arn in refusal(backup.list_copy_jobs)[1]
    assert aws.calls()[0]["resource"] == _ROLE


def _refused(serve: Serve, world: World, **params: Any) -> bool:
    code, message, status = refusal(
        serve(world).client("sts").assume_role, RoleArn=_ROLE, RoleSessionName="probe", **params
    )
    assert message == f"User: {READER_ARN} is not authorized to perform: sts:AssumeRole on resource: {_ROLE}"
    return (code, status) == ("AccessDenied", 403)


def test_a_role_that_trusts_somebody_else_or_nobody_is_refused(serve: Serve) -> None:
    world = new_world()
    assert _refused(serve, world)  # there is none
    world.roles = [_trusting("arn:aws:iam::333333333333:root")]
    assert _refused(serve, world)


def test_across_accounts_the_callers_own_policy_must_allow_too(serve: Serve) -> None:
    world = new_world(allowing("backup:*"))
    world.roles = [_trusting(READER_ARN)]
    assert _refused(serve, world)
    world.identities["AKIAREADER"].policies.append(allowing("sts:AssumeRole", resource=_ROLE))
    serve(world).client("sts").assume_role(RoleArn=_ROLE, RoleSessionName="probe")


def test_the_external_id_is_heeded(serve: Serve) -> None:
    world = new_world()
    world.roles = [_trusting(READER_ARN, Condition={"StringEquals": {"sts:ExternalId": "42"}})]
    assert _refused(serve, world)
    assert _refused(serve, world, ExternalId="43")
    serve(world).client("sts").assume_role(RoleArn=_ROLE, RoleSessionName="probe", ExternalId="42")


def test_encoded_messages_are_those_of_the_story(serve: Serve) -> None:
    world = new_world()
    world.place(ACCOUNT, SOURCE).settings["encoded_messages"] = {"4GIOHlTkIaWHQD0Q0m": '{"allowed":false}'}
    decode = serve(world).client("sts").decode_authorization_message
    assert decode(EncodedMessage="4GIOHlTkIaWHQD0Q0m")["DecodedMessage"] == '{"allowed":false}'
    assert refusal(decode, EncodedMessage="other")[0] == "InvalidAuthorizationMessageException"


def test_an_organization_is_told_to_members_its_policies_to_its_management(serve: Serve) -> None:
    world = new_world()
    client = serve(world).client("organizations", "us-east-1")
    assert refusal(client.describe_organization)[0] == "AWSOrganizationsNotInUseException"
    summary = {"Id": "p-guard1234", "Name": "guard", "Type": "SERVICE_CONTROL_POLICY"}
    content = json.dumps({"Statement": []})
    policy = {"PolicySummary": summary, "Content": content, "_targets": [ACCOUNT]}
    world.organization = {
        "Id": "o-abcdefghij",
        "accounts": [ACCOUNT, OTHER],
        "management": OTHER,
        "policies": [policy],
    }
    organization = client.describe_organization()["Organization"]
    assert (organization["Id"], organization["MasterAccountId"]) == ("o-abcdefghij", OTHER)
    wanted = {"TargetId": ACCOUNT, "Filter": "SERVICE_CONTROL_POLICY"}
    assert refusal(client.list_policies_for_target, **wanted)[0] == "AccessDeniedException"
    world.organization["management"] = ACCOUNT
    assert client.list_policies_for_target(**wanted)["Policies"] == [summary]
    assert client.describe_policy(PolicyId="p-guard1234")["Policy"]["Content"] == content
    assert refusal(client.describe_policy, PolicyId="p-other12345")[0] == "PolicyNotFoundException"
