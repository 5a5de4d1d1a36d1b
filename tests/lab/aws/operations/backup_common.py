# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of AWS Backup share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from lab.aws.model import model_of
from lab.aws.operations import Call
from lab.aws.world import Place, Row

# AWS gives no figure for a page whose size was not asked for; small enough that a client which does not page is seen.
_PAGE = 100


def limited(place: Place, call: Call) -> int:
    """Return the size of a page: what was asked for, or what the story bounds it to."""
    return min(int(call.params.get("MaxResults", _PAGE)), int(place.settings.get("page_size", 1000)))


def arn(place: Place, kind: str, name: str, account: str | None = None) -> str:
    """Return the ARN of a vault (backup-vault) or plan (backup-plan) in this place."""
    return f"arn:{partition(place.region)}:backup:{place.region}:{account or place.account}:{kind}:{name}"


def partition(region: str) -> str:
    """Return the partition of a Region."""
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"


def only(row: Row, operation: str, member: str | None = None) -> Row:
    """Return what an operation (or the items of one of its members) tells of a row that knows more."""
    names = _names(operation, member)
    return {key: value for key, value in row.items() if key in names}


@cache
def _names(operation: str, member: str | None) -> frozenset[str]:
    model = model_of("backup").operation(operation)
    if model is None:
        raise KeyError(operation)
    shape = model.output_shape.members[member] if member else model.output_shape
    return frozenset((shape.member if shape.type_name == "list" else shape).members)


def equals(call: Call, members: dict[str, str]) -> Callable[[Row], bool]:
    """Return a test of the filters that are given: parameter -> the row's member that it must equal."""
    wanted = [(member, call.params[name]) for name, member in members.items() if name in call.params]
    return lambda row: all(row.get(member) == value for member, value in wanted)


def with_token(output: dict[str, Any], token: str | None) -> dict[str, Any]:
    """Return a page's output, with a token where more follows."""
    return output if token is None else {**output, "NextToken": token}
