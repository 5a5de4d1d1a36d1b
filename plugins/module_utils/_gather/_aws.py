# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the steps of the region runbook share: ARNs, times, reading side by side, and feeds that stay small."""

from __future__ import annotations

import base64
import json
import re
import typing as t
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import Account, connection_spec
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed, rfc3339
from ansible_collections.sre.backup_sync.plugins.module_utils._step import guarded

PAGE = 1000  # rows that AWS Backup gives in one reply at most
_MOST_AT_ONCE = 4  # AWS Backup answers 20 lists and 5 to 15 descriptions a second
_VAULT_NAME = re.compile(r"[A-Za-z0-9_-]{2,50}")

Json = t.Dict[str, t.Any]
Read = t.Callable[[], t.Any]


def vault_spec() -> dict[str, t.Any]:
    """The options of every step: the pair of vaults and the connections to both sides."""
    return {
        **connection_spec(),
        "vault_name": {"type": "str", "required": True},
        "destination_vault_name": {"type": "str"},
        "max_rows": {"type": "int", "default": 50},
    }


def vault_names(params: Json) -> tuple[str, str]:
    """The names of source and destination vault, which are the same unless told. Raises BadParameter."""
    source = str(params.get("vault_name") or "")
    destination = str(params.get("destination_vault_name") or source)
    for option, name in (("vault_name", source), ("destination_vault_name", destination)):
        if not _VAULT_NAME.fullmatch(name):
            raise BadParameter(
                f"{option}: {name!r} is no name of a backup vault; it has 2 to 50 letters, digits, - and _."
            )
    return source, destination


class Arn(t.NamedTuple):
    """arn:partition:service:region:account:resource"""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def arn(text: t.Any) -> Arn | None:
    """The parts of an ARN; None when it is none."""
    parts = text.split(":", 5) if isinstance(text, str) else []
    return Arn(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None


def vault_arn(partition: str, region: str, account: str, name: str) -> str:
    """The ARN of a vault."""
    return f"arn:{partition}:backup:{region}:{account}:backup-vault:{name}"


def last_part(text: t.Any) -> str | None:
    """What an ARN names, without the kind of resource: `vol-0123` of ...:volume/vol-0123."""
    return re.split(r"[:/]", text)[-1] or None if isinstance(text, str) else None


def resource_name(row: Json) -> str:
    """What a report calls the resource of a job or a recovery point: its name where AWS knows one, else its id."""
    return str(row.get("ResourceName") or last_part(row.get("ResourceArn")) or "unknown")


def stamp(epoch: float | None) -> str | None:
    """Epoch seconds as RFC 3339 UTC; None of nothing and of what no calendar has."""
    try:
        return None if epoch is None else rfc3339(datetime.fromtimestamp(epoch, timezone.utc))
    except (OverflowError, ValueError, OSError):
        return None


def side(account: Account, vault: str) -> Json:
    """How `query` names a side."""
    return {"region": account.region, "vault": vault}


def side_by_side(reads: t.Mapping[str, Read]) -> dict[str, tuple[t.Any, ReadFailed | None]]:
    """{name: (value, failure)}: what each read gave, all sent at once where there is more than one."""
    if len(reads) <= 1:
        return {name: guarded(read) for name, read in reads.items()}
    with ThreadPoolExecutor(min(_MOST_AT_ONCE, len(reads))) as pool:
        pending = {name: pool.submit(guarded, read) for name, read in reads.items()}
        return {name: future.result() for name, future in pending.items()}


# ------------------------------------------------------------------------------------------------------------ feeds


def packed(value: t.Any) -> str:
    """A feed of any size as one short text: Ansible walks every member of a structure, but never into a text."""
    return base64.b64encode(zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)).decode()


def unpacked(text: t.Any, option: str) -> t.Any:
    """The inverse of packed(); None of nothing. Raises BadParameter, which names the option."""
    if not text:
        return None
    try:
        return json.loads(zlib.decompress(base64.b64decode(str(text), validate=True)))
    except (ValueError, zlib.error) as exc:
        raise BadParameter(f"{option}: this is no feed of an earlier step; hand over its feed as it came.") from exc
