# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Provide what the project's own commands need: the virtual environment and, where we may, Debian packages.

Runs with the machine's Python, before anything is installed: standard library only.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements-dev.txt"
STAMP = VENV / ".provided"
# Debian package: the programs of it that the tests use
PROGRAMS = {
    "prometheus": ("prometheus", "promtool"),
    "prometheus-alertmanager": ("prometheus-alertmanager",),
    "chromium": ("chromium",),
    "default-jre-headless": ("java",),
}


def main() -> int:
    """Exit status for the shell; what is missing is said in one line each."""
    if sys.version_info < (3, 11):
        print(f"setup: Python 3.11 or newer is needed, {sys.executable} is older; say make PYTHON=/path/to/python3.11")
        return 1
    return _virtual_environment() or _programs()


def _virtual_environment() -> int:
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.executable.encode()).hexdigest()
    if STAMP.is_file() and STAMP.read_text(encoding="ascii") == wanted:
        return 0
    if not _has_ensurepip() and not _apt("python3-venv"):
        print("setup: this Python cannot make virtual environments; run apt-get install python3-venv and try again")
        return 1
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        # --no-compile: of the thousands of files in it only those that are imported are worth compiling
        [str(VENV / "bin" / "pip"), "install", "--quiet", "--no-compile", "--requirement", str(REQUIREMENTS)],
    )
    for step in steps:
        if subprocess.run(step, check=False).returncode:
            print(f"setup: {' '.join(step)} failed; the lines above say why")
            return 1
    STAMP.write_text(wanted, encoding="ascii")
    return 0


def _has_ensurepip() -> bool:
    """Debian takes it out of Python and into the package python3-venv."""
    return not subprocess.run([sys.executable, "-c", "import ensurepip"], check=False, capture_output=True).returncode


def _programs() -> int:
    """None is needed to set up: the demo replays recorded answers and says so, the tests insist by themselves."""
    missing = [package for package, programs in PROGRAMS.items() if not all(map(shutil.which, programs))]
    if missing and not _apt(*missing):
        print(f"setup: make test needs the Debian packages {' '.join(missing)}; the demo does without Prometheus")
    return 0


def _apt(*packages: str) -> bool:
    """Whether the Debian packages could be installed; never asks anything."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for step in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *step], check=False, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
