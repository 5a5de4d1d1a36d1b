# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What each step reads: the RBAC manifests, the IAM policies and the preflight are made of it. Pure.

The lab's audit holds it against what the steps do: a read that is not here is refused there, one that no step makes is found.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter

Json = t.Dict[str, t.Any]

# ------------------------------------------------------------------------------------------------------ clusters

COPY, SOURCE, DESTINATION = "copy", "source", "destination"  # copy: the side whose jobs copy
SIDES = (DESTINATION, SOURCE)
ACCOUNT = "backup-sync-reader"  # what the shipped manifests call the identity and its roles
_SNAPSHOTS = "snapshot.storage.k8s.io"
_RBAC = "rbac.authorization.k8s.io"


class Read(t.NamedTuple):
    """Objects of one kind that a step reads. sides: where; wide: they belong to no namespace; optional: seldom needed."""

    resource: str  # as RBAC calls it, pods/log
    verbs: tuple[str, ...]
    group: str = ""
    sides: tuple[str, ...] = (COPY,)
    wide: bool = False
    optional: bool = False


_NAMESPACE = Read("namespaces", ("get",))
_BACKUPS = Read("volumesnapshots", ("list",), _SNAPSHOTS, (SOURCE,))
_POINTS = Read("volumesnapshots", ("list",), _SNAPSHOTS, (DESTINATION,))

# {step: what it reads when it runs alone}. Of the options that name other objects, needs() knows.
CLUSTER_READS: dict[str, tuple[Read, ...]] = {
    "jobs": (Read("jobs", ("list",), "batch"), Read("cronjobs", ("list",), "batch"), _NAMESPACE),
    "events": (Read("events", ("list",)), _NAMESPACE),
    "job_detail": (
        Read("jobs", ("get", "list"), "batch"),
        Read("pods", ("list",)),
        Read("events", ("list",)),
        _NAMESPACE,
    ),
    "logs": (Read("pods", ("list",)), Read("pods/log", ("get",)), _NAMESPACE),
    "metrics": (Read("services/proxy", ("get",)),),
    "replication_rules": (Read("configmaps", ("get",), sides=(COPY, SOURCE)),),
    "copy_lag": (_BACKUPS, _NAMESPACE._replace(sides=(SOURCE,))),
    "recovery_points": (
        _POINTS,
        _BACKUPS,
        _NAMESPACE._replace(sides=(DESTINATION, SOURCE)),
        Read("volumesnapshotcontents", ("list",), _SNAPSHOTS, (DESTINATION, SOURCE), wide=True, optional=True),
    ),
}


_OTHER_KINDS = ("source_backups", "recovery_points")
_ALWAYS = ("copy_side", "namespace", "source_namespace", "configmap")


class Need(t.NamedTuple):
    """One thing that the identity of a side must be allowed. namespace: None for the whole cluster; name: "" for all.

    optional: a step does without it, and seldom needs it.
    """

    step: str
    side: str
    namespace: str | None
    group: str
    resource: str
    verb: str
    name: str = ""
    optional: bool = False


def needs(settings: t.Mapping[str, t.Any]) -> list[Need]:
    """Everything that the steps read with these settings, in the order of the steps.

    settings: copy_side, namespace, source_namespace, configmap, prometheus_service {namespace, name, port, scheme} or None,
    has_source, and source_backups and recovery_points, {kind, group, plural} of what they are read from. Raises BadParameter.
    """
    _check(settings)
    found = [need for step, reads in CLUSTER_READS.items() for read in reads for need in _needs(step, read, settings)]
    return list(dict.fromkeys(found))


def _check(settings: t.Any) -> None:
    if not isinstance(settings, dict):
        raise BadParameter("settings: give a dictionary with what the steps are told.")
    for name in ("prometheus_service", *_OTHER_KINDS):
        if not isinstance(settings.get(name) or {}, dict):
            raise BadParameter(f"settings: {name} is no dictionary; give it as the role takes it.")
    service = settings.get("prometheus_service") or {}
    told = {
        **{name: settings.get(name) for name in _ALWAYS},
        **{f"prometheus_service.{name}": service.get(name) or None for name in ("namespace", "name") if service},
    }
    lacking = [name for name, given in told.items() if given is None]
    no_text = [name for name, given in told.items() if isinstance(given, (dict, list))]
    if no_text:
        raise BadParameter(f"settings: {', '.join(no_text)} is no text; give it as the role takes it.")
    if lacking:
        raise BadParameter(f"settings: {', '.join(lacking)} is missing; without it nobody can say what the steps read.")


