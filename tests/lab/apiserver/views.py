# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms in which objects go out: whole, as list items, as metadata only, and as events.k8s.io events."""

from __future__ import annotations

from typing import Any

from lab.apiserver.resources import ResourceType
from lab.apiserver.status import encode
from lab.apiserver.store import Entry, Page


def _converted(kind: ResourceType, body: dict[str, Any]) -> dict[str, Any]:
    return _new_event(body) if kind.group == "events.k8s.io" else body


def _new_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return a stored core/v1 event as events.k8s.io/v1 shows it."""
    pairs = {
        "metadata": event["metadata"],
        "eventTime": event.get("eventTime"),
        "series": event.get("series"),
        "reportingController": event.get("reportingComponent"),
        "reportingInstance": event.get("reportingInstance"),
        "action": event.get("action"),
        "reason": event.get("reason"),
        "regarding": event["involvedObject"],
        "related": event.get("related"),
        "note": event.get("message"),
        "type": event.get("type"),
        "deprecatedSource": event.get("source", {}),
        "deprecatedFirstTimestamp": event.get("firstTimestamp"),
        "deprecatedLastTimestamp": event.get("lastTimestamp"),
        "deprecatedCount": event.get("count"),
    }
    shown_empty = ("eventTime", "deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp")
    return {key: value for key, value in pairs.items() if value or key in shown_empty}


def _whole(kind: ResourceType, body: dict[str, Any]) -> dict[str, Any]:
    named = {"kind": kind.kind, "apiVersion": kind.api_version}
    return {**named, **{key: value for key, value in _converted(kind, body).items() if key not in named}}


def _partial(body: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}


def object_body(kind: ResourceType, body: dict[str, Any], form: str) -> bytes:
    """Return one object."""
    return encode(_partial(body) if form == "partial" else _whole(kind, body))


def _item(kind: ResourceType, entry: Entry, form: str) -> bytes:
    """Return a list item, remembered: pages of thousands of objects are asked for again and again."""
    slot = f"{kind.api_version}/{form}"
    if slot not in entry.encoded:
        body = entry.read()
        if form == "partial":
            shown = _partial(body)
        else:
            shown = _whole(kind, body)
            if not kind.custom:
                del shown["kind"], shown["apiVersion"]
        entry.encoded[slot] = encode(shown)[:-1]
    return entry.encoded[slot]


def list_body(kind: ResourceType, page: Page, form: str) -> bytes:
    """Return a list; lists of custom resources always show ``continue``, those of built-in types only if set."""
    metadata: dict[str, Any] = {"resourceVersion": str(page.resource_version)}
    if page.token or (kind.custom and form != "partial"):
        metadata["continue"] = page.token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    name, version = f"{kind.kind}List", kind.api_version
    if form == "partial":
        name, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
    head = encode({"kind": name, "apiVersion": version, "metadata": metadata})[:-2]
    items = b",".join(_item(kind, entry, form) for entry in page.entries)
    return head + b',"items":[' + items + b"]}\n"
