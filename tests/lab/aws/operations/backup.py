# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Backup, reading only. Jobs, vaults and plans have modules of their own."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource, backup_jobs, backup_plans, backup_vaults
from lab.aws.operations.backup_common import limited, only, with_token
from lab.aws.paging import page
from lab.aws.world import Place

_TYPES = (
    "Aurora", "BedrockKnowledgeBase", "CloudFormation", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "EKS", "FSx",
    "Neptune", "RDS", "Redshift", "S3", "SAP HANA on Amazon EC2", "Storage Gateway", "Timestream", "VirtualMachine",
)  # fmt: skip
_SETTINGS_SINCE = datetime(2024, 1, 1, tzinfo=timezone.utc)


def describe_region_settings(place: Place, call: Call) -> dict[str, Any]:
    """Return settings["region_settings"], or all types opted in."""
    default = {
        "ResourceTypeOptInPreference": dict.fromkeys(_TYPES, True),
        "ResourceTypeManagementPreference": {"CloudFormation": True, "DynamoDB": True, "EFS": True},
    }
    return {**default, **place.settings.get("region_settings", {})}


def describe_global_settings(place: Place, call: Call) -> dict[str, Any]:
    """Return whether the organization lets copies go across accounts; an error outside of one."""
    organization = place.world.organization
    if call.account not in organization.get("accounts", []):
        raise AwsError("InvalidRequestException", "Your account is not a member of an organization.")
    enabled = bool(organization.get("cross_account_backup"))
    return {
        "GlobalSettings": {"isCrossAccountBackupEnabled": str(enabled).lower()},
        "LastUpdateTime": organization.get("settings_changed", _SETTINGS_SINCE),
    }


def get_supported_resource_types(place: Place, call: Call) -> dict[str, Any]:
    """Return settings["supported_resource_types"], or all types."""
    return {"ResourceTypes": list(place.settings.get("supported_resource_types", _TYPES))}


def describe_protected_resource(place: Place, call: Call) -> dict[str, Any]:
    """Return one resource that has recovery points."""
    row = place.find("protected_resources", "ResourceArn", call.params["ResourceArn"])
    if row is None:
        raise AwsError("ResourceNotFoundException", f"Resource {call.params['ResourceArn']} is not protected.")
    return only(row, "DescribeProtectedResource")


def list_protected_resources(place: Place, call: Call) -> dict[str, Any]:
    """Return the resources that have recovery points."""
    rows, token = page(call, place.all("protected_resources"), limited(place, call), call.params.get("NextToken"))
    return with_token({"Results": [only(row, "ListProtectedResources", "Results") for row in rows]}, token)


OPERATIONS: dict[str, Handler] = {
    "DescribeRegionSettings": describe_region_settings,
    "DescribeGlobalSettings": describe_global_settings,
    "GetSupportedResourceTypes": get_supported_resource_types,
    "DescribeProtectedResource": describe_protected_resource,
    "ListProtectedResources": list_protected_resources,
    **backup_jobs.OPERATIONS,
    **backup_vaults.OPERATIONS,
    **backup_plans.OPERATIONS,
}
RESOURCES: dict[str, Resource] = {**backup_vaults.RESOURCES, **backup_plans.RESOURCES}
