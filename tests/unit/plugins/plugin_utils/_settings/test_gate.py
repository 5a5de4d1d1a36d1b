# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.gate import gate_settings


GIVEN = {"sync_gate_from": "play", "sync_gate_max_age": "15m"}


def test_the_age_in_seconds():
    assert gate_settings({**GIVEN, "sync_gate_override_by": "", "sync_gate_record": ""}) == {
        "problems": [],
        "warnings": [],
        "settings": {"max_age_s": 900.0},
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sync_gate_max_age": ""}, "sync_gate_max_age: it is empty; say how old the evidence may be"),
        ({"sync_gate_max_age": "2y"}, "sync_gate_max_age: '2y' is no duration"),
        ({"sync_gate_max_age": 0}, "sync_gate_max_age: 0 is outside what can be asked"),
        ({"sync_gate_max_age": "0s"}, "sync_gate_max_age: '0s' is outside what can be asked"),
        ({"sync_gate_from": "saved"}, "sync_gate_from: it cannot be 'saved'; give play, cluster_sync, region_sync or sync_replay."),
        ({"sync_gate_from": ""}, "sync_gate_from: it is empty; give play, cluster_sync, region_sync or sync_replay."),
        ({"sync_gate_from": None}, "sync_gate_from: it is empty"),
        ({"sync_gate_kind": "clusters"}, "sync_gate_kind: it cannot be 'clusters'; give"),
        ({"sync_gate_resources": ["ledger", " "]}, "sync_gate_resources: one of the names is empty"),
        ({"sync_gate_resources": "ledger"}, "sync_gate_resources: it is no list but a text; write it as JSON"),
        ({"sync_gate_override_by": ["Jane"]}, "sync_gate_override_by: it is no text but a list"),
        ({"sync_gate_override_by": "Jane", "sync_gate_override_reason": "  "}, "sync_gate_override_reason: it is empty"),
        ({"sync_gate_override_by": "\u200b", "sync_gate_override_reason": "INC-42"}, "sync_gate_override_by: it is empty"),
        ({"sync_gate_override_by": "No", "sync_gate_override_reason": "INC-42"}, "sync_gate_override_by: 'No' says no"),
        ({"sync_gate_override_by": "Jane", "sync_gate_override_reason": 0}, "sync_gate_override_reason: '0' says no"),
        ({"sync_gate_record": "/"}, "sync_gate_record: no file can be written at '/'"),
    ],
)
def test_one_sentence(changes, sentence):
    [problem] = gate_settings({**GIVEN, **changes})["problems"]
    assert problem.startswith(sentence)


def test_a_misspelt_variable_is_warned_of():
    names = ["sync_gate_maxage", "sync_gate_override_by"]
    [warning] = gate_settings({**GIVEN, "names_given": names})["warnings"]
    assert warning.startswith("sync_gate_maxage is no variable of the role sync_gate and changes nothing")
