# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""One copy job: what its Job object says, and the state that follows from it."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    clip,
    parse_time,
    rfc3339,
    seconds_between,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import (
    labelled_resource,
    owner_of,
    resource_name,
)

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
BUILT_IN_CONTROLLER = "kubernetes.io/job-controller"
NEW_JOB_S = 120.0  # a controller that cannot create pods shows it after its first tries
LEAST_OVERDUE_S = 600.0  # below ten minutes "three times the usual" is noise
FINISHED = frozenset({"succeeded", "failed"})
FAILED = frozenset({"failed", "failing"})

# How much a state calls for attention; higher is worse.
SEVERITY = {
    "failed": 9,
    "failing": 8,
    "blocked": 7,
    "overdue": 6,
    "starting": 5,
    "suspended": 4,
    "unmanaged": 3,
    "running": 2,
    "completing": 1,
    "succeeded": 0,
}


class CopyJob(t.NamedTuple):
    """What is kept of a Job object; thousands of these stay in memory, the objects do not."""

    name: str
    uid: str
    label: str | None  # the resource that a label names
    cronjob: str | None
    created_at: datetime | None
    scheduled_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    state: str
    reason: str | None
    message: str | None
    active: int
    ready: int | None
    failed: int
    terminating: int | None
    backoff_limit: int | None
    deadline_s: int | None
    ttl_s: int | None
    managed_by: str | None
    image: str | None
    config: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def duration_s(self) -> float | None:
        """Start to end of a finished run, seconds."""
        return seconds_between(self.started_at, self.ended_at)

    def came_at(self) -> float:
        """What orders the runs of a resource: the slot they were made for, else when they were made."""
        moment = self.scheduled_at or self.created_at
        return moment.timestamp() if moment else 0.0

    def resource(self, strip: t.Sequence[str], of_cronjob: t.Mapping[str, str]) -> str:
        """Its resource; a label on the CronJob alone counts too."""
        if self.label:
            return self.label
        if self.cronjob:
            return of_cronjob.get(self.cronjob) or resource_name(self.cronjob, strip=strip)
        return resource_name(self.name, strip=strip)


def parse_job(obj: dict[str, t.Any], now: datetime, resource_label: str | None) -> CopyJob:
    """The copy job of a Job object; now is the server's time. `overdue` needs its siblings: see is_overdue."""
    meta, spec, status = (obj.get(part) or {} for part in ("metadata", "spec", "status"))
    conditions = true_conditions(status)
    state, deciding = _state(spec, status, conditions, now, parse_time(meta.get("creationTimestamp")))
    template = ((spec.get("template") or {}).get("spec")) or {}
    containers = template.get("containers") or [{}]
    return CopyJob(
        name=str(meta.get("name") or ""),
        uid=str(meta.get("uid") or ""),
        label=labelled_resource(obj, resource_label),
        cronjob=owner_of(obj, "CronJob"),
        created_at=parse_time(meta.get("creationTimestamp")),
        scheduled_at=parse_time((meta.get("annotations") or {}).get(SCHEDULED_AT)),
        started_at=parse_time(status.get("startTime")),
        ended_at=_end(status, state, conditions),
        state=state,
        reason=deciding.get("reason") or None,
        message=clip(deciding.get("message")) or None,
        active=int(status.get("active") or 0),
        ready=status.get("ready"),
        failed=int(status.get("failed") or 0),
        terminating=status.get("terminating"),
        backoff_limit=spec.get("backoffLimit"),
        deadline_s=spec.get("activeDeadlineSeconds"),
        ttl_s=spec.get("ttlSecondsAfterFinished"),
        managed_by=spec.get("managedBy"),
        image=containers[0].get("image"),
        config=_references(template),
    )


def is_overdue(job: CopyJob, now: datetime, median_s: float | None, interval_s: float | None) -> bool:
    """Whether a running job runs far longer than its resource's runs usually do, or into its own next slot."""
    age_s = seconds_between(job.started_at, now) if job.state == "running" else None
    if age_s is None:
        return False
    if median_s is not None and age_s > max(3 * median_s, LEAST_OVERDUE_S):
        return True
    return interval_s is not None and age_s > interval_s


