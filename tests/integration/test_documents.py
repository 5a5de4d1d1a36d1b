# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What README and guides tell people to type, typed as it stands, document by document.

A block of YAML whose first line is a comment with a file's name becomes that file, and each block of shell is run, in a folder of
somebody who has what the documents presume: contexts and profiles that lead to the lab, an inventory, reports of an earlier
run. The files of a document are there before its first command. A command ends with 0, or with what a comment above it says, which
also has words of what is then shown: `<!-- ends with 2, says "is not ready" -->`. A block of any other sort, YAML without a name, and
a file that no command uses fail: no block of a guide stands there untried. Commands within a sentence are not typed; the playbooks,
roles and modules that they name are there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import fake_awx
import harness
import programs
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("documents")

GUIDES = [
    harness.ROOT / "README.md",
    *sorted((harness.ROOT / "docs").glob("*.md")),
    *sorted((harness.ROOT / "roles").rglob("README.md")),
]
CLUSTERS, SAME_ACCOUNT, OTHER_ACCOUNT = "dns-failure", "kms-key-disabled", "kms-key-policy"
# The file that no command of ours reads, and what reads it.
CHECKED = {"alertmanager.yml": ["amtool", "check-config", "alertmanager.yml"]}
# What is shown and not typed.
SHOWN = ("text", "{toctree}")
# What cannot run here does the nearest that can: make is asked whether it knows the goal (all of them are run elsewhere), no image
# is built of the folder that ansible-builder makes, and Galaxy is not asked for kubernetes.core.
INSTEAD = f"""
make() {{ command make --dry-run --directory {shlex.quote(str(harness.ROOT))} "$@" >/dev/null; }}
ansible-builder() {{ [ "$1 $2" = "build --tag" ] && command ansible-builder create; }}
ansible-galaxy() {{ if [ "$2" = install ]; then set -- "$@" --no-deps; fi; command ansible-galaxy "$@"; }}
"""


@dataclass
class Block:
    """A fenced block: its language, its text, and the exit code that the document states."""

    language: str
    text: str
    ends_with: int
    says: str

    @property
    def file(self) -> str | None:
        """The name in the comment of the first line."""
        named = re.match(r"# (\S+\.ya?ml)\n", self.text)
        return named[1] if named else None


def _blocks(document: Path) -> list[Block]:
    fenced = re.compile(r'^(?:<!-- ends with (\d+), says "([^"\n]+)" -->\n)?```(\S*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
    told = document.read_text()
    beside = fenced.sub("", told)
    assert not re.search(r"^(~~~|<pre)|(?<=\n\n)(    |\t)(?!\s*[-*\d])", beside, re.MULTILINE), "a block is not as the others are"
    found = [Block(language, text, int(code or 0), says) for code, says, language, text in fenced.findall(told)]
    assert told.count("```") == 2 * len(found), "a block is not as the others are"
    for block in found:
        if block.language in SHOWN:
            assert not re.search(r"^(ansible|make |python|pip |export )", block.text, re.MULTILINE), "a command is shown and not typed"
        elif block.language == "shell":
            assert not re.search(r"\|\||&& *(true|:)|[^&>]& *$", block.text, re.MULTILINE), "a command may fail unseen"
            commands = [line for line in block.text.replace("\\\n", "").splitlines() if line.strip()]
            assert not block.ends_with or len(commands) == 1, "what comes after a command that fails is not typed"
    assert told.count("<!--") == sum(bool(block.says) for block in found), "a comment is not as the others are"
    return found


@dataclass
class Home:
    """What all the readers have: the lab, and reports of it."""

    folder: Path
    replaced: dict[str, str]  # addresses of examples: those that answer here


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Home]:
    folder = tmp_path_factory.mktemp("documents")
    files = {harness.scenario_file(CLUSTERS): folder / "clusters"}
    files |= {harness.scenario_file(name, "region"): folder / name for name in (SAME_ACCOUNT, OTHER_ACCOUNT)}
    with harness.labs(files) as (clusters, same, other), fake_awx.FakeAwx([f"playbooks/{name}.yml" for name in _playbooks()]) as awx:
        _configure_kubernetes(folder / "home", clusters.info)
        _configure_aws(folder / "home", {"default": other.info, "profile prod": same.info})
        for name in ("backup-sync kubeconfig", "backup-sync AWS"):
            awx.create("credential_types", {"name": f"type of {name}", "kind": "cloud"})
            kind = awx.named("credential_types")[f"type of {name}"]["id"]
            awx.create("credentials", {"name": name, "credential_type": kind, "inputs": {"password": "p"}})
        replaced = {
            "https://prometheus.eu-dr.example.com": clusters.info["prometheus"]["url"],
            "https://awx.example.com": awx.address,
            "CONTROLLER_OAUTH_TOKEN=...": f"CONTROLLER_OAUTH_TOKEN={fake_awx.TOKEN}",
            "0.0.0.0": "127.0.0.1",
        }
        (folder / "inventory.yml").write_text(yaml.safe_dump(_inventory()))
        for kind in ("clusters", "regions"):
            command = f"ansible-playbook -i inventory.yml sre.backup_sync.{kind[:-1]} -e sync_report_dir=reports/{kind}"
            code, output = _type(folder, folder, command)
            assert code == 0, output
        yield Home(folder, replaced)


