# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS Backup writes for each run: the backup job, its recovery point, the copy job, and the copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.aws.stories.kinds import KINDS, continuous_arn, point_arn, resource_arn
from lab.aws.stories.plan import Plan
from lab.aws.stories.protect import Entry, Run, backup_failure, copy_failure, retention_s, stuck_copy
from lab.aws.stories.stage import Side, Stage, key_type
from lab.aws.stories.words import as_list, job_id, lot, moment
from lab.aws.world import Row
from lab.clock import seconds

_JOBS_KEPT_S = 30 * 86400
_ENDED = {"COMPLETED", "FAILED", "PARTIAL", "ABORTED", "EXPIRED"}


@dataclass
class Keys:
    """The keys that things are encrypted with: those of both vaults, and that of the source's resources."""

    source: str
    destination: str
    resources: str


class Writer:
    """Writes the rows of all runs; remembers in ``told`` what events, trail and metrics are derived from."""

    def __init__(self, stage: Stage, plan: Plan, keys: Keys) -> None:
        self.stage, self.plan, self.keys = stage, plan, keys
        self.backups: list[Row] = []
        self.copies: list[Row] = []
        self.source_points: list[Row] = []
        self.destination_points: list[Row] = []
        self.resources: dict[str, Row] = {}

    def write(self, entries: Iterable[Entry]) -> None:
        """Write everything, and store the rows, the newest first, as AWS lists them."""
        for entry in entries:
            for run in entry.runs():
                self._run(run)
            if entry.continuous:
                self._continuous_points(entry)
        source, destination = self.stage.source, self.stage.destination
        for side, collection, rows in (
            (source, "backup_jobs", self.backups),
            (source, "copy_jobs", self.copies),
            (source, "recovery_points", self.source_points),
            (destination, "recovery_points", self.destination_points),
            (source, "protected_resources", list(self.resources.values())),
        ):
            rows.sort(key=lambda row: row.get("CreationDate") or row["LastBackupTime"], reverse=True)
            side.add(collection, rows)

    # ------------------------------------------------------------------------------------------------- one run
    def _run(self, run: Run) -> None:
        backup = self._backup(run, run.resource, run.kind, run.backup)
        if backup is None:
            return
        members = self._members(run, backup) if run.entry.members else []
        if members:
            failed = [member for member, dummy in members if member["State"] != "COMPLETED"]
            self._parent(backup, [member for member, dummy in members], "PARTIAL" if failed else "COMPLETED")
        point = self._source_point(run, backup)
        if point is None or not self._copies(run):
            return
        copy = self._copy(run, backup, point, run.copy)
        if copy is None:
            return
        for member_copy in self._member_copies(run, copy, members):
            self._land(run, member_copy[0], member_copy[1], parent=copy)
        self._land(run, copy, point)

    def _backup(self, run: Run, name: str, kind: str, failure: dict[str, Any] | None, **more: Any) -> Row | None:
        if failure is not None and failure["state"] == "NONE":
            return None
        size = run.keys["size"] if run.keys["size"] is not None and not more else KINDS[kind].size
        start = run.slot + lot("start", name, run.slot) * 20
        length = seconds(failure["took"]) if failure else run.length("took")
        end = start + length
        state = (failure or {}).get("state", "COMPLETED") if end <= self.stage.now else "RUNNING"
        row: Row = {
            "AccountId": run.entry.account,
            "BackupJobId": job_id("backup", kind, name, run.index, run.entry.number),
            "BackupVaultName": self.stage.source.vault,
            "BackupVaultArn": self.stage.source.vault_arn,
            "VaultType": "BACKUP_VAULT",
            "RecoveryPointLifecycle": self.plan.at(run.slot).lifecycle(),
            "EncryptionKeyArn": self._source_key(kind),
            "IsEncrypted": True,
            "ResourceArn": resource_arn(kind, name, run.entry.account, run.entry.region),
            "ResourceName": name,
            "ResourceType": kind,
            "CreationDate": moment(start),
            "InitiationDate": moment(start),
            "State": state,
            "PercentDone": "100.0" if state == "COMPLETED" else "0.0",
            "BackupSizeInBytes": size if state == "COMPLETED" else 0,
            "IamRoleArn": self.plan.role_arn(run.entry),
            "StartBy": moment(run.slot + 60 * self.plan.at(run.slot).keys["start_window"]),
            "IsParent": False,
            **more,
        }
        _maybe(row, "CreatedBy", self.plan.created_by(run.entry, run.slot))
        if state in _ENDED:
            row["CompletionDate"] = moment(end)
            row["MessageCategory"] = (failure or {}).get("category") or _category(state)
            _maybe(row, "StatusMessage", (failure or {}).get("message"))
        if state in ("COMPLETED", "PARTIAL"):
            row["RecoveryPointArn"] = self._point_arn(run, name, kind)
        if start >= self.stage.now - _JOBS_KEPT_S:
            self.backups.append(row)
        self._protected(row, run, name, kind)
        return row

    def _protected(self, row: Row, run: Run, name: str, kind: str) -> None:
        """Remember the resource with its newest backup that ended well."""
        arn = row["ResourceArn"]
        known = self.resources.get(arn)
        if row["State"] not in ("COMPLETED", "PARTIAL"):
            return
        if known is None or known["LastBackupTime"] < row["CompletionDate"]:
            self.resources[arn] = {
                "ResourceArn": arn,
                "ResourceType": kind,
                "ResourceName": name,
                "LastBackupTime": row["CompletionDate"],
                "LastBackupVaultArn": self.stage.source.vault_arn,
                "LastRecoveryPointArn": row["RecoveryPointArn"],
            }

    def _point_arn(self, run: Run, name: str, kind: str) -> str:
        if run.entry.continuous:
            return continuous_arn(name, run.entry.account, run.entry.region)
        return point_arn(kind, name, run.entry.account, run.entry.region, run.index)

    def _source_key(self, kind: str) -> str:
        return self.keys.source if KINDS[kind].managed else self.keys.resources

    # ------------------------------------------------------------------------------------------ recovery points
    def _source_point(self, run: Run, backup: Row) -> Row | None:
        """Return the recovery point of a backup, and store it unless it is gone; None where the backup made none."""
        if "RecoveryPointArn" not in backup:
            return None
        point = self._point(backup, self.stage.source, self.plan.at(run.slot).lifecycle())
        wanted = run.keys["source_point"]
        if wanted == "COLD":
            point["StorageClass"] = "COLD"
        elif wanted and wanted != "GONE":
            point["Status"] = wanted
        if run.entry.continuous:  # one point for all backups: written once, for the entry
            return {**point, "RecoveryPointArn": self._temporary(run)}
        if wanted in ("EXPIRED", "DELETING"):  # past its retention, and AWS could not delete it (yet)
            point["StatusMessage"] = "The recovery point is past its retention and could not be deleted."
            self.source_points.append(point)
        elif wanted != "GONE" and self._alive(point):
            self.source_points.append(point)
        return point

    def _temporary(self, run: Run) -> str:
        """Return the ARN of the snapshot that a copy of a continuous recovery point is made from and then deleted."""
        entry = run.entry
        return point_arn(run.kind, run.resource, entry.account, entry.region, "temporary", run.index, copied=True)

    def _point(self, backup: Row, side: Side, kept: dict[str, Any]) -> Row:
        created = backup["CreationDate"]
        row: Row = {
            "RecoveryPointArn": backup["RecoveryPointArn"],
            "BackupVaultName": side.vault,
            "BackupVaultArn": side.vault_arn,
            "ResourceArn": backup["ResourceArn"],
            "ResourceName": backup["ResourceName"],
            "ResourceType": backup["ResourceType"],
            "IamRoleArn": backup["IamRoleArn"],
            "Status": "PARTIAL" if backup["State"] == "PARTIAL" else "COMPLETED",
            "CreationDate": created,
            "InitiationDate": backup["InitiationDate"],
            "CompletionDate": backup["CompletionDate"],
            "BackupSizeInBytes": backup["BackupSizeInBytes"],
            "Lifecycle": kept,
            "CalculatedLifecycle": _calculated(created.timestamp(), kept),
            "EncryptionKeyArn": backup["EncryptionKeyArn"],
            "EncryptionKeyType": key_type(backup["EncryptionKeyArn"]),
            "IsEncrypted": True,
            "StorageClass": "WARM",
            "IsParent": backup["IsParent"],
            "VaultType": "BACKUP_VAULT",
        }
        _maybe(row, "CreatedBy", backup.get("CreatedBy"))
        return row

    def _alive(self, point: Row) -> bool:
        """Tell whether a recovery point has not yet reached the end of its retention."""
        ends = point["CalculatedLifecycle"].get("DeleteAt")
        return ends is None or ends.timestamp() > self.stage.now

    def _continuous_points(self, entry: Entry) -> None:
        """Write the one recovery point of each continuously backed up resource; its newest state is minutes old."""
        for run in entry.runs()[: len(entry.resources)]:
            backup = next(row for row in self.backups if row["ResourceArn"] == run.arn)
            began = {**backup, "CreationDate": moment(self.stage.now - 34 * 86400), "State": "COMPLETED"}
            began.setdefault("CompletionDate", began["CreationDate"])
            began["RecoveryPointArn"] = continuous_arn(run.resource, entry.account, entry.region)
            point = self._point(began, self.stage.source, self.plan.at(run.slot).lifecycle())
            self.source_points.append({**point, "Status": "AVAILABLE"})

    # --------------------------------------------------------------------------------------------------- copies
    def _copies(self, run: Run) -> bool:
        return run.copied and (run.entry.on_demand or self.plan.at(run.slot).copies)

    def _copy(self, run: Run, backup: Row, point: Row, outcome: dict[str, Any] | None) -> Row | None:
        start = backup["CompletionDate"].timestamp() + seconds(run.keys["copy_delay"])
        version = self.plan.at(run.slot)
        row: Row = {
            "AccountId": run.entry.account,
            "CopyJobId": job_id("copy", backup["BackupJobId"]),
            "SourceBackupVaultArn": self.stage.source.vault_arn,
            "SourceRecoveryPointArn": point["RecoveryPointArn"],
            "DestinationBackupVaultArn": version.destination,
            "DestinationVaultType": self.stage.destination_type,
            "DestinationEncryptionKeyArn": self.keys.destination,
            "DestinationRecoveryPointLifecycle": version.lifecycle("copy_lifecycle"),
            "ResourceArn": backup["ResourceArn"],
            "ResourceName": backup["ResourceName"],
            "ResourceType": backup["ResourceType"],
            "CreationDate": moment(start),
            "BackupSizeInBytes": backup["BackupSizeInBytes"],
            "IamRoleArn": backup["IamRoleArn"],
            "IsParent": backup["IsParent"],
        }
        _maybe(row, "CreatedBy", backup.get("CreatedBy"))
        if backup.get("CreatedBy"):
            row["CreatedByBackupJobId"] = backup["BackupJobId"]
        if start > self.stage.now:
            return None
        self._end_copy(row, run, start, outcome)
        if start >= self.stage.now - _JOBS_KEPT_S:
            self.copies.append(row)
        return row

    def _end_copy(self, row: Row, run: Run, start: float, outcome: dict[str, Any] | None) -> None:
        """Give the copy its state. ``_running`` is when it left the queue: only events tell that."""
        outcome = outcome or {}
        running = start + run.length("copy_queue")
        stuck = outcome.get("state") in ("CREATED", "RUNNING")
        end = running + (seconds(outcome["took"]) if outcome.get("took") else run.length("copy_took"))
        row["_running"] = None if outcome.get("state") == "CREATED" or running > self.stage.now else running
        if stuck or end > self.stage.now:
            row["State"] = "CREATED" if row["_running"] is None else "RUNNING"
            _maybe(row, "StatusMessage", outcome.get("message"))
            return
        row["State"] = outcome.get("state", "COMPLETED")
        row["CompletionDate"] = moment(end)
        row["MessageCategory"] = outcome.get("category") or run.keys["category"] or _category(row["State"])
        _maybe(row, "StatusMessage", outcome.get("message") or run.keys["message"])
        _maybe(row, "_trail", outcome.get("trail"))

    def _land(self, run: Run, copy: Row, point: Row, parent: Row | None = None) -> None:
        """Write the copy's recovery point. Its CreationDate is that of its source, whenever it arrived."""
        if copy["State"] not in ("COMPLETED", "PARTIAL"):
            return
        stage, side = self.stage, self.stage.destination
        arn = point_arn(
            copy["ResourceType"], copy["ResourceName"], side.account, side.region, run.index, "copy", copied=True
        )
        copy["DestinationRecoveryPointArn"] = arn
        kept = copy["DestinationRecoveryPointLifecycle"]
        landed: Row = {
            **point,
            "RecoveryPointArn": arn,
            "BackupVaultName": side.vault,
            "BackupVaultArn": side.vault_arn,
            "SourceBackupVaultArn": stage.source.vault_arn,
            "Status": "PARTIAL" if copy["State"] == "PARTIAL" else "COMPLETED",
            "StorageClass": "WARM",
            "InitiationDate": copy["CreationDate"],
            "CompletionDate": copy["CompletionDate"],
            "Lifecycle": kept,
            "CalculatedLifecycle": _calculated(point["CreationDate"].timestamp(), kept),
            "EncryptionKeyArn": self.keys.destination,
            "EncryptionKeyType": key_type(self.keys.destination),
            "VaultType": copy["DestinationVaultType"],
        }
        landed.pop("StatusMessage", None)
        if parent is not None and "DestinationRecoveryPointArn" in parent:
            landed["ParentRecoveryPointArn"] = parent["DestinationRecoveryPointArn"]
        wanted = run.keys["point"]
        if wanted and wanted != "GONE":
            landed["Status"] = wanted
        here = copy["DestinationBackupVaultArn"] == side.vault_arn and not stage.destination_absent
        if here and run.keys["arrives"] and wanted != "GONE" and self._alive(landed):
            self.destination_points.append(landed)

    # ---------------------------------------------------------------------------------------- composite resources
    def _members(self, run: Run, parent: Row) -> list[tuple[Row, dict[str, Any]]]:
        """Write the backups of a composite's members: [(backup job, the member as the story tells it)]."""
        made = []
        for number, member in enumerate(run.entry.members):
            where = f"protect[{run.entry.number}].composite[{number}]"
            failure = _struck(member.get("backup_fails"), run.index, backup_failure, f"{where}.backup_fails")
            name = f"{run.resource}-{member['name']}"
            more = {"ParentJobId": parent["BackupJobId"]}
            backup = self._backup(run, name, member["type"], failure, **more)
            if backup is not None:
                made.append((backup, member))
        return made

    def _parent(self, row: Row, members: list[Row], state: str) -> None:
        """Turn a job into the parent of its members' jobs."""
        row["IsParent"] = True
        row["NumberOfChildJobs"] = len(members)
        states = [member["State"] for member in members]
        row["ChildJobsInState"] = {name: states.count(name) for name in sorted(set(states))}
        if row["State"] == "COMPLETED" or state == "PARTIAL":
            row["State"] = state
            row["MessageCategory"] = _category(state)

    def _member_copies(self, run: Run, copy: Row, members: list[tuple[Row, dict[str, Any]]]) -> list[tuple[Row, Row]]:
        """Write the copies of a composite's members and give the parent its state: [(copy job, source point)]."""
        made: list[tuple[Row, Row]] = []
        for number, (backup, member) in enumerate(members):
            where = f"protect[{run.entry.number}].composite[{number}]"
            outcome = _struck(member.get("fails"), run.index, copy_failure, f"{where}.fails")
            outcome = outcome or _struck(member.get("stuck"), run.index, stuck_copy, f"{where}.stuck")
            point = self._source_point(run, backup)
            if point is None:
                continue
            point["ParentRecoveryPointArn"] = copy["SourceRecoveryPointArn"]
            point["CompositeMemberIdentifier"] = member["name"]
            child = self._copy(run, backup, point, outcome)
            if child is None:
                continue
            child.update({"ParentJobId": copy["CopyJobId"], "CompositeMemberIdentifier": member["name"]})
            made.append((child, point))
        if made:
            children = [child for child, dummy in made]
            ended = [child for child in children if child["State"] in _ENDED]
            failed = any(child["State"] != "COMPLETED" for child in ended)
            self._parent(copy, children, "PARTIAL" if failed else copy["State"])
            if copy["State"] in ("COMPLETED", "PARTIAL"):
                copy["CompletionDate"] = max(child["CompletionDate"] for child in ended)
                self._name_landing(run, copy)
        return made

    def _name_landing(self, run: Run, copy: Row) -> None:
        side = self.stage.destination
        copy["DestinationRecoveryPointArn"] = point_arn(
            copy["ResourceType"], copy["ResourceName"], side.account, side.region, run.index, "copy", copied=True
        )


def _struck(raw: Any, index: int, reader: Any, where: str) -> dict[str, Any] | None:
    """Return the outcome that a member's exception gives this run, None where it does not choose it."""
    for item in as_list(raw):
        if index in as_list(item.get("index", 0)):
            return dict(reader({key: value for key, value in item.items() if key != "index"}, where))
    return None


def _category(state: str) -> str:
    return "SUCCESS" if state == "COMPLETED" else "MISCELLANEOUS"


def _calculated(created: float, kept: dict[str, Any]) -> dict[str, Any]:
    """Return when a point moves and goes: counted from the creation of the source's point, also for a copy."""
    made = {}
    cold, delete = retention_s(kept.get("MoveToColdStorageAfterDays")), retention_s(kept.get("DeleteAfterDays"))
    if cold is not None:
        made["MoveToColdStorageAt"] = moment(created + cold)
    if delete is not None:
        made["DeleteAt"] = moment(created + delete)
    return made


def _maybe(row: Row, key: str, value: Any) -> None:
    if value is not None:
        row[key] = value
