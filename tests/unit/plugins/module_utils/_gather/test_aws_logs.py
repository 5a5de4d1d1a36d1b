# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 4 of the region runbook."""

from __future__ import annotations

import json

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import _aws_logsearch
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_loggroups import delivers_copies
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_logs import gather
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.aws_rows import (
    HERE,
    ROLE,
    THERE,
    job_id,
    volume,
)
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_accounts import (
    DESTINATION,
    NOW_S,
    SOURCE,
    FakeAccount,
    FakeClients,
    forbidden,
    vault_arn,
)

GROUP = "/aws/events/aws-backup"
PATTERN = json.dumps({"source": ["aws.backup"], "detail-type": ["Copy Job State Change"]})
FEED = {"destination_arn": THERE, "source_account": SOURCE, "destination_account": SOURCE}
BAD_PATTERN = ReadFailed("error", "Invalid filter pattern", code="InvalidParameterException")
NO_CLASS = ReadFailed(
    "error", "FilterLogEvents is not supported for this log class.", code="InvalidOperationException"
)


def group_arn(name=GROUP, region="eu-west-1", account=SOURCE):
    """The ARN of a log group."""
    return f"arn:aws:logs:{region}:{account}:log-group:{name}"


def event(number=1, state="FAILED", *, message="Access denied", destination=THERE, minutes=60, **detail):
    """A log event with an event of EventBridge, so many minutes ago, as AWS sends it."""
    told = {
        "copyJobId": job_id(number),
        "creationDate": "2026-11-20T19:50:00.000Z",
        "state": state,
        "statusMessage": message,
        "resourceArn": volume("orders"),
        "resourceType": "EBS",
        "sourceBackupVaultArn": HERE,
        "destinationBackupVaultArn": destination,
        "destinationRecoveryPointArn": {},
        "iamRoleArn": ROLE,
        **detail,
    }
    body = {"version": "0", "detail-type": "Copy Job State Change", "source": "aws.backup", "detail": told}
    return line(json.dumps({**body, "time": "2026-11-20T19:51:30Z"}), minutes, f"event-{number}-{state}")


def refused_call(number=1, minutes=30, **more):
    """A log event with a record of CloudTrail."""
    record = {
        "eventVersion": "1.11",
        "userIdentity": {"arn": "arn:aws:sts::111122223333:assumed-role/copy/x", "invokedBy": "backup.amazonaws.com"},
        "eventTime": "2026-11-20T20:30:00Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "CreateGrant",
        "awsRegion": "eu-central-1",
        "errorCode": "AccessDenied",
        "errorMessage": "User is not authorized to perform: kms:CreateGrant",
        "eventID": f"call-{number}",
        **more,
    }
    return line(json.dumps(record), minutes, f"record-{number}")


def line(text, minutes=30, event_id="line"):
    """Any log event."""
    return {"timestamp": int((NOW_S - minutes * 60) * 1000), "message": text, "eventId": event_id, "logStreamName": "s"}


class Lab:
    """Two sides with rules, trails and groups; a group is asked with a pattern and answers by its kind of search."""

    def __init__(self, events=(), records=(), lines=(), *, targets=None, there=None, pages=None, **replies):
        self.found = {"events": list(events), "records": list(records), "lines": list(lines), "words": list(lines)}
        self.pages = pages
        if targets is None:
            targets = [{"Id": "1", "Arn": group_arn()}]
        base = {
            "events:ListRules": {"Rules": [{"Name": "copies", "EventPattern": PATTERN, "State": "ENABLED"}]},
            "events:ListTargetsByRule": {"Targets": targets},
            "cloudtrail:DescribeTrails": {"trailList": []},
            "logs:FilterLogEvents": self._filter,
            "logs:DescribeLogGroups": {"logGroups": []},
        }
        given = {key.replace("__", ":"): value for key, value in replies.items()}
        self.source = FakeAccount(replies={**base, **given})
        empty = {
            "cloudtrail:DescribeTrails": {"trailList": []},
            "logs:DescribeLogGroups": {"logGroups": []},
            "logs:FilterLogEvents": self._filter,
        }
        self.destination = FakeAccount("destination", "eu-central-1", SOURCE, replies={**empty, **(there or {})})
        self.clients = FakeClients(self.source, self.destination)

    def _filter(self, asked):
        if self.pages is not None:
            return self.pages
        pattern = asked["filterPattern"]
        if pattern.startswith("{"):
            kinds = [kind for kind, part in (("events", "detail.state"), ("records", "errorCode")) if part in pattern]
        else:
            kinds = ["lines" if pattern.startswith("FAILED") else "words"]
        return {"events": [row for kind in kinds for row in self.found[kind]]}

    def run(self, **params):
        """The result of the step."""
        return gather({"vault_name": "main", "vaults_feed": FEED, **params}, self.clients)

    def told(self, **params):
        """Its evidence."""
        return self.run(**params).evidence

    def patterns(self):
        """The filter patterns that were asked."""
        return [asked["filterPattern"] for asked in self.source.arguments("FilterLogEvents")]


