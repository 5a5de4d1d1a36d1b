# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What went wrong with a call to AWS, in a sentence and with a remedy; and how often it is worth another try."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed

try:
    import botocore.exceptions as aws_errors
    import botocore.parsers
except ImportError:
    pass  # then nothing is called: see Account

MOST_ATTEMPTS = 5
CONNECT_S = 5.0
NOT_AWS = "not_aws"  # the code of an answer that AWS does not give
_MOST_WITHOUT_ANSWER = 2
_QUERY = re.compile(r"(?<=\S)\?\S+?(?=[\"'\s]|$)")  # of a URL: the moment that it holds makes each message another one

# Error codes by what they mean for the reader; every service has its own words for the same thing.
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "BandwidthLimitExceeded",
    }
)
_FORBIDDEN = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthFailure",
        "OptInRequired",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
# AWS does not know who asks: no permission would help, other credentials would.
UNIDENTIFIED = {
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "RequestExpired": "the request's time is too far from AWS's: check this machine's clock",
    "IncompleteSignature": "the credentials are incomplete",
    "InvalidAccessKeyId": "the access key is not known",
    "InvalidClientTokenId": "the access key is not known, or not in this Region",
    "InvalidSignatureException": "the secret key does not fit the access key, or this machine's clock is wrong",
    "MissingAuthenticationToken": "there are no credentials",
    "SignatureDoesNotMatch": "the secret key does not fit the access key, or this machine's clock is wrong",
    "OptInRequired": "the Region, or the service, is not enabled for the account",
    "UnrecognizedClientException": "the access key is not known, or the Region is not enabled for the account",
}
_NOT_FOUND = frozenset(
    {"ResourceNotFoundException", "ResourceNotFound", "NotFoundException", "NoSuchEntity", "NoSuchResourceException"}
)
_ABSENT = frozenset({"SubscriptionRequiredException"})
_PREFIXES = {"service-quotas": "servicequotas"}  # of actions, where they are not the service's name
# Arguments that name what is asked about. Others are filters, whose ARNs no statement may hold: it would allow nothing.
_RESOURCES = ("KeyId", "PolicyArn", "RecoveryPointArn", "RoleArn")
# The KeyId of one is a filter; points of the other have ARNs of ec2, rds or backup, so that one ARN allows one point.
_ON_EVERYTHING = frozenset({"ListAliases", "DescribeRecoveryPoint"})
# What AWS answers where a Region is not enabled for the account, as well as to credentials that it does not know.
_REGION_OFF = frozenset({"InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException"})

Json = t.Dict[str, t.Any]


class Asked(t.NamedTuple):
    """The call that failed. side: source or destination. options, own: as Account has them."""

    service: str
    operation: str
    arguments: Json
    region: str
    side: str
    options: Json
    own: t.Container[str]
    timeout: float

    @property
    def where(self) -> str:
        """How a sentence names the service."""
        return f"{self.service} in {self.region} ({self.side})"

    def option(self, name: str) -> str:
        """How the task names an option of the connection."""
        return f"destination.{name}" if name in self.own else name


def is_connecting(exc: BaseException | None) -> bool:
    """Whether no connection came about, so that every other call of the service will fail likewise."""
    return isinstance(exc, aws_errors.ConnectionError)


def most_attempts(exc: BaseException, known: bool) -> int:
    """How often a call that got no answer is sent in all.

    known: an earlier call got none either. Five tries of a connection would take a minute in every step; and the system
    has itself tried to connect three times by the time that this ends.
    """
    if known or isinstance(exc, (aws_errors.ConnectTimeoutError, aws_errors.SSLError)):
        return 1
    return _MOST_WITHOUT_ANSWER


def read_failed(asked: Asked, exc: Exception) -> ReadFailed:
    """What the evidence will say about a call that ended with one of botocore's errors."""
    if isinstance(exc, aws_errors.ClientError):
        return _refusal(asked, exc)
    if isinstance(exc, aws_errors.ReadTimeoutError):
        return ReadFailed(
            "timeout",
            f"{asked.where} did not answer {asked.operation} within {asked.timeout:g} s.",
            code=type(exc).__name__,
            hint=f"Run it again, or give it more time with the option {asked.option('timeout')}.",
        )
    if isinstance(exc, (aws_errors.HTTPClientError, aws_errors.ConnectionError)):
        said = f"{asked.where} cannot be reached: {_why(exc)}"
        return ReadFailed("unreachable", said, code=type(exc).__name__, hint=_way(asked, exc))
    if isinstance(exc, botocore.parsers.ResponseParserError):
        return _not_aws(asked, "something else than AWS does")
    return ReadFailed("error", f"{asked.where}: {asked.operation} failed: {sentence(exc)}", code=type(exc).__name__)


