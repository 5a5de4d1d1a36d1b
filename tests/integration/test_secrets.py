# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that stand in what the steps read come out nowhere: not on the screen at any verbosity, not in a file."""

from __future__ import annotations

import itertools
import json
import re
import typing as t
from collections import Counter

import harness
import pytest
import yaml
from lab.secrets import Planted, planted

pytestmark = pytest.mark.xdist_group("secrets")

PLANTED = planted(240)
TOKEN = re.compile(r"\*{8}[0-9a-f]{4}")


class _Texts:
    """Hands out the texts one after the other."""

    def __init__(self, texts: list[Planted]) -> None:
        self._texts = iter(texts)

    def some(self, count: int) -> list[str]:
        return [one.text for one in itertools.islice(self._texts, count)]

    def one(self) -> str:
        return self.some(1)[0]


def _cluster_story(texts: _Texts) -> dict[str, t.Any]:
    """Wherever somebody else's words are read by the steps of the cluster runbook."""
    ends_badly = {"result": "failed", "backoff_limit": 0, "took": "3m"}
    jobs = [
        {
            "name": f"backup-sync-{resource}",
            "every": "2h",
            "for": "10h",
            **ends_badly,
            "message": texts.one(),
            "termination_message": "\n".join(texts.some(2)),
            "log": [f"Fatal: copy failed: {text}" for text in texts.some(20)],
            "env": {"NOTE": texts.one()},
            "labels": {"app": "backup-sync", "backup-sync/resource": resource},
        }
        for resource in ("orders", "users")
    ]
    events = [
        {
            "object": "Pod/backup-sync-orders-x",
            "reason": reason,
            "message": f"Error: {text}",
        }
        for reason, text in zip(itertools.cycle(["FailedMount", "Failed", "FailedCreate", "BackOff"]), texts.some(30))
    ]

    def configmap() -> dict[str, t.Any]:  # another one on each side: what differs is shown
        rules = [{"name": f"rule-{number}", "note": text} for number, text in enumerate(texts.some(10))]
        repository = {"url": texts.one(), "password": texts.one()}
        return {"name": "backup-vault-config", "data": {"vault.yaml": {"replication_rules": rules, "repository": repository}}}

    snapshots = {"resource": "orders", "every": "6h", "for": "12h", "ready": False, "error": texts.one()}
    labels = [{"job_name": f"backup-sync-{number}", "error": text} for number, text in enumerate(texts.some(6))]
    return {
        "name": "secrets",
        "namespace": "backup",
        "source": {"stories": [{"snapshots": snapshots}, {"configmap": configmap()}]},
        "destination": {
            "stories": [
                *({"cronjob": job} for job in jobs),
                {"events": events},
                {"configmap": configmap()},
                {"snapshots": {**snapshots, "imported": True, "error": texts.one()}},
            ]
        },
        "prometheus": {
            "series": [
                {"metric": "backup_copy_job_success_rate", "labels": label, "values": [{"from": "-1d", "to": "now", "value": 0}]}
                for label in labels
            ]
        },
    }


def _region_story(texts: _Texts) -> dict[str, t.Any]:
    """Wherever somebody else's words are read by the steps of the region runbook."""
    failing = [
        {"resources": [f"volume-{number}"], "for": "3d", "fails": {"index": [0, 1], "message": text}}
        for number, text in enumerate(texts.some(40))
    ]
    upstream = [
        {"resources": [f"table-{number}"], "type": "DynamoDB", "for": "3d", "backup_fails": {"index": 0, "message": text}}
        for number, text in enumerate(texts.some(8))
    ]
    denied = [
        {
            "resources": [f"share-{number}"],
            "for": "3d",
            "fails": {
                "index": 0,
                "message": texts.one(),
                "trail": {"event": "CreateGrant", "source": "kms.amazonaws.com", "message": f"not authorized: {text}"},
            },
        }
        for number, text in enumerate(texts.some(8))
    ]
    lines = [
        {"ago": f"{number}m", "message": f"ERROR backup copy job failed: {text}"}
        for number, text in enumerate(texts.some(20), start=5)
    ]
    health = {"service": "BACKUP", "code": "AWS_BACKUP_OPERATIONAL_ISSUE", "region": "eu-west-1", "start": "3h"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "note",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "backup:CopyIntoBackupVault",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalTag/note": texts.one()}},
            }
        ],
    }
    return {
        "kind": "region",
        "name": "secrets",
        "destination": {"account": "444455556666"},
        "protect": [*failing, *upstream, *denied],
        "destination_vault": {"policy": policy},
        "logs": {"eventbridge": "/aws/events/aws-backup", "cloudtrail": "trail", "extra": lines},
        "health": {"events": [{**health, "description": texts.one()}]},
    }


STORIES = {"cluster": (_cluster_story, PLANTED[:120]), "region": (_region_story, PLANTED[120:])}


@pytest.fixture(scope="module", params=STORIES)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, harness.Run]:
    """The same target in the workers and by modules, with all that Ansible can say about it."""
    kind = request.param
    folder = tmp_path_factory.mktemp(f"secrets-{kind}")
    make, texts = STORIES[kind]
    described = folder / "secrets.yaml"
    described.write_text(yaml.safe_dump(make(_Texts(texts))))
    with harness.lab(described, folder / "lab") as lab:
        values = harness.variables(lab.info, {}, folder / "report")
        return {
            way: harness.play(folder / way, {**values, "backup_sync_in_process": here}, "-vvvv")
            for way, here in (("here", True), ("modules", False))
        }


@pytest.mark.parametrize("way", ["here", "modules"])
def test_no_credential_comes_out(runs: dict[str, harness.Run], way: str) -> None:
    run = runs[way]
    assert run.code == 0, run.output[-3000:]
    told = {"output": run.output, "evidence": json.dumps(run.evidence), "diagnosis": json.dumps(run.diagnosis)}
    leaks = [(place, one.text) for place, text in told.items() for one in PLANTED if one.seen_in(text)]
    assert leaks == []


def test_the_texts_were_read(runs: dict[str, harness.Run]) -> None:
    """Each step that reads what others wrote shows tokens; where nothing was read, nothing can leak."""
    evidence = runs["here"].evidence
    kind = evidence["target"]["kind"]
    found = Counter({step: len(TOKEN.findall(json.dumps(told))) for step, told in evidence["evidence"].items()})
    wanted = {
        "cluster": {"jobs": 1, "job_detail": 2, "events": 20, "logs": 20, "metrics": 3, "replication_rules": 5},
        "region": {"copy_jobs": 20, "copy_job_detail": 1, "logs": 10},
    }[kind]
    assert {step: found[step] for step, least in wanted.items() if found[step] < least} == {}


def test_one_secret_has_one_token_in_all_steps(runs: dict[str, harness.Run]) -> None:
    evidence = runs["here"].evidence["evidence"]
    tokens = [set(TOKEN.findall(json.dumps(told))) for told in evidence.values()]
    assert any(one & other for one, other in itertools.combinations(tokens, 2))
