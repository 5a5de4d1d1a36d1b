# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write what the log step needs of the catalogue of signatures; to be run when a signature changes.

python tests/tools/telling_index.py writes it; a unit test fails when it is not current.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import telling_patterns
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.telling_lines import FILE, as_text

if __name__ == "__main__":
    Path(FILE).write_text(as_text(telling_patterns()), encoding="utf-8")
