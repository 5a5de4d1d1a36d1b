# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Finds the telling lines of a log fast: most of a log is of no interest, and a substring search tells which part.

From every pattern the literals are taken of which a match must contain one; only lines with such a literal meet the
patterns. Lines that differ in nothing but digits are looked at once: they contain the same literals.
"""

from __future__ import annotations

import re
import typing as t

try:
    from re import _parser as sre_parse  # type: ignore[attr-defined]
except ImportError:  # Python before 3.11
    import sre_parse

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter

PHRASES = ("copy failed", "sync failed", "replication error")  # the runbook's own

# Words of trouble in the logs of copy tools; used when no patterns are given.
GENERAL = (
    r"\berr(?:or|ors)?\b|\berr=|exception|traceback|\bpanic|\bfatal|\bcritical\b|\bfail(?:ed|ure|ures|ing|s)?\b"
    r"|\bdenied\b|\bforbidden\b|\bunauthorized\b|\brefused\b|\btimeout\b|\btime out\b|\btimed[ -]?out\b"
    r"|\bexceeded\b|\bunreachable\b|no route to host|no such host|no space left|no such file|not found\b|\bunable to\b"
    r"|\bcannot\b|\binvalid\b|\bexpired\b|\bcorrupt|\bmismatch|\bkilled\b|\babort(?:ed|ing)?\b|reset by peer"
    r"|broken pipe|\bthrottl|\bslowdown\b|\bslow down\b|\bquota\b|\balready locked\b|unexpected EOF|\bx509\b"
)

_NO_REGEX = (re.error, OverflowError, RecursionError)
_LOOK_BEHIND = "(?<"

_LONG = 4096  # characters; of longer lines only the surroundings of a word are matched, which bounds every pattern
_SHORTEST = 3
_LEAST_WORD = 4
_HITS_PER_WORD = 4
# Words that the logs of copy tools have in every line, as in level=info or status=200: to look for them tells nothing.
_EVERYWHERE = frozenset({"level", "status", "code", "time", "message", "backup", "snapshot", "volume"})
_DIGITS = b"0123456789"
_MOST_SHAPES = 20000  # remembered, of at most _LONGEST_SHAPE bytes each
_LONGEST_SHAPE = 512
_ANSI = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")


class Match(t.NamedTuple):
    """A telling line: where in the block it is, what is shown of it, and why it was kept."""

    start: int
    end: int
    phrases: tuple[str, ...]
    pattern: bool
    shown_from: int  # characters of the text (behind its time stamp) that are left out before what is shown


# What a match must contain: a literal in small letters, or one of several lists of parts.
_Part = t.Union[str, "list[list[_Part]]"]
# The same for a shape, as a condition: all of them, and of a tuple at least one.
_Checks = t.Tuple[t.Union[bytes, t.Tuple["_Checks", ...]], ...]


class Index(t.NamedTuple):
    """Patterns, behind the runbook's phrases, and how to find the few that can match a line."""

    patterns: tuple[str, ...]
    required: tuple[_Checks, ...]  # per pattern all that can be checked on a shape
    by_word: dict[bytes, tuple[int, ...]]  # a literal in small letters: the patterns to try where it stands
    always: tuple[int, ...]  # patterns that require nothing


def index_of(patterns: t.Sequence[str], parameter: str = "patterns") -> Index:
    """The index of some patterns. Raises BadParameter, naming the pattern that is no regular expression."""
    every = (*map(re.escape, PHRASES), *patterns)
    needed: list[frozenset[str]] = []  # per pattern the best of its requirements, empty if it has none
    required: list[_Checks] = []
    for pattern in every:
        try:
            if _LOOK_BEHIND in pattern:
                re.compile(pattern)  # the one mistake that only compiling finds
            parts = _parts_of(pattern)
        except _NO_REGEX as exc:
            raise _refusal(pattern, exc, parameter) from exc
        needed.append(max(_clauses(parts), key=_worth, default=frozenset()))
        required.append(_on_shapes(parts))
    by_word = {
        word.encode(): tuple(at for at, found in enumerate(needed) if any(word in literal for literal in found))
        for word in _shortest({literal for found in needed for literal in found})
    }
    return Index(every, tuple(required), by_word, tuple(at for at, found in enumerate(needed) if not found))


_PREPARED: dict[tuple[str, ...], Index] = {}


def prepare(index: Index) -> list[str]:
    """Have Telling() take this index for its patterns; gives them as Telling() and the step take them."""
    patterns = index.patterns[len(PHRASES) :]
    _PREPARED[patterns] = index
    return list(patterns)


