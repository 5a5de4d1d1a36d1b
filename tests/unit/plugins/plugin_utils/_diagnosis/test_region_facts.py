# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How failures of a region pair lie in time, and how far they spread."""

from __future__ import annotations

from math import comb

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis import engine
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.facts import of_problem
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.pattern import pattern
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.hours import fisher
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._region.spread import success_rate
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import shipped_values
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import (
    RESOURCES,
    about,
    behind,
    fail,
    healthy,
    problem,
    row_of,
)

SETTINGS = {"thresholds": shipped_values("region")}


@pytest.mark.parametrize(
    "table, p",
    [
        ((3, 1, 1, 3), 17 / 70),  # the lady who tastes tea
        ((4, 0, 0, 4), 1 / 70),
        ((5, 0, 0, 5), 1 / comb(10, 5)),
        ((0, 5, 3, 5), 1.0),
        ((2, 0, 0, 98), 1 / comb(100, 2)),
    ],
)
def test_fisher_against_known_values(table, p):
    assert fisher(*table) == pytest.approx(p)


def test_fisher_of_a_hundred_thousand_jobs():
    assert fisher(200, 4800, 2000, 93000) < 1e-9 < 0.05 < fisher(105, 4895, 2000, 93000)


def jobs(slots, *, made_good=6, days=9, observed="2026-11-20T21:00:00Z", compared=None):
    """slots: (hour, runs, failed); days: on how many of twelve days those of an hour failed, at most.

    compared: the hours in which resources were copied that are copied at several hours of a day (None: in all).
    """
    rows = [
        {**about("orders"), "copy_job": f"J{day}", "state": "FAILED", "created_at": f"2026-11-{day:02d}T02:10:00Z"}
        for day in range(1, days + 1)
    ]
    resources = [{**about("orders"), "failed": made_good + 1, "consecutive_failures": 1}]
    listed = []
    for slot, runs, failed in slots:
        here = compared is None or slot in compared
        row = {"slot": slot, "runs": runs, "failed": failed}
        row.update(compared_runs=runs * here, compared_failed=failed * here)
        listed.append({**row, "days_runs": 12 * here, "days_failed": min(failed, days) * here})
    answer = {"outcome": "ok", "observed_at": observed, "slots": listed, "jobs": rows, "resources": resources}
    return {"copy_jobs": answer}


@pytest.mark.parametrize(
    "slots, expected",
    [
        ([], "unknown"),
        ([(2, 40, 0)], "none"),
        ([(2, 40, 1)], "single"),
        ([(2, 40, 2)], "unknown"),  # two failures show no pattern
        ([(2, 12, 10), (8, 12, 0), (14, 12, 0), (20, 12, 0)], "periodic"),
        ([(2, 40, 8)], "random"),  # a nightly plan: all failures at 02:00, and all copies too
        ([(2, 12, 2), (8, 12, 3), (14, 12, 2), (20, 12, 3)], "random"),
        ([(2, 1000, 30), (8, 1000, 20)], "random"),  # more by chance, and not by much
        ([(2, 3, 3), (8, 0, 0)], "unknown"),
        # one hour of 24 that stands out by chance (p = 0.01 before the correction)
        ([(2, 10, 3), *((hour, 10, 1) for hour in range(3, 13)), *((hour, 10, 0) for hour in range(13, 24))], "random"),
    ],
)
def test_pattern(slots, expected):
    assert pattern(jobs(slots), SETTINGS)["verdict"] == expected


AT_TWO = [(2, 120, 100), (8, 120, 0), (14, 120, 0)]


@pytest.mark.parametrize("days, expected", [(1, "unknown"), (2, "unknown"), (3, "unknown"), (6, "periodic")])
def test_what_fails_together_is_one_incident_however_many_fail(days, expected):
    # three days of twelve against none of 24: p = 0.031 of one hour, 0.092 of three
    assert pattern(jobs(AT_TWO, days=days), SETTINGS)["verdict"] == expected


def test_a_resource_with_an_hour_of_its_own_tells_nothing_of_the_hour():
    assert pattern(jobs(AT_TWO, compared=(8, 14)), SETTINGS)["verdict"] == "unknown"
    assert pattern(jobs(AT_TWO, compared=()), SETTINGS)["verdict"] == "unknown"


def test_a_periodic_pattern_states_its_test_and_the_next_time():
    found = pattern(jobs([(2, 12, 10), (8, 12, 0), (20, 12, 0)]), SETTINGS)
    assert [slot["slot"] for slot in found["slots"]] == [2]
    assert found["p"] < 0.001 and found["rate_of_others"] == 0 and found["next_expected_at"] == "2026-11-21T02:00:00Z"


@pytest.mark.parametrize(
    "observed, expected",
    [
        ("2026-11-21T01:59:00Z", "2026-11-21T02:00:00Z"),
        ("2026-11-21T02:00:30Z", "2026-11-22T02:00:00Z"),
        ("2026-12-31T23:00:00Z", "2027-01-01T02:00:00Z"),
    ],
)
def test_next_expected_failure(observed, expected):
    found = pattern(jobs([(2, 12, 10), (8, 12, 0)], observed=observed), SETTINGS)
    assert found["next_expected_at"] == expected


def test_failures_that_have_not_stopped_have_a_beginning_and_no_pattern():
    assert pattern(jobs([(2, 40, 8)], made_good=-1), SETTINGS)["verdict"] == "unknown"


def test_what_could_not_be_read_has_no_pattern():
    evidence = jobs([(2, 12, 10), (8, 12, 0)])
    evidence["copy_jobs"]["outcome"] = "forbidden"
    assert pattern(evidence, SETTINGS)["verdict"] == "unknown"


