#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 5 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_copy_metric_info
short_description: Derive success rate and duration of AWS Backup copy jobs, and check them with CloudWatch
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Says how many copies succeed and how long they take, now and before. This is step 5 of the runbook for
    cross-region backup sync.
  - AWS Backup has no metrics CopyJobSuccessRate and CopyJobDuration. Both are derived from the copy jobs, which know
    the truth. Composite jobs count by their children, and jobs that have not ended do not count.
  - The rate comes with its interval of 95 % by Wilson, because a few jobs prove little.
  - A duration runs from creation to completion, so it includes the time in the queue. Each resource is compared with
    its own copies before the window.
  - The first copy of a resource, one whose base has expired, and the first after a change of key are full copies and
    take longer. They are counted apart.
  - CloudWatch has counts of copy jobs, by best effort and by the bare name of the destination vault. They are read
    to check the rest, in one call. Metrics that somebody publishes by the runbook's names are looked for and read.
  - Needs C(cloudwatch:GetMetricData) and C(cloudwatch:ListMetrics) in the source Region, and the former in the
    destination when the source counts nothing. Alone it also needs what M(sre.backup_sync.backup_copy_job_info) does
    to list copy jobs.
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  window:
    description: How far back a job may have ended to count, like V(90m), V(24h), V(7d) or V(PT15M).
    type: str
    default: 24h
  look_back:
    description:
      - How far back the jobs go that the window is compared with, like V(14d) or V(P30D); at least a day more than
        the window.
      - AWS keeps copy jobs for about 30 days.
    type: str
    default: 14d
  threshold:
    description: The success rate below which something is wrong, above 0 and up to 1. It is part of the evidence.
    type: float
    default: 0.95
  custom_metric_namespace:
    description:
      - Namespace of the metrics C(CopyJobSuccessRate) and C(CopyJobDuration) that somebody publishes. By default
        every namespace of the source Region is looked through.
    type: str
  jobs_feed:
    description: The member C(jobs) of the C(feed) of M(sre.backup_sync.backup_copy_job_info). Without it the jobs
      are listed here.
    type: str
  vaults_feed:
    description: The C(feed) of M(sre.backup_sync.backup_vault_pair_info), which spares asking for the destination's
      account.
    type: dict
seealso:
  - module: sre.backup_sync.backup_copy_job_info
  - module: sre.backup_sync.backup_copy_lag_info
"""

EXAMPLES = r"""
- name: Derive success rate and duration from the jobs listed before
  sre.backup_sync.cloudwatch_copy_metric_info:
    region: eu-west-1
    vault_name: main
    destination:
      region: eu-central-1
    jobs_feed: "{{ copy_jobs.feed.jobs }}"
  register: metrics

- name: Show the rate with its interval
  ansible.builtin.debug:
    msg: "{{ metrics.evidence.summary.success_rate }}"
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
      sample: metrics
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
      description: The span in which the jobs were created, V(null) if they could not be listed.
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
    by_type:
      description: Rates per type of resource, most failures first.
      type: list
      elements: dict
      returned: when the source answered
    by_role:
      description: Rates per role, most failures first.
      type: list
      elements: dict
      returned: when the source answered
    by_rule:
      description: Rates per plan and rule, most failures first.
      type: list
      elements: dict
      returned: when the source answered
    resources:
      description: Runs and durations per resource, those that fail first, then the slowest against their baseline.
      type: list
      elements: dict
      returned: when the source answered
    course:
      description: Rate and duration of the jobs that ended, day by day, the oldest first.
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

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_metrics import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
