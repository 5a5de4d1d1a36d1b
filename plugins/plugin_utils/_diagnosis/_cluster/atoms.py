# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The atoms of a cluster bundle: Jobs, pods, events, logs and recovery points that say why something failed."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom, say, weight
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Row, rows, step, text
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import Classifier, classifier_with
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature

# Job states in which a copy has not come to a good end.
BROKEN_STATES = frozenset({"failed", "failing", "blocked", "starting", "overdue"})
_WORKLOADS = frozenset({"Pod", "Job", "CronJob"})


class _Collector:
    def __init__(self, resource_of_job: dict[str, str], own: tuple[OwnSignature, ...]) -> None:
        self._resource_of_job = resource_of_job
        self._own = own
        self.atoms: list[Atom] = []

    @functools.cached_property
    def _classifier(self) -> Classifier:
        return classifier_with(self._own)  # made with the first message: healthy clusters have none

    def add(
        self,
        row: Row,
        *,
        where: str,
        recorder: str,
        step_name: str,
        path: str,
        message: str | None,
        reason: str | None = None,
        exit_code: int | None = None,
        tool: str | None = None,
        at: str | None = None,
        final: bool = False,
    ) -> None:
        """Classify one message and keep it unless it is unknown or benign."""
        known_tool = self._classifier.tool_of(tool) if tool else None
        verdict = self._classifier.classify(message or "", where=where, reason=reason, exit_code=exit_code, tool=known_tool)
        if verdict.cause is None or verdict.kind == "benign":
            return
        job = text(row, "job")
        self.atoms.append(
            Atom(
                cause=verdict.cause,
                signature=verdict.signature or "",
                weight=weight(verdict, final),
                recorder=recorder,
                step=step_name,
                path=path,
                text=say(reason, message),
                at=at,
                job=job,
                resource=text(row, "resource") or self._resource_of_job.get(job or ""),
                fix=verdict.fix,
                alternatives=tuple(str(other) for other in verdict.alternatives),
                confirm_by=verdict.confirm_by,
            )
        )


def collect(evidence: t.Any, own: tuple[OwnSignature, ...] = ()) -> list[Atom]:
    """All atoms of a cluster bundle, in the order of the steps; signatures of the user come before the shipped ones."""
    collector = _Collector(_resources_by_job(evidence), own)
    _from_jobs(evidence, collector)
    _from_pods(evidence, collector)
    _from_events(evidence, collector)
    _from_logs(evidence, collector)
    _from_points(evidence, collector)
    return collector.atoms


def _resources_by_job(evidence: t.Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows(step(evidence, "jobs"), "jobs") + rows(step(evidence, "job_detail"), "pods"):
        job, resource = text(row, "job"), text(row, "resource")
        if job and resource:
            found[job] = resource
    return found


def _from_jobs(evidence: t.Any, collector: _Collector) -> None:
    for index, row in enumerate(rows(step(evidence, "jobs"), "jobs")):
        if text(row, "state") in BROKEN_STATES and (text(row, "reason") or text(row, "message")):
            collector.add(
                row,
                where="job",
                recorder="controller",
                step_name="jobs",
                path=f"jobs[{index}].reason",
                message=text(row, "message"),
                reason=text(row, "reason"),
                at=text(row, "ended_at"),
                final=True,
            )


def _from_pods(evidence: t.Any, collector: _Collector) -> None:
    for index, pod in enumerate(rows(step(evidence, "job_detail"), "pods")):
        where = f"pods[{index}]"
        if text(pod, "reason") or text(pod, "message"):
            collector.add(
                pod,
                where="pod",
                recorder="kubelet",
                step_name="job_detail",
                path=f"{where}.reason",
                message=text(pod, "message"),
                reason=text(pod, "reason"),
                final=True,
            )
        for number, condition in enumerate(rows(pod, "conditions")):
            collector.add(
                pod,
                where="pod",
                recorder="controller",
                step_name="job_detail",
                path=f"{where}.conditions[{number}]",
                message=text(condition, "message"),
                reason=text(condition, "reason"),
                at=text(condition, "at"),
            )
        for number, container in enumerate(rows(pod, "containers")):
            _from_container(pod, container, f"{where}.containers[{number}]", collector)


def _from_container(pod: Row, container: Row, path: str, collector: _Collector) -> None:
    last = container.get("last")
    for state, suffix in ((container, ""), (last if isinstance(last, dict) else {}, ".last")):
        code = state.get("exit_code")
        code = code if isinstance(code, int) else None
        reason = text(state, "reason")
        if code == 0 or not (reason or text(state, "message") or code):
            continue
        common: dict[str, t.Any] = {
            "step_name": "job_detail",
            "at": text(state, "finished_at"),
            "tool": " ".join(filter(None, (text(container, "image"), text(container, "container")))),
            "final": True,
        }
        collector.add(
            pod,
            where="container",
            recorder="kubelet",
            path=f"{path}{suffix}.reason",
            message=None if code else text(state, "message"),
            reason=reason,
            exit_code=code,
            **common,
        )
        if code:  # the termination message of a container is the mover's own last words
            for line in (text(state, "message") or "").splitlines()[-5:]:
                collector.add(
                    pod,
                    where="log",
                    recorder="mover",
                    path=f"{path}{suffix}.message",
                    message=line,
                    **common,
                )


def _from_events(evidence: t.Any, collector: _Collector) -> None:
    for index, row in enumerate(rows(step(evidence, "events"), "events")):
        if text(row, "kind") in _WORKLOADS and not text(row, "resource"):
            continue  # another application's trouble in the same namespace
        holder = dict(row)
        if text(row, "kind") == "Job":
            holder["job"] = text(row, "object")
        collector.add(
            holder,
            where="event",
            recorder="kubelet" if text(row, "component") == "kubelet" else "controller",
            step_name="events",
            path=f"events[{index}]",
            message=text(row, "message"),
            reason=text(row, "reason"),
            at=text(row, "last_at"),
        )


def _from_logs(evidence: t.Any, collector: _Collector) -> None:
    logs = step(evidence, "logs")
    for index, row in enumerate(rows(logs, "lines")):
        collector.add(
            row,
            where="log",
            recorder="mover",
            step_name="logs",
            path=f"lines[{index}]",
            message=text(row, "text"),
            at=text(row, "last_at"),
            final=bool(row.get("final")),
        )
    for index, row in enumerate(rows(logs, "tails")):
        lines = row.get("lines")
        for line in (lines if isinstance(lines, list) else [])[-5:]:
            if isinstance(line, str):
                collector.add(
                    row,
                    where="log",
                    recorder="mover",
                    step_name="logs",
                    path=f"tails[{index}]",
                    message=line,
                    final=True,
                )


def _from_points(evidence: t.Any, collector: _Collector) -> None:
    for index, row in enumerate(rows(step(evidence, "recovery_points"), "points")):
        if text(row, "error"):
            collector.add(
                row,
                where="log",
                recorder="ledger",
                step_name="recovery_points",
                path=f"points[{index}].error",
                message=text(row, "error"),
                at=text(row, "available_at"),
            )
