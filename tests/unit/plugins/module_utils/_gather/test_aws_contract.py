# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every member that a step of the region runbook returns stands in the guide to the evidence, and the other way round."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import (
    aws_point_rows,
    aws_rows,
    test_aws_copy_job_detail,
    test_aws_copy_jobs,
    test_aws_copy_lag,
    test_aws_copy_rules,
    test_aws_health,
    test_aws_keys,
    test_aws_logs,
    test_aws_metrics,
    test_aws_recovery_points,
    test_aws_vaults,
)

_ROOT = Path(__file__).parents[5]
_GUIDE = (_ROOT / "docs" / "evidence_region.md").read_text(encoding="utf-8")
_WORD = re.compile(r"`([A-Za-z_][\w.]*)(?:\[\])?`")
_EXAMPLES = {"AWSServiceRoleForBackup", "ebs", "rds"}  # of values that AWS may give
# What evidence.md says of all steps; their members are not gone into.
_OPAQUE = {"step", "outcome", "query", "covered", "observed_at", "clock", "total", "truncated", "denied", "error"}
_COMMON = _OPAQUE | {"summary", "feed"}
# Their keys are data: states, names, types, actions, what a policy or a plan holds.
_KEYED_BY_DATA = {
    *("by_state", "categories", "children", "phrases", "principals", "conditions", "expected", "actual", "actions"),
    *("created_by", "queued"),
}


def _jobs():
    return [
        aws_rows.copy(1, age=5, state="FAILED", message="Access denied"),
        aws_rows.copy(2, "b", age=5, state="CREATED"),
        aws_rows.copy(3, "c", age=30, ResourceType="RDS"),
    ]


def _copy_jobs():
    both = test_aws_copy_jobs.sides(_jobs(), [aws_rows.backup(1, state="FAILED", age=3)], running=[])
    return test_aws_copy_jobs.gather(test_aws_copy_jobs.PARAMS, both)


def _logs():
    lab = test_aws_logs.Lab(
        [test_aws_logs.event(1), test_aws_logs.event(2, "RUNNING")],
        records=[test_aws_logs.refused_call()],
        logs__DescribeLogGroups={"logGroups": []},
    )
    given = {"vault_name": "main", "vaults_feed": test_aws_logs.FEED, "log_groups": ["any"]}
    return test_aws_logs.gather(given, lab.clients)


def _copy_rules():
    row = test_aws_copy_rules.rule(days=3)
    world = test_aws_copy_rules.World(
        test_aws_copy_rules.plan(row, selections=test_aws_copy_rules.ASSIGNED), jobs=_jobs()
    )
    told = world.told()
    return {**told, "opt_in": dict.fromkeys(told["opt_in"])}  # by side, and below that by type


def _metrics():
    metric = {"Namespace": "Ours", "MetricName": "CopyJobSuccessRate", "Dimensions": []}
    source = test_aws_metrics.account(metrics={"CopyJobSuccessRate": [metric], "CopyJobDuration": [metric]})
    return test_aws_metrics.found(*_jobs(), source=source)


def _points(step):
    jobs = [aws_point_rows.job("J", "s", "d", hours=4.5)]
    theirs = [aws_point_rows.point("destination", "d", 5), aws_point_rows.point("destination", "e", 9, "lone")]
    both = aws_point_rows.clients([aws_point_rows.point("source", "s", 5)], theirs, jobs, [aws_rows.backup(1, state="FAILED")])
    return step.gathered(both)


def _keys():
    deny = test_aws_keys.statement(test_aws_keys.ROLE, Effect="Deny")
    return test_aws_keys.run(test_aws_keys.kms(test_aws_keys.DATA, deny))[0]


STEPS = {
    "vaults": lambda: test_aws_vaults.run_across([test_aws_vaults.allow("*")])[:2],
    "copy_jobs": _copy_jobs,
    "copy_job_detail": lambda: test_aws_copy_job_detail.detail(*_jobs())[0],
    "logs": _logs,
    "metrics": _metrics,
    "copy_lag": lambda: _points(test_aws_copy_lag),
    "copy_rules": _copy_rules,
    "recovery_points": lambda: _points(test_aws_recovery_points),
    "keys": _keys,
    "health": lambda: test_aws_health.run([[test_aws_health.event(1)]])[0],
}


def _section(name):
    """The text below a step's heading."""
    return re.split(rf"(?m)^## {name} — .*$", _GUIDE)[1].split("\n## ")[0]


def _names(value, into):
    """Every key of an evidence at any depth."""
    if isinstance(value, list):
        for item in value:
            _names(item, into)
    elif isinstance(value, dict):
        for key, item in value.items():
            into.add(key)
            if key == "calibration":
                _names(list(item.values()), into)
            elif key not in _OPAQUE | _KEYED_BY_DATA:
                _names(item, into)
    return into


def _words(text):
    """What a text of the guide puts in backticks, member by member."""
    return {word for found in _WORD.findall(text) for word in found.split(".")}


def _returned(name):
    """The members of a step's evidence and of its feed."""
    given = STEPS[name]()
    if isinstance(given, dict):
        return _names(given, set())
    found, feed = given if isinstance(given, tuple) else (given.evidence, given.feed)
    return _names(found, set()) | set(feed)


def _said():
    """Every text of the steps' source that is no key of a dictionary, and the names of functions."""
    texts = set()
    folder = _ROOT / "plugins" / "module_utils"
    for path in [*folder.glob("_gather/*aws*.py"), *folder.glob("_ledger/*.py"), folder / "_evidence.py"]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in keys:
                texts.add(node.value)
            elif isinstance(node, ast.FunctionDef):
                texts.add(node.name)
    return texts


@pytest.mark.parametrize("name", STEPS)
def test_every_member_stands_in_the_guide(name):
    words = _words(_section(name)) | _words(_GUIDE.split("\n## ")[0]) | _COMMON
    if name == "copy_job_detail":  # "the row of copy_jobs with"
        words |= _words(_section("copy_jobs"))
    assert _returned(name) - words == set()


@pytest.mark.parametrize("name", STEPS)
def test_the_guide_has_nothing_that_no_step_returns(name):
    words = _words(_section(name)) - _returned(name) - _COMMON - _EXAMPLES
    states = {word for word in words if word.isupper()}  # as AWS spells them
    assert words - states - _said() == set()
