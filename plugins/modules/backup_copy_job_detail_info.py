#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 3 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy_job_detail_info
short_description: Describe an AWS Backup copy job and the recovery point that it starts from
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Shows one copy job in full, and whether the recovery points that failed copies start from can still be copied.
    This is step 3 of the runbook for cross-region backup sync.
  - The job is the one of O(copy_job_id). Without it, it is the newest failure that no later copy has made good, else
    what has been open for long, else the newest failure, else the newest job.
  - What AWS can tell of a copy job, the list of them has told. So only a named job is described.
  - A recovery point that is expired, being deleted, cold, gone or continuous cannot be copied. That of the job is
    asked for, and that of one job of each other group of failures, five at most.
  - Needs C(backup:DescribeRecoveryPoint) on the recovery points of the source vault, and C(backup:DescribeCopyJob)
    for a named job, in the destination too when the source does not know it. Alone it also needs what
    M(sre.backup_sync.backup_copy_job_info) does to list copy jobs.
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  copy_job_id:
    description: Id of a copy job. Without it the most telling job is taken.
    type: str
  copy_jobs:
    description:
      - The C(evidence) of M(sre.backup_sync.backup_copy_job_info). When neither this nor O(jobs_feed) nor
        O(copy_job_id) is given, the jobs are listed here.
    type: dict
  jobs_feed:
    description: The member C(jobs) of the C(feed) of M(sre.backup_sync.backup_copy_job_info).
    type: str
  look_back:
    description:
      - How far back jobs are listed, by their creation, like V(14d) or V(P30D).
      - AWS keeps copy jobs for about 30 days.
    type: str
    default: 14d
  vaults_feed:
    description: The C(feed) of M(sre.backup_sync.backup_vault_pair_info), which spares asking for the destination's
      account.
    type: dict
seealso:
  - module: sre.backup_sync.backup_copy_job_info
  - module: sre.backup_sync.kms_key_access_info
"""

EXAMPLES = r"""
- name: Describe a copy job
  sre.backup_sync.backup_copy_job_detail_info:
    region: eu-west-1
    vault_name: main
    destination:
      region: eu-central-1
    copy_job_id: 0A1B2C3D-0A1B-2C3D-4E5F-0A1B2C3D4E5F
  register: copy_job_detail

- name: Describe the most telling of those listed before
  sre.backup_sync.backup_copy_job_detail_info:
    region: eu-west-1
    vault_name: main
    destination:
      region: eu-central-1
    copy_jobs: "{{ copy_jobs.evidence }}"
    jobs_feed: "{{ copy_jobs.feed.jobs }}"
  register: copy_job_detail
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
      sample: copy_job_detail
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
      description: Always V(null), as this is about one job.
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
    job:
      description: The job, V(null) when there is none.
      type: dict
      returned: when the source answered
    source_points:
      description: The recovery points that the job and others of the same failures start from.
      type: list
      elements: dict
      returned: when the source answered
    children:
      description: The children of a composite job, newest first.
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
  description: Always empty.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_job_detail import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
