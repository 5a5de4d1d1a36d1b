# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Feeds: what a step has read, as one short text for the steps after it.

Ansible walks every member of a structure, but never into a text. The text is zlib in base64 of lines of JSON: blocks of
at most 5,000 rows, and behind them one object of tables. A block is an object of columns, all equally long, one entry a
row; what many rows share is a place in a table. No more than a block is in memory as JSON at a time.
"""

from __future__ import annotations

import base64
import itertools
import json
import typing as t
import zlib
from contextlib import contextmanager

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed

_BLOCK = 5000
_REFUSED = "refused "
# What would be answered alike a moment later; whoever was asked to slow down may be asked again.
_LASTING = frozenset({"forbidden", "unreachable", "timeout"})

Json = t.Dict[str, t.Any]


def pack_lines(values: t.Iterable[t.Any]) -> str:
    """The text of some values, a line each."""
    squeeze = zlib.compressobj(1)
    parts = []
    for value in values:
        parts.append(squeeze.compress(json.dumps(value, separators=(",", ":")).encode() + b"\n"))
    parts.append(squeeze.flush())
    return base64.b64encode(b"".join(parts)).decode()


def packed_lines(text: t.Any) -> list[bytes]:
    """The values of pack_lines(), each still in JSON. Raises ValueError or zlib.error when it is no such text."""
    return zlib.decompress(base64.b64decode(str(text), validate=True)).splitlines()


def pack_refused(failure: ReadFailed) -> str | None:
    """What stands in a feed for a list that was refused; None where a later step may well be told more."""
    if failure.outcome not in _LASTING:
        return None
    return _REFUSED + json.dumps({"outcome": failure.outcome, **failure.as_error()})


def refused_before(text: t.Any) -> ReadFailed | None:
    """Why an earlier step could not hand over the list; None for any other text. Raises ValueError, TypeError."""
    if not str(text or "").startswith(_REFUSED):
        return None
    told = json.loads(str(text)[len(_REFUSED) :])
    return ReadFailed(**told)


def unless_refused(text: t.Any, read: t.Callable[[], t.Any]) -> t.Callable[[], t.Any]:
    """The read, or what the earlier step was told: nothing is asked twice. text: what was handed over for its list."""
    failure = refused_before(text)
    if failure is None:
        return read

    def tell() -> t.Any:
        raise failure

    return tell


class Tables:
    """Gives each different value of a kind a place, in the order of appearance."""

    def __init__(self, *kinds: str) -> None:
        self._places: dict[str, dict[t.Any, int]] = {kind: {} for kind in kinds}

    def of(self, kind: str) -> t.Callable[[t.Any], int]:
        """What gives the values of a kind their places."""
        places = self._places[kind]
        return lambda value: places.setdefault(value, len(places))

    def as_json(self) -> Json:
        """{kind: values in the order of their places}"""
        return {kind: list(places) for kind, places in self._places.items()}


def pack_blocks(
    rows: t.Iterable[t.Any], block: t.Callable[[list[t.Any], Tables], Json], tables: Tables, **named: t.Any
) -> str:
    """The text of all rows. block: makes the columns of some of them. named: what stands beside the tables."""
    left = iter(rows)

    def values() -> t.Iterator[Json]:
        while some := list(itertools.islice(left, _BLOCK)):
            yield block(some, tables)
        yield {**named, **tables.as_json()}

    return pack_lines(values())


def unpack_blocks(text: t.Any, option: str, layout: int) -> tuple[Json, t.Iterator[Json]]:
    """(the tables and what stands beside them, the blocks). Raises BadParameter for the layout of another release."""
    lines = packed_lines(text)
    tables = json.loads(lines.pop())
    if tables["layout"] != layout:
        raise BadParameter(f"{option}: another release of this collection made this feed; gather it anew.")
    return tables, map(json.loads, lines)


def split_arn(text: str) -> tuple[str, str]:
    """(what many ARNs of a list share, the rest): cut behind the last : or /."""
    cut = max(text.rfind(":"), text.rfind("/")) + 1
    return text[:cut], text[cut:]


@contextmanager
def feed_of(step: str, member: str, option: str) -> t.Iterator[None]:
    """Reading a feed; whatever goes wrong because it is none becomes BadParameter, which names the option."""
    try:
        yield
    except (LookupError, TypeError, ValueError, zlib.error) as exc:
        raise BadParameter(
            f"{option}: this is no feed of the {step} step; hand over its feed.{member} as it came."
        ) from exc
