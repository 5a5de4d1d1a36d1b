# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""From fired rules and classified messages to one root cause, its confidence, and what would decide it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Cause
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import citation, text, usable
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Kind
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import Result

LEVELS = ("possible", "likely", "confirmed")
_MOST_FURTHER = 3
_MOST_FOLLOWED = 20  # resources whose way is looked at


@dataclass
class Candidate:
    """A cause that may be the root cause, and all that speaks for it."""

    cause: Cause
    way: tuple[str, ...]  # the chain that the cause breaks
    resources: list[str]
    link: str = ""  # the hop that breaks, when a rule knows it better than the catalogue
    weight: float = 0.0  # of the strongest message, 0 when only configuration speaks
    recorders: list[str] = field(default_factory=list)
    confirms: int = 0  # independent observations of rules
    evidence: list[dict[str, t.Any]] = field(default_factory=list)
    fix: str | None = None
    alternatives: list[str] = field(default_factory=list)
    confirm_by: str | None = None  # what would confirm it, while nothing but words that need it speak for it
    explanation: str | None = None
    next_steps: list[t.Mapping[str, str]] = field(default_factory=list)
    ruled: bool = False  # a rule speaks for it
    score: float = 0.0
    confidence: str = "possible"
    because: str = ""  # what the confidence rests on

    @property
    def hop(self) -> str:
        """The hop of the chain that this candidate breaks."""
        return self.link or self.cause.link

    @property
    def position(self) -> int:
        """Its place in the chain; what is outside the chain comes last."""
        return self.way.index(self.hop) if self.hop in self.way else len(self.way)


def candidates(
    kind: Kind, facts: dict[str, t.Any], results: list[Result], causes: t.Mapping[str, Cause], evidence: t.Any
) -> list[Candidate]:
    """All candidates, best first. Symptoms and refuted causes are left out."""
    found: dict[str, Candidate] = {}
    observed = {*facts["behind"], *facts["late"], *facts.get("exposed", ())}.union(*facts.get("lost", {}).values())
    for name in facts["named_causes"]:
        entry = facts["causes"][name]
        found[name] = Candidate(
            cause=causes[name],
            way=kind.words.chain,
            resources=list(entry["resources"]) or list(facts["failing"]),
            weight=entry["weight"],
            recorders=list(entry["recorders"]),
            evidence=[entry["best"]] if entry.get("best") else [],
            fix=entry.get("fix"),
            alternatives=list(entry.get("alternatives") or []),
            confirm_by=None if entry["sure"] else entry["confirm_by"],
        )
    for result in results:
        cause = causes.get(result.rule.cause or "")
        if result.state != "fired" or cause is None or (result.refuted and not result.resources):
            continue
        if result.rule.resources is not None and not result.resources:
            continue  # it concerns nothing that is in trouble: a risk, which bears nobody out
        candidate = found.setdefault(cause.id, Candidate(cause=cause, way=kind.words.chain, resources=[]))
        candidate.confirms += result.confirmed_by + bool(observed & set(result.resources))
        candidate.link = candidate.link or result.rule.link or ""
        candidate.ruled = True
        if candidate.weight:
            candidate.confirms += 1  # the rule is the configuration that agrees with the message
        candidate.resources.extend(item for item in result.resources if item not in candidate.resources)
        candidate.evidence.extend(result.cited)
        candidate.explanation = candidate.explanation or result.explanation
        candidate.next_steps.extend(result.next_steps)
    if kind.stands_for:
        _settle_words(found, facts["causes"], kind.stands_for)
    listed = [item for item in found.values() if not item.cause.symptom]
    trouble, lost = _trouble(facts), facts.get("lost", {})
    for candidate in listed:
        blind = [name for name in kind.telling if not usable(evidence, name)]
        candidate.confidence, candidate.because = _confidence(candidate, blind)
        candidate.score = _score(candidate, trouble, candidate.cause.id in lost)
    listed = [item for item in listed if item.score > 0]
    return _by_chain(
        sorted(listed, key=lambda item: (-item.score, -LEVELS.index(item.confidence), item.position, item.cause.id))
    )


def further(ranked: list[Candidate], facts: t.Mapping[str, t.Any]) -> list[Candidate]:
    """The candidates that explain what the root cause, and those before them, leave unexplained: causes as well.

    Only such as have no resource in common with the better ones; with one in common they compete for it.
    """
    trouble = _trouble(facts).union(*facts.get("lost", {}).values())
    explained = set(ranked[0].resources) & trouble if ranked else set()
    found = []
    for candidate in ranked[1:]:
        own = set(candidate.resources) & trouble
        if explained and own and not own & explained:
            found.append(candidate)
            explained |= own
    return found[:_MOST_FURTHER]


def _settle_words(
    found: dict[str, Candidate],
    told: t.Mapping[str, dict[str, t.Any]],
    stands_for: t.Mapping[str, t.FrozenSet[str]],
) -> None:
    """Give words that stand for several causes to the cause that the configuration, or another recorder, points at.

    told: what messages say, by cause. A cause that a rule speaks for itself keeps its words.
    """
    for name, entry in sorted(told.items()):
        vague, meant = found.get(name), {*stands_for.get(name, ()), *(entry.get("alternatives") or ())}
        if entry["weight"] <= 0.2 or (vague is not None and vague.ruled):
            continue
        explained: set[str] = set()
        for exact in (found[other] for other in sorted(meant & set(found)) if other != name):
            shared = set(entry["resources"]) & set(exact.resources)
            independent = set(exact.recorders) - set(entry["recorders"])
            if not shared or not (exact.ruled or independent):
                continue
            exact.confirms += exact.ruled and not exact.weight  # what was configuration only has its message now
            exact.weight = min(1.0, exact.weight + entry["weight"])
            exact.recorders.extend(item for item in entry["recorders"] if item not in exact.recorders)
            exact.confirm_by = None
            if entry.get("best"):
                exact.evidence.append(entry["best"])
            explained |= shared
        if vague is not None:
            vague.resources = [item for item in vague.resources if item not in explained]
            if explained and not vague.resources:
                del found[name]