# ----------------------------------------------------------------------------------------------------------- events


def test_failed_copies_and_the_time_in_the_queue():
    lab = Lab([event(1), event(2, message="Access denied again"), event(3, "RUNNING")])
    result = lab.run()
    told = result.evidence
    assert told["outcome"] == "ok"
    assert told["summary"]["by_state"] == {"FAILED": 2, "RUNNING": 1}
    assert (told["summary"]["copy_events"], told["summary"]["failed_events"]) == (3, 2)
    assert told["summary"]["found_by"] == ["eventbridge"]
    assert result.feed == {"queued": {job_id(3): 90.0}}  # from 19:50:00 to 19:51:30
    assert [(row["copy_job"], row["count"]) for row in told["events"]] == [(job_id(1), 1), (job_id(2), 1)]
    row = told["events"][0]
    assert (row["state"], row["message"], row["type"]) == ("FAILED", "Access denied", "EBS")
    assert (row["source_vault"], row["destination_vault"]) == (HERE, THERE)
    assert told["groups"] == [
        {
            "group": GROUP,
            "region": "eu-west-1",
            "side": "source",
            "kind": "events",
            "outcome": "ok",
            "matched": 3,
            "cut": False,
            "found_by": "eventbridge",
        }
    ]
    assert told["covered"] == {"start": "2026-11-19T21:00:00Z", "end": "2026-11-20T21:00:00Z"}


def test_the_filter_names_the_destination_vault_and_the_window_in_milliseconds():
    lab = Lab()
    lab.run(window="2h")
    events = next(pattern for pattern in lab.patterns() if pattern.startswith("{"))
    assert f'($.detail.destinationBackupVaultArn = "{THERE}")' in events
    assert '($.detail.state = "FAILED")' in events and '($.detail-type = "Copy Job State Change")' in events
    (words,) = (pattern for pattern in lab.patterns() if pattern.startswith("%"))
    assert "[Cc][Oo][Pp][Yy]" in words
    asked = lab.source.arguments("FilterLogEvents")[0]
    assert asked["startTime"] == int((NOW_S - 7200) * 1000)
    assert asked["endTime"] == int(NOW_S * 1000)
    assert asked["startFromHead"] is False
    assert lab.destination.operations() == ["DescribeTrails"]


def test_an_event_that_comes_twice_is_counted_once_in_whatever_group():
    other = group_arn("/copies")
    lab = Lab([event(1), event(1)], targets=[{"Arn": group_arn()}, {"Arn": other}])
    told = lab.told()
    assert told["summary"]["failed_events"] == 1
    assert [row["matched"] for row in told["groups"]] == [1, 1]


def test_equal_messages_are_one_row_with_the_newest_job():
    ends = {number: f"2026-11-20T1{number}:00:00Z" for number in range(1, 9)}
    many = [event(number, message=f"Job {number} failed", completionDate=end) for number, end in ends.items()]
    (row,) = Lab(many).told()["events"]
    assert (row["copy_job"], row["count"], row["at"]) == (job_id(8), 8, "2026-11-20T18:00:00Z")


def test_events_of_another_vault_and_of_no_job_are_not_taken_for_failures():
    elsewhere = event(1, destination=vault_arn("us-east-1"))
    created = event(2, "CREATED", copyJobId=None)
    backup = line(json.dumps({"detail-type": "Backup Job State Change", "detail": {"state": "FAILED"}}))
    told = Lab([elsewhere, created, backup]).told()
    assert told["summary"]["failed_events"] == 0
    assert told["summary"]["by_state"] == {"CREATED": 1}


def test_a_detail_alone_and_a_sentence_are_understood_too():
    alone = {"copyJobId": job_id(1), "state": "FAILED", "destinationBackupVaultArn": THERE, "statusMessage": "no"}
    sentence = f'"Copy job {job_id(2)} is FAILED: Access denied"'
    target = {"Arn": group_arn(), "InputTransformer": {"InputTemplate": "x"}}
    lab = Lab(lines=[line(json.dumps(alone), event_id="a"), line(sentence, event_id="b")], targets=[target])
    told = lab.told()
    assert told["summary"]["failed_events"] == 2
    assert {row["copy_job"] for row in told["events"]} == {job_id(1), job_id(2)}
    assert not any(pattern.startswith("{") for pattern in lab.patterns())  # the fields are not there


