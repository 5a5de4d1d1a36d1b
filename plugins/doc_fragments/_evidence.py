# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Options that decide how a step answers, not what it asks."""

from __future__ import annotations


class ModuleDocFragment:
    """For every step that connects."""

    DOCUMENTATION = r"""
options:
  on_error:
    description:
      - What to do when the source refuses, cannot be reached or does not exist.
      - V(fail) fails the task; the evidence gathered so far is part of the result.
      - V(report) lets the task succeed and says it in RV(ignore:evidence.outcome) and RV(ignore:evidence.error).
      - Unusable options always fail the task; what the source says about the copies never does.
    type: str
    choices: [fail, report]
    default: fail
  redaction_key:
    description:
      - Key of the tokens that stand for credentials in the evidence, so that one secret has one token in all steps.
      - By default each run of C(ansible-playbook) makes one that nobody knows.
    type: str
  max_rows:
    description:
      - At most so many rows in each list of the evidence, worst first.
      - The summary always counts everything that was seen.
    type: int
    default: 50
  timeout:
    description:
      - Seconds to wait for one answer of the source.
    type: float
    default: 20.0
"""
