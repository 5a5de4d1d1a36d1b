# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list that one step of the region runbook was refused is not asked for by the steps after it."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import (
    aws_copy_job_detail,
    aws_copy_jobs,
    aws_copy_lag,
    aws_copy_rules,
    aws_metrics,
    aws_recovery_points,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_point_rows import (
    VAULTS_FEED,
    clients,
    point,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    SOURCE,
    FakeAccount,
    FakeClients,
    forbidden,
)

LISTS = ("ListCopyJobs", "ListBackupJobs", "ListRecoveryPointsByBackupVault")
PARAMS = {"vault_name": "main", "vaults_feed": VAULTS_FEED}


def refusing(refusal):
    """A source that answers everything so, and a destination with one point and the same answer to the rest."""
    operations = [f"backup:{name}" for name in (*LISTS, "ListBackupPlans", "DescribeRegionSettings")]
    replies = dict.fromkeys([*operations, "cloudwatch:GetMetricData", "cloudwatch:ListMetrics"], refusal)
    there = {**replies, f"backup:{LISTS[2]}": {"RecoveryPoints": [point("destination", "d", 5)]}}
    return FakeClients(FakeAccount(replies=replies), FakeAccount("destination", "eu-central-1", SOURCE, replies=there))


def after(refusal):
    """What the steps 2 and 6 hand over."""
    both = refusing(refusal)
    jobs = aws_copy_jobs.STEP.gather(PARAMS, both).feed
    feeds = {"jobs_feed": jobs.get("jobs"), "upstream_feed": jobs.get("upstream")}
    lag = aws_copy_lag.STEP.gather({**PARAMS, **feeds}, both).feed
    return {**feeds, "points_feed": lag.get("points")}


LATER = [aws_copy_job_detail, aws_metrics, aws_copy_rules, aws_copy_lag, aws_recovery_points]


@pytest.mark.parametrize("step", LATER, ids=lambda step: step.NAME)
@pytest.mark.parametrize("outcome", ["forbidden", "unreachable"])
def test_what_was_refused_is_told_again_and_not_asked_again(step, outcome):
    refusal = ReadFailed(outcome, "no", code="X", grant={"kind": "iam"})
    spec = step.STEP.argument_spec
    feeds = {name: text for name, text in after(refusal).items() if name in spec}
    if step is aws_copy_lag:
        del feeds["jobs_feed"]  # its own list comes first, and without that it asks for nothing else
    both = refusing(refusal)
    told = step.STEP.gather({**PARAMS, **feeds}, both).evidence
    handed = {"jobs_feed": LISTS[0], "upstream_feed": LISTS[1], "points_feed": LISTS[2]}
    assert {handed[name] for name in feeds}.isdisjoint(both.aws_source.operations())
    said = [told["outcome"], *(row["outcome"] for row in told.get("denied") or [])]
    assert outcome in said


def test_whoever_was_asked_to_slow_down_may_be_asked_again():
    assert after(ReadFailed("throttled", "slow down")) == {"jobs_feed": None, "upstream_feed": None, "points_feed": None}


def test_the_grant_survives_the_way_through_the_feed():
    refusal = forbidden()
    both = refusing(refusal)
    feeds = {"jobs_feed": after(refusal)["jobs_feed"]}
    told = aws_copy_job_detail.STEP.gather({**PARAMS, **feeds}, both).evidence
    assert (told["outcome"], told["error"]) == ("forbidden", refusal.as_error())


def test_half_a_refusal_is_no_feed():
    with pytest.raises(BadParameter, match="jobs_feed"):
        aws_metrics.STEP.gather({**PARAMS, "jobs_feed": 'refused {"outcome": 3'}, clients())
