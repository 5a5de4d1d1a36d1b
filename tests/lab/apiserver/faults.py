# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: the answers of an overloaded or broken server, slowness, cut connections, expired tokens."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from lab.clock import seconds
from lab.apiserver.requests import Request
from lab.apiserver.status import Answer, ApiError, text_answer
from lab.apiserver.store import decode_token, expired

_KEYS = {"match", "times", "status", "retry_after_s", "slow_s", "cut", "expire_continue"}


@dataclass
class Fault:
    """One fault. ``match`` is a regular expression over ``METHOD /path`` (or with ``?query``), from end to end."""

    match: str
    times: int | None = None
    status: int | None = None
    retry_after_s: int | None = None
    slow_s: float = 0.0
    cut: str = ""
    expire_continue: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def applies(self, request: Request) -> bool:
        """Tell whether the fault strikes this request, and count it."""
        line = f"{request.method} {request.path}"
        if not any(re.fullmatch(self.match, text) for text in (line, f"{line}?{request.query_string}")):
            return False
        if self.expire_continue and not _consistent_token(request):
            return False
        with self._lock:
            if self.times is None:
                return True
            self.times -= 1
            return self.times >= 0

    def strike(self, request: Request) -> Answer | None:
        """Wait, raise, or return the answer that replaces the real one; None lets the request go on."""
        if self.slow_s:
            time.sleep(self.slow_s)
        if self.expire_continue:
            raise expired(request.query["continue"])
        return _broken(self.status, self.retry_after_s) if self.status else None


def _consistent_token(request: Request) -> bool:
    token = request.query.get("continue", "")
    return bool(token) and decode_token(token)[0] >= 0


def _broken(status: int, retry_after_s: int | None) -> Answer:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if status == 429:
        answer = text_answer("Too many requests, please try again later.\n", 429)
        answer.headers.update({"Retry-After": "1", **headers})
        return answer
    details = {} if retry_after_s is None else {"retryAfterSeconds": retry_after_s}
    texts = {
        500: ("etcdserver: request timed out", None),
        503: ("The server is currently unable to handle the request", "ServiceUnavailable"),
        504: ("Timeout: request did not complete within the allotted timeout", "Timeout"),
    }
    message, reason = texts.get(status, (f"the server answered {status}", None))
    raise ApiError(status, message, reason, details or None, headers=headers)


def parse_fault(raw: dict[str, Any]) -> Fault:
    """Return a fault as a scenario writes it, with the unknown keys refused."""
    unknown = set(raw) - _KEYS
    if unknown or "match" not in raw:
        raise ValueError(f"fault {raw!r}: unknown keys {sorted(unknown)}, or no match")
    return Fault(**{**raw, "slow_s": seconds(raw.get("slow_s", 0))})
