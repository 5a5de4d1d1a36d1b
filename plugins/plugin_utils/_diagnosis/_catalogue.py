# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note: this file is private to the collection; its interface can change at any time.

"""Read and check the catalogue of causes and signatures.

The entries stand in catalogue/causes.yml and catalogue/signatures.yml. Nothing is read at import.
"""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE, CLUSTER, Words

CATALOGUE_DIR = Path(CATALOGUE)
CAUSES = "causes.yml"
SIGNATURES = "signatures.yml"

MIN_LITERAL = 2  # characters; a single one stands in nearly every line and filters nothing

_FLAGS = {"wrapper", "symptom", "benign", "text_decides"}
_VERDICT_KEYS = {"id", "cause", "fix", "source", "weight", "symptom", "benign", "alternatives"}
_REASON_KEYS = _VERDICT_KEYS | {"reasons", "text_decides"}
# For each list of the catalogue: the keys an entry may have, and those it must have.
_SCHEMA: dict[str, tuple[set[str], set[str]]] = {
    "log_patterns": (
        _VERDICT_KEYS | {"pattern", "sample", "wrapper", "confirm_by", "beats", "unless"},
        {"id", "pattern", "fix"},
    ),
    "benign_patterns": ({"id", "pattern", "scope", "source", "sample"}, {"id", "pattern", "scope"}),
    "final_patterns": ({"id", "pattern"}, {"id", "pattern"}),
    "transient_patterns": ({"id", "pattern"}, {"id", "pattern"}),
    "warning_patterns": ({"id", "pattern"}, {"id", "pattern"}),
    "tools": ({"id", "pattern"}, {"id", "pattern"}),
    "container_reasons": (_REASON_KEYS, {"id", "reasons"}),
    "pod_reasons": (_REASON_KEYS, {"id", "reasons"}),
    "job_reasons": (_REASON_KEYS, {"id", "reasons"}),
    "event_reasons": (_REASON_KEYS, {"id", "reasons"}),
    "exit_codes": (_VERDICT_KEYS | {"tool", "codes"}, {"id", "tool", "codes"}),
    "causes": (
        {"id", "title", "runbook_class", "kind", "link", "symptom", "explanation", "next_steps"},
        {"id", "title", "runbook_class", "kind", "link", "explanation", "next_steps"},
    ),
}


