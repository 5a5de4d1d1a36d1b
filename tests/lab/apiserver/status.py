# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers and errors of the API server: the Status object and the headers that go with each kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_GENERIC_404 = "the server could not find the requested resource"
_METHOD_405 = "the server does not allow this method on the requested resource"


@dataclass
class Answer:
    """One HTTP answer. ``chunks`` replaces ``body`` where the text is streamed (pod logs, the service proxy)."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    chunks: Iterator[bytes] | None = None
    cut: str = ""
    fair_queue: bool = True


class ApiError(Exception):
    """An error that is answered with a Status object (or plain text where the real server sends that)."""

    def __init__(
        self,
        code: int,
        message: str,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        *,
        metadata: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        text: bool = False,
        fair_queue: bool = True,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.details = details
        self.metadata = metadata or {}
        self.headers = headers or {}
        self.text = text
        self.fair_queue = fair_queue

    def body(self) -> dict[str, Any]:
        """Return the Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason is not None:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def encode(value: Any) -> bytes:
    """Serialise as Go does: no blanks, UTF-8, a line feed at the end."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def json_answer(value: Any, status: int = 200, warnings: Iterable[str] = ()) -> Answer:
    """Return ``value`` as a JSON answer."""
    return Answer(status=status, body=encode(value), warnings=list(warnings))


def text_answer(text: str, status: int = 200) -> Answer:
    """Return plain text, as /healthz and Go's own 404 do it."""
    return Answer(status=status, body=text.encode(), content_type=TEXT, headers={"X-Content-Type-Options": "nosniff"})


def bad_request(message: str, **more: Any) -> ApiError:
    """Return a 400."""
    return ApiError(400, message, "BadRequest", **more)


def path_not_found() -> ApiError:
    """Return Go's own 404 for a path that no handler knows: unknown groups and absent custom resources."""
    return ApiError(404, "404 page not found\n", text=True)


def resource_not_found() -> ApiError:
    """Return the 404 for an unknown resource or version of a built-in group."""
    return ApiError(404, _GENERIC_404, "NotFound", {})


def method_not_allowed() -> ApiError:
    """Return the 405; the real server sends no Allow header with it."""
    return ApiError(405, _METHOD_405, "MethodNotAllowed", {})


def unauthorized() -> ApiError:
    """Return the 401 for an unknown bearer token."""
    return ApiError(401, "Unauthorized", "Unauthorized", fair_queue=False)


def not_acceptable(message: str, *, details: bool) -> ApiError:
    """Return a 406; two layers of the real server refuse, only one of them adds (empty) details."""
    return ApiError(406, message, "NotAcceptable", {} if details else None)


def object_details(name: str, group: str, resource: str) -> dict[str, Any]:
    """Return ``details`` that name an object: empty parts are left out, ``kind`` is the plural resource."""
    details = {"name": name, "group": group, "kind": resource}
    return {key: value for key, value in details.items() if value}


def qualified(resource: str, group: str) -> str:
    """Return ``jobs.batch``, or the bare ``pods`` in the core group."""
    return f"{resource}.{group}" if group else resource


def object_not_found(name: str, group: str, resource: str) -> ApiError:
    """Return the 404 for a missing object."""
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, message, "NotFound", object_details(name, group, resource))


def invalid(kind: str, name: str, field_name: str, reason: str, text: str, group: str = "") -> ApiError:
    """Return a 422 with one cause; here ``details.kind`` is the Kind."""
    details = object_details(name, group, kind)
    details["causes"] = [{"reason": reason, "message": text, "field": field_name}]
    subject = f"{kind}.{group}" if group else kind
    return ApiError(422, f'{subject} "{name}" is invalid: {field_name}: {text}', "Invalid", details)
