# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.files import folder_name, write_files


@pytest.mark.parametrize("name", ["prod", "eu-west.prod_2"])
def test_a_plain_name_stays(name):
    assert folder_name(name) == name


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", ".", "", "/", ".hidden", "pröd", "x" * 300, "a\0b", "prod "])
def test_any_other_name_is_one_harmless_segment(name):
    folder = folder_name(name)
    assert folder not in ("", ".", "..") and len(folder) < 150
    assert not set(folder) & {"/", "\0", "\n", " "}
    assert not folder.startswith(".")


def test_two_targets_never_share_a_folder():
    names = ["a/b", "a b", "a-b", "../a-b", "a\nb"]
    assert len({folder_name(name) for name in names}) == len(names)


def test_files_are_whole_and_private(tmp_path):
    folder = tmp_path / "reports" / "prod"
    for content in ("first", "second"):
        write_files(str(folder), {"diagnosis.json": content})
    assert (folder / "diagnosis.json").read_text() == "second"
    assert os.listdir(folder) == ["diagnosis.json"]
    assert stat.S_IMODE((folder / "diagnosis.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    def no_space(dummy):
        raise OSError(28, "No space left on device")

    write_files(str(tmp_path), {"a.json": "old"})
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_files(str(tmp_path), {"a.json": "new"})
    assert os.listdir(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


def test_bytes_that_were_no_text_survive_as_json(tmp_path):
    write_files(str(tmp_path), {"a.json": json.dumps({"line": "a\udc80b"}, ensure_ascii=False)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"line": "a\udc80b"}


def test_a_file_in_the_way_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        write_files(str(tmp_path / "file" / "prod"), {"a.json": ""})
