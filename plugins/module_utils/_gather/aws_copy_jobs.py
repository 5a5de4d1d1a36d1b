# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 2 of the region runbook: the copy jobs between two vaults.

The jobs belong to the account and Region that started them, which is the source; the destination is asked only when
the source knows of none. One list by destination and creation serves everything: what ended in the window (a job may be
a day old when it fails), what is open, the baseline, the pattern of hours, and the later steps, which get it as a feed.
Where a backup failed there is nothing to copy, so the backup jobs of the source vault are read beside it.
"""

from __future__ import annotations

import typing as t
from datetime import timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    ReadFailed,
    evidence,
    failed,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    DAY_S,
    KEPT_S,
    LOOK_BACK,
    look_back_parameter,
    named_sides,
    side_by_side,
    side_read,
    vault_spec,
    window_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_copyrows import STUCK_S, Picture
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import pack_refused
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import (
    PairJobs,
    list_pair_jobs,
    pack_jobs,
    resources_at_work,
    vault_pair,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_upstream import (
    Upstream,
    list_backup_jobs,
    pack_upstream,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step, guarded

NAME = "copy_jobs"

Json = t.Dict[str, t.Any]


class _Asked(t.NamedTuple):
    window_s: float
    look_back_s: float
    rows: int


class _Found(t.NamedTuple):
    """What was read. None: it was refused."""

    jobs: PairJobs | None
    upstream: Upstream | None


def gather(params: Params, clients: t.Any) -> Gathered:
    """List the copy jobs and the backup jobs of the source vault side by side, and say what they mean together."""
    asked, query = _asked(params), named_sides(params)
    try:
        denied: list[Json] = []
        pair, source = vault_pair(params, clients, denied), clients.aws_source
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    now = source.now()
    spans = {"window": window(now, asked.window_s), "look_back": window(now, asked.look_back_s)}
    query.update(pair.query(), **spans)
    since, lately = now - timedelta(seconds=asked.look_back_s), now - timedelta(seconds=asked.window_s + DAY_S)
    reads = side_by_side(
        {
            "copy jobs": lambda: list_pair_jobs(clients, pair, since, denied),
            "backup jobs": lambda: list_backup_jobs(source, pair.source_vault, lately, clients.progress),
        }
    )
    jobs, refused = reads["copy jobs"]
    if refused is not None and reads["backup jobs"][0] is None:
        told = failed(NAME, query, refused, denied=denied)
        return Gathered(told, _refusals(refused, reads["backup jobs"][1]))
    found = _Found(jobs, side_read(reads["backup jobs"], "source", "backup jobs", denied))
    gathered = _answer(asked, query, source, found, denied, refused)
    gathered.feed.update(_refusals(refused, reads["backup jobs"][1]))
    return gathered


def _asked(params: Params) -> _Asked:
    window_s, look_back_s = window_parameter(params), look_back_parameter(params)
    # a job may wait and be tried for hours before it fails, so the list begins a day before the window at the latest
    return _Asked(window_s, max(look_back_s, window_s + DAY_S), rows_parameter(params))


def _at_work(source: t.Any, found: _Found, denied: list[Json]) -> set[str] | None:
    """Resources that a backup, or a copy to wherever, works on now; None where that is not known.

    It matters only where a job waits longer than the pair's own jobs can explain, so only then it is asked.
    """
    jobs, upstream = found.jobs, found.upstream
    known = upstream.at_work if upstream else set()
    rows = jobs.copies.rows if jobs else []
    busy = known | {row.resource_arn for row in rows if row.state == "RUNNING"}
    now = source.now().timestamp()
    if all(row.state != "CREATED" or row.resource_arn in busy or now - row.created <= STUCK_S for row in rows):
        return known
    if upstream is None or jobs is None or jobs.observed_in != "source":
        return None  # nobody could look at what else goes on where these jobs run
    others = side_read(guarded(lambda: resources_at_work(source)), "source", "running copy jobs", denied)
    return None if others is None else known | others


def _answer(
    asked: _Asked, query: Json, source: t.Any, found: _Found, denied: list[Json], refused: ReadFailed | None
) -> Gathered:
    now, upstream = source.now(), found.upstream
    start = (now - timedelta(seconds=asked.window_s)).timestamp()
    summary: Json = {}
    rows: dict[str, tuple[list[Json], int]] = {}
    copies = 0
    if found.jobs is not None:
        picture = Picture(found.jobs, now=now.timestamp(), window_start=start, at_work=_at_work(source, found, denied))
        summary, rows = picture.summary(), picture.lists(asked.rows)
        copies = summary["jobs"] + summary["parents"]
    summary["upstream"] = upstream.summary(start) if upstream else None
    rows["upstream"] = upstream.rows(start, asked.rows) if upstream else ([], 0)
    outcome = "ok" if copies or rows["upstream"][0] else "empty"
    covered = now - timedelta(seconds=min(asked.look_back_s, KEPT_S))
    return Gathered(
        evidence(
            NAME,
            outcome=refused.outcome if refused else outcome,
            query=query,
            summary=summary,
            rows=rows,
            covered=None if refused else {"start": rfc3339(covered), "end": rfc3339(now)},
            observed_at=rfc3339(now),
            clock=source.clock.as_evidence(),
            error=refused.as_error() if refused else None,
            denied=denied,
        ),
        feed=_feed(found),
    )


def _refusals(jobs: ReadFailed | None, upstream: ReadFailed | None) -> Json:
    """What stands in the feed in place of a list, so that no later step asks for it in vain."""
    told = {name: pack_refused(failure) for name, failure in (("jobs", jobs), ("upstream", upstream)) if failure}
    return {name: text for name, text in told.items() if text}


def _feed(found: _Found) -> Json:
    """What later steps take."""
    feed: Json = {}
    if found.jobs is not None:
        copies = found.jobs.copies
        feed.update(
            jobs=pack_jobs(copies.rows), parents=pack_jobs(copies.parents), observed_in=found.jobs.observed_in
        )
    if found.upstream is not None:
        feed["upstream"] = pack_upstream(found.upstream.open_ends())
    return feed


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        vault_spec(),
        window={"type": "str", "default": "24h"},
        look_back={"type": "str", "default": LOOK_BACK},
        vaults_feed={"type": "dict"},
    ),
)
