# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Say which cause a message of AWS Backup stands for.

The knowledge is data, see catalogue/messages_aws.yml; here it is only applied. Nothing is read at import. The first
entry that matches decides, and text that no entry knows has no cause: nothing is guessed.
"""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import (
    CatalogueError,
    Cause,
    load_causes,
    read_regex,
    read_yaml,
    required_literals,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import UNKNOWN, Verdict
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature, check_samples
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import REGION

__all__ = (
    *("CatalogueError", "Message", "Messages", "category_hint", "check_own", "classify", "decides", "load_messages"),
    "region_causes",
)

CAUSES_REGION = "causes_region.yml"
MESSAGES = "messages_aws.yml"

MAX_TEXT = 65_536  # characters; of a longer text the first and the last half of this are read
CACHED_TEXTS = 1024
SYMPTOM_WEIGHT = 0.5  # a generic text speaks weakly even for the symptom that it names

_LISTS = frozenset({"messages", "collector_messages", "categories"})
_WORDING_KEYS = frozenset({"pattern", "sample", "types"})
_MESSAGE_KEYS = _WORDING_KEYS | {
    *("id", "cause", "fix", "source", "wordings", "alternatives", "decides", "by_words", "benign", "weight"),
    *("unsure", "collector_cause"),
}
_REQUIRED = ("id", "fix", "source")

_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
# What stands for a quote, a space or a line break once a message was wrapped in JSON or XML, or set by a typographer.
_WRITTEN_OUT = (
    *(("\\u001b", "\x1b"), ("\\u0027", "'"), ("\\u0022", '"'), ("\\n", " "), ("\\r", " "), ("\\t", " "), ("\\", "")),
    *(("&quot;", '"'), ("&#34;", '"'), ("&apos;", "'"), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")),
    *(("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'), ("\u2011", "-")),
)
_CAPITAL = re.compile(r"(?<!\\)[A-Z]")
_NO_LETTER_OR_DIGIT = re.compile(r"[^A-Z0-9]")


@dataclass(frozen=True)
class Wording:
    """One way to put a message. types: the resource types that use it, empty for all."""

    pattern: str
    sample: str
    types: tuple[str, ...] = ()

    @functools.cached_property
    def _compiled(self) -> tuple[re.Pattern[str], tuple[str, ...]]:
        return re.compile(self.pattern), tuple(required_literals(self.pattern) or ("",))

    def search(self, text: str) -> re.Match[str] | None:
        """The first match in a normalised text; most texts are refused by a plain search for a literal."""
        pattern, literals = self._compiled
        return pattern.search(text) if any(literal in text for literal in literals) else None


@dataclass(frozen=True)
class Message:
    """One entry of messages_aws.yml; the fields are described at its head."""

    id: str
    fix: str
    source: str
    wordings: tuple[Wording, ...]
    cause: str | None = None
    collector_cause: str | None = None
    alternatives: tuple[str, ...] = ()
    decides: str | None = None
    unsure: bool = False
    by_words: tuple[tuple[str, str], ...] = ()
    benign: bool = False
    weight: float = 1.0

    def search(self, text: str) -> re.Match[str] | None:
        return next((match for wording in self.wordings if (match := wording.search(text))), None)

    def verdict(self, text: str, words: str, causes: Mapping[str, Cause]) -> Verdict:
        """What this entry says of a text in which it was found."""
        if self.cause is None:
            return Verdict(signature=self.id, kind="benign", fix=self.fix, matched_text=words)
        told = next((cause for pattern, cause in self.by_words if re.search(pattern, text)), None)
        cause = told or self.cause
        symptom = causes[cause].symptom
        return Verdict(
            cause=cause,
            signature=self.id,
            weight=SYMPTOM_WEIGHT if symptom else self.weight,
            kind="symptom" if symptom else "final",
            fix=self.fix,
            alternatives=() if told else self.alternatives,
            matched_text=words,
            confirm_by=self.decides if self.unsure and not told else None,
        )

    def seen_by_collector(self) -> Message:
        """The entry as it reads when a call of this collection got the message."""
        return Message(self.id, self.fix, self.source, self.wordings, cause=self.collector_cause, weight=self.weight)


@dataclass(frozen=True)
class Messages:
    """What AWS writes of jobs, what its API answers to this collection, and {category: cause}."""

    of_jobs: tuple[Message, ...]
    of_collector: tuple[Message, ...]
    categories: Mapping[str, str]


def classify(text: str | None, *, collector: bool = False, own: tuple[OwnSignature, ...] = ()) -> Verdict:
    """Say what a message stands for. None, empty or unknown text has no cause.

    text: a status message of a copy or backup job, of an event about it, or of a refused call made on its behalf; bare
    or inside JSON, in any case, of any length.
    collector: the text is an error of a call that this collection made; it then says nothing about copies, but
    something about whoever looks.
    own: signatures of the user, which come first.
    """
    return _verdict(_clipped(text), collector, own) if text else UNKNOWN


def check_own(own: tuple[OwnSignature, ...]) -> None:
    """Raises RuleError unless each is what its sample is taken for."""
    taken = {entry.id for entries in (_shipped().of_jobs, _shipped().of_collector) for entry in entries}
    check_samples(own, taken, normalise, lambda text: classify(text, own=own))


def decides(signature: str | None) -> str | None:
    """What would tell the cause of an entry from its alternatives; None where its words leave no doubt."""
    entries = (*_shipped().of_jobs, *_shipped().of_collector)
    return next((entry.decides for entry in entries if entry.id == signature), None)


def category_hint(category: str | None) -> str | None:
    """The cause that AWS's own sorting of a message hints at, None if it says nothing; weaker than any text."""
    return _shipped().categories.get(_NO_LETTER_OR_DIGIT.sub("", category.upper())) if category else None


