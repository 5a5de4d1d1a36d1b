# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 7: the ConfigMap against a JSON Schema, and the Regions that its rules state."""

from __future__ import annotations

import json
import socket
import sys

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_sides import (
    CONFIGMAP,
    FakeCluster,
    Sides,
    checked,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.test_replication_rules import (
    RULES,
    configmap,
    kinds,
    step,
)

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_regions import region_of
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.replication_rules import STEP

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["replicationRules"],
    "additionalProperties": False,
    "properties": {"replicationRules": {"type": "array", "items": {"$ref": "#/$defs/rule"}}},
    "$defs": {
        "rule": {
            "type": "object",
            "required": ["name", "schedule", "rpo"],
            "properties": {
                "rpo": {"type": "string", "pattern": "^[0-9]+[hd]$"},
                "retentionDays": {"type": "integer", "minimum": 7},
                "copyMethod": {"enum": ["Snapshot", "Direct"]},
            },
        }
    },
}


def broken(text, schema=None, name="c.yaml"):
    """[(kind, path, expected, actual)] of what the schema says."""
    rows = step({name: text}, schema=schema or SCHEMA)["problems"]
    return [(row["kind"], row["path"], row["expected"], row["actual"]) for row in rows]


# ------------------------------------------------------------------------------------------------------- schema


def test_a_configuration_that_meets_its_schema():
    assert kinds(step({"config.yaml": RULES}, schema=SCHEMA)) == []


@pytest.mark.parametrize(
    "line, found",
    [
        ("rpo: 90m", ("unexpected_value", "replicationRules[orders].rpo", "^[0-9]+[hd]$", "90m")),
        ("rpo: true", ("type_mismatch", "replicationRules[orders].rpo", "string", True)),
        ("retentionDays: 3", ("unexpected_value", "replicationRules[orders].retentionDays", 7, 3)),
        ("retentionDays: '30'", ("type_mismatch", "replicationRules[orders].retentionDays", "integer", "30")),
        (
            "copyMethod: Clone",
            ("unexpected_value", "replicationRules[orders].copyMethod", '["Snapshot", "Direct"]', "Clone"),
        ),
    ],
)
def test_a_broken_schema_is_a_finding_with_its_path(line, found):
    values = {"rpo": "1h", line.partition(":")[0]: line.partition(": ")[2]}
    body = "".join(f"    {key}: {value}\n" for key, value in values.items())
    assert broken(f"replicationRules:\n  - name: orders\n    schedule: 5m\n{body}") == [found]


def test_what_is_missing_or_unknown_is_named():
    evidence = step({"c.yaml": "replicationRules:\n- {name: a, schedule: 5m}\nreplicas: 1\nmore: 2\n"}, schema=SCHEMA)
    assert kinds(evidence) == [("missing_key", "replicationRules[a].rpo"), ("unexpected_value", None)]
    assert "'more'" in evidence["problems"][1]["message"] and "'replicas'" in evidence["problems"][1]["message"]


def test_two_missing_keys_are_two_findings_and_no_more():
    found = broken("replicationRules:\n- {name: a}\n")
    assert [path for dummy, path, *dummies in found] == ["replicationRules[a].rpo", "replicationRules[a].schedule"]


FLAT = {
    "type": "object",
    "required": ["schedule"],
    "properties": {
        "retentionDays": {"type": "integer", "minimum": 7},
        "enabled": {"type": "boolean"},
        "version": {"type": "string"},
        "level": {"enum": [1, 2]},
    },
}


def test_plain_keys_are_text_and_compared_after_typing():
    data = {"schedule": "@hourly", "retentionDays": "30", "enabled": "true", "version": "2", "level": "2"}
    assert kinds(step(data, schema=FLAT)) == []
    faulty = step({**data, "retentionDays": "3", "enabled": "maybe", "level": "3"}, schema=FLAT)
    assert kinds(faulty) == [
        ("unexpected_value", "level"),
        ("unexpected_value", "retentionDays"),
        ("type_mismatch", "enabled"),
    ]


def test_text_is_compared_after_typing_below_a_reference_too():
    schema = {"$schema": SCHEMA["$schema"], "properties": {"days": {"type": "integer"}, "retention": {"$ref": "#"}}}
    ini = "[retention]\ndays = {}\n"
    assert kinds(step({"c.ini": ini.format(30)}, schema=schema)) == []
    assert kinds(step({"c.ini": ini.format("x")}, schema=schema)) == [("type_mismatch", "retention.days")]


def test_a_schema_says_nothing_of_what_could_not_be_read():
    assert [kind for kind, dummy in kinds(step({"c.yaml": "a: [1"}, schema=SCHEMA))] == ["unparsable"]
    assert kinds(step({"c.yaml": RULES}, schema=SCHEMA, key="d.yaml")) == [("missing_key", "d.yaml")]


