# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wire formats and the model's constraints, through the real SDK where it does not check first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import (
    READER,
    SECRET,
    SOURCE,
    Aws,
    new_world,
    refusal,
)
from lab.aws import reading
from lab.aws.errors import LabFixtureError
from lab.aws.model import model_of
from lab.aws.validation import check_output, check_row, input_problems
from lab.aws.world import World

Serve = Callable[[World], Aws]
_AT = datetime(2026, 11, 20, 3, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "words"),
    [
        ("backup", "list_copy_jobs", {"ByState": "ABORTED"}, "InvalidParameterValueException", "set: [CREATED"),
        ("backup", "list_copy_jobs", {"MaxResults": 5000}, "InvalidParameterValueException", "or equal to 1000"),
        ("iam", "get_role", {"RoleName": "a b"}, "ValidationError", "regular expression pattern"),
        ("logs", "describe_log_groups", {"limit": 1000}, "InvalidParameterException", "less than or equal to 50"),
        ("iam", "get_role", {"RoleName": "a" * 65}, "ValidationError", "length less than or equal to 64"),
        ("kms", "describe_key", {"KeyId": "k" * 3000}, "ValidationException", "length less than or equal to 2048"),
    ],
)
def test_what_the_model_forbids_is_refused_by_its_service(
    serve: Serve, service: str, operation: str, params: dict[str, Any], code: str, words: str
) -> None:
    found, message, status = refusal(getattr(serve(new_world()).client(service), operation), **params)
    assert (found, status) == (code, 400)
    assert words in message
    assert message.startswith("1 validation error detected: Value '")


def test_what_the_sdk_would_not_let_through_is_refused_too(serve: Serve) -> None:
    unchecked = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    code, message, dummy = refusal(serve(new_world()).client("kms", config=unchecked).describe_key)
    assert code == "ValidationException"
    assert "Value null at 'keyId'" in message


_INPUTS = [
    ("ec2", "DescribeVpcPeeringConnections", {"Filters": [{"Name": "status", "Values": ["a", "b"]}], "MaxResults": 5}),
    ("iam", "SimulatePrincipalPolicy", {
        "PolicySourceArn": "arn:aws:iam::111111111111:role/r",
        "ActionNames": [f"kms:Action{number}" for number in range(12)],
        "ContextEntries": [{"ContextKeyName": "k", "ContextKeyValues": ["1", "2"], "ContextKeyType": "string"}],
    }),
    ("cloudwatch", "GetMetricData", {
        "StartTime": _AT, "EndTime": _AT,
        "MetricDataQueries": [{"Id": "f", "ReturnData": True, "MetricStat": {
            "Metric": {"Namespace": "AWS/Backup", "MetricName": "x", "Dimensions": [{"Name": "n", "Value": "v"}]},
            "Period": 300, "Stat": "Sum"}}],
    }),
    ("kms", "ListGrants", {"KeyId": "k", "Limit": 5}),
    ("cloudtrail", "LookupEvents", {"StartTime": _AT, "LookupAttributes": [
        {"AttributeKey": "EventName", "AttributeValue": "StartCopyJob"}]}),
    ("backup", "ListCopyJobs", {"ByCreatedAfter": _AT, "ByState": "FAILED", "MaxResults": 7}),
    ("backup", "DescribeRecoveryPoint", {
        "BackupVaultName": "prod", "RecoveryPointArn": "arn:aws:ec2:eu-west-1::snapshot/snap-1"}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "params"), _INPUTS)
def test_requests_are_read_as_the_sdk_writes_them(service: str, operation: str, params: dict[str, Any]) -> None:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service).operation_model(operation)
    protocols = {"query": ["query"], "ec2": ["ec2"], "json": ["json", "query"], "rest-json": ["rest-json"]}
    for protocol in protocols[model_of(service).protocol]:
        sent = create_serializer(protocol, False).serialize_to_request(params, model)
        if protocol in ("query", "ec2"):
            form = {key: str(value) for key, value in sent["body"].items()}
            found = reading.from_query(model.input_shape, form, protocol == "ec2")
        elif protocol == "json":
            found = reading.from_json(model.input_shape, sent["body"])
        else:
            route = model_of(service).route(sent["method"], sent["url_path"])
            assert route is not None and route[0] == operation
            request = AWSRequest("GET", "https://localhost/", params=sent["query_string"]).prepare()
            found = reading.from_rest(model.input_shape, route[1], request.url.partition("?")[2], b"")
        assert found == params, protocol


def test_routes_tell_a_listing_from_one_of_its_items() -> None:
    backup = model_of("backup")
    assert backup.route("GET", "/copy-jobs/") == ("ListCopyJobs", {})
    assert backup.route("GET", "/copy-jobs/1-2") == ("DescribeCopyJob", {"copyJobId": "1-2"})
    assert backup.route("GET", "/backup/plans/p/versions/") == ("ListBackupPlanVersions", {"backupPlanId": "p"})
    assert backup.route("PUT", "/backup-vaults/dr") == ("CreateBackupVault", {"backupVaultName": "dr"})
    assert backup.route("GET", "/nowhere") is None


