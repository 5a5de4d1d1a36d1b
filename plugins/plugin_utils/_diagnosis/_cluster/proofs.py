# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What proves the hops of the way from a source backup to its copy in the other cluster."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Citation,
    Row,
    citation,
    rows,
    rows_about,
    text,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.facts import source_backup


def proofs(evidence: t.Any, facts: dict[str, t.Any], resource: str) -> dict[str, Citation]:
    """{hop: the observation that proves it} for the newest copy of the resource.

    Only what was seen of the resource itself counts, and of its runs the latest: that of another proves nothing of it.
    """
    made = None if resource in facts["source_troubled"] else source_backup(evidence, resource)
    latest = facts["telling_jobs"].get(resource, ())
    pods = [pair for pair in rows_about(evidence, "job_detail", "pods", resource) if text(pair[1], "job") in latest]
    found = {
        "source_backup": made,
        "snapshot": made,
        "mover_scheduled": _on_a_node(pods),
        "mover_ran": _started(pods),
        "destination_metadata": _imported(evidence, resource),
    }
    return {hop: proof for hop, proof in found.items() if proof}


def _on_a_node(pods: list[tuple[int, Row]]) -> Citation | None:
    for index, pod in pods:
        if text(pod, "node"):
            return citation("job_detail", f"pods[{index}].node", text(pod, "node"), text(pod, "started_at"))
    return None


def _started(pods: list[tuple[int, Row]]) -> Citation | None:
    for index, pod in pods:
        for number, container in enumerate(rows(pod, "containers")):
            began = text(container, "started_at")
            if began:
                return citation("job_detail", f"pods[{index}].containers[{number}].started_at", began, began)
    return None


def _imported(evidence: t.Any, resource: str) -> Citation | None:
    """A recovery point that is there and not ready: its metadata has come through."""
    for index, row in rows_about(evidence, "recovery_points", "points", resource):
        if text(row, "destination") and text(row, "verdict") == "not_ready":
            return citation("recovery_points", f"points[{index}].destination", text(row, "destination"))
    return None
