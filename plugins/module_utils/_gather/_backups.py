# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Turns Jobs, VolumeSnapshots or any custom resource into the points that the ledger pairs."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed, clip
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import look_for_namespace
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import DEFAULT_LABEL, resource_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import selector_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import (
    USABLE,
    Point,
    epoch,
    known_time,
    point_from_feed,
)

try:
    import jmespath
    from jmespath.exceptions import JMESPathError

    HAS_JMESPATH = True
except ImportError:
    HAS_JMESPATH = False

SNAPSHOT_GROUP = "snapshot.storage.k8s.io"
KINDS = ("volumesnapshot", "job", "custom")
MOST_POINTS = 10_000  # a side; the newest are kept

# What the tools write on both sides. The names of single snapshots come before those of whole backups.
DEFAULT_MATCH_KEYS = (
    "velero.io/volume-snapshot-name",
    "velero.io/csi-volumesnapshot-handle",
    "velero.io/backup-name",
)

_FIELDS = ("identity", "point_in_time", "completed", "available", "state", "resource")
_DEFAULT_FIELDS = {"identity": "metadata.name", "available": "metadata.creationTimestamp"}

# The words of Velero, VolSync, Kasten, Longhorn, K8up and Stork, folded to lower-case letters.
_STATE_WORDS = {
    "completed": ("completed", "complete", "succeeded", "successful", "success", "finished"),
    "partial": ("partiallyfailed", "partial", "partialsuccess"),
    "failed": ("failed", "failedvalidation", "error", "canceled", "cancelled"),
    "in_progress": (
        *("new", "queued", "readytostart", "inprogress", "pending", "running", "accepted", "prepared", "canceling"),
        *("waitingforpluginoperations", "waitingforpluginoperationspartiallyfailed", "incleanup", "deleting"),
        *("finalizing", "finalizingpartiallyfailed"),
    ),
}
_STATES = {word: state for state, words in _STATE_WORDS.items() for word in words}

Json = t.Dict[str, t.Any]


# ------------------------------------------------------------------------------------------------------- options


def backups_spec() -> dict[str, t.Any]:
    """The option that says what a backup, or a recovery point, is in a cluster."""
    options: dict[str, t.Any] = {
        name: {"type": "str"} for name in ("group", "version", "plural", "label_selector", *_FIELDS)
    }
    options["kind"] = {"type": "str", "choices": list(KINDS), "default": "volumesnapshot"}
    return {"type": "dict", "options": options}


def source_spec() -> dict[str, t.Any]:
    """The connection to the source cluster, and the namespace there."""
    return {"type": "dict", "options": dict(connection_spec(), namespace={"type": "str"})}


def pairing_spec() -> dict[str, t.Any]:
    """The options of every step that compares the two clusters."""
    return {
        "namespace": {"type": "str", "required": True},
        "source": source_spec(),
        "source_backups": backups_spec(),
        "resource_label": {"type": "str", "default": DEFAULT_LABEL},
        "match_keys": {"type": "list", "elements": "str", "no_log": False},
        "look_back": {"type": "str", "default": "30d"},
    }


@dataclass(frozen=True)
class Mapping:
    """Where backups are listed, and how one object becomes a point."""

    kind: str
    group: str
    version: str
    plural: str
    label_selector: str | None
    to_point: t.Callable[[Json], Point]

    def as_query(self, namespace: str) -> dict[str, t.Any]:
        """What was asked, as it stands in the evidence."""
        return {
            "kind": self.kind,
            "group": self.group,
            "version": self.version,
            "plural": self.plural,
            "namespace": namespace,
            "label_selector": self.label_selector,
        }


