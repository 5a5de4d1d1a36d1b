# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to its answer: who calls, what is meant, whether it is allowed, and what AWS would say."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.loaders import create_loader

from lab.aws import iam, operations, protocol, signature, validation
from lab.aws.errors import AwsError, LabFixtureError, LabNotImplemented
from lab.aws.faults import Fault, Strike, parse_fault
from lab.aws.model import Model, action_prefix, model_of, service_of
from lab.aws.operations import Call
from lab.aws.protocol import Answer, Request, Wanted
from lab.aws.world import Identity, Place, World

_PARAM_CHARS = 2000  # the longest filter pattern has 1024
# What a service calls a request that breaks its model; the others by their protocol.
_INVALID = {
    "backup": "InvalidParameterValueException",
    "logs": "InvalidParameterException",
    "organizations": "InvalidInputException",
    "service-quotas": "IllegalArgumentException",
    "cloudwatch": "ValidationError",
}
_INVALID_BY_PROTOCOL = {"ec2": "InvalidParameterValue", "query": "ValidationError"}


class Hangup(Exception):
    """The connection ends without an answer. sent: how much of the answer goes out before, as in a fault's ``cut``."""

    def __init__(self, sent: str = "before_headers", answer: Answer | None = None) -> None:
        super().__init__(sent)
        self.sent = sent
        self.answer = answer


@dataclass
class Record:
    """What the list of calls tells of one request; filled in while it is answered."""

    region: str = ""
    service: str = ""
    operation: str = ""
    action: str = ""
    resource: str = ""
    account: str = ""
    identity: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    code: str = ""


