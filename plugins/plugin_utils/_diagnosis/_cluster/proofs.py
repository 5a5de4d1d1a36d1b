# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What proves the hops of the way from a source backup to its copy in the other cluster."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Citation,
    about_first,
    citation,
    rows,
    step,
    text,
    usable,
)


def proofs(evidence: t.Any, dummy_facts: dict[str, t.Any], resources: t.Collection[str]) -> dict[str, Citation]:
    """{hop: the observation that proves it} for these resources. What only shows that a hop was tried proves nothing."""
    found = {
        "source_backup": _source_backup(evidence, resources),
        "snapshot": _snapshot(evidence, resources),
        "mover_scheduled": _on_a_node(evidence, resources),
        "mover_ran": _started(evidence, resources),
        "destination_metadata": _imported(evidence, resources),
    }
    return {hop: proof for hop, proof in found.items() if proof}


def _source_backup(evidence: t.Any, resources: t.Collection[str]) -> Citation | None:
    newest = text(step(evidence, "copy_lag"), "source_health", "newest_at")
    if usable(evidence, "copy_lag") and newest:
        return citation("copy_lag", "source_health.newest_at", newest)
    return _snapshot(evidence, resources)


def _snapshot(evidence: t.Any, resources: t.Collection[str]) -> Citation | None:
    """The newest usable source backup of one of the resources; where the ledger names none, of any."""
    points, health = step(evidence, "recovery_points"), step(evidence, "copy_lag")
    if usable(evidence, "recovery_points"):
        for index, row in about_first(rows(points, "resources"), resources):
            if text(row, "newest_source_at"):
                return citation("recovery_points", f"resources[{index}].newest_source_at", text(row, "newest_source_at"))
    newest = text(health, "source_health", "newest_at")
    return citation("copy_lag", "source_health.newest_at", newest) if usable(evidence, "copy_lag") and newest else None


def _on_a_node(evidence: t.Any, resources: t.Collection[str]) -> Citation | None:
    for index, pod in about_first(rows(step(evidence, "job_detail"), "pods"), resources):
        if text(pod, "node"):
            return citation("job_detail", f"pods[{index}].node", text(pod, "node"), text(pod, "started_at"))
    return None


def _started(evidence: t.Any, resources: t.Collection[str]) -> Citation | None:
    for index, pod in about_first(rows(step(evidence, "job_detail"), "pods"), resources):
        for number, container in enumerate(rows(pod, "containers")):
            began = text(container, "started_at")
            if began:
                return citation("job_detail", f"pods[{index}].containers[{number}].started_at", began, began)
    return None


def _imported(evidence: t.Any, resources: t.Collection[str]) -> Citation | None:
    """A recovery point that is there and not ready: its metadata has come through."""
    for index, row in about_first(rows(step(evidence, "recovery_points"), "points"), resources):
        if text(row, "destination") and text(row, "verdict") == "not_ready":
            return citation("recovery_points", f"points[{index}].destination", text(row, "destination"))
    return None