def mapping_of(params: t.Mapping[str, t.Any], option: str) -> Mapping:
    """The mapping that the parameter `option` describes; VolumeSnapshots when it is absent. Raises BadParameter."""
    given = {key: value for key, value in (params.get(option) or {}).items() if value is not None}
    label = params.get("resource_label")
    keys = tuple(params.get("match_keys") or DEFAULT_MATCH_KEYS)
    kind = given.get("kind") or "volumesnapshot"
    selector = given.get("label_selector")
    selector_parameter({f"{option}.label_selector": selector}, f"{option}.label_selector")
    if kind not in KINDS:
        raise BadParameter(f"{option}.kind: {kind!r} is unknown; give one of {', '.join(KINDS)}.")
    if kind == "custom":
        return _custom_mapping(given, option, label, keys)
    stray = sorted(set(given) & {"plural", "group", *_FIELDS})
    if stray:
        raise BadParameter(f"{option}.{stray[0]}: it needs kind custom; kind {kind} knows its own fields.")
    if kind == "job":
        return Mapping(kind, "batch", "v1", "jobs", selector, lambda obj: _job_point(obj, label, keys))
    version = given.get("version") or "v1"
    return Mapping(
        kind, SNAPSHOT_GROUP, version, "volumesnapshots", selector, lambda obj: _snapshot_point(obj, label, keys)
    )


def _custom_mapping(given: dict[str, t.Any], option: str, label: str | None, keys: tuple[str, ...]) -> Mapping:
    missing = [name for name in ("version", "plural", "point_in_time", "completed") if not given.get(name)]
    if missing:
        raise BadParameter(f"{option}: kind custom needs {' and '.join(missing)} too.")
    if not HAS_JMESPATH:
        raise BadParameter(f"{option}: kind custom needs the Python library jmespath; pip install jmespath.")
    texts = dict(_DEFAULT_FIELDS, **{name: given[name] for name in _FIELDS if given.get(name)})
    reads = {name: _expression(f"{option}.{name}", text) for name, text in texts.items()}
    try:  # refuses odd names before any request
        path_of(given.get("group", ""), given["version"], given["plural"])
    except BadParameter as exc:
        raise BadParameter(f"{option}.plural: {exc}") from exc
    return Mapping(
        "custom",
        given.get("group", ""),
        given["version"],
        given["plural"],
        given.get("label_selector"),
        lambda obj: _custom_point(obj, reads, label, keys),
    )


def _expression(option: str, text: str) -> t.Callable[[Json], t.Any]:
    """A compiled JMESPath; what it cannot answer for one object is unknown there. Raises BadParameter."""
    try:
        compiled = jmespath.compile(text)
    except JMESPathError as exc:
        first = str(exc).split("\n", maxsplit=1)[0]  # the rest points at a column
        said = first.rpartition("expression: ")[2].rstrip(" :.")
        raise BadParameter(f"{option}: {text[:200]!r} is not a JMESPath expression ({said}); correct it.") from exc

    def read(obj: Json) -> t.Any:
        try:
            return compiled.search(obj)
        except JMESPathError:  # a function over an absent field
            return None

    return read


def points_parameter(name: str, rows: t.Any) -> list[Point]:
    """Points as another step fed them. Raises BadParameter."""
    try:
        return [point_from_feed(row) for row in rows]
    except (KeyError, TypeError, AttributeError) as exc:
        raise BadParameter(f"{name}: give the member points of the feed of k8s_copy_lag_info unchanged.") from exc


# ------------------------------------------------------------------------------------------------------- reading


@dataclass
class Reading:
    """The points of one side; seen: how many objects were listed; denied: what an empty list leaves open."""

    points: list[Point]
    seen: int = 0
    cut: bool = False
    denied: list[dict[str, t.Any]] = field(default_factory=list)


