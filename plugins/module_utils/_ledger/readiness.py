# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the pairing means: a verdict for every point, and per resource what a disaster now would cost."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import rfc3339
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.matching import Matching
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import USABLE, Point, Skew, epoch

POINT_VERDICTS = (
    "overdue",  # should be there by now, and nothing newer of its resource is either
    "missing",  # should be there by now; something newer is: a gap
    "not_ready",  # there, but not usable, or with an error
    "ambiguous",  # more than one candidate in time
    "unknown",  # nobody says what it is or whether it is ready
    "orphan",  # at the destination only
    "in_flight",  # too young to be expected
    "pruned",  # at the destination only, because the source has already deleted what is this old
    "matched",
)
RESOURCE_VERDICTS = ("missing", "not_ready", "lagging", "unknown", "current")


@dataclass
class Entry:
    """One line of the ledger. time: the point in time of the data on the source's clock (epoch seconds).

    suspect: the destination says it was cut before its source, so the clocks or the pairing are wrong; the earlier of
    both times is taken then, so that exposure is not understated.
    """

    resource: str
    verdict: str
    source: Point | None = None
    destination: Point | None = None
    method: str | None = None
    time: float | None = None
    suspect: bool = False


def keep_ledger(
    sources: t.Sequence[Point],
    destinations: t.Sequence[Point],
    matching: Matching,
    *,
    now: float,
    skew: Skew,
    window_s: t.Callable[[str], float],
) -> list[Entry]:
    """Every point's verdict. now: epoch seconds on the source's clock. window_s: when a copy of a resource is due."""
    entries = [
        _paired(sources[source], destinations[destination], method, skew)
        for source, (destination, method) in matching.pairs.items()
    ]
    newest = _newest_matched(entries)
    taken = {destination for destination, dummy in matching.pairs.values()}
    lone_sources = [index for index in range(len(sources)) if index not in matching.pairs]
    lone_destinations = [index for index in range(len(destinations)) if index not in taken]
    hidden = _explained_by_untimed(
        [sources[index] for index in lone_sources if index not in matching.ambiguous_sources],
        [destinations[index] for index in lone_destinations],
        {point.resource for point in sources},
        skew,
    )
    for index in lone_sources:
        point = sources[index]
        if point.state not in USABLE:
            continue  # a failed or running backup is not expected anywhere
        if index in matching.ambiguous_sources:
            verdict = "ambiguous"
        else:
            due_s = window_s(point.resource) + skew.uncertainty()
            verdict = _lone_source(point, newest.get(point.resource), now, due_s)
            if verdict in ("missing", "overdue") and id(point) in hidden:
                verdict = "unknown"
        entries.append(Entry(point.resource, verdict, source=point, time=epoch(point.point_in_time)))
    oldest = _oldest(sources)
    for index in lone_destinations:
        point = destinations[index]
        verdict = _lone_destination(point, oldest.get(point.resource), skew)
        if verdict in ("orphan", "pruned") and index in matching.ambiguous_destinations:
            verdict = "ambiguous"
        entries.append(Entry(point.resource, verdict, destination=point, time=skew.to_source(point.point_in_time)))
    return entries


def _paired(source: Point, destination: Point, method: str, skew: Skew) -> Entry:
    written, corrected = epoch(destination.point_in_time), skew.to_source(destination.point_in_time)
    time, suspect = epoch(source.point_in_time), False
    if time is None:
        time = corrected
    elif written is not None and corrected is not None and method != "time":
        # A time copied from the source is right as written, one written by the destination after correction.
        suspect = max(written, corrected) < time - skew.uncertainty()
        time = min(time, max(written, corrected)) if suspect else time
    if source.state not in USABLE or destination.error or destination.ready is False:
        verdict = "not_ready"
    else:
        verdict = "matched" if destination.ready else "unknown"
    return Entry(source.resource, verdict, source, destination, method, time, suspect)


def _newest_matched(entries: t.Iterable[Entry]) -> dict[str, float]:
    """Per resource the newest point in time that has arrived in a usable form."""
    newest: dict[str, float] = {}
    for entry in entries:
        if entry.verdict == "matched" and entry.time is not None:
            newest[entry.resource] = max(entry.time, newest.get(entry.resource, entry.time))
    return newest


def _lone_source(point: Point, newest_matched: float | None, now: float, due_s: float) -> str:
    completed = epoch(point.completed_at)
    cut = epoch(point.point_in_time)
    if completed is None:
        completed = cut
    if completed is None:
        return "unknown"
    if now - completed <= due_s:
        return "in_flight"
    reference = completed if cut is None else cut
    return "missing" if newest_matched is not None and newest_matched > reference else "overdue"


def _lone_destination(point: Point, oldest_source: float | None, skew: Skew) -> str:
    if point.error or point.ready is False:
        return "not_ready"
    time = skew.to_source(point.point_in_time)
    if time is None:
        return "unknown"
    return "pruned" if oldest_source is not None and time < oldest_source - skew.uncertainty() else "orphan"


def _oldest(sources: t.Iterable[Point]) -> dict[str, float]:
    oldest: dict[str, float] = {}
    for point in sources:
        time = epoch(point.point_in_time)
        if time is not None:
            oldest[point.resource] = min(time, oldest.get(point.resource, time))
    return oldest


