# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 4: the logs of the pods of the copy jobs, init containers and runs before a restart included.

The runbook's three phrases are counted apart, because the tools hardly ever write them; what tells is kept by patterns.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    clip,
    duration_parameter,
    evidence,
    failed,
    parse_time,
    rfc3339,
    window,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _pods
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    Worst,
    denied_entry,
    feed_parameter,
    look_for_namespace,
    namespace_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._logreader import LogReader
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._resources import DEFAULT_LABEL, resource_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import Selector, selector_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._telling import GENERAL, PHRASES, Telling
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "logs"
PIECE = 65536
AT_ONCE = 4  # every read is proxied by the API server to a kubelet: a few at a time
REFUSED_ENOUGH = 4  # so many refusals and nothing read: the right is missing for all
LAST_LINES = 50  # read once more of a failed container whose log max_bytes cut at its end
MOST_TAILS = 10


class _Asked(t.NamedTuple):
    namespace: str
    selector: Selector
    resource_label: str
    window_s: float
    rows: int
    tail_lines: int
    max_bytes: int
    max_pods: int
    telling: Telling
    pods: list[dict[str, t.Any]] | None


class _Target(t.NamedTuple):
    """One log to read."""

    pod: dict[str, t.Any]  # a row of feed.pods
    container: str
    role: str
    previous: bool
    ended_in_error: bool
    fall_back: bool  # to the current log, which the kubelet serves from the last run as well


class _Log(t.NamedTuple):
    """What became of it."""

    target: _Target
    reader: LogReader
    failure: ReadFailed | None
    cut: bool = False


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read every container's log, a few at a time, failed pods first."""
    asked = _asked(params)
    query: dict[str, t.Any] = {
        "cluster": None,
        "namespace": asked.namespace,
        "label_selector": asked.selector.text,
        "tail_lines": asked.tail_lines,
    }
    try:
        cluster = clients.cluster
        query["cluster"] = cluster.host
        pods = asked.pods if asked.pods is not None else _list_pods(cluster, asked)
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    missing: ReadFailed | None = None
    denied: list[dict[str, t.Any]] = []
    if not pods and asked.pods is None:
        missing, denied = look_for_namespace(cluster, asked.namespace)
    pods = sorted(pods, key=lambda pod: (bool(pod.get("failed")), str(pod.get("created_at") or "")), reverse=True)
    scheduled = [pod for pod in pods if pod.get("scheduled", True)]
    targets = [target for pod in scheduled[: asked.max_pods] for target in _targets(pod)]
    logs = _read_all(cluster, asked, targets)
    unread = _unread_rows(asked, logs, pods, len(scheduled))
    refused, denied_logs = _refusals(logs)
    now = cluster.clock.now()
    error = missing or refused
    return Gathered(
        evidence(
            NAME,
            outcome=error.outcome if error else ("ok" if any(log.reader.bytes for log in logs) else "empty"),
            query=dict(query, window=window(now, asked.window_s)),
            covered=_covered(logs, now),
            observed_at=rfc3339(now),
            clock=cluster.clock.as_evidence(),
            summary=_summary(logs, unread),
            rows={
                "lines": _line_rows(logs, asked.rows),
                "tails": _tail_rows(logs, min(asked.rows, MOST_TAILS)),
                "unread": (unread[: asked.rows], len(unread)),
            },
            error=error.as_error() if error else None,
            denied=denied + denied_logs,
        )
    )


def _asked(params: Params) -> _Asked:
    numbers = {}
    for name, default, least in (("tail_lines", 5000, 0), ("max_bytes", 16777216, 0), ("max_pods", 40, 1)):
        given = params.get(name)
        numbers[name] = default if given is None else int(given)
        if numbers[name] < least:
            raise BadParameter(f"{name}: {numbers[name]} cannot be used; give {least} or more.")
    patterns = params.get("patterns")
    return _Asked(
        namespace=namespace_parameter(params),
        selector=selector_parameter(params),
        resource_label=str(params.get("resource_label") or DEFAULT_LABEL),
        window_s=duration_parameter(params, "window") or 86400.0,
        rows=rows_parameter(params),
        telling=Telling([*([GENERAL] if patterns is None else patterns), *(params.get("more_patterns") or [])]),
        pods=feed_parameter(params, "pods", "pods"),
        **numbers,
    )


def _list_pods(cluster: t.Any, asked: _Asked) -> list[dict[str, t.Any]]:
    """The pods by label, as the job detail step would hand them over. Raises ReadFailed."""
    query = {"labelSelector": asked.selector.text} if asked.selector.text else None
    found = []
    for pod in cluster.list(path_of("", "v1", "pods", asked.namespace), query):
        resource = resource_of(
            pod, kind="Pod", resource_label=asked.resource_label, strip=asked.selector.words()
        )
        found.append(_pods.feed_row(pod, _pods.container_rows(pod), _pods.job_of(pod), resource))
    return found


