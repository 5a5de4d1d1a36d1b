# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""See region_settings.yml."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain


def _region_settings(variables: t.Any) -> dict[str, t.Any]:
    if not isinstance(variables, t.Mapping):
        raise AnsibleFilterError("sre.backup_sync.region_settings takes a dictionary of the role's variables")
    # Imported here: Ansible imports every filter file when it looks one up.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.region import region_settings

    found = region_settings(plain(variables))
    for warning in found["warnings"]:
        Display().warning(warning)
    return found


class FilterModule:
    """Ansible asks this class for its filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"region_settings": _region_settings}
