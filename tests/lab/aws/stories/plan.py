# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key ``plan``: one backup plan with a rule for each schedule of ``protect``, in the versions that it has had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from lab.aws.stories.protect import Entry
from lab.aws.stories.stage import Stage, vault_arn
from lab.aws.stories.words import account_id, ago_s, as_list, hex_of, moment, only, uuid_of
from lab.aws.world import Row

DEFAULT_ROLE = "AWSBackupDefaultServiceRole"
_VERSIONED = {"copy", "copy_to", "copy_lifecycle", "lifecycle", "start_window", "completion_window"}
_KEYS = {*_VERSIONED, "name", "schedule", "timezone", "selection", "role", "changed", "before", "created", "absent"}
_DEFAULTS = {
    "copy": True,
    "copy_lifecycle": {"delete_after": 35},
    "lifecycle": {"delete_after": 35},
    "start_window": 60,
    "completion_window": 180,
}
_LIFECYCLE = {
    "delete_after": "DeleteAfterDays",
    "cold_after": "MoveToColdStorageAfterDays",
    "archive": "OptInToArchiveForSupportedResources",
    "delete_after_event": "DeleteAfterEvent",
}
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True)
class Version:
    """The plan as it was from some moment on."""

    id: str
    since: float
    keys: dict[str, Any]
    destination: str

    @property
    def copies(self) -> bool:
        """Tell whether the rules have a copy action."""
        return bool(self.keys["copy"])

    def lifecycle(self, name: str = "lifecycle") -> dict[str, Any]:
        """Return a lifecycle in AWS's words; None and -1 keep for ever."""
        return lifecycle(self.keys[name], f"plan.{name}")


def lifecycle(raw: Any, where: str) -> dict[str, Any]:
    """Return a Lifecycle structure."""
    keys = only(raw, _LIFECYCLE, where)
    return {_LIFECYCLE[name]: value for name, value in keys.items() if value is not None}


