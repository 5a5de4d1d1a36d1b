# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 5 of the region runbook."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_jobs import JobReader, pack_jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_metrics import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import ROLE, THERE, copy
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    NOW,
    NOW_S,
    FakeAccount,
    FakeClients,
    forbidden,
)

PARAMS = {"vault_name": "main", "vaults_feed": {"destination_arn": THERE}}


def counted(**values):
    """A reply of GetMetricData; what is not given was never published."""

    def reply(arguments):
        ids = [query["Id"] for query in arguments["MetricDataQueries"]]
        return {
            "MetricDataResults": [
                {"Id": one, "Timestamps": [NOW_S - 300.0 * n for n in range(len(told))], "Values": told}
                for one, told in ((one, values.get(one, [])) for one in ids)
            ]
        }

    return reply


def account(*, counts=None, metrics=None, **more):
    """A side that has these counts and these metrics of the runbook's names."""
    listed = metrics if isinstance(metrics, ReadFailed) else None

    def by_name(arguments):
        return listed or {"Metrics": (metrics or {}).get(arguments["MetricName"], [])}

    replies = {"cloudwatch:GetMetricData": counts or counted(), "cloudwatch:ListMetrics": by_name}
    return FakeAccount(replies={**replies, **more})


def found(*jobs, params=None, source=None, destination=None):
    """The evidence over these jobs."""
    reader = JobReader()
    feed = pack_jobs(reader.row(job) for job in jobs)
    clients = FakeClients(source or account(), destination or account())
    return gather({**PARAMS, "jobs_feed": feed, **(params or {})}, clients).evidence


def nightly(name, takes, *, first=14, **more):
    """One copy a night of a resource, the newest last; takes: hours of each, newest first."""
    return [
        copy(1000 * sum(map(ord, name)) + night, name, age=20 + 24 * night, took=took, **more)
        for night, took in enumerate(takes)
        if night < first
    ]


# ------------------------------------------------------------------------------------------------- success rate


def test_rate_over_jobs_that_ended_in_the_window():
    jobs = [copy(n, f"r{n}", age=5, state="FAILED" if n == 0 else "COMPLETED") for n in range(18)]
    jobs += [copy(90, "r1", age=30), copy(91, "r1", age=35, state="FAILED"), copy(92, "r1", age=60)]
    jobs += [copy(93, "open", age=1, state="RUNNING"), copy(94, "open", age=1, state="CREATED")]
    told = found(*jobs)["summary"]["success_rate"]
    assert (told["runs"], told["succeeded"], told["failed"]) == (18, 17, 1)
    assert told["rate"] == round(17 / 18, 4)  # 94 %, below the threshold, and yet
    assert told["high"] > told["threshold"] == 0.95  # nothing that eighteen jobs could prove
    # Wilson's interval of 17 in 18, as tables have it
    assert (told["low"], told["high"]) == (pytest.approx(0.742, abs=0.001), pytest.approx(0.990, abs=0.001))
    assert told["previous"] == 0.5
    assert told["baseline"] == round(2 / 3, 4)


def test_the_days_of_the_look_back_have_rates_and_durations():
    jobs = [copy(1, "r1", age=5, took=1), copy(2, "r2", age=5, took=3), copy(3, "r3", age=6, state="FAILED")]
    jobs += [copy(4, "r1", age=30, took=2), copy(5, "r2", age=1, state="RUNNING")]
    days = found(*jobs)["course"]
    assert len(days) == 14 and days[-1]["end"] == found(*jobs)["observed_at"]
    told = [(day["runs"], day["failed"], day["success_rate"], day["duration_s"]) for day in days]
    assert told[-2:] == [(1, 0, 1.0, 7200.0), (3, 1, 0.6667, 7200.0)]
    assert set(told[:-2]) == {(0, 0, None, None)}
    assert all(day["end"] == later["start"] for day, later in zip(days, days[1:]))


def test_partial_is_a_failure():
    told = found(copy(1, state="PARTIAL"), copy(2))["summary"]["success_rate"]
    assert (told["succeeded"], told["failed"], told["rate"]) == (1, 1, 0.5)


def test_no_ended_job_is_no_rate():
    told = found(copy(1, age=30), copy(2, age=1, state="RUNNING"))["summary"]["success_rate"]
    assert told["verdict"] == "no_runs"
    assert [told[name] for name in ("rate", "low", "high", "previous")] == [None, None, None, 1.0]


