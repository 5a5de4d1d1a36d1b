# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of the user: they decide before the shipped ones, and what cannot be used is refused in one sentence."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.sre.backup_sync.plugins.filter.classify import classify
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose, own_signatures
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import fail, healthy
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

LINE = "GATEWAY-042: tenant Backup is over its daily allowance"
ENTRY = {
    "id": "own.gateway",
    "pattern": r"gateway-\d{3}: tenant \S{1,60} is over",
    "sample": LINE,
    "cause": "throttling",
    "fix": "Ask the gateway team for a higher allowance.",
}
HARMLESS = {"id": "own.noise", "pattern": "no such host: cache-warmer", "sample": "no such host: cache-warmer", "benign": True}


@pytest.fixture
def written(tmp_path):
    """Writes a file of signatures, and gives its path."""

    def write(*entries, name="own.yml"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump({"signatures": list(entries)}))
        return str(path)

    return write


def test_a_message_that_only_this_site_has_names_its_cause(written):
    assert diagnose(failing_bundle(LINE))["root_cause"] is None
    root = diagnose(failing_bundle(LINE), rule_files=[written(ENTRY)])["root_cause"]
    assert (root["cause"], root["confidence"]) == ("throttling", "likely")


def test_its_fix_is_the_first_next_step(written):
    steps = diagnose(failing_bundle(LINE), rule_files=[written(ENTRY)])["next_steps"]
    assert steps[0] == {"text": ENTRY["fix"]}


def test_the_same_for_a_message_of_aws(written):
    words = "The landing-zone guard vetoed this copy (LZ-7)."
    entry = {**ENTRY, "pattern": r"guard vetoed this copy \(lz-\d\)", "sample": words, "cause": "scp"}
    bundle = fail(healthy(), words, "orders", "users")
    assert diagnose(bundle)["root_cause"] is None
    assert diagnose(bundle, rule_files=[written(entry)])["root_cause"]["cause"] == "scp"


@pytest.mark.parametrize(
    "text, where, entry, kind",
    [
        # shipped entries know each of the texts as something else
        (f"dial tcp 203.0.113.20:443: i/o timeout: {LINE}", "log", ENTRY, "error"),
        (LINE, "container", ENTRY, "final"),
        (f"KMS key is either disabled or pending deletion. {LINE}", "copy_job", {**ENTRY, "cause": "aws_transient"}, "final"),
        ("lookup x: no such host: cache-warmer", "log", HARMLESS, "benign"),
        ("Access denied. no such host: cache-warmer", "copy_job", HARMLESS, "benign"),
    ],
)
def test_it_decides_before_the_shipped_ones(written, text, where, entry, kind):
    reason = "OOMKilled" if where == "container" else None
    assert classify(text, where, reason)["signature"] not in (None, entry["id"])
    told = classify(text, where, reason, rule_files=[written(entry)])
    assert (told["signature"], told["cause"], told["kind"]) == (entry["id"], entry.get("cause"), kind)


@pytest.mark.parametrize("where", ["log", "copy_job"])
@pytest.mark.parametrize("text", ["tenant alpha quota spent", "quota spent tenant alpha", "quota spent\ntenant alpha"])
def test_of_several_the_first_of_the_file_decides(written, where, text):
    cause = "throttling"
    first = {**ENTRY, "id": "own.first", "pattern": "tenant alpha", "sample": "tenant alpha", "cause": cause, "weight": 0.4}
    second = {**first, "id": "own.second", "pattern": "quota spent|alpha", "sample": "quota spent", "weight": 1.0}
    assert classify(text, where, rule_files=[written(first, second)])["signature"] == "own.first"
    calm = {"id": "own.calm", "pattern": "quota", "sample": "quota", "benign": True}
    assert classify(text, where, rule_files=[written(first, calm)])["signature"] == "own.first"
    assert classify(text, where, rule_files=[written(calm, first)])["signature"] == "own.calm"


