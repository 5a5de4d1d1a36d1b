# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Whether the recovery point that a copy starts from can still be copied."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import member_of, stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import CopyJobRow
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import is_continuous

Json = t.Dict[str, t.Any]

_WHY = {"EXPIRED": "expired", "DELETING": "deleting", "STOPPED": "continuous"}
_GOOD = frozenset({"COMPLETED", "AVAILABLE", "PARTIAL"})


def describe_point(account: t.Any, vault: str, point: str) -> Json:
    """The recovery point of the source vault. Raises ReadFailed."""
    operation = "DescribeRecoveryPoint"
    found: Json = account.call("backup", operation, BackupVaultName=vault, RecoveryPointArn=point)
    member_of(found, "Status", operation)
    return found


def point_row(job: CopyJobRow, told: Json | None, failure: ReadFailed | None) -> Json:
    """The row of `source_points` for the point that the job copies."""
    gone = failure is not None and failure.outcome == "not_found"
    told = told or {}
    available, why = (None, None) if told == {} and not gone else _availability(job.source_point, told)
    kept = told.get("CalculatedLifecycle") or {}
    return {
        "resource": job.resource,
        "type": job.type,
        "copy_job": job.copy_job,
        "point": job.source_point,
        "status": told.get("Status"),
        "storage_class": told.get("StorageClass"),
        "exists": bool(told) if told or gone else None,
        "available": available,
        "why": why,
        "key_arn": told.get("EncryptionKeyArn"),
        "encrypted": told.get("IsEncrypted"),
        "created_at": stamp(moment(told.get("CreationDate"))),
        "delete_at": stamp(moment(kept.get("DeleteAt"))),
        "cold_at": stamp(moment(kept.get("MoveToColdStorageAt"))),
    }


def _availability(point: str, told: Json) -> tuple[bool | None, str | None]:
    """(whether it can be copied, why not). told: empty when there is no such point."""
    if not told:
        # A continuous point is copied by way of a snapshot that AWS Backup deletes again: gone as it should be.
        return (None, "continuous") if ":copyjob-" in point else (False, "gone")
    status, storage = str(told.get("Status")), told.get("StorageClass")
    if status in _WHY:
        return False, _WHY[status]
    if storage in ("COLD", "DELETED"):
        return False, "cold" if storage == "COLD" else "gone"
    if is_continuous(point):
        return False, "continuous"
    return (True, None) if status in _GOOD else (None, None)
