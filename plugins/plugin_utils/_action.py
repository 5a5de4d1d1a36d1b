# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Runs a step inside the worker process where that is the same thing as running its module.

A module costs half a second and more for packing and a new Python; the same function in the worker costs its requests.
The task is handed to the ordinary module when it must run elsewhere or as somebody else: another connection, become,
async, another Python.
"""

from __future__ import annotations

import gc
import os
import secrets
import sys
import time
import typing as t
from contextlib import contextmanager

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain
from ansible_collections.sre.backup_sync.plugins.module_utils._redaction import use_key
from ansible_collections.sre.backup_sync.plugins.module_utils._step import (
    Step,
    StepFailed,
    kubeconfig_secrets,
    run_step,
)


_PROGRESS_S = 3.0
# Made where the workers are forked from, so that one secret has one token in all steps of a run.
_REDACTION_KEY = secrets.token_hex(16)
# What is loaded by now, clients among it, stays until the end of the play. The garbage collector need not go through it
# again and again: not here, not in the workers that are forked from here, and not when Python ends.
gc.freeze()


class StepAction(ActionBase):
    """Base of every step's action plugin; a stub only names its step.

    Variable `backup_sync_in_process` (default true) switches to the ordinary module path, which returns the same.
    """

    step: t.ClassVar[Step]
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the step and return the module's result."""
        variables = task_vars or {}
        in_process = self._in_process(variables)
        self._supports_async = not in_process
        result = super().run(tmp, variables)
        extra = self.extra_arguments()
        if not in_process:
            arguments = _with_whole_paths({"redaction_key": _REDACTION_KEY, **extra, **self._task.args})
            done = self._execute_module(
                module_args=arguments, task_vars=variables, wrap_async=bool(self._task.async_val)
            )
            # It repeats the arguments, of which feeds are megabytes.
            done.pop("invocation", None)
            result.update(done)
            return result
        result.update(self._run_here({**extra, **plain(self._task.args)}))
        return result

    def extra_arguments(self) -> dict[str, t.Any]:
        """Arguments that only the controller can know; the task's own win."""
        return {}

    def _in_process(self, variables: dict[str, t.Any]) -> bool:
        """Whether this worker is the place, the user and the Python that the module would run with."""
        if self._task.async_val or getattr(self._connection, "transport", None) != "local":
            return False
        if getattr(self._connection, "become", None) is not None:
            return False
        templated = self._templar.template
        if not boolean(templated(variables.get("backup_sync_in_process", True)), strict=False):
            return False
        interpreter = variables.get("ansible_python_interpreter")
        return interpreter is None or _same_python(str(templated(interpreter)))

    def _run_here(self, arguments: dict[str, t.Any]) -> dict[str, t.Any]:
        validator = ArgumentSpecValidator(self.step.full_argument_spec(), **self.step.constraints)
        arguments = {key: value for key, value in arguments.items() if value is not None}
        checked = validator.validate(arguments)
        hidden = set(checked._no_log_values)  # pylint: disable=protected-access
        for option in ("kubeconfig", "source"):
            hidden |= kubeconfig_secrets(arguments.get(option))
        if checked.error_messages:
            return remove_values({"failed": True, "msg": self._refusal(checked)}, hidden)
        params = checked.validated_parameters
        use_key(_REDACTION_KEY)
        with self._environment():
            clients = Clients(params, run_folder=C.DEFAULT_LOCAL_TMP)
            clients.progress = self._progress()
            try:
                result = run_step(self.step, params, clients)
            except StepFailed as failure:
                result = dict(failure.result, failed=True, msg=failure.message)
        return remove_values(result, hidden) if hidden else result

    def _progress(self) -> t.Callable[[str], None]:
        """Tells whoever watches how far a long reading is, every few seconds; a short one stays silent."""
        due = [time.monotonic() + _PROGRESS_S]

        def tell(text: str) -> None:
            if time.monotonic() >= due[0]:
                due[0] = time.monotonic() + _PROGRESS_S
                self._display.display(f"{self.step.name}: {text}")

        return tell

    def _refusal(self, checked: t.Any) -> str:
        """What AnsibleModule would say of these parameters."""
        message = "; ".join(checked.error_messages)
        if isinstance(checked.errors[0], UnsupportedError):
            return f"Unsupported parameters for ({self._task.action}) module: {message}"
        return f"{self._task.action}: {message}"

    @contextmanager
    def _environment(self) -> t.Iterator[None]:
        """The task's `environment` keyword, which the worker does not apply by itself."""
        wanted: dict[str, t.Any] = {}
        self._compute_environment_string(wanted)
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update({name: str(value) for name, value in wanted.items()})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _with_whole_paths(arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    """A module runs in a folder of its own, where a relative path of the play would not be found."""
    whole = dict(arguments)
    if isinstance(whole.get("kubeconfig"), str) and whole["kubeconfig"]:
        paths = str(whole["kubeconfig"]).split(os.pathsep)
        whole["kubeconfig"] = os.pathsep.join(os.path.abspath(os.path.expanduser(path)) for path in paths if path)
    if isinstance(whole.get("aws_ca_bundle"), str) and whole["aws_ca_bundle"]:
        whole["aws_ca_bundle"] = os.path.abspath(os.path.expanduser(whole["aws_ca_bundle"]))
    for side in ("source", "destination"):
        if isinstance(whole.get(side), dict):
            whole[side] = _with_whole_paths(whole[side])
    return whole


def _same_python(interpreter: str) -> bool:
    """Whether the interpreter is the one that runs us: the same program in the same environment's folder."""
    if interpreter in ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent"):
        return True
    mine, theirs = os.path.abspath(sys.executable), os.path.abspath(os.path.expanduser(interpreter))
    return os.path.dirname(mine) == os.path.dirname(theirs) and os.path.realpath(mine) == os.path.realpath(theirs)
