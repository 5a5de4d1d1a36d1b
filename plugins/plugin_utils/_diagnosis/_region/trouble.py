# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What is wrong with which resource of a region pair, and what a copy of another resource has disproved since."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time, rfc3339
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import BAD_STATES
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
    texts,
    value,
)

_BEHIND = frozenset({"lagging", "missing", "not_ready"})
# No job was ever made for the newest source point: too late already, or not yet.
_NO_JOB = frozenset({"never_started", "pending"})
_OPEN = frozenset({"CREATED", "RUNNING"})
_AWS_RETRIES = timedelta(hours=2)
_LATER = timedelta(hours=1)

# Defects that are one for a whole vault, rule, account or key: a copy that got through by the same way disproves them.
_OF_THE_WAY = (
    "vault_not_found",
    "vault_access_policy",
    "cross_account_disabled",
    "org_membership",
    "default_vault_cross_account",
)
_OF_THE_LOCK = ("vault_lock_retention",)
_OF_THE_KEY = ("kms_key_policy", "kms_default_managed_key_dest")


def behind(evidence: t.Any) -> list[str]:
    """Resources whose newest source point has no usable copy; where it has one, an old copy means an old backup."""
    return _names(
        row
        for row in rows(step(evidence, "recovery_points"), "resources")
        if text(row, "verdict") in _BEHIND and not _all_copied(row)
    )


def _all_copied(row: Row) -> bool:
    return text(row, "verdict") == "lagging" and text(row, "why") == "copied" and not figure(row, "behind_s")


def no_job(evidence: t.Any) -> list[str]:
    """Resources of whose newest source point no copy job was made, whatever became of the jobs before it."""
    return _names(
        row for row in rows(step(evidence, "recovery_points"), "resources") if text(row, "why") in _NO_JOB
    )


def lost(evidence: t.Any, failing: list[str]) -> dict[str, list[str]]:
    """{cause: [resources]} whose copies cannot be restored, although none of them fails: no vault, or no key to it.

    A resource that fails has a reason of its own, which may be another.
    """
    if value(step(evidence, "vaults"), "destination", "exists") is False:
        cause: str | None = "vault_not_found"
    else:
        key = destination_key(evidence)
        missing, disabled = key.get("exists") is False, key.get("enabled") is False
        cause = "kms_missing" if missing else "kms_disabled" if disabled else None
    copied = [*rows(step(evidence, "copy_jobs"), "resources"), *rows(step(evidence, "recovery_points"), "resources")]
    return {cause: sorted(set(_names(copied)) - set(failing))} if cause else {}


def destination_key(evidence: t.Any) -> Row:
    """The row of the destination vault's key, {} where it was not looked at."""
    for row in rows(step(evidence, "keys"), "kms_keys"):
        if "destination_vault" in texts(row, "used_by"):
            return row
    return {}


def moot(name: str, evidence: t.Any) -> bool:
    """There is nothing to read in a vault that is gone, whatever AWS says of whoever asks."""
    return name == "recovery_points" and value(step(evidence, "vaults"), "destination", "exists") is False


def backed_up_since(evidence: t.Any) -> list[str]:
    """Resources of which AWS Backup tried to make a backup, which ended badly: it is switched on for them."""
    return _names(row for row in rows(step(evidence, "copy_jobs"), "upstream") if row.get("latest") is True)


