# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter sre.backup_sync.cluster_reads: a shell over what the steps declare."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, plain


def cluster_reads(settings: t.Any) -> list[dict[str, t.Any]]:
    """What the steps read of both clusters; see the filter's documentation."""
    # Imported here: Ansible imports every filter file when it looks one up.
    from ansible_collections.sre.backup_sync.plugins.module_utils._access import needs

    try:
        return [need._asdict() for need in needs(plain(settings))]
    except BadParameter as exc:
        raise AnsibleFilterError(f"sre.backup_sync.cluster_reads: {exc}") from exc


class FilterModule:
    """Ansible's registration."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters of this file."""
        return {"cluster_reads": cluster_reads}
