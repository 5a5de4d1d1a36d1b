# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 1: the copy jobs of a namespace, and the CronJobs that make them.

A list of Jobs alone misleads: TTL and history limits remove most of them, and a suspended or blocked schedule has none
to show. So the CronJobs are read too, and the evidence says how far back the list can see.
"""

from __future__ import annotations

import functools
import typing as t
from collections import Counter
from datetime import datetime, timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    median,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _copyjobs, _cronjobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    Worst,
    denied_entry,
    look_for_namespace,
    namespace_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._copyjobs import CopyJob
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._cronjobs import CronJob
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._hours import Ran, by_hour
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import DEFAULT_LABEL
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import Selector, selector_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step, guarded

NAME = "jobs"


class _Asked(t.NamedTuple):
    namespace: str
    selector: Selector
    resource_label: str
    window_s: float
    rows: int


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read Jobs (one paged list by label) and CronJobs (one paged list), and say what they mean together."""
    asked = _Asked(
        namespace=namespace_parameter(params),
        selector=selector_parameter(params),
        resource_label=str(params.get("resource_label") or DEFAULT_LABEL),
        window_s=duration_parameter(params, "window") or 86400.0,
        rows=rows_parameter(params),
    )
    query: dict[str, t.Any] = {
        "cluster": None,
        "namespace": asked.namespace,
        "label_selector": asked.selector.text,
        "resource_label": asked.resource_label,
    }
    try:
        cluster = clients.cluster
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    query["cluster"] = cluster.host
    jobs, refused = guarded(lambda: _read_jobs(cluster, asked))
    if refused and (refused.outcome != "forbidden" or refused.code == 401):
        return Gathered(failed(NAME, query, refused))
    jobs = jobs or []  # with the Jobs refused, the CronJobs may be readable all the same
    cronjobs, denied = _read_cronjobs(cluster, asked, {job.cronjob for job in jobs if job.cronjob})
    if not jobs and not cronjobs and refused is None:
        refused, unknown = look_for_namespace(cluster, asked.namespace)
        denied += unknown
    return _answer(asked, query, cluster, _Picture(asked, jobs, cronjobs, cluster.clock.now()), denied, refused)


def _read_jobs(cluster: t.Any, asked: _Asked) -> list[CopyJob]:
    path = path_of("batch", "v1", "jobs", asked.namespace)
    query = {"labelSelector": asked.selector.text} if asked.selector.text else None
    return [
        _copyjobs.parse_job(obj, cluster.clock.now(), asked.resource_label) for obj in cluster.list(path, query)
    ]


def _read_cronjobs(
    cluster: t.Any, asked: _Asked, owners: set[str]
) -> tuple[list[CronJob], list[dict[str, t.Any]]]:
    """The CronJobs that make copy jobs, and the refusal to read them.

    All of the namespace are listed: the label may stand on the CronJob, on its job template or on neither.
    """
    found: list[CronJob] = []
    try:
        for obj in cluster.list(path_of("batch", "v1", "cronjobs", asked.namespace)):
            cronjob = _cronjobs.parse_cronjob(obj, asked.selector, asked.resource_label)
            if cronjob.selected or cronjob.name in owners:
                found.append(cronjob)
    except ReadFailed as failure:
        return [], [denied_entry("cronjobs", failure)]
    return found, []


