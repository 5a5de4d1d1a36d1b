# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The PromQL that the metrics step sends, built from small pieces. Pure: text in, text out.

Several questions travel in one request: each is an instant vector marked with the label FACT, joined by `or`.
Everything is bounded by the server: totals are aggregated there, and rows are the N worst.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from urllib.parse import quote_plus

FACT = "sync_fact"
NOW = "vector(time())"

# Labels that tell replicas and attempts of one copy job apart; counters are summed over them.
VOLATILE = frozenset(
    {
        "__name__", "le", "quantile", "instance", "pod", "container", "endpoint", "service", "uid", "reason", "error",
        "replica", "prometheus", "prometheus_replica", "exported_instance", "exported_pod", "exported_container",
    }
)  # fmt: skip

SLOW_RATIO = 1.5
SLOW_FLOOR_S = 60
SLOW_SAMPLES = 3
SUCCESS_SUFFIXES = ("", "_ratio", "_percent")
DURATION_BASES = ("", "_seconds")
_DURATION_PARTS = ("", "_bucket", "_sum", "_count", "_total")


def joined(facts: dict[str, str], longest: int) -> list[str]:
    """As few queries as fit into `longest` characters of a URL each, commonly one.

    Each sample of the answers names its fact in the label FACT.
    """
    queries: list[str] = []
    room = 0
    for name, expr in facts.items():
        part = f'label_replace({expr}, "{FACT}", "{name}", "", "")'
        size = len(quote_plus(part)) + len("+or+")
        if queries and size <= room:
            queries[-1] += f" or {part}"
            room -= size
        else:
            queries.append(part)
            room = longest - size
    return queries


def selector(metric: str, matchers: str = "", *more: str) -> str:
    """metric{matchers}"""
    inside = ",".join(part for part in (matchers, *more) if part)
    return f"{metric}{{{inside}}}" if inside else metric


def quoted(text: str) -> str:
    """A PromQL string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def one_of(label: str, texts: t.Iterable[str]) -> str:
    """A matcher for exactly these label values."""
    escaped = ("".join("\\" + c if c in r"\.+*?()|[]{}^$" else c for c in text) for text in texts)
    return f"{label}=~{quoted('|'.join(escaped))}"


def seconds(length_s: float) -> str:
    """A PromQL duration."""
    return f"{max(int(round(length_s)), 1)}s"


# -------------------------------------------------------------------------------------------------------- inventory


def inventory(names: list[str], matchers: str, window_s: float) -> dict[str, str]:
    """Which of the names have samples in the window: how many series each, and one series to see its labels."""
    if not names:
        return {"now": NOW}
    # of a histogram only the last bucket counts, so that 12 buckets do not read as 12 series
    everything = selector("", f"__name__=~{quoted('|'.join(names))}", 'le=~"([+]Inf)?"', matchers)
    seen = f"last_over_time({everything}[{seconds(window_s)}])"
    return {
        "now": NOW,
        "series": f"count by (__name__) ({seen})",
        "sample": f"topk by (__name__) (1, {seen})",
    }


def look_back(names: list[str], matchers: str, window_s: float) -> dict[str, str]:
    """The same over a longer time, for names that the window does not know; and whether their targets are down."""
    everything = selector("", f"__name__=~{quoted('|'.join(names))}", 'le=~"([+]Inf)?"', matchers)
    seen = f"last_over_time({everything}[{seconds(window_s)}])"
    return {
        "series": f"count by (__name__) ({seen})",
        "down": f"count((up == 0) and on (job, instance) {seen})",
    }


def success_names(metric: str) -> list[str]:
    """The gauge under its own name and with the unit in it."""
    return [metric + suffix for suffix in SUCCESS_SUFFIXES]


def duration_names(metric: str) -> list[str]:
    """The duration as gauge, histogram, summary or counter, with and without the unit in its name."""
    return [metric + base + part for base in DURATION_BASES for part in _DURATION_PARTS]


# ---------------------------------------------------------------------------------------------------------- success


COURSE_PARTS = 12  # of the window, for the picture of how rate and duration went


def course(overall: t.Callable[[float, float], str], window_s: float) -> dict[str, str]:
    """A figure over all series, (length_s, offset_s), in each part of the window: course0 is the oldest."""
    part_s = window_s / COURSE_PARTS
    return {f"course{index}": overall(part_s, (COURSE_PARTS - 1 - index) * part_s) for index in range(COURSE_PARTS)}


@dataclass(frozen=True)
class Rate:
    """One way to read a success rate that is already one: vectors by series, and one value over all of them."""

    avg: str
    low: str
    high: str
    last: str
    overall: t.Callable[[float, float], str]  # (length_s, offset_s) -> one value


def gauge_rate(series: str, window_s: float, guarded: bool) -> Rate:
    """A gauge. guarded: it holds NaN at times, so only its numbers are averaged, through a subquery."""

    def over_time(length_s: float) -> str:
        return _numbers(series, length_s) if guarded else _range(series, length_s)

    def overall(length_s: float, offset_s: float) -> str:
        return f"avg(avg_over_time({over_time(length_s)}{_offset(offset_s)}) >= 0)"

    over = over_time(window_s)
    return Rate(
        avg=f"avg_over_time({over})",
        low=f"min_over_time({over})",
        high=f"max_over_time({over})",
        last=f"last_over_time({over})",
        overall=overall,
    )


def query_rate(query: str) -> Rate:
    """The user's own PromQL, which says what the rate is now; the past is the same query at earlier times."""
    own = _own(query)

    def overall(length_s: float, offset_s: float) -> str:
        over = f"{own}[{seconds(length_s)}:{seconds(max(length_s / 24, 60))}]{_offset(offset_s)}"
        return f"avg(avg_over_time({over}) >= 0)"

    return Rate(own, own, own, own, overall)


