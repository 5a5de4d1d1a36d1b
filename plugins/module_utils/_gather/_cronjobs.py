# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""One CronJob that makes copy jobs: its schedule, what it has missed, and whether a run blocks it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time, rfc3339, seconds_between
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._copyjobs import CopyJob
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import (
    labelled_resource,
    resource_name,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._schedule import Schedule, parse_schedule
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import Selector

SLACK_S = 60.0  # the controller looks at every CronJob some seconds after its slot
LEAST_STUCK_S = 600.0  # without a usual duration and an interval, ten minutes are no proof of a stuck run

SEVERITY = {"stuck": 5, "missed": 4, "failing": 3, "suspended": 2, "never_ran": 1, "ok": 0}


class CronJob(t.NamedTuple):
    """What is kept of a CronJob object."""

    name: str
    label: str | None
    selected: bool  # by its own labels or those that it gives its jobs
    schedule: str | None
    time_zone: str | None
    suspended: bool
    policy: str
    created_at: datetime | None
    last_schedule_at: datetime | None
    last_success_at: datetime | None
    active: tuple[str, ...]
    successful_limit: int
    failed_limit: int

    def resource(self, strip: t.Sequence[str]) -> str:
        """The resource that it copies."""
        return self.label or resource_name(self.name, strip=strip)


def parse_cronjob(obj: dict[str, t.Any], selector: Selector, resource_label: str | None) -> CronJob:
    """The CronJob of an object."""
    meta, spec, status = (obj.get(part) or {} for part in ("metadata", "spec", "status"))
    template_labels = ((spec.get("jobTemplate") or {}).get("metadata") or {}).get("labels")
    return CronJob(
        name=str(meta.get("name") or ""),
        label=labelled_resource(obj, resource_label),
        selected=selector.matches(meta.get("labels")) or selector.matches(template_labels),
        schedule=spec.get("schedule"),
        time_zone=spec.get("timeZone"),
        suspended=bool(spec.get("suspend")),
        policy=str(spec.get("concurrencyPolicy") or "Allow"),
        created_at=parse_time(meta.get("creationTimestamp")),
        last_schedule_at=parse_time(status.get("lastScheduleTime")),
        last_success_at=parse_time(status.get("lastSuccessfulTime")),
        active=tuple(str(ref.get("name")) for ref in status.get("active") or [] if ref.get("name")),
        successful_limit=int(spec.get("successfulJobsHistoryLimit", 3)),
        failed_limit=int(spec.get("failedJobsHistoryLimit", 1)),
    )


def schedule_of(cronjob: CronJob) -> Schedule | None:
    """Its schedule; None when it is not understood."""
    return parse_schedule(cronjob.schedule, cronjob.time_zone)


def cronjob_row(
    cronjob: CronJob,
    *,
    resource: str,
    schedule: Schedule | None,
    interval_s: float | None,
    runs: t.Sequence[CopyJob],
    median_s: float | None,
    now: datetime,
) -> dict[str, t.Any]:
    """The row of `cronjobs`; runs are its listed jobs, newest first, median_s the usual duration."""
    since = cronjob.last_schedule_at or cronjob.created_at
    due = missed = None
    if schedule and since:
        next_due = schedule.next_after(since)
        due = rfc3339(next_due)
        missed = len(schedule.between(since, now - timedelta(seconds=SLACK_S))) if next_due else 0
    stuck = _stuck(cronjob, runs, missed, median_s, interval_s, now)
    return {
        "cronjob": cronjob.name,
        "resource": resource,
        "schedule": cronjob.schedule,
        "time_zone": cronjob.time_zone,
        "interval_s": interval_s,
        "suspended": cronjob.suspended,
        "concurrency_policy": cronjob.policy,
        "last_schedule_at": rfc3339(cronjob.last_schedule_at),
        "last_success_at": rfc3339(cronjob.last_success_at),
        "next_due_at": due,
        "missed": missed,
        "active": list(cronjob.active),
        "stuck": stuck,
        "state": _state(cronjob, runs, missed, stuck),
    }


def _stuck(
    cronjob: CronJob,
    runs: t.Sequence[CopyJob],
    missed: int | None,
    median_s: float | None,
    interval_s: float | None,
    now: datetime,
) -> dict[str, t.Any] | None:
    """The run that keeps a Forbid schedule from starting its next ones; None if none does."""
    if cronjob.policy != "Forbid" or not cronjob.active or missed == 0:
        return None
    started = {run.name: run.started_at or run.created_at for run in runs}
    oldest = min(cronjob.active, key=lambda name: (started.get(name) or cronjob.last_schedule_at or now))
    age_s = seconds_between(started.get(oldest) or cronjob.last_schedule_at, now)
    usual_s = median_s if median_s is not None else interval_s
    limit_s = 2 * usual_s if usual_s is not None and missed else max(2 * (usual_s or 0.0), LEAST_STUCK_S)
    if age_s is None or age_s <= limit_s:
        return None
    return {"job": oldest, "age_s": age_s, "median_s": median_s}


def _state(
    cronjob: CronJob, runs: t.Sequence[CopyJob], missed: int | None, stuck: dict[str, t.Any] | None
) -> str:
    if cronjob.suspended:
        return "suspended"
    if stuck:
        return "stuck"
    # A run that takes over its own next slot under Forbid is slow, not a schedule that stands still.
    if missed and not (cronjob.policy == "Forbid" and cronjob.active):
        return "missed"
    if cronjob.last_schedule_at is None:
        return "never_ran"
    return "failing" if _failing(cronjob, runs) else "ok"


def _failing(cronjob: CronJob, runs: t.Sequence[CopyJob]) -> bool:
    """Whether its newest finished run failed, as far as the status and the listed jobs tell."""
    finished = next((run for run in runs if run.ended_at), None)
    if finished and finished.state == "failed":
        ended, success = finished.ended_at, cronjob.last_success_at
        return success is None or ended is None or ended >= success
    if finished or cronjob.active:
        return False
    # Nothing is listed: TTL has removed the jobs, the status outlives them.
    last, success = cronjob.last_schedule_at, cronjob.last_success_at
    return last is not None and (success is None or success < last)
