# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""How failures of copies between vaults lie in time."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import BAD_STATES
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
    usable,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.hours import Hours, Limits


def pattern(evidence: t.Any, settings: Row) -> dict[str, t.Any]:
    """periodic | random | single | none | unknown, with the figures of the test.

    Failures that began at a moment and have not stopped since are no pattern: they have a beginning.
    """
    jobs = step(evidence, "copy_jobs")
    limits = Limits.of(settings)
    hours = Hours.of(jobs, limits)
    figures: dict[str, t.Any] = hours.figures()
    bad, good = figures["failed"], figures["succeeded"]
    if not usable(evidence, "copy_jobs") or not (bad or good):
        return {"verdict": "unknown", **figures}
    if bad < 2:
        return {"verdict": "single" if bad else "none", **figures}
    made_good = sum(_made_good(row) for row in rows(jobs, "resources"))
    figures["made_good"] = made_good
    if min(bad, good) < limits.least or not made_good:
        return {"verdict": "unknown", **figures}
    periodic = hours.periodic()
    if periodic:
        return {"verdict": "periodic", **figures, **periodic}
    return {"verdict": "random" if not hours.one_stands_out() and _days(jobs) > 1 else "unknown", **figures}


def _made_good(row: Row) -> int:
    """Failures of the resource that a later copy has made good."""
    return max(0, int((figure(row, "failed") or 0) - (figure(row, "consecutive_failures") or 0)))


def _days(jobs: Row) -> int:
    """On how many days copies were started that failed, as far as listed."""
    found: set[str] = set()
    for row in rows(jobs, "jobs"):
        created = text(row, "created_at")
        if text(row, "state") in BAD_STATES and created:
            found.add(created[:10])
    return len(found)
