# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The cluster pair as a kind of target."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import CAUSES, load_causes
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster import facts as facts_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.atoms import collect
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.contradictions import contradictions
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.gaps import GAPS, SETTLE
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.proofs import proofs
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import check_own
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import rows, step, text, usable
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Causes, Kind
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CLUSTER

_MOVER_HOPS = frozenset({"mover_scheduled", "mover_ran", "transfer", "store"})


@functools.lru_cache(maxsize=1)
def _causes() -> Causes:
    return load_causes(CAUSES, CLUSTER)


def status(evidence: t.Any, facts: dict[str, t.Any]) -> str:
    """failing, lagging, healthy or inconclusive. Healthy must be proven on both sides."""
    if facts["failing"]:
        return "failing"
    if facts["behind"] or facts["late"] or facts["source_troubled"] or facts["readiness"]["verdict"] == "not_ready":
        return "lagging"
    sure = usable(evidence, "jobs") and facts["found_jobs"] and usable(evidence, "recovery_points")
    verdicts = {text(row, "verdict") for row in rows(step(evidence, "recovery_points"), "resources")}
    if sure and verdicts and verdicts <= {"current"} and facts["readiness"]["verdict"] == "ready":
        return "healthy"
    return "inconclusive"


def names(target: t.Any, root: t.Any, facts: dict[str, t.Any], evidence: t.Any) -> dict[str, str | None]:
    """What the placeholders of next steps stand for; None where it is not known."""
    resource = (root.resources if root and root.resources else facts["affected"] or [None])[0]

    def first(step_name: str, listed: str, column: str) -> str | None:
        found = rows(step(evidence, step_name), listed)
        return next((text(row, column) for row in found if text(row, "resource") == resource), None)

    known = {
        "namespace": text(target, "namespace"),
        "source": text(target, "source"),
        "destination": text(target, "destination"),
        "source_context": text(target, "source_context"),
        "destination_context": text(target, "destination_context"),
        "source_kubeconfig": text(target, "source_kubeconfig"),
        "destination_kubeconfig": text(target, "destination_kubeconfig"),
        "configmap": text(step(evidence, "replication_rules"), "query", "configmap"),
        "resource": resource,
        "job": first("jobs", "resources", "job"),
        "pod": first("job_detail", "pods", "pod"),
    }
    if text(target, "copy_side") == "source" and root and root.hop in _MOVER_HOPS:
        # the mover is looked at where it runs
        known["destination_context"] = known["source_context"]
        known["destination_kubeconfig"] = known["source_kubeconfig"]
        known["namespace"] = text(target, "source_namespace") or known["namespace"]
    return known


KIND = Kind(
    words=CLUSTER,
    telling=("jobs", "job_detail", "logs", "events"),
    causes=_causes,
    collect=collect,
    check_signatures=check_own,
    derive=facts_of.derive,
    status=status,
    proofs=proofs,
    names=names,
    contradictions=contradictions,
    gaps=GAPS,
    settle=SETTLE,
    settle_without_cause="Read the logs of the next run while its pod exists.",
)
