# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Searches in log groups. The filter runs in the service, so only what matches is ever read.

Newest messages come first: where a bound ends a search, what it missed is the oldest. CloudWatch Logs charges nothing
for FilterLogEvents, but it does for queries of Insights, which are only made when asked for.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import member_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import Pair
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_logevents import BAD, Harvest, Message
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_loggroups import COPY_EVENT, Group
from ansible_collections.sre.backup_sync.plugins.module_utils._step import guarded

_WORDS = ("copy failed", "copy job failed", "sync failed", "replication error")
_BAD_PATTERN = "InvalidParameterException"
_MOST_QUERY_ROWS = 10_000
_POLL_S = 1.0

Json = t.Dict[str, t.Any]


class Bounds(t.NamedTuple):
    """What ends a search before its end."""

    max_pages: int  # of one search in one group
    deadline: float  # of all searches, by the monotonic clock


class Span(t.NamedTuple):
    """What is searched, epoch seconds."""

    start: float
    end: float


class Errand(t.NamedTuple):
    """What all searches of a run have in common."""

    pair: Pair
    span: Span
    bounds: Bounds
    harvest: Harvest
    turn: t.Callable[[], None]  # called for each page that came


# --------------------------------------------------------------------------------------------------------- patterns


def _copy_pattern(pair: Pair, *states: str) -> str:
    # without the account only the end of the ARN is known; events of other Regions are sorted out when they are read
    vault = pair.destination_arn or f"*:backup-vault:{pair.destination_vault}"
    wanted = " || ".join(f'($.detail.state = "{state}")' for state in states)
    return (
        f'($.source = "aws.backup") && ($.detail-type = "{COPY_EVENT}") && ({wanted}) '
        f'&& ($.detail.destinationBackupVaultArn = "{vault}")'
    )


# Refused calls to AWS Backup that would have changed something, and all refused calls that it made for a job.
_API_ERRORS = (
    '($.errorCode = "*") && ((($.eventSource = "backup.amazonaws.com") && ($.readOnly IS FALSE)) '
    '|| ($.userIdentity.invokedBy = "backup.amazonaws.com"))'
)
_RESHAPED = 'FAILED -"detail-type" -"eventVersion"'  # only what is neither an event nor a record of CloudTrail


def _any_case(words: str) -> str:
    return "".join(f"[{sign.upper()}{sign}]" if sign.isalpha() else r"\s" for sign in words)


class Search(t.NamedTuple):
    """One search of a group."""

    pattern: str
    otherwise: str | None = None  # what to ask when the service does not take the pattern
    when_cut: str | None = None  # what to ask besides when a bound ended it: the more important part of it
    words: bool = False  # it counts the runbook's words


def searches(group: Group, pair: Pair) -> list[Search]:
    """What to ask a group, the more important first."""
    phrases = [f'?"{form}"' for words in _WORDS for form in (words, words.capitalize(), words.title(), words.upper())]
    words = Search(f"%{'|'.join(map(_any_case, _WORDS))}%", " ".join(phrases), words=True)
    if group.kind == "cloudtrail":
        return [Search(f"{{ {_API_ERRORS} }}"), words]
    if group.reshaped:
        return [Search(_RESHAPED), words]
    # Jobs that began to run tell how long they waited; they may be very many, and must not displace what failed.
    failed, also_running = _copy_pattern(pair, *BAD), _copy_pattern(pair, *BAD, "RUNNING")
    if group.kind == "events":
        return [Search(f"{{ {also_running} }}", when_cut=f"{{ {failed} }}"), words]
    everything, important = (f"{{ ({events}) || ({_API_ERRORS}) }}" for events in (also_running, failed))
    return [Search(everything, when_cut=important), Search(_RESHAPED), words]


# ---------------------------------------------------------------------------------------------------------- filters


class Searched(t.NamedTuple):
    """What became of one search."""

    matched: int
    cut: bool
    reached: float | None  # of a search that was cut: how far back it came, epoch seconds


def run_search(account: t.Any, group: Group, asked: Search, errand: Errand) -> Searched:
    """Run one search. Raises ReadFailed."""
    try:
        searched = _filter(account, group, asked.pattern, asked.words, errand)
    except ReadFailed as failure:
        if asked.otherwise is None or failure.code != _BAD_PATTERN or _is_about_class(failure):
            raise
        searched = _filter(account, group, asked.otherwise, asked.words, errand)
    if searched.cut and asked.when_cut:
        more = _filter(account, group, asked.when_cut, asked.words, errand)
        # what the first one missed besides are jobs that began to run, of which nothing is concluded
        return Searched(searched.matched + more.matched, True, more.reached if more.cut else errand.span.start)
    return searched


