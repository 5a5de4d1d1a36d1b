# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input gets one sentence that names what to change, no traceback, and an exit code that is not 0."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import harness
import pytest


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Lab]:
    folder = tmp_path_factory.mktemp("bad-input")
    with harness.lab(harness.SCENARIOS / "healthy.yaml", folder / "lab") as lab:
        yield lab


def _values(lab: harness.Lab, folder: Path, **changes: t.Any) -> dict[str, t.Any]:
    values = harness.variables(lab.info, harness.scenario("healthy"), folder / "report")
    return {**values, **changes}


def _plain(output: str) -> str:
    """The output as one line: Ansible wraps and escapes what it prints."""
    return re.sub(r"\s+", " ", output.replace('\\"', '"').replace("\\'", "'"))


def _connection(lab: harness.Lab, **changes: t.Any) -> dict[str, t.Any]:
    return {"kubeconfig": lab.info["destination"]["kubeconfig"], **changes}


CASES: dict[str, tuple[t.Callable[[harness.Lab, Path], dict[str, t.Any]], str]] = {
    "missing kubeconfig": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": "/nowhere/kubeconfig"}},
        r"kubeconfig.{0,40}/nowhere/kubeconfig",
    ),
    "kubeconfig is a directory": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": str(tmp)}},
        r"kubeconfig.{0,300}cannot be read as a file",
    ),
    "unknown context": (
        lambda lab, tmp: {"cluster_sync_destination": _connection(lab, context="nonsense")},
        r"context.{0,120}nonsense",
    ),
    "unknown context of the source": (
        lambda lab, tmp: {"cluster_sync_source": _connection(lab, context="nonsense")},
        r"context.{0,120}nonsense",
    ),
    "no connection at all": (
        lambda lab, tmp: {"cluster_sync_destination": {}},
        r"(cluster_sync_destination|kubeconfig)",
    ),
    "empty namespace": (lambda lab, tmp: {"cluster_sync_namespace": ""}, r"cluster_sync_namespace"),
    "namespace with a slash": (lambda lab, tmp: {"cluster_sync_namespace": "backup/../x"}, r"namespace.{0,200}backup/"),
    "invalid label selector": (
        lambda lab, tmp: {"cluster_sync_label_selector": "app in (backup-sync"},
        r"label_selector",
    ),
    "unknown job name": (lambda lab, tmp: {"cluster_sync_job_name": "backup-sync-nope"}, r"backup-sync-nope"),
    "negative window": (lambda lab, tmp: {"cluster_sync_window": "-3h"}, r"window.{0,60}-3h"),
    "absurd window": (lambda lab, tmp: {"cluster_sync_window": "900000d"}, r"window.{0,60}900000d"),
    "RPO that is no duration": (lambda lab, tmp: {"cluster_sync_rpo": "soon"}, r"rpo.{0,60}soon"),
    "invalid JMESPath": (
        lambda lab, tmp: {
            "cluster_sync_source_backups": {
                "kind": "custom",
                "group": "velero.io",
                "version": "v1",
                "plural": "backups",
                "identity": "metadata[",
                "point_in_time": "status.startTimestamp",
                "completed": "status.completionTimestamp",
            }
        },
        r"identity.{0,200}JMESPath",
    ),
    "refused PromQL": (
        lambda lab, tmp: {
            "cluster_sync_prometheus": {
                "prometheus_url": lab.info["prometheus"]["url"],
                "success_rate_query": "sum(by job",
            }
        },
        r"success_rate_query",
    ),
    "rule file with an unknown key": (
        lambda lab, tmp: {"cluster_sync_rule_files": [_rule_file(tmp)]},
        r"rule own.rule: unknown key 'titel'",
    ),
    "report directory that is a file": (
        lambda lab, tmp: {"sync_report_dir": _a_file(tmp)},
        r"sync_report_dir",
    ),
    "a dictionary as text": (
        lambda lab, tmp: {"cluster_sync_destination": "context=eu-dr"},
        r"cluster_sync_destination: it is no dictionary",
    ),
    "one rule file instead of a list": (
        lambda lab, tmp: {"cluster_sync_rule_files": _rule_file(tmp)},
        r"(cluster_sync_rule_files: it is no list|rule own.rule: unknown key)",
    ),
    "kubeconfig that is a number": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": 7}},
        r"kubeconfig: (it is neither a path nor a dictionary|there is no file 7)",
    ),
    "kubeconfig that holds a list": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": _list_file(tmp)}},
        r"kubeconfig: it is not a usable kubeconfig.{0,80}clusters, users and contexts",
    ),
    "host without a scheme": (
        lambda lab, tmp: {"cluster_sync_destination": {"host": "127.0.0.1:6443", "api_key": "x"}},
        r"host: '127.0.0.1:6443' is no address of an API server",
    ),
    "unknown copy side": (lambda lab, tmp: {"cluster_sync_copy_side": "left"}, r"cluster_sync_copy_side"),
}


