#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 8 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_recovery_point_info
short_description: Find out which recovery points have arrived in the destination vault of AWS Backup
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Lists the recovery points of the destination vault and says which recovery point of the source vault each is the
    copy of, which are missing and why, and how much data of each resource a disaster now would cost. This is step 8
    of the runbook for cross-region backup sync.
  - Copies are told by the copy job that made them, else by resource and creation date, which a copy keeps. Whether it
    does is measured for each type of resource over the pairs that jobs prove; where it does not, only jobs count, and
    RV(evidence.summary) says so.
  - The copies of a continuous backup are made from snapshots that are gone afterwards. Only its jobs count, and each
    stands for the snapshot it copied.
  - Nothing is said to be missing without a reason. A recovery point whose plan rule copies nothing is
    C(not_expected), one whose copy reached the end of its lifecycle is C(expired_by_design).
  - Needs C(backup:ListRecoveryPointsByBackupVault) in the destination Region. Alone it also needs that in the
    source Region, and what M(sre.backup_sync.backup_copy_job_info) does to list copy jobs.
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  look_back:
    description:
      - Recovery points and jobs created within this time are read. AWS keeps copy jobs for about 30 days.
      - With O(points_feed) the points are read as far back as those; this is then how far back O(jobs_feed) goes.
    type: str
    default: 14d
  rpo:
    description:
      - How old the newest usable copy of a resource may be, like V(36h).
      - Without it a resource lags when its newest recovery point should have arrived and has not.
    type: str
  expected_window:
    description:
      - How long after its source a copy may be complete, like V(2h) or V(PT8H). Until then nothing is missing.
      - By default three times the median lag of the resource, and at least six hours.
    type: str
  destination_vault_account_id:
    description:
      - The account that owns the destination vault, where it is a logically air-gapped vault that the account shares
        with the one that the step connects to.
    type: str
  points_feed:
    description:
      - The member C(points) of the C(feed) of M(sre.backup_sync.backup_copy_lag_info). Without it the source vault is
        read here.
    type: str
  jobs_feed:
    description:
      - The member C(jobs) of the C(feed) of M(sre.backup_sync.backup_copy_job_info). Without it the jobs are read
        here.
    type: str
  parents_feed:
    description: The member C(parents) of the same feed, the jobs of composite resources.
    type: str
  vaults_feed:
    description:
      - The C(feed) of M(sre.backup_sync.backup_vault_pair_info), which spares asking for the destination's account.
    type: dict
seealso:
  - module: sre.backup_sync.backup_copy_job_info
  - module: sre.backup_sync.backup_copy_lag_info
"""

EXAMPLES = r"""
- name: Compare the recovery points of both vaults
  sre.backup_sync.backup_recovery_point_info:
    region: eu-west-1
    vault_name: main
    destination:
      region: eu-central-1
    rpo: 36h
    jobs_feed: "{{ copy_jobs.feed.jobs }}"
    points_feed: "{{ copy_lag.feed.points }}"
  register: recovery_points

- name: The same alone, with a vault that another account shares
  sre.backup_sync.backup_recovery_point_info:
    region: eu-west-1
    vault_name: main
    destination_vault_name: air-gapped
    destination_vault_account_id: "444455556666"
    destination:
      region: eu-central-1
  register: recovery_points
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
      sample: recovery_points
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
    resources:
      description:
        - One row per resource, worst first - how old its newest usable copy is, and what stands in the way of a newer
          one.
      type: list
      elements: dict
      returned: when the destination answered
    points:
      description: The recovery points that are not simply copied, worst first.
      type: list
      elements: dict
      returned: when the destination answered
    timeline:
      description: Of the same resources as RV(evidence.resources), what became of their newest points, by the points in time.
      type: list
      elements: dict
      returned: when the destination answered
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
  description: Empty; no later step needs more than the evidence.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_recovery_points import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
