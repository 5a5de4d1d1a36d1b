# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shipped manifests and policies: they allow every call that the playbooks make, and nothing else.

The lab's readers have exactly these rights, so that each scenario runs under them too.
"""

from __future__ import annotations

import ast
import json
import re
import typing as t
from pathlib import Path

import botocore.session
import harness
import pytest
import yaml

from ansible_collections.sre.backup_sync.plugins.module_utils import _access

pytestmark = pytest.mark.xdist_group("policies")

FILES = harness.ROOT / "roles" / "region_sync" / "files"
SIDES = {"source": ("111122223333", "eu-west-1"), "destination": ("444455556666", "eu-central-1")}
ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
# What only a query of Insights that takes minutes leads to.
NOT_PLAYED = {"logs:StopQuery"}

_NIGHTS = {"resources": ["orders", "users"], "for": "20d"}
_SYSTEM = {"source": {"account": SIDES["source"][0]}, "destination": {"account": SIDES["destination"][0]}}
_FAILS = {"index": [0, 1], "message": "Access denied trying to call AWS Backup service"}
_HUB_RULE = {
    "Name": "to-hub",
    "Arn": "arn:aws:events:eu-west-1:111122223333:rule/to-hub",
    "EventPattern": '{"source": ["aws.backup"]}',
    "State": "ENABLED",
    "EventBusName": "default",
    "_targets": [{"Id": "hub", "Arn": "arn:aws:events:eu-central-1:444455556666:event-bus/default"}],
}
_HEALTH_EVENT = {"service": "BACKUP", "code": "AWS_BACKUP_OPERATIONAL_ISSUE", "region": "eu-central-1", "start": "3h"}
_INSIGHTS = {"region_sync_step_options": {"logs": {"use_insights": True}}}

# Together these lead to every call. Each: keys of a story, and variables beside those of the lab.
STORIES: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "copies-fail": (
        {
            "protect": [{**_NIGHTS, "fails": _FAILS}],
            "plan": {"changed": "3h", "before": {"copy_lifecycle": {"delete_after": 60}}},
            "roles": {"AWSBackupDefaultServiceRole": {"without": ["backup:CopyIntoBackupVault"], "deny": ["ec2:CopyImage"]}},
            "health": {"events": [_HEALTH_EVENT]},
            "source_vault": {"points": 800_000},
            "destination_vault": {"points": 800_000},
            "logs": {"eventbridge": "/aws/events/aws-backup", "cloudtrail": "trail"},
        },
        {},
    ),
    "the-log-group-cannot-be-filtered": (
        {"protect": [{**_NIGHTS, "fails": _FAILS}], "logs": {"class": "INFREQUENT_ACCESS"}, "metrics": False},
        _INSIGHTS,
    ),
    "events-go-to-the-other-account": (
        {
            "protect": [{**_NIGHTS, "fails": _FAILS}],
            "source": {**_SYSTEM["source"], "rows": {"event_rules": [_HUB_RULE]}},
            "logs": {"side": "destination", "class": "INFREQUENT_ACCESS"},
        },
        _INSIGHTS,
    ),
    "nothing-is-copied": ({"protect": [_NIGHTS], "plan": {"copy": False}}, {}),
    "the-destination-vault-is-not-there": (
        {"protect": [{**_NIGHTS, "fails": _FAILS}], "destination_vault": {"absent": True}},
        {"region_sync_copy_job_id": "00000000-0000-0000-0000-000000000000"},
    ),
    "the-source-vault-is-not-there": ({"protect": [_NIGHTS], "source_vault": {"absent": True}}, {}),
    "keys-of-services": (
        {
            "protect": [{**_NIGHTS, "fails": _FAILS}],
            "keys": {"source": {"data": "aws/ebs"}},
            "destination_vault": {"key": "aws/backup"},
        },
        {},
    ),
    "no-log-group-is-known": ({"protect": [{**_NIGHTS, "fails": _FAILS}], "logs": "none"}, {}),
}


def _statements(side: str) -> list[dict[str, t.Any]]:
    return json.loads((FILES / f"policy_{side}.json").read_text())["Statement"]


def _actions(side: str) -> set[str]:
    return {action for statement in _statements(side) for action in statement["Action"]}


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, t.Any]]]:
    """{story: every call of a run of the playbook}"""
    folder = tmp_path_factory.mktemp("policies")
    labs = {}
    for number, (story, dummy) in enumerate(STORIES.values()):
        described = folder / f"{number}.yaml"
        described.write_text(yaml.safe_dump({"kind": "region", **_SYSTEM, **story}))
        labs[described] = folder / f"lab{number}"
    with harness.labs(labs) as started:
        played = dict(zip(STORIES, started))
        hosts = {name: {**harness.variables(lab.info, {}), **STORIES[name][1]} for name, lab in played.items()}
        for name, run in harness.play_many(folder / "run", "region", hosts).items():
            assert run.code == 0 and run.diagnosis, f"{name}: {run.output[-3000:]}"
        return {name: lab.audit() for name, lab in played.items()}


def _made(audits: dict[str, list[dict[str, t.Any]]], side: str) -> set[str]:
    """The actions of a side's identity. The role of the other account is assumed by the source's."""
    account = SIDES[side][0]
    calls = [call for calls in audits.values() for call in calls]
    return {call["action"] for call in calls if call["account"] == account} - ALWAYS_ALLOWED


def _is_denied(call: dict[str, t.Any]) -> bool:
    return call["status"] == 403 or "AccessDenied" in call["code"]


@pytest.mark.parametrize("side", SIDES)
def test_each_action_is_called_and_each_call_is_allowed(audits: dict[str, list[dict[str, t.Any]]], side: str) -> None:
    assert _made(audits, side) == _actions(side) - NOT_PLAYED


def test_nothing_is_denied_under_them(audits: dict[str, list[dict[str, t.Any]]]) -> None:
    """But for what AWS Backup answers in place of "there is no such vault"."""
    denied = [
        (name, call["action"], call["resource"])
        for name, calls in audits.items()
        for call in calls
        if _is_denied(call) and not (name.endswith("vault-is-not-there") and call["service"] == "backup")
    ]
    assert denied == []


def test_they_name_what_the_steps_can_call() -> None:
    """Also where no story leads: the operations that the steps name are those of the policies."""
    actions = {action for side in SIDES for action in _actions(side)} | ALWAYS_ALLOWED
    services = {action.partition(":")[0].replace("servicequotas", "service-quotas") for action in actions}
    session = botocore.session.get_session()
    known = {name for service in services for name in session.get_service_model(service).operation_names}
    sources = harness.ROOT / "plugins" / "module_utils"
    named = {
        node.value
        for path in [*sources.glob("_gather/*aws*.py"), sources / "_clients" / "aws.py"]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in known
    }
    assert named == {action.partition(":")[2] for action in actions}


@pytest.mark.parametrize("side", SIDES)
def test_they_are_policies_that_only_read(side: str) -> None:
    text = (FILES / f"policy_{side}.json").read_text()
    statements = _statements(side)
    assert json.loads(text)["Version"] == "2012-10-17"
    assert all(set(row) == {"Sid", "Effect", "Action", "Resource"} and row["Effect"] == "Allow" for row in statements)
    names = [row["Sid"] for row in statements]
    assert len(names) == len(set(names)) and all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)
    listed = [action for row in statements for action in row["Action"]]
    assert len(listed) == len(set(listed)) and not any("*" in action for action in listed)
    reading = ("Describe", "Filter", "Get", "List", "StartQuery", "StopQuery", "AssumeRole")
    assert all(action.partition(":")[2].startswith(reading) for action in listed)
    # an inline policy of a user has room for 2,048 characters without white space, a managed policy for 6,144
    assert len(re.sub(r"\s", "", text)) < 6144


@pytest.mark.parametrize("side", SIDES)
def test_each_statement_is_explained(side: str) -> None:
    told = re.findall(r"^\| `(\w+)…?` \|", (FILES / "README.md").read_text(), re.MULTILINE)
    assert [row["Sid"] for row in _statements(side) if not row["Sid"].startswith(tuple(told))] == []


def test_the_sides_of_one_account_need_both(tmp_path: Path) -> None:
    """The lab's reader of a single account has both documents, and is denied nothing."""
    name = "kms-key-disabled"
    with harness.lab(harness.scenario_file(name, "region"), tmp_path / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario(name, "region"), tmp_path / "report")
        assert harness.play(tmp_path, values).code == 0
        calls = lab.audit()
    assert {call["account"] for call in calls} == {SIDES["source"][0]}
    assert [call for call in calls if _is_denied(call)] == []


