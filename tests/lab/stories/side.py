# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all stories of one side share: its clock, its objects, its logs, and names that are the same on every start."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.apiserver.logs import LogLines, LogSource
from lab.apiserver.resources import ResourceType
from lab.apiserver.store import Entry
from lab.clock import Moment, rfc3339, rfc3339_micro, seconds

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_OFFSET = re.compile(r"\+(\S+) (.*)", re.DOTALL)
_FIRST_VERSION = 100_000


@dataclass
class Side:
    """One cluster under construction.

    ``peer`` is the same moment on the other side's clock: times that were copied from there (the cut of an imported
    snapshot) keep the other clock's reading.
    """

    name: str
    moment: Moment
    peer: Moment
    namespace: str = "backup"
    event_ttl_s: float = 3600.0
    objects: list[dict[str, Any]] = field(default_factory=list)
    entries: list[tuple[ResourceType, Entry]] = field(default_factory=list)
    logs: dict[tuple[str, str, str, bool], LogSource] = field(default_factory=dict)
    versions: Iterator[int] = field(default_factory=lambda: itertools.count(_FIRST_VERSION))

    def _digest(self, *parts: Any) -> bytes:
        return hashlib.sha256("/".join((self.name, *map(str, parts))).encode()).digest()

    def uid(self, kind: str, namespace: str, name: str) -> str:
        """Return the UID of an object: the same on every start, another one on the other side."""
        return str(uuid.UUID(bytes=self._digest(kind, namespace, name)[:16], version=4))

    def suffix(self, *parts: Any) -> str:
        """Return the five characters that a controller appends to a generated name."""
        return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in self._digest("suffix", *parts)[:5])

    def hex(self, length: int, *parts: Any) -> str:
        """Return hexadecimal digits, for container ids and the like."""
        return (self._digest("hex", *parts) * 2).hex()[:length]

    def node(self, *parts: Any) -> str:
        """Return one of the two nodes of this side."""
        return f"{self.name}-node-{self._digest('node', *parts)[0] % 2 + 1}"

    def metadata(self, kind: str, name: str, created: float, **more: Any) -> dict[str, Any]:
        """Return the metadata of a namespaced object; ``namespace: ""`` makes it cluster-scoped, empty parts vanish."""
        namespace = more.pop("namespace", self.namespace)
        made = {
            "name": name,
            "generateName": more.pop("generate", None),
            "namespace": namespace,
            "uid": self.uid(kind, namespace, name),
            "resourceVersion": str(next(self.versions)),
            "generation": more.pop("generation", None),
            "creationTimestamp": rfc3339(created),
            "labels": dict(more.pop("labels", None) or {}),
            "annotations": dict(more.pop("annotations", None) or {}),
            "ownerReferences": more.pop("owners", None),
            "finalizers": more.pop("finalizers", None),
            **more,
        }
        return {key: value for key, value in made.items() if value}

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """Store an object and return it."""
        self.objects.append(body)
        return body

    def log(self, pod: dict[str, Any], container: str, lines: list[Any], start: float, end: float, **more: Any) -> None:
        """Store the log of a container; lines may begin with ``+12s``, the others are spread over the run."""
        if not lines:
            return
        metadata = pod["metadata"]
        step = (end - start) / len(lines)
        stamped: list[tuple[int, bytes]] = []
        for index, line in enumerate(lines):
            offset, text = _offset(line)
            at = start + (index * step if offset is None else offset)
            stamped.append((int(at * 1e9) + index, text))
        key = (metadata["namespace"], metadata["name"], container, bool(more.get("previous")))
        self.logs[key] = LogLines(tuple(stamped))

    def event(self, about: dict[str, Any], reason: str, message: str, last: float, **more: Any) -> None:
        """Store an event, unless it is older than events are kept, or lies in the future.

        ``first``, ``count``, ``type``, ``component``, ``host`` and ``field_path`` describe it further; ``new`` writes
        it as the scheduler does, through events.k8s.io: eventTime set, no count and no first or last timestamp.
        """
        if not self.moment.now - self.event_ttl_s <= last <= self.moment.now:
            return
        component = more.get("component", "job-controller")
        first = more.get("first", last)
        created = first if not more.get("new") else last
        name = f"{about['metadata']['name']}.{int(created * 1e9) + next(self.versions):016x}"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": self.metadata("Event", name, created, namespace=about["metadata"].get("namespace", "default")),
            "involvedObject": _reference(about, more.get("field_path")),
            "reason": reason,
            "message": message,
            "type": more.get("type", "Normal"),
        }
        body.update(_new_style(last, reason) if more.get("new") else _old_style(first, last, component, more))
        self.add(body)


