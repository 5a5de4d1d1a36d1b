#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file holds the documentation; the action plugin of the same name does the work on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnosis_gate
short_description: Decide whether a disaster-recovery runbook may go on with a target
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Holds a diagnosis against what a runbook needs before it fails over, and returns whether it may go on, with the reason.
  - It may when the diagnosis proves the target ready, was read lately enough, and what it tells has not run out since. An
    exposure grows with the clock until another copy is read, so one that was 10 minutes below the RPO a quarter of an hour ago
    is not proven any more.
  - A diagnosis that is missing, of another target, of supposed values, or of a time that nobody can tell is none to go by.
  - The module returns its decision and does not fail; P(sre.backup_sync.sync_gate#role) is what stops a play.
attributes:
  check_mode:
    support: full
    description: Decides and records as it does otherwise; RV(decision.check_mode) says so.
  diff_mode:
    support: none
    description: There is nothing to compare.
  action:
    support: full
    description: Runs on the controller and never connects to the host.
options:
  diagnosis:
    description: The diagnosis, as P(sre.backup_sync.diagnose#filter) returns it. Without it nothing is known.
    type: dict
  evidence:
    description: The evidence that the diagnosis was made of; it says when it was read.
    type: dict
  problem:
    description: Why there is no O(diagnosis), as a sentence for people.
    type: str
    default: ""
  target:
    description: The name of the target that is meant; a diagnosis of another is none. Empty for whichever it is of.
    type: str
    default: ""
  kind:
    description: Whether a pair of clusters or of Regions is meant, which may be called alike. Empty for whichever it is of.
    type: str
    choices: ["", cluster, region]
    default: ""
  max_age:
    description: How old the evidence may be, as V(15m) or V(2h).
    type: str
    default: 15m
  resources:
    description: The resources that are to be failed over, by their names in the diagnosis. Empty for all.
    type: list
    elements: str
    default: []
  override_by:
    description: Who goes on although the target is not ready. Needs O(override_reason).
    type: str
    default: ""
  override_reason:
    description: Why. Needs O(override_by).
    type: str
    default: ""
  record:
    description:
      - File on the controller to which each decision is added as a line of JSON. Empty for none.
      - Where it cannot be written, an override does not count and the task fails; any other decision stands, with a warning.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Ask whether the ledger can be failed over
  sre.backup_sync.diagnosis_gate:
    diagnosis: "{{ backup_sync_diagnosis }}"
    evidence: "{{ backup_sync_evidence }}"
    resources: [ledger]
    record: /var/log/backup-sync/gate.jsonl
  register: gate

- name: Go another way where it cannot
  ansible.builtin.include_tasks: restore_from_source.yml
  when: gate.decision.decision == 'stopped'
"""

RETURN = r"""
decision:
  description: What was decided, and on what. A line of O(record) is the same.
  type: dict
  returned: success
  contains:
    schema:
      description: V(sre.backup_sync/gate/v1).
      type: str
      returned: success
    kind:
      description: V(cluster) or V(region), which is O(kind) where it was given; V(unknown) without either and without a diagnosis.
      type: str
      returned: success
    target:
      description: Name of the target.
      type: str
      returned: success
      sample: prod
    decision:
      description: V(passed), V(stopped), or V(overridden) where it would have been stopped but for O(override_by).
      type: str
      returned: success
      sample: stopped
    readiness:
      description: V(ready), V(not_ready) or V(unknown), now and of what was asked for.
      type: str
      returned: success
      sample: not_ready
    reason:
      description: What the decision rests on.
      type: str
      returned: success
      sample: "ledger: not ready, exposure 6 h 26 min; cause: DNS does not resolve the endpoint's name (likely)"
    override:
      description: RV(decision.override.by) and RV(decision.override.reason); V(null) where none was needed.
      type: dict
      returned: success
      contains:
        by:
          description: Who.
          type: str
          returned: success
        reason:
          description: Why.
          type: str
          returned: success
    status:
      description: Status of the diagnosis; V(null) without one.
      type: str
      returned: success
    cause:
      description: Cause that the diagnosis names; V(null) without one.
      type: str
      returned: success
    resources:
      description: The resources that were asked for; empty for all.
      type: list
      elements: str
      returned: success
    worst_exposure_s:
      description: Worst exposure of what was asked for, in seconds.
      type: float
      returned: success
    rpo_s:
      description: RPO that it was held against, in seconds.
      type: float
      returned: success
    read_at:
      description: When the recovery points were read.
      type: str
      returned: success
    age_s:
      description: How old that was when it was decided, in seconds; below 0 where it is dated ahead of this machine's clock.
      type: float
      returned: success
    decided_at:
      description: When it was decided.
      type: str
      returned: success
    check_mode:
      description: Whether the play ran in check mode.
      type: bool
      returned: success
told:
  description: The decision in words.
  type: str
  returned: success
"""
