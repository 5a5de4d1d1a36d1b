# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch Logs Insights, as much of it as a search for failed copies needs.

Commands: fields f [as alias], ...; filter with = != like "text" or /regex/, =~ /regex/, not like, and, or, not, ( );
stats count(*) [as alias] by f, bin(1h); sort f [asc|desc], ...; limit n. All else is a MalformedQueryException: never a
result that does not belong to the query. Fields are @timestamp, @message, @logStream, @log, @ingestionTime and those of
a JSON message (detail.state, items.0, `detail-type`). A comparison with a field that a message does not have is false.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from lab.aws.operations.logs_pattern import Clauses, literal_clause, may_match

DEFAULT_LIMIT = 10_000
MAX_LIMIT = 100_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<regex>/(?:[^/\\]|\\.)+/)|`(?P<quoted>[^`]+)`
        |(?P<number>-?\d+(?:\.\d+)?(?![\w.]))
        |(?P<bin>bin\(\s*\d+\s*(?:ms|s|m|h|d)\w*\s*\))|(?P<count>count\(\s*\*?\s*\))
        |(?P<op>=~|!=|[=(),|*])|(?P<name>[A-Za-z_@][\w@.]*))""",
    re.VERBOSE | re.IGNORECASE,
)
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class QueryError(ValueError):
    """The query is not one that this engine knows."""


@dataclass(frozen=True)
class Column:
    """What a row has: a field, count(*) or bin(); ``key`` reads it from a message, ``name`` is what results show."""

    name: str
    key: Callable[[Message], str | None]


@dataclass
class Query:
    """A query that has been read."""

    columns: list[Column] = field(default_factory=list)
    conditions: list[Callable[[Message], bool]] = field(default_factory=list)
    clauses: Clauses = ()
    groups: list[Column] | None = None
    count_name: str = "count(*)"
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None


@dataclass
class Result:
    """rows: (field, value) pairs in the order of the columns."""

    rows: list[list[tuple[str, str]]]
    matched: int = 0
    scanned: int = 0
    scanned_bytes: int = 0


class Message:
    """One log event, whose JSON is read only when a field of it is asked for."""

    __slots__ = ("event", "group", "_body")

    def __init__(self, event: dict[str, Any], group: str) -> None:
        self.event = event
        self.group = group
        self._body: Any = None

    def get(self, name: str) -> str | None:
        """Return a field as text, or None where the message does not have it."""
        if name.startswith("@"):
            return self._own(name)
        if self._body is None:
            try:
                self._body = json.loads(self.event["message"])
            except ValueError:
                self._body = False
        return _text(_descend(self._body, name))

    def _own(self, name: str) -> str | None:
        event = self.event
        if name in ("@timestamp", "@ingestionTime"):
            return moment(
                event["timestamp"] if name == "@timestamp" else event.get("ingestionTime", event["timestamp"])
            )
        return {"@message": event["message"], "@logStream": event["logStreamName"], "@log": self.group}.get(name)


def moment(at_ms: int) -> str:
    """Return a time as Insights writes it."""
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _descend(body: Any, name: str) -> Any:
    """Follow the dots of a name; a member whose own name has dots wins, as nothing else could reach it."""
    if isinstance(body, dict) and name in body:
        return body[name]
    head, dot, rest = name.partition(".")
    if isinstance(body, dict) and head in body:
        child = body[head]
    elif isinstance(body, list) and head.isdigit() and int(head) < len(body):
        child = body[int(head)]
    else:
        return None
    return _descend(child, rest) if dot else child


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, (dict, list)):
        return None
    return value if isinstance(value, str) else json.dumps(value)


# ---- reading a query


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise QueryError(
                    f"unexpected symbol found {text[position:].strip()[:1]} at line 1 and position {position}"
                )
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._at = 0
        self.query = Query()

    def read(self) -> Query:
        """Read the commands between the bars."""
        readers = {
            "fields": self._fields,
            "filter": self._filter,
            "stats": self._stats,
            "sort": self._sort,
            "limit": self._limit,
        }
        while True:
            word = self._take("name").lower()
            if word not in readers:
                raise QueryError(f"unexpected symbol found {word}")
            readers[word]()
            if self._at == len(self._tokens):
                return self.query
            self._take("op", "|")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, kind: str, value: str | None = None) -> str:
        found = self._peek()
        if found[0] != kind or value not in (None, found[1].lower()):
            raise QueryError(f"unexpected symbol found {found[1] or '<EOF>'}")
        self._at += 1
        return found[1]

    def _word(self, *words: str) -> str | None:
        """Take one of these words if it comes next."""
        kind, value = self._peek()
        if kind != "name" or value.lower() not in words:
            return None
        self._at += 1
        return value.lower()

    def _comma(self) -> bool:
        if self._peek() != ("op", ","):
            return False
        self._at += 1
        return True

    def _name(self) -> str:
        return self._take("quoted") if self._peek()[0] == "quoted" else self._take("name")

    def _column(self) -> Column:
        if self._peek()[0] == "bin":
            text = re.sub(r"\s", "", self._take("bin"))
            return Column(self._alias(text), _bin_key(text))
        name = self._name()
        return Column(self._alias(name), lambda message: message.get(name))

    def _alias(self, name: str) -> str:
        return self._name() if self._word("as") else name

    def _fields(self) -> None:
        if self.query.groups is not None:
            raise QueryError("fields after stats")
        self.query.columns.append(self._column())
        while self._comma():
            self.query.columns.append(self._column())

    def _stats(self) -> None:
        if self.query.groups is not None:
            raise QueryError("unexpected symbol found stats")
        self.query.count_name = self._alias(re.sub(r"\s", "", self._take("count")))
        self.query.groups = []
        if self._word("by"):
            self.query.groups.append(self._column())
            while self._comma():
                self.query.groups.append(self._column())

    def _sort(self) -> None:
        while True:
            kind = self._peek()[0]
            name = re.sub(r"\s", "", self._take(kind)) if kind in ("count", "bin") else self._name()
            self.query.order.append((name, self._word("asc", "desc") == "desc"))
            if not self._comma():
                return

    def _limit(self) -> None:
        number = self._take("number")
        if not number.isdigit() or not 1 <= int(number) <= MAX_LIMIT:
            raise QueryError(f"unexpected symbol found {number}")
        self.query.limit = int(number)

    def _filter(self) -> None:
        if self.query.groups is not None:
            raise QueryError("filter after stats")
        condition, clauses = self._or()
        self.query.conditions.append(condition)
        self.query.clauses += clauses

    def _or(self) -> tuple[Callable[[Message], bool], Clauses]:
        parts = [self._and()]
        while self._word("or"):
            parts.append(self._and())
        if len(parts) == 1:
            return parts[0]
        conditions = [condition for condition, dummy in parts]
        texts = tuple(text for dummy, clauses in parts for text in (clauses[0] if clauses else ()))
        clauses = (texts,) if all(clauses for dummy, clauses in parts) else ()
        return lambda message: any(holds(message) for holds in conditions), clauses

    def _and(self) -> tuple[Callable[[Message], bool], Clauses]:
        parts = [self._not()]
        while self._word("and"):
            parts.append(self._not())
        conditions = [condition for condition, dummy in parts]
        clauses = tuple(clause for dummy, found in parts for clause in found)
        return lambda message: all(holds(message) for holds in conditions), clauses

    def _not(self) -> tuple[Callable[[Message], bool], Clauses]:
        if self._word("not"):
            condition, dummy = self._not()
            return lambda message: not condition(message), ()
        if self._peek() == ("op", "("):
            self._take("op")
            found = self._or()
            self._take("op", ")")
            return found
        return self._comparison()

    def _comparison(self) -> tuple[Callable[[Message], bool], Clauses]:
        name = self._name()
        negated = bool(self._word("not"))
        if self._word("like"):
            condition, clauses = self._like(name, "/" if self._peek()[0] == "regex" else "text")
        elif not negated and self._peek() == ("op", "=~"):
            self._take("op")
            condition, clauses = self._like(name, "/")
        elif negated:
            raise QueryError(f"unexpected symbol found {self._peek()[1]}")
        else:
            return self._equality(name)
        if negated:
            return lambda message: message.get(name) is not None and not condition(message), ()
        return condition, clauses

    def _like(self, name: str, form: str) -> tuple[Callable[[Message], bool], Clauses]:
        if form == "/":
            text = self._take("regex")[1:-1]
            try:
                search = re.compile(text).search
            except re.error as error:
                raise QueryError(f"invalid regular expression {text}") from error
            return lambda message: search(message.get(name) or "") is not None, ()
        part = _unquote(self._take("string"))
        clause = (part,) if name == "@message" else literal_clause(part)
        return lambda message: part in (message.get(name) or ""), (clause,) if clause and name[:1] != "@" else ()

    def _equality(self, name: str) -> tuple[Callable[[Message], bool], Clauses]:
        operator = self._take("op")
        if operator not in ("=", "!="):
            raise QueryError(f"unexpected symbol found {operator}")
        kind, value = self._peek()
        wanted = _unquote(self._take("string")) if kind == "string" else self._take("number")
        same = _same_number(wanted) if kind == "number" else lambda text: text == wanted
        if operator == "!=":
            return lambda message: (found := message.get(name)) is not None and not same(found), ()
        clause = literal_clause(wanted) if kind == "string" and not name.startswith("@") else None
        return lambda message: (found := message.get(name)) is not None and same(found), (clause,) if clause else ()


def _same_number(wanted: str) -> Callable[[str], bool]:
    limit = float(wanted)

    def same(text: str) -> bool:
        try:
            return float(text) == limit
        except ValueError:
            return False

    return same


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _bin_key(text: str) -> Callable[[Message], str | None]:
    match = re.fullmatch(r"bin\((\d+)(ms|s|m|h|d)\)", text, re.IGNORECASE)
    if match is None or not int(match[1]):
        raise QueryError(f"unexpected symbol found {text}")
    size = int(match[1]) * _UNITS[match[2].lower()]
    return lambda message: moment(message.event["timestamp"] // size * size)


def parse_query(text: str) -> Query:
    """Read a query; raise QueryError."""
    query = _Reader("\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))).read()
    shown = {column.name for column in query.groups or []} | {query.count_name}
    if query.groups is not None and any(name not in shown for name, dummy in query.order):
        raise QueryError("unknown symbol in sort")
    return query


# ---- running it


def run_query(query: Query, events: Iterable[tuple[dict[str, Any], str]], limit: int | None = None) -> Result:
    """Run a query over (event, "account:group") pairs; memory grows with the result, not with the events."""
    result = Result([])
    messages = _matching(query, events, result)
    size = min(query.limit or limit or DEFAULT_LIMIT, MAX_LIMIT)
    if query.groups is not None:
        result.rows = _counted(query, messages, size)
        return result
    columns = query.columns or [_column("@timestamp"), _column("@message")]
    order = query.order or [("@timestamp", True)]
    keys = {column.name: column.key for column in columns}
    found = _first(size, messages, [(keys.get(name) or _column(name).key, down) for name, down in order])
    result.rows = [
        [(column.name, value) for column in columns if (value := column.key(message)) is not None]
        + [("@ptr", str(message.event.get("eventId", "")))]
        for message in found
    ]
    return result


def _column(name: str) -> Column:
    return Column(name, lambda message: message.get(name))


def _matching(query: Query, events: Iterable[tuple[dict[str, Any], str]], result: Result) -> Iterator[Message]:
    for event, group in events:
        text = event["message"]
        result.scanned += 1
        result.scanned_bytes += len(text)
        if query.clauses and not may_match(query.clauses, text):
            continue
        message = Message(event, group)
        if all(holds(message) for holds in query.conditions):
            result.matched += 1
            yield message


def _counted(query: Query, messages: Iterable[Message], size: int) -> list[list[tuple[str, str]]]:
    groups = query.groups or []
    counts: dict[tuple[str | None, ...], int] = {}
    for message in messages:
        key = tuple(column.key(message) for column in groups)
        counts[key] = counts.get(key, 0) + 1
    names = [column.name for column in groups]
    rows = [
        [(name, value) for name, value in zip(names, key) if value is not None] + [(query.count_name, str(count))]
        for key, count in counts.items()
    ]
    for name, down in reversed(query.order):
        rows.sort(key=lambda row: _rank(dict(row).get(name)), reverse=down)
    return rows[:size]


def _first(
    size: int, messages: Iterable[Message], order: list[tuple[Callable[[Message], str | None], bool]]
) -> list[Message]:
    if len({down for dummy, down in order}) > 1:
        found = list(messages)
        for key, down in reversed(order):
            found.sort(key=lambda message: _rank(key(message)), reverse=down)
        return found[:size]
    pick = heapq.nlargest if order[0][1] else heapq.nsmallest
    return pick(size, messages, key=lambda message: tuple(_rank(key(message)) for key, dummy in order))


def _rank(value: str | None) -> tuple[int, float, str]:
    """Numbers before texts, and nothing before both."""
    if value is None:
        return 0, 0.0, ""
    try:
        return 1, float(value), ""
    except ValueError:
        return 2, 0.0, value