def test_without_its_words_nothing_changes(written):
    for where in ("log", "copy_job"):
        assert classify("no space left on device", where, rule_files=[written(ENTRY if where == "log" else HARMLESS)]) == classify(
            "no space left on device", where
        )


def test_less_weight_leaves_the_cause_to_others(written):
    bundle = failing_bundle(LINE)
    bundle["evidence"]["logs"]["lines"].extend(
        {**row, "text": "dial tcp: lookup s3.example.com: no such host"} for row in list(bundle["evidence"]["logs"]["lines"])
    )
    assert diagnose(bundle, rule_files=[written({**ENTRY, "weight": 0.2})])["root_cause"]["cause"] == "network_dns"


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"colour": "red"}, "own.yml: signature own.gateway: unknown key 'colour'; the keys are benign, cause"),
        ({"id": ""}, "own.yml: signature 1: id must be a text"),
        ({"sample": None}, "own.yml: signature own.gateway: sample must be a text"),
        ({"pattern": 7}, "own.yml: signature own.gateway: pattern must be a text"),
        ({"pattern": "tenant (is"}, r"signature own.gateway: pattern: 'tenant \(is' is no regular expression"),
        ({"pattern": "tenant .* over"}, r"pattern: '\*' repeats without bound; write for example \{0,200\}"),
        ({"pattern": "tenant is under"}, "pattern does not find the sample, which is read as 'GATEWAY-042: tenant"),
        ({"cause": "gremlins"}, "signature own.gateway: there is no cause 'gremlins' in the catalogue"),
        ({"cause": ""}, "give either the cause that the message stands for, or benign: true"),
        ({"benign": True}, "give either the cause that the message stands for, or benign: true"),
        ({"benign": "yes"}, "benign must be true or false"),
        ({"benign": 1}, "benign must be true or false"),
        ({"pattern": "x{0,5}"}, "pattern fits every text, even an empty one"),
        ({"pattern": "over|q{0,3}"}, "pattern fits every text, even an empty one"),
        ({"pattern": r"\\S{0,200}\\S{0,200}\\S{0,200} over"}, "pattern has repeats that can take long together"),
        ({"pattern": "over" * 300}, "pattern has 1200 characters; 1000 at most"),
        ({"fix": None}, "fix must be a text"),
        ({"fix": ""}, "fix is missing; say in a sentence what to do"),
        ({"weight": 2}, "weight must be a number above 0 and up to 1"),
        ({"weight": True}, "weight must be a number above 0 and up to 1"),
        ({"id": "D1"}, "signature D1: D1 is the id of a shipped signature; give yours another one"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(written, change, sentence):
    with pytest.raises(RuleError, match=sentence) as caught:
        own_signatures("cluster", [written({**ENTRY, **change})])
    assert "\n" not in str(caught.value)


def test_an_id_of_a_message_of_aws_is_taken_as_well(written):
    with pytest.raises(RuleError, match="A01 is the id of a shipped signature"):
        own_signatures("region", [written({**ENTRY, "id": "A01", "cause": "scp"})])


def test_one_that_hides_another_is_told(written):
    wide = {**ENTRY, "id": "own.wide", "pattern": "allowance", "sample": LINE}
    with pytest.raises(RuleError, match=r"signature own.gateway: the sample is taken for the signature own.wide \('allowance'\)"):
        own_signatures("region", [written({**wide, "cause": "scp"}, {**ENTRY, "cause": "scp"})])


def test_the_same_id_in_two_files_is_refused(written):
    with pytest.raises(RuleError, match="other.yml: signature own.gateway: this signature stands there twice"):
        own_signatures("cluster", [written(ENTRY), written(ENTRY, name="other.yml")])


@pytest.mark.parametrize(
    "rule_files, sentence",
    [("own.yml", "the rule files must be a list of paths"), (["/nowhere.yml"], "the rule file cannot be read")],
)
def test_the_filter_tells_what_it_cannot_use(rule_files, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        classify("x", rule_files=rule_files)