@functools.lru_cache(maxsize=1)
def region_causes() -> Mapping[str, Cause]:
    """All causes of a region pair by id. Read once a process; raises CatalogueError."""
    return load_causes(CAUSES_REGION, REGION)


@functools.lru_cache(maxsize=CACHED_TEXTS)
def _verdict(text: str, collector: bool, own: tuple[OwnSignature, ...]) -> Verdict:
    text = normalise(text)
    entries = _shipped().of_collector if collector else _shipped().of_jobs
    for entry in (*_of_user(own), *entries):
        match = entry.search(text)
        if match:
            return entry.verdict(text, match.group(), region_causes())
    return UNKNOWN


@functools.lru_cache(maxsize=4)
def _of_user(own: tuple[OwnSignature, ...]) -> tuple[Message, ...]:
    return tuple(
        Message(
            id=entry.id,
            fix=entry.fix or "",
            source=entry.label,
            wordings=(Wording(entry.regex, entry.sample),),
            cause=entry.cause,
            benign=entry.cause is None,
            weight=entry.weight,
        )
        for entry in own
    )


def _clipped(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT // 2]}\n{text[-MAX_TEXT // 2 :]}"


def normalise(text: str) -> str:
    """One line of lower case, without colours, and with quotes and breaks as they were before any wrapping."""
    for written, meant in _WRITTEN_OUT:
        if written in text:
            text = text.replace(written, meant)
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return " ".join(text.lower().split())


# --- reading ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _shipped() -> Messages:
    return load_messages(read_yaml(MESSAGES), region_causes())


def load_messages(raw: Mapping[str, t.Any], causes: Mapping[str, Cause]) -> Messages:
    """Check the lists of messages_aws.yml. Raises CatalogueError with file, entry and key."""
    for name in sorted(set(raw) ^ _LISTS):
        raise CatalogueError(MESSAGES, name, "-", "is missing" if name in _LISTS else "unknown list")
    seen: set[str] = set()
    of_jobs, of_collector = (
        tuple(_message(entry, f"{name}[{number}]", causes, seen) for number, entry in enumerate(raw[name]))
        for name in ("messages", "collector_messages")
    )
    shared = tuple(entry.seen_by_collector() for entry in of_jobs if entry.collector_cause)
    categories = raw["categories"]
    for category, cause in categories.items():
        if category != _NO_LETTER_OR_DIGIT.sub("", category):
            raise CatalogueError(MESSAGES, "categories", category, "must be capitals and digits only")
        _known(cause, causes, "categories", category)
    return Messages(of_jobs, of_collector + shared, categories)


def _message(raw: t.Any, place: str, causes: Mapping[str, Cause], seen: set[str]) -> Message:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("id"), str):
        raise CatalogueError(MESSAGES, place, "id", "every entry is a mapping with an id")
    name = raw["id"]
    if name in seen:
        raise CatalogueError(MESSAGES, name, "id", "used twice")
    seen.add(name)
    _check(name, raw)
    for key in ("cause", "collector_cause"):
        if key in raw:
            _known(raw[key], causes, name, key)
    return Message(
        id=name,
        fix=raw["fix"],
        source=raw["source"],
        wordings=_wordings(name, raw),
        cause=raw.get("cause"),
        collector_cause=raw.get("collector_cause"),
        alternatives=tuple(_known(cause, causes, name, "alternatives") for cause in _list(name, raw, "alternatives")),
        decides=raw.get("decides"),
        unsure=raw.get("unsure", False),
        by_words=tuple(_by_words(item, causes, name) for item in _list(name, raw, "by_words")),
        benign=raw.get("benign", False),
        weight=float(raw.get("weight", 1.0)),
    )


