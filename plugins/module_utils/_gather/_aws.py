# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the steps of the region runbook share: the two sides, ARNs, times, and reading side by side."""

from __future__ import annotations

import re
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import connection_spec
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    duration_parameter,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import denied_entry
from ansible_collections.sre.backup_sync.plugins.module_utils._step import guarded

PAGE = 1000  # rows that AWS Backup gives in one reply at most
SIDES = ("source", "destination")
DAY_S = 86400.0
KEPT_S = 30 * DAY_S  # how long AWS Backup lists jobs: documented for backup jobs, taken for copy jobs as well
LOOK_BACK = "14d"
# Four for each of the two sides: AWS Backup answers 20 lists and 5 to 15 descriptions a second, and its rates are an
# account's in a Region.
_MOST_AT_ONCE = 8
_COPY_JOB = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_VAULT_NAME = re.compile(r"[A-Za-z0-9_-]{2,50}")

Json = t.Dict[str, t.Any]
Read = t.Callable[[], t.Any]
Answer = t.Tuple[t.Any, t.Optional[ReadFailed]]  # what a read gave, or why it gave nothing
Answers = t.Dict[str, Answer]
Refused = t.List[t.Tuple[str, ReadFailed]]  # what was asked for, why it did not come


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
    source = vault_name(params, "vault_name")
    return source, vault_name(params, "destination_vault_name") if params.get("destination_vault_name") else source


def copy_job_id(params: Json, option: str) -> str:
    """The copy job that was asked for, "" where none was. Raises BadParameter, which names the option."""
    given = str(params.get(option) or "").strip()
    if given and not _COPY_JOB.fullmatch(given):
        raise BadParameter(
            f"{option}: {given[:80]!r} is no ID of a copy job; it looks like 01234567-89AB-CDEF-0123-456789ABCDEF."
        )
    return given


def vault_name(params: Json, option: str) -> str:
    """The name of a backup vault. Raises BadParameter, which names the option."""
    name = str(params.get(option) or "")
    if not _VAULT_NAME.fullmatch(name):
        raise BadParameter(
            f"{option}: {name[:80]!r} is no name of a backup vault; it has 2 to 50 letters, digits, - and _."
        )
    return name


def window_parameter(params: Json) -> float:
    """The option window in seconds, a day without it. Raises BadParameter."""
    return duration_parameter(params, "window") or DAY_S


def look_back_parameter(params: Json) -> float:
    """The option look_back in seconds, LOOK_BACK without it. Raises BadParameter."""
    given = params if params.get("look_back") is not None else {"look_back": LOOK_BACK}
    return t.cast(float, duration_parameter(given, "look_back", least=3600))


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


def named_sides(params: Json) -> Json:
    """How `query` names both sides, as far as the options tell before anything is read. Raises BadParameter."""
    source, destination = vault_names(params)
    known = arn((params.get("vaults_feed") or {}).get("destination_arn"))
    region = known.region if known else (params.get("destination") or {}).get("region")
    return {
        "source": {"region": params.get("region"), "vault": source},
        "destination": {"region": region, "vault": destination},
    }


def connected_sides(params: Json, clients: t.Any) -> Json:
    """How `query` names both sides; the destination is not asked for what the vault step has told.

    Raises BadParameter, ReadFailed(not_configured).
    """
    query = named_sides(params)
    query["source"]["region"] = clients.aws_source.region
    if not (params.get("vaults_feed") or {}).get("destination_arn"):
        query["destination"]["region"] = clients.aws_destination.region
    return query


def denied_on(side: str | None, what: str, failure: ReadFailed) -> Json:
    """A row of `denied`. side: None where neither side's identity could look."""
    return dict(denied_entry(what, failure), side=side)


def side_read(answer: Answer, side: str, what: str, denied: list[Json]) -> t.Any:
    """What a side gave; None, and a row of `denied`, where it refused."""
    value, failure = answer
    if failure is not None:
        denied.append(denied_on(side, what, failure))
    return value


# ---------------------------------------------------------------------------------------------------------- reading


def member_of(reply: Json, member: str, operation: str) -> t.Any:
    """The member that a reply is about.

    Raises ReadFailed where the reply has none: an answer without its list is no answer, least of all "there is none".
    """
    value = reply.get(member)
    if value is None:
        raise ReadFailed(
            "error",
            f"The answer to {operation} has no {member}.",
            code="IncompleteReply",
            hint="Run it again; if it stays so, something between here and AWS changes what AWS answers.",
        )
    return value


def listed(account: t.Any, service: str, operation: str, member: str, **arguments: t.Any) -> t.Iterator[t.Any]:
    """The rows of all pages of a list, read as they are taken. arguments: of Account.pages(). Raises ReadFailed."""
    for page in account.pages(service, operation, **arguments):
        yield from member_of(page, member, operation)


def caller(account: t.Any) -> str:
    """The id of the account that the credentials belong to. Raises ReadFailed."""
    return str(member_of(account.call("sts", "GetCallerIdentity"), "Account", "GetCallerIdentity"))


def describe_vault(account: t.Any, vault: str) -> Json:
    """What DescribeBackupVault tells. Raises ReadFailed."""
    row: Json = account.call("backup", "DescribeBackupVault", BackupVaultName=vault)
    member_of(row, "BackupVaultArn", "DescribeBackupVault")
    return row


def side_by_side(reads: t.Mapping[str, Read]) -> Answers:
    """{name: (value, failure)}: what each read gave, all sent at once where there is more than one."""
    if len(reads) <= 1:
        return {name: guarded(read) for name, read in reads.items()}
    with ThreadPoolExecutor(min(_MOST_AT_ONCE, len(reads))) as pool:
        pending = {name: pool.submit(guarded, read) for name, read in reads.items()}
        return {name: future.result() for name, future in pending.items()}
