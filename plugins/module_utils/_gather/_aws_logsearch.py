# Copyright: (c) 2026, the sre.backup_sync authors
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
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import Pair
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_logevents import BAD, Harvest, Message
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_loggroups import COPY_EVENT, Group

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


def patterns(group: Group, pair: Pair) -> dict[str, list[str]]:
    """{search: [its pattern, and what to ask when the service does not take that]}."""
    phrases = [f'?"{form}"' for words in _WORDS for form in (words, words.capitalize(), words.title(), words.upper())]
    searches = {"words": [f"%{'|'.join(map(_any_case, _WORDS))}%", " ".join(phrases)]}
    failed, running = _copy_pattern(pair, *BAD), _copy_pattern(pair, "RUNNING")
    if group.kind == "cloudtrail":
        searches["failures"] = [f"{{ {_API_ERRORS} }}"]
    elif group.reshaped:
        searches["lines"] = [_RESHAPED]
    elif group.kind == "events":
        searches.update(failures=[f"{{ {failed} }}"], running=[f"{{ {running} }}"])
    else:
        both = f"{{ ({failed}) || ({_API_ERRORS}) }}"
        searches.update(failures=[both], running=[f"{{ {running} }}"], lines=[_RESHAPED])
    return searches


# ---------------------------------------------------------------------------------------------------------- filters


class Searched(t.NamedTuple):
    """What became of one search."""

    pages: int
    matched: int
    cut: bool
    reached: float | None  # of a search that was cut: how far back it came, epoch seconds


def search(
    account: t.Any,
    group: Group,
    name: str,
    asked: list[str],
    *,
    pair: Pair,
    span: Span,
    bounds: Bounds,
    harvest: Harvest,
    say: t.Callable[[str], None],
) -> Searched:
    """Run one search; the next of its patterns when the service refuses one. Raises ReadFailed."""

    def run(pattern: str) -> Searched:
        return _filter(account, group, pattern, name, pair, span, bounds, harvest, say)

    for pattern in asked[:-1]:
        try:
            return run(pattern)
        except ReadFailed as failure:
            if failure.code != _BAD_PATTERN or _is_about_class(failure):
                raise
    return run(asked[-1])


def _filter(
    account: t.Any,
    group: Group,
    pattern: str,
    name: str,
    pair: Pair,
    span: Span,
    bounds: Bounds,
    harvest: Harvest,
    say: t.Callable[[str], None],
) -> Searched:
    arguments: Json = {
        "logGroupName": group.name,
        "filterPattern": pattern,
        "startTime": int(span.start * 1000),
        "endTime": int(span.end * 1000),
    }
    if account.takes("logs", "FilterLogEvents", "startFromHead"):
        arguments["startFromHead"] = False
    pages = matched = 0
    reached: float | None = None
    if time.monotonic() > bounds.deadline:
        return Searched(0, 0, True, None)
    said = time.monotonic()
    for page in account.pages("logs", "FilterLogEvents", token="nextToken", sent_as="nextToken", **arguments):
        pages += 1
        messages = [_message(row) for row in page.get("events") or []]
        matched += harvest.add(messages, pair, group.name, words=name == "words")
        reached = min((message.at for message in messages), default=reached)  # newest first, so also of all pages
        now = time.monotonic()
        if pages % 10 == 0 or now - said >= 2:
            say(f"log group {group.name}: {pages:,} pages searched for {name}")
            said = now
        if page.get("nextToken") and (pages >= bounds.max_pages or now > bounds.deadline):
            return Searched(pages, matched, True, reached if "startFromHead" in arguments else None)
    return Searched(pages, matched, False, None)


def _message(row: Json) -> Message:
    return Message(str(row.get("message") or ""), (row.get("timestamp") or 0) / 1000, str(row.get("eventId") or ""))


def _is_about_class(failure: ReadFailed) -> bool:
    return "class" in failure.message.lower()


def not_filterable(failure: ReadFailed) -> bool:
    """Whether the group's class is why it cannot be filtered."""
    return failure.outcome == "error" and _is_about_class(failure)


# --------------------------------------------------------------------------------------------------------- Insights


def query(
    account: t.Any, groups: list[Group], *, pair: Pair, span: Span, bounds: Bounds, harvest: Harvest
) -> Searched:
    """Ask Insights about groups of one side that cannot be filtered; it costs by what it reads. Raises ReadFailed."""
    states = " or ".join(f'detail.state = "{state}"' for state in (*BAD, "RUNNING"))
    vault = f'detail.destinationBackupVaultArn = "{pair.destination_arn}"' if pair.destination_arn else ""
    conditions = [f'source = "aws.backup" and `detail-type` = "{COPY_EVENT}"', f"({states})", vault]
    text = "fields @timestamp, @message | filter " + " and ".join(filter(None, conditions)) + " | sort @timestamp desc"
    started = account.call(
        "logs",
        "StartQuery",
        logGroupNames=[group.name for group in groups],
        startTime=int(span.start),
        endTime=int(span.end),
        queryString=text,
        limit=_MOST_QUERY_ROWS,
    )
    while True:
        reply = account.call("logs", "GetQueryResults", queryId=started["queryId"])
        status = reply.get("status")
        if status not in ("Scheduled", "Running"):
            break
        if time.monotonic() > bounds.deadline:
            account.call("logs", "StopQuery", queryId=started["queryId"])
            return Searched(1, 0, True, None)
        time.sleep(_POLL_S)
    if status != "Complete":
        raise ReadFailed("error", f"The Insights query ended as {status}.", code=status)
    rows = [{cell.get("field"): cell.get("value") for cell in row} for row in reply.get("results") or []]
    messages = [
        Message(str(row.get("@message") or ""), span.end, str(row.get("@ptr") or at)) for at, row in enumerate(rows)
    ]
    matched = harvest.add(messages, pair, groups[0].name, words=False)
    return Searched(1, matched, len(rows) >= _MOST_QUERY_ROWS, None)
