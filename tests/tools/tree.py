# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lay out build/tree/ansible_collections/sre/backup_sync, wherever the checkout lies and whatever its folder is called.

ansible-test insists on that path and refuses links, so the collection is copied (what git lists, committed or not);
the collections that it depends on are links into the virtual environment.
"""

from __future__ import annotations

import filecmp
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = sys.argv[1] if len(sys.argv) > 1 else "tree"  # of the folder in build: what must not share a copy has its own
COLLECTIONS = ROOT / "build" / NAME / "ansible_collections"
COPY = COLLECTIONS / "sre" / "backup_sync"
# What tools leave in the copy and would like to find again.
KEPT = {".git", ".mypy_cache", ".pytest_cache", ".hypothesis", ".ansible"}


def main() -> int:
    """Bring the copy up to date and print its path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    COPY.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        _copy(ROOT / name, COPY / name)
    _remove_others(wanted)
    if not (COPY / ".git").is_dir():  # else ansible-test finds the checkout's, which ignores build/
        subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)
    _link_dependencies()
    print(COPY)
    return 0


def _copy(original: pathlib.Path, copy: pathlib.Path) -> None:
    """Files that did not change keep their time, so that caches stay warm."""
    if copy.is_file() and filecmp.cmp(original, copy, shallow=True):
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(original, copy)


def _remove_others(wanted: set[str]) -> None:
    for path in sorted(COPY.rglob("*"), reverse=True):
        name = path.relative_to(COPY).as_posix()
        if name in wanted or name.split("/")[0] in KEPT or name.startswith("tests/output"):
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        else:
            path.unlink()


def _link_dependencies() -> None:
    installed = pathlib.Path(sys.prefix).glob("lib/python3*/site-packages/ansible_collections/*")
    for namespace in installed:
        link = COLLECTIONS / namespace.name
        if not namespace.is_dir() or namespace.name.startswith((".", "_")) or namespace.name == "sre":
            continue
        if link.is_symlink() and link.readlink() == namespace:
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(namespace)


if __name__ == "__main__":
    sys.exit(main())
