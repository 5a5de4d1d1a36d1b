# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a request: what it is about (for the authorizer) and which form of answer it accepts."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from email.message import Message

from lab.clock import seconds
from lab.apiserver.rbac import Attributes
from lab.apiserver.selectors import exact_name
from lab.apiserver.status import ApiError, Answer, TEXT, bad_request, encode, not_acceptable

_MEDIA = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_STREAMS = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SHORTEST_TIMEOUT_S = 0.001


@dataclass
class Request:
    """One HTTP request; ``query`` holds the first value of each parameter, as the real server reads them."""

    method: str
    target: str
    headers: Message
    body: bytes = b""
    path: str = field(init=False)
    query_string: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        raw, _mark, self.query_string = self.target.partition("?")
        self.path = urllib.parse.unquote(raw)
        self.query = {}
        for key, value in urllib.parse.parse_qsl(self.query_string, keep_blank_values=True):
            self.query.setdefault(key, value)

    def check_timeout(self) -> Answer | None:
        """Look at the ``timeout`` parameter: unreadable is a 400, too short ends as the real timeout filter does."""
        text = self.query.get("timeout")
        if not text:
            return None
        try:
            limit = seconds(text)
        except ValueError:
            message = f'invalid timeout specified in the request URL - time: invalid duration "{text}"'
            raise bad_request(message, fair_queue=False) from None
        return timed_out() if limit < _SHORTEST_TIMEOUT_S else None


def timed_out() -> Answer:
    """Return the 504 of the timeout filter: a Status without kind, sent as plain text."""
    error = ApiError(504, "Timeout: request did not complete within the allotted timeout", "Timeout", {})
    body = {key: value for key, value in error.body().items() if key not in ("kind", "apiVersion")}
    return Answer(504, encode(body).rstrip(b"\n"), TEXT, fair_queue=False)


@dataclass(frozen=True)
class Target:
    """The parts of a path. ``rest`` is what follows a subresource, which only a proxy has."""

    wanted: Attributes
    version: str = ""
    rest: str = ""


def parse_target(request: Request) -> Target:
    """Return what ``request`` wants; the decoded path counts, so ``%2F`` in a name separates."""
    parts = request.path.strip("/").split("/")
    verb = _VERBS.get(request.method, "")
    if parts[0] == "api" and len(parts) > 2:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return Target(Attributes(verb=verb or request.method.lower(), path=request.path))
    if parts[0] == "watch" and len(parts) > 1:
        verb, parts = "watch", parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in ("status", "finalize"):
            parts = parts[2:]
    resource, name, subresource = (parts + ["", ""])[:3]
    if not name:
        verb, name = _collection_verb(request, verb)
    wanted = Attributes(verb, group, resource, subresource, namespace, name)
    return Target(wanted, version, "/".join(parts[3:]))


def _collection_verb(request: Request, verb: str) -> tuple[str, str]:
    if verb == "delete":
        return "deletecollection", ""
    if verb not in ("get", "watch"):
        return verb, ""
    watching = verb == "watch" or request.query.get("watch", "false").lower() not in ("false", "0")
    return "watch" if watching else "list", exact_name(request.query.get("fieldSelector", "")) or ""


@dataclass(frozen=True)
class Form:
    """The form of an answer: ``json``, ``yaml``, ``partial`` (metadata only) or ``aggregated`` (discovery)."""

    name: str = "json"


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    for clause in filter(None, (part.strip() for part in accept.split(","))):
        media, *params = (part.strip() for part in clause.split(";"))
        found.append((media, dict(part.split("=", 1) for part in params if "=" in part)))
    return found or [("*/*", {})]


def _form_of(media: str, params: dict[str, str], *, discovery: bool) -> Form | None:
    if media == "application/yaml":
        return Form("yaml")
    if media not in ("*/*", "application/*", "application/json"):
        return None
    wanted = params.get("as")
    if wanted is None:
        return Form()
    if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList") and not discovery:
        return Form("partial")
    if wanted == "APIGroupDiscoveryList" and discovery and params.get("v") == "v2":
        return Form("aggregated")
    return None


def negotiate(accept: str, kind: str) -> Form:
    """Return the form for an Accept header; ``kind`` is what is asked: discovery, list, get, log or custom."""
    clauses = _clauses(accept)
    for media, params in clauses:
        form = _form_of(media, params, discovery=kind == "discovery")
        if form is not None:
            return form
    routed = {part.strip() for part in _MEDIA.split(",")} | ({"text/plain"} if kind == "log" else set())
    if kind == "custom" or any(media in routed for media, _params in clauses):
        raise not_acceptable(f"only the following media types are accepted: {_MEDIA}", details=False)
    shown = {"log": f"text/plain, {_MEDIA}", "list": f"{_MEDIA}, {_STREAMS}"}.get(kind, _MEDIA)
    raise not_acceptable(f"406: Not Acceptable\n\nAvailable representations: {shown}", details=True)


def wants_yaml(accept: str) -> bool:
    """Tell whether an error goes out as YAML."""
    return re.match(r"\s*application/yaml", accept) is not None
