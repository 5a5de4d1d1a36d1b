# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What the diagnosis does not know, what contradicts itself in the evidence, and what would settle it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    CLUSTER_STEPS,
    USABLE,
    figure,
    outcome,
    rows,
    step,
    text,
    value,
)

if t.TYPE_CHECKING:
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.verdict import Candidate

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
_SETTLE = {
    "network_dns": "Resolve the endpoint's name from a pod in the mover's namespace.",
    "network_timeout": "Open a TCP connection to the endpoint from the mover's node.",
    "network_tls": "Read the certificate that the endpoint presents from inside the mover's namespace.",
    "auth_object_store": "Repeat the refused request with the mover's credentials.",
    "capacity": "Compare bytes copied per second of the last runs.",
    "repository_lock": "List the locks of the repository with their age.",
}


def gaps(evidence: t.Any) -> list[dict[str, t.Any]]:
    """Steps that did not answer, and reads inside answering steps that were refused."""
    listed = []
    for name in CLUSTER_STEPS:
        state = outcome(evidence, name)
        found = step(evidence, name)
        if state not in USABLE and state != "not_applicable":
            listed.append(_gap(name, state, _EFFECT[name], found.get("error")))
        for denied in rows(found, "denied"):
            what = text(denied, "what") or "a read"
            listed.append(
                _gap(name, text(denied, "outcome") or "forbidden", f"{what} could not be read", denied)
            )
        unread = int(figure(found, "summary", "unread") or 0) if name == "logs" and state in USABLE else 0
        if unread:
            listed.append(_gap(name, "partial", f"{unread} container logs could not be read", None))
    return listed


def _gap(name: str, state: str, effect: str, error: t.Any) -> dict[str, t.Any]:
    error = error if isinstance(error, dict) else {}
    grant = error.get("grant") if isinstance(error.get("grant"), dict) else None
    return {
        "step": name,
        "outcome": state,
        "effect": effect,
        "message": text(error, "message"),
        "close": _grant_sentence(grant) or _with_variables(text(error, "hint")) or _CLOSE.get(state),
        "grant": grant,
    }


def _with_variables(hint: str | None) -> str | None:
    """The hint in the role's words."""
    for pattern, variable, count in _VARIABLES:
        hint = pattern.sub(variable, hint, count=count) if hint else hint
    return hint


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


def contradictions(evidence: t.Any, facts: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Two signals that cannot both be true, and which one to believe."""
    found = []
    rate = facts["success_rate"]
    metrics = step(evidence, "metrics")
    behind = facts["behind"] or facts["late"]
    if facts["failing"] and rate["verdict"] == "high":
        stale = value(metrics, "summary", "pushed") or value(metrics, "summary", "freshness", "stale")
        if stale or facts["scope"]["verdict"] == "systemic":
            found.append(
                _contradiction(
                    f"The metric says {rate['rate']:.0%} of the copies succeed.",
                    f"The latest copy of {', '.join(facts['failing'][:5])} failed.",
                    "jobs",
                    "Job conditions are written by the cluster; a pushed metric repeats the last good value.",
                )
            )
    if not facts["failing"] and not behind and rate["verdict"] == "low" and facts["readiness"]["verdict"] == "ready":
        found.append(
            _contradiction(
                f"The metric says only {rate['rate']:.0%} of the copies succeed.",
                "Every recovery point that is due is there and ready.",
                "recovery_points",
                "The recovery points are what a disaster needs; earlier failures were made good.",
            )
        )
    succeeded = any(text(row, "state") == "succeeded" for row in rows(step(evidence, "jobs"), "resources"))
    if not facts["failing"] and succeeded and facts["behind"]:
        found.append(
            _contradiction(
                "The copy jobs report success.",
                f"The recovery points of {', '.join(facts['behind'][:5])} are behind or not usable.",
                "recovery_points",
                "A Job that is Complete has ended with exit code 0; it has not proven that anything arrived.",
            )
        )
    return found


def _contradiction(first: str, second: str, believe: str, reason: str) -> dict[str, t.Any]:
    return {"signals": [first, second], "believe": believe, "reason": reason}


def settle_by(
    root: Candidate | None, runner_up: Candidate | None, open_gaps: list[dict[str, t.Any]], facts: dict[str, t.Any]
) -> str | None:
    """The one observation that would decide; None when the cause is confirmed."""
    if root and root.confidence == "confirmed":
        return None
    for gap in open_gaps:
        if gap["step"] in ("logs", "jobs", "job_detail", "copy_lag", "events") and gap["close"]:
            return f"Close the gap in {gap['step']}: {gap['close']}"
    for candidate in (root, runner_up):
        if candidate and candidate.cause.id in _SETTLE:
            return _SETTLE[candidate.cause.id]
    if not root and facts["failing"]:
        return "Read the logs of the next run while its pod exists."
    return None
