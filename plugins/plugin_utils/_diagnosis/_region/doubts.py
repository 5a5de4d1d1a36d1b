# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Messages that stand for several causes, and messages that the configuration as it is now does not bear out."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import is_failing
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.blame import (
    keys_used,
    perhaps_refused_by,
    refused_by,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    rows,
    step,
    text,
    texts,
    usable,
    value,
)

# What the words of a cause can mean as well. "Access denied" comes before refusals of the organization, of a key, and
# for vaults that do not exist.
STANDS_FOR: t.Mapping[str, t.FrozenSet[str]] = {
    "access_denied_generic": frozenset(
        {
            "vault_access_policy",
            "vault_not_found",
            "iam_source_role",
            "iam_role_trust",
            "iam_role_missing",
            "kms_key_policy",
            "kms_disabled",
            "kms_missing",
            "kms_default_managed_key_source",
            "kms_default_managed_key_dest",
            "region_disabled",
            "scp",
            "scp_rcp",
            "org_membership",
            "cross_account_disabled",
            "default_vault_cross_account",
        }
    ),
    "vault_access_policy": frozenset(
        {
            "vault_not_found",
            "iam_source_role",
            "org_membership",
            "cross_account_disabled",
            "default_vault_cross_account",
        }
    ),
    "iam_source_role": frozenset({"iam_role_trust", "iam_role_missing"}),
    "iam_role_missing": frozenset({"iam_source_role"}),
    "iam_role_trust": frozenset({"iam_role_missing"}),
    "kms_key_policy": frozenset({"kms_disabled", "kms_missing", "kms_default_managed_key_source"}),
    "kms_other": frozenset({"kms_key_policy", "kms_disabled", "kms_missing"}),
    "not_found_generic": frozenset({"vault_not_found", "source_rp_missing", "kms_missing"}),
    "source_rp_missing": frozenset({"source_cold"}),
    "invalid_parameters": frozenset({"unsupported_resource_type"}),
    "unsupported_combination": frozenset({"opt_in_disabled", "unsupported_resource_type", "advanced_features_off"}),
    "unsupported_resource_type": frozenset({"advanced_features_off", "unsupported_combination"}),
    "account_not_activated": frozenset({"region_disabled"}),
    "unsupported_region": frozenset({"region_disabled"}),
    "aws_transient": frozenset({"aws_service_event"}),
    "aws_fatal": frozenset({"aws_service_event"}),
}


_ACTION = re.compile(r"(?:perform:? ?|allows the )([a-z0-9-]{1,40}:[A-Za-z]{1,80})")


def doubts(evidence: t.Any, types: t.Mapping[str, str]) -> dict[str, str]:
    """{cause: what would confirm it} where the configuration now is not what the message blames.

    Only what was read can cast doubt. types: {resource: type}.
    """
    return {**_of_vaults(evidence), **_of_lock(evidence), **_of_keys(evidence, types), **_of_roles(evidence)}


def _of_vaults(evidence: t.Any) -> dict[str, str]:
    if not usable(evidence, "vaults"):
        return {}
    vaults = step(evidence, "vaults")
    found = {}
    verdict = value(vaults, "destination", "policy", "copy_into", "verdict")
    needed = value(vaults, "summary", "needs_policy")
    if verdict == "allowed" or (needed is False and verdict == "not_mentioned"):
        found["vault_access_policy"] = (
            "The destination vault's policy as it stands does not keep the copy out: start a copy again, or read in "
            "CloudTrail of the destination which call was refused."
        )
    if value(vaults, "destination", "exists") is True:
        found["vault_not_found"] = (
            "The destination vault exists: compare its ARN with the one in the message, or see when it was created."
        )
    if value(vaults, "cross_account", "enabled") is True:
        found["cross_account_disabled"] = "Copies between accounts are switched on by now: start a copy again."
    if value(vaults, "cross_account", "same_organization") is True:
        found["org_membership"] = "Both accounts are in one organization by now: start a copy again."
    return found


