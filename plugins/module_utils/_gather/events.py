# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 2: the recent events of a namespace, by the time they were really last seen.

Events live one hour by default, so a look-back of a day is mostly empty: the evidence says which window the list could
cover, and the absence of an older event proves nothing.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    rfc3339,
    seconds_between,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    feed_parameter,
    look_for_namespace,
    namespace_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._eventrows import CopyObjects, Groups, read_event
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import selector_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "events"
TRIVIAL = 10  # fewer events than this say nothing about how long the server keeps them


class _Read(t.NamedTuple):
    groups: Groups
    objects: int  # event objects in the list, of any age
    oldest: datetime | None  # last-seen of the oldest and the newest of them
    newest: datetime | None


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read the events of core/v1 page by page, and keep groups of equal ones."""
    namespace = namespace_parameter(params)
    selector = selector_parameter(params)
    window_s = duration_parameter(params, "window") or 86400.0
    rows = rows_parameter(params)
    jobs = feed_parameter(params, "jobs", "jobs")
    cronjobs = feed_parameter(params, "jobs", "cronjobs") if isinstance(params.get("jobs"), dict) else None
    copies = CopyObjects(jobs or [], cronjobs or [], selector.words())
    query: dict[str, t.Any] = {"cluster": None, "namespace": namespace}
    try:
        cluster = clients.cluster
        query["cluster"] = cluster.host
        read = _read(cluster, namespace, window_s, copies)
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    now = cluster.clock.now()
    missing, denied = look_for_namespace(cluster, namespace) if read.objects == 0 else (None, [])
    ranked = read.groups.ranked()
    chosen = [group for group in ranked if group.telling or group.copy]
    shown = sorted(chosen[:rows], key=lambda group: group.newest.last_at, reverse=True)
    outcome = "ok" if read.groups.events else "empty"
    return Gathered(
        evidence(
            NAME,
            outcome=missing.outcome if missing else outcome,
            query=dict(query, window=window(now, window_s)),
            covered=_covered(read, now, window_s),
            observed_at=rfc3339(now),
            clock=cluster.clock.as_evidence(),
            summary=_summary(read, len(ranked), now),
            rows={"events": ([group.row() for group in shown], len(chosen))},
            error=missing.as_error() if missing else None,
            denied=denied,
        ),
        feed={"groups": [group.feed_row() for group in ranked]},
    )


def _read(cluster: t.Any, namespace: str, window_s: float, copies: CopyObjects) -> _Read:
    groups, objects = Groups(copies), 0
    oldest = newest = start = None
    for obj in cluster.list(path_of("", "v1", "events", namespace)):
        start = start or cluster.clock.now() - timedelta(seconds=window_s)
        event = read_event(obj)
        objects += 1
        oldest = event.last_at if oldest is None else min(oldest, event.last_at)
        newest = event.last_at if newest is None else max(newest, event.last_at)
        if event.last_at >= start:
            groups.add(event)
    return _Read(groups, objects, oldest, newest)


def _covered(read: _Read, now: datetime, window_s: float) -> dict[str, str | None] | None:
    if read.oldest is None:
        return None
    return {"start": rfc3339(max(read.oldest, now - timedelta(seconds=window_s))), "end": rfc3339(now)}


def _summary(read: _Read, groups: int, now: datetime) -> dict[str, t.Any]:
    return {
        "events": read.groups.events,
        "groups": groups,
        "warnings": read.groups.warnings,
        "not_grouped": read.groups.dropped,
        "by_reason": read.groups.by_reason(),
        "oldest_at": rfc3339(read.oldest),
        "newest_at": rfc3339(read.newest),
        "retention_s": seconds_between(read.oldest, now) if read.objects >= TRIVIAL else None,
    }


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        connection_spec(),
        namespace={"type": "str", "required": True},
        label_selector={"type": "str", "default": "app=backup-sync"},
        window={"type": "str", "default": "24h"},
        max_rows={"type": "int", "default": 50},
        jobs={"type": "raw"},
    ),
)
