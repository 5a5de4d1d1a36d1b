# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces of any size: objects that are made when they are read, and logs that are never held."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from lab.apiserver.logs import GeneratedLog
from lab.apiserver.resources import Registry, ResourceType
from lab.apiserver.store import Entry
from lab.clock import rfc3339, seconds
from lab.stories.jobs import APP_LABELS, parse_run, play
from lab.stories.side import Side
from lab.stories.snapshots import story_snapshots

_KEYS = {"jobs", "pods", "events", "snapshots", "log_bytes", "log_line", "log_tail", "failed_every", "imported", "for"}
_LOG_LINE = 'level=info msg="object copied" bucket=example-backup-dr key=data/3f/9c1e04 bytes=1048576 took=212ms'


def story_bulk(side: Side, story: dict[str, Any]) -> None:
    """Expand a ``bulk`` story. Jobs, events and snapshots are spread evenly over ``for`` (default 24h)."""
    unknown = set(story) - _KEYS
    if unknown:
        raise ValueError(f"bulk: unknown keys {sorted(unknown)}")
    bulk = _Bulk(side, story)
    bulk.jobs(story.get("jobs", 0), story.get("pods", 0))
    bulk.snapshots(story.get("snapshots", 0))
    bulk.events(story.get("events", 0))


class _Bulk:
    def __init__(self, side: Side, story: dict[str, Any]) -> None:
        self.side, self.story = side, story
        self.span = seconds(story.get("for", "24h"))
        registry = Registry()
        self.types = {kind.plural: kind for kind in registry if kind.group != "events.k8s.io"}

    def _at(self, index: int, count: int) -> float:
        return self.side.moment.now - 300 - index * self.span / count

    def _fresh(self) -> Side:
        """Return a side that one object is made in, apart from the others."""
        side = self.side
        return Side(side.name, side.moment, side.peer, side.namespace, versions=itertools.count(500_000))

    def _lazy(self, kind: ResourceType, name: str, labels: dict[str, str], make: Callable[[], dict[str, Any]]) -> None:
        self.side.entries.append((kind, Entry(self.side.namespace, name, labels, make)))

    def jobs(self, count: int, pods: int) -> None:
        """Add Jobs, the newest ``pods`` of them with a pod; the first pod has the long log."""
        for index in range(count):
            name = f"backup-sync-bulk-{index:06d}"
            if index < pods:
                self._job_with_pod(name, index, count)
            else:
                self._lazy(self.types["jobs"], name, APP_LABELS, partial(self._job, name, index, count))

    def _run(self, index: int, count: int) -> Any:
        every = self.story.get("failed_every", 0)
        failed = bool(every) and index % every == 0
        raw = {"result": "failed" if failed else "succeeded", "took": 120}
        return parse_run(raw, self._at(index, count))

    def _job(self, name: str, index: int, count: int) -> dict[str, Any]:
        return play(self._fresh(), name, self._run(index, count)).job

    def _job_with_pod(self, name: str, index: int, count: int) -> None:
        made = self._fresh()
        play(made, name, self._run(index, count))
        self.side.objects.extend(body for body in made.objects if body["kind"] != "Event")
        size = self.story.get("log_bytes", 0)
        if index == 0 and size:
            pod = next(body for body in made.objects if body["kind"] == "Pod")
            self.side.logs[(self.side.namespace, pod["metadata"]["name"], "sync", False)] = self._log(int(size))

    def _log(self, size: int) -> GeneratedLog:
        line = str(self.story.get("log_line", _LOG_LINE)).encode()
        tail = tuple(str(text).encode() for text in self.story.get("log_tail", []))
        count = size // (len(line) + 1)
        start = int(self._at(0, 1) * 1e9)
        return GeneratedLog(size, start, max(1, int(110e9) // max(1, count)), line, tail)

    def snapshots(self, count: int) -> None:
        """Add snapshots of one volume."""
        step = self.span / count if count else 0
        for index in range(count):
            name = f"bulk-{index:06d}"
            self._lazy(self.types["volumesnapshots"], name, APP_LABELS, partial(self._snapshot, name, index * step))

    def _snapshot(self, name: str, back: float) -> dict[str, Any]:
        made = self._fresh()
        at = rfc3339(self.side.moment.now - 900 - back)
        imported = bool(self.story.get("imported"))
        story = {"resource": "bulk", "name": name, "at": [at], "imported": imported, "delay": 60, "claim": False}
        story_snapshots(made, {**story, "contents": False})
        return made.objects[0]

    def events(self, count: int) -> None:
        """Add events of the bulk Jobs, all within the time that events are kept."""
        step = (self.side.event_ttl_s - 120) / count if count else 0
        for index in range(count):
            name = f"backup-sync-bulk-{index % max(1, self.story.get('jobs', 1)):06d}-{self.side.suffix(index)}"
            metadata = {"namespace": self.side.namespace, "name": name}
            subject = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
            key = f"{name}.{index:016x}"
            self._lazy(self.types["events"], key, {}, partial(self._event, subject, key, index * step, index))

    def _event(self, about: dict[str, Any], name: str, back: float, index: int) -> dict[str, Any]:
        made = self._fresh()
        warning = index % 10 == 0
        kind, reason = ("Warning", "BackOff") if warning else ("Normal", "Pulled")
        text = "Back-off restarting failed container sync" if warning else "Container image already present on machine"
        made.event(about, reason, text, made.moment.now - 60 - back, type=kind, component="kubelet")
        body = made.objects[0]
        body["metadata"]["name"] = name
        return body
