# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage that all parts of a story write on: two sides of a World, the moment, and where rows go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.aws.stories.words import account_id, only
from lab.aws.world import Place, Row, World

SIDES = ("source", "destination")
SIDE_KEYS = {
    "region",
    "account",
    "vault",
    "unreachable",
    "enabled",
    "deny",
    "credentials",
    "role",
    "region_settings",
    "rows",
}
_DEFAULTS = {
    "source": {"region": "eu-west-1", "vault": "backup"},
    "destination": {"region": "eu-central-1", "vault": "backup-dr"},
}
_ACCOUNT = "111122223333"
MANAGEMENT_ACCOUNT = "999900001111"


@dataclass
class Side:
    """One account in one Region, with the vault that the story is about."""

    name: str
    account: str
    region: str
    vault: str
    raw: dict[str, Any]
    place: Place

    @property
    def vault_arn(self) -> str:
        """Return the ARN of the side's vault."""
        return vault_arn(self.account, self.region, self.vault)

    def add(self, collection: str, rows: Iterable[Row]) -> None:
        """Append rows to a collection."""
        held = self.place.rows.setdefault(collection, [])
        if not isinstance(held, list):
            raise TypeError(f"{collection} was made by a bulk story and takes no further rows")
        held.extend(rows)


@dataclass
class Stage:
    """A world under construction. ``raw`` is the whole scenario, ``now`` the lab's time in seconds since the epoch."""

    raw: dict[str, Any]
    world: World
    now: float
    source: Side
    destination: Side
    destination_type: str = "BACKUP_VAULT"
    destination_absent: bool = False

    @property
    def cross_account(self) -> bool:
        """Tell whether the two sides are two accounts."""
        return self.source.account != self.destination.account

    def side(self, name: str) -> Side:
        """Return a side by its name."""
        return self.source if name == "source" else self.destination

    def sides(self) -> tuple[Side, Side]:
        """Return both sides."""
        return self.source, self.destination

    def accounts(self) -> list[str]:
        """Return the accounts of the story, each once."""
        return sorted({self.source.account, self.destination.account})


def vault_arn(account: str, region: str, name: str) -> str:
    """Return the ARN of a vault."""
    return f"arn:aws:backup:{region}:{account}:backup-vault:{name}"


def key_type(arn: str) -> str:
    """Return AWS's word for the kind of a key: its own, in an account that nobody sees, or one in the account."""
    return "AWS_OWNED_KMS_KEY" if ":000000000000:" in arn else "CUSTOMER_MANAGED_KMS_KEY"


def make_stage(raw: dict[str, Any], world: World, now: float) -> Stage:
    """Return the empty stage of a scenario; ValueError where a side is described wrongly."""
    described = {name: {**_DEFAULTS[name], **only(raw.get(name), SIDE_KEYS, name)} for name in SIDES}
    described["source"].setdefault("account", _ACCOUNT)
    described["destination"].setdefault("account", described["source"]["account"])
    made = {}
    for name, side in described.items():
        account = account_id(side["account"], f"{name}.account")
        place = world.place(account, side["region"])
        made[name] = Side(name, account, side["region"], side["vault"], side, place)
    if made["source"].place is made["destination"].place:
        raise ValueError("source and destination are the same account and Region: give one of them another Region.")
    return Stage(raw, world, now, made["source"], made["destination"])
