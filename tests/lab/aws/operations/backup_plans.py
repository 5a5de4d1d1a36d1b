# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup plans, their versions and selections."""

from __future__ import annotations

from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.operations.backup_common import arn, limited, only, with_token
from lab.aws.paging import page
from lab.aws.world import Place, Row


def _plan_arn(place: Place, call: Call) -> str:
    return arn(place, "backup-plan", call.params["BackupPlanId"])


def _plan(place: Place, call: Call) -> Row:
    wanted = call.params["BackupPlanId"]
    row = place.row("plans", BackupPlanId=wanted)
    if row is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find Backup plan with ID {wanted}")
    return row


def _listed_plan(row: Row) -> Row:
    """Return a plan as listings show it: with its name, without its rules."""
    return {**only(row, "ListBackupPlans", "BackupPlansList"), "BackupPlanName": row["BackupPlan"]["BackupPlanName"]}


def list_backup_plans(place: Place, call: Call) -> dict[str, Any]:
    """Return the plans, those that were deleted only when asked for."""
    deleted = call.params.get("IncludeDeleted", False)
    rows = [row for row in place.all("plans") if deleted or "DeletionDate" not in row]
    rows, token = page(call, rows, limited(place, call), call.params.get("NextToken"))
    return with_token({"BackupPlansList": [_listed_plan(row) for row in rows]}, token)


def get_backup_plan(place: Place, call: Call) -> dict[str, Any]:
    """Return a plan with its rules: the current version, or the one that is asked for."""
    plan = _plan(place, call)
    version = call.params.get("VersionId", plan["VersionId"])
    for row in [plan, *plan.get("_versions", [])]:
        if row["VersionId"] == version:
            return _with_preview(row, call.params.get("MaxScheduledRunsPreview", 0))
    raise AwsError("ResourceNotFoundException", f"Cannot find Backup plan version with ID {version}")


def _with_preview(row: Row, runs: int) -> Row:
    shown = only(row, "GetBackupPlan")
    preview = shown.pop("ScheduledRunsPreview", [])[:runs]
    return {**shown, "ScheduledRunsPreview": preview} if preview else shown


def list_backup_plan_versions(place: Place, call: Call) -> dict[str, Any]:
    """Return the versions of a plan, the current one first."""
    plan = _plan(place, call)
    rows, token = page(
        call, [plan, *plan.get("_versions", [])], limited(place, call), call.params.get("NextToken")
    )
    return with_token({"BackupPlanVersionsList": [_listed_plan(row) for row in rows]}, token)


def list_backup_selections(place: Place, call: Call) -> dict[str, Any]:
    """Return the selections of a plan, without what they select."""
    selections = _plan(place, call).get("_selections", [])
    rows, token = page(call, selections, limited(place, call), call.params.get("NextToken"))
    return with_token({"BackupSelectionsList": [_listed_selection(row) for row in rows]}, token)


def _listed_selection(row: Row) -> Row:
    shown = only(row, "ListBackupSelections", "BackupSelectionsList")
    names = ("SelectionName", "IamRoleArn")
    return {**shown, **{name: row["BackupSelection"][name] for name in names if name in row["BackupSelection"]}}


def get_backup_selection(place: Place, call: Call) -> dict[str, Any]:
    """Return a selection: role, resources and conditions."""
    wanted = call.params["SelectionId"]
    for row in _plan(place, call).get("_selections", []):
        if row["SelectionId"] == wanted:
            return only(row, "GetBackupSelection")
    raise AwsError("ResourceNotFoundException", f"Cannot find Backup selection with ID {wanted}")


OPERATIONS: dict[str, Handler] = {
    "ListBackupPlans": list_backup_plans,
    "GetBackupPlan": get_backup_plan,
    "ListBackupPlanVersions": list_backup_plan_versions,
    "ListBackupSelections": list_backup_selections,
    "GetBackupSelection": get_backup_selection,
}
RESOURCES: dict[str, Resource] = {
    name: _plan_arn
    for name in ("GetBackupPlan", "ListBackupPlanVersions", "ListBackupSelections", "GetBackupSelection")
}
