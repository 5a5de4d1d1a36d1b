# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pairing of AWS recovery points means, point by point and resource by resource."""

from __future__ import annotations

from collections import defaultdict

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._ledger.aws_rows import (
    DAY,
    DESTINATION_VAULT,
    HOUR,
    NOON,
    SOURCE_VAULT,
    copy,
    job,
    point,
    volume,
)

from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import pair
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copy_verdicts import (
    CopyLedger,
    Grace,
    Standing,
    lag_of,
    lags,
)

CONTINUOUS = "arn:aws:backup:eu-west-1:111122223333:recovery-point:continuous:orders-1a2b3c4d"
MONTH_AGO = NOON - 30 * DAY


def ledger(sources, destinations=(), jobs=(), *, jobs_since=MONTH_AGO, expected_s=None, compared=True):
    """Every line, and the points they are about."""
    found = pair(sources, destinations, jobs, source_vault=SOURCE_VAULT, destination_vault=DESTINATION_VAULT)
    grace = Grace(lags(sources, found.links, found.jobs_only), expected_s)
    books = CopyLedger(
        sources, destinations, found, now=NOON, grace=grace, jobs_since=jobs_since, compared=compared
    )
    return list(books.lines())


def verdicts(sources, destinations=(), jobs=(), **more):
    """{point: verdict}; a job's snapshot by the ARN of the job's source."""
    told = {}
    for line in ledger(sources, destinations, jobs, **more):
        if line.source is not None:
            name = sources[line.source].arn
        else:
            name = destinations[line.destination].arn if line.lone else line.job and line.job.source_point
        told[name] = line.verdict
    return told


def row(sources, destinations=(), jobs=(), *, rpo_s=None, compared=True, **more):
    """The standing of the only resource."""
    standings = defaultdict(Standing)
    for line in ledger(sources, destinations, jobs, compared=compared, **more):
        standings[line.resource_arn].add(line)
    return standings[volume("orders")].row(NOON, rpo_s, 2.0, compared)


# -------------------------------------------------------------------------------------------------- per point


def test_copied():
    sources, destinations = [point("s", 5)], [copy("d", 5)]
    (line,) = ledger(sources, destinations, [job("s", "d", hours=4.75, took=3600)])
    assert line.verdict == "copied"
    # 12:00 - 5 h + 15 min of backup; the job runs from 7:15 to 8:15
    assert lag_of(sources[0], line.job) == 3600.0


def test_without_a_completion_lag_counts_from_creation():
    source = point("s", 5, completed=None)
    assert lag_of(source, job("s", "d", hours=5, took=60)) == 60.0


@pytest.mark.parametrize("state", ["CREATED", "RUNNING"])
def test_an_open_job_is_in_progress_however_old_the_point(state):
    assert verdicts([point("s", 50)], (), [job("s", None, state)]) == {"s": "in_progress"}


def test_a_point_that_is_being_written_is_in_progress():
    found = verdicts([point("s", 5)], [copy("d", 5, status="CREATING")], [job("s", "d", "RUNNING")])
    assert found == {"s": "in_progress"}


def test_the_last_job_failed():
    jobs = [job("s", None, "FAILED", hours=3), job("s", None, "FAILED", hours=1)]
    assert verdicts([point("s", 5)], (), jobs) == {"s": "failed"}


def test_a_failure_is_a_gap_once_something_newer_arrived():
    sources = [point("old", 29), point("new", 5)]
    jobs = [job("old", None, "FAILED", hours=28), job("new", "d", hours=4)]
    assert verdicts(sources, [copy("d", 5)], jobs) == {"old": "gap", "new": "copied"}


def test_a_newer_copy_that_cannot_be_used_makes_no_gap():
    sources = [point("old", 29), point("new", 5)]
    jobs = [job("old", None, "FAILED", hours=28), job("new", "d", hours=4)]
    found = verdicts(sources, [copy("d", 5, status="EXPIRED")], jobs)
    assert found == {"old": "failed", "new": "unusable"}


@pytest.mark.parametrize(("hours", "verdict"), [(6.2, "pending"), (6.3, "never_started"), (80, "never_started")])
def test_without_a_job_six_hours_from_completion_decide(hours, verdict):
    assert verdicts([point("s", hours)]) == {"s": verdict}


def test_without_a_job_but_with_something_newer_it_is_a_gap():
    sources = [point("old", 29), point("new", 5)]
    assert verdicts(sources, [copy("d", 5)], [job("new", "d", hours=4)])["old"] == "gap"


@pytest.mark.parametrize("status", ["EXPIRED", "DELETING", "STOPPED", "PARTIAL", "CREATING"])
def test_a_copy_in_any_other_state_is_unusable(status):
    assert verdicts([point("s", 5)], [copy("d", 5, status=status)], [job("s", "d")]) == {"s": "unusable"}


@pytest.mark.parametrize("status", ["AVAILABLE", "COMPLETED"])
def test_two_states_are_usable(status):
    assert verdicts([point("s", 5)], [copy("d", 5, status=status)], [job("s", "d")]) == {"s": "copied"}


