# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same generated examples on every run, so that what turns red is due to a change.

To look for more: python -m pytest --hypothesis-profile=default tests/unit. The package `lab` of the tests is importable.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Let the garbage collector look at nothing that is there by now.

    ansible-test runs each test in a fork of its own, in which each page that the collector writes to would be copied.
    """
    gc.collect()
    gc.freeze()