class _Picture:
    """Jobs and CronJobs put together per resource."""

    def __init__(self, asked: _Asked, jobs: list[CopyJob], cronjobs: list[CronJob], now: datetime) -> None:
        self.now = now
        self.start = now - timedelta(seconds=asked.window_s)
        self.jobs = sorted(jobs, key=CopyJob.came_at, reverse=True)
        self.cronjobs = cronjobs
        strip = asked.selector.words()
        self.of_cronjob = {cronjob.name: cronjob.resource(strip) for cronjob in cronjobs}
        self.schedules = {cronjob.name: _cronjobs.schedule_of(cronjob) for cronjob in cronjobs}
        self.intervals = {
            name: schedule.interval_s(now) if schedule else None for name, schedule in self.schedules.items()
        }
        self.resource = [job.resource(strip, self.of_cronjob) for job in self.jobs]
        self.runs: dict[str, list[CopyJob]] = {}  # resource: its listed jobs, newest first
        self.made_by: dict[str, list[CopyJob]] = {}  # CronJob: likewise
        for job, resource in zip(self.jobs, self.resource):
            self.runs.setdefault(resource, []).append(job)
            if job.cronjob:
                self.made_by.setdefault(job.cronjob, []).append(job)
        self.medians = {resource: usual_duration(runs) for resource, runs in self.runs.items()}
        self.states = [self._state(job, resource) for job, resource in zip(self.jobs, self.resource)]

    def _state(self, job: CopyJob, resource: str) -> str:
        interval_s = self.intervals.get(job.cronjob) if job.cronjob else None
        late = _copyjobs.is_overdue(job, self.now, self.medians[resource], interval_s)
        return "overdue" if late else job.state

    def in_window(self, moment: datetime | None) -> bool:
        """Whether something happened in the asked window."""
        return moment is not None and moment >= self.start

    @functools.cached_property
    def listed_since(self) -> dict[str | None, datetime | None]:
        """{CronJob, None for jobs without one: since when its history limits and TTL removed no run; None: ever}."""
        limits = {cronjob.name: cronjob for cronjob in self.cronjobs}
        without = [job for job in self.jobs if not job.cronjob]
        return {
            name: _listed_since(runs, limits.get(name or ""), self.now)
            for name, runs in [*self.made_by.items(), (None, without)]
        }

    def latest(self) -> dict[str, int]:
        """Resource: the position of its newest job."""
        found: dict[str, int] = {}
        for at, resource in enumerate(self.resource):
            found.setdefault(resource, at)
        return found


def _listed_since(runs: list[CopyJob], cronjob: CronJob | None, now: datetime) -> datetime | None:
    starts = [now - timedelta(seconds=run.ttl_s) for run in runs if run.ttl_s is not None]
    limits = (("succeeded", cronjob.successful_limit), ("failed", cronjob.failed_limit)) if cronjob else ()
    for state, limit in limits:
        ends = [run.ended_at for run in runs if run.state == state and run.ended_at]
        if ends and len(ends) >= limit:
            starts.append(min(ends))
    return max(starts, default=None)


def usual_duration(runs: t.Iterable[CopyJob]) -> float | None:
    """The median duration of successful runs, seconds."""
    return median([run.duration_s for run in runs if run.state == "succeeded" and run.duration_s is not None])


# --------------------------------------------------------------------------------------------------------- rows


def _job_rows(picture: _Picture, most: int) -> tuple[list[dict[str, t.Any]], int]:
    latest = picture.latest()
    worst = Worst(most)
    for at, (job, resource, state) in enumerate(zip(picture.jobs, picture.resource, picture.states)):
        newest = latest[resource] == at
        # What a later run has made good calls for less attention than what is still so.
        weight = float(_copyjobs.SEVERITY[state]) * (1.0 if newest else 0.5)
        if state == "succeeded" and job.failed:
            weight = 0.5
        worst.push((weight, job.came_at()), at)
    rows = []
    for at in worst.rows():
        resource = picture.resource[at]
        rows.append(
            _copyjobs.job_row(
                picture.jobs[at],
                resource=resource,
                latest=latest[resource] == at,
                now=picture.now,
                state=picture.states[at],
            )
        )
    return rows, worst.total


def _cronjob_rows(picture: _Picture, most: int) -> tuple[list[dict[str, t.Any]], int]:
    worst = Worst(most)
    for cronjob in picture.cronjobs:
        resource = picture.of_cronjob[cronjob.name]
        row = _cronjobs.cronjob_row(
            cronjob,
            resource=resource,
            schedule=picture.schedules[cronjob.name],
            interval_s=picture.intervals[cronjob.name],
            runs=picture.made_by.get(cronjob.name, []),
            median_s=picture.medians.get(resource),
            now=picture.now,
        )
        worst.push((_cronjobs.SEVERITY[row["state"]], row["missed"] or 0), row)
    return worst.rows(), worst.total


