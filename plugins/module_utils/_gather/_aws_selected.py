# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Which resources should have been backed up by now, because a plan names them: pure.

A resource that was never backed up has no recovery point and no job, so that only the selections know of it. Of one that
is gone AWS Backup makes a failing backup job, so that silence means that the plan does not take it in.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import last_part, stamp
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_plans import type_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_rule_problems import Known

MOST = 1000  # it passes between tasks
# A rule's backup may start hours after its slot and take hours more, and only then is the copy job made that proves the
# run. What was selected a day before that job was selected before the slot.
_LONGEST_RUN_S = 86400.0

Json = t.Dict[str, t.Any]


def selected_resources(known: Known) -> list[Json]:
    """Resources that are named outright by plans whose rule for the pair has run since.

    Rows: resource_arn, resource, type, plan, rule, since (when it was selected), ran_at (when the rule was last seen to
    have run). Times are RFC 3339.
    """
    found: dict[str, Json] = {}
    for rule, dummy in known.copying():
        newest = known.made_by(rule).newest
        plan = next(plan for plan in known.here if plan.plan_id == rule.plan_id)
        for selection in plan.selections if newest else ():
            if selection.made is None or newest is None or newest.created - selection.made <= _LONGEST_RUN_S:
                continue
            for resource in selection.exact:
                kind = type_of(resource)
                if kind is not None and resource not in found and len(found) < MOST:
                    found[resource] = {
                        "resource_arn": resource,
                        "resource": last_part(resource),
                        "type": kind,
                        "plan": rule.plan,
                        "rule": rule.name,
                        "since": stamp(selection.made),
                        "ran_at": stamp(newest.created),
                    }
    return list(found.values())
