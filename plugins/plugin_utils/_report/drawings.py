# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Where the marks of the page's drawings stand. Pure: evidence in, numbers and words out; page/drawings.j2 draws them.

Lengths are units of the drawings' own view box, which is WIDTH wide; times are epoch seconds until they are placed.
A drawing is None where the evidence has nothing to draw.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human, parse_time
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_cron, _schedule
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure, rows, step, text, texts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import Json, member, spaced

WIDTH = 960.0
GUTTER = 190.0  # names of resources
ROW = 26.0
COLUMNS = 150.0  # height of the columns' area
TOP = 14.0
LEFT, RIGHT = 50.0, 130.0  # what stands beside the columns: how much, and the names of the lines
# What the templates need of these.
SIZE = {"width": WIDTH, "gutter": GUTTER, "row": ROW, "top": TOP, "tall": COLUMNS, "left": LEFT, "right": RIGHT}
_LINE_OF_TEXT, _LENGTH_OF_TEXT, _HEAD = 15.0, 80.0, 22.0
MOST_ROWS = 30  # a drawing of more is no longer read; tables beside it have them all
_DAY_S = 86400.0
_TICKS = (900, 1800, 3600, 7200, 10800, 21600, 43200, _DAY_S, 2 * _DAY_S, 7 * _DAY_S, 14 * _DAY_S, 28 * _DAY_S, 91 * _DAY_S)
_MOST_TICKS = 8

# What became of a point, in the words of both ledgers. One that expired as it was to is neither there nor lost: left out.
FATES = {
    "there": ("matched", "copied", "pruned", "source_expired"),
    "lost": ("overdue", "missing", "failed", "never_started", "gap", "not_ready", "unusable"),
    "open": ("in_flight", "in_progress", "pending"),
    "unclear": ("ambiguous", "unknown", "orphan"),
}
_FATE_OF = {verdict: fate for fate, verdicts in FATES.items() for verdict in verdicts}


@dataclass
class Mark:
    """A point, a column or a tick: where it stands, what it is, and what is said of it."""

    x: float
    kind: str
    told: str
    height: float = 0.0


@dataclass
class Bar:
    """A length from the left, and where its limit is."""

    name: str
    y: float
    length: float
    limit: float | None
    kind: str  # good, bad, unclear
    told: str
    length_told: str
    says: float  # where that stands


@dataclass
class Lane:
    """The points of one resource. risk: (from, width, kind) of what would be lost now; cut: it began before the drawing."""

    name: str
    y: float
    marks: list[Mark]
    risk: tuple[float, float, str] | None
    cut: bool
    told: str


@dataclass
class Drawing:
    """One drawing; what of it is not used stays empty."""

    height: float
    said: str  # the same in a sentence, for those who do not see it
    left_out: int = 0
    ticks: list[Mark] = field(default_factory=list)
    lines: list[Mark] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


# --------------------------------------------------------------------------------------------------------- the chain


@dataclass
class Hop:
    """A link of the chain: proven, broken or unknown, in one or two lines of words."""

    x: float
    state: str
    words: list[str]
    reach: float  # to the next hop; 0 at the last


def chain(cause: Json) -> list[Hop]:
    """The way of a backup, hop by hop."""
    hops = rows(cause, "chain")
    reach = WIDTH / len(hops) if hops else 0.0
    found = []
    for index, row in enumerate(hops):
        name = spaced(row.get("link") or "")
        state = row.get("state") if row.get("state") in ("proven", "broken") else "unknown"
        words = name.rsplit(" ", 1) if len(name) > 9 else [name]
        found.append(Hop((index + 0.5) * reach, str(state), words, reach if index + 1 < len(hops) else 0.0))
    return found


# ------------------------------------------------------------------------------------------------------ the timeline


