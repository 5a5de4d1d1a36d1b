# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key ``bulk``: worlds of any size, whose rows and log events are made when they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, cast, overload

from lab.aws.stories.kinds import point_arn, resource_arn
from lab.aws.stories.metrics import series
from lab.aws.stories.plan import DEFAULT_ROLE, role_arn
from lab.aws.stories.signals import group_row
from lab.aws.stories.stage import Side, Stage
from lab.aws.stories.words import iso, moment, only
from lab.aws.world import Row
from lab.clock import seconds

BULK_GROUP = "/aws/events/all-of-backup"
_KEYS = {"copy_jobs", "points", "log_events", "failed_every", "for", "resources", "message"}
_MESSAGE = "Access denied trying to call AWS Backup service"
_TOOK_S = 900
_FIRST_S = 7200


def _job_id(number: int) -> str:
    """Return the id of a copy job of bulk: as AWS Backup writes it, and quick to make."""
    return f"{number * 2654435761 % 2**32:08X}-B01C-4000-8000-{number:012X}"


class Rows(Sequence[Row]):
    """Some rows that are there, followed by ``count`` rows that ``make`` makes anew each time they are read."""

    def __init__(self, head: Sequence[Row], count: int, make: Callable[[int], Row]) -> None:
        self._head = list(head)
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return len(self._head) + self._count

    @overload
    def __getitem__(self, index: int) -> Row:
        ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]:
        ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(index)
        return self._head[position] if position < len(self._head) else self._make(position - len(self._head))


class _Bulk:
    """Makes the copy of one number; everything about it follows from the number."""

    def __init__(self, stage: Stage, raw: dict[str, Any]) -> None:
        self.stage = stage
        self.source, self.destination = stage.sides()
        self.copies, self.points = int(raw.get("copy_jobs", 0)), int(raw.get("points", 0))
        self.span = seconds(raw.get("for", "24h"))
        self.failed_every = int(raw.get("failed_every", 0))
        self.resources = int(raw.get("resources", 1000))
        self.message = str(raw.get("message", _MESSAGE))
        self.role = role_arn(self.source.account, DEFAULT_ROLE)
        self.key = next(row["EncryptionKeyArn"] for row in self.destination.place.all("vaults"))

    def name(self, number: int) -> str:
        """Return the resource of a copy."""
        return f"bulk-{number % self.resources:05d}"

    def created(self, number: int) -> float:
        """Return when the source's recovery point was created."""
        return self.stage.now - _FIRST_S - number * self.span / max(self.copies, self.points, 1)

    def fails(self, number: int) -> bool:
        """Tell whether a copy fails."""
        return bool(self.failed_every) and number % self.failed_every == 0

    def arn(self, side: Side, number: int) -> str:
        """Return the ARN of the recovery point on a side."""
        copied = side is self.destination
        return point_arn("EFS", self.name(number), side.account, side.region, "bulk", number, copied=copied)

    def copy_job(self, number: int) -> Row:
        """Return a copy job."""
        started = self.created(number) + 600
        failed = self.fails(number)
        row: Row = {
            "AccountId": self.source.account,
            "CopyJobId": _job_id(number),
            "SourceBackupVaultArn": self.source.vault_arn,
            "SourceRecoveryPointArn": self.arn(self.source, number),
            "DestinationBackupVaultArn": self.destination.vault_arn,
            "DestinationVaultType": self.stage.destination_type,
            "DestinationEncryptionKeyArn": self.key,
            "ResourceArn": self._resource(number),
            "ResourceName": self.name(number),
            "ResourceType": "EFS",
            "CreationDate": moment(started),
            "CompletionDate": moment(started + _TOOK_S),
            "State": "FAILED" if failed else "COMPLETED",
            "MessageCategory": "MISCELLANEOUS" if failed else "SUCCESS",
            "BackupSizeInBytes": 2**30,
            "IamRoleArn": self.role,
            "IsParent": False,
        }
        if failed:
            return {**row, "StatusMessage": self.message}
        return {**row, "DestinationRecoveryPointArn": self.arn(self.destination, number)}

    def _resource(self, number: int) -> str:
        return resource_arn("EFS", self.name(number), self.source.account, self.source.region)

    def point(self, side: Side, number: int) -> Row:
        """Return the recovery point of a side; where a copy failed, the next number takes its place."""
        if side is self.destination and self.failed_every > 1:
            number += number // (self.failed_every - 1) + 1
        created = moment(self.created(number))
        row: Row = {
            "RecoveryPointArn": self.arn(side, number),
            "BackupVaultName": side.vault,
            "BackupVaultArn": side.vault_arn,
            "ResourceArn": self._resource(number),
            "ResourceName": self.name(number),
            "ResourceType": "EFS",
            "IamRoleArn": self.role,
            "Status": "COMPLETED",
            "CreationDate": created,
            "CompletionDate": moment(created.timestamp() + 300),
            "BackupSizeInBytes": 2**30,
            "Lifecycle": {"DeleteAfterDays": 35},
            "CalculatedLifecycle": {"DeleteAt": moment(created.timestamp() + 35 * 86400)},
            "IsEncrypted": True,
            "StorageClass": "WARM",
            "IsParent": False,
            "VaultType": "BACKUP_VAULT",
        }
        return {**row, "SourceBackupVaultArn": self.source.vault_arn} if side is self.destination else row

    def counts(self) -> Iterator[tuple[str, str, str, float]]:
        """Yield what CloudWatch counts."""
        for number in range(self.copies):
            started = self.created(number) + 600
            yield "NumberOfCopyJobsCreated", self.destination.vault, "EFS", started
            ended = "NumberOfCopyJobsFailed" if self.fails(number) else "NumberOfCopyJobsCompleted"
            yield ended, self.destination.vault, "EFS", started + _TOOK_S


