# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all parts of the story language share: refusing unknown keys, lasting names, times, and drawing lots."""

from __future__ import annotations

import difflib
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from lab.clock import seconds

DAY_S = 86400.0


def only(raw: Any, known: Iterable[str], where: str) -> dict[str, Any]:
    """Return the mapping ``raw`` (an empty one for None), or raise ValueError with a sentence that names the key."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ValueError(f"{where} must be a mapping, not {raw!r}.")
    names = sorted(known)
    for key in raw:
        if key not in names:
            close = difflib.get_close_matches(str(key), names, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(names)}."
            raise ValueError(f"{where} has no key {key!r}: {hint}")
    return dict(raw)


def one_of(value: Any, allowed: Iterable[str], where: str) -> str:
    """Return ``value`` when it is one of ``allowed``, else raise ValueError."""
    names = list(allowed)
    if value not in names:
        raise ValueError(f"{where} is {value!r}: use one of {', '.join(names)}.")
    return str(value)


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, nothing as an empty list, and anything else as the only member of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def ago_s(value: Any) -> float:
    """Return how long ago ``3h`` or ``-3h`` is, in seconds."""
    return abs(seconds(value))


def digest(*parts: Any) -> bytes:
    """Return 32 bytes that depend on nothing but the parts: names are the same on every start."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def hex_of(length: int, *parts: Any) -> str:
    """Return up to 64 hexadecimal digits, for the ids of volumes, snapshots and the like."""
    return digest(*parts).hex()[:length]


def uuid_of(*parts: Any) -> str:
    """Return a UUID in lower case; AWS Backup writes job ids in upper case and key ids in lower case."""
    return str(uuid.UUID(bytes=digest(*parts)[:16], version=4))


def job_id(*parts: Any) -> str:
    """Return a job id as AWS Backup writes it."""
    return uuid_of("job", *parts).upper()


def lot(*parts: Any) -> float:
    """Return a number from 0 to 1 that looks random and never changes."""
    return int.from_bytes(digest("lot", *parts)[:8], "big") / 2**64


def moment(epoch: float) -> datetime:
    """Return a time as botocore's serialisers take it, to the millisecond that AWS Backup keeps."""
    return datetime.fromtimestamp(round(epoch, 3), timezone.utc)


def iso(epoch: float) -> str:
    """Return a time as EventBridge and CloudTrail write it: whole seconds."""
    return datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_ms(epoch: float) -> str:
    """Return a time as the detail of a Backup event has it: with milliseconds."""
    return moment(epoch).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def account_id(value: Any, where: str) -> str:
    """Return an account id; YAML reads one without quotes as a number and loses leading zeros."""
    text = str(value)
    if not isinstance(value, str) or not (text.isdigit() and len(text) == 12):
        raise ValueError(f"{where} is {value!r}: write the twelve digits of an account in quotes.")
    return text