class Plan:
    """The plan of a story: its versions, its rules, and the row that describes it."""

    def __init__(self, stage: Stage, entries: list[Entry]) -> None:
        self.stage = stage
        self.raw = {**_DEFAULTS, **only(stage.raw.get("plan"), _KEYS, "plan")}
        only(self.raw.get("before"), _VERSIONED, "plan.before")
        self.entries = [entry for entry in entries if not entry.on_demand]
        self.name = str(self.raw.get("name", "production"))
        self.absent = bool(self.raw.get("absent")) or not self.entries
        self.id = uuid_of("plan", self.name)
        side = stage.source
        self.arn = f"arn:aws:backup:{side.region}:{side.account}:backup-plan:{self.id}"
        self.versions = self._versions()
        self.rules = self._rules()

    def _versions(self) -> list[Version]:
        """Return the versions, the oldest first."""
        created = self.stage.now - ago_s(self.raw.get("created", "200d"))
        current = {key: self.raw.get(key) for key in _VERSIONED}
        if "changed" not in self.raw:
            if self.raw.get("before"):
                raise ValueError("plan.before needs plan.changed, which says since when the rules are as they are.")
            return [self._version(0, created, current)]
        changed = self.stage.now - ago_s(self.raw["changed"])
        older = {**current, **(self.raw.get("before") or {})}
        return [self._version(0, created, older), self._version(1, changed, current)]

    def _version(self, number: int, since: float, keys: dict[str, Any]) -> Version:
        marked = f"{self.name}-{number}"
        version_id = hex_of(48, "plan version", marked)
        for name in ("lifecycle", "copy_lifecycle"):
            lifecycle(keys[name], f"plan.{name}")
        return Version(version_id, since, keys, self._target(keys.get("copy_to")))

    def _target(self, raw: Any) -> str:
        """Return the ARN of the vault that the copy action names."""
        side = self.stage.destination
        keys = only(raw, {"vault", "region", "account"}, "plan.copy_to")
        account = account_id(keys.get("account", side.account), "plan.copy_to.account")
        return vault_arn(account, keys.get("region", side.region), keys.get("vault", side.vault))

    def at(self, when: float) -> Version:
        """Return the version that was in force at a moment."""
        return next((version for version in reversed(self.versions) if version.since <= when), self.versions[0])

    def _rules(self) -> dict[int, dict[str, str]]:
        """Return {number of the entry: {name, id, cron}}; entries with one schedule share a rule."""
        made: dict[int, dict[str, str]] = {}
        named: dict[str, str] = {}
        for entry in self.entries:
            cron = str(self.raw.get("schedule") or cron_of(entry.slots[0], entry.every_s))
            name = str(entry.raw.get("rule") or _rule_name(entry.every_s) + ("-continuous" if entry.continuous else ""))
            if named.setdefault(name, cron) != cron:
                name = f"{name}-{entry.number}"
                named[name] = cron
            made[entry.number] = {"name": name, "id": uuid_of("rule", self.name, name), "cron": cron}
        return made

    def created_by(self, entry: Entry, when: float) -> dict[str, str] | None:
        """Return the CreatedBy structure of what a rule made, None for what nobody's plan made."""
        if entry.on_demand or self.absent:
            return None
        rule = self.rules[entry.number]
        return {
            "BackupPlanId": self.id,
            "BackupPlanArn": self.arn,
            "BackupPlanName": self.name,
            "BackupPlanVersion": self.at(when).id,
            "BackupRuleId": rule["id"],
            "BackupRuleName": rule["name"],
            "BackupRuleCron": rule["cron"],
            "BackupRuleTimezone": str(self.raw.get("timezone", "Etc/UTC")),
        }

    def role_arn(self, entry: Entry) -> str:
        """Return the role that backs up and copies what an entry protects."""
        name = str(entry.raw.get("role") or self.raw.get("role") or DEFAULT_ROLE)
        return role_arn(self.stage.source.account, name)

    def row(self) -> Row | None:
        """Return the plan as GetBackupPlan describes it, with older versions and selections; None without one."""
        if self.absent:
            return None
        rows = [self._version_row(version) for version in self.versions]
        return {**rows[-1], "_versions": rows[-2::-1], "_selections": self._selections()}

    def _version_row(self, version: Version) -> Row:
        rules: dict[str, Row] = {}
        for entry in self.entries:
            rule = self.rules[entry.number]
            rules.setdefault(rule["name"], self._rule_row(rule, version, entry))
        newest = max(entry.slots[0] for entry in self.entries)
        return {
            "BackupPlan": {"BackupPlanName": self.name, "Rules": list(rules.values())},
            "BackupPlanId": self.id,
            "BackupPlanArn": self.arn,
            "VersionId": version.id,
            "CreationDate": moment(version.since),
            "LastExecutionDate": moment(newest),
        }

    def _rule_row(self, rule: dict[str, str], version: Version, entry: Entry) -> Row:
        made: Row = {
            "RuleName": rule["name"],
            "RuleId": rule["id"],
            "TargetBackupVaultName": self.stage.source.vault,
            "ScheduleExpression": rule["cron"],
            "ScheduleExpressionTimezone": str(self.raw.get("timezone", "Etc/UTC")),
            "StartWindowMinutes": version.keys["start_window"],
            "CompletionWindowMinutes": version.keys["completion_window"],
            "Lifecycle": version.lifecycle(),
            "EnableContinuousBackup": entry.continuous,
            "CopyActions": [],
        }
        if version.copies:
            made["CopyActions"] = [
                {"DestinationBackupVaultArn": version.destination, "Lifecycle": version.lifecycle("copy_lifecycle")}
            ]
        return made

    def _selections(self) -> list[Row]:
        keys = only(self.raw.get("selection"), {"name", "resources", "not_resources", "tags"}, "plan.selection")
        by_role: dict[str, list[str]] = {}
        for entry in self.entries:
            arns = [run.arn for run in entry.runs()[: len(entry.resources)]]
            by_role.setdefault(self.role_arn(entry), []).extend(arns)
        made = []
        for number, (role, arns) in enumerate(by_role.items()):
            name = f"{keys.get('name', 'assigned')}{f'-{number}' if number else ''}"
            tags = keys.get("tags") or {}
            selection: Row = {
                "SelectionName": name,
                "IamRoleArn": role,
                "Resources": as_list(keys.get("resources", [] if tags else arns)),
                "NotResources": as_list(keys.get("not_resources")),
                "ListOfTags": [
                    {"ConditionType": "STRINGEQUALS", "ConditionKey": tag, "ConditionValue": value}
                    for tag, value in tags.items()
                ],
                "Conditions": {},
            }
            made.append(
                {
                    "BackupSelection": selection,
                    "SelectionId": uuid_of("selection", self.name, name),
                    "BackupPlanId": self.id,
                    "CreationDate": moment(self.versions[0].since + 60),
                }
            )
        return made


def role_arn(account: str, name: str) -> str:
    """Return the ARN of a role that AWS Backup uses; the default role lies in a path of its own."""
    path = "service-role/" if name == DEFAULT_ROLE else ""
    return f"arn:aws:iam::{account}:role/{path}{name}"


def _rule_name(every_s: float) -> str:
    return {3600.0: "hourly", 86400.0: "daily", 604800.0: "weekly"}.get(every_s, f"every-{every_s / 3600:g}h")


def cron_of(slot: float, every_s: float) -> str:
    """Return the schedule, in AWS's six fields, whose runs the slots are."""
    at = datetime.fromtimestamp(slot, timezone.utc)
    hours = every_s / 3600
    if hours < 24 and 24 % hours == 0:
        listed = "*" if hours == 1 else ",".join(f"{hour}" for hour in range(int(at.hour % hours), 24, int(hours)))
        return f"cron({at.minute} {listed} ? * * *)"
    if every_s == 7 * 86400:
        return f"cron({at.minute} {at.hour} ? * {_WEEKDAYS[at.weekday()]} *)"
    if every_s % 86400 == 0 and every_s > 86400:
        return f"cron({at.minute} {at.hour} */{int(every_s // 86400)} * ? *)"
    return f"cron({at.minute} {at.hour} ? * * *)"
