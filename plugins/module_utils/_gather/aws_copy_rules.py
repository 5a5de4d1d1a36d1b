# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 7 of the region runbook: the rules that copy, which AWS keeps in backup plans, and the roles they copy with.

A vault has no replication configuration. What the runbook means by it is put together here: the rules of all plans that
write to the source vault, where their copy actions lead, what they are assigned to, and which jobs each has made.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta
from functools import partial

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    SIDES,
    Answer,
    Answers,
    Read,
    arn,
    denied_on,
    describe_vault,
    last_part,
    look_back_parameter,
    named_sides,
    side_by_side,
    stamp,
    vault_spec,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import unless_refused
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import (
    CopyJobRow,
    Pair,
    list_pair_jobs,
    read_jobs,
    vault_pair,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_plans import (
    Plan,
    Rule,
    list_plans,
    read_history,
    read_plans,
    selection_lists,
    selection_reads,
    take_lists,
    take_selections,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_roles import (
    MOST_ROLES,
    Role,
    read_roles,
    role_reads,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_rule_jobs import JobFacts
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_rule_problems import (
    Known,
    find_problems,
    schedule_of,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_rule_types import (
    find_type_problems,
    judge_role,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_selected import selected_resources
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst, rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "copy_rules"

_MOST_HISTORIES = 10
_MOST_PLANS = 50  # whose selections are read
_MOST_RULES = 50
_MOST_NAMES = 10

Json = t.Dict[str, t.Any]


class _Asked(t.NamedTuple):
    rpo_s: float | None
    rows: int
    jobs: list[CopyJobRow] | None  # None: to be listed
    jobs_feed: str | None
    copy_jobs: Json  # evidence of that step
    vaults: Json | None  # feed of that step


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read plans, settings and roles, and compare them with what the copies need and what the jobs tell."""
    query = named_sides(params)
    asked = _Asked(
        duration_parameter(params, "rpo"),
        rows_parameter(params),
        read_jobs(params.get("jobs_feed")),
        params.get("jobs_feed"),
        params.get("copy_jobs") or {},
        params.get("vaults_feed"),
    )
    denied: list[Json] = []
    try:
        pair = vault_pair(params, clients, denied)
        reading = _Reading(asked, pair, clients, denied)
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    return reading.answer({**pair.query(), "rpo_s": asked.rpo_s})


class _Reading:
    """One run: each phase needs what the one before it found."""

    def __init__(
        self,
        asked: _Asked,
        pair: Pair,
        clients: t.Any,
        denied: list[Json],
    ) -> None:
        """Reads. Raises BadParameter, ReadFailed(not_configured)."""
        self.asked = asked
        self.source = clients.aws_source
        self.denied = denied
        self.refused: ReadFailed | None = None  # the list of plans
        self._role_answers: Answers = {}
        self.known = self._first(pair, clients)
        self.roles: list[Role] = []
        if self.refused is None or self.refused.outcome == "forbidden":
            self._second()

    def _first(self, pair: Pair, clients: t.Any) -> Known:
        """What depends on nothing: lists, settings, and what earlier steps did not hand over."""
        asked, source, destination = self.asked, self.source, clients.aws_destination
        reads: dict[str, Read] = {
            "plans": lambda: list_plans(source),
            "source": lambda: source.call("backup", "DescribeRegionSettings"),
            "destination": lambda: destination.call("backup", "DescribeRegionSettings"),
        }
        told = None if asked.jobs is None else JobFacts(asked.jobs)
        roles = role_reads(source, self._failing_roles(told)[:MOST_ROLES])
        reads.update(roles)
        if asked.jobs is None:
            since = source.now() - timedelta(seconds=look_back_parameter({}))
            reads["jobs"] = unless_refused(
                asked.jobs_feed, lambda: list_pair_jobs(clients, pair, since, self.denied).copies.rows
            )
        if asked.vaults is None:
            reads["vault"] = lambda: describe_vault(destination, pair.destination_vault)
        answers = side_by_side(reads)
        self._role_answers = {name: answers[name] for name in roles}
        rows, self.refused = answers["plans"]
        plans = None if rows is None else read_plans(source, rows, pair.source_vault, clients.progress)
        self._note("source", plans.refused if plans else [])
        if told is None:
            listed = self._side("source", "copy jobs", answers["jobs"])
            told = None if listed is None else JobFacts(listed)
        settings = {side: self._side(side, "DescribeRegionSettings", answers[side]) for side in SIDES}
        vaults = asked.vaults
        if vaults is None:
            vault_row = self._side("destination", "DescribeBackupVault", answers["vault"]) or {}
            bounds = {"min_retention_days": "MinRetentionDays", "max_retention_days": "MaxRetentionDays"}
            vaults = {name: vault_row.get(member) for name, member in bounds.items()}
        owner = next((plan.account for plan in plans.here), None) if plans else None
        parts = arn(pair.destination_arn)
        return Known(
            pair=pair,
            source_account=vaults.get("source_account") or owner,
            destination_account=parts.account if parts else None,
            now=source.now(),
            plans=plans,
            jobs=told,
            min_days=vaults.get("min_retention_days"),
            max_days=vaults.get("max_retention_days"),
            opt_in={side: row and row.get("ResourceTypeOptInPreference") for side, row in settings.items()},
            managed=(settings["source"] or {}).get("ResourceTypeManagementPreference"),
            upstream=asked.copy_jobs.get("upstream") or [],
            rpo_s=asked.rpo_s,
        )

    def _second(self) -> None:
        """What depends on the plans: what they are assigned to, how they were before, and the roles."""
        plans, source = self._by_weight(), self.source
        assigned, versions = plans[:_MOST_PLANS], self._histories(plans)
        histories = dict(list(versions.items())[:_MOST_HISTORIES])
        self._note("source", _left_out("selections", len(assigned), len(plans)))
        self._note("source", _left_out("versions", len(histories), len(versions)))
        answers = side_by_side({**selection_lists(source, assigned), **histories})
        self._note("source", take_lists(assigned, answers))
        for plan_id in histories:
            self.known.histories[plan_id], refused = answers[plan_id][0]
            self._note("source", refused)
        roles = self._role_arns(plans)
        reads, refused = selection_reads(source, assigned)
        others = {name: read for name, read in role_reads(source, roles).items() if name not in self._role_answers}
        answers = side_by_side({**reads, **others})
        self._note("source", refused + take_selections(assigned, answers))
        self.roles, refused = read_roles(source, roles, {**self._role_answers, **answers})
        self._note("source", refused)

    def _by_weight(self) -> list[Plan]:
        """Plans whose jobs fail first, then those that copy here."""
        known = self.known
        copying = {rule.plan_id for rule, dummy in known.copying()}
        failing = {rule.plan_id for plan in known.here for rule in plan.rules if known.made_by(rule).newest_bad}

        def weight(plan: Plan) -> tuple[bool, bool, str]:
            return plan.plan_id not in failing, plan.plan_id not in copying, plan.name

        return sorted(known.here, key=weight)

    def _histories(self, plans: list[Plan]) -> dict[str, Read]:
        """{id of a plan: the read of its versions}: where the look-back has jobs of another than the current one."""
        reads: dict[str, Read] = {}
        for plan in plans:
            made = self.known.jobs.of_plan(plan.plan_id) if self.known.jobs else {}
            if {version for rule in made.values() for version in rule.versions} - {plan.version}:
                jobs = [self.known.reference(rule) for rule in plan.rules]
                versions = {job.origin.plan_version for job in jobs if job and job.origin.plan_version} - {plan.version}
                reads[plan.plan_id] = partial(read_history, self.source, plan, sorted(versions))
        return reads

    def _role_arns(self, plans: list[Plan]) -> list[str]:
        """Those of failing jobs first."""
        failing = self._failing_roles(self.known.jobs)
        return list(dict.fromkeys([*failing, *(role for plan in plans for role in plan.roles if arn(role))]))[:MOST_ROLES]

    def _failing_roles(self, jobs: JobFacts | None) -> list[str]:
        """Those of failing jobs, as far as earlier steps tell."""
        failing = jobs.roles() if jobs else []
        if not failing:
            failing = [role for row in self.asked.copy_jobs.get("groups") or [] for role in row.get("roles") or []]
        return [role for role in dict.fromkeys(failing) if arn(role)]

    # ------------------------------------------------------------------------------------------------------- answer

    def answer(self, query: Json) -> Gathered:
        """The evidence."""
        known, rows = self.known, self.asked.rows
        problems = [*find_problems(known), *find_type_problems(known)]
        roles = []
        for role in self.roles:
            row, theirs, unreadable = judge_role(known, role)
            roles.append(row)
            problems += theirs
            self._note("source", unreadable)
        rules = Worst(rows)
        troubled = {(problem["plan"], problem["rule"]) for problem in problems}
        for plan in known.here:
            for rule in plan.rules:
                row = _rule_row(known, plan, rule)
                rules.push(((plan.name, rule.name) in troubled, bool(row["failing_version"]), row["copies_here"]), row)
        now = self.source.now()
        anything = known.here or roles or problems
        return Gathered(
            evidence(
                NAME,
                outcome=self.refused.outcome if self.refused else "ok" if anything else "empty",
                query=query,
                summary=_summary(known, rules.total, len(problems)),
                rows={
                    "rules": (rules.rows(), rules.total),
                    "roles": (roles, len(roles)),
                    "problems": (problems[:rows], len(problems)),
                },
                covered={"start": None, "end": rfc3339(now)},
                observed_at=rfc3339(now),
                clock=self.source.clock.as_evidence(),
                error=self.refused.as_error() if self.refused else None,
                opt_in={**known.opt_in, "managed_source": known.managed},
                replication=_replication(known),
                denied=self.denied,
            ),
            {"selected": selected_resources(known)},
        )

    def _side(self, side: str, what: str, answer: Answer) -> t.Any:
        self._note(side, [(what, answer[1])] if answer[1] else [])
        return answer[0]

    def _note(self, side: str, refused: t.Iterable[tuple[str, ReadFailed]]) -> None:
        """Keep refused reads; of many refused for one reason, the first and how many."""
        by_reason: dict[t.Any, list[tuple[str, ReadFailed]]] = {}
        for what, failure in refused:
            by_reason.setdefault((failure.outcome, failure.code, what.split(" ")[0]), []).append((what, failure))
        for entries in by_reason.values():
            what, failure = entries[0]
            more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
            self.denied.append(denied_on(side, f"{what}{more}", failure))


def _left_out(what: str, read: int, all_of_them: int) -> list[tuple[str, ReadFailed]]:
    """That something was read of the first plans only; nothing where it was read of all."""
    if read == all_of_them:
        return []
    return [(what, ReadFailed("not_applicable", f"Only the {what} of {read} of {all_of_them} plans were read."))]


def _rule_row(known: Known, plan: Plan, rule: Rule) -> Json:
    target, row = rule.copies_to(known.pair), rule.row
    schedule = schedule_of(rule)
    distance = schedule.distance(known.now) if schedule else None
    bad = known.made_by(rule).newest_bad
    version = bad.origin.plan_version if bad else None
    return {
        "plan": rule.plan,
        "plan_id": rule.plan_id,
        "version": rule.version,
        "rule": rule.name,
        "rule_id": row.get("RuleId"),
        "schedule": row.get("ScheduleExpression"),
        "timezone": row.get("ScheduleExpressionTimezone"),
        "interval_s": distance.usual_s if distance else None,
        "copies_here": target is not None,
        "copies_to": [other.arn for other in rule.targets],
        "delete_after_days": target.lifecycle.delete_after if target else None,
        "cold_after_days": target.lifecycle.cold_after if target else None,
        "continuous": bool(row.get("EnableContinuousBackup")),
        "start_window_s": _seconds(row.get("StartWindowMinutes")),
        "completion_window_s": _seconds(row.get("CompletionWindowMinutes")),
        "selections": [selection.name for selection in plan.selections][:_MOST_NAMES],
        "roles": [last_part(role) for role in plan.roles][:_MOST_NAMES],
        "failing_version": version if version != rule.version else None,
    }


def _seconds(minutes: t.Any) -> float | None:
    return None if minutes is None else float(minutes) * 60


def _summary(known: Known, rules: int, problems: int) -> Json:
    changed = [history.changed_at for history in known.histories.values() if history.changed_at]
    return {
        "plans": known.plans.total if known.plans else None,
        "rules": rules if known.plans else None,
        "copying": len(known.copying()) if known.plans else None,
        "problems": problems,
        "changed_at": stamp(max(changed, default=None)),
        "on_demand_only": known.jobs.on_demand_only if known.jobs else None,
    }


def _replication(known: Known) -> Json:
    """What the runbook calls the vault's replication configuration."""
    jobs = known.jobs
    created_by: dict[str, int] = {}
    for (dummy, rule), made in jobs.by_rule.items() if jobs else ():
        created_by[rule] = created_by.get(rule, 0) + made.jobs
    most = sorted(created_by, key=lambda rule: -created_by[rule])[:_MOST_RULES]
    return {
        "rules": [rule.name for rule, dummy in known.copying()][:_MOST_RULES],
        "created_by": {rule: created_by[rule] for rule in most} if jobs else None,
        "on_demand": jobs.on_demand if jobs else None,
    }


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        vault_spec(),
        rpo={"type": "str"},
        vaults_feed={"type": "dict"},
        copy_jobs={"type": "dict"},
        jobs_feed={"type": "str"},
    ),
)