def _why(exc: Exception) -> str:
    if isinstance(exc, aws_errors.ConnectTimeoutError):
        said = f"no connection to {exc.kwargs.get('endpoint_url')} within {CONNECT_S:g} s."
    else:
        said = sentence(exc)
    return _QUERY.sub("", said)


def _way(asked: Asked, exc: Exception) -> str:
    """What to look at on the way to AWS."""
    if isinstance(exc, aws_errors.SSLError):
        return f"Give the authority that signed the certificate with the option {asked.option('aws_ca_bundle')}."
    if isinstance(exc, aws_errors.ProxyConnectionError):
        option = asked.option("aws_config")
        return f"Check HTTPS_PROXY and NO_PROXY in the environment, or proxies in the option {option}."
    if asked.options.get("endpoint_url"):
        return f"Check the option {asked.option('endpoint_url')}."
    return "Check the way from here to AWS: DNS, proxy, VPC endpoint and its policy. Copies do not take this way."


def _not_aws(asked: Asked, what: str) -> ReadFailed:
    given = asked.options.get("endpoint_url")
    hint = "Check the way to AWS: does a proxy answer in its place?"
    if given:
        hint = f"Check the option {asked.option('endpoint_url')}: is {given} AWS, and does no proxy answer in its place?"
    return ReadFailed("error", f"{asked.where} answered {asked.operation} with {what}.", code=NOT_AWS, hint=hint)


def _refusal(asked: Asked, exc: t.Any) -> ReadFailed:
    error = exc.response.get("Error") or {}
    code, said = str(error.get("Code") or ""), str(error.get("Message") or "")
    status = (exc.response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    message = f"{asked.where} refused {asked.operation}: {said or code}"
    if code in THROTTLED or status == 429:
        return ReadFailed("throttled", f"{asked.where} throttled {asked.operation} {MOST_ATTEMPTS} times.", code=code)
    if code in UNIDENTIFIED:
        return ReadFailed(
            "forbidden",
            f"{asked.where} does not accept the credentials: {UNIDENTIFIED[code]}.",
            code=code,
            hint=_credentials_hint(asked, code),
        )
    if code in _FORBIDDEN:
        return ReadFailed("forbidden", message, code=code, grant=_grant(asked))
    if code in _NOT_FOUND or code.endswith(("NotFound", "NotFoundException")):
        return ReadFailed("not_found", message, code=code)
    if code in _ABSENT:
        return ReadFailed("not_configured", message, code=code)
    if code.isdigit() or said.lstrip().startswith("<") or (status in (404, 405) and not said):
        return _not_aws(asked, f"status {status} and no error that AWS has")  # the page of a proxy, say
    return ReadFailed("error", message, code=code or status)


def _credentials_hint(asked: Asked, code: str) -> str:
    give = f"ive the {asked.side} side credentials that are valid now."
    if code in _REGION_OFF:
        return f"See whether the Region {asked.region} is enabled for the account; if it is, g{give}"
    return f"G{give}"


def _grant(asked: Asked) -> Json:
    """The IAM statement that would have allowed the call."""
    return {
        "kind": "iam",
        "statement": {"Effect": "Allow", "Action": action_of(asked.service, asked.operation), "Resource": _resource(asked)},
    }


def action_of(service: str, operation: str) -> str:
    """The action that IAM allows: `servicequotas:GetServiceQuota`."""
    return f"{_PREFIXES.get(service, service)}:{operation}"


def _resource(asked: Asked) -> str:
    """The ARN of what the call is about; * where it is about nothing in particular, or its ARN is not known."""
    named = [str(asked.arguments[name]) for name in _RESOURCES if name in asked.arguments]
    if asked.operation in _ON_EVERYTHING or not named or not named[0].startswith("arn:") or ":alias/" in named[0]:
        return "*"
    return named[0]


def sentence(exc: BaseException) -> str:
    """What botocore says, on one line, with one full stop."""
    return " ".join(str(exc).split()).rstrip(".")[:300] + "."
