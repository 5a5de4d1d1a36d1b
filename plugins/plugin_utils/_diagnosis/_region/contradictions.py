# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Signals of a region pair that cannot both be true, and which one to believe."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    figure,
    rows,
    step,
    text,
    texts,
    usable,
    value,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.gaps import contradiction


def contradictions(evidence: t.Any, facts: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Of jobs and what came of them, of counts, and of the destination vault."""
    return [*_of_completed(evidence, facts), *_of_counts(evidence, facts), *_of_the_vault(evidence)]


def _of_completed(evidence: t.Any, facts: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    if facts["arrived_not"]:
        yield contradiction(
            f"The newest copy jobs of {', '.join(facts['arrived_not'][:5])} are COMPLETED.",
            "Their recovery points are not in the destination vault.",
            "recovery_points",
            "A COMPLETED job may have left out what it could not copy; only a recovery point can be restored.",
        )
        return
    for row in rows(step(evidence, "copy_jobs"), "groups"):
        if text(row, "kind") == "completed_with_message":
            yield contradiction(
                f"Copy jobs of {', '.join(texts(row, 'resource_names')[:5])} are COMPLETED.",
                f"They say: {(text(row, 'message') or '')[:200]}",
                "copy_jobs",
                "COMPLETED does not mean complete: the message tells what was left out of the copy.",
            )
            break


def _of_counts(evidence: t.Any, facts: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    rate, counts = facts["success_rate"], value(step(evidence, "metrics"), "summary", "counts")
    if not facts["affected"] and rate["verdict"] == "low" and facts["readiness"]["verdict"] == "ready":
        yield contradiction(
            f"Only {rate['rate']:.0%} of the copy jobs of the window succeeded.",
            "Every recovery point that is due is there.",
            "recovery_points",
            "The recovery points are what a disaster needs; earlier failures were made good by later copies.",
        )
    if value(counts, "agrees") is False:
        completed, failed = (int(figure(counts, name) or 0) for name in ("completed", "failed"))
        yield contradiction(
            f"CloudWatch counted {completed} completed and {failed} failed jobs.",
            f"The job list has {rate['runs'] or 0} that ended, {rate['failed'] or 0} of them badly.",
            "copy_jobs",
            "CloudWatch's counts are sparse, and mix destination vaults of one name; the job list is complete.",
        )


def _of_the_vault(evidence: t.Any) -> t.Iterator[dict[str, t.Any]]:
    exists = value(step(evidence, "vaults"), "destination", "exists")
    refused = text(step(evidence, "vaults"), "destination", "outcome") == "forbidden"
    if exists is False and refused and usable(evidence, "vaults"):
        yield contradiction(
            "AWS answers access denied for the destination vault.",
            "The list of the Region's vaults does not have it.",
            "vaults",
            "AWS Backup says access denied of vaults that do not exist; the list decides.",
        )
