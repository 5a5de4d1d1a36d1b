# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Facts derived from the evidence of a cluster pair, so that rules stay one-line conditions."""

from __future__ import annotations

import re
import typing as t
from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._statistics import wilson
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Cause
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.atoms import BROKEN_STATES
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.apart import with_apart
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
    usable,
    value,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.facts import (
    cause_table,
    grouped,
    named,
    readiness,
    telling_causes,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.hours import Hours, Limits

_BEHIND = frozenset({"lagging", "missing", "not_ready"})
_LATE = frozenset({"late", "overdue"})
_ENDPOINTS = (
    re.compile(r"lookup (?P<host>[A-Za-z0-9.-]{3,253})[: ]"),
    re.compile(r"\bhttps?://(?:[^\s/@]{1,256}@)?(?P<host>[A-Za-z0-9.-]{3,253})"),
    re.compile(r"dial tcp (?P<host>\[?[0-9A-Za-z.:-]{3,253}?\]?):\d{1,5}\b"),
)


def derive(
    evidence: t.Any, atoms: list[Atom], causes: t.Mapping[str, Cause], settings: dict[str, t.Any]
) -> dict[str, t.Any]:
    """The `facts` that rules see.

    failing     resources whose latest run came to no good end
    behind      resources whose newest ready recovery point lags behind the source
    late        resources whose copy missed its window
    source_troubled  resources whose newest source backup is missing, failed, incomplete or hangs
    causes      {cause: what speaks for it}, only for failing or late resources
    groups      {runbook class: [resources]}
    kinds       {network|data|neither: [causes]}
    stuck       CronJobs that a run blocks which really runs
    disabled     affected resources whose replication rule is switched off
    drift_named  drifted settings whose value in the destination stands in a message of a failing copy
    complaints  {resource: a message of its latest run, which succeeded, that an error ended something}
    telling_jobs  {resource: jobs that are about now}
    push_overdue  a Pushgateway's last push is older than two intervals of the rarest schedule
    scope, pattern, readiness
    """
    jobs = step(evidence, "jobs")
    failing = sorted({name for row in rows(jobs, "resources") if _is_failing(row) and (name := text(row, "resource"))})
    # Two sides that are one, or a selector that finds no copy job, compare nothing: no lag can be read from that.
    compared, any_jobs = not same_cluster(evidence), found_jobs(evidence)
    behind = named(step(evidence, "recovery_points"), "resources", _BEHIND) if compared else []
    late = named(step(evidence, "copy_lag"), "resources", _LATE) if compared and any_jobs else []
    troubled = source_troubled(evidence)
    affected = sorted(set(failing) | set(behind) | set(late) | set(troubled))
    telling = telling_jobs(evidence)
    table = cause_table(atoms, set(failing), causes, telling)
    own = telling_causes(table, causes)
    readiness = dr_readiness(evidence, settings)
    return {
        "failing": failing,
        "behind": behind,
        "late": late,
        "source_troubled": troubled,
        "affected": affected,
        "found_jobs": any_jobs,
        "causes": table,
        "named_causes": sorted(own),
        "symptoms": sorted(name for name in table if causes[name].symptom),
        "retries": sorted({atom.cause for atom in atoms if atom.weight <= 0.2}),
        **grouped(own, causes),
        "scope": with_apart(
            scope(evidence, failing, [atom for atom in atoms if atom.cause in own]), evidence, "job_detail", failing, settings
        ),
        "pattern": pattern(evidence, settings),
        "readiness": readiness,
        "stuck": stuck(evidence),
        "complaints": complaints(evidence, atoms),
        "telling_jobs": {resource: sorted(jobs_of) for resource, jobs_of in telling.items()},
        "push_overdue": push_overdue(evidence),
        "disabled": disabled(evidence, affected),
        "drift_named": drift_named(evidence, atoms),
        "success_rate": success_rate(evidence),
    }


def same_cluster(evidence: t.Any) -> bool:
    """Whether both sides are the same API server and namespace."""
    return any(value(step(evidence, name), "summary", "same_cluster") for name in ("copy_lag", "recovery_points"))


def found_jobs(evidence: t.Any) -> bool:
    """Whether a copy job or its CronJob was found at all; also true when nobody could look."""
    jobs = step(evidence, "jobs")
    return not usable(evidence, "jobs") or bool(
        figure(jobs, "summary", "jobs") or figure(jobs, "summary", "cronjobs") or rows(jobs, "resources")
    )


def _is_failing(row: Row) -> bool:
    """The latest run came to no good end, or a run goes on after runs that did not."""
    state = text(row, "state")
    return state in BROKEN_STATES or (state in ("running", "completing") and bool(figure(row, "consecutive_failures")))


def source_troubled(evidence: t.Any) -> list[str]:
    """Resources whose newest source backup cannot be relied on, whatever was copied of it."""
    found = rows(step(evidence, "copy_lag"), "source_problems")
    return sorted({name for row in found if (name := text(row, "resource"))})


def complaints(evidence: t.Any, atoms: list[Atom]) -> dict[str, str]:
    """What movers wrote of errors, not of retries, in runs that are the latest of their resources and succeeded."""
    found = rows(step(evidence, "jobs"), "resources")
    good = {text(row, "job"): text(row, "resource") for row in found if text(row, "state") == "succeeded"}
    return {
        name: atom.text
        for atom in atoms
        if atom.recorder == "mover" and atom.weight > 0.3 and atom.job and (name := good.get(atom.job))
    }


def telling_jobs(evidence: t.Any) -> dict[str, set[str]]:
    """{resource: its latest run and its latest bad run}: only what these say is about now."""
    jobs = step(evidence, "jobs")
    found: dict[str, set[str]] = {}
    bad: dict[str, tuple[str, str]] = {}
    for row in rows(jobs, "resources"):
        resource, job = text(row, "resource"), text(row, "job")
        if resource and job:
            found.setdefault(resource, set()).add(job)
    for row in rows(jobs, "jobs"):
        resource, job = text(row, "resource"), text(row, "job")
        at = text(row, "ended_at") or text(row, "created_at") or ""
        if resource and job and text(row, "state") in BROKEN_STATES:
            bad[resource] = max(bad.get(resource, ("", "")), (at, job))
    for resource, (dummy, job) in bad.items():
        found.setdefault(resource, set()).add(job)
    return found


def disabled(evidence: t.Any, affected: list[str]) -> list[str]:
    """Affected resources that a disabled rule names: in its list, as its source, or by the rule's own name."""
    named: set[str] = set()
    for row in rows(step(evidence, "replication_rules"), "rules"):
        if row.get("enabled") is False:
            listed = row.get("resources")
            named.update(item for item in (listed if isinstance(listed, list) else []) if isinstance(item, str))
            named.update(filter(None, (text(row, "source"), text(row, "rule"))))
    return [name for name in affected if name in named]


def drift_named(evidence: t.Any, atoms: list[Atom]) -> list[Row]:
    """Drift that a failing copy stumbles over: the value that only the destination has stands in its message."""
    said = [atom.text for atom in atoms if atom.cause == "config_invalid"]
    found = []
    for row in rows(step(evidence, "replication_rules"), "drift"):
        value_here = text(row, "destination")
        if value_here and len(value_here) > 3 and any(value_here in line for line in said):
            found.append(row)
    return found


def stuck(evidence: t.Any) -> list[Row]:
    """CronJobs that Forbid keeps from starting because a run goes on for ever.

    A run that never got a pod, or whose pod never started, blocks the schedule too, but as a consequence of whatever
    keeps it from starting.
    """
    jobs = step(evidence, "jobs")
    waiting = {text(row, "job") for row in rows(jobs, "jobs") if text(row, "state") in ("blocked", "starting")}
    return [
        row
        for row in rows(jobs, "cronjobs")
        if text(row, "state") == "stuck" and text(row, "stuck", "job") not in waiting
    ]


def push_overdue(evidence: t.Any) -> bool:
    """Whether the last push is too old for the schedules of the jobs that push; False when either is unknown."""
    age = figure(step(evidence, "metrics"), "summary", "freshness", "push_age_s")
    intervals = [figure(row, "interval_s") for row in rows(step(evidence, "jobs"), "cronjobs")]
    known = [interval for interval in intervals if interval]
    return age is not None and bool(known) and age > 2 * max(known)


# --------------------------------------------------------------------------------------------------------- scope


def success_rate(evidence: t.Any) -> dict[str, t.Any]:
    """What the metrics say of success, with an interval where runs were counted; verdict low | high | unknown.

    Below the threshold for sure: the upper bound lies under it. A gauge has no counts and is taken at its average.
    """
    metrics = step(evidence, "metrics")
    rate = value(metrics, "summary", "success_rate")
    average, threshold = figure(rate, "avg"), figure(rate, "threshold")
    if value(rate, "verdict") not in ("ok", "partial") or average is None:
        return {"verdict": "unknown", "rate": average, "low": None, "high": None, "threshold": threshold}
    threshold = 0.9 if threshold is None else threshold
    good, bad = figure(rate, "runs", "succeeded"), figure(rate, "runs", "failed")
    low, high = wilson(good, good + bad) if good is not None and bad is not None else (average, average)
    verdict = "low" if high < threshold else "high" if average >= threshold else "unknown"
    return {"verdict": verdict, "rate": average, "low": round(low, 3), "high": round(high, 3), "threshold": threshold}


def scope(evidence: t.Any, failing: list[str], atoms: list[Atom]) -> dict[str, t.Any]:
    """systemic, specific, none or unknown by how far the failures spread, and what they share."""
    total = int(figure(step(evidence, "jobs"), "summary", "resources") or 0)
    counted = int(figure(step(evidence, "jobs"), "summary", "resources_failing") or len(failing))
    spread: dict[str, t.Any] = {"resources_failing": counted, "resources": total}
    if not usable(evidence, "jobs"):
        return {"verdict": "unknown", "spread": spread, "shared": {}}
    if not counted:
        return {"verdict": "none", "spread": spread, "shared": {}}
    shared = _shared(failing, atoms)
    low, high = wilson(counted, total)
    spread["share"] = round(counted / total, 3) if total else None
    spread["interval"] = [round(low, 3), round(high, 3)]
    if counted >= 2 and total and (low > 0.5 or (shared and counted / total >= 0.5) or counted == total):
        verdict = "systemic"
    elif total >= 3 and (counted == 1 or high < 0.5):
        verdict = "specific"
    else:
        verdict = "unknown"
    return {"verdict": verdict, "spread": spread, "shared": shared}


def _shared(failing: list[str], atoms: list[Atom]) -> dict[str, str]:
    """What at least two failing resources, and at least 80 % of those that say anything, have in common."""
    found: dict[str, str] = {}
    for name, of in (("endpoint", endpoint), ("cause", lambda atom: atom.cause if atom.weight > 0.2 else None)):
        by_resource: dict[str, set[str]] = {}
        for atom in atoms:
            told = of(atom)
            if atom.resource in failing and told:
                by_resource.setdefault(str(atom.resource), set()).add(told)
        counts = Counter(told for all_told in by_resource.values() for told in all_told)
        if counts:
            most, times = min(counts.items(), key=lambda item: (-item[1], item[0]))
            if times >= 2 and times >= 0.8 * len(by_resource):
                found[name] = most
    return found


def endpoint(atom: Atom) -> str | None:
    """The host that a message names."""
    for expression in _ENDPOINTS:
        match = expression.search(atom.text)
        if match:
            return match["host"].strip("[]").lower()
    return None


def pattern(evidence: t.Any, settings: Row) -> dict[str, t.Any]:
    """How failures lie in time: periodic, random (good and bad runs of a resource mixed), single, none or unknown.

    Few bad or few good runs decide nothing. What fails since one moment has no pattern: it has a
    beginning.
    """
    jobs = step(evidence, "jobs")
    limits = Limits.of(settings)
    hours = Hours.of(jobs, limits)
    figures: dict[str, t.Any] = hours.figures()
    bad, good = figures["failed"], figures["succeeded"]
    if not usable(evidence, "jobs") or not (bad or good):
        return {"verdict": "unknown", **figures}
    if bad < 2:
        return {"verdict": "single" if bad else "none", **figures}
    switches = figures["switches"] = int(figure(jobs, "summary", "switches") or 0)
    if min(bad, good) < limits.least:
        return {"verdict": "unknown", **figures}
    periodic = hours.periodic()
    if periodic:
        return {"verdict": "periodic", **figures, **periodic}
    mixed = switches > 2 * (figure(jobs, "summary", "resources") or 0)
    return {"verdict": "random" if mixed and not hours.one_stands_out() else "unknown", **figures}


# ----------------------------------------------------------------------------------------------------- readiness


def dr_readiness(evidence: t.Any, settings: dict[str, t.Any]) -> dict[str, t.Any]:
    """Whether the destination can be relied on now: from matched, ready recovery points only, never from job states."""
    same = "source and destination are the same cluster: a copy there does not survive its loss"
    return readiness(
        evidence,
        settings,
        in_doubt=source_troubled(evidence),
        uncompared=uncompared(evidence),
        obstacle=("unknown", same) if same_cluster(evidence) else None,
    )


def uncompared(evidence: t.Any) -> list[str]:
    """Resources that are copied, but of which the source shows no backup; [] where the lists were cut."""
    jobs, lag, points = (step(evidence, name) for name in ("jobs", "copy_lag", "recovery_points"))
    if value(lag, "summary", "mapping") != "per_resource" or any(item.get("truncated") for item in (jobs, lag, points)):
        return []
    compared = {text(row, "resource") for row in rows(lag, "resources") + rows(points, "resources")}
    serving = {text(row, "copy_job") for row in rows(lag, "resources")}
    return sorted(
        name
        for row in rows(jobs, "resources")
        if (name := text(row, "resource")) and name not in compared and text(row, "job") not in serving
    )
