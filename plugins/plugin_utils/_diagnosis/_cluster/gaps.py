# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What a cluster bundle leaves open, and what contradicts itself there."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import figure
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Gaps

# What a diagnosis cannot say without the step.
_EFFECT = {
    "jobs": "no verdict on the copy jobs; nothing can be called healthy",
    "events": "scheduling, quota and admission refusals stay unseen",
    "job_detail": "container states (memory, image, configuration) stay unseen",
    "logs": "the mover's own error stays unseen; a cause is at most likely",
    "metrics": "no rate and no trend over the window",
    "copy_lag": "no lag, and nothing is known of the source's backups",
    "replication_rules": "the configuration is not verified",
    "recovery_points": "disaster recovery readiness stays unknown",
}

_CLOSE = {
    "not_run": "Run the step: its tag was skipped or the playbook stopped before it.",
    "not_configured": "Tell the step where to look (see the role's variables).",
    "api_missing": "Install the API, or name the kind that holds the recovery points here.",
    "timeout": "Check the route to the server, or raise the time-out.",
    "throttled": "Run it again later; the server asked to slow down.",
    "unreachable": "Make the server reachable from here, then run it again.",
    "not_found": "Check the name and the namespace.",
    "error": "Read the server's message, then run it again.",
}

# A hint names the options of its module; whoever reads the report has given them as variables of the role. Of the
# options inside one variable only the first of a hint is written out (count 1, where 0 is all).
_VARIABLES = (
    (re.compile(r"\b(?:prometheus|success_rate|duration)_\w+"), r"cluster_sync_prometheus.\g<0>", 1),
    (re.compile(r"\bthe option source\b"), "cluster_sync_source", 0),
    (re.compile(r"\b(?:job_name|source_backups|recovery_points)\b"), r"cluster_sync_\g<0>", 0),
)

# The observation that decides between two explanations, by the cause that it would prove.
SETTLE = {
    "network_dns": "Resolve the endpoint's name from a pod in the mover's namespace.",
    "network_timeout": "Open a TCP connection to the endpoint from the mover's node.",
    "network_tls": "Read the certificate that the endpoint presents from inside the mover's namespace.",
    "auth_object_store": "Repeat the refused request with the mover's credentials.",
    "capacity": "Compare bytes copied per second of the last runs.",
    "repository_lock": "List the locks of the repository with their age.",
}


def _unread(name: str, found: t.Any) -> str | None:
    unread = int(figure(found, "summary", "unread") or 0) if name == "logs" else 0
    return f"{unread} container logs could not be read" if unread else None


def _never_idle(dummy_name: str, dummy_evidence: t.Any) -> bool:
    return False


def _grant_sentence(grant: dict[str, t.Any] | None) -> str | None:
    """The RBAC rule to add, as one sentence that can be pasted into a Role."""
    rule = (grant or {}).get("rule")
    if not grant or not isinstance(rule, dict):
        return None
    place = f"Role in namespace {grant.get('namespace')}" if grant.get("namespace") else "ClusterRole"
    fields = ", ".join(
        f"{name}: [{', '.join(_quoted(item) for item in rule[name])}]"
        for name in ("apiGroups", "resources", "resourceNames", "verbs")
        if isinstance(rule.get(name), list)
    )
    return f"Add to a {place}: {{{fields}}}"


def _quoted(item: t.Any) -> str:
    return str(item) if item else '""'


GAPS = Gaps(
    effects=_EFFECT,
    close=_CLOSE,
    not_configured={},
    variables=_VARIABLES,
    grant=_grant_sentence,
    partial=_unread,
    idle=_never_idle,
    first=frozenset({"logs", "jobs", "job_detail", "copy_lag", "events"}),
)
