# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The variables of the role region_sync."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.aws import region_problem
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import copy_job_id, vault_name
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.checked import (
    RoleRules,
    Variables,
    check_rule_files,
    checked,
)

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+")


def region_settings(variables: Variables) -> dict[str, t.Any]:
    """See checked(); the settings also hold the threshold of the success rate."""
    found = checked(RULES, variables)
    found["settings"]["success_threshold"] = _number(variables.get("region_sync_success_threshold"))
    return found


def _check_vault(variables: Variables, name: str) -> None:
    if not str(variables.get(name) or ""):
        raise BadParameter(f"{name}: it is empty; name the backup vault, for example -e {name}=backup.")
    vault_name(variables, name)


def _check_region(variables: Variables, name: str) -> None:
    given = str(variables.get(name) or "")
    if not given:
        raise BadParameter(f"{name}: it is empty; name the Region, for example -e {name}=eu-west-1.")
    if not _REGION.fullmatch(given):
        raise BadParameter(f"{name}: {given[:80]!r} is no name of a Region; write it like eu-west-1.")
    problem = region_problem(given)
    if problem:
        raise BadParameter(f"{name}: {problem}")


def _check_two_sides(variables: Variables, name: str) -> None:
    """Also that the two sides are two: the same name in one Region is the same vault, unless the accounts differ."""
    _check_region(variables, name)
    names = [variables.get("region_sync_vault_name"), variables.get("region_sync_destination_vault_name")]
    same_name = names[1] is None or names[0] == names[1]
    elsewhere = variables.get("region_sync_destination") or {}
    if same_name and variables.get("region_sync_source_region") == variables[name] and not elsewhere:
        raise BadParameter(
            f"{name}: it is also the source's Region, and both vaults are called {names[0]}, so they are one; "
            "give another Region, region_sync_destination_vault_name, or another account in region_sync_destination."
        )


def _check_connection(variables: Variables, name: str) -> None:
    options = variables[name]
    role = options.get("role_arn")
    if role and not _ROLE.fullmatch(str(role)):
        raise BadParameter(f"{name}.role_arn: {str(role)[:120]!r} is no ARN of a role, arn:aws:iam::ACCOUNT:role/NAME.")
    if options.get("profile") and (options.get("access_key") or options.get("secret_key")):
        raise BadParameter(f"{name}.profile: give either a profile or access_key and secret_key, not both.")
    if bool(options.get("access_key")) != bool(options.get("secret_key")):
        raise BadParameter(f"{name}.access_key: access_key and secret_key belong together, give both.")


def _check_threshold(variables: Variables, name: str) -> None:
    number = _number(variables[name])
    if number is None or not 0 < number <= 1:
        raise BadParameter(f"{name}: {variables[name]} is no share; give a number above 0 and up to 1, as 0.95.")


def _number(value: t.Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


RULES = RoleRules(
    role="region_sync",
    required=("region_sync_vault_name", "region_sync_source_region", "region_sync_destination_region"),
    durations=(
        ("region_sync_rpo", "rpo_s", 60, 366),
        ("region_sync_expected_window", "expected_window_s", 60, 366),
        ("region_sync_window", "window_s", 600, 30),  # AWS keeps copy jobs for 30 days
        ("region_sync_look_back", "look_back_s", 86400, 30),
    ),
    defaults_to={"region_sync_name": "region_sync_vault_name"},
    examples={
        "region_sync_source": {"profile": "backup-source"},
        "region_sync_destination": {"role_arn": "arn:aws:iam::444455556666:role/backup-sync-reader"},
        "region_sync_log_groups": ["/aws/events/backup"],
        "region_sync_step_options": {"logs": {"max_pages": 10}},
        "region_sync_rule_files": ["own_rules.yml"],
    },
    checks={
        "region_sync_vault_name": _check_vault,
        "region_sync_destination_vault_name": _check_vault,
        "region_sync_source_region": _check_region,
        "region_sync_destination_region": _check_two_sides,
        "region_sync_source": _check_connection,
        "region_sync_destination": _check_connection,
        "region_sync_copy_job_id": copy_job_id,
        "region_sync_success_threshold": _check_threshold,
        "region_sync_rule_files": check_rule_files,
    },
)
