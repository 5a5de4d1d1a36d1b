# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import botocore.exceptions
import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws_failures import Asked, read_failed

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
VAULT = "arn:aws:backup:eu-central-1:111122223333:backup-vault:main"
POINT = "arn:aws:ec2:eu-west-1::snapshot/snap-1"
ROLE = "arn:aws:iam::111122223333:role/copy"
REFUSED = {"Error": {"Code": "AccessDeniedException", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "action", "resource"),
    [
        ("backup", "ListCopyJobs", {"ByDestinationVaultArn": VAULT}, "backup:ListCopyJobs", "*"),
        ("backup", "DescribeBackupVault", {"BackupVaultName": "main"}, "backup:DescribeBackupVault", "*"),
        (
            "backup",
            "DescribeRecoveryPoint",
            {"BackupVaultName": "main", "RecoveryPointArn": POINT},
            "backup:DescribeRecoveryPoint",
            POINT,
        ),
        ("kms", "GetKeyPolicy", {"KeyId": KEY}, "kms:GetKeyPolicy", KEY),
        ("kms", "ListGrants", {"KeyId": KEY, "GranteePrincipal": ROLE}, "kms:ListGrants", KEY),
        ("kms", "DescribeKey", {"KeyId": KEY.replace("key/", "alias/")}, "kms:DescribeKey", "*"),
        ("kms", "ListAliases", {"KeyId": KEY}, "kms:ListAliases", "*"),
        ("sts", "AssumeRole", {"RoleArn": ROLE}, "sts:AssumeRole", ROLE),
        ("service-quotas", "GetServiceQuota", {"ServiceCode": "backup"}, "servicequotas:GetServiceQuota", "*"),
    ],
)
def test_the_grant_would_allow_the_call(service, operation, arguments, action, resource):
    asked = Asked(service, operation, arguments, "eu-west-1", "source", {}, (), 20.0)
    failure = read_failed(asked, botocore.exceptions.ClientError(REFUSED, operation))
    assert failure.outcome == "forbidden"
    assert failure.grant == {
        "kind": "iam",
        "statement": {"Effect": "Allow", "Action": action, "Resource": resource},
    }
