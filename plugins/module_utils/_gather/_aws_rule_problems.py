# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What is wrong with the rules of backup plans, as far as AWS's documents make it certain.

Each problem says what should be and what is. A rule that copies nowhere is a problem only where nothing else copies
either, or where it did copy before: nobody but its owner knows what a plan is meant for.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human, rfc3339
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_cron import BackupSchedule, parse_schedule
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import CopyJobRow, Pair
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_plans import (
    History,
    Plan,
    Plans,
    Rule,
    Target,
    rule_changes,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_rule_jobs import JobFacts, OfRule

SHORT_DAYS = 7  # AWS's advice: below it the only base of incremental copies may expire
COLD_DAYS = 90  # what has been moved to cold storage stays there so long
_MOST_NAMES = 10
_MOST_SLOTS = 62  # of a daily schedule that is two months

Json = t.Dict[str, t.Any]


@dataclass
class Known:
    """All that was read, for the checks."""

    pair: Pair
    source_account: str | None
    destination_account: str | None
    now: datetime
    plans: Plans | None  # None: refused
    jobs: JobFacts | None
    min_days: int | None = None  # bounds of the destination vault's lock
    max_days: int | None = None
    opt_in: dict[str, dict[str, bool] | None] = field(default_factory=dict)  # side: {type: bool}; None: refused
    managed: dict[str, bool] | None = None  # of the source
    histories: dict[str, History] = field(default_factory=dict)  # id of a plan
    upstream: list[Json] = field(default_factory=list)  # backup jobs that ended badly
    rpo_s: float | None = None

    @property
    def here(self) -> list[Plan]:
        """Plans with a rule on the source vault."""
        return self.plans.here if self.plans else []

    def copying(self) -> list[tuple[Rule, Target]]:
        """The rules that copy into the destination vault."""
        found = [(rule, rule.copies_to(self.pair)) for plan in self.here for rule in plan.rules]
        return [(rule, target) for rule, target in found if target]

    def made_by(self, rule: Rule) -> OfRule:
        """The jobs of a rule."""
        by_rule = self.jobs.by_rule if self.jobs else {}
        by_id = by_rule.get((rule.plan_id, str(rule.row.get("RuleId"))))  # jobs that do not tell the rule's name
        return by_rule.get(rule.key) or by_id or OfRule()

    def reference(self, rule: Rule) -> CopyJobRow | None:
        """The job whose version of the plan matters: the newest that failed; of a rule that no longer copies, any."""
        made = self.made_by(rule)
        return made.newest_bad or (None if rule.copies_to(self.pair) else made.newest)

    def types(self) -> set[str]:
        """Types that the pair is about."""
        named = {kind for plan in self.here for kind in plan.types}
        seen = self.jobs.types if self.jobs else set()
        return named | seen | {row["type"] for row in self.upstream if row.get("type")}

    @property
    def same_account(self) -> bool | None:
        """None: not known."""
        if self.source_account is None or self.destination_account is None:
            return None
        return self.source_account == self.destination_account


def problem(
    kind: str,
    message: str,
    *,
    side: str = "source",
    rule: Rule | None = None,
    role: str | None = None,
    types: t.Iterable[str] = (),
    resources: t.Iterable[str] = (),
    path: str | None = None,
    expected: t.Any = None,
    actual: t.Any = None,
) -> Json:
    """A row of `problems`."""
    return {
        "kind": kind,
        "side": side,
        "plan": rule.plan if rule else None,
        "rule": rule.name if rule else None,
        "role": role,
        "types": sorted(types),
        "resources": sorted(resources)[:_MOST_NAMES],
        "path": path,
        "expected": expected,
        "actual": actual,
        "message": message,
    }


def find_problems(known: Known) -> list[Json]:
    """Of plans and rules, worst first."""
    return [
        *_not_copying(known),
        *_retention(known),
        *_default_vault(known),
        *_changed(known),
        *_overlapping(known),
        *_too_seldom(known),
    ]


# -------------------------------------------------------------------------------------------------------- no copies


def _not_copying(known: Known) -> t.Iterator[Json]:
    """Rules that should copy here and do not."""
    plans, jobs = known.plans, known.jobs
    if plans is None:
        return
    # Where something else starts the copies, a rule need not; and of a plan that nobody could read nothing is known.
    nobody_copies = plans.complete and not known.copying() and not (jobs and jobs.on_demand_only)
    if nobody_copies and not plans.here:
        yield problem(
            "no_copy_action",
            f"No backup plan has a rule that writes to the vault {known.pair.source_vault}, so none copies out of it.",
            path="Rules[].TargetBackupVaultName",
            expected=known.pair.source_vault,
        )
    for plan in plans.here:
        if any(rule.copies_to(known.pair) for rule in plan.rules):
            continue
        for rule in plan.rules:
            if nobody_copies or known.made_by(rule).jobs:
                yield _without_copy(known, rule)


def _without_copy(known: Known, rule: Rule) -> Json:
    pair = known.pair
    expected = pair.destination_arn or f"the vault {pair.destination_vault} in {pair.destination_region}"
    elsewhere = [target.arn for target in rule.targets]
    before = "; it did before" if known.made_by(rule).jobs else ""
    if elsewhere:
        message = f"The rule {rule.name} copies to {', '.join(elsewhere)}, not to {expected}{before}."
    else:
        message = f"The rule {rule.name} has no copy action{before}."
    return problem(
        "copies_elsewhere" if elsewhere else "no_copy_action",
        message,
        rule=rule,
        types=known.made_by(rule).types,
        resources=known.made_by(rule).resources.values(),
        path=f"{rule.path}.CopyActions[].DestinationBackupVaultArn",
        expected=expected,
        actual=elsewhere or None,
    )


# -------------------------------------------------------------------------------------------------------- retention


def _retention(known: Known) -> t.Iterator[Json]:
    for rule, target in known.copying():
        days = target.lifecycle.delete_after
        said = (
            f"Copies of the rule {rule.name} are kept {'for ever' if days is None else f'{days} days'}"
            f"{', as the backups are,' if target.inherits else ''}"
        )
        for kind, bound, why in _broken_bounds(known, target):
            yield problem(
                kind,
                f"{said} {why}.",
                side="destination",
                rule=rule,
                path=f"{target.path}.Lifecycle.DeleteAfterDays",
                expected=bound,
                actual=days,
            )


def _broken_bounds(known: Known, target: Target) -> t.Iterator[tuple[str, int, str]]:
    """(kind, the bound in days, why it holds)"""
    days, cold = target.lifecycle
    least, most = known.min_days, known.max_days
    if least is not None and days is not None and days < least:
        yield "retention_below_minimum", least, f"and the lock of the destination vault asks for {least} days at least"
    if most is not None and (days is None or days > most):
        yield "retention_above_maximum", most, f"and the lock of the destination vault allows {most} days at most"
    if cold is not None and days is not None and days < cold + COLD_DAYS:
        yield (
            "cold_too_early",
            cold + COLD_DAYS,
            f"and moved to cold storage after {cold} days, where they have to stay for {COLD_DAYS}",
        )
    if days is not None and days < SHORT_DAYS:
        yield (
            "short_retention",
            SHORT_DAYS,
            "and the last one may expire before the next arrives, which is then a full copy",
        )


def _default_vault(known: Known) -> t.Iterator[Json]:
    if known.same_account is False and known.pair.destination_vault == "Default":
        yield problem(
            "default_vault_cross_account",
            "AWS Backup does not copy into the vault Default of another account.",
            side="destination",
            path="DestinationBackupVaultArn",
            expected="a vault that was created by the destination account",
            actual=known.pair.destination_arn or "Default",
        )


# ---------------------------------------------------------------------------------------------------------- changes


def _changed(known: Known) -> t.Iterator[Json]:
    for plan in known.here:
        history = known.histories.get(plan.plan_id)
        for rule in plan.rules:
            job = known.reference(rule)
            version = job.origin.plan_version if job else None
            older = history.older.get(version) if history and version else None
            if job is None or history is None or version is None or older is None:
                continue
            changes = rule_changes(next((row for row in older if row.get("RuleName") == rule.name), None), rule.row)
            if changes is None:
                continue
            until = stamp(history.superseded_at.get(version))
            yield problem(
                "rule_changed",
                f"The rule {rule.name} is not what it was when it made copy job {job.copy_job} ({job.state}): "
                f"{', '.join(sorted(changes[0]))} changed{f' at {until}' if until else ''}.",
                rule=rule,
                types=[job.type],
                resources=[job.resource],
                path=rule.path,
                expected=changes[0],
                actual=changes[1],
            )


# --------------------------------------------------------------------------------------------------------- schedules


def schedule_of(rule: Rule) -> BackupSchedule | None:
    """None: not understood."""
    return parse_schedule(rule.row.get("ScheduleExpression"), rule.row.get("ScheduleExpressionTimezone"))


def _overlapping(known: Known) -> t.Iterator[Json]:
    """Where two rules of a plan start together AWS Backup runs the one that keeps its backups longer, not the other."""
    for plan in known.here:
        copying = [rule for rule in plan.rules if rule.copies_to(known.pair)]
        silent = [rule for rule in plan.rules if rule not in copying]
        for rule, other in itertools.product(copying, silent):
            meeting = _meeting(rule, other, known.now) if _outlives(other, rule) else None
            if meeting is None:
                continue
            yield problem(
                "overlapping_rule",
                f"The rule {other.name}, which does not copy here, starts together with {rule.name} and keeps its "
                "backups longer: then it runs in its place, and that time nothing is copied.",
                rule=rule,
                path=f"{other.path}.ScheduleExpression",
                expected=f"no start in common with {rule.name}",
                actual=rfc3339(meeting),
            )


def _outlives(one: Rule, other: Rule) -> bool:
    ours, theirs = one.keeps.delete_after, other.keeps.delete_after
    return theirs is not None and (ours is None or ours > theirs)


def _meeting(one: Rule, other: Rule, now: datetime) -> datetime | None:
    """The next start that both have."""
    schedules = [schedule_of(one), schedule_of(other)]
    slots = [set(schedule.slots(now, _MOST_SLOTS)) if schedule else set() for schedule in schedules]
    return min(slots[0] & slots[1], default=None)


def _too_seldom(known: Known) -> t.Iterator[Json]:
    """Rules whose backups lie further apart than the RPO, for what no other rule copies more often."""
    if known.rpo_s is None:
        return
    gaps: list[tuple[Rule, float | None]] = []
    for rule, dummy in known.copying():
        schedule = schedule_of(rule)
        distance = schedule.distance(known.now) if schedule else None
        gaps.append((rule, distance.longest_s if distance else None))
    # What a schedule that is not understood covers may be covered well.
    often = [rule for rule, gap in gaps if gap is None or gap <= known.rpo_s]
    covered = {resource for rule in often for resource in known.made_by(rule).resources}
    for rule, gap in gaps:
        if gap is None or gap <= known.rpo_s:
            continue
        made = known.made_by(rule).resources
        left = {resource: name for resource, name in made.items() if resource not in covered}
        if not left and (made or often):
            continue
        yield problem(
            "interval_exceeds_rpo",
            f"Backups of the rule {rule.name} lie up to {human(gap)} apart, more than the RPO of {human(known.rpo_s)}.",
            rule=rule,
            resources=left.values(),
            path=f"{rule.path}.ScheduleExpression",
            expected=known.rpo_s,
            actual=gap,
        )
