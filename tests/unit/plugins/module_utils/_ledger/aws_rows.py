# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points and copy jobs of AWS, told shortly: times are hours before noon."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import NamedTuple, Optional

from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import RecoveryPoint

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc).timestamp()
HOUR = 3600.0
DAY = 86400.0
SOURCE_VAULT = "arn:aws:backup:eu-west-1:111122223333:backup-vault:main"
DESTINATION_VAULT = "arn:aws:backup:eu-central-1:111122223333:backup-vault:main"
OTHER_VAULT = "arn:aws:backup:eu-west-3:111122223333:backup-vault:other"


class Origin(NamedTuple):
    """Of a job."""

    delete_after_days: Optional[int] = None


class Job(NamedTuple):
    """A copy job."""

    copy_job: str
    state: str
    created: float
    completed: Optional[float]
    source_point: str
    destination_point: Optional[str]
    resource_arn: str
    resource: str
    type: str
    message: Optional[str] = None
    origin: Origin = Origin()
    parent: Optional[str] = None


def volume(name):
    """The ARN of a volume."""
    return f"arn:aws:ec2:eu-west-1:111122223333:volume/{name}"


def point(name, hours, resource="orders", **more):
    """A completed point of a volume, backed up within a quarter of an hour; hours None has no date."""
    created = None if hours is None else NOON - hours * HOUR
    completed = None if created is None else created + 900
    row = {
        "arn": name,
        "resource_arn": volume(resource),
        "resource": resource,
        "type": "EBS",
        "status": "COMPLETED",
        "created": created,
        "completed": completed,
        "delete_at": None,
        "from_vault": None,
        "parent": None,
        "member": None,
        "is_parent": False,
        "rule": None,
        "message": None,
    }
    return RecoveryPoint(**{**row, **more})


def copy(name, hours, resource="orders", **more):
    """A point of the destination, which carries the date of its source."""
    return point(name, hours, resource, **{"from_vault": SOURCE_VAULT, **more})


def job(source, destination=None, state="COMPLETED", resource="orders", *, hours=1.0, took=1800.0, days=None, **more):
    """A copy job, created so many hours before noon."""
    created = NOON - hours * HOUR
    ended = created + took if state in ("COMPLETED", "FAILED", "PARTIAL") else None
    row = {
        "copy_job": f"JOB-{source}-{hours}",
        "state": state,
        "created": created,
        "completed": ended,
        "source_point": source,
        "destination_point": destination,
        "resource_arn": volume(resource),
        "resource": resource,
        "type": "EBS",
        "origin": Origin(days),
    }
    return Job(**{**row, **more})
