# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same reads of AWS one after the other in a plain script: what the fastest hand would do, without any conclusion."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name


def main() -> None:
    """Make the listed reads."""
    for read in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        client = _client(read["profile"], read["service"], read["region"])
        method = xform_name(read["operation"])
        if client.can_paginate(method):
            for dummy in client.get_paginator(method).paginate(**read["arguments"]):
                pass
        else:
            getattr(client, method)(**read["arguments"])


@lru_cache(maxsize=None)
def _session(profile: str) -> boto3.Session:
    return boto3.Session(profile_name=profile)


@lru_cache(maxsize=None)
def _client(profile: str, service: str, region: str) -> Any:
    return _session(profile).client(service, region_name=region)


if __name__ == "__main__":
    main()
