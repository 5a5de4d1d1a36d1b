# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The variables of a role, held against what they must be before anything is read."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, duration_parameter

# The durations of the cluster role: (variable, its name in the settings, what it may be at most in days).
_CLUSTER_DURATIONS = (
    ("cluster_sync_rpo", "rpo_s", 366),
    ("cluster_sync_expected_window", "expected_window_s", 366),
    ("cluster_sync_window", "window_s", 31),
)

# The dictionaries of the cluster role, with what each may look like.
_CLUSTER_DICTIONARIES = {
    "cluster_sync_source": '{"context": "eu-west"}',
    "cluster_sync_destination": '{"context": "eu-dr"}',
    "cluster_sync_prometheus": '{"prometheus_url": "https://prometheus.example.com"}',
}


def cluster_settings(variables: dict[str, t.Any]) -> dict[str, t.Any]:
    """{problems, settings}: one sentence for each variable that cannot be used, and the durations in seconds.

    An empty duration is one that was not given: it is None in the settings.
    """
    problems: list[str] = []
    settings: dict[str, t.Any] = {}
    if not str(variables.get("cluster_sync_namespace") or "").strip():
        problems.append(
            "cluster_sync_namespace: it is empty; name the namespace of the copy jobs, "
            "for example -e cluster_sync_namespace=backup."
        )
    for variable, setting, days in _CLUSTER_DURATIONS:
        given = {name: value for name, value in variables.items() if value not in ("", None)}
        try:
            settings[setting] = duration_parameter(given, variable, most=days * 86400.0)
        except BadParameter as exc:
            problems.append(str(exc))
    for variable in _CLUSTER_DICTIONARIES:
        if not isinstance(variables.get(variable) or {}, dict):
            problems.append(
                f"{variable}: it is no dictionary; write it as JSON, for example "
                f"""-e '{{"{variable}": {_CLUSTER_DICTIONARIES[variable]}}}'."""
            )
    name = variables.get("cluster_sync_name")
    if not isinstance(name or "", str):
        problems.append("cluster_sync_name: it is no text; give the pair a name, for example prod.")
    elif name and name in (variables.get("names_of_others") or []):
        problems.append(f"cluster_sync_name: two pairs of this run are called {name!r}; give each a name of its own.")
    files = variables.get("cluster_sync_rule_files") or []
    if isinstance(files, list):
        problems += _rule_problems([str(path) for path in files])
    else:
        problems.append("cluster_sync_rule_files: it is no list; give a list of paths.")
    return {"problems": problems, "settings": settings}


def _rule_problems(paths: list[str]) -> list[str]:
    """What is wrong with the user's rule files."""
    if not paths:
        return []
    # Only who brings rules pays for the engine here.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import RuleError, load_rules

    problems = []
    for path in paths:
        try:
            load_rules(path)
        except RuleError as exc:
            problems.append(f"cluster_sync_rule_files: {exc}")
    return problems
