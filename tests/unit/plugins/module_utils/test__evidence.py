# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils import _evidence as tools
from ansible_collections.sre.backup_sync.plugins.module_utils._step import kubeconfig_secrets


@pytest.mark.parametrize(
    "given, seconds",
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604800), ("P1D", 86400), ("PT15M", 900), (5, 5.0)],
)
def test_durations(given, seconds):
    assert tools.parse_duration(given) == seconds


@pytest.mark.parametrize("seconds", [45, 720, 12000, 7200, 187200, 90000])
def test_a_duration_can_be_given_as_it_is_told(seconds):
    assert tools.parse_duration(tools.human(seconds)) == seconds


@pytest.mark.parametrize("given", ["soon", "", "-3h", "3 hours", "2  h", "5 minutes", True, None, "P", "h"])
def test_what_is_no_duration(given):
    assert tools.parse_duration(given) is None


def test_a_duration_that_cannot_be_used_names_parameter_and_remedy():
    with pytest.raises(tools.BadParameter, match="window: 'soon' is no duration; write it like 90s"):
        tools.duration_parameter({"window": "soon"}, "window")
    with pytest.raises(tools.BadParameter, match="window: '9000d' is outside"):
        tools.duration_parameter({"window": "9000d"}, "window")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2026-11-20T21:00:00Z", "2026-11-20T21:00:00Z"),
        ("2026-11-20T21:00:00.123456789Z", "2026-11-20T21:00:00Z"),
        ("2026-11-20T23:00:00+02:00", "2026-11-20T21:00:00Z"),
        ("0001-01-01T00:00:00+05:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times(text, expected):
    assert tools.rfc3339(tools.parse_time(text)) == expected


def test_secrets_of_an_inline_kubeconfig_and_nothing_else():
    kubeconfig = {
        "clusters": [{"name": "dr", "cluster": {"server": "https://dr"}}],
        "users": [
            {"name": "a", "user": {"token": "T1", "client-key-data": "K1"}},
            {"name": "b", "user": {"auth-provider": {"config": {"access-token": "T2"}}}},
            {"name": "c", "user": {"exec": {"command": "login", "env": [{"name": "PASS", "value": "V1"}]}}},
        ],
    }
    assert kubeconfig_secrets(kubeconfig) == {"T1", "K1", "T2", "V1"}


def test_an_unknown_outcome_is_refused_where_it_is_made():
    with pytest.raises(ValueError, match="'denied' is no outcome"):
        raise tools.ReadFailed("denied", "no")
    with pytest.raises(ValueError, match="'nothing' is no outcome"):
        tools.evidence("jobs", outcome="nothing", query={})
    assert tools.failed("jobs", {}, tools.ReadFailed("throttled", "slow down"))["outcome"] == "throttled"


def test_the_outcomes_are_those_of_the_guide_and_each_is_either_an_answer_or_none():
    guide = (Path(__file__).parents[4] / "docs" / "evidence.md").read_text(encoding="utf-8")
    (row,) = [line for line in guide.splitlines() if line.startswith("| `outcome` |")]
    assert re.findall(r"`(\w+)`", row)[1:] == list(tools.OUTCOMES)
    assert set(tools.OUTCOMES) - tools.UNANSWERED == {"ok", "empty", "not_configured", "not_applicable"}


def test_numbers_that_json_does_not_have_are_unknown():
    read = {"a": [float("inf"), float("-inf"), float("nan"), 1.5, 2]}
    assert tools.plain(read) == {"a": [None, None, None, 1.5, 2]}