class CatalogueError(ValueError):
    """A catalogue entry is wrong. The message names the file, the entry and the key."""

    def __init__(self, file: str, entry: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: entry {entry}: {key}: {problem}")


@dataclass(frozen=True)
class Cause:
    """One way a backup sync can fail; the fields are described at the head of causes.yml."""

    id: str
    title: str
    runbook_class: str
    kind: str
    link: str
    explanation: str
    next_steps: tuple[Mapping[str, str], ...]
    symptom: bool = False


@dataclass(frozen=True)
class Signature:
    """One entry of any list of signatures.yml; the fields are described at its head."""

    id: str
    pattern: str = ""
    cause: str | None = None
    fix: str | None = None
    source: str | None = None
    sample: str | None = None
    weight: float = 1.0
    wrapper: bool = False
    symptom: bool = False
    benign: bool = False
    confirm_by: str | None = None
    text_decides: bool = False
    beats: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    unless: str | None = None
    scope: str | None = None
    reasons: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    tool: str | None = None

    def search(self, text: str, start: int = 0) -> re.Match[str] | None:
        return _compiled(self.pattern).search(text, start)

    def blank(self, text: str) -> str:
        """Put characters that no pattern knows in the place of all matches."""
        return _compiled(self.pattern).sub(lambda match: "~" * len(match.group()), text)

    def outranks(self, other: Signature) -> bool:
        """True if the other one is only a consequence when both stand in the same text."""
        return other.id in self.beats or ("*" in self.beats and "*" not in other.beats)


@dataclass(frozen=True)
class Catalogue:
    """Causes by id, and the signatures of each list in their order."""

    causes: Mapping[str, Cause]
    lists: Mapping[str, tuple[Signature, ...]]


# --- patterns ---------------------------------------------------------------------------------------------------------


_ESCAPE = re.compile(r"\d{1,3}|x..|u....|U.{8}|.", re.DOTALL)  # what can follow a backslash


@functools.lru_cache(maxsize=None)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


class _PatternReader:
    """Reads a regex: rejects repeats that could take long, and finds literals that every match must contain."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.pos = 0
        self.ways = 1  # in how many ways its repeats can share out a text between them, at most

    def literals(self) -> frozenset[str] | None:
        """At least one of these stands in every text the pattern matches; None if there are no such literals."""
        found = self._alternatives()
        if "(?i" in self.pattern or not found or min(map(len, found)) < MIN_LITERAL:
            return None
        return found

    def _alternatives(self) -> frozenset[str] | None:
        branches = [self._sequence()]
        while self.pattern.startswith("|", self.pos):
            self.pos += 1
            branches.append(self._sequence())
        return None if None in branches else frozenset().union(*t.cast("list[frozenset[str]]", branches))

    def _sequence(self) -> frozenset[str] | None:
        found: list[frozenset[str]] = []
        run = ""
        while self.pos < len(self.pattern) and self.pattern[self.pos] not in "|)":
            literal, group = self._element()
            once = self._stands_once(is_group=literal is None and self.pattern[self.pos - 1] == ")")
            if literal is not None and once:
                run += literal
                continue
            found.extend([frozenset({run})] if run else [])
            found.extend([group] if group and once else [])
            run = ""
        found.extend([frozenset({run})] if run else [])
        return max(found, key=lambda literals: min(map(len, literals)), default=None)

    def _element(self) -> tuple[str | None, frozenset[str] | None]:
        """Read one element. Return its literal ("" has no width, None varies) and the literals of a group."""
        char = self.pattern[self.pos]
        self.pos += 1
        if char == "\\":
            escape = t.cast("re.Match[str]", _ESCAPE.match(self.pattern, self.pos)).group()
            self.pos += len(escape)
            if escape in "bBAZ":
                return "", None
            return (None if escape[0].isalnum() else escape), None
        if char == "[":
            end = re.compile(r"\^?\]?(?:[^\]\\]|\\.)*\]").match(self.pattern, self.pos)
            self.pos = end.end() if end else len(self.pattern)
            return None, None
        if char == "(":
            return self._group()
        if char in "^$":
            return "", None
        return (None if char == "." else char), None

    def _group(self) -> tuple[str | None, frozenset[str] | None]:
        opening = re.compile(r"\?(?::|<?[=!]|P<\w+>|i(?=\)))").match(self.pattern, self.pos)
        if opening is None and self.pattern[self.pos] == "?":
            raise ValueError("of the groups that start with (? only (?: (?= (?! (?<= (?<! (?P<name> and (?i) are known")
        self.pos = opening.end() if opening else self.pos
        inner = self._alternatives()
        self.pos += 1
        look_around = opening is not None and opening.group()[-1] in "=!"
        return ("", None) if look_around else (None, inner)

    def _stands_once(self, is_group: bool) -> bool:
        """Read the quantifier after an element, if there is one. True if the element stands there exactly once."""
        match = re.compile(r"([*+?]|\{\d*(,?)(\d*)\})[?+]?").match(self.pattern, self.pos)
        if not match:
            return True
        self.pos = match.end()
        text = match.group(1)
        if text in "*+" or (match.group(2) and not match.group(3)):
            raise ValueError(f"{text!r} repeats without bound; write for example {{0,200}}")
        if is_group and text != "?":
            raise ValueError("a repeated group can make matching slow; only ? may follow a group")
        self.ways *= int(match.group(3) or 1)
        return False


def ways_of(pattern: str) -> int:
    """In how many ways the repeats of a pattern can share out a text between them, at most: what it costs to fail."""
    reader = _PatternReader(pattern)
    reader.literals()
    return reader.ways


@functools.lru_cache(maxsize=None)
def required_literals(pattern: str) -> frozenset[str] | None:
    """Literals of which every match of the pattern contains at least one; None if it has none of useful length.

    The pattern is a regular expression. Raises ValueError if it could take more than linear time.
    """
    return _PatternReader(pattern).literals()


# --- catalogue --------------------------------------------------------------------------------------------------------


def read_yaml(name: str) -> dict[str, t.Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    path = CATALOGUE_DIR / name
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both loaders are safe
    except yaml.YAMLError as error:
        raise CatalogueError(name, "-", "-", f"not YAML: {error}") from error
    if not isinstance(data, dict):
        raise CatalogueError(name, "-", "-", "must be a mapping of lists")
    return data


def _check_entry(file: str, list_name: str, entry: t.Any, number: int) -> None:
    """Check keys and types of one raw entry."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
        raise CatalogueError(file, f"{list_name}[{number}]", "id", "every entry is a mapping with an id")
    name = entry["id"]
    allowed, required = _SCHEMA[list_name]
    for key in sorted(set(entry) - allowed, key=str):
        raise CatalogueError(file, name, str(key), f"unknown key in {list_name}; known: {', '.join(sorted(allowed))}")
    for key in sorted(required - set(entry)):
        raise CatalogueError(file, name, key, "is missing")
    for key in ("beats", "alternatives", "reasons", "codes", "next_steps"):
        if key in entry and not isinstance(entry[key], Sequence) or isinstance(entry.get(key), str):
            raise CatalogueError(file, name, key, "must be a list")
    for key in sorted(_FLAGS & set(entry)):
        if not isinstance(entry[key], bool):
            raise CatalogueError(file, name, key, "must be true or false")
    if not isinstance(entry.get("confirm_by", "x"), str) or not entry.get("confirm_by", "x").strip():
        raise CatalogueError(file, name, "confirm_by", "must be a text: what would confirm the cause")
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= 1:
        raise CatalogueError(file, name, "weight", "must be a number from 0 to 1")


def _cause(file: str, raw: Mapping[str, t.Any], words: Words) -> Cause:
    choices = {
        "runbook_class": words.runbook_classes,
        "kind": ("network", "data", "neither"),
        "link": (*words.chain, "monitoring"),
    }
    for key, allowed in choices.items():
        if raw[key] not in allowed:
            raise CatalogueError(file, raw["id"], key, f"{raw[key]!r} is none of: {', '.join(sorted(allowed))}")
    for step in raw["next_steps"]:
        if not isinstance(step, Mapping) or "text" not in step or set(step) - {"text", "command"}:
            raise CatalogueError(file, raw["id"], "next_steps", "each step has a text and may have a command")
        try:
            for text in step.values():
                text.format_map(dict.fromkeys(words.placeholders, ""))
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise CatalogueError(file, raw["id"], "next_steps", f"placeholder {error} is not known") from error
    return Cause(**{**raw, "next_steps": tuple(raw["next_steps"])})


def read_regex(file: str, name: str, key: str, value: t.Any) -> str:
    """Join a pattern given as a list.

    That it can be used is checked by the unit tests: most patterns are never met in a run, and to compile all takes longer
    than the whole diagnosis.
    """
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, str) and part for part in parts):
        raise CatalogueError(file, name, key, "must be a regular expression or a list of them")
    return "|".join(parts)


