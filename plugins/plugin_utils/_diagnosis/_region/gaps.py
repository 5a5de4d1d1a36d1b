# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What a region bundle leaves open, and what contradicts itself there."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.trouble import moot
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    figure,
    step,
    value,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.kinds import Gaps

# What a diagnosis cannot say without the step.
_EFFECT = {
    "vaults": "whether both vaults exist, and what lock and policy of the destination allow, stays unseen",
    "copy_jobs": "no verdict on the copy jobs; nothing can be called healthy",
    "copy_job_detail": "whether the source recovery point could be copied stays unseen",
    "logs": "events of copies and calls refused on their behalf stay unseen; that is no sign of success",
    "metrics": "no trend of duration, and no counts of CloudWatch to compare with",
    "copy_lag": "no lag, and nothing is known of the source's backups",
    "copy_rules": "plans, rules, selections and roles are not verified",
    "recovery_points": "disaster recovery readiness stays unknown",
    "keys": "state, policy and grants of the keys are not verified",
    "health": "trouble of AWS itself in the two Regions stays unseen",
}

_CLOSE = {
    "not_run": "Run the step: its tag was skipped or the playbook stopped before it.",
    "timeout": "Check the way from here to AWS, or raise the time-out.",
    "throttled": "Run it again later; AWS asked to slow down.",
    "unreachable": "Check the way from here to AWS: DNS, proxy, VPC endpoint and its policy. Copies do not take it.",
    "not_found": "Check the vault's name, the Region and the account.",
    "error": "Read AWS's message, then run it again.",
}
_NOT_CONFIGURED = {
    "logs": "Send Copy Job State Change events to a log group by an EventBridge rule, or name the group in "
    "region_sync_log_groups.",
    "health": "AWS Health answers with a Business, Enterprise or Unified Operations support plan only; without one, "
    "look at https://health.aws.amazonaws.com/health/status.",
}

# A hint names the options of its module; whoever reads the report has given them as variables of the role.
_VARIABLES = (
    (re.compile(r"\buse_insights\b"), r"region_sync_step_options.logs.\g<0>", 0),
    (re.compile(r"\bdestination_vault_account_id\b"), r"region_sync_step_options.recovery_points.\g<0>", 0),
    (re.compile(r"\bdestination\.(region|vault_name)\b"), r"region_sync_destination_\1", 0),
    (re.compile(r"\bdestination\.(\w+)"), r"region_sync_destination.\1", 0),
    (re.compile(r"(?<![\w.])(profile|role_arn|endpoint_url|access_key)\b"), r"region_sync_source.\1", 0),
    (re.compile(r"(?<=the option )(aws_ca_bundle|aws_config|timeout)\b"), r"region_sync_source.\1", 0),
    (
        re.compile(
            r"(?<!region_sync_)\b(?:vault_name|destination_vault_name|copy_job_id|look_back|window|expected_window|"
            r"log_groups|rpo)\b(?=,|;|\.| or | and |$)"
        ),
        r"region_sync_\g<0>",
        0,
    ),
)

# The observation that decides between two explanations, by the cause that it would prove.
SETTLE = {
    "access_denied_generic": "Look in CloudTrail of the destination Region for the call that was refused: it names the "
    "action and whose policy denied it.",
    "vault_access_policy": "Read the destination vault's access policy: does it let the source account copy into it?",
    "iam_source_role": "Simulate backup:CopyIntoBackupVault and the type's own actions for the role that copies.",
    "scp": "Read the service control policies of the account, and decode the message where it is encoded.",
    "kms_key_policy": "Look in CloudTrail of the destination Region for kms calls that were refused.",
    "kms_disabled": "Describe the key of the destination vault and the key of the source recovery point.",
    "aws_transient": "Start the copy again: what is transient does not come back.",
    "throttling": "Compare how many copies run at once with the quota of the destination Region.",
    "vault_not_found": "List the vaults of the destination Region and compare ARNs.",
    "stuck_created": "Ask AWS Support with the ids of the waiting copy jobs.",
}


def _grant_sentence(grant: t.Any) -> str | None:
    """The IAM statement to add, as it is pasted into a policy."""
    statement = grant.get("statement") if isinstance(grant, dict) else None
    if not isinstance(statement, dict):
        return None
    return f"Add to the policy of the identity that reads: {json.dumps(statement)}"


def _partial(name: str, found: t.Any) -> str | None:
    """What an answering step left unread."""
    if name == "logs" and value(found, "summary", "cut") is True:
        return "the search in the logs ended at a bound; later failures may be unseen"
    return None


def all_well(evidence: t.Any) -> bool:
    """Nothing failed, nothing waits too long, every resource has its newest point: AWS's own health was not needed."""
    jobs, points = step(evidence, "copy_jobs"), step(evidence, "recovery_points")
    resources, ready = figure(points, "summary", "resources"), figure(points, "summary", "resources_ready")
    return (
        figure(jobs, "summary", "resources_failing") == 0
        and figure(jobs, "summary", "stuck") == 0
        and bool(resources)
        and resources == ready
    )


def _idle(name: str, evidence: t.Any) -> bool:
    return name == "health" and all_well(evidence)


GAPS = Gaps(
    effects=_EFFECT,
    close=_CLOSE,
    not_configured=_NOT_CONFIGURED,
    variables=_VARIABLES,
    grant=_grant_sentence,
    partial=_partial,
    idle=_idle,
    moot=moot,
    first=frozenset({"copy_jobs", "recovery_points", "copy_lag", "vaults", "copy_job_detail"}),
)
