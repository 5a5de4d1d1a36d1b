# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the steps on a namespace have in common: checked parameters, refused side reads, bounded rows, folded texts."""

from __future__ import annotations

import heapq
import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import grant_for, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import DEFAULT_ROWS, BadParameter, ReadFailed

# -------------------------------------------------------------------------------------------------- parameters


def namespace_parameter(params: dict[str, t.Any], name: str = "namespace") -> str:
    """The namespace, a DNS label. Raises BadParameter when it is empty or no name."""
    given = params.get(name)
    namespace = "" if given is None else str(given).strip()
    if not namespace:
        raise BadParameter(f"{name}: it is empty; give the namespace in which the copy jobs run.")
    if len(namespace) > 63 or not _DNS_LABEL.fullmatch(namespace):
        raise BadParameter(
            f"{name}: {namespace[:80]!r} is no namespace; it has small letters, digits and '-', "
            "begins and ends with a letter or digit, and has at most 63 characters."
        )
    return namespace


def object_name_parameter(params: dict[str, t.Any], name: str) -> str | None:
    """The name of a Job or a ConfigMap, a DNS subdomain; None when it was not given. Raises BadParameter."""
    given = params.get(name)
    found = "" if given is None else str(given).strip()
    if not found:
        return None
    if len(found) > 253 or not all(_DNS_LABEL.fullmatch(part) for part in found.split(".")):
        raise BadParameter(
            f"{name}: {found[:80]!r} is no name of an object; it has small letters, digits, '-' and '.', "
            "begins and ends with a letter or digit, and has at most 253 characters."
        )
    return found


_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def rows_parameter(params: dict[str, t.Any]) -> int:
    """max_rows. Raises BadParameter when it is no sensible number of rows."""
    given = params.get("max_rows")
    rows = DEFAULT_ROWS if given is None else int(given)
    if not 1 <= rows <= 5000:
        raise BadParameter(f"max_rows: {rows} cannot be used; give a number of rows from 1 to 5000.")
    return rows


def feed_parameter(params: dict[str, t.Any], name: str, member: str) -> list[dict[str, t.Any]] | None:
    """The list `member` of a feed or evidence that an earlier step returned; None when it was not given.

    Raises BadParameter when it is something else than what that step returns.
    """
    given = params.get(name)
    if given is None:
        return None
    found = given.get(member, []) if isinstance(given, dict) else given
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadParameter(f"{name}: it is not what the earlier step returned; hand over its result unchanged.")
    return found


# ----------------------------------------------------------------------------------------------- refused reads


def denied_entry(what: str, failure: ReadFailed) -> dict[str, t.Any]:
    """A row of `denied`: a side read that was refused while the step went on."""
    return dict({"what": what, "outcome": failure.outcome}, **failure.as_error())


def look_for_namespace(cluster: t.Any, namespace: str) -> tuple[ReadFailed | None, list[dict[str, t.Any]]]:
    """Why a list is empty: (a failure when the namespace does not exist, what could not be found out).

    The server answers 200 with no items for a namespace that does not exist.
    """
    exists = cluster.namespace_exists(namespace)
    if exists is False:
        message = f"{cluster.name}: there is no namespace {namespace}."
        return ReadFailed("not_found", message, code=404, hint="kubectl get namespaces lists what there is."), []
    if exists is None:
        unknown = ReadFailed(
            "forbidden",
            f"{cluster.name}: whether the namespace {namespace} exists could not be read.",
            grant=grant_for(path_of("", "v1", "namespaces", name=namespace)),
        )
        return None, [denied_entry("namespace", unknown)]
    return None, []


# -------------------------------------------------------------------------------------------------------- rows


class Worst:
    """Keeps the rows with the largest keys of any number of rows, and how many there were."""

    def __init__(self, most: int) -> None:
        self.total = 0
        self._most = most
        self._heap: list[tuple[t.Any, int, t.Any]] = []

    def push(self, key: t.Any, row: t.Any) -> None:
        """Offer a row; among equal keys the earlier one is kept."""
        self.total += 1
        entry = (key, -self.total, row)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> list[t.Any]:
        """What was kept, largest key first."""
        return [row for dummy, dummy2, row in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


# ------------------------------------------------------------------------------------------------------- texts

_FOLDED = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # UUIDs
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{7,128}\b"  # digests and ids
    r"|-[bcdfghjklmnpqrstvwxz2456789]{5}\b"  # suffixes of generated names
    r"|\d+"
)
_TIME = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?")
COMBINED = "(combined from similar events): "


def fold(text: str, most: int = 400) -> str:
    """The text with everything that only tells one occurrence from the next replaced, to group equal ones."""
    text = text[:most]
    if text.startswith(COMBINED):
        text = text[len(COMBINED) :]
    return _FOLDED.sub("#", _TIME.sub("#", text))
