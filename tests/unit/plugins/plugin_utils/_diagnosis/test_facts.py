# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster import facts
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.facts import resource_readiness
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import shipped_values

SETTINGS = {"thresholds": shipped_values("cluster")}


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


def in_time(slots, *, switches=0, resources=1):
    """The jobs step; slots: (hour, runs, failed), on twelve days, all of them of resources that run at several hours."""
    rows = []
    for slot, runs, failed in slots:
        figures = {"runs": runs, "failed": failed, "compared_runs": runs, "compared_failed": failed}
        rows.append({"slot": slot, **figures, "days_runs": 12, "days_failed": min(failed, 12)})
    summary = {"switches": switches, "resources": resources}
    return {"jobs": {"outcome": "ok", "observed_at": "2026-11-20T21:00:00Z", "summary": summary, "slots": rows}}


@pytest.mark.parametrize(
    "evidence, expected",
    [
        (in_time([(8, 5, 0)]), "none"),
        (in_time([(8, 4, 1)], switches=1), "single"),
        (in_time([(8, 6, 3)], switches=5), "random"),
        (in_time([(8, 6, 3)], switches=5, resources=3), "unknown"),  # of three resources each changed hardly once
        (in_time([(8, 6, 3)], switches=1), "unknown"),  # it has a beginning, no pattern
        (in_time([(8, 3, 2)], switches=2), "unknown"),
        (in_time([(8, 3, 3)]), "unknown"),
        (in_time([]), "unknown"),
        (in_time([(2, 12, 12), (8, 12, 0), (20, 12, 0)], switches=24), "periodic"),
        (in_time([(2, 12, 6), (8, 12, 6), (20, 12, 6)], switches=24), "random"),
    ],
)
def test_pattern_in_time(evidence, expected):
    assert facts.pattern(evidence, SETTINGS)["verdict"] == expected
    assert facts.pattern({"jobs": {**evidence["jobs"], "outcome": "forbidden"}}, SETTINGS)["verdict"] == "unknown"


def test_a_periodic_pattern_of_jobs_points_at_its_window_and_the_next():
    found = facts.pattern(in_time([(2, 12, 12), (8, 12, 0), (20, 12, 0)], switches=24), SETTINGS)
    assert [(row["slot"], row["rate"]) for row in found["slots"]] == [(2, 1.0)]
    assert (found["rate_of_others"], found["next_expected_at"]) == (0.0, "2026-11-21T02:00:00Z")


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
