#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 4 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_sync_log_info
short_description: Search the logs of backup copy pods for what tells
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads the logs of the pods of the copy jobs and keeps the telling lines, equal ones counted. Init containers and the
    runs before a restart are read too. This is step 4 of the runbook for cross-cluster backup sync.
  - The phrases C(copy failed), C(sync failed) and C(replication error) are counted apart, because most tools never
    write them.
  - Logs are streamed. Memory follows what is kept, not what is read.
  - Proxies of a service mesh are left out, and so are pods that no node runs.
  - Needs C(get) on C(pods/log), and without O(pods) C(list) on C(pods).
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
  pods:
    description:
      - The C(feed) of M(sre.backup_sync.k8s_sync_job_detail_info), or its list C(pods).
      - Without it the pods are listed by O(label_selector).
    type: raw
  patterns:
    description:
      - Regular expressions of telling lines; letter case does not count.
      - Without it one general pattern of words of trouble is used.
    type: list
    elements: str
  more_patterns:
    description: Regular expressions of telling lines beside O(patterns), like those of signatures of your own.
    type: list
    elements: str
  tail_lines:
    description: So many lines of each log, counted from its end; V(0) for all of it.
    type: int
    default: 5000
  max_bytes:
    description:
      - At most so many bytes of each log; V(0) for no bound.
      - The API server cuts the end, so this is a safety net over O(tail_lines). RV(evidence.summary) counts
        the logs
        that it cut. The last lines of a container that ended in error are read all the same.
    type: int
    default: 16777216
  max_pods:
    description: At most so many pods, failed ones first, then the newest.
    type: int
    default: 40
seealso:
  - module: sre.backup_sync.k8s_sync_job_detail_info
"""

EXAMPLES = r"""
- name: Search the logs of the copy pods
  sre.backup_sync.k8s_sync_log_info:
    context: dr-west
    namespace: backup
    pods: "{{ job_detail.feed }}"
  register: logs

- name: Search whole logs for words of one's own
  sre.backup_sync.k8s_sync_log_info:
    context: dr-west
    namespace: backup
    tail_lines: 0
    max_bytes: 0
    patterns:
      - bucket .* is read-only
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
      sample: logs
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
    lines:
      description: The telling lines, worst first.
      type: list
      elements: dict
      returned: when the source answered
    tails:
      description: The last lines of containers that ended in error.
      type: list
      elements: dict
      returned: when the source answered
    unread:
      description: What could not be read, and what the server said to it.
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

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.logs import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
