# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the site into the folder that is given: the guides of docs, and the reference of all that the collection holds.

Whatever antsibull-docs or Sphinx find to warn of is an error. Nothing is fetched.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import places

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(sys.executable).parent


def main() -> int:
    """Exit status for the shell."""
    [folder] = places.given("build_site.py", "FOLDER")
    places.empty(folder)
    source, pages = folder / "source", folder / "html"
    shutil.copytree(ROOT / "docs", source)
    reference = ["collection", "--use-current", "--fail-on-error", "--dest-dir", str(source), "sre.backup_sync"]
    steps = (
        [str(PROGRAMS / "antsibull-docs"), *reference],
        [str(PROGRAMS / "sphinx-build"), "--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto", str(source), str(pages)],
    )
    for step in steps:
        if subprocess.run(step, check=False).returncode:
            return 1
    print(f"The site is in {pages}; open index.html in a browser.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
