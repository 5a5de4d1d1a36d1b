# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Replication rules in a ConfigMap: finding them in whatever shape, and the checks that catch real faults. Pure."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, human, parse_duration
from ansible_collections.sre.backup_sync.plugins.module_utils._redaction import mask
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _schedule
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_document import (
    Config,
    Problem,
    amount,
    boolean,
    equal,
    join,
    leaves,
    name_of,
    problem,
    resolve,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_regions import (
    Stated,
    disagreeing,
    stated_regions,
)

_DAY = 86400.0
_LISTS = ("replicationrules", "rules", "copyrules", "replications", "copies", "policies", "vaults", "copyactions")
_RULE_FIELDS = frozenset({"schedule", "destination", "destinationcluster", "destinationregion", "destinationbucket"})
# Where a copy lies: two sides that agree in all of these are one place.
_PLACE = ("", "cluster", "vault", "bucket", "region", "account", "location", "endpoint")
_PLACEHOLDER = re.compile(
    r"(?i)\b(change[_-]?me|replace[_-]?me|todo|fixme|tbd)\b|\$\{[^}]*\}|\{\{[^}]*\}\}|^<[^<>]+>$"
)
_AWS_SCHEDULE = re.compile(r"(?i)(cron|rate)\(")
_CONSTRAINTS = frozenset({"one_of", "min", "max", "regex", "duration_max", "not_empty", "absent"})
# Keys that name the side they are read on, folded: different values there are no drift.
_OWN_SIDE = frozenset({"cluster", "clustername", "localcluster", "sourcecluster", "destinationcluster", "site", "role"})


@dataclass
class Rule:
    """One replication rule, normalised. enabled: None when it does not say; places: what names the two sides."""

    name: str
    path: str
    enabled: bool | None
    source: dict[str, str]
    destination: dict[str, str]
    schedule: str | None
    interval_s: float | None
    rpo_s: float | None
    retention_s: float | None
    resources: list[str] = field(default_factory=list)
    window_s: float | None = None
    regions: list[Stated] = field(default_factory=list)
    not_replicated: bool = False
    schedule_read: bool = True

    def as_row(self) -> dict[str, t.Any]:
        """As it stands in the evidence."""
        return {
            "rule": self.name,
            "enabled": self.active,
            "source": _place_text(self.source),
            "destination": _place_text(self.destination),
            "schedule": self.schedule,
            "interval_s": self.interval_s,
            "rpo_s": self.rpo_s,
            "retention_s": self.retention_s,
            "resources": self.resources[:20],
        }

    @property
    def active(self) -> bool:
        """A rule that says nothing about it is enabled."""
        return self.enabled is not False and not self.not_replicated


# ------------------------------------------------------------------------------------------------ finding rules


def find_rules(config: Config, *, name: str, rules_path: str | None, now: datetime) -> list[Rule]:
    """The rules of a configuration: a list in one document, one document a rule, or flat keys that are one rule.

    name: that of the ConfigMap, for a rule without one. now: schedules are measured from here.
    """
    root = config.root
    defaults = _member(root, "defaults") or _member(root, "default")
    if rules_path:
        found = _entries_at(root, rules_path) or _entries_at(config.tree, rules_path)
    else:
        found = _known_list(root) or _one_each(config.tree) or _flat(root, name)
    return [
        _rule(entry, path, fallback, defaults if isinstance(defaults, dict) else {}, now)
        for path, fallback, entry in found
    ]


_Found = t.List[t.Tuple[str, str, t.Dict[str, t.Any]]]  # path, name where the entry has none, entry


def _entries_at(root: t.Any, path: str) -> _Found:
    return [found for where, value in resolve(root, path) for found in _entries(value, where)]


def _entries(value: t.Any, path: str) -> _Found:
    """The rules of a list, or of a mapping from names to rules."""
    if isinstance(value, list):
        pairs = [(name_of(entry) or str(place), entry) for place, entry in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(str(name), entry) for name, entry in value.items()]
    else:
        return []
    return [(f"{path}[{name}]", name, entry) for name, entry in pairs if isinstance(entry, dict)]


def _known_list(root: t.Any) -> _Found:
    if isinstance(root, list):
        return _entries(root, "")
    if isinstance(root, dict):
        for wanted in _LISTS:
            for name, value in root.items():
                if fold(name) == wanted and _entries(value, name):
                    return _entries(value, str(name))
    return []


def _one_each(tree: dict[str, t.Any]) -> _Found:
    """One document a rule: every key whose document looks like one."""
    found: _Found = []
    for key, value in tree.items():
        if isinstance(value, dict):
            inner = _known_list(value)
            if inner:
                found += [(join("", key) + "." + path, name, entry) for path, name, entry in inner]
            elif _RULE_FIELDS & set(map(fold, value)):
                stem = re.sub(r"^rule-|\.(ya?ml|json|ini|properties|conf)$", "", key)
                found.append((join("", key), stem, value))
    return found


def _flat(root: t.Any, name: str) -> _Found:
    return [("", name, root)] if isinstance(root, dict) and _RULE_FIELDS & set(map(fold, root)) else []


def _member(root: t.Any, wanted: str) -> t.Any:
    if not isinstance(root, dict):
        return None
    return next((value for name, value in root.items() if fold(name) == wanted), None)


def fold(name: t.Any) -> str:
    """destinationCluster, destination_cluster and destination-cluster are one name."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _rule(entry: dict[str, t.Any], path: str, fallback: str, defaults: dict[str, t.Any], now: datetime) -> Rule:
    values = {**{fold(key): value for key, value in defaults.items()}, **{fold(key): v for key, v in entry.items()}}
    schedule = _first(values, "schedule", "cron", "cronexpression", "scheduleexpression")
    if isinstance(values.get("trigger"), dict):
        schedule = schedule or values["trigger"].get("schedule")
    text = schedule.strip() if isinstance(schedule, str) else None
    interval_s, read = _interval(text, values, now)
    source, destination = _place(values, "source"), _place(values, "destination")
    resources = _first(values, "resources", "resource", "namespaces", "pvcs", "volumes")
    if not isinstance(resources, list):
        resources = [] if resources is None else [resources]
    return Rule(
        name=mask(name_of(entry) or fallback),
        path=path,
        enabled=_enabled(values),
        source=source,
        destination=destination,
        schedule=text,
        interval_s=interval_s,
        rpo_s=_seconds(values, "rpo"),
        retention_s=_retention(values),
        resources=[mask(str(name)) for name in resources],
        window_s=_seconds(values, "window") or _seconds(values, "copywindow"),
        regions=stated_regions(values, destination),
        not_replicated="destination" in {fold(key) for key in entry} and values["destination"] is None,
        schedule_read=read,
    )


def _first(values: dict[str, t.Any], *names: str) -> t.Any:
    return next((values[name] for name in names if values.get(name) not in (None, "")), None)


def _enabled(values: dict[str, t.Any]) -> bool | None:
    for name in ("enabled", "active", "status", "state"):
        said = boolean(values.get(name))
        if said is not None:
            return said
    for name in ("disabled", "paused", "suspend", "suspended"):
        said = boolean(values.get(name))
        if said is not None:
            return not said
    return None


def _interval(schedule: str | None, values: dict[str, t.Any], now: datetime) -> tuple[float | None, bool]:
    """Seconds between two runs, and whether the schedule was understood (or could not be judged here)."""
    if schedule is None:
        return _seconds(values, "interval") or _seconds(values, "frequency") or _seconds(values, "every"), True
    parsed = _schedule.parse_schedule(schedule, _first(values, "timezone"))
    if parsed is not None:
        return parsed.interval_s(now), True
    as_duration = parse_duration(schedule)
    judged = _schedule.HAS_CRONSIM and not _AWS_SCHEDULE.match(schedule)
    return as_duration, as_duration is not None or not judged


def _seconds(values: t.Mapping[str, t.Any], name: str) -> float | None:
    """A duration under its name, or a number under its name with a unit (rpoMinutes, retention_days, interval_s)."""
    units = (("seconds", 1.0), ("secs", 1.0), ("s", 1.0), ("minutes", 60.0), ("mins", 60.0), ("hours", 3600.0))
    for unit, factor in (*units, ("days", _DAY), ("weeks", 7 * _DAY)):
        number = amount(values.get(name + unit))
        if number is not None:
            return number * factor
    return parse_duration(values.get(name))


def _retention(values: dict[str, t.Any]) -> float | None:
    """How long copies are kept; of {daily: 7, weekly: 4} the longest."""
    given = values.get("retention")
    if isinstance(given, dict):
        factors = {"hourly": 3600.0, "daily": _DAY, "weekly": 7 * _DAY, "monthly": 30 * _DAY, "yearly": 365 * _DAY}
        counts = {fold(name): amount(count) for name, count in given.items()}
        kept = [count * factors[name] for name, count in counts.items() if name in factors and count is not None]
        return max(kept) if kept else _seconds({fold(name): value for name, value in given.items()}, "")
    return _seconds(values, "retention") or _seconds(values, "ttl") or _seconds(values, "deleteafter")


def _place(values: dict[str, t.Any], side: str) -> dict[str, str]:
    """What names one side: the members of `source` and keys like sourceCluster. A plain value has the name ""."""
    place: dict[str, str] = {}
    for name, value in values.items():
        if name.startswith(side) and value not in (None, ""):
            if isinstance(value, dict):
                plain_items = ((fold(key), item) for key, item in value.items() if isinstance(item, (str, int)))
                place.update({key: mask(str(item)) for key, item in plain_items})
            elif isinstance(value, (str, int)):
                place[name[len(side) :]] = mask(str(value))
    return place


def _place_text(place: dict[str, str]) -> str | None:
    order = sorted(place, key=lambda name: (_PLACE.index(name) if name in _PLACE else len(_PLACE), name))
    return "/".join(place[name] for name in order)[:200] or None


# ------------------------------------------------------------------------------------------------------- checks


def check_rules(rules: t.Sequence[Rule], *, rpo_s: float | None) -> list[Problem]:
    """What is wrong with the rules by themselves; rpo_s: for those that name none."""
    found = []
    counts = Counter(rule.name for rule in rules)
    for rule in rules:
        if counts.pop(rule.name, 1) > 1:
            text = f"several rules are called {rule.name}"
            found.append(problem("duplicate_rule", text, rule=rule.name, path=rule.path))
        if not rule.active:
            why = "it has no destination" if rule.not_replicated else "it is switched off"
            found.append(
                problem("disabled_rule", f"the rule {rule.name} copies nothing: {why}", rule=rule.name, path=rule.path)
            )
            continue
        found += _check_rule(rule, rpo_s)
    return found


def _check_rule(rule: Rule, rpo_s: float | None) -> t.Iterator[Problem]:
    if same_place(rule.source, rule.destination):
        text = f"the rule {rule.name} copies to where it copies from"
        yield problem(
            "same_source_and_destination", text, rule=rule.name, path=rule.path, actual=_place_text(rule.destination)
        )
    if not rule.schedule_read:
        text = f"the schedule of the rule {rule.name} is no cron expression of five fields"
        yield problem("schedule_invalid", text, rule=rule.name, path=rule.path, actual=rule.schedule)
    rpo_s = rule.rpo_s if rule.rpo_s is not None else rpo_s
    if rule.interval_s is not None and rpo_s is not None and rule.interval_s > rpo_s:
        text = f"the rule {rule.name} runs every {human(rule.interval_s)}, its RPO is {human(rpo_s)}"
        yield problem(
            "interval_exceeds_rpo", text, rule=rule.name, path=rule.path, expected=rpo_s, actual=rule.interval_s
        )
    for first, other in disagreeing(rule.regions):
        text = f"the rule {rule.name} copies to {first.region} by {first.what}, but {other.what} is of {other.region}"
        yield problem(
            "region_mismatch", text, rule=rule.name, path=rule.path, expected=first.region, actual=other.value
        )
    if rule.window_s is not None and rule.interval_s is not None and rule.window_s > rule.interval_s:
        allowed, every = human(rule.window_s), human(rule.interval_s)
        text = f"a copy of the rule {rule.name} may take {allowed}, and the next one starts after {every}"
        limits = {"expected": rule.interval_s, "actual": rule.window_s}
        yield problem("window_exceeds_interval", text, rule=rule.name, path=rule.path, **limits)
    kept_s = _seconds(rule.source, "retention")
    if kept_s is not None and rule.interval_s is not None and kept_s < rule.interval_s:
        text = f"the source keeps the backups of the rule {rule.name} for {human(kept_s)}"
        text += f", less than the {human(rule.interval_s)} to the next copy"
        yield problem(
            "retention_too_short", text, rule=rule.name, path=rule.path, expected=rule.interval_s, actual=kept_s
        )
    least = max((value for value in (rule.interval_s, rpo_s) if value is not None), default=None)
    if rule.retention_s is not None and least is not None and rule.retention_s < least:
        kept, until = human(rule.retention_s), human(least)
        text = f"the rule {rule.name} keeps copies for {kept}, less than the {until} to the next one"
        yield problem(
            "retention_too_short", text, rule=rule.name, path=rule.path, expected=least, actual=rule.retention_s
        )


def same_place(source: dict[str, str], destination: dict[str, str]) -> bool:
    """Whether both sides are one place: the same cluster and namespace, or agreement in everything that names a place.

    An equal vault name in another account or Region is another place.
    """
    if "cluster" in source and "cluster" in destination:
        return source["cluster"] == destination["cluster"] and source.get("namespace") == destination.get("namespace")
    mine, theirs = ({name: place[name] for name in _PLACE if name in place} for place in (source, destination))
    return bool(mine) and mine == theirs and source.get("namespace") == destination.get("namespace")


def check_values(config: Config) -> list[Problem]:
    """Placeholders that nobody filled in, and whitespace that nobody sees."""
    found = []
    for path, value in leaves(config.root):
        if not isinstance(value, str):
            continue
        if _PLACEHOLDER.search(value[:1000]):
            found.append(problem("placeholder_value", f"{path} still holds a placeholder", path=path, actual=value))
        elif value != value.strip() and "\n" not in value.strip():
            text = f"{path} begins or ends with white space"
            found.append(problem("whitespace", text, path=path, actual=repr(value)[:100]))
    return found


def check_required(config: Config, required: t.Sequence[str]) -> list[Problem]:
    """Paths that must be there and hold something."""
    found = []
    for path in required:
        values = look_up(config, path)
        if not values or any(value in (None, "") for dummy, value in values):
            found.append(problem("missing_key", f"{path} is required and is not set", path=path))
    return found


def look_up(config: Config, path: str) -> list[tuple[str, t.Any]]:
    """In the document; else among all keys of the ConfigMap."""
    return resolve(config.root, path) or resolve(config.tree, path)


def check_expected(config: Config, expected: t.Mapping[str, t.Any]) -> list[Problem]:
    """Hold values against what the caller expects: a value, or a mapping of constraints."""
    found = []
    for path, wanted in expected.items():
        values = look_up(config, path)
        constraints = wanted if _is_constraint(wanted) else None
        if not values:
            if not (constraints and constraints.get("absent")):
                text = f"{path} is expected and is not set"
                found.append(problem("missing_key", text, path=path, expected=wanted))
            continue
        for where, actual in values:
            fault = _fault(constraints, actual) if constraints else _difference(wanted, actual)
            if fault:
                kind, text = fault
                found.append(problem(kind, f"{where} {text}", path=where, expected=wanted, actual=actual))
    return found


def _is_constraint(wanted: t.Any) -> bool:
    return isinstance(wanted, dict) and bool(wanted) and set(wanted) <= _CONSTRAINTS


def check_expectations(expected: t.Any) -> None:
    """Refuse constraints that cannot be applied, before any request. Raises BadParameter."""
    for path, wanted in (expected or {}).items():
        if not isinstance(wanted, dict) or not set(wanted) & _CONSTRAINTS:
            continue
        stray = sorted(set(wanted) - _CONSTRAINTS)
        if stray:
            raise BadParameter(
                f"expected: {path}: {stray[0]!r} is no constraint; "
                f"use {', '.join(sorted(_CONSTRAINTS))}, or a plain value."
            )
        for name in ("min", "max", "duration_max"):
            if name in wanted and amount(wanted[name]) is None:
                raise BadParameter(f"expected: {path}: {name} {wanted[name]!r} is no number, size or duration.")
        if not isinstance(wanted.get("one_of", []), list):
            raise BadParameter(f"expected: {path}: one_of must be a list.")
        try:
            re.compile(str(wanted.get("regex", "")))
        except re.error as exc:
            raise BadParameter(f"expected: {path}: regex {wanted['regex']!r} is not usable: {exc}.") from exc


def _difference(wanted: t.Any, actual: t.Any) -> tuple[str, str] | None:
    if equal(wanted, actual):
        return None
    for kind, typed in (("true or false", boolean), ("a number, size or duration", amount)):
        if typed(wanted) is not None and typed(actual) is None:
            return "type_mismatch", f"is not {kind}"
    if isinstance(wanted, (dict, list)) and type(wanted) is not type(actual):
        return "type_mismatch", "is of another type"
    return "unexpected_value", "is another value"


def _fault(constraints: dict[str, t.Any], actual: t.Any) -> tuple[str, str] | None:
    """The first constraint that the value breaks."""
    if boolean(constraints.get("absent")):
        return "unexpected_value", "is set and must not be"
    if boolean(constraints.get("not_empty")) and actual in (None, "", [], {}):
        return "unexpected_value", "is empty"
    if "one_of" in constraints and not any(equal(choice, actual) for choice in constraints["one_of"]):
        return "unexpected_value", "is none of the allowed values"
    if "regex" in constraints and not re.search(constraints["regex"], str(actual)[:10_000]):
        return "unexpected_value", "does not match the pattern"
    for name, typed in (("min", amount), ("max", amount), ("duration_max", parse_duration)):
        if name in constraints:
            value, limit = typed(actual), t.cast(float, amount(constraints[name]))
            if value is None:
                return "type_mismatch", "is no number, size or duration"
            if value < limit if name == "min" else value > limit:
                return "unexpected_value", f"is {'below' if name == 'min' else 'above'} {constraints[name]}"
    return None


# -------------------------------------------------------------------------------------------------- two sides


def drift(source: Config, destination: Config, ignore: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Values that differ between both clusters' ConfigMaps, by path. ignore: paths, with what lies below them.

    Keys that name the cluster they are read in must differ and are left out.
    """
    mine, theirs = dict(leaves(source.tree)), dict(leaves(destination.tree))
    found = []
    for path in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(path), theirs.get(path)
        if (path in mine and path in theirs and (one == other or equal(one, other))) or _ignored(path, ignore):
            continue
        found.append({"path": path, "source": one, "destination": other})
    return found


def _ignored(path: str, ignore: t.Sequence[str]) -> bool:
    steps = [step.strip("\"'") for step in re.split(r"[.\[\]]+", path) if step]
    if steps and (fold(steps[-1]) in _OWN_SIDE or fold("".join(steps[-2:])) in _OWN_SIDE):
        return True
    return any(
        path == given or path.startswith((given + ".", given + "[")) or path.endswith("." + given) for given in ignore
    )


def check_jobs(rules: t.Sequence[Rule], job_resources: set[str], complete: bool) -> list[Problem]:
    """Rules that no copy job serves, and copy jobs that no rule asks for.

    complete: whether job_resources are all there are. Where no name of either side occurs on the other, names tell
    nothing about who serves whom, and nothing is said.
    """
    active = [rule for rule in rules if rule.active]
    served = {rule.name: {job for job in job_resources if _serves(job, rule)} for rule in active}
    if job_resources and not any(served.values()):
        return []
    found = [
        problem("rule_without_jobs", f"no copy job serves the rule {rule.name}", rule=rule.name, path=rule.path)
        for rule in active
        if complete and not served[rule.name]
    ]
    known = {job for rule in rules for job in job_resources if _serves(job, rule)}
    found += [
        problem("job_without_rule", f"no rule asks for the copy job of {job}", actual=job)
        for job in sorted(job_resources - known)
    ]
    return found


def _serves(job: str, rule: Rule) -> bool:
    """Whether the resource of a copy job occurs in what the rule names, at word boundaries."""
    named = [rule.name, *rule.resources, rule.source.get("", ""), rule.source.get("namespace", "")]
    words = re.escape(job.lower())
    return any(re.search(rf"(?<![a-z0-9]){words}(?![a-z0-9])", name.lower()) for name in named if name)
