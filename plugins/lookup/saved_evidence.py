# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup sre.backup_sync.saved_evidence."""

from __future__ import annotations

DOCUMENTATION = r"""
name: saved_evidence
author: the sre.backup_sync authors (@sre-collections)
version_added: 0.1.0
short_description: Read an evidence.json that an earlier run left
description:
  - Reads the evidence of a run again, to diagnose it offline, with other rules, or as if a fact were another.
  - What cannot be read, is no bundle of evidence, or is one of another schema is refused with a sentence that says so.
options:
  _terms:
    description:
      - Paths of the files on the controller, relative to the working directory.
      - A folder stands for its C(evidence.json).
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Diagnose what the run of last night saw, with today's rules
  ansible.builtin.set_fact:
    diagnosis: "{{ lookup('sre.backup_sync.saved_evidence', 'reports/prod') | sre.backup_sync.diagnose }}"
"""

RETURN = r"""
_raw:
  description: The bundle of each file, as O(sre.backup_sync.diagnose#filter:_input) takes it.
  type: list
  elements: dict
"""

import json
import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """See the documentation above."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> list[t.Any]:
        """The bundle of each path; there are no other options."""
        return [_bundle(str(term)) for term in terms]


def _bundle(given: str) -> t.Any:
    # Imported here: Ansible imports the file to show its documentation, too.
    from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import BundleError, check_bundle

    path = os.path.expanduser(given)
    if os.path.isdir(path):
        path = os.path.join(path, "evidence.json")
    if os.path.exists(path) and not os.path.isfile(path):  # whoever reads a pipe may wait for ever
        raise AnsibleLookupError(f"{path}: it is no file; give the evidence.json of a run.")
    try:
        with open(path, encoding="utf-8") as file:
            bundle = json.load(file)
        check_bundle(bundle)
    except OSError as exc:
        raise AnsibleLookupError(f"{path}: it cannot be read ({exc.strerror}); give the evidence.json of a run.") from None
    except RecursionError:
        raise AnsibleLookupError(f"{path}: it is nested too deeply for evidence; give the evidence.json of a run.") from None
    except ValueError as exc:
        raise AnsibleLookupError(f"{path}: it is not JSON ({exc}); give the evidence.json of a run.") from None
    except BundleError as exc:
        raise AnsibleLookupError(f"{path}: {exc}") from None
    return bundle
