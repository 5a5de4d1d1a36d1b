# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods as the job controller creates them and as scheduler and kubelet report on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.clock import rfc3339
from lab.stories.side import Side

DEFAULT_IMAGE = "images.example.com/backup/sync:1.4.2"
_WAITING = ("image_pull", "config_error", "crash_loop")


@dataclass(frozen=True)
class Template:
    """The pod template of a Job: container names and what the stories may vary."""

    containers: tuple[str, ...] = ("sync",)
    sidecars: tuple[str, ...] = ()
    image: str = DEFAULT_IMAGE
    restart_policy: str = "Never"
    labels: dict[str, str] = field(default_factory=dict)
    memory: str = "256Mi"
    env: dict[str, str] = field(default_factory=dict)

    def _container(self, name: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": name,
            "image": self.image,
            "command": ["/usr/bin/backup-sync"],
            "args": ["--config", "/etc/backup/config.yaml"],
        }
        if self.env:
            made["env"] = [{"name": key, "value": str(value)} for key, value in self.env.items()]
        made["resources"] = {"limits": {"memory": self.memory}, "requests": {"cpu": "50m", "memory": "64Mi"}}
        made["terminationMessagePath"] = "/dev/termination-log"
        made["terminationMessagePolicy"] = "File"
        made["imagePullPolicy"] = "IfNotPresent"
        return made

    def spec(self) -> dict[str, Any]:
        """Return the spec with the server's defaults filled in; native sidecars are restarting init containers."""
        spec: dict[str, Any] = {"containers": [self._container(name) for name in self.containers]}
        if self.sidecars:
            spec["initContainers"] = [{**self._container(name), "restartPolicy": "Always"} for name in self.sidecars]
        spec["restartPolicy"] = self.restart_policy
        spec["terminationGracePeriodSeconds"] = 30
        spec["dnsPolicy"] = "ClusterFirst"
        spec["securityContext"] = {}
        spec["schedulerName"] = "default-scheduler"
        return spec


@dataclass(frozen=True)
class PodStory:
    """What became of one pod."""

    created: float
    started: float
    ended: float | None
    state: str
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    restarts: int = 0
    node: str = ""


def _conditions(story: PodStory, names: tuple[str, ...]) -> list[dict[str, Any]]:
    changed = rfc3339(story.ended if story.ended is not None else story.started)
    unready = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(_phase(story), "ContainersNotReady")
    ready: dict[str, Any] = {"status": "True", "lastProbeTime": None, "lastTransitionTime": changed}
    if story.state != "running":
        message = f"containers with unready status: [{' '.join(names)}]"
        ready = {**ready, "status": "False", "reason": unready, "message": message}
    good = {"status": "True", "lastProbeTime": None, "lastTransitionTime": changed}
    return [
        {"type": "PodReadyToStartContainers", **good},
        {"type": "Initialized", **good},
        {"type": "Ready", **ready},
        {"type": "ContainersReady", **ready},
        {"type": "PodScheduled", **good, "lastTransitionTime": rfc3339(story.created)},
    ]


def _phase(story: PodStory) -> str:
    phases = {"succeeded": "Succeeded", "failed": "Failed", "running": "Running", "crash_loop": "Running"}
    return phases.get(story.state, "Pending")


def _terminated(story: PodStory, container_id: str) -> dict[str, Any]:
    reason = story.reason or ("Completed" if story.exit_code == 0 else "Error")
    ended: dict[str, Any] = {"exitCode": story.exit_code, "reason": reason}
    if story.message:
        ended["message"] = story.message
    ended["startedAt"] = rfc3339(story.started)
    ended["finishedAt"] = rfc3339(story.ended if story.ended is not None else story.started)
    ended["containerID"] = container_id
    return ended


def _waiting(story: PodStory, pod: dict[str, Any], name: str, image: str) -> dict[str, Any]:
    metadata = pod["metadata"]
    whole = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
    texts = {
        "image_pull": ("ImagePullBackOff", f'Back-off pulling image "{image}": {story.message}'),
        "config_error": ("CreateContainerConfigError", story.message),
        "crash_loop": ("CrashLoopBackOff", f"back-off 5m0s restarting failed container={name} pod={whole}"),
    }
    reason, message = texts[story.state]
    return {"reason": reason, "message": message}


def _container_status(side: Side, pod: dict[str, Any], name: str, story: PodStory, image: str) -> dict[str, Any]:
    container_id = f"containerd://{side.hex(64, pod['metadata']['name'], name)}"
    state: dict[str, Any] = {"running": {"startedAt": rfc3339(story.started)}}
    last: dict[str, Any] = {}
    if story.state in _WAITING:
        state = {"waiting": _waiting(story, pod, name, image)}
        last = {"terminated": _terminated(story, container_id)} if story.state == "crash_loop" else {}
    elif story.state != "running":
        state = {"terminated": _terminated(story, container_id)}
    never = story.state in ("image_pull", "config_error")
    status: dict[str, Any] = {
        "name": name,
        "state": state,
        "lastState": last,
        "ready": story.state == "running",
        "restartCount": story.restarts,
        "image": image,
        "imageID": "" if never else f"{image.split(':')[0]}@sha256:{side.hex(64, image)}",
    }
    if not never:
        status["containerID"] = container_id
    return {**status, "started": story.state == "running"}


