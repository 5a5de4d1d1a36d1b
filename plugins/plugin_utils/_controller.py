# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What is done with evidence and diagnosis on the controller, where they are; the host is never connected to."""

from __future__ import annotations

import abc
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, plain


class ControllerAction(ActionBase):
    """Base of the action plugins that are no step. In check mode they do what they do otherwise."""

    arguments: t.ClassVar[dict[str, t.Any]]  # as AnsibleModule takes them
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Check the arguments, and return what was done with them. Nothing that these plugins do is a change."""
        result = super().run(tmp, task_vars)
        try:
            dummy, arguments = self.validate_argument_spec(self.arguments)
            return {**result, "changed": False, **self.done(plain(arguments), task_vars or {})}
        except AnsibleActionFail as exc:
            problem = exc.message
        except BadParameter as exc:
            problem = str(exc)
        # A result, as modules have it: what is raised passes failed_when and register by.
        return {**result, "changed": False, "failed": True, "msg": f"{self._task.action}: {problem}"}

    @abc.abstractmethod
    def done(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """The task's result for these arguments, in plain types. Raises BadParameter."""
