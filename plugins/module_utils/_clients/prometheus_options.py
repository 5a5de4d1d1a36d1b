# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What is known of a Prometheus without talking to it: the options that say where it is, and its address.

It is apart from the client so that variables can be checked without loading an HTTP library.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter


def prometheus_spec() -> dict[str, t.Any]:
    """The options that say where Prometheus is; those of the service proxy's cluster are connection_spec()."""
    return {
        "prometheus_url": {"type": "str"},
        "prometheus_service": {
            "type": "dict",
            "options": {
                "namespace": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "port": {"type": "str", "default": "9090"},
                "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
            },
        },
        "prometheus_username": {"type": "str"},
        "prometheus_password": {"type": "str", "no_log": True},
        "prometheus_token": {"type": "str", "no_log": True},
        "prometheus_headers": {"type": "dict", "no_log": True},
        "prometheus_tenant": {"type": "str"},
        "prometheus_ca_cert": {"type": "path"},
        "prometheus_client_cert": {"type": "path"},
        "prometheus_client_key": {"type": "path", "no_log": False},
        "prometheus_validate_certs": {"type": "bool", "default": True},
    }


PROMETHEUS_CONSTRAINTS: dict[str, t.Any] = {
    "mutually_exclusive": [["prometheus_url", "prometheus_service"], ["prometheus_username", "prometheus_token"]],
    "required_together": [["prometheus_username", "prometheus_password"]],
    "required_by": {"prometheus_client_key": ["prometheus_client_cert"]},
}


def base_url(url: str) -> str:
    """The address without the parts that people copy along. Raises BadParameter."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadParameter("prometheus_url: it must be an address like https://prometheus.example.org:9090.")
    if "@" in parts.netloc:
        raise BadParameter(
            "prometheus_url: it carries credentials; give them as prometheus_username and prometheus_password."
        )
    return f"{parts.scheme}://{parts.netloc}" + re.sub(r"(/api/v1(/query)?|/graph)?/*$", "", parts.path)
