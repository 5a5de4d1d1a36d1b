# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.
"""A diagnosis as OpenMetrics text, for the textfile collector of the node exporter. Pure.

Names and labels are stable: `target` and `kind` on every sample. What is not known has no sample.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import parse_time
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure, rows, step, text, value
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import Json, clean, member

STATUSES = ("failing", "lagging", "inconclusive", "healthy")
READINESS = ("ready", "not_ready", "unknown")
SEVERITIES = ("critical", "error", "warning")

Sample = t.Tuple[t.Dict[str, str], float]


def openmetrics(diagnosis: Json, evidence: t.Any, *, gathered_at: str | None = None) -> str:
    """The samples. evidence: the bundle, for what the diagnosis does not repeat; gathered_at: when it was gathered."""
    target, gathered = member(diagnosis, "target"), (evidence or {}).get("evidence")
    common = {"target": clean(str(target.get("name") or "target")), "kind": clean(str(target.get("kind") or "unknown"))}
    lines: list[str] = []
    for name, unit, told, samples in _families(diagnosis, gathered, gathered_at):
        found = list(samples)
        if not found:
            continue
        whole = f"backup_sync_{name}"
        lines += [f"# HELP {whole} {told}", f"# TYPE {whole} gauge"]
        lines += [f"# UNIT {whole} {unit}"] if unit else []
        lines += [f"{whole}{_labels({**common, **labels})} {_number(number)}" for labels, number in found]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _families(
    diagnosis: Json, gathered: t.Any, gathered_at: str | None
) -> t.Iterator[tuple[str, str, str, t.Iterable[Sample]]]:
    """(name, unit, help, samples) of each family."""
    ready, spread = member(diagnosis, "dr_readiness"), member(member(diagnosis, "scope"), "spread")
    resources, lag = rows(ready, "resources"), rows(step(gathered, "copy_lag"), "resources")
    seen = parse_time(gathered_at)
    yield (
        "status",
        "",
        "Whether this is the status of the copies.",
        [({"status": name}, float(name == diagnosis.get("status"))) for name in STATUSES],
    )
    yield (
        "dr_readiness",
        "",
        "Whether the copies can be relied on in a disaster.",
        [({"verdict": name}, float(name == ready.get("verdict"))) for name in READINESS],
    )
    yield "cause", "", "The root cause, where there is one.", _cause(diagnosis)
    yield "rpo_seconds", "seconds", "The recovery point objective.", _single(ready, "rpo_s")
    yield (
        "worst_exposure_seconds",
        "seconds",
        "Data of so many seconds would be lost now, of the worst resource.",
        _single(ready, "worst_exposure_s"),
    )
    yield "exposure_seconds", "seconds", "Data of so many seconds would be lost now.", _of_resources(resources, "exposure_s")
    yield "lag_seconds", "seconds", "How late the newest copy is, or was.", _of_resources(lag, "lag_s")
    yield "resources", "", "Resources that are copied.", _single(spread, "resources")
    yield "resources_failing", "", "Resources whose copies fail.", _single(spread, "resources_failing")
    yield "findings", "", "Rules that fired.", _findings(diagnosis)
    yield "gaps", "", "Steps that could not answer.", [({}, float(len(rows(diagnosis, "gaps"))))]
    yield (
        "observed_timestamp_seconds",
        "seconds",
        "When the evidence was gathered.",
        [({}, seen.timestamp())] if seen else [],
    )


def _cause(diagnosis: Json) -> list[Sample]:
    cause = member(diagnosis, "root_cause")
    named = {name: clean(str(cause.get(name))) for name in ("cause", "confidence")}
    return [(named, 1.0)] if cause else []


def _single(holder: Json, name: str) -> list[Sample]:
    number = figure(holder, name)
    return [] if number is None else [({}, number)]


def _of_resources(listed: list[Json], name: str) -> list[Sample]:
    found = {clean(text(row, "resource") or ""): figure(row, name) for row in listed}
    return [({"resource": resource}, number) for resource, number in found.items() if resource and number is not None]


def _findings(diagnosis: Json) -> list[Sample]:
    fired = [value(row, "severity") for row in rows(diagnosis, "findings") if row.get("state") == "fired"]
    return [({"severity": severity}, float(fired.count(severity))) for severity in SEVERITIES]


def _labels(labels: dict[str, str]) -> str:
    told = (f'{name}="{_escaped(held)}"' for name, held in labels.items())
    return "{" + ",".join(told) + "}"


def _escaped(text_of_label: str) -> str:
    return text_of_label.replace("\\", "\\\\").replace('"', '\\"')


def _number(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else repr(round(number, 3))
