# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Reads one log in pieces and keeps its telling lines: memory follows what is kept, not what is read."""

from __future__ import annotations

from collections import Counter

from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import fold
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._telling import (
    Match,
    Telling,
    plain_lines,
    text_of,
)

BLOCK = 262144  # bytes that are searched at once
LONGEST_LINE = 65536  # bytes of a line that are looked at
KEPT = 100  # different telling lines of one log
SHOWN = 2400  # characters of a line that are kept until it is masked and cut to its length in the evidence
TAIL_LINES = 10
_TAIL_BYTES = 65536


class Line:
    """Equal lines (after digits and ids are folded) of one log."""

    __slots__ = ("text", "count", "first", "last", "phrases", "final")

    def __init__(self, text: str) -> None:
        self.text = text
        self.count = 0
        self.first: str | None = None
        self.last: str | None = None
        self.phrases: set[str] = set()
        self.final = False

    def rank(self) -> tuple[bool, str]:
        """What is kept when not all can be: the runbook's phrases, then the newest."""
        return (bool(self.phrases), self.last or "")


class LogReader:
    """Takes the pieces of one log as they come."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._waiting = bytearray()
        self._skipping = False  # inside a line of which the first LONGEST_LINE bytes have been taken
        self._tail = b""
        self._lines: dict[str, Line] = {}
        self.bytes = self.lines = self.matched = 0
        self.first_stamp: str | None = None
        self.phrases: Counter[str] = Counter()

    def feed(self, piece: bytes) -> None:
        """The next piece."""
        self.bytes += len(piece)
        if self._skipping:
            end = piece.find(b"\n")
            if end < 0:
                return
            piece, self._skipping = piece[end + 1 :], False
        self._waiting += piece
        if len(self._waiting) < BLOCK:
            return
        end = self._waiting.rfind(b"\n") + 1
        if end:
            self._take(bytes(self._waiting[:end]))
            del self._waiting[:end]
        if len(self._waiting) > LONGEST_LINE:
            self._take(bytes(self._waiting[:LONGEST_LINE]) + b"\n")
            self._waiting.clear()
            self._skipping = True

    def close(self) -> None:
        """The log has ended; what waits for its line end is its last line."""
        if self._waiting:
            self._take(bytes(self._waiting) + (b"" if self._waiting.endswith(b"\n") else b"\n"))
            self._waiting.clear()

    def _take(self, block: bytes) -> None:
        """Search a block of whole lines."""
        block = plain_lines(block)
        if self.lines == 0:
            self.first_stamp = text_of(block[: block.find(b"\n")])[0]
        self.lines += block.count(b"\n")
        self._tail = (self._tail + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        for match in self._telling.search(block):
            self._keep(block, match)

    def _keep(self, block: bytes, match: Match) -> None:
        stamp, text = text_of(block[match.start : match.end])
        self.matched += match.pattern
        self.phrases.update(match.phrases)
        shown = text[match.shown_from : match.shown_from + SHOWN]
        line = self._lines.get(fold(shown))
        if line is None:
            if len(self._lines) >= 2 * KEPT:
                ranked = sorted(self._lines.items(), key=lambda pair: pair[1].rank(), reverse=True)
                self._lines = dict(ranked[:KEPT])
            line = self._lines[fold(shown)] = Line(("…" if match.shown_from else "") + shown)
        line.count += 1
        line.first = line.first or stamp
        line.last = stamp or line.last
        line.phrases.update(match.phrases)

    @property
    def last_stamp(self) -> str | None:
        """The newest of the kubelet's time stamps; a line that was cut may have lost its own."""
        return next((stamp for stamp, dummy in reversed(self.tail()) if stamp), None)

    def tail(self, most: int = TAIL_LINES) -> list[tuple[str | None, str]]:
        """(time stamp, text) of the last lines that are not blank, oldest first."""
        found = []
        for line in reversed(self._tail.split(b"\n")):
            stamp, text = text_of(line)
            if text.strip():
                found.append((stamp, text[:SHOWN]))
                if len(found) == most:
                    break
        return found[::-1]

    def kept(self, ended_in_error: bool) -> list[Line]:
        """The telling lines; of a log that ended in error those among the last three are marked final."""
        if ended_in_error:
            for dummy, text in self.tail(3):
                line = self._lines.get(fold(text))
                if line:
                    line.final = True
        return sorted(self._lines.values(), key=lambda line: (line.final, *line.rank()), reverse=True)[:KEPT]
