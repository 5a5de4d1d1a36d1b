# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The variables of the role sync_gate."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import absolute
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import folder_problem
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import clean
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.checked import RoleRules, Variables, checked

_LONGEST_AGE_DAYS = 366


def gate_settings(variables: Variables) -> dict[str, t.Any]:
    """See checked()."""
    return checked(RULES, variables)


def _check_age(variables: Variables, name: str) -> None:
    if variables.get(name) in (None, ""):
        raise BadParameter(f"{name}: it is empty; say how old the evidence may be, for example -e {name}=15m.")


def _check_from(variables: Variables, name: str) -> None:
    if not variables.get(name):
        raise BadParameter(f"{name}: it is empty; give play, cluster_sync, region_sync or sync_replay.")


def _check_resources(variables: Variables, name: str) -> None:
    if not all(clean(str(resource)) for resource in variables[name]):
        raise BadParameter(f"{name}: one of the names is empty; leave it out, or leave out {name} to ask for all resources.")


def _check_record(variables: Variables, name: str) -> None:
    path = str(variables[name])
    if not path.strip():
        return
    place = absolute(path) if "\0" not in path else ""
    problem = not place or folder_problem(name, os.path.dirname(place))
    if problem or (os.path.lexists(place) and not os.path.isfile(place)):
        raise BadParameter(f"{name}: no file can be written at {path!r}; give one in a folder that this user may write to.")


def _check_override(variables: Variables, name: str) -> None:
    """An override is somebody's, for a reason; what says no is neither, and what -e hands over is always a text."""
    other = _REASON if name == _BY else _BY
    given, beside = (clean(str(variables.get(key, ""))) for key in (name, other))
    if given.lower() in _NO:
        raise BadParameter(f"{name}: {given!r} says no; to leave the gate as it is, leave out both {_BY} and {_REASON}.")
    if beside and not given:
        wanted = "why the gate is overridden" if name == _REASON else "who overrides the gate"
        raise BadParameter(f"{name}: it is empty, and {other} is not; say {wanted} too, or leave out both.")


_BY, _REASON = "sync_gate_override_by", "sync_gate_override_reason"
_NO = frozenset({"no", "false", "off", "n", "f", "0", "none", "null"})

RULES = RoleRules(
    role="sync_gate",
    checks={
        "sync_gate_from": _check_from,
        "sync_gate_resources": _check_resources,
        "sync_gate_max_age": _check_age,
        "sync_gate_record": _check_record,
        _BY: _check_override,
        _REASON: _check_override,
    },
    required=("sync_gate_from", "sync_gate_max_age", _BY, _REASON),
    durations=(("sync_gate_max_age", "max_age_s", 1, _LONGEST_AGE_DAYS),),
    examples={"sync_gate_resources": ["ledger", "orders"]},
)
