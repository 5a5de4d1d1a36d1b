# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What a policy document of AWS says about one request: of a role, of a role's trust, of a vault, of a key.

AWS has no call that answers this for a resource policy, and much of a request is not known from outside: through which
service it will come, under which encryption context. So every question has three answers. What cannot be decided is
neither allowed nor refused but `conditional`, with the conditions that decide it.

    decision = evaluate(
        document,                                        # the document as text or as a dictionary
        principal_arns=["arn:aws:iam::111111111111:role/Backup"],
        account="111111111111",
        action="kms:CreateGrant",
        resource="arn:aws:kms:eu-west-1:222222222222:key/...",
        known={"kms:GrantIsForAWSResource": "true"},
    )

Only this one document is asked. A policy of the other side, an SCP, a permissions boundary or a session policy may
still refuse; several documents on one identity are put together by `combine`.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed, clip

Json = t.Dict[str, t.Any]
Tri = t.Optional[bool]  # None: it cannot be decided


class Decision(t.NamedTuple):
    """What a document says about a request."""

    verdict: str  # allowed | denied | conditional | not_mentioned
    # The deciding statement as text. Of not_mentioned: the Allow that would fit but for its conditions, if any.
    statement: str | None
    # Operator -> key -> values as they stand in that statement: those that could not be decided, and, of not_mentioned,
    # those that do not hold. `Principal`, `NotPrincipal`, `Resource` and `NotResource` stand here too when they decide.
    conditions: Json
    allow: Tri  # whether an Allow applies, whatever is denied
    deny: Tri  # whether a Deny applies


class OneOf(t.Tuple[str, ...]):
    """The value of a condition key that is one of these; it is not known which."""


_NOTHING = Decision("not_mentioned", None, {}, False, False)


def evaluate(
    document: str | Json | None,
    *,
    principal_arns: t.Iterable[str] = (),
    account: str | None = None,
    action: str,
    resource: str | None = None,
    known: t.Mapping[str, t.Any] | None = None,
) -> Decision:
    """What the document says about one action. An explicit Deny wins; one that may apply makes it conditional.

    document: None or empty has no statements. Statements without Principal speak of whoever carries them.
    principal_arns: every name of who asks: the ARN of a role (not of its session), or a service (backup.amazonaws.com).
        Without any, somebody in `account` asks; a statement that names one role of it is then undecided.
    account: the account of who asks; a statement for an account or its root speaks of all in it.
    resource: the ARN; None where it is not known, so that only `*` surely covers it.
    known: values of condition keys, in any case of letters: a text, a list for keys with many values, OneOf, or None
        for a key that the request does not have. Keys that are not in it are undecided. What follows from the other
        arguments (aws:PrincipalAccount, aws:PrincipalArn, kms:CallerAccount, aws:ResourceAccount) is known, and that
        AWS uses TLS.
    Raises ReadFailed(error) when the document is no JSON.
    """
    request = _Request(tuple(principal_arns), account, action, resource, known or {})
    return combine(_judged(statement, request) for statement in statements(document))


def combine(decisions: t.Iterable[Decision]) -> Decision:
    """The one decision of several documents (or statements) that apply together, as those of one role do."""
    found = list(decisions)
    if not found:
        return _NOTHING
    deciding = max(found, key=_weight)
    return deciding._replace(
        allow=_any(decision.allow for decision in found), deny=_any(decision.deny for decision in found)
    )


def statements(document: str | Json | None) -> list[Json]:
    """The statements of a document. Raises ReadFailed(error) when it is no JSON."""
    if isinstance(document, str) and document.strip():
        try:
            document = json.loads(document)
        except ValueError as exc:
            raise ReadFailed("error", f"a policy document is no JSON: {exc}") from exc
    found = document.get("Statement") if isinstance(document, dict) else None
    return [statement for statement in _listed(found) if isinstance(statement, dict)]


def _weight(decision: Decision) -> int:
    """Which of several decisions is the one that counts; max() takes the first of equals."""
    if decision.deny or decision.deny is None:
        return 5 if decision.deny else 4
    if decision.allow or decision.allow is None:
        return 3 if decision.allow else 2
    return 1 if decision.statement else 0


# --------------------------------------------------------------------------------------------------- one statement