def _raw(aws: Aws, method: str, path: str, headers: dict[str, str], body: bytes, service: str) -> Any:
    request = AWSRequest(method, aws.lab.url + path, headers=headers, data=body)
    SigV4Auth(Credentials(READER, SECRET), service, SOURCE).add_auth(request)
    return URLLib3Session(verify=aws._ca).send(request.prepare())


def test_a_body_that_is_no_json(serve: Serve) -> None:
    headers = {"X-Amz-Target": "TrentService.ListAliases", "Content-Type": "application/x-amz-json-1.1"}
    answer = _raw(serve(new_world()), "POST", "/", headers, b"{", "kms")
    assert answer.status_code == 400
    assert b"SerializationException" in answer.content


def test_an_operation_that_aws_does_not_have(serve: Serve) -> None:
    aws = serve(new_world())
    answer = _raw(aws, "POST", "/", {"X-Amz-Target": "TrentService.Invent"}, b"{}", "kms")
    assert (answer.status_code, b"UnknownOperationException" in answer.content) == (404, True)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = _raw(aws, "POST", "/", form, b"Action=Invent&Version=2011-06-15", "sts")
    assert (answer.status_code, b"<Code>InvalidAction</Code>" in answer.content) == (400, True)


def test_a_client_of_an_older_generation_speaks_query_to_cloudwatch(serve: Serve) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"Action=ListMetrics&Version=2010-08-01&Namespace=AWS%2FBackup"
    answer = _raw(serve(new_world()), "POST", "/", form, body, "monitoring")
    assert answer.status_code == 200
    assert answer.content.startswith(b'<ListMetricsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">')


def test_modelled_members_of_an_error_reach_the_client(serve: Serve) -> None:
    world = new_world()
    code = "InvalidParameterValueException"
    world.faults = [{"match": "backup:*", "status": 400, "code": code, "message": "No such."}]
    client = serve(world).client("backup")
    with pytest.raises(client.exceptions.InvalidParameterValueException) as caught:
        client.list_copy_jobs()
    assert caught.value.response["Message"] == "No such."


def test_constraints_are_told_one_by_one() -> None:
    operation = model_of("iam").operation("SimulatePrincipalPolicy")
    assert operation is not None
    problems = input_problems(operation.input_shape, {"PolicySourceArn": "short", "ActionNames": ["a", "b"]})
    assert [text.split(" failed")[0] for text in problems] == [
        "Value 'short' at 'policySourceArn'",
        "Value 'a' at 'actionNames.1.member'",
        "Value 'b' at 'actionNames.2.member'",
    ]


_JOB = {"CopyJobId": "1", "State": "FAILED", "CreationDate": _AT, "BackupSizeInBytes": 1, "IsParent": False}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"State": "ABORTED"}, "CopyJob.State cannot be 'ABORTED'"),
        ({"CreationDate": "2026-11-20T03:00:00Z"}, "CopyJob.CreationDate wants a timestamp"),
        ({"CreationDate": datetime(2026, 11, 20)}, "without a time zone"),
        ({"BackupSizeInBytes": True}, "wants a long"),
        ({"IsParent": 0}, "wants a boolean"),
        ({"Duration": 3}, "no member 'Duration'"),
        ({"CreatedBy": {"PlanId": "x"}}, "CopyJob.CreatedBy has no member 'PlanId'"),
        ({"StatusMessage": None}, "wants a string"),
    ],
)
def test_fixtures_have_the_shape_of_aws(change: dict[str, Any], words: str) -> None:
    check_row("backup", "ListCopyJobs", {**_JOB, "_note": object()}, "CopyJobs")
    with pytest.raises(LabFixtureError, match=words.replace("(", r"\(")):
        check_row("backup", "ListCopyJobs", {**_JOB, **change}, "CopyJobs")


def test_a_short_list_is_checked_whole_a_long_one_in_samples() -> None:
    operation = model_of("backup").operation("ListCopyJobs")
    assert operation is not None
    wrong = {**_JOB, "State": "LOST"}
    with pytest.raises(LabFixtureError):
        check_output(operation.output_shape, {"CopyJobs": [*[_JOB] * 198, wrong, _JOB]})
    with pytest.raises(LabFixtureError):
        check_output(operation.output_shape, {"CopyJobs": [wrong] * 1000})
    with pytest.raises(LabFixtureError):
        check_output(operation.output_shape, {"CopyJobs": [*[_JOB] * 999, wrong]})


def test_an_exception_goes_by_its_code_in_the_query_protocol(serve: Serve) -> None:
    world = new_world()
    world.faults = [{"match": "iam:*", "status": 404, "code": "NoSuchEntityException", "message": "No such."}]
    client = serve(world).client("iam")
    assert refusal(client.get_role, RoleName="r") == ("NoSuchEntity", "No such.", 404)
