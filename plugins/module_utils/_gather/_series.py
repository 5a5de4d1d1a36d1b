# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the answers of Prometheus mean: units, ages, rows. Pure; values in, evidence members out."""

from __future__ import annotations

import math
import re
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import rfc3339
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._promql import (
    COURSE_PARTS,
    FACT,
    SLOW_FLOOR_S,
    SLOW_RATIO,
    SLOW_SAMPLES,
    VOLATILE,
)

Labels = t.Dict[str, str]
Sample = t.Tuple[Labels, float]
Key = t.FrozenSet[t.Tuple[str, str]]

_LOOKBACK_S = 300.0  # how long Prometheus shows a sample after it was taken
_PUSH_GROUP = ("job", "exported_job", "instance", "exported_instance")
_RISE = 1.1  # the last quarter against the first, so that noise does not count as a rise


@dataclass
class Facts:
    """The samples of one answer by the name of the fact they state."""

    by_name: dict[str, list[Sample]] = field(default_factory=dict)

    @classmethod
    def of(cls, samples: list[Sample]) -> Facts:
        """Sort the samples by their label FACT, and take it off."""
        facts = cls()
        for labels, value in samples:
            rest = {name: text for name, text in labels.items() if name != FACT}
            facts.by_name.setdefault(labels.get(FACT, ""), []).append((rest, value))
        return facts

    def rows(self, name: str) -> list[Sample]:
        """All samples of a fact."""
        return self.by_name.get(name, [])

    def one(self, name: str) -> float | None:
        """The figure of a fact that has one; None without it, and for NaN and infinities."""
        found = self.rows(name)
        return finite(found[0][1]) if found else None

    def count(self, name: str) -> int:
        """A fact that counts; count() of nothing is nothing in PromQL, and zero here."""
        return int(self.one(name) or 0)

    def course(self, scale: float | None = 1.0) -> list[float | None]:
        """A figure in the parts of the window, the oldest first."""
        return [scaled(self.one(f"course{index}"), scale) for index in range(COURSE_PARTS)]


def finite(value: float | None) -> float | None:
    """The number, None for NaN and infinities, which JSON does not have."""
    return value if value is not None and math.isfinite(value) else None


def rounded(value: float | None, digits: int = 4) -> float | None:
    """A figure of evidence."""
    return None if value is None else round(value, digits)


def scaled(value: float | None, scale: float | None) -> float | None:
    """A success rate as a ratio."""
    return None if value is None or scale is None else round(value * scale, 6)


def key_of(labels: Labels, grouped: bool) -> Key:
    """What tells one row from another; counters are summed over replicas, gauges stand for themselves."""
    left_out = VOLATILE if grouped else {"__name__"}
    return frozenset((name, text) for name, text in labels.items() if name not in left_out)


def by_key(samples: list[Sample], grouped: bool) -> dict[Key, float]:
    """Values by row; the largest where several samples belong to one row."""
    found: dict[Key, float] = {}
    for labels, value in samples:
        key = key_of(labels, grouped)
        if math.isfinite(value) and (key not in found or value > found[key]):
            found[key] = value
    return found


# ------------------------------------------------------------------------------------------------------------- unit


def unit_of(asked: str, facts: Facts, suffix: str, described: str) -> tuple[str, float | None]:
    """The unit of a success rate and what makes it a ratio; None when the values cannot be a rate.

    asked: auto, ratio or percent. described: the exporter's help and unit. Values that are only 0 and 1 are ambiguous:
    they are read as ratios, since every copy at exactly 1 % is not seen in life.
    """
    low, high = facts.one("min"), facts.one("max")
    if low is None or high is None:
        return (asked if asked != "auto" else "ambiguous"), 1.0
    named = asked if asked != "auto" else {"_ratio": "ratio", "_percent": "percent"}.get(suffix)
    unit = named or _guessed(high, facts.count("fractions"), described)
    most = 100.0 if unit == "percent" else 1.0
    if low < 0 or high > most * 1.000001:
        return "ambiguous", None
    return unit, 1.0 / most


