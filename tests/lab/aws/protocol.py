# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wire formats: which operation a request means, and how answers and errors are written."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from botocore.model import OperationModel

from lab.aws import reading
from lab.aws.errors import AwsError
from lab.aws.model import Model


@dataclass
class Request:
    """A request as it came. headers: names in lower case; target: path and query as sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Return the path, still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> str:
        """Return the query, still percent-encoded."""
        return urlsplit(self.target).query


@dataclass
class Answer:
    """An answer as it goes out."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Wanted:
    """What a request means. form: the body of the query protocols; labels: the REST path's."""

    protocol: str
    operation: str
    model: OperationModel
    labels: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)


def find_operation(service: Model, request: Request) -> Wanted:
    """Return the operation that a request means, by the protocol that the client chose."""
    target = request.headers.get("x-amz-target")
    labels: dict[str, str] = {}
    form: dict[str, str] = {}
    if "smithy-protocol" in request.headers:
        raise AwsError("UnknownOperationException", "the lab does not speak CBOR", 501)
    if target is not None:
        protocol, name = "json", _targeted(service, target)
    elif service.protocol in ("query", "ec2") or _is_form(request):
        protocol = "ec2" if service.protocol == "ec2" else "query"
        form = dict(parse_qsl(request.body.decode() or request.query, keep_blank_values=True))
        name = form.get("Action", "")
    else:
        protocol = "rest-json"
        name, labels = service.route(request.method, request.path) or ("", {})
    model = service.operation(name)
    if model is None:
        raise _unknown(protocol, name)
    return Wanted(protocol, name, model, labels, form)


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _targeted(service: Model, target: str) -> str:
    prefix, dummy, name = target.rpartition(".")
    return name if prefix == service.target_prefix else ""


def _unknown(protocol: str, name: str) -> AwsError:
    if protocol in ("query", "ec2"):
        return AwsError("InvalidAction", f"Could not find operation {name}")
    return AwsError("UnknownOperationException", f"Unknown operation {name}".strip(), 404)


def read_params(wanted: Wanted, request: Request) -> dict[str, Any]:
    """Return the input members of a request."""
    shape = wanted.model.input_shape
    if wanted.protocol == "json":
        return reading.from_json(shape, request.body)
    if wanted.protocol == "rest-json":
        return reading.from_rest(shape, wanted.labels, request.query, request.body)
    return reading.from_query(shape, wanted.form, wanted.protocol == "ec2")


def write_output(service: Model, wanted: Wanted, output: dict[str, Any], request_id: str) -> Answer:
    """Return the answer that holds an operation's output members."""
    if wanted.protocol in ("json", "rest-json"):
        kind = "json" if wanted.protocol == "rest-json" else f"x-amz-json-{service.json_version}"
        return Answer(200, f"application/{kind}", to_json(output))
    shape, name = wanted.model.output_shape, wanted.operation
    inner = xml_members(shape, output, wanted.protocol == "ec2") if shape is not None else ""
    if wanted.protocol == "ec2":
        text = f"<requestId>{request_id}</requestId>{inner}"
    else:
        text = f"<{name}Result>{inner}</{name}Result>{_metadata(request_id)}"
    document = f'<{name}Response xmlns="{service.xml_namespace}">{text}</{name}Response>'
    return Answer(200, "text/xml", document.encode())


def _metadata(request_id: str) -> str:
    return f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"


def to_json(value: Any) -> bytes:
    """Return JSON in one pass of the C encoder. No shape of our services renames a member in a JSON body."""
    return json.dumps(value, default=_json_scalar, ensure_ascii=False, separators=(",", ":")).encode()


def _json_scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def xml_members(shape: Any, value: dict[str, Any], ec2: bool) -> str:
    """Return the members of a structure as XML elements."""
    return "".join(_element(shape.members[name], name, item, ec2) for name, item in value.items() if item is not None)


def _element(shape: Any, name: str, value: Any, ec2: bool) -> str:
    tag = shape.serialization.get("name", name)
    if shape.type_name == "list":
        inner_name = shape.member.serialization.get("name", "item" if ec2 else "member")
        return f"<{tag}>{''.join(_element(shape.member, inner_name, item, ec2) for item in value)}</{tag}>"
    if shape.type_name == "map":
        key, held = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        entries = (f"<{key}>{escape(str(k))}</{key}>{_element(shape.value, held, v, ec2)}" for k, v in value.items())
        return f"<{tag}>{''.join(f'<entry>{entry}</entry>' for entry in entries)}</{tag}>"
    if shape.type_name == "structure":
        return f"<{tag}>{xml_members(shape, value, ec2)}</{tag}>"
    return f"<{tag}>{escape(_xml_text(value))}</{tag}>"


def _xml_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def write_error(service: Model, protocol: str, error: AwsError, request_id: str) -> Answer:
    """Return the answer that is an error, in the form of the protocol."""
    if protocol == "ec2":
        inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        return Answer(error.status, "text/xml", text.encode())
    if protocol == "query":
        dummy, shape = service.error_shape(error.code) or ("", None)
        code = error.code if shape is None else shape.error_code
        kind = "Sender" if error.status < 500 else "Receiver"
        inner = f"<Type>{kind}</Type><Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>"
        start = f'<ErrorResponse xmlns="{service.xml_namespace}"><Error>{inner}</Error>'
        text = f"{start}<RequestId>{request_id}</RequestId></ErrorResponse>"
        return Answer(error.status, "text/xml", text.encode())
    return _json_error(service, protocol, error)


def _json_error(service: Model, protocol: str, error: AwsError) -> Answer:
    name, shape = service.error_shape(error.code) or (error.code, None)
    key = "Message" if shape is not None and "Message" in shape.members else "message"
    body = {**error.members, key: error.message}
    if protocol == "rest-json":
        return Answer(error.status, "application/json", to_json(body), {"x-amzn-ErrorType": name})
    headers = {}
    if service.query_compatible:
        code = error.code if shape is None else shape.error_code
        headers["x-amzn-query-error"] = f"{code};{'Sender' if error.status < 500 else 'Receiver'}"
    kind = f"application/x-amz-json-{service.json_version}"
    return Answer(error.status, kind, to_json({"__type": name, **body}), headers)