def _confidence(candidate: Candidate, blind: list[str]) -> tuple[str, str]:
    """The level, and in words what it rests on.

    Message and independent evidence agree: confirmed. Message only: likely. Configuration only: possible.
    Configuration counts with what was observed of it: one observation (its own resources are late or behind, or what a
    rule's `confirm` names) makes it likely, two confirm it. A message of weight below 0.7, or one that needs confirming
    itself, is no better than configuration alone. Where a step that could contradict was not readable, nothing is
    confirmed.
    """
    if candidate.weight >= 0.7 and not candidate.confirm_by:
        independent = candidate.confirms + max(0, len(candidate.recorders) - 1)
        level = 2 if independent else 1
        because = _SAID[bool(independent)]
    elif candidate.weight > 0:
        level = 1 if candidate.confirms else 0
        because = _HINTED[level]
    else:
        level = min(2, candidate.confirms)
        because = _CONFIGURED[level]
    if blind:
        level = min(level, 1)
        because += f"; nothing is known of {' and '.join(blind)}"
        alone = candidate.recorders == ["controller"] and not candidate.confirms
        if candidate.weight > 0 and "logs" in blind and alone:
            level = 0
    return LEVELS[level], because


_SAID = (
    "a message says so; nothing that is independent of it bears it out",
    "a message says so, and something that is independent of it agrees",
)
_HINTED = (
    "a message hints at it, which is not enough by itself",
    "a message hints at it, and something that is independent of it agrees",
)
_CONFIGURED = (
    "what was read makes it possible; no message names it, and its effect was not seen",
    "what was read points at it, and its effect was seen; no message names it",
    "what was read shows it, in more than one way",
)


def _trouble(facts: t.Mapping[str, t.Any]) -> set[str]:
    """The resources that a root cause has to explain."""
    return set(facts.get("trouble") or facts["failing"] or facts["affected"])


def _score(candidate: Candidate, trouble: set[str], lost: bool) -> float:
    """0..1: how strongly it speaks times how much of the trouble it explains.

    A defect that touches nothing affected is a risk, not a cause: 0. Without that by which copies are restored all of
    them are lost, beside whatever else is wrong: half.
    """
    strength = max(candidate.weight, {"possible": 0.4, "likely": 0.65, "confirmed": 0.9}[candidate.confidence])
    if not trouble:
        return 0.0
    if candidate.resources:
        explained = len(trouble & set(candidate.resources)) / len(trouble)
    else:
        explained = 0.5 if candidate.weight else 0.0
    if lost:
        explained = max(explained, 0.5)
    return round(strength * explained, 3)


def _by_chain(listed: list[Candidate]) -> list[Candidate]:
    """The first broken link goes first among those that explain the same trouble about as well.

    "About as well": at least 60 % of the best score, and every resource of the best one.
    """
    if len(listed) < 2:
        return listed
    best = listed[0]
    rivals = [
        item
        for item in listed[1:]
        if item.score >= 0.6 * best.score
        and item.position < best.position
        and set(best.resources) <= set(item.resources)
    ]
    if not rivals:
        return listed
    first = min(rivals, key=lambda item: (item.position, -item.score))
    return [first] + [item for item in listed if item is not first]


# --------------------------------------------------------------------------------------------------------- chain


def chain(
    kind: Kind, evidence: t.Any, facts: dict[str, t.Any], candidate: Candidate
) -> tuple[list[dict[str, t.Any]], str | None]:
    """Every hop from source backup to ready point, proven, broken or unknown, and what shows it; and of which resource.

    It is that resource which the candidate explains and of which most is known. Nothing is claimed of what lies behind the
    broken hop.
    """
    way = kind.words.chain
    broken = way.index(candidate.hop) if candidate.hop in way else len(way)
    names = sorted(candidate.resources or facts["affected"])[:_MOST_FOLLOWED]
    followed = [(kind.proofs(evidence, facts, name), name) for name in names]
    proofs, resource = max(followed, key=lambda item: len(item[0]), default=({}, None))
    if arrived(facts):
        there = citation("recovery_points", "summary.worst_exposure_s", facts["readiness"].get("worst_exposure_s"))
        proofs = {link: proofs.get(link) or there for link in way}
    hops = []
    for place, link in enumerate(way):
        proof = proofs.get(link) if place < broken else None
        if place == broken:
            proof = candidate.evidence[0] if candidate.evidence else None
        state = "broken" if place == broken else "proven" if proof else "unknown"
        hops.append({"link": link, "state": state, "evidence": proof})
    return hops, resource


def arrived(facts: dict[str, t.Any]) -> bool:
    """Whether all that is due lies ready in the destination."""
    return bool(facts["readiness"]["verdict"] == "ready" and not facts["failing"])


# -------------------------------------------------------------------------------------------------------- status


def alert_verdict(alert: t.Any, status_name: str, facts: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Whether the alert that was handed in, which is one about the copies, is true; None when there was none."""
    name = text(alert, "name")
    if not name:
        return None
    verdict = {"healthy": "false_positive", "failing": "true_positive", "lagging": "true_positive"}
    if status_name == "lagging" and facts.get("copies_in_place"):
        reason = "every copy that is due is there; the backups that they are copies of are what is wrong"
        return {"name": name, "verdict": "false_positive", "reason": reason}
    return {"name": name, "verdict": verdict.get(status_name, "unknown")}
