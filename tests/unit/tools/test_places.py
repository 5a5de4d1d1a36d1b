# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "places.py"


@pytest.fixture(scope="module", name="places")
def fixture_places():
    spec = importlib.util.spec_from_file_location("places", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_a_run_made_is_emptied_and_nothing_else(places, tmp_path):
    places.empty(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "page.html").touch()
    places.empty(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [places.MARK]
    (tmp_path / "precious").touch()
    for folder in (tmp_path, tmp_path / "precious"):
        with pytest.raises(SystemExit, match="holds what none of our runs has made"):
            places.empty(folder)
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["a", "b", "c"]])
def test_arguments_that_do_not_fit_are_one_line(places, arguments, monkeypatch):
    monkeypatch.setattr("sys.argv", ["demo.py", *arguments])
    with pytest.raises(SystemExit, match=r"^usage: demo.py FOLDER \[COLLECTIONS\]$"):
        places.given("demo.py", "FOLDER", "[COLLECTIONS]")


def test_arguments_are_paths(places, monkeypatch):
    monkeypatch.setattr("sys.argv", ["demo.py", "/a"])
    assert places.given("demo.py", "FOLDER", "[COLLECTIONS]") == [Path("/a")]
