# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter sre.backup_sync.diagnose: a shell over the engine."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain


def diagnose(bundle: t.Any, rule_files: t.Any = ()) -> dict[str, t.Any]:
    """The diagnosis of an evidence bundle; see the filter's documentation."""
    try:
        # Imported here: Ansible imports every filter file when it looks one up, also for plays that never diagnose.
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
    except ImportError as exc:
        raise AnsibleFilterError(
            f"sre.backup_sync.diagnose needs the Python libraries jmespath and PyYAML on the controller: {exc}"
        ) from exc
    try:
        return engine.diagnose(plain(bundle), rule_files=[str(path) for path in plain(rule_files) or ()])
    except (engine.BundleError, RuleError) as exc:
        raise AnsibleFilterError(f"sre.backup_sync.diagnose: {exc}") from exc


class FilterModule:
    """Ansible's registration."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters of this file."""
        return {"diagnose": diagnose}
