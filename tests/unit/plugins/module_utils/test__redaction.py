# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials become tokens; what tells a cause stays readable."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils import _redaction as redaction
from lab.secrets import Planted, planted

TOKEN = re.compile(r"\*{8}[0-9a-f]{4}")
PLANTED = planted(400)


@pytest.fixture(autouse=True)
def key():
    redaction.use_key("a key of these tests")
    yield
    redaction.use_key(None)


def test_no_part_of_a_credential_is_left():
    seen = [one.text for one in PLANTED if one.seen_in(redaction.mask(one.text))]
    assert seen == []


def test_the_look_for_parts_finds_what_is_not_masked():
    assert all(one.seen_in(one.text) for one in PLANTED)
    assert Planted("x", ("0123456789abcdef",)).seen_in("cut off: 6789abcdef")


def test_to_mask_twice_changes_nothing():
    once = [redaction.mask(one.text) for one in PLANTED]
    assert [redaction.mask(text) for text in once] == once
    assert all(TOKEN.search(text) for text in once)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:p@s3cr3tvalue@host/path",
        'password: "two s3cr3tvalue words"',
        "AccountKey=s3cr3tvalue==",
        "mover --password s3cr3tvalue",
    ],
)
def test_odd_credentials_are_masked_too(text):
    assert "s3cr3tvalue" not in redaction.mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "dial tcp: lookup objects.dr.example.com on 10.96.0.10:53: no such host",
        "ExpiredToken: The provided token has expired.",
        "InvalidToken: The provided token is malformed or otherwise invalid.",
        "exceeded quota: backup-quota, requested: requests.memory=256Mi, used: requests.memory=4Gi",
        "repository is already locked by PID 41 on backup-sync-orders-q7x2p",
        'User "system:serviceaccount:backup:backup-sync" cannot create resource "jobs"',
        "NoSuchKey: The specified key does not exist. key=orders/latest.img",
        "Basic authentication failed",
        "the server asked for bearer authentication",
        "Error: secrets \"restic-repo\" not found",
        "MountVolume.SetUp failed for volume \"kube-api-access-x7k2p\"",
        "curl: (28) Connection timed out after 10001 milliseconds",
        "The source snapshot KMS key does not exist, is not enabled or you do not have permissions to access it.",
        "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "<Error><Code>AccessDenied</Code><Key>orders/latest</Key></Error>",
        "mysql: [Warning] using a password on the command line interface can be insecure",
    ],
)
def test_what_tells_the_cause_stays_readable(text):
    assert redaction.mask(text) == text


def test_one_secret_has_one_token_wherever_it_stands_and_each_key_has_its_own():
    texts = ["password=hunter2hunter2", 'the "password": "hunter2hunter2"', "https://me:hunter2hunter2@host/"]
    told = {TOKEN.search(redaction.mask(text)).group() for text in texts}
    assert len(told) == 1
    assert redaction.token("another one") not in told
    redaction.use_key("another key")
    assert TOKEN.search(redaction.mask(texts[0])).group() not in told


def test_all_texts_of_a_value_are_masked_and_nothing_else():
    value = {"password": "as it is", "rows": [{"text": "password=hunter2", "count": 3, "at": None}]}
    found = redaction.mask_all(value)
    assert found["rows"][0]["text"].startswith("password=********")
    assert (found["rows"][0]["count"], found["rows"][0]["at"], found["password"]) == (3, None, "as it is")


@pytest.mark.parametrize("unit", ["token ", "password=", "://", "-----BEGIN ", "key: ", "curl -u ", "eyJ", 'auth": "'])
def test_masking_is_linear(unit):
    took = []
    for size in (20_000, 80_000):
        start = time.process_time()
        redaction.mask(unit * (size // len(unit)))
        took.append(time.process_time() - start)
    assert took[1] < 12 * max(took[0], 0.005)