def test_where_the_failures_are():
    told = found(
        copy(1, ResourceType="S3"),
        copy(2, state="FAILED"),
        copy(3, state="FAILED", IamRoleArn="other"),
        copy(4, plan=None),
    )
    assert told["by_type"] == [
        {"name": "EBS", "runs": 3, "failed": 2, "rate": 0.3333},
        {"name": "S3", "runs": 1, "failed": 0, "rate": 1.0},
    ]
    assert {row["name"]: row["failed"] for row in told["by_role"]} == {ROLE: 1, "other": 1}
    assert {row["name"]: row["runs"] for row in told["by_rule"]} == {"nightly/nightly-rule": 3, "on demand": 1}


# ----------------------------------------------------------------------------------------------------- duration


def test_a_duration_that_tripled_is_rising():
    told = found(*nightly("a", [3] + [1] * 13), *nightly("b", [3] + [1] * 13))
    figures = told["summary"]["duration"]
    assert figures["verdict"] == "ok"
    assert (figures["median_s"], figures["baseline_median_s"], figures["ratio"]) == (10800.0, 3600.0, 3.0)
    assert (figures["p95_s"], figures["baseline_p95_s"]) == (10800.0, 3600.0)
    assert figures["rising"] is True
    assert figures["compared"] == 2
    assert figures["excluded"] == {"first_copy": 0, "base_expired": 0, "key_changed": 0}
    rows = [(row["resource"], row["ratio"], row["full_copy"]) for row in told["resources"]]
    assert rows == [("b", 3.0, None), ("a", 3.0, None)]


def test_what_was_as_slow_before_is_not_rising():
    # twice the median, but one night in ten took as long
    told = found(*nightly("a", [2.5, 1, 1, 1, 1, 2.6, 1, 1, 1, 1, 2.6, 1, 1, 1]))
    assert told["summary"]["duration"]["ratio"] == 2.5
    assert told["summary"]["duration"]["rising"] is False


def test_two_earlier_copies_make_no_baseline():
    figures = found(*nightly("a", [3, 1, 1]), params={"look_back": "3d"})["summary"]["duration"]
    assert (figures["verdict"], figures["rising"], figures["compared"]) == ("no_baseline", None, 0)
    assert figures["median_s"] == 10800.0
    assert figures["baseline_median_s"] is None


def test_a_resource_without_baseline_does_not_shift_the_figures():
    figures = found(*nightly("a", [1] * 14), *nightly("slow", [9, 9]))["summary"]["duration"]
    assert (figures["median_s"], figures["ratio"], figures["compared"]) == (3600.0, 1.0, 1)


def test_failures_have_no_duration():
    jobs = nightly("a", [1] * 14) + [copy(1, "a", age=10, took=9, state="FAILED")]
    assert found(*jobs)["summary"]["duration"]["median_s"] == 3600.0


# -------------------------------------------------------------------------------------------------- full copies


def test_copies_that_lost_their_base_are_full_and_not_slow():
    # kept for a day, so that the copy of the night before is gone when the next begins
    short = {"DestinationRecoveryPointLifecycle": {"DeleteAfterDays": 1}}
    jobs = nightly("a", [3, 3]) + [copy(100 + n, "a", age=20 + 24 * n, took=1) for n in range(3, 14)]
    jobs = [dict(job, **short) if number < 2 else job for number, job in enumerate(jobs)]
    jobs[2:] = [dict(job, DestinationRecoveryPointLifecycle={"DeleteAfterDays": 2}) for job in jobs[2:]]
    told = found(*jobs)
    figures = told["summary"]["duration"]
    assert figures["excluded"]["base_expired"] == 1
    assert (figures["ratio"], figures["compared"], figures["rising"]) == (3.0, 0, None)
    assert told["resources"][0]["full_copy"] == "base_expired"


def test_a_base_that_is_kept_longer_than_the_interval_is_a_base():
    figures = found(*nightly("a", [1] * 14))["summary"]["duration"]  # kept for 35 days
    assert sum(figures["excluded"].values()) == 0


