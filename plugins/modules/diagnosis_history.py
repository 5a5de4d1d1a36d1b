#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file holds the documentation; the action plugin of the same name does the work on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnosis_history
short_description: Keep the runs of a target, and tell what changed
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Adds a diagnosis to the history of its target and tells since when it is so, what is new, resolved or flapping, and which
    way the exposure goes.
  - A pair has one file, with a run a line, of which the newest 1,000 are kept. Runs that end at the same time wait for each
    other, a run that is killed leaves the file whole, and a file that cannot be read is set aside and said.
  - The same evidence diagnosed again is the same run, and is not counted twice. A run that left out steps is not counted at all;
    then RV(history) says so and has no other members.
attributes:
  check_mode:
    support: full
    description: Runs in check mode as it does otherwise. It changes nothing but its own files.
  diff_mode:
    support: none
    description: There is nothing to compare.
  action:
    support: full
    description: Runs on the controller and never connects to the host.
options:
  diagnosis:
    description: The diagnosis, as P(sre.backup_sync.diagnose#filter) returns it.
    type: dict
    required: true
  evidence:
    description: The evidence that the diagnosis was made of; it says when the run was, else it is now.
    type: dict
  path:
    description: Folder on the controller that holds the histories.
    type: str
    required: true
  announce:
    description:
      - Places at which people want to be told when the status, the cause or the readiness is another than the one told last.
      - Of several runs that see the same change one gets the bodies to post, in RV(announcement).
    type: list
    elements: str
    choices: [webhook, slack]
    default: []
  delivered:
    description:
      - The places at which people were told of what an earlier call with O(announce) returned. No run is added then.
      - For the other places of that call the next run gets the bodies again.
    type: list
    elements: str
    choices: [webhook, slack]
  report_path:
    description: Folder of the reports, which the bodies name.
    type: str
    default: ""
  rename:
    description: What gets another name in the bodies, as in M(sre.backup_sync.diagnosis_report).
    type: list
    elements: str
    choices: [account_ids, host_names]
    default: []
"""

EXAMPLES = r"""
- name: Remember the run
  sre.backup_sync.diagnosis_history:
    diagnosis: "{{ backup_sync_diagnosis }}"
    evidence: "{{ backup_sync_evidence }}"
    path: /var/lib/backup-sync
  register: remembered

- name: Say what changed
  ansible.builtin.debug:
    msg: "{{ remembered.history.changes_in_words }}"
"""

RETURN = r"""
history:
  description: What the earlier runs say of this one.
  type: dict
  returned: when O(delivered) is not given
  contains:
    runs:
      description: How many runs are known, this one included.
      type: int
      returned: success
    since:
      description: Since when the status is what it is; V(null) in the first run.
      type: str
      returned: success
    in_a_row:
      description: How many runs it has been so.
      type: int
      returned: success
    changed:
      description: Whether status, cause or readiness are others than in the run before.
      type: bool
      returned: success
    previous:
      description: Time, status and cause of the run before; V(null) in the first run.
      type: dict
      returned: success
    other:
      description: Time, status and cause of the last run with another status, cause or readiness; V(null) without one.
      type: dict
      returned: success
    new:
      description: Rules that fired now, and did not in the last run that could tell.
      type: list
      elements: str
      returned: success
    resolved:
      description: Rules that are clear now, and fired in the last run that could tell.
      type: list
      elements: str
      returned: success
    flapping:
      description: Rules that came and went three times or more in the last twelve runs.
      type: list
      elements: str
      returned: success
    rules_changed:
      description: Whether other rules were applied than in the run before.
      type: bool
      returned: success
    set_aside:
      description: Where a damaged history went; V(null) without one.
      type: str
      returned: success
    since_in_words:
      description: Since when, in a sentence.
      type: str
      returned: success
    changes_in_words:
      description: What changed, in sentences.
      type: list
      elements: str
      returned: success
    exposure:
      description: Time, readiness and worst exposure in seconds of the last 60 runs.
      type: list
      elements: dict
      returned: success
announcement:
  description: The body to post at each of the places of O(announce) at which this run is to tell people.
  type: dict
  returned: when O(delivered) is not given
"""
