# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Clients are made when a step first asks for one, from the parameters of its task."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.kubernetes import Cluster
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import Prometheus


class Clients:
    """The sources of one task.

    cluster      the cluster of the task's own connection options
    source       the cluster of its option `source` (a dictionary of the same options)
    prometheus   the Prometheus of its options
    """

    def __init__(self, params: dict[str, t.Any]) -> None:
        self._params = params
        self._made: dict[str, t.Any] = {}

    @property
    def cluster(self) -> Cluster:
        """Raises BadParameter, ReadFailed(not_configured)."""
        return self._cluster("cluster", self._params)

    @property
    def source(self) -> Cluster:
        """Raises BadParameter, ReadFailed(not_configured)."""
        return self._cluster("source cluster", self._params.get("source") or {})

    @property
    def prometheus(self) -> Prometheus:
        """Raises BadParameter, ReadFailed(not_configured)."""
        if "prometheus" not in self._made:
            from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import Prometheus

            self._made["prometheus"] = Prometheus(self._params, lambda: self.cluster)
        return self._made["prometheus"]

    def _cluster(self, name: str, options: dict[str, t.Any]) -> Cluster:
        if name not in self._made:
            from ansible_collections.sre.backup_sync.plugins.module_utils._clients.kubernetes import Cluster

            self._made[name] = Cluster(options, name=name)
        return self._made[name]
