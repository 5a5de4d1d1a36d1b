# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which log groups may tell of copies. AWS Backup writes to none by itself; somebody has to lead its events into one.

The ways there are: a rule of EventBridge with a log group or a function as its target, over other event buses perhaps;
and a trail of CloudTrail. Events of AWS services come to the default bus of the Region where they happen, so that is
where the search begins. A group that is only called after backups is the last resort.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    Answer,
    Read,
    arn,
    denied_on,
    listed,
    member_of,
    side_by_side,
)

COPY_EVENT = "Copy Job State Change"
_SOURCE = "aws.backup"
_DEFAULT_BUS = "default"
_MOST_HOPS = 4  # from bus to bus
_MOST_RULES = 50
_MOST_NAMED = 10  # groups of a side and spelling that only their name speaks for
_NAME_PARTS = ("backup", "Backup")  # the search by name minds the case
_NOT_COPIES = re.compile(r"hypervisor|gateway", re.IGNORECASE)  # groups of backups of virtual machines
_GROUP_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_GROUP = re.compile(r"log-group:(?P<name>[.\-_/#A-Za-z0-9]+)(?::\*)?")
_FUNCTION = re.compile(r"function:(?P<name>[A-Za-z0-9_-]+)(?::.*)?")
_BUS = re.compile(r"event-bus/(?P<name>.+)")
_RESHAPED = ("InputTransformer", "InputPath", "Input")

Json = t.Dict[str, t.Any]