def _guessed(high: float, fractions: int, described: str) -> str:
    if high > 1.000001:
        return "percent"
    if fractions:
        return "ratio"
    if re.search(r"(?i)percent|0\s*(-|\.\.|to)\s*100|%", described):
        return "percent"
    return "ratio" if re.search(r"(?i)ratio|fraction|0\s*(-|\.\.|to)\s*1\b", described) else "ambiguous"


# ---------------------------------------------------------------------------------------------------------- success


@dataclass
class Success:
    """The digest of a success rate: members of summary.success_rate, and the rows."""

    figures: dict[str, t.Any]
    rows: dict[Key, dict[str, float | None]]
    series: int = 0


def rate_digest(facts: Facts, unit: str, scale: float | None, threshold: float) -> Success:
    """Of a gauge or of the user's own query."""
    columns = {name: by_key(facts.rows(f"row_{name}"), False) for name in ("avg", "min", "last")}
    keys = set().union(*columns.values()) if scale is not None else set()
    below = None if scale is None else facts.count("below_percent" if scale < 1 else "below_ratio")
    figures = {
        "unit": unit,
        "avg": scaled(facts.one("avg"), scale),
        "min": scaled(facts.one("min"), scale),
        "last": scaled(facts.one("last"), scale),
        "previous_avg": scaled(facts.one("previous"), scale),
        "series": facts.count("series"),
        "below": below,
        "runs": _runs(facts, "total"),
        "threshold": threshold,
        "course": facts.course(scale),
    }
    rows = {
        key: {f"success_{name}": scaled(column.get(key), scale) for name, column in columns.items()} for key in keys
    }
    return Success(figures, rows, facts.count("series"))


def counter_digest(facts: Facts, threshold: float) -> Success:
    """Of a pair of counters."""
    ended = {
        (span, end): _added(facts, f"row_{span}_{end}", True) for span in ("total", "last") for end in ("ok", "bad")
    }
    lows = by_key(facts.rows("row_min"), True)
    rows: dict[Key, dict[str, float | None]] = {}
    for key in set(ended["total", "ok"]) | set(ended["total", "bad"]):
        avg = _share(ended["total", "ok"].get(key, 0), ended["total", "bad"].get(key, 0))
        last = _share(ended["last", "ok"].get(key, 0), ended["last", "bad"].get(key, 0))
        rows[key] = {"success_avg": avg, "success_min": _least(lows.get(key), avg, last), "success_last": last}
    runs, newest, before = (_runs(facts, span) for span in ("total", "last", "previous"))
    below = sum(1 for row in rows.values() if (worst_rate(row) or 0) < threshold and worst_rate(row) is not None)
    figures = {
        "unit": "ratio",
        "avg": _share_of(runs),
        "min": _least(facts.one("min"), _share_of(runs), *(row["success_min"] for row in rows.values())),
        "last": _share_of(newest),
        "previous_avg": _share_of(before),
        "series": facts.count("series"),
        "below": facts.count("below") if facts.rows("below") else below,
        "runs": runs,
        "threshold": threshold,
        "course": facts.course(),
    }
    return Success(figures, rows, facts.count("series"))


def worst_rate(row: dict[str, t.Any]) -> float | None:
    """The lower of a row's average and its last value."""
    known = [value for value in (row.get("success_avg"), row.get("success_last")) if value is not None]
    return min(known) if known else None


def _added(facts: Facts, name: str, grouped: bool) -> dict[Key, float]:
    """Runs by row: those that increase() sees and those of series that were born counting one."""
    total: dict[Key, float] = {}
    for kind in ("more", "born"):
        for key, value in by_key(facts.rows(f"{name}_{kind}"), grouped).items():
            total[key] = total.get(key, 0) + value
    return total


def _runs(facts: Facts, span: str) -> dict[str, int] | None:
    """{succeeded, failed} over all series; None when no counter says it."""
    counted = {end: [facts.one(f"{span}_{end}_{kind}") for kind in ("more", "born")] for end in ("ok", "bad")}
    if all(value is None for values in counted.values() for value in values):
        return None
    succeeded, failed = (round(sum(value or 0 for value in counted[end])) for end in ("ok", "bad"))
    return {"succeeded": succeeded, "failed": failed}


def _least(*values: float | None) -> float | None:
    """The parts of the window stand on the clock's grid, so the newest hours may only be in `last`."""
    return rounded(min((value for value in values if value is not None), default=None), 6)