def _targets(pod: dict[str, t.Any]) -> list[_Target]:
    """The logs of a pod that are worth a request; a mesh's proxy says nothing about the copy."""
    found = []
    for container in pod.get("containers") or []:
        name, role = str(container.get("container")), str(container.get("role") or "main")
        if name in _pods.MESH_PROXIES:
            continue
        state = container.get("state")
        before = bool(container.get("restarts")) or bool(container.get("previous"))
        broken = bool(container.get("failed", pod.get("failed"))) and role != "sidecar"
        if state == "waiting" and before:
            # Waiting for its next start: the current log and the previous one are both that of the last run.
            found.append(_Target(pod, name, role, True, broken, True))
            continue
        found.append(_Target(pod, name, role, False, broken and state == "terminated", False))
        if before:
            found.append(_Target(pod, name, role, True, broken, False))
    return found


# --------------------------------------------------------------------------------------------------- reading


class _Refused:
    """Counts refusals over all threads, so that a missing right costs a few requests and not all."""

    def __init__(self) -> None:
        self.count = 0
        self.read = 0
        self.failure: ReadFailed | None = None

    def stop(self) -> bool:
        return self.count >= REFUSED_ENOUGH and not self.read


def _read_all(cluster: t.Any, asked: _Asked, targets: list[_Target]) -> list[_Log]:
    """All logs, in the order of the targets whatever the threads do."""
    refused = _Refused()
    if not targets:
        return []
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        return list(threads.map(lambda target: _read(cluster, asked, target, refused), targets))


def _read(cluster: t.Any, asked: _Asked, target: _Target, refused: _Refused) -> _Log:
    reader = LogReader(asked.telling)
    if refused.stop():
        return _Log(target, reader, refused.failure)
    try:
        cut = _read_one(cluster, asked, target, reader)
    except ReadFailed as failure:
        reader.close()  # what came before the connection broke is evidence too
        if failure.outcome == "forbidden":
            refused.count += 1
            refused.failure = failure
        elif failure.code == 400 and target.fall_back:
            return _read(cluster, asked, target._replace(previous=False, fall_back=False), refused)
        return _Log(target, reader, failure)
    refused.read += 1
    return _Log(target, reader, None, cut)


def _read_one(cluster: t.Any, asked: _Asked, target: _Target, reader: LogReader) -> bool:
    """Read one log; true when max_bytes cut it. Raises ReadFailed."""
    path = path_of("", "v1", "pods", asked.namespace, str(target.pod.get("pod"))) + "/log"
    query: dict[str, t.Any] = {
        "container": target.container,
        "timestamps": "true",
        "sinceSeconds": max(1, int(asked.window_s)),
    }
    if target.previous:
        query["previous"] = "true"
    bounds: dict[str, t.Any] = {}
    if asked.tail_lines:
        bounds["tailLines"] = asked.tail_lines
    if asked.max_bytes:
        bounds["limitBytes"] = asked.max_bytes
    for piece in cluster.stream(path, dict(query, **bounds), PIECE):
        reader.feed(piece)
    reader.close()
    cut = bool(asked.max_bytes) and reader.bytes >= asked.max_bytes
    if cut and target.ended_in_error:
        _read_end(cluster, path, dict(query, tailLines=LAST_LINES), reader)
    return cut


def _read_end(cluster: t.Any, path: str, query: dict[str, t.Any], reader: LogReader) -> None:
    """limitBytes keeps the start of a log: of a failed container the end is what tells. Adds only what is new."""
    known = reader.last_stamp
    body = b"".join(cluster.stream(path, query, PIECE))
    for line in body.splitlines(keepends=True):
        stamp = line.partition(b" ")[0].decode("ascii", "replace")
        if known is None or stamp > known:
            reader.feed(line)
    reader.close()


# ------------------------------------------------------------------------------------------------------ rows


def _place(target: _Target) -> dict[str, t.Any]:
    return {"pod": target.pod.get("pod"), "container": target.container}