def test_the_words_of_the_runbook_are_counted_whatever_they_stand_in():
    lines = ["Copy failed for orders", "ERROR: SYNC FAILED", "replication error 5", "Copy job failed", "a copy is fine"]
    lab = Lab(lines=[line(text, event_id=text) for text in lines])
    told = lab.told()
    assert told["summary"]["phrases"] == {"copy failed": 2, "sync failed": 1, "replication error": 1}
    assert told["summary"]["failed_events"] == 0
    assert [row["state"] for row in told["events"]] == [None] * 4


def test_terms_are_asked_for_where_the_service_refuses_the_expression():
    def refuse(asked):
        return BAD_PATTERN if asked["filterPattern"].startswith("%") else {"events": []}

    lab = Lab(logs__FilterLogEvents=refuse)
    told = lab.told()
    assert told["outcome"] == "empty"
    assert told["denied"] == []
    assert any(pattern.startswith('?"copy failed" ?"Copy failed"') for pattern in lab.patterns())


@hypothesis.settings(deadline=None)
@hypothesis.given(order=st.permutations(range(6)))
def test_the_order_of_events_does_not_matter(order):
    events = [event(1), event(1, "RUNNING"), event(2), event(3, "COMPLETED"), refused_call(1), refused_call(2)]
    lab = Lab([events[at] for at in order])
    told, straight = lab.run(), Lab(events).run()
    assert told.evidence["summary"] == straight.evidence["summary"]
    assert told.evidence["api_errors"][0]["count"] == 2
    assert told.feed == straight.feed


# ------------------------------------------------------------------------------------------------------- CloudTrail


def trail(arn, name="management"):
    """What DescribeTrails gives."""
    return {"trailList": [{"Name": name, "CloudWatchLogsLogGroupArn": f"{arn}:*"}]}


def test_refused_calls_of_the_destination_region():
    there = {"cloudtrail:DescribeTrails": trail(group_arn("/trail", "eu-central-1"))}
    lab = Lab(records=[refused_call(1), refused_call(2), refused_call(2)], there=there, events__ListRules={"Rules": []})
    told = lab.told()
    assert told["outcome"] == "ok"
    assert told["summary"]["api_errors"] == 2
    # CloudTrail knows no events of copy jobs, so that none was found says nothing
    assert (told["summary"]["copy_events"], told["summary"]["failed_events"]) == (None, None)
    (row,) = told["api_errors"]
    assert (row["event_name"], row["service"], row["error_code"]) == ("CreateGrant", "kms", "AccessDenied")
    assert row["count"] == 2
    assert (row["region"], row["group"], row["at"]) == ("eu-central-1", "/trail", "2026-11-20T20:30:00Z")
    assert row["principal"] == "arn:aws:sts::111122223333:assumed-role/copy/x"
    assert told["groups"][0]["kind"] == "cloudtrail"


def test_one_group_of_a_trail_of_all_regions_is_searched_once():
    shown = trail(group_arn("/trail"))
    there = {"cloudtrail:DescribeTrails": shown}
    lab = Lab(cloudtrail__DescribeTrails=shown, there=there, events__ListRules={"Rules": []})
    told = lab.told()
    assert [(row["group"], row["side"]) for row in told["groups"]] == [("/trail", "source")]


# -------------------------------------------------------------------------------------------------------- discovery


def test_without_any_group_nothing_is_configured_and_nothing_is_said_of_failures():
    told = Lab(events__ListRules={"Rules": []}).told()
    assert told["outcome"] == "not_configured"
    assert (told["summary"]["failed_events"], told["summary"]["phrases"]) == (None, None)
    assert told["covered"] is None
    assert "log_groups" in told["error"]["hint"]


def test_a_refused_read_is_not_taken_for_nothing_configured():
    told = Lab(events__ListRules=forbidden("ListRules", "events")).told()
    assert told["outcome"] == "forbidden"
    assert told["error"]["grant"]["statement"]["Action"] == "events:ListRules"
    assert [(row["what"], row["side"]) for row in told["denied"]] == [("ListRules", "source")]


