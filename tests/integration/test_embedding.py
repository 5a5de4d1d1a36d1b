# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles and modules inside other people's playbooks: every keyword that those use changes what it should, and no more."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("embedding")

ROLES = {"cluster": "sre.backup_sync.cluster_sync", "region": "sre.backup_sync.region_sync"}
REPORT = "sre.backup_sync.sync_report"
CASES = {"cluster": ("dns-failure", "network_dns"), "region": ("vault-access-policy", "vault_access_policy")}
SHOW = {
    "name": "Show",
    "ansible.builtin.debug": {"msg": "FOUND {{ backup_sync_diagnosis.target.name }} {{ backup_sync_diagnosis.root_cause.cause }}"},
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, tuple[harness.Lab, dict[str, t.Any]]]]:
    """A lab of each kind, and the variables of its pair."""
    folder = tmp_path_factory.mktemp("embedding")
    files = {harness.scenario_file(name, kind): folder / kind for kind, (name, dummy) in CASES.items()}
    with harness.labs(files) as running:
        yield {
            kind: (lab, harness.variables(lab.info, harness.scenario(name, kind)))
            for (kind, (name, dummy)), lab in zip(CASES.items(), running)
        }


def _play(folder: Path, values: dict[str, t.Any], tasks: list[t.Any], *arguments: str, **keywords: t.Any) -> harness.Run:
    """Run a playbook with one play of these tasks and keywords."""
    play = {
        "name": "A runbook",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        **keywords,
        "tasks": tasks,
    }
    folder.mkdir(parents=True, exist_ok=True)
    playbook = folder / "runbook.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    return harness.play(folder, values, *arguments, playbook=str(playbook))


def _role(how: str, name: str, **keywords: t.Any) -> dict[str, t.Any]:
    return {"name": f"Use {name}", f"ansible.builtin.{how}": {"name": name, **keywords.pop("with_", {})}, **keywords}


def _found(run: harness.Run) -> list[str]:
    """What SHOW told, a line a host."""
    return [line.split('"msg": "')[1].rstrip('"') for line in run.output.splitlines() if '"msg": "FOUND ' in line]


@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("how", ["include_role", "import_role"])
def test_the_roles_check_their_variables_by_ansible_too_and_diagnose(how: str, kind: str, pairs: t.Any, tmp_path: Path) -> None:
    run = _play(tmp_path, pairs[kind][1], [_role(how, ROLES[kind]), _role(how, REPORT), SHOW])
    assert run.code == 0, run.output[-3000:]
    assert "Validating arguments against arg spec" in run.output
    assert [line.split()[2] for line in _found(run)] == [CASES[kind][1]]
    assert "STATUS      FAILING" in run.output


def test_a_play_may_name_them_under_roles(pairs: t.Any, tmp_path: Path) -> None:
    run = _play(tmp_path, pairs["cluster"][1], [SHOW], roles=[ROLES["cluster"], REPORT])
    assert run.code == 0 and _found(run) == ["FOUND backup network_dns"], run.output[-3000:]


def test_both_kinds_in_one_play_do_not_mix(pairs: t.Any, tmp_path: Path) -> None:
    values = {**pairs["cluster"][1], **pairs["region"][1]}
    tasks = [_role("include_role", ROLES["cluster"]), SHOW, _role("include_role", ROLES["region"]), SHOW]
    run = _play(tmp_path, values, tasks)
    assert [line.split()[2] for line in _found(run)] == ["network_dns", "vault_access_policy"], run.output[-3000:]


