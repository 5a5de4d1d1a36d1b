# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Signatures of the user: messages that only one site has, each with the cause that it stands for.

They come before those of the catalogues, for messages of clusters and of AWS alike.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import bounded_regex, ways_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError, label_of

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import Verdict

_REQUIRED = ("id", "pattern", "sample")
_LONGEST = 1000  # characters of a pattern
_MOST_WAYS = 50_000  # two repeats of {0,200}, and a little
_KEYS = frozenset({*_REQUIRED, "cause", "fix", "benign", "weight"})


@dataclass(frozen=True)
class OwnSignature:
    """One entry of a file's list `signatures`; without a cause the message is harmless."""

    id: str
    pattern: str  # a regular expression; letter case does not count
    sample: str
    cause: str | None
    fix: str | None
    weight: float
    label: str  # the file and the entry, for messages

    @property
    def regex(self) -> str:
        """The pattern as the catalogues take it."""
        return f"(?i){self.pattern}"


def own_signature(entry: t.Any, file: str, number: int) -> OwnSignature:
    """One entry of a file. Raises RuleError with a sentence that names file, entry and key."""
    label = label_of(entry, file, "signature", number, name="id", keys=_KEYS)
    for key in _REQUIRED:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise RuleError(f"{label}: {key} must be a text; a signature has an id, a pattern and a sample that it finds.")
    if not isinstance(entry.get("benign", False), bool):
        raise RuleError(f"{label}: benign must be true or false.")
    for key in ("cause", "fix"):
        if not isinstance(entry.get(key, ""), str):
            raise RuleError(f"{label}: {key} must be a text.")
    if bool(entry.get("cause")) == entry.get("benign", False):
        raise RuleError(f"{label}: give either the cause that the message stands for, or benign: true.")
    if entry.get("cause") and not entry.get("fix"):
        raise RuleError(f"{label}: fix is missing; say in a sentence what to do about it.")
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= 1:
        raise RuleError(f"{label}: weight must be a number above 0 and up to 1.")
    _check_pattern(entry["pattern"], label)
    return OwnSignature(
        id=entry["id"],
        pattern=entry["pattern"],
        sample=entry["sample"],
        cause=entry.get("cause") or None,
        fix=entry.get("fix") or None,
        weight=float(weight),
        label=label,
    )


def _check_pattern(pattern: str, label: str) -> None:
    if len(pattern) > _LONGEST:
        raise RuleError(f"{label}: pattern has {len(pattern)} characters; {_LONGEST} at most, so make it two signatures.")
    try:
        bounded_regex(pattern)
    except ValueError as exc:
        raise RuleError(f"{label}: pattern: {exc}.") from exc
    if ways_of(pattern) > _MOST_WAYS:
        raise RuleError(f"{label}: pattern has repeats that can take long together; lower their bounds, or use fewer of them.")
    if re.search(pattern, "", re.IGNORECASE):
        raise RuleError(f"{label}: pattern fits every text, even an empty one; give it words that must be there.")


def check_samples(
    own: t.Iterable[OwnSignature], taken: t.Container[str], read: t.Callable[[str], str], judge: t.Callable[[str], Verdict]
) -> None:
    """Raises RuleError unless each signature is what its sample is taken for.

    taken: ids of the catalogue. read: a message as patterns see it. judge: what a message is taken for.
    """
    for entry in own:
        if entry.id in taken:
            raise RuleError(f"{entry.label}: {entry.id} is the id of a shipped signature; give yours another one.")
        verdict = judge(entry.sample)
        if verdict.signature is None:
            seen = read(entry.sample)
            raise RuleError(f"{entry.label}: pattern does not find the sample, which is read as {seen[:200]!r}.")
        if verdict.signature != entry.id:
            raise RuleError(
                f"{entry.label}: the sample is taken for the signature {verdict.signature} ({verdict.matched_text!r}); make "
                "the pattern fit it, or put it before the other one."
            )
