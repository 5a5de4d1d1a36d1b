# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity and Access Management: roles, their policies, and the simulation of a call. Global: one for all Regions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from lab.aws import iam
from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.operations.sts import unique_id
from lab.aws.paging import page
from lab.aws.world import Identity, Place

_PAGE = 100
_SINCE = datetime(2024, 1, 1, tzinfo=timezone.utc)
_ROLE_MEMBERS = (
    "Path", "CreateDate", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags", "RoleLastUsed",
)  # fmt: skip


def _encoded(document: Mapping[str, Any]) -> str:
    """Return a policy document as IAM hands it out: JSON, percent-encoded."""
    return quote(json.dumps(document), safe="")


def _role(place: Place, call: Call) -> dict[str, Any]:
    name = call.params["RoleName"]
    for role in place.world.roles:
        if role["RoleName"] == name and role["account"] == call.account:
            return role
    raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)


def get_role(place: Place, call: Call) -> dict[str, Any]:
    """Return a role with its trust policy."""
    role = _role(place, call)
    shown = {
        "Path": "/",
        "RoleName": role["RoleName"],
        "RoleId": unique_id("AROA", role["Arn"]),
        "Arn": role["Arn"],
        "CreateDate": _SINCE,
        "AssumeRolePolicyDocument": _encoded(role["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": 3600,
    }
    return {"Role": {**shown, **{name: role[name] for name in _ROLE_MEMBERS if name in role}}}


def _paged(call: Call, member: str, rows: list[Any]) -> dict[str, Any]:
    size, marker = call.params.get("MaxItems", _PAGE), call.params.get("Marker")
    found, token = page(call, rows, size, marker, "ValidationError")
    output: dict[str, Any] = {member: found, "IsTruncated": token is not None}
    return output if token is None else {**output, "Marker": token}


def list_attached_role_policies(place: Place, call: Call) -> dict[str, Any]:
    """Return the managed policies of a role."""
    attached = _role(place, call).get("attached", {})
    rows = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached]
    return _paged(call, "AttachedPolicies", rows)


def list_role_policies(place: Place, call: Call) -> dict[str, Any]:
    """Return the names of a role's inline policies."""
    return _paged(call, "PolicyNames", sorted(_role(place, call).get("policies", {})))


def get_role_policy(place: Place, call: Call) -> dict[str, Any]:
    """Return an inline policy of a role."""
    name = call.params["PolicyName"]
    document = _role(place, call).get("policies", {}).get(name)
    if document is None:
        raise AwsError("NoSuchEntity", f"The role policy with name {name} cannot be found.", 404)
    return {"RoleName": call.params["RoleName"], "PolicyName": name, "PolicyDocument": _encoded(document)}


def _managed(place: Place, call: Call) -> tuple[dict[str, Any], int]:
    """Return the document of a managed policy and to how many roles of the account it is attached."""
    arn = call.params["PolicyArn"]
    found = [
        role["attached"][arn]
        for role in place.world.roles
        if role["account"] == call.account and arn in role.get("attached", {})
    ]
    if not found:
        raise AwsError("NoSuchEntity", f"Policy {arn} was not found.", 404)
    return found[0], len(found)


def get_policy(place: Place, call: Call) -> dict[str, Any]:
    """Return a managed policy without its document."""
    count, arn = _managed(place, call)[1], call.params["PolicyArn"]
    return {
        "Policy": {
            "PolicyName": arn.rpartition("/")[2],
            "PolicyId": unique_id("ANPA", arn),
            "Arn": arn,
            "Path": "/",
            "DefaultVersionId": "v1",
            "AttachmentCount": count,
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": True,
            "CreateDate": _SINCE,
            "UpdateDate": _SINCE,
        }
    }


def get_policy_version(place: Place, call: Call) -> dict[str, Any]:
    """Return the document of a managed policy; it has one version, v1."""
    document, version = _managed(place, call)[0], call.params["VersionId"]
    if version != "v1":
        raise AwsError("NoSuchEntity", f"Policy {call.params['PolicyArn']} version {version} does not exist.", 404)
    held = {"Document": _encoded(document), "VersionId": version, "IsDefaultVersion": True, "CreateDate": _SINCE}
    return {"PolicyVersion": held}


def _principal(place: Place, call: Call) -> tuple[Identity, dict[str, dict[str, Any]]]:
    """Return the principal to be simulated, and its policies by name."""
    arn = call.params["PolicySourceArn"]
    for role in place.world.roles:
        if role["Arn"] == arn and role["account"] == call.account:
            session = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/simulated"
            named = {**role.get("policies", {}), **role.get("attached", {})}
            return Identity("", None, call.account, session, list(named.values())), named
    for identity in place.world.identities.values():
        if identity.arn == arn and identity.account == call.account:
            return identity, {f"policy-{number}": document for number, document in enumerate(identity.policies, 1)}
    raise AwsError("NoSuchEntity", f"The principal {arn} cannot be found.", 404)


def simulate_principal_policy(place: Place, call: Call) -> dict[str, Any]:
    """Return what the identity policies of a principal and the SCPs say; a resource's own policies have no part."""
    principal, named = _principal(place, call)
    inputs = enumerate(call.params.get("PolicyInputList", []), 1)
    policies = {**named, **{f"PolicyInputList.{number}": json.loads(text) for number, text in inputs}}
    simulated = Identity("", None, principal.account, principal.arn, list(policies.values()))
    results = [
        _simulated(place, call, simulated, policies, action, resource)
        for action in call.params["ActionNames"]
        for resource in call.params.get("ResourceArns", ["*"])
    ]
    return _paged(call, "EvaluationResults", results)


def _simulated(
    place: Place, call: Call, principal: Identity, policies: dict[str, dict[str, Any]], action: str, resource: str
) -> dict[str, Any]:
    context = iam.call_context(place.world, principal, call.region, resource, call.now)
    for entry in call.params.get("ContextEntries", []):
        context[entry["ContextKeyName"].lower()] = entry["ContextKeyValues"]
    ask = iam.Ask(action, resource, context)
    verdict = iam.decide(place.world, principal, ask)
    matched = [
        {"SourcePolicyId": name.rpartition("/")[2], "SourcePolicyType": _policy_type(name, principal)}
        for name, document in policies.items()
        if any(iam.applies(statement, ask) for statement in iam.listed(document.get("Statement", [])))
    ]
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": verdict.decision,
        "MatchedStatements": matched,
        "MissingContextValues": [],
    }
    if call.account in place.world.organization.get("accounts", []):
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": verdict.by != "service control policy"}
    return result


