# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which *resource* an object is about: the thing that is backed up again and again.

A copy job `backup-sync-orders-29920138`, its CronJob `backup-sync-orders` and the snapshots of the claim `orders` are
all about `orders`; only so can copies be counted and compared per resource.
"""

from __future__ import annotations

import re
import typing as t

DEFAULT_LABEL = "backup-sync/resource"
WELL_KNOWN_LABELS = ("velero.io/schedule-name",)

GENERIC_WORDS = ("backup-sync", "copy", "sync", "backup")

# -29920138 (CronJob), -20261120-0300, -1763672400, -20261120t030000, -20261120030000, -2026-11-20-03-00
_SERIAL = re.compile(
    r"-(?:(?:\d{8}|\d{4}-\d{2}-\d{2})[-t_.]?\d{2}[-.]?\d{2}(?:[-.]?\d{2})?z?|\d{4}-\d{2}-\d{2}|\d{8,14})$",
    re.IGNORECASE,
)
# The alphabet of the suffixes that the API server generates: no vowels, no 0, 1, 3.
_RANDOM = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}$")


def resource_of(
    obj: t.Mapping[str, t.Any], *, kind: str, resource_label: str | None = DEFAULT_LABEL, strip: t.Sequence[str] = ()
) -> str:
    """The resource of a Kubernetes object.

    kind must be given, because the items of built-in lists do not carry theirs; strip are more words that names begin
    or end with (the application name of the selector). A label is taken as it is, a name is freed of serials and words.
    """
    labelled = labelled_resource(obj, resource_label)
    if labelled:
        return labelled
    meta = obj.get("metadata") or {}
    if kind == "VolumeSnapshot":
        claim = ((obj.get("spec") or {}).get("source") or {}).get("persistentVolumeClaimName")
        if claim:
            return resource_name(str(claim), strip=strip)
    owner = owner_of(obj, "CronJob") or (owner_of(obj, "Job") if kind == "Pod" else None)
    return resource_name(str(owner or meta.get("name") or ""), strip=strip, random=kind == "Pod" and not owner)


def labelled_resource(obj: t.Mapping[str, t.Any], resource_label: str | None = DEFAULT_LABEL) -> str | None:
    """The resource that a label of the object, of its job template or of its pod template names."""
    spec = obj.get("spec") or {}
    holders = (obj, spec.get("jobTemplate") or {}, spec.get("template") or {})
    for label in (resource_label, *WELL_KNOWN_LABELS):
        for holder in holders if label else ():
            labels = (holder.get("metadata") or {}).get("labels") if isinstance(holder, dict) else None
            value = labels.get(label) if isinstance(labels, dict) else None
            if value:
                return str(value)
    return None


def owner_of(obj: t.Mapping[str, t.Any], kind: str) -> str | None:
    """The name of the owner of that kind."""
    for reference in (obj.get("metadata") or {}).get("ownerReferences") or []:
        if reference.get("kind") == kind and reference.get("name"):
            return str(reference["name"])
    return None


def resource_name(name: str, *, strip: t.Sequence[str] = (), random: bool = False) -> str:
    """The name without its serial or time, without the words that only say that it is a copy; never empty."""
    if random:
        name = _RANDOM.sub("", name) or name
    name = stem(name)
    words = sorted({*strip, *GENERIC_WORDS}, key=len, reverse=True)
    found = name not in words
    while found:
        found = False
        for word in words:
            if name.startswith(word + "-") and len(name) > len(word) + 1:
                name, found = name[len(word) + 1 :], True
            elif name.endswith("-" + word) and len(name) > len(word) + 1:
                name, found = name[: -len(word) - 1], True
    return name


def stem(name: str) -> str:
    """The name without a trailing serial or time."""
    return _SERIAL.sub("", name) or name


def pod_stem(name: str) -> str:
    """The name of a pod's owner as far as the pod's name tells."""
    return _RANDOM.sub("", name) or name
