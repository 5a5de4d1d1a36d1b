# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The diagnosis of a bundle: pure, no I/O but the shipped catalogue. A saved bundle gives the same bytes again."""

from __future__ import annotations

import os
import shlex
import typing as t
from functools import lru_cache

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import accepted
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import gaps as gaps_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import rule_files as rule_files_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import verdict
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import seen, text, usable
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Kind
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import SEVERITIES, Result, Rule, evaluate
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import thresholds_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import Words
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE

EVIDENCE_SCHEMA = "sre.backup_sync/evidence/v1"
DIAGNOSIS_SCHEMA = "sre.backup_sync/diagnosis/v1"
_MOST_STEPS = 8
KINDS = ("cluster", "region")


class BundleError(Exception):
    """The bundle cannot be diagnosed; the text says what to change."""


def kind_of(name: str) -> Kind:
    """What the engine must know of one of KINDS; only that one is loaded."""
    if name == "cluster":
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.kind import KIND
    else:
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.kind import KIND
    return KIND


@lru_cache(maxsize=4)
def shipped_rules(kind: str) -> tuple[Rule, ...]:
    """The rules that come with the collection for a kind of target."""
    return tuple(rule_files_of.load_rules(os.path.join(CATALOGUE, f"rules_{kind}.yml"), kind))


def check_bundle(bundle: t.Any) -> None:
    """Raises BundleError unless this is a bundle of evidence that this version can read."""
    if not isinstance(bundle, dict) or not isinstance(bundle.get("evidence"), dict):
        raise BundleError("This is no evidence bundle: it needs a mapping with the key evidence.")
    schema = bundle.get("schema", EVIDENCE_SCHEMA)
    if schema != EVIDENCE_SCHEMA:
        raise BundleError(f"The bundle has the schema {schema!r}; this version reads {EVIDENCE_SCHEMA}.")
    kind = text(bundle, "target", "kind")
    if kind not in KINDS:
        raise BundleError(f"target.kind is {kind!r}; this version diagnoses targets of kind {' and '.join(KINDS)}.")
    if not isinstance(bundle["target"].get("name") or "", str):
        raise BundleError("target.name is no text; give the name of the pair.")


def diagnose(
    bundle: t.Any, *, rule_files: t.Sequence[str] = (), supposing: t.Mapping[str, t.Any] | None = None
) -> dict[str, t.Any]:
    """The diagnosis of a bundle (plain JSON types in, plain JSON types out).

    supposing: {place: value} of what is to be taken for true instead of what was gathered; see supposed.py. Raises
    BundleError, RuleError for a rule file of the user, SuppositionError for a place that is not there.
    """
    check_bundle(bundle)
    target = bundle.get("target") if isinstance(bundle.get("target"), dict) else {}
    settings = bundle.get("settings") if isinstance(bundle.get("settings"), dict) else {}
    kind = kind_of(target["kind"])
    told = rule_files_of.merged(kind, shipped_rules(kind.words.kind), rule_files)
    evidence = kind.prepare(bundle["evidence"])
    settings = {**settings, "thresholds": {**told.thresholds}}
    if supposing:
        # Imported here: only who asks what if pays for it.
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import supposed

        supposed.check_thresholds(supposing, kind.words.kind)
        evidence, settings = supposed.gathered(evidence, settings, supposing)
    causes = kind.causes()
    facts = kind.derive(evidence, kind.collect(evidence, told.signatures), causes, settings)
    if supposing:
        facts = supposed.derived(facts, supposing)
    context = {**evidence, "facts": facts, "settings": settings, "target": target}
    results = [
        evaluate(rule, context, lambda name: usable(evidence, name), lambda name: seen(evidence, name)) for rule in told.rules
    ]
    results = accepted.applied(results, told.accepted, text(target, "name"), accepted.day_of(evidence))
    ranked = verdict.candidates(kind, facts, results, causes, evidence)
    status = kind.status(evidence, facts)
    root = ranked[0] if ranked and status != "healthy" else None
    others = verdict.further(ranked, facts) if root else []
    runner_up = next((item for item in ranked[1:] if item not in others), None) if root else None
    gaps = gaps_of.gaps(kind, evidence)
    named = [root, *others] if root else []
    fills = [_Filler(kind.names(target, item, facts, evidence), kind.words) for item in named or (None,)]
    fill = fills[0]
    if status == "healthy":  # what warns all the same has its steps; gaps can be closed by day
        steps = _next_steps([], [result for result in results if result.rule.severity != "info"], [], fill)
    else:
        steps = _next_steps(list(zip(named, fills)), results, gaps, fill)
    return {
        "schema": DIAGNOSIS_SCHEMA,
        "target": target,
        "status": status,
        "alert": verdict.alert_verdict(bundle.get("alert"), status, facts),
        "root_cause": _describe(kind, root, evidence, facts) if root else None,
        **({"further_causes": [_describe(kind, item, evidence, facts) for item in others]} if others else {}),
        "runner_up": _describe(kind, runner_up, evidence, facts) if runner_up else None,
        "settle_by": _settle_by(kind, root, runner_up, gaps, facts) if status != "healthy" else None,
        "scope": facts["scope"],
        "pattern": facts["pattern"],
        "dr_readiness": facts["readiness"],
        "findings": _findings(results, fill),
        "contradictions": kind.contradictions(evidence, facts),
        "gaps": gaps,
        "next_steps": steps,
        "rule_set": rule_files_of.rule_set(rule_files),
        **({"supposing": dict(supposing)} if supposing else {}),
    }


