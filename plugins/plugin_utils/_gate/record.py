# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The file that keeps who let what pass: one decision a line, in JSON, never rewritten."""

from __future__ import annotations

import json
import os
import typing as t


def append(path: str, decision: t.Mapping[str, t.Any]) -> None:
    """Add the decision to the file, which is made with mode 0600 in a folder with 0700. Raises OSError.

    The line goes out in one piece at the end of the file, so that those of plays that run at the same time never mix.
    """
    line = (json.dumps(decision, ensure_ascii=True) + "\n").encode("ascii")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.write(handle, line) != len(line):
            raise OSError(28, "the disk took a part of the line only")
        os.fsync(handle)
    finally:
        os.close(handle)
