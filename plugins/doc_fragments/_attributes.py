# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Attributes that all steps share."""

from __future__ import annotations


class ModuleDocFragment:
    """A module names both `_attributes` and `_attributes.info_module`."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
  async:
    description: Supports being used with the C(async) keyword.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
  action:
    support: full
    details:
      - With a local connection the step runs inside the worker process, which saves starting a module.
      - Set the variable C(backup_sync_in_process) to V(false) to run the ordinary module; it returns the same.
  async:
    support: full
"""

    ACTIONGROUP_KUBERNETES = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/sre.backup_sync.kubernetes) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - sre.backup_sync.kubernetes
"""

    ACTIONGROUP_AWS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/sre.backup_sync.aws) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - sre.backup_sync.aws
"""