def _line_rows(logs: list[_Log], most: int) -> tuple[list[dict[str, t.Any]], int]:
    worst = Worst(most)
    for log in logs:
        for line in log.reader.kept(log.target.ended_in_error):
            failed_pod = bool(log.target.pod.get("failed"))
            worst.push((failed_pod, line.final, bool(line.phrases), line.last or ""), (log.target, line))
    rows = []
    for target, line in worst.rows():
        rows.append(
            {
                **_place(target),
                "role": target.role,
                "job": target.pod.get("job"),
                "resource": target.pod.get("resource"),
                "failed_pod": bool(target.pod.get("failed")),
                "previous": target.previous,
                "first_at": rfc3339(parse_time(line.first)),
                "last_at": rfc3339(parse_time(line.last)),
                "count": line.count,
                "text": clip(line.text),
                "final": line.final,
                "phrases": [phrase for phrase in PHRASES if phrase in line.phrases],
            }
        )
    return rows, worst.total


def _tail_rows(logs: list[_Log], most: int) -> tuple[list[dict[str, t.Any]], int]:
    rows = []
    for log in logs:
        tail = log.reader.tail() if log.target.ended_in_error else []
        if tail:
            place = dict(_place(log.target), job=log.target.pod.get("job"), resource=log.target.pod.get("resource"))
            rows.append(dict(place, lines=[clip(text, 300) for dummy, text in tail]))
    return rows[:most], len(rows)


def _unread_rows(
    asked: _Asked, logs: list[_Log], pods: list[dict[str, t.Any]], scheduled: int
) -> list[dict[str, t.Any]]:
    rows = []
    for log in logs:
        if log.failure:
            outcome = _why(log.failure)
            # After a few refusals nobody asks again, so a refusal's own text may speak of another pod.
            message = "this identity may not read pods/log" if outcome == "forbidden" else clip(log.failure.message)
            rows.append(dict(_place(log.target), outcome=outcome, message=message))
    for pod in pods:
        if not pod.get("scheduled", True):
            message = "not scheduled: the pod has no node, so no container has started"
            rows.append({"pod": pod.get("pod"), "container": None, "outcome": "not_scheduled", "message": message})
    rest = [pod for pod in pods if pod.get("scheduled", True)][asked.max_pods : scheduled]
    for pod in rest:
        message = f"more pods than max_pods ({asked.max_pods})"
        rows.append({"pod": pod.get("pod"), "container": None, "outcome": "not_read", "message": message})
    return rows


def _why(failure: ReadFailed) -> str:
    if failure.code == 400 and "is waiting to start" in failure.message:
        return "not_started"
    if failure.code == 400 and "not found" in failure.message:
        return "not_found"
    return failure.outcome


def _refusals(logs: list[_Log]) -> tuple[ReadFailed | None, list[dict[str, t.Any]]]:
    """(why the step as a whole read nothing, the refusal that it could go on without)."""
    failures = [log.failure for log in logs if log.failure and _why(log.failure) not in ("not_started", "not_found")]
    refused = next((failure for failure in failures if failure.outcome == "forbidden"), None)
    if any(log.failure is None or log.reader.bytes for log in logs):
        return None, [denied_entry("pods/log", refused)] if refused else []
    return refused or (failures[0] if failures else None), []


def _summary(logs: list[_Log], unread: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    read = [log for log in logs if log.failure is None or log.reader.bytes]
    phrases: Counter[str] = Counter()
    for log in read:
        phrases.update(log.reader.phrases)
    return {
        "pods": len({log.target.pod.get("pod") for log in read}),
        "containers": len({(log.target.pod.get("pod"), log.target.container) for log in read}),
        "bytes": sum(log.reader.bytes for log in read),
        "lines": sum(log.reader.lines for log in read),
        "phrases": {phrase: phrases[phrase] for phrase in PHRASES},
        "matched": sum(log.reader.matched for log in read),
        "unread": len(unread),
        "cut": sum(log.cut for log in logs),
    }


def _covered(logs: list[_Log], now: t.Any) -> dict[str, str | None] | None:
    """From the oldest line that was searched; the kubelet keeps no more than a few rotated files."""
    firsts = [log.reader.first_stamp for log in logs if log.reader.first_stamp]
    oldest = min(filter(None, map(parse_time, firsts)), default=None)
    return {"start": rfc3339(oldest), "end": rfc3339(now)} if oldest else None


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        connection_spec(),
        namespace={"type": "str", "required": True},
        label_selector={"type": "str", "default": "app=backup-sync"},
        resource_label={"type": "str", "default": DEFAULT_LABEL},
        window={"type": "str", "default": "24h"},
        pods={"type": "raw"},
        patterns={"type": "list", "elements": "str"},
        more_patterns={"type": "list", "elements": "str"},
        tail_lines={"type": "int", "default": 5000},
        max_bytes={"type": "int", "default": 16777216},
        max_pods={"type": "int", "default": 40},
        max_rows={"type": "int", "default": 50},
    ),
)
