# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod logs: parameter checks of the API server, container rules of the kubelet, and the text itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from lab.clock import parse_time, rfc3339_nano
from lab.apiserver.status import ApiError, bad_request, invalid

_BLOCK_LINES = 4096


@dataclass(frozen=True)
class LogOptions:
    """The parameters of one read."""

    container: str = ""
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: float | None = None

    def since_ns(self, now: float) -> int | None:
        """Return the youngest time that is left out, in nanoseconds, or None for the whole log."""
        if self.since_seconds is not None:
            return int((now - self.since_seconds) * 1e9)
        return None if self.since_time is None else int(self.since_time * 1e9)


class LogSource(Protocol):
    """The log of one container instance."""

    def read(self, options: LogOptions, now: float) -> Iterator[bytes]:
        """Yield the selected bytes, without regard to ``limit_bytes``."""


@dataclass(frozen=True)
class LogLines:
    """A log held line by line: (time in nanoseconds, text without its line feed)."""

    lines: tuple[tuple[int, bytes], ...] = ()

    def read(self, options: LogOptions, now: float) -> Iterator[bytes]:
        """Yield the selected lines."""
        since = options.since_ns(now)
        chosen = [line for line in self.lines if since is None or line[0] >= since]
        if options.tail_lines is not None:
            chosen = chosen[len(chosen) - min(options.tail_lines, len(chosen)) :]
        return (_stamped(at, text, options.timestamps) for at, text in chosen)


@dataclass(frozen=True)
class GeneratedLog:
    """A log of any size that is never held: equal lines, then ``tail`` as its last lines."""

    size: int
    start_ns: int
    step_ns: int
    line: bytes
    tail: tuple[bytes, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of generated lines before the tail."""
        return self.size // (len(self.line) + 1)

    def read(self, options: LogOptions, now: float) -> Iterator[bytes]:
        """Yield the selected lines; a tail is answered without generating what lies before it."""
        total = self.count + len(self.tail)
        first = 0
        since = options.since_ns(now)
        if since is not None:
            first = min(total, max(0, -(-(since - self.start_ns) // self.step_ns)))
        if options.tail_lines is not None:
            first = max(first, total - options.tail_lines)
        yield from self._stamped_lines(first) if options.timestamps else self._plain(first)
        for index in range(max(first, self.count), total):
            yield _stamped(self._at(index), self.tail[index - self.count], options.timestamps)

    def _at(self, index: int) -> int:
        return self.start_ns + index * self.step_ns

    def _plain(self, first: int) -> Iterator[bytes]:
        left = max(0, self.count - first)
        block = (self.line + b"\n") * min(_BLOCK_LINES, left)
        for _unused in range(left // _BLOCK_LINES):
            yield block
        yield block[: left % _BLOCK_LINES * (len(self.line) + 1)]

    def _stamped_lines(self, first: int) -> Iterator[bytes]:
        numbers = iter(range(first, self.count))
        while batch := list(islice(numbers, 512)):
            line = " " + self.line.decode("latin-1")
            yield "\n".join([*(rfc3339_nano(self._at(index)) + line for index in batch), ""]).encode("latin-1")


def _stamped(at_ns: int, text: bytes, timestamps: bool) -> bytes:
    return (rfc3339_nano(at_ns).encode() + b" " if timestamps else b"") + text + b"\n"


def limited(chunks: Iterable[bytes], limit: int | None) -> Iterator[bytes]:
    """Cut the stream after ``limit`` bytes, in the middle of a line if need be."""
    for chunk in chunks:
        if limit is not None:
            chunk = chunk[:limit]
            limit -= len(chunk)
        if chunk:
            yield chunk
        if limit == 0:
            return


def _integer(query: Mapping[str, str], key: str) -> int | None:
    if not query.get(key):
        return None
    if re.fullmatch(r"[+-]?\d+", query[key]) is None:
        raise bad_request(f'strconv.ParseInt: parsing "{query[key]}": invalid syntax', fair_queue=False)
    return int(query[key])


def _flag(query: Mapping[str, str], key: str) -> bool:
    return key in query and query[key].lower() not in ("false", "0")


def _since_time(query: Mapping[str, str]) -> float | None:
    text = query.get("sinceTime")
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00"
        message = f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"'
        raise bad_request(message, fair_queue=False) from None


def parse_options(query: Mapping[str, str], pod: str) -> LogOptions:
    """Return the options of a request, or refuse them as the API server does: 400 unreadable, 422 out of range."""
    options = LogOptions(
        container=query.get("container", ""),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        tail_lines=_integer(query, "tailLines"),
        limit_bytes=_integer(query, "limitBytes"),
        since_seconds=_integer(query, "sinceSeconds"),
        since_time=_since_time(query),
    )
    _check_range(options, pod)
    if query.get("stream"):
        raise _out_of_range(pod, "stream", "FieldValueForbidden", "Forbidden: may not be specified")
    return options


def _check_range(options: LogOptions, pod: str) -> None:
    lowest = (
        ("tailLines", options.tail_lines, 0, "must be greater than or equal to 0"),
        ("limitBytes", options.limit_bytes, 1, "must be greater than 0"),
        ("sinceSeconds", options.since_seconds, 1, "must be greater than 0"),
    )
    if options.since_seconds is not None and options.since_time is not None:
        text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        raise _out_of_range(pod, "[]", "FieldValueForbidden", text)
    for name, value, least, rule in lowest:
        if value is not None and value < least:
            raise _out_of_range(pod, name, "FieldValueInvalid", f"Invalid value: {value}: {rule}")


def _out_of_range(pod: str, field: str, reason: str, text: str) -> ApiError:
    error = invalid("PodLogOptions", pod, field, reason, text)
    error.fair_queue = False
    return error


def choose_container(pod: dict[str, Any], wanted: str) -> str:
    """Return the container to read; with more than one and none named the API server refuses."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    regular = [container["name"] for container in spec["containers"]]
    init = [container["name"] for container in spec.get("initContainers", [])]
    if wanted:
        ephemeral = [container["name"] for container in spec.get("ephemeralContainers", [])]
        if wanted not in (*regular, *init, *ephemeral):
            raise bad_request(f"container {wanted} is not valid for pod {name}", fair_queue=False)
        return wanted
    if len(regular) == 1:
        return str(regular[0])
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
    if init:
        message += f" or one of the init containers: [{' '.join(init)}]"
    raise bad_request(message, fair_queue=False)


def check_state(pod: dict[str, Any], container: str, previous: bool) -> bool:
    """Refuse as the kubelet does where the container has no log; return whether the last instance is read."""
    name = pod["metadata"]["name"]
    status = pod.get("status", {})
    lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    found = [entry for key in lists for entry in status.get(key) or [] if entry["name"] == container]
    if not found:
        raise bad_request(f'container "{container}" in pod "{name}" is not available', fair_queue=False)
    state = found[0].get("state") or {}
    last = (found[0].get("lastState") or {}).get("terminated") or {}
    if previous:
        if not last.get("containerID"):
            message = f'previous terminated container "{container}" in pod "{name}" not found'
            raise bad_request(message, fair_queue=False)
        return True
    if state.get("running") or (state.get("terminated") or {}).get("containerID"):
        return False
    if last:
        return True
    reason = (state.get("waiting") or {}).get("reason", "")
    raise bad_request(_waiting(container, name, reason), fair_queue=False)


def _waiting(container: str, pod: str, reason: str) -> str:
    texts = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    subject = f'container "{container}" in pod "{pod}" is waiting to start'
    return f"{subject}: {texts.get(reason, reason)}" if reason else f"{subject} - no logs yet"
