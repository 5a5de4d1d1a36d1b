# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write what the identities of the steps may do: the manifests of roles/cluster_sync/files, the policies of region_sync/files.

They are made of plugins/module_utils/_access.py; a unit test sees to it that they are up to date.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

import yaml
from ansible_collections.sre.backup_sync.plugins.module_utils import _access

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
# As the role's defaults have it, with a Prometheus behind the API server.
SETTINGS: dict[str, t.Any] = {
    "copy_side": "destination",
    "namespace": "backup",
    "source_namespace": "backup",
    "configmap": "backup-vault-config",
    "prometheus_service": {"namespace": "monitoring", "name": "prometheus", "port": "9090"},
    "has_source": True,
}
_HEAD = {
    "destination": "the cluster that copies are made into, where the copy jobs run",
    "source": "the cluster that copies are made of",
}
_COMMENT = """---
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What cluster_sync reads of {side}: README.md says what each rule is for.
# Made by tests/tools/permissions.py of what the steps declare.
"""


def files() -> dict[pathlib.Path, str]:
    """{path: what it holds}"""
    found = {}
    for side in _access.SIDES:
        wanted = [need for need in _access.needs(SETTINGS) if need.side == side]
        made = _access.manifests(wanted, account=_access.ACCOUNT, account_namespace="backup")
        listed = {"apiVersion": "v1", "kind": "List", "items": made}  # one document, as the linters want it
        text = yaml.dump(listed, Dumper=_Indented, sort_keys=False)
        found[ROLES / "cluster_sync" / "files" / f"rbac_{side}.yml"] = _COMMENT.format(side=_HEAD[side]) + text
        policy = json.dumps(_access.policy(side), indent=2) + "\n"
        found[ROLES / "region_sync" / "files" / f"policy_{side}.json"] = policy
    return found


class _Indented(yaml.SafeDumper):
    """Lists are indented, as the linters of playbooks want them, and nothing is a reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
