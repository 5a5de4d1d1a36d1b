# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Before the steps: what the identity may do in a cluster, asked of its API server."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._access import Need
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    BadParameter,
    ReadFailed,
    evidence,
    failed,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Params, Step

NAME = "access"


def gather(params: Params, clients: t.Any) -> Gathered:
    """Ask for each read whether it is allowed. Raises BadParameter."""
    asked = [_need(row, index) for index, row in enumerate(params["reads"])]
    cluster = clients.cluster
    query = {"cluster": str(cluster.host)}
    answers: dict[Need, bool] = {}
    try:
        for need in asked:
            one = need._replace(step="", side="")  # what several steps read is asked for once
            if one not in answers:
                answers[one] = cluster.may(
                    need.verb, need.resource, group=need.group, namespace=need.namespace, name=need.name
                )
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure, checks=[]))
    checks = [{**need._asdict(), "allowed": answers[need._replace(step="", side="")]} for need in asked]
    return Gathered(
        evidence(
            NAME,
            outcome="ok" if checks else "empty",
            query=query,
            observed_at=rfc3339(cluster.clock.now()),
            summary={"asked": len(checks), "missing": sum(not check["allowed"] for check in checks)},
            rows={"checks": (checks, len(checks))},
        )
    )


def _need(row: t.Mapping[str, t.Any], index: int) -> Need:
    for name in ("resource", "verb"):
        if not row.get(name):
            raise BadParameter(f"reads[{index}].{name}: it is empty; give it.")
    told: dict[str, t.Any] = {name: row.get(name) or "" for name in Need._fields}
    return Need(**{**told, "namespace": told["namespace"] or None, "optional": bool(told["optional"])})


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec=dict(
        connection_spec(),
        reads={
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {name: {"type": "bool" if name == "optional" else "str"} for name in Need._fields},
        },
    ),
)
