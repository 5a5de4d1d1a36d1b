# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._settings.region import region_settings

GOOD = {
    "region_sync_vault_name": "backup",
    "region_sync_source_region": "eu-west-1",
    "region_sync_destination_region": "eu-central-1",
    "region_sync_rpo": "36h",
    "region_sync_window": "24h",
    "region_sync_look_back": "14d",
    "region_sync_success_threshold": 0.95,
}


def test_durations_become_seconds():
    assert region_settings(GOOD) == {
        "problems": [],
        "warnings": [],
        "settings": {
            "rpo_s": 129600,
            "expected_window_s": None,
            "window_s": 86400,
            "look_back_s": 1209600,
            "success_threshold": 0.95,
        },
    }


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"region_sync_vault_name": ""}, "region_sync_vault_name: it is empty; name the backup vault"),
        ({"region_sync_vault_name": "my vault"}, "region_sync_vault_name: 'my vault' is no name of a backup vault"),
        ({"region_sync_destination_vault_name": "a/b"}, "region_sync_destination_vault_name: 'a/b' is no name"),
        ({"region_sync_source_region": ""}, "region_sync_source_region: it is empty; name the Region"),
        ({"region_sync_destination_region": "Frankfurt"}, "'Frankfurt' is no name of a Region; write it like"),
        ({"region_sync_destination_region": "eu-west-1"}, "it is also the source's Region, and both vaults are called"),
        ({"region_sync_copy_job_id": "42"}, "region_sync_copy_job_id: '42' is no ID of a copy job"),
        ({"region_sync_window": "60d"}, "region_sync_window: '60d' is outside what can be asked"),
        ({"region_sync_look_back": "1h"}, "region_sync_look_back: '1h' is outside what can be asked"),
        ({"region_sync_rpo": "soon"}, "region_sync_rpo: 'soon' is no duration"),
        ({"region_sync_success_threshold": 95}, "region_sync_success_threshold: 95 is no share"),
        ({"region_sync_success_threshold": "high"}, "region_sync_success_threshold: it is no number but a text"),
        ({"region_sync_source": {"profil": "a"}}, "region_sync_source.profil: there is no such option; give profile."),
        ({"region_sync_source": {"access_key": "a"}}, "region_sync_source.access_key: access_key and secret_key belong"),
        ({"region_sync_destination": {"role_arn": "reader"}}, "role_arn: 'reader' is no ARN of a role"),
        ({"region_sync_log_groups": "/aws/events"}, "region_sync_log_groups: it is no list but a text; write it as JSON"),
        ({"region_sync_name": "prod", "names_of_others": ["prod"]}, "two pairs of this run are called 'prod'"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_read(changes, sentence):
    problems = region_settings({**GOOD, **changes})["problems"]
    assert len(problems) == 1 and sentence in problems[0], problems


@pytest.mark.parametrize(
    "changes",
    [
        {"region_sync_destination_region": "eu-west-1", "region_sync_destination_vault_name": "other"},
        {"region_sync_destination_region": "eu-west-1", "region_sync_destination": {"profile": "other-account"}},
        {"region_sync_destination_region": "us-gov-west-1", "region_sync_destination": None},
        {"region_sync_copy_job_id": "01234567-89AB-CDEF-0123-456789ABCDEF"},
        {"region_sync_source": {"role_arn": "arn:aws:iam::111122223333:role/sre/reader", "timeout": 5}},
        {"region_sync_step_options": {"logs": {"max_pages": 3}}},
    ],
)
def test_what_can_be_used_is_not_refused(changes):
    assert region_settings({**GOOD, **changes})["problems"] == []
