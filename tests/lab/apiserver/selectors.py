# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Label and field selectors: the grammar, the refusals and the matching of the real API server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.apiserver.status import ApiError, bad_request

_SPECIAL = "=!(),<>"
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_DNS_RULE = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Tell whether an object with ``labels`` satisfies the term; absent keys satisfy != and notin."""
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "!":
            return value is None
        if self.operator in ("in", "=", "=="):
            return value is not None and value in self.values
        if self.operator in ("notin", "!="):
            return value is None or value not in self.values
        return _compare(value, self.operator, int(self.values[0]))


def _compare(value: str | None, operator: str, limit: int) -> bool:
    if value is None or re.fullmatch(r"[+-]?\d+", value) is None:
        return False
    return int(value) > limit if operator == "gt" else int(value) < limit


def _tokens(text: str) -> list[str]:
    """Split into words, operators and brackets as the server's lexer does; blanks only separate."""
    found: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        end = position + 1
        if char in " \t\r\n":
            position = end
            continue
        if char in "=!<>":
            while end < len(text) and text[end] in "=!<>" and text[position : end + 1] in ("==", "!="):
                end += 1
        elif char not in _SPECIAL:
            while end < len(text) and text[end] not in _SPECIAL and text[end] not in " \t\r\n":
                end += 1
        found.append(text[position:end])
        position = end
    return found


def _refuse(message: str) -> ApiError:
    return bad_request(f"unable to parse requirement: {message}")


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in _SPECIAL


