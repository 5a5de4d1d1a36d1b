# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What a runbook step is, and the one way to run it, whoever calls: the module or the action plugin.

A step is data plus one pure gather function. It sees sources only through its clients, so that tests hand it fakes,
and knows nothing of Ansible, so that module and action plugin return equal results.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    UNANSWERED,
    BadParameter,
    Evidence,
    ReadFailed,
    plain,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._redaction import mask_all, use_key

Params = t.Dict[str, t.Any]


@dataclass
class Gathered:
    """What a gather function returns: the evidence, and the full rows that a later step takes as its parameter.

    `feed` never enters a report: it is as large as what was read, where evidence is bounded.
    """

    evidence: Evidence
    feed: dict[str, t.Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One step of a runbook."""

    name: str  # the evidence key
    gather: t.Callable[[Params, t.Any], Gathered]
    argument_spec: dict[str, t.Any]
    constraints: dict[str, t.Any] = field(default_factory=dict)  # required_if and friends, as AnsibleModule takes them

    def full_argument_spec(self) -> dict[str, t.Any]:
        """The step's own options and those that every step has."""
        return dict(
            self.argument_spec,
            on_error={"type": "str", "choices": ["fail", "report"], "default": "fail"},
            redaction_key={"type": "str", "no_log": True},
        )


# What is secret in a kubeconfig that was given as a dictionary; its names and addresses must stay readable.
_SECRET_KEYS = frozenset(
    {"token", "password", "client-key-data", "id-token", "refresh-token", "access-token", "client-secret"}
)


def kubeconfig_secrets(params: t.Any) -> set[str]:
    """The secret values inside inline kubeconfigs, at any depth of the parameters; to be masked in results."""
    found: set[str] = set()
    if isinstance(params, t.Mapping):
        for key, value in params.items():
            # exec plugins get their secrets in env: [{name, value}]
            secret = str(key) in _SECRET_KEYS or (str(key) == "value" and "name" in params)
            if secret and isinstance(value, str) and value:
                found.add(str(value))
            else:
                found |= kubeconfig_secrets(value)
    elif isinstance(params, (list, tuple)):
        for value in params:
            found |= kubeconfig_secrets(value)
    return found


class StepFailed(Exception):
    """The task must fail: `message` for the user, `result` for whoever registered it."""

    def __init__(self, message: str, result: dict[str, t.Any]) -> None:
        super().__init__(message)
        self.message = message
        self.result = result


def run_step(step: Step, params: Params, clients: t.Any) -> dict[str, t.Any]:
    """Run the step and return what the task returns: changed, evidence, feed (plain JSON types), warnings.

    Raises StepFailed for unusable parameters, and, with on_error=fail, for a source that did not answer.
    """
    params = plain(params)
    if params.get("redaction_key"):
        use_key(params["redaction_key"])
    try:
        gathered = step.gather(params, clients)
    except BadParameter as exc:
        raise StepFailed(str(exc), {}) from exc
    access = clients.access()
    if access:
        gathered.feed["access"] = access
    requests = clients.requests()
    if requests:
        gathered.evidence["requests"] = requests
        if requests["throttled"]:
            gathered.warnings.append(f"AWS asked to slow down {requests['throttled']} times; these calls were tried again.")
    result = json.loads(
        json.dumps({"changed": False, "evidence": mask_all(gathered.evidence), "feed": gathered.feed}, default=str)
    )
    if gathered.warnings:
        result["warnings"] = gathered.warnings
    if params.get("on_error") == "fail" and gathered.evidence["outcome"] in UNANSWERED:
        error = gathered.evidence.get("error") or {}
        message = error.get("message") or f"the step {step.name} ended with {gathered.evidence['outcome']}"
        if error.get("hint"):
            message = f"{message} {error['hint']}"
        raise StepFailed(message, result)
    return result


def guarded(read: t.Callable[[], t.Any]) -> tuple[t.Any, ReadFailed | None]:
    """The value, or the failure as a value, for a source that a step can do without."""
    try:
        return read(), None
    except ReadFailed as failure:
        return None, failure
