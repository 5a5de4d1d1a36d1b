# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._access import Need, needs, rules
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter

SETTINGS = {
    "copy_side": "destination",
    "namespace": "dr",
    "source_namespace": "prod",
    "configmap": "vault",
    "has_source": True,
}


def of(step, **changes):
    """What a step needs with these settings."""
    return [need for need in needs({**SETTINGS, **changes}) if need.step == step]


def test_a_step_needs_what_its_side_holds():
    assert of("replication_rules") == [
        Need("replication_rules", "destination", "dr", "", "configmaps", "get", "vault"),
        Need("replication_rules", "source", "prod", "", "configmaps", "get", "vault"),
    ]
    assert {(need.side, need.namespace) for need in of("jobs", copy_side="source")} == {("source", "prod")}


def test_without_a_source_nothing_is_needed_there():
    assert {need.side for need in needs({**SETTINGS, "has_source": False})} == {"destination"}


def test_prometheus_behind_the_api_server_is_one_service():
    assert of("metrics") == []
    service = {"namespace": "mon", "name": "prom", "scheme": "https", "port": "web"}
    [need] = of("metrics", prometheus_service=service)
    assert (need.namespace, need.resource, need.verb, need.name) == ("mon", "services/proxy", "get", "https:prom:web")


def test_backups_of_another_kind_are_read_instead_of_snapshots():
    custom = {"kind": "custom", "group": "velero.io", "plural": "backups"}
    read = {(need.side, need.group, need.resource) for need in of("recovery_points", source_backups=custom)}
    assert ("source", "velero.io", "backups") in read and ("destination", "snapshot.storage.k8s.io", "volumesnapshots") in read
    job = {(need.side, need.resource) for need in of("copy_lag", source_backups={"kind": "job"})}
    assert ("source", "jobs") in job and not any(resource == "volumesnapshots" for dummy, resource in job)


def test_rules_stand_together_where_they_are_alike():
    wanted = [
        Need("a", "source", "n", "", "pods", "list"),
        Need("b", "source", "n", "", "events", "list"),
        Need("b", "source", "n", "batch", "jobs", "list"),
        Need("c", "source", "n", "batch", "jobs", "get"),
        Need("c", "source", None, "s", "contents", "list"),
        Need("c", "source", "n", "", "configmaps", "get", "x"),
    ]
    assert rules(wanted) == [
        ("n", {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]}),
        ("n", {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}),
        (None, {"apiGroups": ["s"], "resources": ["contents"], "verbs": ["list"]}),
        ("n", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["x"]}),
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([], "settings: give a dictionary"),
        ({"copy_side": "source", "namespace": "dr"}, "settings: source_namespace, configmap is missing"),
        ({**SETTINGS, "prometheus_service": {"name": "prom"}}, "settings: prometheus_service.namespace is missing"),
        ({**SETTINGS, "namespace": {"name": "dr"}}, "settings: namespace is no text"),
        ({**SETTINGS, "prometheus_service": {"name": ["prom"], "namespace": "mon"}}, "settings: prometheus_service.name is no text"),
        ({**SETTINGS, "prometheus_service": "prom"}, "settings: prometheus_service is no dictionary"),
        ({**SETTINGS, "recovery_points": ["job"]}, "settings: recovery_points is no dictionary"),
    ],
)
def test_settings_that_lack_something_are_one_sentence(settings, said):
    with pytest.raises(BadParameter, match=said):
        needs(settings)
