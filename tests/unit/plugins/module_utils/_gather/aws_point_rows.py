# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points, copy jobs and backup jobs as AWS's JSON has them, and accounts that hold them."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DESTINATION,
    HOUR,
    NOW_S,
    SOURCE,
    FakeAccount,
    FakeClients,
    vault_arn,
)

from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_jobs

REGIONS = {"source": "eu-west-1", "destination": "eu-central-1"}
ACCOUNTS = {"source": SOURCE, "destination": DESTINATION}
VAULTS = {side: vault_arn(REGIONS[side], ACCOUNTS[side]) for side in REGIONS}
VAULTS_FEED = {"source_arn": VAULTS["source"], "destination_arn": VAULTS["destination"]}


def volume(name):
    """The ARN of a volume."""
    return f"arn:aws:ec2:eu-west-1:{SOURCE}:volume/{name}"


def snapshot(side, name):
    """The ARN of a recovery point that is a snapshot."""
    return f"arn:aws:ec2:{REGIONS[side]}::snapshot/{name}"


def point(side, name, hours, resource="orders", **more):
    """A recovery point whose data is so many hours old; the backup took fifteen minutes."""
    created = NOW_S - hours * HOUR
    row = {
        "RecoveryPointArn": snapshot(side, name),
        "BackupVaultName": "main",
        "BackupVaultArn": VAULTS[side],
        "ResourceArn": volume(resource),
        "ResourceName": resource,
        "ResourceType": "EBS",
        "Status": "COMPLETED",
        "CreationDate": created,
        "CompletionDate": created + 900,
        "CalculatedLifecycle": {"DeleteAt": created + 35 * 24 * HOUR},
        "IsParent": False,
        "CreatedBy": {"BackupPlanId": "plan", "BackupRuleId": "daily"},
    }
    if side == "destination":
        row["SourceBackupVaultArn"] = VAULTS["source"]
    return {**row, **more}


def job(name, source, destination=None, resource="orders", *, hours, took_s=1800.0, state="COMPLETED", **more):
    """A copy job that was created so many hours ago."""
    created = NOW_S - hours * HOUR
    row = {
        "CopyJobId": name,
        "State": state,
        "CreationDate": created,
        "SourceBackupVaultArn": VAULTS["source"],
        "DestinationBackupVaultArn": VAULTS["destination"],
        "SourceRecoveryPointArn": snapshot("source", source),
        "ResourceArn": volume(resource),
        "ResourceName": resource,
        "ResourceType": "EBS",
        "IsParent": False,
    }
    if state in ("COMPLETED", "FAILED", "PARTIAL"):
        row["CompletionDate"] = created + took_s
    if destination:
        row["DestinationRecoveryPointArn"] = snapshot("destination", destination)
    return {**row, **more}


def backup_job(name, state, resource="orders", *, hours, **more):
    """A backup job that ended so many hours ago."""
    row = {
        "BackupJobId": name,
        "State": state,
        "BackupVaultName": "main",
        "BackupVaultArn": VAULTS["source"],
        "CreationDate": NOW_S - (hours + 1) * HOUR,
        "CompletionDate": NOW_S - hours * HOUR,
        "ResourceArn": volume(resource),
        "ResourceName": resource,
        "ResourceType": "EBS",
    }
    return {**row, **more}


def clients(source=(), destination=(), jobs=(), backups=(), **replies):
    """Both sides. Lists may be given as a ReadFailed; replies: further ones of the destination."""
    left = FakeAccount(
        "source",
        REGIONS["source"],
        SOURCE,
        {
            "backup:ListRecoveryPointsByBackupVault": listed("RecoveryPoints", source),
            "backup:ListCopyJobs": listed("CopyJobs", jobs),
            "backup:ListBackupJobs": listed("BackupJobs", backups),
        },
    )
    right = FakeAccount(
        "destination",
        REGIONS["destination"],
        DESTINATION,
        {
            "backup:ListRecoveryPointsByBackupVault": listed("RecoveryPoints", destination),
            "backup:ListCopyJobs": {"CopyJobs": []},
            "sts:GetCallerIdentity": {"Account": DESTINATION},
            **replies,
        },
    )
    return FakeClients(left, right)


def listed(member, rows):
    """Pages of two rows each, or the refusal itself."""
    if isinstance(rows, Exception):
        return rows
    rows = list(rows)
    return [{member: rows[start : start + 2]} for start in range(0, len(rows), 2)] or [{member: []}]


def packed_jobs(*rows):
    """feed.jobs of the copy job step."""
    reader = _aws_jobs.JobReader()
    return _aws_jobs.pack_jobs([reader.row(row) for row in rows])
