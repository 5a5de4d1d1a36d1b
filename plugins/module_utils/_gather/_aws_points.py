# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The recovery points of a vault: read page by page, kept as one tuple each, handed on as one packed text.

The text is pack_lines() of blocks of at most 5,000 points, and behind them of one object of tables. A block is an
object of columns, all equally long. ARNs of points are cut behind their last : or /; stems, resources and texts that
many points share are places in the tables; times are milliseconds, completion and deletion after creation.
"""

from __future__ import annotations

import itertools
import json
import typing as t
import zlib
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed, clip
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import PAGE, resource_name
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import pack_lines, packed_lines, rows_of
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import RecoveryPoint

LAYOUT = 1
_BLOCK = 5000

Json = t.Dict[str, t.Any]


class Points(t.NamedTuple):
    """The points of one vault whose data was created since then (epoch seconds), in the order of the list."""

    rows: list[RecoveryPoint]
    vault: str | None  # its ARN, as the points have it; None where there is no point
    since: float


def list_points(
    account: t.Any,
    vault: str,
    since: datetime,
    say: t.Callable[[str], None],
    *,
    owner: str | None = None,
) -> Points:
    """Read the points of a vault. owner: the account that shares the vault with the caller's. Raises ReadFailed."""
    arguments: Json = {"BackupVaultName": vault, "ByCreatedAfter": since, "MaxResults": PAGE}
    if owner:
        arguments["BackupVaultAccountId"] = owner
    pages = account.pages("backup", "ListRecoveryPointsByBackupVault", **arguments)
    reader = _Reader()
    try:
        for row in rows_of(pages, "RecoveryPoints", say, f"recovery points of the {account.name}"):
            reader.take(row)
    except ReadFailed as failure:
        raise _with_remedy(failure, account, owner) from failure
    return Points(list(reader.rows.values()), reader.vault, since.timestamp())


def _with_remedy(failure: ReadFailed, account: t.Any, owner: str | None) -> ReadFailed:
    """AWS says "Insufficient privileges" of a vault that another account shares, and of one that does not exist."""
    if "insufficient privileges" not in failure.message.lower() or owner or account.name != "destination":
        return failure
    return ReadFailed(
        failure.outcome,
        failure.message,
        code=failure.code,
        hint="If another account shares this vault, give its id in destination_vault_account_id; "
        "if not, the vault may not exist, or not in this Region.",
        grant=failure.grant,
    )


class _Reader:
    """Makes points of AWS's rows; what many points share is kept once, and a row that comes twice counts once."""

    def __init__(self) -> None:
        self.rows: dict[str, RecoveryPoint] = {}
        self.vault: str | None = None
        self._known: dict[t.Any, t.Any] = {}

    def take(self, row: Json) -> None:
        """One row as its JSON came."""
        arn = row.get("RecoveryPointArn")
        if not arn:
            return
        self.vault = self.vault or row.get("BackupVaultArn")
        one = self._known.setdefault
        resource_arn = str(row.get("ResourceArn") or "")
        name, kind = resource_name(row), str(row.get("ResourceType") or "unknown")
        status, parent = str(row.get("Status") or "unknown"), row.get("ParentRecoveryPointArn") or None
        from_vault, member = row.get("SourceBackupVaultArn") or None, row.get("CompositeMemberIdentifier") or None
        rule, message = _rule(row.get("CreatedBy")), clip(row.get("StatusMessage") or None)
        self.rows[arn] = RecoveryPoint(
            arn=arn,
            resource_arn=one(resource_arn, resource_arn),
            resource=one(name, name),
            type=one(kind, kind),
            status=one(status, status),
            created=moment(row.get("CreationDate")),
            completed=moment(row.get("CompletionDate")),
            delete_at=moment((row.get("CalculatedLifecycle") or {}).get("DeleteAt")),
            from_vault=one(from_vault, from_vault),
            parent=one(parent, parent),
            member=one(member, member),
            is_parent=bool(row.get("IsParent")),
            rule=one(rule, rule),
            message=one(message, message),
        )


def _rule(made: Json | None) -> str | None:
    return (made.get("BackupRuleId") or made.get("BackupPlanId") or None) if made else None