def outlived(evidence: t.Any, table: t.Mapping[str, dict[str, t.Any]]) -> dict[str, list[str]]:
    """{cause: [failing resources]} that the cause cannot explain: another's copy got through later, by the same way.

    The same way is the vault; of a lock also how long the copies are kept, which it takes or refuses; of the vault's
    key also the type. Only words that can mean the cause are refuted so, never words that name it.
    table: what messages say.
    """
    kept = {
        (text(row, "plan"), text(row, "rule")): figure(row, "delete_after_days")
        for row in rows(step(evidence, "copy_rules"), "rules")
    }
    jobs = [
        {**row, "kept": kept.get((text(row, "plan"), text(row, "rule"))) or (text(row, "plan"), text(row, "rule"))}
        for row in rows(step(evidence, "copy_jobs"), "resources")
    ]
    failed = [row for row in jobs if text(row, "state") in BAD_STATES and text(row, "completed_at")]
    good = [row for row in jobs if text(row, "last_success_at") or text(row, "state") == "COMPLETED"]
    gone = lost(evidence, [])
    found: dict[str, list[str]] = {}
    for causes, same in (
        (_OF_THE_WAY, ()),
        (_OF_THE_LOCK, ("kept",)),
        (_OF_THE_KEY if _only_destination_keys(evidence) else (), ("type",)),
    ):
        names = _names(row for row in failed if any(_after(row, other, same) for other in good))
        for cause in causes:
            named = (table.get(cause) or {}).get("resources") or []
            if cause not in gone and (left := sorted(set(names) - set(named))):
                found[cause] = left
    return found


def _after(row: Row, other: Row, same: tuple[str, ...]) -> bool:
    """Whether the other's newest copy was made after the failure and came to a good end, by the same way."""
    made, failed = text(other, "created_at") or "", text(row, "completed_at") or ""
    return (
        text(other, "state") == "COMPLETED"
        and made > failed
        and all(row.get(name) == other.get(name) for name in same)
    )


def _only_destination_keys(evidence: t.Any) -> bool:
    """Whether no key but the destination vault's has a defect: the others are each the matter of some points only."""
    return all(
        row.get("enabled") is True and text(row, "policy", "outcome") == "ok"
        for row in rows(step(evidence, "keys"), "kms_keys")
        if text(row, "side") != "destination"
    )


def under_way(evidence: t.Any, affected: list[str], failing: list[str]) -> list[Row]:
    """Copies that are being made of what is behind: resource, job, since when, and when to look again."""
    windows = {text(row, "copy_job"): row for row in rows(step(evidence, "copy_lag"), "resources")}
    found = []
    for row in rows(step(evidence, "copy_jobs"), "jobs"):
        name = text(row, "resource")
        if text(row, "state") not in _OPEN or row.get("composite") or row.get("stuck") is True:
            continue
        if name not in affected or name in failing or row.get("sibling_running") is True:
            continue
        found.append(
            {
                "resource": name,
                "copy_job": text(row, "copy_job"),
                "state": text(row, "state"),
                "since": text(row, "created_at"),
                "look_again_at": _look_again(row, windows.get(text(row, "copy_job"), {}), evidence),
            }
        )
    return sorted(found, key=lambda item: (item["since"] or "", item["resource"] or ""))


def _look_again(row: Row, lag: Row, evidence: t.Any) -> str | None:
    """When AWS stops trying again, or the window of the copy closes; in an hour where that is past."""
    now = parse_time(text(step(evidence, "copy_jobs"), "observed_at"))
    created, completed = parse_time(text(row, "created_at")), parse_time(text(lag, "completed_at"))
    window_s = figure(lag, "window_s")
    if now is None:
        return None
    try:
        if text(row, "state") == "CREATED" and created:
            end = created + _AWS_RETRIES
        elif completed and window_s is not None:
            end = completed + timedelta(seconds=window_s)
        else:
            end = now
        due = end if end > now else now + _LATER
    except OverflowError:  # a time that no calendar holds
        return None
    return rfc3339(due)


def copies_in_place(evidence: t.Any, facts: t.Mapping[str, t.Any]) -> bool:
    """Whether every copy that could be made is there, so that what is wrong is wrong with the backups themselves."""
    points = rows(step(evidence, "recovery_points"), "resources")
    broken = ("failing", "behind", "late", "stuck", "waiting", "arrived_not", "uncopied")
    return bool(points) and not facts["lost"] and not any(facts[name] for name in broken) and all(
        text(row, "why") == "copied" for row in points
    )


def _names(found: t.Iterable[Row]) -> list[str]:
    return sorted({name for row in found if (name := text(row, "resource"))})
