# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The only file that knows botocore, but for its errors, which aws_failures puts in words.

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

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.assumed import AssumedRoles
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws_failures import (
    CONNECT_S,
    MOST_ATTEMPTS,
    NOT_AWS,
    THROTTLED,
    UNIDENTIFIED,
    Asked,
    action_of,
    is_connecting,
    most_attempts,
    read_failed,
    sentence,
)
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

_POOL = 10
_SESSION_NAME = "sre-backup-sync"
CREDENTIAL_OPTIONS = ("profile", "access_key", "secret_key", "session_token", "role_arn", "external_id")

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


def own_options(params: Json) -> Json:
    """What `destination` sets."""
    return {name: value for name, value in (params.get("destination") or {}).items() if value is not None}


def destination_options(params: Json) -> Json:
    """The destination's connection: the task's own, with what `destination` sets instead.

    Whoever names other credentials means only those: nothing of the source's identity is mixed in. A role alone is
    assumed with the source's credentials, not with the source's role.
    """
    own = own_options(params)
    inherited = {name: params.get(name) for name in aws_spec()}
    if any(name in own for name in ("profile", "access_key", "secret_key", "session_token")):
        inherited.update(dict.fromkeys(CREDENTIAL_OPTIONS))
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

    def __init__(
        self, options: Json, *, name: str, own: t.Container[str] = (), roles: AssumedRoles | None = None
    ) -> None:
        """Prepare the connection; nothing is sent yet.

        options: values of aws_spec(). name: source or destination, for messages. own: which options the destination has
        not from the source. roles: where the credentials of an assumed role are kept. Raises BadParameter when the
        options cannot make a connection, ReadFailed(not_configured) when botocore is absent.
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
        self.permitted: set[str] = set()  # actions that AWS has answered
        self.refused: list[Json] = []  # the statements that would allow what it has not
        self.throttled = 0
        self._option = "destination." if name == "destination" else ""
        self._options = options
        self._own = own
        self._roles = roles or AssumedRoles()
        self._lock = threading.RLock()
        self._sent = threading.local()
        self._clients: dict[str, t.Any] = {}
        self._assumed: Json | None = None
        self._not_assumed: ReadFailed | None = None
        self._silent: set[str] = set()  # services that a call got no answer of
        self._unreachable: dict[str, ReadFailed] = {}  # by service: no other call is worth its wait
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

        Throttled and failed calls are tried again, up to five times in all, more slowly each time; what gets no answer
        less often, and a service without a connection is not asked again.
        """
        client = self._client(service)
        with self._lock:
            if service in self._unreachable:
                raise _again(self._unreachable[service])
            self.calls += 1
        send = getattr(client, xform_name(operation))
        try:
            try:
                reply = send(**arguments)
            except botocore.parsers.ResponseParserError:  # cut off on the way, perhaps: worth one more try
                reply = send(**arguments)
        except (aws_errors.ClientError, aws_errors.BotoCoreError, botocore.parsers.ResponseParserError) as exc:
            raise self._noted(self._failure(service, operation, arguments, exc), service, operation) from exc
        self.permitted.add(action_of(service, operation))
        reply.pop("ResponseMetadata", None)
        return reply

    def _noted(self, failure: ReadFailed, service: str, operation: str) -> ReadFailed:
        """The failure, noted for who wants to know what the identity may do: that nothing is there was allowed to be asked."""
        if failure.outcome == "not_found":
            self.permitted.add(action_of(service, operation))
        if failure.outcome == "forbidden" and failure.grant and failure.grant["statement"] not in self.refused:
            self.refused.append(failure.grant["statement"])
        return failure

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
                retries={"mode": "adaptive", "total_max_attempts": MOST_ATTEMPTS},
                connect_timeout=min(CONNECT_S, self._timeout),
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
            raise BadParameter(f"{self._option}profile: the AWS configuration files cannot be read: {sentence(exc)}") from exc
        session.register_component("response_parser_factory", _parsers())
        if options.get("access_key"):
            session.set_credentials(options["access_key"], options["secret_key"], options.get("session_token") or None)
        return session

    def _checked_region(self) -> str:
        session = self._session
        region = self._options.get("region") or os.environ.get("AWS_REGION") or session.get_config_variable("region")
        if not region:
            raise BadParameter(f"{self._option}region: it is not given; name the {self.name} Region, like eu-west-1.")
        problem = region_problem(region)
        if problem:
            raise BadParameter(f"{self._option}region: {problem}")
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
            raise BadParameter(f"{self._option}connection options: {sentence(exc)}") from exc
        client.meta.events.register("request-created", self._note_sending)
        client.meta.events.register("response-received", self._note_reply)
        client.meta.events.register_first("needs-retry", functools.partial(self._give_up, service))
        return client

    def _identity(self) -> Json:
        """Credentials for a client: those of the assumed role, or none, which leaves botocore to find the caller's own."""
        role = self._options.get("role_arn")
        if not role:
            self._need_credentials()
            return {}
        if self._not_assumed is not None:
            raise _again(self._not_assumed)
        if self._assumed is None:
            self._assumed = self._roles.find(*self._asker()) or self._assume(role)
        return self._assumed

    def _assume(self, role: str) -> Json:
        self._need_credentials()
        extra = {"ExternalId": self._options["external_id"]} if self._options.get("external_id") else {}
        sts = self._make_client("sts", {})
        try:
            got = sts.assume_role(RoleArn=role, RoleSessionName=_SESSION_NAME, **extra)["Credentials"]
        except (aws_errors.ClientError, aws_errors.BotoCoreError, botocore.parsers.ResponseParserError) as exc:
            refused = self._noted(self._failure("sts", "AssumeRole", {"RoleArn": role}, exc), "sts", "AssumeRole")
            self._not_assumed = self._role_failure(role, refused)
            raise self._not_assumed from exc
        self.permitted.add(action_of("sts", "AssumeRole"))
        assumed = {
            "aws_access_key_id": got["AccessKeyId"],
            "aws_secret_access_key": got["SecretAccessKey"],
            "aws_session_token": got["SessionToken"],
        }
        self._roles.keep(assumed, moment(got.get("Expiration")) or 0.0, *self._asker())
        return assumed

    def _asker(self) -> tuple[str | None, ...]:
        """Who asks for which role, as whom, and where."""
        found = self._session.get_credentials()
        options = self._options
        identity = found.access_key if found is not None else None
        return (options.get("role_arn"), options.get("external_id"), options.get("endpoint_url"), self.region, identity)

    def _role_failure(self, role: str, failure: ReadFailed) -> ReadFailed:
        if failure.outcome not in ("forbidden", "error") or failure.code in (*UNIDENTIFIED, NOT_AWS):
            return failure
        return ReadFailed(
            failure.outcome,
            f"{self._option}role_arn: the role {role} cannot be assumed: {failure.message}",
            code=failure.code,
            hint="Let the role trust the identity that runs this, and allow that identity sts:AssumeRole on it.",
            grant=failure.grant,
        )

    def _failure(self, service: str, operation: str, arguments: Json, exc: Exception) -> ReadFailed:
        """Raises BadParameter where there are no credentials to ask with."""
        if isinstance(exc, aws_errors.NoCredentialsError):
            raise BadParameter(f"{self._option}credentials: none were found; give profile, or access_key and secret_key.")
        asked = Asked(service, operation, arguments, self.region, self.name, self._options, self._own, self._timeout)
        failure = read_failed(asked, exc)
        with self._lock:
            if is_connecting(exc):
                self._unreachable[service] = failure
        return failure

    def _need_credentials(self) -> None:
        try:
            found = self._session.get_credentials()
        except aws_errors.BotoCoreError as exc:
            raise BadParameter(f"{self._option}credentials: botocore cannot use what is configured: {sentence(exc)}") from exc
        if found is None:
            raise BadParameter(
                f"{self._option}credentials: none were found; give profile, or access_key and secret_key, or set "
                "AWS_PROFILE or AWS_ACCESS_KEY_ID in the environment."
            )

    # ----------------------------------------------------------------------------------------------------- observing

    def _give_up(
        self, service: str, attempts: int = 1, caught_exception: Exception | None = None, **dummy: t.Any
    ) -> None:
        """End botocore's tries of a call that gets no answer, in the way that botocore has for it: by raising."""
        if caught_exception is None:
            return
        with self._lock:
            known = bool(self._silent)
            if attempts >= most_attempts(caught_exception, known):
                self._silent.add(service)
                raise caught_exception

    def _note_sending(self, **dummy: t.Any) -> None:
        self._sent.at = time.time()

    def _note_reply(self, response_dict: Json | None = None, parsed_response: Json | None = None, **dummy: t.Any) -> None:
        """Of every attempt, also of those that are tried again."""
        if response_dict is None:
            return
        with self._lock:
            self.clock.add(response_dict["headers"].get("date"), getattr(self._sent, "at", 0.0), time.time())
            code = ((parsed_response or {}).get("Error") or {}).get("Code")
            self.throttled += code in THROTTLED or response_dict["status_code"] == 429


