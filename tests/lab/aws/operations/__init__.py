# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service answers: one module a service, each with ``OPERATIONS: dict[str, Handler]``.

A module may also hold, for the authorization of a call:
``RESOURCES: dict[str, Resource]``, by operation: the ARN that a policy's Resource is matched with, "*" where absent;
``ACTIONS: dict[str, str | None]``, by operation: the IAM action where it is not "<prefix>:<Operation>"; None: the
handler decides itself, or anybody may.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from lab.aws.world import Identity, Place


@dataclass
class Call:
    """One request, authenticated, read and validated.

    service: the SDK's name ("backup", "cloudwatch", "service-quotas"); params: the input members, with the SDK's types
    (datetime for timestamps); now: the lab's time in epoch seconds.
    """

    account: str
    region: str
    service: str
    operation: str
    params: dict[str, Any]
    identity: Identity
    now: float
    request_id: str = ""


Handler = Callable[[Place, Call], dict[str, Any]]
Resource = Callable[[Place, Call], str]


@cache
def module_of(service: str) -> ModuleType | None:
    """Return the module of a service, or None where the lab does not have it."""
    name = f"{__name__}.{service.replace('-', '')}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