def _resource_rows(picture: _Picture, most: int) -> tuple[list[dict[str, t.Any]], int, int]:
    """(rows, how many resources there are, how many of them fail)."""
    cronjob_of = {resource: name for name, resource in picture.of_cronjob.items()}
    success_of: dict[str, datetime] = {}
    for cronjob in picture.cronjobs:
        if cronjob.last_success_at:
            resource = picture.of_cronjob[cronjob.name]
            success_of[resource] = max(cronjob.last_success_at, success_of.get(resource, cronjob.last_success_at))
    latest = picture.latest()
    worst, failing = Worst(most), 0
    for resource in dict.fromkeys([*picture.runs, *picture.of_cronjob.values()]):
        at = latest.get(resource)
        state = None if at is None else picture.states[at]
        row = _resource_row(picture, resource, state, success_of.get(resource), cronjob_of.get(resource))
        failing += bool(row["consecutive_failures"] or state in ("failed", "failing", "blocked"))
        weight = max(_copyjobs.SEVERITY.get(state or "", 0), 8 if row["consecutive_failures"] else 0)
        worst.push((weight, row["consecutive_failures"], row["ended_at"] or ""), row)
    return worst.rows(), worst.total, failing


def _resource_row(
    picture: _Picture, resource: str, state: str | None, success_at: datetime | None, cronjob: str | None
) -> dict[str, t.Any]:
    runs = picture.runs.get(resource, [])
    finished = [run for run in runs if run.state in _copyjobs.FINISHED]
    failures = 0
    for run in finished:
        if run.state == "succeeded":
            break
        failures += 1
    ended = [run for run in finished if picture.in_window(run.ended_at)]
    successes = [run.ended_at for run in finished if run.state == "succeeded" and run.ended_at]
    newest = runs[0] if runs else None
    return {
        "resource": resource,
        "state": state,
        "job": newest.name if newest else None,
        "reason": newest.reason if newest else None,
        "ended_at": rfc3339(newest.ended_at) if newest else None,
        "consecutive_failures": failures,
        "runs": len(ended),
        "failed": sum(run.state == "failed" for run in ended),
        "last_success_at": rfc3339(max([*successes, *([success_at] if success_at else [])], default=None)),
        "cronjob": (newest.cronjob if newest else None) or cronjob,
    }


# ------------------------------------------------------------------------------------------------------ answers


def _answer(
    asked: _Asked,
    query: dict[str, t.Any],
    cluster: t.Any,
    picture: _Picture,
    denied: list[dict[str, t.Any]],
    refused: ReadFailed | None,
) -> Gathered:
    jobs, job_count = _job_rows(picture, asked.rows)
    cronjobs, cronjob_count = _cronjob_rows(picture, asked.rows)
    resources, resource_count, failing = _resource_rows(picture, asked.rows)
    hours = _hours(picture)
    outcome = "ok" if picture.jobs or picture.cronjobs else "empty"
    return Gathered(
        evidence(
            NAME,
            outcome=refused.outcome if refused else outcome,
            query=dict(query, window=window(picture.now, asked.window_s)),
            covered=_covered(picture),
            observed_at=rfc3339(picture.now),
            clock=cluster.clock.as_evidence(),
            summary=_summary(picture, resource_count, failing),
            rows={
                "resources": (resources, resource_count),
                "jobs": (jobs, job_count),
                "cronjobs": (cronjobs, cronjob_count),
                "slots": (hours, len(hours)),
            },
            error=refused.as_error() if refused else None,
            denied=denied,
        ),
        feed=_feed(picture),
    )


