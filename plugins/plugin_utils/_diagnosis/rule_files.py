# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Rule files, the shipped ones and those of a user: what may stand in them, and where each entry is from."""

from __future__ import annotations

import functools
import hashlib
import os
import typing as t
from dataclasses import dataclass, field

import yaml
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.accepted import Acceptance, acceptance
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Kind
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature, own_signature
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import Rule, read_rules
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import own_values, shipped_values
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE, WORDS

_Loader: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LISTS = ("rules", "signatures", "accepted")
_SECTIONS = (*_LISTS, "thresholds")


@dataclass(frozen=True)
class RuleFile:
    """What a file of the user may hold."""

    path: str
    rules: tuple[Rule, ...] = ()
    signatures: tuple[OwnSignature, ...] = ()
    accepted: tuple[Acceptance, ...] = ()
    thresholds: t.Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """What a diagnosis applies, the user's own among the shipped; `of` has the files in the order in which they count."""

    rules: tuple[Rule, ...]
    signatures: tuple[OwnSignature, ...]
    accepted: tuple[Acceptance, ...]
    thresholds: t.Mapping[str, float]
    of: tuple[RuleFile, ...]


def load_rules(path: str, kind: str = "cluster") -> list[Rule]:
    """The rules of one shipped file, whose expressions the unit tests compile. Raises RuleError."""
    return read_rules(_document(path).get("rules", []), os.path.basename(path), WORDS[kind])


def load_file(path: str, kind: str) -> RuleFile:
    """A user's YAML file for a kind of target, all of it checked. Raises RuleError."""
    document = _document(path, _OneOfEach)
    rules = read_rules(document.get("rules", []), path, WORDS[kind])
    for rule in rules:
        for expression in rule.expressions():
            expression.check(WORDS[kind].steps)
    return RuleFile(
        path,
        tuple(rules),
        tuple(own_signature(entry, path, number) for number, entry in enumerate(document.get("signatures", []), start=1)),
        tuple(acceptance(entry, path, number) for number, entry in enumerate(document.get("accepted", []), start=1)),
        own_values(document.get("thresholds", {}), path, kind),
    )


class _OneOfEach(_Loader):
    """Refuses what YAML would read without a word: a key that stands there twice, of which the first is lost."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> t.Any:
        """See the class."""
        seen: set[str] = set()
        for key, dummy in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(problem=f"the key {key.value!r} stands there twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _document(path: str, loader: t.Any = _Loader) -> dict[str, t.Any]:
    """What stands in a file, by section."""
    try:
        with open(path, encoding="utf-8") as handle:
            document = yaml.load(handle, Loader=loader)
    except OSError as exc:
        raise RuleError(f"{path}: the rule file cannot be read: {exc.strerror}; check the path.") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # a day that no month has is a ValueError
        raise RuleError(f"{path}: the rule file is not valid YAML: {' '.join(str(exc).split())[:300]}") from exc
    if document is not None and not isinstance(document, dict):
        raise RuleError(f"{path}: it is no mapping; a rule file has {', '.join(_LISTS)} and thresholds.")
    sections = document or {}
    strange = sorted(set(map(str, sections)) - set(_SECTIONS))
    if strange:
        raise RuleError(f"{path}: unknown key {strange[0]!r}; a rule file has {', '.join(_LISTS)} and thresholds.")
    for name, entries in sections.items():
        shape, word = (list, "list") if name in _LISTS else (dict, "mapping of names to numbers")
        if not isinstance(entries, shape):
            raise RuleError(f"{path}: what stands under the key {name} must be a {word}.")
    if not sections:
        raise RuleError(f"{path}: the rule file is empty; give it {', '.join(_LISTS)} or thresholds.")
    return sections


def merged(kind: Kind, shipped: t.Sequence[Rule], paths: t.Sequence[str]) -> Loaded:
    """The shipped rules and thresholds with all that the user's files say; a later file wins. Raises RuleError.

    A user's rule with a shipped id takes its place. Of two signatures that both fit the first decides.
    """
    files = tuple(load_file(path, kind.words.kind) for path in paths)
    rules = {rule.id: rule for rule in shipped}
    thresholds = shipped_values(kind.words.kind)
    for file in files:
        rules.update({rule.id: rule for rule in file.rules})
        thresholds.update(file.thresholds)
    signatures = tuple(entry for file in files for entry in file.signatures)
    accepted = tuple(entry for file in files for entry in file.accepted)
    if files:
        _check_causes(kind, files)
        _check_signatures(kind, signatures)
    for entry in accepted:
        if entry.rule not in rules:
            raise RuleError(f"{entry.label}: there is no rule of this id for targets of kind {kind.words.kind}.")
    return Loaded(tuple(rules.values()), signatures, accepted, thresholds, files)


def rule_set(paths: t.Sequence[str]) -> str:
    """A short name of all rules, causes and signatures, shipped and the user's: it changes when any of them does."""
    digest = hashlib.sha256(_shipped_digest())
    for path in paths:
        with open(path, "rb") as stream:
            digest.update(hashlib.sha256(stream.read()).digest())
    return digest.hexdigest()[:12]


@functools.lru_cache(maxsize=1)
def _shipped_digest() -> bytes:
    digest = hashlib.sha256()
    for name in sorted(os.listdir(CATALOGUE)):
        with open(os.path.join(CATALOGUE, name), "rb") as stream:
            digest.update(hashlib.sha256(stream.read()).digest())
    return digest.digest()


def _check_causes(kind: Kind, files: tuple[RuleFile, ...]) -> None:
    known = kind.causes()
    for file in files:
        named = [(f"{file.path}: rule {rule.id}", rule.cause) for rule in file.rules]
        for label, cause in [*named, *((entry.label, entry.cause) for entry in file.signatures)]:
            if cause is not None and cause not in known:
                raise RuleError(f"{label}: there is no cause {cause!r} in the catalogue.")


def _check_signatures(kind: Kind, signatures: tuple[OwnSignature, ...]) -> None:
    seen: set[str] = set()
    for entry in signatures:
        if entry.id in seen:
            raise RuleError(f"{entry.label}: this signature stands there twice; give one of them another id.")
        seen.add(entry.id)
    if signatures:
        kind.check_signatures(signatures)