class _LabelParser:
    """Recursive descent over the tokens; the texts of its refusals are those of the real parser."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        if not self._tokens:
            return requirements
        while True:
            requirements.append(self._requirement())
            token = self._take()
            if token == "":
                return requirements
            if token != ",":
                raise bad_request(f"found '{token}', expected: ',' or 'end of string'")
            following = self._peek()
            if not _is_word(following) and following != "!":
                raise bad_request(f"found '{following}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _requirement(self) -> Requirement:
        negated = self._peek() == "!"
        if negated:
            self._take()
        key = self._take()
        if not _is_word(key):
            raise _refuse(f"found '{key}', expected: identifier")
        _check_key(key)
        if negated or self._peek() in ("", ","):
            return Requirement(key, "!" if negated else "exists")
        operator = {"<": "lt", ">": "gt"}.get(self._peek(), self._peek())
        if operator not in ("in", "notin", "=", "==", "!=", "gt", "lt"):
            raise _refuse(f"found '{self._peek()}', expected: in, notin, =, ==, !=, gt, lt")
        self._take()
        values = self._set() if operator in ("in", "notin") else (self._value(),)
        _check_values(key, operator, values)
        return Requirement(key, operator, values)

    def _value(self) -> str:
        if self._peek() in ("", ","):
            return ""
        token = self._take()
        if not _is_word(token):
            raise _refuse(f"found '{token}', expected: identifier")
        return token

    def _set(self) -> tuple[str, ...]:
        token = self._take()
        if token != "(":
            raise _refuse(f"found '{token}' expected: '('")
        values: list[str] = []
        while True:
            values.append(self._value_in_set())
            token = self._take()
            if token == ")":
                return tuple(sorted(set(values)))
            if token != ",":
                raise _refuse(f"found '{token}', expected: ',' or ')'")

    def _value_in_set(self) -> str:
        if self._peek() in (",", ")"):
            return ""
        token = self._take()
        if not _is_word(token):
            raise _refuse(f"found '{token}', expected: ',', ')' or identifier")
        return token


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or not _DNS.fullmatch(prefix)):
        raise _refuse(f'<nil>: Invalid value: "{key}": {_DNS_RULE}')
    if len(name) > 63:
        raise _refuse(f'<nil>: Invalid value: "{key}": name part must be no more than 63 bytes')
    if not _NAME.fullmatch(name):
        raise _refuse(f'<nil>: Invalid value: "{key}": {_NAME_RULE}')


def _check_values(key: str, operator: str, values: tuple[str, ...]) -> None:
    if operator in ("gt", "lt"):
        if re.fullmatch(r"[+-]?\d+", values[0]) is None:
            text = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _refuse(f'values[0]: Invalid value: "{values[0]}": {text}')
        return
    for index, value in enumerate(values):
        if len(value) > 63:
            raise _refuse(f'values[{index}][{key}]: Invalid value: "{value}": must be no more than 63 bytes')
        if not _VALUE.fullmatch(value):
            raise _refuse(f'values[{index}][{key}]: Invalid value: "{value}": {_VALUE_RULE}')


def parse_labels(text: str) -> list[Requirement]:
    """Return the terms of a label selector; an empty text selects everything."""
    return _LabelParser(text).parse()


@dataclass(frozen=True)
class FieldTerm:
    """One term of a field selector."""

    path: str
    equal: bool
    value: str


def parse_fields(text: str) -> list[FieldTerm]:
    """Return the terms of a field selector: only =, == and != exist, joined by commas."""
    terms: list[FieldTerm] = []
    for part in sorted(filter(None, re.split(r"(?<!\\),", text))):
        match = re.match(r"(.*?)(!=|==|=)(.*)", part, re.DOTALL)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        value = re.sub(r"\\([\\,=])", r"\1", match.group(3))
        terms.append(FieldTerm(match.group(1), match.group(2) != "!=", value))
    return terms


def _reader(*keys: str) -> Callable[[dict[str, Any]], str]:
    return lambda body: _read(body, keys)


def _dotted(*paths: str) -> dict[str, Callable[[dict[str, Any]], str]]:
    return {path: _reader(*path.split(".")) for path in paths}


def _read(body: Any, keys: tuple[str, ...]) -> str:
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    if isinstance(body, bool):
        return str(body).lower()
    return "" if body is None else str(body)


def _event_fields(subject: str, reporter: str) -> dict[str, Callable[[dict[str, Any]], str]]:
    """Return the fields of both event APIs; both read the stored core/v1 form."""
    fields = _dotted("reason", "type")
    for key in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"):
        fields[f"{subject}.{key}"] = _reader("involvedObject", key)
    fields[reporter] = _reader("reportingComponent")
    return fields


def _event_source(body: dict[str, Any]) -> str:
    return _read(body, ("source", "component")) or _read(body, ("reportingComponent",))


def _job_succeeded(body: dict[str, Any]) -> str:
    return _read(body, ("status", "succeeded")) or "0"


_FIELDS: dict[tuple[str, str], dict[str, Callable[[dict[str, Any]], str]]] = {
    ("", "pods"): _dotted(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "events"): {**_event_fields("involvedObject", "reportingComponent"), "source": _event_source},
    ("events.k8s.io", "events"): _event_fields("regarding", "reportingController"),
    ("", "namespaces"): _dotted("status.phase"),
    ("", "nodes"): _dotted("spec.unschedulable"),
    ("", "secrets"): _dotted("type"),
    ("batch", "jobs"): {"status.successful": _job_succeeded},
}
_METADATA = _dotted("metadata.name", "metadata.namespace")


def _unsupported(path: str, group: str, resource: str, *, custom: bool) -> ApiError:
    """Return the refusal of an unknown field; the wording depends on how the type registered its fields."""
    if (group, resource) == ("batch", "jobs"):
        return bad_request(f'field label "{path}" not supported for Job')
    if custom or (group, resource) in _FIELDS:
        return bad_request(f"field label not supported: {path}")
    return bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def field_matcher(
    text: str, group: str, resource: str, *, custom: bool
) -> Callable[[dict[str, Any]], bool] | None:
    """Return a test for objects, or None where the selector is empty."""
    known = {**_METADATA, **_FIELDS.get((group, resource), {})}
    tests: list[tuple[Callable[[dict[str, Any]], str], bool, str]] = []
    for term in parse_fields(text):
        if term.path not in known:
            raise _unsupported(term.path, group, resource, custom=custom)
        tests.append((known[term.path], term.equal, term.value))
    if not tests:
        return None
    return lambda body: all((reader(body) == value) is equal for reader, equal, value in tests)


def exact_name(text: str) -> str | None:
    """Return the name that ``metadata.name=X`` asks for: the authorizer sees such a list as one of that name."""
    try:
        terms = parse_fields(text)
    except ApiError:
        return None
    for term in terms:
        if term.path == "metadata.name" and term.equal:
            return term.value
    return None