def write_bulk(stage: Stage) -> None:
    """Append the rows of ``bulk`` to what the story has told."""
    raw = only(stage.raw.get("bulk"), _KEYS, "bulk")
    if not raw:
        return
    bulk = _Bulk(stage, raw)
    rows = stage.source.place.rows
    rows["copy_jobs"] = cast(list[Row], Rows(rows.get("copy_jobs", []), bulk.copies, bulk.copy_job))
    for side in stage.sides():
        _append_points(side, bulk)
    stage.source.add("metrics", series(bulk.counts(), stage.now))
    if raw.get("log_events"):
        _write_events(stage, int(raw["log_events"]), bulk)


def _append_points(side: Side, bulk: _Bulk) -> None:
    held = side.place.rows.get("recovery_points", [])
    count = bulk.points
    if count and side is bulk.destination and bulk.failed_every > 1:
        count -= -(-count // bulk.failed_every)
    rows = Rows(held, count, lambda number: bulk.point(side, number))
    side.place.rows["recovery_points"] = cast(list[Row], rows)
    for vault in side.place.matching("vaults", BackupVaultName=side.vault):
        vault["NumberOfRecoveryPoints"] += count


def _write_events(stage: Stage, count: int, bulk: _Bulk) -> None:
    """Write a log group of ``count`` events, the oldest first, as a further target of the rule."""
    side = stage.source
    step = bulk.span / count
    at_second = lru_cache(maxsize=16)(iso)  # a second has many events
    ended, failed = (_event_text(stage, state, bulk.message) for state in ("COMPLETED", "FAILED"))

    def event(position: int) -> Row:
        number = count - 1 - position
        at = stage.now - 60 - number * step
        stamp = int(at * 1000)
        return {
            "timestamp": stamp,
            "message": (failed if bulk.fails(number) else ended) % (at_second(int(at)), _job_id(number)),
            "logStreamName": "bulk",
            "ingestionTime": stamp + 1000,
            "eventId": f"{position:056d}",
        }

    row = group_row(side, BULK_GROUP, stage.now, 30, [])
    row.pop("_events")
    row["storedBytes"] = count * 400
    row["_generate"] = lambda: Rows([], count, event)
    side.add("log_groups", [row])
    for rule in side.place.all("event_rules"):
        rule["_targets"].append({"Id": "bulk", "Arn": row["logGroupArn"]})


def _event_text(stage: Stage, state: str, why: str) -> str:
    """Return the JSON of an event with two places to fill in, its time and its job: a million are made while they are read."""
    detail = {"copyJobId": "%s", "state": state, "resourceType": "EFS"}
    detail["destinationBackupVaultArn"] = stage.destination.vault_arn
    if state == "FAILED":
        detail["statusMessage"] = why.replace("%", "%%")
    body = {
        "version": "0",
        "detail-type": "Copy Job State Change",
        "source": "aws.backup",
        "account": stage.source.account,
        "time": "%s",
        "region": stage.source.region,
        "detail": detail,
    }
    return json.dumps(body, separators=(",", ":"))
