# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metric math: + - * / of ids and numbers, brackets, and FILL(m, n | REPEAT | LINEAR).

A point exists where all operands have one; a division by zero has none. FILL also fills a series without any point:
AWS's text leaves that open. All other functions are refused as not in the lab.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.aws.errors import AwsError, LabNotImplemented

Points = dict[float, float]
_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z]\w*)|(?P<op>[-+*/(),]))")


@dataclass(frozen=True)
class Series:
    """points: start of the bucket -> value; grid: the starts of all buckets of the request, ascending."""

    points: Points = field(default_factory=dict)
    grid: tuple[float, ...] = ()


Value = Series | float
Lookup = Callable[[str], Series]


def evaluate(query_id: str, text: str, lookup: Lookup) -> Series:
    """Return the series of an expression; ``lookup`` gives the series of an id or raises KeyError."""
    if re.match(r"\s*SELECT\s", text, re.IGNORECASE):
        raise LabNotImplemented("cloudwatch", "GetMetricData with Metrics Insights queries")
    value = _Reader(query_id, text, lookup).read()
    if isinstance(value, float):
        raise invalid_expression(query_id, "The expression must return a time series")
    return value


def invalid_expression(query_id: str, why: str) -> AwsError:
    """Return AWS's refusal of an expression."""
    return AwsError("ValidationError", f"Error in expression '{query_id}': {why}")


class _Reader:
    def __init__(self, query_id: str, text: str, lookup: Lookup) -> None:
        self._id = query_id
        self._lookup = lookup
        self._tokens: list[tuple[str, str]] = []
        self._at = position = 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                # A quoted text is an argument of SEARCH and other functions: the name before it says more.
                break
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._rest = text[position:]

    def read(self) -> Value:
        value = self._sum()
        if self._at != len(self._tokens) or self._rest:
            raise self._syntax()
        return value

    def _syntax(self) -> AwsError:
        return invalid_expression(self._id, "Invalid syntax.")

    def _take(self, *wanted: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at][1] in wanted:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _sum(self) -> Value:
        value = self._product()
        while sign := self._take("+", "-"):
            value = _combine(operator.add if sign == "+" else operator.sub, value, self._product())
        return value

    def _product(self) -> Value:
        value = self._factor()
        while sign := self._take("*", "/"):
            right = self._factor()
            if sign == "/" and right == 0.0:
                raise invalid_expression(self._id, "Division by zero")
            value = _combine(operator.mul if sign == "*" else operator.truediv, value, right)
        return value

    def _factor(self) -> Value:
        if self._take("-"):
            return _combine(operator.mul, -1.0, self._factor())
        if self._take("("):
            value = self._sum()
            if not self._take(")"):
                raise self._syntax()
            return value
        if self._at >= len(self._tokens):
            raise self._syntax()
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return float(text)
        if kind != "name":
            raise self._syntax()
        return self._function(text) if self._take("(") else self._series(text)

    def _series(self, name: str) -> Series:
        try:
            return self._lookup(name)
        except KeyError:
            raise invalid_expression(self._id, f"Identifier '{name}' not found") from None

    def _function(self, name: str) -> Series:
        if name != "FILL":
            raise LabNotImplemented("cloudwatch", f"GetMetricData with {name}()")
        series = self._sum()
        if isinstance(series, float) or not self._take(","):
            raise self._syntax()
        by = self._take("REPEAT", "LINEAR")
        value = None if by else self._sum()
        if not self._take(")"):
            raise self._syntax()
        return fill(series, by or value)


def fill(series: Series, by: Value | str | None) -> Series:
    """Give the empty buckets a value: a number, another series', the last one before, or one between both sides."""
    points = dict(series.points)
    known = sorted(series.points)
    for at in series.grid:
        if at in series.points:
            continue
        value = by.points.get(at) if isinstance(by, Series) else by
        if isinstance(value, str):
            value = _between(series.points, known, at, value)
        if value is not None:
            points[at] = value
    return Series(points, series.grid)


def _between(points: Points, known: list[float], at: float, how: str) -> float | None:
    index = bisect_left(known, at)
    if index == 0 or (how == "LINEAR" and index == len(known)):
        return None
    before = known[index - 1]
    if how == "REPEAT":
        return points[before]
    after = known[index]
    return points[before] + (points[after] - points[before]) * (at - before) / (after - before)


def _combine(operate: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, float) and isinstance(right, float):
        return operate(left, right)
    grid = left.grid if isinstance(left, Series) else right.grid if isinstance(right, Series) else ()
    points: Points = {}
    for at in grid:
        one = left.points.get(at) if isinstance(left, Series) else left
        two = right.points.get(at) if isinstance(right, Series) else right
        if one is None or two is None or (operate is operator.truediv and two == 0):
            continue
        points[at] = operate(one, two)
    return Series(points, grid)
