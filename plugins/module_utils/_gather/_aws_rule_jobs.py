# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the copy jobs tell of the rules that made them: counted in one pass, so that no list of them is kept."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws import arn
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import BAD, ENDED, CopyJobRow

Key = t.Tuple[str, str]  # id of the plan, name of the rule

_CLUSTER = "cluster:"  # of RDS itself: Aurora and its kin have types of their own


@dataclass
class OfRule:
    """The jobs of one rule."""

    jobs: int = 0
    newest: CopyJobRow | None = None
    newest_bad: CopyJobRow | None = None
    types: set[str] = field(default_factory=set)
    resources: dict[str, str] = field(default_factory=dict)  # ARN: name
    versions: set[str] = field(default_factory=set)  # of the plan

    def add(self, row: CopyJobRow) -> None:
        """Count a job; rows come newest first."""
        self.jobs += 1
        self.newest = self.newest or row
        if row.state in BAD:
            self.newest_bad = self.newest_bad or row
        self.types.add(row.type)
        self.resources[row.resource_arn] = row.resource
        if row.origin.plan_version:
            self.versions.add(row.origin.plan_version)


class JobFacts:
    """All copy jobs of the pair in the look-back."""

    def __init__(self, rows: t.Iterable[CopyJobRow]) -> None:
        """rows: newest first."""
        self.total = 0
        self.on_demand = 0
        self.by_rule: dict[Key, OfRule] = {}
        self.bad_by_role: Counter[str] = Counter()
        self.types_by_role: dict[str, set[str]] = {}
        self.types: set[str] = set()
        self.copied: set[str] = set()  # types of which a copy arrived
        self.failing: set[str] = set()  # types whose newest ended job did not end well
        self.clusters: dict[str, str] = {}  # Multi-AZ clusters of RDS: ARN: name
        ended: set[str] = set()
        for row in rows:
            self._add(row, ended)

    def _add(self, row: CopyJobRow, ended: set[str]) -> None:
        self.total += 1
        self.types.add(row.type)
        origin = row.origin
        if origin.plan_id is None:
            self.on_demand += 1
        else:
            key = (origin.plan_id, origin.rule or origin.rule_id or "")
            self.by_rule.setdefault(key, OfRule()).add(row)
        if origin.role:
            self.types_by_role.setdefault(origin.role, set()).add(row.type)
            self.bad_by_role[origin.role] += row.state in BAD
        if row.state in ENDED and row.type not in ended:
            ended.add(row.type)
            if row.state in BAD:
                self.failing.add(row.type)
        if row.state == "COMPLETED":
            self.copied.add(row.type)
        if row.type == "RDS" and row.resource_arn not in self.clusters:
            parts = arn(row.resource_arn)
            if parts and parts.resource.startswith(_CLUSTER):
                self.clusters[row.resource_arn] = row.resource

    @property
    def on_demand_only(self) -> bool:
        """There are jobs, and no plan is behind any."""
        return bool(self.total) and self.on_demand == self.total

    def of_plan(self, plan_id: str) -> dict[str, OfRule]:
        """{name of a rule: its jobs}."""
        return {rule: made for (plan, rule), made in self.by_rule.items() if plan == plan_id}

    def roles(self) -> list[str]:
        """Roles of jobs that ended badly, those of the most first."""
        return [role for role, bad in self.bad_by_role.most_common() if bad]