class _Request:
    """Who wants to do what, and what is known of the circumstances."""

    def __init__(
        self,
        names: tuple[str, ...],
        account: str | None,
        action: str,
        resource: str | None,
        known: t.Mapping[str, t.Any],
    ) -> None:
        self.names = names
        self.account = account
        self.action = action
        self.resource = resource
        self.known = {**self._implied(), **{key.lower(): value for key, value in known.items()}}

    def _implied(self) -> Json:
        implied: Json = {"aws:securetransport": "true"}
        if self.account:
            implied["aws:principalaccount"] = implied["kms:calleraccount"] = self.account
        arns = [name for name in self.names if name.startswith("arn:")]
        if arns:
            implied["aws:principalarn"] = arns[0] if len(arns) == 1 else OneOf(arns)
        owner = self.resource.split(":", 5)[4:5] if self.resource else []
        if owner and owner[0]:
            implied["aws:resourceaccount"] = owner[0]
        return implied


def _judged(statement: Json, request: _Request) -> Decision:
    principal, resource = _principal(statement, request), _resource(statement, request)
    if not _action(statement, request.action) or principal is False or resource is False:
        return _NOTHING
    held = [(*condition, _holds(*condition, request)) for condition in _conditions(statement)]
    deny = str(statement.get("Effect")).lower() == "deny"
    failing = [row for row in held if row[3] is False]
    if failing:
        return _NOTHING if deny else _NOTHING._replace(statement=_as_text(statement), conditions=_as_written(failing))
    undecided = _as_written([row for row in held if row[3] is None])
    for given, elements in ((principal, ("Principal", "NotPrincipal")), (resource, ("Resource", "NotResource"))):
        if given is None:
            undecided.update({name: statement[name] for name in elements if name in statement})
    applies = None if undecided else True
    verdict = "conditional" if undecided else "denied" if deny else "allowed"
    effects = (False, applies) if deny else (applies, False)
    return Decision(verdict, _as_text(statement), undecided, *effects)


def _as_text(statement: Json) -> str | None:
    return clip(json.dumps(statement, separators=(",", ":"), default=str))


def _as_written(rows: t.Iterable[tuple[str, str, t.Any, Tri]]) -> Json:
    written: Json = {}
    for operator, key, values, dummy in rows:
        written.setdefault(operator, {})[key] = values
    return written


def _action(statement: Json, action: str) -> bool:
    """Names of actions are not case-sensitive."""
    if "NotAction" in statement:
        return not _named(statement["NotAction"], action)
    return _named(statement.get("Action"), action)


def _named(patterns: t.Any, action: str) -> bool:
    return any(_like(str(pattern).lower(), action.lower()) for pattern in _listed(patterns))


def _resource(statement: Json, request: _Request) -> Tri:
    """A statement without a resource, as in a trust policy, speaks of what the policy is attached to."""
    if "NotResource" in statement:
        return _not(_covers(statement["NotResource"], request))
    return _covers(statement["Resource"], request) if "Resource" in statement else True


def _covers(patterns: t.Any, request: _Request) -> Tri:
    def covers(pattern: str) -> Tri:
        if pattern == "*":
            return True
        filled = _filled(pattern, request)
        return None if filled is None or request.resource is None else _like(filled, request.resource)

    return _any(covers(str(pattern)) for pattern in _listed(patterns))


_ROOT = re.compile(r"(?:arn:[\w-]+:iam::)?(\d{12})(?::root)?")


def _principal(statement: Json, request: _Request) -> Tri:
    if "NotPrincipal" in statement:
        # An account among the exceptions does not except the roles in it: they have to be named.
        return _not(_any(_is_named(kind, name, request) for kind, name in _principals(statement["NotPrincipal"])))
    if "Principal" not in statement:
        return True
    return _any(
        True if _of_account(name, request) else _is_named(kind, name, request)
        for kind, name in _principals(statement["Principal"])
    )


def _principals(element: t.Any) -> list[tuple[str, str]]:
    """[(AWS | Service | Federated | CanonicalUser, name)]; "*" alone is everybody."""
    if not isinstance(element, dict):
        return [("AWS", str(name)) for name in _listed(element)]
    return [(kind, str(name)) for kind, names in element.items() for name in _listed(names)]


def _of_account(name: str, request: _Request) -> bool:
    root = _ROOT.fullmatch(name)
    return bool(root) and root[1] == request.account  # type: ignore[index]


def _is_named(kind: str, name: str, request: _Request) -> Tri:
    """Whether who asks is named in person; undecided when only the account is known and the name is of it."""
    if kind not in ("AWS", "Service"):
        return False
    if name in request.names or (name == "*" and kind == "AWS"):
        return True
    root = _ROOT.fullmatch(name)
    if root:
        return None if request.account is None else False
    if request.names or kind == "Service" or not name.startswith("arn:"):
        return False  # what is no ARN is the id of a role that was deleted
    return None if request.account in (None, name.split(":", 5)[4]) else False


# ----------------------------------------------------------------------------------------------------- conditions


