# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter sre.backup_sync.classify: a shell over the catalogues of messages."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain


def classify(
    texts: t.Any,
    where: str = "log",
    reason: t.Any = None,
    exit_code: t.Any = None,
    tool: t.Any = None,
    rule_files: t.Any = (),
) -> t.Any:
    """What a message, or each of a list, stands for; see the filter's documentation."""
    # Imported here: Ansible imports every filter file when it looks one up, also for plays that never classify.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import classification

    told = plain({"reason": reason, "exit_code": exit_code, "tool": tool})
    given = plain(texts)
    listed = given if isinstance(given, list) else [given]
    odd = next((text for text in listed if text is not None and not isinstance(text, str)), None)
    if odd is not None:
        raise AnsibleFilterError(f"sre.backup_sync.classify: {str(odd)[:80]!r} is no text; give a text or a list of texts.")
    code = told["exit_code"]
    if code is not None and (isinstance(code, bool) or not str(code).lstrip("-").isdigit()):
        raise AnsibleFilterError(f"sre.backup_sync.classify: exit_code is {str(code)[:80]!r}; give a whole number.")
    told["exit_code"] = None if code is None else int(code)
    try:
        own = _own(classification.kind_of_place(plain(where)), plain(rule_files) or [])
        found = [classification.classify(text, plain(where), **told, own=own) for text in listed]
    except ValueError as exc:
        raise AnsibleFilterError(f"sre.backup_sync.classify: {exc}") from exc
    return found if isinstance(given, list) else found[0]


def _own(kind: str, rule_files: t.Any) -> tuple[t.Any, ...]:
    """The signatures of the user's rule files. Raises ValueError."""
    if not rule_files:
        return ()
    if not isinstance(rule_files, list):
        raise ValueError("the rule files must be a list of paths.")
    # Imported here: only who has rule files pays for the engine.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError

    try:
        return engine.own_signatures(kind, [str(path) for path in rule_files])
    except RuleError as exc:
        raise ValueError(str(exc)) from exc


class FilterModule:
    """Ansible's registration."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters of this file."""
        return {"classify": classify}
