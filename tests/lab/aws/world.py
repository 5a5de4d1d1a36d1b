# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that exists: accounts, Regions, and what lies in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from lab.apiserver.http import Audit

Row = dict[str, Any]
T = TypeVar("T")


@dataclass
class Identity:
    """Whom an access key stands for.

    policies: identity-based policy documents; token: the session token of temporary credentials; expires_at: epoch
    seconds. arn: an IAM user or an assumed role (arn:aws:sts::<account>:assumed-role/<role>/<session>).
    """

    secret: str
    token: str | None
    account: str
    arn: str
    policies: list[dict[str, Any]] = field(default_factory=list)
    expires_at: float | None = None


@dataclass(eq=False, repr=False)
class Place:
    """One account in one Region.

    rows: collection -> rows in the output shape of AWS's own Describe or Get operation (python types, aware datetimes);
    a long collection may be any lazy sequence that reads like a list. Keys that begin with "_" never leave the server.
    settings: what is one per place: region_settings, enabled (False: an opt-in Region that is off), unreachable,
    quotas, page_size (the most rows of a page), missing_vault ("not_found": the answer is ResourceNotFoundException).
    """

    account: str
    region: str
    world: World
    rows: dict[str, list[Row]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    _indexes: dict[tuple[str, str], tuple[Any, int, Any]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def all(self, collection: str) -> Sequence[Row]:
        """Return the rows of a collection, none where it does not exist."""
        return self.rows.get(collection, ())

    def matching(self, collection: str, **match: Any) -> Iterator[Row]:
        """Yield the rows whose members have these values."""
        for row in self.all(collection):
            if all(row.get(key) == value for key, value in match.items()):
                yield row

    def row(self, collection: str, **match: Any) -> Row | None:
        """Return the first row whose members have these values."""
        return next(self.matching(collection, **match), None)

    def index(self, collection: str, name: str, build: Callable[[Sequence[Row]], T]) -> T:
        """Return what ``build`` makes of the rows, made anew only when rows came or went."""
        rows = self.all(collection)
        with self._lock:
            known = self._indexes.get((collection, name))
            if known is None or known[0] is not rows or known[1] != len(rows):
                known = self._indexes[collection, name] = (rows, len(rows), build(rows))
        return cast(T, known[2])

    def find(self, collection: str, member: str, value: Any) -> Row | None:
        """Return the row whose ``member``, which is its alone, has this value: by an index, whatever the size."""
        positions = self.index(
            collection, f"by {member}", lambda rows: {row.get(member): at for at, row in enumerate(rows)}
        )
        position = positions.get(value)
        return None if position is None else self.all(collection)[position]


@dataclass(eq=False, repr=False)
class World:
    """All places, identities (access key id -> Identity), IAM roles, the organization, faults and the list of calls.

    roles: {RoleName, Arn, account, AssumeRolePolicyDocument: dict, policies: {name: document},
    attached: {arn: document}}, and any other member of IAM's Role.
    organization: {"Id", "accounts": [id], "management": id, "cross_account_backup": bool, "policies": [Policy of
    DescribePolicy + "_targets": [account id]]}, or empty: no account is in one.
    now: epoch seconds; the lab's own clock may be shifted.
    """

    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    roles: list[dict[str, Any]] = field(default_factory=list)
    organization: dict[str, Any] = field(default_factory=dict)
    faults: list[Any] = field(default_factory=list)
    now: Callable[[], float] = time.time
    calls: Audit = field(default_factory=Audit)

    def place(self, account: str, region: str) -> Place:
        """Return the place, made when asked for."""
        return self.places.setdefault((account, region), Place(account, region, self))
