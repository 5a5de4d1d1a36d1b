# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks of the two sides, and the relative times that scenarios are written in."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TERM = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")
_RELATIVE = re.compile(r"@(?:now|([+-])(.+))")


def seconds(value: Any) -> float:
    """Return a duration in seconds; accepts numbers (seconds) and texts such as ``2h30m`` or ``-15m``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    sign = -1.0 if text.startswith("-") else 1.0
    body = text.lstrip("+-")
    terms = _TERM.findall(body)
    if not terms or "".join(number + unit for number, unit in terms) != body:
        raise ValueError(f"{value!r} is not a duration: use seconds or a text such as 2h30m")
    return sign * sum(float(number) * _UNITS[unit] for number, unit in terms)


def rfc3339(at: float) -> str:
    """Return ``at`` (seconds since the epoch) as the API server writes metav1.Time: whole seconds, UTC."""
    return _at_second(int(at))


@lru_cache(maxsize=1024)
def _at_second(whole: int) -> str:
    """Kept, because a second of a long log has thousands of lines."""
    return datetime.fromtimestamp(whole, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(at: float) -> str:
    """Return ``at`` as metav1.MicroTime, the type of ``eventTime``."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rfc3339_nano(at_ns: int) -> str:
    """Return ``at_ns`` (nanoseconds since the epoch) with nine decimals, as the kubelet stamps log lines."""
    whole, fraction = divmod(at_ns, 1_000_000_000)
    return f"{rfc3339(whole)[:-1]}.{fraction:09d}Z"


def parse_time(value: Any) -> float:
    """Return an RFC 3339 time, or a date that the YAML reader already parsed, as seconds since the epoch."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    text = re.sub(r"(\.\d{6})\d+", r"\1", str(value))
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@dataclass(frozen=True)
class Clock:
    """The clock of one cluster.

    ``shift_s`` moves the time axis of the whole lab (both sides alike), ``ahead_s`` is what this side's clock is
    ahead of the true time: that second part is what clients see as clock skew.
    """

    shift_s: float = 0.0
    ahead_s: float = 0.0

    def now(self) -> float:
        """Return the present time of this side in seconds since the epoch."""
        return time.time() + self.shift_s + self.ahead_s


@dataclass(frozen=True)
class Moment:
    """One reading of a side's clock, against which all relative times of that side are resolved."""

    now: float
    ahead_s: float = 0.0

    def at(self, value: Any) -> float:
        """Resolve ``@-3h``, ``@now``, an RFC 3339 time, or a number of seconds since the epoch."""
        if isinstance(value, (int, float)):
            return float(value)
        match = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return parse_time(value)
        if match.group(1) is None:
            return self.now
        return self.now + seconds(match.group(1) + match.group(2))

    def ago(self, value: Any) -> float:
        """Return the time that lies ``value`` (a duration) before now."""
        return self.now - seconds(value)

    def expand(self, value: Any) -> Any:
        """Return ``value`` with every relative time in it, at any depth, written as RFC 3339."""
        if isinstance(value, dict):
            return {key: self.expand(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item) for item in value]
        if isinstance(value, str) and _RELATIVE.fullmatch(value):
            return rfc3339(self.at(value))
        if isinstance(value, datetime):
            return rfc3339(parse_time(value))
        return value


def lab_shift(now: Any) -> float:
    """Return the shift of the lab's time axis for a scenario's ``now``: an RFC 3339 time, an offset, or nothing."""
    if now is None:
        return 0.0
    try:
        return seconds(now)
    except ValueError:
        return parse_time(now) - time.time()