def test_targets_in_a_loop_on_one_host_do_not_mix(pairs: t.Any, tmp_path: Path) -> None:
    """The second pair has no Prometheus and another name; nothing of the first may be left."""
    values = dict(pairs["cluster"][1])
    prometheus = values.pop("cluster_sync_prometheus")
    targets = [{"name": "one", "prometheus": prometheus}, {"name": "two", "prometheus": {}}]
    looped = {"cluster_sync_name": "{{ item.name }}", "cluster_sync_prometheus": "{{ item.prometheus }}"}
    body = tmp_path / "one.yml"
    metrics = "METRICS {{ backup_sync_evidence.target.name }} {{ backup_sync_evidence.evidence.metrics.outcome }}"
    show = {"name": "Show", "ansible.builtin.debug": {"msg": metrics}}
    body.write_text(yaml.safe_dump([_role("include_role", ROLES["cluster"], vars=looped), show]))
    run = _play(tmp_path, values, [{"name": "Each", "ansible.builtin.include_tasks": str(body), "loop": targets}])
    assert run.code == 0, run.output[-3000:]
    assert "METRICS one ok" in run.output and "METRICS two not_configured" in run.output


# ---------------------------------------------------------------------------------------------- where a task runs


def _hosts(folder: Path, hosts: dict[str, dict[str, t.Any]]) -> tuple[str, str]:
    file = folder / "inventory.yml"
    file.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return "-i", str(file)


NOWHERE = {"ansible_host": "192.0.2.1", "ansible_connection": "ssh"}  # RFC 5737: no machine has it


@pytest.mark.parametrize("kind", ROLES)
def test_a_database_host_delegates_its_diagnosis_to_the_bastion(kind: str, pairs: t.Any, tmp_path: Path) -> None:
    """The hosts of a bigger runbook are its servers; the credentials are where the play runs."""
    delegated = {"apply": {"delegate_to": "localhost"}}
    inventory = _hosts(tmp_path, {"db1": NOWHERE})
    run = _play(tmp_path, pairs[kind][1], [_role("include_role", ROLES[kind], with_=delegated), SHOW], *inventory, hosts="db1", connection="ssh")
    assert run.code == 0, run.output[-3000:]
    [found] = _found(run)
    assert found.split()[2] == CASES[kind][1]


def test_run_once_reads_once_and_all_hosts_know(pairs: t.Any, tmp_path: Path) -> None:
    lab, values = pairs["cluster"]
    before = len(lab.audit())
    once = {"apply": {"run_once": True, "delegate_to": "localhost"}}
    inventory = _hosts(tmp_path, {"db1": NOWHERE, "db2": NOWHERE})
    tasks = [_role("include_role", ROLES["cluster"], with_=once), SHOW]
    run = _play(tmp_path, {**values, "cluster_sync_name": "prod"}, tasks, *inventory, hosts="all", connection="ssh")
    assert run.code == 0, run.output[-3000:]
    assert _found(run) == ["FOUND prod network_dns"] * 2
    one = len(lab.audit()) - before
    _play(tmp_path, values, [_role("include_role", ROLES["cluster"])])
    assert len(lab.audit()) - before == 2 * one  # once for two hosts is what it is for one


def test_serial_goes_pair_by_pair_and_stops_where_it_is_told_to(pairs: t.Any, tmp_path: Path) -> None:
    inventory = _hosts(tmp_path, {"a": {}, "b": {}, "c": {}})
    values = {**pairs["cluster"][1], "cluster_sync_fail_on": "failing"}
    tasks = [_role("include_role", ROLES["cluster"]), _role("include_role", REPORT)]
    run = _play(tmp_path, values, tasks, *inventory, hosts="all", serial=1)
    assert run.code == 2
    assert [line.split(" | ")[0] for line in run.output.splitlines() if line.endswith("| namespace backup")] == ["a"]


def test_another_host_runs_the_module_there(pairs: t.Any, tmp_path: Path) -> None:
    """With become or another Python the step is no longer the worker's: the module is run, with the same result."""
    values = {**pairs["cluster"][1], "ansible_python_interpreter": str(harness.ANSIBLE / "python")}
    tasks = [
        _role("include_role", ROLES["cluster"], with_={"apply": {"become": True, "become_method": "ansible.builtin.su"}}),
        SHOW,
    ]
    run = _play(tmp_path, values, tasks, "-vvv")
    assert run.code == 0, run.output[-3000:]
    assert _found(run) == ["FOUND backup network_dns"]
    assert "AnsiballZ_k8s_sync_job_info.py" in run.output  # what a worker does by itself is not packed
    assert "AnsiballZ_" not in _play(tmp_path, values, [_role("include_role", ROLES["cluster"])], "-vvv").output


