#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 4 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatchlogs_copy_event_info
short_description: Search CloudWatch Logs for failed copies of AWS Backup
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Finds the log groups that events of copy jobs or records of CloudTrail are led into, and searches them.
    This is step 4 of the runbook for cross-region backup sync.
  - AWS Backup itself writes nothing of copies to CloudWatch Logs. Without any log group the outcome is
    V(not_configured), which does not mean that nothing failed.
  - Groups are found by the targets of EventBridge's rules, over event buses if need be, and by the trails of both
    sides. Only when there are none, groups with C(backup) in their name are tried.
  - Failed copies are searched by a filter on the fields of the event, refused calls by one on the fields of the record,
    and the runbook's words C(copy failed), C(sync failed) and C(replication error) besides. AWS has other words.
  - The filter runs in the service, so only what matches is read, newest first.
  - Events of jobs that began to run tell how long they waited; RV(feed) has that for the lag step.
  - Needs C(events:ListRules), C(events:ListTargetsByRule), C(cloudtrail:DescribeTrails), C(logs:FilterLogEvents) and,
    to search by name, C(logs:DescribeLogGroups); with O(use_insights) also C(logs:StartQuery), C(logs:GetQueryResults) and
    C(logs:StopQuery). Without O(vaults_feed) it needs C(sts:GetCallerIdentity) on the destination side.
extends_documentation_fragment:
  - sre.backup_sync._aws
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._evidence
options:
  window:
    description: How far to look back, like V(90m), V(24h) or V(7d), at most 90 days.
    type: str
    default: 24h
  log_groups:
    description:
      - Log groups to search, by name in the source Region or by ARN in either side's. Nothing is looked for then.
    type: list
    elements: str
  max_pages:
    description:
      - At most so many pages of one search in one group. Empty pages are normal in large groups and count.
      - RV(evidence.summary) says in C(cut) whether this or O(budget) ended a search.
    type: int
    default: 50
  budget:
    description: Seconds after which no search goes on.
    type: float
    default: 60.0
  use_insights:
    description:
      - Whether to ask Insights about groups whose class cannot be filtered. AWS charges for what such a query reads.
    type: bool
    default: false
  vaults_feed:
    description:
      - The RV(ignore:feed) of M(sre.backup_sync.backup_vault_pair_info), which tells the accounts.
    type: dict
seealso:
  - module: sre.backup_sync.backup_copy_job_info
  - module: sre.backup_sync.backup_copy_lag_info
"""

EXAMPLES = r"""
- name: Look for failed copies wherever their events are kept
  sre.backup_sync.cloudwatchlogs_copy_event_info:
    region: eu-west-1
    vault_name: production
    destination:
      region: eu-central-1
  register: logs

- name: Search one group for a week
  sre.backup_sync.cloudwatchlogs_copy_event_info:
    region: eu-west-1
    vault_name: production
    destination:
      region: eu-central-1
    log_groups:
      - /aws/events/aws-backup
    window: 7d
"""

RETURN = r"""
evidence:
  description: What was found. The members are described in the guide to the evidence.
  type: dict
  returned: always
  contains:
    step:
      description: The key of the step.
      type: str
      returned: always
      sample: logs
    outcome:
      description:
        - V(ok), V(empty), V(not_configured) without any log group, or why none could be read, for example V(forbidden).
      type: str
      returned: always
      sample: ok
    query:
      description: What was asked.
      type: dict
      returned: always
    covered:
      description: The span that the searches came through, V(null) if unknown.
      type: dict
      returned: always
    observed_at:
      description: AWS's own time of the reading.
      type: str
      returned: always
    clock:
      description: AWS's clock against that of this machine, seconds.
      type: dict
      returned: always
    summary:
      description: Figures over everything that was found.
      type: dict
      returned: always
    groups:
      description: The log groups, how each was found and what came of it.
      type: list
      elements: dict
      returned: when AWS answered
    events:
      description: Events of copies, equal messages in one row, failures first.
      type: list
      elements: dict
      returned: when AWS answered
    api_errors:
      description: Calls that were refused, as CloudTrail wrote them, newest first.
      type: list
      elements: dict
      returned: when AWS answered
    total:
      description: How many rows there were per list.
      type: dict
      returned: always
    truncated:
      description: Whether a list was cut to O(max_rows).
      type: bool
      returned: always
    denied:
      description:
        - Reads inside the step that were refused while it went on, and where events go that neither side can see.
      type: list
      elements: dict
      returned: when AWS answered
    error:
      description: Why the outcome is neither V(ok) nor V(empty).
      type: dict
      returned: always
feed:
  description: In C(queued), per copy job the seconds from its creation until it ran.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_logs import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
