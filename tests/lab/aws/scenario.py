# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Region scenarios: one YAML file (kind: region) that becomes a World. The language is described in STORIES.md."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.aws.faults import parse_fault
from lab.aws.stories import people, signals, vaults
from lab.aws.stories.bulk import write_bulk
from lab.aws.stories.jobs import Writer
from lab.aws.stories.metrics import write_metrics
from lab.aws.stories.plan import Plan
from lab.aws.stories.protect import read_entries
from lab.aws.stories.stage import SIDES, Stage, make_stage
from lab.aws.stories.words import moment, only
from lab.aws.world import World
from lab.clock import Moment, lab_shift

_STORY_KEYS = {
    *SIDES,
    "protect",
    "plan",
    "source_vault",
    "destination_vault",
    "keys",
    "organization",
    "roles",
    "logs",
    "metrics",
    "health",
    "faults",
    "bulk",
}
_KEYS = {"kind", "name", "title", "now", "vars", "expect", "must_not", *_STORY_KEYS}
_RELATIVE = re.compile(r"@(now|[+-].+)")


@dataclass(frozen=True)
class RegionScenario:
    """A scenario as written. ``vars``, ``expect`` and ``must_not`` are handed on untouched; ``story`` is the rest."""

    name: str
    title: str = ""
    now: Any = None
    story: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    must_not: dict[str, Any] = field(default_factory=dict)


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """The safe loader, in C where it is there: a scenario must be up in a fraction of a second."""


def load_region_scenario(path: Path) -> RegionScenario:
    """Read a scenario; a key that nobody reads is an error, because it is most likely a typing error."""
    with path.open(encoding="utf-8") as stream:
        raw = yaml.load(stream, Loader=_Loader)  # noqa: S506
    return region_scenario(raw, path.stem)


def region_scenario(raw: Any, name: str = "scenario") -> RegionScenario:
    """Return the scenario that a mapping describes; ValueError with a sentence where it is not one."""
    known = only(raw, _KEYS, name)
    if known.get("kind") != "region":
        raise ValueError(f"{name} is not of kind region.")
    story = {key: known[key] for key in _STORY_KEYS if key in known}
    told = {key: known[key] for key in ("title", "now", "vars", "expect", "must_not") if known.get(key) is not None}
    return RegionScenario(name=known.get("name", name), story=story, **told)


def build_stage(scenario: RegionScenario, now: float | None = None) -> Stage:
    """Return the stage of a scenario with its World. ``now`` stops the clock, for tests; else the lab's own goes on."""
    shift = lab_shift(scenario.now)
    world = World(now=(lambda: time.time() + shift) if now is None else (lambda: now))
    stage = make_stage(scenario.story, world, world.now())
    vaults.note_destination(stage)
    entries = read_entries(stage)
    plan = Plan(stage, entries)
    keys = vaults.write_keys(stage, entries)
    people.write_organization(stage)
    writer = Writer(stage, plan, keys)
    writer.write(entries)
    row = plan.row()
    stage.source.add("plans", [row] if row else [])
    vaults.write_vaults(stage, keys)
    people.write_service_roles(stage, plan)
    people.write_reader(stage)
    people.write_settings(stage)
    signals.write_signals(stage, writer.copies)
    signals.write_health(stage)
    write_metrics(stage, writer.copies, writer.backups)
    _write_rows(stage)
    write_bulk(stage)
    world.faults = [_fault(stage, fault) for fault in scenario.story.get("faults") or []]
    return stage


def build_world(scenario: RegionScenario, now: float | None = None) -> World:
    """Return the World of a scenario."""
    return build_stage(scenario, now).world


def _fault(stage: Stage, raw: Mapping[str, Any]) -> Any:
    """Return a fault; its Region and account may be told by the side's name."""
    named = dict(raw)
    for key in ("region", "account"):
        if named.get(key) in SIDES:
            named[key] = getattr(stage.side(named[key]), key)
    return parse_fault(named)


def _write_rows(stage: Stage) -> None:
    """Add the raw rows of a side: what the language has no word for."""
    for side in stage.sides():
        for collection, rows in (side.raw.get("rows") or {}).items():
            side.add(collection, [_expanded(stage, row) for row in rows])


def _expanded(stage: Stage, value: Any) -> Any:
    """Return a value with every ``@-3h`` in it, at any depth, as a time."""
    if isinstance(value, Mapping):
        return {key: _expanded(stage, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(stage, item) for item in value]
    if isinstance(value, str) and _RELATIVE.fullmatch(value):
        return moment(Moment(stage.now).at(value))
    return value
