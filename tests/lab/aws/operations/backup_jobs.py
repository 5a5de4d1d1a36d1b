# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy jobs, backup jobs, and their summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler
from lab.aws.operations.backup_common import equals, limited, only, with_token
from lab.aws.paging import Newest, page, page_of, read_token
from lab.aws.world import Place, Row

# Values of a filter that mean no filter.
_ANY_CATEGORY = ("ANY", "AGGREGATE_ALL", "*")
_SUMMARY_DAYS = {"ONE_DAY": 14, "SEVEN_DAYS": 7, "FOURTEEN_DAYS": 14}


@dataclass(frozen=True)
class Kind:
    """A kind of job. member: of the listing's output; by: filter -> the member that it must equal."""

    collection: str
    id_member: str
    member: str
    listing: str
    by: dict[str, str]


_COMMON = {
    "ByResourceArn": "ResourceArn",
    "ByState": "State",
    "ByResourceType": "ResourceType",
    "ByParentJobId": "ParentJobId",
}
COPY = Kind(
    "copy_jobs",
    "CopyJobId",
    "CopyJobs",
    "ListCopyJobs",
    {
        **_COMMON,
        "ByDestinationVaultArn": "DestinationBackupVaultArn",
        "BySourceRecoveryPointArn": "SourceRecoveryPointArn",
    },
)
BACKUP = Kind(
    "backup_jobs", "BackupJobId", "BackupJobs", "ListBackupJobs", {**_COMMON, "ByBackupVaultName": "BackupVaultName"}
)


def _wanted(call: Call, kind: Kind) -> Callable[[Row], bool]:
    """Return the test of all filters but those on the creation date, which the order answers."""
    params = call.params
    equal = equals(call, kind.by)
    account, category = params.get("ByAccountId", "*"), params.get("ByMessageCategory", "*")
    before, after = params.get("ByCompleteBefore"), params.get("ByCompleteAfter")

    def wanted(row: Row) -> bool:
        done = row.get("CompletionDate")
        return (
            equal(row)
            and account in ("*", row.get("AccountId"))
            and (category in _ANY_CATEGORY or category == row.get("MessageCategory"))
            and (before is None or (done is not None and done < before))
            and (after is None or (done is not None and done > after))
        )

    return wanted


def _newest(place: Place, kind: Kind) -> Newest:
    def build(rows: Sequence[Row]) -> Newest:
        return Newest.of((at, row["CreationDate"]) for at, row in enumerate(rows))

    return place.index(kind.collection, "newest", build)


def _list_jobs(place: Place, call: Call, kind: Kind) -> dict[str, Any]:
    params = call.params
    start = int(read_token(call, params["NextToken"])) if "NextToken" in params else 0
    pairs = _newest(place, kind).read(
        place.all(kind.collection),
        _wanted(call, kind),
        start,
        after=params.get("ByCreatedAfter"),
        before=params.get("ByCreatedBefore"),
    )
    rows, token = page_of(call, pairs, limited(place, call))
    return with_token({kind.member: [only(row, kind.listing, kind.member) for row in rows]}, token)


def _job(place: Place, call: Call, kind: Kind) -> Row:
    wanted = call.params[kind.id_member]
    row = place.find(kind.collection, kind.id_member, wanted)
    if row is None:
        what = "Copy job" if kind is COPY else "Backup job"
        raise AwsError("ResourceNotFoundException", f"{what} with ID {wanted} does not exist.")
    return row


def list_copy_jobs(place: Place, call: Call) -> dict[str, Any]:
    """Return the copy jobs that were started here, newest first."""
    return _list_jobs(place, call, COPY)


def describe_copy_job(place: Place, call: Call) -> dict[str, Any]:
    """Return one copy job."""
    return {"CopyJob": only(_job(place, call, COPY), "DescribeCopyJob", "CopyJob")}


def list_backup_jobs(place: Place, call: Call) -> dict[str, Any]:
    """Return the backup jobs of this place, newest first."""
    return _list_jobs(place, call, BACKUP)


def describe_backup_job(place: Place, call: Call) -> dict[str, Any]:
    """Return one backup job."""
    return only(_job(place, call, BACKUP), "DescribeBackupJob")


def _periods(call: Call) -> list[tuple[datetime, datetime]]:
    """Return the spans that are counted: whole days up to the last midnight (UTC), or one span of 7 or 14 days."""
    wanted = call.params.get("AggregationPeriod", "ONE_DAY")
    midnight = datetime.fromtimestamp(call.now, timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    days = _SUMMARY_DAYS[wanted]
    if wanted != "ONE_DAY":
        return [(midnight - timedelta(days=days), midnight)]
    return [(midnight - timedelta(days=ago + 1), midnight - timedelta(days=ago)) for ago in range(days)]


def _summary_keys(row: Row, call: Call) -> tuple[str, ...] | None:
    """Return what a job counts under: a dimension is filtered, kept apart (ANY), or summed up (AGGREGATE_ALL)."""
    found = []
    for name in ("AccountId", "State", "ResourceType", "MessageCategory"):
        wanted, value = call.params.get(name, "ANY"), row.get(name, "")
        if wanted == "AGGREGATE_ALL":
            value = wanted
        elif wanted not in ("ANY", value):
            return None
        found.append(value)
    return tuple(found)


def _summaries(place: Place, call: Call, kind: Kind) -> Iterator[dict[str, Any]]:
    rows, newest = place.all(kind.collection), _newest(place, kind)
    for start, end in _periods(call):
        # The bounds of a listing are open, those of a day are not: [start, end).
        after = start - timedelta(microseconds=1)
        jobs = (row for dummy, row in newest.read(rows, lambda row: True, 0, after=after, before=end))
        counts = Counter(keys for keys in (_summary_keys(row, call) for row in jobs) if keys is not None)
        for (account, state, resource_type, category), count in sorted(counts.items()):
            summary = {
                "Region": place.region,
                "AccountId": account,
                "State": state,
                "ResourceType": resource_type,
                "MessageCategory": category,
                "Count": count,
                "StartTime": start,
                "EndTime": end,
            }
            yield {key: value for key, value in summary.items() if value != ""}


def _list_summaries(place: Place, call: Call, kind: Kind, member: str) -> dict[str, Any]:
    rows, token = page(call, list(_summaries(place, call, kind)), limited(place, call), call.params.get("NextToken"))
    output = {member: rows, "AggregationPeriod": call.params.get("AggregationPeriod", "ONE_DAY")}
    return with_token(output, token)


def list_copy_job_summaries(place: Place, call: Call) -> dict[str, Any]:
    """Return counts of copy jobs, without the current day."""
    return _list_summaries(place, call, COPY, "CopyJobSummaries")


def list_backup_job_summaries(place: Place, call: Call) -> dict[str, Any]:
    """Return counts of backup jobs, without the current day."""
    return _list_summaries(place, call, BACKUP, "BackupJobSummaries")


OPERATIONS: dict[str, Handler] = {
    "ListCopyJobs": list_copy_jobs,
    "DescribeCopyJob": describe_copy_job,
    "ListCopyJobSummaries": list_copy_job_summaries,
    "ListBackupJobs": list_backup_jobs,
    "DescribeBackupJob": describe_backup_job,
    "ListBackupJobSummaries": list_backup_job_summaries,
}
