# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vaults and recovery points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lab.aws import iam
from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.operations.backup_common import arn, equals, limited, only, with_token
from lab.aws.paging import Newest, page, page_of, read_token
from lab.aws.world import Place, Row

_RDS_LEAST_PAGE = 20
_POINT_FILTERS = {
    "ByResourceArn": "ResourceArn",
    "ByResourceType": "ResourceType",
    "ByParentRecoveryPointArn": "ParentRecoveryPointArn",
}


def _vault_arn(place: Place, call: Call) -> str:
    return arn(place, "backup-vault", call.params["BackupVaultName"], call.params.get("BackupVaultAccountId"))


def _point_arn(place: Place, call: Call) -> str:
    return str(call.params["RecoveryPointArn"])


def _home(place: Place, call: Call) -> Place:
    """Return where the vault lies: the caller's account, or the one that shares it with the caller."""
    owner = call.params.get("BackupVaultAccountId", call.account)
    return place if owner == call.account else place.world.place(owner, place.region)


def _vault(place: Place, call: Call) -> Row:
    """Return a vault that the caller may see.

    AWS does not tell a vault that does not exist from one that is not the caller's, unless the story says so.
    """
    home, name = _home(place, call), call.params["BackupVaultName"]
    row = home.row("vaults", BackupVaultName=name)
    if row is None and home is place and place.settings.get("missing_vault") == "not_found":
        raise AwsError("ResourceNotFoundException", f"Backup vault with name {name} does not exist.")
    if row is None or (home is not place and call.account not in row.get("_shared_with", ())):
        raise AwsError("AccessDeniedException", "Insufficient privileges to perform this action.", 403)
    _heed_vault_policy(place, call, row)
    return row


def _heed_vault_policy(place: Place, call: Call, row: Row) -> None:
    """Refuse what the vault's own policy denies its readers."""
    if not row.get("_policy"):
        return
    resource = row["BackupVaultArn"]
    context = iam.call_context(place.world, call.identity, call.region, resource, call.now)
    ask = iam.Ask(f"backup:{call.operation}", resource, context)
    names = iam.principal_names(place.world, call.identity) | iam.account_names(call.identity)
    verdict = iam.evaluate_resource(json.loads(row["_policy"]), names, ask)
    if verdict.explicit:
        raise iam.access_denied("rest-json", iam.refusal(call.identity, ask, verdict))


def list_backup_vaults(place: Place, call: Call) -> dict[str, Any]:
    """Return the vaults of this place; with ByShared those that other accounts share with it."""
    rows: list[Row] = list(place.all("vaults"))
    if call.params.get("ByShared"):
        others = (other for other in place.world.places.values() if other.region == place.region and other is not place)
        rows = [row for other in others for row in other.all("vaults") if call.account in row.get("_shared_with", ())]
    wanted = equals(call, {"ByVaultType": "VaultType"})
    rows, token = page(call, [row for row in rows if wanted(row)], limited(place, call), call.params.get("NextToken"))
    return with_token({"BackupVaultList": [only(row, "ListBackupVaults", "BackupVaultList") for row in rows]}, token)


def describe_backup_vault(place: Place, call: Call) -> dict[str, Any]:
    """Return one vault."""
    return only(_vault(place, call), "DescribeBackupVault")


def get_backup_vault_access_policy(place: Place, call: Call) -> dict[str, Any]:
    """Return the vault's policy; a vault without one is "not found" too."""
    row = _vault(place, call)
    if not row.get("_policy"):
        raise AwsError("ResourceNotFoundException", "The access policy of the backup vault does not exist.")
    return {**_vault_names(row), "Policy": row["_policy"]}


def get_backup_vault_notifications(place: Place, call: Call) -> dict[str, Any]:
    """Return where the vault's events go: "_notifications" with SNSTopicArn and BackupVaultEvents."""
    row = _vault(place, call)
    if not row.get("_notifications"):
        raise AwsError("ResourceNotFoundException", "The backup vault has no notifications.")
    return {**_vault_names(row), **row["_notifications"]}


def _vault_names(row: Row) -> dict[str, Any]:
    return {"BackupVaultName": row["BackupVaultName"], "BackupVaultArn": row["BackupVaultArn"]}


