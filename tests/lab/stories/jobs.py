# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as the job controller leaves them: conditions, counters, pods, logs and events of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from lab.clock import rfc3339, seconds
from lab.stories.pods import DEFAULT_IMAGE, PodStory, Template, make_pod
from lab.stories.side import Side

APP_LABELS = {"app": "backup-sync"}
_LIMIT = "Job has reached the specified backoff limit"
_DEADLINE = "Job was active longer than specified deadline"
_REACHED = "Reached expected number of succeeded pods"
_GRACE_S = 30
_DEFAULT_LIMIT = 6
GIVES_UP = ("failed", "oom", "pods_gone")
_FINISHED = ("succeeded", "deadline", *GIVES_UP)
_DEFAULT_MESSAGES = {
    "image_pull": "ErrImagePull: failed to resolve image: not found",
    "config_error": 'secret "backup-credentials" not found',
    "unschedulable": "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available: "
    "2 No preemption victims found for incoming pod.",
    "quota_blocked": "exceeded quota: backup-quota, requested: requests.memory=256Mi, used: requests.memory=4Gi, "
    "limited: requests.memory=4Gi",
}


@dataclass
class Run:
    """One run of a Job. Durations in seconds after ``parse``; README.md says what each key means."""

    at: float
    result: str = "succeeded"
    took: float = 120.0
    start_delay: float = 0.0
    pending: float = 2.0
    exit_code: int = 1
    reason: str = ""
    job_reason: str = "BackoffLimitExceeded"
    message: str = ""
    termination_message: str = ""
    log: list[Any] | dict[str, list[Any]] | None = None
    previous_log: list[Any] | None = None
    retries: int = 0
    restarts: int = 3
    backoff_limit: int | None = None
    deadline: float | None = None
    restart_policy: str = "Never"
    containers: list[str] = field(default_factory=lambda: ["sync"])
    sidecars: list[str] = field(default_factory=list)
    image: str = DEFAULT_IMAGE
    memory: str = "256Mi"
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=lambda: dict(APP_LABELS))
    pod_labels: dict[str, str] | str | None = None
    node: str = ""

    @property
    def created(self) -> float:
        """Return when the Job object was made."""
        return self.at + self.start_delay

    @property
    def limit(self) -> int:
        """Return the backoffLimit: as told, as many retries as a failing run had, or the server's default."""
        if self.backoff_limit is not None:
            return self.backoff_limit
        return self.retries if self.result in GIVES_UP else _DEFAULT_LIMIT

    def template(self) -> Template:
        """Return the pod template; the pods carry the Job's labels unless the story says otherwise."""
        labels: dict[str, str] = {}
        if self.pod_labels != "none":
            labels = self.pod_labels if isinstance(self.pod_labels, dict) else self.labels
        return Template(
            tuple(self.containers),
            tuple(self.sidecars),
            self.image,
            self.restart_policy,
            dict(labels),
            self.memory,
            dict(self.env),
        )

    def lines(self, container: str) -> list[Any]:
        """Return the log of a container: a plain list belongs to the first one."""
        if isinstance(self.log, dict):
            return self.log.get(container, [])
        return (self.log or []) if container == self.containers[0] else []


_DURATIONS = ("took", "start_delay", "pending", "deadline")


def parse_run(raw: dict[str, Any], at: float) -> Run:
    """Return a run as a scenario writes it; an unknown key is an error of the scenario."""
    known = {entry.name for entry in fields(Run)}
    values = {key: value for key, value in raw.items() if key not in ("ago", "at")}
    unknown = set(values) - known
    if unknown:
        raise ValueError(f"run {raw!r}: unknown keys {sorted(unknown)}")
    for key in _DURATIONS:
        if values.get(key) is not None:
            values[key] = seconds(values[key])
    return Run(at=at, **values)


@dataclass
class Outcome:
    """What a run left behind: the Job, and when and how it ended (None while it has not)."""

    job: dict[str, Any]
    ended: float | None
    condition: str = ""


def _condition(kind: str, at: float, reason: str, message: str) -> dict[str, Any]:
    stamp = rfc3339(at)
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def _counters(**values: Any) -> dict[str, Any]:
    """Return a status in the controller's way: active and failed absent when 0, ready and terminating present."""
    status = {key: value for key, value in values.items() if value}
    return {**status, "terminating": 0, "uncountedTerminatedPods": {}, "ready": values.get("ready", 0)}


def job_object(side: Side, name: str, run: Run, **more: Any) -> dict[str, Any]:
    """Return a Job without status, defaults filled in as the server does."""
    metadata = side.metadata("Job", name, run.created, generation=1, labels=run.labels, **more)
    uid = metadata["uid"]
    template = run.template()
    tracking = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    spec: dict[str, Any] = {"parallelism": 1, "completions": 1}
    if run.deadline is not None:
        spec["activeDeadlineSeconds"] = int(run.deadline)
    spec["backoffLimit"] = run.limit
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    spec["manualSelector"] = False
    spec["template"] = {"metadata": {"labels": {**template.labels, **tracking}}, "spec": template.spec()}
    spec["completionMode"] = "NonIndexed"
    spec["suspend"] = run.result == "suspended"
    spec["podReplacementPolicy"] = "TerminatingOrFailed"
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