def _explained_by_untimed(
    sources: list[Point], destinations: list[Point], known_resources: set[str], skew: Skew
) -> set[int]:
    """ids of lone source points that destination points without a point in time may well be the copies of.

    An imported snapshot has no creationTime where its driver cannot list snapshots: unknown, and never a mismatch.
    n such points can explain n sources at most, none that was cut after the last of them appeared, and only of their
    own resource where that is one the source knows.
    """
    untimed: dict[str | None, list[float]] = defaultdict(list)
    for point in destinations:
        if point.point_in_time is None and not point.error and point.ready is not False:
            appeared = skew.to_source(point.available_at)
            owner = point.resource if point.resource in known_resources else None
            untimed[owner].append(float("inf") if appeared is None else appeared)
    if not untimed:
        return set()
    explained: set[int] = set()
    newest_first = sorted(
        sources,
        key=lambda point: (epoch(point.point_in_time) or 0.0, epoch(point.completed_at) or 0.0, point.name),
        reverse=True,
    )
    left = {owner: len(times) for owner, times in untimed.items()}
    for point in newest_first:
        for owner in (point.resource, None):
            cut = epoch(point.point_in_time) or 0.0
            if left.get(owner) and cut <= max(untimed[owner]) + skew.uncertainty():
                left[owner] -= 1
                explained.add(id(point))
                break
    return explained


# ---------------------------------------------------------------------------------------------- per resource


def resource_rows(entries: t.Iterable[Entry], *, now: float, rpo_s: float | None, skew: Skew) -> list[dict[str, t.Any]]:
    """What a disaster now would cost each resource that the source backs up, worst first.

    now: epoch seconds on the source's clock. A resource that only the destination has is not the source's any more and
    gets no row.
    """
    by_resource: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_resource[entry.resource].append(entry)
    rows = [
        _resource_row(resource, mine, now, rpo_s, skew.uncertainty(1))
        for resource, mine in by_resource.items()
        if any(entry.source for entry in mine)
    ]
    return sorted(rows, key=_worst_first)


def _worst_first(row: dict[str, t.Any]) -> tuple[int, float, str]:
    return (RESOURCE_VERDICTS.index(row["verdict"]), -(row["exposure_s"] or 0.0), row["resource"])


def _resource_row(
    resource: str, entries: list[Entry], now: float, rpo_s: float | None, error_s: float
) -> dict[str, t.Any]:
    newest_pair = _latest(entry for entry in entries if entry.source and entry.destination)
    best = _latest(entry for entry in entries if entry.verdict == "matched")
    if best is None:  # the source has deleted its side of the last copy that arrived: the copy is still good
        best = _latest(entry for entry in entries if entry.verdict == "pruned" and _is_ready(entry.destination))
    best_time = best.time if best else None
    source_time = _newest_source(entries)
    exposure = exposure_of(best_time, now, error_s)
    behind = None if best_time is None or source_time is None else round(source_time - best_time, 1)
    return {
        "resource": resource,
        "newest_source_at": stamp(source_time),
        "newest_matched_at": stamp(best_time),
        "newest_arrived_at": best.destination.available_at if best and best.destination else None,
        "exposure_s": exposure,
        "exposure_error_s": error_s,
        "behind_s": behind,
        "ready": _ready(newest_pair),
        "verdict": resource_verdict(
            {entry.verdict for entry in entries},
            newest_pair is not None and newest_pair.verdict == "not_ready",
            exposure,
            rpo_s,
            error_s,
        ),
        "method": best.method if best else None,
        "missing": sum(entry.verdict in ("missing", "overdue") for entry in entries),
    }


def resource_verdict(
    verdicts: t.AbstractSet[str],
    newest_broken: bool,
    exposure_s: float | None,
    rpo_s: float | None,
    error_s: float,
) -> str:
    """What the verdicts of a resource's points come to, by whatever pairing they were found.

    newest_broken: the newest source point has a copy that cannot be used. exposure_s: seconds of data that a disaster
    now would cost, None where nothing usable has arrived; error_s: how far it may be wrong.
    """
    if exposure_s is None:
        for verdict, named in (("ambiguous", "unknown"), ("unknown", "unknown"), ("not_ready", "not_ready")):
            if verdict in verdicts:
                return named
        # matched, but neither side says when: there is a copy, of an unknown age
        return "unknown" if "matched" in verdicts else "missing"
    if exposure_s < 0:
        return "unknown"  # data from the future: a clock is wrong, and no exposure can be told
    late = "overdue" in verdicts or newest_broken if rpo_s is None else exposure_s - error_s > rpo_s
    if not late:
        return "current"
    return "not_ready" if newest_broken else "lagging"


def _latest(entries: t.Iterable[Entry]) -> Entry | None:
    """The entry with the newest known time; ties go to the worse verdict, whatever the order of reading was."""
    known = [entry for entry in entries if entry.time is not None]
    return max(known, key=lambda entry: (entry.time, -POINT_VERDICTS.index(entry.verdict), entry.method), default=None)


def _newest_source(entries: t.Iterable[Entry]) -> float | None:
    """The newest usable source backup, by its own time: a suspect pair carries the destination's."""
    times = [
        entry.time if entry.source.point_in_time is None else epoch(entry.source.point_in_time)
        for entry in entries
        if entry.source is not None and entry.source.state in USABLE
    ]
    return max((time for time in times if time is not None), default=None)


def exposure_of(time: float | None, now: float, error_s: float) -> float | None:
    """Seconds of data that a disaster now would cost; below zero only where a clock is wrong beyond doubt."""
    if time is None:
        return None
    exposure = round(now - time, 1)
    return 0.0 if abs(exposure) <= error_s else exposure


def _is_ready(point: Point | None) -> bool:
    return point is not None and point.ready is True


def _ready(entry: Entry | None) -> bool | None:
    if entry is None or entry.destination is None or entry.verdict == "unknown":
        return None
    return entry.verdict == "matched"


def stamp(time: float | None) -> str | None:
    """Epoch seconds as RFC 3339; None where no calendar has it."""
    try:
        return None if time is None else rfc3339(datetime.fromtimestamp(time, timezone.utc))
    except (OverflowError, ValueError, OSError):
        return None
