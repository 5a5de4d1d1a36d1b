# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import sys

import pytest
from ansible_collections.sre.backup_sync.plugins.filter.settings import FilterModule
from ansible_collections.sre.backup_sync.plugins.module_utils._clients import api
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter

ROOM = "ansible_collections.sre.backup_sync.plugins.plugin_utils._settings"
MODULE = "ansible_collections.kubernetes.core.plugins.module_utils.args_common"


@pytest.fixture(autouse=True)
def without_kubernetes_core(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)


def test_where_kubernetes_core_is_missing_clusters_are_told(monkeypatch):
    with pytest.raises(BadParameter, match="The collection kubernetes.core, which pairs of clusters need, is not installed"):
        api.connection_spec()
    monkeypatch.delitem(sys.modules, f"{ROOM}.cluster", raising=False)
    [problem] = FilterModule().filters()["cluster_settings"]({"cluster_sync_namespace": "backup"})["problems"]
    assert problem.startswith("The collection kubernetes.core, which pairs of clusters need, is not installed")


def test_and_regions_do_without():
    importlib.reload(api)  # which the steps of AWS import
    given = {"vault_name": "backup", "source_region": "eu-west-1", "destination_region": "eu-central-1"}
    found = FilterModule().filters()["region_settings"]({f"region_sync_{name}": value for name, value in given.items()})
    assert found["problems"] == []
