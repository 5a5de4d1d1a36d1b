# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The pair of AWS Regions as a kind of target."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._aws_messages import check_own, region_causes
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import collect
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.doubts import STANDS_FOR
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.facts import derive
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.gaps import (
    GAPS,
    SETTLE,
    contradictions,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.twins import tell_apart
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
    usable,
    value,
)
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


def proven_until(evidence: t.Any, facts: dict[str, t.Any]) -> int:
    """The last hop that the evidence proves for the affected resources; -1 when none. Each needs the one before it."""
    reached = -1
    for hop, proven in (
        ("source_backup", not facts["upstream_troubled"] and _has_points(evidence)),
        ("source_point", _points_available(evidence, facts)),
        ("copy_rule", _copying(evidence, facts)),
        ("copy_job", bool(facts["found_jobs"]) and usable(evidence, "copy_jobs") and not facts["uncopied"]),
        ("authorization", _authorized(evidence)),
        ("encryption", _keys_open(evidence, facts)),
    ):
        if not proven:
            break
        reached = REGION.chain.index(hop)
    return reached


def _has_points(evidence: t.Any) -> bool:
    newest = value(step(evidence, "copy_lag"), "source_health", "newest_at")
    points = figure(step(evidence, "recovery_points"), "summary", "source_points")
    return bool((usable(evidence, "copy_lag") and newest) or (usable(evidence, "recovery_points") and points))


def _points_available(evidence: t.Any, facts: dict[str, t.Any]) -> bool:
    """Of the failing copies by their own source points; where none fails, what is in the source vault will do."""
    found = rows(step(evidence, "copy_job_detail"), "source_points")
    about = [row for row in found if text(row, "resource") in facts["failing"]]
    if not facts["failing"]:
        return _has_points(evidence)
    return bool(about) and all(row.get("available") is True for row in about)


def _copying(evidence: t.Any, facts: dict[str, t.Any]) -> bool:
    """A rule copies to the destination; a copy job that was started shows it as well, with a rule or without one."""
    copying = usable(evidence, "copy_rules") and figure(step(evidence, "copy_rules"), "summary", "copying")
    return bool(copying or (facts["failing"] and not facts["uncopied"]))


def _authorized(evidence: t.Any) -> bool:
    vaults, rules = step(evidence, "vaults"), step(evidence, "copy_rules")
    verdict = value(vaults, "destination", "policy", "copy_into", "verdict")
    within = value(vaults, "summary", "needs_policy") is False and verdict in ("allowed", "not_mentioned")
    roles = rows(rules, "roles")
    told = [actions for row in roles if isinstance(actions := row.get("actions"), dict)]
    return (
        usable(evidence, "vaults")
        and (verdict == "allowed" or within)
        and bool(told)
        and all(row.get("trusts_backup") is True for row in roles)
        and all(verdict == "allowed" for actions in told for verdict in actions.values())
    )


def _keys_open(evidence: t.Any, facts: dict[str, t.Any]) -> bool:
    keys = rows(step(evidence, "keys"), "keys")
    return (
        usable(evidence, "keys")
        and bool(keys)
        and not facts["keys_refusing"]
        and not facts["keys_in_doubt"]
        and all(row.get("enabled") is True and text(row, "policy", "outcome") == "ok" for row in keys)
    )


def names(target: t.Any, root: t.Any, facts: dict[str, t.Any], evidence: t.Any) -> dict[str, str | None]:
    """What the placeholders of next steps stand for; None where it is not known."""
    resource = (root.resources if root and root.resources else facts["affected"] or [None])[0]
    job = _row(evidence, (("copy_jobs", "jobs"), ("copy_jobs", "resources")), resource)
    about = _row(evidence, (("copy_jobs", "resources"), ("recovery_points", "resources")), resource)
    rule = next(iter(rows(step(evidence, "copy_rules"), "rules")), {})
    role = text(job, "role") or text(about, "role")
    point = _row(evidence, (("copy_job_detail", "source_points"),), resource)
    known = {name: text(target, name) for name in REGION.placeholders}
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
    found = (text(row, "arn") for row in rows(step(evidence, "keys"), "keys") if text(row, "side") == "source")
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
    proven_until=proven_until,
    names=names,
    contradictions=contradictions,
    gaps=GAPS,
    settle=SETTLE,
    settle_without_cause="Read in CloudTrail of both Regions what AWS Backup called for the copy, and open a support "
    "case with the id of the copy job.",
    stands_for=STANDS_FOR,
    prepare=tell_apart,
)
