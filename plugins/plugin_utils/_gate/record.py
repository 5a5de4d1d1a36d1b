# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The file that keeps who let what pass: one decision a line, in JSON, never rewritten."""

from __future__ import annotations

import errno
import json
import os
import stat
import typing as t


def append(path: str, decision: t.Mapping[str, t.Any]) -> None:
    """Add the decision to the file, which is made with mode 0600 in a folder with 0700. Raises OSError.

    The line goes out in one piece at the end of the file, so that those of plays that run at the same time never mix.
    """
    line = (json.dumps(decision, ensure_ascii=True) + "\n").encode("ascii")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    # not waiting: what is no file, a pipe that nobody reads say, is refused
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if _is_cut_off(handle):
            line = b"\n" + line
        if os.write(handle, line) != len(line):
            raise OSError(errno.ENOSPC, "the disk took a part of the line only")
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_cut_off(handle: int) -> bool:
    """Whether the last line has no end: its writer was ended, or its disk was full."""
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"
