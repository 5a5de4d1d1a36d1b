# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The way from source backup to ready recovery point."""

from __future__ import annotations

import os

CHAIN = (
    "source_backup",
    "snapshot",
    "mover_scheduled",
    "mover_ran",
    "transfer",
    "store",
    "destination_metadata",
    "point_ready",
)

CATALOGUE = os.path.join(os.path.dirname(__file__), "catalogue")