def _settle_by(
    kind: Kind,
    root: verdict.Candidate | None,
    runner_up: verdict.Candidate | None,
    gaps: list[dict[str, t.Any]],
    facts: dict[str, t.Any],
) -> str | None:
    """The one observation that would decide: what a root cause needs that its own words cannot give comes first."""
    return root.confirm_by if root and root.confirm_by else gaps_of.settle_by(kind, root, runner_up, gaps, facts)


def own_signatures(kind_name: str, rule_files: t.Sequence[str]) -> tuple[OwnSignature, ...]:
    """The signatures of the user's files, checked. Raises RuleError."""
    return rule_files_of.merged(kind_of(kind_name), shipped_rules(kind_name), rule_files).signatures


def loaded(kind_name: str, rule_files: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """What a diagnosis would apply, each entry with the file that it is `from`; the filter loaded_rules documents it.

    Raises RuleError.
    """
    kind = kind_of(kind_name)
    shipped = shipped_rules(kind_name)
    told = rule_files_of.merged(kind, shipped, rule_files)
    own_rules = {rule.id: file.path for file in told.of for rule in file.rules}
    own_thresholds = {name: file.path for file in told.of for name in file.thresholds}
    return {
        "rules": [
            {
                "rule": rule.id,
                "severity": rule.severity,
                "title": rule.title,
                "runbook": list(rule.runbook),
                "needs": list(rule.needs),
                "cause": rule.cause,
                "from": own_rules.get(rule.id, "shipped"),
                "replaces": rule.id in own_rules and any(rule.id == other.id for other in shipped),
            }
            for rule in told.rules
        ],
        "signatures": [
            {
                "signature": entry.id,
                "pattern": entry.pattern,
                "cause": entry.cause,
                "fix": entry.fix,
                "from": file.path,
            }
            for file in told.of
            for entry in file.signatures
        ],
        "thresholds": [
            {
                "threshold": name,
                "value": told.thresholds[name],
                "shipped": row.value,
                "meaning": row.meaning,
                "from": own_thresholds.get(name, "shipped"),
            }
            for name, row in thresholds_of(kind_name).items()
        ],
        "accepted": [
            {
                "rule": entry.rule,
                "owner": entry.owner,
                "reason": entry.reason,
                "until": entry.until.isoformat(),
                "targets": list(entry.targets),
                "resources": list(entry.resources),
                "from": file.path,
            }
            for file in told.of
            for entry in file.accepted
        ],
    }


def _describe(
    kind: Kind, candidate: verdict.Candidate, evidence: t.Any, facts: dict[str, t.Any]
) -> dict[str, t.Any]:
    cause = candidate.cause
    hops, followed = verdict.chain(kind, evidence, facts, candidate)
    return {
        "cause": cause.id,
        "title": cause.title,
        "runbook_class": cause.runbook_class,
        "kind": cause.kind,
        "link": candidate.hop,
        "confidence": candidate.confidence,
        "because": candidate.because,
        "score": candidate.score,
        "explanation": candidate.explanation or cause.explanation,
        "resources": sorted(candidate.resources),
        "recorders": candidate.recorders,
        "evidence": _unique(candidate.evidence)[:6],
        "alternatives": candidate.alternatives,
        "chain": hops,
        "chain_of": followed,
    }


def _findings(results: list[Result], fill: _Filler) -> list[dict[str, t.Any]]:
    """Fired rules first, the severe ones before; then accepted, unknown and clear ones."""
    order = {"fired": 0, "accepted": 1, "unknown": 2, "clear": 3}
    listed = sorted(
        enumerate(results),
        key=lambda pair: (order[pair[1].state], SEVERITIES.index(pair[1].rule.severity), pair[0]),
    )
    return [
        {
            "rule": result.rule.id,
            "runbook": list(result.rule.runbook),
            "state": result.state,
            "severity": result.rule.severity,
            "title": result.rule.title,
            "explanation": result.explanation,
            "evidence": list(result.cited),
            "missing": list(result.missing),
            "next_steps": [fill.step(item) for item in result.next_steps],
            **({"accepted": result.accepted} if result.accepted else {}),
        }
        for dummy, result in listed
    ]


class _Filler:
    """Puts names into next steps. A name that is not known stays visible as <name>; a flag without one goes."""

    def __init__(self, names: t.Mapping[str, str | None], words: Words) -> None:
        self._names = names
        self._words = words

    def step(self, item: t.Mapping[str, str]) -> dict[str, str]:
        """A next step with its names filled in; behind a command who must run it, where that was a role to assume."""
        told = {key: self._text(value) for key, value in item.items() if key in ("text", "command")}
        for name, role in self._words.roles.items():
            if "{" + name + "}" in item.get("command", "") and self._names.get(role):
                told["command"] += f"  # as {self._names[role]}"
        return told

    def _text(self, text_with_names: str) -> str:
        for name, flag in self._words.flags.items():  # without any the client takes what its own configuration names
            text_with_names = text_with_names.replace(f" {flag} {{{name}}}", self._flagged(name, flag))
        for name, known in self._names.items():
            unknown = "" if name in self._words.flags else f"<{name}>"
            text_with_names = text_with_names.replace("{" + name + "}", known or unknown)
        return text_with_names

    def _flagged(self, name: str, flag: str) -> str:
        """What names the client's connection in a command: its flags, those that are known."""
        given = [(flag, self._names.get(name))]
        if name in self._words.before:
            other, beside = self._words.before[name]
            given.insert(0, (other, self._names.get(beside)))
        return "".join(f" {option} {_quoted(known)}" for option, known in given if known)


def _quoted(word: str) -> str:
    """For a shell, which still finds the home folder."""
    return f"~/{shlex.quote(word[2:])}" if word.startswith("~/") and word[2:] else shlex.quote(word)


def _next_steps(
    told: list[tuple[verdict.Candidate, _Filler]],
    results: list[Result],
    gaps: list[dict[str, t.Any]],
    fill: _Filler,
) -> list[dict[str, str]]:
    """The steps of the cause first, then those of other fired rules, and how to close the gaps.

    The first step of each further cause comes right after the first of the root cause: none of them mends the other.
    A sentence that also stands with a command is told with it only.
    """
    listed: list[dict[str, str]] = []
    by_cause = [[own.step(step) for step in _steps_of(item)] for item, own in told]
    for steps in by_cause:
        listed.extend(steps[:1])
    for steps in by_cause:
        listed.extend(steps[1:])
    causes = {item.cause.id for item, dummy in told}
    for result in results:
        if result.state == "fired" and result.rule.cause not in causes:
            listed.extend(fill.step(item) for item in result.next_steps)
    if not told:
        listed.extend({"text": gap["close"]} for gap in gaps if gap["close"])
    with_command = {item["text"] for item in listed if item.get("command")}
    return _unique(
        [item for item in listed if item.get("command") or item["text"] not in with_command]
    )[:_MOST_STEPS]


def _steps_of(candidate: verdict.Candidate) -> list[t.Mapping[str, str]]:
    """What the rules found set wrong, by its name; then the fix of the message, and the cause's own steps."""
    fix = [{"text": candidate.fix}] if candidate.fix else []
    return [*candidate.next_steps, *fix, *candidate.cause.next_steps]


def _unique(listed: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Each mapping once, in the order of the first."""
    unique: list[dict[str, t.Any]] = []
    for item in listed:
        if item not in unique:
            unique.append(item)
    return unique
