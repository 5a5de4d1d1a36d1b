# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the step inside the worker; documentation is in the module of the same name."""

from __future__ import annotations

import typing as t

# Imported here so that the parent process loads the library once for all workers.
from ansible_collections.sre.backup_sync.plugins.module_utils._clients import kubernetes  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.logs import STEP
from ansible_collections.sre.backup_sync.plugins.plugin_utils._action import StepAction


class ActionModule(StepAction):
    """See the module of the same name."""

    step = STEP

    def extra_arguments(self) -> dict[str, t.Any]:
        """Keep the lines that the signature catalogue knows, beside those with general words of trouble.

        The catalogue lies on the controller only; a module that runs elsewhere gets it with its arguments.
        """
        # Imported here: the worker needs it, the parent does not.
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.telling_lines import prepared_patterns

        return {"patterns": prepared_patterns()}
