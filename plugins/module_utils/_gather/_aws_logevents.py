# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What one message of a log group tells of a copy, and the few rows that very many of them make.

An event of EventBridge has traps: `destinationRecoveryPointArn` is an empty object until there is one, the first event
of a job has no `copyJobId`, and a rule may hand on something else than the event. EventBridge may also deliver twice.
"""

from __future__ import annotations

import json
import re
import threading
import typing as t
from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import clip
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import arn, last_part, stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import Pair
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_loggroups import COPY_EVENT
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import fold

BAD = ("FAILED", "PARTIAL", "ABORTED")
PHRASES = ("copy failed", "sync failed", "replication error")
_PHRASE = re.compile(r"(?P<copy>copy (?:job )?failed)|(?P<sync>sync failed)|replication error", re.IGNORECASE)
_STATE = re.compile(r"\b(?:FAILED|PARTIAL|ABORTED)\b")
_JOB = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
_MOST_ROWS = 2000  # kinds of messages that are told apart
_MOST_PARSED = 262_144  # characters; CloudWatch Logs keeps no longer ones

Json = t.Dict[str, t.Any]


class CopyEvent(t.NamedTuple):
    """A change of a copy job, or a line that speaks of one. Times are epoch seconds; None is unknown."""

    copy_job: str | None
    state: str | None  # None: a line without a state
    message: str | None
    at: float
    resource_arn: str | None
    type: str | None
    source_vault: str | None
    destination_vault: str | None
    created: float | None


class Message(t.NamedTuple):
    """A log event as CloudWatch Logs gives it."""

    text: str
    at: float  # epoch seconds
    event_id: str  # unique in its group


class ApiError(t.NamedTuple):
    """A call that AWS refused, as CloudTrail wrote it."""

    event_name: str
    service: str
    error_code: str
    message: str | None
    region: str
    principal: str
    at: float
    event_id: str  # CloudTrail's own; two trails may write one call


def read_message(text: str, at: float, pair: Pair) -> CopyEvent | ApiError | None:
    """What a message tells; None when it is not about a copy into the destination vault. at: when it was written."""
    body = _object(text)
    if body is None:
        return _line(text, at)
    if "eventSource" in body and "errorCode" in body:
        return _api_error(body, at)
    detail: t.Any = body
    if "detail-type" in body:
        if body.get("detail-type") != COPY_EVENT:
            return None
        detail = body.get("detail")
    elif not ("copyJobId" in body or "destinationBackupVaultArn" in body):
        return None if "eventSource" in body else _line(text, at)
    return _copy_event(detail, body, at, pair) if isinstance(detail, dict) else None


def _object(text: str) -> Json | None:
    if not text.lstrip().startswith("{") or len(text) > _MOST_PARSED:
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _text(value: t.Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _copy_event(detail: Json, body: Json, at: float, pair: Pair) -> CopyEvent | None:
    destination = _text(detail.get("destinationBackupVaultArn"))
    if destination and not pair.leads_here({"DestinationBackupVaultArn": destination}):
        return None
    when = moment(detail.get("completionDate")) or moment(body.get("time")) or at
    return CopyEvent(
        copy_job=_text(detail.get("copyJobId")),
        state=_text(detail.get("state")),
        message=_text(detail.get("statusMessage")),
        at=when,
        resource_arn=_text(detail.get("resourceArn")),
        type=_text(detail.get("resourceType")),
        source_vault=_text(detail.get("sourceBackupVaultArn")),
        destination_vault=destination,
        created=moment(detail.get("creationDate")),
    )


def _line(text: str, at: float) -> CopyEvent | None:
    """A line of somebody's own program or of a rule that reshapes its events."""
    state, job = (_STATE.search(text), _JOB.search(text)) if "copy" in text.lower() else (None, None)
    if not (state or job or _PHRASE.search(text)):
        return None
    line = text.strip().strip('"')
    blank = CopyEvent(None, None, line, at, None, None, None, None, None)
    return blank._replace(copy_job=job[0].upper() if job else None, state=state[0] if state else None)


def _api_error(body: Json, at: float) -> ApiError:
    who = body.get("userIdentity") or {}
    issuer = ((who.get("sessionContext") or {}).get("sessionIssuer") or {}).get("arn")
    return ApiError(
        event_name=str(body.get("eventName") or ""),
        service=str(body.get("eventSource") or "").partition(".")[0],
        error_code=str(body.get("errorCode")),
        message=_text(body.get("errorMessage")),
        region=str(body.get("awsRegion") or ""),
        principal=str(issuer or who.get("arn") or who.get("invokedBy") or ""),
        at=moment(body.get("eventTime")) or at,
        event_id=str(body.get("eventID") or ""),
    )


