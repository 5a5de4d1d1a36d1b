# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: throttling, broken servers, slowness, cut connections, Regions out of reach, answers not of AWS."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

from lab.aws.errors import AwsError
from lab.clock import seconds

_KEYS = {
    "match", "region", "account", "params", "times", "status", "code", "message", "throttle", "rate_per_s", "burst",
    "slow_s", "latency_ms", "cut", "html", "unreachable", "clock_ahead_s",
}  # fmt: skip
_CUTS = ("", "before_headers", "after_headers", "mid_body")
# Services that name throttling in a way of their own; the others by their protocol.
_THROTTLE_BY_SERVICE = {"organizations": "TooManyRequestsException", "service-quotas": "TooManyRequestsException"}
_BROKEN = {500: "InternalFailure", 502: "BadGateway", 503: "ServiceUnavailableException", 504: "GatewayTimeout"}
_PAGE = b"<html>\r\n<head><title>%d %s</title></head>\r\n<body><center><h1>%d %s</h1></center></body>\r\n</html>\r\n"


@dataclass(frozen=True)
class Strike:
    """The call that a fault may strike. params: the input members as far as they are read yet."""

    service: str
    operation: str
    protocol: str
    region: str
    account: str
    params: Mapping[str, Any]


@dataclass
class Fault:
    """One fault. match: "service:Operation", * and ? allowed; region, account, params (a subset) narrow it.

    times: how many calls it strikes, None: all. throttle, or rate_per_s with burst (a token bucket), refuse with the
    service's throttling error; status (with code and message) refuses otherwise; html answers with a page that is not
    AWS's; cut: before_headers, after_headers, mid_body; unreachable closes the connection; slow_s and latency_ms delay.
    """

    match: str = "*"
    region: str = "*"
    account: str = "*"
    params: dict[str, Any] = field(default_factory=dict)
    times: int | None = None
    status: int | None = None
    code: str = ""
    message: str = ""
    throttle: bool = False
    rate_per_s: float | None = None
    burst: float = 1.0
    slow_s: float = 0.0
    latency_ms: float = 0.0
    cut: str = ""
    html: bool = False
    unreachable: bool = False
    clock_ahead_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _tokens: float = field(default=0.0, init=False)
    _filled_at: float | None = field(default=None, init=False)

    def applies(self, strike: Strike) -> bool:
        """Tell whether the fault strikes this call, and count it."""
        if not self._is_about(strike):
            return False
        with self._lock:
            if self.rate_per_s is not None and self._take_token(self.rate_per_s):
                return False
            if self.times is None:
                return True
            self.times -= 1
            return self.times >= 0

    def _is_about(self, strike: Strike) -> bool:
        return (
            fnmatchcase(f"{strike.service}:{strike.operation}", self.match)
            and fnmatchcase(strike.region, self.region)
            and fnmatchcase(strike.account, self.account)
            and all(strike.params.get(key) == value for key, value in self.params.items())
        )

    def _take_token(self, rate: float) -> bool:
        now = time.monotonic()
        passed = 0.0 if self._filled_at is None else now - self._filled_at
        self._tokens = self.burst if self._filled_at is None else min(self.burst, self._tokens + passed * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    @property
    def delay_s(self) -> float:
        """Return how long the answer is held back."""
        return self.slow_s + self.latency_ms / 1000

    @property
    def page(self) -> tuple[int, bytes] | None:
        """Return the status and body of an answer that is not AWS's."""
        if not self.html:
            return None
        status = self.status or 502
        reason = {502: b"Bad Gateway", 503: b"Service Temporarily Unavailable"}.get(status, b"Error")
        return status, _PAGE % (status, reason, status, reason)

    def error(self, strike: Strike) -> AwsError | None:
        """Return the error that replaces the real answer, None where the fault is of another kind."""
        if self.html:
            return None
        if self.throttle or self.rate_per_s is not None:
            return throttled(strike.service, strike.protocol)
        if self.status is None:
            return None
        code = self.code or _BROKEN.get(self.status, "InternalFailure")
        return AwsError(code, self.message or "The request processing has failed.", self.status)


def throttled(service: str, protocol: str) -> AwsError:
    """Return the throttling error of a service."""
    if protocol == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)
    if protocol == "query":
        return AwsError("Throttling", "Rate exceeded", 400)
    status = 429 if protocol == "rest-json" else 400
    return AwsError(_THROTTLE_BY_SERVICE.get(service, "ThrottlingException"), "Rate exceeded", status)


def parse_fault(raw: dict[str, Any]) -> Fault:
    """Return a fault as a scenario writes it, with unknown keys and values refused."""
    unknown = set(raw) - _KEYS
    if unknown:
        raise ValueError(f"fault {raw!r}: unknown keys {sorted(unknown)}")
    if raw.get("cut", "") not in _CUTS:
        raise ValueError(f"fault {raw!r}: cut is one of {', '.join(_CUTS[1:])}")
    if "status" in raw:
        HTTPStatus(raw["status"])  # raises ValueError for a number that is none
    durations: dict[str, Any] = {key: seconds(raw[key]) for key in ("slow_s", "clock_ahead_s") if key in raw}
    fault = Fault(**{**raw, **durations})
    if fault.rate_per_s is not None and "burst" not in raw:
        fault.burst = max(1.0, fault.rate_per_s)
    return fault
