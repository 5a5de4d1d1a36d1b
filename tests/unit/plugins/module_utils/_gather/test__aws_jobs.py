# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the region steps hand on of copy jobs, and how a pair of vaults is told."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_feed as feed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_jobs as jobs
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_upstream import read_upstream
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import THERE, copy, job_id
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DESTINATION,
    NOW,
    SOURCE,
    FakeAccount,
    FakeClients,
    forbidden,
    vault_arn,
)

_MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)
_TEXTS = st.text(max_size=12)
_ORIGINS = st.builds(
    jobs.Origin,
    *([st.none() | st.sampled_from(["a", "b"])] * 7),
    st.none() | st.integers(1, 90),
    st.none() | st.integers(1, 90),
)
_POINTS = st.sampled_from(
    [
        "arn:aws:ec2:eu-west-1::snapshot/snap-0ab",
        "arn:aws:rds:eu-west-1:1:snapshot:awsbackup:job-1",
        "arn:aws:backup:eu-west-1:1:recovery-point:continuous:x-1",
        "no-arn",
    ]
)
_ROWS = st.builds(
    jobs.CopyJobRow,
    copy_job=st.uuids().map(lambda uuid: str(uuid).upper()) | st.uuids().map(str) | _TEXTS,
    state=st.sampled_from(["CREATED", "RUNNING", "COMPLETED", "FAILED", "PARTIAL", "ODD"]),
    created=_MOMENTS,
    completed=st.none() | _MOMENTS,
    source_point=_POINTS | st.just(""),
    destination_point=st.none() | _POINTS,
    resource_arn=_TEXTS,
    resource=_TEXTS,
    type=_TEXTS,
    size_bytes=st.none() | st.integers(0, 2**50),
    message=st.none() | _TEXTS,
    category=st.none() | _TEXTS,
    origin=_ORIGINS,
    parent=st.none() | _TEXTS,
)


@hypothesis.given(st.lists(_ROWS, max_size=30))
def test_every_row_comes_back_as_it_was(rows):
    assert jobs.read_jobs(jobs.pack_jobs(rows)) == rows


def test_more_rows_than_a_block_come_back(monkeypatch):
    monkeypatch.setattr(feed, "_BLOCK", 2)
    reader = jobs.JobReader()
    rows = [reader.row(copy(number, age=number)) for number in range(1, 6)]
    assert jobs.read_jobs(jobs.pack_jobs(rows)) == rows


@pytest.mark.parametrize("text", ["nonsense", "QUJD", feed.pack_lines([]), feed.pack_lines([{"layout": 1}, {"x": 1}])])
def test_what_is_no_feed_is_refused_by_the_option_s_name(text):
    with pytest.raises(BadParameter, match="^jobs_feed: "):
        jobs.read_jobs(text)


def test_a_feed_of_another_layout_is_refused():
    with pytest.raises(BadParameter, match="another release"):
        jobs.read_jobs(feed.pack_lines([{"layout": 99}]))


def test_no_feed_is_none():
    assert jobs.read_jobs(None) is None
    assert read_upstream("") is None


def test_a_row_says_what_aws_said():
    row = jobs.JobReader().row(copy(7, age=10, took=0.5, DestinationEncryptionKeyArn="arn:aws:kms:x:1:key/a"))
    assert row.copy_job == job_id(7)
    assert row.duration_s == 1800.0
    assert (row.origin.plan, row.origin.rule, row.origin.delete_after_days) == ("nightly", "nightly-rule", 35)
    assert row.origin.destination_key == "arn:aws:kms:x:1:key/a"
    assert row.parent is None


def test_an_empty_object_for_an_arn_is_none():
    row = jobs.JobReader().row(copy(1, state="FAILED", DestinationRecoveryPointArn={}))
    assert row.destination_point is None


# --------------------------------------------------------------------------------------------------------- pair


def test_the_arn_of_the_destination_comes_from_the_step_before():
    clients = FakeClients(FakeAccount())
    denied = []
    pair = jobs.vault_pair({"vault_name": "main", "vaults_feed": {"destination_arn": THERE}}, clients, denied)
    assert (pair.destination_arn, pair.destination_region, denied) == (THERE, "eu-central-1", [])
    assert clients.aws_source.calls + clients.aws_destination.calls == 0


def test_alone_the_destination_is_asked_who_it_is():
    who = {"sts:GetCallerIdentity": {"Account": DESTINATION}}
    destination = FakeAccount("destination", "eu-central-1", replies=who)
    denied = []
    params = {"vault_name": "main", "destination_vault_name": "dr"}
    pair = jobs.vault_pair(params, FakeClients(FakeAccount(), destination), denied)
    assert pair.destination_arn == vault_arn("eu-central-1", DESTINATION, "dr")
    assert not denied


