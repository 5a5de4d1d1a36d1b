# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster import facts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.facts import resource_readiness


def atom(cause="network_dns", weight=1.0, resource="orders", text="lookup s3.example.com: no such host", recorder="mover"):
    return Atom(cause, "D1", weight, recorder, "logs", "lines[0]", text, None, None, resource, None)


def jobs(failing, total):
    return {"jobs": {"outcome": "ok", "summary": {"resources": total, "resources_failing": failing}}}


@pytest.mark.parametrize(
    "verdict, ready, exposure, error, rpo, expected",
    [
        ("current", True, 3600, 5, 7200, "ready"),
        ("current", True, 7300, 5, 7200, "not_ready"),
        ("current", True, 7198, 5, 7200, "unknown"),  # the uncertainty must not decide
        ("current", True, 7202, 5, 7200, "unknown"),
        ("lagging", True, 3600, 5, 7200, "ready"),  # behind the source, yet inside what the business accepts
        ("missing", None, None, None, 7200, "not_ready"),
        ("not_ready", False, 60, 5, 7200, "not_ready"),
        ("unknown", None, 60, 5, 7200, "unknown"),
        ("current", True, None, 5, 7200, "unknown"),
        ("current", True, 60, 5, None, "unknown"),
    ],
)
def test_readiness_of_one_resource(verdict, ready, exposure, error, rpo, expected):
    row = {"verdict": verdict, "ready": ready, "exposure_s": exposure, "exposure_error_s": error}
    assert resource_readiness(row, rpo) == expected


@pytest.mark.parametrize("outcome", ["forbidden", "unreachable", "api_missing", "timeout", "error"])
def test_readiness_is_unknown_when_points_could_not_be_read(outcome):
    evidence = {"recovery_points": {"outcome": outcome}}
    assert facts.dr_readiness(evidence, {"rpo_s": 60})["verdict"] == "unknown"


def test_readiness_needs_something_to_compare_with():
    evidence = {"recovery_points": {"outcome": "ok", "summary": {"compared": False}, "resources": []}}
    assert facts.dr_readiness(evidence, {"rpo_s": 60})["verdict"] == "unknown"


def test_one_bad_resource_spoils_readiness():
    rows = [
        {"resource": "a", "verdict": "current", "ready": True, "exposure_s": 10},
        {"resource": "b", "verdict": "missing"},
    ]
    evidence = {"recovery_points": {"outcome": "ok", "summary": {}, "resources": rows}}
    assert facts.dr_readiness(evidence, {"rpo_s": 60})["verdict"] == "not_ready"


def test_scope_systemic_needs_spread():
    names = ["a", "b", "c", "d"]
    atoms = [atom(resource=name) for name in names]
    answer = facts.scope(jobs(4, 4), names, atoms)
    assert answer["verdict"] == "systemic"
    assert answer["shared"] == {"endpoint": "s3.example.com", "cause": "network_dns"}


def test_scope_specific_is_one_among_many():
    assert facts.scope(jobs(1, 8), ["a"], [atom(resource="a")])["verdict"] == "specific"


@pytest.mark.parametrize("failing, total", [(1, 1), (1, 2), (2, 4)])
def test_scope_with_few_data_is_unknown(failing, total):
    names = ["a", "b"][:failing]
    assert facts.scope(jobs(failing, total), names, [])["verdict"] == "unknown"


def test_scope_is_unknown_when_jobs_could_not_be_read():
    assert facts.scope({"jobs": {"outcome": "forbidden"}}, [], [])["verdict"] == "unknown"


def rate(avg, threshold=0.9, verdict="ok", runs=None):
    return {"metrics": {"outcome": "ok", "summary": {"success_rate": {"verdict": verdict, "avg": avg, "threshold": threshold, "runs": runs}}}}


@pytest.mark.parametrize(
    "evidence, expected",
    [
        (rate(0.42), "low"),
        (rate(0.97), "high"),
        (rate(0.75, runs={"succeeded": 3, "failed": 1}), "unknown"),  # 3 of 4 decides nothing
        (rate(0.5, runs={"succeeded": 50, "failed": 50}), "low"),
        (rate(None, verdict="metric_unknown"), "unknown"),
        (rate(0.1, verdict="stale"), "unknown"),
        ({}, "unknown"),
    ],
)
def test_success_rate_verdict(evidence, expected):
    assert facts.success_rate(evidence)["verdict"] == expected


def test_a_retry_of_a_copy_that_succeeded_is_no_cause():
    known = {"network_dns": None}
    assert facts.cause_table([atom(resource="fine")], {"orders"}, known) == {}


def test_an_atom_without_resource_counts_half_and_only_when_something_fails():
    known = {"network_dns": None}
    table = facts.cause_table([atom(resource=None)], {"orders"}, known)
    assert table["network_dns"]["weight"] == 0.5
    assert facts.cause_table([atom(resource=None)], set(), known) == {}


def run(hour, good, resource="orders"):
    state = "succeeded" if good else "failed"
    return {"resource": resource, "state": state, "ended_at": f"2026-11-20T{hour:02d}:00:00Z"}


@pytest.mark.parametrize(
    "outcomes, expected",
    [
        ([True] * 5, "none"),
        ([True, True, True, False], "single"),
        ([True, False, True, False, True, False], "random"),
        ([True, True, True, False, False, False], "unknown"),  # it has a beginning, no pattern
        ([True, False, False], "unknown"),
    ],
)
def test_pattern_in_time(outcomes, expected):
    rows = [run(hour, good) for hour, good in enumerate(outcomes)]
    assert facts.pattern({"jobs": {"outcome": "ok", "jobs": rows}})["verdict"] == expected


@pytest.mark.parametrize(
    "age, interval, expected", [(7300, 3600, True), (7100, 3600, False), (None, 3600, False), (90000, None, False)]
)
def test_a_push_is_overdue_by_the_schedule(age, interval, expected):
    evidence = {
        "metrics": {"outcome": "ok", "summary": {"freshness": {"push_age_s": age}}},
        "jobs": {"outcome": "ok", "cronjobs": [{"cronjob": "a", "interval_s": interval}]},
    }
    assert facts.push_overdue(evidence) is expected


def test_a_run_that_never_started_is_not_what_blocks_the_schedule():
    def evidence(state):
        return {
            "jobs": {
                "outcome": "ok",
                "jobs": [{"job": "a-1", "state": state}],
                "cronjobs": [{"cronjob": "a", "state": "stuck", "stuck": {"job": "a-1"}}],
            }
        }

    assert [row["cronjob"] for row in facts.stuck(evidence("overdue"))] == ["a"]
    assert facts.stuck(evidence("blocked")) == []


def test_a_disabled_rule_is_tied_to_what_it_names():
    rules = [
        {"rule": "nightly", "enabled": False, "source": "orders", "resources": []},
        {"rule": "users", "enabled": True, "source": "users"},
        {"rule": "media", "enabled": False, "resources": ["ledger"]},
    ]
    evidence = {"replication_rules": {"outcome": "ok", "rules": rules}}
    assert facts.disabled(evidence, ["audit", "ledger", "media", "orders", "users"]) == ["ledger", "media", "orders"]