def test_findings_are_bounded():
    rules = "".join(f"- {{name: r{number}, schedule: 5m, rpo: 90m}}\n" for number in range(300))
    evidence = step({"c.yaml": f"replicationRules:\n{rules}"}, schema=SCHEMA, max_rows=200)
    assert evidence["summary"]["problems"] == 101 == len(evidence["problems"])
    assert "more than 100 places" in json.dumps(evidence)


def test_values_that_break_a_schema_are_masked():
    text = "a:\n  password: hunter22\n  token: tok98765\n  nested: {api_token: tok12345, port: 1}\n"
    members = {"password": {"minLength": 20}, "token": {"const": "want4567"}, "nested": {"type": "array"}}
    schema = {"properties": {"a": {"maxProperties": 1, "properties": members}}}
    evidence = step({"c.yaml": text}, schema=schema)
    assert len(evidence["problems"]) == 4
    for secret in ("hunter22", "tok98765", "tok12345", "want4567"):
        assert secret not in json.dumps(evidence)
    assert '"port": 1' in str([row["actual"] for row in evidence["problems"]])


@pytest.mark.parametrize(
    "schema, words",
    [
        ({"type": "objekt"}, "see type"),
        ({"properties": {"a": {"pattern": "("}}}, "properties/a/pattern"),
        ({"required": "name"}, "see required"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "dialect"),
    ],
)
def test_an_unusable_schema_is_named_before_anything_is_read(schema, words):
    cluster = FakeCluster({CONFIGMAP: configmap({})})
    with pytest.raises(BadParameter, match="^schema: ") as caught:
        STEP.gather(checked(STEP, schema=schema), Sides(cluster))
    assert words in str(caught.value) and cluster.calls == []


def test_a_schema_is_never_fetched(monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: asked.append(args))
    with pytest.raises(BadParameter, match=r"^schema: .*schemas\.example.*nothing is fetched"):
        step({"c.yaml": "a: 1\n"}, schema={"$ref": "http://schemas.example/rules.json"})
    assert asked == []


def test_a_schema_that_refers_to_itself_for_ever_is_refused():
    with pytest.raises(BadParameter, match=r"^schema: a \$ref leads back to itself"):
        step({"c.yaml": "a: 1\n"}, schema={"$ref": "#"})


def test_without_the_library_only_a_schema_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert step({"config.yaml": RULES})["outcome"] == "ok"
    cluster = FakeCluster({CONFIGMAP: configmap({})})
    with pytest.raises(BadParameter, match=r"^schema: .* jsonschema 4\.18 or newer.*pip install"):
        STEP.gather(checked(STEP, schema=SCHEMA), Sides(cluster))
    assert cluster.calls == []


# ------------------------------------------------------------------------------------------------------ Regions

KEY = "arn:aws:kms:{}:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VAULT = "arn:aws:backup:{}:222222222222:backup-vault:orders-dr"


def regions(members):
    """[(expected, actual)] of the mismatches of a rule with these members."""
    text = json.dumps({"rules": [{"name": "a", **members}]})
    rows = step({"c.json": text})["problems"]
    assert {row["kind"] for row in rows} <= {"region_mismatch"}
    return [(row["expected"], row["actual"]) for row in rows]


@pytest.mark.parametrize(
    "members, mismatch",
    [
        ({"destination": {"region": "eu-west-1", "endpoint": "https://s3.eu-west-1.amazonaws.com"}}, None),
        ({"destination": {"region": "eu-west-1", "endpoint": "https://s3.us-east-1.amazonaws.com"}}, "us-east-1"),
        ({"destination": {"region": "eu-west-1", "endpoint": "s3-eu-central-1.amazonaws.com"}}, "eu-central-1"),
        ({"destination": {"region": "eu-west-1", "endpoint": "https://storage.eu-west-3.example"}}, "eu-west-3"),
        ({"destination": {"region": "eu-west-1", "bucket": "https://b.s3.eu-west-2.amazonaws.com/x"}}, "eu-west-2"),
        ({"destinationRegion": "eu-west-1", "destinationVault": VAULT.format("eu-west-2")}, "eu-west-2"),
        ({"destination": {"region": "eu-west-1"}, "encryption": {"keyId": KEY.format("us-east-1")}}, "us-east-1"),
        ({"destination": {"region": "eu-west-1", "kmsKeyArn": KEY.format("us-east-1")}}, "us-east-1"),
        ({"destinationRegion": "eu-west-1", "kmsKeyId": KEY.format("eu-west-1")}, None),
        # without a Region of its own, the endpoint is what states it
        ({"destination": {"url": "https://s3.eu-west-1.amazonaws.com"}, "kmsKey": KEY.format("us-east-1")}, "us-east-1"),
        # what states nothing, is somebody else's, or is no Region
        ({"destination": {"region": "eu-west-1", "bucket": "dr-copies-us-east-1"}}, None),
        ({"destination": {"region": "eu-west-1", "bucket": "arn:aws:s3:::dr-copies-us-east-1"}}, None),
        ({"destination": {"region": "eu-west-1", "bucket": "s3://us-east-1.backups/x"}}, None),
        ({"destination": {"region": "eu-west-1", "endpoint": "https://us-east-1.s3.eu-west-1.amazonaws.com"}}, None),
        ({"destination": {"region": "eu-west-1", "endpoint": "https://s3.amazonaws.com"}}, None),
        ({"destination": {"region": "eu-west-1", "endpoint": "https://s3.dr-site-1.example"}}, None),
        ({"destination": {"region": "eu-west-1", "stsEndpoint": "https://sts.us-east-1.amazonaws.com"}}, None),
        ({"destination": {"region": "west", "endpoint": "https://s3.us-east-1.amazonaws.com"}}, None),
        ({"destinationRegion": "eu-west-1", "sourceKmsKeyId": KEY.format("us-east-1")}, None),
        ({"destinationRegion": "eu-west-1", "source": {"kmsKeyArn": KEY.format("us-east-1")}}, None),
        ({"destinationRegion": "eu-west-1", "kmsKeyId": "arn:aws:kms:us-east-1:22:key/odd"}, None),
        ({"destinationRegion": "eu-west-1", "kmsKeyId": "alias/us-east-1"}, None),
        ({"destination": {"region": "eu-west-1", "endpoint": "https://[s3.us-east-1"}}, None),
    ],
)
def test_two_regions_of_one_destination(members, mismatch):
    found = regions(members)
    assert len(found) == (0 if mismatch is None else 1)
    assert all(expected == "eu-west-1" and mismatch in actual for expected, actual in found)


