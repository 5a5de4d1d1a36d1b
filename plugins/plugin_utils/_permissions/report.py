# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the identities of a pair may read, by side and step, and what to add where something is missing. Pure."""

from __future__ import annotations

import json
import typing as t

import yaml
from ansible_collections.sre.backup_sync.plugins.module_utils._access import REGION_READS, SOURCE, Need, roles
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import Json, clean

# The numbers that the runbooks give the steps; what has none was added to them.
_NUMBERS = {
    "cluster": ("jobs", "events", "job_detail", "logs", "metrics", "copy_lag", "replication_rules", "recovery_points"),
    "region": ("vaults", "copy_jobs", "copy_job_detail", "logs", "metrics", "copy_lag", "copy_rules", "recovery_points"),
}
PERMITTED, MISSING, NOT_ASKED, UNKNOWN = "permitted", "missing", "not_asked", "unknown"
OPTIONAL = "optional"  # not permitted, and seldom needed


_ASSUME = "sts:AssumeRole"


class Row(t.NamedTuple):
    """One thing that a step reads.

    state: permitted, missing, optional (missing, and seldom needed), not_asked (this pair did not lead to it) or unknown.
    """

    side: str
    step: str
    what: str
    state: str


def of_cluster(wanted: t.Iterable[Need], asked: t.Mapping[str, Json]) -> list[Row]:
    """asked: the evidence of k8s_access_info of each side that was asked."""
    allowed = {
        (side, *(row.get(name) or "" for name in ("namespace", "group", "resource", "verb", "name"))): row.get("allowed")
        for side, evidence in asked.items()
        for row in evidence.get("checks") or []
    }
    found = []
    for need in wanted:
        answer = allowed.get((need.side, need.namespace or "", need.group, need.resource, need.verb, need.name))
        state = UNKNOWN if answer is None else PERMITTED if answer else OPTIONAL if need.optional else MISSING
        place = f"in {need.namespace}" if need.namespace else "in the whole cluster"
        resource = f"{need.resource}.{need.group}" if need.group else need.resource
        name = f" {need.name}" if need.name else ""
        found.append(Row(need.side, need.step, f"{need.verb} {resource}{name} {place}", state))
    return found


def of_region(answers: t.Iterable[t.Mapping[str, Json]]) -> list[Row]:
    """answers: of each step that ran, {side: {permitted: actions, refused: statements}}."""
    permitted: set[tuple[str, str]] = set()
    refused: set[tuple[str, str]] = set()
    for by_side in answers:
        for side, told in by_side.items():
            permitted |= {(side, action) for action in told.get("permitted") or []}
            refused |= {(side, str(statement.get("Action"))) for statement in told.get("refused") or []}
    for known in (permitted, refused):  # the source's identity asks for the role of the other account
        known |= {(SOURCE, action) for side, action in known if action == _ASSUME}
    heard = {side for side, action in permitted | refused if action != _ASSUME or side == SOURCE}
    found = []
    for side in (SOURCE, "destination"):
        for step, statements in REGION_READS.items():
            for action in (one for row in statements for one in (row.source if side == SOURCE else row.destination)):
                pair = (side, action)
                state = MISSING if pair in refused else PERMITTED if pair in permitted else NOT_ASKED
                state = state if side in heard else UNKNOWN
                found.append(Row(side, step or "other account", action, state))
    return found


def missing_rules(wanted: t.Iterable[Need], rows: t.Iterable[Row]) -> dict[str, list[Json]]:
    """{side: the Roles and ClusterRoles that lack something, whole: applied, they replace those of their name}"""
    wanted = list(wanted)
    lacking = {(need.side, need.namespace): None for need, row in zip(wanted, rows) if row.state == MISSING}
    found: dict[str, list[Json]] = {}
    for side in dict.fromkeys(side for side, dummy in lacking):
        whole = roles(need for need in wanted if need.side == side)
        found[side] = [role for role in whole if (side, role["metadata"].get("namespace")) in lacking]
    return found


def missing_statements(answers: t.Iterable[t.Mapping[str, Json]]) -> dict[str, list[Json]]:
    """{side: the statements that would have allowed what AWS refused, as narrow as is known}"""
    resources = {
        action: row.resource for listed in REGION_READS.values() for row in listed for action in (*row.source, *row.destination)
    }
    found: dict[str, dict[str, list[str]]] = {}
    for by_side in answers:
        for side, told in by_side.items():
            for statement in told.get("refused") or []:
                action, resource = str(statement.get("Action")), str(statement.get("Resource"))
                narrow = resources.get(action, resource) if resource == "*" else resource
                actions = found.setdefault(side, {}).setdefault(narrow, [])
                actions += [action] if action not in actions else []
    return {
        side: [{"Effect": "Allow", "Action": sorted(actions), "Resource": resource} for resource, actions in by_resource.items()]
        for side, by_resource in found.items()
    }


def lines(kind: str, target: str, places: t.Mapping[str, str], rows: list[Row], missing: t.Mapping[str, list[Json]]) -> list[str]:
    """The screen. places: what each side is called; missing: objects to add on each side."""
    head = clean(f"{target} | what its steps may read")
    told = [head, "=" * len(head)]
    for side in dict.fromkeys(row.side for row in rows):
        told.append(f"{side.upper():<11} {clean(places.get(side) or '')}".rstrip())
        steps = dict.fromkeys(row.step for row in rows if row.side == side)
        for step in sorted(steps, key=lambda each: _number(kind, each) or len(REGION_READS)):
            told += _step_lines(kind, step, [row for row in rows if (row.side, row.step) == (side, step)])
        told.append("")
    for side, objects in missing.items():
        told += [f"TO BE ADDED for the identity of the {side}:", "", *_as_text(kind, objects), ""]
    return told[:-1]


def _number(kind: str, step: str) -> int:
    """The step's number in the runbook; 0 for none."""
    return _NUMBERS[kind].index(step) + 1 if step in _NUMBERS[kind] else 0


def _step_lines(kind: str, step: str, rows: list[Row]) -> list[str]:
    name = f"  {_number(kind, step) or '-'} {step.replace('_', ' '):<18}"
    lacking = [row.what for row in rows if row.state == MISSING]
    states = {row.state for row in rows}
    if lacking:
        first, *others = lacking
        return [f"{name}MISSING {first}", *(f"{'':{len(name)}}MISSING {what}" for what in others)]
    if UNKNOWN in states:
        return [f"{name}nobody could be asked"]
    if states == {NOT_ASKED}:
        return [f"{name}not needed by this pair now"]
    told = [f"{name}permitted"]
    for state, words in ((NOT_ASKED, "not needed now"), (OPTIONAL, "not permitted, and seldom needed")):
        listed = [row.what for row in rows if row.state == state]
        told += [f"{words}: {', '.join(listed)}"] if listed else []
    return ["; ".join(told)]


def _as_text(kind: str, objects: list[Json]) -> list[str]:
    if kind == "cluster":
        return "---\n".join(yaml.safe_dump(body, sort_keys=False) for body in objects).splitlines()
    return json.dumps(objects, indent=2).splitlines()
