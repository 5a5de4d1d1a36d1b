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
import subprocess
import sys
import tarfile
import typing as t

import places
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.executable).parent
# What an installed collection needs lies in one of these folders, or is one of these files.
PLACES = ("LICENSES", "changelogs", "extensions", "meta", "playbooks", "plugins", "roles")
FILES = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "bindep.txt", "requirements.txt"}
# What must be there that no other check asks for, beside FILES.
NEEDED = FILES | {"LICENSES/GPL-3.0-or-later.txt", "changelogs/changelog.yaml", "meta/execution-environment.yml", "meta/runtime.yml"}
# What a build makes, and git need not know.
MADE = {"CHANGELOG.md", "FILES.json", "MANIFEST.json", "changelogs/changelog.yaml"}
STRAY = re.compile(r"(^|/)(\.|test_|__pycache__)|~$|\.(bak|pyc|retry|log|pem|key|orig|rej|swp|tmp|tar\.gz)$|^changelogs/fragments/")
# Credentials as they look in the wild.
SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s|\\n)+[A-Za-z0-9+/=]{32}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|"
    rb"\bgithub_pat_\w{36}|\bxox[abprs]-[0-9A-Za-z-]{20}|hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16}|\beyJ[\w-]{16,}\.eyJ[\w-]{16,}\.|"
    rb"client-key-data[\"']?:\s*[\"']?[A-Za-z0-9+/=]{64}|aws_secret_access_key[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9+/]{40}\b"
)


def stray_files(names: t.Iterable[str]) -> list[str]:
    """What nobody needs who installs the collection."""
    return [name for name in names if (name not in FILES and name.split("/")[0] not in PLACES) or STRAY.search(name)]


def not_as_committed(names: t.Collection[str], committed: t.Collection[str], changed: t.Iterable[str]) -> list[str]:
    """A sentence for what the tarball lacks, for what it has and git does not, and for what is not committed as it is here."""
    of_ours = {name for name in committed if name in FILES or (name.split("/")[0] in PLACES and not STRAY.search(name))}
    return [
        *(f"{name}: the tarball lacks it." for name in sorted(NEEDED - set(names))),
        *(f"{name}: build_ignore of galaxy.yml leaves it out." for name in sorted(of_ours - NEEDED - set(names))),
        *(f"{name}: it is in the tarball and not in git." for name in sorted(set(names) - set(committed) - MADE)),
        *(f"{name}: it is not committed as it is here." for name in changed),
    ]


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
        named = re.findall(r"(?:sre-backup_sync-|backup-sync:|sre\.backup_sync[: ](?:==)?)(\d+\.\d+\.\d+)", text)
        found += [f"{name}: it names version {one}" for one in named if one != version]
        added = re.findall(r"^\s*version_added: [\"']?(\d+(?:\.\d+)*)", text, re.MULTILINE)
        found += [f"{name}: version_added {one} is later than {version}" for one in added if _parts(one) > _parts(version)]
    return found


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def readme_problems(readme: str, requires_ansible: str, pinned: str, dependencies: t.Mapping[str, str]) -> list[str]:
    """Where README says other versions than meta/runtime.yml needs and requirements-dev.txt tests with, and links that lead nowhere."""
    found = []
    least = re.sub(r"^>=(\d+\.\d+).*", r"\1", requires_ansible)
    found += [
        f"README.md: it names ansible-core {one}, which meta/runtime.yml does not admit."
        for one in re.findall(r"ansible-core (\d+\.\d+)", readme)
        if _parts(one) < _parts(least)
    ]
    for name, wanted in dependencies.items():
        if f"{name} {wanted.lstrip('>=').split('.')[0]} or newer" not in readme:
            found.append(f"README.md: it does not say that {name} {wanted} is needed, as galaxy.yml does.")
    if f"ansible-core {least} or newer" not in readme:
        found.append(f"README.md: it does not say that ansible-core {least} or newer is needed, as meta/runtime.yml does.")
    for package in ("kubernetes", "boto3"):
        version = re.search(rf"^{package}==(\S+)", pinned, re.MULTILINE)
        if version and version[1] not in readme:
            found.append(f"README.md: it does not say that {package} {version[1]} is tested with, as requirements-dev.txt does.")
    # It is shown on Galaxy and on Automation Hub, from where a relative link leads nowhere.
    linked = re.findall(r"\]\(([^)]*)\)|^\[[^]]+\]:\s*(\S+)|(?:src|href)=[\"']([^\"']*)", readme, re.MULTILINE)
    return found + [f"README.md: the link {link} is relative." for link in map("".join, linked) if not link.startswith("https://")]


def dead_links(repository: str, texts: dict[str, str], committed: t.Collection[str]) -> list[str]:
    """Links into this repository, as they stand where a relative one would lead nowhere, to what is not in it."""
    link = re.compile(rf"{re.escape(repository)}/(?:tree|blob|raw)/main/([^\s)>#\"'`]+)")
    there = {*committed, *(str(parent) for name in committed for parent in pathlib.PurePosixPath(name).parents)}
    return [
        f"{name}: there is no {path.rstrip('/')} in this repository, where a link leads."
        for name, text in texts.items()
        for path in link.findall(text)
        if path.rstrip("/") not in there
    ]


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
    [folder] = places.given("release_check.py", "FOLDER")
    places.empty(folder)
    copy = pathlib.Path(_run(sys.executable, ROOT / "tests" / "tools" / "tree.py", "tree-release").strip())
    galaxy = yaml.safe_load((copy / "galaxy.yml").read_text())
    version, committed = galaxy["version"], _committed()
    unwritten = _prepare(copy, version)
    problems = _versions(copy, galaxy, committed)
    _run(PROGRAMS / "ansible-galaxy", "collection", "build", copy, "--output-path", folder)
    tarball = folder / f"sre-backup_sync-{version}.tar.gz"
    with tarfile.open(tarball) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        files = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    problems += [f"{name}: it does not belong in the tarball." for name in stray_files(files)]
    problems += not_as_committed(files, committed, _changed())
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


def _versions(copy: pathlib.Path, galaxy: dict[str, t.Any], committed: list[str]) -> list[str]:
    version = galaxy["version"]
    readme = (copy / "README.md").read_text()
    requires = yaml.safe_load((copy / "meta" / "runtime.yml").read_text())["requires_ansible"]
    pinned = (copy / "requirements-dev.txt").read_text()
    fragments = [path.name for path in sorted((copy / "changelogs" / "fragments").glob("*.yml"))]
    changelog = yaml.safe_load((copy / "changelogs" / "changelog.yaml").read_text())
    told = [path for place in ("docs", "playbooks", "plugins", "roles") for path in (copy / place).rglob("*")]
    texts = {str(path.relative_to(copy)): path.read_text() for path in told if path.suffix in (".md", ".py", ".yml")}
    texts["README.md"] = readme
    return [
        *changelog_problems(version, changelog, fragments, (copy / "CHANGELOG.md").read_text()),
        *readme_problems(readme, requires, pinned, galaxy["dependencies"]),
        *other_versions(version, texts),
        *dead_links(galaxy["repository"], texts, {*committed, *MADE}),
    ]


def _committed() -> list[str]:
    return [name for name in _run("git", "ls-files", "-z", cwd=ROOT).split("\0") if name]


def _changed() -> list[str]:
    return [line[3:] for line in _run("git", "status", "--porcelain", cwd=ROOT).splitlines()]


def _run(*command: t.Any, cwd: pathlib.Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"release-check: {' '.join(str(part) for part in command)} failed; the lines above say why\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
