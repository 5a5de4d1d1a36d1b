# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus with a past of our making, for the tests of the metrics step."""

from __future__ import annotations

import json
from typing import Any

from lab import prometheus as lab
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    parse_time,
    seconds_between,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import metrics

RATE = "backup_copy_job_success_rate"
DURATION = "backup_copy_job_duration"
GOOD, BAD = "backup_copy_job_success_total", "backup_copy_job_failure_total"


def params(**given: Any) -> dict[str, Any]:
    """The options of a task, with the module's defaults."""
    defaults = {name: option.get("default") for name, option in metrics.STEP.full_argument_spec().items()}
    return {**defaults, **given}


def one(metric: str, name: str, *values: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A series of the scenario for one copy job."""
    labels = {"job_name": f"backup-sync-{name}", "namespace": "backup", **more.pop("labels", {})}
    return {"metric": metric, "labels": labels, "values": list(values), **more}


def piece(begin: str, end: str = "now", **what: Any) -> dict[str, Any]:
    """A piece of a series' past."""
    return {"from": begin, "to": end, **what}


def gathered(*series: dict[str, Any], options: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Evidence of a real Prometheus with these series; it must be JSON as the standard knows it, without NaN."""
    with lab.start({"series": list(series), **spec}) as prometheus:
        given = params(prometheus_url=prometheus.url, **(options or {}))
        found = metrics.gather(given, Clients(given)).evidence
    return json.loads(json.dumps(found, allow_nan=False))


def seconds_since(text: str, found: dict[str, Any]) -> float:
    """How long before the reading a time of the evidence is."""
    length = seconds_between(parse_time(text), parse_time(found["observed_at"]))
    assert length is not None
    return length