def _check(name: str, raw: Mapping[str, t.Any]) -> None:
    """Check the keys of one raw entry, and that those which need each other stand together."""
    for key in sorted(set(raw) - _MESSAGE_KEYS, key=str):
        raise CatalogueError(MESSAGES, name, str(key), f"unknown key; known: {', '.join(sorted(_MESSAGE_KEYS))}")
    for key in _REQUIRED:
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            raise CatalogueError(MESSAGES, name, key, "must be a text" if key in raw else "is missing")
    for key in ("benign", "unsure"):
        if not isinstance(raw.get(key, False), bool):
            raise CatalogueError(MESSAGES, name, key, "must be true or false")
    if ("cause" in raw) == raw.get("benign", False):
        raise CatalogueError(MESSAGES, name, "cause", "an entry has a cause or is benign")
    doubtful = bool(raw.get("alternatives") or raw.get("unsure"))
    if doubtful != isinstance(raw.get("decides"), str):
        raise CatalogueError(MESSAGES, name, "decides", "is a text where there are alternatives or doubt, only there")
    weight = raw.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= 1:
        raise CatalogueError(MESSAGES, name, "weight", "must be a number above 0 and up to 1")


def _wordings(name: str, raw: Mapping[str, t.Any]) -> tuple[Wording, ...]:
    """Those listed, or the one that the entry itself is."""
    listed = _list(name, raw, "wordings") if "wordings" in raw else [raw]
    if "wordings" in raw and (not listed or _WORDING_KEYS & set(raw)):
        raise CatalogueError(MESSAGES, name, "wordings", "stands for pattern, sample and types, and is not empty")
    found = []
    for item in listed:
        if not isinstance(item, Mapping) or ("wordings" in raw and set(item) - _WORDING_KEYS):
            raise CatalogueError(MESSAGES, name, "wordings", "each has a pattern and a sample, and may have types")
        if not isinstance(item.get("sample"), str):
            raise CatalogueError(MESSAGES, name, "sample", "must be a text")
        found.append(Wording(_pattern(name, item.get("pattern")), item["sample"], tuple(_list(name, item, "types"))))
    return tuple(found)


def _by_words(item: t.Any, causes: Mapping[str, Cause], name: str) -> tuple[str, str]:
    if not isinstance(item, Mapping) or set(item) != {"pattern", "cause"}:
        raise CatalogueError(MESSAGES, name, "by_words", "each has a pattern and the cause that it decides for")
    return _pattern(name, item["pattern"]), _known(item["cause"], causes, name, "by_words")


def _pattern(name: str, value: t.Any) -> str:
    pattern = read_regex(MESSAGES, name, "pattern", value)
    if _CAPITAL.search(pattern):
        raise CatalogueError(MESSAGES, name, "pattern", "must be in lower case, as the text is when it is matched")
    return pattern


def _known(cause: t.Any, causes: Mapping[str, Cause], name: str, key: str) -> str:
    if cause not in causes:
        raise CatalogueError(MESSAGES, name, key, f"{cause!r} is not in {CAUSES_REGION}")
    return str(cause)


def _list(name: str, raw: Mapping[str, t.Any], key: str) -> list[t.Any]:
    found = raw.get(key, [])
    if not isinstance(found, list):
        raise CatalogueError(MESSAGES, name, key, "must be a list")
    return found
