# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What proves the hops of the way from a source backup to its copy in the other Region."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Citation,
    about_first,
    citation,
    figure,
    rows,
    step,
    text,
    usable,
    value,
)


def proofs(evidence: t.Any, facts: dict[str, t.Any], resources: t.Collection[str]) -> dict[str, Citation]:
    """{hop: the observation that proves it} for these resources."""
    found = {
        "source_backup": None if facts["upstream_troubled"] else _points(evidence),
        "source_point": _available(evidence, facts, resources),
        "copy_rule": _copying(evidence, facts, resources),
        "copy_job": _job(evidence, facts, resources),
        "authorization": _authorized(evidence),
        "encryption": _keys_open(evidence, facts),
    }
    return {hop: proof for hop, proof in found.items() if proof}


def _points(evidence: t.Any) -> Citation | None:
    newest = text(step(evidence, "copy_lag"), "source_health", "newest_at")
    if usable(evidence, "copy_lag") and newest:
        return citation("copy_lag", "source_health.newest_at", newest)
    points = figure(step(evidence, "recovery_points"), "summary", "source_points")
    if usable(evidence, "recovery_points") and points:
        return citation("recovery_points", "summary.source_points", points)
    return None


def _available(evidence: t.Any, facts: dict[str, t.Any], resources: t.Collection[str]) -> Citation | None:
    """Of failing copies by their own source points; where none fails, what is in the source vault will do."""
    if not facts["failing"]:
        return _points(evidence)
    found = [(index, row) for index, row in enumerate(rows(step(evidence, "copy_job_detail"), "source_points"))]
    about = [(index, row) for index, row in found if text(row, "resource") in facts["failing"]]
    if not about or not all(row.get("available") is True for dummy, row in about):
        return None
    index, row = next(((at, row) for at, row in about if text(row, "resource") in resources), about[0])
    return citation("copy_job_detail", f"source_points[{index}].status", text(row, "status"), text(row, "created_at"))


def _copying(evidence: t.Any, facts: dict[str, t.Any], resources: t.Collection[str]) -> Citation | None:
    """A rule copies to the destination; a copy job that was started shows it as well, with a rule or without one."""
    copying = figure(step(evidence, "copy_rules"), "summary", "copying")
    if usable(evidence, "copy_rules") and copying:
        return citation("copy_rules", "summary.copying", copying)
    return _job(evidence, facts, resources) if facts["failing"] else None


def _job(evidence: t.Any, facts: dict[str, t.Any], resources: t.Collection[str]) -> Citation | None:
    if not facts["found_jobs"] or not usable(evidence, "copy_jobs") or facts["uncopied"]:
        return None
    for index, row in about_first(rows(step(evidence, "copy_jobs"), "resources"), resources):
        if text(row, "copy_job"):
            return citation("copy_jobs", f"resources[{index}].copy_job", text(row, "copy_job"), text(row, "created_at"))
    return citation("copy_jobs", "summary.jobs", figure(step(evidence, "copy_jobs"), "summary", "jobs"))


def _authorized(evidence: t.Any) -> Citation | None:
    """The vault's policy lets the copies in, and the roles may make them."""
    vaults, roles = step(evidence, "vaults"), rows(step(evidence, "copy_rules"), "roles")
    verdict = value(vaults, "destination", "policy", "copy_into", "verdict")
    within = value(vaults, "summary", "needs_policy") is False and verdict in ("allowed", "not_mentioned")
    told = [actions for row in roles if isinstance(actions := row.get("actions"), dict)]
    allowed = (
        usable(evidence, "vaults")
        and (verdict == "allowed" or within)
        and bool(told)
        and all(row.get("trusts_backup") is True for row in roles)
        and all(verdict == "allowed" for actions in told for verdict in actions.values())
    )
    return citation("copy_rules", "roles[].actions", told) if allowed else None


def _keys_open(evidence: t.Any, facts: dict[str, t.Any]) -> Citation | None:
    keys = rows(step(evidence, "keys"), "keys")
    open_keys = (
        usable(evidence, "keys")
        and bool(keys)
        and not facts["keys_refusing"]
        and not facts["keys_in_doubt"]
        and all(row.get("enabled") is True and text(row, "policy", "outcome") == "ok" for row in keys)
    )
    return citation("keys", "keys[].state", [row.get("state") for row in keys]) if open_keys else None
