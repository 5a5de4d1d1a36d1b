# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Credentials of assumed roles, kept for the other tasks of the same run.

Each task runs in a process of its own, and assuming a role again in each costs a round trip and a place in the quota of
STS. Ansible's private temporary folder ends with the run, and what is in it with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import typing as t

_LEFT_S = 300  # of its life, for a credential to be used again

Credentials = t.Dict[str, t.Any]


class AssumedRoles:
    """Temporary credentials by who asked for which role. Without a folder nothing is kept."""

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder

    def find(self, *asked: str | None) -> Credentials | None:
        """What keep() was given for the same request and is still good for a while; None otherwise."""
        if self._folder is None:
            return None
        try:
            with open(self._path(asked), encoding="utf-8") as file:
                kept = json.load(file)
        except (OSError, ValueError):
            return None
        return kept["credentials"] if kept["until"] - time.time() > _LEFT_S else None

    def keep(self, credentials: Credentials, until: float, *asked: str | None) -> None:
        """Keep them until then (epoch seconds), readable for nobody else. What cannot be kept is asked for again."""
        if self._folder is None:
            return
        path = self._path(asked)
        partial = f"{path}.{os.getpid()}"
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump({"credentials": credentials, "until": until}, file)
            os.replace(partial, path)
        except OSError:
            return

    def _path(self, asked: tuple[str | None, ...]) -> str:
        name = hashlib.sha256("\0".join(part or "" for part in asked).encode()).hexdigest()
        return os.path.join(str(self._folder), f"backup-sync-role-{name}")
