# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What a kind of target brings along; everything else of the diagnosis is the same for all of them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Cause
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Citation
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import Words

Facts = t.Dict[str, t.Any]
Causes = t.Mapping[str, Cause]


@dataclass(frozen=True)
class Gaps:
    """What is said about evidence that is missing.

    effects: {step: what a diagnosis cannot say without it}
    close: {outcome: how to get an answer}, where the step has no better hint
    not_configured: {step: how to set up what it looks for}; where a step is not there, close says it
    variables: (pattern, variable, count) by which options in a hint become variables of the role
    grant: a grant of evidence as one sentence; None for what is none
    partial: the effect of what an answering step left unread; None when it read all
    idle: whether a step that did not run was not needed
    moot: whether a step that did not answer had nothing to answer with, so that no right and no retry helps
    first: steps whose gap would decide, the most telling first
    """

    effects: t.Mapping[str, str]
    close: t.Mapping[str, str]
    not_configured: t.Mapping[str, str]
    variables: tuple[tuple[re.Pattern[str], str, int], ...]
    grant: t.Callable[[t.Any], t.Optional[str]]
    partial: t.Callable[[str, t.Any], t.Optional[str]]
    idle: t.Callable[[str, t.Any], bool]
    first: frozenset[str]
    moot: t.Callable[[str, t.Any], bool] = lambda dummy_name, dummy_evidence: False


@dataclass(frozen=True)
class Kind:
    """One kind of target.

    telling: steps that show why a copy failed; without one of them nothing is confirmed
    causes: all causes by id
    collect: the classified messages of the evidence, signatures of the user before those of the catalogue
    check_signatures: raises RuleError for a signature of the user that does not find its sample
    derive: the `facts` that rules see. The shared parts read of them: failing, behind, late, affected, causes,
        named_causes, success_rate, readiness, scope, pattern; and where there are any: exposed, lost, trouble,
        copies_in_place
    status: failing | lagging | healthy | inconclusive
    proofs: {hop: what proves it} of the way of one resource, of the hops that the evidence proves
    names: what the placeholders of next steps stand for; None or "" where it is not known
    contradictions: pairs of signals that cannot both be true
    settle: {cause: the observation that decides}
    prepare: what is done to the evidence before anything is made of it
    stands_for: {cause: causes that its words can mean as well}; the configuration then decides which
    """

    words: Words
    telling: tuple[str, ...]
    causes: t.Callable[[], Causes]
    collect: t.Callable[[t.Any, "tuple[OwnSignature, ...]"], "list[Atom]"]
    check_signatures: t.Callable[["tuple[OwnSignature, ...]"], None]
    derive: t.Callable[[t.Any, "list[Atom]", Causes, "dict[str, t.Any]"], Facts]
    status: t.Callable[[t.Any, Facts], str]
    proofs: t.Callable[[t.Any, Facts, str], "dict[str, Citation]"]
    names: t.Callable[[t.Any, t.Any, Facts, t.Any], "dict[str, str | None]"]
    contradictions: t.Callable[[t.Any, Facts], "list[dict[str, t.Any]]"]
    gaps: Gaps
    settle: t.Mapping[str, str]
    settle_without_cause: str
    stands_for: t.Mapping[str, t.FrozenSet[str]] = field(default_factory=dict)
    prepare: t.Callable[[t.Any], t.Any] = lambda evidence: evidence
