# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module", name="tool")
def fixture_tool():
    spec = importlib.util.spec_from_file_location("compatibility", ROOT / "tests" / "tools" / "compatibility.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lowest_are_the_lower_bounds(tool):
    lowest = tool.libraries("# why\nkubernetes>=29.0.0,!=37.0.2\nPyYAML>=6.0.1\n\n# jsonschema>=4.18\n", "lowest")
    assert lowest == ["kubernetes==29.0.0", "PyYAML==6.0.1"]
    assert tool.libraries("kubernetes>=29.0.0,!=37.0.2\n", "newest") == ["kubernetes>=29.0.0,!=37.0.2"]


def test_each_library_has_a_lower_bound_that_is_tried(tool):
    asked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert all(re.fullmatch(r"[\w.-]+==[\d.]+", line) for line in tool.libraries(asked, "lowest"))


def test_the_oldest_ansible_is_tried(tool):
    least = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    major_minor = re.match(r">=(\d+\.\d+)", least)[1]
    assert tool.DESCRIBED["oldest"]["packages"] == [f"ansible-core=={major_minor}.*"]


def test_a_command_that_does_not_run_is_no_python(tool, tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for folder, code in (("one", 1), ("two", 0)):
        shim = tmp_path / folder / "python3.99"
        shim.write_text(f"#!/bin/sh\nexit {code}\n", encoding="ascii")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/one:{tmp_path}/two")
    assert tool.interpreter("3.99") == f"{tmp_path}/two/python3.99"
    monkeypatch.setenv("PATH", f"{tmp_path}/one")
    assert tool.interpreter("3.99") is None