def _share(good: float, bad: float) -> float | None:
    return round(good / (good + bad), 6) if good + bad > 0 else None


def _share_of(runs: dict[str, int] | None) -> float | None:
    return _share(runs["succeeded"], runs["failed"]) if runs else None


# --------------------------------------------------------------------------------------------------------- duration


def duration_digest(facts: Facts, grouped: bool) -> tuple[dict[str, t.Any], dict[Key, dict[str, float | None]]]:
    """Members of summary.duration, and the rows."""
    avg, baseline = facts.one("avg"), facts.one("baseline")
    ratio = avg / baseline if avg is not None and baseline else None
    grown = ratio is not None and ratio > SLOW_RATIO and (avg or 0) - (baseline or 0) > SLOW_FLOOR_S
    quarters = [facts.one(f"quarter{index}") for index in range(4)]
    figures = {
        "avg_s": rounded(avg, 1),
        "p95_s": rounded(facts.one("p95"), 1),
        "max_s": rounded(facts.one("max"), 1),
        "baseline_s": rounded(baseline, 1),
        "ratio": rounded(ratio, 3),
        "rising": _rising(quarters),
        "slow": (grown and (facts.one("samples") or 0) >= SLOW_SAMPLES) or facts.count("slow") > 0,
        "slow_series": facts.count("slow"),
        "series": facts.count("series"),
        "course": [rounded(value, 1) for value in facts.course()],
    }
    now, before = (by_key(facts.rows(f"row_{name}"), grouped) for name in ("avg", "baseline"))
    rows = {}
    for key, value in now.items():
        usual = before.get(key)
        rows[key] = {
            "duration_avg_s": rounded(value, 1),
            "duration_baseline_s": rounded(usual, 1),
            "duration_ratio": rounded(value / usual, 3) if usual else None,
        }
    return figures, rows


def _rising(quarters: list[float | None]) -> bool:
    """Three rises in a row over the four quarters of the window, by a tenth at least."""
    known = [value for value in quarters if value is not None]
    if len(known) < 4:
        return False
    return all(later > earlier for earlier, later in zip(known, known[1:])) and known[-1] > known[0] * _RISE


# -------------------------------------------------------------------------------------------------------- freshness


def sample_limit(window_s: float, densest: float | None) -> float:
    """The age in seconds from which a newest sample is old: two scrapes, and never less than Prometheus looks back."""
    interval_s = min(window_s / densest, 3600.0) if densest else 60.0
    return max(_LOOKBACK_S, 2 * interval_s)


def push_limit(facts: Facts, window_s: float, baseline_s: float) -> float:
    """The age in seconds from which a newest push is late: two usual distances between pushes.

    A Pushgateway shows the last push for ever, so only the distance between pushes tells that they have stopped.
    """
    rate = max((facts.one("pushes") or 0) / window_s, (facts.one("pushes_before") or 0) / baseline_s)
    return max(600.0, 2 / rate) if rate else window_s