# ------------------------------------------------------------------------------------------------------ clusters

# Together these lead to every read: (scenario, keys of it that are others, variables).
CLUSTER_STORIES: dict[str, tuple[str, dict[str, t.Any], dict[str, t.Any]]] = {
    "copies-fail": (
        "dns-failure",
        {"destination": {"stories": [{"job": {"name": "by-hand", "ago": "1h", "took": "4m"}}]}},
        {"cluster_sync_job_name": "by-hand"},
    ),
    "no-jobs-no-events-no-points": ("selector-finds-nothing", {"pairs": [], "destination": {}, "source": {}}, {}),
    "points-of-other-names-and-times": (
        "healthy",
        {"pairs": [{"resources": ["orders"], "points": {"name": "of-{resource}-{stamp}", "latest": "50m", "creation_time": False}}]},
        {},
    ),
    "metrics-through-the-api-server": (
        "healthy",
        {},
        {
            "cluster_sync_prometheus": {
                "prometheus_service": {"namespace": "monitoring", "name": "prometheus"},
            }
        },
    ),
}


@pytest.fixture(scope="module")
def cluster_audits(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, t.Any]]:
    """Every request of the runs."""
    folder = tmp_path_factory.mktemp("cluster-policies")
    labs, described = {}, {}
    for name, (scenario, changes, dummy) in CLUSTER_STORIES.items():
        described[name] = {**harness.scenario(scenario), **changes}
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(described[name]))
        labs[file] = folder / name
    with harness.labs(labs) as started:
        hosts = {}
        for (name, (dummy, dummy_too, values)), lab in zip(CLUSTER_STORIES.items(), started):
            hosts[name] = {**harness.variables(lab.info, described[name]), **values}
        for name, run in harness.play_many(folder / "run", "cluster", hosts).items():
            assert run.code == 0 and run.diagnosis, f"{name}: {run.output[-3000:]}"
        return [request for lab in started for request in lab.audit()]


