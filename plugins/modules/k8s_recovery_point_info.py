#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 8 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_recovery_point_info
short_description: Pair the recovery points of the destination with the backups of the source
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Lists the recovery points of the destination and keeps a ledger of which source backup each is a copy of. This is
    step 8 of the runbook for cross-cluster backup sync.
  - Points are paired one to one by label or annotation, then by storage handle, by name and by time. Where two would
    fit
    in time, none is taken, and both are called V(ambiguous).
  - A point without a time of its own is unknown and never a mismatch. A point that is not ready is no recovery point.
  - RV(evidence.resources) says per resource how much data a disaster now would cost.
  - Needs C(list) on the recovery points. With C(list) on C(volumesnapshotcontents) imported snapshots can be paired by
    their handles; without it the step goes on.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_kubernetes
  - sre.backup_sync._evidence
  - sre.backup_sync._source
  - sre.backup_sync._source.backups
options:
  namespace:
    description: Namespace of the destination.
    type: str
    required: true
  recovery_points:
    description:
      - What a recovery point is in the destination.
    type: dict
    suboptions:
      kind:
        description:
          - V(volumesnapshot) reads VolumeSnapshots, V(job) takes each Job for one backup, V(custom) reads any resource
            through the expressions below.
        type: str
        choices: [volumesnapshot, job, custom]
        default: volumesnapshot
      group:
        description: API group of the custom resource, for example V(velero.io).
        type: str
      version:
        description: API version, for example V(v1). Needed for kind V(custom).
        type: str
      plural:
        description: Name of the resource in the URL, for example V(backups). Needed for kind V(custom).
        type: str
      label_selector:
        description: Only objects with these labels.
        type: str
      identity:
        description: JMESPath of the name that both clusters know it by; by default C(metadata.name).
        type: str
      point_in_time:
        description: JMESPath of the moment that the data is from. Needed for kind V(custom).
        type: str
      completed:
        description: JMESPath of the moment when the backup was complete. Needed for kind V(custom).
        type: str
      available:
        description: JMESPath of the moment since when it has been in this cluster; by default
          C(metadata.creationTimestamp).
        type: str
      state:
        description:
          - JMESPath of the word for its state. The words of the usual tools are known; for others let the expression
            give V(completed), V(partial), V(failed) or V(in_progress).
          - Without it a backup with a completion time is complete.
        type: str
      resource:
        description: JMESPath of the resource that is backed up; by default a label or the name decides.
        type: str
  source_points:
    description:
      - The member C(points) of the feed of M(sre.backup_sync.k8s_copy_lag_info).
      - Without it the source is read through O(source).
    type: list
    elements: dict
  skew:
    description:
      - The member C(skew) of the feed of M(sre.backup_sync.k8s_copy_lag_info).
      - Without it the clock of the source is asked, if O(source) is given.
    type: dict
  windows:
    description: The member C(windows) of the feed of M(sre.backup_sync.k8s_copy_lag_info).
    type: dict
  rpo:
    description:
      - Recovery point objective, like V(1h) or V(24h).
      - Without it a resource is current when nothing of it is overdue.
    type: str
  tolerance:
    description: How far apart the times of a backup and its copy may lie when nothing else ties them together.
    type: str
    default: 5m
  expected_window:
    description:
      - How long after the backup its copy must be there.
      - By default that of O(windows), else one hour.
    type: str
  name_rewrite:
    description: Turns the name of a recovery point into the name of its source backup before names are compared.
    type: dict
    suboptions:
      pattern:
        description: Regular expression; every match is replaced.
        type: str
        required: true
      replacement:
        description: What a match is replaced with.
        type: str
        default: ""
seealso:
  - module: sre.backup_sync.k8s_copy_lag_info
"""

EXAMPLES = r"""
- name: Pair the snapshots of the destination with the backups that step 6 found
  sre.backup_sync.k8s_recovery_point_info:
    context: dr-west
    namespace: backup
    source:
      context: prod-east
    source_points: "{{ copy_lag.feed.points }}"
    skew: "{{ copy_lag.feed.skew }}"
    windows: "{{ copy_lag.feed.windows }}"
    rpo: 4h
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
    resources:
      description: One row per resource of the source, worst first.
      type: list
      elements: dict
      returned: when the source answered
    points:
      description: The points that do not simply match, worst first.
      type: list
      elements: dict
      returned: when the source answered
    timeline:
      description: Of the same resources as RV(evidence.resources), what became of their newest points, by the points in time.
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

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.recovery_points import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