# ------------------------------------------------------------------------------------------ what a play may ask for


@pytest.mark.parametrize("kind", ROLES)
def test_check_and_diff_read_and_tell_the_same_and_change_nothing(kind: str, pairs: t.Any, tmp_path: Path) -> None:
    lab, values = pairs[kind]
    tasks = [_role("import_role", ROLES[kind]), _role("import_role", REPORT), SHOW]
    plain = _play(tmp_path / "plain", values, tasks)
    before = len(lab.audit())
    run = _play(tmp_path / "check", values, tasks, "--check", "--diff")
    assert run.code == 0, run.output[-3000:]
    assert _found(run) == _found(plain) and "changed=0" in run.output
    assert len(lab.audit()) > before


def test_tags_of_the_runbook_leave_the_steps_whole(pairs: t.Any, tmp_path: Path) -> None:
    tasks = [
        {"name": "Other work", "ansible.builtin.debug": {"msg": "OTHER"}, "tags": ["other"]},
        _role("import_role", ROLES["cluster"], tags=["backup"]),
        {**SHOW, "tags": ["backup"]},
    ]
    run = _play(tmp_path, pairs["cluster"][1], tasks, "--tags", "backup")
    assert _found(run) == ["FOUND backup network_dns"] and "OTHER" not in run.output, run.output[-3000:]


def test_the_gate_holds_although_only_other_tags_are_asked_for(pairs: t.Any, tmp_path: Path) -> None:
    tasks = [
        _role("import_role", "sre.backup_sync.sync_gate", vars={"sync_gate_from": "cluster_sync"}),
        {"name": "Fail over", "ansible.builtin.debug": {"msg": "FAILED OVER"}, "tags": ["failover"]},
    ]
    run = _play(tmp_path, pairs["cluster"][1], tasks, "--tags", "failover")
    assert run.code == 2 and "FAILED OVER" not in run.output
    assert "backup is not ready: ledger: not ready, exposure" in " ".join(run.output.split())
    skipped = _play(tmp_path, pairs["cluster"][1], tasks, "--tags", "failover", "--skip-tags", "sync_gate")
    assert skipped.code == 0 and "FAILED OVER" in skipped.output


def test_no_log_shows_nothing_of_the_pair_and_leaves_the_facts(pairs: t.Any, tmp_path: Path) -> None:
    values = {**pairs["cluster"][1], "sync_report_dir": str(tmp_path / "report")}
    hidden = {"apply": {"no_log": True}}
    tasks = [
        _role("include_role", ROLES["cluster"], with_=hidden),
        _role("include_role", REPORT, with_=hidden),
        {"name": "Use it", "ansible.builtin.assert": {"that": "backup_sync_diagnosis.root_cause.cause == 'network_dns'"}},
    ]
    run = _play(tmp_path, values, tasks, "-vv")
    assert run.code == 0, run.output[-3000:]
    assert "objects.dr.example.com" not in run.output and "FAILING" not in run.output
    [report] = (tmp_path / "report").rglob("report.txt")
    assert "FAILING" in report.read_text()


# --------------------------------------------------------------------------------------------- where options come from


def test_module_defaults_of_the_group_reach_every_step_of_a_cluster(pairs: t.Any, tmp_path: Path) -> None:
    """And those of kubernetes.core with them, which is what the group extends."""
    values = dict(pairs["cluster"][1])
    destination = values.pop("cluster_sync_destination")
    defaults = {"group/sre.backup_sync.kubernetes": destination}
    info = {"kubernetes.core.k8s_info": {"kind": "Job", "api_version": "batch/v1", "namespace": "backup"}}
    tasks = [
        _role("include_role", ROLES["cluster"]),
        SHOW,
        {"name": "Look with kubernetes.core", **info, "register": "seen"},
        {"name": "Tell", "ansible.builtin.debug": {"msg": "SEEN {{ seen.resources | length > 0 }}"}},
    ]
    run = _play(tmp_path, values, tasks, module_defaults=defaults)
    assert run.code == 0, run.output[-3000:]
    assert _found(run) == ["FOUND backup network_dns"] and "SEEN True" in run.output


