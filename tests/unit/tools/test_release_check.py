# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "release_check.py"


@pytest.fixture(scope="module", name="check")
def fixture_check():
    spec = importlib.util.spec_from_file_location("release_check", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))  # where a script finds what is beside it
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "tests/unit/conftest.py",
        "docs/awx.md",
        "Makefile",
        ".gitignore",
        "plugins/modules/.k8s.py.swp",
        "plugins/modules/__pycache__/k8s_sync_job_info.cpython-311.pyc",
        "plugins/test_one.py",
        "playbooks/cluster.retry",
        "plugins/modules/README.bak",
        "roles/cluster_sync/files/id.pem",
        "changelogs/fragments/cluster.yml",
        "sre-backup_sync-0.0.9.tar.gz",
    ],
)
def test_what_is_stray(check, name):
    assert check.stray_files([name, "plugins/modules/k8s_sync_job_info.py", "README.md", "LICENSES/GPL-3.0-or-later.txt"]) == [name]


# Put together here, so that no file of the project holds one.
@pytest.mark.parametrize(
    "text",
    [
        "aws_access_key_id: " + "AKIA" + "Q3EXAMPLE7KEY0ID",
        "-----BEGIN RSA PRIVATE " + "KEY-----\n" + "MIIEpAIBAAKCAQEA" * 3,
        "token: gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG" + "+bPxRfiCYEXAMPLEKEY",
        "client-key-data: " + "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN" * 2,
        "https://hooks.slack.com/services/" + "T0123456/B0123456/" + "a1B2c3D4e5F6g7H8",
        "github_" + "pat_" + "11ABCDEFG0123456789abcdefghijklmnopqrstuv",
        "-----BEGIN PRIVATE " + "KEY-----\\n" + "MIIEpAIBAAKCAQEA" * 3,
        "eyJhbGciOiJSUzI1NiIs" + "ImtpZCI6Ij.eyJpc3MiOiJrdWJlcm5ldGVzL3Nl" + ".c2ln",
    ],
)
def test_a_credential_is_seen(check, text):
    [told] = check.secrets({"plugins/one.py": text.encode(), "plugins/two.py": b"-----BEGIN PRIVATE KEY----- is how one begins"})
    assert told.startswith("plugins/one.py: ") and text[-8:] not in told


def test_a_folder_of_this_machine_is_seen(check):
    files = {"one.yml": b"path: /srv/build\n", "two.yml": b"path: /srv/builds /srv/build-2"}
    assert check.secrets(files, [Path("/srv/build")]) == ["one.yml: it names /srv/build, which is on this machine only."]


def test_other_versions_are_seen(check):
    texts = {
        "docs/awx.md": "image: registry.example.com/backup-sync:0.1.0\nfile: sre-backup_sync-0.2.0.tar.gz\n",
        "docs/b.md": "ansible-galaxy collection install sre.backup_sync:0.9.0 for sre.backup_sync 0.2.0",
        "plugins/a.py": "version_added: 0.1.0\n",
        "plugins/b.py": 'version_added: "0.10.0"\n',
        "plugins/c.py": 'version_added: "0.9"\n',
    }
    assert check.other_versions("0.2.0", texts) == [
        "docs/awx.md: it names version 0.1.0",
        "docs/b.md: it names version 0.9.0",
        "plugins/b.py: version_added 0.10.0 is later than 0.2.0",
        "plugins/c.py: version_added 0.9 is later than 0.2.0",
    ]


def test_readme_and_what_is_tested_agree(check):
    needs = {"kubernetes.core": ">=6.0.0"}
    readme = "- ansible-core 2.17 or newer, kubernetes.core 6 or newer\nkubernetes client 37.0.1 and boto3 1.44.5"
    pinned = "kubernetes==37.0.1\nboto3==1.44.5\n"
    assert check.readme_problems(readme, ">=2.17.0", pinned, needs) == []
    assert check.readme_problems(readme, ">=2.17.0", pinned, {"kubernetes.core": ">=7.0.0"}) != []
    assert check.readme_problems(f"{readme} ansible-core 2.16", ">=2.17.0", pinned, needs) == [
        "README.md: it names ansible-core 2.16, which meta/runtime.yml does not admit."
    ]
    assert len(check.readme_problems(readme, ">=2.18.0", "kubernetes==38.0.0\nboto3==1.44.6\n", needs)) == 4
    links = "[a](https://example.com/a) [b](docs/b.md) <img src='docs/c.png'>\n[d]: docs/d.md\n"
    assert check.readme_problems(f"{readme} {links}", ">=2.17.0", pinned, needs) == [
        f"README.md: the link docs/{name} is relative." for name in ("b.md", "c.png", "d.md")
    ]


def test_links_into_the_repository_lead_to_what_is_there(check):
    at = "https://github.com/a/b"
    text = f"[x]({at}/tree/main/docs/awx.md) <{at}/tree/main/docs> [y]({at}/raw/main/docs/no.png) ({at}/issues)"
    assert check.dead_links(at, {"README.md": text}, ["docs/awx.md"]) == [
        "README.md: there is no docs/no.png in this repository, where a link leads."
    ]


def test_the_tarball_has_what_git_has(check):
    committed = [*check.NEEDED, "plugins/a.py", "extensions/b.yml", "docs/c.md", "changelogs/fragments/d.yml"]
    packed = [*check.NEEDED, "plugins/a.py", "extensions/b.yml"]
    assert check.not_as_committed(packed, committed, []) == []
    told = check.not_as_committed([*set(packed) - {"LICENSE", "extensions/b.yml"}, "roles/note.txt"], committed, ["README.md"])
    assert told == [
        "LICENSE: the tarball lacks it.",
        "extensions/b.yml: build_ignore of galaxy.yml leaves it out.",
        "roles/note.txt: it is in the tarball and not in git.",
        "README.md: it is not committed as it is here.",
    ]


@pytest.mark.parametrize(
    ("releases", "fragments", "notes", "problems"),
    [
        ({"0.1.0": {}}, [], "## v0\\.1\\.0\n", 0),
        ({"0.1.0": {}}, [], "## v0.1.0\n", 0),
        ({"0.1.0": {}}, ["more.yml"], "## v0.1.0\n", 1),
        ({"0.0.9": {}}, [], "## v0.0.9\n", 2),
        ({"0.1.0": {}}, [], "## v0.1.00\n", 1),
    ],
)
def test_the_changelog_has_the_version_and_nothing_beside_it(check, releases, fragments, notes, problems):
    assert len(check.changelog_problems("0.1.0", {"releases": releases}, fragments, notes)) == problems
