# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key Management Service: keys, their policies, grants and aliases.

A key is told by its ID, its ARN, an alias (``alias/name``) or an alias's ARN. By ARN DescribeKey and ListGrants reach
keys of other accounts, where the key's policy lets them; GetKeyPolicy does not.
"""

from __future__ import annotations

import json
from typing import Any

from lab.aws import iam
from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.paging import page
from lab.aws.world import Place, Row

_PAGE = 50


def _home(place: Place, call: Call, key: str) -> Place:
    """Return where a key lies; an ARN may name another account, never another Region."""
    if not key.startswith("arn:"):
        return place
    parts = key.split(":", 5)
    if len(parts) < 6 or parts[2] != "kms":
        raise AwsError("InvalidArnException", f"{key} is not a valid ARN")
    if parts[3] != call.region:
        raise AwsError("NotFoundException", f"Invalid arn {parts[3]}")
    return place.world.place(parts[4], parts[3])


def _find(place: Place, call: Call) -> tuple[Place, Row | None]:
    key = call.params["KeyId"]
    home = _home(place, call, key)
    name = key.split(":", 5)[5] if key.startswith("arn:") else key
    for row in home.all("keys"):
        aliases = [alias["AliasName"] for alias in _aliases(home, row)]
        if name in (row["KeyId"], f"key/{row['KeyId']}", *aliases):
            return home, row
    return home, None


def _aliases(home: Place, row: Row) -> list[Row]:
    """Return the aliases of a key; a story may give their names only."""
    start = row["Arn"].rpartition(":")[0]
    return [
        alias
        if isinstance(alias, dict)
        else {"AliasName": alias, "AliasArn": f"{start}:{alias}", "TargetKeyId": row["KeyId"]}
        for alias in row.get("_aliases", ())
    ]


def _key(place: Place, call: Call) -> Row:
    """Return a key that the caller may ask about."""
    home, row = _find(place, call)
    wanted = call.params["KeyId"]
    if row is None and home is not place:
        # Another account's key that does not exist is refused like one that is not shared.
        raise _refused(call, _ask(place, call, wanted), iam.Verdict(False, by="resource-based policy"))
    if row is None:
        shown = wanted if wanted.startswith("arn:") else _key_arn(place, call)
        raise AwsError("NotFoundException", f"{'Alias' if 'alias/' in wanted else 'Key'} '{shown}' does not exist")
    ask = _ask(place, call, row["Arn"])
    if home is not place and call.operation == "GetKeyPolicy":
        raise _refused(call, ask, iam.Verdict(False, by="resource-based policy"))
    verdict = iam.decide_with_resource(place.world, call.identity, _policy(home, row), ask)
    if not verdict.allowed:
        raise _refused(call, ask, verdict)
    return row


def _ask(place: Place, call: Call, resource: str) -> iam.Ask:
    context = iam.call_context(place.world, call.identity, call.region, resource, call.now)
    context["kms:calleraccount"] = call.account
    return iam.Ask(f"kms:{call.operation}", resource, context)


def _refused(call: Call, ask: iam.Ask, verdict: iam.Verdict) -> AwsError:
    return iam.access_denied("json", iam.refusal(call.identity, ask, verdict))


def _policy(home: Place, row: Row) -> dict[str, Any]:
    """Return the key's policy; without one, the default, which leaves all to the account's identity policies."""
    if row.get("_policy"):
        return dict(json.loads(row["_policy"]))
    root = f"arn:{row['Arn'].split(':')[1]}:iam::{home.account}:root"
    allow = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [allow]}


def describe_key(place: Place, call: Call) -> dict[str, Any]:
    """Return a key's metadata."""
    row = _key(place, call)
    return {"KeyMetadata": {name: value for name, value in row.items() if not name.startswith("_")}}


def get_key_policy(place: Place, call: Call) -> dict[str, Any]:
    """Return a key's policy, as its text."""
    row = _key(place, call)
    if call.params.get("PolicyName", "default") != "default":
        raise AwsError("NotFoundException", "No such policy exists")
    text = row.get("_policy") or json.dumps(_policy(place, row))
    return {"Policy": text, "PolicyName": "default"}


def list_grants(place: Place, call: Call) -> dict[str, Any]:
    """Return the grants on a key."""
    params = call.params
    grants = [
        grant
        for grant in _key(place, call).get("_grants", [])
        if params.get("GrantId") in (None, grant.get("GrantId"))
        and params.get("GranteePrincipal") in (None, grant.get("GranteePrincipal"))
    ]
    return _paged(call, "Grants", grants)


def list_aliases(place: Place, call: Call) -> dict[str, Any]:
    """Return the aliases of this place, or of one of its keys."""
    rows = list(place.all("keys"))
    if "KeyId" in call.params:
        home, row = _find(place, call)
        if row is None or home is not place:
            raise AwsError("NotFoundException", f"Key '{call.params['KeyId']}' does not exist")
        rows = [row]
    return _paged(call, "Aliases", [alias for row in rows for alias in _aliases(place, row)])


def _paged(call: Call, member: str, rows: list[Row]) -> dict[str, Any]:
    size, marker = call.params.get("Limit", _PAGE), call.params.get("Marker")
    found, token = page(call, rows, size, marker, "InvalidMarkerException")
    output: dict[str, Any] = {member: found, "Truncated": token is not None}
    return output if token is None else {**output, "NextMarker": token}


def _key_arn(place: Place, call: Call) -> str:
    """Return the ARN that policies are asked about."""
    wanted = str(call.params["KeyId"])
    if wanted.startswith("arn:"):
        return wanted
    kind = "" if wanted.startswith("alias/") else "key/"
    return f"arn:aws:kms:{place.region}:{place.account}:{kind}{wanted}"


OPERATIONS: dict[str, Handler] = {
    "DescribeKey": describe_key,
    "GetKeyPolicy": get_key_policy,
    "ListGrants": list_grants,
    "ListAliases": list_aliases,
}
RESOURCES: dict[str, Resource] = {"DescribeKey": _key_arn, "GetKeyPolicy": _key_arn, "ListGrants": _key_arn}
# Decided by the handlers: a key's own policy has a say.
ACTIONS: dict[str, str | None] = dict.fromkeys(RESOURCES)
