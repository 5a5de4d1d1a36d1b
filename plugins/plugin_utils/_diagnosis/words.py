# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The words of each runbook: its steps, the way of a backup, its classes of failure, the names that commands hold."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

CATALOGUE = os.path.join(os.path.dirname(__file__), "catalogue")


@dataclass(frozen=True)
class Words:
    """What the catalogues and rules of a kind of target may say.

    steps: in the runbook's order; a bundle that lacks one has a gap there.
    chain: the way from source backup to ready recovery point.
    runbook_classes: the classes that a cause may have.
    placeholders: names that next steps may hold in braces.
    flags: {placeholder: its flag}; a placeholder that is not known takes its flag of the command with it.
    before: {placeholder: (flag, name)}; what stands before that flag where the target has such a name.
    roles: {placeholder: name} of the role that was assumed for that side, which no flag of the command can say.
    """

    kind: str
    steps: tuple[str, ...]
    chain: tuple[str, ...]
    runbook_classes: frozenset[str]
    placeholders: tuple[str, ...]
    flags: t.Mapping[str, str] = field(default_factory=dict)
    before: t.Mapping[str, tuple[str, str]] = field(default_factory=dict)
    roles: t.Mapping[str, str] = field(default_factory=dict)


CLUSTER = Words(
    kind="cluster",
    steps=(
        "jobs",
        "events",
        "job_detail",
        "logs",
        "metrics",
        "copy_lag",
        "replication_rules",
        "recovery_points",
    ),
    chain=(
        "source_backup",
        "snapshot",
        "mover_scheduled",
        "mover_ran",
        "transfer",
        "store",
        "destination_metadata",
        "point_ready",
    ),
    runbook_classes=frozenset(
        {
            "network connectivity",
            "permissions",
            "storage capacity",
            "source backup issues",
            "schedule",
            "configuration",
            "performance or capacity",
            "platform",
            "symptom",
        }
    ),
    placeholders=(
        "namespace",
        "job",
        "pod",
        "resource",
        "configmap",
        "destination",
        "source",
        "destination_context",
        "source_context",
    ),
    flags={"source_context": "--context", "destination_context": "--context"},
    before={
        "source_context": ("--kubeconfig", "source_kubeconfig"),
        "destination_context": ("--kubeconfig", "destination_kubeconfig"),
    },
)

REGION = Words(
    kind="region",
    steps=(
        "vaults",
        "copy_jobs",
        "copy_job_detail",
        "logs",
        "metrics",
        "copy_lag",
        "copy_rules",
        "recovery_points",
        "keys",
        "health",
    ),
    chain=(
        "source_backup",
        "source_point",
        "copy_rule",
        "copy_job",
        "authorization",
        "encryption",
        "transfer",
        "destination_vault",
        "point_ready",
    ),
    runbook_classes=frozenset(
        {
            "permissions",
            "vault or replication rule",
            "network",
            "encryption",
            "capacity or quota",
            "source backup issues",
            "configuration",
            "AWS service",
            "performance or capacity",
            "symptom",
        }
    ),
    placeholders=(
        "source",
        "destination",
        "vault",
        "destination_vault",
        "source_account",
        "destination_account",
        "source_profile",
        "destination_profile",
        "resource",
        "resource_arn",
        "type",
        "copy_job",
        "source_point",
        "plan_id",
        "rule",
        "role",
        "role_name",
        "source_key",
        "destination_key",
        "since",
        "look_again_at",
    ),
    flags={"source_profile": "--profile", "destination_profile": "--profile"},
    roles={"source_profile": "source_role", "destination_profile": "destination_role"},
)

WORDS = {words.kind: words for words in (CLUSTER, REGION)}