def true_conditions(status: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """The conditions that hold, by type; Suspended=False is normal on a resumed job."""
    found = {}
    for condition in status.get("conditions") or []:
        if isinstance(condition, dict) and condition.get("status") == "True":
            found[str(condition.get("type"))] = condition
    return found


def _state(
    spec: dict[str, t.Any],
    status: dict[str, t.Any],
    conditions: dict[str, dict[str, t.Any]],
    now: datetime,
    created_at: datetime | None,
) -> tuple[str, dict[str, t.Any]]:
    """(state, the condition that decided it, {} if none did)."""
    for kind, state in (
        ("Failed", "failed"),
        ("Complete", "succeeded"),
        ("FailureTarget", "failing"),
        ("SuccessCriteriaMet", "completing"),
    ):
        if kind in conditions:
            return state, conditions[kind]
    if spec.get("managedBy") not in (None, "", BUILT_IN_CONTROLLER):
        return "unmanaged", {}
    if spec.get("suspend"):
        return "suspended", conditions.get("Suspended", {})
    return _unfinished_state(status, now, created_at), {}


def _unfinished_state(status: dict[str, t.Any], now: datetime, created_at: datetime | None) -> str:
    active = int(status.get("active") or 0)
    age_s = seconds_between(parse_time(status.get("startTime")) or created_at, now)
    old = age_s is not None and age_s > NEW_JOB_S  # a job of the last moments has had no time to show trouble
    if active == 0:
        moving = any((status.get("uncountedTerminatedPods") or {}).values()) or bool(status.get("terminating"))
        if moving:  # the counters are about to change: its pods have just ended
            return "running"
        # Pods have been there and failed: the controller waits, up to six minutes, before it makes the next.
        waiting = int(status.get("failed") or 0) > 0 or int(status.get("succeeded") or 0) > 0
        if waiting:
            return "starting"
        return "blocked" if old else "running"
    return "starting" if old and status.get("ready") == 0 else "running"


def _end(status: dict[str, t.Any], state: str, conditions: dict[str, dict[str, t.Any]]) -> datetime | None:
    """When a finished job ended; only a successful one has completionTime."""
    if state == "succeeded":
        own = parse_time(status.get("completionTime"))
        return own or parse_time(conditions["Complete"].get("lastTransitionTime"))
    if state == "failed":
        return parse_time(conditions["Failed"].get("lastTransitionTime"))
    return None


def _references(template: dict[str, t.Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(ConfigMaps, Secrets) that the pods of the job use by name."""
    maps: set[str] = set()
    secrets: set[str] = set()
    for container in [*(template.get("initContainers") or []), *(template.get("containers") or [])]:
        for source in container.get("envFrom") or []:
            _add(maps, source.get("configMapRef"), "name")
            _add(secrets, source.get("secretRef"), "name")
        for variable in container.get("env") or []:
            origin = variable.get("valueFrom") or {}
            _add(maps, origin.get("configMapKeyRef"), "name")
            _add(secrets, origin.get("secretKeyRef"), "name")
    for volume in template.get("volumes") or []:
        for part in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            _add(maps, part.get("configMap"), "name")
            _add(secrets, part.get("secret"), "secretName")
            _add(secrets, part.get("secret"), "name")
    return tuple(sorted(maps)), tuple(sorted(secrets))


def _add(names: set[str], reference: t.Any, member: str) -> None:
    if isinstance(reference, dict) and reference.get(member):
        names.add(str(reference[member]))


def job_row(job: CopyJob, *, resource: str, latest: bool, now: datetime, state: str | None = None) -> dict[str, t.Any]:
    """The row of `jobs`; duration_s of an unfinished job is how long it has run so far."""
    return {
        "job": job.name,
        "resource": resource,
        "uid": job.uid,
        "state": state or job.state,
        "reason": job.reason,
        "message": job.message,
        "scheduled_at": rfc3339(job.scheduled_at),
        "created_at": rfc3339(job.created_at),
        "started_at": rfc3339(job.started_at),
        "ended_at": rfc3339(job.ended_at),
        "duration_s": seconds_between(job.started_at, job.ended_at or now),
        "start_delay_s": seconds_between(job.scheduled_at, job.started_at),
        "active": job.active,
        "ready": job.ready,
        "failed": job.failed,
        "terminating": job.terminating,
        "retried": job.state == "succeeded" and job.failed > 0,
        "backoff_limit": job.backoff_limit,
        "deadline_s": job.deadline_s,
        "ttl_s": job.ttl_s,
        "cronjob": job.cronjob,
        "managed_by": job.managed_by,
        "latest": latest,
        "image": job.image,
        "config": {"configmaps": list(job.config[0]), "secrets": list(job.config[1])},
    }
