# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Small statistics in plain Python: what a step needs before anybody judges it."""

from __future__ import annotations

import math


def wilson(successes: float, runs: float, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a rate that was seen `runs` times; (0, 1) of nothing."""
    if runs <= 0:
        return 0.0, 1.0
    rate = min(max(successes / runs, 0.0), 1.0)
    middle = rate + z * z / (2 * runs)
    spread = z * math.sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    width = 1 + z * z / runs
    return max(0.0, (middle - spread) / width), min(1.0, (middle + spread) / width)


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that at least this share (0..1) of the values does not exceed; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]