def timeline(evidence: t.Any, diagnosis: Json, now: float | None) -> Drawing | None:
    """What became of the newest source backups of each resource, and how much data would be lost now."""
    points = {text(row, "resource"): member(row, "verdicts") for row in rows(step(evidence, "recovery_points"), "timeline")}
    resources = rows(member(diagnosis, "dr_readiness"), "resources")
    told = [row for row in resources if isinstance(row.get("resource"), str)]
    rpo_s = figure(diagnosis, "dr_readiness", "rpo_s")
    if not told or now is None or not points:
        return None
    shown = told[:MOST_ROWS]
    timed = {row["resource"]: _timed(points.get(row["resource"]) or {}) for row in shown}
    start = _start([at for found in timed.values() for at, dummy, dummy2 in found], now, rpo_s)
    axis = _Axis(start, now)
    drawing = Drawing(
        height=len(shown) * ROW + 44,
        said=_said(resources, rpo_s),
        left_out=len(told) - len(shown),
        ticks=axis.ticks(),
    )
    if rpo_s is not None and now - rpo_s >= start:
        drawing.lines.append(Mark(axis.at(now - rpo_s), "rpo", f"RPO {human(rpo_s)}"))
    for index, row in enumerate(shown):
        drawing.lanes.append(_lane(row, timed[row["resource"]], 30 + (index + 0.5) * ROW, axis))
    return drawing


def _timed(verdicts: Json) -> list[tuple[float, str, str]]:
    """(time, fate, verdict) of each point, the oldest first; points that nobody expects over there are left out."""
    found = []
    for verdict in verdicts:
        fate = _FATE_OF.get(verdict)
        if fate:
            moments = map(epoch, texts(verdicts, verdict))
            found += [(moment, fate, verdict) for moment in moments if moment is not None]
    return sorted(found)


def epoch(at: t.Any) -> float | None:
    """A time as epoch seconds; None where it is none, or none that anybody means."""
    moment = parse_time(at)
    return moment.timestamp() if moment is not None and 1970 < moment.year < 2200 else None


def _start(times: list[float], now: float, rpo_s: float | None) -> float:
    """From when on: everything, but not so long that what matters against the RPO cannot be told apart."""
    span = now - min([*times, now - (rpo_s or 3600.0) * 1.25])
    return now - max(min(span, max(12 * rpo_s, _DAY_S)) if rpo_s else span, 600.0)