def _summary(picture: _Picture, resources: int, failing: int) -> dict[str, t.Any]:
    ended = Counter(job.state for job in picture.jobs if picture.in_window(job.ended_at))
    made = [job.created_at for job in picture.jobs if job.created_at]
    ttls = [job.ttl_s for job in picture.jobs if job.ttl_s is not None]
    return {
        "jobs": len(picture.jobs),
        "cronjobs": len(picture.cronjobs),
        "by_state": dict(Counter(picture.states)),
        "window": {
            "runs": ended["succeeded"] + ended["failed"],
            "succeeded": ended["succeeded"],
            "failed": ended["failed"],
        },
        "median_duration_s": usual_duration(picture.jobs),
        "switches": sum(_switches(runs) for runs in picture.runs.values()),
        "oldest_listed_at": rfc3339(min(made, default=None)),
        "horizon": {
            "successful_limit": min((cronjob.successful_limit for cronjob in picture.cronjobs), default=None),
            "failed_limit": min((cronjob.failed_limit for cronjob in picture.cronjobs), default=None),
            "ttl_s": min(ttls, default=None),
        },
        "resources": resources,
        "resources_failing": failing,
    }


def _switches(runs: list[CopyJob]) -> int:
    """How often the outcome of one resource's runs changed from one to the next."""
    states = [run.state for run in runs if run.state in _copyjobs.FINISHED]
    return sum(before != after for before, after in zip(states, states[1:]))


def _covered(picture: _Picture) -> dict[str, str | None] | None:
    """Since when every run must still be listed: history limits and TTL remove the others. None: nothing is known."""
    if not picture.jobs:
        return None
    start = max([picture.start, *(since for since in picture.listed_since.values() if since)])
    return {"start": rfc3339(start), "end": rfc3339(picture.now)}


def _hours(picture: _Picture) -> list[dict[str, int]]:
    since = picture.listed_since
    found = []
    for job, resource in zip(picture.jobs, picture.resource):
        began, ended = job.scheduled_at or job.created_at, job.ended_at
        if job.state in _copyjobs.FINISHED and began and ended:
            first = since[job.cronjob]
            # The run with which the list begins was not drawn by lot: it is there because it is the oldest of its kind.
            found.append(Ran(resource, began.timestamp(), job.state == "failed", first is None or ended > first))
    return by_hour(found)


def _feed(picture: _Picture) -> dict[str, t.Any]:
    runs, jobs = [], []
    good: set[str] = set()
    for job, resource, state in zip(picture.jobs, picture.resource, picture.states):
        jobs.append(
            {
                "job": job.name,
                "uid": job.uid,
                "resource": resource,
                "cronjob": job.cronjob,
                "state": state,
                "reason": job.reason,
            }
        )
        newest_success = state == "succeeded" and resource not in good
        if newest_success:
            good.add(resource)
        if newest_success or job.ended_at is None or picture.in_window(job.ended_at):
            runs.append(
                {
                    "job": job.name,
                    "resource": resource,
                    "state": state,
                    "scheduled_at": rfc3339(job.scheduled_at),
                    "started_at": rfc3339(job.started_at),
                    "ended_at": rfc3339(job.ended_at),
                    "cronjob": job.cronjob,
                }
            )
    schedules: dict[str, float] = {}
    for name, interval_s in picture.intervals.items():
        if interval_s is not None:
            resource = picture.of_cronjob[name]
            schedules[resource] = min(interval_s, schedules.get(resource, interval_s))
    cronjobs = [{"cronjob": name, "resource": resource} for name, resource in picture.of_cronjob.items()]
    return {"runs": runs, "schedules": schedules, "jobs": jobs, "cronjobs": cronjobs}


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        connection_spec(),
        namespace={"type": "str", "required": True},
        label_selector={"type": "str", "default": "app=backup-sync"},
        resource_label={"type": "str", "default": DEFAULT_LABEL},
        window={"type": "str", "default": "24h"},
        max_rows={"type": "int", "default": 50},
    ),
)
