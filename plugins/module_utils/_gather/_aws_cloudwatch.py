# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What CloudWatch knows of copies: the counts of AWS Backup, and metrics that somebody gave the runbook's names.

AWS Backup publishes counts only, by best effort, and under the bare name of the destination vault, so that vaults of
one name fall together. They check the copy jobs and never replace them.
"""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import member_of

COUNTS = {
    "created": "NumberOfCopyJobsCreated",
    "completed": "NumberOfCopyJobsCompleted",
    "failed": "NumberOfCopyJobsFailed",
}
CUSTOM = ("CopyJobSuccessRate", "CopyJobDuration")
_STATS = ("average", "minimum", "maximum")
_MOST_SERIES = 20
_FINE_S, _COARSE_S = 300, 3600
_FINE_FOR_S = 14 * 86400.0

Json = t.Dict[str, t.Any]


class Span(t.NamedTuple):
    """What is asked about."""

    start: datetime
    end: datetime

    @property
    def period_s(self) -> int:
        """Long spans in hours: a reply has a bound, and fine samples are not kept for ever."""
        return _FINE_S if (self.end - self.start).total_seconds() <= _FINE_FOR_S else _COARSE_S


def copy_counts(account: t.Any, vault: str, span: Span) -> dict[str, int | None]:
    """What AWS Backup counted for copies into the vault; None of what it never published. Raises ReadFailed."""
    dimensions = [{"Name": "BackupVaultName", "Value": vault}]
    queries = [
        _query(name, {"Namespace": "AWS/Backup", "MetricName": metric, "Dimensions": dimensions}, "Sum", span)
        for name, metric in COUNTS.items()
    ]
    found = _read(account, queries, span)
    return {name: round(sum(found[name][1])) if found[name][1] else None for name in COUNTS}


def find_custom(account: t.Any, name: str, namespace: str | None) -> list[Json]:
    """The series of a metric that has one of the runbook's names, with data in the last two weeks. Raises ReadFailed.

    Without a namespace all are looked through, and the first that has the metric is taken.
    """
    within = {"Namespace": namespace} if namespace else {}
    reply = account.call("cloudwatch", "ListMetrics", MetricName=name, **within)
    return _of_one_namespace(member_of(reply, "Metrics", "ListMetrics"))


def _of_one_namespace(metrics: list[Json]) -> list[Json]:
    namespaces = sorted({str(metric.get("Namespace")) for metric in metrics})
    chosen = [metric for metric in metrics if metric.get("Namespace") == namespaces[0]]
    return sorted(chosen, key=str)[:_MOST_SERIES]


def custom_figures(account: t.Any, series: dict[str, list[Json]], span: Span) -> dict[str, Json | None]:
    """{name: figures over all its series} in the unit of whoever made them. Raises ReadFailed."""
    figures: dict[str, Json | None] = dict.fromkeys(series)
    queries = [
        _query(f"m{number}_{at}_{stat}", metric, stat.capitalize(), span)
        for number, metrics in enumerate(series.values())
        for at, metric in enumerate(metrics)
        for stat in _STATS
    ]
    if not queries:
        return figures
    found = _read(account, queries, span)
    for number, (name, metrics) in enumerate(series.items()):
        if metrics:
            told = {stat: [found[f"m{number}_{at}_{stat}"] for at in range(len(metrics))] for stat in _STATS}
            figures[name] = _figures(str(metrics[0].get("Namespace")), told)
    return figures


def _figures(namespace: str, told: dict[str, list[_Points]]) -> Json:
    averages = [value for dummy, values in told["average"] for value in values]
    newest = max((pair for times, values in told["average"] for pair in zip(times, values)), default=None)
    return {
        "namespace": namespace,
        "series": len(told["average"]),
        "avg": round(sum(averages) / len(averages), 4) if averages else None,
        "min": min((value for dummy, values in told["minimum"] for value in values), default=None),
        "max": max((value for dummy, values in told["maximum"] for value in values), default=None),
        "last": newest[1] if newest else None,
    }


# ------------------------------------------------------------------------------------------------------- GetMetricData

_Points = t.Tuple[t.List[float], t.List[float]]


def _query(name: str, metric: Json, stat: str, span: Span) -> Json:
    told = {member: metric[member] for member in ("Namespace", "MetricName", "Dimensions") if metric.get(member)}
    return {"Id": name, "MetricStat": {"Metric": told, "Period": span.period_s, "Stat": stat}}


def _read(account: t.Any, queries: list[Json], span: Span) -> dict[str, _Points]:
    """{id: (times, values)} of all queries, with one call where the answer fits a page."""
    found: dict[str, _Points] = {query["Id"]: ([], []) for query in queries}
    for reply in account.pages(
        "cloudwatch", "GetMetricData", MetricDataQueries=queries, StartTime=span.start, EndTime=span.end
    ):
        for result in member_of(reply, "MetricDataResults", "GetMetricData"):
            times, values = found[result["Id"]]
            times += [moment(at) or 0.0 for at in result.get("Timestamps") or []]
            values += result.get("Values") or []
    return found
