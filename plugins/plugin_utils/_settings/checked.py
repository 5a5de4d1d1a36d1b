# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The variables of a role, held against what they must be before anything is read.

Their shapes and choices are those of the role's argument spec; what a value may be is asked of the very functions that
the steps ask. So each problem is told once, in the words of whoever runs the playbook, and all of them at once.
"""

from __future__ import annotations

import difflib
import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, duration_parameter
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import report_problems

Variables = t.Dict[str, t.Any]
Check = t.Callable[[Variables, str], t.Any]

_ROLES = Path(__file__).resolve().parents[3] / "roles"


@dataclass(frozen=True)
class RoleRules:
    """What the argument spec of a role cannot say.

    checks: {variable: what refuses it with a BadParameter}. required: variables whose check also runs when they are not
    given. durations: (variable, its name in the settings, at least in seconds, at most in days). defaults_to: {variable:
    the variable that it takes its value from}, so that what is told of one is not told of the other again. examples:
    what a dictionary or a list looks like on the command line. aliases: other names of members of dictionaries.
    """

    role: str
    checks: t.Mapping[str, Check]
    required: tuple[str, ...]
    durations: tuple[tuple[str, str, float, int], ...]
    defaults_to: t.Mapping[str, str] = field(default_factory=dict)
    examples: t.Mapping[str, t.Any] = field(default_factory=dict)
    aliases: t.Mapping[str, str] = field(default_factory=dict)


def checked(rules: RoleRules, variables: Variables) -> dict[str, t.Any]:
    """{problems, warnings, settings}: a sentence for each variable that cannot be used, and the durations in seconds.

    warnings: sentences on what is used and yet looks wrong. An empty duration is one that was not given: it is None in
    the settings.
    """
    given = {name: _own_names(value, rules.aliases) for name, value in variables.items() if value not in ("", None)}
    for name, other in rules.defaults_to.items():
        if given.get(name) == given.get(other):
            given.pop(name, None)
    options = _role_options(rules.role)
    shapes = {
        name: shape_problems(name, options[name], value, rules.examples)
        for name, value in given.items()
        if name in options
    }
    sound = {name: value for name, value in given.items() if not shapes.get(name)}
    problems = [problem for found in shapes.values() for problem in found]
    for name, check in rules.checks.items():
        if name in sound or (name in rules.required and name not in given):
            problems += _refusals(check, sound, name)
    settings: dict[str, t.Any] = {}
    for name, setting, least, days in rules.durations:
        try:
            settings[setting] = duration_parameter(sound, name, least=least, most=days * 86400.0)
        except BadParameter as exc:
            problems.append(str(exc))
    problems += report_problems(variables.get("report") or {})
    names = variables.get("names_given") or []
    called = variables.get(f"{rules.role}_name")
    if called and called in (variables.get("names_of_others") or []):
        problems.append(f"{rules.role}_name: two pairs of this run are called {called!r}; give each a name of its own.")
    return {
        "problems": problems,
        "warnings": _strangers(rules.role, options, _of_role(rules.role, names)) + _of_report(names),
        "settings": settings,
    }


def _own_names(value: t.Any, aliases: t.Mapping[str, str]) -> t.Any:
    return {aliases.get(key, key): held for key, held in value.items()} if isinstance(value, dict) else value


def check_rule_files(variables: Variables, name: str) -> None:
    """Raises BadParameter with all that is wrong in the user's rule files for the kind of target of this role."""
    if not variables[name]:
        return
    # Imported here: only who has rule files pays for the engine so early.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import loaded
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rule_files import load_file
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError

    kind, paths = name.split("_", 1)[0], [str(path) for path in variables[name]]
    problems = []
    for path in paths:
        try:
            load_file(path, kind)
        except RuleError as exc:
            problems.append(f"{name}: {exc}")
    if problems:
        raise BadParameter(" ".join(problems))
    try:
        loaded(kind, paths)
    except RuleError as exc:
        raise BadParameter(f"{name}: {exc}") from exc


def _refusals(check: Check, variables: Variables, name: str) -> list[str]:
    try:
        check(variables, name)
    except BadParameter as exc:
        return [str(exc)]
    return []


def _of_role(role: str, names: t.Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(f"{role}_")]


def _of_report(names: t.Iterable[str]) -> list[str]:
    """The same of the role that makes the report, whose variables are given beside."""
    own = _of_role("sync_report", names)
    return _strangers("sync_report", _role_options("sync_report"), own) if own else []


