# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VolumeSnapshots: cut on this side, or imported from the other one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from lab.clock import rfc3339, seconds
from lab.stories.side import Side, Slot, slots

_API = "snapshot.storage.k8s.io/v1"
_BOUND = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
_KEYS = {
    "resource",
    "name",
    "ready",
    "error",
    "imported",
    "creation_time",
    "labels",
    "annotations",
    "took",
    "delay",
    "size",
    "class",
    "driver",
    "handle",
    "status",
    "contents",
    "claim",
}


def story_snapshots(side: Side, story: dict[str, Any]) -> None:
    """Expand a ``snapshots`` story: one volume, many points in time.

    An imported snapshot carries the cut time of the other cluster's storage, read from that clock; the object itself
    is made ``delay`` later, by this cluster.
    """
    imported = bool(story.get("imported"))
    found = slots(story, side.peer if imported else side.moment)
    for slot in found:
        unknown = set(slot.spec) - _KEYS
        if unknown:
            raise ValueError(f"snapshots of {story.get('resource')}: unknown keys {sorted(unknown)}")
        made = _Snapshot(side, slot)
        if made.created <= side.moment.now:
            made.write()
    if not imported and story.get("claim", True):
        _claim(side, story["resource"])


def _claim(side: Side, name: str) -> None:
    """Write the volume claim that the snapshots were cut from, once."""
    if any(body["kind"] == "PersistentVolumeClaim" and body["metadata"]["name"] == name for body in side.objects):
        return
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
        "storageClassName": "gold",
        "volumeMode": "Filesystem",
        "volumeName": f"pvc-{side.uid('PersistentVolumeClaim', side.namespace, name)}",
    }
    status = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"}}
    metadata = side.metadata("PersistentVolumeClaim", name, side.moment.ago("90d"))
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    side.add({**body, "status": status})


class _Snapshot:
    def __init__(self, side: Side, slot: Slot) -> None:
        self.side, self.spec, self.cut = side, slot.spec, slot.at
        self.imported = bool(slot.spec.get("imported"))
        shift = side.moment.now - side.peer.now if self.imported else 0.0
        self.created = slot.at + shift + seconds(slot.spec.get("delay", "5m")) if self.imported else slot.at - 1
        stamp = datetime.fromtimestamp(slot.at, timezone.utc).strftime("%Y%m%d-%H%M")
        pattern = slot.spec.get("name", "{resource}-{stamp}")
        self.name = pattern.format(resource=slot.spec["resource"], stamp=stamp)
        self.error = slot.spec.get("error")
        arrived = self.created + seconds(slot.spec.get("took", 20))
        self.ready = slot.spec.get("ready", not self.error) and arrived <= side.moment.now
        self.cut_known = slot.spec.get("creation_time", True) and not self.error
        self.content = f"{'imported' if self.imported else 'snapcontent'}-{side.uid('Snapshot', 'content', self.name)}"
        handle = slot.spec.get("handle", "snap-{hex}")
        self.handle = handle.format(hex=side.hex(17, self.name), resource=slot.spec["resource"], stamp=stamp)
        self.size = str(slot.spec.get("size", "10Gi"))

    def write(self) -> None:
        source: dict[str, Any] = {"persistentVolumeClaimName": self.spec["resource"]}
        if self.imported:
            source = {"volumeSnapshotContentName": self.content}
        snapshot_class = self.spec.get("class", "csi-dr" if self.imported else "csi-gold")
        metadata = self.side.metadata(
            "VolumeSnapshot",
            self.name,
            self.created,
            generation=1,
            labels=self.spec.get("labels", {"app": "backup-sync"}),
            annotations=self.spec.get("annotations"),
            finalizers=[_BOUND],
        )
        body: dict[str, Any] = {"apiVersion": _API, "kind": "VolumeSnapshot", "metadata": metadata}
        body["spec"] = {"source": source, "volumeSnapshotClassName": snapshot_class}
        if self.spec.get("status", True):
            body["status"] = self._status()
        self.side.add(body)
        if self.spec.get("contents", True):
            self._write_content(metadata["uid"], snapshot_class)

    def _error(self) -> dict[str, Any]:
        return {"error": {"message": self.error, "time": rfc3339(self.created + 5)}} if self.error else {}

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"boundVolumeSnapshotContentName": self.content}
        if self.cut_known:
            status["creationTime"] = rfc3339(self.cut)
        status.update(self._error(), readyToUse=bool(self.ready))
        return {**status, "restoreSize": self.size} if self.ready else status

    def _write_content(self, uid: str, snapshot_class: str) -> None:
        volume = f"vol-{self.side.hex(17, self.spec['resource'])}"
        source = {"snapshotHandle": self.handle} if self.imported else {"volumeHandle": volume}
        reference = {"apiVersion": _API, "kind": "VolumeSnapshot", "name": self.name, "uid": uid}
        reference["namespace"] = self.side.namespace
        status: dict[str, Any] = {**self._error(), "readyToUse": bool(self.ready)}
        if not self.error:
            status["snapshotHandle"] = self.handle
        if self.cut_known:
            status["creationTime"] = int(self.cut) * 1_000_000_000
        spec = {
            "deletionPolicy": "Retain" if self.imported else "Delete",
            "driver": self.spec.get("driver", "csi.example.com"),
            "source": source,
            "volumeSnapshotClassName": snapshot_class,
            "volumeSnapshotRef": reference,
        }
        metadata = self.side.metadata("VolumeSnapshotContent", self.content, self.created, namespace="", generation=1)
        body = {"apiVersion": _API, "kind": "VolumeSnapshotContent", "metadata": metadata, "spec": spec}
        self.side.add({**body, "status": status})