def bounded_regex(pattern: str) -> None:
    """Raises ValueError if it is no regular expression, or could take more than linear time."""
    try:
        _compiled(pattern)
        required_literals(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern[:200]!r} is no regular expression: {error}") from error


def _signature(file: str, raw: Mapping[str, t.Any], causes: Mapping[str, Cause]) -> Signature:
    name = raw["id"]
    values: dict[str, t.Any] = dict(raw)
    for key in ("pattern", "unless"):
        if key in values:
            values[key] = read_regex(file, name, key, values[key])
    for key in ("beats", "alternatives", "reasons", "codes"):
        values[key] = tuple(values.get(key, ()))
    for cause in (values.get("cause"), *values["alternatives"]):
        if cause is not None and cause not in causes:
            raise CatalogueError(file, name, "cause", f"{cause!r} is not in causes.yml")
    if values.get("scope", "line") not in ("line", "span"):
        raise CatalogueError(file, name, "scope", "must be line or span")
    return Signature(**values)


def _check_whole(lists: Mapping[str, tuple[Signature, ...]]) -> None:
    """Check what one entry cannot show: ids used twice, precedence over entries that do not exist, missing causes."""
    seen: dict[str, str] = {"*": ""}
    for list_name, signatures in lists.items():
        for signature in signatures:
            if signature.id in seen:
                raise CatalogueError(SIGNATURES, signature.id, "id", f"used in {seen[signature.id]} and {list_name}")
            seen[signature.id] = list_name
            silent = signature.wrapper or signature.benign or signature.alternatives or signature.cause
            if "cause" in _SCHEMA[list_name][0] and not silent:
                raise CatalogueError(SIGNATURES, signature.id, "cause", "is missing")
    for signature in (signature for signatures in lists.values() for signature in signatures):
        for other in sorted(set(signature.beats) - set(seen)):
            raise CatalogueError(SIGNATURES, signature.id, "beats", f"there is no entry {other!r}")


@functools.lru_cache(maxsize=None)
def _shipped(file: str) -> dict[str, list[t.Any]]:
    """The raw lists of one file. Read once a process."""
    return read_yaml(file)


def _check_lists(file: str, raw: Mapping[str, list[t.Any]]) -> None:
    """Check which lists there are, and the keys and types of their entries; each id is there once."""
    names = set(_SCHEMA) - {"causes"} if file == SIGNATURES else {"causes"}
    for list_name in sorted(set(raw) ^ names):
        raise CatalogueError(file, list_name, "-", "is missing" if list_name in names else "unknown list")
    for list_name, entries in raw.items():
        ids = set()
        for number, entry in enumerate(entries):
            _check_entry(file, list_name, entry, number)
            if entry["id"] in ids:
                raise CatalogueError(file, entry["id"], "id", f"used twice in {list_name}")
            ids.add(entry["id"])


def load_causes(file: str, words: Words) -> dict[str, Cause]:
    """The causes of one file of the catalogue by id. Raises CatalogueError."""
    return read_causes(file, _shipped(file), words)


def read_causes(file: str, raw: Mapping[str, list[t.Any]], words: Words) -> dict[str, Cause]:
    """The causes of what a file holds, by id. Raises CatalogueError with file, entry and key."""
    _check_lists(file, raw)
    return {entry["id"]: _cause(file, entry, words) for entry in raw["causes"]}


@functools.lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """The causes and signatures of clusters, read and checked once a process. Raises CatalogueError."""
    return read_catalogue(_shipped(SIGNATURES), load_causes(CAUSES, CLUSTER))


def read_catalogue(raw: Mapping[str, list[t.Any]], causes: Mapping[str, Cause]) -> Catalogue:
    """The catalogue of what signatures.yml holds. Raises CatalogueError with file, entry and key."""
    _check_lists(SIGNATURES, raw)
    lists = {
        name: tuple(_signature(SIGNATURES, entry, causes) for entry in entries) for name, entries in raw.items()
    }
    _check_whole(lists)
    return Catalogue(causes, lists)
