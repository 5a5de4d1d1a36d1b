# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Groups the events of a namespace: of twenty thousand remain rows that say what happened how often to how many."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import clip, parse_time, rfc3339
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import COMBINED, fold
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import pod_stem, resource_name, stem

MOST_GROUPS = 2000
MOST_NAMES = 20  # names of objects kept per group, for the feed
MOST_OBJECTS = 2000  # objects told apart per group
MOST_REASONS = 500

# Normal events that tell of trouble all the same: controllers give them no type of their own.
TROUBLE = frozenset(
    "JobAlreadyActive MissSchedule TooManyMissedTimes MissingJob UnexpectedJob Killing Preempted Preempting Evicted "
    "Suspended NotTriggerScaleUp TaintManagerEviction NodeNotReady NodeNotSchedulable Rebooted".split()
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class CopyObjects:
    """Which objects are copy jobs, their pods or their CronJobs."""

    def __init__(
        self, jobs: list[dict[str, t.Any]], cronjobs: list[dict[str, t.Any]], prefixes: t.Sequence[str] = ()
    ) -> None:
        """jobs and cronjobs: the feed of the job step; prefixes: what names of copy jobs begin with.

        Events outlive a job that TTL removed, so a name alone must do as well.
        """
        self._resource = {str(row.get("job")): row.get("resource") for row in jobs}
        self._resource.update({str(row["cronjob"]): row.get("resource") for row in jobs if row.get("cronjob")})
        self._resource.update({str(row.get("cronjob")): row.get("resource") for row in cronjobs})
        self._words = tuple(prefixes)
        self._prefixes = tuple(prefix + "-" for prefix in prefixes)

    def owner_of(self, name: str) -> str | None:
        """The copy job or CronJob that an object of this name is or belongs to."""
        owner = pod_stem(name)
        # the pods of an Indexed job carry their index before the suffix
        indexed = owner.rpartition("-")[0] if owner != name and owner.rpartition("-")[2].isdigit() else ""
        for candidate in (name, owner, indexed, stem(name), stem(owner)):
            if candidate in self._resource:
                return candidate
        return stem(owner) if self._prefixes and name.startswith(self._prefixes) else None

    def resource_of(self, owner: str) -> str:
        """The resource of such an owner."""
        return self._resource.get(owner) or resource_name(owner, strip=self._words)


class Seen(t.NamedTuple):
    """One event, reduced."""

    reason: str
    type: str
    kind: str
    object: str
    message: str
    times: int
    first_at: datetime
    last_at: datetime
    component: str | None


def read_event(obj: dict[str, t.Any]) -> Seen:
    """An event of core/v1; older recorders fill lastTimestamp, newer ones eventTime and series."""
    meta, series = obj.get("metadata") or {}, obj.get("series") or {}
    about = obj.get("involvedObject") or {}
    created = parse_time(meta.get("creationTimestamp")) or _EPOCH
    first = parse_time(obj.get("firstTimestamp")) or parse_time(obj.get("eventTime")) or created
    last = (
        parse_time(series.get("lastObservedTime"))
        or parse_time(obj.get("lastTimestamp"))
        or parse_time(obj.get("eventTime"))
        or first
    )
    return Seen(
        reason=str(obj.get("reason") or ""),
        type=str(obj.get("type") or "Normal"),
        kind=str(about.get("kind") or ""),
        object=str(about.get("name") or ""),
        message=str(obj.get("message") or "")[:2400],
        times=int(series.get("count") or obj.get("count") or 1),
        first_at=min(first, last),
        last_at=last,
        component=obj.get("reportingComponent") or (obj.get("source") or {}).get("component") or None,
    )


def tells_trouble(event: Seen) -> bool:
    """Whether the event, by its type or its reason, tells of trouble."""
    if event.type != "Normal":
        return True
    if event.reason == "SawCompletedJob":  # a CronJob says of a failed job, in a Normal event: condition: Failed
        return "condition: Failed" in event.message
    return event.reason in TROUBLE


class Group:
    """Events of one reason, kind, owner and text."""

    __slots__ = ("newest", "count", "first_at", "combined", "telling", "resource", "copy", "names", "objects")

    def __init__(self, event: Seen, telling: bool, copy: bool, resource: str | None) -> None:
        self.newest = event
        self.count = 0
        self.first_at = event.first_at
        self.combined = False
        self.telling = telling
        self.copy = copy
        self.resource = resource
        self.names: dict[str, datetime] = {}
        self.objects: set[int] = set()

    def add(self, event: Seen) -> None:
        """Count the event in."""
        self.count += event.times
        self.first_at = min(self.first_at, event.first_at)
        self.combined = self.combined or event.message.startswith(COMBINED)
        if event.last_at > self.newest.last_at:
            self.newest = event
        if len(self.objects) < MOST_OBJECTS:
            self.objects.add(hash(event.object))
        self.names[event.object] = max(event.last_at, self.names.get(event.object, event.last_at))
        if len(self.names) > 2 * MOST_NAMES:
            self.names = dict(sorted(self.names.items(), key=lambda pair: pair[1], reverse=True)[:MOST_NAMES])

    def rank(self) -> tuple[int, datetime]:
        """What is kept when not all can be: trouble of copy jobs, other trouble, the rest of copy jobs, the rest."""
        return (2 * self.telling + self.copy, self.newest.last_at)

    def row(self) -> dict[str, t.Any]:
        """The row of `events`."""
        event = self.newest
        return {
            "reason": event.reason,
            "type": event.type,
            "kind": event.kind,
            "object": event.object,
            "resource": self.resource,
            "message": clip(event.message),
            "count": self.count,
            "first_at": rfc3339(self.first_at),
            "last_at": rfc3339(event.last_at),
            "component": event.component,
            "combined": self.combined,
            "objects": len(self.objects),
        }

    def feed_row(self) -> dict[str, t.Any]:
        """The same for a later step, with the names of the newest objects."""
        names = sorted(self.names, key=lambda name: self.names[name], reverse=True)[:MOST_NAMES]
        return dict(self.row(), names=names)


class Groups:
    """All groups, at most MOST_GROUPS in the end and twice as many on the way."""

    def __init__(self, copies: CopyObjects) -> None:
        self._copies = copies
        self._groups: dict[tuple[str, ...], Group] = {}
        self._reasons: dict[tuple[str, str], tuple[list[int], set[int]]] = {}
        self.events = self.warnings = self.dropped = 0

    def add(self, event: Seen) -> None:
        """Count the event into its group."""
        self.events += event.times
        self.warnings += event.times if event.type != "Normal" else 0
        if (event.reason, event.type) in self._reasons or len(self._reasons) < MOST_REASONS:
            counted, objects = self._reasons.setdefault((event.reason, event.type), ([0], set()))
            counted[0] += event.times
            objects.add(hash((event.kind, event.object)))
        owner = self._copies.owner_of(event.object)
        telling = tells_trouble(event)
        text = fold(event.message.replace(event.object, "#") if event.object else event.message)
        key = (event.reason, event.type, event.kind, stem(owner or pod_stem(event.object)), str(telling), text)
        group = self._groups.get(key)
        if group is None:
            resource = self._copies.resource_of(owner) if owner else None
            group = self._groups[key] = Group(event, telling, owner is not None, resource)
        group.add(event)
        if len(self._groups) >= 2 * MOST_GROUPS:
            self._drop()

    def _drop(self) -> None:
        ranked = sorted(self._groups.items(), key=lambda pair: pair[1].rank(), reverse=True)
        self.dropped += sum(group.count for dummy, group in ranked[MOST_GROUPS:])
        self._groups = dict(ranked[:MOST_GROUPS])

    def ranked(self) -> list[Group]:
        """The groups, most telling first."""
        if len(self._groups) > MOST_GROUPS:
            self._drop()
        return sorted(self._groups.values(), key=Group.rank, reverse=True)

    def by_reason(self, most: int = 30) -> list[dict[str, t.Any]]:
        """How often each reason was given and to how many objects, most frequent first."""
        ranked = sorted(self._reasons.items(), key=lambda pair: (-pair[1][0][0], pair[0]))
        return [
            {"reason": reason, "type": kind, "count": counted[0], "objects": len(objects)}
            for (reason, kind), (counted, objects) in ranked[:most]
        ]
