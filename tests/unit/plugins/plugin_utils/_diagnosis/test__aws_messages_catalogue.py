# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of AWS messages and region causes: whole, of one mind with the scenarios, and refused where wrong."""

from __future__ import annotations

import copy
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import _aws_messages
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._aws_messages import (
    classify,
    load_messages,
    region_causes,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import CatalogueError, bounded_regex

ROOT = Path(__file__).resolve().parents[5]
RAW = yaml.safe_load(
    (ROOT / "plugins/plugin_utils/_diagnosis/catalogue/messages_aws.yml").read_text(encoding="utf-8")
)
GENERIC = {"invalid_parameters", "kms_other", "access_denied_generic", "not_found_generic"}


# --- causes -----------------------------------------------------------------------------------------------------------


def test_causes_are_complete_and_symptoms_are_told():
    causes = region_causes()
    assert all(cause.next_steps and cause.explanation for cause in causes.values())
    assert {cause.id for cause in causes.values() if cause.symptom} == GENERIC
    assert all(cause.symptom == (cause.runbook_class == "symptom") for cause in causes.values())


def test_commands_name_their_region_and_whose_credentials_they_need():
    """AWS commands without a Region are those of global services."""
    for cause in region_causes().values():
        for step in cause.next_steps:
            command = step.get("command", "")
            parts = command.split()
            if parts and parts[1] not in ("iam", "organizations", "sts", "account"):
                assert "--region" in command, (cause.id, command)
            for side in re.findall(r"(\w+)_profile", command):
                assert f"--profile {{{side}_profile}}" in command, (cause.id, command)


def _texts(node: t.Any) -> t.Iterator[str]:
    """Every message that a scenario lets AWS say."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "message" else _texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)


# Scenarios in which there is a message that is not the cause: an old one, or that of few among many.
SAY_MORE = frozenset({"old-message-of-many", "one-failed-none-started", "key-of-others"})
SCENARIOS = sorted((ROOT / "tests/lab/region_scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_and_catalogue_use_the_same_words(path: Path):
    scenario = yaml.safe_load(path.read_text(encoding="utf-8"))
    expected = scenario["expect"].get("cause")
    expected = expected if isinstance(expected, list) else [expected]
    assert {cause for cause in expected if cause} <= set(region_causes())
    found = {verdict.cause for text in _texts(scenario) if (verdict := classify(text)).is_cause}
    if path.stem in SAY_MORE:
        return
    assert not found & set(scenario.get("must_not", {}).get("causes", []))
    assert expected == [None] or found <= set(expected)


# --- a wrong catalogue ------------------------------------------------------------------------------------------------


def _change(key: str, value: t.Any) -> dict[str, t.Any]:
    raw = copy.deepcopy(RAW)
    raw["messages"][0][key] = value
    return raw


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("cause", "no_such", "'no_such' is not in causes_region.yml"),
        ("collector_cause", "no_such", "'no_such' is not in causes_region.yml"),
        ("alternatives", ["no_such"], "decides: is a text where there are alternatives"),
        ("alternatives", "scp", "decides: is a text where there are alternatives"),
        ("unsure", True, "decides: is a text where there are alternatives"),
        ("unsure", "yes", "unsure: must be true or false"),
        ("decides", "a look", "only there"),
        ("fix", "", "fix: must be a text"),
        ("source", 7, "source: must be a text"),
        ("colour", "red", "colour: unknown key"),
        ("pattern", "Access Denied", "must be in lower case"),
        ("pattern", None, "pattern: must be a regular expression"),
        ("sample", None, "sample: must be a text"),
        ("types", "EBS", "types: must be a list"),
        ("wordings", [{"pattern": "x y", "sample": "x y"}], "stands for pattern, sample and types"),
        ("benign", True, "an entry has a cause or is benign"),
        ("weight", 0, "weight: must be a number"),
        ("weight", True, "weight: must be a number"),
        ("by_words", [{"pattern": "x y"}], "by_words: each has a pattern and the cause"),
        ("by_words", [{"pattern": "x y", "cause": "no_such"}], "by_words: 'no_such' is not in"),
        ("id", "A02", "entry A02: id: used twice"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(key: str, value: t.Any, says: str):
    with pytest.raises(CatalogueError, match=re.escape(says)) as caught:
        load_messages(_change(key, value), region_causes())
    assert str(caught.value).startswith("messages_aws.yml: entry A0")


def test_every_pattern_is_a_bounded_regular_expression():
    messages = load_messages(RAW, region_causes())
    entries = [*messages.of_jobs, *messages.of_collector]
    patterns = [wording.pattern for entry in entries for wording in entry.wordings]
    patterns += [pattern for entry in entries for pattern, dummy in entry.by_words]
    assert len(patterns) > 100
    for pattern in patterns:
        bounded_regex(pattern)


def test_a_wrong_list_is_refused():
    with pytest.raises(CatalogueError, match="entry colours: -: unknown list"):
        load_messages({**RAW, "colours": []}, region_causes())
    with pytest.raises(CatalogueError, match="entry categories: -: is missing"):
        load_messages({key: RAW[key] for key in RAW if key != "categories"}, region_causes())
    with pytest.raises(CatalogueError, match="must be capitals and digits only"):
        load_messages({**RAW, "categories": {"AccessDenied": "scp"}}, region_causes())
    with pytest.raises(CatalogueError, match=r"entry messages\[0\]: id: every entry is a mapping"):
        load_messages({**RAW, "messages": ["x"]}, region_causes())


def test_nothing_is_read_twice(monkeypatch: pytest.MonkeyPatch):
    classify("warm up")
    monkeypatch.setattr(_aws_messages, "read_yaml", lambda name: pytest.fail(f"{name} was read again"))
    assert classify("Rate exceeded once more").cause == "throttling"
