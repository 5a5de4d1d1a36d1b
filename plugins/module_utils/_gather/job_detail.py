# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 3: one copy job in full, and the pods of every copy job that is not plainly fine."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    clip,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _pods
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._spread import Spread
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    Worst,
    denied_entry,
    feed_parameter,
    look_for_namespace,
    namespace_parameter,
    object_name_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._copyjobs import (
    FAILED,
    SEVERITY,
    job_row,
    parse_job,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._eventrows import read_event
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import (
    DEFAULT_LABEL,
    labelled_resource,
    resource_of,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import Selector, selector_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step, guarded

NAME = "job_detail"
BATCH = 50  # job names in one selector
MOST_BY_NAME = 100  # jobs whose pods are looked for by name
MOST_EVENT_READS = 5  # pods whose events are read one by one when the event step has not run
TROUBLED = frozenset({"overdue", "blocked", "starting"})
FINE = frozenset({"succeeded", "running", "completing", None})
# With the deadline the controller deletes the pods: looking for them by name finds nothing.
PODS_DELETED = "DeadlineExceeded"


class _Asked(t.NamedTuple):
    namespace: str
    selector: Selector
    resource_label: str
    rows: int
    job_name: str | None
    jobs: list[dict[str, t.Any]]  # {job, uid, resource, cronjob, state, reason} of all listed copy jobs
    chosen: dict[str, t.Any] | None  # the row of `jobs` that the job step has of the job, if any
    how: str | None
    groups: list[dict[str, t.Any]] | None
    failing: frozenset[str] | None  # resources whose copies fail by the job step; None where it did not run


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read the one job, the pods by label (by job name where the label is missing on them), and the job's events."""
    asked, query = _asked(params)
    try:
        cluster = clients.cluster
        query["cluster"] = cluster.host
        if asked.chosen is None and asked.job_name is None and params.get("jobs") is None and not asked.jobs:
            asked = _choose_by_reading(cluster, asked)
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    name = asked.job_name or (asked.chosen or {}).get("job")
    query["job"] = name
    denied: list[dict[str, t.Any]] = []
    obj, refused = _read_job(cluster, asked, name)
    if refused and asked.job_name is None and refused.outcome == "not_found":
        denied.append(denied_entry(f"job {name}", refused))  # removed since it was listed: its row is still true
        refused = None
    if refused and (refused.outcome not in ("forbidden", "not_found") or refused.code == 401):
        return Gathered(failed(NAME, query, refused))
    if refused and refused.outcome == "not_found":
        absent = _unknown_job(cluster, asked, str(name), refused)
        if not _remembered(asked, str(name)):
            raise BadParameter(f"job_name: {absent.message} {absent.hint}")
        return Gathered(failed(NAME, query, absent, denied=denied))
    pods = _Pods(asked, name)
    read, no_pods = guarded(lambda: pods.read(cluster))
    if name is None and read and not pods.count:
        refused, unknown = look_for_namespace(cluster, asked.namespace)
        denied += unknown
    now = cluster.clock.now()
    row = _row(asked, obj, now)
    if no_pods and row is None and refused is None:
        refused = no_pods  # nothing at all could be looked at
    elif no_pods:
        denied.append(denied_entry("pods", no_pods))
    events = _events(cluster, asked, name, pods, denied)
    outcome = "empty" if row is None and not pods.count else "ok"
    spread = pods.spread()
    conditions = ((obj or {}).get("status") or {}).get("conditions") or []
    return Gathered(
        evidence(
            NAME,
            outcome=refused.outcome if refused else outcome,
            query=query,
            observed_at=rfc3339(now),
            clock=cluster.clock.as_evidence(),
            summary={
                "chosen": asked.how,
                "pods": pods.count,
                "pods_gone": _pods_gone(row, pods) if read else None,
                "restarts": pods.restarts,
            },
            rows={
                "pods": (pods.worst.rows(), pods.worst.total),
                "events": (events[-asked.rows :], len(events)),
                "spread": (spread, len(spread)),
            },
            error=refused.as_error() if refused else None,
            job=row,
            conditions=[_pods.condition_row(condition) for condition in conditions],
            denied=denied,
        ),
        feed={"pods": pods.feed} if read else {},  # without it the log step asks for the pods itself
    )


# ---------------------------------------------------------------------------------------------- what was asked


def _asked(params: Params) -> tuple[_Asked, dict[str, t.Any]]:
    namespace = namespace_parameter(params)
    selector = selector_parameter(params)
    job_name = object_name_parameter(params, "job_name")
    rows = feed_parameter(params, "jobs", "jobs") or []
    listed = feed_parameter(params, "jobs_feed", "jobs") or rows
    chosen, how = choose(rows or listed)
    if job_name:
        chosen = next((row for row in rows if row.get("job") == job_name), None)
        how = "named"
    asked = _Asked(
        namespace=namespace,
        selector=selector,
        resource_label=str(params.get("resource_label") or DEFAULT_LABEL),
        rows=rows_parameter(params),
        job_name=job_name,
        jobs=listed,
        chosen=chosen,
        how=how,
        groups=feed_parameter(params, "events_feed", "groups"),
        failing=_failing(params),
    )
    query = {"cluster": None, "namespace": namespace, "label_selector": selector.text, "job": job_name}
    return asked, query


def _failing(params: Params) -> frozenset[str] | None:
    if not isinstance(params.get("jobs"), dict):
        return None
    rows = feed_parameter(params, "jobs", "resources") or []
    return frozenset(
        str(row.get("resource")) for row in rows if row.get("state") in FAILED | TROUBLED or row.get("consecutive_failures")
    )


def choose(rows: list[dict[str, t.Any]]) -> tuple[dict[str, t.Any] | None, str | None]:
    """(the most telling of these jobs, how it was chosen); nothing of nothing.

    A failure that a later run of the same resource has made good tells less than a run that hangs now.
    """

    def newest(candidates: list[dict[str, t.Any]]) -> dict[str, t.Any]:
        return max(
            candidates, key=lambda row: row.get("ended_at") or row.get("started_at") or row.get("created_at") or ""
        )

    def oldest(candidates: list[dict[str, t.Any]]) -> dict[str, t.Any]:
        return min(candidates, key=lambda row: row.get("started_at") or row.get("created_at") or "9")

    broken = [row for row in rows if row.get("state") in FAILED]
    still_broken = [row for row in broken if row.get("latest", True)]
    troubled = [row for row in rows if row.get("state") in TROUBLED]
    running = [row for row in rows if row.get("state") == "running"]
    for candidates, pick, how in (
        (still_broken, newest, "latest_failed"),
        (troubled, oldest, "longest_running"),
        (broken, newest, "latest_failed"),
        (running, oldest, "longest_running"),
        (rows, newest, "latest"),
    ):
        if candidates:
            return pick(candidates), how
    return None, None


def _choose_by_reading(cluster: t.Any, asked: _Asked) -> _Asked:
    """The same choice when the job step has not run: one list of the jobs. Raises ReadFailed."""
    query = {"labelSelector": asked.selector.text} if asked.selector.text else None
    jobs = [
        parse_job(obj, cluster.clock.now(), asked.resource_label)
        for obj in cluster.list(path_of("batch", "v1", "jobs", asked.namespace), query)
    ]
    rows, seen = [], set()
    for job in sorted(jobs, key=lambda job: job.came_at(), reverse=True):
        resource = job.resource(asked.selector.words(), {})
        rows.append(job_row(job, resource=resource, latest=resource not in seen, now=cluster.clock.now()))
        seen.add(resource)
    chosen, how = choose(rows)
    return asked._replace(jobs=rows, chosen=chosen, how=how)


# ------------------------------------------------------------------------------------------------------ the job


def _read_job(cluster: t.Any, asked: _Asked, name: str | None) -> tuple[dict[str, t.Any] | None, ReadFailed | None]:
    if name is None:
        return None, None
    return guarded(lambda: cluster.get(path_of("batch", "v1", "jobs", asked.namespace, name)))


def _remembered(asked: _Asked, name: str) -> bool:
    """Whether the job may have existed: events outlive a Job that was pruned. Without events nobody can tell."""
    if asked.groups is None:
        return True
    return any(name in (group.get("names") or [group.get("object")]) for group in asked.groups) or any(
        name in str(group.get("message")) for group in asked.groups
    )


def _unknown_job(cluster: t.Any, asked: _Asked, name: str, failure: ReadFailed) -> ReadFailed:
    """The failure in the user's words, with the names that he may have meant."""
    names = [str(row.get("job")) for row in asked.jobs]
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.3) or names[:5]
    known = f" Copy jobs there: {', '.join(near)}." if near else ""
    return ReadFailed(
        "not_found",
        f"{cluster.name}: there is no job {name} in namespace {asked.namespace}.{known}",
        code=failure.code,
        hint="Name one that exists, or leave job_name out to take the most telling one.",
    )


def _row(asked: _Asked, obj: dict[str, t.Any] | None, now: t.Any) -> dict[str, t.Any] | None:
    """The job as it is now; what only its siblings tell (overdue, latest, resource) comes from the job step."""
    listed = asked.chosen if asked.chosen and "uid" in asked.chosen else None
    if obj is None:
        return listed
    job = parse_job(obj, now, asked.resource_label)
    resource = (listed or {}).get("resource") or job.resource(asked.selector.words(), {})
    overdue = job.state == "running" and (listed or {}).get("state") == "overdue"
    return job_row(
        job,
        resource=str(resource),
        latest=bool((listed or {}).get("latest", True)),
        now=now,
        state="overdue" if overdue else None,
    )


def _pods_gone(row: dict[str, t.Any] | None, pods: _Pods) -> bool:
    """Whether the job ran and nothing of it is left to look at."""
    return bool(row and row.get("started_at") and row["state"] not in ("suspended", "blocked") and not pods.of_job)


# ----------------------------------------------------------------------------------------------------- the pods


class _Pods:
    """The pods of the copy jobs, reduced as they are read."""

    def __init__(self, asked: _Asked, chosen: str | None) -> None:
        self._asked = asked
        self._chosen = chosen
        self._jobs = {str(row.get("job")): row for row in asked.jobs}
        self._seen: set[str] = set()  # jobs that have pods
        self.worst = Worst(asked.rows)
        self.feed: list[dict[str, t.Any]] = []
        self._newest: dict[str, tuple[bool, str, str | None]] = {}  # resource: (no run goes on, created, node) of a pod
        self.count = self.restarts = 0
        self.of_job: list[str] = []  # names of the chosen job's pods

    def read(self, cluster: t.Any) -> bool:
        """List by the label, then by name the pods of jobs that should have some and have none by label.

        The label on a Job's metadata is not copied to its pods. Raises ReadFailed.
        """
        path = path_of("", "v1", "pods", self._asked.namespace)
        label = {"labelSelector": self._asked.selector.text} if self._asked.selector.text else None
        for pod in cluster.list(path, label):
            self._add(pod)
        names = self._without_pods()
        for start in range(0, len(names), BATCH):
            selector = f"job-name in ({','.join(names[start : start + BATCH])})"
            for pod in cluster.list(path, {"labelSelector": selector}):
                self._add(pod)
        return True

    def _without_pods(self) -> list[str]:
        """The jobs whose pods the label did not find though they should be there, most telling first."""
        labelled = bool(self._seen)
        wanted = []
        for name, row in self._jobs.items():
            state = row.get("state")
            # a successful job's pods matter only where the label finds none at all
            idle = state in ("suspended", "blocked", "unmanaged") or (state == "succeeded" and labelled)
            if name not in self._seen and not idle and row.get("reason") != PODS_DELETED:
                wanted.append((SEVERITY.get(str(state), 0), name))
        names = [name for dummy, name in sorted(wanted, key=lambda pair: pair[0], reverse=True)]
        chosen = self._chosen
        if chosen and chosen not in self._seen and (self._jobs.get(chosen) or {}).get("reason") != PODS_DELETED:
            names = [chosen, *(name for name in names if name != chosen)]
        return [name for name in names if len(name) <= 63][:MOST_BY_NAME]

    def spread(self) -> list[dict[str, t.Any]]:
        """By the node of their newest pod how many resources there are, and how many of them fail."""
        spread = Spread()
        if self._asked.failing is not None:
            for resource, (dummy, dummy_created, node) in self._newest.items():
                spread.add("node", node, resource in self._asked.failing)
        return spread.rows()

    def _add(self, pod: dict[str, t.Any]) -> None:
        job = _pods.job_of(pod)
        known = self._jobs.get(job or "", {})
        resource = str(
            labelled_resource(pod, self._asked.resource_label)
            or known.get("resource")
            or resource_of(pod, kind="Pod", strip=self._asked.selector.words())
        )
        containers = _pods.container_rows(pod)
        name = str((pod.get("metadata") or {}).get("name"))
        self.count += 1
        self.restarts += sum(row["restarts"] for row in containers if row["role"] != "sidecar")
        if job:
            self._seen.add(job)
        if job is not None and job == self._chosen:
            self.of_job.append(name)
        broken = _pods.pod_failed(pod, containers)
        self.feed.append(_pods.feed_row(pod, containers, job, resource))
        created = str((pod.get("metadata") or {}).get("creationTimestamp") or "")
        told = (known.get("state") not in ("running", "completing"), created, (pod.get("spec") or {}).get("nodeName"))
        self._newest[resource] = max(self._newest.get(resource, told), told, key=_when)
        if job is None or job != self._chosen:
            if _pods.is_fine(pod, containers) and known.get("state") in FINE:
                return
        weight = (broken, not _pods.is_fine(pod, containers), job is not None and job == self._chosen)
        self.worst.push((*weight, created), _pods.pod_row(pod, containers, job, resource))


def _when(newest: tuple[bool, str, str | None]) -> tuple[bool, str]:
    return newest[:2]


# --------------------------------------------------------------------------------------------------- its events


def _events(
    cluster: t.Any, asked: _Asked, name: str | None, pods: _Pods, denied: list[dict[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """The events of the job and of its pods, oldest first."""
    if name is None:
        return []
    names = {name, *pods.of_job}
    if asked.groups is not None:
        rows = [row for row in asked.groups if names & {row.get("object"), *(row.get("names") or [])}]
        found = [{key: value for key, value in row.items() if key != "names"} for row in rows]
    else:
        found = []
        for about in [name, *pods.of_job[-MOST_EVENT_READS:]]:
            read, failure = guarded(lambda: _read_events(cluster, asked.namespace, about))
            if failure:
                denied.append(denied_entry("events", failure))
                break
            found += read
    return sorted(found, key=lambda row: row.get("last_at") or "")


def _read_events(cluster: t.Any, namespace: str, about: str) -> list[dict[str, t.Any]]:
    rows = []
    query = {"fieldSelector": f"involvedObject.name={about}"}
    for obj in cluster.list(path_of("", "v1", "events", namespace), query):
        event = read_event(obj)
        rows.append(
            {
                "reason": event.reason,
                "type": event.type,
                "kind": event.kind,
                "object": event.object,
                "message": clip(event.message),
                "count": event.times,
                "first_at": rfc3339(event.first_at),
                "last_at": rfc3339(event.last_at),
                "component": event.component,
            }
        )
    return rows


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        connection_spec(),
        namespace={"type": "str", "required": True},
        label_selector={"type": "str", "default": "app=backup-sync"},
        resource_label={"type": "str", "default": DEFAULT_LABEL},
        job_name={"type": "str"},
        jobs={"type": "raw"},
        jobs_feed={"type": "raw"},
        events_feed={"type": "raw"},
        max_rows={"type": "int", "default": 50},
    ),
)
