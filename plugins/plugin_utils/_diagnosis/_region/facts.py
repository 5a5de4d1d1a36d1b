# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Facts derived from the evidence of a region pair, so that rules stay one-line conditions."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Cause
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.atoms import (
    BAD_STATES,
    failed_in_logs,
    is_failing,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.blame import (
    blamed,
    health,
    key_faults,
    left_out,
    perhaps_refused_by,
    region_off,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.doubts import (
    STANDS_FOR,
    doubts,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.pattern import pattern
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.spread import scope, success_rate
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.trouble import (
    backed_up_since,
    behind as behind_source,
    copies_in_place,
    destination_key,
    lost,
    moot,
    no_job,
    outlived,
    under_way,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.apart import with_apart
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    outcome,
    rows,
    step,
    text,
    usable,
    value,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.facts import (
    cause_table,
    grouped,
    named,
    readiness,
    telling_causes,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import REGION

_BEHIND = frozenset({"lagging", "missing", "not_ready"})
_LATE = frozenset({"late", "overdue"})
# Defects by which no copy is started: none fails for them.
_NOT_STARTED = frozenset({"no_copy_action", "copies_elsewhere", "opted_out", "overlapping_rule"})
_NO_COPY_HERE = frozenset({"no_copy_action", "copies_elsewhere"})
_MOST_NAMES = 10  # that a problem lists; beyond, its types say what else it is about
_TYPED = (
    ("copy_jobs", "resources"),
    ("copy_jobs", "jobs"),
    ("copy_jobs", "upstream"),
    ("recovery_points", "resources"),
    ("copy_lag", "resources"),
    ("copy_lag", "source_problems"),
)
_MISSING = frozenset({"missing"})
_NEVER = frozenset({"never"})
_BY_DESIGN = frozenset({"expired_by_design"})
_NO_WAY = frozenset({"unreachable", "timeout"})


def derive(
    evidence: t.Any, atoms: list[Atom], causes: t.Mapping[str, Cause], settings: dict[str, t.Any]
) -> dict[str, t.Any]:
    """The `facts` that rules see.

    failing     resources whose newest copy job that ended failed, or came over in part
    behind      resources whose newest source point has no usable copy
    late        resources whose copy missed its window
    upstream_troubled  resources whose newest backup in the source came to no good end
    exposed     resources that would lose more than the RPO allows, though nothing is known to be behind
    lost        {cause: [resources]} whose copies, though none fails, cannot be restored: no vault, or no key to it
    trouble     what a root cause has to explain: all affected, without those that are merely late, or lost, where there
                are others
    outlived    {cause: [failing resources]} whom another's copy shows that it is not that cause
    under_way   copies that are being made of what is behind
    copies_in_place    nothing is wrong with the copies, whatever is wrong with the backups
    stuck, waiting     resources whose copy job waits: beyond AWS's own retries, or for another job of the resource
    rules_mended    changes of a rule since the failing job that did not take its copy action away
    uncopied    resources of whose newest source points no copy job was ever started
    backups_missing  resources that were not backed up when they should have been, for longer than the RPO allows
    left_out    those of them whose rule and type are in order, while others of the plan are backed up
    never_backed_up  resources that a plan names, and of which the source has no backup
    expired     resources of whose newest source point the copy is over by its lifecycle
    region_off  {region, code}: the destination Region is not enabled for the account
    arrived_not  resources whose newest copy job is COMPLETED, and whose point is not there
    causes      {cause: what speaks for it}, of failing copies and of troubled backups
    may_be      {cause: [resources]} whose messages name the cause, or words that can mean it
    groups      {runbook class: [resources]}
    kinds       {network|data|neither: [causes]}
    of_problem  {kind of a problem of the configuration: [affected resources] that it can account for}
    blamed      {kind of a problem: [resources]} that it concerns, and whose messages can mean it
    keys        {cause: {keys, resources}} of keys that are not as a copy needs them
    keys_in_doubt  keys whose grants could not be read, and whose policy leaves out somebody who needs them
    keys_refusing  keys that do not let in who needs them: {arn, side, state, principals, statement, place}
    health      {events, resources, others}: issues that go on and can be behind a copy's trouble, and the rest
    full_copies  resources whose copy is slow because it is a full one
    slow_late   late resources that do not fail and are not full copies
    unreachable, refused   steps that did not get through to AWS, or were not allowed to read
    scope, pattern, readiness, success_rate
    """
    jobs = step(evidence, "copy_jobs")
    failing = _names(row for row in rows(jobs, "resources") if is_failing(row))
    behind = behind_source(evidence)
    late = named(step(evidence, "copy_lag"), "resources", _LATE)
    troubled = upstream_troubled(evidence)
    stuck = _names(row for row in rows(jobs, "jobs") if row.get("stuck") is True)
    ready = dr_readiness(evidence, settings)
    short = sorted(str(row["resource"]) for row in ready["resources"] if row["verdict"] == "not_ready")
    gone = lost(evidence, failing)
    trouble = {*failing, *behind, *troubled, *stuck, *short} or set().union(*gone.values(), late)
    affected = sorted(trouble.union(late, *gone.values()))
    explained = failing if usable(evidence, "copy_jobs") else sorted(set(failed_in_logs(evidence)) & set(behind))
    table = _table(atoms, explained, troubled, causes, evidence)
    own, meant, types = telling_causes(table, causes), may_be(table), _types_and_roles(evidence)[0]
    keys, problems = key_faults(evidence, meant, types), of_problem(evidence, affected, failing)
    problems_of_source = named(step(evidence, "copy_lag"), "source_problems", _MISSING, "state")
    missing = [name for name in problems_of_source if name in short]
    rate, full = success_rate(evidence), full_copies(evidence)
    facts = {
        "failing": failing,
        "behind": behind,
        "late": late,
        "upstream_troubled": troubled,
        "exposed": sorted(set(short) - set(behind)),
        "stuck": stuck,
        "waiting": _names(
            row for row in rows(jobs, "jobs") if text(row, "state") == "CREATED" and row.get("sibling_running") is True
        ),
        "affected": affected,
        "trouble": sorted(trouble),
        "lost": gone,
        "outlived": outlived(evidence, table),
        "under_way": under_way(evidence, affected, failing),
        "rules_mended": rules_mended(evidence),
        "uncopied": uncopied(evidence),
        "backups_missing": missing,
        "left_out": left_out(evidence, missing, types),
        "never_backed_up": never_backed_up(evidence),
        "expired": [
            name for name in behind if name in named(step(evidence, "recovery_points"), "resources", _BY_DESIGN, "why")
        ],
        "region_off": region_off(evidence),
        "arrived_not": arrived_not(evidence, failing),
        "found_jobs": not usable(evidence, "copy_jobs") or bool(figure(jobs, "summary", "jobs")),
        "causes": table,
        "named_causes": sorted(own),
        "symptoms": sorted(name for name in table if causes[name].symptom),
        "may_be": meant,
        **grouped(own, causes),
        "of_problem": problems,
        "blamed": blamed(meant, problems),
        "keys": keys,
        "keys_refusing": (keys.get("kms_key_policy") or {}).get("keys") or [],
        "keys_in_doubt": [
            text(row, "arn") for row in rows(step(evidence, "keys"), "kms_keys") if perhaps_refused_by(row)
        ],
        "health": health(evidence, meant, stuck, types),
        "full_copies": full,
        "slow_late": sorted(set(late) - set(failing) - set(full)),
        "unreachable": [name for name in REGION.steps if _NO_WAY & _outcomes(evidence, name)],
        "refused": [
            name for name in REGION.steps if "forbidden" in _outcomes(evidence, name) and not moot(name, evidence)
        ],
        "success_rate": rate,
        "scope": with_apart(
            scope(
                evidence,
                sorted(trouble.union(late)),
                rate,
                {**own, **_as_told(gone, trouble)},
                settings["thresholds"]["least_runs"],
            ),
            evidence,
            "copy_jobs",
            failing,
            settings,
        ),
        "pattern": pattern(evidence, settings),
        "readiness": ready,
    }
    return {**facts, "copies_in_place": copies_in_place(evidence, facts)}


def _names(found: t.Iterable[Row]) -> list[str]:
    return sorted({name for row in found if (name := text(row, "resource"))})


def _outcomes(evidence: t.Any, name: str) -> set[str | None]:
    denied = {text(row, "outcome") for row in rows(step(evidence, name), "denied")}
    return {outcome(evidence, name), *denied}


def upstream_troubled(evidence: t.Any) -> list[str]:
    """Resources whose newest backup came to no good end, or that have no recent one.

    Not those that a plan names and that were never backed up: they may be meant for another vault.
    """
    jobs = [row for row in rows(step(evidence, "copy_jobs"), "upstream") if row.get("latest") is True]
    problems = [row for row in rows(step(evidence, "copy_lag"), "source_problems") if text(row, "state") != "never"]
    return _names([*jobs, *problems])


def telling_jobs(evidence: t.Any) -> dict[str, set[str]]:
    """{resource: its newest job and its newest bad one}: only what these say is about now."""
    jobs = step(evidence, "copy_jobs")
    found: dict[str, set[str]] = {}
    bad: dict[str, tuple[str, str]] = {}
    for row in rows(jobs, "resources"):
        resource, job = text(row, "resource"), text(row, "copy_job")
        if resource and job:
            found.setdefault(resource, set()).add(job)
    for row in rows(jobs, "jobs"):
        resource, job, at = text(row, "resource"), text(row, "copy_job"), text(row, "created_at") or ""
        if resource and job and text(row, "state") in BAD_STATES and not row.get("composite"):
            bad[resource] = max(bad.get(resource, ("", "")), (at, job))
    for resource, (dummy, job) in bad.items():
        found.setdefault(resource, set()).add(job)
    return found


def _table(
    atoms: list[Atom], failing: list[str], troubled: list[str], causes: t.Mapping[str, Cause], evidence: t.Any
) -> dict[str, dict[str, t.Any]]:
    """What speaks for each cause: copies explain failing copies, backups explain that there was nothing to copy."""
    of_copies = [atom for atom in atoms if atom.recorder != "upstream"]
    of_backups = [atom for atom in atoms if atom.recorder == "upstream" and atom.resource]
    table = cause_table(of_copies, set(failing), causes, telling_jobs(evidence))
    for name, entry in cause_table(of_backups, set(troubled), causes).items():
        if name not in table:
            table[name] = entry
    for name, doubt in doubts(evidence, _types_and_roles(evidence)[0]).items():
        if name in table:
            table[name].update(sure=False, confirm_by=doubt)
    return table


def may_be(table: t.Mapping[str, dict[str, t.Any]]) -> dict[str, list[str]]:
    """{cause: [resources]} whose messages name it, or can mean it: the configuration then decides."""
    found: dict[str, set[str]] = {}
    for name, entry in table.items():
        if entry["weight"] <= 0.2:
            continue
        for cause in {name, *STANDS_FOR.get(name, ()), *(entry.get("alternatives") or ())}:
            found.setdefault(cause, set()).update(entry["resources"])
    return {cause: sorted(resources) for cause, resources in sorted(found.items())}


def of_problem(evidence: t.Any, affected: list[str], failing: list[str]) -> dict[str, list[str]]:
    """{kind: [affected resources]} that the problems of plans, rules and roles can account for.

    A problem names resources, or types, or a role; one that names nothing is about all. What a rule does not copy
    cannot account for a copy that was started and failed, unless it was the last that was started; nor can a type that
    is switched off for backups that AWS has tried to make.
    """
    types, roles = _types_and_roles(evidence)
    started, tried = set(failing) - set(no_job(evidence)), backed_up_since(evidence)
    found: dict[str, set[str]] = {}
    for row in rows(step(evidence, "copy_rules"), "problems"):
        kind = text(row, "kind") or ""
        for name in affected:
            if kind in _NOT_STARTED and name in started:
                continue
            if kind == "opted_out" and text(row, "side") == "source" and name in tried:
                continue
            if _about(row, name, types, roles):
                found.setdefault(kind, set()).add(name)
    return {kind: sorted(names) for kind, names in sorted(found.items())}


def _as_told(gone: t.Mapping[str, list[str]], trouble: set[str]) -> dict[str, dict[str, t.Any]]:
    """What has no message, in the form of what messages say, where it is what all of them have in common."""
    return {cause: {"resources": names} for cause, names in gone.items() if names and set(names) <= trouble}


def rules_mended(evidence: t.Any) -> list[Row]:
    """Rules that are not what they were when the failing job was made, and that copy here still."""
    problems = rows(step(evidence, "copy_rules"), "problems")
    copy_no_more = {
        (text(row, "plan"), text(row, "rule")) for row in problems if text(row, "kind") in _NO_COPY_HERE
    }
    return [
        row
        for row in problems
        if text(row, "kind") == "rule_changed" and (text(row, "plan"), text(row, "rule")) not in copy_no_more
    ]


def _about(problem: Row, name: str, types: t.Mapping[str, str], roles: t.Mapping[str, str]) -> bool:
    """Whether a problem is about a resource: by its role, and by its name or else its type."""
    role, listed, of_types = text(problem, "role"), _strings(problem, "resources"), _strings(problem, "types")
    if role and roles.get(name) != role:
        return False
    if listed and len(listed) < _MOST_NAMES:
        return name in listed
    return name in listed or not of_types or types.get(name) in of_types


def _strings(row: Row, name: str) -> set[str]:
    found = row.get(name)
    return {item for item in found if isinstance(item, str)} if isinstance(found, list) else set()


def _types_and_roles(evidence: t.Any) -> tuple[dict[str, str], dict[str, str]]:
    """{resource: type} and {resource: name of the role that copies it}."""
    types: dict[str, str] = {}
    roles: dict[str, str] = {}
    for name, listed in _TYPED:
        for row in rows(step(evidence, name), listed):
            resource, type_, role = text(row, "resource"), text(row, "type"), text(row, "role")
            if resource and type_:
                types.setdefault(resource, type_)
            if resource and role:
                roles.setdefault(resource, role.rsplit("/", 1)[-1])
    return types, roles


def uncopied(evidence: t.Any) -> list[str]:
    """Resources of whose newest source point no copy job was ever started, though there was time."""
    points = rows(step(evidence, "recovery_points"), "resources")
    lag = rows(step(evidence, "copy_lag"), "resources")
    return _names(
        [
            *(row for row in points if text(row, "why") == "never_started"),
            *(row for row in lag if text(row, "why") == "not_started" and text(row, "verdict") in _LATE),
        ]
    )


def arrived_not(evidence: t.Any, failing: list[str]) -> list[str]:
    """Resources whose newest copy job is COMPLETED, and whose newest source point has no copy all the same."""
    done = _names(
        row for row in rows(step(evidence, "copy_jobs"), "resources") if text(row, "state") == "COMPLETED"
    )
    absent = _names(
        row
        for row in rows(step(evidence, "recovery_points"), "resources")
        if text(row, "verdict") in _BEHIND and text(row, "why") in ("failed", "gap")
    )
    return sorted((set(done) & set(absent)) - set(failing))


def full_copies(evidence: t.Any) -> list[str]:
    """Resources whose copies take longer than usual because they have become full ones."""
    return _names(
        row
        for row in rows(step(evidence, "metrics"), "resources")
        if text(row, "full_copy") and (figure(row, "ratio") or 0.0) > 1.5
    )


# ----------------------------------------------------------------------------------------------------- readiness


def dr_readiness(evidence: t.Any, settings: dict[str, t.Any]) -> dict[str, t.Any]:
    """From matched, usable recovery points; nothing can be restored out of a vault that is gone, or without its key."""
    answer = readiness(evidence, settings, in_doubt=(), uncompared=never_backed_up(evidence), obstacle=None)
    if value(step(evidence, "vaults"), "destination", "exists") is False:
        answer.update(verdict="not_ready", reason="there is no destination vault")
    elif lost := lost_key(evidence):
        reason = f"without the key {lost} nothing in the destination vault can be restored"
        answer.update(verdict="not_ready", reason=reason)
    return answer


def never_backed_up(evidence: t.Any) -> list[str]:
    """Resources that a plan names, and of which the source has no backup."""
    return named(step(evidence, "copy_lag"), "source_problems", _NEVER, "state")


def lost_key(evidence: t.Any) -> str | None:
    """The key of the destination vault, when it is gone or cannot be used."""
    row = destination_key(evidence)
    if row.get("exists") is False or row.get("enabled") is False:
        return text(row, "arn") or "of the vault"
    return None
