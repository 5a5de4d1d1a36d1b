#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of the region runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kms_key_access_info
short_description: Say whether backup copies may use the KMS keys that they need
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads state, key policy and grants of the KMS keys that a copy needs - those of the recovery points that it reads and
    that of the vault into which it writes. The runbook for cross-region backup sync asks for them when the rest is
    inconclusive.
  - Of each key policy it says what it means for those who need the key. They are the roles of the copies, and, for the
    key of a recovery point that goes to another account, the service-linked role of AWS Backup in that account.
  - An allowance for a whole account leaves the decision to the identity policies in that account. Other policies, like
    those of the organization, are not part of the answer.
  - Through which service a copy reaches a key is not known in advance. Conditions that depend on it are V(conditional)
    unless all services that copy, or none of them, meet them.
  - State and grants of a key can be read from other accounts, its policy only in its own. A key of a third account
    therefore has no policy here.
  - Needs C(kms:DescribeKey), C(kms:GetKeyPolicy) and C(kms:ListGrants) on the keys, C(kms:ListAliases), and without
    O(vaults_feed) also C(backup:DescribeBackupVault).
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  source_keys:
    description:
      - ARNs of the keys of the recovery points whose copies fail, as C(key_arn) in the C(source_points) that
        M(sre.backup_sync.backup_copy_job_detail_info) returns. The first five are read.
      - Without any, only the key of the destination vault is read.
    type: list
    elements: str
  copy_roles:
    description:
      - ARNs of the IAM roles that the copies run as. The first five count.
      - Without any, the whole account of the source is asked for, so that a policy that names a role is V(conditional).
    type: list
    elements: str
  check_access:
    description: Whether to read the policies and grants of the keys too. V(false) reads their state alone.
    type: bool
    default: true
  vaults_feed:
    description:
      - The RV(ignore:feed) of M(sre.backup_sync.backup_vault_pair_info). Without it, what is needed of it is read.
    type: dict
seealso:
  - module: sre.backup_sync.backup_vault_pair_info
  - module: sre.backup_sync.backup_copy_job_detail_info
"""

EXAMPLES = r"""
- name: Read the keys behind the failed copies
  sre.backup_sync.kms_key_access_info:
    vault_name: nightly
    region: eu-west-1
    destination:
      region: eu-central-1
      profile: disaster-recovery
    source_keys: "{{ detail.evidence.source_points | map(attribute='key_arn') | select | unique }}"
    copy_roles:
      - arn:aws:iam::111122223333:role/service-role/AWSBackupDefaultServiceRole
    vaults_feed: "{{ vaults.feed }}"
  register: keys
"""

RETURN = r"""
evidence:
  description: What is known of the keys.
  returned: always
  type: dict
  contains:
    step:
      description: The evidence key.
      type: str
      returned: always
      sample: keys
    outcome:
      description:
        - V(ok) when at least one key told its state or is known to be gone, V(empty) when there is no key to ask for.
        - Otherwise why no key could be read.
      type: str
      returned: always
      sample: ok
    query:
      description: Region and vault of both sides.
      type: dict
      returned: always
    covered:
      description: Always null; the keys are as they are now.
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
      description:
        - How many keys there are, how many of them no copy can use in their state, and how many refuse somebody who
          needs them or do not mention them and have no grant for them either.
      type: dict
      returned: always
    kms_keys:
      description: The keys, worst first.
      type: list
      elements: dict
      returned: when AWS was asked
      contains:
        used_by:
          description: V(source_points), V(destination_vault) or both.
          type: list
          elements: str
          returned: success
        state:
          description: Only V(Enabled) lets anybody use the key.
          type: str
          returned: success
        aws_managed_for:
          description: The service whose managed key it is, like V(ebs) or V(backup); null for other keys.
          type: str
          returned: success
        policy:
          description:
            - Under C(principals) the verdict for each principal and action. It is V(allowed), V(denied), V(conditional)
              or V(not_mentioned).
            - Under C(why) the statements and conditions behind those that are not V(allowed).
          type: dict
          returned: success
        grants:
          description: How many grants those who need the key have, and which of them have some.
          type: dict
          returned: success
    total:
      description: How many keys there are.
      type: dict
      returned: always
    truncated:
      description: Whether there are more keys than were read.
      type: bool
      returned: always
    denied:
      description: Reads that were refused while the step went on, with the side and the IAM statement that allows them.
      type: list
      elements: dict
      returned: when AWS was asked
    error:
      description: Why the outcome is neither V(ok) nor V(empty), and what would help.
      type: dict
      returned: always
feed:
  description: Always empty; no later step needs more of the keys than the evidence.
  returned: always
  type: dict
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_keys import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
