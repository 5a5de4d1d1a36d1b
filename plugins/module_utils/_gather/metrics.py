# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 5 of the cluster runbook: how many copies succeed and how long they take, as Prometheus has seen it.

A healthy reading costs four requests: what is there, success, duration, freshness. Two more come only in doubt: what
was there before the window, and what the exporter says of the unit. Counters and the service proxy, which has only the
URL to put a question into, may split a question.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import QueryRefused
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus_options import (
    PROMETHEUS_CONSTRAINTS,
    prometheus_spec,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    DEFAULT_ROWS,
    BadParameter,
    Evidence,
    ReadFailed,
    clip,
    duration_parameter,
    evidence,
    failed,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _promql as promql
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _series as series
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import resource_name
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step, guarded

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import Prometheus

NAME = "metrics"
RESOURCE_LABELS = ["resource", "job_name", "cronjob", "schedule", "exported_job", "job"]

_AGED_ROWS = 15
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SUCCESS_FIGURES = ("type", "unit", "avg", "min", "last", "previous_avg", "below", "runs", "threshold")
_DURATION_FIGURES = ("type", "avg_s", "p95_s", "max_s", "baseline_s", "ratio", "rising", "slow", "slow_series")


@dataclass(frozen=True)
class Plan:
    """The parameters, checked."""

    success_metric: str
    duration_metric: str
    success_counter: str
    failure_counter: str
    success_query: str
    duration_query: str
    matchers: str
    window_s: float
    baseline_s: float
    threshold: float
    unit: str
    resource_labels: list[str]
    most: int

    def names(self) -> list[str]:
        """Every metric name that could answer a question for which the user gave no query."""
        names: list[str] = []
        if not self.success_query:
            names += promql.success_names(self.success_metric)
        if not self.duration_query:
            names += promql.duration_names(self.duration_metric)
        return names + [self.success_counter, self.failure_counter] if names else []


@dataclass
class Side:
    """Success rate or duration: which metrics answer it, and what they said."""

    kind: str | None = None  # gauge, counter, histogram, summary; None: no such metric
    metrics: list[str] = field(default_factory=list)
    figures: dict[str, t.Any] = field(default_factory=dict)
    rows: dict[series.Key, dict[str, t.Any]] = field(default_factory=dict)
    verdict: str = "ok"
    partial: bool = False
    silent: bool = False  # the series are there and say nothing: no run, only NaN

    @property
    def grouped(self) -> bool:
        """Whether rows are sums over replicas."""
        return self.kind in ("counter", "histogram", "summary")


@dataclass
class Reading:
    """One run of the step."""

    plan: Plan
    prometheus: Prometheus
    now: float | None = None  # the server's own, so that all answers are of one moment
    found: dict[str, tuple[int, series.Labels]] = field(default_factory=dict)  # metric -> series, labels of one
    denied: list[dict[str, t.Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def ask(self, facts: dict[str, str], side: Side | None = None) -> series.Facts:
        """Ask for facts, given as PromQL by name; a warning of the server makes the side partial. Raises ReadFailed."""
        samples: list[series.Sample] = []
        for query in promql.joined(facts, self.prometheus.longest_query):
            answer = self.prometheus.query(query, self.now)
            samples += answer.samples
            self.warnings += [text for text in answer.warnings if text not in self.warnings]
            if answer.warnings and side is not None:
                side.partial = True
        return series.Facts.of(samples)

    def bounded(self, metric: str) -> bool:
        """Whether there are more series than rows."""
        return self.found[metric][0] > self.plan.most

    def series_of(self, metric: str, *more: str) -> str:
        """The metric with the user's matchers."""
        return promql.selector(metric, self.plan.matchers, *more)


def gather(params: Params, clients: t.Any) -> Gathered:
    """Evidence `metrics`. Raises BadParameter."""
    plan = _plan(params)
    query: dict[str, t.Any] = {
        "prometheus": None,
        "success": plan.success_query or plan.success_metric,
        "duration": plan.duration_query or plan.duration_metric,
        "matchers": plan.matchers or None,
        "window": None,
    }
    prometheus, failure = guarded(lambda: clients.prometheus)
    if failure is not None:
        return Gathered(failed(NAME, query, failure))
    query["prometheus"] = prometheus.address
    try:
        return Gathered(_read(Reading(plan, prometheus), query))
    except ReadFailed as exc:
        return Gathered(failed(NAME, query, exc, clock=prometheus.clock.as_evidence()))


def _read(reading: Reading, query: dict[str, t.Any]) -> Evidence:
    """Ask, and put the evidence together. Raises ReadFailed when the success rate cannot be asked."""
    plan = reading.plan
    _inventory(reading)
    now = t.cast(float, reading.now)
    query["window"] = window(series.moment(now), plan.window_s)
    success, duration = Side(), Side()
    _success(reading, success)
    _side(reading, "duration", lambda: _duration(reading, duration), duration)
    _absent(reading, success, duration)
    freshness = series.Freshness(now)
    _side(reading, "freshness", lambda: _freshness(reading, success, duration, freshness), None)
    for name, side in (("success", success), ("duration", duration)):
        side.verdict = _verdict(side, name, freshness)
    rows = _rows(reading, success, duration, freshness)
    return evidence(
        NAME,
        outcome="empty" if success.verdict == duration.verdict == "metric_unknown" else "ok",
        query=query,
        covered=freshness.covered(plan.window_s),
        observed_at=rfc3339(series.moment(now)),
        clock=reading.prometheus.clock.as_evidence(),
        summary={
            "success_rate": _summary(success, _SUCCESS_FIGURES, {"threshold": plan.threshold}),
            "duration": _summary(duration, _DURATION_FIGURES, {"rising": False, "slow": False}),
            "freshness": freshness.summary(),
            "pushed": freshness.pushed_at is not None,
            "warnings": [clip(text, 300) for text in reading.warnings[:5]],
        },
        rows={
            "series": (rows[: plan.most], max(len(rows), _count(success), _count(duration))),
            "course": _course(success, duration, now - plan.window_s, plan.window_s),
        },
        denied=reading.denied,
    )


# -------------------------------------------------------------------------------------------------------- questions


def _inventory(reading: Reading) -> None:
    """Learn the server's time, and which metrics there are in the window."""
    plan = reading.plan
    names = plan.names()
    try:
        facts = reading.ask(promql.inventory(names, plan.matchers, plan.window_s))
    except QueryRefused as exc:
        if plan.matchers and names:
            raise BadParameter(
                f'matchers: Prometheus refuses {plan.matchers!r} ({exc.text}); write them like namespace="backup".'
            ) from exc
        raise
    reading.now = facts.one("now")
    if reading.now is None:
        raise ReadFailed("error", f"{reading.prometheus.address} did not say its own time; is it a Prometheus?")
    samples = {labels.get("__name__", ""): labels for labels, dummy in facts.rows("sample")}
    for labels, value in facts.rows("series"):
        name = labels.get("__name__", "")
        reading.found[name] = (int(value), samples.get(name, {}))


def _success(reading: Reading, side: Side) -> None:
    plan = reading.plan
    if plan.success_query:
        rate = promql.query_rate(plan.success_query)
        question = promql.rate_facts(rate, plan.threshold, plan.window_s, plan.most, True)
        facts = _ask_own(reading, side, "success_rate_query", plan.success_query, question)
        _rate(reading, side, facts, "")
        return
    gauges = [name for name in promql.success_names(plan.success_metric) if name in reading.found]
    if gauges:
        _gauge(reading, side, max(gauges, key=lambda name: reading.found[name][0]))
    elif plan.success_counter in reading.found or plan.failure_counter in reading.found:
        _counters(reading, side)


def _gauge(reading: Reading, side: Side, metric: str) -> None:
    """A success rate that is already one."""
    plan = reading.plan
    side.kind, side.metrics = "gauge", [metric]
    selected = reading.series_of(metric)
    runs = {}
    if plan.success_counter in reading.found or plan.failure_counter in reading.found:
        counted = promql.counter_facts(_counter_pair(reading), plan.threshold, plan.most, False)
        runs = {name: expr for name, expr in counted.items() if name.startswith("total_")}

    def question(guard: bool) -> dict[str, str]:
        rate = promql.gauge_rate(selected, plan.window_s, guard)
        asked = promql.rate_facts(rate, plan.threshold, plan.window_s, plan.most, reading.bounded(metric))
        return {**asked, **runs}

    facts = reading.ask(question(False), side)
    everything = facts.count("series")
    if facts.count("unknown"):  # an average over a NaN is a NaN: ask again for the numbers alone
        facts = reading.ask(question(True), side)
    _rate(reading, side, facts, metric[len(plan.success_metric) :])
    side.figures["series"] = everything


def _rate(reading: Reading, side: Side, facts: series.Facts, suffix: str) -> None:
    """Digest a success rate that is already one; its unit may take a look at the exporter's own words."""
    plan = reading.plan
    unit, scale = series.unit_of(plan.unit, facts, suffix, "")
    if unit == "ambiguous" and scale is not None and side.metrics:
        words, dummy = guarded(lambda: reading.prometheus.metadata(side.metrics[0]))
        described = " ".join(str((words or {}).get(key) or "") for key in ("unit", "help"))
        unit, scale = series.unit_of(plan.unit, facts, suffix, described)
    digest = series.rate_digest(facts, unit, scale, plan.threshold)
    side.figures, side.rows = digest.figures, digest.rows
    if not side.metrics and digest.series:
        side.kind = "gauge"
    side.silent = facts.one("avg") is None
    if scale is None:
        side.partial = True
        low, high = facts.one("min"), facts.one("max")
        failure = ReadFailed(
            "error",
            f"The values of the success rate run from {low:g} to {high:g}: that is no rate.",
            hint="Name the right metric in success_rate_metric, set unit, or give success_rate_query.",
        )
        reading.denied.append(_denied("success_rate", failure))


def _counter_pair(reading: Reading) -> promql.Counters:
    plan = reading.plan
    pair = (plan.success_counter, plan.failure_counter)
    by = promql.labels_by([reading.found[name][1] for name in pair if name in reading.found])
    return promql.Counters(reading.series_of(pair[0]), reading.series_of(pair[1]), by, plan.window_s)


def _counters(reading: Reading, side: Side) -> None:
    """A success rate made of two counters."""
    plan = reading.plan
    side.kind = "counter"
    side.metrics = [name for name in (plan.success_counter, plan.failure_counter) if name in reading.found]
    bounded = any(reading.bounded(metric) for metric in side.metrics)
    question = promql.counter_facts(_counter_pair(reading), plan.threshold, plan.most, bounded)
    digest = series.counter_digest(reading.ask(question, side), plan.threshold)
    side.figures, side.rows = digest.figures, digest.rows
    side.silent = digest.figures["avg"] is None


def _duration(reading: Reading, side: Side) -> None:
    plan = reading.plan
    if plan.duration_query:
        question = _duration_question(reading, promql.query_duration(plan.duration_query), True)
        facts = _ask_own(reading, side, "duration_query", plan.duration_query, question)
        side.kind = "gauge" if facts.count("series") else None
    else:
        labels = {name: found[1] for name, found in reading.found.items()}
        counters = [plan.success_counter, plan.failure_counter]
        shape = promql.duration_shape(labels, plan.duration_metric, counters, plan.matchers, plan.window_s)
        if shape is None:
            return
        side.kind, side.metrics = shape.kind, [shape.metric]
        facts = reading.ask(_duration_question(reading, shape, reading.bounded(shape.metric)), side)
    side.figures, side.rows = series.duration_digest(facts, side.grouped)
    side.silent = facts.one("avg") is None


def _duration_question(reading: Reading, shape: promql.Duration, bounded: bool) -> dict[str, str]:
    plan = reading.plan
    return promql.duration_facts(shape, plan.window_s, plan.baseline_s, plan.most, bounded)


def _ask_own(reading: Reading, side: Side, option: str, own: str, question: dict[str, str]) -> series.Facts:
    """Ask a question around the user's PromQL. Raises BadParameter with Prometheus' own text when it refuses it."""
    try:
        return reading.ask(question, side)
    except QueryRefused as exc:
        text = exc.text
        try:  # alone, so that positions in the text are those of the user's own line
            reading.prometheus.query(own, reading.now)
        except QueryRefused as alone:
            text = alone.text
        raise BadParameter(f"{option}: Prometheus refuses it: {text}; give PromQL of one instant vector.") from exc


def _absent(reading: Reading, success: Side, duration: Side) -> None:
    """For what the window does not know: never seen, gone, or gone because its target is down."""
    plan = reading.plan
    missing: list[tuple[Side, list[str]]] = []
    counters = [plan.success_counter, plan.failure_counter]
    for side, own, names in (
        (success, plan.success_query, promql.success_names(plan.success_metric) + counters),
        (duration, plan.duration_query, promql.duration_names(plan.duration_metric)),
    ):
        if side.kind is None and side.verdict == "ok":
            side.verdict = "metric_unknown"
            if not own:
                missing.append((side, names))
    if not missing:
        return
    everything = [name for dummy, names in missing for name in names]

    def look() -> None:
        before = reading.ask(promql.look_back(everything, plan.matchers, plan.window_s + plan.baseline_s))
        seen = {labels.get("__name__") for labels, dummy in before.rows("series")}
        for side, names in missing:
            if seen & set(names):
                side.verdict = "target_down" if before.count("down") else "series_gone"

    _side(reading, "earlier series", look, None)


# -------------------------------------------------------------------------------------------------------- freshness


def _freshness(reading: Reading, success: Side, duration: Side, freshness: series.Freshness) -> None:
    plan = reading.plan
    sides = [("success", success, metric) for metric in success.metrics]
    sides += [("duration", duration, metric) for metric in duration.metrics]
    if not sides:
        return
    watched = [
        promql.Watched(reading.series_of(metric), _shown(reading, side, metric), name == "success")
        for name, side, metric in sides
    ]
    facts = reading.ask(promql.freshness_facts(watched, plan.window_s, plan.baseline_s, plan.most))
    for index, (name, side, dummy) in enumerate(sides):
        freshness.add_metric(facts, index, name, side.grouped, plan.window_s)
    freshness.add_pushes(facts, plan.window_s, plan.baseline_s)


def _shown(reading: Reading, side: Side, metric: str) -> str:
    """The metric, limited to the worst series when there are more than rows: the question must fit into a URL."""
    if not reading.bounded(metric) or not side.rows:
        return reading.series_of(metric)
    worst = sorted(side.rows, key=lambda key: series.badness({**side.rows[key], "stale": None, "resource": None}))
    labels = [dict(key) for key in worst[:_AGED_ROWS]]
    name = series.resource_label(labels[0], reading.plan.resource_labels, True)
    if name is None:  # no label tells them apart: the worst row at least
        return reading.series_of(metric, *(promql.one_of(key, [text]) for key, text in sorted(labels[0].items())))
    return reading.series_of(metric, promql.one_of(name, sorted({each.get(name, "") for each in labels})))


def _verdict(side: Side, name: str, freshness: series.Freshness) -> str:
    """One word for what the figures of a side are worth."""
    if side.verdict != "ok":
        return side.verdict
    if freshness.late(name):
        return "target_down" if freshness.down else "stale"
    if side.metrics and freshness.push_late:
        return "stale"
    if side.silent and not side.partial:
        return "no_runs"
    return "partial" if side.partial else "ok"


# ------------------------------------------------------------------------------------------------------------- rows


def _rows(reading: Reading, success: Side, duration: Side, freshness: series.Freshness) -> list[dict[str, t.Any]]:
    """The list `series`, worst first."""
    keys = [*success.rows, *duration.rows]
    job_tells = freshness.pushed_at is not None or len({dict(key).get("job") for key in keys}) > 1
    resources = {key: _resource(dict(key), reading.plan.resource_labels, job_tells) for key in keys}
    rows = []
    for key, figures in series.merged(success.rows, duration.rows, resources).items():
        changed = freshness.row_changed.get(key)
        row: dict[str, t.Any] = {"labels": dict(sorted(key)), "resource": resources[key]}
        for name in ("success_avg", "success_min", "success_last"):
            row[name] = figures.get(name)
        row["last_change_at"] = rfc3339(series.moment(changed)) if changed is not None else None
        for name in ("duration_avg_s", "duration_baseline_s", "duration_ratio"):
            row[name] = figures.get(name)
        row["stale"] = freshness.row_stale(key, "success" if key in success.rows else "duration")
        rows.append(row)
    return sorted(rows, key=series.badness)


def _course(success: Side, duration: Side, start: float, window_s: float) -> tuple[list[dict[str, t.Any]], int]:
    """The list `course`: rate and duration over all copy jobs in the parts of the window, the oldest first."""
    part_s = window_s / promql.COURSE_PARTS
    unknown = [None] * promql.COURSE_PARTS
    figures = zip(success.figures.get("course", unknown), duration.figures.get("course", unknown))
    rows = [
        {
            "start": rfc3339(series.moment(start + index * part_s)),
            "end": rfc3339(series.moment(start + (index + 1) * part_s)),
            "success_rate": rate,
            "duration_s": length,
        }
        for index, (rate, length) in enumerate(figures)
    ]
    known = any(row["success_rate"] is not None or row["duration_s"] is not None for row in rows)
    return (rows, len(rows)) if known else ([], 0)


def _resource(labels: series.Labels, order: list[str], job_tells: bool) -> str | None:
    name = series.resource_label(labels, order, job_tells)
    return resource_name(labels[name]) if name else None


# ----------------------------------------------------------------------------------------------------------- pieces


def _side(reading: Reading, what: str, read: t.Callable[[], None], side: Side | None) -> None:
    """A question that the step can do without: a refusal is noted, and the step goes on."""
    dummy, failure = guarded(read)
    if failure is not None:
        reading.denied.append(_denied(what, failure))
        if side is not None:
            side.verdict = "partial"


def _denied(what: str, failure: ReadFailed) -> dict[str, t.Any]:
    return {"what": what, "outcome": failure.outcome, **failure.as_error()}


def _summary(side: Side, names: tuple[str, ...], defaults: dict[str, t.Any]) -> dict[str, t.Any]:
    figures = {**defaults, **side.figures, "type": side.kind}
    return {"verdict": side.verdict, **{name: figures.get(name) for name in names}, "series": _count(side)}


def _count(side: Side) -> int:
    return int(side.figures.get("series") or 0)


def _plan(params: Params) -> Plan:
    """Check the parameters. Raises BadParameter."""
    names = {}
    for option in ("success_rate_metric", "duration_metric", "success_counter", "failure_counter"):
        names[option] = str(params.get(option) or "").strip()
        if not _METRIC_NAME.fullmatch(names[option]):
            raise BadParameter(f"{option}: {names[option]!r} is no metric name; labels go into the option matchers.")
    given = params.get("threshold")
    threshold = 0.9 if given is None else float(given)
    if not 0 < threshold <= 1:
        raise BadParameter(f"threshold: {threshold:g} is no success rate; give a ratio above 0 and up to 1, as 0.9.")
    most = int(params.get("max_rows") or 0)
    if not 1 <= most <= 1000:
        raise BadParameter(f"max_rows: {most} is outside what can be asked; give a number from 1 to 1000.")
    return Plan(
        success_metric=names["success_rate_metric"],
        duration_metric=names["duration_metric"],
        success_counter=names["success_counter"],
        failure_counter=names["failure_counter"],
        success_query=str(params.get("success_rate_query") or "").strip(),
        duration_query=str(params.get("duration_query") or "").strip(),
        matchers=str(params.get("matchers") or "").strip().strip("{}").strip().rstrip(","),
        window_s=duration_parameter(params, "window", least=600, most=31 * 86400.0) or 86400.0,
        baseline_s=duration_parameter(params, "baseline", least=3600, most=92 * 86400.0) or 7 * 86400.0,
        threshold=threshold,
        unit=str(params.get("unit") or "auto"),
        resource_labels=[str(name) for name in params.get("resource_labels") or RESOURCE_LABELS],
        most=most,
    )


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        connection_spec(),
        **prometheus_spec(),
        success_rate_metric={"type": "str", "default": "backup_copy_job_success_rate"},
        duration_metric={"type": "str", "default": "backup_copy_job_duration"},
        success_counter={"type": "str", "default": "backup_copy_job_success_total"},
        failure_counter={"type": "str", "default": "backup_copy_job_failure_total"},
        success_rate_query={"type": "str"},
        duration_query={"type": "str"},
        matchers={"type": "str"},
        window={"type": "str", "default": "24h"},
        baseline={"type": "str", "default": "7d"},
        threshold={"type": "float", "default": 0.9},
        unit={"type": "str", "choices": ["auto", "ratio", "percent"], "default": "auto"},
        resource_labels={"type": "list", "elements": "str", "default": RESOURCE_LABELS},
        max_rows={"type": "int", "default": DEFAULT_ROWS},
    ),
    constraints=PROMETHEUS_CONSTRAINTS,
)