def test_the_message_says_what_contradicts_what():
    rule = {"name": "orders", "destinationRegion": "eu-west-1", "kmsKeyId": KEY.format("us-east-1")}
    (row,) = step({"c.json": json.dumps({"rules": [rule]})})["problems"]
    assert row["message"] == "the rule orders copies to eu-west-1 by its Region, but its KMS key is of us-east-1"
    assert (row["rule"], row["path"]) == ("orders", "rules[orders]")


@pytest.mark.parametrize(
    "host, region",
    [
        ("https://bucket.s3.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://s3-website-eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://b.s3.dualstack.eu-west-2.amazonaws.com/x", "eu-west-2"),
        ("https://s3-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("https://s3.cn-north-1.amazonaws.com.cn:443/b", "cn-north-1"),
        ("https://s3.eu-central-1.wasabisys.example", "eu-central-1"),
        ("https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("https://us-east-1.s3.amazonaws.com", None),  # a bucket of that name
        ("https://s3.my-eu-west-1-site.example", None),
        ("https://proxy.eu-west-1.us-east-1.example", None),
        ("eu-west-1", None),
        ("https://10.0.0.1:9000", None),
        ("", None),
    ],
)
def test_the_region_in_a_host_name(host, region):
    assert region_of(host) == region


# ------------------------------------------------------------------------------------------------- other checks


def test_a_window_longer_than_the_interval():
    rule = "rules:\n- {{name: a, destination: dr, interval: 1h, {}}}\n"
    assert kinds(step({"c.yaml": rule.format("window: 2h")})) == [("window_exceeds_interval", "a")]
    assert kinds(step({"c.yaml": rule.format("windowMinutes: 90")})) == [("window_exceeds_interval", "a")]
    assert kinds(step({"c.yaml": rule.format("window: 1h")})) == []
    assert kinds(step({"c.yaml": rule.format("window: '22:00-04:00'")})) == []  # when copies may run, not for how long


def test_a_source_that_forgets_before_the_next_copy():
    rule = "rules:\n- {{name: a, destination: dr, interval: 6h, source: {{cluster: prod, retention: {}}}}}\n"
    assert kinds(step({"c.yaml": rule.format("2h")})) == [("retention_too_short", "a")]
    assert kinds(step({"c.yaml": rule.format("7d")})) == []


def test_a_tab_in_yaml_is_said():
    (row,) = step({"c.yaml": "rules:\n\t- name: a\n"})["problems"]
    assert "tab" in row["message"]
    (row,) = step({"c.yaml": "rules: [x\n"})["problems"]
    assert "tab" not in row["message"]


def test_a_byte_order_mark_is_said_and_read_past():
    evidence = step({"c.yaml": "\ufeff" + RULES})
    assert kinds(evidence) == [("whitespace", "c.yaml")] and len(evidence["rules"]) == 2


def test_a_document_in_binary_data_is_said():
    binary = {"rules.yaml": "//5yAHUA", "ca.der": "MIIB"}
    whole = configmap({}, binaryData=binary)
    assert kinds(step(whole)) == [("unparsable", "rules.yaml")]
    assert kinds(step(whole, key="ca.der")) == [("unparsable", "ca.der")]
    assert kinds(step(configmap({"c.yaml": RULES}, binaryData={"ca.der": "MIIB"}))) == []