def rate_facts(rate: Rate, threshold: float, window_s: float, most: int, bounded: bool) -> dict[str, str]:
    """What to ask of a success rate. bounded: there are more than `most` series, so only the worst come as rows.

    Whether 1 means 100 % or 1 % is only known from the answer, so `below` is asked for both units.
    """
    worst = f"(({rate.avg} < {rate.last}) or ({rate.last} >= 0) or ({rate.avg} >= 0))"
    facts = {
        "series": f"count({rate.avg})",
        "unknown": f"count({rate.avg} != {rate.avg})",
        "fractions": f"count(((({rate.low}) > 0) < 1) or ((({rate.last}) > 0) < 1))",
        "avg": f"avg({rate.avg} >= 0)",
        "min": f"min({rate.low})",
        "max": f"max({rate.high})",
        "last": f"avg({rate.last} >= 0)",
        "previous": rate.overall(window_s, window_s),
        **course(rate.overall, window_s),
        "below_ratio": f"count({worst} < {threshold!r})",
        "below_percent": f"count({worst} < {round(threshold * 100, 6)!r})",
    }
    only = f" and bottomk({most}, {worst})" if bounded else ""
    facts.update(row_avg=rate.avg + only, row_min=rate.low + only, row_last=rate.last + only)
    return facts


@dataclass(frozen=True)
class Counters:
    """A pair of counters, the labels that tell copy jobs apart, and the window."""

    succeeded: str
    failed: str
    by: str
    window_s: float

    @property
    def part_s(self) -> float:
        """Worst and newest are read from six parts of the window."""
        return self.window_s / 6