def phrase_in(text: str) -> str | None:
    """Which of the runbook's words a message has."""
    found = _PHRASE.search(text)
    if found is None:
        return None
    return PHRASES[0] if found["copy"] else PHRASES[1] if found["sync"] else PHRASES[2]


class Harvest:
    """What all searches found, put together; several threads add to it."""

    def __init__(self) -> None:
        self.by_state: Counter[str] = Counter()
        self.phrases = dict.fromkeys(PHRASES, 0)
        self.queued: dict[str, float] = {}  # copy job: seconds from creation to RUNNING
        self.failed = 0
        self.api_errors_total = 0
        self._seen: set[int] = set()  # hashes: there may be very many
        self._events: dict[t.Any, list[t.Any]] = {}  # key: [newest event, count]
        self._errors: dict[t.Any, list[t.Any]] = {}  # key: [newest error, count, group]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(self.by_state.values()) + self.api_errors_total

    def add(self, messages: list[Message], pair: Pair, group: str, words: bool) -> int:
        """Take the messages of a page; returns how many told of copies what no other search of the group did.

        words: it is the page of a search for words, which are counted.
        """
        read = [(message, read_message(message.text, message.at, pair)) for message in messages]
        matched = 0
        with self._lock:
            for message, row in read:
                phrase = phrase_in(message.text) if words else None
                if phrase:
                    self.phrases[phrase] += 1
                if row is None or not self._new(group, message.event_id):
                    continue
                matched += 1
                if isinstance(row, ApiError):
                    self._add_error(row, group)
                else:
                    self._add_event(row)
        return matched

    def _new(self, *what: str) -> bool:
        """Whether it was not seen before."""
        key = hash(what)
        known = key in self._seen
        self._seen.add(key)
        return not known

    def _add_event(self, event: CopyEvent) -> None:
        if event.copy_job and event.state and not self._new("job", event.copy_job, event.state):
            return
        if event.state:
            self.by_state[event.state] += 1
        if event.state == "RUNNING":
            if event.copy_job and event.created is not None:
                self.queued[event.copy_job] = round(max(event.at - event.created, 0.0), 1)
            return
        self.failed += event.state in BAD
        key = (event.state, fold(event.message or ""), event.type)
        self._count(self._events, key, event)

    def _add_error(self, error: ApiError, group: str) -> None:
        if error.event_id and not self._new("call", error.event_id, error.event_name):
            return
        self.api_errors_total += 1
        key = (*error[:3], fold(error.message or ""), error.region, error.principal)
        self._count(self._errors, key, error, group)

    @staticmethod
    def _count(rows: dict[t.Any, list[t.Any]], key: t.Any, row: t.Any, *more: t.Any) -> None:
        known = rows.get(key)
        if known is None:
            if len(rows) < _MOST_ROWS:
                rows[key] = [row, 1, *more]
            return
        known[1] += 1
        if row.at > known[0].at:
            known[0] = row

    def event_rows(self, most: int) -> tuple[list[Json], int]:
        """Rows of `events`, failures first, newest first among them; (rows, how many there were)."""
        rows = sorted(self._events.values(), key=lambda row: (row[0].state in BAD, row[0].at), reverse=True)
        return [_event_row(event, count) for event, count in rows[:most]], len(rows)

    def error_rows(self, most: int) -> tuple[list[Json], int]:
        """Rows of `api_errors`, newest first."""
        rows = sorted(self._errors.values(), key=lambda row: row[0].at, reverse=True)
        return [_error_row(*row) for row in rows[:most]], len(rows)


def _event_row(event: CopyEvent, count: int) -> Json:
    name = last_part(event.resource_arn)
    return {
        "copy_job": event.copy_job,
        "state": event.state,
        "message": clip(event.message),
        "at": stamp(event.at),
        "resource": name,
        "resource_arn": event.resource_arn,
        "type": event.type,
        "source_vault": _vault(event.source_vault),
        "destination_vault": _vault(event.destination_vault),
        "count": count,
    }


def _vault(text: str | None) -> str | None:
    """The ARN as it is, when it is one."""
    return text if arn(text) else None


def _error_row(error: ApiError, count: int, group: str) -> Json:
    return {
        "event_name": error.event_name,
        "service": error.service,
        "error_code": error.error_code,
        "message": clip(error.message),
        "at": stamp(error.at),
        "count": count,
        "region": error.region,
        "principal": error.principal,
        "group": group,
    }