class _Axis:
    """Time from left to right."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def at(self, moment: float) -> float:
        """Where a moment stands."""
        share = (moment - self.start) / (self.end - self.start)
        return round(GUTTER + max(0.0, min(share, 1.0)) * (WIDTH - GUTTER - 16), 1)

    def ticks(self) -> list[Mark]:
        """Full hours or days, eight at most."""
        span = self.end - self.start
        distance = next((each for each in _TICKS if span / each <= _MOST_TICKS), _TICKS[-1] * 4)
        form = "%m-%d" if distance >= _DAY_S else "%H:%M"
        first = (self.start // distance + 1) * distance
        moments = [first + count * distance for count in range(int((self.end - first) // distance) + 1)]
        return [Mark(self.at(each), "tick", datetime.fromtimestamp(each, timezone.utc).strftime(form)) for each in moments]


def _lane(row: Json, points: list[tuple[float, str, str]], y: float, axis: _Axis) -> Lane:
    marks = [
        Mark(axis.at(at), fate, f"{_day(at)} {spaced(verdict)}")
        for at, fate, verdict in points
        if at >= axis.start
    ]
    newest = epoch(text(row, "newest_matched_at"))
    begun = axis.start if newest is None else newest
    left, right = axis.at(begun), axis.at(axis.end)
    exposure = figure(row, "exposure_s")
    told = f"{row['resource']}: " + ("no usable copy of known age" if newest is None else f"newest copy is of {_day(newest)}")
    told += f", exposure {human(exposure)}" if exposure is not None else ""
    return Lane(row["resource"], y, marks, (left, round(right - left, 1), _standing(row)), begun < axis.start, told)


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d %H:%MZ}"


def _standing(row: Json) -> str:
    """How a resource stands in a disaster, or whatever says so as readiness does."""
    return {"ready": "good", "not_ready": "bad"}.get(str(row.get("verdict")), "unclear")


def _said(resources: list[Json], rpo_s: float | None) -> str:
    late = sum(row.get("verdict") == "not_ready" for row in resources)
    against = f" against an RPO of {human(rpo_s)}" if rpo_s is not None else ""
    return f"Of {len(resources)} resources {late} have no usable copy that is new enough{against}. The table of resources says more."


# ------------------------------------------------------------------------------------------------------ the lengths


def exposure(diagnosis: Json) -> Drawing | None:
    """How much data each resource would lose now, against the RPO."""
    ready = member(diagnosis, "dr_readiness")
    rpo_s = figure(ready, "rpo_s")
    lengths = [
        (str(row.get("resource")), length, rpo_s, _standing(row))
        for row in rows(ready, "resources")
        if (length := figure(row, "exposure_s")) is not None
    ]
    return _bars(lengths, "exposure", "RPO")


def lag(evidence: t.Any) -> Drawing | None:
    """How late the newest copy of each resource is, or was, against the time that it may take."""
    lengths = [
        (str(row.get("resource")), length, figure(row, "window_s"), _late(row))
        for row in rows(step(evidence, "copy_lag"), "resources")
        if (length := figure(row, "lag_s")) is not None
    ]
    return _bars(lengths, "lag", "expected within")


def _late(row: Json) -> str:
    if (figure(row, "lag_s") or 0.0) < 0:  # a clock is wrong
        return "unclear"
    return {"late": "bad", "overdue": "bad", "on_time": "good", "in_flight": "good"}.get(str(row.get("verdict")), "unclear")


def _bars(lengths: list[tuple[str, float, float | None, str]], what: str, limit_name: str) -> Drawing | None:
    if not lengths:
        return None
    shown = lengths[:MOST_ROWS]
    longest = max([length for dummy, length, dummy2, dummy3 in shown] + [limit or 0.0 for dummy, dummy2, limit, dummy3 in shown])
    scale = (WIDTH - GUTTER - 150) / (longest or 1.0)
    bars = []
    for index, (name, length, limit, kind) in enumerate(shown):
        told = human(length) + (f", {limit_name} {human(limit)}" if limit is not None else "")
        place = None if limit is None else round(GUTTER + limit * scale, 1)
        drawn = round(max(length, 0.0) * scale, 1)
        # after the bar, but not across the line of the limit
        end = GUTTER + drawn + 6
        says = end if place is None or not end - 6 <= place <= end + _LENGTH_OF_TEXT else place + 6
        bars.append(Bar(name, _HEAD + (index + 0.5) * ROW, drawn, place, kind, told, human(length), says))
    limits = {each.limit: limit for each, (dummy, dummy2, limit, dummy3) in zip(bars, shown)}
    lines = [Mark(place, "limit", f"{limit_name} {human(limit)}") for place, limit in limits.items() if place is not None]
    bad = sum(kind == "bad" for dummy, dummy2, dummy3, kind in lengths)
    longest_of_all = human(max(length for dummy, length, dummy2, dummy3 in lengths))
    said = f"The {what} of {len(lengths)} resources; {bad} of them beyond what is allowed. The longest: {longest_of_all}."
    return Drawing(
        height=len(shown) * ROW + _HEAD + 6,
        said=said,
        left_out=len(lengths) - len(shown),
        lines=lines if len(limits) == 1 else [],  # one name for all of them, or none
        bars=bars,
    )


# ------------------------------------------------------------------------------------------------------ the columns


def success(evidence: t.Any) -> Drawing | None:
    """The success rate in the parts of the window, with its threshold and what it was before."""
    metrics = step(evidence, "metrics")
    rate = member(member(metrics, "summary"), "success_rate")
    threshold = figure(rate, "threshold")
    usual = next((found for name in ("baseline", "previous_avg") if (found := figure(rate, name)) is not None), None)

    stale = text(rate, "verdict") in ("stale", "series_gone", "target_down")  # the last value, repeated, is no success

    def kind(length: float) -> str:
        return "unclear" if stale else "bad" if threshold is not None and length < threshold else "good"

    lines = [("threshold", threshold), ("before", usual)]
    return _columns(metrics, "success_rate", "success rate", 1.0, lines, lambda found: f"{found:.1%}", kind)


def duration(evidence: t.Any) -> Drawing | None:
    """How long copies took in the parts of the window, with what is usual."""
    metrics = step(evidence, "metrics")
    told = member(member(metrics, "summary"), "duration")
    usual = next((found for name in ("baseline_median_s", "baseline_s") if (found := figure(told, name)) is not None), None)
    return _columns(metrics, "duration_s", "duration", None, [("usual", usual)], human, lambda dummy: "plain")


def _columns(
    metrics: Json,
    name: str,
    what: str,
    highest: float | None,
    lines: list[tuple[str, float | None]],
    words: t.Callable[[float], str],
    kind: t.Callable[[float], str],
) -> Drawing | None:
    parts = rows(metrics, "course")
    figures = [figure(part, name) for part in parts]
    first = next((index for index, found in enumerate(figures) if found is not None), None)
    if first is None:
        return None
    parts, figures = parts[first:], figures[first:]  # of a vault that is younger than the look-back
    known = [found for found in figures if found is not None]
    top = highest or max([*known, *(found for dummy, found in lines if found is not None)]) * 1.1 or 1.0
    columns = []
    for part, found in zip(parts, figures):
        when = f"{_clock(part.get('start'))} to {_clock(part.get('end'))}"
        told = f"{when}: {_nothing(part) if found is None else words(found)}"
        columns.append(_Column(_clock(part.get("start")), "none" if found is None else kind(found), told, (found or 0.0) / top))
    drawn = [
        Mark(0.0, label, f"{label} {words(found)}", round(min(found / top, 1.0) * COLUMNS, 1))
        for label, found in sorted(lines, key=lambda line: -(line[1] or 0.0))
        if found is not None
    ]
    for upper, lower in zip(drawn, drawn[1:]):  # x is how far a name has to be moved down to be read
        lower.x = max(0.0, _LINE_OF_TEXT - (upper.height - upper.x - lower.height))
    said = f"The {what} between {words(min(known))} and {words(max(known))}, last {words(known[-1])}"
    return _laid_out(columns, drawn, said + "".join(f"; {mark.told}" for mark in drawn) + ".")


class _Column(t.NamedTuple):
    """A column before it has its place. share: of the height; at: the time that a tick tells."""

    at: str
    kind: str
    told: str
    share: float


def _laid_out(columns: t.Sequence[_Column], lines: list[Mark], said: str) -> Drawing:
    """Columns side by side, with the times of some of them below."""
    width = (WIDTH - LEFT - RIGHT) / len(columns)
    marks = [
        Mark(round(LEFT + index * width, 1), each.kind, each.told, round(max(0.0, min(each.share, 1.0)) * COLUMNS, 1))
        for index, each in enumerate(columns)
    ]
    every = max(1, -(-len(columns) // _MOST_TICKS))
    ticks = [Mark(mark.x, "tick", column.at) for mark, column in list(zip(marks, columns))[::every]]
    return Drawing(height=TOP + COLUMNS + 34, said=said, ticks=ticks, lines=lines, marks=marks)


def _nothing(part: Json) -> str:
    """Why a part of the window has no figure, as far as it is known."""
    runs = figure(part, "runs")
    if runs == 0:
        return "nothing ran"
    return "no figure" if runs is None else f"{runs:.0f} runs, and none came to a good end"


def trend(history: Json, rpo_s: float | None) -> Drawing | None:
    """The worst exposure of the last runs against the RPO."""
    told = [(row, figure(row, "worst_exposure_s")) for row in rows(history, "exposure")]
    shown = [(_clock(row.get("at")), length, row.get("readiness")) for row, length in told if length is not None]
    if len(shown) < 2:
        return None
    top = max([length for dummy, length, dummy2 in shown] + [rpo_s or 0.0]) * 1.1 or 1.0
    columns = [
        # the worst resource may have no exposure, for want of any copy, so that readiness alone says how it stands
        _Column(at, _standing({"verdict": readiness}), f"{at}: {human(length)}, {spaced(readiness)}", length / top)
        for at, length, readiness in shown
    ]
    lines = [] if rpo_s is None else [Mark(0.0, "rpo", f"RPO {human(rpo_s)}", round(rpo_s / top * COLUMNS, 1))]
    said = f"The worst exposure of {len(shown)} runs, from {human(shown[0][1])} to {human(shown[-1][1])}."
    return _laid_out(columns, lines, said)


def _clock(at: t.Any) -> str:
    moment = epoch(at)
    return "?" if moment is None else f"{datetime.fromtimestamp(moment, timezone.utc):%m-%d %H:%M}"


# --------------------------------------------------------------------------------------------------------- the hours


@dataclass
class Hour:
    """Runs that began in an hour of the day (UTC), and whether the schedule has a slot in it."""

    x: float
    hour: int
    good: float
    bad: float
    due: bool
    told: str


def hours(evidence: t.Any, now: float | None) -> tuple[Drawing, list[Hour]] | None:
    """Failures by the hour of the day, against the hours of the schedule."""
    slots = rows(step(evidence, "jobs"), "slots") or rows(step(evidence, "copy_jobs"), "slots")
    counted = {int(figure(row, "slot") or 0) % 24: (figure(row, "runs") or 0.0, figure(row, "failed") or 0.0) for row in slots}
    most = max((runs for runs, dummy in counted.values()), default=0.0)
    if not most:
        return None
    due = scheduled_hours(evidence, now)
    width, scale = (WIDTH - LEFT - RIGHT) / 24, COLUMNS / most
    found = []
    for hour in range(24):
        runs, failed = counted.get(hour, (0.0, 0.0))
        told = f"{hour:02}:00 UTC: {failed:.0f} of {runs:.0f} failed" + (", on the schedule" if hour in due else "")
        place = round(LEFT + hour * width, 1)
        found.append(Hour(place, hour, round((runs - failed) * scale, 1), round(failed * scale, 1), hour in due, told))
    failing = [f"{each.hour:02}:00" for each in found if each.bad]
    said = f"Runs failed that began in the hours {', '.join(failing)} UTC." if failing else "No run failed."
    said += _pruned(member(step(evidence, "jobs"), "summary"))
    return Drawing(height=TOP + COLUMNS + 50, said=said, lines=[Mark(0.0, "most", f"{most:.0f} runs", COLUMNS)]), found


def _pruned(summary: Json) -> str:
    """That Kubernetes keeps only the newest Jobs, of which alone the hours can tell."""
    good, bad = (figure(summary, "horizon", f"{name}_limit") for name in ("successful", "failed"))
    if good is None or bad is None:
        return ""
    return f" Only Jobs that are still there count: of a CronJob as few as {good:.0f} good and {bad:.0f} failed are kept."


def scheduled_hours(evidence: t.Any, now: float | None) -> set[int]:
    """The hours of the day (UTC) in which the schedules of the copies have a slot, of the coming day with one."""
    if now is None:
        return set()
    near = datetime.fromtimestamp(now, timezone.utc)
    cronjobs = {
        (text(row, "schedule"), text(row, "time_zone"))
        for row in rows(step(evidence, "jobs"), "cronjobs")
        if not row.get("suspended")
    }
    rules = {
        (text(row, "schedule"), text(row, "timezone"))
        for row in rows(step(evidence, "copy_rules"), "rules")
        if row.get("copies_here")
    }
    parsed = [_schedule.parse_schedule(*each) for each in cronjobs] + [_aws_cron.parse_schedule(*each) for each in rules]
    return set().union(*(schedule.hours(near) for schedule in parsed if schedule))