def _strangers(role: str, options: t.Mapping[str, t.Any], names: t.Iterable[str]) -> list[str]:
    """A sentence for each name that looks like a misspelt variable of the role; it would go unseen otherwise.

    names: of variables that begin as the role's do. One that is like none of the role's is somebody's own.
    """
    stems = {name.removeprefix(f"{role}_"): name for name in options}
    members: dict[str, list[str]] = {}
    for holder, option in options.items():
        for member in option.get("options") or {}:
            members.setdefault(member, []).append(holder)
    found = []
    for name in sorted(set(names) - set(options)):
        own = name.removeprefix(f"{role}_")
        # of three letters two that changed places are a third of the word; a name that is but longer may be somebody's own
        near = [stem for stem in stems if sorted(stem) == sorted(own.lower())] or _nearest(own.lower(), stems, cutoff=0.8)
        meant = f"the member {own} of {' or '.join(members[own])}" if own in members else stems[near[0]] if near else ""
        if meant:
            found.append(f"{name} is no variable of the role {role} and changes nothing; did you mean {meant}?")
    return found


def _nearest(name: str, known: t.Iterable[str], cutoff: float = 0.6) -> list[str]:
    """The known name that is meant, or none: one that begins with it, else one that is spelt alike."""
    known = list(known)
    longer = [other for other in known if len(name) > 2 and other.startswith(name)]
    return longer[:1] if len(longer) == 1 else difflib.get_close_matches(name, known, n=1, cutoff=cutoff)


def _role_options(role: str) -> dict[str, t.Any]:
    """The options of the role's argument spec."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (_ROLES / role / "meta" / "argument_specs.yml").open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)["argument_specs"]["main"]["options"]


# ------------------------------------------------------------------------------------------------------- shapes

_NOUNS = {
    "str": "text",
    "path": "text",
    "dict": "dictionary",
    "list": "list",
    "bool": "boolean",
    "float": "number",
    "int": "whole number",
}
_REMEDIES = {
    "str": "give one text, in quotes where YAML reads something else",
    "path": "give one path",
    "dict": "give a dictionary of its options",
    "list": "give a list",
    "bool": "give true or false",
    "float": "give a number",
    "int": "give a whole number",
}
_MOST_LISTED = 15
_TRUTH = frozenset({"yes", "no", "true", "false", "on", "off", "y", "n", "t", "f", "1", "0"})


def shape_problems(
    name: str, spec: dict[str, t.Any], value: t.Any, examples: t.Mapping[str, t.Any]
) -> list[str]:
    """Where the value is not what its argument spec asks for; a number is good for a text.

    The value itself, which may be a secret, is only shown where it is one of a few choices.
    """
    wanted = spec["type"]
    if value is None or wanted == "raw":
        return []
    if not _fits(wanted, value):
        return [f"{name}: it is no {_NOUNS[wanted]} but {_noun_of(value)}; {_remedy(name, wanted, examples)}."]
    if spec.get("choices") and str(value) not in spec["choices"]:
        return [f"{name}: it cannot be {str(value)[:80]!r}; give {_or(spec['choices'])}."]
    if wanted == "list" and spec.get("elements"):
        of = {"type": spec["elements"]}
        return [text for at, row in enumerate(value) for text in shape_problems(f"{name}[{at}]", of, row, examples)]
    if wanted == "dict" and spec.get("options"):
        options = spec["options"]
        missing = [key for key, option in options.items() if option.get("required") and value.get(key) in ("", None)]
        return [f"{name}.{key}: it is missing; give it." for key in missing] + [
            text for key, item in value.items() for text in _member_problems(name, options, key, item, examples)
        ]
    return []


def _member_problems(
    name: str, options: dict[str, t.Any], key: str, value: t.Any, examples: t.Mapping[str, t.Any]
) -> list[str]:
    if key in options:
        return shape_problems(f"{name}.{key}", options[key], value, examples)
    near = _nearest(key, options)
    known = near or sorted(options)
    listed = _or(known) if len(known) <= _MOST_LISTED else "one that the role's documentation lists"
    return [f"{name}.{key}: there is no such option; give {listed}."]


def _fits(wanted: str, value: t.Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted in ("dict", "list"):
        return isinstance(value, dict if wanted == "dict" else list)
    if wanted == "bool":
        return str(value).lower() in _TRUTH
    if wanted == "int":
        return (number and value == int(value)) or (isinstance(value, str) and value.isdecimal())
    if wanted == "float":
        return number or (isinstance(value, str) and value.replace(".", "", 1).isdecimal())
    return number or isinstance(value, str)


def _noun_of(value: t.Any) -> str:
    if isinstance(value, dict):
        return "a dictionary"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "a boolean"
    return "a text" if isinstance(value, str) else "a number"


def _remedy(name: str, wanted: str, examples: t.Mapping[str, t.Any]) -> str:
    if name in examples:
        return f"write it as JSON, for example -e '{json.dumps({name: examples[name]})}'"
    return _REMEDIES[wanted]


def _or(words: t.Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
