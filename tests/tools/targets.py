# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the targets of tests/integration/targets by ansible-test, against the lab.

    targets.py [--python FILE] TREE [TARGET ...]

Starts the lab and a small AWX, tells ansible-test of them as it is told of any account: by tests/integration/integration_config.yml
in the tree as tree.py laid it out last. Who has clusters and accounts of their own writes that file by hand and runs ansible-test. --python is that of
another environment, whose Ansible is to be tested.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests")]

import fake_awx  # noqa: E402  pylint: disable=wrong-import-position
import harness  # noqa: E402  pylint: disable=wrong-import-position

# (kind, scenario): a pair that fails and can be read, and one that can not
LABS = (("cluster", "dns-failure"), ("cluster", "reads-denied"), ("region", "kms-key-policy"), ("region", "reads-denied"))


def main() -> int:
    """The exit status of ansible-test."""
    parser = argparse.ArgumentParser(description="Run the integration targets by ansible-test, against the lab.")
    parser.add_argument("tree", help="the laid-out tree in build")
    parser.add_argument("--python", default=sys.executable, help="the Python whose Ansible is tested")
    parser.add_argument("targets", nargs="*", help="these targets only")
    asked = parser.parse_args()
    config = ROOT / "build" / asked.tree / "ansible_collections/sre/backup_sync/tests/integration/integration_config.yml"
    if not config.parent.is_dir():
        parser.error(f"there is no build/{asked.tree} with tests in it; tree.py {asked.tree} lays it out")
    playbooks = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")]
    with tempfile.TemporaryDirectory(prefix="backup-sync-targets-") as place:
        files = {harness.scenario_file(name, kind): pathlib.Path(place) / f"{kind}-{name}" for kind, name in LABS}
        with harness.labs(files) as labs, fake_awx.FakeAwx(playbooks) as awx:
            config.write_text(yaml.safe_dump(_described([lab.info for lab in labs], awx)))
            command = [asked.python, ROOT / "tests" / "tools" / "ansible_test.py", asked.tree, "integration", "--continue-on-error", *asked.targets]
            return subprocess.run([str(part) for part in command], check=False).returncode


def _described(infos: list[dict[str, t.Any]], awx: fake_awx.FakeAwx) -> dict[str, t.Any]:
    """Variables of the targets: connections as the modules take them, and the variables of the roles."""
    clusters, clusters_denied, regions, regions_denied = infos
    return {
        "lab_destination": _side(clusters, "destination"),
        "lab_destination_denied": _side(clusters_denied, "destination"),
        "lab_both_clusters": {**_side(clusters, "destination"), "source": _side(clusters, "source")},
        "lab_both_clusters_denied": {**_side(clusters_denied, "destination"), "source": _side(clusters_denied, "source")},
        "lab_prometheus": clusters["prometheus"]["url"],
        "lab_regions": _region(regions),
        "lab_regions_denied": _region(regions_denied),
        "lab_cluster_pair_denied": harness.variables(clusters_denied, {}),
        "lab_region_pair_denied": harness.variables(regions_denied, {}),
        **harness.variables(clusters, {}),
        **harness.variables(regions, {}),
        "lab_awx": {"controller_host": awx.address, "controller_oauthtoken": fake_awx.TOKEN},
    }


def _side(info: dict[str, t.Any], side: str) -> dict[str, t.Any]:
    return {"kubeconfig": info[side]["kubeconfig"]}


def _region(info: dict[str, t.Any]) -> dict[str, t.Any]:
    source, destination = info["source"], info["destination"]
    role = {"role_arn": destination["role_arn"]} if destination["role_arn"] else {}
    return {
        "vault_name": source["vault"],
        "destination_vault_name": destination["vault"],
        "region": source["region"],
        "access_key": source["access_key"],
        "secret_key": source["secret_key"],
        "endpoint_url": info["url"],
        "aws_ca_bundle": info["ca"],
        "destination": {"region": destination["region"], **role},
    }


if __name__ == "__main__":
    sys.exit(main())
