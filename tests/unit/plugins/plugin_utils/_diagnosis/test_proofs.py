# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The causal chain: each hop is proven by an observation that stands in the evidence, broken, or unknown."""

from __future__ import annotations

import jmespath
import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.proofs import proofs
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
    """The pod of the latest run of one of the resources was put on a node and has started."""
    started = "2026-11-20T19:41:12Z"
    pod = {"pod": "users-1-x", "job": "users-1", "resource": "users", "node": "node-2", "started_at": started}
    pod["containers"] = [{"container": "sync", "started_at": started}]
    others = [{**pod, "job": "other-1", "resource": "other"}, {**pod, "job": "users-0"}]
    bundle["evidence"]["job_detail"]["pods"] = [*others, pod]
    for row in bundle["evidence"]["recovery_points"]["resources"]:
        row["newest_source_at"] = "2026-11-20T19:33:00Z"
    return bundle


def test_of_clusters_each_hop_has_its_own_proof():
    bundle = running(failing_bundle())
    found = hops(bundle)
    proven = {link: hop["evidence"] for link, hop in found.items() if hop["state"] == "proven"}
    assert set(proven) == {"source_backup", "snapshot", "mover_scheduled", "mover_ran"}
    assert proven["mover_scheduled"]["path"] == "pods[2].node"  # of what fails, and of its latest run
    assert all(seen(bundle, citation) == citation["value"] for citation in proven.values())
    assert diagnose(bundle)["root_cause"]["chain_of"] == "users"  # of the others no pod is left


@pytest.mark.parametrize("name", ["other", "users-0"])
def test_another_resources_pod_or_an_older_one_proves_nothing(name):
    bundle = running(failing_bundle())
    pods = bundle["evidence"]["job_detail"]["pods"]
    bundle["evidence"]["job_detail"]["pods"] = [pod for pod in pods if name in (pod["resource"], pod["job"])]
    assert len(bundle["evidence"]["job_detail"]["pods"]) == 1
    assert {hops(bundle)[link]["state"] for link in ("mover_scheduled", "mover_ran")} == {"unknown"}


def test_a_backup_that_is_in_trouble_proves_nothing():
    bundle = running(failing_bundle())
    names = ("orders", "users", "media", "ledger")
    bundle["evidence"]["copy_lag"]["source_problems"] = [{"resource": name, "state": "failed"} for name in names]
    assert "source_backup" not in proofs(bundle["evidence"], {"source_troubled": names, "telling_jobs": {}}, "users")
    assert "source_backup" in proofs(bundle["evidence"], {"source_troubled": (), "telling_jobs": {}}, "users")


def test_the_broken_hop_is_known_by_what_speaks_for_the_cause():
    bundle = failing_bundle()
    broken = [hop for hop in hops(bundle).values() if hop["state"] == "broken"]
    root = diagnose(bundle)["root_cause"]
    assert [hop["link"] for hop in broken] == [root["link"]] and broken[0]["evidence"] == root["evidence"][0]


@pytest.mark.parametrize(
    "step, links",
    [
        ("job_detail", {"mover_scheduled", "mover_ran"}),
        ("recovery_points", {"source_backup", "snapshot"}),
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


def unread(bundle):
    bundle["evidence"]["copy_rules"]["outcome"] = "forbidden"


def no_actions(bundle):
    for row in bundle["evidence"]["copy_rules"]["roles"]:
        row["actions"] = {}


def actions_unread(bundle):
    for row in bundle["evidence"]["copy_rules"]["roles"]:
        row["actions"] = None


def another_role(bundle):
    for row in bundle["evidence"]["copy_jobs"]["resources"]:
        row["role"] = "arn:aws:iam::111122223333:role/another"


@pytest.mark.parametrize("change", [unread, no_actions, actions_unread, another_role])
def test_a_role_that_was_not_read_proves_no_authorization(change):
    bundle = fail(healthy(), INTERNAL, "users")
    change(bundle)
    assert hops(bundle)["authorization"]["state"] == "unknown"
