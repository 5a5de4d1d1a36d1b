# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the harness, the lab, the tools and what measures the accuracy importable for the tests beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "accuracy"), str(HERE.parent / "tools")]

_LONGEST_FIRST = ("test_size", "test_scenarios", "test_policies", "test_secrets")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker has nothing left to do while another is at it."""
    turn = {name: number for number, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: turn.get(item.path.stem, len(turn)))
