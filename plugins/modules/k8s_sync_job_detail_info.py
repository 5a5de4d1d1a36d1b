#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 3 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_sync_job_detail_info
short_description: Describe one backup copy job, its pods and its events
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads one copy job in full, and the pods of every copy job that is not plainly fine, with their conditions,
    container
    states, exit codes and termination messages. This is step 3 of the runbook for cross-cluster backup sync.
  - Without O(job_name) the most telling job is described. This is the newest failure that no later run has made
    good, else
    the longest among the runs that hang, else the newest.
  - Pods are listed once by O(label_selector). A label on a Job is not copied to its pods, so the pods of jobs that
    should
    have some and have none by label are looked for by the name of the job.
  - Needs C(get) on C(jobs) of the group C(batch), C(list) on C(pods), and without O(events_feed) C(list) on C(events).
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
  job_name:
    description: Name of the job to describe.
    type: str
  jobs:
    description:
      - The C(evidence) of M(sre.backup_sync.k8s_sync_job_info), from which the most telling job is chosen.
      - Without it and without O(job_name) the jobs are listed once more.
    type: raw
  jobs_feed:
    description: The C(feed) of M(sre.backup_sync.k8s_sync_job_info).
    type: raw
  events_feed:
    description:
      - The C(feed) of M(sre.backup_sync.k8s_sync_event_info).
      - Without it the events of the job and of its newest pods are read.
    type: raw
seealso:
  - module: sre.backup_sync.k8s_sync_job_info
  - module: sre.backup_sync.k8s_sync_log_info
"""

EXAMPLES = r"""
- name: Describe the most telling copy job
  sre.backup_sync.k8s_sync_job_detail_info:
    context: dr-west
    namespace: backup
    jobs: "{{ jobs.evidence }}"
    jobs_feed: "{{ jobs.feed }}"
    events_feed: "{{ events.feed }}"
  register: job_detail

- name: Describe one job by its name
  sre.backup_sync.k8s_sync_job_detail_info:
    context: dr-west
    namespace: backup
    job_name: backup-sync-orders-29920138
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
      sample: job_detail
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
    job:
      description: The job, as in the list of jobs.
      type: dict
      returned: when there is one
    conditions:
      description: The conditions of the job.
      type: list
      elements: dict
      returned: when the source answered
    pods:
      description: Pods of copy jobs that are not plainly fine, worst first.
      type: list
      elements: dict
      returned: when the source answered
    events:
      description: The events of the job and its pods, oldest first.
      type: list
      elements: dict
      returned: when the source answered
    spread:
      description: By node how many resources had their newest pod there, and of how many it failed.
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
  description: What the log step needs of every pod; absent when pods could not be read.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.job_detail import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
