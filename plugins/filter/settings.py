# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that check the variables of a role: cluster_settings, region_settings and gate_settings."""

from __future__ import annotations

import functools
import importlib
import typing as t

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, plain

_ROOM = "ansible_collections.sre.backup_sync.plugins.plugin_utils._settings"


def _settings(kind: str, variables: t.Any) -> dict[str, t.Any]:
    name = f"{kind}_settings"
    if not isinstance(variables, t.Mapping):
        raise AnsibleFilterError(f"sre.backup_sync.{name} takes a dictionary of the role's variables")
    # Imported here: Ansible imports every filter file when it looks one up.
    try:
        found = getattr(importlib.import_module(f"{_ROOM}.{kind}"), name)(plain(variables))
    except BadParameter as exc:  # what all of them need is not there
        found = {"problems": [str(exc)], "warnings": [], "settings": {}}
    for warning in found["warnings"]:
        Display().warning(warning)
    return found


class FilterModule:
    """Ansible asks this class for its filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {f"{kind}_settings": functools.partial(_settings, kind) for kind in ("cluster", "region", "gate")}
