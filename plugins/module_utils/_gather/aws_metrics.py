# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Step 5 of the region runbook: how many copies succeed and how long they take.

The runbook's CopyJobSuccessRate and CopyJobDuration are no metrics of AWS Backup; both are derived from the copy jobs,
which know the truth. CloudWatch has counts to check them with, and is looked through for metrics that somebody gave the
runbook's names. Everything is asked at once.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta
from functools import partial

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    evidence,
    failed,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_cloudwatch as cloudwatch
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import (
    DAY_S,
    KEPT_S,
    LOOK_BACK,
    Answer,
    Read,
    denied_on,
    look_back_parameter,
    named_sides,
    side_by_side,
    side_read,
    vault_names,
    vault_spec,
    window_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_figures import (
    Durations,
    breakdown,
    course,
    success_rate,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import (
    CopyJobRow,
    jobs_read,
    read_jobs,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import rows_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step, guarded

NAME = "metrics"

_TOLERANCE = 0.1  # share by which best-effort counts may differ from the jobs

Json = t.Dict[str, t.Any]


class _Asked(t.NamedTuple):
    window_s: float
    look_back_s: float
    threshold: float
    namespace: str | None
    vault: str  # of the destination, by whose name AWS Backup counts
    rows: int


def gather(params: Params, clients: t.Any) -> Gathered:
    """Derive rate and duration from the copy jobs, and read what CloudWatch has."""
    asked, query = _asked(params), named_sides(params)
    jobs = read_jobs(params.get("jobs_feed"))
    try:
        source = clients.aws_source
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    now = source.now()
    query["source"]["region"] = source.region
    query.update(window=window(now, asked.window_s), look_back=window(now, asked.look_back_s))
    denied: list[Json] = []
    span = cloudwatch.Span(now - timedelta(seconds=asked.window_s), now)
    reads: dict[str, Read] = {"counts": lambda: cloudwatch.copy_counts(source, asked.vault, span)}
    for name in cloudwatch.CUSTOM:
        reads[name] = partial(cloudwatch.find_custom, source, name, asked.namespace)
    if jobs is None:
        reads["jobs"] = jobs_read(params, clients, now - timedelta(seconds=asked.look_back_s), denied)
    found = side_by_side(reads)
    told, refused = found.get("jobs", (None, None))
    if told is not None:
        query.update(told.pair.query())
        jobs = told.copies.rows
    derived = _derived(asked, jobs, now) if jobs is not None else {"summary": {}, "rows": {}}
    runs = derived["summary"].get("success_rate", {}).get("runs")
    summary = {
        **derived["summary"],
        "counts": _counts(clients, asked.vault, span, found["counts"], runs, denied),
        "custom": _custom(source, span, found, denied),
    }
    return Gathered(
        evidence(
            NAME,
            outcome=refused.outcome if refused else "ok" if jobs else "empty",
            query=query,
            summary=summary,
            rows=derived["rows"],
            covered=None if refused else window(now, min(asked.look_back_s, KEPT_S)),
            observed_at=rfc3339(now),
            clock=source.clock.as_evidence(),
            error=refused.as_error() if refused else None,
            denied=denied,
        )
    )


def _derived(asked: _Asked, jobs: list[CopyJobRow], now: datetime) -> dict[str, Json]:
    """Members of `summary`, and lists, that the copy jobs alone tell."""
    start, since = now.timestamp() - asked.window_s, now.timestamp() - asked.look_back_s
    durations = Durations(jobs, start, since)
    return {
        "summary": {
            "success_rate": success_rate(jobs, start, asked.window_s, asked.threshold),
            "duration": durations.summary(),
        },
        "rows": {
            "by_type": breakdown(jobs, start, lambda row: row.type, asked.rows),
            "by_role": breakdown(jobs, start, _role, asked.rows),
            "by_rule": breakdown(jobs, start, _rule, asked.rows),
            "resources": durations.rows(asked.rows),
            "course": course(jobs, now.timestamp(), asked.look_back_s),
        },
    }


def _asked(params: Params) -> _Asked:
    window_s = window_parameter(params)
    given = params.get("threshold")
    threshold = 0.95 if given is None else float(given)
    if not 0 < threshold <= 1:
        raise BadParameter(f"threshold: {threshold:g} is no success rate; give a ratio above 0 and up to 1, as 0.95.")
    namespace = params.get("custom_metric_namespace") or None
    if namespace and (len(namespace) > 255 or namespace.startswith(":")):
        raise BadParameter(
            f"custom_metric_namespace: {namespace[:40]!r} is no namespace of CloudWatch; it has at most 255 characters "
            "and does not begin with a colon."
        )
    look_back_s = max(look_back_parameter(params), window_s + DAY_S)
    return _Asked(window_s, look_back_s, threshold, namespace, vault_names(params)[1], rows_parameter(params))


def _role(row: CopyJobRow) -> str:
    return row.origin.role or "unknown"


def _rule(row: CopyJobRow) -> str:
    origin = row.origin
    if origin.plan_id is None and origin.plan is None:
        return "on demand"
    return f"{origin.plan or origin.plan_id}/{origin.rule or origin.rule_id}"


# --------------------------------------------------------------------------------------------------------- CloudWatch


def _counts(
    clients: t.Any,
    vault: str,
    span: cloudwatch.Span,
    read: Answer,
    runs: int | None,
    denied: list[Json],
) -> Json:
    """summary.counts. The counts are expected where the jobs are; only jobs without any send us to the other side."""
    (counts, failure), side = read, "source"
    if runs and counts is not None and not _any(counts):
        answer = guarded(lambda: cloudwatch.copy_counts(clients.aws_destination, vault, span))
        there = side_read(answer, "destination", "copy counts", denied)
        if there is not None and _any(there):
            counts, side = there, "destination"
    counts = side_read((counts, failure), "source", "copy counts", denied) or {}
    told = {name: counts.get(name) for name in cloudwatch.COUNTS}
    outcome = failure.outcome if failure else "ok" if _any(counts) else "empty"
    difference = None
    if failure is None and runs is not None:
        difference = (told["completed"] or 0) + (told["failed"] or 0) - runs
    agrees = None if difference is None else abs(difference) <= max(1.0, _TOLERANCE * (runs or 0))
    return {"outcome": outcome, "side": side, **told, "agrees": agrees, "difference": difference}


def _any(counts: dict[str, t.Any]) -> bool:
    return any(value is not None for value in counts.values())


def _custom(source: t.Any, span: cloudwatch.Span, found: t.Mapping[str, Answer], denied: list[Json]) -> Json:
    """summary.custom: figures of the metrics that somebody named as the runbook does; null where there is none."""
    series = {name: found[name][0] or [] for name in cloudwatch.CUSTOM}
    refused = next((failure for name in cloudwatch.CUSTOM if (failure := found[name][1]) is not None), None)
    figures, unread = guarded(lambda: cloudwatch.custom_figures(source, series, span))
    for failure in (refused, unread):
        if failure is not None:
            denied.append(denied_on("source", "custom metrics", failure))
    return dict(figures or dict.fromkeys(cloudwatch.CUSTOM))


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        vault_spec(),
        window={"type": "str", "default": "24h"},
        look_back={"type": "str", "default": LOOK_BACK},
        threshold={"type": "float", "default": 0.95},
        custom_metric_namespace={"type": "str"},
        vaults_feed={"type": "dict"},
        jobs_feed={"type": "str"},
    ),
)
