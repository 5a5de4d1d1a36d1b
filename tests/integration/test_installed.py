# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tarball: what is in it, and its playbooks by their full names, installed without any network into an empty folder."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import harness
import pytest
import release_check
import yaml

pytestmark = pytest.mark.xdist_group("installed")

GALAXY = str(harness.ANSIBLE / "ansible-galaxy")
PLAYBOOK = str(harness.ANSIBLE / "ansible-playbook")
CASES = {"cluster": ("dns-failure", "network_dns"), "region": ("vault-access-policy", "vault_access_policy")}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    _run(folder, GALAXY, "collection", "build", str(harness.ROOT), "--output-path", str(folder))
    [found] = folder.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    _run(folder, GALAXY, "collection", "install", str(tarball), "--offline", "--no-deps", "-p", str(folder / "collections"))
    return folder / "collections"


def _environment(folder: Path, collections: Path) -> dict[str, str]:
    return {**harness.environment(folder), "ANSIBLE_COLLECTIONS_PATH": str(collections)}


def _run(folder: Path, *command: str, collections: Path = Path("/nowhere"), code: int = 0) -> str:
    done = subprocess.run(
        command,
        env=_environment(folder, collections),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == code, done.stdout[-3000:]
    return done.stdout


def test_nothing_is_in_it_that_nobody_needs(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    assert release_check.stray_files(names) == []


def test_it_has_the_version_of_galaxy_yml(tarball: Path) -> None:
    described = yaml.safe_load((harness.ROOT / "galaxy.yml").read_text())
    assert tarball.name == f"sre-backup_sync-{described['version']}.tar.gz"


def test_what_was_installed_is_what_was_built(installed: Path) -> None:
    _run(installed.parent, GALAXY, "collection", "verify", "sre.backup_sync", "--offline", collections=installed)


@pytest.mark.parametrize("playbook", ["gate", "event", "verdict", "preflight", "awx", "replay", "rules"])
def test_every_other_playbook_starts_from_it(playbook: str, installed: Path, tmp_path: Path) -> None:
    """What they do is tested elsewhere; here that all that they need is in it."""
    told = _run(tmp_path, PLAYBOOK, f"sre.backup_sync.{playbook}", "--syntax-check", collections=installed)
    assert f"playbook: {installed}/ansible_collections/sre/backup_sync/playbooks/{playbook}.yml" in told


def test_the_rulebook_is_where_it_is_looked_for(installed: Path) -> None:
    assert (installed / "ansible_collections/sre/backup_sync/extensions/eda/rulebooks/diagnose.yml").is_file()


@pytest.mark.parametrize("kind", CASES)
def test_the_playbooks_run_by_their_full_names(kind: str, installed: Path, tmp_path: Path) -> None:
    name, cause = CASES[kind]
    with harness.lab(harness.scenario_file(name, kind), tmp_path / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario(name, kind), tmp_path / "report")
        extra = tmp_path / "vars.yml"
        extra.write_text(yaml.safe_dump(values))
        told = _run(tmp_path, PLAYBOOK, f"sre.backup_sync.{kind}", "-e", f"@{extra}", "-vv", collections=installed)
    assert f"{os.path.join(str(installed), 'ansible_collections')}" in told, "another copy of the collection was run"
    [diagnosis] = (tmp_path / "report").rglob("diagnosis.json")
    assert yaml.safe_load(diagnosis.read_text())["root_cause"]["cause"] == cause