def _refusal(pattern: str, why: Exception, parameter: str) -> BadParameter:
    return BadParameter(f"{parameter}: {pattern[:200]!r} is no regular expression ({why}); correct or remove it.")


class Telling:
    """The runbook's phrases and the patterns, compiled at most once for a run; safe to use from several threads."""

    def __init__(self, patterns: t.Sequence[str], parameter: str = "patterns") -> None:
        """Raises BadParameter, naming the pattern that is no regular expression."""
        index = _PREPARED.get(tuple(patterns)) or index_of(patterns, parameter)
        self._parameter = parameter
        self._compiled: dict[int, re.Pattern[str]] = {}  # those that have met a line
        self._patterns, self._required, self._by_word, self._always = index
        self._with_digit = tuple(word for word in self._by_word if any(digit in word for digit in _DIGITS))
        self._without_digit = tuple(word for word in self._by_word if word not in self._with_digit)
        self._shapes: dict[bytes, tuple[int, ...]] = {}  # of lines without their digits: the patterns to try

    def _regex(self, at: int) -> re.Pattern[str]:
        """Compiled when a line first needs it: most patterns never meet one."""
        if at not in self._compiled:
            try:
                self._compiled[at] = re.compile(self._patterns[at], re.IGNORECASE)
            except _NO_REGEX as exc:
                raise _refusal(self._patterns[at], exc, self._parameter) from exc
        return self._compiled[at]

    def search(self, block: bytes) -> list[Match]:
        """The telling lines of a block of whole lines (free of ANSI sequences), in order."""
        lowered = block.lower()
        hits: dict[int, set[int]] = {}  # start of line: patterns to try
        for word in self._with_digit:
            at = lowered.find(word)
            while at >= 0:
                start = lowered.rfind(b"\n", 0, at) + 1
                hits.setdefault(start, set()).update(self._by_word[word])
                end = lowered.find(b"\n", at)
                at = lowered.find(word, end) if end >= 0 else -1
        self._by_shape(lowered, hits)
        if self._always:
            start = 0
            while start < len(block):
                hits.setdefault(start, set()).update(self._always)
                end = block.find(b"\n", start)
                start = end + 1 if end >= 0 else len(block)
        found = []
        for start in sorted(hits):
            end = block.find(b"\n", start)
            match = self._match(block, start, end if end >= 0 else len(block), sorted(hits[start]))
            if match:
                found.append(match)
        return found

    def _by_shape(self, lowered: bytes, hits: dict[int, set[int]]) -> None:
        """Add the lines with a literal that has no digit, looking at each shape of line once."""
        shapes = lowered.translate(None, _DIGITS).split(b"\n")
        known = self._shapes
        different = set(shapes)
        new = [shape for shape in different if shape not in known]
        telling = {shape: known[shape] for shape in different if known.get(shape)}
        telling.update(self._look_at(new))
        if not telling:
            return
        start = 0
        for shape, line in zip(shapes, lowered.split(b"\n")):
            if shape in telling:
                hits.setdefault(start, set()).update(telling[shape])
            start += len(line) + 1

    def _look_at(self, shapes: list[bytes]) -> dict[bytes, tuple[int, ...]]:
        """Those of the shapes that contain a literal, with the patterns to try; remembers all of them."""
        together = b"\n".join(shapes)
        present = [word for word in self._without_digit if word in together]
        telling = {}
        for shape in shapes:
            candidates = {at for word in present if word in shape for at in self._by_word[word]}
            patterns = tuple(at for at in candidates if _possible(self._required[at], shape))
            if patterns:
                telling[shape] = patterns
            if len(self._shapes) < _MOST_SHAPES and len(shape) <= _LONGEST_SHAPE:
                self._shapes[shape] = patterns
        return telling

    def _match(self, block: bytes, start: int, end: int, patterns: list[int]) -> Match | None:
        text = text_of(block[start:end])[1]
        phrases: list[str] = []
        first: int | None = None
        told = False
        for offset, part in self._parts(text):
            for at in patterns:
                if (told and at >= len(PHRASES)) or (at < len(PHRASES) and PHRASES[at] in phrases):
                    continue
                match = self._regex(at).search(part)
                if match is None:
                    continue
                first = offset + match.start() if first is None else min(first, offset + match.start())
                if at < len(PHRASES):
                    phrases.append(PHRASES[at])
                else:
                    told = True
        if first is None:
            return None
        return Match(start, end, tuple(phrases), told, first - 200 if first > 400 else 0)

    def _parts(self, text: str) -> t.Iterator[tuple[int, str]]:
        """The text, or of a long one the surroundings of the words in it, with their offsets."""
        if len(text) <= _LONG:
            yield 0, text
            return
        if self._always:
            yield 0, text[:_LONG]
        lowered = text.lower()
        covered = 0
        places = set()
        for word in self._by_word:
            at = lowered.find(word.decode())
            for dummy in range(_HITS_PER_WORD):
                if at < 0:
                    break
                places.add(at)
                at = lowered.find(word.decode(), at + 1)
        for at in sorted(places):
            if at >= covered:
                begin = max(0, at - _LONG // 2)
                covered = at + _LONG // 2
                yield begin, text[begin:covered]


def plain_lines(block: bytes) -> bytes:
    """The block without ANSI sequences."""
    return _ANSI.sub(b"", block) if b"\x1b" in block else block


def text_of(line: bytes) -> tuple[str | None, str]:
    """(the time stamp that the kubelet put before the line, the text); bytes that are not UTF-8 are replaced."""
    stamp, blank, rest = line.partition(b" ")
    if blank and len(stamp) <= 40 and _STAMP.fullmatch(stamp):
        return stamp.decode("ascii"), rest.decode("utf-8", "replace").rstrip("\r")
    return None, line.decode("utf-8", "replace").rstrip("\r")


_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


# ----------------------------------------------------------------------------------------------- literals

def requirements(pattern: str) -> list[frozenset[str]]:
    """Sets of small-letter strings: every match of the pattern contains at least one string of each set."""
    return _clauses(_parts_of(pattern))


def _parts_of(pattern: str) -> list[_Part]:
    """All that every match of the pattern contains. Raises one of _NO_REGEX."""
    return _parts(sre_parse.parse(pattern, re.IGNORECASE))


def _parts(parsed: t.Any) -> list[_Part]:
    """What a sequence requires: the requirements of all its parts."""
    found: list[_Part] = []
    run = ""
    for operator, argument in parsed:
        character = _literal(str(operator), argument)
        if character is not None:
            run += character
            continue
        if str(operator) == "AT":  # takes no character: the run goes on behind it
            continue
        found.append(run)
        run = ""
        found += _inner(str(operator), argument)
    found.append(run)
    return [part for part in found if not isinstance(part, str) or len(part) >= _SHORTEST]


def _clauses(parts: list[_Part]) -> list[frozenset[str]]:
    """The parts as sets of which a match contains one string each; of every alternative only its best is in its set."""
    found = []
    for part in parts:
        if isinstance(part, str):
            found.append(frozenset({part}))
            continue
        best = [max(_clauses(branch), key=_worth, default=frozenset()) for branch in part]
        if all(best):
            found.append(frozenset().union(*best))
    return found


def _worth(found: frozenset[str]) -> tuple[bool, bool, int, int]:
    """How good a requirement is: not in every line, long enough to be rare, few alternatives, then the longer the
    better."""
    shortest = min(map(len, found))
    rare = not any(re.sub(r"\W", "", literal) in _EVERYWHERE for literal in found)
    return (rare, shortest >= _LEAST_WORD, -len(found), shortest)


def _on_shapes(parts: list[_Part]) -> _Checks:
    """The parts as a condition on lines without their digits."""
    checks: list[t.Any] = []
    for part in parts:
        if isinstance(part, str):
            literal = part.encode().translate(None, _DIGITS)
            checks += [literal] if literal else []
        else:
            branches = tuple(_on_shapes(branch) for branch in part)
            checks += [branches] if all(branches) else []
    return tuple(checks)


def _possible(checks: _Checks, shape: bytes) -> bool:
    """Whether the shape contains all that is required."""
    for check in checks:
        if isinstance(check, bytes):
            if check not in shape:
                return False
        elif not any(_possible(branch, shape) for branch in check):
            return False
    return True


def _literal(operator: str, argument: t.Any) -> str | None:
    """The small letter that this part stands for, if it is one ASCII character in either case."""
    codes = {argument} if operator == "LITERAL" else set()
    if operator == "IN" and all(str(entry[0]) == "LITERAL" for entry in argument):
        codes = {entry[1] for entry in argument}
    letters = {chr(code).lower() for code in codes}
    return letters.pop() if len(letters) == 1 and max(codes) < 128 else None


def _inner(operator: str, argument: t.Any) -> list[_Part]:
    if operator == "SUBPATTERN":
        return _parts(argument[-1])
    if operator == "ATOMIC_GROUP":
        return _parts(argument)
    if operator in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return _parts(argument[2]) if argument[0] >= 1 else []
    if operator == "BRANCH":
        return [[_parts(branch) for branch in argument[1]]]
    return []


def _shortest(required: set[str]) -> list[str]:
    """The literals that contain no other one: where they are not, none of the others is."""
    return sorted(own for own in required if not any(other in own for other in required - {own}))