def read_points(cluster: t.Any, mapping: Mapping, namespace: str, *, since: float | None = None) -> Reading:
    """List and convert, newest MOST_POINTS and nothing older than `since` but each resource's newest usable one.

    since: epoch seconds. Memory holds one page and the points. Raises ReadFailed; an API that is not installed is
    api_missing even where the answer was 403, because authorization comes before existence.
    """
    path = path_of(mapping.group, mapping.version, mapping.plural, namespace)
    query = {"labelSelector": mapping.label_selector} if mapping.label_selector else None
    reading = Reading([])
    old: dict[str, Point] = {}
    try:
        for obj in cluster.list(path, query):
            reading.seen += 1
            point = mapping.to_point(obj)
            if since is None or _moment(point) >= since:
                reading.points.append(point)
                if len(reading.points) >= 2 * MOST_POINTS:
                    _cut(reading)
            elif point.state in USABLE:
                kept = old.get(point.resource)
                old[point.resource] = point if kept is None else max(kept, point, key=_order)
    except ReadFailed as failure:
        refused = failure.outcome == "forbidden" and bool(mapping.group)
        if failure.outcome == "api_missing" or (refused and cluster.has_group(mapping.group) is False):
            served = "/".join(filter(None, (mapping.group, mapping.version, mapping.plural)))
            raise ReadFailed(
                "api_missing",
                f"{cluster.name}: {served} is not installed or not served.",
                code=failure.code,
                hint="Install its custom resource definitions, or say in source_backups and recovery_points "
                "what holds the backups.",
            ) from failure
        raise
    if not reading.seen:
        absent, reading.denied = look_for_namespace(cluster, namespace)
        if absent is not None:
            raise absent
    _cut(reading)
    fresh = {point.resource for point in reading.points if point.state in USABLE}
    reading.points.extend(point for resource, point in old.items() if resource not in fresh)
    return reading


def _cut(reading: Reading) -> None:
    if len(reading.points) > MOST_POINTS:
        reading.points = sorted(reading.points, key=_order)[-MOST_POINTS:]
        reading.cut = True


def _order(point: Point) -> tuple[float, str]:
    return (_moment(point), point.name)


def _moment(point: Point) -> float:
    """When a point belongs in the course of things, however little it says."""
    return epoch(point.point_in_time or point.completed_at or point.created_at) or 0.0


def newest_first(points: t.Iterable[Point]) -> list[Point]:
    """Sorted by what is known of their time."""
    return sorted(points, key=_order, reverse=True)


def add_handles(cluster: t.Any, points: t.Iterable[Point]) -> None:
    """Fill in storage handles, and points in time that the snapshot lacks, from one list of VolumeSnapshotContents.

    A content counts only when it names the snapshot and the snapshot, where it says so, names it. Raises ReadFailed.
    """
    wanted = {(point.namespace, point.name): point for point in points}
    for obj in cluster.list(path_of(SNAPSHOT_GROUP, "v1", "volumesnapshotcontents")):
        spec, status = _dict(obj, "spec"), _dict(obj, "status")
        reference, origin = _dict(spec, "volumeSnapshotRef"), _dict(spec, "source")
        point = wanted.get((reference.get("namespace"), str(reference.get("name"))))
        if point is None or (point.content is not None and point.content != _dict(obj, "metadata").get("name")):
            continue
        point.handle = _text(status.get("snapshotHandle") or origin.get("snapshotHandle"))
        point.imported = point.imported or bool(origin.get("snapshotHandle"))
        if point.point_in_time is None:
            point.point_in_time = _time(status.get("creationTime"))


def same_cluster(clients: t.Any, namespace: str, source_namespace: str) -> bool:
    """Whether both sides are one place, by address: reading kube-system would need a right that no step needs."""
    hosts = [str(side.host).rstrip("/").lower() for side in (clients.cluster, clients.source)]
    return hosts[0] == hosts[1] and namespace == source_namespace


# -------------------------------------------------------------------------------------------------------- points


def _snapshot_point(obj: Json, label: str | None, keys: tuple[str, ...]) -> Point:
    """A VolumeSnapshot: creationTime is the cut on the storage, metadata.creationTimestamp only when it came here."""
    meta, status = _dict(obj, "metadata"), _dict(obj, "status")
    cut = _time(status.get("creationTime"))
    ready = status.get("readyToUse") if isinstance(status.get("readyToUse"), bool) else None
    message = None if ready else clip(_dict(status, "error").get("message"))
    created = _time(meta.get("creationTimestamp"))
    return Point(
        resource=resource_of(obj, kind="VolumeSnapshot", resource_label=label),
        name=str(meta.get("name")),
        namespace=meta.get("namespace"),
        point_in_time=cut,
        completed_at=cut if ready else None,
        available_at=created,
        created_at=created,
        state="completed" if ready else "failed" if message else "in_progress",
        ready=ready,
        error=message,
        imported=bool(_dict(_dict(obj, "spec"), "source").get("volumeSnapshotContentName")),
        content=_text(status.get("boundVolumeSnapshotContentName")),
        keys=_keys(meta, keys),
    )


