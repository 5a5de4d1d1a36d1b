#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 1 of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_vault_pair_info
short_description: Describe the two backup vaults of a copy, and whether the copy is let in
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Describes the AWS Backup vault of the source Region and that of the destination Region, and says what their access
    policies mean for a copy from one to the other. This is step 1 of the runbook for cross-region backup sync.
  - A vault has no replication configuration. Copies are configured in the rules of backup plans, which
    M(sre.backup_sync.backup_copy_rule_info) reads. A vault has a key, a lock with bounds of retention, and a policy.
  - AWS Backup may answer V(AccessDenied) for a vault that does not exist. The list of vaults then decides whether it is
    missing or out of reach.
  - What a policy says depends on things that cannot be seen from outside. What they decide is V(conditional), with the
    conditions in question, and neither allowed nor denied.
  - Organization and cross-account setting are read only when the vaults belong to two accounts, and the quota of
    recovery points only when a vault holds more than half of the usual one.
  - Needs C(backup:DescribeBackupVault), C(backup:GetBackupVaultAccessPolicy), C(backup:ListBackupVaults),
    C(servicequotas:GetServiceQuota) and, between accounts, C(backup:DescribeGlobalSettings) and
    C(organizations:DescribeOrganization). Without the latter four the step goes on and says what it could not read.
  - Credentials that AWS does not accept and a role that cannot be assumed always fail the task.
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
seealso:
  - module: sre.backup_sync.kms_key_access_info
"""

EXAMPLES = r"""
- name: Describe the vaults of a copy inside one account
  sre.backup_sync.backup_vault_pair_info:
    vault_name: nightly
    region: eu-west-1
    destination:
      region: eu-central-1
  register: vaults

- name: Describe those of a copy into another account, which is read by a role there
  sre.backup_sync.backup_vault_pair_info:
    vault_name: nightly
    destination_vault_name: nightly-dr
    profile: production
    region: eu-west-1
    destination:
      region: eu-central-1
      role_arn: arn:aws:iam::444455556666:role/BackupReader
    on_error: report
"""

RETURN = r"""
evidence:
  description: What is known of both vaults.
  returned: always
  type: dict
  contains:
    step:
      description: The evidence key.
      type: str
      returned: always
      sample: vaults
    outcome:
      description:
        - V(ok) also when the destination's vault is missing or does not answer; RV(evidence.destination) says so.
        - V(not_found) when there is no source vault of this name, otherwise why the source could not be read.
      type: str
      returned: always
      sample: ok
    query:
      description: Region and vault of both sides.
      type: dict
      returned: always
    covered:
      description: Always null; the vaults are as they are now.
      type: dict
      returned: always
    observed_at:
      description: AWS's own time of the reading.
      type: str
      returned: always
    clock:
      description: AWS's clock against the one here.
      type: dict
      returned: always
    summary:
      description: Whether both vaults belong to one account, could be read, and need a policy that lets the copies in.
      type: dict
      returned: always
      contains:
        same_account:
          description: Null when it is not known.
          type: bool
          returned: success
        needs_policy:
          description: Whether the accounts differ, so that the destination's policy has to let the source in.
          type: bool
          returned: success
    source:
      description: The source vault.
      type: dict
      returned: when AWS was asked
      contains:
        outcome:
          description: How the reading of this vault ended.
          type: str
          returned: success
        exists:
          description: Null when neither the vault nor the list of vaults may be read.
          type: bool
          returned: success
        points_share:
          description: Recovery points in the vault as a share of the quota.
          type: float
          returned: success
        policy:
          description:
            - What the access policy means for a copy, under C(copy_from) for the source and C(copy_into) for the
              destination - its V(verdict) is V(allowed), V(denied), V(conditional) or V(not_mentioned), with the
              statement and the conditions that decide it.
            - Of V(not_mentioned) they are those of the statement that would allow it, if its conditions held.
          type: dict
          returned: success
    destination:
      description: The destination vault, with the members of RV(evidence.source).
      type: dict
      returned: when AWS was asked
    cross_account:
      description: Null inside one account; otherwise whether copies between accounts are enabled, and the organizations.
      type: dict
      returned: when AWS was asked
    network:
      description: Why VPC peering and Transit Gateway do not apply.
      type: dict
      returned: when AWS was asked
    total:
      description: Always empty; this step returns no lists.
      type: dict
      returned: always
    truncated:
      description: Always false.
      type: bool
      returned: always
    denied:
      description: Reads that were refused while the step went on, with the side and the IAM statement that allows them.
      type: list
      elements: dict
      returned: when AWS was asked
    error:
      description: Why the outcome is not V(ok), and what would help.
      type: dict
      returned: always
feed:
  description: ARNs, accounts, key and bounds of retention for the later steps.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_vaults import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
