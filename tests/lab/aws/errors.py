# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of AWS, and of the lab itself."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An answer that is an error. The server writes it in the form of the service's protocol.

    code: as the API names it ("ResourceNotFoundException"). members: further members of the modelled exception
    (Type, Context, ResourceId ...). A status of 500 and more is a server's fault, which the SDK tries again.
    """

    def __init__(self, code: str, message: str, status: int = 400, members: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


class LabFixtureError(AwsError):
    """A row of a story does not have AWS's shape: the lab's own fault, never AWS's. Answered with 500."""

    def __init__(self, message: str) -> None:
        super().__init__("LabFixtureError", message, 500)


class LabNotImplemented(AwsError):
    """The lab does not have this operation, and never invents an answer. Answered with 501."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__("LabNotImplemented", f"the lab has no {service}:{operation}", 501)
