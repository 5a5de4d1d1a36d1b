# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Facts that every kind of target derives alike. Pure: the same bundle gives the same facts."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Cause
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Citation,
    Row,
    citation,
    figure,
    rows,
    rows_about,
    step,
    text,
    usable,
    value,
)

# What is not said of a resource's latest bad run may be long past: it can suggest a cause, and prove none.
_PAST_WEIGHT = 0.3


def cause_table(
    atoms: list[Atom],
    failing: set[str],
    causes: t.Mapping[str, Cause],
    telling: t.Mapping[str, set[str]] | None = None,
) -> dict[str, dict[str, t.Any]]:
    """What speaks for each cause.

    telling: {resource: jobs that are about now}; what another job of the resource said, or a recovery point's error, is
    past and weighs little. It adds no resource to a cause that others fail for now.

    An atom counts when its resource is failing, or when it names no resource but something is failing (an event of a
    namespace, say), which then carries half the weight. A retry line of a copy that succeeded says nothing.
    """
    table: dict[str, dict[str, t.Any]] = {}
    only_past: dict[str, set[str]] = {}
    for atom in atoms:
        if atom.cause not in causes or not failing or (atom.resource and atom.resource not in failing):
            continue
        entry = table.setdefault(
            atom.cause,
            {
                **{"weight": 0.0, "count": 0, "sure": False, "confirm_by": None},
                **{name: [] for name in ("resources", "jobs", "recorders", "steps", "signatures")},
            },
        )
        weight = atom.weight if atom.resource else atom.weight / 2
        now = (telling or {}).get(atom.resource or "")
        past = atom.recorder == "ledger" or bool(atom.job and now and atom.job not in now)
        if past:
            weight = min(weight, _PAST_WEIGHT)
        entry["count"] += 1
        entry["sure"] = entry["sure"] or (atom.confirm_by is None and weight > _PAST_WEIGHT)
        entry["confirm_by"] = entry["confirm_by"] or atom.confirm_by
        if (weight, atom.at or "") > (entry["weight"], (entry.get("best") or {}).get("at") or ""):
            entry["weight"] = weight
            entry["best"] = citation(atom.step, atom.path, atom.text, atom.at)
            entry["fix"] = atom.fix
            entry["alternatives"] = list(atom.alternatives)
        if past and atom.resource:
            only_past.setdefault(atom.cause, set()).add(atom.resource)
        for name, found in (
            ("resources", None if past else atom.resource),
            ("jobs", atom.job),
            ("recorders", None if past else atom.recorder),
            ("steps", atom.step),
            ("signatures", atom.signature),
        ):
            if found and found not in entry[name]:
                entry[name].append(found)
    for cause, entry in table.items():
        entry["resources"] = sorted(entry["resources"] or only_past.get(cause, ()))
    return table


def grouped(own: t.Mapping[str, dict[str, t.Any]], causes: t.Mapping[str, Cause]) -> dict[str, dict[str, list[str]]]:
    """{groups: {runbook class: [resources]}, kinds: {network|data|neither: [causes]}} of the causes that speak."""
    groups: dict[str, list[str]] = {}
    kinds: dict[str, list[str]] = {}
    for name, entry in own.items():
        found = groups.setdefault(causes[name].runbook_class, [])
        found.extend(item for item in entry["resources"] if item not in found)
        kinds.setdefault(causes[name].kind, []).append(name)
    return {"groups": groups, "kinds": kinds}


def telling_causes(
    table: t.Mapping[str, dict[str, t.Any]], causes: t.Mapping[str, Cause]
) -> dict[str, dict[str, t.Any]]:
    """Those that can be a root cause: no symptom, and more than a retry speaks for them."""
    return {name: entry for name, entry in table.items() if not causes[name].symptom and entry["weight"] > 0.2}


def named(holder: Row, name: str, verdicts: frozenset[str], column: str = "verdict") -> list[str]:
    """The resources of the rows that have one of the verdicts."""
    return sorted(
        {found for row in rows(holder, name) if text(row, column) in verdicts and (found := text(row, "resource"))}
    )


def source_backup(evidence: t.Any, resource: str) -> Citation | None:
    """The newest usable backup of the resource in the source, by the ledger or by the lag."""
    for step_name, member in (("recovery_points", "newest_source_at"), ("copy_lag", "point_in_time")):
        for index, row in rows_about(evidence, step_name, "resources", resource):
            if text(row, member):
                return citation(step_name, f"resources[{index}].{member}", text(row, member))
    return None


# ----------------------------------------------------------------------------------------------------- readiness


def readiness(
    evidence: t.Any,
    settings: dict[str, t.Any],
    *,
    in_doubt: t.Container[str],
    uncompared: list[str],
    obstacle: tuple[str, str] | None,
) -> dict[str, t.Any]:
    """Whether the destination can be relied on now: from matched, ready recovery points only, never from job states.

    in_doubt: resources whose source backup is not to be trusted. uncompared: resources that are copied, but of which
    the source shows no backup. obstacle: (verdict, reason) that no list of points can outweigh.
    """
    points = step(evidence, "recovery_points")
    rpo_s = figure(settings, "rpo_s")
    if rpo_s is None:
        rpo_s = figure(points, "summary", "rpo_s")
    answer: dict[str, t.Any] = {
        "verdict": "unknown",
        "rpo_s": rpo_s,
        "worst_exposure_s": figure(points, "summary", "worst_exposure_s"),
        "resources": [],
        "reason": None,
    }
    if not usable(evidence, "recovery_points") or value(points, "summary", "compared") is False:
        answer["reason"] = "recovery points could not be compared with the source's backups"
        return answer
    if obstacle:
        answer["verdict"], answer["reason"] = obstacle
        return answer
    verdicts = []
    for row in rows(points, "resources"):
        verdict = resource_readiness(row, rpo_s)
        if verdict == "ready" and text(row, "resource") in in_doubt:
            verdict = "unknown"  # a good copy of a backup that is itself in doubt
        verdicts.append(verdict)
        answer["resources"].append(
            {
                "resource": row.get("resource"),
                "verdict": verdict,
                "exposure_s": figure(row, "exposure_s"),
                "exposure_error_s": figure(row, "exposure_error_s"),
                "newest_matched_at": text(row, "newest_matched_at"),
                "behind_s": figure(row, "behind_s"),
            }
        )
    unshown = int(figure(points, "total", "resources") or 0) - len(verdicts)
    if "not_ready" in verdicts:
        answer["verdict"] = "not_ready"
    elif not verdicts:
        answer["reason"] = "no source backup was found to compare with"
    elif rpo_s is None:
        answer["reason"] = "no RPO was given to hold the exposure against"
    elif "unknown" in verdicts:
        answer["reason"] = "some resources have no recovery point whose time and content are known to be good"
    elif uncompared:
        answer["verdict"] = "unknown"
        answer["reason"] = f"no source backup was found of {', '.join(uncompared[:5])}"
    else:
        answer["verdict"] = "ready"
    if unshown > 0:
        answer["resources_not_shown"] = unshown
    return answer


def resource_readiness(row: Row, rpo_s: float | None) -> str:
    """ready | not_ready | unknown of one resource; the uncertainty must not decide it."""
    if text(row, "verdict") in ("missing", "not_ready"):
        return "not_ready"
    exposure, error = figure(row, "exposure_s"), figure(row, "exposure_error_s") or 0.0
    if exposure is None or rpo_s is None or text(row, "verdict") == "unknown":
        return "unknown"
    if exposure - error > rpo_s:
        return "not_ready"
    return "ready" if exposure + error <= rpo_s else "unknown"
