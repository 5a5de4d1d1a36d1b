# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures: the real signer is believed, and every failure has its service's own name."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    ACCOUNT,
    ALL_ALLOWED,
    READER,
    SECRET,
    SOURCE,
    Aws,
    new_world,
    refusal,
)
from lab.aws.world import Identity, World

Serve = Callable[[World], Aws]
_CALLS = {
    "backup": "list_copy_jobs",
    "kms": "list_aliases",
    "sts": "get_caller_identity",
    "ec2": "describe_transit_gateways",
}
_FAILURES = {
    "bad secret": {
        "backup": ("InvalidSignatureException", 403),
        "kms": ("InvalidSignatureException", 400),
        "sts": ("SignatureDoesNotMatch", 403),
        "ec2": ("AuthFailure", 401),
    },
    "unknown key": {
        "backup": ("UnrecognizedClientException", 403),
        "kms": ("UnrecognizedClientException", 400),
        "sts": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
    },
    "expired": {
        "backup": ("ExpiredTokenException", 403),
        "kms": ("ExpiredTokenException", 400),
        "sts": ("ExpiredToken", 403),
        "ec2": ("RequestExpired", 400),
    },
    "no token": {
        "backup": ("UnrecognizedClientException", 403),
        "kms": ("UnrecognizedClientException", 400),
        "sts": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
    },
}
_KEYS = {
    "bad secret": {"aws_secret_access_key": "wrong"},
    "unknown key": {"aws_access_key_id": "AKIANOBODY"},
    "expired": {"aws_access_key_id": "ASIAOLD", "aws_session_token": "token"},
    "no token": {"aws_access_key_id": "ASIANEW"},
}


def _world() -> World:
    world = new_world()
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/session"
    world.identities["ASIAOLD"] = Identity(SECRET, "token", ACCOUNT, arn, [ALL_ALLOWED], time.time() - 1)
    world.identities["ASIANEW"] = Identity(SECRET, "token", ACCOUNT, arn, [ALL_ALLOWED], time.time() + 600)
    return world


@pytest.mark.parametrize("failure", sorted(_FAILURES))
def test_each_service_names_the_failure_in_its_own_way(serve: Serve, failure: str) -> None:
    aws = serve(_world())
    for service, operation in _CALLS.items():
        code, dummy, status = refusal(getattr(aws.client(service, **_KEYS[failure]), operation))
        assert (code, status) == _FAILURES[failure][service], service


def test_temporary_credentials_work_with_their_token(serve: Serve) -> None:
    client = serve(_world()).client("sts", aws_access_key_id="ASIANEW", aws_session_token="token")
    assert client.get_caller_identity()["Arn"].endswith(":assumed-role/reader/session")


def test_credentials_expire_by_the_labs_clock(serve: Serve) -> None:
    world = _world()
    world.now = lambda: time.time() + 3600
    client = serve(world).client("kms", aws_access_key_id="ASIANEW", aws_session_token="token")
    assert refusal(client.list_aliases)[0] == "ExpiredTokenException"


def test_paths_and_queries_of_all_kinds_are_signed_alike(serve: Serve) -> None:
    client = serve(new_world()).client("backup")
    client.list_backup_vaults()  # a path that ends in a slash
    client.list_copy_jobs(ByResourceArn="arn:aws:ec2:eu-west-1:1:volume/vol-1 +~*&=", ByState="FAILED", MaxResults=3)
    arn = "arn:aws:ec2:eu-west-1::snapshot/snap-1"  # a label with a slash in it
    code, dummy, dummy2 = refusal(client.describe_recovery_point, BackupVaultName="none", RecoveryPointArn=arn)
    assert code == "AccessDeniedException"


def _send(aws: Aws, body: bytes, changed: bytes | None = None, drop: str = "") -> tuple[int, bytes]:
    headers = {"X-Amz-Target": "TrentService.ListAliases", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", aws.lab.url + "/", headers=headers, data=body)
    SigV4Auth(Credentials(READER, SECRET), "kms", SOURCE).add_auth(request)
    if drop:
        del request.headers[drop]
    if changed is not None:
        request.data = changed
    answer = URLLib3Session(verify=aws._ca).send(request.prepare())
    return answer.status_code, answer.content


def test_a_body_that_was_changed_on_its_way_is_refused(serve: Serve) -> None:
    aws = serve(new_world())
    assert _send(aws, b"{}")[0] == 200
    status, content = _send(aws, b'{"Limit":1}', changed=b'{"Limit":2}')
    assert (status, b"InvalidSignatureException" in content) == (400, True)


def test_a_request_without_signature_is_refused(serve: Serve) -> None:
    status, content = _send(serve(new_world()), b"{}", drop="Authorization")
    assert (status, b"Missing Authentication Token" in content) == (403, True)


@pytest.mark.parametrize(("ahead", "words"), [("10m", "Signature expired: "), ("-10m", "Signature not yet current: ")])
def test_a_clock_that_is_off_is_told(serve: Serve, ahead: str, words: str) -> None:
    world = new_world()
    world.faults = [{"clock_ahead_s": ahead}]
    code, message, dummy = refusal(serve(world).client("backup").list_copy_jobs)
    assert code == "InvalidSignatureException"
    assert message.startswith(words)
    assert message.endswith("5 min.)")


def test_a_clock_that_is_off_a_little_is_not(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"clock_ahead_s": 240}]
    serve(world).client("backup").list_copy_jobs()
