# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API itself: from a request to an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from lab.clock import Clock
from lab.apiserver import logs, proxy, resources, reviews
from lab.apiserver.faults import Fault
from lab.apiserver.kubelets import KubeletFault, reach
from lab.apiserver.rbac import ANONYMOUS, Attributes, Authorizer, User, forbidden
from lab.apiserver.requests import Request, Target, negotiate, parse_target, wants_yaml
from lab.apiserver.resources import Registry, ResourceType
from lab.apiserver.selectors import field_matcher, parse_labels
from lab.apiserver.status import (
    Answer,
    ApiError,
    bad_request,
    encode,
    json_answer,
    method_not_allowed,
    object_not_found,
    path_not_found,
    resource_not_found,
    text_answer,
    unauthorized,
)
from lab.apiserver.store import Selection, Store
from lab.apiserver.views import list_body, object_body

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_READS = ("GET", "HEAD")
VERSION: dict[str, str] = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}


@dataclass
class State:
    """Everything a server answers from."""

    store: Store
    registry: Registry = field(default_factory=Registry)
    clock: Clock = field(default_factory=Clock)
    users: dict[str, User] = field(default_factory=dict)
    logs: dict[tuple[str, str, str, bool], logs.LogSource] = field(default_factory=dict)
    kubelets: dict[str, KubeletFault] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    address: str = "127.0.0.1"


@dataclass
class Record:
    """What the audit list says about a request."""

    user: str = ""
    wanted: Attributes = field(default_factory=lambda: Attributes(""))


