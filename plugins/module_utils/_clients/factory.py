# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Clients are made when a step first asks for one, from the parameters of its task."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import Account
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.kubernetes import Cluster
    from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import Prometheus


def _say_nothing(dummy: str) -> None:
    """Where nobody looks on."""


class Clients:
    """The sources of one task.

    cluster      the cluster of the task's own connection options
    source       the cluster of its option `source` (a dictionary of the same options)
    prometheus   the Prometheus of its options
    aws_source, aws_destination  the account and Region of either side of an AWS target
    """

    def __init__(self, params: dict[str, t.Any], run_folder: str | None = None) -> None:
        """run_folder: a private folder that ends with the run, for what its other tasks can use too."""
        self._params = params
        self._run_folder = run_folder
        self._made: dict[str, t.Any] = {}
        self._accounts: dict[str, Account] = {}
        self.progress: t.Callable[[str], None] = _say_nothing  # how far a long reading is; the caller may show it

    @property
    def cluster(self) -> Cluster:
        """Raises BadParameter, ReadFailed(not_configured)."""
        return self._cluster("cluster", self._params)

    @property
    def source(self) -> Cluster:
        """Raises BadParameter, which names an option inside `source`, ReadFailed(not_configured)."""
        try:
            return self._cluster("source cluster", self._params.get("source") or {})
        except BadParameter as exc:
            raise BadParameter(f"source.{exc}") from exc

    @property
    def prometheus(self) -> Prometheus:
        """Raises BadParameter, ReadFailed(not_configured)."""
        if "prometheus" not in self._made:
            from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus import Prometheus

            self._made["prometheus"] = Prometheus(self._params, lambda: self.cluster)
        return self._made["prometheus"]

    @property
    def aws_source(self) -> Account:
        """Raises BadParameter, ReadFailed(not_configured)."""
        from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import aws_spec

        return self._account("source", {option: self._params.get(option) for option in aws_spec()})

    @property
    def aws_destination(self) -> Account:
        """Raises BadParameter, ReadFailed(not_configured)."""
        from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import (
            destination_options,
            own_options,
        )

        return self._account("destination", destination_options(self._params), own_options(self._params))

    def _account(self, name: str, options: dict[str, t.Any], own: t.Container[str] = ()) -> Account:
        if name not in self._made:
            from ansible_collections.sre.backup_sync.plugins.module_utils._clients.assumed import AssumedRoles
            from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import Account

            roles = AssumedRoles(self._run_folder)
            self._made[name] = self._accounts[name] = Account(options, name=name, own=own, roles=roles)
        return self._made[name]

    def requests(self) -> dict[str, int] | None:
        """What was asked of AWS, on both sides together: {calls, throttled}; None where no account is a source.

        throttled: answers by which AWS asked to slow down. Such a call is tried again, so that it is not in the evidence
        otherwise.
        """
        if not self._accounts:
            return None
        return {
            "calls": sum(account.calls for account in self._accounts.values()),
            "throttled": sum(account.throttled for account in self._accounts.values()),
        }

    def access(self) -> dict[str, t.Any] | None:
        """What AWS answered and what it refused, by side: {permitted: actions, refused: statements}; None without an account."""
        if not self._accounts:
            return None
        return {
            side: {"permitted": sorted(account.permitted), "refused": account.refused}
            for side, account in self._accounts.items()
        }

    def _cluster(self, name: str, options: dict[str, t.Any]) -> Cluster:
        if name not in self._made:
            from ansible_collections.sre.backup_sync.plugins.module_utils._clients.kubernetes import Cluster

            self._made[name] = Cluster(options, name=name)
        return self._made[name]
