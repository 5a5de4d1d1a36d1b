# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 4 of the region runbook: what log groups tell of copies.

AWS Backup writes nothing of its copies to CloudWatch Logs, and none of its messages has the runbook's words. So the
log groups that somebody leads its events into are found first, and are asked for events of failed copies and for
refused calls; the words are a second net. Without any group the answer is that nothing is configured, never that
nothing failed.
"""

from __future__ import annotations

import threading
import time
import typing as t
from functools import partial

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    DAY_S,
    Read,
    arn,
    denied_on,
    named_sides,
    side_by_side,
    stamp,
    vault_spec,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import Pair, vault_pair
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_logevents import Harvest
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_loggroups import (
    Discovery,
    Group,
    Sides,
    named_groups,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_logsearch import (
    Bounds,
    Errand,
    Searched,
    Span,
    not_filterable,
    query,
    run_search,
    searches,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "logs"

_MOST_GROUPS = 20
_SAY_S = 2.0

Json = t.Dict[str, t.Any]


class _Asked(t.NamedTuple):
    window_s: float
    log_groups: list[str]
    max_pages: int
    budget_s: float
    use_insights: bool
    rows: int


def gather(params: Params, clients: t.Any) -> Gathered:
    """Find the log groups, search them side by side, and put together what they tell."""
    asked, query_row = _asked(params), named_sides(params)
    denied: list[Json] = []
    try:
        pair = vault_pair(params, clients, denied)
        accounts = {"source": clients.aws_source, "destination": clients.aws_destination}
    except ReadFailed as failure:
        return Gathered(failed(NAME, query_row, failure))
    sides = Sides(accounts, _owners(params, pair))
    refused: ReadFailed | None = None
    if asked.log_groups:
        groups = named_groups(asked.log_groups, sides)
    else:
        discovery = Discovery(sides)
        groups, refused = discovery.run(), discovery.refused
        denied += discovery.denied
    run = _Run(asked, pair, accounts, groups[:_MOST_GROUPS], clients.progress)
    if len(groups) > _MOST_GROUPS:
        told = f"Only {_MOST_GROUPS} of {len(groups)} log groups were searched."
        hint = "Name those that matter in log_groups."
        denied.append(denied_on(None, "log groups", ReadFailed("not_applicable", told, hint=hint)))
    query_row = {**pair.query(), "window": {"start": stamp(run.span.start), "end": stamp(run.span.end)}}
    if groups:
        run.search()
        denied += run.denied()
    return run.answer(query_row, denied, refused)


def _asked(params: Params) -> _Asked:
    max_pages, budget_s = params.get("max_pages"), params.get("budget")
    pages = 50 if max_pages is None else int(max_pages)
    seconds = 60.0 if budget_s is None else float(budget_s)
    if not 1 <= pages <= 100_000:
        raise BadParameter(f"max_pages: {pages} cannot be used; give a number of pages from 1 to 100000.")
    if not 1 <= seconds <= 86400:
        raise BadParameter(f"budget: {seconds:g} cannot be used; give a number of seconds from 1 to 86400.")
    return _Asked(
        duration_parameter(params, "window", most=90 * DAY_S) or DAY_S,
        [str(name) for name in params.get("log_groups") or []],
        pages,
        seconds,
        bool(params.get("use_insights")),
        rows_parameter(params),
    )


def _owners(params: Params, pair: Pair) -> dict[str, str | None]:
    """The account ids of both sides, as far as they are known without asking."""
    parts = arn(pair.destination_arn)
    source = (params.get("vaults_feed") or {}).get("source_account")
    return {"source": source, "destination": parts.account if parts else None}


class _Run:
    """The searches of one run."""

    def __init__(
        self,
        asked: _Asked,
        pair: Pair,
        accounts: dict[str, t.Any],
        groups: list[Group],
        say: t.Callable[[str], None],
    ) -> None:
        self.asked = asked
        self.accounts = accounts
        self.groups = groups
        self.harvest = Harvest()
        self.pages = 0
        self.reached: list[float | None] = []  # of searches that were cut
        now = accounts["source"].now().timestamp()
        self.span = Span(now - asked.window_s, now)
        self._say = say
        self._said = time.monotonic()
        self._lock = threading.Lock()
        bounds = Bounds(asked.max_pages, time.monotonic() + asked.budget_s)
        self._errand = Errand(pair, self.span, bounds, self.harvest, self._turn)

    def _turn(self) -> None:
        """A page came; whichever thread notices that it is time says how far all of them are."""
        with self._lock:
            self.pages += 1
            now = time.monotonic()
            due = now - self._said >= _SAY_S
            if due:
                self._said = now
        if due:
            self._say(f"log groups: {self.pages:,} pages searched, {len(self.harvest):,} events found")

    def search(self) -> None:
        """All searches in all groups, a few at once."""
        reads: dict[str, Read] = {}
        of: dict[str, Group] = {}
        for group in self.groups:
            account = self.accounts[group.side]
            for number, asked in enumerate(searches(group, self._errand.pair)):
                key = f"{group.side} {group.name} {number}"
                of[key] = group
                reads[key] = partial(run_search, account, group, asked, self._errand)
        for key, (searched, failure) in side_by_side(reads).items():
            self._take([of[key]], searched, failure)
        if self.asked.use_insights:
            self._ask_insights()

    def _take(self, groups: list[Group], searched: Searched | None, failure: ReadFailed | None) -> None:
        for group in groups:
            if failure is not None:
                group.failures.append(failure)
            if searched is not None:
                group.searched += 1
                group.matched += searched.matched
                group.cut = group.cut or searched.cut
        if searched is not None and searched.cut:
            self.reached.append(searched.reached)

    def _ask_insights(self) -> None:
        """The groups whose class cannot be filtered."""
        asked: dict[str, list[Group]] = {}
        for group in self.groups:
            if any(map(not_filterable, group.failures)):
                asked.setdefault(group.side, []).append(group)
        reads: dict[str, Read] = {
            side: partial(query, self.accounts[side], groups, self._errand) for side, groups in asked.items()
        }
        for side, (searched, failure) in side_by_side(reads).items():
            for group in asked[side] if failure is None else ():
                group.failures = []
            self._take(asked[side], searched, failure)

    # ------------------------------------------------------------------------------------------------------- answer

    def denied(self) -> list[Json]:
        """Groups that could not be searched, or not for everything: one row a group."""
        return [
            denied_on(group.side, f"log group {group.name}", _explained(group.failures[0]))
            for group in self.groups
            if group.failures
        ]

    def answer(self, query_row: Json, denied: list[Json], refused: ReadFailed | None) -> Gathered:
        """The evidence."""
        source, harvest, groups = self.accounts["source"], self.harvest, self.groups
        failure = self._failure(refused)
        rows = [self._group_row(group) for group in groups]
        return Gathered(
            evidence(
                NAME,
                outcome=failure.outcome if failure else "ok" if any(group.matched for group in groups) else "empty",
                query=query_row,
                summary=self._summary(),
                rows={
                    "groups": (rows[: self.asked.rows], len(rows)),
                    "events": harvest.event_rows(self.asked.rows),
                    "api_errors": harvest.error_rows(self.asked.rows),
                },
                covered=None if failure else self._covered(),
                observed_at=rfc3339(source.now()),
                clock=source.clock.as_evidence(),
                error=failure.as_error() if failure else None,
                denied=denied,
            ),
            feed={"queued": harvest.queued},
        )

    def _failure(self, refused: ReadFailed | None) -> ReadFailed | None:
        """Why the step has no answer."""
        groups = self.groups
        if groups and not any(group.searched for group in groups):
            return _explained(groups[0].failures[0])
        # A group that only its name speaks for, and that holds nothing of copies, is not where copies are told of.
        if any(group.matched or group.found_by != "name" for group in groups):
            return None
        if refused is not None:
            return refused
        return ReadFailed(
            "not_configured",
            "No log group receives events of copy jobs: AWS Backup writes none by itself.",
            hint="Let a rule of EventBridge lead events of aws.backup to a log group, or name the group in log_groups.",
        )

    def _group_row(self, group: Group) -> Json:
        outcome = "ok" if group.matched else "empty"
        if not group.searched:
            outcome = _explained(group.failures[0]).outcome
        return {
            "group": group.name,
            "region": self.accounts[group.side].region,
            "side": group.side,
            "kind": group.kind,
            "outcome": outcome,
            "matched": group.matched,
            "cut": group.cut,
            "found_by": group.found_by,
        }

    def _summary(self) -> Json:
        harvest, searched = self.harvest, [group for group in self.groups if group.searched]
        # Where only CloudTrail writes, there are no events of copy jobs that could be counted.
        holds_events = any(group.kind != "cloudtrail" for group in searched)
        return {
            "groups": len(self.groups),
            "copy_events": sum(harvest.by_state.values()) if holds_events else None,
            "failed_events": harvest.failed if holds_events else None,
            "by_state": dict(harvest.by_state),
            "phrases": harvest.phrases if searched else None,
            "api_errors": harvest.api_errors_total if searched else None,
            "pages": self.pages,
            "cut": any(group.cut for group in self.groups),
            "found_by": sorted({group.found_by for group in self.groups}),
        }

    def _covered(self) -> dict[str, str | None] | None:
        """The window, or the part of it that the searches came through before a bound ended them."""
        if None in self.reached:
            return None
        start = max([self.span.start, *(reached for reached in self.reached if reached is not None)])
        return {"start": stamp(start), "end": stamp(self.span.end)}


def _explained(failure: ReadFailed) -> ReadFailed:
    """What a refusal means: a group of some classes cannot be filtered at all."""
    if not not_filterable(failure):
        return failure
    return ReadFailed(
        "not_applicable",
        failure.message,
        code=failure.code,
        hint="Groups of this class can only be queried with Insights, which is paid for: set use_insights.",
    )


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        vault_spec(),
        window={"type": "str", "default": "24h"},
        log_groups={"type": "list", "elements": "str"},
        max_pages={"type": "int", "default": 50},
        budget={"type": "float", "default": 60.0},
        use_insights={"type": "bool", "default": False},
        vaults_feed={"type": "dict"},
    ),
)