# ------------------------------------------------------------------------------------------------------------ feed


class _Tables:
    """Gives each different value a place, in the order of appearance."""

    def __init__(self) -> None:
        self.stems: dict[t.Any, int] = {}
        self.resources: dict[t.Any, int] = {}
        self.texts: dict[t.Any, int] = {}

    def text(self, value: str | None) -> int:
        """The place of a text that many points share."""
        return _place(self.texts, value)


def _place(places: dict[t.Any, int], value: t.Any) -> int:
    return places.setdefault(value, len(places))


def pack_points(points: Points) -> str:
    """All points as one text; see the layout above."""
    tables, left = _Tables(), iter(points.rows)

    def values() -> t.Iterator[Json]:
        while block := list(itertools.islice(left, _BLOCK)):
            yield _block(block, tables)
        named = {name: list(places) for name, places in vars(tables).items()}
        yield {"layout": LAYOUT, "vault": points.vault, "since": points.since, **named}

    return pack_lines(values())


def _block(rows: list[RecoveryPoint], tables: _Tables) -> Json:
    cuts = [max(row.arn.rfind(":"), row.arn.rfind("/")) + 1 for row in rows]
    created = [_ms(row.created) for row in rows]
    return {
        "stem": [_place(tables.stems, row.arn[:cut]) for row, cut in zip(rows, cuts)],
        "rest": [row.arn[cut:] for row, cut in zip(rows, cuts)],
        "resource": [_place(tables.resources, (row.resource_arn, row.resource, row.type)) for row in rows],
        "status": [tables.text(row.status) for row in rows],
        "created": created,
        "took": [_after(row.completed, start) for row, start in zip(rows, created)],
        "kept": [_after(row.delete_at, start) for row, start in zip(rows, created)],
        "from_vault": [tables.text(row.from_vault) for row in rows],
        "parent": [tables.text(row.parent) for row in rows],
        "member": [tables.text(row.member) for row in rows],
        "is_parent": [int(row.is_parent) for row in rows],
        "rule": [tables.text(row.rule) for row in rows],
        "message": [tables.text(row.message) for row in rows],
    }


def _ms(time: float | None) -> int | None:
    return None if time is None else round(time * 1000)


def _after(time: float | None, start: int | None) -> int | None:
    return None if time is None else round(time * 1000) - (start or 0)


def read_points(text: t.Any, option: str = "points_feed") -> Points | None:
    """The inverse of pack_points(); None when no feed was given. Raises BadParameter, which names the option."""
    if not text:
        return None
    try:
        lines = packed_lines(str(text))
        tables = json.loads(lines[-1])
        if tables["layout"] != LAYOUT:
            raise BadParameter(f"{option}: another release of this collection made this feed; gather it anew.")
        rows = [row for line in lines[:-1] for row in _rows(json.loads(line), tables)]
        return Points(rows, tables["vault"], float(tables["since"]))
    except (LookupError, TypeError, ValueError, zlib.error) as exc:
        raise BadParameter(
            f"{option}: this is no feed of the copy lag step; hand over its feed.points as it came."
        ) from exc


def _rows(block: Json, tables: Json) -> t.Iterator[RecoveryPoint]:
    stems, resources, texts = tables["stems"], tables["resources"], tables["texts"]
    for stem, rest, resource, status, created, took, kept, from_vault, parent, member, is_parent, rule, message in zip(
        *(block[name] for name in _COLUMNS)
    ):
        resource_arn, name, kind = resources[resource]
        start = created or 0
        yield RecoveryPoint(
            stems[stem] + rest,
            resource_arn,
            name,
            kind,
            texts[status],
            None if created is None else created / 1000,
            None if took is None else (start + took) / 1000,
            None if kept is None else (start + kept) / 1000,
            texts[from_vault],
            texts[parent],
            texts[member],
            bool(is_parent),
            texts[rule],
            texts[message],
        )


_COLUMNS = (
    "stem",
    "rest",
    "resource",
    "status",
    "created",
    "took",
    "kept",
    "from_vault",
    "parent",
    "member",
    "is_parent",
    "rule",
    "message",
)