def _newest_by(place: Place, member: str) -> dict[str, Newest]:
    """Return the order of the recovery points of each vault, or resource."""

    def build(rows: Sequence[Row]) -> dict[str, Newest]:
        groups: dict[str, list[tuple[int, datetime]]] = {}
        for at, row in enumerate(rows):
            groups.setdefault(row[member], []).append((at, row["CreationDate"]))
        return {key: Newest.of(times) for key, times in groups.items()}

    return place.index("recovery_points", f"newest by {member}", build)


_NOTHING = Newest([], [])


def list_recovery_points_by_backup_vault(place: Place, call: Call) -> dict[str, Any]:
    """Return the recovery points of a vault, newest data first: a copy carries the creation date of its source."""
    _vault(place, call)
    home, params = _home(place, call), call.params
    plan, equal = params.get("ByBackupPlanId"), equals(call, _POINT_FILTERS)
    start = int(read_token(call, params["NextToken"])) if "NextToken" in params else 0
    pairs = (
        _newest_by(home, "BackupVaultName")
        .get(params["BackupVaultName"], _NOTHING)
        .read(
            home.all("recovery_points"),
            lambda row: equal(row) and plan in (None, row.get("CreatedBy", {}).get("BackupPlanId")),
            start,
            after=params.get("ByCreatedAfter"),
            before=params.get("ByCreatedBefore"),
        )
    )
    rows, token = page_of(call, pairs, limited(place, call))
    return with_token({"RecoveryPoints": [only(row, call.operation, "RecoveryPoints") for row in rows]}, token)


def list_recovery_points_by_resource(place: Place, call: Call) -> dict[str, Any]:
    """Return the recovery points of a resource in all vaults of this place, with fewer members."""
    params = call.params
    if ":rds:" in params["ResourceArn"] and params.get("MaxResults", _RDS_LEAST_PAGE) < _RDS_LEAST_PAGE:
        raise AwsError("InvalidParameterValueException", "For RDS resources maxResults must be at least 20.")
    start = int(read_token(call, params["NextToken"])) if "NextToken" in params else 0
    order = _newest_by(place, "ResourceArn").get(params["ResourceArn"], _NOTHING)
    rows, token = page_of(
        call, order.read(place.all("recovery_points"), lambda row: True, start), limited(place, call)
    )
    return with_token({"RecoveryPoints": [_short_point(row) for row in rows]}, token)


def _short_point(row: Row) -> Row:
    short = only(row, "ListRecoveryPointsByResource", "RecoveryPoints")
    return {**short, "BackupSizeBytes": row["BackupSizeInBytes"]} if "BackupSizeInBytes" in row else short


def describe_recovery_point(place: Place, call: Call) -> dict[str, Any]:
    """Return one recovery point."""
    _vault(place, call)
    wanted = call.params["RecoveryPointArn"]
    row = _home(place, call).find("recovery_points", "RecoveryPointArn", wanted)
    if row is None or row["BackupVaultName"] != call.params["BackupVaultName"]:
        raise AwsError("ResourceNotFoundException", f"Cannot find recovery point. {wanted}")
    return only(row, "DescribeRecoveryPoint")


OPERATIONS: dict[str, Handler] = {
    "ListBackupVaults": list_backup_vaults,
    "DescribeBackupVault": describe_backup_vault,
    "GetBackupVaultAccessPolicy": get_backup_vault_access_policy,
    "GetBackupVaultNotifications": get_backup_vault_notifications,
    "ListRecoveryPointsByBackupVault": list_recovery_points_by_backup_vault,
    "ListRecoveryPointsByResource": list_recovery_points_by_resource,
    "DescribeRecoveryPoint": describe_recovery_point,
}
RESOURCES: dict[str, Resource] = {
    "DescribeBackupVault": _vault_arn,
    "GetBackupVaultAccessPolicy": _vault_arn,
    "GetBackupVaultNotifications": _vault_arn,
    "ListRecoveryPointsByBackupVault": _vault_arn,
    "DescribeRecoveryPoint": _point_arn,
}
