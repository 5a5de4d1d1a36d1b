# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight: what the identities may read, and the very rules and statements that they lack."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("preflight")

PREFLIGHT = "sre.backup_sync.preflight"
CLUSTER_STEPS = ("jobs", "events", "job detail", "logs", "replication rules", "recovery points")


def _preflight(folder: Path, name: str, kind: str = "cluster", **values: t.Any) -> tuple[harness.Run, list[dict[str, t.Any]]]:
    """(the run, the lab's audit)"""
    with harness.lab(harness.scenario_file(name, kind), folder / "lab") as lab:
        given = {**harness.variables(lab.info, harness.scenario(name, kind)), **values}
        return harness.play(folder / "run", given, playbook=PREFLIGHT), lab.audit()


def _side(run: harness.Run, side: str) -> str:
    """The part of the screen about that side."""
    return re.split(r"\n\n|TASK ", run.output.split(f"\n{side.upper()}", 1)[1], maxsplit=1)[0]


def _objects(run: harness.Run, side: str) -> str:
    told = run.output.split(f"TO BE ADDED for the identity of the {side}:\n\n", 1)[1]
    return re.split(r"\n\n|\nok: ", told, maxsplit=1)[0]


def test_what_a_healthy_pair_of_clusters_needs_is_permitted_and_nothing_is_read(tmp_path: Path) -> None:
    run, audit = _preflight(tmp_path, "healthy")
    assert run.code == 0, run.output[-3000:]
    for step in CLUSTER_STEPS:
        assert re.search(rf"\d {step} +permitted", _side(run, "destination")), step
    assert re.search(r"6 copy lag +permitted", _side(run, "source")) and "MISSING" not in run.output
    assert {(row["verb"], row["resource"]) for row in audit} == {("create", "selfsubjectaccessreviews")}
    asked = [(row["cluster"], row["at"]) for row in audit]
    assert len(asked) == len(set(asked)) < 25


def test_a_missing_rule_is_the_one_to_apply(tmp_path: Path) -> None:
    run, dummy = _preflight(tmp_path, "logs-forbidden")
    assert run.code == 2 and "Traceback" not in run.output
    assert re.search(r"4 logs +MISSING get pods/log in backup", _side(run, "destination"))
    [role] = yaml.safe_load_all(_objects(run, "destination"))
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "backup")
    # whole, since whoever applies it replaces the role of that name
    shipped = yaml.safe_load((harness.ROOT / "roles" / "cluster_sync" / "files" / "rbac_destination.yml").read_text())
    assert role in [{**body, "rules": body.get("rules")} for body in shipped["items"]]
    assert "The identity of the destination of backup lacks what stands above." in " ".join(run.output.split())


def test_a_cluster_that_cannot_be_asked_is_said(tmp_path: Path) -> None:
    run, dummy = _preflight(tmp_path, "source-unreachable")
    assert run.code == 2 and "Traceback" not in run.output
    assert "nobody could be asked" in _side(run, "source") and "cannot be reached" in _side(run, "source")
    assert "The source of backup could not be asked" in " ".join(run.output.split())


def test_bad_variables_are_refused_as_by_the_diagnosis(tmp_path: Path) -> None:
    run = harness.play(tmp_path, {"cluster_sync_namespace": ""}, playbook=PREFLIGHT)
    assert run.code == 2 and "cluster_sync_namespace: it is empty" in run.output


def test_two_regions_that_permit_all(tmp_path: Path) -> None:
    run, dummy = _preflight(tmp_path, "vault-access-policy", "region")
    assert run.code == 0, run.output[-3000:]
    for step in ("vaults", "copy jobs", "metrics", "copy rules", "recovery points"):
        assert re.search(rf"\d {step} +permitted", _side(run, "source")), step
    assert "MISSING" not in run.output


def test_what_aws_refused_is_a_statement_to_paste(tmp_path: Path) -> None:
    run, audit = _preflight(tmp_path, "half-denied", "region")
    assert run.code == 2 and "Traceback" not in run.output
    refused = {row["action"] for row in audit if row["status"] == 403 or "AccessDenied" in row["code"]}
    told = [side for side in ("source", "destination") if f"identity of the {side}:" in run.output]
    statements = [row for side in told for row in json.loads(_objects(run, side))]
    assert refused and {action for row in statements for action in row["Action"]} == refused
    assert all(row["Effect"] == "Allow" for row in statements)


def test_a_region_that_cannot_be_asked_is_said(tmp_path: Path) -> None:
    run, dummy = _preflight(tmp_path, "region-unreachable", "region")
    assert run.code == 2 and "Traceback" not in run.output
    assert "nobody could be asked" in _side(run, "destination") and "permitted" not in _side(run, "destination")
    assert re.search(r"The destination of \S+ could not be asked", " ".join(run.output.split()))


def test_a_role_that_may_not_be_assumed_is_said(tmp_path: Path) -> None:
    role = {"role_arn": "arn:aws:iam::444455556666:role/nobody"}
    run, dummy = _preflight(tmp_path, "healthy", "region", region_sync_destination=role)
    assert run.code == 2 and "Traceback" not in run.output
    said = " ".join(run.output.split())
    assert "the role arn:aws:iam::444455556666:role/nobody cannot be assumed" in said
    assert "allow that identity sts:AssumeRole on it." in said and "nobody could be asked" in _side(run, "destination")


def test_contents_of_snapshots_are_optional(tmp_path: Path) -> None:
    described = harness.scenario("healthy")
    described["destination"] = {"deny": ["volumesnapshotcontents.snapshot.storage.k8s.io"]}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(described))
    with harness.lab(tmp_path / "s.yaml", tmp_path / "lab") as lab:
        run = harness.play(tmp_path / "run", harness.variables(lab.info, described), playbook=PREFLIGHT)
    assert run.code == 0, run.output[-3000:]
    assert "seldom needed: list volumesnapshotcontents" in _side(run, "destination")


@pytest.mark.parametrize("in_process", [True, False])
def test_every_pair_of_both_groups(in_process: bool, tmp_path: Path) -> None:
    files = {harness.scenario_file("healthy"): tmp_path / "c", harness.scenario_file("healthy", "region"): tmp_path / "r"}
    with harness.labs(files) as (clusters, regions):
        hosts = {
            "backup_sync_clusters": {"hosts": {"prod": harness.variables(clusters.info, harness.scenario("healthy"))}},
            "backup_sync_regions": {
                "hosts": {"vaults": harness.variables(regions.info, harness.scenario("healthy", "region"))}
            },
        }
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(hosts))
        values = {"backup_sync_in_process": in_process}
        run = harness.play(tmp_path, values, "-i", str(tmp_path / "inventory.yml"), playbook=PREFLIGHT)
    assert run.code == 0, run.output[-3000:]
    for name in ("prod", "vaults"):
        assert f"\n{name} | what its steps may read\n" in run.output
