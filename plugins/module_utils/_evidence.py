# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The shape that every step returns, and the small tools that build it.

An evidence object is plain JSON. "Nothing there", "could not look", "not installed" and "nobody configured it"
are four different outcomes, because a diagnosis that mixes them up is worse than none.
"""

from __future__ import annotations

import math
import re
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._redaction import mask

OUTCOMES = (
    "ok",  # read, and something was there
    "empty",  # read completely, and nothing was there
    "forbidden",  # the source refused this identity
    "not_found",  # the named object or namespace does not exist
    "api_missing",  # the API (a CRD, say) is not installed or not served
    "not_configured",  # nobody told the step where to look
    "not_applicable",  # the step has no meaning for this target
    "timeout",
    "throttled",
    "unreachable",
    "error",
)

# The source could not be asked, or did not answer: with on_error=fail these end the task.
UNANSWERED = frozenset({"forbidden", "api_missing", "not_found", "timeout", "throttled", "unreachable", "error"})

DEFAULT_ROWS = 50

Evidence = t.Dict[str, t.Any]


class ReadFailed(Exception):
    """A source did not give what was asked; carries what the evidence will say about it. outcome: one of OUTCOMES."""

    def __init__(
        self,
        outcome: str,
        message: str,
        *,
        code: str | int | None = None,
        hint: str | None = None,
        grant: dict[str, t.Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = _known(outcome)
        self.message = message
        self.code = code
        self.hint = hint
        self.grant = grant

    def as_error(self) -> dict[str, t.Any]:
        """The `error` member of an evidence object."""
        return {"code": self.code, "message": mask(self.message), "hint": self.hint, "grant": self.grant}


def _known(outcome: str) -> str:
    """The outcome. Raises ValueError for a word that the diagnosis would take for "not read" and explain as nothing."""
    if outcome not in OUTCOMES:
        raise ValueError(f"{outcome!r} is no outcome; the outcomes are {', '.join(OUTCOMES)}")
    return outcome


class BadParameter(Exception):
    """What the user gave cannot be used; the text names the parameter and the remedy in one sentence."""


def evidence(
    step: str,
    *,
    outcome: str,
    query: dict[str, t.Any],
    summary: dict[str, t.Any] | None = None,
    rows: dict[str, tuple[list[t.Any], int]] | None = None,
    covered: dict[str, str | None] | None = None,
    observed_at: str | None = None,
    clock: dict[str, t.Any] | None = None,
    error: dict[str, t.Any] | None = None,
    **more: t.Any,
) -> Evidence:
    """Build one evidence object.

    rows maps the name of a list to (telling rows already bounded and sorted worst first, how many there were in all).
    Raises ValueError for an outcome that is none of OUTCOMES.
    """
    result: Evidence = {
        "step": step,
        "outcome": _known(outcome),
        "query": query,
        "covered": covered,
        "observed_at": observed_at,
        "clock": clock,
        "summary": summary or {},
    }
    total: dict[str, int] = {}
    truncated = False
    for name, (telling, count) in (rows or {}).items():
        result[name] = telling
        total[name] = count
        truncated = truncated or count > len(telling)
    result["total"] = total
    result["truncated"] = truncated
    result.update(more)
    result["error"] = error
    return result


def failed(step: str, query: dict[str, t.Any], failure: ReadFailed, **more: t.Any) -> Evidence:
    """The evidence of a step whose main source could not be read."""
    return evidence(step, outcome=failure.outcome, query=query, error=failure.as_error(), **more)


# ---------------------------------------------------------------------------------------------------------- time


def parse_time(text: t.Any) -> datetime | None:
    """An RFC 3339 time as Kubernetes and Prometheus write it (any number of decimals), in UTC; None if absent or odd."""
    if not isinstance(text, str) or len(text) < 19:
        return None
    try:
        whole = text.replace("Z", "+00:00")
        match = _FRACTION.search(whole)
        if match:  # Python 3.10 reads three or six decimals only
            whole = whole[: match.start()] + "." + match.group(1)[:6].ljust(6, "0") + whole[match.end() :]
        value = datetime.fromisoformat(whole)
        return value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):  # year 1 in a zone east of Greenwich has no UTC
        return None


_FRACTION = re.compile(r"\.(\d+)")


def rfc3339(value: datetime | None) -> str | None:
    """UTC with a trailing Z, whole seconds."""
    return None if value is None else value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_between(earlier: datetime | None, later: datetime | None) -> float | None:
    """later - earlier in seconds, rounded to a tenth; None if either is unknown."""
    if earlier is None or later is None:
        return None
    return round((later - earlier).total_seconds(), 1)


_DURATION = re.compile(r"(?P<n>\d+(?:\.\d+)?) ?(?P<u>ms|min|[smhdw]) ?")
_ISO_DURATION = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: t.Any) -> float | None:
    """Seconds of "90", "15m", "1h30m", "24h", "7d", "P1D", "PT15M" or a number, also as human() writes it; else None."""
    if isinstance(text, bool):
        return None
    if isinstance(text, (int, float)):
        return float(text)
    if not isinstance(text, str):
        return None
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    iso = _ISO_DURATION.fullmatch(text)
    if iso and any(iso.groups()):
        parts = {unit: float(value) for unit, value in iso.groupdict().items() if value}
        return sum(value * _UNIT_SECONDS[unit] for unit, value in parts.items())
    if text and _DURATION.sub("", text) == "":
        return sum(float(m["n"]) * _UNIT_SECONDS[m["u"]] for m in _DURATION.finditer(text))
    return None


def duration_parameter(
    params: dict[str, t.Any], name: str, *, least: float = 1, most: float = 366 * 86400.0
) -> float | None:
    """The parameter in seconds, None when it was not given.

    Raises BadParameter when it is no duration or lies outside least..most (seconds).
    """
    given = params.get(name)
    if given is None:
        return None
    value = parse_duration(given)
    if value is None:
        raise BadParameter(f"{name}: {given!r} is no duration; write it like 90s, 15m, 24h, 7d or PT15M.")
    if not least <= value <= most:
        bare = " A bare number means seconds." if str(given).strip().isdigit() else ""
        raise BadParameter(
            f"{name}: {given!r} is outside what can be asked; give a duration from {human(least)} to {human(most)}.{bare}"
        )
    return value


def human(seconds: float | None) -> str:
    """A duration for people: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if seconds is None:
        return "unknown"
    sign, left = ("-" if seconds < 0 else ""), abs(seconds)
    if left < 120:
        return f"{sign}{left:.0f} s"
    minutes = int(left // 60)
    if minutes < 120:
        return f"{sign}{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{sign}{hours} h" + (f" {minutes} min" if minutes else "")
    days, hours = divmod(hours, 24)
    return f"{sign}{days} d" + (f" {hours} h" if hours else "")


def window(now: datetime, length_s: float) -> dict[str, str | None]:
    """The asked window as it stands in `query`."""
    return {"start": rfc3339(now - timedelta(seconds=length_s)), "end": rfc3339(now)}


def median(values: list[float]) -> float | None:
    """The middle value; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


# --------------------------------------------------------------------------------------------------------- plain


def plain(value: t.Any) -> t.Any:
    """The same value in native JSON types.

    ansible-core 2.19 hands over tagged strings and lazy containers, which JMESPath functions and pickling dislike.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass this is a plain copy, of a plain string itself
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None  # JSON has no other; Python reads 1e999 as infinite
    if isinstance(value, t.Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)


def clip(text: t.Any, most: int = 600) -> str | None:
    """A masked message of bounded length; None stays None."""
    if text is None:
        return None
    text = str(text)
    if len(text) > most * 4:  # never run patterns over megabytes for a row that shows a few hundred characters
        text = text[: most * 4]
    text = mask(text)
    return text if len(text) <= most else text[: most - 1] + "…"