def _conditions(statement: Json) -> t.Iterator[tuple[str, str, t.Any]]:
    """(operator, key, values)"""
    for operator, block in (statement.get("Condition") or {}).items():
        for key, values in block.items():
            yield operator, key, values


def _holds(operator: str, key: str, values: t.Any, request: _Request) -> Tri:
    quantifier, dummy, name = operator.rpartition(":")
    base = name[: -len("IfExists")] if name.endswith("IfExists") else name
    key = key.lower()
    if key not in request.known:
        return _in_organization(base, key, values, request)
    given = request.known[key]
    if base == "Null":
        return (given is None) == (str(_listed(values)[0]).lower() == "true")
    negated = "Not" in base
    if given is None:
        return base != name or negated or quantifier == "ForAllValues"
    test = _TESTS.get(base.replace("Not", ""))
    if test is None:
        return None

    def fits(value: str) -> Tri:
        found = _any(_tested(test, value, _filled(_text(wanted), request)) for wanted in _listed(values))
        return _not(found) if negated else found

    results = [fits(_text(value)) for value in _listed(given)]
    if isinstance(given, OneOf):
        return results[0] if len(set(results)) == 1 else None
    return _all(results) if quantifier == "ForAllValues" else _any(results)


def _in_organization(operator: str, key: str, values: t.Any, request: _Request) -> Tri:
    """aws:PrincipalOrgPaths and the like begin with the organization's id, which may be known where the path is not."""
    owner = request.known.get(key[: -len("paths")] + "id") if key.endswith("orgpaths") else None
    if not isinstance(owner, str) or operator not in ("StringLike", "StringEquals"):
        return None

    def within(pattern: str) -> Tri:
        organization, dummy, path = pattern.partition("/")
        if not _like(organization, owner):
            return False
        return True if organization == "*" or path == "*" else None

    return _any(within(_text(value)) for value in _listed(values))


def _tested(test: t.Callable[[str, str], bool], given: str, wanted: str | None) -> Tri:
    try:
        return None if wanted is None else test(given, wanted)
    except ValueError:  # a comparison of numbers with what is none
        return None


def _same_arn(given: str, wanted: str) -> bool:
    """Part by part: a * in one part of the pattern does not reach into the next."""
    parts, patterns = given.split(":", 5), wanted.split(":", 5)
    if len(patterns) < 6:
        return _like(wanted, given)
    return len(parts) == 6 and all(_like(pattern, part) for pattern, part in zip(patterns, parts))


_TESTS: dict[str, t.Callable[[str, str], bool]] = {
    "StringEquals": lambda given, wanted: given == wanted,
    "StringEqualsIgnoreCase": lambda given, wanted: given.lower() == wanted.lower(),
    "StringLike": lambda given, wanted: _like(wanted, given),
    "ArnEquals": _same_arn,
    "ArnLike": _same_arn,
    "Bool": lambda given, wanted: given.lower() == wanted.lower(),
    "NumericEquals": lambda given, wanted: float(given) == float(wanted),
    "NumericLessThan": lambda given, wanted: float(given) < float(wanted),
    "NumericLessThanEquals": lambda given, wanted: float(given) <= float(wanted),
    "NumericGreaterThan": lambda given, wanted: float(given) > float(wanted),
    "NumericGreaterThanEquals": lambda given, wanted: float(given) >= float(wanted),
}

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def _filled(pattern: str, request: _Request) -> str | None:
    """The pattern with its policy variables, like ${aws:PrincipalAccount}, filled in; None when one is not known."""
    for variable in _VARIABLE.findall(pattern):
        value = request.known.get(variable.lower())
        if not isinstance(value, str):
            return None
        pattern = pattern.replace("${" + variable + "}", value)
    return pattern


# ---------------------------------------------------------------------------------------------------------- tools


def _listed(value: t.Any) -> list[t.Any]:
    """An element that may be one value or a list, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _text(value: t.Any) -> str:
    """A value of a condition; a policy may write true for "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@functools.lru_cache(maxsize=2048)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(sign) or re.escape(sign) for sign in glob), re.DOTALL)


def _like(glob: str, text: str) -> bool:
    return _pattern(re.sub(r"\*+", "*", glob)).fullmatch(text) is not None


def _not(value: Tri) -> Tri:
    return None if value is None else not value


def _any(values: t.Iterable[Tri]) -> Tri:
    """Whether one is true, as far as that can be said."""
    found = set(values)
    return True if True in found else None if None in found else False


def _all(values: t.Iterable[Tri]) -> Tri:
    found = set(values)
    return False if False in found else None if None in found else True