def _policy_type(name: str, principal: Identity) -> str:
    if name.startswith("arn:"):
        return "aws-managed" if name.split(":")[4] == "aws" else "user-managed"
    if name.startswith("PolicyInputList."):
        return "none"
    return "user" if ":user/" in principal.arn else "role"


def _role_arn(place: Place, call: Call) -> str:
    return f"arn:aws:iam::{call.account}:role/{call.params['RoleName']}"


def _policy_arn(place: Place, call: Call) -> str:
    return str(call.params["PolicyArn"])


def _source_arn(place: Place, call: Call) -> str:
    return str(call.params["PolicySourceArn"])


OPERATIONS: dict[str, Handler] = {
    "GetRole": get_role,
    "ListAttachedRolePolicies": list_attached_role_policies,
    "ListRolePolicies": list_role_policies,
    "GetRolePolicy": get_role_policy,
    "GetPolicy": get_policy,
    "GetPolicyVersion": get_policy_version,
    "SimulatePrincipalPolicy": simulate_principal_policy,
}
RESOURCES: dict[str, Resource] = {
    "GetRole": _role_arn,
    "ListAttachedRolePolicies": _role_arn,
    "ListRolePolicies": _role_arn,
    "GetRolePolicy": _role_arn,
    "GetPolicy": _policy_arn,
    "GetPolicyVersion": _policy_arn,
    "SimulatePrincipalPolicy": _source_arn,
}
