# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The causal chain: each hop is proven by an observation that stands in the evidence, broken, or unknown."""

from __future__ import annotations

import jmespath
import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import fail, healthy
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

INTERNAL = "An internal error occurred."


def hops(bundle):
    return {hop["link"]: hop for hop in diagnose(bundle)["root_cause"]["chain"]}


def seen(bundle, citation):
    """What stands in the evidence at the place of a citation."""
    return jmespath.search(citation["path"], bundle["evidence"][citation["step"]])


def running(bundle):
    """The pod of one of the resources was put on a node and has started."""
    started = "2026-11-20T19:41:12Z"
    pod = {"pod": "users-1-x", "job": "users-1", "resource": "users", "node": "node-2", "started_at": started}
    idle = {"pod": "other-1-x", "job": "other-1", "resource": "other", "node": "node-1", "containers": []}
    bundle["evidence"]["job_detail"]["pods"] = [idle, {**pod, "containers": [{"container": "sync", "started_at": started}]}]
    bundle["evidence"]["copy_lag"]["source_health"] = {"newest_at": "2026-11-20T19:33:00Z"}
    return bundle


def test_of_clusters_each_hop_has_its_own_proof():
    bundle = running(failing_bundle())
    found = hops(bundle)
    proven = {link: hop["evidence"] for link, hop in found.items() if hop["state"] == "proven"}
    assert set(proven) == {"source_backup", "snapshot", "mover_scheduled", "mover_ran"}
    assert proven["mover_scheduled"]["path"] == "pods[1].node"  # the pod of what fails, not the first
    assert all(seen(bundle, citation) == citation["value"] for citation in proven.values())


def test_the_broken_hop_is_known_by_what_speaks_for_the_cause():
    bundle = failing_bundle()
    broken = [hop for hop in hops(bundle).values() if hop["state"] == "broken"]
    root = diagnose(bundle)["root_cause"]
    assert [hop["link"] for hop in broken] == [root["link"]] and broken[0]["evidence"] == root["evidence"][0]


@pytest.mark.parametrize(
    "step, links",
    [
        ("job_detail", {"mover_scheduled", "mover_ran"}),
        ("copy_lag", {"source_backup", "snapshot"}),
    ],
)
def test_what_was_not_read_proves_nothing(step, links):
    bundle = running(failing_bundle())
    bundle["evidence"][step] = {"outcome": "forbidden", "error": {"message": "no"}}
    found = hops(bundle)
    assert {found[link]["state"] for link in links} == {"unknown"}
    assert {found[link]["evidence"] for link in links} == {None}


def test_a_pod_without_a_node_was_not_scheduled():
    bundle = running(failing_bundle())
    for pod in bundle["evidence"]["job_detail"]["pods"]:
        pod.update(node=None, containers=[{"container": "sync", "started_at": None}])
    found = hops(bundle)
    assert (found["mover_scheduled"]["state"], found["mover_ran"]["state"]) == ("unknown", "unknown")


def test_of_regions_each_hop_has_its_own_proof():
    bundle = fail(healthy(), INTERNAL, "users")
    found = hops(bundle)
    proven = {link: hop["evidence"] for link, hop in found.items() if hop["state"] == "proven"}
    assert set(proven) == {"source_backup", "source_point", "copy_rule", "copy_job", "authorization", "encryption"}
    assert all(seen(bundle, citation) == citation["value"] for citation in proven.values())
    about = bundle["evidence"]["copy_jobs"]["resources"][int(proven["copy_job"]["path"].split("[")[1].split("]")[0])]
    assert about["resource"] == "users"


def test_a_hop_of_regions_is_proven_whatever_the_one_before_it_is():
    bundle = fail(healthy(), INTERNAL, "users")
    for step in ("copy_lag", "recovery_points"):
        bundle["evidence"][step] = {"outcome": "forbidden", "error": {"message": "no"}}
    found = hops(bundle)
    assert (found["source_backup"]["state"], found["copy_job"]["state"]) == ("unknown", "proven")


def test_a_copy_of_a_point_that_may_be_gone_proves_no_point():
    bundle = fail(healthy(), INTERNAL, "users")
    for row in bundle["evidence"]["copy_job_detail"]["source_points"]:
        row["available"] = None
    assert hops(bundle)["source_point"]["state"] == "unknown"
