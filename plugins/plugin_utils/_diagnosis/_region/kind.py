# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The pair of AWS Regions as a kind of target."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._aws_messages import check_own, region_causes
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import collect
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.contradictions import contradictions
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.doubts import STANDS_FOR
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.facts import derive
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.gaps import GAPS, SETTLE
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.proofs import proofs
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.twins import tell_apart
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Row, rows, step, text, usable
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Kind
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import REGION


def status(evidence: t.Any, facts: dict[str, t.Any]) -> str:
    """failing, lagging, healthy or inconclusive. Healthy must be proven by the recovery points of the destination."""
    if facts["failing"]:
        return "failing"
    if facts["affected"] or facts["readiness"]["verdict"] == "not_ready":
        return "lagging"
    sure = usable(evidence, "copy_jobs") and facts["found_jobs"] and usable(evidence, "recovery_points")
    verdicts = {text(row, "verdict") for row in rows(step(evidence, "recovery_points"), "resources")}
    if sure and verdicts and verdicts <= {"current"} and facts["readiness"]["verdict"] == "ready":
        return "healthy"
    return "inconclusive"


def names(target: t.Any, root: t.Any, facts: dict[str, t.Any], evidence: t.Any) -> dict[str, str | None]:
    """What the placeholders of next steps stand for; None where it is not known."""
    resource = (root.resources if root and root.resources else facts["affected"] or [None])[0]
    job = _row(evidence, (("copy_jobs", "jobs"), ("copy_jobs", "resources")), resource)
    about = _row(evidence, (("copy_jobs", "resources"), ("recovery_points", "resources")), resource)
    rule = next(iter(rows(step(evidence, "copy_rules"), "rules")), {})
    role = text(job, "role") or text(about, "role")
    point = _row(evidence, (("copy_job_detail", "source_points"),), resource)
    known = {name: text(target, name) for name in (*REGION.placeholders, *REGION.roles.values())}
    open_copy: Row = next(iter(facts["under_way"]), {})
    known.update(
        resource=resource,
        since=text(open_copy, "since"),
        look_again_at=text(open_copy, "look_again_at"),
        resource_arn=text(about, "resource_arn") or text(job, "resource_arn"),
        type=text(about, "type") or text(job, "type"),
        copy_job=text(job, "copy_job") or text(about, "copy_job"),
        source_point=text(job, "source_point") or text(point, "point"),
        plan_id=text(job, "plan_id") or text(rule, "plan_id"),
        rule=text(job, "rule") or text(rule, "rule"),
        role=role,
        role_name=role.rsplit("/", 1)[-1] if role else None,
        source_key=text(point, "key_arn") or _source_key(evidence),
        destination_key=text(step(evidence, "vaults"), "destination", "key", "arn"),
    )
    return known


def _source_key(evidence: t.Any) -> str | None:
    """A key of source points, where that of the resource's own was not asked for."""
    found = (text(row, "arn") for row in rows(step(evidence, "keys"), "kms_keys") if text(row, "side") == "source")
    return next(found, None)


def _row(evidence: t.Any, places: tuple[tuple[str, str], ...], resource: str | None) -> Row:
    """The first row of the resource, in the order of the places."""
    for name, listed in places:
        for row in rows(step(evidence, name), listed):
            if resource and text(row, "resource") == resource:
                return row
    return {}


KIND = Kind(
    words=REGION,
    telling=("copy_jobs",),
    causes=region_causes,
    collect=collect,
    check_signatures=check_own,
    derive=derive,
    status=status,
    proofs=proofs,
    names=names,
    contradictions=contradictions,
    gaps=GAPS,
    settle=SETTLE,
    settle_without_cause="Read in CloudTrail of both Regions what AWS Backup called for the copy, and open a support "
    "case with the id of the copy job.",
    stands_for=STANDS_FOR,
    prepare=tell_apart,
)
