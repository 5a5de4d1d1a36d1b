# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key ``protect``: what is backed up and copied, when, and how each run ended. ``jobs`` writes the rows.

A *run* is one resource at one slot of its series: a backup, and the copy that follows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from lab.aws.stories.kinds import KINDS, resource_arn
from lab.aws.stories.stage import Stage
from lab.aws.stories.words import DAY_S, ago_s, as_list, digest, lot, one_of, only
from lab.clock import seconds

_SERIES = {"every": "24h", "for": "10d", "latest": "5h", "at": None}
_RUN = {
    "took": "12m",
    "copy_took": "25m",
    "copy_queue": "1m",
    "copy_delay": "5s",
    "size": None,
    "message": None,
    "category": None,
    "arrives": True,
    "source_point": None,
    "point": None,
}
_SUGAR = {"fails", "backup_fails", "stuck", "missing", "except"}
_CHOICE = {"index", "hours", "resources", "within", "count", "share"}
_ENTRY = {*_SERIES, *_RUN, *_SUGAR, "resources", "type", "role", "continuous", "on_demand", "composite", "rule"}
_MEMBER = {"name", "type", "fails", "backup_fails", "stuck"}
_TRAIL = {"event", "source", "code", "message", "side"}
_COPY_STATES = ("FAILED", "PARTIAL")
_BACKUP_STATES = ("FAILED", "ABORTED", "EXPIRED", "PARTIAL")
_OPEN_STATES = ("CREATED", "RUNNING")
_SOURCE_POINTS = ("COMPLETED", "EXPIRED", "DELETING", "PARTIAL", "STOPPED", "COLD", "GONE")
_POINTS = ("COMPLETED", "EXPIRED", "DELETING", "PARTIAL", "CREATING", "GONE")


@dataclass
class Run:
    """One resource at one slot. Times are seconds since the epoch, durations seconds.

    backup: None (ended well) or {state, message, category, took}; copy: None (ended well) or {state, message, category,
    took, trail}; copied False: there is no copy job at all.
    """

    entry: Entry
    resource: str
    kind: str
    index: int
    slot: float
    keys: dict[str, Any]
    backup: dict[str, Any] | None = None
    copy: dict[str, Any] | None = None
    copied: bool = True

    @property
    def arn(self) -> str:
        """Return the ARN of the resource."""
        return resource_arn(self.kind, self.resource, self.entry.account, self.entry.region)

    def length(self, key: str) -> float:
        """Return a duration of the run in seconds, a little different for each run, as in life."""
        spread = 0.95 + 0.1 * lot(key, self.resource, self.slot)
        return seconds(self.keys[key]) * spread


@dataclass
class Entry:
    """One entry of ``protect``, read."""

    number: int
    raw: dict[str, Any]
    account: str
    region: str
    resources: list[str]
    kind: str
    slots: list[float]
    now: float
    members: list[dict[str, Any]] = field(default_factory=list)

    @property
    def every_s(self) -> float:
        """Return the period of the series."""
        return seconds(self.raw.get("every", _SERIES["every"]))

    @property
    def on_demand(self) -> bool:
        """Tell whether somebody starts backups and copies by hand or by a program of his own."""
        return bool(self.raw.get("on_demand"))

    @property
    def continuous(self) -> bool:
        """Tell whether the resource has one continuous recovery point instead of one a backup."""
        return bool(self.raw.get("continuous"))

    def runs(self) -> list[Run]:
        """Return all runs, the newest first, with what the exceptions made of them."""
        keys = {name: self.raw.get(name, default) for name, default in _RUN.items()}
        runs = [
            Run(self, resource, self.kind, index, slot, dict(keys))
            for index, slot in enumerate(self.slots)
            for resource in self.resources
        ]
        where = f"protect[{self.number}]"
        for chosen, change in _exceptions(runs, self.raw, self.now, where):
            for run in chosen:
                change(run)
        return runs


def read_entries(stage: Stage) -> list[Entry]:
    """Return the entries of ``protect``; ValueError with a sentence where one is described wrongly."""
    entries = [_entry(stage, number, raw) for number, raw in enumerate(as_list(stage.raw.get("protect")))]
    seen: set[str] = set()
    for entry in entries:
        for name in entry.resources:
            arn = resource_arn(entry.kind, name, entry.account, entry.region)
            if arn in seen:
                raise ValueError(f"protect[{entry.number}]: {entry.kind} {name!r} is protected twice.")
            seen.add(arn)
    return entries


def _entry(stage: Stage, number: int, raw: Any) -> Entry:
    where = f"protect[{number}]"
    raw = only(raw, _ENTRY, where)
    names = _names(raw.get("resources"), where)
    listed = enumerate(as_list(raw.get("composite")))
    members = [only(member, _MEMBER, f"{where}.composite[{position}]") for position, member in listed]
    kind = one_of(raw.get("type", "CloudFormation" if members else "EBS"), KINDS, f"{where}.type")
    for position, member in enumerate(members):
        one_of(member.get("type"), KINDS, f"{where}.composite[{position}].type")
    account, region = stage.source.account, stage.source.region
    return Entry(number, raw, account, region, names, kind, _slots(stage.now, raw, where), stage.now, members)


