#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 2 of the cluster runbook as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_sync_event_info
short_description: Read the recent events of a namespace by the time they were last seen
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Reads the events of a namespace, groups equal ones and shows the telling ones, newest first.
    This is step 2 of the runbook for cross-cluster backup sync.
  - Telling are warnings, the Normal events that tell of trouble (a CronJob that saw its job fail, a start that was left
    out), and whatever is about a copy job.
  - A cluster keeps events for one hour unless it is set up otherwise. RV(evidence.covered) says which part of the
    window
    the events really cover; the absence of an older one proves nothing.
  - Needs C(list) on C(events) of the core group.
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
  window:
    description: How far to look back, like V(90m), V(24h), V(7d) or V(PT15M).
    type: str
    default: 24h
  jobs:
    description:
      - The C(feed) of M(sre.backup_sync.k8s_sync_job_info), which says whose events are about copy jobs.
      - Without it the names of the objects decide.
    type: raw
seealso:
  - module: sre.backup_sync.k8s_sync_job_info
  - module: sre.backup_sync.k8s_sync_job_detail_info
"""

EXAMPLES = r"""
- name: Read the events about the copy jobs
  sre.backup_sync.k8s_sync_event_info:
    context: dr-west
    namespace: backup
    jobs: "{{ jobs.feed }}"
  register: events
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
      sample: events
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
    events:
      description: The telling groups of events, newest first.
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
  description: All groups, at most 2000, each with the names of its newest objects.
  type: dict
  returned: always
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.events import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
