# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the ledger pairs: points of a resource on two sides, and the uncertainty of comparing their clocks.

Pure and neutral: a point is a Velero backup, a VolumeSnapshot or an AWS recovery point alike. Times are compared as
epoch seconds, because datetime arithmetic overflows on the zero times that some controllers write.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time, rfc3339

ROUNDING_S = 1.0  # API times are cut to whole seconds
CLOCK_DOMAIN_S = 2.0  # whoever wrote a time (controller, storage, node) is not the server whose clock was measured
UNMEASURED_SKEW_S = 30.0  # assumed error where a clock was not measured: beyond it certificates and leases complain

# A source backup in one of these states is expected to appear on the other side.
USABLE = frozenset({"completed", "partial"})


@dataclass
class Point:
    """One source backup, or one recovery point at the destination.

    state: completed | partial | failed | in_progress | unknown. ready: whether a restore can start from it, None when
    nobody says. keys: the identifying labels and annotations it carries. content: the storage object it is bound to.
    """

    resource: str
    name: str
    namespace: str | None = None
    point_in_time: datetime | None = None
    completed_at: datetime | None = None
    available_at: datetime | None = None
    created_at: datetime | None = None
    state: str = "completed"
    ready: bool | None = None
    error: str | None = None
    imported: bool = False
    handle: str | None = None
    content: str | None = None
    keys: dict[str, str] = field(default_factory=dict)

    def as_feed(self) -> dict[str, t.Any]:
        """The compact row that a later step takes as its parameter."""
        return {
            "resource": self.resource,
            "name": self.name,
            "namespace": self.namespace,
            "point_in_time": rfc3339(self.point_in_time),
            "completed_at": rfc3339(self.completed_at),
            "state": self.state,
            "handle": self.handle,
            "keys": self.keys,
        }


def point_from_feed(row: t.Mapping[str, t.Any]) -> Point:
    """The inverse of Point.as_feed; raises KeyError when resource or name is absent."""
    return Point(
        resource=str(row["resource"]),
        name=str(row["name"]),
        namespace=row.get("namespace"),
        point_in_time=known_time(row.get("point_in_time")),
        completed_at=known_time(row.get("completed_at")),
        state=str(row.get("state") or "unknown"),
        handle=row.get("handle"),
        keys={str(key): str(value) for key, value in (row.get("keys") or {}).items()},
    )


def known_time(value: t.Any) -> datetime | None:
    """A time, or None where it is absent, odd, or the zero time by which Go programs say "never"."""
    try:
        moment = parse_time(value)
    except OverflowError:  # year 1 with an offset has no UTC
        return None
    return moment if moment is not None and moment.timestamp() > 0 else None


def epoch(moment: datetime | None) -> float | None:
    """Seconds since 1970; None of nothing."""
    return None if moment is None else moment.timestamp()


@dataclass(frozen=True)
class Skew:
    """How far the destination's clock stands before (+) or behind (-) the source's, in seconds."""

    skew_s: float = 0.0
    error_s: float = UNMEASURED_SKEW_S

    @classmethod
    def between(cls, source: t.Mapping[str, t.Any] | None, destination: t.Mapping[str, t.Any] | None) -> Skew:
        """From the `clock` members of both sides, taken on one machine, whose own clock cancels out."""
        offsets = [_figure(clock, "offset_s") for clock in (source, destination)]
        errors = [_figure(clock, "error_s") for clock in (source, destination)]
        if None in offsets or None in errors:
            return cls()
        return cls(round(offsets[1] - offsets[0], 3), round(errors[0] + errors[1], 3))  # type: ignore[operator]

    def uncertainty(self, changes: int = 2) -> float:
        """Seconds by which a difference of two times can be wrong; changes: writers whose clock was not measured."""
        return round(self.error_s + ROUNDING_S + CLOCK_DOMAIN_S * changes, 1)

    def to_source(self, destination_time: datetime | None) -> float | None:
        """A time of the destination on the source's clock, as epoch seconds."""
        moment = epoch(destination_time)
        return None if moment is None else moment - self.skew_s


def _figure(clock: t.Mapping[str, t.Any] | None, name: str) -> float | None:
    value = (clock or {}).get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Lag:
    """How long a copy took to arrive after its source was complete.

    verdict: on_time | late | skew (it seems to have arrived before its source was complete: the clocks or the pairing
    are wrong). lag_s is 0 where it cannot be told from 0.
    """

    lag_s: float
    error_s: float
    verdict: str


def judge_lag(completed: float, arrived: float, window_s: float, error_s: float) -> Lag:
    """Compare two times on one clock (epoch seconds): late only when beyond doubt, and never clamped silently."""
    lag = round(arrived - completed, 1)
    if lag < -error_s:
        return Lag(lag, error_s, "skew")
    if abs(lag) <= error_s:
        lag = 0.0
    return Lag(lag, error_s, "late" if lag - error_s > window_s else "on_time")
