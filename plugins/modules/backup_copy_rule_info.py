#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy_rule_info
short_description: Check the rules and roles by which AWS Backup copies from one vault to another
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads the backup plans whose rules write to the source vault, where their copy actions lead, what they are assigned
    to and with which roles, and says what of it keeps copies from the destination vault.
    This is step 7 of the runbook for cross-region backup sync.
  - A vault has no replication configuration in AWS. What the runbook means by it is derived and stands in
    RV(evidence.replication).
  - Where copies are started on demand, by a program for one, no rule is needed and that there is none is no problem.
  - The retention of copies is compared with the lock of the destination vault. A copy action that says nothing of
    expiry inherits that of the backup.
  - The plan as a failing job used it is compared with the plan as it is now, rule by rule.
  - At most five roles are read, those of failing jobs first. Service control policies are not seen here.
  - Needs C(backup:ListBackupPlans), C(backup:GetBackupPlan), C(backup:ListBackupPlanVersions),
    C(backup:ListBackupSelections), C(backup:GetBackupSelection), C(backup:DescribeRegionSettings), C(iam:GetRole),
    C(iam:ListAttachedRolePolicies), C(iam:ListRolePolicies), C(iam:GetRolePolicy), C(iam:GetPolicy) and
    C(iam:GetPolicyVersion) on the source side, and C(backup:DescribeRegionSettings) on the destination side.
    All but the first are side reads; the step goes on without them and says so.
  - Without the feeds of earlier steps it also needs C(backup:DescribeBackupVault) on the destination side, and what
    M(sre.backup_sync.backup_copy_job_info) does to list copy jobs.
extends_documentation_fragment:
  - sre.backup_sync._aws
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._evidence
options:
  rpo:
    description:
      - How old the newest copy may become, like V(26h) or V(2d).
      - A rule whose backups lie further apart is a problem, unless another rule copies the same resources more often.
    type: str
  vaults_feed:
    description:
      - The RV(ignore:feed) of M(sre.backup_sync.backup_vault_pair_info), so that the vault is not read again.
    type: dict
  copy_jobs:
    description:
      - The RV(ignore:evidence) of M(sre.backup_sync.backup_copy_job_info).
    type: dict
  jobs_feed:
    description:
      - The RV(ignore:feed.jobs) of M(sre.backup_sync.backup_copy_job_info), so that the jobs are not listed again.
    type: str
seealso:
  - module: sre.backup_sync.backup_vault_pair_info
  - module: sre.backup_sync.backup_copy_job_info
"""

EXAMPLES = r"""
- name: Check what copies from one Region to the other
  sre.backup_sync.backup_copy_rule_info:
    region: eu-west-1
    vault_name: production
    destination:
      region: eu-central-1
    rpo: 26h
  register: rules

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ rules.evidence.problems | map(attribute='message') }}"
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
      sample: copy_rules
    outcome:
      description: V(ok), V(empty), or why the plans could not be read, for example V(forbidden) or V(unreachable).
      type: str
      returned: always
      sample: ok
    query:
      description: What was asked.
      type: dict
      returned: always
    covered:
      description: The moment whose configuration was read.
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
      description: Counts of plans, rules and problems, and since when the plans are as they are.
      type: dict
      returned: always
    rules:
      description: The rules that write to the source vault, those with problems first.
      type: list
      elements: dict
      returned: when AWS answered
    problems:
      description: What is wrong, with what should be and what is.
      type: list
      elements: dict
      returned: when AWS answered
    roles:
      description: The roles that copy, what they may do, and whether AWS Backup may assume them.
      type: list
      elements: dict
      returned: when AWS answered
    opt_in:
      description: Per side, whether AWS Backup may handle a type of resource.
      type: dict
      returned: when AWS answered
    replication:
      description: The rules that copy here and how many jobs each has made.
      type: dict
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
      description: Reads inside the step that were refused while it went on, with the IAM statement that allows them.
      type: list
      elements: dict
      returned: when AWS answered
    error:
      description: Why the outcome is neither V(ok) nor V(empty).
      type: dict
      returned: always
feed:
  description:
    - Resources that a plan names and should have backed up (C(selected)), for M(sre.backup_sync.backup_copy_lag_info).
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_copy_rules import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
