# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The clock of a server, learned from what it answers."""

from __future__ import annotations

import time
import typing as t
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime


class Clock:
    """How far the server's clock stands from ours, learned from the Date header of every reply.

    Date is the server's time cut to the second, somewhere between our sending and our receiving: each reply bounds the
    offset to [Date - received, Date + 1 s - sent], and the intersection of all of them tightens with every reply.
    """

    def __init__(self) -> None:
        self.low = float("-inf")
        self.high = float("inf")
        self.samples = 0

    def add(self, date: str | None, sent: float, received: float) -> None:
        """One reply: its Date header and our clock (epoch seconds) before and after."""
        if not date:
            return
        try:
            stamp = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return
        low, high = stamp - received, stamp + 1.0 - sent
        self.samples += 1
        if low > self.high or high < self.low:
            # Replicas of an API server with clocks of their own: the truth is only known to lie somewhere in both.
            self.low, self.high = min(self.low, low), max(self.high, high)
        else:
            self.low, self.high = max(self.low, low), min(self.high, high)

    def now(self) -> datetime:
        """The server's time now; ours when it never said its own."""
        return datetime.fromtimestamp(time.time() + (self.offset_s or 0.0), timezone.utc)

    @property
    def offset_s(self) -> float | None:
        """Server minus this machine, seconds."""
        return round((self.low + self.high) / 2, 3) if self.samples else None

    def as_evidence(self) -> dict[str, t.Any] | None:
        """offset_s (server minus this machine) and error_s (half the width of what is known)."""
        if not self.samples:
            return None
        return {"offset_s": self.offset_s, "error_s": round((self.high - self.low) / 2, 3), "samples": self.samples}
