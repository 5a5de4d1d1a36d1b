# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The file of a pair's history: one run a line, the oldest first, and what people were told of.

Runs that end at the same time wait for each other. The file is replaced as a whole, so that a run that is killed while it
writes leaves the one before. What cannot be read is set aside, never thrown away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
import typing as t
from dataclasses import asdict, dataclass, field, replace

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import folder_name, target_name, write_files
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.history import MOST_RUNS, Entry, entry_from

_WAIT_S = 20.0
_MOST_BYTES = 64 * 1024 * 1024  # the runs that are kept take a few; what is larger is no history
_CLAIM_S = 600.0  # a run that wanted to tell people and has not said that it did, was ended before


@dataclass(frozen=True)
class Announced:
    """What was told at one place. key: the last that is known to have arrived; tried: one that may have, or is on its way.

    at: when it was tried, epoch seconds of this machine; 0 once it is known that nobody is at it any more.
    """

    key: str | None = None
    tried: str | None = None
    at: float = 0.0

    def lacks(self, entry: Entry) -> bool:
        """Whether this is news there, and nobody is just about to tell it.

        What was tried may have been read, so whatever differs from it is news too. That all is well is none where nobody
        can have read anything else.
        """
        if self.tried == entry.key and 0 <= time.time() - self.at < _CLAIM_S:
            return False
        if self.key is None and self.tried is None:
            return entry.status != "healthy"
        return self.key != entry.key or self.tried not in (None, entry.key)


@dataclass
class History:
    """The runs of a target, the oldest first, what was told at each place, and where a damaged file went."""

    entries: list[Entry] = field(default_factory=list)
    announced: dict[str, Announced] = field(default_factory=dict)
    set_aside: str | None = None


def add(folder: str, name: str, entry: Entry, places: t.Collection[str] = ()) -> tuple[History, list[str]]:
    """Add a run: (the history without it, the places at which this run is to tell of it). name: as file_name() has it.

    places: where people want to be told of what is new. Of runs that end together the first one is to tell them; once it
    has tried it says so to announced(). Old evidence is no news. Raises OSError; TimeoutError when another run holds the
    file for long.
    """
    with _held(folder, name) as path:
        before = _read(path)
        # the same evidence diagnosed again is the same run
        others = [each for each in before.entries if each.run != entry.run]
        newest = all(each.at <= entry.at for each in others)
        known = {place: before.announced.get(place, Announced()) for place in places if newest}
        telling = [place for place, told in known.items() if told.lacks(entry)]
        tries = {place: Announced(known[place].key, entry.key, time.time()) for place in telling}
        kept = sorted([*others, entry], key=lambda each: each.at)[-MOST_RUNS:]
        _write(path, kept, {**before.announced, **tries})
        return History(others, before.announced, before.set_aside), telling


def announced(folder: str, name: str, key: str, places: t.Collection[str]) -> None:
    """Note at which places people were told of the key; where they could not be the next run tries again. Raises OSError."""
    with _held(folder, name) as path:
        before = _read(path)
        known = {place: replace(told, at=0.0) if told.tried == key else told for place, told in before.announced.items()}
        _write(path, before.entries, {**known, **dict.fromkeys(places, Announced(key))})


def file_name(diagnosis: t.Mapping[str, t.Any]) -> str:
    """The file of a pair in the folder of histories: two pairs that are called alike have two."""
    target = diagnosis.get("target") or {}
    pair = [target.get(name) for name in ("kind", "name", "source", "destination", "namespace", "source_namespace", "vault")]
    digest = hashlib.sha256(json.dumps([*pair, target.get("destination_vault")], default=str).encode()).hexdigest()[:8]
    return f"{folder_name(target_name(diagnosis))}-{digest}.jsonl"


@contextlib.contextmanager
def _held(folder: str, name: str) -> t.Iterator[str]:
    """The path of the file while no other run may touch it; where it is a link, of what it leads to."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.realpath(os.path.join(folder, name))
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
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, f"{path} is no plain file")  # a pipe would be waited for for ever
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
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            damaged = True
    if damaged:
        found.set_aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        shutil.copyfile(path, found.set_aside)
        os.chmod(found.set_aside, 0o600)
    return found


def _announced(row: dict[str, t.Any]) -> Announced:
    return Announced(row.get("key"), row.get("tried"), float(row.get("at") or 0.0))


def _write(path: str, entries: t.Sequence[Entry], told: t.Mapping[str, Announced]) -> None:
    rows = [{"announced": {place: asdict(each) for place, each in told.items()}}, *(entry.as_json() for entry in entries)]
    folder, name = os.path.split(path)
    half_written = re.compile(re.escape(f".{name}.") + r"[a-z0-9_]{8}")  # as mkstemp calls it
    for left in filter(half_written.fullmatch, os.listdir(folder)):  # by a run that was killed; no other is writing now
        os.unlink(os.path.join(folder, left))
    write_files(folder, {name: "".join(json.dumps(row) + "\n" for row in rows)})