def _granted(side: str) -> set[tuple[str, str, str, str]]:
    """(namespace, verb, group, resource) of the manifest."""
    file = harness.ROOT / "roles" / "cluster_sync" / "files" / f"rbac_{side}.yml"
    return {
        (body["metadata"].get("namespace", ""), verb, group, resource)
        for body in yaml.safe_load(file.read_text())["items"]
        for rule in body.get("rules", [])
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("side", SIDES)
def test_each_rule_of_a_manifest_is_used_and_each_read_is_allowed(side: str, cluster_audits: list[dict[str, t.Any]]) -> None:
    made = {
        (
            row["namespace"] or "",
            row["verb"],
            row["group"],
            f"{row['resource']}/{row['subresource']}" if row["subresource"] else row["resource"],
        )
        for row in cluster_audits
        if row["cluster"] == side and row["resource"]
    }
    assert made == _granted(side)


def test_no_cluster_denies_anything_under_them(cluster_audits: list[dict[str, t.Any]]) -> None:
    assert [row for row in cluster_audits if row["status"] == 403] == []


STEPS = ("jobs", "events", "job_detail", "logs", "replication_rules", "copy_lag", "recovery_points")


def test_each_step_alone_reads_what_it_declares_and_no_more(tmp_path: Path) -> None:
    settings = {
        "copy_side": "destination",
        "namespace": "backup",
        "source_namespace": "backup",
        "configmap": "backup-vault-config",
        "has_source": True,
    }
    with harness.lab(harness.scenario_file("dns-failure"), tmp_path / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario("dns-failure"))
        for step in STEPS:
            before = len(lab.audit())
            assert harness.play(tmp_path / step, values, "--tags", f"cluster_sync_{step}").code == 0
            made = {
                (row["cluster"], row["verb"], row["group"], row["resource"], row["subresource"])
                for row in lab.audit(before)
                if row["resource"]
            }
            declared = {
                (need.side, need.verb, need.group, *need.resource.partition("/")[::2])
                for need in _access.needs(settings)
                if need.step == step
            }
            assert made and made <= declared, (step, made - declared)
