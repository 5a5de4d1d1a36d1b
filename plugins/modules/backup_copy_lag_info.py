#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 6 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy_lag_info
short_description: Compare AWS Backup copy jobs with the recovery points of the source vault
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads the recovery points of the source vault and says for each resource whether its copy jobs brought them over
    within the expected window. This is step 6 of the runbook for cross-region backup sync.
  - The lag of a copy runs from the completion of the recovery point to that of its copy job. Dates in the destination
    vault cannot tell it, as a copy keeps the creation date of its source.
  - A row is about the recovery point that decides the verdict. That is the newest one, unless an older one that
    nothing newer makes good is overdue, or the last copy came late.
  - Where O(queued) tells how long jobs waited, the queue is told apart from the transfer.
  - RV(evidence.source_problems) tells of backups that failed, stopped or never began at the source. They cannot be
    copied.
  - Needs C(backup:ListRecoveryPointsByBackupVault) in the source Region. Alone it also needs what
    M(sre.backup_sync.backup_copy_job_info) does to list jobs.
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  look_back:
    description: Recovery points and jobs created within this time are read. AWS keeps copy jobs for about 30 days.
    type: str
    default: 14d
  expected_window:
    description:
      - How long after its source a copy may be complete, like V(2h) or V(PT8H).
      - By default three times the median lag of the resource, and at least six hours.
    type: str
  jobs_feed:
    description:
      - The member C(jobs) of the C(feed) of M(sre.backup_sync.backup_copy_job_info). Without it the jobs are read
        here.
    type: str
  upstream_feed:
    description:
      - The member C(upstream) of the same feed, resources without a good backup since one that ended badly. Without
        it the backup jobs are read here.
    type: str
  queued:
    description:
      - The member C(queued) of the C(feed) of M(sre.backup_sync.cloudwatchlogs_copy_event_info), seconds that each
        copy job waited before it ran.
    type: dict
  selected:
    description:
      - The member C(selected) of the C(feed) of M(sre.backup_sync.backup_copy_rule_info), resources that a plan names
        and should have backed up. Without it a resource that was never backed up is not seen.
    type: list
    elements: dict
  vaults_feed:
    description:
      - The C(feed) of M(sre.backup_sync.backup_vault_pair_info), which spares asking for the destination's account.
    type: dict
seealso:
  - module: sre.backup_sync.backup_copy_job_info
  - module: sre.backup_sync.backup_recovery_point_info
"""

EXAMPLES = r"""
- name: Compare copies with the recovery points of the source vault
  sre.backup_sync.backup_copy_lag_info:
    region: eu-west-1
    vault_name: main
    destination:
      region: eu-central-1
    jobs_feed: "{{ copy_jobs.feed.jobs }}"
    upstream_feed: "{{ copy_jobs.feed.upstream }}"
    queued: "{{ logs.feed.queued }}"
    selected: "{{ copy_rules.feed.selected }}"
  register: copy_lag

- name: The same alone, with a window of two hours
  sre.backup_sync.backup_copy_lag_info:
    region: eu-west-1
    profile: production
    vault_name: main
    destination:
      region: eu-central-1
      role_arn: arn:aws:iam::444455556666:role/backup-reader
    expected_window: 2h
  register: copy_lag
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
      sample: copy_lag
    outcome:
      description: V(ok), V(empty), or why nothing could be read, for example V(forbidden), V(not_found) or V(timeout).
      type: str
      returned: always
      sample: ok
    query:
      description: What was asked - Region and vault of both sides, and the span.
      type: dict
      returned: always
    covered:
      description: The span of creation dates that was read, V(null) if nothing was.
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
      description: Figures over everything that was seen, also over what the lists leave out.
      type: dict
      returned: always
    source_health:
      description: How the backups of the source are.
      type: dict
      returned: when the source could be connected to
    source_problems:
      description: What is wrong with backups at the source, worst first.
      type: list
      elements: dict
      returned: when the source answered
    resources:
      description: One row per resource, worst first.
      type: list
      elements: dict
      returned: when the source answered
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
        - Reads inside the step that were refused while the step went on, with the IAM statement that allows them.
      type: list
      elements: dict
      returned: when both sides could be connected to
    error:
      description:
        - Why the outcome is neither V(ok) nor V(empty), with the IAM statement that would have allowed the read.
      type: dict
      returned: always
feed:
  description:
    - The recovery points of the source vault (C(points)), as one text for
      M(sre.backup_sync.backup_recovery_point_info).
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_lag import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
