# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""A copy job as the region steps hand it on: one tuple each, and all of them as one packed text.

The text is that of `_aws_feed`. The columns of a block, in the order of the rows:

    copy_job     ids, dashes left out where they stand as in a UUID
    state        places in `states`
    created      milliseconds after the job before (the first of a block: after 1970); small, as jobs are listed by time
    took         milliseconds from creation to completion, null while open
    source       [places in `stems`], [what follows the stem]: an ARN cut behind its last : or /
    destination  likewise; "" where there is none
    resource     places in `resources`, each [arn, name, type]
    size         bytes, null if unknown
    message      places in `messages`, each [text, category]
    origin       places in `origins`, each the members of Origin
    parent       id of the composite parent, null without

The tables are `states`, `stems`, `resources`, `messages`, `origins`, and `layout`, the number of this layout. 100,000
jobs make 10 MB, most of which is ids that nothing can shorten.
"""

from __future__ import annotations

import math
import re
import time
import typing as t
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import clip
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    PAGE,
    Read,
    arn,
    caller,
    listed,
    member_of,
    resource_name,
    side_read,
    vault_arn,
    vault_names,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import (
    Tables,
    feed_of,
    pack_blocks,
    refused_before,
    split_arn,
    unless_refused,
    unpack_blocks,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._step import guarded

LAYOUT = 1
ENDED = ("COMPLETED", "FAILED", "PARTIAL")
BAD = ("FAILED", "PARTIAL")

_DASHED = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}")
_UNDASHED = re.compile(r"[0-9A-F]{32}")

Json = t.Dict[str, t.Any]


class Origin(t.NamedTuple):
    """What made a job and how its copy is kept: the same few for all jobs. All may be None; no plan means on demand."""

    role: str | None  # ARN of the role that AWS Backup copies with
    plan: str | None  # names
    rule: str | None
    plan_id: str | None
    rule_id: str | None
    plan_version: str | None
    destination_key: str | None  # ARN of the key of the copy
    delete_after_days: int | None  # of the copy, counted from the creation of its source
    cold_after_days: int | None
    vault_type: str | None = None  # of the destination vault when the job began, where AWS says it
    vault_lock: str | None = None


class CopyJobRow(t.NamedTuple):
    """One copy job. Times are epoch seconds, to the millisecond."""

    copy_job: str
    state: str  # CREATED RUNNING COMPLETED FAILED PARTIAL
    created: float
    completed: float | None  # None while open
    source_point: str  # ARNs
    destination_point: str | None
    resource_arn: str
    resource: str  # its name, else the last part of its ARN
    type: str
    size_bytes: int | None
    message: str | None  # masked and clipped
    category: str | None  # AWS's own, whose spelling varies
    origin: Origin
    parent: str | None  # id of the composite parent

    @property
    def duration_s(self) -> float | None:
        """Creation to completion, the time in the queue included; None while open."""
        return None if self.completed is None else round(max(self.completed - self.created, 0.0), 3)


# ------------------------------------------------------------------------------------------------------ AWS's rows


class JobReader:
    """Makes rows of what ListCopyJobs and DescribeCopyJob give; what many jobs share is kept once."""

    def __init__(self) -> None:
        self._known: dict[t.Any, t.Any] = {}

    def row(self, job: Json) -> CopyJobRow:
        """The row of one CopyJob as its JSON came."""
        one = self.one
        return CopyJobRow(
            copy_job=str(job.get("CopyJobId") or ""),
            state=one(str(job.get("State") or "")),
            created=moment(job.get("CreationDate")) or 0.0,
            completed=moment(job.get("CompletionDate")),
            source_point=_text(job.get("SourceRecoveryPointArn")) or "",
            destination_point=_text(job.get("DestinationRecoveryPointArn")),
            resource_arn=one(str(job.get("ResourceArn") or "")),
            resource=one(resource_name(job)),
            type=one(str(job.get("ResourceType") or "unknown")),
            size_bytes=job.get("BackupSizeInBytes"),
            message=self.message(job.get("StatusMessage")),
            category=one(_text(job.get("MessageCategory"))),
            origin=self._origin(job),
            parent=one(_text(job.get("ParentJobId"))),
        )

    def one(self, value: t.Any) -> t.Any:
        """The value, the same object for equal ones."""
        return self._known.setdefault(value, value)

    def message(self, text: t.Any) -> str | None:
        """Masked once for all jobs with the same text; a text may be as long as AWS likes."""
        if not text:
            return None
        known = self._known.get(("message", text))
        return known if known is not None else self._known.setdefault(("message", text), clip(text))

    def _origin(self, job: Json) -> Origin:
        made, kept = job.get("CreatedBy") or {}, job.get("DestinationRecoveryPointLifecycle") or {}
        return self.one(
            Origin(
                role=job.get("IamRoleArn"),
                plan=made.get("BackupPlanName"),
                rule=made.get("BackupRuleName"),
                plan_id=made.get("BackupPlanId"),
                rule_id=made.get("BackupRuleId"),
                plan_version=made.get("BackupPlanVersion"),
                destination_key=job.get("DestinationEncryptionKeyArn"),
                delete_after_days=kept.get("DeleteAfterDays"),
                cold_after_days=kept.get("MoveToColdStorageAfterDays"),
                vault_type=job.get("DestinationVaultType"),
                vault_lock=job.get("DestinationVaultLockState"),
            )
        )


def _text(value: t.Any) -> str | None:
    """A text that is not empty; events and some replies hold an empty object until an ARN is known."""
    return value if isinstance(value, str) and value else None


# --------------------------------------------------------------------------------------------------------- reading


class Pair(t.NamedTuple):
    """The two vaults between which copies go."""

    source_region: str
    source_vault: str
    destination_region: str
    destination_vault: str
    destination_arn: str | None  # None: the account could not be found out, then jobs are told by Region and name

    def query(self) -> Json:
        """How `query` names both sides."""
        return {
            "source": {"region": self.source_region, "vault": self.source_vault},
            "destination": {"region": self.destination_region, "vault": self.destination_vault},
        }

    def leads_here(self, job: Json) -> bool:
        """Whether a job copies into the destination vault, from whatever vault."""
        told = job.get("DestinationBackupVaultArn")
        if self.destination_arn:
            return bool(told == self.destination_arn)
        return _is_vault(told, self.destination_region, self.destination_vault)

    def comes_from_source(self, job: Json) -> bool:
        """Whether a job copies out of the source vault; true of one that does not say."""
        told = job.get("SourceBackupVaultArn")
        return told is None or _is_vault(told, self.source_region, self.source_vault)


def _is_vault(text: t.Any, region: str, name: str) -> bool:
    parts = arn(text)
    return parts is not None and parts.region == region and parts.resource == f"backup-vault:{name}"


def vault_pair(params: Json, clients: t.Any, denied: list[Json]) -> Pair:
    """The pair that the task is about; what could not be found out goes to `denied`.

    The ARN of the destination vault comes from `vaults_feed`, else from asking the destination who it is. Raises
    BadParameter, ReadFailed(not_configured).
    """
    source_vault, destination_vault = vault_names(params)
    source = clients.aws_source
    known = (params.get("vaults_feed") or {}).get("destination_arn")
    parts = arn(known)
    if parts is not None:
        return Pair(source.region, source_vault, parts.region, destination_vault, known)
    destination = clients.aws_destination
    owner = side_read(guarded(lambda: caller(destination)), "destination", "destination account", denied)
    found = owner and vault_arn(destination.partition, destination.region, owner, destination_vault)
    return Pair(source.region, source_vault, destination.region, destination_vault, found or None)


def rows_of(
    account: t.Any, operation: str, member: str, say: t.Callable[[str], None], what: str, **arguments: t.Any
) -> t.Iterator[Json]:
    """The rows of a list of AWS Backup, one page in memory at a time; says how far it is where that takes long.

    Raises ReadFailed.
    """
    read, said = 0, time.monotonic()
    for number, page in enumerate(account.pages("backup", operation, MaxResults=PAGE, **arguments), 1):
        rows = member_of(page, member, operation)
        yield from rows
        read += len(rows)
        if number % 10 == 0 or time.monotonic() - said >= 2:
            say(f"{what}: {read:,} read")
            said = time.monotonic()


class CopyJobs(t.NamedTuple):
    """What one listing gave. A composite parent is among the rows only when none of its children is listed."""

    rows: list[CopyJobRow]  # leaf jobs, newest first
    parents: list[CopyJobRow]  # composite parents whose children are among the rows, newest first
    children: dict[str, dict[str, int]]  # id of a parent: {state: children}
    read: int  # rows that came
    other_sources: int  # jobs into the destination vault out of other vaults; not among the rows


def list_copy_jobs(account: t.Any, pair: Pair, since: datetime, say: t.Callable[[str], None]) -> CopyJobs:
    """Every copy job of the pair that was created since then, as the account knows them. Raises ReadFailed."""
    arguments: Json = {"ByCreatedAfter": since}
    if pair.destination_arn:
        arguments["ByDestinationVaultArn"] = pair.destination_arn
    reader, read, other_sources = JobReader(), 0, 0
    seen: set[str] = set()
    rows: list[CopyJobRow] = []
    composite: list[CopyJobRow] = []
    told: dict[str, dict[str, int]] = {}
    listed: dict[str, dict[str, int]] = {}
    for job in rows_of(account, "ListCopyJobs", "CopyJobs", say, "copy jobs", **arguments):
        read += 1
        # a list that grows while it is read gives a row twice; and a filter may not be known to what answers
        too_old = (moment(job.get("CreationDate")) or 0.0) < since.timestamp()
        if too_old or job.get("CopyJobId") in seen or not pair.leads_here(job):
            continue
        if not pair.comes_from_source(job):
            other_sources += 1
            continue
        row = reader.row(job)
        seen.add(row.copy_job)
        if row.parent:
            states = listed.setdefault(row.parent, {})
            states[row.state] = states.get(row.state, 0) + 1
        if job.get("IsParent"):
            composite.append(row)
            told[row.copy_job] = job.get("ChildJobsInState") or {}
        else:
            rows.append(row)
    rows += [row for row in composite if row.copy_job not in listed]
    parents = [row for row in composite if row.copy_job in listed]
    rows.sort(key=newest_first, reverse=True)
    parents.sort(key=newest_first, reverse=True)
    return CopyJobs(rows, parents, {**told, **listed}, read, other_sources)


class PairJobs(t.NamedTuple):
    """The jobs of a pair, and the side that knows them; None where there are none."""

    pair: Pair
    copies: CopyJobs
    observed_in: str | None


def list_pair_jobs(clients: t.Any, pair: Pair, since: datetime, denied: list[Json]) -> PairJobs:
    """The jobs of the pair that were created since then; the destination is asked only when the source has none.

    What the destination refuses goes to `denied`. Raises ReadFailed when the source cannot be read.
    """
    copies = list_copy_jobs(clients.aws_source, pair, since, clients.progress)
    if copies.rows or copies.parents:
        return PairJobs(pair, copies, "source")
    destination = clients.aws_destination
    answer = guarded(lambda: list_copy_jobs(destination, pair, since, clients.progress))
    there = side_read(answer, "destination", "copy jobs", denied)
    if there is None:
        return PairJobs(pair, copies, None)
    if there.rows or there.parents:
        return PairJobs(pair, there, "destination")
    return PairJobs(pair, copies._replace(read=copies.read + there.read), None)


def jobs_read(params: Json, clients: t.Any, since: datetime, denied: list[Json]) -> Read:
    """The read of the copy jobs, for a step that got none from an earlier one; see list_pair_jobs()."""
    return unless_refused(
        params.get("jobs_feed"),
        lambda: list_pair_jobs(clients, vault_pair(params, clients, denied), since, denied),
    )


def list_children(account: t.Any, parent: str) -> list[CopyJobRow]:
    """The members of a composite job, newest first. Raises ReadFailed."""
    reader = JobReader()
    jobs = listed(account, "backup", "ListCopyJobs", "CopyJobs", ByParentJobId=parent, MaxResults=PAGE)
    children = [reader.row(job) for job in jobs if job.get("ParentJobId") == parent]
    return sorted(children, key=newest_first, reverse=True)


def resources_at_work(account: t.Any) -> set[str]:
    """ARNs of the resources of which a copy, to wherever, runs now. Raises ReadFailed."""
    jobs = listed(account, "backup", "ListCopyJobs", "CopyJobs", ByState="RUNNING", MaxResults=PAGE)
    return {str(job.get("ResourceArn")) for job in jobs if job.get("State") == "RUNNING"}


def describe_job(account: t.Any, copy_job: str) -> Json:
    """One job as its JSON comes. Raises ReadFailed."""
    reply = account.call("backup", "DescribeCopyJob", CopyJobId=copy_job)
    return t.cast(Json, member_of(reply, "CopyJob", "DescribeCopyJob"))


def newest_first(row: CopyJobRow) -> tuple[float, float, str]:
    """Sort key, in reverse: by creation, among equals what is open or ended last; never by the order of the list."""
    return (row.created, math.inf if row.completed is None else row.completed, row.copy_job)


# ------------------------------------------------------------------------------------------------------------ feed


def pack_jobs(rows: t.Iterable[CopyJobRow]) -> str:
    """All rows as one text; see the layout above."""
    return pack_blocks(rows, _block, Tables("states", "stems", "resources", "messages", "origins"), layout=LAYOUT)


def _block(rows: list[CopyJobRow], tables: Tables) -> Json:
    state, stem, origin = tables.of("states"), tables.of("stems"), tables.of("origins")
    resource, message = tables.of("resources"), tables.of("messages")
    source = [split_arn(row.source_point) for row in rows]
    destination = [split_arn(row.destination_point or "") for row in rows]
    created = [round(row.created * 1000) for row in rows]
    return {
        "copy_job": [_undashed(row.copy_job) for row in rows],
        "state": [state(row.state) for row in rows],
        "created": [at - before for before, at in zip([0, *created], created)],
        "took": [
            None if row.completed is None else round(row.completed * 1000) - at for row, at in zip(rows, created)
        ],
        "source": ([stem(shared) for shared, dummy in source], [rest for dummy, rest in source]),
        "destination": ([stem(shared) for shared, dummy in destination], [rest for dummy, rest in destination]),
        "resource": [resource((row.resource_arn, row.resource, row.type)) for row in rows],
        "size": [row.size_bytes for row in rows],
        "message": [message((row.message, row.category)) for row in rows],
        "origin": [origin(row.origin) for row in rows],
        "parent": [row.parent for row in rows],
    }


def read_jobs(text: t.Any, option: str = "jobs_feed") -> list[CopyJobRow] | None:
    """The rows of pack_jobs(); None when none could be handed over. Raises BadParameter, which names the option."""
    if not text:
        return None
    with feed_of("copy job", option.replace("_feed", ""), option):
        if refused_before(text):
            return None
        tables, blocks = unpack_blocks(text, option, LAYOUT)
        tables["origins"] = [Origin(*members) for members in tables["origins"]]
        rows = [row for block in blocks for row in _rows(block, tables)]
    return rows


def _rows(block: Json, tables: Json) -> t.Iterator[CopyJobRow]:
    states, stems, origins = tables["states"], tables["stems"], tables["origins"]
    resources, messages = tables["resources"], tables["messages"]
    names = ("copy_job", "state", "created", "took", "resource", "size", "message", "origin", "parent")
    points = zip(*block["source"], *block["destination"])
    at = 0
    jobs = zip(*(block[name] for name in names))
    for (copy_job, state, created, took, resource, size, message, origin, parent), point in zip(jobs, points):
        stem, rest, to_stem, to_rest = point
        at += created
        resource_arn, name, kind = resources[resource]
        text, category = messages[message]
        yield CopyJobRow(
            copy_job=_dashed(copy_job),
            state=states[state],
            created=at / 1000,
            completed=None if took is None else (at + took) / 1000,
            source_point=stems[stem] + rest,
            destination_point=stems[to_stem] + to_rest or None,
            resource_arn=resource_arn,
            resource=name,
            type=kind,
            size_bytes=size,
            message=text,
            category=category,
            origin=origins[origin],
            parent=parent,
        )


def _undashed(text: str) -> str:
    return text.replace("-", "") if _DASHED.fullmatch(text) else text


def _dashed(text: str) -> str:
    if not _UNDASHED.fullmatch(text):
        return text
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
