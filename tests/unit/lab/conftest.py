# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the folder of the lab on the module path: the lab is a program of the tests, not a part of the collection."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = str(Path(__file__).resolve().parents[2])
_HERE = str(Path(__file__).resolve().parent)
for folder in (_HERE, _TESTS):
    if folder not in sys.path:
        sys.path.insert(0, folder)