def _playbooks() -> list[str]:
    return [path.stem for path in (harness.ROOT / "playbooks").glob("*.yml")]


def _configure_kubernetes(home: Path, info: dict[str, t.Any]) -> None:
    """One kubeconfig with both clusters, as the context eu-west and eu-dr."""
    merged: dict[str, t.Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, side in (("eu-west", "source"), ("eu-dr", "destination")):
        config = yaml.safe_load(Path(info[side]["kubeconfig"]).read_text())
        merged["clusters"].append({"name": name, "cluster": config["clusters"][0]["cluster"]})
        merged["users"].append({"name": name, "user": config["users"][0]["user"]})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text(yaml.safe_dump({**merged, "current-context": "eu-dr"}))


def _configure_aws(home: Path, profiles: dict[str, dict[str, t.Any]]) -> None:
    lines = []
    for name, info in profiles.items():
        keys = {f"aws_{key}": info["source"][key] for key in ("access_key", "secret_key")}
        lines += [f"[{name}]", f"endpoint_url = {info['url']}", f"ca_bundle = {info['ca']}"]
        lines += [f"aws_access_key_id = {keys['aws_access_key']}", f"aws_secret_access_key = {keys['aws_secret_key']}"]
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text("\n".join(lines) + "\n")


def _inventory() -> dict[str, t.Any]:
    clusters = {
        "cluster_sync_namespace": "backup",
        "cluster_sync_source": {"context": "eu-west"},
        "cluster_sync_destination": {"context": "eu-dr"},
        "cluster_sync_rpo": "2h",
    }
    regions = {
        "region_sync_vault_name": "backup",
        "region_sync_destination_vault_name": "backup-dr",
        "region_sync_source_region": "eu-west-1",
        "region_sync_destination_region": "eu-central-1",
        "region_sync_destination": {"role_arn": "arn:aws:iam::444455556666:role/backup-sync-reader"},
    }
    return {"backup_sync_clusters": {"hosts": {"prod": clusters}}, "backup_sync_regions": {"hosts": {"prod": regions}}}


def _type(home: Path, folder: Path, text: str) -> tuple[int, str]:
    """(exit code, output) of what somebody types in that folder."""
    environment = harness.environment(home)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", INSTEAD + text],
        env={**environment, "PATH": os.pathsep.join([environment["PATH"], str(Path(sys.executable).parent)])},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(harness.ROOT)))
def test_what_a_document_tells_to_type(document: Path, home: Home, tmp_path: Path) -> None:
    folder = _desk(tmp_path / "desk", home)
    blocks = [block for block in _blocks(document) if block.language not in SHOWN]
    named: set[str] = set()
    typed = "".join(block.text for block in blocks if block.language == "shell")
    for block in blocks:
        block.text = _replaced(block.text, home.replaced)
        if block.file:
            used = re.search(rf"(?<![\w./-]){re.escape(block.file)}(?![\w-])", typed)
            assert used or block.file in CHECKED, f"no command uses {block.file}"
            assert block.file not in named, f"{block.file} is there twice"
            named.add(block.file)
            (folder / block.file).write_text(block.text)
    for name, command in CHECKED.items():
        if (folder / name).exists():
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    for block in blocks:
        if block.file:
            continue
        if block.language == "json":
            json.loads(block.text)
        elif block.text.startswith("ansible-rulebook "):
            _listens(folder, block.text)
        else:
            assert block.language == "shell", f"{block.language}: {block.text}"
            code, output = _type(home.folder, folder, block.text)
            assert code == block.ends_with and block.says in output, f"{block.text}\n{output[-3000:]}"


def _desk(folder: Path, home: Home) -> Path:
    """A checkout with an inventory and with reports of an earlier run in it."""
    files = ("CHANGELOG.md", "LICENSE", "README.md", "bindep.txt", "galaxy.yml", "requirements.txt")
    names = (*files, "LICENSES", "docs", "meta", "playbooks", "plugins", "roles")
    for name in names:
        original = harness.ROOT / name
        copy = shutil.copytree if original.is_dir() else shutil.copy2
        folder.mkdir(exist_ok=True)
        copy(original, folder / name)  # type: ignore[operator]
    shutil.copytree(home.folder / "reports", folder / "reports")
    shutil.copy2(home.folder / "inventory.yml", folder)
    return folder


