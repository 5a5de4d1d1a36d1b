# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One message on its own: its cause, what else it can mean, and unknown rather than a guess."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sre.backup_sync.plugins.filter.classify import classify as classify_filter
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.classification import OF_AWS, PLACES, classify
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "where", "cause"),
    [
        ("dial tcp: lookup objects.example.com on 10.96.0.10:53: no such host", "log", "network_dns"),
        ("x509: certificate signed by unknown authority", "log", "network_tls"),
        ("Access Denied: the cross-account copy feature is not enabled for your organization.", "copy_job",
         "cross_account_disabled"),
        ('{"state": "FAILED", "statusMessage": "The KMS key is either disabled or pending deletion"}', "copy_job",
         "kms_disabled"),
    ],
)  # fmt: skip
def test_a_message_names_its_cause_and_what_to_do(text, where, cause):
    found = classify(text, where)
    assert (found["cause"], found["text"]) == (cause, text)
    assert found["title"] and found["fix"] and found["explanation"] and found["signature"]
    assert found["matched_text"] and not found["symptom"]


@pytest.mark.parametrize("text", [None, "", "everything is fine", "the moon is in the seventh house"])
@pytest.mark.parametrize("where", PLACES)
def test_what_no_entry_knows_stays_unknown(text, where):
    found = classify(text, where)
    assert (found["cause"], found["title"], found["kind"]) == (None, None, "unknown")
    assert found["alternatives"] == [] and found["decide_by"] is None and found["fix"] is None


def test_words_with_several_causes_tell_them_and_what_decides():
    found = classify("Access Denied trying to call AWS Backup service", "copy_job")
    assert (found["cause"], found["symptom"]) == ("vault_access_policy", False)
    assert [other["cause"] for other in found["alternatives"]] == ["iam_source_role", "vault_not_found"]
    assert all(other["title"] for other in found["alternatives"])
    assert "ListBackupVaults" in found["decide_by"]


def test_a_symptom_tells_of_what():
    found = classify("Access denied", "copy_job")
    assert found["symptom"] and found["kind"] == "symptom"
    assert {"vault_access_policy", "iam_source_role", "kms_key_policy"} <= {row["cause"] for row in found["alternatives"]}
    assert "CloudTrail" in found["decide_by"]


def test_the_place_decides_what_words_are_about():
    text = "User: arn:aws:iam::111122223333:user/oncall is not authorized to perform: backup:ListCopyJobs"
    assert classify(text, "aws_call")["cause"] != classify(text, "copy_job")["cause"]


def test_reason_and_exit_code_of_a_container_count():
    assert classify(None, "container", reason="OOMKilled")["cause"] == "oom"
    named = classify("restic: unable to create lock in backend", "container", exit_code=11)
    assert named["cause"] == classify(None, "container", exit_code=11, tool="restic")["cause"] == "repository_lock"
    assert classify(None, "container", exit_code=11)["cause"] is None  # other tools mean something else by it


def test_a_list_gives_a_list_in_its_order():
    found = classify_filter(["no such host", "fine", None], "log")
    assert [row["cause"] for row in found] == [classify("no such host")["cause"], None, None]
    assert classify_filter("no such host") == found[0]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        (("text", "syslog"), "where is 'syslog'; give one of log, event"),
        ((3,), "'3' is no text; give a text or a list of texts"),
        (([{"message": "x"}],), "is no text"),
        (("text", "container", None, "many"), "exit_code is 'many'; give a whole number"),
    ],
)
def test_what_cannot_be_classified_is_said_in_one_sentence(given_, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        classify_filter(*given_)


@given(st.text(max_size=300), st.sampled_from(PLACES))
def test_any_text_gives_the_same_members(text, where):
    found = classify(text, where)
    assert set(found) == set(classify(None, where))
    assert json.loads(json.dumps(found)) == found
    assert found["cause"] is None or found["signature"]


def test_each_place_belongs_to_one_catalogue():
    assert len(set(PLACES)) == len(PLACES) and set(OF_AWS) < set(PLACES)
