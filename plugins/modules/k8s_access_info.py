#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before the cluster runbook: what the identity may do, as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_access_info
short_description: Ask a cluster what the identity may read
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Asks the API server for each read whether these credentials are allowed it, by SelfSubjectAccessReviews, which every
    authenticated user may post and which are stored nowhere. Nothing is read of the objects themselves.
  - The playbook C(sre.backup_sync.preflight) asks for what the steps of P(sre.backup_sync.cluster_sync#role) read, on both sides.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_kubernetes
options:
  reads:
    description: What to ask for.
    type: list
    elements: dict
    required: true
    suboptions:
      step:
        description: The step that reads it; told again in the answer.
        type: str
      side:
        description: The side that it is read on; told again in the answer.
        type: str
      namespace:
        description: Namespace of the objects; none for the whole cluster.
        type: str
      group:
        description: API group, empty for the core.
        type: str
      resource:
        description: Resource as RBAC calls it, as V(jobs) or V(pods/log). It must be given.
        type: str
      verb:
        description: Verb as RBAC calls it, as V(list). It must be given.
        type: str
      name:
        description: Name of the only object; empty for all.
        type: str
      optional:
        description: Whether the step does without it; told again in the answer.
        type: bool
  on_error:
    description: What to do when the cluster cannot be asked. V(report) says it in RV(evidence.outcome) and RV(evidence.error).
    type: str
    choices: [fail, report]
    default: fail
  redaction_key:
    description: Key of the tokens that stand for credentials in the evidence.
    type: str
  timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 20.0
seealso:
  - module: sre.backup_sync.access_report
"""

EXAMPLES = r"""
- name: See whether logs can be read
  sre.backup_sync.k8s_access_info:
    context: dr-west
    reads:
      - {namespace: backup, resource: pods/log, verb: get}
  register: access
"""

RETURN = r"""
evidence:
  description: What was found.
  type: dict
  returned: always
  contains:
    step:
      description: V(access).
      type: str
      returned: always
    outcome:
      description: V(ok), or why nothing could be asked, for example V(forbidden), V(unreachable) or V(timeout).
      type: str
      returned: always
    query:
      description: Which cluster was asked.
      type: dict
      returned: always
    observed_at:
      description: The server's own time.
      type: str
      returned: always
    summary:
      description: How many reads were asked for, and how many of them are missing.
      type: dict
      returned: always
    checks:
      description: Each of O(reads) with C(allowed).
      type: list
      elements: dict
      returned: when the cluster answered
    error:
      description: Why the outcome is neither V(ok) nor V(empty).
      type: dict
      returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.access import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