@dataclass
class Freshness:
    """How old the samples are, over all and by row; times are epoch seconds of the server."""

    now: float
    newest: dict[str, float] = field(default_factory=dict)  # success, duration -> newest sample
    limit: dict[str, float] = field(default_factory=dict)  # success, duration -> age from which that is old
    oldest: float | None = None
    pushed_at: float | None = None
    push_limit_s: float = 0.0
    down: int = 0
    row_newest: dict[str, dict[Key, float]] = field(default_factory=dict)
    row_changed: dict[Key, float] = field(default_factory=dict)
    row_pushed: list[Sample] = field(default_factory=list)

    def add_metric(self, facts: Facts, index: int, side: str, grouped: bool, window_s: float) -> None:
        """Learn from the facts about one metric of a side."""
        rows = by_key(facts.rows(f"row_newest{index}"), grouped)
        known = [facts.one(f"newest{index}"), *rows.values(), self.newest.get(side)]
        times = [value for value in known if value is not None]
        if times:
            self.newest[side] = max(times)
        limit = sample_limit(window_s, facts.one(f"dense{index}"))
        self.limit[side] = max(limit, self.limit.get(side, 0.0))
        _latest(self.row_newest.setdefault(side, {}), rows)
        _latest(self.row_changed, by_key(facts.rows(f"row_changed{index}"), grouped))
        oldest = facts.one(f"oldest{index}")
        self.oldest = min((value for value in (oldest, self.oldest) if value is not None), default=None)

    def add_pushes(self, facts: Facts, window_s: float, baseline_s: float) -> None:
        """Learn when groups were pushed to a Pushgateway, and whether targets are down."""
        self.down = facts.count("down")
        self.pushed_at = facts.one("push")
        self.row_pushed = facts.rows("row_push")
        self.push_limit_s = push_limit(facts, window_s, baseline_s)

    def late(self, side: str) -> bool:
        """Whether the newest sample of a side is old; a side without one is not known to be."""
        return side in self.newest and self.now - self.newest[side] > self.limit[side]

    @property
    def push_late(self) -> bool:
        """Whether not even the newest push is recent."""
        return self.pushed_at is not None and self.now - self.pushed_at > self.push_limit_s

    def row_stale(self, key: Key, side: str) -> bool | None:
        """Whether this row's newest sample is old, or the last push of its group; None when neither was asked."""
        labels = dict(key)
        ages = [
            self.now - at > self.push_limit_s
            for group, at in self.row_pushed
            if all(group.get(name, "") == labels.get(name, "") for name in _PUSH_GROUP)
        ]
        newest = self.row_newest.get(side, {}).get(key)
        if newest is not None:
            ages.append(self.now - newest > self.limit[side])
        return any(ages) if ages else None

    def summary(self) -> dict[str, t.Any]:
        """summary.freshness"""
        newest = max(self.newest.values(), default=None)
        return {
            "newest_sample_at": rfc3339(moment(newest)) if newest is not None else None,
            "age_s": round(self.now - newest, 1) if newest is not None else None,
            "push_age_s": round(self.now - self.pushed_at, 1) if self.pushed_at is not None else None,
            "stale": any(self.late(side) for side in self.newest) or self.push_late,
            "targets_down": self.down,
        }

    def covered(self, window_s: float) -> dict[str, str | None] | None:
        """From the oldest sample of the window, when it is later than the window's start by more than two scrapes."""
        if self.oldest is None:
            return None
        start = self.now - window_s
        late = self.oldest - start > max(self.limit.values(), default=_LOOKBACK_S)
        return {"start": rfc3339(moment(self.oldest if late else start)), "end": rfc3339(moment(self.now))}


def moment(epoch_s: float) -> datetime:
    """The time in UTC."""
    return datetime.fromtimestamp(epoch_s, timezone.utc)


def _latest(into: dict[Key, float], more: dict[Key, float]) -> None:
    for key, value in more.items():
        into[key] = max(value, into.get(key, value))


# ------------------------------------------------------------------------------------------------------------- rows


def resource_label(labels: Labels, order: list[str], job_tells: bool) -> str | None:
    """The label that names the copy job. `job` is often only the scrape job, and then tells nothing."""
    for name in order:
        if labels.get(name) and (name != "job" or job_tells):
            return name
    return None


def merged(
    success: dict[Key, dict[str, t.Any]], duration: dict[Key, dict[str, t.Any]], resources: dict[Key, str | None]
) -> dict[Key, dict[str, t.Any]]:
    """One row per copy job: a duration joins the success rate with the same labels, else of the same resource."""
    rows = {key: dict(row) for key, row in success.items()}
    by_resource: dict[str, list[Key]] = {}
    for key in success:
        by_resource.setdefault(resources.get(key) or "", []).append(key)
    for key, figures in duration.items():
        same = by_resource.get(resources.get(key) or "", []) if resources.get(key) else []
        home = key if key in rows else same[0] if len(same) == 1 and "duration_avg_s" not in rows[same[0]] else key
        rows.setdefault(home, {}).update(figures)
    return rows


def badness(row: dict[str, t.Any]) -> tuple[t.Any, ...]:
    """Sorts rows worst first: lowest success, then stale ones, then those that take longest against their usual."""
    worst = worst_rate(row)
    return (2.0 if worst is None else worst, not row["stale"], -(row.get("duration_ratio") or 0), str(row["resource"]))
