# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of causes and signatures: what is shipped, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import _catalogue
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import (
    CatalogueError,
    bounded_regex,
    load_catalogue,
    read_catalogue,
    read_causes,
    required_literals,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CLUSTER

CATALOGUE = load_catalogue()
LOG_PATTERNS = CATALOGUE.lists["log_patterns"]
ALL_PATTERNS = sorted({entry.pattern for entries in CATALOGUE.lists.values() for entry in entries if entry.pattern})


def test_every_pattern_can_be_prefiltered() -> None:
    """A pattern without a literal is tried on every line; one list may not fill up with those."""
    assert [entry.id for entry in LOG_PATTERNS if required_literals(entry.pattern) is None] == []


def test_every_pattern_is_a_bounded_regular_expression() -> None:
    """They are not checked when they are loaded."""
    patterns = [*ALL_PATTERNS, *(entry.unless for entries in CATALOGUE.lists.values() for entry in entries if entry.unless)]
    for pattern in patterns:
        bounded_regex(pattern)


def test_prefilter_lets_every_sample_pass() -> None:
    for entry in LOG_PATTERNS:
        literals = required_literals(entry.pattern)
        assert literals and any(literal in entry.sample for literal in literals if entry.sample), entry.id


def test_every_cause_a_message_can_have_is_declared_with_next_steps() -> None:
    assert all(cause.next_steps for cause in CATALOGUE.causes.values())
    assert all(cause.symptom == (cause.runbook_class == "symptom") for cause in CATALOGUE.causes.values())


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("no such host", {"no such host"}),
        (r"\bno such\b host$", {"no such host"}),
        ("ab|cd(?:ef|gh)ij", {"ab", "cd"}),
        ("x(?:abc|def)y", {"abc", "def"}),
        ("colou?r code", {"r code"}),
        ("(?:abc)?de", {"de"}),
        ("[Ee]xceeded quota", {"xceeded quota"}),
        (r"a\.b\(c", {"a.b(c"}),
        ("ab{1,2}cd", {"cd"}),
        ("ab{0,3}?cd", {"cd"}),
        (r"\x41bc", {"bc"}),
        ("(?<!code = )Dead(?!line)", {"Dead"}),
        ("(?i)abc", None),
        ("abc|d", None),
        (r"\d{1,3}", None),
    ],
)
def test_required_literals(pattern: str, literals: set[str] | None) -> None:
    assert required_literals(pattern) == literals


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("first", range(0, len(ALL_PATTERNS), 10))
def test_every_match_contains_a_required_literal(first: int, data: st.DataObject) -> None:
    for pattern in ALL_PATTERNS[first : first + 10]:
        literals = required_literals(pattern)
        if literals is not None:
            text = data.draw(st.from_regex(pattern))
            assert not re.search(pattern, text) or any(literal in text for literal in literals), pattern


def test_file_that_is_no_yaml_is_named(tmp_path, monkeypatch) -> None:
    (tmp_path / "causes.yml").write_text("causes: [", encoding="utf-8")
    monkeypatch.setattr(_catalogue, "CATALOGUE_DIR", tmp_path)
    with pytest.raises(CatalogueError, match="causes.yml: entry -: -: not YAML"):
        _catalogue.read_yaml("causes.yml")


# --- entries that are refused -----------------------------------------------------------------------------------------


VALID = {"id": "U1", "pattern": "boom", "fix": "x", "cause": "quota"}
CAUSE = {"id": "jam", "title": "Jam", "runbook_class": "platform", "kind": "neither", "link": "store", "explanation": "x", "next_steps": []}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"patterns": []}, "signatures.yml: entry patterns: -: unknown list"),
        ({"log_patterns": [{"pattern": "x"}]}, r"entry log_patterns\[0\]: id: every entry"),
        ({"log_patterns": [{"id": "U1", "pattern": "x", "cause": "quota"}]}, "entry U1: fix: is missing"),
        ({"log_patterns": [{**VALID, "colour": 1}]}, "entry U1: colour: unknown key"),
        ({"log_patterns": [{**VALID, "cause": "gremlins"}]}, "entry U1: cause: 'gremlins' is not in causes.yml"),
        ({"log_patterns": [{"id": "U1", "pattern": "x", "fix": "x"}]}, "entry U1: cause: is missing"),
        ({"log_patterns": [{**VALID, "pattern": []}]}, "entry U1: pattern: must be a regular expression"),
        ({"log_patterns": [{**VALID, "weight": 3}]}, "entry U1: weight: must be a number from 0 to 1"),
        ({"log_patterns": [{**VALID, "symptom": "yes"}]}, "entry U1: symptom: must be true or false"),
        ({"log_patterns": [{**VALID, "confirm_by": True}]}, "entry U1: confirm_by: must be a text"),
        ({"log_patterns": [{**VALID, "confirm_by": " "}]}, "entry U1: confirm_by: must be a text"),
        ({"log_patterns": [{**VALID, "beats": "I1"}]}, "entry U1: beats: must be a list"),
        ({"log_patterns": [{**VALID, "beats": ["Nope"]}]}, "entry U1: beats: there is no entry 'Nope'"),
        ({"log_patterns": [VALID, VALID]}, "entry U1: id: used twice in log_patterns"),
        ({"log_patterns": [VALID], "final_patterns": [{"id": "U1", "pattern": "x y"}]}, "entry U1: id: used in"),
        ({"benign_patterns": [{"id": "U2", "pattern": "x y", "scope": "page"}]}, "entry U2: scope: must be line"),
    ],
)
def test_wrong_signature_is_refused_by_name(more: dict, message: str) -> None:
    raw = {name: [] for name in CATALOGUE.lists}
    with pytest.raises(CatalogueError, match=message):
        read_catalogue({**raw, **more}, CATALOGUE.causes)


def test_a_list_that_is_missing_is_named() -> None:
    with pytest.raises(CatalogueError, match="signatures.yml: entry tools: -: is missing"):
        read_catalogue({name: [] for name in CATALOGUE.lists if name != "tools"}, CATALOGUE.causes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "gremlin"}, "causes.yml: entry jam: kind: 'gremlin' is none of"),
        ({"next_steps": [{"text": "{nose}"}]}, "entry jam: next_steps: placeholder 'nose'"),
        ({"next_steps": [{"txt": "x"}]}, "entry jam: next_steps: each step has a text"),
    ],
)
def test_wrong_cause_is_refused_by_name(change: dict, message: str) -> None:
    assert read_causes("causes.yml", {"causes": [CAUSE]}, CLUSTER)["jam"].title == "Jam"
    with pytest.raises(CatalogueError, match=message):
        read_causes("causes.yml", {"causes": [{**CAUSE, **change}]}, CLUSTER)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("bo(om", "is no regular expression"),
        ("a.*b", r"'\*' repeats without bound"),
        ("a{2,}b", r"'\{2,\}' repeats without bound"),
        ("(ab){2}", "a repeated group"),
        ("(?P=x)", "is no regular expression"),
        ("(?#x)ab", "of the groups that start"),
    ],
)
def test_a_pattern_that_cannot_be_bounded_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bounded_regex(pattern)
