# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The execution environment: what ansible-builder finds in the collection, and what it makes of the example."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import harness
import yaml

BUILDER = str(Path(sys.executable).parent / "ansible-builder")
EXAMPLE = harness.ROOT / "docs" / "examples" / "execution-environment.yml"


def _build(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILDER, *arguments], cwd=cwd, env=harness.environment(cwd), capture_output=True, text=True, check=False, timeout=120
    )


def test_builder_finds_what_the_steps_need(tmp_path: Path) -> None:
    collections = tmp_path / "ansible_collections" / "sre"
    collections.mkdir(parents=True)
    (collections / "backup_sync").symlink_to(harness.ROOT)
    done = _build("introspect", "--sanitize", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = yaml.safe_load(done.stdout)
    lines = (harness.ROOT / "requirements.txt").read_text().splitlines()
    # the builder leaves PyYAML out of what it tells: ansible-core brings it
    needed = [line for line in lines if line and not line.startswith(("#", "PyYAML"))]
    assert found["python"] == [f"{line}  # from collection sre.backup_sync" for line in needed]
    assert found["system"] == []


def test_builder_makes_an_image_of_the_example(tmp_path: Path) -> None:
    (tmp_path / "execution-environment.yml").write_text(EXAMPLE.read_text())
    described = yaml.safe_load((harness.ROOT / "galaxy.yml").read_text())
    tarball = f"{described['namespace']}-{described['name']}-{described['version']}.tar.gz"
    (tmp_path / tarball).write_bytes(b"")  # it is only copied
    done = _build("create", "--file", "execution-environment.yml", "--context", "context", "--output-filename", "Containerfile", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "context" / "_build"
    galaxy: dict[str, t.Any] = yaml.safe_load((built / "requirements.yml").read_text())
    assert [row["name"] for row in galaxy["collections"]] == ["kubernetes.core", f"_build/configs/{tarball}"]
    assert (built / "configs" / tarball).is_file()
    assert "ansible-galaxy collection install" in (tmp_path / "context" / "Containerfile").read_text()
