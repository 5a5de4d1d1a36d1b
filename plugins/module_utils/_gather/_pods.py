# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Pods of copy jobs: their containers' states, and what of them is telling."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import clip, parse_time, rfc3339
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import owner_of

MESH_PROXIES = frozenset({"istio-proxy", "linkerd-proxy"})  # they outlive the mover; their exit is not its result
JOB_NAME = ("batch.kubernetes.io/job-name", "job-name")
NO_CRASH = frozenset({"ContainerCreating", "PodInitializing"})  # waiting for these is not a failure
# Ready=False is telling only on a pod that should be ready by now, the others whenever they stand like this.
TELLING = {"PodScheduled": "False", "DisruptionTarget": "True", "Ready": "False"}

_LISTS = (
    ("initContainers", "initContainerStatuses", "init"),
    ("containers", "containerStatuses", "main"),
    ("ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"),
)


def job_of(pod: dict[str, t.Any]) -> str | None:
    """The name of the pod's Job: by owner, else by label."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return owner_of(pod, "Job") or next((str(labels[name]) for name in JOB_NAME if labels.get(name)), None)


def container_rows(pod: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Rows of all containers: init first, then main, sidecar and ephemeral in their own order."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    rows = []
    for spec_list, status_list, role in _LISTS:
        states = {str(entry.get("name")): entry for entry in status.get(status_list) or []}
        for container in spec.get(spec_list) or []:
            name = str(container.get("name") or "")
            sidecar = name in MESH_PROXIES or (role == "init" and container.get("restartPolicy") == "Always")
            rows.append(_container_row(name, "sidecar" if sidecar else role, container, states.get(name) or {}))
    return rows


def _container_row(
    name: str, role: str, container: dict[str, t.Any], status: dict[str, t.Any]
) -> dict[str, t.Any]:
    state, detail = _state(status.get("state"))
    dummy, last = _state(status.get("lastState"))
    return {
        "container": name,
        "role": role,
        "image": container.get("image") or status.get("image"),
        "state": state,
        "reason": detail.get("reason"),
        "message": clip(detail.get("message")),
        "exit_code": detail.get("exitCode"),
        "signal": detail.get("signal"),
        "started_at": rfc3339(parse_time(detail.get("startedAt"))),
        "finished_at": rfc3339(parse_time(detail.get("finishedAt"))),
        "restarts": int(status.get("restartCount") or 0),
        "last": {
            "reason": last.get("reason"),
            "message": clip(last.get("message")),
            "exit_code": last.get("exitCode"),
            "finished_at": rfc3339(parse_time(last.get("finishedAt"))),
        }
        if last
        else None,
    }


def _state(given: t.Any) -> tuple[str, dict[str, t.Any]]:
    for name in ("terminated", "running", "waiting"):
        if isinstance(given, dict) and isinstance(given.get(name), dict):
            return name, given[name]
    return "unknown", {}


def container_failed(row: dict[str, t.Any]) -> bool:
    """Whether the container ended in error, did so before its present run, or cannot start. A sidecar never counts."""
    if row["role"] == "sidecar":
        return False
    if row["state"] == "terminated" and row["exit_code"] not in (0, None):
        return True
    if row["state"] == "waiting" and row["reason"] and row["reason"] not in NO_CRASH:
        return True
    return bool(row["last"] and row["last"]["exit_code"] not in (0, None))


def pod_failed(pod: dict[str, t.Any], containers: list[dict[str, t.Any]]) -> bool:
    """Whether the pod failed, is about to, or has a container that did."""
    return (pod.get("status") or {}).get("phase") == "Failed" or any(map(container_failed, containers))


def is_fine(pod: dict[str, t.Any], containers: list[dict[str, t.Any]]) -> bool:
    """Whether nothing about the pod calls for attention."""
    meta, status = pod.get("metadata") or {}, pod.get("status") or {}
    if meta.get("deletionTimestamp") or status.get("reason") or status.get("phase") not in ("Running", "Succeeded"):
        return False
    if any(container_failed(row) or (row["restarts"] and row["role"] != "sidecar") for row in containers):
        return False
    return not _conditions(status) or status.get("phase") == "Succeeded"


def pod_row(
    pod: dict[str, t.Any], containers: list[dict[str, t.Any]], job: str | None, resource: str
) -> dict[str, t.Any]:
    """The row of `pods`."""
    meta, status = pod.get("metadata") or {}, pod.get("status") or {}
    return {
        "pod": meta.get("name"),
        "job": job,
        "resource": resource,
        "node": (pod.get("spec") or {}).get("nodeName"),
        "phase": status.get("phase"),
        "reason": status.get("reason"),
        "message": clip(status.get("message")),
        "started_at": rfc3339(parse_time(status.get("startTime"))),
        "conditions": _conditions(status),
        "containers": containers,
    }


def _conditions(status: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    rows = [
        condition_row(condition)
        for condition in status.get("conditions") or []
        if TELLING.get(str(condition.get("type"))) == condition.get("status")
    ]
    # A pod that has completed is never ready again.
    return [row for row in rows if not (row["type"] == "Ready" and row["reason"] == "PodCompleted")]


def condition_row(condition: dict[str, t.Any]) -> dict[str, t.Any]:
    """The row of a condition of a job or pod."""
    return {
        "type": condition.get("type"),
        "status": condition.get("status"),
        "reason": condition.get("reason") or None,
        "message": clip(condition.get("message")) or None,
        "at": rfc3339(parse_time(condition.get("lastTransitionTime"))),
    }


def feed_row(
    pod: dict[str, t.Any], containers: list[dict[str, t.Any]], job: str | None, resource: str
) -> dict[str, t.Any]:
    """What the log step needs of a pod."""
    meta, status = pod.get("metadata") or {}, pod.get("status") or {}
    return {
        "pod": meta.get("name"),
        "job": job,
        "resource": resource,
        "failed": pod_failed(pod, containers),
        "phase": status.get("phase"),
        "scheduled": bool((pod.get("spec") or {}).get("nodeName")),
        "created_at": rfc3339(parse_time(meta.get("creationTimestamp"))),
        "containers": [
            {
                "container": row["container"],
                "role": row["role"],
                "restarts": row["restarts"],
                "state": row["state"],
                "failed": container_failed(row),
                "previous": row["last"] is not None,
            }
            for row in containers
        ],
    }