def test_events_are_followed_over_buses_to_the_other_side():
    hub = f"arn:aws:events:eu-central-1:{SOURCE}:event-bus/hub"
    there = {
        "events:ListRules": {"Rules": [{"Name": "in", "EventPattern": json.dumps({"account": [SOURCE]})}]},
        "events:ListTargetsByRule": {"Targets": [{"Arn": group_arn("/hub", "eu-central-1")}]},
    }
    lab = Lab([event(1)], targets=[{"Arn": hub}], there=there)
    told = lab.told()
    assert [(row["group"], row["side"], row["matched"]) for row in told["groups"]] == [("/hub", "destination", 1)]
    assert lab.destination.arguments("ListRules") == [{"EventBusName": "hub"}]


def test_buses_that_lead_to_each_other_come_to_an_end():
    bus = f"arn:aws:events:eu-west-1:{SOURCE}:event-bus/ring"
    lab = Lab(targets=[{"Arn": bus}, {"Arn": group_arn()}])
    assert [row["group"] for row in lab.told()["groups"]] == [GROUP]
    assert [asked["EventBusName"] for asked in lab.source.arguments("ListRules")] == ["default", "ring"]


@pytest.mark.parametrize(
    "target",
    [
        f"arn:aws:events:us-east-1:{SOURCE}:event-bus/hub",
        f"arn:aws:events:eu-west-1:{DESTINATION}:event-bus/hub",
        group_arn("/x", "us-east-1"),
        group_arn("/x", account=DESTINATION),
    ],
)
def test_where_neither_side_looks_is_said(target):
    told = Lab(targets=[{"Arn": target}]).told()
    assert told["outcome"] == "not_configured"
    (row,) = told["denied"]
    assert (row["outcome"], row["what"]) == ("not_applicable", "rule copies")
    assert target.split(":")[3] in row["message"] and target.split(":")[4] in row["message"]


def test_a_disabled_rule_is_said_and_its_group_searched_for_what_it_has():
    rules = {"Rules": [{"Name": "copies", "EventPattern": PATTERN, "State": "DISABLED"}]}
    told = Lab([event(1)], events__ListRules=rules).told()
    assert told["summary"]["failed_events"] == 1
    assert [(row["what"], row["outcome"]) for row in told["denied"]] == [("rule copies", "not_configured")]


def test_the_log_of_a_function_that_handles_the_events():
    function = f"arn:aws:lambda:eu-west-1:{SOURCE}:function:on-copy:live"
    (row,) = Lab(targets=[{"Arn": function}]).told()["groups"]
    assert (row["group"], row["kind"]) == ("/aws/lambda/on-copy", "other")


def named(*names):
    """What DescribeLogGroups gives."""
    return {"logGroups": [{"logGroupName": name} for name in names]}


def test_a_name_alone_does_not_make_a_group_one_of_copies():
    none = {"Rules": []}
    groups = named("/app/backup", "/aws/backup-gateway/hypervisor")
    lab = Lab(events__ListRules=none, logs__DescribeLogGroups=groups)
    told = lab.told()
    assert told["outcome"] == "not_configured"
    assert [(row["group"], row["outcome"], row["found_by"]) for row in told["groups"]] == [
        ("/app/backup", "empty", "name")
    ]
    assert {asked["logGroupNamePattern"] for asked in lab.source.arguments("DescribeLogGroups")} == {"backup", "Backup"}
    told = Lab([event(1)], events__ListRules=none, logs__DescribeLogGroups=groups).told()
    assert (told["outcome"], told["summary"]["failed_events"]) == ("ok", 1)


@pytest.mark.parametrize(
    ("pattern", "delivers"),
    [
        ({"source": ["aws.backup"]}, True),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"source": ["aws.ec2", "aws.backup"], "detail-type": ["Copy Job State Change"]}, True),
        ({"source": ["aws.backup"], "detail-type": ["Backup Job State Change"]}, False),
        ({"source": ["aws.ec2"]}, False),
        ({"account": ["111122223333"]}, True),
        ({"detail": {"state": ["FAILED"]}}, False),
        (None, False),
    ],
)
def test_which_rules_deliver_events_of_copies(pattern, delivers):
    assert delivers_copies(json.dumps(pattern) if pattern else None) is delivers


# ------------------------------------------------------------------------------------------------------- parameters


