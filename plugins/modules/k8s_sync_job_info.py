#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 1 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_sync_job_info
short_description: List backup copy jobs and their CronJobs with their true state
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Lists the Jobs of a label in a namespace and the CronJobs that make them, and says what they mean together.
    This is step 1 of the runbook for cross-cluster backup sync.
  - Jobs alone mislead. History limits and TTL remove most of them, and a suspended or blocked schedule has none to
    show.
    The horizon in RV(evidence.summary) says how far back the list can see.
  - A job that cannot create pods has no condition at all; its state is V(blocked). A failed job has no
    completion
    time; its end is that of its condition.
  - Missed slots, the next due slot and the age of running jobs are measured by the server's clock.
  - Needs C(list) on C(jobs) and C(cronjobs) of the group C(batch). Without the latter the step goes on and says so.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_kubernetes
  - sre.backup_sync._evidence
options:
  namespace:
    description: Namespace in which the copy jobs run.
    type: str
    required: true
  label_selector:
    description:
      - Label selector of the copy jobs, by the rules of the API server, for example V(app=backup-sync).
      - The values that it asks for are also taken as the beginnings of names, so that C(backup-sync-orders) is about
        C(orders).
    type: str
    default: app=backup-sync
  resource_label:
    description:
      - Label that says which resource a copy is about, on the CronJob, its job template or the Job.
      - Without it the resource is taken from the name of the CronJob or Job.
    type: str
    default: backup-sync/resource
  window:
    description: How far to look back, like V(90m), V(24h), V(7d) or V(PT15M).
    type: str
    default: 24h
seealso:
  - module: sre.backup_sync.k8s_sync_event_info
  - module: sre.backup_sync.k8s_sync_job_detail_info
"""

EXAMPLES = r"""
- name: List the copy jobs of the last day
  sre.backup_sync.k8s_sync_job_info:
    context: dr-west
    namespace: backup
  register: jobs

- name: Show what fails
  ansible.builtin.debug:
    msg: "{{ jobs.evidence.resources | selectattr('consecutive_failures') | map(attribute='resource') }}"
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
      sample: jobs
    outcome:
      description: V(ok), V(empty), or why nothing could be read, for example V(forbidden), V(not_found) or V(timeout).
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
      description: One row per thing that is copied again and again, worst first.
      type: list
      elements: dict
      returned: when the source answered
    jobs:
      description:
        - The jobs, worst first. C(duration_s) of an unfinished job is how long it has run so
          far.
      type: list
      elements: dict
      returned: when the source answered
    cronjobs:
      description: The CronJobs, worst first.
      type: list
      elements: dict
      returned: when the source answered
    slots:
      description:
        - For each hour of the day in UTC how many listed jobs were made for it, and how many of them failed. C(compared_)
          counts those of resources that ran at several hours of the day, as far back as no job was removed, C(days_) the
          days of such.
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
  description: Compact rows of all jobs for the later steps.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.jobs import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
