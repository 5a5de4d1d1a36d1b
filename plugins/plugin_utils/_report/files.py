# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The files of a report: whole or not there, and readable by their owner only."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import typing as t

_LONGEST_NAME = 100


def folder_name(target: str) -> str:
    """The target's name as one path segment; two targets never share one.

    A name that has to be changed for that carries a digest of what it was.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", target).strip("-.")[:_LONGEST_NAME]
    if safe and safe == target:
        return safe
    return f"{safe or 'target'}-{hashlib.sha256(target.encode('utf-8', 'replace')).hexdigest()[:8]}"


def absolute(path: t.Any) -> str:
    """The folder that a user named."""
    return os.path.abspath(os.path.expanduser(str(path).strip()))


def target_name(diagnosis: t.Mapping[str, t.Any]) -> str:
    """The name by which files and folders of a target are called."""
    return str((diagnosis.get("target") or {}).get("name") or "target")


def report_folder(path: t.Any, target: str) -> str | None:
    """The folder of a target's report under the one that a user named; None where none was."""
    return os.path.join(absolute(path), folder_name(target)) if str(path or "").strip() else None


def write_files(folder: str, files: dict[str, str]) -> None:
    """Write the files into the folder, which is made with mode 0700 when it is not there. Raises OSError.

    Each file appears under its name only when it is complete, with mode 0600.
    """
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name, content in files.items():
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)  # mkstemp makes it 0600
        try:
            # a lone surrogate, from bytes that were no UTF-8, becomes an escape, which JSON reads as the same character
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, os.path.join(folder, name))
        except BaseException:  # also an interrupt must not leave half a report behind
            os.unlink(temporary)
            raise
