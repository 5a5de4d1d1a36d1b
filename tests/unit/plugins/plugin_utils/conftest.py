# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the catalogues and rules once: ansible-test runs each test in a fork of its own, which would read them again."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.classification import classify
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import KINDS, kind_of, shipped_rules

for _kind in KINDS:
    kind_of(_kind).causes()
    for _rule in shipped_rules(_kind):
        for _expression in _rule.expressions():
            _expression.compile()
for _place in ("log", "copy_job"):
    classify("a text that stands for nothing", _place)
