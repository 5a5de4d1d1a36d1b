# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The recovery points of a vault: read page by page, kept as one tuple each, handed on as one packed text.

The text is that of `_aws_feed`. ARNs of points are cut behind their last : or /; stems, resources and texts that many
points share are places in the tables; times are milliseconds, completion and deletion after creation.
"""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import moment
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed, clip
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import resource_name
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_feed import (
    Tables,
    feed_of,
    pack_blocks,
    refused_before,
    split_arn,
    unpack_blocks,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import rows_of
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import RecoveryPoint

LAYOUT = 1

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
    arguments: Json = {"BackupVaultName": vault, "ByCreatedAfter": since}
    if owner:
        arguments["BackupVaultAccountId"] = owner
    operation, what = "ListRecoveryPointsByBackupVault", f"recovery points of the {account.name}"
    reader = _Reader()
    try:
        for row in rows_of(account, operation, "RecoveryPoints", say, what, **arguments):
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


def pack_points(points: Points) -> str:
    """All points as one text; see the layout above."""
    tables = Tables("stems", "resources", "texts")
    return pack_blocks(points.rows, _block, tables, layout=LAYOUT, vault=points.vault, since=points.since)


def _block(rows: list[RecoveryPoint], tables: Tables) -> Json:
    stem, resource, text = tables.of("stems"), tables.of("resources"), tables.of("texts")
    arns = [split_arn(row.arn) for row in rows]
    created = [_ms(row.created) for row in rows]
    return {
        "stem": [stem(shared) for shared, dummy in arns],
        "rest": [rest for dummy, rest in arns],
        "resource": [resource((row.resource_arn, row.resource, row.type)) for row in rows],
        "status": [text(row.status) for row in rows],
        "created": created,
        "took": [_after(row.completed, start) for row, start in zip(rows, created)],
        "kept": [_after(row.delete_at, start) for row, start in zip(rows, created)],
        "from_vault": [text(row.from_vault) for row in rows],
        "parent": [text(row.parent) for row in rows],
        "member": [text(row.member) for row in rows],
        "is_parent": [int(row.is_parent) for row in rows],
        "rule": [text(row.rule) for row in rows],
        "message": [text(row.message) for row in rows],
    }


def _ms(time: float | None) -> int | None:
    return None if time is None else round(time * 1000)


def _after(time: float | None, start: int | None) -> int | None:
    return None if time is None else round(time * 1000) - (start or 0)


def read_points(text: t.Any, option: str = "points_feed") -> Points | None:
    """The inverse of pack_points(); None when none could be handed over. Raises BadParameter, which names the option."""
    if not text:
        return None
    with feed_of("copy lag", "points", option):
        if refused_before(text):
            return None
        tables, blocks = unpack_blocks(text, option, LAYOUT)
        rows = [row for block in blocks for row in _rows(block, tables)]
        points = Points(rows, tables["vault"], float(tables["since"]))
    return points


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
