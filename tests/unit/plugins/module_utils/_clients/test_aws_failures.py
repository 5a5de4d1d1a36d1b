# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import botocore.exceptions as aws_errors
import botocore.parsers
import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws_failures import (
    Asked,
    is_connecting,
    most_attempts,
    read_failed,
)

URL = "https://backup.eu-west-1.amazonaws.com/copy-jobs/?createdAfter=2026-11-07T01%3A35Z"
TIMEOUT = aws_errors.ConnectTimeoutError(endpoint_url=URL)
REFUSED = aws_errors.EndpointConnectionError(endpoint_url=URL)
CLOSED = aws_errors.ConnectionClosedError(endpoint_url=URL)
SLOW = aws_errors.ReadTimeoutError(endpoint_url=URL)
UNTRUSTED = aws_errors.SSLError(endpoint_url=URL, error="certificate verify failed")
PROXY = aws_errors.ProxyConnectionError(proxy_url="http://proxy:3128")


def asked(**options):
    return Asked("backup", "ListCopyJobs", {}, "eu-west-1", "destination", options, options, 20.0)


def answered(status, code, message):
    reply = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws_errors.ClientError(reply, "ListCopyJobs")


@pytest.mark.parametrize(
    "exc, outcome, said, hint",
    [
        (TIMEOUT, "unreachable", "no connection to https://backup.eu-west-1.amazonaws.com/copy-jobs/ within 5 s.", "DNS"),
        (REFUSED, "unreachable", 'the endpoint URL: "https://backup.eu-west-1.amazonaws.com/copy-jobs/".', "DNS"),
        (SLOW, "timeout", "did not answer ListCopyJobs within 20 s.", "the option timeout"),
        (UNTRUSTED, "unreachable", "certificate verify failed", "the option aws_ca_bundle"),
        (PROXY, "unreachable", "http://proxy:3128", "HTTPS_PROXY"),
        (answered(502, "502", "Bad Gateway"), "error", "status 502 and no error that AWS has", "proxy"),
        (answered(400, "Odd", "<html>login</html>"), "error", "status 400 and no error that AWS has", "proxy"),
        (botocore.parsers.ResponseParserError("no JSON"), "error", "something else than AWS does", "proxy"),
        (answered(400, "ExpiredTokenException", "x"), "forbidden", "the session token has expired", "destination side"),
        (answered(429, "SlowDown", "x"), "throttled", "throttled ListCopyJobs 5 times", None),
        (answered(400, "ResourceNotFoundException", "gone"), "not_found", "refused ListCopyJobs: gone", None),
        (answered(403, "SubscriptionRequiredException", "pay"), "not_configured", "pay", None),
        (answered(500, "InternalFailure", "sorry"), "error", "refused ListCopyJobs: sorry", None),
    ],
)
def test_what_happened_and_the_remedy(exc, outcome, said, hint):
    failure = read_failed(asked(), exc)
    assert failure.outcome == outcome
    assert failure.message.startswith("backup in eu-west-1 (destination)") and said in failure.message
    assert "?" not in failure.message
    assert hint in failure.hint if hint else failure.hint is None


def test_an_endpoint_that_was_given_is_in_doubt_by_the_name_of_its_option():
    given = asked(endpoint_url="https://127.0.0.1:1")
    assert read_failed(given, REFUSED).hint == "Check the option destination.endpoint_url."
    assert "destination.endpoint_url: is https://127.0.0.1:1 AWS" in read_failed(given, answered(502, "502", "x")).hint


@pytest.mark.parametrize(
    "exc, attempts, connecting",
    [(TIMEOUT, 1, True), (UNTRUSTED, 1, True), (REFUSED, 2, True), (PROXY, 2, True), (CLOSED, 2, False), (SLOW, 2, False)],
)
def test_how_often_a_call_without_an_answer_is_sent(exc, attempts, connecting):
    assert most_attempts(exc, known=False) == attempts
    assert most_attempts(exc, known=True) == 1
    assert is_connecting(exc) is connecting


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "OptInRequired", "InvalidClientTokenId"])
def test_a_region_may_be_off_where_it_does_not_know_who_asks(code):
    failure = read_failed(asked(), answered(403, code, "no"))
    assert (failure.outcome, failure.code) == ("forbidden", code)
    assert failure.hint == (
        "See whether the Region eu-west-1 is enabled for the account; if it is, give the destination side credentials "
        "that are valid now."
    )


def test_the_statement_for_recovery_points_allows_all_of_them():
    """Points have ARNs of ec2, rds or backup: the ARN of the one that was refused would allow that one only."""
    point = {"BackupVaultName": "backup", "RecoveryPointArn": "arn:aws:ec2:eu-west-1::snapshot/snap-1"}
    refused = asked()._replace(operation="DescribeRecoveryPoint", arguments=point)
    failure = read_failed(refused, answered(403, "AccessDeniedException", "no"))
    assert failure.grant["statement"] == {
        "Effect": "Allow",
        "Action": "backup:DescribeRecoveryPoint",
        "Resource": "*",
    }
