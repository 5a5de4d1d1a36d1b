# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Backup jobs of the source vault: those that ended badly are why there was nothing to copy."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import resource_name, stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import (
    feed_of,
    pack_lines,
    packed_lines,
    refused_before,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import JobReader, rows_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import Worst

_BAD = frozenset({"ABORTED", "EXPIRED", "FAILED", "PARTIAL"})
_AT_WORK = frozenset({"RUNNING", "ABORTING"})

Json = t.Dict[str, t.Any]


class UpstreamRow(t.NamedTuple):
    """A backup job of the source vault that made no recovery point. Times are epoch seconds."""

    backup_job: str
    state: str  # ABORTED EXPIRED FAILED PARTIAL
    created: float
    ended: float
    resource_arn: str
    resource: str
    type: str
    message: str | None
    category: str | None
    plan: str | None
    rule: str | None


class Upstream(t.NamedTuple):
    """What the backup jobs of a vault tell. Resources are ARNs."""

    bad: list[UpstreamRow]  # newest first
    good: dict[str, float]  # resource: when the newest backup that came to a good end was created
    at_work: set[str]  # resources that are being backed up now

    def latest(self, row: UpstreamRow) -> bool:
        """Whether no later backup of the resource came to a good end."""
        return self.good.get(row.resource_arn, 0.0) <= row.created

    def open_ends(self) -> list[UpstreamRow]:
        """Of each resource without a good backup since, the newest that ended badly."""
        newest: dict[str, UpstreamRow] = {}
        for row in self.bad:
            if self.latest(row):
                newest.setdefault(row.resource_arn, row)
        return list(newest.values())

    def summary(self, window_start: float) -> dict[str, int]:
        """Counts of what ended in the window, and of resources without a good backup since."""
        ended = Counter(row.state.lower() for row in self.bad if row.ended >= window_start)
        counts = {state: ended[state] for state in ("aborted", "expired", "failed", "partial")}
        return {**counts, "resources": len(self.open_ends())}

    def rows(self, window_start: float, most: int) -> tuple[list[Json], int]:
        """The rows of `upstream`, newest first."""
        newest = Worst(most)
        for row in self.bad:
            if row.ended >= window_start:
                newest.push((row.ended, row.created, row.backup_job), row)
        return [self._row(row) for row in newest.rows()], newest.total

    def _row(self, row: UpstreamRow) -> Json:
        return {
            "resource": row.resource,
            "resource_arn": row.resource_arn,
            "type": row.type,
            "backup_job": row.backup_job,
            "state": row.state,
            "message": row.message,
            "category": row.category,
            "created_at": stamp(row.created),
            "ended_at": stamp(row.ended),
            "plan": row.plan,
            "rule": row.rule,
            "latest": self.latest(row),
        }


def list_backup_jobs(account: t.Any, vault: str, since: datetime, say: t.Callable[[str], None]) -> Upstream:
    """What became of the backups into the vault that were created since then. Raises ReadFailed.

    One list of all states: whether a bad end matters depends on the good ones after it.
    """
    asked = {"ByBackupVaultName": vault, "ByCreatedAfter": since}
    reader = JobReader()
    bad: dict[str, tuple[UpstreamRow, bool]] = {}
    good: dict[str, float] = {}
    at_work, parents = set(), set()
    for job in rows_of(account, "ListBackupJobs", "BackupJobs", say, "backup jobs", **asked):
        if job.get("BackupVaultName", vault) != vault:
            continue
        if job.get("ParentJobId"):
            parents.add(job["ParentJobId"])
        state, resource = job.get("State"), reader.one(str(job.get("ResourceArn") or ""))
        created = moment(job.get("CreationDate")) or 0.0
        if state == "COMPLETED":
            good[resource] = max(created, good.get(resource, created))
        elif state in _AT_WORK:
            at_work.add(resource)
        elif state in _BAD:
            row = _upstream_row(job, reader)
            bad[row.backup_job] = (row, bool(job.get("IsParent")))
    # a composite parent counts by its children
    rows = [row for row, composite in bad.values() if not (composite and row.backup_job in parents)]
    rows.sort(key=lambda row: (row.created, row.backup_job), reverse=True)
    return Upstream(rows, good, at_work)


def _upstream_row(job: Json, reader: JobReader) -> UpstreamRow:
    created, made = moment(job.get("CreationDate")) or 0.0, job.get("CreatedBy") or {}
    return UpstreamRow(
        backup_job=str(job.get("BackupJobId") or ""),
        state=reader.one(str(job.get("State"))),
        created=created,
        ended=moment(job.get("CompletionDate")) or created,
        resource_arn=reader.one(str(job.get("ResourceArn") or "")),
        resource=reader.one(resource_name(job)),
        type=reader.one(str(job.get("ResourceType") or "unknown")),
        message=reader.message(job.get("StatusMessage")),
        category=reader.one(job.get("MessageCategory") or None),
        plan=reader.one(made.get("BackupPlanName")),
        rule=reader.one(made.get("BackupRuleName")),
    )


# ------------------------------------------------------------------------------------------------------------ feed


def pack_upstream(rows: t.Iterable[UpstreamRow]) -> str:
    """The text of `feed.upstream`: a row a line, as they are few."""
    return pack_lines(list(row) for row in rows)


def read_upstream(text: t.Any, option: str = "upstream_feed") -> list[UpstreamRow] | None:
    """The rows of pack_upstream(); None when none could be handed over. Raises BadParameter, which names the option."""
    if not text:
        return None
    with feed_of("copy job", "upstream", option):
        if refused_before(text):
            return None
        rows = [UpstreamRow(*json.loads(line)) for line in packed_lines(text)]
    return rows
