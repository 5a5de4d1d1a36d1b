# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts and hosts get other names, everywhere the same, and nothing else changes."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.pseudonyms import renamed

VAULT = "arn:aws:backup:eu-west-1:111122223333:backup-vault:prod"


def test_an_account_has_one_number_wherever_it_stands():
    found = renamed(
        {"vault": VAULT, "owners": {"111122223333": 3}, "text": "account 444455556666, not 111122223333."}, ["account_ids"]
    )
    assert found == {
        "vault": "arn:aws:backup:eu-west-1:000000000001:backup-vault:prod",
        "owners": {"000000000001": 3},
        "text": "account 000000000002, not 000000000001.",
    }


def test_twelve_digits_that_are_no_account_stay():
    value = {"bytes": "123456789012", "text": "at 202611010000 read 111122223333"}
    assert renamed(value, ["account_ids"]) == value


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("dial tcp 10.0.0.7:443: i/o timeout", "dial tcp host-1.invalid:443: i/o timeout"),
        (
            "lookup objects.dr.example.com on 10.96.0.10:53: no such host",
            "lookup host-1.invalid on host-2.invalid:53: no such host",
        ),
        ("PUT https://s3.example.com/b: 503", "PUT https://host-1.invalid/b: 503"),
        ("rest:https://user:x@rest.example.com:8000/", "rest:https://user:x@host-1.invalid:8000/"),
        ("dial tcp [2001:db8::1:2:3:4]:443", "dial tcp [host-1.invalid]:443"),
        ("https://127.0.0.1:6443 and https://localhost/", "https://127.0.0.1:6443 and https://localhost/"),
        ('pulling image "registry.example.net/mover:1"', 'pulling image "host-1.invalid/mover:1"'),
        ("snapshot.storage.k8s.io/v1 at 10:15:00", "snapshot.storage.k8s.io/v1 at 10:15:00"),
    ],
)
def test_hosts_in_messages(text, other):
    assert renamed(text, ["host_names"]) == other


def test_a_host_that_one_place_names_is_renamed_in_all_others():
    found = renamed([{"node": "node-7"}, {"text": "pods on node-7 (not node-71) wait"}], ["host_names"])
    assert found == [{"node": "host-1.invalid"}, {"text": "pods on host-1.invalid (not node-71) wait"}]


def test_the_registry_of_an_image_is_a_host():
    found = renamed({"image": "registry.example.net:5000/team/mover:1", "other": {"image": "busybox:1"}}, ["host_names"])
    assert found == {"image": "host-1.invalid:5000/team/mover:1", "other": {"image": "busybox:1"}}


def test_nothing_is_renamed_unasked():
    value = {"vault": VAULT, "node": "node-7", "text": "dial tcp 10.0.0.7:443"}
    assert renamed(value, []) == value
    assert renamed(value, ["account_ids"])["node"] == "node-7"
    assert renamed(value, ["host_names"])["vault"] == VAULT
