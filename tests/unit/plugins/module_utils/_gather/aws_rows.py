# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of AWS Backup in the shape of its JSON, for the fake accounts. Ages are hours before NOW."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    HOUR,
    NOW_S,
    SOURCE,
    vault_arn,
)

ROLE = f"arn:aws:iam::{SOURCE}:role/service-role/AWSBackupDefaultServiceRole"
HERE = vault_arn("eu-west-1")
THERE = vault_arn("eu-central-1")


def job_id(number):
    """A job id as AWS writes it."""
    return f"{number:08X}-0000-4000-8000-{number:012X}"


def volume(name):
    """The ARN of a volume."""
    return f"arn:aws:ec2:eu-west-1:{SOURCE}:volume/vol-{name}"


def copy(number, name="orders", *, age=10.0, took=0.5, state="COMPLETED", message=None, plan="nightly", **more):
    """A copy job that was created so many hours ago and took so many hours."""
    job = {
        "AccountId": SOURCE,
        "CopyJobId": job_id(number),
        "SourceBackupVaultArn": HERE,
        "SourceRecoveryPointArn": f"arn:aws:ec2:eu-west-1::snapshot/snap-{number:017x}",
        "DestinationBackupVaultArn": THERE,
        "ResourceArn": volume(name),
        "ResourceName": name,
        "ResourceType": "EBS",
        "CreationDate": NOW_S - age * HOUR,
        "State": state,
        "BackupSizeInBytes": 1073741824,
        "IamRoleArn": ROLE,
        "IsParent": False,
        "DestinationRecoveryPointLifecycle": {"DeleteAfterDays": 35},
    }
    if plan:
        job["CreatedBy"] = {
            "BackupPlanId": f"{plan}-id",
            "BackupPlanName": plan,
            "BackupPlanVersion": "v1",
            "BackupRuleId": f"{plan}-rule-id",
            "BackupRuleName": f"{plan}-rule",
        }
    if state not in ("CREATED", "RUNNING"):
        job["CompletionDate"] = NOW_S - (age - took) * HOUR
        job["MessageCategory"] = "SUCCESS" if state == "COMPLETED" else "MISCELLANEOUS"
    if state == "COMPLETED":
        job["DestinationRecoveryPointArn"] = f"arn:aws:ec2:eu-central-1::snapshot/snap-{number + 2**32:017x}"
    if message:
        job["StatusMessage"] = message
    job.update(more)
    return job


def backup(number, name="orders", *, age=10.0, took=0.2, state="COMPLETED", message=None, **more):
    """A backup job of the source vault."""
    job = {
        "BackupJobId": job_id(number),
        "BackupVaultName": "main",
        "BackupVaultArn": HERE,
        "ResourceArn": volume(name),
        "ResourceName": name,
        "ResourceType": "EBS",
        "CreationDate": NOW_S - age * HOUR,
        "State": state,
        "IsParent": False,
        "CreatedBy": {"BackupPlanId": "nightly-id", "BackupPlanName": "nightly", "BackupRuleName": "nightly-rule"},
    }
    if state not in ("CREATED", "PENDING", "RUNNING"):
        job["CompletionDate"] = NOW_S - (age - took) * HOUR
    if message:
        job["StatusMessage"] = message
    job.update(more)
    return job