def _filter(account: t.Any, group: Group, pattern: str, words: bool, errand: Errand) -> Searched:
    span, bounds = errand.span, errand.bounds
    arguments: Json = {
        "logGroupName": group.name,
        "filterPattern": pattern,
        "startTime": int(span.start * 1000),
        "endTime": int(span.end * 1000),
    }
    newest_first = account.takes("logs", "FilterLogEvents", "startFromHead")
    if newest_first:
        arguments["startFromHead"] = False
    matched = 0
    reached: float | None = None
    if time.monotonic() > bounds.deadline:
        return Searched(0, True, None)
    replies = account.pages("logs", "FilterLogEvents", token="nextToken", sent_as="nextToken", **arguments)
    for pages, page in enumerate(replies, 1):
        errand.turn()
        messages = [_message(row) for row in member_of(page, "events", "FilterLogEvents")]
        matched += errand.harvest.add(messages, errand.pair, group.name, words)
        reached = min((message.at for message in messages), default=reached)  # newest first, so also of all pages
        if page.get("nextToken") and (pages >= bounds.max_pages or time.monotonic() > bounds.deadline):
            return Searched(matched, True, reached if newest_first else None)
    return Searched(matched, False, None)


def _message(row: Json) -> Message:
    return Message(str(row.get("message") or ""), (row.get("timestamp") or 0) / 1000, str(row.get("eventId") or ""))


def _is_about_class(failure: ReadFailed) -> bool:
    return "class" in failure.message.lower()


def not_filterable(failure: ReadFailed) -> bool:
    """Whether the group's class is why it cannot be filtered."""
    return failure.outcome == "error" and _is_about_class(failure)


# --------------------------------------------------------------------------------------------------------- Insights


def query(account: t.Any, groups: list[Group], errand: Errand) -> Searched:
    """Ask Insights about groups of one side that cannot be filtered; it costs by what it reads. Raises ReadFailed."""
    pair, span = errand.pair, errand.span
    states = " or ".join(f'detail.state = "{state}"' for state in (*BAD, "RUNNING"))
    conditions = [f'source = "aws.backup" and `detail-type` = "{COPY_EVENT}"', f"({states})"]
    if pair.destination_arn:
        conditions.append(f'detail.destinationBackupVaultArn = "{pair.destination_arn}"')
    started = account.call(
        "logs",
        "StartQuery",
        logGroupNames=[group.name for group in groups],
        startTime=int(span.start),
        endTime=int(span.end),
        queryString=f"fields @timestamp, @message | filter {' and '.join(conditions)} | sort @timestamp desc",
        limit=_MOST_QUERY_ROWS,
    )
    reply = _result(account, str(member_of(started, "queryId", "StartQuery")), errand.bounds)
    if reply is None:
        return Searched(0, True, None)
    results = member_of(reply, "results", "GetQueryResults")
    rows = [{cell.get("field"): cell.get("value") for cell in row} for row in results]
    messages = [
        Message(str(row.get("@message") or ""), span.end, str(row.get("@ptr") or at)) for at, row in enumerate(rows)
    ]
    errand.turn()
    matched = errand.harvest.add(messages, pair, groups[0].name, words=False)
    return Searched(matched, len(rows) >= _MOST_QUERY_ROWS, None)


def _result(account: t.Any, query_id: str, bounds: Bounds) -> Json | None:
    """The answer of a query; None when it takes too long, and then it is stopped. Raises ReadFailed."""
    while True:
        reply: Json = account.call("logs", "GetQueryResults", queryId=query_id)
        status = reply.get("status")
        if status == "Complete":
            return reply
        if status not in ("Scheduled", "Running"):
            raise ReadFailed("error", f"The query of Insights ended as {status}.", code=status)
        if time.monotonic() > bounds.deadline:
            # whoever may not stop it lets it run to its end; what was found elsewhere stands
            guarded(lambda: account.call("logs", "StopQuery", queryId=query_id))
            return None
        time.sleep(_POLL_S)
