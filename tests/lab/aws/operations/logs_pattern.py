# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter patterns of CloudWatch Logs: terms, "phrases", ?any, -not, %regular expressions% and { JSON conditions }.

As AWS documents them. Everything is case-sensitive. In a JSON pattern a selector must point to a string or a number:
where it points to nothing, an object, an array, true or null, both = and != are false (for a missing member AWS's text
leaves that open); with a wildcard one of the nodes has to fit. Space-delimited patterns [a, b] are not in the lab.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Matcher = Callable[[str], bool]
Condition = Callable[[Any], bool]
Step = str | int | None
# Texts of which every matching message has at least one; the message must pass all such sets.
Clauses = tuple[tuple[str, ...], ...]

MAX_REGEXES = 2
MAX_WILDCARDS = 3
_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||[()]|!=|<=|>=|[=<>])|(?P<selector>\$(?:[A-Za-z0-9_\-.*]|\[(?:'[^']*'|[\d*]+)\])*)
        |(?P<string>"(?:[^"\\]|\\.)*")|%(?P<regex>(?:[^%\\]|\\.)*)%|(?P<word>[A-Za-z0-9_.*+\-]+))""",
    re.VERBOSE,
)
_TERM = re.compile(
    r"""\s*(?P<sign>[?\-]?)(?:(?P<phrase>"(?:[^"\\]|\\.)*")|%(?P<regex>(?:[^%\\]|\\.)*)%
        |(?P<word>[A-Za-z0-9_]+))(?=\s|$)""",
    re.VERBOSE,
)
_STEP = r"\.([A-Za-z0-9_\-]+)|\.?\['([^']+)'\]|\[(\d+)\]|(\.\*|\[\*\])"
_SELECTOR = re.compile(rf"\$(?:{_STEP})+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_REGEX_TEXT = re.compile(r"(?:[A-Za-z0-9 :_#=@/;,\-^$?\[\]{}|*+.]|\\[dDsSwW]|\\x[0-9A-Fa-f]{2}|\\[^A-Za-z0-9\s])*")


class PatternError(ValueError):
    """AWS refuses the pattern; the text is AWS's."""

    def __init__(self, message: str = "Invalid filter pattern") -> None:
        super().__init__(message)


class PatternNotInLab(ValueError):
    """AWS knows this form of pattern, the lab does not."""


def compile_pattern(pattern: str) -> Matcher:
    """Return a function that tells whether a message matches; raise PatternError or PatternNotInLab."""
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("["):
        raise PatternNotInLab("space-delimited filter patterns")
    if text.startswith("{"):
        if not text.endswith("}"):
            raise PatternError("If a filter pattern starts with '{' it must end with '}'")
        return _json_matcher(_Parser(text[1:-1]).parse())
    return _term_matcher(text)


# ---- terms


def _term_matcher(text: str) -> Matcher:
    required: list[Matcher] = []
    optional: list[Matcher] = []
    excluded: list[Matcher] = []
    position = regexes = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise PatternError()
        position = found.end()
        regexes += found["regex"] is not None
        target = {"": required, "?": optional, "-": excluded}[found["sign"]]
        target.append(_contains(found))
    if regexes > MAX_REGEXES:
        raise PatternError()
    if not required and not excluded:
        return lambda message: any(term(message) for term in optional)

    def matches(message: str) -> bool:
        # AWS ignores the ?terms beside terms of another kind.
        return all(term(message) for term in required) and not any(term(message) for term in excluded)

    return matches


def _contains(found: re.Match[str]) -> Matcher:
    if found["regex"] is not None:
        return _searches(_regex(found["regex"]))
    needle = _unquote(found["phrase"]) if found["phrase"] else found["word"]
    if not needle.strip():
        return lambda message: True
    return lambda message: needle in message


def _regex(text: str) -> re.Pattern[str]:
    """Compile a regular expression between %: no groups, few symbols, ASCII only, as AWS allows."""
    if not text or _REGEX_TEXT.fullmatch(text) is None:
        raise PatternError()
    try:
        return re.compile(text, re.ASCII)
    except re.error as error:
        raise PatternError() from error


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


# ---- JSON


@dataclass(frozen=True)
class _Expression:
    holds: Condition
    clauses: Clauses = ()


def may_match(clauses: Clauses, message: str) -> bool:
    """Look for the literal texts: to parse a message as JSON costs a hundred times more."""
    for clause in clauses:
        for text in clause:
            if text in message:
                break
        else:
            # An escape may hide the text: \u0041 is A, \/ is a slash.
            if "\\u" not in message and "\\/" not in message:
                return False
    return True


def literal_clause(text: str) -> tuple[str, ...] | None:
    """Return the clause of a value that equals or contains ``text``; None where JSON may write it in another way."""
    plain = text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
    # A number has more than one form (400, 4e2), so only a text with a letter must appear as it is.
    return (text,) if plain and any(char.isalpha() and char not in "eE" for char in text) else None


def _json_matcher(expression: _Expression) -> Matcher:
    clauses, holds = expression.clauses, expression.holds

    def matches(message: str) -> bool:
        if not may_match(clauses, message):
            return False
        try:
            body = json.loads(message)
        except ValueError:
            return False
        return holds(body)

    return matches


class _Parser:
    """Recursive descent over: or = and ("||" and)*; and = term ("&&" term)*; term = "(" or ")" | comparison."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0
        self._regexes = self._wildcards = 0

    def parse(self) -> _Expression:
        expression = self._or()
        if self._position != len(self._tokens) or self._regexes > MAX_REGEXES or self._wildcards > MAX_WILDCARDS:
            raise PatternError()
        return expression

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("end", "")

    def _next(self, *kinds: str) -> tuple[str, str]:
        token = self._peek()
        if token[0] not in kinds:
            raise PatternError()
        self._position += 1
        return token

    def _or(self) -> _Expression:
        parts = [self._and()]
        while self._peek() == ("op", "||"):
            self._next("op")
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else _any_of(parts)

    def _and(self) -> _Expression:
        parts = [self._term()]
        while self._peek() == ("op", "&&"):
            self._next("op")
            parts.append(self._term())
        if len(parts) == 1:
            return parts[0]
        conditions = [part.holds for part in parts]
        clauses = tuple(clause for part in parts for clause in part.clauses)
        return _Expression(lambda body: all(holds(body) for holds in conditions), clauses)

    def _term(self) -> _Expression:
        if self._peek() == ("op", "("):
            self._next("op")
            expression = self._or()
            if self._next("op") != ("op", ")"):
                raise PatternError()
            return expression
        return self._comparison()

    def _comparison(self) -> _Expression:
        steps = _steps(self._next("selector")[1])
        self._wildcards += None in steps
        kind, operator = self._next("op", "word")
        if kind == "word":
            return _Expression(self._state(steps, operator))
        if operator in ("(", ")", "&&", "||"):
            raise PatternError()
        kind, value = self._next("string", "regex", "word")
        self._regexes += kind == "regex"
        test, clause = _value_test(kind, operator, value)
        return _Expression(lambda body: any(test(node) for node in _nodes(body, steps)), (clause,) if clause else ())

    def _state(self, steps: list[Step], word: str) -> Condition:
        """Read IS NULL, IS TRUE, IS FALSE or NOT EXISTS."""
        words = (word.upper(), self._next("word")[1].upper())
        if words == ("NOT", "EXISTS"):
            return lambda body: not _nodes(body, steps)
        wanted = {("IS", "NULL"): None, ("IS", "TRUE"): True, ("IS", "FALSE"): False}
        if words not in wanted:
            raise PatternError()
        value = wanted[words]
        return lambda body: any(node is value for node in _nodes(body, steps))


def _any_of(parts: list[_Expression]) -> _Expression:
    conditions = [part.holds for part in parts]
    clauses: Clauses = ()
    if all(part.clauses for part in parts):
        clauses = (tuple(text for part in parts for text in part.clauses[0]),)
    return _Expression(lambda body: any(holds(body) for holds in conditions), clauses)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    text = text.rstrip()
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise PatternError()
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _steps(text: str) -> list[Step]:
    """Return the steps of ``$.a['b.c'][0].*``: names, indices, None for the one wildcard that AWS allows."""
    if _SELECTOR.fullmatch(text) is None:
        raise PatternError()
    steps: list[Step] = []
    for name, quoted, index, wildcard in re.findall(_STEP, text):
        steps.append(None if wildcard else int(index) if index else name or quoted)
    if steps.count(None) > 1:
        raise PatternError()
    return steps


def _nodes(body: Any, steps: list[Step]) -> list[Any]:
    """Return what the steps point to: one node or none without a wildcard."""
    nodes = [body]
    for step in steps:
        nodes = [child for node in nodes for child in _children(node, step)]
    return nodes


def _children(node: Any, step: Step) -> list[Any]:
    if step is None:
        return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    if isinstance(step, str):
        return [node[step]] if isinstance(node, dict) and step in node else []
    return [node[step]] if isinstance(node, list) and step < len(node) else []


def _value_test(kind: str, operator: str, value: str) -> tuple[Condition, tuple[str, ...] | None]:
    """Return the test of a selected value, and a text that matching messages contain, where there is one."""
    if kind == "word" and _NUMBER.fullmatch(value):
        return _number_test(operator, value), None
    if operator not in ("=", "!="):
        raise PatternError()
    if kind == "regex":
        pattern = _regex(value)
        test, literal = _searches(pattern), None
    else:
        test, literal = _text_test(_unquote(value) if kind == "string" else value)
    if operator == "!=":
        return lambda found: _is_value(found) and not test(_text(found)), None
    return lambda found: _is_value(found) and test(_text(found)), literal


def _searches(pattern: re.Pattern[str]) -> Matcher:
    return lambda text: pattern.search(text) is not None


def _text_test(wanted: str) -> tuple[Matcher, tuple[str, ...] | None]:
    """An asterisk stands for any text at the start and at the end only, as AWS says."""
    core = wanted.removeprefix("*").removesuffix("*")
    tests: dict[tuple[bool, bool], Matcher] = {
        (True, True): lambda text: core in text,
        (True, False): lambda text: text.endswith(core),
        (False, True): lambda text: text.startswith(core),
        (False, False): lambda text: text == core,
    }
    return tests[wanted.startswith("*"), wanted.endswith("*")], literal_clause(core)


def _number_test(operator: str, value: str) -> Condition:
    limit = float(value)
    compare: dict[str, Callable[[float], bool]] = {
        "=": lambda number: number == limit,
        "!=": lambda number: number != limit,
        "<": lambda number: number < limit,
        "<=": lambda number: number <= limit,
        ">": lambda number: number > limit,
        ">=": lambda number: number >= limit,
    }
    holds = compare[operator]

    def test(found: Any) -> bool:
        if isinstance(found, str) and operator in ("=", "!="):
            return (found == value) == (operator == "=")
        return isinstance(found, (int, float)) and not isinstance(found, bool) and holds(found)

    return test


def _is_value(found: Any) -> bool:
    return isinstance(found, str) or (isinstance(found, (int, float)) and not isinstance(found, bool))


def _text(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found)