def test_a_copy_past_its_lifecycle_expired_by_design():
    # kept for two days from the creation of its source, 49 hours ago
    assert verdicts([point("s", 49)], (), [job("s", "d", hours=48, days=2)]) == {"s": "expired_by_design"}


@pytest.mark.parametrize("days", [3, -1, None])
def test_a_copy_that_should_be_there_and_is_not(days):
    (line,) = ledger([point("s", 49)], (), [job("s", "d", hours=48, days=days)])
    assert (line.verdict, line.absent) == ("failed", True)


@pytest.mark.parametrize(("destination", "absent"), [("d", True), (None, False)])
def test_a_partial_composite_promises_a_point_only_where_it_names_one(destination, absent):
    (line,) = ledger([point("s", 49, is_parent=True)], (), [job("s", destination, "PARTIAL", hours=48)])
    assert (line.verdict, line.absent) == ("failed", absent)


def test_without_a_lifecycle_of_its_own_a_copy_expires_with_its_source():
    source = point("s", 49, delete_at=NOON - HOUR)
    assert verdicts([source], (), [job("s", "d", hours=48, days=-1)]) == {"s": "expired_by_design"}


def test_an_ambiguous_one_is_said_to_be():
    found = verdicts([point("s", 30)], [copy("d1", 30 + 1 / HOUR), copy("d2", 30 - 1 / HOUR)])
    assert found == {"s": "ambiguous", "d1": "ambiguous", "d2": "ambiguous"}


def test_an_orphan_is_younger_than_what_the_source_still_has():
    sources, destinations = [point("s", 30)], [copy("c", 30), copy("older", 54), copy("younger", 6)]
    found = verdicts(sources, destinations, [job("s", "c", hours=29)])
    assert found == {"s": "copied", "older": "source_expired", "younger": "orphan"}


def test_a_copy_whose_job_names_a_gone_source_is_no_orphan():
    found = verdicts([point("s", 30)], [copy("d", 6)], [job("s", None, "RUNNING"), job("gone", "d")])
    assert found["d"] == "source_expired"


@pytest.mark.parametrize("status", ["CREATING", "EXPIRED", "DELETING"])
def test_a_source_point_that_cannot_be_copied_is_not_expected(status):
    assert verdicts([point("s", 30, status=status)]) == {}


def test_but_the_failure_of_its_copy_is_told():
    assert verdicts([point("s", 30, status="EXPIRED")], (), [job("s", None, "FAILED")]) == {"s": "failed"}


def test_a_rule_that_copies_nothing_is_not_held_against_a_resource_that_another_rule_copies():
    sources = [point("daily", 30, rule="daily"), point("hourly", 20, rule="hourly")]
    found = verdicts(sources, [copy("d", 30)], [job("daily", "d", hours=29)])
    assert found == {"daily": "copied", "hourly": "not_expected"}


def test_where_nothing_of_a_resource_is_copied_the_rule_excuses_nothing():
    sources = [point("daily", 30, "users", rule="daily"), point("hourly", 20, rule="hourly")]
    found = verdicts(sources, [copy("d", 30, "users")], [job("daily", "d", resource="users", hours=29)])
    assert found["hourly"] == "never_started"


def test_unread_jobs_leave_the_reason_open():
    found = verdicts([point("old", 30), point("young", 1)], jobs_since=None)
    assert found == {"old": "unknown", "young": "pending"}


def test_a_point_from_before_the_known_jobs_is_unknown():
    assert verdicts([point("s", 30)], jobs_since=NOON - 20 * HOUR) == {"s": "unknown"}


# ------------------------------------------------------------------------------------------- jobs and no points


def test_each_job_of_a_continuous_source_stands_for_its_snapshot():
    sources = [point(CONTINUOUS, 800, status="AVAILABLE")]
    jobs = [
        job("t1", "d1", hours=53),
        job("t2", None, "FAILED", hours=29),
        job("t3", "d3", hours=5),
        job("t4", None, "RUNNING"),
    ]
    found = verdicts(sources, [copy("d1", 53.5), copy("d3", 5.5)], jobs)
    assert found == {"t1": "copied", "t2": "gap", "t3": "copied", "t4": "in_progress"}


def test_a_second_try_makes_the_first_one_good():
    sources = [point(CONTINUOUS, 800, status="AVAILABLE")]
    jobs = [job("t", None, "FAILED", hours=5), job("t", "d", hours=3), job("t", None, "FAILED", hours=2)]
    assert verdicts(sources, [copy("d", 5)], jobs) == {"t": "copied"}


def test_a_continuous_source_that_was_never_copied():
    assert verdicts([point(CONTINUOUS, 800, status="AVAILABLE")]) == {CONTINUOUS: "never_started"}


@pytest.mark.parametrize(("newest", "stalled"), [(30, False), (47, False), (49, True)])
def test_one_whose_copies_stopped_coming(newest, stalled):
    sources = [point(CONTINUOUS, 800, status="AVAILABLE")]
    times = [newest, newest + 24, newest + 48]
    jobs = [job(f"t{n}", f"d{n}", hours=time) for n, time in enumerate(times)]
    found = verdicts(sources, [copy(f"d{n}", time) for n, time in enumerate(times)], jobs)
    assert (found.get(CONTINUOUS) == "never_started") is stalled


