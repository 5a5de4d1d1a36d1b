# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml
from ansible_collections.sre.backup_sync.plugins.module_utils import _access

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "permissions.py"


def _script():
    spec = importlib.util.spec_from_file_location("permissions", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_current():
    for path, text in _script().files().items():
        assert path.read_text(encoding="utf-8") == text, "run python tests/tools/permissions.py"


@pytest.mark.parametrize("side", _access.SIDES)
def test_the_manifests_only_read_and_never_secrets(side):
    text = next(text for path, text in _script().files().items() if path.name == f"rbac_{side}.yml")
    bodies = yaml.safe_load(text)["items"]
    rules = [rule for body in bodies for rule in body.get("rules", [])]
    assert rules and {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list"}
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert "secrets" not in resources and not any("*" in resource for resource in resources)
    for body in bodies[1:]:
        if body["kind"].endswith("Binding"):
            assert body["roleRef"]["name"] == body["subjects"][0]["name"] == bodies[0]["metadata"]["name"]