class Api:
    """Answers requests from a state; has no memory of its own."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.authorizer = Authorizer(state.store)

    def answer(self, request: Request, record: Record) -> Answer:
        """Return the answer to any request; errors become Status objects here and nowhere else."""
        try:
            return self._answer(request, record)
        except ApiError as error:
            return _error_answer(error, request.headers.get("Accept", ""))

    def _answer(self, request: Request, record: Record) -> Answer:
        target = parse_target(request)
        record.wanted = target.wanted
        early = request.check_timeout()
        if early is not None:
            return early
        user = self._authenticate(request)
        record.user = user.name
        user = self._impersonate(request, user, target.wanted)
        allowed, _reason = self.authorizer.allowed(user, target.wanted)
        if not allowed:
            error = forbidden(user, target.wanted)
            error.fair_queue = not _long_running(target.wanted)
            raise error
        cut = ""
        for fault in self.state.faults:
            if fault.applies(request):
                replaced = fault.strike(request)
                if replaced is not None:
                    return replaced
                cut = fault.cut or cut
        answer = self._route(request, target, user)
        answer.cut = cut
        return answer

    def _authenticate(self, request: Request) -> User:
        scheme, _blank, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        user = self.state.users.get(token.strip())
        if user is None:
            raise unauthorized()
        return user

    def _impersonate(self, request: Request, user: User, wanted: Attributes) -> User:
        name = request.headers.get("Impersonate-User")
        if name is None:
            return user
        asked = Attributes(**{**vars(wanted), "verb": f"impersonate-on:user-info:{wanted.verb}"})
        if not self.authorizer.allowed(user, asked)[0]:
            error = forbidden(user, asked)
            error.fair_queue = False
            raise error
        return User(name, ("system:authenticated",))

    def _route(self, request: Request, target: Target, user: User) -> Answer:
        if request.target.startswith("//"):
            raise path_not_found()
        wanted = target.wanted
        if wanted.path:
            return self._non_resource(request)
        kind = self.state.registry.find(wanted.group, target.version, wanted.resource)
        if kind is None or (wanted.subresource and not kind.has(wanted.subresource) and wanted.subresource != "log"):
            known = wanted.group in self.state.registry.builtin_groups
            raise resource_not_found() if known else path_not_found()
        if request.method == "POST" and wanted.resource.startswith("selfsubject"):
            return self._review(request, kind, user)
        if (kind.plural, wanted.subresource) == ("services", "proxy"):
            return self._proxy(request, target)
        if request.method not in _READS or request.method == "HEAD" or wanted.verb == "watch":
            raise _refuse_write(request, kind, wanted)
        if not {"get", "list"} & set(kind.verbs):
            raise method_not_allowed()
        return self._read(request, kind, wanted)

    def _read(self, request: Request, kind: ResourceType, wanted: Attributes) -> Answer:
        if (kind.plural, wanted.subresource) == ("pods", "log"):
            return self._log(request, wanted)
        accept = request.headers.get("Accept", "")
        shape = "custom" if kind.custom else "list" if wanted.verb == "list" else "get"
        form = negotiate(accept, shape)
        warnings = [kind.warning] if kind.warning else []
        if wanted.verb == "list":
            body = list_body(kind, self._select(request, kind, wanted), form.name)
            return _formed(body, form.name, warnings)
        found = self.state.store.get(kind.group, kind.plural, self._scope(kind, wanted), wanted.name)
        if kind.group == "events.k8s.io":
            found = self.state.store.get("", "events", wanted.namespace, wanted.name)
        if found is None:
            raise object_not_found(wanted.name, kind.group, kind.plural)
        return _formed(object_body(kind, found, form.name), form.name, warnings)

    @staticmethod
    def _scope(kind: ResourceType, wanted: Attributes) -> str:
        return wanted.namespace if kind.namespaced else ""

    def _select(self, request: Request, kind: ResourceType, wanted: Attributes) -> Any:
        query = request.query
        limit = _number(query, "limit")
        selection = Selection(
            namespace=self._scope(kind, wanted),
            labels=parse_labels(query.get("labelSelector", "")),
            fields=field_matcher(query.get("fieldSelector", ""), kind.group, kind.plural, custom=kind.custom),
            limit=limit,
            token=query.get("continue", ""),
        )
        self._check_version(query)
        if query.get("resourceVersion") == "0":
            selection.limit = 0
        stored = kind
        if kind.group == "events.k8s.io":
            stored = self.state.registry.find("", "v1", "events") or kind
        return self.state.store.list(stored, selection)

    def _check_version(self, query: dict[str, str]) -> None:
        version = query.get("resourceVersion", "")
        if not version:
            return
        if query.get("continue"):
            raise bad_request("specifying resource version is not allowed when using continue")
        if re.fullmatch(r"\d+", version) is None:
            text = f'strconv.ParseUint: parsing "{version}": invalid syntax'
            raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{version}": {text}')
        current = self.state.store.resource_version
        if int(version) > current:
            raise _too_large(version, current)
        if query.get("resourceVersionMatch") == "Exact" and int(version) <= self.state.store.compacted:
            raise ApiError(410, "The resourceVersion for the provided list is too old.", "Expired")

    def _log(self, request: Request, wanted: Attributes) -> Answer:
        try:
            negotiate(request.headers.get("Accept", ""), "log")
        except ApiError as refused:
            refused.fair_queue = False
            raise
        options = logs.parse_options(request.query, wanted.name)
        pod = self.state.store.get("", "pods", wanted.namespace, wanted.name)
        if pod is None:
            error = object_not_found(wanted.name, "", "pods")
            error.fair_queue = False
            raise error
        container = logs.choose_container(pod, options.container)
        node = pod["spec"].get("nodeName")
        if not node:
            return Answer(204, content_type=None, fair_queue=False)
        reach(self.state.store, self.state.kubelets.get(node), pod, container, request.query)
        previous = logs.check_state(pod, container, options.previous)
        key = (wanted.namespace, wanted.name, container, previous)
        source = self.state.logs.get(key, logs.LogLines())
        chunks = logs.limited(source.read(options, self.state.clock.now()), options.limit_bytes)
        return Answer(200, content_type="text/plain", chunks=chunks, fair_queue=False)

    def _proxy(self, request: Request, target: Target) -> Answer:
        wanted = target.wanted
        service = proxy.parse_id(wanted.name)
        address = proxy.resolve(self.state.store, wanted.namespace, service)
        path = f"/{target.rest}"
        return proxy.forward(
            address, request.method, path, request.query_string, request.headers, request.body
        )

    def _review(self, request: Request, kind: ResourceType, user: User) -> Answer:
        body = reviews.read_body(request.body, request.headers.get("Content-Type", ""), kind.kind)
        if kind.plural == "selfsubjectaccessreviews":
            return reviews.access_review(self.authorizer, user, body)
        if kind.plural == "selfsubjectrulesreviews":
            return reviews.rules_review(self.authorizer, user, body)
        return reviews.whoami(user, self.state.clock.now())

    def _non_resource(self, request: Request) -> Answer:
        path = request.path if request.path == "/" else request.path.rstrip("/")
        pages: dict[str, Callable[[], dict[str, Any]]] = {
            "/": lambda: resources.root_paths(self.state.registry),
            "/version": lambda: dict(VERSION),
            "/api": lambda: resources.api_versions(self.state.address),
            "/apis": lambda: resources.api_group_list(self.state.registry),
        }
        if path in ("/healthz", "/livez", "/readyz") and request.method in _READS:
            return text_answer("ok")
        if path not in pages and not path.startswith(("/api/", "/apis/")):
            raise path_not_found()
        if request.method != "GET":
            raise method_not_allowed()
        form = negotiate(request.headers.get("Accept", ""), "discovery")
        if form.name == "aggregated" and path in ("/api", "/apis"):
            body = encode(resources.aggregated(self.state.registry, core=path == "/api"))
            return Answer(200, body, _AGGREGATED, {"Cache-Control": "public", "Vary": "Accept"})
        return json_answer(pages[path]() if path in pages else self._group_page(path))

    def _group_page(self, path: str) -> dict[str, Any]:
        parts = path.strip("/").split("/")
        registry = self.state.registry
        if parts[0] == "apis" and len(parts) == 2:
            page = resources.api_group(registry, parts[1])
            group = parts[1]
        else:
            group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
            page = resources.api_resource_list(registry, group, version)
        if page is None:
            raise resource_not_found() if group in registry.builtin_groups else path_not_found()
        return page


def _long_running(wanted: Attributes) -> bool:
    """Tell whether a request bypasses the fair queues (and so has no X-Kubernetes-Pf headers)."""
    return wanted.subresource in ("log", "proxy", "exec", "attach", "portforward")


def _number(query: dict[str, str], key: str) -> int:
    text = query.get(key, "")
    if not text:
        return 0
    if re.fullmatch(r"[+-]?\d+", text) is None:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _too_large(version: str, current: int) -> ApiError:
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return ApiError(504, message, "Timeout", details, headers={"Retry-After": "1"})


def _refuse_write(request: Request, kind: ResourceType, wanted: Attributes) -> ApiError:
    """Refuse what this server does not do; only the read side exists, also for administrators."""
    if request.method == "PUT" and kind.custom and not wanted.name:
        return bad_request("name must be provided")
    error = method_not_allowed()
    error.fair_queue = not _long_running(wanted)
    return error


def _formed(body: bytes, form: str, warnings: list[str]) -> Answer:
    if form == "yaml":
        text = yaml.safe_dump(yaml.safe_load(body), default_flow_style=False)
        return Answer(200, text.encode(), "application/yaml", warnings=warnings)
    return Answer(200, body, warnings=warnings)


def _error_answer(error: ApiError, accept: str) -> Answer:
    if error.text:
        answer = text_answer(error.message, error.code)
    elif wants_yaml(accept):
        answer = Answer(error.code, yaml.safe_dump(error.body()).encode(), "application/yaml")
    else:
        answer = json_answer(error.body(), error.code)
    answer.headers.update(error.headers)
    answer.fair_queue = error.fair_queue
    return answer
