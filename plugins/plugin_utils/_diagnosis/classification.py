# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What a message on its own stands for, by the catalogues that the diagnosis reads: pure.

A message is judged without anything around it, so that it can be less sure than a diagnosis of the same pair: it names a
cause, says which others the same words can have, and answers unknown rather than to guess.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import _aws_messages
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Cause
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.gaps import SETTLE as SETTLE_CLUSTER
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.doubts import STANDS_FOR
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.gaps import SETTLE as SETTLE_REGION
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import Verdict, classifier_with
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature

# Where AWS's own words are seen: of a copy or backup job and of what was refused on its behalf, or in answer to a call of
# whoever looks.
OF_AWS = ("copy_job", "aws_call")
OF_CLUSTERS = ("log", "event", "container", "pod", "job", "metric")
PLACES = (*OF_CLUSTERS, *OF_AWS)


def kind_of_place(where: str) -> str:
    """The kind of target whose messages are seen there. Raises ValueError for what is none of PLACES."""
    if where not in PLACES:
        raise ValueError(f"where is {where!r}; give one of {', '.join(PLACES)}.")
    return "region" if where in OF_AWS else "cluster"


def classify(
    text: str | None,
    where: str = "log",
    *,
    reason: str | None = None,
    exit_code: int | None = None,
    tool: str | None = None,
    own: tuple[OwnSignature, ...] = (),
) -> dict[str, t.Any]:
    """What the message stands for; the members are described in the documentation of the filter of this name.

    where: one of PLACES. reason, exit_code, tool: of events and containers, see Classifier.classify(). Raises ValueError
    for another place. own: signatures of the user for targets of kind_of_place(where).
    """
    if kind_of_place(where) == "region":
        verdict = _aws_messages.classify(text, collector=where == "aws_call", own=own)
        causes, decides = _aws_messages.region_causes(), _aws_messages.decides(verdict.signature)
        if verdict.kind == "symptom" and not verdict.alternatives:
            verdict = replace(verdict, alternatives=tuple(sorted(STANDS_FOR.get(verdict.cause or "", ()))))
        settle = SETTLE_REGION
    else:
        classifier = classifier_with(own)
        if exit_code is not None:
            tool = tool or classifier.tool_of(text)
        verdict = classifier.classify(text, where, reason, exit_code, tool)
        causes, decides = classifier.causes, None
        settle = SETTLE_CLUSTER
    return _described(verdict, text, causes, decides or _settled_by(verdict, settle))


def _described(
    verdict: Verdict, text: str | None, causes: t.Mapping[str, Cause], decide_by: str | None
) -> dict[str, t.Any]:
    cause = causes[verdict.cause] if verdict.cause else None
    return {
        "text": text,
        "cause": verdict.cause,
        "title": cause.title if cause else None,
        "runbook_class": cause.runbook_class if cause else None,
        "kind": verdict.kind,
        "symptom": bool(cause and (cause.symptom or verdict.kind == "symptom")),
        "alternatives": [{"cause": name, "title": causes[name].title} for name in verdict.alternatives],
        "decide_by": decide_by,
        "fix": verdict.fix,
        "explanation": cause.explanation if cause else None,
        "weight": verdict.weight,
        "signature": verdict.signature,
        "matched_text": verdict.matched_text,
    }


def _settled_by(verdict: Verdict, settle: t.Mapping[str, str]) -> str | None:
    """The one observation that would tell the cause from its alternatives; None where there is nothing to tell apart."""
    if verdict.confirm_by or not verdict.alternatives:
        return verdict.confirm_by
    return next((settle[name] for name in (verdict.cause, *verdict.alternatives) if name and name in settle), None)