class _Play:
    """Plays one run: writes pods, logs and events, and the status of the Job."""

    def __init__(self, side: Side, name: str, run: Run, kept: bool, owner: dict[str, Any]) -> None:
        self.side, self.run, self.kept = side, run, kept
        if run.result == "oom":
            run.exit_code, run.reason = 137, run.reason or "OOMKilled"
        if run.result == "deadline" and run.deadline is None:
            run.deadline = run.took
        self.job = job_object(side, name, run, **owner)
        self.template = run.template()

    def play(self) -> Outcome:
        """Return the outcome; a run that should end in the future is still going on."""
        run = self.run
        result = run.result
        if result in _FINISHED and run.created + run.took > self.side.moment.now:
            result = "running"
        players: dict[str, Callable[[], Outcome]] = {
            "succeeded": self._succeeded,
            "failed": self._failed,
            "oom": self._failed,
            "pods_gone": self._failed,
            "deadline": self._deadline,
            "running": self._running,
            "suspended": self._suspended,
            "quota_blocked": self._blocked,
            "image_pull": self._not_starting,
            "config_error": self._not_starting,
            "unschedulable": self._not_starting,
            "crash_loop": self._crash_loop,
        }
        if result not in players:
            raise ValueError(f"unknown result {result!r}: one of {sorted(players)}")
        outcome = players[result]()
        if self.kept:
            self.side.add(outcome.job)
        return outcome

    def _event(self, reason: str, message: str, at: float, kind: str = "Normal", **more: Any) -> None:
        self.side.event(self.job, reason, message, at, type=kind, **more)

    def _pod(self, story: PodStory, number: int, *, gone: bool = False) -> str:
        """Make a pod with its log, and return its name; the events of a pod that is gone stay."""
        before = len(self.side.objects)
        pod = make_pod(self.side, self.job, self.template, story, number)
        name: str = pod["metadata"]["name"]
        if gone or not self.kept:
            self.side.objects[before:] = [body for body in self.side.objects[before:] if body is not pod]
        else:
            self._logs(pod, story)
        self._event("SuccessfulCreate", f"Created pod: {name}", story.created)
        return name

    def _logs(self, pod: dict[str, Any], story: PodStory) -> None:
        if story.state in ("image_pull", "config_error", "unschedulable"):
            return
        end = story.ended if story.ended is not None else self.side.moment.now
        last = story.state == "crash_loop"
        for container in (*self.template.containers, *self.template.sidecars):
            lines = self.run.lines(container)
            self.side.log(pod, container, lines, story.started, end, previous=last)
        if self.run.previous_log:
            first = self.template.containers[0]
            self.side.log(pod, first, self.run.previous_log, story.started - 60, story.started, previous=True)

    def _attempts(self, count: int) -> list[tuple[float, float, float]]:
        """Return (created, started, ended) of each pod: ten seconds back-off, doubled each time, if the run is long."""
        run = self.run
        waits = [10.0 * 2**index for index in range(count - 1)]
        if sum(waits) > run.took / 2:
            waits = [run.took / 2 / max(1, count)] * (count - 1)
        length = (run.took - sum(waits)) / count
        created, found = run.created, []
        for index in range(count):
            started = created + min(run.pending, length / 2)
            found.append((created, started, created + length - min(1.0, length / 4)))
            created += length + (waits[index] if index < len(waits) else 0)
        return found

    def _failed_pod(self, times: tuple[float, float, float], number: int, *, gone: bool = False) -> None:
        run = self.run
        text = run.termination_message
        story = PodStory(*times, "failed", run.exit_code, run.reason, text, node=run.node)
        self._pod(story, number, gone=gone)

    def _succeeded(self) -> Outcome:
        run = self.run
        times = self._attempts(run.retries + 1)
        for number, attempt in enumerate(times[:-1]):
            self._failed_pod(attempt, number)
        self._pod(PodStory(*times[-1], "succeeded", node=run.node), run.retries)
        end = run.created + run.took
        conditions = [
            _condition("SuccessCriteriaMet", end, "CompletionsReached", _REACHED),
            _condition("Complete", end, "CompletionsReached", _REACHED),
        ]
        status = {"conditions": conditions, "startTime": rfc3339(run.created), "completionTime": rfc3339(end)}
        self.job["status"] = {**status, **_counters(succeeded=1, failed=run.retries)}
        self._event("Completed", "Job completed", end)
        return Outcome(self.job, end, "Complete")

    def _failed(self) -> Outcome:
        run = self.run
        attempts = self.job["spec"]["backoffLimit"] + 1
        restarted = run.restart_policy == "OnFailure"
        gone = run.result == "pods_gone" or restarted
        times = self._attempts(1 if restarted else attempts)
        for number, attempt in enumerate(times):
            self._failed_pod(attempt, number, gone=gone)
        message = run.message or _LIMIT
        return self._gave_up(run.job_reason, message, run.created + run.took, run.created + run.took, len(times))

    def _gave_up(self, reason: str, message: str, target: float, end: float, failed: int) -> Outcome:
        conditions = [_condition("FailureTarget", target, reason, message)]
        finished = end <= self.side.moment.now
        if finished:
            conditions.append(_condition("Failed", end, reason, message))
            self._event(reason, message, end, "Warning")
        status = {"conditions": conditions, "startTime": rfc3339(self.run.created), **_counters(failed=failed)}
        status["terminating"] = 0 if finished else 1
        self.job["status"] = status
        return Outcome(self.job, end if finished else None, "Failed" if finished else "")

    def _deadline(self) -> Outcome:
        """Let the deadline pass: the pod is deleted, and Failed waits until its grace period is over."""
        run = self.run
        target = run.created + (run.deadline or run.took)
        started = run.created + run.pending
        name = self._pod(PodStory(run.created, started, target, "running", node=run.node), 0, gone=True)
        self._event("SuccessfulDelete", f"Deleted pod: {name}", target)
        return self._gave_up("DeadlineExceeded", _DEADLINE, target, target + _GRACE_S, 1)

    def _running(self) -> Outcome:
        run = self.run
        started = run.created + run.pending
        self._pod(PodStory(run.created, started, None, "running", node=run.node), 0)
        self.job["status"] = {"startTime": rfc3339(run.created), **_counters(active=1, ready=1)}
        return Outcome(self.job, None)

    def _not_starting(self) -> Outcome:
        run = self.run
        message = run.message or _DEFAULT_MESSAGES[run.result]
        story = PodStory(run.created, run.created + run.pending, None, run.result, message=message, node=run.node)
        self._pod(story, 0)
        self.job["status"] = {"startTime": rfc3339(run.created), **_counters(active=1)}
        return Outcome(self.job, None)

    def _crash_loop(self) -> Outcome:
        run = self.run
        run.restart_policy = self.job["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
        self.template = run.template()
        started = self.side.moment.now - 240
        story = PodStory(
            run.created,
            started,
            started + 60,
            "crash_loop",
            run.exit_code,
            run.reason,
            run.termination_message,
            run.restarts,
            run.node,
        )
        self._pod(story, 0)
        self.job["status"] = {"startTime": rfc3339(run.created), **_counters(active=1)}
        return Outcome(self.job, None)

    def _suspended(self) -> Outcome:
        condition = _condition("Suspended", self.run.created, "JobSuspended", "Job suspended")
        self.job["status"] = {"conditions": [condition], **_counters()}
        self._event("Suspended", "Job suspended", self.run.created)
        return Outcome(self.job, None)

    def _blocked(self) -> Outcome:
        """Let the quota refuse every pod: no condition, no pod, only events, each naming another pod."""
        run, side = self.run, self.side
        cause = run.message or _DEFAULT_MESSAGES["quota_blocked"]
        name = self.job["metadata"]["name"]
        tries = _retry_times(run.created, side.moment.now)
        pods = [f"{name}-{side.suffix(name, number)}" for number in range(len(tries))]
        texts = [f'Error creating: pods "{pod}" is forbidden: {cause}' for pod in pods]
        for at, text in list(zip(tries, texts))[:10]:
            self._event("FailedCreate", text, at, "Warning")
        if len(tries) > 10:
            combined = f"(combined from similar events): {texts[-1]}"
            self._event(
                "FailedCreate", combined, tries[-1], "Warning", first=tries[10], count=len(tries) - 10
            )
        self.job["status"] = {"startTime": rfc3339(run.created), **_counters()}
        return Outcome(self.job, None)


def _retry_times(start: float, now: float) -> list[float]:
    """Return when the controller tried to create a pod: one second apart at first, doubled up to ten minutes."""
    found, at, wait = [], start, 1.0
    while at <= now:
        found.append(at)
        at += wait
        wait = min(wait * 2, 600.0)
    return found


def play(side: Side, name: str, run: Run, *, kept: bool = True, **owner: Any) -> Outcome:
    """Write one run; of a Job that was pruned (``kept`` false) only the events remain."""
    return _Play(side, name, run, kept, owner).play()


def story_job(side: Side, story: dict[str, Any]) -> None:
    """Expand a ``job`` story: one Job without a CronJob."""
    raw = {key: value for key, value in story.items() if key != "name"}
    at = side.moment.ago(raw["ago"]) if "ago" in raw else side.moment.at(raw.get("at", "@-10m"))
    play(side, story["name"], parse_run(raw, at))
