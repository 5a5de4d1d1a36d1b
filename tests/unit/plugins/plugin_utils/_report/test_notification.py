# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people are told of a change."""

from __future__ import annotations

import json

import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.notification import BODIES, SCHEMA, slack, webhook
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import PLACES
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import DIAGNOSIS, HOSTILE, hostile

HISTORY = {
    "since": "2026-11-21T18:00:00Z",
    "other": {"at": "2026-11-21T17:00:00Z", "status": "healthy", "cause": None},
    "new": ["cluster.5.lag"],
    "resolved": [],
    "changes_in_words": ["new: Recovery points lag behind the source backups"],
}


def test_there_is_a_body_for_each_place():
    assert tuple(BODIES) == PLACES


def test_a_program_gets_members():
    body = webhook(DIAGNOSIS, HISTORY, "/reports/prod")
    assert body["schema"] == SCHEMA
    assert body["target"] == {"kind": "cluster", "name": "t", "source": None, "destination": None}
    assert (body["status"], body["previous_status"], body["since"]) == ("failing", "healthy", "2026-11-21T18:00:00Z")
    assert body["cause"] == {
        "cause": "network_dns",
        "title": "DNS does not resolve the endpoint's name",
        "confidence": "likely",
    }
    assert body["dr_readiness"] == {"verdict": "not_ready", "worst_exposure_s": 23400.0, "rpo_s": 7200.0}
    assert (body["new"], body["report"]) == (["cluster.5.lag"], "/reports/prod")
    assert body["text"].splitlines() == [
        "Backup sync t: FAILING (was healthy)",
        "Cause: DNS does not resolve the endpoint's name (likely)",
        "Disaster recovery: NOT READY, worst exposure 6 h 30 min (RPO 2 h)",
        "New: Recovery points lag behind the source backups",
    ]


def test_slack_gets_blocks_of_plain_text():
    body = slack(DIAGNOSIS, HISTORY, "/reports/prod")
    assert body["text"] == "Backup sync t: FAILING (was healthy)"
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "section", "section"]
    assert body["blocks"][0]["text"]["text"].endswith("Backup sync t: FAILING (was healthy)")
    assert body["blocks"][2]["text"]["text"].startswith("1. ")
    assert body["blocks"][3]["text"]["text"] == "Report: /reports/prod"


def test_that_it_is_well_again_has_no_cause():
    well = {"target": {"name": "prod"}, "status": "healthy", "root_cause": None, "dr_readiness": {"verdict": "ready"}}
    was = {"other": {"status": "failing"}}
    assert webhook(well, was)["cause"] is None
    assert slack(well, was)["text"] == "Backup sync prod: HEALTHY (was failing)"


@pytest.mark.parametrize("text", [*HOSTILE.values(), "x" * 1_000_000, "<!channel> <@U1> & <https://evil.example|x>"])
def test_hostile_text_is_plain_and_bounded(text):
    body = slack(hostile(text), {"changes_in_words": [text]}, text)
    assert "<" not in body["text"] and ">" not in body["text"] and body["mrkdwn"] is False
    for block in body["blocks"]:
        assert block["text"]["type"] == "plain_text" and block["text"]["emoji"] is False
        assert 0 < len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
    told = json.dumps([body, webhook(hostile(text), {"changes_in_words": [text]})["text"]])
    assert not any(bad in told for bad in ("\\u001b", "\\u202e", "\\u0000", "\\ud800"))