def _job_point(obj: Json, label: str | None, keys: tuple[str, ...]) -> Point:
    """A Job that makes one backup: cut when it starts, complete when it completes."""
    meta, status = _dict(obj, "metadata"), _dict(obj, "status")
    held = {
        condition.get("type"): condition
        for condition in status.get("conditions") or []
        if isinstance(condition, dict) and condition.get("status") == "True"
    }
    failure = held.get("Failed") or held.get("FailureTarget")
    state = "failed" if failure else "completed" if "Complete" in held else "in_progress"
    completed = _time(status.get("completionTime"))
    return Point(
        resource=resource_of(obj, kind="Job", resource_label=label),
        name=str(meta.get("name")),
        namespace=meta.get("namespace"),
        point_in_time=_time(status.get("startTime")),
        completed_at=completed,
        available_at=completed,
        created_at=_time(meta.get("creationTimestamp")),
        state=state,
        ready=state == "completed",
        error=clip(failure.get("message") or failure.get("reason")) if failure else None,
        keys=_keys(meta, keys),
    )


def _custom_point(
    obj: Json, reads: dict[str, t.Callable[[Json], t.Any]], label: str | None, keys: tuple[str, ...]
) -> Point:
    """Any object, through the JMESPath expressions of the mapping."""
    meta, status = _dict(obj, "metadata"), _dict(obj, "status")
    completed = _time(reads["completed"](obj))
    word = reads["state"](obj) if "state" in reads else None
    state = _state(word, completed)
    resource = _text(reads["resource"](obj)) if "resource" in reads else None
    bad = state in ("failed", "partial")
    return Point(
        resource=resource or resource_of(obj, kind=str(obj.get("kind") or ""), resource_label=label),
        name=_text(reads["identity"](obj)) or str(meta.get("name")),
        namespace=meta.get("namespace"),
        point_in_time=_time(reads["point_in_time"](obj)),
        completed_at=completed,
        available_at=_time(reads["available"](obj)),
        created_at=_time(meta.get("creationTimestamp")),
        state=state,
        ready=None if state == "unknown" else state == "completed",
        error=clip(_message(status) or f"the backup ended as {word}") if bad else None,
        keys=_keys(meta, keys),
    )


def _state(word: t.Any, completed: datetime | None) -> str:
    """One of the ledger's states. Without a word the completion time decides; an unknown word stays unknown."""
    if word is None or word == "":
        return "completed" if completed else "in_progress"
    if isinstance(word, bool):
        return "completed" if word else "in_progress"
    return _STATES.get("".join(filter(str.isalpha, str(word))).lower(), "unknown")


def _message(status: Json) -> str | None:
    """Where the tools say why: the words of the mover before those of the controller."""
    errors = status.get("validationErrors")
    candidates = (
        _dict(status, "latestMoverStatus").get("logs"),
        status.get("failureReason"),
        errors[0] if isinstance(errors, list) and errors else None,
        _dict(status, "error").get("message"),
        status.get("error"),
        status.get("message"),
        status.get("reason"),
    )
    return next((text for text in candidates if isinstance(text, str) and text), None)


def _keys(meta: Json, wanted: tuple[str, ...]) -> dict[str, str]:
    carried = {**_dict(meta, "annotations"), **_dict(meta, "labels")}
    return {key: str(carried[key]) for key in wanted if carried.get(key)}


def _time(value: t.Any) -> datetime | None:
    """RFC 3339, or seconds or nanoseconds since 1970 (VolumeSnapshotContent writes int64 nanoseconds)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return known_time(value)
    try:
        seconds = value / 1e9 if value > 1e14 else float(value)
        return datetime.fromtimestamp(seconds, timezone.utc) if seconds > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def _dict(obj: t.Any, name: str) -> Json:
    """The member as a dictionary; custom resources hold null or anything else there."""
    value = obj.get(name) if isinstance(obj, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: t.Any) -> str | None:
    return str(value) if value not in (None, "") and not isinstance(value, (dict, list)) else None
