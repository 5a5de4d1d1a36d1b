# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of a saved bundle: a file or its folder, and one sentence for anything else."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.sre.backup_sync.plugins.lookup.saved_evidence import LookupModule

BUNDLE = {"schema": "sre.backup_sync/evidence/v1", "target": {"kind": "cluster"}, "evidence": {"jobs": None}}


def test_a_file_and_its_folder_are_the_same(tmp_path):
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(BUNDLE))
    assert LookupModule().run([str(file), str(tmp_path)]) == [BUNDLE, BUNDLE]


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("{", "it is not JSON"),
        ("[]", "This is no evidence bundle"),
        (json.dumps(dict(BUNDLE, schema="sre.backup_sync/evidence/v0")), "this version reads sre.backup_sync/evidence/v1"),
        (json.dumps(dict(BUNDLE, schema="sre.backup_sync/evidence/v2")), "'sre.backup_sync/evidence/v2'"),
        (json.dumps(dict(BUNDLE, target={"kind": "tape"})), "target.kind is 'tape'"),
        (b"\xff\xfe", "it is not JSON"),
        (None, "it cannot be read (No such file or directory)"),
    ],
)
def test_what_is_no_bundle_gets_one_sentence(tmp_path, content, sentence):
    file = tmp_path / "evidence.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(AnsibleLookupError) as refused:
        LookupModule().run([str(file)])
    assert sentence in str(refused.value) and str(file) in str(refused.value)