def test_without_the_source_no_copy_is_an_orphan():
    assert verdicts([], [copy("d", 5)], compared=False) == {"d": "unknown"}


# ------------------------------------------------------------------------------------------------------- grace


def test_grace_is_three_times_the_usual_lag_and_six_hours_at_least():
    grace = Grace({"slow": [4 * HOUR, 5 * HOUR, 90 * HOUR], "quick": [600.0]}, None)
    assert grace.of("slow") == (15 * HOUR, "history")
    assert grace.of("quick") == (6 * HOUR, "default")
    # of a resource without any copy the median of all: 600, 4 h, 5 h, 90 h
    assert grace.of("other") == (13.5 * HOUR, "history")


def test_what_the_user_expects_always_counts():
    assert Grace({"slow": [9 * HOUR]}, HOUR).of("slow") == (HOUR, "parameter")
    assert verdicts([point("s", 2)], expected_s=HOUR) == {"s": "never_started"}


# ------------------------------------------------------------------------------------------------ per resource


def test_exposure_is_the_age_of_the_newest_usable_copys_data():
    sources = [point("s1", 54), point("s2", 30), point("s3", 6.5)]
    destinations = [copy("d1", 54), copy("d2", 30), copy("d3", 6.5, status="EXPIRED")]
    jobs = [job(f"s{n}", f"d{n}", hours=h) for n, h in ((1, 53), (2, 29), (3, 6))]
    found = row(sources, destinations, jobs, rpo_s=24 * HOUR)
    assert found["exposure_s"] == 30 * HOUR
    assert found["behind_s"] == 23.5 * HOUR
    assert (found["ready"], found["verdict"], found["why"]) == (False, "not_ready", "unusable")


def test_the_newest_source_point_must_be_among_the_copies():
    sources, jobs = [point("s1", 30), point("s2", 6.5)], [job("s1", "d1", hours=29), job("s2", None, "FAILED", hours=6)]
    found = row(sources, [copy("d1", 30)], jobs)
    assert (found["verdict"], found["why"], found["missing"]) == ("lagging", "failed", 1)


@pytest.mark.parametrize(("rpo_h", "verdict"), [(29, "lagging"), (31, "current")])
def test_the_objective_decides_where_there_is_one(rpo_h, verdict):
    sources, jobs = [point("s1", 30), point("s2", 6.5)], [job("s1", "d1", hours=29), job("s2", None, "FAILED", hours=6)]
    assert row(sources, [copy("d1", 30)], jobs, rpo_s=rpo_h * HOUR)["verdict"] == verdict


def test_a_gap_leaves_a_resource_current():
    sources = [point("old", 29), point("new", 5)]
    jobs = [job("old", None, "FAILED", hours=28), job("new", "d", hours=4)]
    found = row(sources, [copy("d", 5)], jobs)
    assert (found["verdict"], found["why"], found["missing"]) == ("current", "copied", 1)


def test_a_job_that_is_open_for_longer_than_any_copy_took_lags():
    sources = [point("s1", 54), point("s2", 30)]
    jobs = [job("s1", "d1", hours=53), job("s2", None, "CREATED", hours=29)]
    assert row(sources, [copy("d1", 54)], jobs)["verdict"] == "lagging"


def test_no_copy_at_all_is_missing():
    found = row([point("s", 30)])
    assert (found["verdict"], found["exposure_s"], found["why"]) == ("missing", None, "never_started")


def test_an_ambiguous_copy_is_a_copy_of_the_resource_all_the_same():
    sources = [point("s1", 5 + 1 / HOUR), point("s2", 5 - 1 / HOUR)]
    found = row(sources, [copy("d1", 5 + 0.5 / HOUR), copy("d2", 5 - 0.5 / HOUR)])
    assert found["verdict"] == "current"
    assert found["exposure_s"] == pytest.approx(5 * HOUR, abs=2)


def test_a_copy_whose_source_expired_still_counts():
    found = row([point("s", 6.5)], [copy("d", 30)], [job("s", None, "FAILED", hours=6)], rpo_s=36 * HOUR)
    assert (found["exposure_s"], found["verdict"]) == (30 * HOUR, "current")


def test_a_copy_that_does_not_keep_the_date_is_as_old_as_its_source():
    found = row([point("s", 30)], [copy("d", 3)], [job("s", "d", hours=3)])
    assert found["exposure_s"] == 30 * HOUR


def test_without_the_source_only_an_objective_gives_a_verdict():
    assert row([], [copy("d", 30)], compared=False)["verdict"] == "unknown"
    assert row([], [copy("d", 30)], compared=False, rpo_s=24 * HOUR)["verdict"] == "lagging"
    assert row([], [copy("d", 30)], compared=False, rpo_s=36 * HOUR)["verdict"] == "current"


def test_a_date_in_the_future_is_no_exposure():
    assert row([point("s", -2)], [copy("d", -2)], [job("s", "d", hours=0)])["verdict"] == "unknown"