# -------------------------------------------------------------------------------------------------------------- scope


def scope(bundle):
    return engine.diagnose(bundle)["scope"]["verdict"]


def rated(bundle, failed, runs, types=("EBS", "EFS"), resources=2):
    bundle["evidence"]["metrics"]["summary"]["success_rate"].update(succeeded=runs - failed, failed=failed, runs=runs)
    bundle["evidence"]["copy_jobs"]["groups"][0].update(types=list(types), resources=resources)
    return bundle


@pytest.mark.parametrize(
    "failed, runs, types, resources, expected",
    [
        (1, 18, ["EBS"], 1, "specific"),  # 94 %, and too few jobs to say so
        (24, 400, ["EBS", "EFS", "RDS", "S3"], 24, "systemic"),  # 94 %, over all types
        (40, 100, ["EBS"], 1, "specific"),  # one resource's own trouble, however often
        (40, 100, ["EBS"], 9, "systemic"),
        (2, 21, ["EBS", "EFS"], 2, "specific"),  # 90 %, which chance may be
    ],
)
def test_scope_by_the_rate(failed, runs, types, resources, expected):
    bundle = fail(healthy(), "Rate exceeded", "orders")
    bundle["evidence"]["copy_jobs"]["summary"]["resources"] = 60
    assert scope(rated(bundle, failed, runs, types, resources)) == expected


def test_all_of_several_with_something_in_common_are_systemic():
    assert scope(fail(healthy(), "The KMS key is either disabled or pending deletion")) == "systemic"


def test_what_failures_share():
    shared = engine.diagnose(fail(healthy(), "The KMS key is either disabled or pending deletion"))["scope"]["shared"]
    assert shared == {"cause": "kms_disabled", "role": "AWSBackupDefaultServiceRole"}
    assert engine.diagnose(behind(healthy(), "never_started"))["scope"]["shared"] == {"why": "never_started"}


def test_one_resource_is_never_systemic():
    bundle = fail(healthy(), "Rate exceeded", "orders")
    for step in ("copy_jobs", "recovery_points"):
        bundle["evidence"][step]["summary"]["resources"] = 1
    assert scope(bundle) == "unknown"


def test_half_of_the_resources_leave_it_open():
    assert scope(fail(healthy(), "Rate exceeded", "orders", "users")) == "unknown"


@pytest.mark.parametrize(
    "good, bad, verdict",
    [(400, 0, "high"), (376, 24, "unknown"), (300, 100, "low"), (0, 0, "unknown"), (17, 1, "unknown")],
)
def test_success_rate_verdict(good, bad, verdict):
    told = {"succeeded": good, "failed": bad, "threshold": 0.95}
    assert success_rate({"metrics": {"outcome": "ok", "summary": {"success_rate": told}}})["verdict"] == verdict


def test_the_job_list_serves_where_the_metrics_are_missing():
    bundle = healthy()
    bundle["evidence"]["metrics"] = {"outcome": "forbidden"}
    found = success_rate(bundle["evidence"])
    assert (found["runs"], found["failed"], found["rate"]) == (4, 0, 1.0)


def test_no_ended_jobs_are_no_success():
    found = success_rate({"copy_jobs": {"outcome": "ok", "summary": {"window": {"completed": 0, "failed": 0}}}})
    assert found["rate"] is None and found["verdict"] == "unknown"


# ---------------------------------------------------------------------------------------------------------- readiness


def ready(bundle):
    return engine.diagnose(bundle)["dr_readiness"]["verdict"]


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"exposure_s": 93000.0}, "ready"),
        ({"exposure_s": 93599.0}, "unknown"),  # the uncertainty must not decide
        ({"exposure_s": 93700.0}, "not_ready"),
        ({"verdict": "missing", "exposure_s": None}, "not_ready"),
        ({"verdict": "unknown"}, "unknown"),
    ],
)
def test_readiness_by_exposure(changed, expected):
    bundle = healthy()
    row_of(bundle, "recovery_points", "resources", "orders").update(changed)
    assert ready(bundle) == expected


def test_failed_jobs_do_not_spoil_points_that_are_there():
    bundle = fail(healthy(), "The snapshot cannot have more than 50 user tags.", "orders")
    for name in RESOURCES:
        row_of(bundle, "recovery_points", "resources", name).update(verdict="current", ready=True, exposure_s=3300.0)
    assert ready(bundle) == "ready"


# --------------------------------------------------------------------------- what a problem of the rules accounts for


@pytest.mark.parametrize(
    "kind, members, failing, expected",
    [
        ("opted_out", {"types": ["EFS"]}, [], ["media"]),
        ("opted_out", {"types": ["EFS"], "resources": ["orders"]}, [], ["orders"]),  # names say more than types
        ("opted_out", {"types": ["EFS"]}, ["media"], []),  # what was started and failed is not passed over
        ("role_not_allowed", {"role": "AWSBackupDefaultServiceRole"}, ["media"], ["media", "orders", "users"]),
        ("role_not_allowed", {"role": "another"}, [], []),
        ("no_copy_action", {}, ["orders"], ["media", "users"]),
        ("retention_below_minimum", {}, ["orders"], ["media", "orders", "users"]),
    ],
)
def test_what_a_problem_accounts_for(kind, members, failing, expected):
    bundle = problem(healthy(), kind, **members)
    found = of_problem(bundle["evidence"], ["media", "orders", "users"], failing)
    assert found.get(kind, []) == expected
