# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which recovery point of AWS Backup is the copy of which: by the copy jobs first, by the time of the data after that.

A copy has an ARN of its own but keeps the CreationDate of its source. Whether it does is measured over the pairs that
copy jobs prove, type by type; where it does not, the jobs alone decide. Points are tuples and not those of the other
pairing: a hundred thousand on each side must fit. Nothing here depends on the order of any list.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median

METHODS = ("linkage", "source_vault", "time", "composite")
USABLE = frozenset({"AVAILABLE", "COMPLETED"})
OPEN = frozenset({"CREATED", "RUNNING"})

# CreationDate is exact to the millisecond; some services cut it to seconds, and some round it coarsely.
TOLERANCES_S = (0.001, 2.0, 60.0)
SAME_DATE_S = TOLERANCES_S[-1]  # beyond it the date of a copy is not that of its source
_CONTINUOUS = ":recovery-point:continuous:"


def is_continuous(point: str) -> bool:
    """Whether the ARN of a recovery point is that of a continuous backup."""
    return _CONTINUOUS in point


class RecoveryPoint(t.NamedTuple):
    """One recovery point. Times are epoch seconds, vaults and points ARNs."""

    arn: str
    resource_arn: str
    resource: str
    type: str
    status: str
    created: float | None  # of the data; a copy carries that of its source
    completed: float | None
    delete_at: float | None
    from_vault: str | None  # the vault it was copied from, which AWS does not always tell
    parent: str | None  # of a composite
    member: str | None  # which member of the composite it is
    is_parent: bool
    rule: str | None  # of the backup plan; None for a backup on demand
    message: str | None

    @property
    def continuous(self) -> bool:
        """One point that moves with its resource; copies are made from temporary snapshots of it."""
        return is_continuous(self.arn)


class Named(t.Protocol):
    """Anything that is about a resource."""

    @property
    def resource_arn(self) -> str:
        """ARN."""

    @property
    def resource(self) -> str:
        """Its name."""

    @property
    def type(self) -> str:
        """Of the resource."""


class Job(Named, t.Protocol):
    """What the ledger needs of a copy job; times are epoch seconds."""

    @property
    def copy_job(self) -> str:
        """Its id."""

    @property
    def state(self) -> str:
        """CREATED RUNNING COMPLETED FAILED PARTIAL."""

    @property
    def created(self) -> float:
        """When it was created."""

    @property
    def completed(self) -> float | None:
        """When it ended; None while open."""

    @property
    def source_point(self) -> str:
        """ARN."""

    @property
    def destination_point(self) -> str | None:
        """ARN; None where there is none yet."""

    @property
    def message(self) -> str | None:
        """What AWS says."""

    @property
    def origin(self) -> t.Any:
        """Has delete_after_days: how long the copy is kept from the creation of its source; None keeps it."""


def resource_names(*lists: t.Iterable[Named]) -> dict[str, tuple[str, str]]:
    """{ARN: (name, type)} from the last list that has it; the last name in the alphabet where it has several there."""
    names: dict[str, tuple[str, str]] = {}
    for rows in lists:
        mine: dict[str, tuple[str, str]] = {}
        for row in rows:
            name = (row.resource, row.type)
            if mine.get(row.resource_arn, name) <= name:
                mine[row.resource_arn] = name
        names.update(mine)
    return names


@dataclass
class Links:
    """What the jobs say about the source's points, one entry a point.

    latest: the newest job of a point; of a composite parent without a job of its own, the telling one of its members.
    arrived: the first job that brought it over. unlisted: by resource, the jobs whose source point is not in the list.
    places: ARN of a source point -> its place.
    """

    places: dict[str, int]
    latest: list[Job | None]
    arrived: list[Job | None]
    unlisted: dict[str, list[Job]] = field(default_factory=dict)


class Calibration(t.NamedTuple):
    """Whether copies of a type keep their source's date. used: whether pairs may be found by it."""

    pairs: int
    median_offset_s: float | None  # of the sizes of the differences, destination against source
    used: bool


