# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of one cluster, in the order of etcd keys, with lists, pages and continue tokens."""

from __future__ import annotations

import base64
import binascii
import bisect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.apiserver.resources import ResourceType
from lab.apiserver.selectors import Requirement
from lab.apiserver.status import ApiError, bad_request

_TOKEN_VERSION = "meta.k8s.io/v1"
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass
class Entry:
    """One stored object. ``body`` may be a function, so that a namespace of thousands costs nothing until read."""

    namespace: str
    name: str
    labels: dict[str, str]
    body: dict[str, Any] | Callable[[], dict[str, Any]]
    encoded: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """Return the part of the etcd key that orders a list."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def read(self) -> dict[str, Any]:
        """Return the object."""
        return self.body if isinstance(self.body, dict) else self.body()


@dataclass
class Page:
    """A part of a list."""

    entries: list[Entry]
    resource_version: int
    token: str = ""
    remaining: int | None = None


@dataclass
class Selection:
    """What a list request asks for."""

    namespace: str = ""
    labels: list[Requirement] = field(default_factory=list)
    fields: Callable[[dict[str, Any]], bool] | None = None
    limit: int = 0
    token: str = ""

    @property
    def filtered(self) -> bool:
        """Tell whether anything but the namespace narrows the list; then the server counts no remaining items."""
        return bool(self.labels) or self.fields is not None

    def matches(self, entry: Entry) -> bool:
        """Tell whether ``entry`` satisfies both selectors."""
        if not all(requirement.matches(entry.labels) for requirement in self.labels):
            return False
        return self.fields is None or self.fields(entry.read())


class Store:
    """Objects by resource. A static picture: nothing in it changes while clients read."""

    def __init__(self, resource_version: int = 1000, compacted: int = 0) -> None:
        self.resource_version = resource_version
        self.compacted = compacted
        self._entries: dict[tuple[str, str], list[Entry]] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}

    def add(self, kind: ResourceType, body: dict[str, Any]) -> None:
        """Store a whole object."""
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "") if kind.namespaced else ""
        self.add_entry(kind, Entry(namespace, metadata["name"], metadata.get("labels") or {}, body))

    def add_entry(self, kind: ResourceType, entry: Entry) -> None:
        """Store an object that may not be made yet."""
        slot = (kind.group, kind.plural)
        self._entries.setdefault(slot, []).append(entry)
        self._keys.pop(slot, None)

    def all(self, group: str, plural: str) -> list[Entry]:
        """Return every object of a resource in etcd order; of two with one key the later one counts."""
        slot = (group, plural)
        if slot not in self._keys:
            unique = {entry.key: entry for entry in self._entries.get(slot, [])}
            ordered = sorted(unique)
            self._entries[slot] = [unique[key] for key in ordered]
            self._keys[slot] = ordered
        return self._entries[slot]

    def objects(self, group: str, plural: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a resource."""
        return (entry.read() for entry in self.all(group, plural))

    def resources(self) -> list[tuple[str, str]]:
        """Return (group, plural) of everything that is stored."""
        return list(self._entries)

    def get(self, group: str, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return one object, or None."""
        entries = self.all(group, plural)
        keys = self._keys[(group, plural)]
        key = f"{namespace}/{name}" if namespace else name
        index = bisect.bisect_left(keys, key)
        return entries[index].read() if index < len(keys) and keys[index] == key else None

    def list(self, kind: ResourceType, selection: Selection) -> Page:
        """Return a page."""
        entries = self.all(kind.group, kind.plural)
        keys = self._keys[(kind.group, kind.plural)]
        prefix = f"{selection.namespace}/" if kind.namespaced and selection.namespace else ""
        first, last = _span(keys, prefix)
        version = self.resource_version
        if selection.token:
            version, start = self._decode(selection.token)
            first = max(first, bisect.bisect_left(keys, prefix + start))
        page: list[Entry] = []
        for index in range(first, last):
            if not selection.matches(entries[index]):
                continue
            if selection.limit > 0 and len(page) == selection.limit:
                token = _encode(version, page[-1].key[len(prefix) :])
                remaining = None if selection.filtered else last - index
                return Page(page, version, token, remaining)
            page.append(entries[index])
        return Page(page, version)

    def _decode(self, token: str) -> tuple[int, str]:
        version, start = decode_token(token)
        if version < 0:
            return self.resource_version, start
        if version <= self.compacted:
            raise expired(token)
        return version, start


def _span(keys: list[str], prefix: str) -> tuple[int, int]:
    if not prefix:
        return 0, len(keys)
    return bisect.bisect_left(keys, prefix), bisect.bisect_left(keys, prefix[:-1] + chr(ord("/") + 1))


def _encode(version: int, last: str) -> str:
    """Return a token in the real server's own format: the next key is the last one with a NUL behind it."""
    text = json.dumps({"v": _TOKEN_VERSION, "rv": version, "start": f"{last}\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _bad_token(text: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {text}")


def decode_token(token: str) -> tuple[int, str]:
    """Return (resource version, first key) of a continue token, or refuse it in the server's words."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        raise _bad_token(f"illegal base64 data at input byte {len(token) // 4 * 4}") from None
    try:
        content = json.loads(raw)
    except ValueError:
        first = raw[:1]
        shown = first.decode() if first.isascii() and first.decode().isprintable() else f"\\x{first.hex()}"
        raise _bad_token(f"invalid character '{shown}' looking for beginning of value") from None
    if not isinstance(content, dict) or content.get("v") != _TOKEN_VERSION:
        version = content.get("v", "") if isinstance(content, dict) else ""
        raise _bad_token(f"server does not recognize this encoded version {version}")
    return int(content["rv"]), str(content["start"])


def expired(token: str) -> ApiError:
    """Return the 410 for a token that is too old, with the new one for an inconsistent rest."""
    start = decode_token(token)[1]
    return ApiError(410, _TOO_OLD, "Expired", metadata={"continue": _encode(-1, start[:-1])})
