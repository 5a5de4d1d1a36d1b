# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading requests: from the wire to the input members of an operation, with the SDK's types."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.utils import parse_timestamp

from lab.aws.errors import AwsError


def from_json(shape: Any, body: bytes) -> dict[str, Any]:
    """Return the input members in a JSON body."""
    if shape is None or not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise AwsError("SerializationException", "Unable to parse the request body as JSON") from None
    return dict(_json_value(shape, value))


def from_rest(shape: Any, labels: Mapping[str, str], query: str, body: bytes) -> dict[str, Any]:
    """Return the input members in the path, the query and the JSON body of a REST request."""
    if shape is None:
        return {}
    given: dict[str, list[str]] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        given.setdefault(key, []).append(text)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        where, key = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri" and key in labels:
            found[name] = _text_value(member, unquote(labels[key]))
        elif where == "querystring" and key in given:
            texts = given[key]
            found[name] = (
                [_text_value(member.member, text) for text in texts]
                if member.type_name == "list"
                else _text_value(member, texts[-1])
            )
    return {**from_json(shape, body), **found}


def from_query(shape: Any, form: Mapping[str, str], ec2: bool) -> dict[str, Any]:
    """Return the input members in a form body: ``Filter.1.Value.1=x``."""
    if shape is None:
        return {}
    tree: dict[str, Any] = {}
    for key, text in form.items():
        node, *path = key.split(".")
        branch: dict[str, Any] = tree
        for step in path:
            inner = branch.get(node)
            branch[node] = branch = inner if isinstance(inner, dict) else {}
            node = step
        branch[node] = text
    return dict(_tree_value(shape, tree, ec2))


def _json_value(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if value is None:
        return None
    if kind == "structure" and isinstance(value, dict):
        return {
            name: _json_value(shape.members[name], item)
            for name, item in value.items()
            if name in shape.members and item is not None
        }
    if kind == "list" and isinstance(value, list):
        return [_json_value(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _json_value(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return _time(value)
    if kind == "blob" and isinstance(value, str):
        return _convert(base64.b64decode, value)
    return value


def _time(value: Any) -> datetime:
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    return _convert(parse_timestamp, value)


def _text_value(shape: Any, text: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "integer": int,
        "long": int,
        "float": float,
        "double": float,
        "timestamp": parse_timestamp,
        "blob": base64.b64decode,
        "boolean": lambda text: text.lower() == "true",
    }
    reader = readers.get(shape.type_name)
    return text if reader is None else _convert(reader, text)


def _convert(reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except (ValueError, TypeError, binascii.Error):
        raise AwsError("SerializationException", f"{value!r} is not of the type that the operation wants") from None


def _tree_value(shape: Any, node: Any, ec2: bool) -> Any:
    if shape.type_name == "structure":
        branch = node if isinstance(node, dict) else {}
        found = {}
        for name, member in shape.members.items():
            key = _query_name(member, name, ec2)
            if key in branch:
                found[name] = _tree_value(member, branch[key], ec2)
        return found
    if shape.type_name == "list":
        inner = node if ec2 else _inner(node, shape.member.serialization.get("name", "member"))
        return [_tree_value(shape.member, item, ec2) for item in _numbered(inner)]
    if shape.type_name == "map":
        entries = _numbered(_inner(node, "entry"))
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        return {entry[key]: _tree_value(shape.value, entry[value], ec2) for entry in entries}
    return _text_value(shape, node if isinstance(node, str) else "")


def _query_name(member: Any, name: str, ec2: bool) -> str:
    """Return the name of a member on the wire. No service of ours flattens its lists outside of EC2."""
    own = member.serialization
    if ec2:
        written = own.get("queryName") or own.get("name", name)
        return str(written if own.get("queryName") else written[0].upper() + written[1:])
    return str(own.get("name", name))


def _inner(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None


def _numbered(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return []
    return [node[key] for key in sorted((key for key in node if key.isdigit()), key=int)]
