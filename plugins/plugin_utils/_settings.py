# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The variables of the cluster role, held against what they must be before anything is read.

Their shapes and choices are those of the role's argument spec; what a value may be is asked of the very functions that
the steps ask. So each problem is told once, in the words of whoever runs the playbook, and all of them at once.
"""

from __future__ import annotations

import difflib
import json
import typing as t
from pathlib import Path

import yaml
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, duration_parameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    namespace_parameter,
    object_name_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import selector_parameter

Variables = t.Dict[str, t.Any]

_ROLE_SPEC = Path(__file__).resolve().parents[2] / "roles" / "cluster_sync" / "meta" / "argument_specs.yml"

# The durations: (variable, its name in the settings, what it may be at least in seconds and at most in days).
_DURATIONS = (
    ("cluster_sync_rpo", "rpo_s", 1, 366),
    ("cluster_sync_expected_window", "expected_window_s", 1, 366),
    ("cluster_sync_window", "window_s", 600, 31),  # what the metrics of the window need
)

# What they are when nobody gave them: told of one is told of all.
_DEFAULT_TO_NAMESPACE = ("cluster_sync_name", "cluster_sync_source_namespace")

# What a dictionary or a list looks like on the command line.
_EXAMPLES: dict[str, t.Any] = {
    "cluster_sync_source": {"context": "eu-west"},
    "cluster_sync_destination": {"context": "eu-dr"},
    "cluster_sync_prometheus": {"prometheus_url": "https://prometheus.example.com"},
    "cluster_sync_source_backups": {"kind": "job"},
    "cluster_sync_recovery_points": {"kind": "volumesnapshot"},
    "cluster_sync_expected": {"retention.days": 30},
    "cluster_sync_step_options": {"logs": {"tail_lines": 1000}},
    "cluster_sync_required_keys": ["schedule", "retention"],
    "cluster_sync_rule_files": ["own_rules.yml"],
}


def cluster_settings(variables: Variables) -> dict[str, t.Any]:
    """{problems, settings}: one sentence for each variable that cannot be used, and the durations in seconds.

    An empty duration is one that was not given: it is None in the settings.
    """
    given = {name: value for name, value in variables.items() if value not in ("", None)}
    for name in _DEFAULT_TO_NAMESPACE:
        if given.get(name) == given.get("cluster_sync_namespace"):
            given.pop(name, None)
    options = _role_options()
    shapes = {name: _shape_problems(name, options[name], value) for name, value in given.items() if name in options}
    sound = {name: value for name, value in given.items() if not shapes.get(name)}
    problems = [problem for found in shapes.values() for problem in found]
    for name, check in _CHECKS.items():
        # the namespace is the one variable that must be given
        if name in sound or (name == "cluster_sync_namespace" and name not in given):
            problems += _refusals(check, sound, name)
    settings: dict[str, t.Any] = {}
    for name, setting, least, days in _DURATIONS:
        try:
            settings[setting] = duration_parameter(sound, name, least=least, most=days * 86400.0)
        except BadParameter as exc:
            problems.append(str(exc))
    called = variables.get("cluster_sync_name")
    if called and called in (variables.get("names_of_others") or []):
        problems.append(f"cluster_sync_name: two pairs of this run are called {called!r}; give each a name of its own.")
    return {"problems": problems, "settings": settings}


def _role_options() -> dict[str, t.Any]:
    """The options of the role's argument spec."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with _ROLE_SPEC.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)["argument_specs"]["main"]["options"]


# ------------------------------------------------------------------------------------------------------- shapes

_NOUNS = {"str": "text", "path": "text", "dict": "dictionary", "list": "list", "bool": "boolean", "float": "number"}
_REMEDIES = {
    "str": "give one text, in quotes where YAML reads something else",
    "path": "give one path",
    "dict": "give a dictionary of its options",
    "list": "give a list",
    "bool": "give true or false",
    "float": "give a number",
}
_TRUTH = frozenset({"yes", "no", "true", "false", "on", "off", "y", "n", "t", "f", "1", "0"})


