# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""See whether what is here can be released: build the tarball, look into it, install it into an empty folder, run the demo from there.

While the version of galaxy.yml is not in the changelog yet, the tarball is built of a copy in which it is, as `antsibull-changelog
release` would write it. Prints a sentence for each thing to mend, or where the tarball is.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.executable).parent
# What an installed collection needs lies in one of these folders, or is one of these files.
PLACES = ("LICENSES", "changelogs", "extensions", "meta", "playbooks", "plugins", "roles")
FILES = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "bindep.txt", "requirements.txt"}
STRAY = re.compile(r"(^|/)(\.|test_|__pycache__)|~$|\.(pyc|retry|log|pem|key|orig|rej|swp|tar\.gz)$|^changelogs/fragments/")
# Credentials as they look in the wild.
SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|"
    rb"\bxox[abprs]-[0-9A-Za-z-]{20}|\beyJ[\w-]{16,}\.eyJ[\w-]{16,}\."
)


def stray_files(names: t.Iterable[str]) -> list[str]:
    """What nobody needs who installs the collection."""
    return [name for name in names if (name not in FILES and name.split("/")[0] not in PLACES) or STRAY.search(name)]


def secrets(files: dict[str, bytes], folders: t.Iterable[pathlib.Path] = ()) -> list[str]:
    """A sentence for whatever looks like a credential, and for each of these folders of the machine that is named."""
    found = [(name, match[0][:16]) for name, body in files.items() for match in SECRET.finditer(body)]
    named = [(name, folder) for name, body in files.items() for folder in folders if re.search(re.escape(str(folder).encode()) + rb"(?![\w.-])", body)]
    return [
        *(f"{name}: {text.decode('ascii', 'replace')}... looks like a credential." for name, text in found),
        *(f"{name}: it names {folder}, which is on this machine only." for name, folder in named),
    ]


def other_versions(version: str, texts: dict[str, str]) -> list[str]:
    """Places that name another version of the collection than this one: tarballs and images in texts, a later version_added."""
    found = []
    for name, text in texts.items():
        named = re.findall(r"sre-backup_sync-(\d+\.\d+\.\d+)\.tar|backup-sync:(\d+\.\d+\.\d+)", text)
        found += [f"{name}: it names version {one or other}" for one, other in named if (one or other) != version]
        added = re.findall(r"^\s*version_added: [\"']?(\d+\.\d+\.\d+)", text, re.MULTILINE)
        found += [f"{name}: version_added {one} is later than {version}" for one in added if _parts(one) > _parts(version)]
    return found


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def readme_problems(readme: str, requires_ansible: str, pinned: str) -> list[str]:
    """Where README says other versions than meta/runtime.yml needs and requirements-dev.txt tests with, and links that lead nowhere."""
    found = []
    least = re.sub(r"^>=(\d+\.\d+).*", r"\1", requires_ansible)
    if f"ansible-core {least} or newer" not in readme:
        found.append(f"README.md: it does not say that ansible-core {least} or newer is needed, as meta/runtime.yml does.")
    for package in ("kubernetes", "boto3"):
        version = re.search(rf"^{package}==(\S+)", pinned, re.MULTILINE)
        if version and version[1] not in readme:
            found.append(f"README.md: it does not say that {package} {version[1]} is tested with, as requirements-dev.txt does.")
    # It is shown on Galaxy and on Automation Hub, from where a relative link leads nowhere.
    return found + [f"README.md: the link {link} is relative." for link in re.findall(r"\]\((?!https://)([^)]*)\)", readme)]


def changelog_problems(version: str, changelog: dict[str, t.Any], fragments: list[str], notes: str) -> list[str]:
    """Whether the changelog has this version, nothing is left over beside it, and the notes for people have it too."""
    found = []
    if version not in (changelog.get("releases") or {}):
        found.append(f"changelogs/changelog.yaml: {version} is not in it.")
    elif fragments:
        found.append(f"changelogs/fragments: {', '.join(fragments)} came after {version}; raise the version in galaxy.yml.")
    if f"## v{version}" not in notes.replace("\\.", ".").splitlines():
        found.append(f"CHANGELOG.md: it has no section v{version}.")
    return found


def main() -> int:
    """Exit status for the shell."""
    folder = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy = pathlib.Path(_run(sys.executable, ROOT / "tests" / "tools" / "tree.py", "tree-release").strip())
    version = yaml.safe_load((copy / "galaxy.yml").read_text())["version"]
    unwritten = _prepare(copy, version)
    problems = _versions(copy, version)
    _run(PROGRAMS / "ansible-galaxy", "collection", "build", copy, "--output-path", folder)
    tarball = folder / f"sre-backup_sync-{version}.tar.gz"
    with tarfile.open(tarball) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        files = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    problems += [f"{name}: it does not belong in the tarball." for name in stray_files(files)]
    problems += secrets(files, (ROOT, *(home for home in [pathlib.Path.home()] if len(home.parts) > 2)))
    collections = folder / "collections"
    # --force: it is to be installed although the copy that this runs in is seen as well
    _run(PROGRAMS / "ansible-galaxy", "collection", "install", tarball, "--offline", "--no-deps", "--force", "-p", collections)
    for problem in problems:
        print(f"release-check: {problem}")
    demo = [sys.executable, str(copy / "tests" / "tools" / "demo.py"), str(folder / "demo"), str(collections)]
    if subprocess.run(demo, check=False).returncode:
        problems.append("The demo from the installed collection failed.")
    print(f"release-check: {len(problems)} to mend." if problems else f"release-check: {tarball} can be released.")
    if unwritten:
        print(f"release-check: before that, write {version} into the changelog here as well: antsibull-changelog release")
    return 1 if problems else 0


def _prepare(copy: pathlib.Path, version: str) -> bool:
    """Have the changelog as it will be; whether it was not so yet."""
    path = copy / "changelogs" / "changelog.yaml"
    unwritten = not path.is_file() or version not in (yaml.safe_load(path.read_text()).get("releases") or {})
    if unwritten:
        _run(PROGRAMS / "antsibull-changelog", "release", "--version", version, cwd=copy)
    return unwritten


def _versions(copy: pathlib.Path, version: str) -> list[str]:
    readme = (copy / "README.md").read_text()
    requires = yaml.safe_load((copy / "meta" / "runtime.yml").read_text())["requires_ansible"]
    pinned = (copy / "requirements-dev.txt").read_text()
    fragments = [path.name for path in sorted((copy / "changelogs" / "fragments").glob("*.yml"))]
    changelog = yaml.safe_load((copy / "changelogs" / "changelog.yaml").read_text())
    told = [path for place in ("docs", "playbooks", "plugins", "roles") for path in (copy / place).rglob("*")]
    texts = {str(path.relative_to(copy)): path.read_text() for path in told if path.suffix in (".md", ".py", ".yml")}
    return [
        *changelog_problems(version, changelog, fragments, (copy / "CHANGELOG.md").read_text()),
        *readme_problems(readme, requires, pinned),
        *other_versions(version, {**texts, "README.md": readme}),
    ]


def _run(*command: t.Any, cwd: pathlib.Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"release-check: {' '.join(str(part) for part in command)} failed; the lines above say why\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
