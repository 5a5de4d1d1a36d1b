# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""How far the trouble of a region pair spreads, and what the troubled have in common."""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._statistics import wilson
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import BAD_STATES, is_failing
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
    texts,
    usable,
    value,
)

DEFAULT_THRESHOLD = 0.95
_MANY = 10  # failures over two types or more that are no chance, even where the interval reaches the threshold


def success_rate(evidence: t.Any) -> dict[str, t.Any]:
    """Rate of leaf jobs that ended in the window; verdict low | high | unknown.

    Low for sure: the upper bound of Wilson's interval lies under the threshold. Derived from the jobs; CloudWatch has
    no such metric. Without the metrics step the counts of the job list serve.
    """
    told = value(step(evidence, "metrics"), "summary", "success_rate") if usable(evidence, "metrics") else None
    good, bad = figure(told, "succeeded"), figure(told, "failed")
    if good is None or bad is None:
        window = value(step(evidence, "copy_jobs"), "summary", "window") if usable(evidence, "copy_jobs") else None
        good = figure(window, "completed")
        bad = None if good is None else (figure(window, "failed") or 0) + (figure(window, "partial") or 0)
    threshold = figure(told, "threshold")
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    answer: dict[str, t.Any] = {"verdict": "unknown", "rate": None, "low": None, "high": None}
    answer.update({"threshold": threshold, "runs": None, "failed": None})
    if good is None or bad is None or good + bad <= 0:
        return answer
    rate, (low, high) = good / (good + bad), wilson(good, good + bad)
    verdict = "low" if high < threshold else "high" if rate >= threshold else "unknown"
    answer.update({"verdict": verdict, "rate": round(rate, 4), "low": round(low, 3), "high": round(high, 3)})
    return {**answer, "runs": int(good + bad), "failed": int(bad)}


def scope(
    evidence: t.Any,
    affected: list[str],
    rate: dict[str, t.Any],
    told: t.Mapping[str, dict[str, t.Any]],
    least_runs: float,
) -> dict[str, t.Any]:
    """systemic, specific, none or unknown.

    Systemic: the success rate is low, of enough jobs to say so, and the failures spread over resources or types; or all
    of several resources are affected and have something in common. affected: resources.
    told: {cause: what speaks for it}, of the causes that count. least_runs: below it a rate says nothing.
    """
    jobs = step(evidence, "copy_jobs")
    total = _resources(evidence)
    failing = int(figure(jobs, "summary", "resources_failing") or 0)
    counted = max(failing, len(set(affected) - _composites(jobs)))
    groups = [row for row in rows(jobs, "groups") if text(row, "state") in BAD_STATES and figure(row, "in_window")]
    types = sorted({name for row in groups for name in texts(row, "types")})
    spread: dict[str, t.Any] = {
        "resources_failing": failing,
        "resources_affected": max(failing, len(affected)),
        "resources": total,
        "types_failing": types,
        "runs": rate["runs"],
        "success_rate": rate["rate"],
        "interval": None if rate["low"] is None else [rate["low"], rate["high"]],
    }
    if not usable(evidence, "copy_jobs") and not affected:
        return {"verdict": "unknown", "spread": spread, "shared": {}}
    failed_once = sum(figure(row, "resources") or 0 for row in groups)
    low = bool(_low(rate, types, least_runs) and (failed_once > 1 or len(types) > 1))
    spread["rate_is_systemic"] = low
    if not counted and not low:
        return {"verdict": "none", "spread": spread, "shared": {}}
    shared = _shared(evidence, affected, told)
    if low or (counted >= 2 and counted == total and shared):
        verdict = "systemic"
    elif total >= 3 and (counted == 1 or wilson(counted, total)[1] < 0.5):
        verdict = "specific"
    else:
        verdict = "unknown"
    return {"verdict": verdict, "spread": spread, "shared": shared}


def _resources(evidence: t.Any) -> int:
    """How many resources are, or should be, copied."""
    counts = (
        figure(step(evidence, "copy_jobs"), "summary", "resources"),
        figure(step(evidence, "recovery_points"), "summary", "resources"),
    )
    return int(max((count or 0 for count in counts), default=0))


def _low(rate: dict[str, t.Any], types: list[str], least_runs: float) -> bool:
    """Whether the rate is below its threshold by enough jobs to say so."""
    if rate["rate"] is None or rate["runs"] < least_runs or rate["rate"] >= rate["threshold"]:
        return False
    return bool(rate["verdict"] == "low" or (rate["failed"] >= _MANY and len(types) > 1))


def _composites(jobs: Row) -> set[str]:
    """Composite resources that lag behind with a member of theirs that fails, and that counts."""
    bad = {text(row, "parent") for row in rows(jobs, "jobs") if text(row, "state") in BAD_STATES}
    return {
        name
        for row in rows(jobs, "jobs")
        if row.get("composite") is True and text(row, "copy_job") in bad and (name := text(row, "resource"))
    }


def _shared(evidence: t.Any, affected: list[str], told: t.Mapping[str, dict[str, t.Any]]) -> dict[str, str]:
    """What at least two of the affected, and at least 80 % of those that say anything, have in common.

    What only few of the affected say anything of is no matter of all: a third of them at least.
    """
    of: dict[str, dict[str, set[str]]] = {"cause": {}, "role": {}, "why": {}}
    for cause, entry in told.items():
        for name in entry["resources"]:
            if name in affected:
                of["cause"].setdefault(name, set()).add(cause)
    for row in rows(step(evidence, "copy_jobs"), "resources"):
        name, role = text(row, "resource"), text(row, "role")
        if name in affected and role and is_failing(row):
            of["role"].setdefault(str(name), set()).add(role.rsplit("/", 1)[-1])
    for row in rows(step(evidence, "recovery_points"), "resources"):
        name, why = text(row, "resource"), text(row, "why")
        if name in affected and why and text(row, "verdict") != "current":
            of["why"].setdefault(str(name), set()).add("backup_too_old" if why == "copied" else why)
    found: dict[str, str] = {}
    for what, by_resource in of.items():
        if what == "why" and found:
            break  # says less than a cause or a role
        counts = Counter(item for items in by_resource.values() for item in items)
        if counts:
            most, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
            if times >= 2 and times >= 0.8 * len(by_resource) and 3 * times >= len(affected):
                found[what] = most
    return found
