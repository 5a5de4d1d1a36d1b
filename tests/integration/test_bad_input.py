# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input gets one sentence that names what to change, no traceback, and an exit code that is not 0."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import harness
import pytest
import yaml


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Lab]:
    folder = tmp_path_factory.mktemp("bad-input")
    with harness.lab(harness.scenario_file("healthy"), folder / "lab") as lab:
        yield lab


def _values(lab: harness.Lab, folder: Path, **changes: t.Any) -> dict[str, t.Any]:
    values = harness.variables(lab.info, harness.scenario("healthy"), folder / "report")
    return {**values, **changes}


def _plain(output: str) -> str:
    """The output as one line: Ansible wraps and escapes what it prints."""
    return re.sub(r"\s+", " ", output.replace('\\"', '"').replace("\\'", "'"))


def _connection(lab: harness.Lab, **changes: t.Any) -> dict[str, t.Any]:
    return {"kubeconfig": lab.info["destination"]["kubeconfig"], **changes}


NOBODY = {"host": "https://127.0.0.1:1", "api_key": "out-of-date"}

# What only a step finds out: the name of its task and its sentence together say which variable is meant.
CASES: dict[str, tuple[t.Callable[[harness.Lab, Path], dict[str, t.Any]], str]] = {
    "missing kubeconfig": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": "/nowhere/kubeconfig"}},
        r"Step 1, [^\]]* from cluster_sync_destination\].{0,120}\Wkubeconfig: there is no file /nowhere/kubeconfig",
    ),
    "kubeconfig is a directory": (
        lambda lab, tmp: {"cluster_sync_copy_side": "source", "cluster_sync_source": {"kubeconfig": str(tmp)}},
        r"Step 1, [^\]]* from cluster_sync_source\].{0,120}\Wkubeconfig: .{0,300}cannot be read as a file",
    ),
    "unknown context": (
        lambda lab, tmp: {"cluster_sync_destination": _connection(lab, context="nonsense")},
        r"from cluster_sync_destination\].{0,120}\Wcontext: \S+ has no context 'nonsense'",
    ),
    "unknown context of the source": (
        lambda lab, tmp: {"cluster_sync_source": _connection(lab, context="nonsense")},
        r"Step 7, .{0,200}\Wsource\.context: \S+ has no context 'nonsense'",
    ),
    "no connection at all": (
        lambda lab, tmp: {"cluster_sync_destination": {}},
        r"from cluster_sync_destination\].{0,120}\Wkubeconfig: no connection was given",
    ),
    "unknown job name": (
        lambda lab, tmp: {"cluster_sync_job_name": "backup-sync-nope"},
        r"Step 3, cluster_sync_job_name .{0,200}\Wjob_name: .{0,40}there is no job backup-sync-nope",
    ),
    "refused PromQL": (
        lambda lab, tmp: {
            "cluster_sync_prometheus": {
                "prometheus_url": lab.info["prometheus"]["url"],
                "success_rate_query": "sum(by job",
            }
        },
        r"from cluster_sync_prometheus\].{0,120}\Wsuccess_rate_query: Prometheus refuses it",
    ),
    "report directory that is a file": (
        lambda lab, tmp: {"sync_report_dir": _a_file(tmp)},
        r"sync_report_dir\): no folder can be made at",
    ),
    "kubeconfig that is a number": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": 7}},
        r"kubeconfig: (it is neither a path nor a dictionary|there is no file 7)",
    ),
    "kubeconfig that holds a list": (
        lambda lab, tmp: {"cluster_sync_destination": {"kubeconfig": _list_file(tmp)}},
        r"kubeconfig: it is not a usable kubeconfig.{0,80}clusters, users and contexts",
    ),
    "neither cluster answers": (
        lambda lab, tmp: {"cluster_sync_source": NOBODY, "cluster_sync_destination": NOBODY, "cluster_sync_prometheus": {}},
        r"Nothing can be read with cluster_sync_destination and cluster_sync_source: .{0,40}the API server "
        r"https://127\.0\.0\.1:1 cannot be reached: .{0,600}Check the address",
    ),
    "no cluster takes the credentials": (
        lambda lab, tmp: {
            side: {"host": lab.info[name]["url"], "ca_cert": lab.info["ca"], "api_key": "out-of-date"}
            for side, name in (("cluster_sync_source", "source"), ("cluster_sync_destination", "destination"))
        }
        | {"cluster_sync_prometheus": {}},
        r"Nothing can be read with .{0,200}does not accept the credentials \(Unauthorized, HTTP 401\).{0,400}renew the kubeconfig",
    ),
}