def _of_lock(evidence: t.Any) -> dict[str, str]:
    """Of the bounds of the vault's lock, where both they and all plans were read."""
    rules = step(evidence, "copy_rules")
    destination = value(step(evidence, "vaults"), "destination")
    described = text(destination, "outcome") == "ok" and value(destination, "locked") is not None
    unread = any((text(row, "what") or "").startswith("backup plan") for row in rows(rules, "denied"))
    kinds = {text(row, "kind") for row in rows(rules, "problems")}
    if not usable(evidence, "vaults") or not described:
        return {}
    if not usable(evidence, "copy_rules") or unread or not rows(rules, "rules"):
        return {}
    if kinds & {"retention_below_minimum", "retention_above_maximum"}:
        return {}
    return {
        "vault_lock_retention": (
            "The retention of the copies is inside the bounds of the lock by now: the next copy job will tell, or "
            "the versions of the plan and of the vault's lock at the time of the failure."
        )
    }


def _of_roles(evidence: t.Any) -> dict[str, str]:
    """Of the roles that copy, those of the failing copies among them, when all were read and none lacks anything."""
    roles = rows(step(evidence, "copy_rules"), "roles")
    known = {text(row, "arn") for row in roles} | {text(row, "role") for row in roles}
    used = {text(row, "role") for row in _failing(evidence)}
    if not usable(evidence, "copy_rules") or not roles or any(role and role not in known for role in used):
        return {}
    found = {}
    if all(row.get("exists") is True and row.get("trusts_backup") is True for row in roles):
        found["iam_role_trust"] = "The roles that copy exist and trust AWS Backup by now: start a copy again."
        found["iam_role_missing"] = found["iam_role_trust"]
    verdicts = [set(map(str, actions.values())) for row in roles if isinstance(actions := row.get("actions"), dict)]
    asked = [set(row["actions"]) for row in roles if isinstance(row.get("actions"), dict)]
    named = {found for row in _failing(evidence) for found in _ACTION.findall((text(row, "message") or ""))}
    unasked = any(not named <= actions for actions in asked)
    if verdicts and len(verdicts) == len(roles) and not unasked and all(told == {"allowed"} for told in verdicts):
        found["iam_source_role"] = (
            "The policies of the roles that copy allow all that copies need by now: start a copy again, and look for "
            "policies of the organization."
        )
    return found


def _failing(evidence: t.Any) -> list[Row]:
    return [row for row in rows(step(evidence, "copy_jobs"), "resources") if is_failing(row)]


def _of_keys(evidence: t.Any, types: t.Mapping[str, str]) -> dict[str, str]:
    """Of the keys, when the destination vault's was looked at, and those of all that fails."""
    keys = rows(step(evidence, "keys"), "kms_keys")
    if not usable(evidence, "keys") or not _all_seen(evidence, keys, types):
        return {}
    found = {}
    if all(row.get("enabled") is True for row in keys):
        found["kms_disabled"] = "All keys that were looked at are enabled now: start a copy again."
    if all(row.get("exists") is True for row in keys):
        found["kms_missing"] = "All keys that were looked at exist: compare their ARNs with the one in the message."
    if all(text(row, "policy", "outcome") == "ok" and not refused_by(row) + perhaps_refused_by(row) for row in keys):
        found["kms_key_policy"] = (
            "The policies of the keys as they stand let the copy in: read in CloudTrail of the destination which call "
            "on which key was refused, and whether a grant was revoked."
        )
    return found


def _all_seen(evidence: t.Any, keys: list[Row], types: t.Mapping[str, str]) -> bool:
    seen = {text(row, "arn") for row in keys}
    places = {place for row in keys for place in texts(row, "used_by")}
    used = [keys_used(evidence, types, text(row, "resource") or "") for row in _failing(evidence)]
    return "destination_vault" in places and all(arns is not None and arns <= seen for arns in used)
