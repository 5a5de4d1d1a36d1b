# Copyright: (c) 2026, the sre.backup_sync authors
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
    duration_parameter,
    evidence,
    failed,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    PAGE,
    side_by_side,
    vault_spec,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_copyrows import STUCK_S, Picture
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import (
    CopyJobs,
    list_pair_jobs,
    named_sides,
    pack_jobs,
    pack_upstream,
    vault_pair,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_upstream import Upstream, list_backup_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import denied_entry, rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step, guarded

NAME = "copy_jobs"

_DAY_S = 86400.0
_KEPT_S = 30 * _DAY_S  # how long AWS Backup lists jobs: documented for backup jobs, taken for copy jobs as well

Json = t.Dict[str, t.Any]


class _Asked(t.NamedTuple):
    window_s: float
    look_back_s: float
    rows: int


class _Found(t.NamedTuple):
    """What was read. None: it was refused."""

    copies: CopyJobs | None
    observed_in: str | None
    upstream: Upstream | None
    at_work: set[str] | None  # resources that any copy or backup works on


def gather(params: Params, clients: t.Any) -> Gathered:
    """List the copy jobs and the backup jobs of the source vault side by side, and say what they mean together."""
    asked, query = _asked(params), named_sides(params)
    try:
        pair, denied = vault_pair(params, clients)
        source = clients.aws_source
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    now = source.now()
    spans = {"window": window(now, asked.window_s), "look_back": window(now, asked.look_back_s)}
    query.update(pair.query(), **spans)
    since, lately = now - timedelta(seconds=asked.look_back_s), now - timedelta(seconds=asked.window_s + _DAY_S)
    reads = side_by_side(
        {
            "copy jobs": lambda: list_pair_jobs(clients, pair, since, denied),
            "backup jobs": lambda: list_backup_jobs(source, pair.source_vault, lately, clients.progress),
        }
    )
    (seen, refused), (upstream, side_refused) = reads["copy jobs"], reads["backup jobs"]
    if refused is not None and upstream is None:
        return Gathered(failed(NAME, query, refused, denied=denied))
    if side_refused is not None:
        denied.append(dict(denied_entry("backup jobs", side_refused), side="source"))
    copies, observed_in = seen or (None, None)
    found = _Found(copies, observed_in, upstream, _at_work(source, copies, observed_in, upstream, denied))
    return _answer(asked, query, source, found, denied, refused)


def _asked(params: Params) -> _Asked:
    window_s = duration_parameter(params, "window") or _DAY_S
    look_back_s = duration_parameter(params, "look_back") or 14 * _DAY_S
    # a job may wait and be tried for hours before it fails, so the list begins a day before the window at the latest
    return _Asked(window_s, max(look_back_s, window_s + _DAY_S), rows_parameter(params))


def _at_work(
    source: t.Any, copies: CopyJobs | None, observed_in: str | None, upstream: Upstream | None, denied: list[Json]
) -> set[str] | None:
    """Resources that a backup, or a copy to wherever, works on now; None when it could not be read.

    Copies to other vaults are asked for only where a job waits longer than what is known can explain.
    """
    known = set(upstream.at_work) if upstream else set()
    if copies is None or observed_in != "source":
        return known
    now = source.now().timestamp()
    runs = known | {row.resource_arn for row in copies.rows if row.state == "RUNNING"}
    if not any(
        row.state == "CREATED" and row.resource_arn not in runs and now - row.created > STUCK_S for row in copies.rows
    ):
        return known
    pages = source.pages("backup", "ListCopyJobs", ByState="RUNNING", MaxResults=PAGE)
    listed, failure = guarded(lambda: [job for page in pages for job in page.get("CopyJobs") or []])
    if failure is not None:
        denied.append(dict(denied_entry("running copy jobs", failure), side="source"))
        return None
    return known | {str(job.get("ResourceArn")) for job in listed if job.get("State") == "RUNNING"}


def _answer(
    asked: _Asked, query: Json, source: t.Any, found: _Found, denied: list[Json], refused: ReadFailed | None
) -> Gathered:
    now = source.now()
    upstream = found.upstream
    copies = found.copies or CopyJobs([], [], {}, 0, 0)
    start = (now - timedelta(seconds=asked.window_s)).timestamp()
    picture = Picture(
        copies, now=now.timestamp(), window_start=start, at_work=found.at_work or set(), observed_in=found.observed_in
    )
    picture.others_known = found.at_work is not None
    slots = picture.slots()
    bad, bad_total = upstream.rows(start, asked.rows) if upstream else ([], 0)
    # figures over jobs that nobody could read would be lies
    summary: Json = {} if refused else picture.summary()
    summary["upstream"] = upstream.summary(start) if upstream else None
    outcome = "ok" if copies.rows or copies.parents or bad else "empty"
    covered = now - timedelta(seconds=min(asked.look_back_s, _KEPT_S))
    return Gathered(
        evidence(
            NAME,
            outcome=refused.outcome if refused else outcome,
            query=query,
            summary=summary,
            rows={
                "resources": picture.resource_rows(asked.rows),
                "groups": picture.group_rows(asked.rows),
                "jobs": picture.job_rows(asked.rows),
                "upstream": (bad, bad_total),
                "slots": (slots, len(slots)),
            },
            covered=None if refused else {"start": rfc3339(covered), "end": rfc3339(now)},
            observed_at=rfc3339(now),
            clock=source.clock.as_evidence(),
            error=refused.as_error() if refused else None,
            denied=denied,
        ),
        feed=_feed(found),
    )


def _feed(found: _Found) -> Json:
    """What later steps take; what was refused is not in it, so that they ask for themselves."""
    feed: Json = {}
    if found.copies is not None:
        feed.update(
            jobs=pack_jobs(found.copies.rows), parents=pack_jobs(found.copies.parents), observed_in=found.observed_in
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
        look_back={"type": "str", "default": "14d"},
        vaults_feed={"type": "dict"},
    ),
)
