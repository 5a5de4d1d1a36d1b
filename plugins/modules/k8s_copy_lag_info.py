#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 6 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_copy_lag_info
short_description: Compare the copy jobs with the backups of the source cluster
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads the backups of the source cluster and says for each resource whether the copy jobs brought it over within its
    window. This is step 6 of the runbook for cross-cluster backup sync.
  - The copy jobs themselves are not read again; O(jobs) and O(jobs_feed) hand over what step 1 found. Without them
    nothing is said about copies.
  - A run holds a backup when it began after the backup was complete. Times of both clusters are corrected by the
    measured difference of their clocks, and a copy is late only when it is late beyond doubt.
  - RV(evidence.source_problems) tells of backups that failed or stopped at the source. They cannot be copied.
  - A row is about the backup that decides the verdict. That is the newest one, unless an older one is overdue or the
    last copied one was late.
  - Needs C(list) on the backups in the source cluster.
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
  jobs:
    description: The C(evidence) of M(sre.backup_sync.k8s_sync_job_info).
    type: dict
  jobs_feed:
    description: The C(feed) of M(sre.backup_sync.k8s_sync_job_info).
    type: dict
  expected_window:
    description:
      - How long after the backup its copy must be complete, like V(30m) or V(PT2H).
      - By default the interval of the copy job's schedule, at least 15 minutes; one hour without a schedule.
    type: str
seealso:
  - module: sre.backup_sync.k8s_sync_job_info
  - module: sre.backup_sync.k8s_recovery_point_info
"""

EXAMPLES = r"""
- name: Compare copies with VolumeSnapshots of the source
  sre.backup_sync.k8s_copy_lag_info:
    context: dr-west
    namespace: backup
    source:
      context: prod-east
    jobs: "{{ jobs.evidence }}"
    jobs_feed: "{{ jobs.feed }}"
  register: copy_lag

- name: Compare copies with Velero backups of the source
  sre.backup_sync.k8s_copy_lag_info:
    context: dr-west
    namespace: backup
    source:
      context: prod-east
      namespace: velero
    source_backups:
      kind: custom
      group: velero.io
      version: v1
      plural: backups
      point_in_time: status.startTimestamp
      completed: status.completionTimestamp
      state: status.phase
    jobs: "{{ jobs.evidence }}"
    jobs_feed: "{{ jobs.feed }}"
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
      sample: copy_lag
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
    source_health:
      description: How the backups of the source are.
      type: dict
      returned: when a source was given
    source_problems:
      description: What is wrong with backups at the source, worst first.
      type: list
      elements: dict
      returned: when the source answered
    resources:
      description: One row per resource, worst first.
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
  description:
    - The source backups (C(points)), the difference of the clocks (C(skew)) and the window of each
      resource (C(windows)).
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.copy_lag import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
