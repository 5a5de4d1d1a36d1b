# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS/Backup metrics, derived from the jobs as AWS derives them.

Counts only, one sample every five minutes, and none where nothing happened. The series lie in the Region of the jobs; a
copy job counts under the name of the *destination's* vault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lab.aws.stories.stage import Side, Stage
from lab.aws.world import Row

_PERIOD_S = 300
_KEPT_S = 63 * 86400
_COPY_ENDS = {"COMPLETED": "Completed", "FAILED": "Failed"}
_BACKUP_ENDS = {"COMPLETED": "Completed", "FAILED": "Failed", "ABORTED": "Aborted", "EXPIRED": "Expired"}
_Count = tuple[str, str, str, float]


def write_metrics(stage: Stage, copies: list[Row], backups: list[Row]) -> None:
    """Write the series of both sides, unless the story has ``metrics: false``."""
    if stage.raw.get("metrics", True) is False:
        return
    source, destination = stage.sides()
    in_source = [*_copy_counts(copies), *_backup_counts(backups), *_point_counts(source)]
    for side, counted in ((source, in_source), (destination, list(_point_counts(destination)))):
        side.add("metrics", series(counted, stage.now))


def _copy_counts(copies: Iterable[Row]) -> Iterator[_Count]:
    """Yield (metric, vault, type, time) for each state that a copy job came to."""
    for copy in copies:
        vault, kind = copy["DestinationBackupVaultArn"].rpartition(":")[2], copy["ResourceType"]
        yield "NumberOfCopyJobsCreated", vault, kind, copy["CreationDate"].timestamp()
        if copy.get("_running"):
            yield "NumberOfCopyJobsRunning", vault, kind, copy["_running"]
        if copy["State"] in _COPY_ENDS:
            yield f"NumberOfCopyJobs{_COPY_ENDS[copy['State']]}", vault, kind, copy["CompletionDate"].timestamp()


def _backup_counts(backups: Iterable[Row]) -> Iterator[_Count]:
    for backup in backups:
        vault, kind = backup["BackupVaultName"], backup["ResourceType"]
        yield "NumberOfBackupJobsCreated", vault, kind, backup["CreationDate"].timestamp()
        if backup["State"] in _BACKUP_ENDS:
            yield f"NumberOfBackupJobs{_BACKUP_ENDS[backup['State']]}", vault, kind, backup[
                "CompletionDate"
            ].timestamp()


def _point_counts(side: Side) -> Iterator[_Count]:
    for point in side.place.all("recovery_points"):
        if point["Status"] == "COMPLETED":
            yield (
                "NumberOfRecoveryPointsCompleted",
                point["BackupVaultName"],
                point["ResourceType"],
                point["CompletionDate"].timestamp(),
            )


def series(counts: Iterable[_Count], now: float) -> list[Row]:
    """Return the series of counts: by vault, by type, and by both."""
    oldest = now - _KEPT_S
    slots = Counter((metric, vault, kind, at // _PERIOD_S) for metric, vault, kind, at in counts if oldest <= at <= now)
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Counter[float]] = {}
    for (metric, vault, kind, slot), count in slots.items():
        by_vault, by_kind = ("BackupVaultName", vault), ("ResourceType", kind)
        for dimensions in ((by_vault,), (by_kind,), (by_vault, by_kind)):
            found.setdefault((metric, dimensions), Counter())[slot * _PERIOD_S] += count
    return [
        {
            "Namespace": "AWS/Backup",
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
            "samples": [(at, float(count)) for at, count in sorted(samples.items())],
            "unit": "Count",
        }
        for (metric, dimensions), samples in sorted(found.items(), key=lambda pair: pair[0])
    ]
