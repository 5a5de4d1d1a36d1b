# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter sre.backup_sync.loaded_rules: a shell over the engine."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain


def loaded_rules(rule_files: t.Any, kind: t.Any = "cluster") -> dict[str, t.Any]:
    """What a diagnosis with these files would apply; see the filter's documentation."""
    # Imported here: Ansible imports every filter file when it looks one up, also for plays that never diagnose.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError

    kind = plain(kind)
    files = [] if rule_files is None else plain(rule_files)  # null is no file, as to the filter diagnose
    if kind not in engine.KINDS:
        raise AnsibleFilterError(f"sre.backup_sync.loaded_rules: kind is {kind!r}; give {' or '.join(engine.KINDS)}.")
    if not isinstance(files, list):
        raise AnsibleFilterError("sre.backup_sync.loaded_rules: the rule files must be a list of paths.")
    try:
        return engine.loaded(kind, [str(path) for path in files])
    except RuleError as exc:
        raise AnsibleFilterError(f"sre.backup_sync.loaded_rules: {exc}") from exc


class FilterModule:
    """Ansible's registration."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters of this file."""
        return {"loaded_rules": loaded_rules}