def counter_facts(counters: Counters, threshold: float, most: int, bounded: bool) -> dict[str, str]:
    """Runs by copy job and over all: of the window, of its last part and of the window before."""
    spans = {
        "total": (counters.window_s, 0.0),
        "last": (counters.part_s, 0.0),
        "previous": (counters.window_s, counters.window_s),
    }
    facts = {}
    for end, counter in (("ok", counters.succeeded), ("bad", counters.failed)):
        for span, (length_s, offset_s) in spans.items():
            for kind, expr in _runs(counter, length_s, offset_s).items():
                facts[f"{span}_{end}_{kind}"] = f"sum({expr})"
        only = ""
        if bounded:
            most_failed = _runs(counters.failed, counters.window_s, 0.0)
            key = f"sum by ({counters.by}) (({most_failed['more']} > 0) or {most_failed['born']})"
            others = f"sum by ({counters.by}) (last_over_time({_range(counters.succeeded, counters.window_s)}))"
            only = f" and topk({most}, {key} or {others} * 0)"
        for span in ("total", "last"):
            for kind, expr in _runs(counter, *spans[span]).items():
                facts[f"row_{span}_{end}_{kind}"] = f"sum by ({counters.by}) ({expr})" + only
    present = f"group by ({counters.by}) (last_over_time(%s[{seconds(counters.window_s)}]))"
    facts["series"] = f"count({present % counters.succeeded} or {present % counters.failed})"
    facts.update(course(lambda length_s, offset_s: _ratio_of_all(counters, length_s, offset_s), counters.window_s))
    part, whole = _ratio(counters, counters.part_s), _ratio(counters, counters.window_s)
    low = f"min_over_time({part}[{seconds(counters.window_s)}:{seconds(counters.part_s)}])"
    facts["min"] = f"min({low})"
    facts["row_min"] = low + only
    if bounded:  # otherwise every copy job comes as a row and can be counted
        facts["below"] = f"count(({whole} < {threshold!r}) or ({part} < {threshold!r}))"
    return facts


def _runs(counter: str, length_s: float, offset_s: float) -> dict[str, str]:
    """How many runs the counter counted, series by series: `more` and `born` are to be added.

    increase() extrapolates to fractions, so it is rounded. It also misses the first run of a series that is born with
    the value 1, as a one-shot job pushes it: such a series counts one more.
    """
    over = _range(counter, length_s, offset_s)
    before = _range(counter, 900, offset_s + length_s)
    return {
        "more": f"round(increase({over}))",
        "born": f"(min_over_time({over}) == 1 unless last_over_time({before}))",
    }


def _ratio(counters: Counters, length_s: float) -> str:
    """Success rate by copy job; nothing where nothing ran, because 0/0 is not 0 %."""
    good, bad = (
        f"sum by ({counters.by}) (increase({_range(counter, length_s)}))"
        for counter in (counters.succeeded, counters.failed)
    )
    return f"(({good} or {bad} * 0) / (({good} + {bad} or {good} or {bad}) > 0))"


def _ratio_of_all(counters: Counters, length_s: float, offset_s: float) -> str:
    """Success rate over all copy jobs; nothing where nothing ran."""
    good, bad = (
        "(sum({more}) + sum({born}) or sum({more}) or sum({born}))".format(**_runs(counter, length_s, offset_s))
        for counter in (counters.succeeded, counters.failed)
    )
    return f"(({good} or {bad} * 0) / (({good} + {bad} or {good} or {bad}) > 0))"


# --------------------------------------------------------------------------------------------------------- duration


@dataclass(frozen=True)
class Duration:
    """One way to read a duration in seconds: by series for a span of time, and the tallest of the window."""

    mean: t.Callable[[float, float], str]  # (length_s, offset_s) -> by series
    overall: t.Callable[[float, float], str]  # the same over all series, one value
    samples: str
    kind: str = "gauge"
    metric: str = ""  # whose age is that of the duration
    high: str | None = None
    p95: str | None = None


def gauge_duration(series: str, window_s: float) -> Duration:
    """A gauge; of several series the worst 95th percentile counts."""
    over = f"{series}[{seconds(window_s)}]"

    def mean(length_s: float, offset_s: float) -> str:
        return f"avg_over_time({_range(series, length_s, offset_s)})"

    return Duration(
        mean=mean,
        overall=lambda length_s, offset_s: f"avg({mean(length_s, offset_s)} >= 0)",
        samples=f"count_over_time({over})",
        metric=series.split("{")[0],
        high=f"max_over_time({over})",
        p95=f"max(quantile_over_time(0.95, {over}) >= 0)",
    )


