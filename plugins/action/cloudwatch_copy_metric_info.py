# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the step inside the worker; documentation is in the module of the same name."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.plugins.module_utils._clients import aws
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_metrics import STEP
from ansible_collections.sre.backup_sync.plugins.plugin_utils._action import StepAction

aws.warm("backup", "cloudwatch", "sts")  # read once by the parent process for all workers


class ActionModule(StepAction):
    """See the module of the same name."""

    step = STEP