# What is seen before anything is read; every variable of a run is told in it.
AT_ONCE: dict[str, dict[str, tuple[t.Any, str]]] = {
    "shapes": {
        "backup_sync_in_process": (["x"], "it is no boolean but a list"),
        "cluster_sync_alert": ({"name": "x"}, "it is no text but a dictionary"),
        "cluster_sync_configmap": (["x"], "it is no text but a list"),
        "cluster_sync_copy_side": ("left", "it cannot be 'left'; give destination or source"),
        "cluster_sync_destination": ("context=eu-dr", "it is no dictionary but a text"),
        "cluster_sync_expected": (["x"], "it is no dictionary but a list"),
        "cluster_sync_fail_on": ("often", "it cannot be 'often'; give never, failing, lagging or unknown"),
        "cluster_sync_label_selector": ({"app": "x"}, "it is no text but a dictionary"),
        "cluster_sync_namespace": (["backup"], "it is no text but a list"),
        "cluster_sync_on_error": ("stop", "it cannot be 'stop'; give report or fail"),
        "cluster_sync_required_keys": ("text", "it is no list but a text"),
        "cluster_sync_rule_files": ("own.yml", "it is no list but a text"),
        "cluster_sync_step_options": (["x"], "it is no dictionary but a list"),
    },
    "values": {
        "cluster_sync_configmap": ("a/b", "'a/b' is no name of an object"),
        "cluster_sync_destination": ({"host": "127.0.0.1:6443"}, "host: '127.0.0.1:6443' is no address of an API server"),
        "cluster_sync_expected_window": ("900000d", "'900000d' is outside what can be asked"),
        "cluster_sync_job_name": ("Upper", "'Upper' is no name of an object"),
        "cluster_sync_label_selector": ("app in (backup-sync", "'app in (backup-sync' is no label selector"),
        "cluster_sync_namespace": ("backup/../x", "'backup/../x' is no namespace"),
        "cluster_sync_prometheus": ({"prometheus_url": "prometheus:9090"}, "prometheus_url: it must be an address like"),
        "cluster_sync_rpo": ("soon", "'soon' is no duration"),
        "cluster_sync_rule_files": (["/nowhere.yml"], "/nowhere.yml"),
        "cluster_sync_source": ({"contxt": "eu-west"}, "contxt: there is no such option; give context"),
        "cluster_sync_source_backups": (
            dict(kind="custom", version="v1", plural="b", identity="m[", point_in_time="a", completed="b"),
            "identity: 'm[' is not a JMESPath expression",
        ),
        "cluster_sync_window": ("-3h", "'-3h' is no duration"),
    },
    "namespace": {"cluster_sync_namespace": ("", "it is empty; give the namespace")},
}


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_every_variable_is_told_before_anything_is_read(name: str, tmp_path: Path) -> None:
    cases = AT_ONCE[name]
    run = harness.play(tmp_path, {variable: value for variable, (value, dummy) in cases.items()})
    said = _plain(run.output)
    assert run.code != 0 and "Traceback" not in said
    for variable, (dummy, sentence) in cases.items():
        assert re.search(rf"{variable}[:.] ?{re.escape(sentence)}", said), f"{variable}: {said[-3000:]}"
    assert "Step 1" not in said and "argument_spec_data" not in said


def test_a_rule_file_with_an_unknown_key(tmp_path: Path) -> None:
    values = {"cluster_sync_namespace": "backup", "cluster_sync_rule_files": [_rule_file(tmp_path)]}
    run = harness.play(tmp_path, values)
    assert run.code != 0
    assert re.search(r"cluster_sync_rule_files: .{0,300}rule own.rule: unknown key 'titel'", _plain(run.output))


def test_options_of_the_report_are_refused_before_anything_is_read(healthy: harness.Lab, tmp_path: Path) -> None:
    odd = '{"sync_report_dir": ["x"], "sync_report_formats": ["pdf"], "sync_report_fail_on": "often", "sync_report_rename": "x"}'
    before = len(healthy.audit())
    run = harness.play(tmp_path, _values(healthy, tmp_path), "-e", odd)
    said = _plain(run.output)
    assert run.code != 0 and "Traceback" not in said and "argument_spec_data" not in said
    for variable in ("sync_report_dir", "sync_report_formats", "sync_report_fail_on", "sync_report_rename"):
        assert re.search(rf"\({variable}\): it (is|cannot) ", said), said[-3000:]
    assert len(healthy.audit()) == before


def test_the_screen_comes_before_what_cannot_be_written(healthy: harness.Lab, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "backup").write_text("where the folder of the target should be")
    run = harness.play(tmp_path, _values(healthy, tmp_path, sync_report_dir=str(tmp_path / "reports")))
    said = _plain(run.output)
    assert run.code != 0 and "Traceback" not in said
    assert re.search(r"STATUS +HEALTHY", said) and "the report cannot be written to" in said


