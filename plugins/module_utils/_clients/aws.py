# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The only file that knows botocore.

JSON replies are taken as they came: botocore's own parser walks every member of every row through its model, which costs
ten times the reading of the JSON and gives nothing that the steps need. Times are therefore epoch seconds in JSON
services; `moment` reads them, whatever protocol brought them.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import threading
import time
import typing as t
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.clock import Clock
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed, parse_time

try:
    import botocore.config
    import botocore.exceptions as aws_errors
    import botocore.loaders
    import botocore.parsers
    import botocore.session
    from botocore import xform_name

    HAS_BOTOCORE = True
except ImportError:
    HAS_BOTOCORE = False

_MOST_ATTEMPTS = 5
_CONNECT_S = 5.0
_POOL = 10
_SESSION_NAME = "sre-backup-sync"
_CREDENTIAL_OPTIONS = ("profile", "access_key", "secret_key", "session_token", "role_arn", "external_id")

# Error codes by what they mean for the reader; every service has its own words for the same thing.
_THROTTLED = frozenset(
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
_UNIDENTIFIED = {
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "RequestExpired": "the request's time is too far from AWS's: check this machine's clock",
    "IncompleteSignature": "the credentials are incomplete",
    "InvalidAccessKeyId": "the access key is not known",
    "InvalidClientTokenId": "the access key is not known, or not in this Region",
    "InvalidSignatureException": "the secret key does not fit the access key, or this machine's clock is wrong",
    "MissingAuthenticationToken": "there are no credentials",
    "SignatureDoesNotMatch": "the secret key does not fit the access key, or this machine's clock is wrong",
    "UnrecognizedClientException": "the access key is not known, or the Region is not enabled for the account",
}
_NOT_FOUND = frozenset(
    {"ResourceNotFoundException", "ResourceNotFound", "NotFoundException", "NoSuchEntity", "NoSuchResourceException"}
)
_ABSENT = frozenset({"SubscriptionRequiredException"})

Json = t.Dict[str, t.Any]


def aws_spec() -> dict[str, t.Any]:
    """Options of a connection, named as in amazon.aws, and those by which another account is reached."""
    return {
        "region": {"type": "str", "aliases": ["aws_region"]},
        "profile": {"type": "str", "aliases": ["aws_profile"]},
        "access_key": {"type": "str", "aliases": ["aws_access_key_id", "aws_access_key"], "no_log": False},
        "secret_key": {"type": "str", "aliases": ["aws_secret_access_key", "aws_secret_key"], "no_log": True},
        "session_token": {"type": "str", "aliases": ["aws_session_token"], "no_log": True},
        "endpoint_url": {"type": "str", "aliases": ["aws_endpoint_url"]},
        "aws_ca_bundle": {"type": "path"},
        "validate_certs": {"type": "bool"},
        "aws_config": {"type": "dict"},
        "role_arn": {"type": "str"},
        "external_id": {"type": "str"},
        "timeout": {"type": "float"},
    }


def connection_spec() -> dict[str, t.Any]:
    """Options of a task: the connection to the source, and in `destination` what differs there."""
    return {**aws_spec(), "destination": {"type": "dict", "options": aws_spec()}}


def destination_options(params: Json) -> Json:
    """The destination's connection: the task's own, with what `destination` sets instead.

    Whoever names other credentials means only those: nothing of the source's identity is mixed in. A role alone is
    assumed with the source's credentials, not with the source's role.
    """
    own = {name: value for name, value in (params.get("destination") or {}).items() if value is not None}
    inherited = {name: params.get(name) for name in aws_spec()}
    if any(name in own for name in ("profile", "access_key", "secret_key", "session_token")):
        inherited.update(dict.fromkeys(_CREDENTIAL_OPTIONS))
    elif "role_arn" in own:
        inherited.update(role_arn=None, external_id=None)
    inherited["region"] = None
    return {**inherited, **own}


def moment(value: t.Any) -> float | None:
    """A time of any AWS protocol (epoch seconds, datetime, ISO 8601 text) as epoch seconds; None if absent or odd."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    parsed = parse_time(value)
    return None if parsed is None else parsed.timestamp()


class Account:
    """Read-only access to one account in one Region, by one identity."""

    def __init__(self, options: Json, *, name: str) -> None:
        """Prepare the connection; nothing is sent yet.

        options: values of aws_spec(). name: source or destination, for messages. Raises BadParameter when the options
        cannot make a connection, ReadFailed(not_configured) when botocore is absent.
        """
        if not HAS_BOTOCORE:
            raise ReadFailed(
                "not_configured",
                "The Python library boto3 is not installed where this step runs.",
                hint="pip install boto3",
            )
        self.name = name
        self.clock = Clock()
        self.calls = 0
        self.throttled = 0
        self._option = "destination." if name == "destination" else ""
        self._options = options
        self._lock = threading.RLock()
        self._sent = threading.local()
        self._clients: dict[str, t.Any] = {}
        self._assumed: Json | None = None
        self._timeout = options.get("timeout") or 20.0
        if not 0 < self._timeout < 3600:
            raise BadParameter(f"{self._option}timeout: {self._timeout} is no number of seconds from 1 to 3600.")
        self._check_files()
        self._config = self._make_config()
        self._session = self._make_session()
        self.region = self._checked_region()

    # ------------------------------------------------------------------------------------------------------- reading

    def call(self, service: str, operation: str, **arguments: t.Any) -> Json:
        """The reply to one call, by the operation's name in the API (ListCopyJobs). Raises ReadFailed.

        Throttled and failed calls are tried again, up to five times in all, more slowly each time.
        """
        client = self._client(service)
        with self._lock:
            self.calls += 1
        send = getattr(client, xform_name(operation))
        try:
            try:
                reply = send(**arguments)
            except botocore.parsers.ResponseParserError:  # cut off on the way, perhaps: worth one more try
                reply = send(**arguments)
        except (aws_errors.ClientError, aws_errors.BotoCoreError, botocore.parsers.ResponseParserError) as exc:
            raise self._read_failed(service, operation, arguments, exc) from exc
        reply.pop("ResponseMetadata", None)
        return reply

    def pages(
        self, service: str, operation: str, *, token: str = "NextToken", sent_as: str = "NextToken", **arguments: t.Any
    ) -> t.Iterator[Json]:
        """One reply after the other, until there is no token for a next one. Raises ReadFailed.

        token, sent_as: what the reply and the request call it. An empty page may be followed by a full one.
        """
        while True:
            reply = self.call(service, operation, **arguments)
            yield reply
            following = reply.get(token)
            if not following or following == arguments.get(sent_as):
                return
            arguments[sent_as] = following

    def takes(self, service: str, operation: str, argument: str) -> bool:
        """Whether the installed botocore knows this argument of the operation: the newest ones it may not."""
        model = self._client(service).meta.service_model.operation_model(operation)
        return model.input_shape is not None and argument in model.input_shape.members

    def now(self) -> datetime:
        """AWS's time now; this machine's before the first reply."""
        return self.clock.now()

    @property
    def partition(self) -> str:
        """aws, aws-cn, aws-us-gov ...: the first part of every ARN after `arn`."""
        return str(self._session.get_partition_for_region(self.region))

    # ---------------------------------------------------------------------------------------------------- connection

    def _check_files(self) -> None:
        bundle = self._options.get("aws_ca_bundle")
        if bundle and not os.path.isfile(bundle):
            raise BadParameter(
                f"{self._option}aws_ca_bundle: there is no file {bundle}; give the path of a PEM file."
            )
        endpoint = self._options.get("endpoint_url")
        if endpoint and not str(endpoint).startswith(("http://", "https://")):
            raise BadParameter(
                f"{self._option}endpoint_url: {endpoint!r} is no URL; write it like https://backup.eu-west-1.amazonaws.com."
            )

    def _make_config(self) -> t.Any:
        given = dict(self._options.get("aws_config") or {})
        try:
            return botocore.config.Config(
                retries={"mode": "adaptive", "total_max_attempts": _MOST_ATTEMPTS},
                connect_timeout=min(_CONNECT_S, self._timeout),
                read_timeout=self._timeout,
                max_pool_connections=_POOL,
                user_agent_extra="sre.backup_sync",
            ).merge(botocore.config.Config(**given))
        except (TypeError, aws_errors.BotoCoreError) as exc:
            raise BadParameter(f"{self._option}aws_config: botocore does not take it: {exc}.") from exc

    def _make_session(self) -> t.Any:
        options = self._options
        profile = options.get("profile") or None
        if profile and (options.get("access_key") or options.get("secret_key") or options.get("session_token")):
            raise BadParameter(
                f"{self._option}profile: give either a profile or access_key and secret_key, not both."
            )
        if bool(options.get("access_key")) != bool(options.get("secret_key")):
            raise BadParameter(f"{self._option}access_key: access_key and secret_key belong together, give both.")
        session = botocore.session.Session(profile=profile)
        try:
            session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        except aws_errors.ProfileNotFound as exc:
            known = ", ".join(botocore.session.Session().available_profiles) or "none"
            raise BadParameter(
                f"{self._option}profile: there is no profile {session.profile!r} in the AWS configuration files "
                f"(there are: {known})."
            ) from exc
        except aws_errors.BotoCoreError as exc:
            raise BadParameter(f"{self._option}profile: the AWS configuration files cannot be read: {_sentence(exc)}") from exc
        session.register_component("response_parser_factory", _parsers())
        if options.get("access_key"):
            session.set_credentials(options["access_key"], options["secret_key"], options.get("session_token") or None)
        return session

    def _checked_region(self) -> str:
        session = self._session
        region = self._options.get("region") or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        if not region:
            raise BadParameter(f"{self._option}region: it is not given; name the {self.name} Region, like eu-west-1.")
        known = [
            name
            for partition in session.get_available_partitions()
            for name in session.get_available_regions("backup", partition_name=partition)
        ]
        if region not in known:
            near = difflib.get_close_matches(region, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise BadParameter(
                f"{self._option}region: {region!r} is no Region that AWS Backup has; {meant}"
                "(A Region newer than the installed boto3 needs a newer boto3.)"
            )
        return str(region)

    def _client(self, service: str) -> t.Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service, self._identity())
            return self._clients[service]

    def _make_client(self, service: str, identity: Json) -> t.Any:
        options = self._options
        verify = options.get("aws_ca_bundle") if options.get("validate_certs") is not False else False
        try:
            client = self._session.create_client(
                service,
                # Health has one endpoint for the world; botocore leads every Region to it
                region_name=self.region,
                endpoint_url=options.get("endpoint_url") or None,
                verify=verify,
                config=self._config,
                **identity,
            )
        except (aws_errors.BotoCoreError, ValueError) as exc:
            raise BadParameter(f"{self._option}connection options: {_sentence(exc)}") from exc
        client.meta.events.register("request-created", self._note_sending)
        client.meta.events.register("response-received", self._note_reply)
        return client

    def _identity(self) -> Json:
        """Credentials for a client: those of the assumed role, or none, which leaves botocore to find the caller's own."""
        role = self._options.get("role_arn")
        if not role:
            self._need_credentials()
            return {}
        if self._assumed is None:
            self._need_credentials()
            extra = {"ExternalId": self._options["external_id"]} if self._options.get("external_id") else {}
            sts = self._make_client("sts", {})
            self.calls += 1
            try:
                got = sts.assume_role(RoleArn=role, RoleSessionName=_SESSION_NAME, **extra)["Credentials"]
            except (aws_errors.ClientError, aws_errors.BotoCoreError) as exc:
                failure = self._read_failed("sts", "AssumeRole", {"RoleArn": role}, exc)
                raise ReadFailed(
                    failure.outcome,
                    f"{self._option}role_arn: the role {role} cannot be assumed: {failure.message}",
                    code=failure.code,
                    hint="Let the role trust the identity that runs this, and allow that identity sts:AssumeRole on it.",
                    grant=failure.grant,
                ) from exc
            self._assumed = {
                "aws_access_key_id": got["AccessKeyId"],
                "aws_secret_access_key": got["SecretAccessKey"],
                "aws_session_token": got["SessionToken"],
            }
        return self._assumed

    def _need_credentials(self) -> None:
        try:
            found = self._session.get_credentials()
        except aws_errors.BotoCoreError as exc:
            raise BadParameter(f"{self._option}credentials: botocore cannot use what is configured: {_sentence(exc)}") from exc
        if found is None:
            raise BadParameter(
                f"{self._option}credentials: none were found; give profile, or access_key and secret_key, or set "
                "AWS_PROFILE or AWS_ACCESS_KEY_ID in the environment."
            )

    # ----------------------------------------------------------------------------------------------------- observing

    def _note_sending(self, **dummy: t.Any) -> None:
        self._sent.at = time.time()

    def _note_reply(self, response_dict: Json | None = None, parsed_response: Json | None = None, **dummy: t.Any) -> None:
        """Of every attempt, also of those that are tried again."""
        if response_dict is None:
            return
        with self._lock:
            self.clock.add(response_dict["headers"].get("date"), getattr(self._sent, "at", 0.0), time.time())
            code = ((parsed_response or {}).get("Error") or {}).get("Code")
            self.throttled += code in _THROTTLED or response_dict["status_code"] == 429

    # ----------------------------------------------------------------------------------------------------- failures

    def _read_failed(self, service: str, operation: str, arguments: Json, exc: Exception) -> ReadFailed:
        where = f"{service} in {self.region} ({self.name})"
        if isinstance(exc, aws_errors.ClientError):
            return self._refusal(service, operation, arguments, exc, where)
        if isinstance(exc, aws_errors.NoCredentialsError):
            raise BadParameter(f"{self._option}credentials: none were found; give profile, or access_key and secret_key.")
        if isinstance(exc, (aws_errors.ConnectTimeoutError, aws_errors.ReadTimeoutError)):
            return ReadFailed(
                "timeout", f"{where} did not answer {operation} within {self._timeout:g} s.", code=type(exc).__name__
            )
        if isinstance(exc, (aws_errors.HTTPClientError, aws_errors.ConnectionError)):
            return ReadFailed(
                "unreachable",
                f"{where} cannot be reached: {_sentence(exc)}",
                code=type(exc).__name__,
                hint="Check the way from here to AWS: DNS, proxy, VPC endpoint and its policy. Copies do not take this way.",
            )
        if isinstance(exc, botocore.parsers.ResponseParserError):
            return ReadFailed(
                "error",
                f"{where} answered {operation} with something else than AWS does.",
                code="not_aws",
                hint="Is endpoint_url the address of AWS, and does no proxy answer in its place?",
            )
        return ReadFailed("error", f"{where}: {operation} failed: {_sentence(exc)}", code=type(exc).__name__)

    def _refusal(
        self, service: str, operation: str, arguments: Json, exc: t.Any, where: str
    ) -> ReadFailed:
        error = exc.response.get("Error") or {}
        code, said = str(error.get("Code") or ""), str(error.get("Message") or "")
        status = (exc.response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        message = f"{where} refused {operation}: {said or code}"
        if code in _THROTTLED or status == 429:
            return ReadFailed("throttled", f"{where} throttled {operation} {_MOST_ATTEMPTS} times.", code=code)
        if code in _UNIDENTIFIED:
            return ReadFailed(
                "forbidden",
                f"{where} does not accept the credentials: {_UNIDENTIFIED[code]}.",
                code=code,
                hint=f"Give the {self.name} side credentials that are valid now.",
            )
        if code in _FORBIDDEN:
            return ReadFailed("forbidden", message, code=code, grant=_grant(service, operation, arguments))
        if code in _NOT_FOUND or code.endswith(("NotFound", "NotFoundException")):
            return ReadFailed("not_found", message, code=code)
        if code in _ABSENT:
            return ReadFailed("not_configured", message, code=code)
        if code in ("404", "405") or (status in (404, 405) and not said):
            return ReadFailed(
                "error",
                f"{where} does not know {operation}: is {self._options.get('endpoint_url') or 'the endpoint'} AWS?",
                code=code,
            )
        return ReadFailed("error", message, code=code or status)


def _grant(service: str, operation: str, arguments: Json) -> dict[str, t.Any]:
    """The IAM statement that would have allowed the call."""
    prefix = {"service-quotas": "servicequotas"}.get(service, service)
    arns = [value for value in arguments.values() if isinstance(value, str) and value.startswith("arn:")]
    return {
        "kind": "iam",
        "statement": {"Effect": "Allow", "Action": f"{prefix}:{operation}", "Resource": arns[0] if len(arns) == 1 else "*"},
    }


def _sentence(exc: BaseException) -> str:
    """What botocore says, on one line, with one full stop."""
    return " ".join(str(exc).split()).rstrip(".")[:300] + "."


# ------------------------------------------------------------------------------------------------------- botocore


@functools.lru_cache(maxsize=4)
def _loader(data_path: str | None) -> t.Any:
    """One loader for all sessions of a process: it keeps the service models that it has read."""
    return botocore.loaders.create_loader(data_path)


def warm(*services: str) -> None:
    """Read the service models, so that workers forked from this process find them read. Does nothing without botocore."""
    if HAS_BOTOCORE:
        session = botocore.session.Session()
        loader = _loader(session.get_config_variable("data_path"))
        session.register_component("data_loader", loader)
        session.get_available_regions("backup")
        for service in services:
            loader.load_service_model(service, "service-2")


@functools.lru_cache(maxsize=1)
def _parsers() -> t.Any:
    """botocore's parsers, but for the JSON protocols ones that hand on the JSON as it came."""

    def as_it_came(self: t.Any, response: Json, shape: t.Any) -> Json:
        try:
            told = json.loads(response["body"] or b"{}")
        except ValueError as exc:
            raise botocore.parsers.ResponseParserError("the answer is no JSON, so this is not AWS") from exc
        if not isinstance(told, dict):
            raise botocore.parsers.ResponseParserError("the answer is no JSON object, so this is not AWS")
        return told

    def raw(base: t.Any) -> t.Any:
        return type(f"Raw{base.__name__}", (base,), {"_do_parse": as_it_came})

    class Parsers(botocore.parsers.ResponseParserFactory):  # type: ignore[misc,name-defined]
        """Makes the parser of a protocol."""

        _RAW = {
            "rest-json": raw(botocore.parsers.RestJSONParser),
            "json": raw(botocore.parsers.JSONParser),
        }

        def create_parser(self, protocol_name: str) -> t.Any:
            """See the base class."""
            known = self._RAW.get(protocol_name)
            return known() if known else super().create_parser(protocol_name)

    return Parsers()
