#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file holds the documentation; the action plugin of the same name does the work on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: access_report
short_description: Tell what the identities of a pair may read, and what they lack
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Prints for each side and step whether everything that it reads is permitted, and the RBAC rules or IAM statements to add
    where it is not. That something is missing does not fail the task; RV(problem) says it.
  - The playbook C(sre.backup_sync.preflight) asks and tells.
attributes:
  check_mode:
    support: full
    description: Runs in check mode as it does otherwise. It changes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
  action:
    support: full
    description: Runs on the controller and never connects to the host.
options:
  kind:
    description: What the pair is of.
    type: str
    choices: [cluster, region]
    required: true
  target:
    description: Name of the pair.
    type: str
    required: true
  places:
    description: What C(source) and C(destination) are called.
    type: dict
    default: {}
  settings:
    description: Of clusters, what decides which objects the steps read, as P(sre.backup_sync.cluster_reads#filter) takes it.
    type: dict
    default: {}
  asked:
    description: Of clusters, the evidence of M(sre.backup_sync.k8s_access_info) of each side.
    type: dict
    default: {}
    suboptions:
      source: &side
        description: Of this side; empty where it was not asked.
        type: dict
        default: {}
      destination: *side
  answers:
    description: Of Regions, the C(access) in the feed of each step that ran.
    type: list
    elements: dict
    default: []
    suboptions:
      source: *side
      destination: *side
"""

EXAMPLES = r"""
- name: Tell what is missing
  sre.backup_sync.access_report:
    kind: cluster
    target: prod
    settings: {copy_side: destination, namespace: backup, source_namespace: backup, configmap: backup-vault-config}
    asked: {destination: "{{ access.evidence }}"}
"""

RETURN = r"""
rows:
  description: Each thing that a step reads.
  type: list
  elements: dict
  returned: always
  contains:
    side:
      description: V(source) or V(destination).
      type: str
      returned: always
    step:
      description: The key of the step's evidence.
      type: str
      returned: always
    what:
      description: What it reads.
      type: str
      returned: always
    state:
      description:
        - V(permitted), V(missing), V(optional) where it is missing and seldom needed, V(unknown) where the side could not be
          asked, or V(not_asked) of AWS where this pair did not lead to it.
      type: str
      returned: always
problem:
  description: A sentence where something is missing or a side could not be asked; V(null) where all is permitted.
  type: str
  returned: always
missing:
  description: Of each side the Roles and ClusterRoles that lack something, whole, or the IAM statements to add.
  type: dict
  returned: always
"""