def test_module_defaults_of_the_group_reach_every_step_of_a_region(pairs: t.Any, tmp_path: Path) -> None:
    values = dict(pairs["region"][1])
    source = values.pop("region_sync_source")
    run = _play(tmp_path, values, [_role("include_role", ROLES["region"]), SHOW], module_defaults={"group/sre.backup_sync.aws": source})
    assert run.code == 0, run.output[-3000:]
    assert [line.split()[2] for line in _found(run)] == ["vault_access_policy"]


def test_module_defaults_of_one_module_stay_with_it(pairs: t.Any, tmp_path: Path) -> None:
    described = pairs["cluster"][1]["cluster_sync_destination"]
    defaults = {
        "group/sre.backup_sync.kubernetes": {**described, "namespace": "backup", "on_error": "report"},
        "sre.backup_sync.k8s_sync_job_info": {"namespace": "elsewhere"},
    }
    told = "JOBS {{ jobs.evidence.query.namespace }} EVENTS {{ events.evidence.query.namespace }}"
    tasks = [
        {"name": "Jobs", "sre.backup_sync.k8s_sync_job_info": {}, "register": "jobs"},
        {"name": "Events", "sre.backup_sync.k8s_sync_event_info": {}, "register": "events"},
        {"name": "Tell", "ansible.builtin.debug": {"msg": told}},
    ]
    run = _play(tmp_path, {}, tasks, module_defaults=defaults)
    assert "JOBS elsewhere EVENTS backup" in run.output, run.output[-3000:]


def _encrypted(value: str, password_file: Path) -> str:
    done = subprocess.run(
        [str(harness.ANSIBLE / "ansible-vault"), "encrypt_string", "--vault-password-file", str(password_file), value],
        capture_output=True,
        text=True,
        check=True,
        env=harness.environment(password_file.parent),
    )
    return done.stdout.split("\n", 1)[1]


@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("kind", ROLES)
def test_credentials_in_a_vault(kind: str, in_process: bool, pairs: t.Any, tmp_path: Path) -> None:
    """Single encrypted values, as people keep them beside the others in group_vars."""
    values = json.loads(json.dumps(pairs[kind][1]))
    password = tmp_path / "password"
    password.write_text("a password\n")
    if kind == "cluster":
        kubeconfig = yaml.safe_load(Path(values["cluster_sync_destination"]["kubeconfig"]).read_text())
        [user] = kubeconfig["users"]
        secret, holder, key = user["user"]["token"], user["user"], "token"
        values["cluster_sync_destination"]["kubeconfig"] = kubeconfig
    else:
        secret, holder, key = values["region_sync_source"]["secret_key"], values["region_sync_source"], "secret_key"
    holder[key] = "SECRET"
    lines = "\n".join(f"  {line.strip()}" for line in _encrypted(secret, password).strip().splitlines())
    text = yaml.safe_dump({**values, "vaulted": "VAULTED", "backup_sync_in_process": in_process})
    text = text.replace("SECRET", '"{{ vaulted }}"').replace("vaulted: VAULTED\n", f"vaulted: !vault |\n{lines}\n")
    file = tmp_path / "group.yml"
    file.write_text(text)
    tasks = [_role("import_role", ROLES[kind]), _role("import_role", REPORT), SHOW]
    run = _play(tmp_path, {}, tasks, "-e", f"@{file}", "--vault-password-file", str(password), "-vvv")
    assert run.code == 0, run.output[-3000:]
    assert [line.split()[2] for line in _found(run)] == [CASES[kind][1]]
    assert secret not in run.output
