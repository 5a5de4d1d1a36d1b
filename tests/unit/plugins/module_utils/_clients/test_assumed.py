# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import stat
import time

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.assumed import AssumedRoles

ASKED = ("arn:aws:iam::444455556666:role/reader", None, "eu-west-1", "AKIAEXAMPLE")
KEYS = {"aws_access_key_id": "ASIA", "aws_secret_access_key": "s", "aws_session_token": "t"}


def test_the_same_request_finds_them_in_another_process_of_the_run(tmp_path):
    AssumedRoles(str(tmp_path)).keep(KEYS, time.time() + 3600, *ASKED)
    assert AssumedRoles(str(tmp_path)).find(*ASKED) == KEYS


def test_nobody_else_can_read_them(tmp_path):
    AssumedRoles(str(tmp_path)).keep(KEYS, time.time() + 3600, *ASKED)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_role_identity_or_external_id_does_not_find_them(tmp_path):
    roles = AssumedRoles(str(tmp_path))
    roles.keep(KEYS, time.time() + 3600, *ASKED)
    for place in range(len(ASKED)):
        other = [*ASKED]
        other[place] = "another"
        assert roles.find(*other) is None


def test_what_ends_within_minutes_is_asked_for_again(tmp_path):
    roles = AssumedRoles(str(tmp_path))
    roles.keep(KEYS, time.time() + 240, *ASKED)
    assert roles.find(*ASKED) is None


def test_nothing_is_kept_without_a_folder_and_a_damaged_file_is_no_find(tmp_path):
    AssumedRoles().keep(KEYS, time.time() + 3600, *ASKED)
    assert AssumedRoles().find(*ASKED) is None
    roles = AssumedRoles(str(tmp_path))
    roles.keep(KEYS, time.time() + 3600, *ASKED)
    next(tmp_path.iterdir()).write_text("{")
    assert roles.find(*ASKED) is None
    AssumedRoles(str(tmp_path / "absent")).keep(KEYS, time.time() + 3600, *ASKED)
