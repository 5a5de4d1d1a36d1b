#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_replication_rule_info
short_description: Verify the replication rules in a ConfigMap
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads the ConfigMap with the replication rules, finds the rules in whatever shape they have and checks them. This is
    step 7 of the runbook for cross-cluster backup sync.
  - Understands flat keys, one document with a list of rules, and one document a rule; YAML, JSON, INI and properties.
  - A document that cannot be parsed is a finding with its line and column, not an error.
  - With O(source) the ConfigMap of the source cluster is compared too.
  - With O(jobs) it says which runs began before the last change of the ConfigMap, and which rules have no copy job.
  - A rule whose destination states two AWS Regions, by its Region, its endpoint, an ARN or a KMS key, is a finding.
  - Values of keys that name a secret are masked.
  - Needs C(get) on the one ConfigMap.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_kubernetes
  - sre.backup_sync._evidence
  - sre.backup_sync._source
requirements:
  - jsonschema >= 4.18 (Python library, only with O(schema))
options:
  namespace:
    description: Namespace of the destination.
    type: str
    required: true
  configmap:
    description: Name of the ConfigMap, in both clusters.
    type: str
    default: backup-vault-config
  key:
    description: Read only this key of the ConfigMap.
    type: str
  format:
    description: Format of the documents; V(auto) tells by the suffix of the key or by the look of the text.
    type: str
    choices: [auto, yaml, json, ini, properties, text]
    default: auto
  rules_path:
    description: Where the rules are, like V(copy.jobs), when they are not under a usual name.
    type: str
  required_keys:
    description:
      - Paths that must be set, like V(rpo), V(replicationRules[orders].schedule) or V(rules[*].destination).
    type: list
    elements: str
  expected:
    description:
      - What values are expected at which paths. A value is compared after typing, so that V(24h) equals V(P1D).
      - A dictionary of V(one_of), V(min), V(max), V(regex), V(duration_max), V(not_empty) and V(absent) is a
        constraint.
    type: dict
  schema:
    description:
      - A JSON Schema (2020-12) for the one document, or for all keys of the ConfigMap when there are several or none.
      - Where it is broken stands in RV(evidence.problems), a hundred findings at most.
      - Plain keys, INI and properties are always text, so there V("30") is taken for the number where the schema asks
        for one; in YAML and JSON the types must be as written.
      - Nothing is fetched, so a C($ref) must lead into the schema itself.
      - Needs the Python library jsonschema 4.18 or newer.
    type: dict
  drift_ignore:
    description: Paths that may differ between both clusters, with everything below them.
    type: list
    elements: str
  rpo:
    description: Recovery point objective for the rules that name none, like V(1h) or V(24h).
    type: str
  jobs:
    description: The C(evidence) of M(sre.backup_sync.k8s_sync_job_info).
    type: dict
  jobs_feed:
    description: The C(feed) of M(sre.backup_sync.k8s_sync_job_info).
    type: dict
seealso:
  - module: sre.backup_sync.k8s_sync_job_info
"""

EXAMPLES = r"""
- name: Verify the replication rules
  sre.backup_sync.k8s_replication_rule_info:
    context: dr-west
    namespace: backup
    configmap: backup-vault-config
    required_keys:
      - replicationRules[*].destination
    expected:
      replicationRules[*].rpo:
        duration_max: 4h
    schema:
      type: object
      required: [replicationRules]
      properties:
        replicationRules:
          type: array
          minItems: 1
          items:
            type: object
            required: [name, destination, schedule]
    source:
      context: prod-east
  register: rules
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
      sample: replication_rules
    outcome:
      description:
        - V(ok), V(empty), or why nothing could be read, for example V(forbidden), V(api_missing) or
          V(timeout).
      type: str
      returned: always
      sample: ok
    query:
      description: What was asked.
      type: dict
      returned: always
    covered:
      description: The span that the source could really answer for, V(null) if unknown.
      type: dict
      returned: always
    observed_at:
      description: The server's own time of the reading.
      type: str
      returned: always
    clock:
      description: The server's clock against that of this machine, seconds.
      type: dict
      returned: always
    summary:
      description: Figures over everything that was seen, also over what the lists leave out.
      type: dict
      returned: always
    rules:
      description: The rules as they were understood.
      type: list
      elements: dict
      returned: when the source answered
    problems:
      description: What is wrong with them, worst first.
      type: list
      elements: dict
      returned: when the source answered
    drift:
      description: Values that differ between both clusters.
      type: list
      elements: dict
      returned: when the source answered
    older_runs:
      description: Runs that began before the last change and still run, or failed.
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
      description: Reads inside the step that were refused while the step went on, with the RBAC rule that allows them.
      type: list
      elements: dict
      returned: when the source answered
    error:
      description: Why the outcome is neither V(ok) nor V(empty), with the RBAC rule that would have allowed the read.
      type: dict
      returned: always
feed:
  description: Empty.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.replication_rules import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