def query_duration(query: str) -> Duration:
    """The user's own PromQL, which says what a copy takes now; the past is the same query at earlier times."""
    own = _own(query)

    def mean(length_s: float, offset_s: float) -> str:
        step_s = max(length_s / 24, 60)
        return f"avg_over_time({own}[{seconds(length_s)}:{seconds(step_s)}]{_offset(offset_s)})" if offset_s else own

    return Duration(
        mean=mean,
        overall=lambda length_s, offset_s: f"avg({mean(length_s, offset_s)} >= 0)",
        samples=f"({own} * 0 + {SLOW_SAMPLES})",  # how many runs are behind the user's figure is the user's matter
        high=own,
    )


def summed_duration(
    kind: str, metric: str, total: str, counts: list[str], by: str, window_s: float, p95: str | None = None
) -> Duration:
    """Histogram, summary or counter: seconds in all, divided by how many runs they are of."""

    def divided(by_clause: str, length_s: float, offset_s: float) -> str:
        each = [f"sum{by_clause} (increase({_range(count, length_s, offset_s)}))" for count in counts]
        number = each[0] if len(each) == 1 else f"({each[0]} + {each[1]} or {each[0]} or {each[1]})"
        return f"(sum{by_clause} (increase({_range(total, length_s, offset_s)})) / ({number} > 0))"

    samples = " or ".join(f"sum by ({by}) (increase({_range(count, window_s)}))" for count in counts)
    return Duration(
        mean=lambda length_s, offset_s: divided(f" by ({by})", length_s, offset_s),
        overall=lambda length_s, offset_s: divided("", length_s, offset_s),
        samples=f"({samples})",
        kind=kind,
        metric=metric,
        p95=p95,
    )


def bucket_p95(buckets: str, window_s: float) -> str:
    """The 95th percentile over all series of a histogram; the tallest finite bucket is the most it can say."""
    return f"histogram_quantile(0.95, sum by (le) (increase({_range(buckets, window_s)})))"


def summary_p95(series_p95: str, window_s: float) -> str:
    """The worst 95th percentile that a summary says itself; quantiles cannot be averaged."""
    return f"max(max_over_time({_range(series_p95, window_s)}) >= 0)"


def duration_shape(
    found: dict[str, dict[str, str]], metric: str, counters: list[str], matchers: str, window_s: float
) -> Duration | None:
    """How the duration can be read: the names of the series tell histogram, summary, gauge and counter apart.

    found: labels of one series of every metric that is there.
    """
    for name in (metric + base for base in DURATION_BASES):
        total, count, ever = f"{name}_sum", f"{name}_count", f"{name}_total"
        if total in found and count in found:
            p95 = summary_p95(selector(name, matchers, 'quantile="0.95"'), window_s)
            if f"{name}_bucket" in found:
                p95 = bucket_p95(selector(f"{name}_bucket", matchers), window_s)
            kind = "histogram" if f"{name}_bucket" in found else "summary"
            counts, by = [selector(count, matchers)], labels_by([found[count]])
            return summed_duration(kind, count, selector(total, matchers), counts, by, window_s, p95)
        if name in found:
            return gauge_duration(selector(name, matchers), window_s)
        known = [counter for counter in counters if counter in found]
        if ever in found and known:
            counts = [selector(counter, matchers) for counter in known]
            by = labels_by([found[each] for each in (ever, *known)])
            return summed_duration("counter", ever, selector(ever, matchers), counts, by, window_s)
    return None


def labels_by(examples: list[dict[str, str]]) -> str:
    """The labels that tell copy jobs apart in all of these series, for a by clause."""
    names = [set(labels) for labels in examples]
    return ", ".join(sorted(set.intersection(*names) - VOLATILE)) if names else ""