def _again(failure: ReadFailed) -> ReadFailed:
    """A failure that is known, to be raised once more: maybe by several threads at once."""
    return ReadFailed(failure.outcome, failure.message, code=failure.code, hint=failure.hint, grant=failure.grant)


# ------------------------------------------------------------------------------------------------------- botocore


@functools.lru_cache(maxsize=4)
def _loader(data_path: str | None) -> t.Any:
    """One loader for all sessions of a process: it keeps the service models that it has read."""
    return botocore.loaders.create_loader(data_path)


def region_problem(region: str) -> str | None:
    """Why AWS Backup cannot be asked there, in a sentence; None where it can, and where botocore is absent."""
    if not HAS_BOTOCORE:
        return None
    if region in _regions():
        return None
    near = difflib.get_close_matches(region, _regions(), n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return (
        f"{region!r} is no Region that AWS Backup has; {meant}(A Region newer than the installed boto3 needs a newer boto3.)"
    )


@functools.lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    """All Regions that AWS Backup has, in all partitions."""
    session = _bare_session()
    return frozenset(
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("backup", partition_name=partition)
    )


def _bare_session() -> t.Any:
    """A session without credentials, which shares what is read of botocore's data."""
    session = botocore.session.Session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


def warm(*services: str) -> None:
    """Read the service models, so that workers forked from this process find them read. Does nothing without botocore."""
    if HAS_BOTOCORE:
        _regions()
        loader = _bare_session().get_component("data_loader")
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

    class Parsers(botocore.parsers.ResponseParserFactory):
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