def _rule_file(folder: Path) -> str:
    path = folder / "own.yml"
    path.write_text("rules:\n  - {id: own.rule, titel: A rule}\n")
    return str(path)


def _list_file(folder: Path) -> str:
    path = folder / "list.kubeconfig"
    path.write_text("- a\n- b\n")
    return str(path)


def _a_file(folder: Path) -> str:
    path = folder / "taken"
    path.write_text("")
    return str(path)


@pytest.mark.parametrize("name", sorted(CASES))
def test_one_sentence(name: str, healthy: harness.Lab, tmp_path: Path) -> None:
    change, sentence = CASES[name]
    run = harness.play(tmp_path, _values(healthy, tmp_path, **change(healthy, tmp_path)))
    said = _plain(run.output)
    assert run.code != 0, said[-2000:]
    assert re.search(sentence, said), said[-3000:]
    assert "Traceback" not in said


def test_a_login_page_instead_of_prometheus_is_told(healthy: harness.Lab, tmp_path: Path) -> None:
    """It answers, but not as Prometheus: a gap for the diagnosis, the end of the task for who wants that."""
    lab_file = tmp_path / "html.yaml"
    text = (harness.SCENARIOS / "prometheus-down.yaml").read_text()
    lab_file.write_text(text.replace("{down: true}", "{html: true}"))
    with harness.lab(lab_file, tmp_path / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario("healthy"), tmp_path / "report")
        told = harness.play(tmp_path / "report-it", values)
        strict = harness.play(tmp_path / "fail", dict(values, cluster_sync_on_error="fail"))
    assert told.code == 0
    gap = next(gap for gap in told.diagnosis["gaps"] if gap["step"] == "metrics")
    assert "HTML" in gap["message"] or "JSON" in gap["message"]
    assert strict.code != 0 and "Traceback" not in strict.output


def test_both_sides_the_same_cluster_is_a_warning(healthy: harness.Lab, tmp_path: Path) -> None:
    same = {"cluster_sync_source": _connection(healthy)}
    run = harness.play(tmp_path, _values(healthy, tmp_path, **same))
    assert run.code == 0
    assert re.search(r"same (cluster|API server)", _plain(run.output))
    assert run.diagnosis["status"] == "inconclusive" and run.diagnosis["root_cause"] is None
    assert run.diagnosis["dr_readiness"]["verdict"] == "unknown"


def test_a_selector_that_finds_nothing_says_so_and_concludes_nothing(healthy: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _values(healthy, tmp_path, cluster_sync_label_selector="app=typo"))
    assert run.code == 0
    assert run.diagnosis["status"] == "inconclusive" and run.diagnosis["root_cause"] is None
    assert "cluster.1.no_jobs" in {row["rule"] for row in run.diagnosis["findings"] if row["state"] == "fired"}
    assert "cluster_sync_label_selector" in run.output


def test_a_red_job_has_its_report(tmp_path: Path) -> None:
    with harness.lab(harness.SCENARIOS / "dns-failure.yaml", tmp_path / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario("dns-failure"), tmp_path / "report")
        run = harness.play(tmp_path, dict(values, cluster_sync_fail_on="failing"))
    assert run.code != 0
    assert run.diagnosis["status"] == "failing"
    assert run.diagnosis["root_cause"]["title"] in _plain(run.output)