def _replaced(text: str, replaced: dict[str, str]) -> str:
    for example, here in replaced.items():
        text = text.replace(example, here)
    return text


def _listens(folder: Path, command: str) -> None:
    """A rulebook runs for ever: it is enough that it listens for alerts and events, on ports that are free here."""
    described = yaml.safe_load((folder / "vars.yml").read_text())
    ports = programs.free_ports(2)
    described |= {"alertmanager_port": ports[0], "eventbridge_port": ports[1]}
    (folder / "vars.yml").write_text(yaml.safe_dump(described))
    name, *arguments = shlex.split(command)
    with programs.running(folder, "rulebook", [str(Path(sys.executable).parent / name), *arguments], ports):
        pass


_FAILS = "ansible-playbook sre.backup_sync.replay -e sync_replay_evidence=nowhere"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```yaml\nbackup_sync_clusters: {}\n```\n", "backup_sync_clusters"),
        ("```yaml\n# pairs.yml\nbackup_sync_clusters: {}\n```\n", "no command uses pairs.yml"),
        (f"```shell\n{_FAILS}\n```\n", "nowhere"),
        (f'<!-- ends with 2, says "is not ready" -->\n```shell\n{_FAILS}\n```\n', "nowhere"),
        ("  ```shell\n  true\n  ```\n", "a block is not as the others are"),
        ("<!-- ends with 2 -->\n```shell\nfalse\n```\n", "a comment is not as the others are"),
        (f"~~~shell\n{_FAILS}\n~~~\n", "a block is not as the others are"),
        (f"Type this:\n\n    {_FAILS}\n", "a block is not as the others are"),
        (f"<pre>{_FAILS}</pre>\n", "a block is not as the others are"),
        (f"```text\n{_FAILS}\n```\n", "a command is shown and not typed"),
        (f"```shell\n{_FAILS} && true\ntrue\n```\n", "a command may fail unseen"),
        (f"```shell\n{_FAILS} || echo\n```\n", "a command may fail unseen"),
        ("```shell\nfalse &\n```\n", "a command may fail unseen"),
        ("```shell\nfalse | cat\n```\n", "false"),
        (f'<!-- ends with 2, says "nowhere" -->\n```shell\n{_FAILS}\nno-such-command\n```\n', "what comes after a command"),
        ("```yaml\n# a.yml\na: [\n```\n```yaml\n# a.yml\na: 1\n```\n```shell\ncat a.yml\n```\n", "a.yml is there twice"),
        ("```yaml\n# s.yml\na: 1\n```\n```shell\necho pairs.yml\n```\n", "no command uses s.yml"),
    ],
    ids=[
        *("no-name", "unused", "fails", "ends-so-for-another-reason", "indented", "no-words", "tildes", "spaces", "html", "as-text"),
        *("and-true", "or-else", "in-the-background", "piped", "after-a-failure", "twice", "a-part-of-a-name"),
    ],
)
def test_what_does_not_hold_is_seen(text: str, said: str, home: Home, tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text(text)
    with pytest.raises(AssertionError, match=said):
        test_what_a_document_tells_to_type(tmp_path / "guide.md", home, tmp_path)


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(harness.ROOT)))
def test_what_a_sentence_names_is_there(document: Path) -> None:
    told = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    roles = [path.name for path in (harness.ROOT / "roles").iterdir()]
    modules = [path.stem for path in (harness.ROOT / "plugins" / "modules").glob("*.py")]
    assert set(re.findall(r"ansible-playbook (?:-\S+ \S+ )*sre\.backup_sync\.(\w+)", told)) <= set(_playbooks())
    assert set(re.findall(r"ansible-doc -t role sre\.backup_sync\.(\w+)", told)) <= set(roles)
    assert set(re.findall(r"ansible-doc sre\.backup_sync\.(\w+)", told)) <= set(modules)


def _options() -> set[str]:
    """Names of all variables of the roles."""
    named: set[str] = set()
    for path in (harness.ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            named |= set(entry["options"])
    return named


def _tags() -> set[str]:
    told = "".join(path.read_text() for path in (harness.ROOT / "roles").glob("*/tasks/*.yml"))
    return {tag for tags in re.findall(r"tags: \[(.*?)\]", told) for tag in tags.split(", ")}


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(harness.ROOT)))
def test_the_variables_that_a_document_names_are_there(document: Path) -> None:
    named = set(re.findall(r"\b(?:cluster_sync|region_sync|sync_report|sync_gate|sync_replay|awx_configuration)_\w+", document.read_text()))
    assert sorted(named - _options() - _tags()) == []
