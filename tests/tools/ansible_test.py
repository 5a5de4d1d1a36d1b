# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run ansible-test in the laid-out tree, with a home folder of its own and with nothing but the package index.

ansible-test fetches get-pip.py from a server of its own; in its cache we put a script that takes pip from Python's
ensurepip instead.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The first argument names the laid-out tree. All of ansible-test's commands work in their copy's tests/output: what shall
# run side by side has a tree and a home of its own.
TREE, *ARGUMENTS = sys.argv[1:] or [""]
HOME = ROOT / "build" / f"home-{TREE}"
COPY = ROOT / "build" / TREE / "ansible_collections" / "sre" / "backup_sync"
# The version in the name depends on ansible-core: 2.17, then 2.18 and 2.19, then newer ones.
GET_PIP = ("get_pip_23_1_2.py", "get_pip_24_2.py", "get_pip_25_2.py")
STAND_IN = "import ensurepip\n\nensurepip.bootstrap()\n"


def main() -> int:
    """ansible-test's exit status; the other arguments go to it, where it runs, and --python, are added."""
    if not TREE:
        sys.exit("usage: ansible_test.py TREE COMMAND [ARGUMENT ...]")
    if not COPY.is_dir():
        sys.exit(f"There is no {COPY}; tree.py {TREE} lays it out.")
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in GET_PIP:
        (cache / name).write_text(STAND_IN, encoding="ascii")
    for folder in (".config/pip", ".pip", ".cache/pip"):  # pip's settings and downloads are the user's own
        _borrow(folder)
    if not (HOME / ".pip").exists():  # beside them: what is imported once is not worth compiling before
        (HOME / ".pip").mkdir()
        (HOME / ".pip" / "pip.conf").write_text("[install]\ncompile = no\n", encoding="ascii")
    if ARGUMENTS[:1] != ["integration"]:
        return _run(pathlib.Path(sys.executable).parent, "--venv")
    # The targets run with the libraries that are here. It writes the path of its Python into the first lines of scripts, where a blank
    # would end it; so it sees a link.
    with tempfile.TemporaryDirectory(prefix="backup-sync-") as folder:
        environment = pathlib.Path(folder) / "environment"
        environment.symlink_to(sys.prefix)
        return _run(environment / "bin", "--local")


def _run(programs: pathlib.Path, place: str) -> int:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(programs / "python"), str(programs / "ansible-test"), *ARGUMENTS, place, "--python", version]
    # What ansible-test installs is not compiled before (see above), and what Python then says of it is no finding of ours.
    environment = dict(os.environ, HOME=str(HOME), LC_ALL="C.UTF-8", PYTHONWARNINGS="ignore::SyntaxWarning")
    environment["PATH"] = os.pathsep.join([str(programs), environment.get("PATH", os.defpath)])
    return subprocess.run(command, cwd=COPY, env=environment, check=False).returncode


def _borrow(folder: str) -> None:
    theirs, ours = pathlib.Path.home() / folder, HOME / folder
    if theirs.is_dir() and not ours.exists():
        ours.parent.mkdir(parents=True, exist_ok=True)
        ours.unlink(missing_ok=True)
        ours.symlink_to(theirs)


if __name__ == "__main__":
    sys.exit(main())