def _status(side: Side, pod: dict[str, Any], template: Template, story: PodStory) -> dict[str, Any]:
    if story.state == "unschedulable":
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": rfc3339(story.created),
            "reason": "Unschedulable",
            "message": story.message,
        }
        return {"phase": "Pending", "conditions": [condition], "qosClass": "Burstable"}
    address = f"10.244.0.{int(side.hex(2, pod['metadata']['name']), 16)}"
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "phase": _phase(story),
        "conditions": _conditions(story, template.containers),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": rfc3339(story.created + 1),
    }
    if template.sidecars:
        calm = story if story.state in ("running", *_WAITING) else _calm(story)
        status["initContainerStatuses"] = [
            _container_status(side, pod, name, calm, template.image) for name in template.sidecars
        ]
    status["containerStatuses"] = [
        _container_status(side, pod, name, _calm(story) if index else story, template.image)
        for index, name in enumerate(template.containers)
    ]
    status["qosClass"] = "Burstable"
    return status


def _calm(story: PodStory) -> PodStory:
    """Return the state of the containers beside the failing one: they end well when the pod ends."""
    if story.ended is None or story.state in _WAITING:
        return story
    return PodStory(story.created, story.started, story.ended, "succeeded", 0, "Completed")


def make_pod(side: Side, job: dict[str, Any], template: Template, story: PodStory, number: int) -> dict[str, Any]:
    """Return a pod of a Job, with both forms of the job-name label, and store it with its events."""
    job_meta = job["metadata"]
    name = f"{job_meta['name']}-{side.suffix(job_meta['name'], number)}"
    finished = story.state in ("succeeded", "failed")
    metadata = side.metadata(
        "Pod",
        name,
        story.created,
        generate=f"{job_meta['name']}-",
        generation=1,
        labels=job["spec"]["template"]["metadata"]["labels"],
        owners=[owner_of(job)],
        finalizers=None if finished else ["batch.kubernetes.io/job-tracking"],
    )
    spec = template.spec()
    node = story.node or side.node(name)
    tail = {"serviceAccountName": "default", "serviceAccount": "default"}
    if story.state != "unschedulable":
        tail["nodeName"] = node
    spec.update(tail, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    pod["status"] = _status(side, pod, template, story)
    side.add(pod)
    _events(side, pod, template, story, node)
    return pod


def owner_of(parent: dict[str, Any]) -> dict[str, Any]:
    """Return the owner reference to a controller object."""
    metadata = parent["metadata"]
    return {
        "apiVersion": parent["apiVersion"],
        "kind": parent["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _events(side: Side, pod: dict[str, Any], template: Template, story: PodStory, node: str) -> None:
    metadata = pod["metadata"]
    place = f"{metadata['namespace']}/{metadata['name']}"
    if story.state == "unschedulable":
        side.event(pod, "FailedScheduling", story.message, story.created + 0.4, type="Warning", new=True)
        return
    side.event(pod, "Scheduled", f"Successfully assigned {place} to {node}", story.created + 0.2, new=True)
    for name in template.containers:
        path = f"spec.containers{{{name}}}"
        kubelet = {"component": "kubelet", "host": node, "field_path": path}
        if story.state in _WAITING:
            _trouble(side, pod, template, story, name, kubelet)
            continue
        image = f'Container image "{template.image}" already present on machine'
        side.event(pod, "Pulled", image, story.started - 0.5, **kubelet)
        side.event(pod, "Created", f"Container created: {name}", story.started - 0.3, **kubelet)
        side.event(pod, "Started", f"Container started: {name}", story.started, **kubelet)


def _trouble(
    side: Side, pod: dict[str, Any], template: Template, story: PodStory, name: str, kubelet: dict[str, Any]
) -> None:
    """Write the repeating events of a container that does not come up; each repeat renews the event."""
    now, first = side.moment.now, story.created + 2
    tries = max(1, int((now - first) // 300) + 3)
    repeated = {"type": "Warning", "first": first, "count": tries, **kubelet}
    metadata = pod["metadata"]
    if story.state == "image_pull":
        pull = f'Failed to pull image "{template.image}": {story.message}'
        side.event(pod, "Pulling", f'Pulling image "{template.image}"', now - 40, first=first, count=tries, **kubelet)
        side.event(pod, "Failed", pull, now - 39, **repeated)
        side.event(pod, "Failed", "Error: ErrImagePull", now - 39, **repeated)
        side.event(pod, "BackOff", f'Back-off pulling image "{template.image}"', now - 15, **repeated)
    elif story.state == "config_error":
        side.event(pod, "Failed", f"Error: {story.message}", now - 12, **repeated)
    else:
        whole = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        text = f"Back-off restarting failed container {name} in pod {whole}"
        side.event(pod, "BackOff", text, now - 12, **repeated)
