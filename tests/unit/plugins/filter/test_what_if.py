# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter what_if: what it hands on, and one sentence for what it cannot use."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sre.backup_sync.plugins.filter.what_if import what_if
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import report_lines
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle


def test_the_parts_of_the_answer():
    told = what_if(failing_bundle(), {"settings.rpo_s": 86400})
    assert set(told) == {"before", "after", "findings", "supposing", "diagnosis"}
    assert told["diagnosis"]["dr_readiness"]["verdict"] == told["after"]["dr_readiness"] == "ready"
    assert any(line.startswith("SUPPOSED    settings.rpo_s is 86400") for line in report_lines(told["diagnosis"]))


@pytest.mark.parametrize(
    "bundle, supposing, rule_files, sentence",
    [
        (failing_bundle(), {}, [], "give a dictionary of places and their values"),
        (failing_bundle(), ["a"], [], "give a dictionary of places and their values"),
        (failing_bundle(), {"jobs.nope": 1}, [], "supposing: 'jobs.nope' is nowhere in this evidence"),
        (failing_bundle(), {"facts.named_causes": ["capacity"]}, [], "with these values there is no diagnosis"),
        (failing_bundle(), {"settings.rpo_s": 1}, "own.yml", "rule_files: give a list of paths"),
        ({"target": {}}, {"settings.rpo_s": 1}, [], "This is no evidence bundle"),
        (failing_bundle(), {"settings.rpo_s": 1}, ["/nowhere.yml"], "/nowhere.yml: the rule file cannot be read"),
    ],
)
def test_what_it_cannot_use_gets_one_sentence(bundle, supposing, rule_files, sentence):
    with pytest.raises(AnsibleFilterError) as refused:
        what_if(bundle, supposing, rule_files)
    assert sentence in str(refused.value)
