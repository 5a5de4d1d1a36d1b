# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of a listing, with tokens that only the lab can make and that hold for one operation and its filters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from lab.aws.errors import AwsError
from lab.aws.operations import Call
from lab.aws.world import Row

_KEY = secrets.token_bytes(16)
_NOT_FILTERS = {"NextToken", "nextToken", "MaxResults", "maxResults", "Marker", "MaxItems", "Limit", "limit"}
T = TypeVar("T")


def make_token(call: Call, state: Any) -> str:
    """Return an opaque token that carries ``state`` (JSON) and holds for this operation with these filters only."""
    body = json.dumps(state, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(call, body) + body).decode().rstrip("=")


def read_token(call: Call, token: str, code: str = "InvalidParameterValueException") -> Any:
    """Return the state in a token; raise AwsError with ``code`` for any other text, place, operation or filter."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raw = b""
    seal, body = raw[:16], raw[16:]
    if not hmac.compare_digest(seal, _seal(call, body)):
        raise AwsError(code, "Invalid NextToken")
    return json.loads(body)


def _seal(call: Call, body: bytes) -> bytes:
    filters = {key: value for key, value in call.params.items() if key not in _NOT_FILTERS}
    scope = [call.account, call.region, call.service, call.operation, filters]
    text = json.dumps(scope, sort_keys=True, default=str).encode()
    return hmac.new(_KEY, text + b"\0" + body, hashlib.sha256).digest()[:16]


def page(
    call: Call, rows: Sequence[T], size: int, token: str | None, code: str = "InvalidParameterValueException"
) -> tuple[list[T], str | None]:
    """Return one page of rows that are already filtered, and the token of the next page."""
    start = int(read_token(call, token, code)) if token else 0
    found = list(rows[start : start + size])
    more = start + size < len(rows)
    return found, make_token(call, start + size) if more else None


def page_of(call: Call, pairs: Iterable[tuple[int, T]], size: int) -> tuple[list[T], str | None]:
    """Return one page of (position, row) pairs that are filtered while they are read, and the next page's token.

    The token carries the position of the first row that was not given; the reader starts there.
    """
    found = list(islice(pairs, size + 1))
    token = make_token(call, found[size][0]) if len(found) > size else None
    return [row for dummy, row in found[:size]], token


@dataclass(frozen=True)
class Newest:
    """Rows in the order of a time, newest first. times: negated epoch seconds, ascending; positions: in the rows."""

    times: list[float]
    positions: list[int]

    @classmethod
    def of(cls, times: Iterable[tuple[int, datetime]]) -> Newest:
        """Return the order of rows, of which each is given by its position and its time."""
        order = sorted((-time.timestamp(), at) for at, time in times)
        return cls([time for time, dummy in order], [at for dummy, at in order])

    def read(
        self,
        rows: Sequence[Row],
        wanted: Callable[[Row], bool],
        start: int,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> Iterator[tuple[int, Row]]:
        """Yield (place in the order, row) of wanted rows after and before these times, touching none beyond them."""
        first = 0 if before is None else bisect_right(self.times, -before.timestamp())
        end = len(self.times) if after is None else bisect_left(self.times, -after.timestamp())
        for at in range(max(first, start), end):
            row = rows[self.positions[at]]
            if wanted(row):
                yield at, row