def test_a_destination_that_does_not_answer_leaves_region_and_name():
    destination = FakeAccount("destination", "eu-central-1", replies={"sts:GetCallerIdentity": forbidden()})
    denied = []
    pair = jobs.vault_pair({"vault_name": "main"}, FakeClients(FakeAccount(), destination), denied)
    assert pair.destination_arn is None
    assert [(row["what"], row["side"]) for row in denied] == [("destination account", "destination")]
    assert pair.leads_here(copy(1))
    assert not pair.leads_here(copy(1, DestinationBackupVaultArn=vault_arn("us-east-1")))
    assert not pair.leads_here(copy(1, DestinationBackupVaultArn=vault_arn(name="other")))


# ------------------------------------------------------------------------------------------------------ listing


def listed(*rows, pair=None, **options):
    """What list_copy_jobs makes of one page of rows."""
    account = FakeAccount(replies={"backup:ListCopyJobs": {"CopyJobs": list(rows)}}, **options)
    pair = pair or jobs.Pair("eu-west-1", "main", "eu-central-1", "main", THERE)
    since = NOW.replace(day=6)
    return jobs.list_copy_jobs(account, pair, since, lambda dummy: None), account


def test_one_list_by_destination_and_creation():
    dummy, account = listed(copy(1))
    assert account.arguments("ListCopyJobs") == [
        {"ByCreatedAfter": NOW.replace(day=6), "MaxResults": 1000, "ByDestinationVaultArn": THERE}
    ]


def test_what_a_filter_let_through_is_left_out():
    found, dummy = listed(
        copy(1),
        copy(1),  # on two pages, because jobs came in between
        copy(2, DestinationBackupVaultArn=vault_arn("eu-central-1", name="other")),
        copy(3, SourceBackupVaultArn=vault_arn("eu-west-1", name="other")),
        copy(4, age=24 * 20),
    )
    assert [row.copy_job for row in found.rows] == [job_id(1)]
    assert (found.read, found.other_sources) == (5, 1)


def test_a_composite_parent_counts_by_its_children():
    found, dummy = listed(
        copy(1, "stack", state="PARTIAL", IsParent=True, NumberOfChildJobs=2),
        copy(2, "a", ParentJobId=job_id(1)),
        copy(3, "b", state="FAILED", ParentJobId=job_id(1)),
    )
    assert {row.copy_job for row in found.rows} == {job_id(2), job_id(3)}
    assert [row.copy_job for row in found.parents] == [job_id(1)]
    assert found.children == {job_id(1): {"COMPLETED": 1, "FAILED": 1}}


def test_a_parent_without_a_listed_child_is_not_lost():
    found, dummy = listed(copy(1, "stack", state="FAILED", IsParent=True, ChildJobsInState={"FAILED": 2}))
    assert [row.copy_job for row in found.rows] == [job_id(1)]
    assert not found.parents
    assert found.children == {job_id(1): {"FAILED": 2}}


def test_newest_first_and_among_equals_what_is_open():
    found, dummy = listed(copy(1, age=5), copy(2, age=5, state="RUNNING"), copy(3, age=4), copy(4, age=5, took=1))
    assert [row.copy_job for row in found.rows] == [job_id(3), job_id(2), job_id(4), job_id(1)]


@pytest.mark.parametrize("reply", [{}, {"CopyJobs": None}, [{"CopyJobs": [copy(1)]}, {}]])
def test_an_answer_without_its_list_is_no_empty_list(reply):
    account = FakeAccount(replies={"backup:ListCopyJobs": reply})
    pair = jobs.Pair("eu-west-1", "main", "eu-central-1", "main", THERE)
    with pytest.raises(ReadFailed, match="ListCopyJobs has no CopyJobs") as caught:
        jobs.list_copy_jobs(account, pair, NOW.replace(day=6), lambda dummy: None)
    assert caught.value.outcome == "error"


def test_progress_is_said_on_a_long_list():
    said = []
    account = FakeAccount(replies={"backup:ListCopyJobs": [{"CopyJobs": [{}] * 1000}] * 20})
    assert sum(1 for dummy in jobs.rows_of(account, "ListCopyJobs", "CopyJobs", said.append, "copy jobs")) == 20000
    assert said == ["copy jobs: 10,000 read", "copy jobs: 20,000 read"]


def test_accounts_differ_in_the_pair():
    assert SOURCE != DESTINATION
    pair = jobs.Pair("eu-west-1", "main", "eu-central-1", "main", vault_arn("eu-central-1", DESTINATION))
    assert not pair.leads_here(copy(1))