def _names(raw: Any, where: str) -> list[str]:
    """Return the names: a list, or a mapping ``{web: 20}`` for web-01 to web-20."""
    if isinstance(raw, dict):
        return [f"{name}-{number:02d}" for name, count in raw.items() for number in range(1, int(count) + 1)]
    if not raw:
        raise ValueError(f"{where} names no resources: write for instance 'resources: [orders, users]'.")
    return [str(name) for name in as_list(raw)]


def _slots(now: float, raw: dict[str, Any], where: str) -> list[float]:
    """Return the slots, the newest first: the newest lies ``latest`` ago, or, with ``at``, at a time of day (UTC)."""
    every, span = seconds(raw.get("every", _SERIES["every"])), seconds(raw.get("for", _SERIES["for"]))
    latest = ago_s(raw.get("latest", _SERIES["latest"]))
    if every <= 0 or span < latest:
        raise ValueError(f"{where}: 'every' must be positive, and 'for' not shorter than 'latest'.")
    newest = now - latest
    if raw.get("at") is not None:
        clock = datetime.strptime(str(raw["at"]), "%H:%M").replace(tzinfo=timezone.utc)
        anchor = clock.hour * 3600 + clock.minute * 60
        newest = math.floor((newest - anchor) / every) * every + anchor
    newest = newest // 60 * 60
    return [newest - number * every for number in range(max(1, int((newest - (now - span)) // every) + 1))]


def _exceptions(runs: list[Run], raw: dict[str, Any], now: float, where: str) -> Iterator[tuple[list[Run], Any]]:
    readers = {
        "except": _reader_override,
        "backup_fails": _reader_backup,
        "fails": _reader_copy,
        "stuck": _reader_stuck,
        "missing": _reader_missing,
    }
    for name, reader in readers.items():
        for number, item in enumerate(as_list(raw.get(name))):
            place = f"{where}.{name}[{number}]"
            choice = {key: value for key, value in dict(item).items() if key in _CHOICE}
            change = reader({key: value for key, value in dict(item).items() if key not in _CHOICE}, place)
            yield _chosen(runs, choice, now, place), change


def _chosen(runs: list[Run], choice: dict[str, Any], now: float, where: str) -> list[Run]:
    """Return the runs of a choice: the filters first, then ``count`` or ``share`` draws among what is left."""
    if not choice:
        raise ValueError(f"{where} does not say which runs: use one of {', '.join(sorted(_CHOICE))}.")
    left = runs
    if "index" in choice:
        left = [run for run in left if run.index in as_list(choice["index"])]
    if "hours" in choice:
        hours = as_list(choice["hours"])
        left = [run for run in left if datetime.fromtimestamp(run.slot, timezone.utc).hour in hours]
    if "resources" in choice:
        left = [run for run in left if run.resource in as_list(choice["resources"])]
    if "within" in choice:
        left = [run for run in left if now - run.slot <= ago_s(choice["within"])]
    if "share" in choice:
        left = [run for run in left if lot("share", run.resource, run.index) < float(choice["share"])]
    if "count" in choice:
        left = sorted(left, key=lambda run: digest("count", run.resource, run.index))[: int(choice["count"])]
    if not left:
        raise ValueError(f"{where} chooses no run at all.")
    return left


def _reader_override(item: dict[str, Any], where: str) -> Any:
    keys = only(item, _RUN, where)
    if keys.get("source_point"):
        one_of(keys["source_point"], _SOURCE_POINTS, f"{where}.source_point")
    if keys.get("point"):
        one_of(keys["point"], _POINTS, f"{where}.point")
    return lambda run: run.keys.update(keys)


def copy_failure(item: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what a failed copy is: {state, message, category, took, trail}."""
    keys = only(item, {"state", "message", "category", "took", "trail"}, where)
    state = one_of(keys.get("state", "FAILED"), _COPY_STATES, f"{where}.state")
    trail = only(keys["trail"], _TRAIL, f"{where}.trail") if "trail" in keys else None
    return {"took": "2m", "category": None, "message": None, **keys, "state": state, "trail": trail}


def _reader_copy(item: dict[str, Any], where: str) -> Any:
    made = copy_failure(item, where)
    return lambda run: setattr(run, "copy", made)


def backup_failure(item: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what a failed backup is: {state, message, category, took}."""
    keys = only(item, {"state", "message", "category", "took"}, where)
    state = one_of(keys.get("state", "FAILED"), _BACKUP_STATES, f"{where}.state")
    return {"took": "1h", "category": None, "message": None, **keys, "state": state}


def _reader_backup(item: dict[str, Any], where: str) -> Any:
    made = backup_failure(item, where)
    return lambda run: setattr(run, "backup", made)


def stuck_copy(item: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what a copy is that does not end: {state, since, message}."""
    keys = only(item, {"state", "message"}, where)
    state = one_of(keys.get("state", "CREATED"), _OPEN_STATES, f"{where}.state")
    return {"message": None, "category": None, **keys, "state": state}


def _reader_stuck(item: dict[str, Any], where: str) -> Any:
    made = stuck_copy(item, where)
    return lambda run: setattr(run, "copy", made)


def _reader_missing(item: dict[str, Any], where: str) -> Any:
    what = one_of(only(item, {"what"}, where).get("what", "copy"), ("copy", "backup"), f"{where}.what")

    def change(run: Run) -> None:
        run.copied = False
        if what == "backup":
            run.backup = {"state": "NONE"}

    return change


def retention_s(days: Any) -> float | None:
    """Return a retention in seconds; None keeps for ever."""
    return None if days in (None, -1) else float(days) * DAY_S
