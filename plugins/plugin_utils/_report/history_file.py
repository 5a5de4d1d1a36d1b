# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The file of a target's history: one run a line, the oldest first, and what people were told of.

Runs that end at the same time wait for each other. The file is replaced as a whole, so that a run that is killed while it
writes leaves the one before. What cannot be read is set aside, never thrown away.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import typing as t
from dataclasses import asdict, dataclass, field

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import folder_name, write_files
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.history import MOST_RUNS, Entry, entry_from

_WAIT_S = 20.0
_MOST_BYTES = 64 * 1024 * 1024  # the runs that are kept take a few; what is larger is no history
_CLAIM_S = 600.0  # a run that wanted to tell people and has not said that it did, was ended before


@dataclass(frozen=True)
class Announced:
    """What was told last at one place, and what a run is about to tell there. at: epoch seconds of this machine."""

    key: str | None = None
    claimed: str | None = None
    at: float = 0.0

    def lacks(self, entry: Entry) -> bool:
        """Whether this is news there, and nobody is about to tell it. That all is well is none where nothing else was."""
        if self.claimed == entry.key and 0 <= time.time() - self.at < _CLAIM_S:
            return False
        return self.key != entry.key and not (self.key is None and entry.status == "healthy")


@dataclass
class History:
    """The runs of a target, the oldest first, what was told at each place, and where a damaged file went."""

    entries: list[Entry] = field(default_factory=list)
    announced: dict[str, Announced] = field(default_factory=dict)
    set_aside: str | None = None


def add(folder: str, target: str, entry: Entry, places: t.Collection[str] = ()) -> tuple[History, list[str]]:
    """Add a run: (the history before it, the places at which this run is to tell of it).

    places: where people want to be told of what is new. Of runs that end together the first one claims to tell them;
    once it has tried it says so to announced(). Raises OSError; TimeoutError when another run holds the file for long.
    """
    with _held(folder, target) as path:
        before = _read(path)
        known = {place: before.announced.get(place, Announced()) for place in places}
        claimed = [place for place, told in known.items() if told.lacks(entry)]
        claims = {place: Announced(known[place].key, entry.key, time.time()) for place in claimed}
        # the same evidence diagnosed again is the same run
        others = [each for each in before.entries if each.run != entry.run]
        kept = sorted([*others, entry], key=lambda each: each.at)[-MOST_RUNS:]
        _write(path, kept, {**before.announced, **claims})
        return History(others, before.announced, before.set_aside), claimed


def announced(folder: str, target: str, key: str, places: t.Collection[str]) -> None:
    """Note at which places people were told of the key; where they could not be the next run tries again. Raises OSError."""
    with _held(folder, target) as path:
        before = _read(path)
        # one that was claimed and not reached is free again
        known = {place: Announced(told.key) if told.claimed == key else told for place, told in before.announced.items()}
        _write(path, before.entries, {**known, **dict.fromkeys(places, Announced(key))})


@contextlib.contextmanager
def _held(folder: str, target: str) -> t.Iterator[str]:
    """The path of the target's file while no other run may touch it."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, f"{folder_name(target)}.jsonl")
    # beside the file, which is replaced: a lock on it would be a lock on what is no longer there
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another run has held {path} for {_WAIT_S:.0f} s") from None
                time.sleep(0.02)
        yield path
    finally:
        os.close(handle)


def _read(path: str) -> History:
    """What the file holds; lines that are no runs are left out, and the file as it was is set aside."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return History()
    damaged = len(content) > _MOST_BYTES
    lines = [] if damaged else content.splitlines()
    found = History()
    for line in lines:
        try:
            row = json.loads(line)
            if isinstance(row, dict) and "announced" in row:
                found.announced = {place: _announced(told) for place, told in row["announced"].items()}
            else:
                found.entries.append(entry_from(row))
        except (ValueError, TypeError, AttributeError, RecursionError):
            damaged = True
    if damaged:
        found.set_aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        shutil.copyfile(path, found.set_aside)
        os.chmod(found.set_aside, 0o600)
    return found


def _announced(row: dict[str, t.Any]) -> Announced:
    return Announced(row.get("key"), row.get("claimed"), float(row.get("at") or 0.0))


def _write(path: str, entries: t.Sequence[Entry], told: t.Mapping[str, Announced]) -> None:
    rows = [{"announced": {place: asdict(each) for place, each in told.items()}}, *(entry.as_json() for entry in entries)]
    folder, name = os.path.split(path)
    for left in os.listdir(folder):  # by a run that was killed while it wrote; no other can be writing now
        if left.startswith(f".{name}."):
            os.unlink(os.path.join(folder, left))
    write_files(folder, {name: "".join(json.dumps(row) + "\n" for row in rows)})
