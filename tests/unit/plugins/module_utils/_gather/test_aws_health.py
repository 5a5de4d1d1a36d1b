# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS Health says of both Regions, or that it may not be asked."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_health import STEP
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import fake_accounts as fake


def event(number, status="open", service="BACKUP", category="issue", hours=3, **more):
    """An event as DescribeEvents tells it; this service's protocol brings times as datetimes."""
    started = fake.NOW - timedelta(hours=hours)
    return {
        "arn": f"arn:aws:health:eu-central-1::event/{service}/AWS_{service}_OPERATIONAL_ISSUE/{number}",
        "service": service,
        "eventTypeCode": f"AWS_{service}_OPERATIONAL_ISSUE",
        "eventTypeCategory": category,
        "region": "eu-central-1",
        "startTime": started,
        "lastUpdatedTime": started,
        "statusCode": status,
        **more,
    }


def run(current=(), ended=(), details=None, **params):
    """(evidence, the source's account); pages of events that go on or come, and of those that ended."""

    def events(arguments):
        pages = ended if arguments["filter"]["eventStatusCodes"] == ["closed"] else current
        if isinstance(pages, ReadFailed):
            return pages
        return [{"events": list(page)} for page in pages] or {"events": []}

    def described(arguments):
        arns = arguments["eventArns"]
        return {
            "successfulSet": [
                {"event": {"arn": arn}, "eventDescription": {"latestDescription": f"About {arn[-1]}"}} for arn in arns
            ],
            "failedSet": [],
        }

    replies = {"health:DescribeEvents": events, "health:DescribeEventDetails": details or described}
    source = fake.FakeAccount("source", "eu-west-1", fake.SOURCE, replies)
    gathered = STEP.gather({"vault_name": "main", **params}, fake.FakeClients(source))
    return gathered.evidence, source


def test_an_issue_that_goes_on():
    evidence, source = run([[event(1)]])
    assert evidence["outcome"] == "ok" and evidence["summary"] == {"events": 1, "open": 1}
    assert evidence["events"] == [
        {
            "service": "BACKUP",
            "code": "AWS_BACKUP_OPERATIONAL_ISSUE",
            "category": "issue",
            "region": "eu-central-1",
            "status": "open",
            "started_at": "2026-11-20T18:00:00Z",
            "ended_at": None,
            "description": "About 1",
        }
    ]
    assert evidence["covered"] == {"start": "2026-11-19T21:00:00Z", "end": "2026-11-20T21:00:00Z"}
    assert sorted(source.operations()) == ["DescribeEventDetails", "DescribeEvents", "DescribeEvents"]


def test_what_is_asked():
    dummy, source = run(window="48h")
    filters = {tuple(call["filter"]["eventStatusCodes"]): call["filter"] for call in source.arguments("DescribeEvents")}
    current, ended = filters[("open", "upcoming")], filters[("closed",)]
    for asked in (current, ended):
        assert asked["regions"] == ["eu-west-1", "eu-central-1", "global"]
        assert len(asked["services"]) <= 10 and {"BACKUP", "EBS", "RDS", "KMS"} <= set(asked["services"])
        assert asked["eventTypeCategories"] == ["issue", "scheduledChange"]
    # an event that goes on may not have been touched for long: only those that ended are bound to the window
    assert ended["endTimes"] == [{"from": datetime(2026, 11, 18, 21, tzinfo=timezone.utc)}]
    assert not {"endTimes", "startTimes", "lastUpdatedTimes"} & set(current)


def test_no_events_are_no_trouble_and_no_description_is_asked():
    evidence, source = run()
    assert evidence["outcome"] == "empty" and evidence["summary"] == {"events": 0, "open": 0}
    assert source.operations() == ["DescribeEvents", "DescribeEvents"]


def test_worst_first_over_all_pages():
    evidence, source = run(
        [
            [event(1, "upcoming"), event(5, category="scheduledChange", hours=1), event(2, service="EC2")],
            [],
            [event(3, hours=9)],
        ],
        [[event(4, "closed", endTime=fake.NOW)]],
        max_rows=3,
    )
    assert [row["description"] for row in evidence["events"]] == ["About 3", "About 2", "About 5"]
    assert evidence["summary"] == {"events": 5, "open": 3}
    assert evidence["total"] == {"events": 5} and evidence["truncated"] is True
    assert len(source.arguments("DescribeEventDetails")[0]["eventArns"]) == 3


def test_ten_events_are_described_and_the_others_listed():
    evidence, source = run([[event(n, service="EC2") for n in range(25)]])
    assert len(evidence["events"]) == 25
    assert [len(call["eventArns"]) for call in source.arguments("DescribeEventDetails")] == [10]
    assert sum(row["description"] is not None for row in evidence["events"]) == 10


def test_without_a_support_plan_nothing_is_known():
    absent = ReadFailed("not_configured", "the support plan has no AWS Health", code="SubscriptionRequiredException")
    evidence = run(absent, absent)[0]
    assert evidence["outcome"] == "not_configured" and evidence["error"]["code"] == "SubscriptionRequiredException"
    assert "events" not in evidence


@pytest.mark.parametrize("outcome", ["forbidden", "unreachable", "throttled"])
def test_a_list_that_was_not_given_leaves_no_answer(outcome):
    evidence = run([[event(1)]], ReadFailed(outcome, "refused"))[0]
    assert evidence["outcome"] == outcome


def test_descriptions_may_be_refused():
    evidence = run([[event(1)]], details=fake.forbidden("DescribeEventDetails", "health"))[0]
    assert evidence["outcome"] == "ok" and evidence["events"][0]["description"] is None
    assert [(row["what"], row["side"]) for row in evidence["denied"]] == [("DescribeEventDetails", "source")]


@pytest.mark.parametrize(("option", "value"), [("window", "a day"), ("max_rows", 0), ("vault_name", "a b")])
def test_unusable_options(option, value):
    with pytest.raises(BadParameter, match=f"^{option}: "):
        run(**{option: value})
