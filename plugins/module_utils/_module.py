# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The shell of every module: argument spec in, result out."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._step import (
    Step,
    StepFailed,
    kubeconfig_secrets,
    run_step,
)


def run_module(step: Step) -> None:
    """Run the step as an ordinary Ansible module."""
    module = AnsibleModule(argument_spec=step.full_argument_spec(), supports_check_mode=True, **step.constraints)
    for option in ("kubeconfig", "source"):
        module.no_log_values.update(kubeconfig_secrets(module.params.get(option)))
    try:
        result = run_step(step, module.params, Clients(module.params))
    except StepFailed as failure:
        module.fail_json(msg=failure.message, **failure.result)
    for text in result.pop("warnings", []):
        module.warn(text)
    module.exit_json(**result)