@dataclass
class Group:
    """A log group that can be read with one of the two identities."""

    name: str
    side: str
    kind: str  # events | cloudtrail | other
    found_by: str  # parameter | eventbridge | cloudtrail | name
    reshaped: bool = False  # the rule's target does not get the event as it was
    # what came of searching it
    matched: int = 0
    cut: bool = False
    failures: list[ReadFailed] = field(default_factory=list)
    searched: int = 0  # searches that came to an end

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others."""
        return self.side, self.name


class Sides:
    """The two identities, and what they can see."""

    def __init__(self, accounts: dict[str, t.Any], owners: dict[str, str | None]) -> None:
        """owners: account ids, None where unknown."""
        self.accounts = accounts
        self.owners = owners

    def of(self, text: str) -> str | None:
        """The side that an ARN belongs to; None: neither can see it."""
        parts = arn(text)
        for side, account in self.accounts.items():
            if parts and account.region == parts.region and self.owners[side] in (None, parts.account):
                return side
        return None


# -------------------------------------------------------------------------------------------------------- parameter


def named_groups(given: t.Iterable[t.Any], sides: Sides) -> list[Group]:
    """The groups that the user named: names are of the source, ARNs of either side. Raises BadParameter."""
    groups: dict[tuple[str, str], Group] = {}
    for entry in given:
        text = str(entry).strip()
        parts = arn(text)
        match = _GROUP.fullmatch(parts.resource) if parts and parts.service == "logs" else None
        name = match["name"] if match else text
        if not _GROUP_NAME.fullmatch(name):
            raise BadParameter(f"log_groups: {text[:120]!r} is no log group; give its name or its ARN.")
        side = sides.of(text) if match else "source"
        if side is None:
            raise BadParameter(
                f"log_groups: {text} is neither in the source's nor in the destination's Region and account; "
                "leave it out."
            )
        group = Group(name, side, "other", "parameter")
        groups.setdefault(group.key, group)
    return list(groups.values())


# -------------------------------------------------------------------------------------------------------- discovery


class Discovery:
    """Looks for log groups on both sides."""

    def __init__(self, sides: Sides) -> None:
        self.groups: dict[tuple[str, str], Group] = {}
        self.denied: list[Json] = []
        self.refused: ReadFailed | None = None  # a read without which nobody can say that there is no group
        self._sides = sides

    def run(self) -> list[Group]:
        """All groups that were found."""
        reads: dict[str, Read] = {f"trails {side}": self._trails(side) for side in self._sides.accounts}
        answers = side_by_side({**reads, "rules": self._rules("source", _DEFAULT_BUS)})
        for side in self._sides.accounts:
            for trail in self._got(side, "DescribeTrails", answers[f"trails {side}"]) or []:
                what = f"trail {trail.get('Name')}"
                self._take(trail.get("CloudWatchLogsLogGroupArn"), "cloudtrail", "cloudtrail", what)
        rules = self._got("source", "ListRules", answers["rules"]) or []
        self._follow([("source", _DEFAULT_BUS, rule) for rule in rules])
        if not self.groups:
            self._by_name()
        return list(self.groups.values())

    def _got(self, side: str, what: str, answer: Answer) -> t.Any:
        value, failure = answer
        if failure is not None:
            self._note(side, what, failure)
            self.refused = self.refused or failure
        return value

    def _note(self, side: str | None, what: str, failure: ReadFailed) -> None:
        self.denied.append(denied_on(side, what, failure))

    def _take(self, text: t.Any, kind: str, found_by: str, what: str, reshaped: bool = False) -> None:
        """Note the group of an ARN, and say so when neither identity can see it."""
        parts = arn(text)
        match = _GROUP.fullmatch(parts.resource) if parts else None
        if parts is None or match is None:
            return
        side = self._sides.of(text)
        if side is None:
            self._out_of_reach(what, f"writes to the log group {match['name']}", parts.region, parts.account)
            return
        group = Group(match["name"], side, kind, found_by, reshaped)
        self.groups.setdefault(group.key, group)

    def _out_of_reach(self, what: str, does: str, region: str, account: str) -> None:
        message = f"The {what} {does} in {region} of the account {account}, where neither side's identity looks."
        hint = "Look there by hand, or name a log group that the source or the destination can read in log_groups."
        self._note(None, what, ReadFailed("not_applicable", message, hint=hint))

    def _trails(self, side: str) -> Read:
        account = self._sides.accounts[side]
        return lambda: member_of(account.call("cloudtrail", "DescribeTrails"), "trailList", "DescribeTrails")

    # ----------------------------------------------------------------------------------------------- EventBridge

    def _rules(self, side: str, bus: str) -> Read:
        account = self._sides.accounts[side]

        def read() -> list[Json]:
            rules = listed(account, "events", "ListRules", "Rules", EventBusName=bus)
            return [rule for rule in rules if delivers_copies(rule.get("EventPattern"))]

        return read

    def _targets(self, side: str, bus: str, rule: Json) -> Read:
        account = self._sides.accounts[side]

        asked = {"Rule": str(rule.get("Name")), "EventBusName": bus}
        return lambda: list(listed(account, "events", "ListTargetsByRule", "Targets", **asked))

    def _follow(self, rules: list[tuple[str, str, Json]]) -> None:
        """From rules to their targets, and from buses among these to their rules."""
        seen = {("source", _DEFAULT_BUS)}
        for dummy in range(_MOST_HOPS):
            if not rules:
                return
            if len(rules) > _MOST_RULES:
                told = f"Only {_MOST_RULES} of {len(rules)} rules that deliver events of copies were followed."
                self._note(rules[0][0], "rules", ReadFailed("not_applicable", told))
            reads = {str(at): self._targets(*rule) for at, rule in enumerate(rules[:_MOST_RULES])}
            buses: list[tuple[str, str]] = []
            for at, answer in side_by_side(reads).items():
                side, dummy_bus, rule = rules[int(at)]
                name = rule.get("Name")
                targets = self._got(side, f"ListTargetsByRule {name}", answer) or []
                if targets and rule.get("State") == "DISABLED":
                    message = f"The rule {name} is disabled: it delivers no events now."
                    self._note(side, f"rule {name}", ReadFailed("not_configured", message))
                buses += [bus for target in targets for bus in self._take_target(rule, target)]
            new = [bus for bus in dict.fromkeys(buses) if bus not in seen]
            seen.update(new)
            found = side_by_side({f"{side} {bus}": self._rules(side, bus) for side, bus in new})
            rules = [
                (side, bus, rule)
                for side, bus in new
                for rule in self._got(side, f"ListRules {bus}", found[f"{side} {bus}"]) or []
            ]

    def _take_target(self, rule: Json, target: Json) -> list[tuple[str, str]]:
        """Note a target's group; returns the bus that it leads on to."""
        text = target.get("Arn")
        parts = arn(text)
        if parts is None:
            return []
        what = f"rule {rule.get('Name')}"
        if parts.service == "logs":
            reshaped = any(target.get(member) for member in _RESHAPED)
            self._take(text, "events", "eventbridge", what, reshaped)
        elif parts.service == "lambda":
            match = _FUNCTION.fullmatch(parts.resource)
            if match:
                name = f"log-group:/aws/lambda/{match['name']}"
                group = ":".join(("arn", parts.partition, "logs", parts.region, parts.account, name))
                self._take(group, "other", "eventbridge", what)
        elif parts.service == "events":
            match, side = _BUS.fullmatch(parts.resource), self._sides.of(str(text))
            if match and side:
                return [(side, match["name"])]
            self._out_of_reach(what, f"sends events to the bus {parts.resource}", parts.region, parts.account)
        return []

    # ------------------------------------------------------------------------------------------------------ names

    def _by_name(self) -> None:
        reads = {
            f"{side} {part}": self._named(side, part) for side in self._sides.accounts for part in _NAME_PARTS
        }
        told: set[str] = set()
        for key, (names, failure) in side_by_side(reads).items():
            side = key.split(" ")[0]
            if failure is not None:
                if side not in told:
                    self._note(side, "DescribeLogGroups", failure)
                told.add(side)
                continue
            for name in [name for name in names if not _NOT_COPIES.search(name)][:_MOST_NAMED]:
                self.groups.setdefault((side, name), Group(name, side, "other", "name"))

    def _named(self, side: str, part: str) -> Read:
        account = self._sides.accounts[side]

        def read() -> list[str]:
            arguments = {"token": "nextToken", "sent_as": "nextToken", "logGroupNamePattern": part}
            groups = listed(account, "logs", "DescribeLogGroups", "logGroups", **arguments)
            return [str(row["logGroupName"]) for row in groups if row.get("logGroupName")]

        return read


def delivers_copies(pattern: t.Any) -> bool:
    """Whether events of copy jobs pass an EventPattern; what is more than names and prefixes is taken to let them."""
    try:
        wanted = json.loads(pattern) if pattern else None
    except (TypeError, ValueError):
        return False
    if not isinstance(wanted, dict):  # a rule by schedule
        return False
    if not _passes(wanted.get("source"), _SOURCE) or not _passes(wanted.get("detail-type"), COPY_EVENT):
        return False
    return "source" in wanted or "detail-type" in wanted or "account" in wanted or "region" in wanted


def _passes(conditions: t.Any, value: str) -> bool:
    if conditions is None:
        return True

    def passes(condition: t.Any) -> bool:
        if isinstance(condition, dict):
            prefix = condition.get("prefix")
            return value.startswith(prefix) if isinstance(prefix, str) else True
        return bool(condition == value)

    return isinstance(conditions, list) and any(passes(condition) for condition in conditions)
