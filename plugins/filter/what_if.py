# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter sre.backup_sync.what_if: a shell over the engine."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import plain


def what_if(bundle: t.Any, supposing: t.Any, rule_files: t.Any = ()) -> dict[str, t.Any]:
    """Two diagnoses of a bundle, as it is and with values changed; see the filter's documentation."""
    try:
        # Imported here: Ansible imports every filter file when it looks one up, also for plays that never diagnose.
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine, supposed
        from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
    except ImportError as exc:
        raise AnsibleFilterError(
            f"sre.backup_sync.what_if needs the Python libraries jmespath and PyYAML on the controller: {exc}"
        ) from exc
    bundle, supposing, files = plain(bundle), plain(supposing), plain(rule_files) or []
    if not isinstance(supposing, dict) or not supposing:
        raise AnsibleFilterError("sre.backup_sync.what_if: supposing: give a dictionary of places and their values.")
    if not isinstance(files, list):
        raise AnsibleFilterError("sre.backup_sync.what_if: rule_files: give a list of paths.")
    try:
        before = engine.diagnose(bundle, rule_files=files)
        after = _supposed(lambda: engine.diagnose(bundle, rule_files=files, supposing=supposing))
    except (engine.BundleError, RuleError) as exc:
        raise AnsibleFilterError(f"sre.backup_sync.what_if: {exc}") from exc
    except supposed.SuppositionError as exc:
        raise AnsibleFilterError(f"sre.backup_sync.what_if: supposing: {exc}") from exc
    return {**supposed.compared(before, after), "supposing": supposing, "diagnosis": after}


def _supposed(diagnose: t.Callable[[], dict[str, t.Any]]) -> dict[str, t.Any]:
    """The diagnosis; facts are what the engine made itself, so that it need not look out for odd ones."""
    try:
        return diagnose()
    except (LookupError, TypeError, AttributeError) as exc:
        raise AnsibleFilterError(
            "sre.backup_sync.what_if: supposing: with these values there is no diagnosis; facts hang together, so change "
            "evidence instead, or a fact that a rule asks for by itself."
        ) from exc


class FilterModule:
    """Ansible's registration."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters of this file."""
        return {"what_if": what_if}
