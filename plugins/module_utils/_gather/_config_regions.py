# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The Regions that a replication rule states in so many words, and whether they agree. Pure; never a guess.

Counted are the destination's own Region, the Region in a host name or an ARN of the destination, and the Region in
the ARN of a KMS key that is not the source's. A bucket's name states nothing, whatever it is called.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.sre.backup_sync.plugins.module_utils._redaction import mask
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_document import leaves

_AREA = r"(?:af|ap|ca|cn|eu|eusc-de|il|me|mx|sa|us|us-gov|us-iso[a-z]?)"
_REGION = rf"{_AREA}-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-\d{{1,2}}"
_WHOLE = re.compile(_REGION)
_ARN = re.compile(rf"arn:aws[a-z-]{{0,10}}:(?P<service>[a-z0-9-]{{1,40}}):(?P<region>{_REGION}):\d{{12}}:\S{{1,500}}")
_SERVICE_LABEL = re.compile(rf"s3(?:-[a-z-]{{1,20}}?)?(?:-(?P<region>{_REGION}))?")
_OWN_REGION = ("region", "awsregion", "regionname")
# The members that say where copies lie, not whom to notify or where to log in; "" is a destination that is plain text.
_WHERE = frozenset(
    {"", "endpoint", "endpointurl", "s3endpoint", "s3url", "url", "host", "address", "location"}
    | {"bucket", "bucketurl", "bucketarn", "vault", "vaultarn", "arn"}
)
_MOST_LEAVES = 1000
_LONGEST = 1000


class Stated(t.NamedTuple):
    """A Region and what states it."""

    what: str  # a phrase: its Region, its endpoint, its KMS key
    value: str
    region: str


def stated_regions(values: t.Mapping[str, t.Any], destination: t.Mapping[str, str]) -> list[Stated]:
    """What a rule says of its destination's Region, the plainest statement first.

    values: the rule's members by folded name; destination: the members of its destination by folded name.
    """
    found = []
    for name in _OWN_REGION:
        region = destination.get(name, "").strip().lower()
        if _WHOLE.fullmatch(region):
            found.append(Stated("its Region", region, region))
    for name, value in destination.items():
        told = region_of(value) if name in _WHERE else None
        if told:
            found.append(Stated(f"its {name or 'destination'}", value, told))
    return found + _keys(values)


def _keys(values: t.Mapping[str, t.Any]) -> list[Stated]:
    """The KMS keys that are not the source's."""
    found: dict[str, Stated] = {}
    for name, value in values.items():
        if name.startswith(("source", "resource")):
            continue
        for number, (dummy, leaf) in enumerate(leaves(value)):
            if number >= _MOST_LEAVES:
                break
            match = _ARN.fullmatch(leaf.strip()) if isinstance(leaf, str) and len(leaf) <= _LONGEST else None
            if match and match["service"] == "kms":
                found.setdefault(leaf, Stated("its KMS key", mask(leaf), match["region"]))
    return list(found.values())


def disagreeing(stated: t.Sequence[Stated]) -> list[tuple[Stated, Stated]]:
    """(the plainest statement, one that contradicts it), each once."""
    return [(stated[0], other) for other in stated[1:] if other.region != stated[0].region] if stated else []


def region_of(text: str) -> str | None:
    """The Region in an ARN, an http(s) URL or a host name of AWS; None when there is none, or more than one."""
    text = text.strip().lower()[:_LONGEST]
    arn = _ARN.fullmatch(text)
    if arn:
        return arn["region"]
    if not text.startswith(("http://", "https://")):
        if not re.fullmatch(r"[a-z0-9.-]{1,253}\.amazonaws\.com(?:\.cn)?(?::\d{1,5})?(?:/\S{0,700})?", text):
            return None
        text = "https://" + text
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:  # brackets that are no IPv6 address
        return None
    return _of_host(host.split("."))


def _of_host(labels: list[str]) -> str | None:
    """The Region among the labels behind the service's; the first label may be a bucket, which is named at will."""
    at = next((place for place in range(len(labels) - 1, -1, -1) if _SERVICE_LABEL.fullmatch(labels[place])), 0)
    service = _SERVICE_LABEL.fullmatch(labels[at])
    own = {service["region"]} if service and service["region"] else set()
    found = own | {label for label in labels[at + 1 :] if _WHOLE.fullmatch(label)}
    return found.pop() if len(found) == 1 else None
