# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS lab's server: what goes over the wire, faults, the list of calls."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    ACCOUNT,
    DESTINATION,
    READER_ARN,
    SOURCE,
    Aws,
    ago,
    allowing,
    new_world,
    refusal,
)
from lab.apiserver.pki import Pki
from lab.aws.faults import parse_fault
from lab.aws.server import AwsLab
from lab.aws.world import World

Serve = Callable[[World], Aws]


def test_all_protocols_answer_the_real_client(serve: Serve) -> None:
    aws = serve(new_world())
    assert aws.client("backup").list_copy_jobs()["CopyJobs"] == []  # rest-json
    assert aws.client("kms").list_aliases()["Aliases"] == []  # json
    assert aws.client("sts").get_caller_identity()["Arn"] == READER_ARN  # query
    # ec2 has a form of its own for errors
    code, dummy, status = refusal(aws.client("ec2").create_vpc, CidrBlock="10.0.0.0/16")
    assert (code, status) == ("LabNotImplemented", 501)


def test_an_undeclared_operation_is_never_answered(serve: Serve) -> None:
    aws = serve(new_world())
    code, message, status = refusal(aws.client("backup").list_frameworks)
    assert (code, status) == ("LabNotImplemented", 501)
    assert "backup:ListFrameworks" in message
    assert refusal(aws.client("s3").list_buckets)[2] == 501
    assert refusal(aws.client("sqs").list_queues)[2] == 501


def test_the_list_of_calls_tells_who_asked_what(serve: Serve) -> None:
    aws = serve(new_world(allowing("backup:ListCopyJobs")))
    aws.client("backup").list_copy_jobs(ByState="FAILED", ByCreatedAfter=ago(hours=1))
    refusal(aws.client("backup", DESTINATION).describe_backup_vault, BackupVaultName="dr")
    first, second = aws.calls()
    assert first.pop("params")["ByState"] == "FAILED"
    assert first.pop("at").endswith("Z")
    assert first == {
        "account": ACCOUNT,
        "region": SOURCE,
        "service": "backup",
        "operation": "ListCopyJobs",
        "action": "backup:ListCopyJobs",
        "resource": "*",
        "status": 200,
        "code": "",
        "identity": READER_ARN,
    }
    assert (second["region"], second["status"], second["code"]) == (DESTINATION, 403, "AccessDeniedException")
    assert second["resource"] == f"arn:aws:backup:{DESTINATION}:{ACCOUNT}:backup-vault:dr"


def test_the_stream_takes_one_json_line_a_call(pki: Pki, serve: Serve) -> None:
    stream, world = io.StringIO(), new_world()
    aws = serve(world)
    lab = AwsLab(world, pki, stream)
    with lab:
        Aws(lab, aws._ca).client("sts").get_caller_identity()  # type: ignore[arg-type]
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["operation"] == "GetCallerIdentity"


def test_a_long_parameter_is_cut_in_the_list_of_calls(serve: Serve) -> None:
    aws = serve(new_world())
    refusal(aws.client("sts").decode_authorization_message, EncodedMessage="x" * 5000)
    assert len(aws.calls()[0]["params"]["EncodedMessage"]) < 2100


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "status"),
    [
        ("backup", "list_copy_jobs", {}, "ThrottlingException", 429),
        ("kms", "list_aliases", {}, "ThrottlingException", 400),
        ("sts", "get_caller_identity", {}, "Throttling", 400),
        ("ec2", "describe_transit_gateways", {}, "RequestLimitExceeded", 503),
        ("organizations", "describe_organization", {}, "TooManyRequestsException", 400),
    ],
)
def test_throttling_is_each_services_own(
    serve: Serve, service: str, operation: str, params: dict[str, Any], code: str, status: int
) -> None:
    world = new_world()
    world.faults = [{"match": f"{service}:*", "throttle": True}]
    found = refusal(getattr(serve(world).client(service), operation), **params)
    assert (found[0], found[2]) == (code, status)


def test_the_sdk_tries_again_until_throttling_ends(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"match": "backup:ListCopyJobs", "throttle": True, "times": 1}]
    aws = serve(world)
    answer = aws.client("backup", config=Config(retries={"mode": "standard", "total_max_attempts": 3})).list_copy_jobs()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert [call["status"] for call in aws.calls()] == [429, 200]


def test_a_rate_lets_its_burst_through_and_then_throttles(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"match": "backup:*", "rate_per_s": 0.01, "burst": 2}]
    client = serve(world).client("backup")
    client.list_copy_jobs()
    client.list_copy_jobs()
    assert refusal(client.list_copy_jobs)[0] == "ThrottlingException"


def test_a_rate_fills_up_again() -> None:
    fault = parse_fault({"rate_per_s": 50, "burst": 1})
    assert fault._take_token(50) is True
    assert fault._take_token(50) is False
    time.sleep(0.05)
    assert fault._take_token(50) is True