def test_metrics_alone_are_diagnosed(healthy: harness.Lab, tmp_path: Path) -> None:
    silent = {"cluster_sync_source": NOBODY, "cluster_sync_destination": NOBODY}
    run = harness.play(tmp_path, _values(healthy, tmp_path, **silent))
    assert run.code == 0 and run.diagnosis["status"] == "inconclusive"
    assert {gap["step"] for gap in run.diagnosis["gaps"]} >= {"jobs", "copy_lag", "recovery_points"}


def test_a_misspelt_variable_is_warned_of(healthy: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _values(healthy, tmp_path, cluster_sync_rpoo="1h"))
    assert run.code == 0
    assert "WARNING]: cluster_sync_rpoo is no variable of the role cluster_sync" in _plain(run.output)


def test_a_namespace_that_yaml_reads_as_a_number_is_text(healthy: harness.Lab, tmp_path: Path) -> None:
    run = harness.play(tmp_path, _values(healthy, tmp_path, cluster_sync_namespace=2024, cluster_sync_name=7))
    assert run.code == 0 and "Traceback" not in run.output
    assert (run.diagnosis["target"]["namespace"], run.diagnosis["target"]["name"]) == ("2024", "7")


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
    text = (harness.scenario_file("prometheus-down")).read_text()
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
    with harness.lab(harness.scenario_file("dns-failure"), tmp_path / "lab") as lab:
        values = harness.variables(lab.info, harness.scenario("dns-failure"), tmp_path / "report")
        run = harness.play(tmp_path, dict(values, cluster_sync_fail_on="failing"))
    assert run.code != 0
    assert run.diagnosis["status"] == "failing"
    assert run.diagnosis["root_cause"]["title"] in _plain(run.output)


def test_variables_that_are_null_are_as_those_that_are_not_given(healthy: harness.Lab, tmp_path: Path) -> None:
    options = harness.role_options("cluster_sync")
    # a choice is none where it is null, and a name is taken from another variable
    nulls = [name for name, spec in options.items() if "choices" not in spec and not name.endswith(("_name", "_source_namespace"))]
    for playbook in ("sre.backup_sync.cluster", "sre.backup_sync.preflight"):
        run = harness.play(tmp_path, {**dict.fromkeys(nulls), **_values(healthy, tmp_path)}, playbook=playbook)
        assert run.code == 0, run.output[-3000:]


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"targets": "prod"}, "backup_sync_event: targets is none of its members, which are alert, copy_job_id, target, vault_arn."),
        ({"target": ["prod"]}, "backup_sync_event.target: it is no text; give one."),
        ({"vault_arn": "arn:aws"}, "No pair of the inventory is what the event is about (arn:aws)"),
        ({"vault_arn": 7}, "No pair of the inventory is what the event is about (7)"),
        (None, "backup_sync_event: it is no dictionary"),
    ],
    ids=["another-member", "a-list", "half-an-arn", "a-number", "null"],
)
def test_an_event_that_is_none_is_told_and_asks_nobody(event: t.Any, sentence: str, tmp_path: Path) -> None:
    inventory = tmp_path / "pairs.yml"
    hosts = {"backup_sync_clusters": {"hosts": {"prod": {}}}, "backup_sync_regions": {"hosts": {"vaults": {"region_sync_vault_name": "a"}}}}
    inventory.write_text(yaml.safe_dump(hosts))
    run = harness.play(tmp_path, {"backup_sync_event": event}, "-i", str(inventory), playbook="sre.backup_sync.event")
    said = _plain(run.output)
    assert run.code == 2 and sentence in said and "Step 1" not in said and said.count("fatal: [") == 1, said[-3000:]


def test_a_pair_whose_name_is_a_number_has_its_events(healthy: harness.Lab, tmp_path: Path) -> None:
    inventory = tmp_path / "pairs.yml"
    inventory.write_text(yaml.safe_dump({"backup_sync_clusters": {"hosts": {"a": {"cluster_sync_name": 2024}, "7": {}}}}))
    for target in (2024, "2024", 7):
        values = {**_values(healthy, tmp_path), "backup_sync_event": {"target": target, "alert": True}}
        values.pop("cluster_sync_name", None)
        run = harness.play(tmp_path, values, "-i", str(inventory), playbook="sre.backup_sync.event")
        assert run.code == 0 and run.output.count("STATUS ") == 1, run.output[-3000:]


@pytest.mark.parametrize("about", [{"target": "prod"}, {}], ids=["prod", "all"])
def test_an_event_where_the_inventory_has_no_pairs_is_told(about: dict[str, str], tmp_path: Path) -> None:
    run = harness.play(tmp_path, {"backup_sync_event": about}, playbook="sre.backup_sync.event")
    assert run.code != 0, run.output
    assert f"No pair of the inventory is what the event is about ({about.get('target', 'it tells nothing of it')})" in _plain(run.output)