def _needs(step: str, read: Read, settings: t.Mapping[str, t.Any]) -> t.Iterator[Need]:
    if read.optional and any((settings.get(name) or {}).get("kind") in ("job", "custom") for name in _OTHER_KINDS):
        return  # the contents belong to VolumeSnapshots
    read = _as_configured(read, settings)
    if read.resource == "services/proxy":
        service = settings.get("prometheus_service")
        if service:
            name = f"{service.get('scheme') or 'http'}:{service['name']}:{service.get('port') or '9090'}"
            yield Need(step, settings["copy_side"], service["namespace"], "", read.resource, "get", name)
        return
    for side in dict.fromkeys(settings["copy_side"] if each == COPY else each for each in read.sides):
        if side == SOURCE and not settings.get("has_source"):
            continue
        namespace = settings["source_namespace"] if side == SOURCE else settings["namespace"]
        named = {"namespaces": namespace, "configmaps": settings["configmap"]}.get(read.resource, "")
        for verb in read.verbs:
            yield Need(step, side, None if read.wide else namespace, read.group, read.resource, verb, named, read.optional)


def _as_configured(read: Read, settings: t.Mapping[str, t.Any]) -> Read:
    """The same read of what the user keeps backups and points in, where that is no VolumeSnapshot."""
    if read.resource != "volumesnapshots":
        return read
    given = settings.get("source_backups" if SOURCE in read.sides else "recovery_points") or {}
    if given.get("kind") == "job":
        return read._replace(group="batch", resource="jobs")
    if given.get("kind") == "custom":
        return read._replace(group=str(given.get("group") or ""), resource=str(given.get("plural") or ""))
    return read


def rules(wanted: t.Iterable[Need]) -> list[tuple[str | None, Json]]:
    """The RBAC rules that allow these, as (namespace or None for a ClusterRole, rule); what is alike stands together."""
    verbs: dict[tuple[str | None, str, str, str], list[str]] = {}
    for need in wanted:
        known = verbs.setdefault((need.namespace, need.group, need.resource, need.name), [])
        known += [need.verb] if need.verb not in known else []
    together: dict[tuple[str | None, str, str, tuple[str, ...]], list[str]] = {}
    for (namespace, group, resource, name), listed in verbs.items():
        together.setdefault((namespace, group, name, tuple(sorted(listed))), []).append(resource)
    found = []
    for (namespace, group, name, listed_verbs), resources in together.items():
        rule: Json = {"apiGroups": [group], "resources": resources, "verbs": list(listed_verbs)}
        found.append((namespace, {**rule, "resourceNames": [name]} if name else rule))
    return found


def roles(wanted: t.Iterable[Need], name: str = ACCOUNT) -> list[Json]:
    """The Roles, by namespace, and the ClusterRole that allow these, all of that name."""
    listed: dict[str | None, list[Json]] = {}
    for namespace, rule in rules(wanted):
        listed.setdefault(namespace, []).append(rule)
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role" if namespace else "ClusterRole",
            "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
            "rules": together,
        }
        for namespace, together in sorted(listed.items(), key=lambda item: (item[0] is None, item[0] or ""))
    ]


def manifests(wanted: t.Iterable[Need], *, account: str, account_namespace: str) -> list[Json]:
    """A ServiceAccount, and the Roles and ClusterRole with their bindings that allow it these."""
    found: list[Json] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": account_namespace}}
    ]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": account_namespace}
    for role in roles(wanted, account):
        reference = {"apiGroup": _RBAC, "kind": role["kind"], "name": account}
        binding = {"apiVersion": role["apiVersion"], "kind": f"{role['kind']}Binding", "metadata": role["metadata"]}
        found += [role, {**binding, "roleRef": reference, "subjects": [subject]}]
    return found