@dataclass
class Pairing:
    """Places in the two lists.

    partner, method: of each source point the place of its copy, and how that was found. explained: destination -> the
    job that brought it from a source point that is not listed. duplicates: further copies of a source that has one.
    elsewhere: destination points that are no copies of this vault's. jobs_only: ARNs of the resources that only jobs
    can be asked about.
    """

    links: Links
    partner: list[int | None]
    method: list[str | None]
    ambiguous_sources: set[int] = field(default_factory=set)
    ambiguous_destinations: set[int] = field(default_factory=set)
    explained: dict[int, Job] = field(default_factory=dict)
    duplicates: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    calibration: dict[str, Calibration] = field(default_factory=dict)
    jobs_only: set[str] = field(default_factory=set)


def has_arrived(job: Job) -> bool:
    """Whether a job says that it brought something over: of a composite it may be PARTIAL, and made a point or not."""
    return job.state == "COMPLETED" or (job.state == "PARTIAL" and bool(job.destination_point))


def in_order(jobs: t.Iterable[Job]) -> list[Job]:
    """The jobs from the oldest to the newest."""
    return sorted(jobs, key=lambda job: (job.created, job.copy_job))


def link(sources: t.Sequence[RecoveryPoint], ordered: t.Sequence[Job]) -> Links:
    """Lay each job beside its source point. ordered: in_order(jobs)."""
    places = {point.arn: place for place, point in enumerate(sources)}
    links = Links(places, [None] * len(sources), [None] * len(sources))
    for job in ordered:
        place = places.get(job.source_point)
        if place is None:
            links.unlisted.setdefault(job.resource_arn, []).append(job)
            continue
        links.latest[place] = job
        if has_arrived(job):
            links.arrived[place] = links.arrived[place] or job
    _lend_to_parents(sources, links)
    return links


def _lend_to_parents(sources: t.Sequence[RecoveryPoint], links: Links) -> None:
    """A composite is as far as the worst of its members: open before failed before copied."""
    lent: dict[int, tuple[tuple[int, float, str], Job]] = {}
    for point, job in zip(sources, links.latest):
        parent = links.places.get(point.parent) if point.parent and job is not None else None
        if parent is None or job is None or links.latest[parent] is not None:
            continue
        rank = (2 if job.state in OPEN else int(not has_arrived(job)), job.created, job.copy_job)
        if parent not in lent or rank > lent[parent][0]:
            lent[parent] = (rank, job)
    for parent, (dummy, job) in lent.items():
        links.latest[parent] = job


def jobs_only_resources(sources: t.Sequence[RecoveryPoint], links: Links) -> set[str]:
    """ARNs of the resources whose source points tell nothing: continuous ones, and those with jobs but no points.

    The point of a continuous backup is as old as the backup itself, so mostly it is not listed at all.
    """
    listed = {point.resource_arn for point in sources}
    continuous = {point.resource_arn for point in sources if point.continuous}
    return continuous | {resource for resource in links.unlisted if resource not in listed}


def pair(
    sources: t.Sequence[RecoveryPoint],
    destinations: t.Sequence[RecoveryPoint],
    jobs: t.Iterable[Job],
    *,
    source_vault: str | None,
    destination_vault: str | None,
) -> Pairing:
    """Pair the points one to one; n log n. The vaults are the ARNs of those that the points are in."""
    ordered = in_order(jobs)
    pairing = Pairing(link(sources, ordered), [None] * len(sources), [None] * len(sources))
    work = _Work(sources, destinations, pairing)
    work.pair_linked(ordered)
    work.pair_parents_of_linked()
    pairing.calibration = _calibrate(sources, destinations, pairing.partner)
    work.set_aside(source_vault, destination_vault)
    work.pair_in_time(source_vault, members=False)
    work.pair_members()
    work.pair_in_time(source_vault, members=True)
    return pairing


def _calibrate(
    sources: t.Sequence[RecoveryPoint],
    destinations: t.Sequence[RecoveryPoint],
    partner: t.Sequence[int | None],
) -> dict[str, Calibration]:
    """Per type, how far the dates of linked pairs lie apart. Without a pair AWS is taken at its word."""
    offsets: dict[str, list[float]] = {point.type: [] for point in sources}
    for point, place in zip(sources, partner):
        right = None if place is None else destinations[place].created
        if point.created is not None and right is not None:
            offsets[point.type].append(abs(right - point.created))
    found = {}
    for kind, values in offsets.items():
        middle = median(values)
        found[kind] = Calibration(
            len(values), None if middle is None else round(middle, 3), middle is None or middle <= SAME_DATE_S
        )
    return found


