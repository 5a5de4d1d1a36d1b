# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runbook step 7: the replication rules in the ConfigMap, what is wrong with them, and whether the jobs run them."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import connection_spec, path_of
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import (
    DEFAULT_ROWS,
    BadParameter,
    ReadFailed,
    duration_parameter,
    evidence,
    failed,
    parse_time,
    rfc3339,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _backups
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _config_rules as checks
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._common import (
    denied_entry,
    namespace_parameter,
    object_name_parameter,
    rows_parameter,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_document import (
    FORMATS,
    Config,
    Problem,
    read_config,
    shown,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_schema import check_against, check_schema
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.copy_lag import same_cluster_warning
from ansible_collections.sre.backup_sync.plugins.module_utils._step import Gathered, Step, guarded

NAME = "replication_rules"
_READ_JOBS = ("ok", "empty")
_FAILED = ("failed", "failing")
_WORST_FIRST = (
    "unparsable",
    "missing_key",
    "same_source_and_destination",
    "schedule_invalid",
    "placeholder_value",
    "unexpected_value",
    "type_mismatch",
    "disabled_rule",
    "duplicate_rule",
    "region_mismatch",
    "interval_exceeds_rpo",
    "retention_too_short",
    "window_exceeds_interval",
    "rule_without_jobs",
    "whitespace",
    "job_without_rule",
)

Params = t.Dict[str, t.Any]


def gather(params: Params, clients: t.Any) -> Gathered:
    """Read the ConfigMap of the destination, and that of the source for drift. Raises BadParameter."""
    rpo_s = duration_parameter(params, "rpo")
    if params["format"] not in FORMATS:
        raise BadParameter(f"format: {params['format']!r} is unknown; give one of {', '.join(FORMATS)}.")
    checks.check_expectations(params.get("expected"))
    check_schema(params.get("schema"))
    jobs = _jobs_parameter(params)
    name, namespace, most = object_name_parameter(params, "configmap"), namespace_parameter(params), rows_parameter(params)
    if name is None:
        raise BadParameter("configmap: it is empty; name the ConfigMap that holds the replication rules.")
    source_namespace = (params.get("source") or {}).get("namespace") or namespace
    query = {"configmap": name, "namespace": namespace, "key": params.get("key"), "format": params["format"]}
    try:
        found = clients.cluster.get(path_of("", "v1", "configmaps", namespace, name))
    except ReadFailed as failure:
        return Gathered(failed(NAME, query, failure))
    now = clients.cluster.clock.now()
    config = _config(found, params)
    rules = checks.find_rules(config, name=name, rules_path=params.get("rules_path"), now=now)
    problems = _problems(config, rules, params, jobs, rpo_s)
    denied: list[dict[str, t.Any]] = []
    differences, same = [], False
    if params.get("source"):
        query["source_namespace"] = source_namespace
        differences = _drift(config, params, clients, path_of("", "v1", "configmaps", source_namespace, name), denied)
        same = _backups.same_cluster(clients, namespace, source_namespace)
    changed_at = _changed_at(found)
    older = _older_runs(params, jobs, name, changed_at)
    result = evidence(
        NAME,
        outcome="ok" if config.tree or config.problems else "empty",
        query=query,
        summary={
            "rules": len(rules),
            "disabled": sum(not rule.active for rule in rules),
            "problems": len(problems),
            "drift": len(differences),
            "changed_at": rfc3339(changed_at),
            "changed_after_start": len(older),
            "immutable": found.get("immutable") is True,
            "format": config.form,
            "compared": bool(params.get("source")) and not denied,
            "same_cluster": same,
        },
        rows={
            "rules": ([rule.as_row() for rule in rules[:most]], len(rules)),
            "problems": (problems[:most], len(problems)),
            "drift": (differences[:most], len(differences)),
            "older_runs": (older[:most], len(older)),
        },
        covered=None,
        observed_at=rfc3339(now),
        clock=clients.cluster.clock.as_evidence(),
        denied=denied,
    )
    return Gathered(result, warnings=[same_cluster_warning()] if same else [])


def _jobs_parameter(params: Params) -> Params:
    """The evidence of step 1; empty when absent or not answered. Raises BadParameter."""
    jobs, feed = params.get("jobs") or {}, params.get("jobs_feed") or {}
    if jobs and "outcome" not in jobs:
        raise BadParameter("jobs: give the member evidence of the result of k8s_sync_job_info unchanged.")
    if any(not isinstance(feed.get(name, []), list) for name in ("jobs", "runs")):
        raise BadParameter("jobs_feed: give the member feed of the result of k8s_sync_job_info unchanged.")
    return jobs if jobs.get("outcome") in _READ_JOBS else {}


def _config(found: dict[str, t.Any], params: Params) -> Config:
    data, binary = found.get("data"), found.get("binaryData")
    return read_config(
        data if isinstance(data, dict) else {}, key=params.get("key"), form=params["format"], binary=binary or ()
    )


def _problems(
    config: Config, rules: list[checks.Rule], params: Params, jobs: Params, rpo_s: float | None
) -> list[Problem]:
    found = [
        *config.problems,
        *checks.check_required(config, params.get("required_keys") or []),
        *checks.check_expected(config, params.get("expected") or {}),
        *check_against(config, params.get("schema")),
        *checks.check_rules(rules, rpo_s=rpo_s),
        *checks.check_values(config),
    ]
    if jobs and rules:
        rows = (params.get("jobs_feed") or {}).get("jobs")
        complete = rows is not None or not jobs.get("truncated")
        rows = [*(rows or []), *(jobs.get("resources") or [])]
        found += checks.check_jobs(rules, {str(row["resource"]) for row in rows if row.get("resource")}, complete)
    return sorted(found, key=lambda row: (_WORST_FIRST.index(row["kind"]), row["path"] or "", row["message"]))


def _drift(
    config: Config, params: Params, clients: t.Any, path: str, denied: list[dict[str, t.Any]]
) -> list[dict[str, t.Any]]:
    found, failure = guarded(lambda: clients.source.get(path))
    if failure is not None:
        denied.append(denied_entry("ConfigMap of the source", failure))
        return []
    rows = checks.drift(_config(found, params), config, params.get("drift_ignore") or [])
    return [{name: shown(None if name == "path" else row["path"], row[name]) for name in row} for row in rows]


def _changed_at(found: dict[str, t.Any]) -> datetime | None:
    """When the data last changed: the newest manager of it; else its creation. A new label is no change."""
    meta = found.get("metadata") or {}
    times = [
        parse_time(entry.get("time"))
        for entry in meta.get("managedFields") or []
        if {"f:data", "f:binaryData"} & set(entry.get("fieldsV1") or {})
    ]
    return max((time for time in times if time is not None), default=parse_time(meta.get("creationTimestamp")))


def _older_runs(params: Params, jobs: Params, name: str, changed_at: datetime | None) -> list[dict[str, t.Any]]:
    """Runs that began before the last change and still run, or failed: they may not have seen it, newest first."""
    if not jobs or changed_at is None:
        return []
    users = {row.get("job"): (row.get("config") or {}).get("configmaps") or [] for row in jobs.get("jobs") or []}
    runs = (params.get("jobs_feed") or {}).get("runs") or jobs.get("jobs") or []
    found = []
    for row in runs:
        started = parse_time(row.get("started_at"))
        if started is None or started >= changed_at or (row.get("ended_at") and row.get("state") not in _FAILED):
            continue
        used = users.get(row.get("job"))
        if used and name not in used:
            continue  # it says which ConfigMaps it reads, and this is none of them
        found.append({"job": row.get("job"), "started_at": rfc3339(started), "changed_at": rfc3339(changed_at)})
    return sorted(found, key=lambda row: (row["started_at"], row["job"] or ""), reverse=True)


STEP = Step(
    name=NAME,
    gather=gather,
    argument_spec={
        **connection_spec(),
        "namespace": {"type": "str", "required": True},
        "configmap": {"type": "str", "default": "backup-vault-config"},
        "source": _backups.source_spec(),
        "key": {"type": "str", "no_log": False},
        "format": {"type": "str", "choices": list(FORMATS), "default": "auto"},
        "rules_path": {"type": "str"},
        "required_keys": {"type": "list", "elements": "str", "no_log": False},
        "expected": {"type": "dict"},
        "schema": {"type": "dict"},
        "drift_ignore": {"type": "list", "elements": "str"},
        "rpo": {"type": "str"},
        "jobs": {"type": "dict"},
        "jobs_feed": {"type": "dict"},
        "max_rows": {"type": "int", "default": DEFAULT_ROWS},
    },
)
