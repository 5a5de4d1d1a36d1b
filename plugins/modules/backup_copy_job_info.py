#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 2 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy_job_info
short_description: List the AWS Backup copy jobs between two vaults, and the backups that left nothing to copy
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Lists the copy jobs from one vault to another, and says what they mean together - per resource, per message, per
    hour of the day. This is step 2 of the runbook for cross-region backup sync.
  - The jobs belong to the account and Region that start them. So the source is asked; the destination is asked only
    when the source knows of none. RV(evidence.summary) says where they were seen.
  - A copy job has no state ABORTED. What the runbook means by it are the failed and partial copies here, and the
    backup jobs of the source vault in RV(evidence.upstream) that ended aborted, expired, failed or partial, after
    which no copy is made.
  - Composite jobs count by their children.
  - A job that is V(CREATED) waits when a backup or copy of its resource runs. It is stuck when it has been so
    for more than two hours, in which AWS tries by itself, and nothing of the resource runs.
  - Needs C(backup:ListCopyJobs) and C(backup:ListBackupJobs) in the source Region, and C(backup:ListCopyJobs) in the
    destination Region when the source knows of no job. Without O(vaults_feed) also C(sts:GetCallerIdentity) in the
    destination.
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  window:
    description: How far back a job may have ended to count as recent, like V(90m), V(24h), V(7d) or V(PT15M).
    type: str
    default: 24h
  look_back:
    description:
      - How far back jobs are listed, by their creation, like V(14d) or V(P30D); at least a day more than the window.
      - AWS keeps copy jobs for about 30 days.
    type: str
    default: 14d
  vaults_feed:
    description: The C(feed) of M(sre.backup_sync.backup_vault_pair_info), which spares asking for the destination's
      account.
    type: dict
seealso:
  - module: sre.backup_sync.backup_copy_job_detail_info
  - module: sre.backup_sync.cloudwatch_copy_metric_info
  - module: sre.backup_sync.backup_copy_lag_info
"""

EXAMPLES = r"""
- name: List the copy jobs of the last day
  sre.backup_sync.backup_copy_job_info:
    region: eu-west-1
    vault_name: main
    destination:
      region: eu-central-1
  register: copy_jobs

- name: The same into a vault of another account
  sre.backup_sync.backup_copy_job_info:
    region: eu-west-1
    profile: production
    vault_name: main
    destination_vault_name: dr
    destination:
      region: eu-central-1
      role_arn: arn:aws:iam::444455556666:role/backup-reader
  register: copy_jobs

- name: Show why copies failed
  ansible.builtin.debug:
    msg: "{{ copy_jobs.evidence.groups | map(attribute='message') }}"
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
      sample: copy_jobs
    outcome:
      description: V(ok), V(empty), or why nothing could be read, for example V(forbidden), V(not_found) or
        V(timeout).
      type: str
      returned: always
      sample: ok
    query:
      description: What was asked - Region and vault of both sides, and the span.
      type: dict
      returned: always
    covered:
      description: The span in which jobs were created that AWS could list, V(null) if it listed none.
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
    resources:
      description: One row per resource, worst first.
      type: list
      elements: dict
      returned: when the source answered
    groups:
      description: Failures, one row per message and state, the most recent and frequent first.
      type: list
      elements: dict
      returned: when the source answered
    jobs:
      description: The jobs, worst first.
      type: list
      elements: dict
      returned: when the source answered
    upstream:
      description: Backup jobs of the source vault that ended badly in the window, newest first.
      type: list
      elements: dict
      returned: when the source answered
    slots:
      description:
        - For each hour of the day in UTC how many jobs were made in it, and how many of them failed. C(compared_) counts
          those of resources that were copied at several hours of the day, C(days_) the days of such.
      type: list
      elements: dict
      returned: when the source answered
    spread:
      description: By resource type, role and backup rule how many resources there are, and of how many the copies fail.
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
      description: Reads inside the step that were refused while the step went on, with the IAM statement that allows
        them.
      type: list
      elements: dict
      returned: when the source could be connected to
    error:
      description: Why the outcome is neither V(ok) nor V(empty), with the IAM statement that would have allowed the
        read.
      type: dict
      returned: always
feed:
  description:
    - What the later steps take - every leaf job (C(jobs)), the composite parents (C(parents)) and resources without
      a good backup since one that ended badly (C(upstream)), each as one text, and C(observed_in).
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_jobs import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
