# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note: this file is private to the collection; its interface can change at any time.

"""Say which cause a message, a reason or an exit code stands for.

The knowledge is data, see catalogue/signatures.yml; here it is only applied. Nothing is read at import. Text that no
signature knows has no cause: the classifier never guesses.
"""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import (
    CatalogueError,
    Cause,
    Signature,
    load_catalogue,
    required_literals,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature, check_samples

__all__ = ("CatalogueError", "Cause", "Classifier", "Verdict", "check_own", "classifier_with", "telling_patterns")

# How strongly a line of each kind speaks, 0..1; decides between the lines of one text.
KIND_WEIGHTS = {"final": 1.0, "error": 0.7, "warning": 0.3, "retry": 0.2}

# The lists of wordings that tell the kind of a line; the first that matches decides.
KIND_LISTS = (("final_patterns", "final"), ("transient_patterns", "retry"), ("warning_patterns", "warning"))

# The list of reasons that belongs to each place a message can come from; places without one have only text.
REASON_LISTS = {
    "container": "container_reasons",
    "pod": "pod_reasons",
    "job": "job_reasons",
    "event": "event_reasons",
    "log": None,
    "copy_job": None,
    "metric": None,
}
# What is reported there ended the run, so its words are the final ones.
FINAL_PLACES = frozenset({"container", "pod", "job", "copy_job"})

MAX_TEXT = 65_536  # characters; of a longer text the first and the last half of this are read
CACHED_TEXTS = 4096

_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_URL_PATH = re.compile(r"(\w{2,10}://[^/\s\"'<>]{1,300})/[^\s\"'<>)]*")


@dataclass(frozen=True)
class Verdict:
    """What one message says.

    cause         id of a cause, None if nobody knows
    signature     id of the entry that decided, None if none did
    weight        0..1: how far the wording speaks for the cause; of a warning or a retry line only 0.3 or 0.2 of it
    kind          final | error | warning | retry | symptom | benign | unknown; whether an error ended the run is for
                  the caller to say, who knows the exit
    fix           what to do about it
    alternatives  ids of other causes the same message can have
    matched_text  the words that were recognised
    confirm_by    what would confirm the cause, where the words alone are not to be believed; else None
    """

    cause: str | None = None
    signature: str | None = None
    weight: float = 0.0
    kind: str = "unknown"
    fix: str | None = None
    alternatives: tuple[str, ...] = ()
    matched_text: str | None = None
    confirm_by: str | None = None

    def as_dict(self) -> dict[str, t.Any]:
        """The verdict in plain JSON types."""
        return {**asdict(self), "alternatives": list(self.alternatives)}

    @property
    def is_cause(self) -> bool:
        """True if the message names a cause that may be a root cause."""
        return self.cause is not None and self.kind != "symptom"


UNKNOWN = Verdict()


@dataclass(frozen=True)
class _Hit:
    """A signature found in a text: where, and how strongly that line speaks."""

    signature: Signature
    line: int
    start: int
    end: int
    words: str
    kind: str

    @property
    def weight(self) -> float:
        return self.signature.weight * KIND_WEIGHTS[self.kind]


def normalise(text: str) -> str:
    """Take out what hides or fakes a message: escaped quotes, colours, paths of URLs, and the middle of huge texts."""
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]}\n{text[-MAX_TEXT // 2 :]}"
    while '\\"' in text:
        text = text.replace('\\"', '"')
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "://" in text:
        text = _URL_PATH.sub(r"\1", text)
    return text


class _LiteralIndex:
    """Finds the few signatures whose pattern can match a line at all, by plain substring search."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._order = list(signatures)
        self._by_literal: dict[str, list[int]] = {}
        self._always: list[int] = []
        for number, signature in enumerate(self._order):
            literals = required_literals(signature.pattern)
            if literals is None:
                self._always.append(number)
            for literal in literals or ():
                self._by_literal.setdefault(literal, []).append(number)

    def search(self, line: str) -> list[tuple[Signature, re.Match[str]]]:
        """The signatures that match, in catalogue order, each with its first match."""
        numbers = set(self._always)
        for literal, owners in self._by_literal.items():
            if literal in line:
                numbers.update(owners)
        candidates = (self._order[number] for number in sorted(numbers))
        return [(entry, match) for entry in candidates if (match := entry.search(line))]


class Classifier:
    """Applies the catalogue, behind signatures of the user. Make one and keep it: it remembers the texts it has seen."""

    def __init__(self, own: tuple[OwnSignature, ...] = ()) -> None:
        """Raises CatalogueError."""
        catalogue = load_catalogue()
        self.causes: Mapping[str, Cause] = catalogue.causes
        self._lists = catalogue.lists
        self._own = {entry.id: _of_user(entry) for entry in own}
        self._reasons = {
            where: {reason: entry for entry in self._lists[name] for reason in entry.reasons} if name else {}
            for where, name in REASON_LISTS.items()
        }
        self._exit_codes = {(entry.tool, code): entry for entry in self._lists["exit_codes"] for code in entry.codes}
        self._text_verdict = functools.lru_cache(maxsize=CACHED_TEXTS)(self._classify_text)

    def classify(
        self,
        text: str | None,
        where: str = "log",
        reason: str | None = None,
        exit_code: int | None = None,
        tool: str | None = None,
    ) -> Verdict:
        """Say what a message, its reason and its exit code stand for.

        where: log | event | container | job | pod | copy_job | metric. tool: as tool_of() returns it; an exit code
        that only some tools use counts only with it. Raises ValueError for an unknown where.
        """
        if where not in REASON_LISTS:
            raise ValueError(f"where is {where!r}; it must be one of: {', '.join(REASON_LISTS)}")
        base = "final" if where in FINAL_PLACES else "error"
        entry = self._reasons[where].get(reason or "")
        by_reason = self._of_entry(entry, base, reason)
        by_text = self._text_verdict(text, base) if text else UNKNOWN
        if by_text.signature in self._own:
            return by_text  # also before what stands beside the text
        by_code = self._of_entry(self._exit_entry(exit_code, tool), "final", f"exit code {exit_code}")
        if entry is not None and not entry.text_decides and not entry.symptom:
            return _with_others(by_reason, () if entry.benign else (by_text, by_code))
        if by_text.kind == "benign" and by_reason.kind != "symptom":
            by_reason = UNKNOWN  # the text decides, and says that nothing is wrong
        told = (by_code, by_text) if by_text.kind == "retry" else (by_text, by_code)
        order = (*told, by_reason)
        for accepts in (_is_cause, _has_cause, _has_alternatives, _is_known):
            for verdict in filter(accepts, order):
                return _with_others(verdict, order)
        return UNKNOWN

    def tool_of(self, *texts: str | None) -> str | None:
        """The copy tool that the first telling text names (image, container name, log line); None if none does."""
        for text in texts:
            for entry in self._lists["tools"]:
                if text and entry.search(text):
                    return entry.id
        return None

    # The indexes are made when the first text comes: a bundle of healthy clusters has none.

    @functools.cached_property
    def _index(self) -> _LiteralIndex:
        harmless = (entry for entry in self._lists["benign_patterns"] if entry.scope == "line")
        return _LiteralIndex((*self._lists["log_patterns"], *harmless))

    @functools.cached_property
    def _spans(self) -> _LiteralIndex:
        return _LiteralIndex(entry for entry in self._lists["benign_patterns"] if entry.scope == "span")

    @functools.cached_property
    def _kinds(self) -> tuple[tuple[_LiteralIndex, str], ...]:
        return tuple((_LiteralIndex(self._lists[name]), kind) for name, kind in KIND_LISTS)

    # --- reasons and exit codes ---------------------------------------------------------------------------------------

    def _exit_entry(self, exit_code: int | None, tool: str | None) -> Signature | None:
        if exit_code is None:
            return None
        return self._exit_codes.get((tool, exit_code)) or self._exit_codes.get(("any", exit_code))

    def _of_entry(self, entry: Signature | None, kind: str, words: str | None) -> Verdict:
        return UNKNOWN if entry is None else self._verdict(entry, kind, words)

    def _verdict(self, entry: Signature, kind: str, words: str | None, others: Iterable[str] = ()) -> Verdict:
        if entry.benign or entry.scope:
            return Verdict(signature=entry.id, kind="benign", fix=entry.fix, matched_text=words)
        if entry.cause is None and entry.wrapper:
            kind = "unknown"
        elif self._is_symptom(entry):
            kind = "symptom"
        factor = KIND_WEIGHTS[kind] if kind in ("warning", "retry") else 1.0
        weight = 0.0 if entry.cause is None else entry.weight * factor
        alternatives = dict.fromkeys(cause for cause in (*others, *entry.alternatives) if cause != entry.cause)
        return Verdict(
            cause=entry.cause,
            signature=entry.id,
            weight=round(weight, 3),
            kind=kind,
            fix=entry.fix,
            alternatives=tuple(alternatives),
            matched_text=words,
            confirm_by=entry.confirm_by,
        )

    def _is_symptom(self, entry: Signature) -> bool:
        return entry.symptom or (entry.cause is not None and self.causes[entry.cause].symptom)

    # --- text ---------------------------------------------------------------------------------------------------------

    def _classify_text(self, text: str, base: str) -> Verdict:
        """Judge all lines of a text together: a cause in one explains what another only wraps or repeats."""
        text = normalise(text)
        told = self._by_user(text, base)
        if told is not None:
            return told
        hits = [hit for number, line in enumerate(text.splitlines()) for hit in self._scan(line, number, base)]
        hits = [hit for hit in hits if hit.signature.unless is None or not _search(hit.signature.unless, text)]
        faults = [hit for hit in hits if not (hit.signature.benign or hit.signature.scope)]
        if not faults:
            return self._verdict(hits[0].signature, "benign", hits[0].words) if hits else UNKNOWN
        left = self._drop_consequences(faults)
        best = min(left, key=lambda hit: (-hit.weight, hit.line, -hit.start))
        kind = _strongest(best, faults)
        others = [hit.signature.cause for hit in left if hit.signature.cause and not self._is_symptom(hit.signature)]
        return self._verdict(best.signature, kind, best.words, others)

    def _by_user(self, text: str, base: str) -> Verdict | None:
        """What the first of the user's signatures that fits says; None where none does."""
        for entry in self._own.values():
            for line in text.splitlines():
                match = entry.search(line)
                if match:
                    return self._verdict(entry, self._kind(line, base), match.group())
        return None

    def _scan(self, line: str, number: int, base: str) -> list[_Hit]:
        """Find the signatures of one line. A harmless line yields only its benign hit."""
        found = self._index.search(line)
        if not found:
            return []
        harmless = [pair for pair in found if pair[0].scope == "line"]
        if not harmless:
            for entry, _match in self._spans.search(line):
                line = entry.blank(line)
            found = [(entry, match) for entry, dummy in found if (match := entry.search(line))]
        kind = self._kind(line, base)
        hits = [
            _Hit(entry, number, match.start(), match.end(), match.group(), kind) for entry, match in harmless or found
        ]
        return self._unwrap(hits, line)

    def _unwrap(self, hits: list[_Hit], line: str) -> list[_Hit]:
        """Where the text after a wrapper names a cause by itself, keep only what stands after it."""
        for wrapper in sorted((hit for hit in hits if hit.signature.wrapper), key=lambda hit: -hit.end):
            tail = [
                replace(hit, start=match.start(), end=match.end())
                for hit in hits
                if not hit.signature.wrapper and (match := hit.signature.search(line, wrapper.end))
            ]
            if any(hit.signature.cause and not self._is_symptom(hit.signature) for hit in tail):
                return tail + [hit for hit in hits if any(hit.signature.outranks(other.signature) for other in tail)]
        return hits

    def _kind(self, line: str, base: str) -> str:
        return next((kind for index, kind in self._kinds if index.search(line)), base)

    def _drop_consequences(self, hits: list[_Hit]) -> list[_Hit]:
        """Leave out what another hit explains: what it beats, symptoms beside a cause, wrappers beside anything."""
        left = [hit for hit in hits if not any(other.signature.outranks(hit.signature) for other in hits)] or hits
        for lesser in (self._is_symptom, _says_nothing):
            kept = [hit for hit in left if not lesser(hit.signature)]
            left = kept or left
        return left


def _search(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def _says_nothing(entry: Signature) -> bool:
    return entry.cause is None


def _strongest(best: _Hit, hits: Iterable[_Hit]) -> str:
    """The strongest kind among the hit and the lines it explains: the cause of a fatal line is final itself."""
    kinds = [best.kind, *(hit.kind for hit in hits if best.signature.outranks(hit.signature))]
    return max(kinds, key=KIND_WEIGHTS.__getitem__)


def _is_cause(verdict: Verdict) -> bool:
    return verdict.is_cause


def _has_cause(verdict: Verdict) -> bool:
    return verdict.cause is not None


def _has_alternatives(verdict: Verdict) -> bool:
    return bool(verdict.alternatives)


def _is_known(verdict: Verdict) -> bool:
    return verdict.signature is not None


def _with_others(verdict: Verdict, others: Iterable[Verdict]) -> Verdict:
    """Name the causes of the other verdicts as alternatives."""
    causes: Iterator[str] = (other.cause for other in others if other.is_cause and other.cause)
    alternatives = dict.fromkeys((*verdict.alternatives, *causes))
    alternatives.pop(t.cast(str, verdict.cause), None)
    return replace(verdict, alternatives=tuple(alternatives))


def _of_user(entry: OwnSignature) -> Signature:
    return Signature(
        id=entry.id,
        pattern=entry.regex,
        cause=entry.cause,
        fix=entry.fix,
        source=entry.label,
        sample=entry.sample,
        weight=entry.weight,
        benign=entry.cause is None,
    )


@functools.lru_cache(maxsize=4)
def classifier_with(own: tuple[OwnSignature, ...] = ()) -> Classifier:
    """The classifier of the shipped catalogue behind these, made on first use and kept for the process."""
    return Classifier(own)


def check_own(own: tuple[OwnSignature, ...]) -> None:
    """Raises RuleError unless each is what its sample is taken for."""
    taken = {entry.id for entries in load_catalogue().lists.values() for entry in entries}
    check_samples(own, taken, normalise, classifier_with(own).classify)


def telling_patterns() -> list[str]:
    """The regexes of the log lines worth keeping: all that name a cause, a symptom or a final end."""
    lists = load_catalogue().lists
    telling = [entry.pattern for entry in lists["log_patterns"] if not entry.benign]
    return telling + [entry.pattern for entry in lists["final_patterns"]]
