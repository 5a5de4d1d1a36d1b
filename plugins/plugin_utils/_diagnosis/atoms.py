# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Atoms: every message in the evidence that says why something failed, classified, with its place and its weight."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import Verdict


@dataclass(frozen=True)
class Atom:
    """One classified message.

    recorder: who wrote it (mover, kubelet, controller, ledger; aws, cloudtrail ...); two that agree are independent.
    weight: 1.0 ended the run, 0.7 an error, 0.2 a retry.
    """

    cause: str
    signature: str
    weight: float
    recorder: str
    step: str
    path: str
    text: str
    at: str | None
    job: str | None
    resource: str | None
    fix: str | None
    alternatives: tuple[str, ...] = ()
    confirm_by: str | None = None  # what would confirm the cause, when the words alone are not to be believed


def weight(verdict: Verdict, final: bool) -> float:
    """A retry stays a retry, wherever it stands; the last words of a failed container count in full."""
    if verdict.kind == "retry":
        return 0.2
    if verdict.kind == "warning":
        return 0.3
    return round((1.0 if final or verdict.kind == "final" else 0.7) * verdict.weight, 2)


def say(reason: str | None, message: str | None) -> str:
    return f"{reason}: {message}" if reason and message and reason not in message else message or reason or ""
