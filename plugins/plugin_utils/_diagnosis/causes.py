# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The cause classes of the catalogue, and where each stands on the way from source backup to ready recovery point."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from functools import lru_cache

import yaml

CHAIN = (
    "source_backup",
    "snapshot",
    "mover_scheduled",
    "mover_ran",
    "transfer",
    "store",
    "destination_metadata",
    "point_ready",
)

CATALOGUE = os.path.join(os.path.dirname(__file__), "catalogue")


@dataclass(frozen=True)
class Cause:
    """A class of causes; link is a hop of CHAIN, or `monitoring` for what misleads without breaking a copy."""

    id: str
    title: str
    runbook_class: str
    kind: str
    link: str
    explanation: str
    next_steps: tuple[dict[str, str], ...]
    symptom: bool = False

    @property
    def position(self) -> int:
        """Place in the chain; what is outside it comes last."""
        return CHAIN.index(self.link) if self.link in CHAIN else len(CHAIN)


@lru_cache(maxsize=1)
def load_causes() -> dict[str, Cause]:
    """The shipped catalogue by id, in its order; read on first use."""
    with open(os.path.join(CATALOGUE, "causes.yml"), encoding="utf-8") as handle:
        document = yaml.load(handle, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {entry["id"]: _cause(entry) for entry in document["causes"]}


def _cause(entry: dict[str, t.Any]) -> Cause:
    return Cause(
        id=entry["id"],
        title=entry["title"],
        runbook_class=entry["runbook_class"],
        kind=entry["kind"],
        link=entry["link"],
        explanation=entry["explanation"],
        next_steps=tuple(dict(item) for item in entry.get("next_steps") or ()),
        symptom=bool(entry.get("symptom")),
    )
