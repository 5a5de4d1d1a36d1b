# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Label selectors, by the rules of the API server.

A selector that the server would refuse is refused before any request, in one sentence that names the parameter;
and CronJobs, which carry the label on themselves or on their job template, are matched here.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter

_TOKEN = re.compile(r"\s*(?:(==|!=|=|!|\(|\)|,|<|>)|([^\s=!(),<>]+))")
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_INTEGER = re.compile(r"[+-]?\d+")
_OPERATORS = {"=": "in", "==": "in", "!=": "notin", "in": "in", "notin": "notin", "<": "lt", ">": "gt"}


class Requirement(t.NamedTuple):
    """One term: operator in, notin, exists, absent, gt or lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: t.Mapping[str, str]) -> bool:
        """Whether labels fulfil the term; `!=` and `notin` hold without the key, as on the server."""
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "absent":
            return value is None
        if self.operator == "in":
            return value is not None and value in self.values
        if self.operator == "notin":
            return value is None or value not in self.values
        if value is None or not _INTEGER.fullmatch(value):
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator == "gt" else int(value) < bound


class Selector:
    """A parsed label selector; the empty one matches everything."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with what the parser found and what it expected."""
        self.text = text
        self.requirements = _Parser(text).parse()

    def matches(self, labels: t.Any) -> bool:
        """Whether an object with these labels (a mapping or nothing) is selected."""
        labels = labels if isinstance(labels, dict) else {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def words(self) -> tuple[str, ...]:
        """The values that the selector asks for, which names of its objects tend to begin with: backup-sync."""
        return tuple(
            sorted(value for term in self.requirements if term.operator == "in" for value in term.values if value)
        )


def selector_parameter(params: dict[str, t.Any], name: str = "label_selector") -> Selector:
    """The parameter as a selector. Raises BadParameter when the API server would refuse it."""
    given = str(params.get(name) or "")
    try:
        return Selector(given)
    except ValueError as exc:
        raise BadParameter(
            f"{name}: {given[:200]!r} is no label selector ({exc}); write it like app=backup-sync or tier in (a,b)."
        ) from exc


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"found {text[position:]!r}")
            self._tokens.append(match.group(1) or match.group(2))
            position = match.end()
        self._at = 0

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._peek() is not None:
            found.append(self._requirement())
            following = self._next()
            if following is None:
                return found
            if following != ",":
                raise ValueError(f"found {following!r}, expected ',' or the end")
            if self._peek() is None:
                raise ValueError("found the end, expected a label after ','")
        return found

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str | None:
        token = self._peek()
        self._at += 1
        return token

    def _requirement(self) -> Requirement:
        key = self._next()
        absent = key == "!"
        key = _checked_key(self._next() if absent else key)
        if absent:
            return Requirement(key, "absent")
        if self._peek() in (None, ","):
            return Requirement(key, "exists")
        word = self._next()
        operator = _OPERATORS.get(str(word))
        if operator is None:
            raise ValueError(f"found {word!r}, expected in, notin, =, ==, !=, > or <")
        values = self._set() if word in ("in", "notin") else [self._exact()]
        for value in values:
            _check_value(value)
            if operator in ("gt", "lt") and not _INTEGER.fullmatch(value):
                raise ValueError(f"{word} compares integers, not {value!r}")
        return Requirement(key, operator, frozenset(values))

    def _exact(self) -> str:
        if self._peek() in (None, ","):
            return ""
        return self._word()

    def _set(self) -> list[str]:
        opening = self._next()
        if opening != "(":
            raise ValueError(f"found {opening or 'the end'!r}, expected '('")
        if self._peek() == ")":
            raise ValueError("a set cannot be empty")
        values: list[str] = []
        while True:
            values.append("" if self._peek() in (",", ")") else self._word())
            following = self._next()
            if following == ")":
                return values
            if following != ",":
                raise ValueError(f"found {following or 'the end'!r}, expected ',' or ')'")

    def _word(self) -> str:
        token = self._next()
        if token is None or not re.match(r"[^\s=!(),<>]", token):
            raise ValueError(f"found {token or 'the end'!r}, expected a value")
        return token


def _checked_key(key: str | None) -> str:
    if key is None:
        raise ValueError("found the end, expected a label")
    prefix, slash, name = key.rpartition("/")
    if slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253):
        raise ValueError(f"{key!r} is no label: its prefix must be a DNS name")
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise ValueError(f"{key!r} is no label: letters, digits, '-', '_' and '.', at most 63, expected")
    return key


def _check_value(value: str) -> None:
    if len(value) > 63:
        raise ValueError("a value has more than 63 characters")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"{value!r} is no label value")