def _shape_problems(name: str, spec: dict[str, t.Any], value: t.Any) -> list[str]:
    """Where the value is not what its argument spec asks for; a number is good for a text.

    The value itself, which may be a secret, is only shown where it is one of a few choices.
    """
    wanted = spec["type"]
    if value is None or wanted == "raw":
        return []
    if not _fits(wanted, value):
        return [f"{name}: it is no {_NOUNS[wanted]} but {_noun_of(value)}; {_remedy(name, wanted)}."]
    if spec.get("choices") and str(value) not in spec["choices"]:
        return [f"{name}: it cannot be {str(value)[:80]!r}; give {_or(spec['choices'])}."]
    if wanted == "list" and spec.get("elements"):
        rows = enumerate(value)
        return [text for at, row in rows for text in _shape_problems(f"{name}[{at}]", {"type": spec["elements"]}, row)]
    if wanted == "dict" and spec.get("options"):
        return [text for key, item in value.items() for text in _member_problems(name, spec["options"], key, item)]
    return []


def _member_problems(name: str, options: dict[str, t.Any], key: str, value: t.Any) -> list[str]:
    if key in options:
        return _shape_problems(f"{name}.{key}", options[key], value)
    near = difflib.get_close_matches(key, options, n=1)
    return [f"{name}.{key}: there is no such option; give {near[0] if near else _or(sorted(options))}."]


def _fits(wanted: str, value: t.Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted in ("dict", "list"):
        return isinstance(value, dict if wanted == "dict" else list)
    if wanted == "bool":
        return str(value).lower() in _TRUTH
    if wanted == "float":
        return number or (isinstance(value, str) and value.replace(".", "", 1).isdigit())
    return number or isinstance(value, str)


def _noun_of(value: t.Any) -> str:
    if isinstance(value, dict):
        return "a dictionary"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "a boolean"
    return "a text" if isinstance(value, str) else "a number"


def _remedy(name: str, wanted: str) -> str:
    if name in _EXAMPLES:
        return f"write it as JSON, for example -e '{json.dumps({name: _EXAMPLES[name]})}'"
    return _REMEDIES[wanted]


def _or(words: t.Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


# ------------------------------------------------------------------------------------------------------- values


def _refusals(check: t.Callable[[Variables, str], t.Any], variables: Variables, name: str) -> list[str]:
    try:
        check(variables, name)
    except BadParameter as exc:
        return [str(exc)]
    return []


def _check_mapping(variables: Variables, name: str) -> None:
    """What a backup is, as the two steps that compare read it."""
    # Only who describes backups pays for it here, and so with what follows.
    from ansible_collections.sre.backup_sync.plugins.module_utils._gather._backups import backups_spec, mapping_of

    problems = _shape_problems(name, backups_spec(), variables[name])
    if problems:
        raise BadParameter(" ".join(problems))
    mapping_of(variables, name)


def _check_expected(variables: Variables, name: str) -> None:
    from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_rules import check_expectations

    try:
        check_expectations(variables[name])
    except BadParameter as exc:
        raise BadParameter(f"cluster_sync_{exc}") from exc


def _check_rule_files(variables: Variables, name: str) -> None:
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import RuleError, load_rules

    problems = []
    for path in variables[name]:
        try:
            load_rules(str(path))
        except RuleError as exc:
            problems.append(f"{name}: {exc}")
    if problems:
        raise BadParameter(" ".join(problems))


_CHECKS: dict[str, t.Callable[[Variables, str], t.Any]] = {
    "cluster_sync_namespace": namespace_parameter,
    "cluster_sync_source_namespace": namespace_parameter,
    "cluster_sync_label_selector": selector_parameter,
    "cluster_sync_job_name": object_name_parameter,
    "cluster_sync_configmap": object_name_parameter,
    "cluster_sync_source_backups": _check_mapping,
    "cluster_sync_recovery_points": _check_mapping,
    "cluster_sync_expected": _check_expected,
    "cluster_sync_rule_files": _check_rule_files,
}
