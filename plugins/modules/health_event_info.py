#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health of AWS, for the region runbook, as a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: health_event_info
short_description: List what AWS Health says of backups and their services in both Regions
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Lists the issues and scheduled changes that AWS Health knows for AWS Backup and the services whose resources it
    copies, in the source Region and the destination Region. The runbook for cross-region backup sync asks for them when
    the rest is inconclusive.
  - Events that go on or are announced are listed whatever their age, those that have ended when they ended in the
    window.
  - The API is part of the larger support plans only. Without one RV(evidence.outcome) is V(not_configured), which says
    nothing about AWS.
  - Asked is the account of the source side. AWS Health has one endpoint for all Regions.
  - Needs C(health:DescribeEvents) and C(health:DescribeEventDetails).
extends_documentation_fragment:
  - sre.backup_sync._attributes
  - sre.backup_sync._attributes.info_module
  - sre.backup_sync._attributes.actiongroup_aws
  - sre.backup_sync._aws
  - sre.backup_sync._evidence
options:
  window:
    description: How far back an event may have ended, like V(24h), V(7d) or V(PT15M).
    type: str
    default: 24h
"""

EXAMPLES = r"""
- name: Ask AWS for trouble in both Regions
  sre.backup_sync.health_event_info:
    vault_name: nightly
    region: eu-west-1
    destination:
      region: eu-central-1
    window: 48h
    on_error: report
  register: health
"""

RETURN = r"""
evidence:
  description: What AWS Health says.
  returned: always
  type: dict
  contains:
    step:
      description: The evidence key.
      type: str
      returned: always
      sample: health
    outcome:
      description:
        - V(ok) when there are events, V(empty) when there are none, V(not_configured) without a support plan.
        - Otherwise why AWS Health could not be read.
      type: str
      returned: always
      sample: empty
    query:
      description: Region and vault of both sides, the services and the window.
      type: dict
      returned: always
    covered:
      description: The window.
      type: dict
      returned: always
    observed_at:
      description: AWS's own time of the reading.
      type: str
      returned: always
    clock:
      description: AWS's clock against the one here.
      type: dict
      returned: always
    summary:
      description: How many events there are, and how many of them go on.
      type: dict
      returned: always
    events:
      description: The events, worst first. The first ten have AWS's description.
      type: list
      elements: dict
      returned: when AWS Health answered
    total:
      description: How many events there are.
      type: dict
      returned: always
    truncated:
      description: Whether there are more events than rows.
      type: bool
      returned: always
    denied:
      description: Whether the descriptions were refused, with the IAM statement that allows them.
      type: list
      elements: dict
      returned: when AWS Health answered
    error:
      description: Why the outcome is neither V(ok) nor V(empty), and what would help.
      type: dict
      returned: always
feed:
  description: Always empty; no later step needs more of the events than the evidence.
  returned: always
  type: dict
"""

from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_health import STEP
from ansible_collections.sre.backup_sync.plugins.module_utils._module import run_module


def main() -> None:
    """Run the step."""
    run_module(STEP)


if __name__ == "__main__":
    main()