def test_an_older_copy_with_long_retention_is_a_base_for_all_after_it():
    short = {"DestinationRecoveryPointLifecycle": {"DeleteAfterDays": 1}}
    jobs = nightly("a", [1] * 14, **short)
    jobs[-1] = dict(jobs[-1], DestinationRecoveryPointLifecycle={"DeleteAfterDays": 35})
    assert found(*jobs)["summary"]["duration"]["excluded"]["base_expired"] == 0


def test_a_copy_that_is_kept_for_ever_is_a_base_for_all_after_it():
    jobs = nightly("a", [1] * 14, DestinationRecoveryPointLifecycle={"DeleteAfterDays": 1})
    jobs[-1] = dict(jobs[-1], DestinationRecoveryPointLifecycle={})
    assert found(*jobs)["summary"]["duration"]["excluded"]["base_expired"] == 0


@pytest.mark.parametrize("days", [None, -1])
def test_without_a_known_retention_nothing_expires(days):
    kept = {} if days is None else {"DeleteAfterDays": days}
    jobs = nightly("a", [1] * 3, DestinationRecoveryPointLifecycle=kept)
    assert found(*jobs, params={"look_back": "3d"})["summary"]["duration"]["excluded"]["base_expired"] == 0


def test_another_key_makes_full_copies_once():
    jobs = nightly("a", [3] + [1] * 13, DestinationEncryptionKeyArn="old")
    jobs[0] = dict(jobs[0], DestinationEncryptionKeyArn="new")
    told = found(*jobs)
    assert told["summary"]["duration"]["excluded"]["key_changed"] == 1
    assert told["resources"][0]["full_copy"] == "key_changed"
    jobs[1] = dict(jobs[1], DestinationEncryptionKeyArn="new")  # it changed a night earlier
    assert found(*jobs)["summary"]["duration"]["excluded"]["key_changed"] == 0


def test_the_first_copy_of_a_new_resource_is_full():
    told = found(*nightly("old", [1] * 14), copy(1, "new", age=20, took=5))
    assert told["summary"]["duration"]["excluded"]["first_copy"] == 1
    assert {row["resource"]: row["full_copy"] for row in told["resources"]} == {"old": None, "new": "first_copy"}


def test_the_oldest_listed_copy_of_an_old_resource_is_not_the_first():
    figures = found(*nightly("a", [1] * 14), *nightly("b", [1] * 14))["summary"]["duration"]
    assert figures["excluded"]["first_copy"] == 0
    # weekly, and the list goes back two weeks: the copy before may lie just beyond it
    weekly = [copy(1, "a", age=10, took=1), copy(2, "a", age=10 + 168, took=1), copy(3, "b", age=10, took=1)]
    assert found(*weekly)["summary"]["duration"]["excluded"]["first_copy"] == 0


# --------------------------------------------------------------------------------------------------- CloudWatch


def test_one_question_for_all_counts_at_the_source_by_the_destination_s_name():
    source = account(counts=counted(completed=[2.0, 1.0], failed=[1.0], created=[4.0]))
    jobs = [copy(1), copy(2), copy(3), copy(4, state="FAILED"), copy(5, age=1, state="RUNNING")]
    told = found(*jobs, source=source, params={"destination_vault_name": "dr"})
    assert told["summary"]["counts"] == {
        "outcome": "ok",
        "side": "source",
        "created": 4,
        "completed": 3,
        "failed": 1,
        "agrees": True,
        "difference": 0,
    }
    (asked,) = source.arguments("GetMetricData")
    assert (asked["StartTime"], asked["EndTime"]) == (NOW - timedelta(days=1), NOW)
    stats = [query["MetricStat"] for query in asked["MetricDataQueries"]]
    assert {stat["Metric"]["Namespace"] for stat in stats} == {"AWS/Backup"}
    assert {stat["Stat"] for stat in stats} == {"Sum"}
    assert stats[0]["Metric"]["Dimensions"] == [{"Name": "BackupVaultName", "Value": "dr"}]


def test_counts_that_differ_do_not_agree():
    told = found(*(copy(n) for n in range(20)), source=account(counts=counted(completed=[26.0])))
    assert (told["summary"]["counts"]["difference"], told["summary"]["counts"]["agrees"]) == (6, False)