def test_a_fault_strikes_only_what_it_names(serve: Serve) -> None:
    world = new_world()
    world.faults = [
        {"match": "backup:List*", "region": DESTINATION, "params": {"ByState": "FAILED"}, "status": 503},
        {"match": "kms:*", "account": "999999999999", "status": 500},
    ]
    aws = serve(world)
    here, there = aws.client("backup"), aws.client("backup", DESTINATION)
    here.list_copy_jobs(ByState="FAILED")
    there.list_copy_jobs(ByState="COMPLETED")
    there.describe_region_settings()
    aws.client("kms").list_aliases()
    code, dummy, status = refusal(there.list_copy_jobs, ByState="FAILED")
    assert (code, status) == ("ServiceUnavailableException", 503)


def test_a_page_that_is_not_of_aws(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"match": "kms:*", "html": True}, {"match": "backup:*", "html": True, "status": 200}]
    aws = serve(world)
    assert refusal(aws.client("kms").list_aliases)[::2] == ("502", 502)
    # The SDK takes a page with status 200 for an answer without members: its readers must notice.
    assert "CopyJobs" not in aws.client("backup").list_copy_jobs()


def test_slow_answers_run_into_the_clients_timeout(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"match": "backup:ListCopyJobs", "slow_s": 1.5}]
    impatient = Config(read_timeout=0.3, retries={"total_max_attempts": 1})
    with pytest.raises(ReadTimeoutError):
        serve(world).client("backup", config=impatient).list_copy_jobs()


def test_latency_delays_every_answer(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"latency_ms": 80}]
    client = serve(world).client("backup")
    begin = time.monotonic()
    client.list_copy_jobs()
    client.list_backup_jobs()
    assert time.monotonic() - begin >= 0.16


def test_a_connection_that_is_cut_before_the_answer(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"match": "backup:*", "cut": "before_headers", "times": 1}]
    client = serve(world).client("backup")
    with pytest.raises(ConnectionClosedError):
        client.list_copy_jobs()
    assert client.list_copy_jobs()["CopyJobs"] == []


@pytest.mark.parametrize("cut", ["after_headers", "mid_body"])
def test_a_connection_that_is_cut_in_the_answer(serve: Serve, cut: str) -> None:
    world = new_world()
    world.faults = [{"match": "backup:*", "cut": cut, "times": 1}]
    client = serve(world).client("backup")
    # The SDK does not hold the body against its Content-Length: what is left is an answer without members.
    assert "CopyJobs" not in client.list_copy_jobs()
    assert client.list_copy_jobs()["CopyJobs"] == []


def test_a_region_out_of_reach_closes_the_connection(serve: Serve) -> None:
    world = new_world()
    world.place(ACCOUNT, DESTINATION).settings["unreachable"] = True
    aws = serve(world)
    aws.client("backup").list_copy_jobs()
    with pytest.raises(ConnectionClosedError):
        aws.client("backup", DESTINATION).list_copy_jobs()
    assert [call["status"] for call in aws.calls()] == [200, 0]


def test_a_region_that_does_not_exist_has_nobody_to_answer(serve: Serve) -> None:
    with pytest.raises(ConnectionClosedError):
        serve(new_world()).client("backup", "eu-nowhere-9").list_copy_jobs()


def test_a_region_that_is_not_opted_in_knows_no_credentials(serve: Serve) -> None:
    world = new_world()
    world.place(ACCOUNT, "af-south-1").settings["enabled"] = False
    aws = serve(world)
    assert refusal(aws.client("backup", "af-south-1").list_copy_jobs)[0] == "UnrecognizedClientException"
    assert refusal(aws.client("ec2", "af-south-1").describe_transit_gateways)[0] == "AuthFailure"


def test_a_row_of_the_wrong_shape_is_the_labs_own_fault(serve: Serve) -> None:
    world = new_world()
    row = {"KeyId": "k", "Arn": f"arn:aws:kms:{SOURCE}:{ACCOUNT}:key/k", "Nam": 1}
    world.place(ACCOUNT, SOURCE).rows["keys"] = [row]
    code, message, status = refusal(serve(world).client("kms").describe_key, KeyId="k")
    assert (code, status) == ("LabFixtureError", 500)
    assert "'Nam'" in message


def test_keep_alive_uses_one_connection(serve: Serve) -> None:
    aws = serve(new_world())
    client = aws.client("backup")
    client.list_copy_jobs()
    before = set(aws.lab._server._open)
    client.list_copy_jobs()
    assert set(aws.lab._server._open) == before
    assert len(before) == 1


def test_stop_closes_what_clients_keep_alive(pki: Pki, serve: Serve) -> None:
    aws = serve(new_world())
    client = aws.client("backup")
    client.list_copy_jobs()
    aws.lab.stop()
    with pytest.raises(Exception, match="Could not connect|Connection was closed|Connection refused"):
        client.list_copy_jobs()


@pytest.mark.parametrize("raw", [{"mach": "x"}, {"match": "*", "cut": "later"}, {"slow_s": "soon"}, {"status": 599}])
def test_faults_with_unknown_words_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        parse_fault(raw)