class Engine:
    """Answers requests for one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = [fault if isinstance(fault, Fault) else parse_fault(fault) for fault in world.faults]

    def answer(self, request: Request, record: Record) -> Answer:
        """Return the answer to a request; raise Hangup where there is none."""
        request_id = str(uuid.uuid4())
        signed = signature.read_authorization(request.headers)
        if signed is None:
            return _not_signed(request_id)
        record.region, record.service = signed.region, service_of(signed.service)
        try:
            model = model_of(record.service)
        except UnknownServiceError:
            return _no_service(record)
        exchange = _Exchange(self, model, request, signed, record, request_id)
        try:
            answer = exchange.run()
        except AwsError as error:
            record.code = error.code
            answer = protocol.write_error(model, exchange.protocol, error, request_id)
        if exchange.cut:
            raise Hangup(exchange.cut, answer)
        answer.headers["x-amzn-RequestId"] = request_id
        return answer


class _Exchange:
    """One request on its way to its answer."""

    def __init__(
        self,
        engine: Engine,
        model: Model,
        request: Request,
        signed: signature.Signed,
        record: Record,
        request_id: str,
    ) -> None:
        self.world = engine.world
        self.faults = engine.faults
        self.model = model
        self.request = request
        self.signed = signed
        self.record = record
        self.request_id = request_id
        self.protocol = "json" if "x-amz-target" in request.headers else model.protocol
        self.cut = ""

    def run(self) -> Answer:
        """Return the answer of the operation, or raise what AWS answers instead."""
        wanted = protocol.find_operation(self.model, self.request)
        self.protocol = wanted.protocol
        self.record.operation = wanted.operation
        identity = self.world.identities.get(self.signed.key_id)
        self.record.account = identity.account if identity else ""
        params = protocol.read_params(wanted, self.request)
        self.record.params = bounded(params)
        struck = self._struck(wanted, params)
        page = self._transport(struck)
        if page is not None:
            return page
        caller = self._authenticate(sum(fault.clock_ahead_s for fault in struck))
        self._refuse(struck, wanted, params)
        return self._run_operation(wanted, params, caller)

    def _struck(self, wanted: Wanted, params: dict[str, Any]) -> list[Fault]:
        self._strike = Strike(
            self.record.service, wanted.operation, self.protocol, self.record.region, self.record.account, params
        )
        return [fault for fault in self.faults if fault.applies(self._strike)]

    def _transport(self, struck: list[Fault]) -> Answer | None:
        """Delay, hang up, or return a page that is not AWS's: what happens before the service sees the request."""
        settings = self._settings()
        delay = sum(fault.delay_s for fault in struck)
        if delay:
            time.sleep(delay)
        if self.record.region not in known_regions() or settings.get("unreachable"):
            raise Hangup()
        if any(fault.unreachable for fault in struck):
            raise Hangup()
        self.cut = next((fault.cut for fault in struck if fault.cut), "")
        for fault in struck:
            if fault.page is not None:
                self.record.code = "html"
                return Answer(fault.page[0], "text/html", fault.page[1])
        return None

    def _settings(self) -> dict[str, Any]:
        place = self.world.places.get((self.record.account, self.record.region))
        return place.settings if place else {}

    def _authenticate(self, clock_ahead_s: float) -> Identity:
        server_time = time.time() + clock_ahead_s
        identities, now = self.world.identities, self.world.now()
        caller = signature.authenticate(self.signed, self.request, self.protocol, identities, now, server_time)
        self.record.identity = caller.arn
        if self._settings().get("enabled", True) is False:
            # Credentials do not reach a Region that the account has not opted in to.
            raise signature.auth_error(self.protocol, "unknown")
        return caller

    def _refuse(self, struck: list[Fault], wanted: Wanted, params: dict[str, Any]) -> None:
        for fault in struck:
            error = fault.error(self._strike)
            if error is not None:
                raise error
        problems = validation.input_problems(wanted.model.input_shape, params)
        if problems:
            by_protocol = _INVALID_BY_PROTOCOL.get(self.protocol, "ValidationException")
            code = _INVALID.get(self.record.service, by_protocol)
            raise AwsError(code, validation.problems_text(problems))

    def _run_operation(self, wanted: Wanted, params: dict[str, Any], caller: Identity) -> Answer:
        service, region = self.record.service, self.record.region
        place = self.world.place(caller.account, region)
        now = self.world.now()
        call = Call(caller.account, region, service, wanted.operation, params, caller, now, self.request_id)
        module = operations.module_of(service)
        self._authorize(module, place, call)
        handler: operations.Handler | None = getattr(module, "OPERATIONS", {}).get(wanted.operation)
        if handler is None:
            raise LabNotImplemented(service, wanted.operation)
        try:
            output = handler(place, call)
        except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
            # A handler stumbles over a row that is not as the contract says: the story's fault, to be seen as such.
            raise LabFixtureError(f"{service}:{wanted.operation}: {type(error).__name__}: {error}") from error
        validation.check_output(wanted.model.output_shape, output)
        return protocol.write_output(self.model, wanted, output, self.request_id)

    def _authorize(self, module: Any, place: Place, call: Call) -> None:
        actions = getattr(module, "ACTIONS", {})
        default = f"{action_prefix(call.service)}:{call.operation}"
        action = actions.get(call.operation, default)
        resource_of = getattr(module, "RESOURCES", {}).get(call.operation)
        resource = resource_of(place, call) if resource_of else "*"
        self.record.action, self.record.resource = action or default, resource
        if action is None:
            return
        context = iam.call_context(self.world, call.identity, call.region, resource, call.now)
        ask = iam.Ask(action, resource, context)
        verdict = iam.decide(self.world, call.identity, ask)
        if not verdict.allowed:
            raise iam.access_denied(self.protocol, iam.refusal(call.identity, ask, verdict))


def _not_signed(request_id: str) -> Answer:
    headers = {"x-amzn-ErrorType": "MissingAuthenticationTokenException", "x-amzn-RequestId": request_id}
    return Answer(403, "application/json", b'{"message":"Missing Authentication Token"}', headers)


def _no_service(record: Record) -> Answer:
    record.code = "LabNotImplemented"
    body = protocol.to_json({"__type": record.code, "message": f"the lab has no service {record.service}"})
    return Answer(501, "application/json", body, {"x-amzn-ErrorType": record.code})


@cache
def known_regions() -> frozenset[str]:
    """Return the names of all Regions of all partitions: a host name with any other Region does not resolve."""
    partitions = create_loader().load_data("partitions")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"])


def bounded(value: Any) -> Any:
    """Return parameters for the list of calls: JSON, long texts cut."""
    if isinstance(value, dict):
        return {key: bounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bounded(item) for item in value[:20]]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str) and len(value) > _PARAM_CHARS:
        return value[:_PARAM_CHARS] + "..."
    return value
