# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security Token Service: who am I, and keys for a role."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timezone
from typing import Any

from lab.aws import iam
from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.world import Identity, Place

_HOUR_S = 3600


def unique_id(prefix: str, text: str) -> str:
    """Return an ID in AWS's form that is the same on every start."""
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:17].upper()


def get_caller_identity(place: Place, call: Call) -> dict[str, Any]:
    """Return the caller: allowed to everybody, whatever the policies say."""
    arn = call.identity.arn
    session = arn.rpartition("/")[2]
    assumed = ":assumed-role/" in arn
    role_id = unique_id("AROA", iam.principal_arn(place.world, call.identity))
    user_id = f"{role_id}:{session}" if assumed else unique_id("AIDA", arn)
    return {"UserId": user_id, "Account": call.account, "Arn": arn}


def assume_role(place: Place, call: Call) -> dict[str, Any]:
    """Issue keys of a role whose trust policy admits the caller; across accounts the caller's own policies must too.

    A role that does not exist is refused in the same words as one that does not trust the caller.
    """
    world, wanted = place.world, call.params["RoleArn"]
    role = next((role for role in world.roles if role["Arn"] == wanted), None)
    ask = _ask(place, call)
    trust = role["AssumeRolePolicyDocument"] if role else {}
    if role is None or not iam.decide_with_resource(world, call.identity, trust, ask).allowed:
        message = f"User: {call.identity.arn} is not authorized to perform: sts:AssumeRole on resource: {wanted}"
        raise AwsError("AccessDenied", message, 403)
    return _issue(place, call, role)


def _ask(place: Place, call: Call) -> iam.Ask:
    wanted = call.params["RoleArn"]
    context = iam.call_context(place.world, call.identity, call.region, wanted, call.now)
    if "ExternalId" in call.params:
        context["sts:externalid"] = call.params["ExternalId"]
    context["sts:rolesessionname"] = call.params["RoleSessionName"]
    return iam.Ask("sts:AssumeRole", wanted, context)


def _issue(place: Place, call: Call, role: dict[str, Any]) -> dict[str, Any]:
    session, account = call.params["RoleSessionName"], role["account"]
    partition = role["Arn"].split(":")[1]
    arn = f"arn:{partition}:sts::{account}:assumed-role/{role['RoleName']}/{session}"
    key_id = f"ASIA{secrets.token_hex(8).upper()}"
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(96)
    expires_at = call.now + call.params.get("DurationSeconds", _HOUR_S)
    policies = [*role.get("policies", {}).values(), *role.get("attached", {}).values()]
    place.world.identities[key_id] = Identity(secret, token, account, arn, policies, expires_at)
    return {
        "Credentials": {
            "AccessKeyId": key_id,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": datetime.fromtimestamp(int(expires_at), timezone.utc),
        },
        "AssumedRoleUser": {"AssumedRoleId": f"{unique_id('AROA', role['Arn'])}:{session}", "Arn": arn},
    }


def decode_authorization_message(place: Place, call: Call) -> dict[str, Any]:
    """Decode what the story put into settings["encoded_messages"]: {encoded: decoded JSON text}."""
    known = place.settings.get("encoded_messages", {})
    decoded = known.get(call.params["EncodedMessage"])
    if decoded is None:
        raise AwsError("InvalidAuthorizationMessageException", "Message is not valid")
    return {"DecodedMessage": decoded}


def _role_arn(place: Place, call: Call) -> str:
    return str(call.params["RoleArn"])


OPERATIONS: dict[str, Handler] = {
    "GetCallerIdentity": get_caller_identity,
    "AssumeRole": assume_role,
    "DecodeAuthorizationMessage": decode_authorization_message,
}
RESOURCES: dict[str, Resource] = {"AssumeRole": _role_arn}
# AssumeRole is decided by its handler: the role's trust policy has a say.
ACTIONS: dict[str, str | None] = {"GetCallerIdentity": None, "AssumeRole": None}
