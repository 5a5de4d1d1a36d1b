#!/usr/bin/python
# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file holds the documentation; the action plugin of the same name does the work on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnosis_report
short_description: Print a diagnosis, write its report files, and fail the task when asked to
version_added: 0.1.0
author:
  - the sre.backup_sync authors (@sre-collections)
description:
  - Prints a diagnosis as one screen of text and writes it to files.
  - The files and the screen come first, whatever the verdict is; only then does the task fail for O(fail_on).
  - A folder that cannot be written to fails the task too, after the screen was printed.
  - Files appear under their name only when they are complete. Folders that have to be made get mode V(0700), files V(0600).
attributes:
  check_mode:
    support: full
    description: Runs in check mode as it does otherwise. It changes nothing but its report files.
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
    description: The evidence that the diagnosis was made of. Without it no C(evidence.json) is written.
    type: dict
  history:
    description: What earlier runs say, as M(sre.backup_sync.diagnosis_history) returns it; the report then tells it.
    type: dict
  path:
    description:
      - Folder on the controller under which a folder named after the target receives the files.
      - Empty for no files.
    type: str
    default: ""
  formats:
    description:
      - V(text) prints the screen, and writes the same with all entries of its sections to C(report.txt).
      - V(json) writes C(evidence.json) and C(diagnosis.json).
      - V(html) writes C(report.html), one page with drawings for a browser, which needs no network and no script.
      - V(markdown) writes C(report.md) for tickets and chat, V(junit) C(junit.xml) with a case for the status and one for each
        rule, V(openmetrics) C(metrics.prom) for the textfile collector of the node exporter.
    type: list
    elements: str
    choices: [text, json, html, markdown, junit, openmetrics]
    default: [text, json]
  rename:
    description:
      - What gets another name on the screen and in the files, so that they can be shown to others.
      - V(account_ids) numbers the AWS accounts; V(host_names) the hosts, nodes and addresses that messages and settings name.
      - One name has one pseudonym in the screen and all files of a report; the verdict stays what it is.
      - Commands of the next steps then have to be read with the real names in mind.
    type: list
    elements: str
    choices: [account_ids, host_names]
    default: []
  fail_on:
    description:
      - The status from which on the task fails.
      - V(failing) fails when the copies fail, V(lagging) also when they lag, V(unknown) also when nothing conclusive is known.
    type: str
    choices: [never, failing, lagging, unknown]
    default: never
"""

EXAMPLES = r"""
- name: Keep the report of a diagnosis, and stop where copies fail
  sre.backup_sync.diagnosis_report:
    diagnosis: "{{ backup_sync_diagnosis }}"
    evidence: "{{ backup_sync_evidence }}"
    path: /var/log/backup-sync
    fail_on: failing
"""

RETURN = r"""
folder:
  description: The folder that the files were written to, V(null) when there are none.
  type: str
  returned: always
  sample: /var/log/backup-sync/prod
files:
  description: The paths of the files.
  type: list
  elements: str
  returned: always
  sample:
    - /var/log/backup-sync/prod/evidence.json
    - /var/log/backup-sync/prod/diagnosis.json
    - /var/log/backup-sync/prod/report.txt
lines:
  description: The screen, line by line.
  type: list
  elements: str
  returned: success
  sample:
    - "STATUS    FAILING"
"""
