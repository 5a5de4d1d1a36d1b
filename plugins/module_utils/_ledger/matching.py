# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which destination point is which source backup: one to one, strongest tie first, and no guess where two would fit."""

from __future__ import annotations

import typing as t
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import (
    ROUNDING_S,
    USABLE,
    Point,
    Skew,
    epoch,
)

METHODS = ("exact_key", "handle", "name", "time")

_Value = t.Callable[[Point], t.Optional[str]]


@dataclass
class Matching:
    """Indexes into the two lists.

    pairs: source -> (destination, method). The ambiguous ones had more than one candidate in time and got none.
    """

    pairs: dict[int, tuple[int, str]] = field(default_factory=dict)
    ambiguous_sources: set[int] = field(default_factory=set)
    ambiguous_destinations: set[int] = field(default_factory=set)


def match(
    sources: t.Sequence[Point],
    destinations: t.Sequence[Point],
    *,
    skew: Skew,
    tolerance_s: float,
    key_order: t.Sequence[str],
    rename: t.Callable[[str], str] = str,
) -> Matching:
    """Pair the points; the result does not depend on the order of either list, and costs n log n.

    key_order: labels or annotations that identify a backup on both sides, the most specific first. rename turns the
    name of a destination point into the name that its source has. tolerance_s: how far apart two points in time of one
    resource may lie and still be the same backup.
    """
    work = _Work(sources, destinations)
    for key in key_order:
        work.pair_equal("exact_key", _key_reader(key), _key_reader(key))
    work.pair_equal("handle", lambda point: point.handle, lambda point: point.handle)
    work.pair_equal("name", lambda point: point.name, lambda point: rename(point.name))
    error_s = skew.uncertainty()
    # A time that travelled with the data is equal as written; one written by the destination only after correction.
    work.pair_in_time(lambda point: epoch(point.point_in_time), ROUNDING_S)
    work.pair_in_time(lambda point: skew.to_source(point.point_in_time), error_s)
    work.pair_in_time(lambda point: skew.to_source(point.point_in_time), max(tolerance_s, error_s), last=True)
    return work.matching


def _key_reader(key: str) -> _Value:
    return lambda point: point.keys.get(key)


class _Work:
    """The points that are still free while one tie after the other is tried."""

    def __init__(self, sources: t.Sequence[Point], destinations: t.Sequence[Point]) -> None:
        self.sources = sources
        self.destinations = destinations
        self.free_sources = set(range(len(sources)))
        self.free_destinations = set(range(len(destinations)))
        self.source_resources = {point.resource for point in sources}
        self.matching = Matching()

    def pair_equal(self, method: str, of_source: _Value, of_destination: _Value) -> None:
        """Pair what carries an equal value that is unique on both sides, or unique among one resource of both sides."""
        left = _groups(self.free_sources, self.sources, of_source)
        right = _groups(self.free_destinations, self.destinations, of_destination)
        for value in left.keys() & right.keys():
            mine, theirs = left[value], right[value]
            if len(mine) == len(theirs) == 1:
                if self._compatible(mine[0], theirs[0]):
                    self._pair(mine[0], theirs[0], method)
                continue
            # One Velero backup holds the snapshots of many claims: within it the resource decides.
            mine_of = _groups(mine, self.sources, _resource)
            theirs_of = _groups(theirs, self.destinations, _resource)
            for resource in mine_of.keys() & theirs_of.keys():
                if len(mine_of[resource]) == len(theirs_of[resource]) == 1:
                    self._pair(mine_of[resource][0], theirs_of[resource][0], method)

    def pair_in_time(self, moment: t.Callable[[Point], float | None], tolerance_s: float, last: bool = False) -> None:
        """Pair points of one resource that are each other's only candidate; the last pass calls the rest ambiguous."""
        left = _groups(self.free_sources, self.sources, lambda point: point.resource if point.state in USABLE else None)
        right = _groups(self.free_destinations, self.destinations, _resource)
        for resource in left.keys() & right.keys():
            mine = _in_time(left[resource], self.sources, lambda point: epoch(point.point_in_time))
            theirs = _in_time(right[resource], self.destinations, moment)
            forward = _candidates(mine, theirs, tolerance_s)
            backward = _candidates(theirs, mine, tolerance_s)  # pylint: disable=arguments-out-of-order
            for place, (low, high) in enumerate(forward):
                if high - low == 1 and backward[low] == (place, place + 1):
                    self._pair(mine[place][1], theirs[low][1], "time")
                elif last and high > low:
                    self.matching.ambiguous_sources.add(mine[place][1])
                    self.matching.ambiguous_destinations.update(index for dummy, index in theirs[low:high])

    def _compatible(self, source: int, destination: int) -> bool:
        """A destination point of another resource that the source knows too cannot be this backup's copy."""
        resource = self.destinations[destination].resource
        return resource == self.sources[source].resource or resource not in self.source_resources

    def _pair(self, source: int, destination: int, method: str) -> None:
        self.matching.pairs[source] = (destination, method)
        self.free_sources.remove(source)
        self.free_destinations.remove(destination)


def _resource(point: Point) -> str | None:
    return point.resource


def _groups(indexes: t.Iterable[int], points: t.Sequence[Point], value: _Value) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index in indexes:
        found = value(points[index])
        if found:
            groups[found].append(index)
    return groups


def _in_time(
    indexes: t.Iterable[int], points: t.Sequence[Point], moment: t.Callable[[Point], float | None]
) -> list[tuple[float, int]]:
    known = ((moment(points[index]), index) for index in indexes)
    return sorted((time, index) for time, index in known if time is not None)


def _candidates(
    mine: list[tuple[float, int]], theirs: list[tuple[float, int]], tolerance_s: float
) -> list[tuple[int, int]]:
    """For each of mine the half-open range of theirs that lie within the tolerance."""
    times = [time for time, dummy in theirs]
    return [
        (bisect_left(times, time - tolerance_s), bisect_right(times, time + tolerance_s)) for time, dummy in mine
    ]