def test_counts_are_looked_for_at_the_destination_when_the_source_has_none():
    destination = account(counts=counted(completed=[1.0]))
    told = found(copy(1), destination=destination)["summary"]["counts"]
    assert (told["side"], told["outcome"], told["agrees"]) == ("destination", "ok", True)
    silent = account()
    told = found(destination=silent)["summary"]["counts"]
    assert (told["side"], told["outcome"]) == ("source", "empty")
    assert silent.calls == 0  # no job, no count: nothing to look for


def test_refused_metrics_are_denied_and_the_rate_stands():
    source = account(counts=forbidden("GetMetricData", "cloudwatch"), metrics=forbidden("ListMetrics", "cloudwatch"))
    told = found(copy(1), source=source)
    assert told["outcome"] == "ok"
    assert told["summary"]["success_rate"]["rate"] == 1.0
    assert (told["summary"]["counts"]["outcome"], told["summary"]["counts"]["agrees"]) == ("forbidden", None)
    assert [(row["what"], row["side"]) for row in told["denied"]] == [
        ("copy counts", "source"),
        ("custom metrics", "source"),
    ]


def test_a_long_window_is_asked_in_hours():
    source = account()
    found(source=source, params={"window": "30d"})
    periods = {query["MetricStat"]["Period"] for query in source.arguments("GetMetricData")[0]["MetricDataQueries"]}
    assert periods == {3600}


def test_metrics_of_the_runbook_s_names_are_read_where_somebody_made_them():
    metric = {
        "Namespace": "Backup/Custom",
        "MetricName": "CopyJobSuccessRate",
        "Dimensions": [{"Name": "Vault", "Value": "dr"}],
    }

    def values(arguments):
        data = {"m0_0_average": [94.0, 96.0], "m0_0_minimum": [90.0, 95.0], "m0_0_maximum": [98.0, 97.0]}
        return counted(**data)(arguments)

    source = account(counts=values, metrics={"CopyJobSuccessRate": [metric]})
    told = found(copy(1), source=source)["summary"]["custom"]
    rate = {"namespace": "Backup/Custom", "series": 1, "avg": 95.0, "min": 90.0, "max": 98.0, "last": 94.0}
    assert told == {"CopyJobSuccessRate": rate, "CopyJobDuration": None}
    asked = source.arguments("GetMetricData")[1]["MetricDataQueries"][0]["MetricStat"]
    assert asked["Metric"] == metric


def test_a_namespace_narrows_the_search():
    source = account()
    found(source=source, params={"custom_metric_namespace": "Mine"})
    assert sorted(arguments["MetricName"] for arguments in source.arguments("ListMetrics")) == [
        "CopyJobDuration",
        "CopyJobSuccessRate",
    ]
    assert {arguments["Namespace"] for arguments in source.arguments("ListMetrics")} == {"Mine"}


# -------------------------------------------------------------------------------------------------------- alone


def test_alone_it_lists_the_jobs_itself():
    source = account(**{"backup:ListCopyJobs": {"CopyJobs": [copy(1), copy(2, state="FAILED")]}})
    told = gather(PARAMS, FakeClients(source, account())).evidence
    assert told["summary"]["success_rate"]["rate"] == 0.5
    assert source.arguments("ListCopyJobs")[0]["ByCreatedAfter"] == NOW - timedelta(days=14)


def test_jobs_handed_over_are_not_listed_again():
    source = account()
    found(copy(1), source=source)
    assert "ListCopyJobs" not in source.operations()


def test_without_the_jobs_there_is_no_rate():
    source = account(counts=counted(completed=[3.0]), **{"backup:ListCopyJobs": forbidden()})
    told = gather(PARAMS, FakeClients(source)).evidence
    assert told["outcome"] == "forbidden"
    assert told["error"]["grant"]["statement"]["Action"] == "backup:ListCopyJobs"
    assert "success_rate" not in told["summary"]
    assert (told["summary"]["counts"]["completed"], told["summary"]["counts"]["agrees"]) == (3, None)


def test_no_job_at_all_is_empty():
    assert found()["outcome"] == "empty"


@pytest.mark.parametrize(
    ("option", "value"),
    [("threshold", 95), ("threshold", 0), ("window", "x"), ("jobs_feed", "x"), ("custom_metric_namespace", ":x")],
)
def test_bad_parameters_are_named(option, value):
    with pytest.raises(BadParameter, match=f"^{option}: "):
        found(params={option: value})
