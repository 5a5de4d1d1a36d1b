# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders that the tools beside this file are given."""

from __future__ import annotations

import pathlib
import shutil
import sys

MARK = ".made_anew_each_time"  # stands in a folder that may be emptied


def given(program: str, *names: str) -> list[pathlib.Path]:
    """The arguments, a path for each name; one in brackets may be left out. Ends with a sentence where they do not fit."""
    asked = sys.argv[1:]
    needed = [name for name in names if not name.startswith("[")]
    if not len(needed) <= len(asked) <= len(names) or any(name.startswith("-") for name in asked):
        sys.exit(f"usage: {program} {' '.join(names)}")
    return [pathlib.Path(name).resolve() for name in asked]


def empty(folder: pathlib.Path) -> None:
    """Make the folder, or empty it where a run before made it; ends with a sentence where it holds something else."""
    if (folder / MARK).is_file():
        shutil.rmtree(folder)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        sys.exit(f"{folder} holds what none of our runs has made; remove it, or give another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
