# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smaller stories: ConfigMaps, single events, Velero backups, VolSync replications."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import yaml

from lab.clock import rfc3339, seconds
from lab.stories.side import Side, Slot, slots

_API_OF = {"Job": "batch/v1", "CronJob": "batch/v1", "VolumeSnapshot": "snapshot.storage.k8s.io/v1"}


def story_configmap(side: Side, story: dict[str, Any]) -> None:
    """Expand a ``configmap`` story; values that are no texts are written as YAML documents."""
    changed = side.moment.ago(story.get("changed", "30d"))
    created = min(changed, side.moment.ago(story.get("created", "60d")))
    data = {key: _text(side.moment.expand(value)) for key, value in story["data"].items()}
    written = {
        "manager": story.get("manager", "kubectl-client-side-apply"),
        "operation": "Update",
        "apiVersion": "v1",
        "time": rfc3339(changed),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {".": {}, **{f"f:{key}": {} for key in data}}},
    }
    metadata = side.metadata(
        "ConfigMap",
        story["name"],
        created,
        labels=story.get("labels", {"app": "backup-sync"}),
        managedFields=[written],
    )
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if story.get("immutable"):
        body["immutable"] = True
    side.add(body)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False)


def story_events(side: Side, story: list[dict[str, Any]]) -> None:
    """Expand an ``events`` story: each entry needs ``object`` (Kind/name), ``reason`` and ``message``."""
    for entry in story:
        kind, _slash, name = entry["object"].partition("/")
        last = side.moment.ago(entry.get("last", "5m"))
        side.event(
            _subject(side, kind, name, entry.get("namespace")),
            entry["reason"],
            entry["message"],
            last,
            type=entry.get("type", "Warning"),
            first=side.moment.ago(entry["first"]) if "first" in entry else last,
            count=entry.get("count", 1),
            component=entry.get("component", "kubelet"),
            host=entry.get("host", ""),
            field_path=entry.get("field_path"),
            new=entry.get("style") == "new",
        )


def _subject(side: Side, kind: str, name: str, namespace: str | None) -> dict[str, Any]:
    """Return the object that an event is about, or a stand-in for one that is gone already."""
    for body in side.objects:
        if body["kind"] == kind and body["metadata"]["name"] == name:
            return body
    home = side.namespace if namespace is None else namespace
    metadata = {"name": name, "namespace": home, "uid": side.uid(kind, home, name)}
    return {"apiVersion": _API_OF.get(kind, "v1"), "kind": kind, "metadata": metadata}


def story_velero_backups(side: Side, story: dict[str, Any]) -> None:
    """Expand a ``velero_backups`` story; ``locations`` are its BackupStorageLocations."""
    rest = {key: value for key, value in story.items() if key != "locations"}
    for location in story.get("locations", []):
        _location(side, location)
    for slot in slots(rest, side.moment):
        _velero_backup(side, slot)


def _velero_backup(side: Side, slot: Slot) -> None:
    spec = slot.spec
    schedule = spec.get("schedule", "daily")
    stamp = datetime.fromtimestamp(slot.at, timezone.utc).strftime("%Y%m%d%H%M%S")
    location = spec.get("location", "default")
    phase = spec.get("phase", "Completed")
    ended = slot.at + seconds(spec.get("took", "4m"))
    status: dict[str, Any] = {"phase": phase, "version": 1, "formatVersion": "1.1.0"}
    status.update(startTimestamp=rfc3339(slot.at), expiration=rfc3339(slot.at + 30 * 86400))
    if phase not in ("New", "InProgress", "FailedValidation"):
        status["completionTimestamp"] = rfc3339(ended)
        status["progress"] = {"totalItems": 214, "itemsBackedUp": 214}
    for key in ("errors", "warnings", "failureReason", "validationErrors"):
        if key in spec:
            status[key] = spec[key]
    labels = {"velero.io/schedule-name": schedule, "velero.io/storage-location": location}
    created = slot.at + seconds(spec.get("synced_after", 0))
    metadata = side.metadata("Backup", spec.get("name", f"{schedule}-{stamp}"), created, generation=1, labels=labels)
    wanted = {
        "includedNamespaces": spec.get("namespaces", ["orders"]),
        "storageLocation": location,
        "ttl": "720h0m0s",
    }
    side.add({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": wanted, "status": status})


def _location(side: Side, story: dict[str, Any]) -> None:
    name = story.get("name", "default")
    status: dict[str, Any] = {"phase": story.get("phase", "Available")}
    status["lastValidationTime"] = rfc3339(side.moment.ago(story.get("validated", "1m")))
    if story.get("last_synced", "1m") is not None:
        status["lastSyncedTime"] = rfc3339(side.moment.ago(story.get("last_synced", "1m")))
    if "message" in story:
        status["message"] = story["message"]
    spec = {
        "provider": "aws",
        "default": name == "default",
        "objectStorage": {"bucket": story.get("bucket", f"example-backup-{name}")},
    }
    metadata = side.metadata("BackupStorageLocation", name, side.moment.ago("90d"), generation=1)
    body = {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": metadata, "spec": spec}
    side.add({**body, "status": status})


def story_replication_sources(side: Side, story: list[dict[str, Any]]) -> None:
    """Expand a ``replication_sources`` story: VolSync objects, ``kind: destination`` for the receiving end."""
    for entry in story:
        _replication(side, entry)


def _replication(side: Side, entry: dict[str, Any]) -> None:
    destination = entry.get("kind") == "destination"
    kind = "ReplicationDestination" if destination else "ReplicationSource"
    result = entry.get("result", "Successful")
    ended = side.moment.ago(entry.get("last_sync", "15m"))
    took = seconds(entry.get("took", 38))
    status: dict[str, Any] = {
        "conditions": [_synchronizing(result, ended)],
        "latestMoverStatus": {"result": result, "logs": entry.get("logs", "")},
    }
    if result == "Successful":
        status.update(lastSyncTime=rfc3339(ended), lastSyncDuration=f"{took:g}s")
    else:
        status["lastSyncStartTime"] = rfc3339(ended - took)
    name = entry["name"]
    if destination:
        image = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot"}
        status["latestImage"] = {**image, "name": entry.get("latest_image", f"volsync-{name}-dst")}
    spec: dict[str, Any] = {"restic": {"copyMethod": "Snapshot", "repository": f"{name}-restic"}}
    spec["trigger"] = {"schedule": entry.get("schedule", "*/15 * * * *")}
    if not destination:
        spec["sourcePVC"] = entry.get("pvc", name)
    metadata = side.metadata(kind, name, side.moment.ago("60d"), generation=1)
    body = {"apiVersion": "volsync.backube/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    side.add({**body, "status": status})


def _synchronizing(result: str, at: float) -> dict[str, Any]:
    waiting = result == "Successful"
    return {
        "lastTransitionTime": rfc3339(at),
        "message": "Waiting for next scheduled synchronization" if waiting else "Synchronization in-progress",
        "reason": "WaitingForSchedule" if waiting else "SyncInProgress",
        "status": "False" if waiting else "True",
        "type": "Synchronizing",
    }