def duration_facts(duration: Duration, window_s: float, baseline_s: float, most: int, bounded: bool) -> dict[str, str]:
    """What to ask of a duration: now, before, in the four quarters of the window, and the rows that grew most."""
    now, before = duration.mean(window_s, 0), duration.mean(baseline_s, window_s)
    facts = {
        "series": f"count({now} >= 0)",
        "avg": duration.overall(window_s, 0),
        "baseline": duration.overall(baseline_s, window_s),
        "samples": f"sum({duration.samples})",
        "slow": f"count((({now} > {SLOW_RATIO} * {before}) and ({now} - {before} > {SLOW_FLOOR_S})) "
        f"and {duration.samples} >= {SLOW_SAMPLES})",
    }
    quarter_s = window_s / 4
    for index in range(4):
        facts[f"quarter{index}"] = duration.overall(quarter_s, (3 - index) * quarter_s)
    facts.update(course(duration.overall, window_s))
    if duration.high:
        facts["max"] = f"max({duration.high})"
    if duration.p95:
        facts["p95"] = duration.p95
    only = f" and topk({most}, ({now} - {before}) or ({now} * 0))" if bounded else ""
    facts.update(row_avg=f"({now} >= 0)" + only, row_baseline=f"({before} >= 0)" + only)
    return facts


# -------------------------------------------------------------------------------------------------------- freshness


@dataclass(frozen=True)
class Watched:
    """One metric whose age matters; `shown` is the same metric, only the series that come as rows."""

    metric: str
    shown: str
    changes: bool  # whether it matters when its value changed last


def freshness_facts(watched: list[Watched], window_s: float, baseline_s: float, most: int) -> dict[str, str]:
    """When the samples are from, whether their targets are down, and when they were pushed to a Pushgateway."""
    length, facts = seconds(window_s), {}
    step_s = max(window_s / 144, 15)
    for index, each in enumerate(watched):
        # a sample is visible for five minutes, so steps of five minutes miss none
        seen = f"timestamp({each.shown})[{length}:{seconds(min(300, step_s))}]"
        facts[f"newest{index}"] = f"max(timestamp({each.metric}))"
        facts[f"dense{index}"] = f"max(count_over_time({each.metric}[{length}]))"
        facts[f"oldest{index}"] = f"min(min_over_time({seen}))"
        facts[f"row_newest{index}"] = f"(timestamp({each.shown}) or max_over_time({seen}))"
        if each.changes:
            recent = f"last_over_time({each.shown}[{seconds(step_s * 7)}]"
            changed = f"timestamp({recent}) != {recent} offset {seconds(step_s)}))"
            facts[f"row_changed{index}"] = f"max_over_time({changed}[{length}:{seconds(step_s)}])"
    present = f"last_over_time({watched[0].metric}[{length}])"
    same_group = f"and on (job, exported_job, instance, exported_instance) {present}"
    pushed = f"(last_over_time(push_time_seconds[{length}]) {same_group})"
    facts.update(
        down=f"count((up == 0) and on (job, instance) {present})",
        push=f"max({pushed})",
        row_push=f"bottomk({most}, {pushed})",
        pushes=f"max(changes(push_time_seconds[{length}]) {same_group})",
        pushes_before=f"max(changes(push_time_seconds[{seconds(baseline_s)}]) {same_group})",
    )
    return facts


# ----------------------------------------------------------------------------------------------------------- pieces


def _range(series: str, length_s: float, offset_s: float = 0) -> str:
    return f"{series}[{seconds(length_s)}]{_offset(offset_s)}"


def _offset(offset_s: float) -> str:
    return f" offset {seconds(offset_s)}" if offset_s else ""


def _numbers(series: str, window_s: float) -> str:
    return f"({series} >= 0)[{seconds(window_s)}:{seconds(max(window_s / 288, 15))}]"


def _own(query: str) -> str:
    """The user's PromQL as a part of ours; the line break ends a comment at its end."""
    return f"({query}\n)"