class _Work:
    """The points that are still free while one rule after the other is tried."""

    def __init__(
        self, sources: t.Sequence[RecoveryPoint], destinations: t.Sequence[RecoveryPoint], pairing: Pairing
    ) -> None:
        self.sources = sources
        self.destinations = destinations
        self.pairing = pairing
        self.taken = bytearray(len(destinations))
        pairing.jobs_only = jobs_only_resources(sources, pairing.links)

    def _pair(self, source: int, destination: int, method: str) -> None:
        self.pairing.partner[source], self.pairing.method[source] = destination, method
        self.taken[destination] = True

    def _is_paired(self, source: int) -> bool:
        return self.pairing.partner[source] is not None

    def _linked(self) -> t.Iterator[tuple[int, int]]:
        """(source, destination) of every pair so far."""
        for source, destination in enumerate(self.pairing.partner):
            if destination is not None:
                yield source, destination

    def pair_linked(self, ordered: t.Sequence[Job]) -> None:
        """What a job names as source and as destination; a usable copy before a broken one, the newest first."""
        to_source = self.pairing.links.places
        to_destination = {point.arn: place for place, point in enumerate(self.destinations)}
        spare: list[tuple[int, int]] = []
        for job in reversed(ordered):
            destination = to_destination.get(job.destination_point or "")
            if destination is None or self.taken[destination]:
                continue
            source = to_source.get(job.source_point)
            if source is None:
                self.pairing.explained.setdefault(destination, job)
            elif self._is_paired(source) or self.destinations[destination].status not in USABLE:
                spare.append((source, destination))
            else:
                self._pair(source, destination, "linkage")
        for source, destination in spare:
            if self.taken[destination]:
                continue
            if self._is_paired(source):
                self.pairing.duplicates.add(destination)
            else:
                self._pair(source, destination, "linkage")

    def pair_parents_of_linked(self) -> None:
        """Where members are linked, so are the composites they belong to, unless the members disagree."""
        to_source = {point.arn: place for place, point in enumerate(self.sources) if point.is_parent}
        to_destination = {point.arn: place for place, point in enumerate(self.destinations) if point.is_parent}
        votes: dict[int, set[int]] = defaultdict(set)
        for source, destination in self._linked():
            parent = to_source.get(self.sources[source].parent or "")
            copied = to_destination.get(self.destinations[destination].parent or "")
            if parent is not None and copied is not None:
                votes[parent].add(copied)
        claims = Counter(copied for found in votes.values() for copied in found)
        for parent, found in votes.items():
            copied = min(found)
            free = not self._is_paired(parent) and not self.taken[copied]
            if free and len(found) == 1 and claims[copied] == 1:
                self._pair(parent, copied, "linkage")

    def set_aside(self, source_vault: str | None, destination_vault: str | None) -> None:
        """Destination points that are none of ours: copied from another vault, or backups of what lives there."""
        home = _place_of(destination_vault)
        for place, point in enumerate(self.destinations):
            if self.taken[place] or place in self.pairing.explained or place in self.pairing.duplicates:
                continue
            if point.from_vault:
                foreign = source_vault is not None and point.from_vault != source_vault
            else:
                foreign = home is not None and _place_of(point.resource_arn) == home and home != _place_of(source_vault)
            if foreign:
                self.pairing.elsewhere.add(place)

    # ----------------------------------------------------------------------------------------------- by the date

    def pair_in_time(self, source_vault: str | None, *, members: bool) -> None:
        """Pair what has one resource and one date. members: whether members of composites take part."""
        left: dict[str, list[tuple[float, str, int]]] = defaultdict(list)
        for place, point in enumerate(self.sources):
            if not self._is_paired(place) and (members or point.parent is None) and self._dated(point):
                left[point.resource_arn].append((t.cast(float, point.created), point.arn, place))
        if not left:
            return
        right: dict[str, list[tuple[float, str, int]]] = defaultdict(list)
        for place, point in enumerate(self.destinations):
            if point.resource_arn in left and self._free(place) and (members or point.parent is None):
                if point.created is not None:
                    right[point.resource_arn].append((point.created, point.arn, place))
        for resource, theirs in right.items():
            mine = self._pair_dates(sorted(left[resource]), sorted(theirs), source_vault)
            if members:  # nothing comes after this that could tell them apart
                self._say_ambiguous(mine, sorted(theirs))

    def _dated(self, point: RecoveryPoint) -> bool:
        """Whether the date of this source point can identify its copy."""
        used = self.pairing.calibration[point.type].used
        return used and point.created is not None and point.resource_arn not in self.pairing.jobs_only

    def _free(self, place: int) -> bool:
        pairing = self.pairing
        return not (
            self.taken[place]
            or place in pairing.explained
            or place in pairing.duplicates
            or place in pairing.elsewhere
        )

    def _pair_dates(
        self,
        mine: list[tuple[float, str, int]],
        theirs: list[tuple[float, str, int]],
        source_vault: str | None,
    ) -> list[tuple[float, str, int]]:
        """Of one resource: those that say which vault they are from first, then the silent ones; close dates first.

        Returns those of mine that are left.
        """
        told = [row for row in theirs if source_vault and self.destinations[row[2]].from_vault == source_vault]
        silent = [row for row in theirs if not self.destinations[row[2]].from_vault or not source_vault]
        for method, rows in (("source_vault", told), ("time", silent)):
            for tolerance_s in TOLERANCES_S:
                mine = [row for row in mine if not self._is_paired(row[2])]
                rows = [row for row in rows if not self.taken[row[2]]]
                for source, destination in _only_candidates(mine, rows, tolerance_s):
                    self._pair(source, destination, method)
        return [row for row in mine if not self._is_paired(row[2])]

    def _say_ambiguous(self, mine: list[tuple[float, str, int]], theirs: list[tuple[float, str, int]]) -> None:
        rest = [row for row in theirs if not self.taken[row[2]]]
        for row, (low, high) in zip(mine, _near(mine, rest, SAME_DATE_S)):
            if high > low:
                self.pairing.ambiguous_sources.add(row[2])
                self.pairing.ambiguous_destinations.update(place for dummy, dummy2, place in rest[low:high])

    # ------------------------------------------------------------------------------------------------ composites

    def pair_members(self) -> None:
        """Within a pair of composites the members are known by their identifiers, else by their resources."""
        parents = {
            self.sources[source].arn: self.destinations[destination].arn
            for source, destination in self._linked()
            if self.sources[source].is_parent
        }
        if not parents:
            return
        left: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, point in enumerate(self.sources):
            if point.parent in parents and not self._is_paired(place):
                left[(parents[point.parent], point.member or point.resource_arn)].append(place)
        right: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, point in enumerate(self.destinations):
            if point.parent is not None and self._free(place):
                right[(point.parent, point.member or point.resource_arn)].append(place)
        for key, mine in left.items():
            theirs = right.get(key, [])
            if len(mine) == len(theirs) == 1:
                self._pair(mine[0], theirs[0], "composite")


