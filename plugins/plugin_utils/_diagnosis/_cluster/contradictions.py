# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Signals of a cluster pair that cannot both be true, and which one to believe."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    figure,
    rows,
    step,
    text,
    usable,
    value,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.gaps import contradiction

_NO_COPY = frozenset({"missing", "overdue", "not_ready"})
_MOST_ALIKE = 3  # of one sort: more of them say nothing new


def contradictions(evidence: t.Any, facts: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Of the metric and the jobs, of the jobs and what came of them, and of times."""
    return [*_of_the_metric(evidence, facts), *_of_success(evidence, facts), *_of_times(evidence, facts)]


def _of_the_metric(evidence: t.Any, facts: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    rate, metrics = facts["success_rate"], step(evidence, "metrics")
    stale = value(metrics, "summary", "pushed") or value(metrics, "summary", "freshness", "stale")
    if facts["failing"] and rate["verdict"] == "high" and (stale or facts["scope"]["verdict"] == "systemic"):
        yield contradiction(
            f"The metric says {rate['rate']:.0%} of the copies succeed.",
            f"The latest copy of {', '.join(facts['failing'][:5])} failed.",
            "jobs",
            "Job conditions are written by the cluster; a pushed metric repeats the last good value.",
        )
    if facts["failing"] or facts["behind"] or facts["late"] or rate["verdict"] != "low":
        return
    if facts["readiness"]["verdict"] == "ready":
        yield contradiction(
            f"The metric says only {rate['rate']:.0%} of the copies succeed.",
            "Every recovery point that is due is there and ready.",
            "recovery_points",
            "The recovery points are what a disaster needs; earlier failures were made good.",
        )
    elif stale and facts["found_jobs"] and usable(evidence, "jobs"):
        yield contradiction(
            f"The metric says only {rate['rate']:.0%} of the copies succeed.",
            "No latest copy failed.",
            "jobs",
            "Job conditions are written by the cluster; a metric that is not renewed repeats its last value.",
        )


def _of_success(evidence: t.Any, facts: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """Exit code 0 is what a Job knows of a copy."""
    lost = [name for name in facts["behind"] if name in _copied_in_vain(evidence)]
    if lost:
        yield contradiction(
            f"The copy jobs of {', '.join(lost[:5])} report success.",
            "Their recovery points are behind or not usable.",
            "recovery_points",
            "A Job that is Complete has ended with exit code 0; it has not proven that anything arrived.",
        )
    for name, message in list(facts["complaints"].items())[:_MOST_ALIKE]:
        arrived = facts["readiness"]["verdict"] == "ready"
        yield contradiction(
            f"The latest copy job of {name} is Complete.",
            f"Its log says: {message[:200]}",
            "recovery_points" if arrived else "logs",
            "The copy is there and ready, whatever went wrong on the way."
            if arrived
            else "A program that logs an error and ends with exit code 0 hides it; the log is nearer to what happened.",
        )


def _copied_in_vain(evidence: t.Any) -> set[str]:
    """Resources whose latest job succeeded after a backup was made of which there is no usable copy."""
    without: dict[str | None, list[str]] = {}
    for row in rows(step(evidence, "recovery_points"), "points"):
        if text(row, "source") and text(row, "verdict") in _NO_COPY:
            without.setdefault(text(row, "resource"), []).append(text(row, "point_in_time") or "")
    return {
        name
        for row in rows(step(evidence, "jobs"), "resources")
        if text(row, "state") == "succeeded" and (name := text(row, "resource"))
        and any(made < (text(row, "ended_at") or "") for made in without.get(name, []))
    }


def _of_times(evidence: t.Any, facts: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """Objects in the destination bear the time of their import; what counts is how old the data are."""
    points, rpo_s = step(evidence, "recovery_points"), facts["readiness"]["rpo_s"]
    now = parse_time(text(points, "observed_at"))
    for row in rows(points, "resources"):
        arrived, exposure = parse_time(text(row, "newest_arrived_at")), figure(row, "exposure_s")
        if now and rpo_s and arrived and exposure and exposure > rpo_s >= (now - arrived).total_seconds():
            yield contradiction(
                f"The newest copy of {text(row, 'resource')} appeared at {text(row, 'newest_arrived_at')}, within the RPO.",
                f"It is a copy of the backup of {text(row, 'newest_matched_at')}.",
                "recovery_points",
                "What is imported has the time of its import; the RPO counts from the backup's own time.",
            )
            break
    for row in rows(points, "points"):
        if row.get("suspect") is True and text(row, "source") and text(row, "point_in_time"):
            yield contradiction(
                f"The copy of {text(row, 'resource')} says that it was made before its backup.",
                f"The backup {text(row, 'source')} says {text(row, 'point_in_time')}.",
                "recovery_points",
                "A clock or the pairing is wrong; the older of the two times is counted, so that no exposure is told too small.",
            )
            break
