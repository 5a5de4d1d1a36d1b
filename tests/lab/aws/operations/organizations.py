# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Organizations: who belongs together, and which policies bind an account."""

from __future__ import annotations

from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler
from lab.aws.paging import page
from lab.aws.world import Place

_PAGE = 20


def _organization(place: Place, call: Call) -> dict[str, Any]:
    organization = place.world.organization
    if call.account not in organization.get("accounts", []):
        raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    return organization


def describe_organization(place: Place, call: Call) -> dict[str, Any]:
    """Return the caller's organization: any member may ask."""
    organization = _organization(place, call)
    management, identity = organization["management"], organization["Id"]
    start = f"arn:aws:organizations::{management}"
    return {
        "Organization": {
            "Id": identity,
            "Arn": f"{start}:organization/{identity}",
            "FeatureSet": "ALL",
            "MasterAccountArn": f"{start}:account/{identity}/{management}",
            "MasterAccountId": management,
            "MasterAccountEmail": "management@example.com",
            "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
        }
    }


def _policies(place: Place, call: Call) -> list[dict[str, Any]]:
    """Return the policies, to the management account only."""
    organization = _organization(place, call)
    if call.account != organization["management"]:
        raise AwsError("AccessDeniedException", "You don't have permissions to access this resource.")
    return list(organization.get("policies", []))


def list_policies_for_target(place: Place, call: Call) -> dict[str, Any]:
    """Return the policies of one type on an account."""
    target, kind = call.params["TargetId"], call.params["Filter"]
    policies = _policies(place, call)
    if target not in place.world.organization["accounts"]:
        raise AwsError("TargetNotFoundException", "You specified a target that doesn't exist.")
    rows = [
        policy["PolicySummary"]
        for policy in policies
        if target in policy.get("_targets", ()) and policy["PolicySummary"]["Type"] == kind
    ]
    size, token = call.params.get("MaxResults", _PAGE), call.params.get("NextToken")
    found, following = page(call, rows, size, token, "InvalidInputException")
    output: dict[str, Any] = {"Policies": found}
    return output if following is None else {**output, "NextToken": following}


def describe_policy(place: Place, call: Call) -> dict[str, Any]:
    """Return a policy with its content."""
    for policy in _policies(place, call):
        if policy["PolicySummary"]["Id"] == call.params["PolicyId"]:
            return {"Policy": {"PolicySummary": policy["PolicySummary"], "Content": policy["Content"]}}
    raise AwsError("PolicyNotFoundException", "You specified a policy that doesn't exist.")


OPERATIONS: dict[str, Handler] = {
    "DescribeOrganization": describe_organization,
    "ListPoliciesForTarget": list_policies_for_target,
    "DescribePolicy": describe_policy,
}