def _place_of(arn: str | None) -> tuple[str, str] | None:
    """(Region, account) of an ARN; None where it does not tell both."""
    parts = (arn or "").split(":", 5)
    return (parts[3], parts[4]) if len(parts) == 6 and parts[3] and parts[4] else None


def _near(
    mine: t.Sequence[tuple[float, str, int]], theirs: t.Sequence[tuple[float, str, int]], tolerance_s: float
) -> list[tuple[int, int]]:
    """For each of mine the half-open range of theirs within the tolerance; both sorted."""
    times = [row[0] for row in theirs]
    return [(bisect_left(times, row[0] - tolerance_s), bisect_right(times, row[0] + tolerance_s)) for row in mine]


def _only_candidates(
    mine: t.Sequence[tuple[float, str, int]], theirs: t.Sequence[tuple[float, str, int]], tolerance_s: float
) -> list[tuple[int, int]]:
    """The places of those that are each other's only candidate."""
    if not mine or not theirs:
        return []
    forward = _near(mine, theirs, tolerance_s)
    backward = _near(theirs, mine, tolerance_s)  # pylint: disable=arguments-out-of-order
    return [
        (mine[place][2], theirs[low][2])
        for place, (low, high) in enumerate(forward)
        if high - low == 1 and backward[low] == (place, place + 1)
    ]
