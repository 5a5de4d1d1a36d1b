# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: identity policies, service control policies, resource policies, and AWS's wording of a refusal."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from botocore.utils import parse_timestamp

from lab.aws.errors import AwsError
from lab.aws.world import Identity, World

Document = Mapping[str, Any]
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Verdict:
    """The outcome of an evaluation. by: the kind of policy that decided, as AWS names it in its messages."""

    allowed: bool
    explicit: bool = False
    by: str = "identity-based policy"

    @property
    def decision(self) -> str:
        """Return the word of SimulatePrincipalPolicy."""
        return "allowed" if self.allowed else "explicitDeny" if self.explicit else "implicitDeny"


@dataclass(frozen=True)
class Ask:
    """One question. context: condition keys in lower case -> text, or list of texts."""

    action: str
    resource: str
    context: Mapping[str, Any]


def listed(value: Any) -> list[Any]:
    """Return a policy element that may be one value or a list, as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


@lru_cache(maxsize=4096)
def _glob(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def matches(pattern: str, text: str, ignore_case: bool = False) -> bool:
    """Tell whether a text matches a pattern with * and ?."""
    return _glob(pattern, ignore_case).fullmatch(text) is not None


def _any(patterns: Any, text: str, ignore_case: bool = False) -> bool:
    return any(matches(str(pattern), text, ignore_case) for pattern in listed(patterns))


def _expanded(value: Any, context: Mapping[str, Any]) -> list[str]:
    """Return the values of a Resource or Condition element, with their policy variables filled in."""

    def known(match: re.Match[str]) -> str:
        return str(context.get(match.group(1).lower(), match.group(0)))

    return [_VARIABLE.sub(known, str(item)) for item in listed(value)]


def applies(statement: Document, ask: Ask) -> bool:
    """Tell whether a statement speaks of this action, resource and context."""
    if "Action" in statement and not _any(statement["Action"], ask.action, ignore_case=True):
        return False
    if "NotAction" in statement and _any(statement["NotAction"], ask.action, ignore_case=True):
        return False
    if "Resource" in statement and not _any(_expanded(statement["Resource"], ask.context), ask.resource):
        return False
    if "NotResource" in statement and _any(_expanded(statement["NotResource"], ask.context), ask.resource):
        return False
    return conditions_hold(statement.get("Condition", {}), ask.context)


def evaluate(documents: Iterable[Document], ask: Ask, by: str = "identity-based policy") -> Verdict:
    """Return what policy documents say: an explicit Deny wins over any Allow; no Allow is a Deny too."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in listed(document.get("Statement", []))
        if applies(statement, ask)
    }
    return Verdict("Deny" not in effects and "Allow" in effects, "Deny" in effects, by)


def conditions_hold(condition: Document, context: Mapping[str, Any]) -> bool:
    """Tell whether every operator of a Condition block holds."""
    return all(
        _holds(operator, values, context.get(key.lower()), context)
        for operator, block in condition.items()
        for key, values in block.items()
    )


def _holds(operator: str, values: Any, given: Any, context: Mapping[str, Any]) -> bool:
    quantifier, dummy, name = operator.rpartition(":")
    if name == "Null":
        return (given is None) == (str(listed(values)[0]).lower() == "true")
    base = name.removesuffix("IfExists")
    if given is None:
        # A negated operator holds where the key is absent; a positive one does not.
        return name != base or "Not" in base or quantifier == "ForAllValues"
    test, negated = _operator(base)
    wanted = _expanded(values, context)
    results = [any(test(str(item), value) for value in wanted) != negated for item in listed(given)]
    return any(results) if quantifier == "ForAnyValue" else all(results)


def _operator(name: str) -> tuple[Callable[[str, str], bool], bool]:
    return _TESTS[name.replace("Not", "")], "Not" in name


def _number(test: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda given, wanted: test(float(given), float(wanted))


def _date(test: Callable[[datetime, datetime], bool]) -> Callable[[str, str], bool]:
    return lambda given, wanted: test(parse_timestamp(given), parse_timestamp(wanted))


def _in_network(given: str, wanted: str) -> bool:
    return ipaddress.ip_address(given) in ipaddress.ip_network(wanted, strict=False)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda given, wanted: given == wanted,
    "StringEqualsIgnoreCase": lambda given, wanted: given.lower() == wanted.lower(),
    "StringLike": lambda given, wanted: matches(wanted, given),
    "ArnEquals": lambda given, wanted: matches(wanted, given),
    "ArnLike": lambda given, wanted: matches(wanted, given),
    "Bool": lambda given, wanted: given.lower() == wanted.lower(),
    "NumericEquals": _number(lambda given, wanted: given == wanted),
    "NumericLessThan": _number(lambda given, wanted: given < wanted),
    "NumericLessThanEquals": _number(lambda given, wanted: given <= wanted),
    "NumericGreaterThan": _number(lambda given, wanted: given > wanted),
    "NumericGreaterThanEquals": _number(lambda given, wanted: given >= wanted),
    "DateEquals": _date(lambda given, wanted: given == wanted),
    "DateLessThan": _date(lambda given, wanted: given < wanted),
    "DateGreaterThan": _date(lambda given, wanted: given > wanted),
    "IpAddress": _in_network,
}


