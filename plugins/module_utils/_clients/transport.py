# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What an urllib3 failure means, for every client that speaks HTTP through it."""

from __future__ import annotations

import re
import typing as t

try:
    from urllib3 import exceptions as http_errors
except ImportError:  # the clients that use this say what is missing
    http_errors = None  # type: ignore[assignment]

_OBJECTS = re.compile(r"<[^>]* object at 0x[0-9a-f]+>:? ?|\w+Connection(?:Pool)?\([^)]*\): ?")


class Fault(t.NamedTuple):
    """timed_out: no answer in time; untrusted: the certificate; text: the cause, without Python's own words."""

    timed_out: bool
    untrusted: bool
    text: str


def fault(exc: BaseException) -> Fault:
    """What went wrong on the way, when nothing came back that HTTP could express."""
    cause = getattr(exc, "reason", None) or exc
    text = _OBJECTS.sub("", str(cause))[:300].rstrip(".")
    # urllib3 2 derives a refused connection and a name that does not resolve from the connect time-out
    refused = isinstance(cause, http_errors.NewConnectionError)
    timeouts = (http_errors.TimeoutError, TimeoutError)
    return Fault(
        timed_out=not refused and (isinstance(cause, timeouts) or isinstance(exc, timeouts)),
        untrusted=isinstance(cause, http_errors.SSLError) or "certificate" in text.lower(),
        text=text,
    )