def test_groups_that_are_named_are_not_looked_for():
    lab = Lab([event(1)], records=[refused_call()])
    told = lab.told(log_groups=["/mine", group_arn("/theirs", "eu-central-1") + ":*"])
    assert [(row["group"], row["side"], row["kind"]) for row in told["groups"]] == [
        ("/mine", "source", "other"),
        ("/theirs", "destination", "other"),
    ]
    assert set(lab.source.operations()) == {"FilterLogEvents"}
    assert (told["summary"]["failed_events"], told["summary"]["api_errors"]) == (1, 1)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"log_groups": ["no such name!"]}, "log_groups"),
        ({"log_groups": [group_arn("/x", "us-east-1")]}, "neither in the source's nor in the destination's"),
        ({"max_pages": 0}, "max_pages"),
        ({"budget": 0}, "budget"),
        ({"window": "91d"}, "window"),
    ],
)
def test_parameters_that_cannot_be_used(params, said):
    lab = Lab()
    with pytest.raises(BadParameter, match=said):
        lab.run(**params)
    assert lab.source.calls == 0


# ----------------------------------------------------------------------------------------------------------- bounds


def test_a_bound_on_pages_is_said_with_how_far_the_search_came():
    page = {"events": [event(1, minutes=120)], "nextToken": "more"}
    lab = Lab(pages=[page] * 5)
    told = lab.told(max_pages=2)
    assert told["summary"]["cut"] is True
    assert told["groups"][0]["cut"] is True
    assert told["covered"]["start"] == "2026-11-20T19:00:00Z"
    # what failed is asked for once more, without the jobs that only began to run
    alone = [pattern for pattern in lab.patterns() if pattern.startswith("{") and "RUNNING" not in pattern]
    assert len(alone) == 2


def test_a_search_that_ends_with_its_last_page_is_not_cut():
    pages = [{"events": [], "nextToken": "a"}, {"events": [event(1)]}]
    assert Lab(pages=pages).told(max_pages=2)["summary"]["cut"] is False


def test_empty_pages_are_read_on():
    pages = [{"events": [], "nextToken": "a"}, {"events": [], "nextToken": "b"}, {"events": [event(1)]}]
    told = Lab(pages=pages).told()
    assert (told["summary"]["failed_events"], told["summary"]["cut"], told["summary"]["pages"]) == (1, False, 6)


def test_a_bound_on_time_ends_all_searches(monkeypatch):
    clock = iter(range(0, 10_000, 50))
    monkeypatch.setattr(_aws_logsearch.time, "monotonic", lambda: float(next(clock)))
    told = Lab(pages=[{"events": [], "nextToken": "more"}] * 3).told(budget=60)
    assert told["summary"]["cut"] is True
    assert told["covered"] is None


def test_a_group_that_may_not_be_read_beside_one_that_may():
    def answer(asked):
        return forbidden("FilterLogEvents", "logs") if asked["logGroupName"] == "/closed" else {"events": [event(1)]}

    lab = Lab(targets=[{"Arn": group_arn()}, {"Arn": group_arn("/closed")}], logs__FilterLogEvents=answer)
    told = lab.told()
    assert told["outcome"] == "ok"
    assert [row["outcome"] for row in told["groups"]] == ["ok", "forbidden"]
    assert [row["what"] for row in told["denied"]] == ["log group /closed"]
    told = Lab(logs__FilterLogEvents=forbidden("FilterLogEvents", "logs")).told()
    assert (told["outcome"], told["summary"]["failed_events"]) == ("forbidden", None)


# --------------------------------------------------------------------------------------------------------- Insights


def test_a_class_that_cannot_be_filtered_is_said_and_insights_asked_only_when_told_to(monkeypatch):
    monkeypatch.setattr(_aws_logsearch.time, "sleep", lambda dummy: None)
    states = iter(["Scheduled", "Running", "Complete"])
    row = [{"field": "@message", "value": event(1)["message"]}, {"field": "@ptr", "value": "p"}]
    replies = {
        "logs__FilterLogEvents": NO_CLASS,
        "logs__StartQuery": {"queryId": "q"},
        "logs__GetQueryResults": lambda dummy: {"status": next(states), "results": [row]},
    }
    lab = Lab(**replies)
    told = lab.told()
    assert (told["outcome"], told["groups"][0]["outcome"]) == ("not_applicable", "not_applicable")
    assert "use_insights" in told["denied"][0]["hint"]
    assert "StartQuery" not in lab.source.operations()
    lab = Lab(**replies)
    told = lab.told(use_insights=True)
    assert (told["outcome"], told["summary"]["failed_events"], told["denied"]) == ("ok", 1, [])
    (asked,) = lab.source.arguments("StartQuery")
    assert (asked["startTime"], asked["endTime"]) == (int(NOW_S - 86400), int(NOW_S))  # seconds here
    assert asked["logGroupNames"] == [GROUP]
