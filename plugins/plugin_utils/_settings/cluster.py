# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The variables of the role cluster_sync."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import (
    check_address,
    connection_spec,
    timeout_of,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.prometheus_options import (
    PROMETHEUS_CONSTRAINTS,
    base_url,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    namespace_parameter,
    object_name_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._selectors import selector_parameter
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.checked import (
    RoleRules,
    Variables,
    check_rule_files,
    checked,
    shape_problems,
)


def cluster_settings(variables: Variables) -> dict[str, t.Any]:
    """See checked()."""
    return checked(RULES, variables)


def _check_connection(variables: Variables, name: str) -> None:
    options = variables[name]
    try:
        timeout_of(options)
        if options.get("host"):
            check_address(str(options["host"]))
    except BadParameter as exc:
        raise BadParameter(f"{name}.{exc}") from exc


def _check_prometheus(variables: Variables, name: str) -> None:
    options = {option for option, value in variables[name].items() if value}
    for pair in PROMETHEUS_CONSTRAINTS["mutually_exclusive"]:
        if options >= set(pair):
            raise BadParameter(f"{name}.{pair[0]}: it excludes {pair[1]}; give one of them.")
    for one, other in PROMETHEUS_CONSTRAINTS["required_together"]:
        if len(options & {one, other}) == 1:
            raise BadParameter(f"{name}.{one}: {one} and {other} belong together; give both.")
    for option, needed in PROMETHEUS_CONSTRAINTS["required_by"].items():
        if option in options and not options >= set(needed):
            raise BadParameter(f"{name}.{option}: it needs {' and '.join(needed)}; give both.")
    _check_connection(variables, name)
    if "prometheus_url" in options:
        try:
            base_url(str(variables[name]["prometheus_url"]))
        except BadParameter as exc:
            raise BadParameter(f"{name}.{exc}") from exc


def _check_mapping(variables: Variables, name: str) -> None:
    """What a backup is, as the two steps that compare read it."""
    # Only who describes backups pays for it here, and so with what follows.
    from ansible_collections.sre.backup_sync.plugins.module_utils._gather._backups import backups_spec, mapping_of

    problems = shape_problems(name, backups_spec(), variables[name], {})
    if problems:
        raise BadParameter(" ".join(problems))
    mapping_of(variables, name)


def _check_expected(variables: Variables, name: str) -> None:
    from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_rules import check_expectations

    try:
        check_expectations(variables[name])
    except BadParameter as exc:
        raise BadParameter(f"cluster_sync_{exc}") from exc


RULES = RoleRules(
    role="cluster_sync",
    required=("cluster_sync_namespace",),
    durations=(
        ("cluster_sync_rpo", "rpo_s", 1, 366),
        ("cluster_sync_expected_window", "expected_window_s", 1, 366),
        ("cluster_sync_window", "window_s", 600, 31),  # what the metrics of the window need
    ),
    defaults_to={
        "cluster_sync_name": "cluster_sync_namespace",
        "cluster_sync_source_namespace": "cluster_sync_namespace",
    },
    aliases={alias: option for option, spec in connection_spec().items() for alias in spec.get("aliases", ())},
    examples={
        "cluster_sync_source": {"context": "eu-west"},
        "cluster_sync_destination": {"context": "eu-dr"},
        "cluster_sync_prometheus": {"prometheus_url": "https://prometheus.example.com"},
        "cluster_sync_source_backups": {"kind": "job"},
        "cluster_sync_recovery_points": {"kind": "volumesnapshot"},
        "cluster_sync_expected": {"retention.days": 30},
        "cluster_sync_step_options": {"logs": {"tail_lines": 1000}},
        "cluster_sync_required_keys": ["schedule", "retention"],
        "cluster_sync_rule_files": ["own_rules.yml"],
    },
    checks={
        "cluster_sync_source": _check_connection,
        "cluster_sync_destination": _check_connection,
        "cluster_sync_prometheus": _check_prometheus,
        "cluster_sync_namespace": namespace_parameter,
        "cluster_sync_source_namespace": namespace_parameter,
        "cluster_sync_label_selector": selector_parameter,
        "cluster_sync_job_name": object_name_parameter,
        "cluster_sync_configmap": object_name_parameter,
        "cluster_sync_source_backups": _check_mapping,
        "cluster_sync_recovery_points": _check_mapping,
        "cluster_sync_expected": _check_expected,
        "cluster_sync_rule_files": check_rule_files,
    },
)