def call_context(world: World, identity: Identity, region: str, resource: str, now: float) -> dict[str, Any]:
    """Return the condition keys that every request has."""
    kind, name = identity.arn.split(":", 5)[5].partition("/")[::2]
    context: dict[str, Any] = {
        "aws:requestedregion": region,
        "aws:principalarn": principal_arn(world, identity),
        "aws:principalaccount": identity.account,
        "aws:principaltype": "User" if kind == "user" else "AssumedRole",
        "aws:currenttime": datetime.fromtimestamp(now, timezone.utc).isoformat(),
        "aws:epochtime": str(int(now)),
        "aws:securetransport": "true",
        "aws:sourceip": "127.0.0.1",
        "aws:resourceaccount": account_of(resource) or identity.account,
    }
    if kind == "user":
        context["aws:username"] = name.rpartition("/")[2]
    if identity.account in world.organization.get("accounts", []):
        context["aws:principalorgid"] = world.organization["Id"]
    return context


def account_of(arn: str) -> str:
    """Return the account in an ARN, "" where it names none."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def principal_arn(world: World, identity: Identity) -> str:
    """Return the ARN that policies name: of the IAM role, where the caller assumed one."""
    parts = identity.arn.split(":", 5)
    if not parts[5].startswith("assumed-role/"):
        return identity.arn
    name = parts[5].split("/")[1]
    known = (role["Arn"] for role in world.roles if role["RoleName"] == name and role["account"] == identity.account)
    return str(next(known, f"arn:{parts[1]}:iam::{identity.account}:role/{name}"))


def service_control_policies(world: World, account: str) -> list[Document]:
    """Return the documents of the organization's SCPs on an account; they bind no account in management."""
    organization = world.organization
    if account == organization.get("management"):
        return []
    return [
        json.loads(policy["Content"])
        for policy in organization.get("policies", [])
        if account in policy.get("_targets", ()) and policy["PolicySummary"]["Type"] == "SERVICE_CONTROL_POLICY"
    ]


def decide(world: World, identity: Identity, ask: Ask) -> Verdict:
    """Return the verdict on a call: SCPs bound what identity policies may allow."""
    own = evaluate(identity.policies, ask)
    if own.explicit:
        return own
    bounds = service_control_policies(world, identity.account)
    if bounds:
        # An account always has a full allow beside the guards that a story names.
        scp = evaluate([*bounds, _FULL_ACCESS], ask, "service control policy")
        if not scp.allowed:
            return scp
    return own


_FULL_ACCESS: Document = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def principal_names(world: World, identity: Identity) -> set[str]:
    """Return the names by which a policy's Principal may mean the caller itself."""
    return {identity.arn, principal_arn(world, identity)}


def account_names(identity: Identity) -> set[str]:
    """Return the names by which a policy's Principal means the caller's account."""
    return {identity.account, f"arn:{identity.arn.split(':')[1]}:iam::{identity.account}:root"}


def evaluate_resource(document: Document, names: Iterable[str], ask: Ask) -> Verdict:
    """Return what a resource-based policy says of a principal that goes by these names."""
    known = {"*", *names}
    statements = [s for s in listed(document.get("Statement", [])) if known & _principals(s)]
    return evaluate([{"Statement": statements}], ask, "resource-based policy")


def _principals(statement: Document) -> set[str]:
    principal = statement.get("Principal", [])
    return set(listed(principal.get("AWS", [])) if isinstance(principal, Mapping) else listed(principal))


def decide_with_resource(world: World, identity: Identity, document: Document, ask: Ask) -> Verdict:
    """Return the verdict where the resource's own policy has a say, as for keys and roles.

    In its own account a principal that the policy names itself needs no identity policy; in any other case both must
    allow.
    """
    own = decide(world, identity, ask)
    names = principal_names(world, identity)
    policy = evaluate_resource(document, names | account_names(identity), ask)
    if own.explicit or policy.explicit:
        return own if own.explicit else policy
    direct = evaluate_resource(document, names, ask)
    if direct.allowed and account_of(ask.resource) == identity.account:
        return direct
    return own if policy.allowed else policy


def refusal(identity: Identity, ask: Ask, verdict: Verdict) -> str:
    """Return the message of a refusal, in AWS's words."""
    article = "an" if verdict.by[0] in "aeiou" else "a"
    why = (
        f"with an explicit deny in {article} {verdict.by}"
        if verdict.explicit
        else f"because no {verdict.by} allows the {ask.action} action"
    )
    on_resource = "" if ask.resource == "*" else f" on resource: {ask.resource}"
    return f"User: {identity.arn} is not authorized to perform: {ask.action}{on_resource} {why}"


def access_denied(protocol: str, message: str) -> AwsError:
    """Return a refusal as the protocol's services name it."""
    if protocol == "ec2":
        text = f"You are not authorized to perform this operation. {message}"
        return AwsError("UnauthorizedOperation", text, 403)
    if protocol == "query":
        return AwsError("AccessDenied", message, 403)
    return AwsError("AccessDeniedException", message, 403 if protocol == "rest-json" else 400)