# ---------------------------------------------------------------------------------------------------- AWS Backup


class Statement(t.NamedTuple):
    """Actions of AWS that a step calls, on the side of the source and on that of the destination."""

    sid: str
    resource: str
    source: tuple[str, ...]
    destination: tuple[str, ...] = ()


_VAULTS = "arn:aws:backup:*:*:backup-vault:*"


def _both(sid: str, resource: str, *actions: str) -> Statement:
    return Statement(sid, resource, actions, actions)


# {step: its statements}. What a step reads by another's feed stands with the other.
REGION_READS: dict[str, tuple[Statement, ...]] = {
    "vaults": (
        _both("Step1Vaults", _VAULTS, "backup:DescribeBackupVault", "backup:GetBackupVaultAccessPolicy"),
        Statement(
            "Step1Accounts",
            "*",
            (
                "backup:DescribeGlobalSettings",
                "backup:ListBackupVaults",
                "organizations:DescribeOrganization",
                "servicequotas:GetServiceQuota",
            ),
            ("backup:ListBackupVaults", "organizations:DescribeOrganization", "servicequotas:GetServiceQuota"),
        ),
    ),
    "copy_jobs": (
        Statement("Step2CopyJobs", "*", ("backup:ListBackupJobs", "backup:ListCopyJobs"), ("backup:ListCopyJobs",)),
    ),
    "copy_job_detail": (
        Statement(
            "Step3CopyJob", "*", ("backup:DescribeCopyJob", "backup:DescribeRecoveryPoint"), ("backup:DescribeCopyJob",)
        ),
    ),
    "logs": (
        _both(
            "Step4LogGroups",
            "*",
            "cloudtrail:DescribeTrails",
            "events:ListRules",
            "events:ListTargetsByRule",
            "logs:DescribeLogGroups",
        ),
        _both("Step4LogEvents", "arn:aws:logs:*:*:log-group:*", "logs:FilterLogEvents", "logs:StartQuery"),
        _both("Step4LogQueries", "*", "logs:GetQueryResults", "logs:StopQuery"),
    ),
    "metrics": (
        Statement(
            "Step5Metrics", "*", ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics"), ("cloudwatch:GetMetricData",)
        ),
    ),
    "copy_rules": (
        Statement(
            "Step7Plans",
            "arn:aws:backup:*:*:backup-plan:*",
            (
                "backup:GetBackupPlan",
                "backup:GetBackupSelection",
                "backup:ListBackupPlanVersions",
                "backup:ListBackupSelections",
            ),
        ),
        Statement(
            "Step7Settings", "*", ("backup:DescribeRegionSettings", "backup:ListBackupPlans"), ("backup:DescribeRegionSettings",)
        ),
        Statement(
            "Step7Roles",
            "arn:aws:iam::*:role/*",
            ("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"),
        ),
        Statement("Step7RolePolicies", "arn:aws:iam::*:policy/*", ("iam:GetPolicy", "iam:GetPolicyVersion")),
    ),
    "recovery_points": (_both("Step8RecoveryPoints", _VAULTS, "backup:ListRecoveryPointsByBackupVault"),),
    "keys": (
        _both("Keys", "arn:aws:kms:*:*:key/*", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"),
        _both("KeyAliases", "*", "kms:ListAliases"),
    ),
    "health": (Statement("Health", "*", ("health:DescribeEventDetails", "health:DescribeEvents")),),
    # no step's alone: the way to the other account
    "": (Statement("OtherAccount", "arn:aws:iam::*:role/backup-sync-reader", ("sts:AssumeRole",)),),
}


def policy(side: str) -> Json:
    """The policy document for the identity that reads this side."""
    statements = [
        {"Sid": row.sid, "Effect": "Allow", "Action": list(actions), "Resource": row.resource}
        for listed in REGION_READS.values()
        for row in listed
        if (actions := row.source if side == SOURCE else row.destination)
    ]
    return {"Version": "2012-10-17", "Statement": statements}
