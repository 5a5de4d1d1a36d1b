# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What proves the hops of the way from a source backup to its copy in the other Region."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Citation,
    citation,
    figure,
    rows,
    rows_about,
    step,
    text,
    usable,
    value,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.facts import source_backup


def proofs(evidence: t.Any, facts: dict[str, t.Any], resource: str) -> dict[str, Citation]:
    """{hop: the observation that proves it} for the newest copy of the resource."""
    made = None if resource in facts["upstream_troubled"] else source_backup(evidence, resource)
    found = {
        "source_backup": made,
        "source_point": _available(evidence, resource) if resource in facts["failing"] else made,
        "copy_rule": _copying(evidence, facts, resource),
        "copy_job": None if resource in facts["uncopied"] else _job(evidence, resource),
        "authorization": _authorized(evidence, resource),
        "encryption": _keys_open(evidence, facts),
    }
    return {hop: proof for hop, proof in found.items() if proof}


def _available(evidence: t.Any, resource: str) -> Citation | None:
    """Of a copy that fails by its own source point: another one of the resource may well be there."""
    for index, row in rows_about(evidence, "copy_job_detail", "source_points", resource):
        if row.get("available") is True:
            path = f"source_points[{index}].status"
            return citation("copy_job_detail", path, text(row, "status"), text(row, "created_at"))
    return None


def _copying(evidence: t.Any, facts: dict[str, t.Any], resource: str) -> Citation | None:
    """A rule copies to the destination; a copy job that was started shows it as well, with a rule or without one."""
    copying = figure(step(evidence, "copy_rules"), "summary", "copying")
    if usable(evidence, "copy_rules") and copying:
        return citation("copy_rules", "summary.copying", copying)
    return _job(evidence, resource) if resource in facts["failing"] else None


def _job(evidence: t.Any, resource: str) -> Citation | None:
    for index, row in rows_about(evidence, "copy_jobs", "resources", resource):
        if text(row, "copy_job"):
            return citation("copy_jobs", f"resources[{index}].copy_job", text(row, "copy_job"), text(row, "created_at"))
    return None


def _authorized(evidence: t.Any, resource: str) -> Citation | None:
    """The vault's policy lets the copies in, and the role that makes those of the resource may do all that it must."""
    vaults = step(evidence, "vaults")
    verdict = value(vaults, "destination", "policy", "copy_into", "verdict")
    within = value(vaults, "summary", "needs_policy") is False and verdict in ("allowed", "not_mentioned")
    if not usable(evidence, "vaults") or not usable(evidence, "copy_rules") or not (verdict == "allowed" or within):
        return None
    made_by = {text(row, "role") for dummy, row in rows_about(evidence, "copy_jobs", "resources", resource)}
    roles = list(enumerate(rows(step(evidence, "copy_rules"), "roles")))
    own = [(index, row) for index, row in roles if text(row, "arn") in made_by or text(row, "role") in made_by]
    if not own or not all(_may_copy(row) for dummy, row in own):
        return None
    index, row = own[0]
    return citation("copy_rules", f"roles[{index}].actions", row["actions"])


def _may_copy(role: dict[str, t.Any]) -> bool:
    actions = role.get("actions")
    allowed = isinstance(actions, dict) and bool(actions) and all(told == "allowed" for told in actions.values())
    return role.get("trusts_backup") is True and allowed


def _keys_open(evidence: t.Any, facts: dict[str, t.Any]) -> Citation | None:
    keys = rows(step(evidence, "keys"), "kms_keys")
    open_keys = (
        usable(evidence, "keys")
        and bool(keys)
        and not facts["keys_refusing"]
        and not facts["keys_in_doubt"]
        and all(row.get("enabled") is True and text(row, "policy", "outcome") == "ok" for row in keys)
    )
    return citation("keys", "kms_keys[].state", [row.get("state") for row in keys]) if open_keys else None
