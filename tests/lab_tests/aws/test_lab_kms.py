# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KMS: keys of this account and of others, and how their policies are heeded."""

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
    ago,
    allowing,
    new_world,
    refusal,
)
from lab.aws.world import World

Serve = Callable[[World], Aws]
_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
_ARN = f"arn:aws:kms:{SOURCE}:{ACCOUNT}:key/{_ID}"
_THEIRS = f"arn:aws:kms:{SOURCE}:{OTHER}:key/{_ID}"


def _policy(*principals: str, effect: str = "Allow", action: str = "kms:*") -> str:
    statement = {"Effect": effect, "Principal": {"AWS": list(principals)}, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _key(arn: str = _ARN, **more: Any) -> dict[str, Any]:
    shown = {"KeyId": _ID, "Arn": arn, "AWSAccountId": arn.split(":")[4], "KeyState": "Enabled"}
    return {**shown, "KeyManager": "CUSTOMER", **more}


def _world(*keys: dict[str, Any], policies: tuple[dict[str, Any], ...] = ()) -> World:
    world = new_world(*policies)
    for key in keys:
        world.place(key["AWSAccountId"], SOURCE).rows.setdefault("keys", []).append(key)
    return world


@pytest.mark.parametrize(
    "name", [_ID, _ARN, "alias/aws/backup", f"arn:aws:kms:{SOURCE}:{ACCOUNT}:alias/aws/backup"]
)
def test_a_key_goes_by_four_names(serve: Serve, name: str) -> None:
    client = serve(_world(_key(_aliases=["alias/aws/backup"], KeyState="PendingDeletion"))).client("kms")
    metadata = client.describe_key(KeyId=name)["KeyMetadata"]
    assert (metadata["Arn"], metadata["KeyState"]) == (_ARN, "PendingDeletion")


def test_keys_that_are_not_there(serve: Serve) -> None:
    aws = serve(_world(_key()))
    code, message, dummy = refusal(aws.client("kms").describe_key, KeyId="none")
    assert (code, message) == ("NotFoundException", f"Key 'arn:aws:kms:{SOURCE}:{ACCOUNT}:key/none' does not exist")
    # A key is asked for in its own Region.
    code, message, dummy = refusal(aws.client("kms", DESTINATION).describe_key, KeyId=_ARN)
    assert (code, message) == ("NotFoundException", f"Invalid arn {SOURCE}")
    assert refusal(aws.client("kms").describe_key, KeyId="arn:aws:s3:::bucket")[0] == "InvalidArnException"


def test_the_key_policy_may_leave_it_to_identity_policies(serve: Serve) -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    key = _key(_policy=_policy(root))
    serve(_world(key)).client("kms").describe_key(KeyId=_ID)
    denied = refusal(serve(_world(key, policies=(allowing("x:y"),))).client("kms").describe_key, KeyId=_ID)
    assert denied[1].endswith("because no identity-based policy allows the kms:DescribeKey action")


def test_who_is_named_by_the_key_policy_needs_no_other(serve: Serve) -> None:
    key = _key(_policy=_policy(READER_ARN, action="kms:DescribeKey"))
    client = serve(_world(key, policies=(allowing("x:y"),))).client("kms")
    client.describe_key(KeyId=_ID)
    assert refusal(client.list_grants, KeyId=_ID)[0] == "AccessDeniedException"


def test_a_key_policy_that_does_not_know_the_account_locks_it_out(serve: Serve) -> None:
    key = _key(_policy=_policy("arn:aws:iam::333333333333:root"))
    message = refusal(serve(_world(key)).client("kms").describe_key, KeyId=_ID)[1]
    assert message.endswith(f"{_ARN} because no resource-based policy allows the kms:DescribeKey action")


def test_an_explicit_deny_in_the_key_policy_wins(serve: Serve) -> None:
    key = _key(_policy=_policy("*", effect="Deny", action="kms:Describe*"))
    message = refusal(serve(_world(key)).client("kms").describe_key, KeyId=_ID)[1]
    assert message.endswith("with an explicit deny in a resource-based policy")


def test_keys_of_another_account_are_read_by_arn_where_their_policy_allows(serve: Serve) -> None:
    grant = {"KeyId": _THEIRS, "GrantId": "g1", "GranteePrincipal": READER_ARN, "Operations": ["Decrypt"]}
    theirs = _key(_THEIRS, _policy=_policy(f"arn:aws:iam::{ACCOUNT}:root"), _grants=[grant])
    client = serve(_world(theirs)).client("kms")
    assert client.describe_key(KeyId=_THEIRS)["KeyMetadata"]["AWSAccountId"] == OTHER
    assert [row["GrantId"] for row in client.list_grants(KeyId=_THEIRS)["Grants"]] == ["g1"]
    code, message, dummy = refusal(client.get_key_policy, KeyId=_THEIRS, PolicyName="default")
    assert (code, "no resource-based policy allows the kms:GetKeyPolicy" in message) == ("AccessDeniedException", True)
    assert refusal(client.describe_key, KeyId=_ID)[0] == "NotFoundException"


@pytest.mark.parametrize("policy", [None, _policy(f"arn:aws:iam::{OTHER}:root")])
def test_keys_of_another_account_that_are_not_shared_look_like_missing_ones(serve: Serve, policy: str | None) -> None:
    client = serve(_world(_key(_THEIRS, _policy=policy))).client("kms")
    missing = f"arn:aws:kms:{SOURCE}:{OTHER}:key/none"
    hidden, gone = (refusal(client.describe_key, KeyId=arn) for arn in (_THEIRS, missing))
    assert hidden[0] == gone[0] == "AccessDeniedException"
    assert hidden[1].replace(_THEIRS, missing) == gone[1]


def test_the_policy_is_handed_out_as_its_text(serve: Serve) -> None:
    text = _policy(f"arn:aws:iam::{ACCOUNT}:root")
    client = serve(_world(_key(_policy=text))).client("kms")
    assert client.get_key_policy(KeyId=_ID)["Policy"] == text
    assert refusal(client.get_key_policy, KeyId=_ID, PolicyName="other")[0] == "NotFoundException"


def test_grants_are_filtered_and_paged(serve: Serve) -> None:
    grants = [
        {"KeyId": _ARN, "GrantId": f"g{n}", "GranteePrincipal": f"arn:p{n % 2}", "CreationDate": ago(days=n)}
        for n in range(5)
    ]
    client = serve(_world(_key(_grants=grants))).client("kms")
    pages = list(client.get_paginator("list_grants").paginate(KeyId=_ID, PaginationConfig={"PageSize": 2}))
    assert [[row["GrantId"] for row in page["Grants"]] for page in pages] == [["g0", "g1"], ["g2", "g3"], ["g4"]]
    assert [page["Truncated"] for page in pages] == [True, True, False]
    mine = client.list_grants(KeyId=_ID, GranteePrincipal="arn:p1")["Grants"]
    assert [row["GrantId"] for row in mine] == ["g1", "g3"]
    assert refusal(client.list_grants, KeyId=_ID, Marker="nonsense")[0] == "InvalidMarkerException"


def test_aliases_tell_the_key_of_a_service(serve: Serve) -> None:
    client = serve(_world(_key(_aliases=["alias/aws/ebs"]))).client("kms")
    expected = {
        "AliasName": "alias/aws/ebs",
        "AliasArn": f"arn:aws:kms:{SOURCE}:{ACCOUNT}:alias/aws/ebs",
        "TargetKeyId": _ID,
    }
    assert client.list_aliases()["Aliases"] == [expected]
    assert client.list_aliases(KeyId=_ID)["Aliases"] == [expected]
    assert refusal(client.list_aliases, KeyId="none")[0] == "NotFoundException"