def _offset(line: Any) -> tuple[float | None, bytes]:
    if isinstance(line, bytes):
        return None, line
    match = _OFFSET.fullmatch(str(line))
    if match is None:
        return None, str(line).encode()
    return seconds(match.group(1)), match.group(2).encode()


def _reference(about: dict[str, Any], field_path: str | None) -> dict[str, Any]:
    metadata = about["metadata"]
    reference = {
        "kind": about["kind"],
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "apiVersion": about["apiVersion"],
        "resourceVersion": metadata.get("resourceVersion"),
        "fieldPath": field_path,
    }
    return {key: value for key, value in reference.items() if value}


def _new_style(at: float, reason: str) -> dict[str, Any]:
    return {
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": rfc3339_micro(at),
        "action": "Binding" if reason == "Scheduled" else "Scheduling",
        "reportingComponent": "default-scheduler",
        "reportingInstance": "default-scheduler-control-plane",
    }


def _old_style(first: float, last: float, component: str, more: dict[str, Any]) -> dict[str, Any]:
    host = more.get("host", "")
    return {
        "source": {"component": component, **({"host": host} if host else {})},
        "firstTimestamp": rfc3339(first),
        "lastTimestamp": rfc3339(last),
        "count": more.get("count", 1),
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": host,
    }


@dataclass(frozen=True)
class Slot:
    """One moment of a schedule with what the story says about it; ``index`` counts back from the newest, 0."""

    index: int
    at: float
    spec: dict[str, Any]


_SERIES_KEYS = ("every", "for", "latest", "from", "to", "except", "runs", "at", "skip", "skip_hours")


def slots(story: dict[str, Any], moment: Moment) -> list[Slot]:
    """Return the moments of a story, oldest first: regular ones (``every``), single ones (``at``, ``runs``), or both.

    A regular series ends ``latest`` ago (default: half a period), so that a scenario looks the same at any time of
    day. ``except`` overrides slots by ``index``, ``ago`` or ``hours`` (of the day, UTC); ``skip`` leaves slots out by
    index, ``skip_hours`` by hour.
    """
    shared = {key: value for key, value in story.items() if key not in _SERIES_KEYS}
    found = [Slot(-1, _single(run, moment), {**shared, **run}) for run in story.get("runs", [])]
    found += [Slot(-1, moment.at(at), dict(shared)) for at in story.get("at", [])]
    if "every" in story:
        found += _regular(story, shared, moment)
    return sorted(found, key=lambda slot: slot.at)


def _single(run: dict[str, Any], moment: Moment) -> float:
    return moment.ago(run["ago"]) if "ago" in run else moment.at(run["at"])


def _regular(story: dict[str, Any], shared: dict[str, Any], moment: Moment) -> list[Slot]:
    period = seconds(story["every"])
    newest = moment.at(story["to"]) if "to" in story else moment.ago(story.get("latest", period / 2))
    newest = math.floor(newest / 60) * 60
    oldest = moment.at(story["from"]) if "from" in story else moment.ago(story.get("for", "24h"))
    count = int((newest - oldest) // period) + 1
    skipped, skipped_hours = story.get("skip", []), story.get("skip_hours", [])
    found = []
    for index in range(count):
        at = newest - index * period
        if index not in skipped and _hour(at) not in skipped_hours:
            found.append(Slot(index, at, {**shared, **_override(story, index, at, period, moment)}))
    return found


def _override(story: dict[str, Any], index: int, at: float, period: float, moment: Moment) -> dict[str, Any]:
    for rule in story.get("except", []):
        wanted = rule.get("index")
        indices = wanted if isinstance(wanted, list) else [wanted]
        near = "ago" in rule and abs(moment.ago(rule["ago"]) - at) < period / 2
        if near or index in indices or _hour(at) in rule.get("hours", []):
            return {key: value for key, value in rule.items() if key not in ("index", "ago", "hours")}
    return {}


def _hour(at: float) -> int:
    return int(at // 3600 % 24)


def cron_text(story: dict[str, Any], newest: float) -> str:
    """Return the cron expression of a regular series, so that its slots are the schedule's own."""
    period = int(seconds(story["every"]))
    minute, hour = int(newest // 60 % 60), int(newest // 3600 % 24)
    if period < 3600:
        minutes = sorted({(minute + step) % 60 for step in range(0, 60, period // 60)})
        return f"{','.join(map(str, minutes))} * * * *"
    if period == 3600:
        return f"{minute} * * * *"
    hours = sorted({(hour + step) % 24 for step in range(0, 24, period // 3600)})
    return f"{minute} {','.join(map(str, hours))} * * *"
