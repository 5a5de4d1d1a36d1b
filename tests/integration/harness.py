# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the playbooks against the lab as a user would: another process, real clients, real HTTP."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# The Ansible that is tested: the one beside this Python, or that of another version (see tests/tools/compatibility.py).
# The lab and what else the tests use stay with this Python.
ANSIBLE = Path(os.environ.get("BACKUP_SYNC_ANSIBLE") or Path(sys.executable).parent)
LAB = ROOT / "tests" / "lab" / "serve.py"
SCENARIOS = {
    "cluster": ROOT / "tests" / "lab" / "scenarios",
    "region": ROOT / "tests" / "lab" / "region_scenarios",
}
START_S = 120.0


@dataclass
class Lab:
    """A running lab: what it told in lab.json, and where it writes its audit."""

    info: dict[str, t.Any]
    folder: Path

    def audit(self, skip: int = 0) -> list[dict[str, t.Any]]:
        """Every request that the lab's servers saw so far, but for the first ones."""
        path = Path(self.info["audit"])
        return [json.loads(line) for line in path.read_text().splitlines()[skip:]] if path.exists() else []


@dataclass
class Run:
    """One run of the playbook."""

    code: int
    output: str  # of all pairs
    screen: str = ""  # of many pairs, this one's
    evidence: dict[str, t.Any] = field(default_factory=dict)
    diagnosis: dict[str, t.Any] = field(default_factory=dict)


def scenario_file(name: str, kind: str = "cluster") -> Path:
    """The file of a scenario of that kind of target."""
    return SCENARIOS[kind] / f"{name}.yaml"


def scenario(name: str, kind: str = "cluster") -> dict[str, t.Any]:
    """The scenario file as data."""
    return yaml.safe_load(scenario_file(name, kind).read_text())


def scenario_names(kind: str = "cluster") -> list[str]:
    """All scenarios, in the order of their names."""
    return sorted(path.stem for path in SCENARIOS[kind].glob("*.yaml"))


@contextmanager
def labs(scenario_files: dict[Path, Path]) -> t.Iterator[list[Lab]]:
    """Start a lab for each file, in the folder that goes with it; wait until all are ready, end them by their own pid.

    They are one process, which reads what they have in common once.
    """
    first = list(scenario_files.values())[0]
    command = [sys.executable, str(LAB)]
    for file, folder in scenario_files.items():
        folder.mkdir(parents=True, exist_ok=True)
        command += ["--scenario", str(file), "--dir", str(folder)]
    log = open(first / "lab.log", "wb")  # pylint: disable=consider-using-with
    process = subprocess.Popen(command, stdout=log, stderr=log)  # pylint: disable=consider-using-with
    folders = list(scenario_files.values())
    try:
        _wait_for([folder / "lab.json" for folder in folders], process, first / "lab.log")
        yield [Lab(json.loads((folder / "lab.json").read_text()), folder) for folder in folders]
    finally:
        _end(process)
        log.close()


@contextmanager
def lab(scenario_file: Path, folder: Path) -> t.Iterator[Lab]:
    """The lab of one scenario file."""
    with labs({scenario_file: folder}) as started:
        yield started[0]


@contextmanager
def warm_python() -> t.Iterator[Path]:
    """The Python to give Ansible for many modules: it has their libraries loaded already (see warm_python.py)."""
    program = Path(__file__).parent / "warm_python.py"
    with tempfile.TemporaryDirectory() as name:  # the path of a socket may not be long
        folder = Path(name)
        listening, command = folder / "socket", folder / "python"
        python = f"{shlex.quote(str(ANSIBLE / 'python'))} -IS"
        command.write_text(f'#!/bin/sh\nexec {python} {shlex.quote(str(program))} ask {shlex.quote(str(listening))} "$@"\n')
        command.chmod(0o755)
        log = folder / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(ANSIBLE / "python"), str(program), "serve", str(listening)],
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            _wait_for([listening], process, log)
            yield command
        finally:
            _end(process)


def _wait_for(files: list[Path], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the process has made these files, which it does when it is ready."""
    deadline = time.monotonic() + START_S
    while not all(file.exists() for file in files):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{process.args!r} did not start: {log.read_text()[-3000:]}")
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def variables(
    lab_info: dict[str, t.Any], described: dict[str, t.Any], report_dir: Path | None = None
) -> dict[str, t.Any]:
    """Extra variables of a run: the lab's connections, then what the scenario sets."""
    values = _region_variables(lab_info) if lab_info.get("kind") == "region" else _cluster_variables(lab_info, described)
    reports = {"sync_report_dir": str(report_dir)} if report_dir else {}
    return {**values, **reports, **(described.get("vars") or {})}


def _cluster_variables(lab_info: dict[str, t.Any], described: dict[str, t.Any]) -> dict[str, t.Any]:
    namespace = described.get("namespace", "backup")
    values: dict[str, t.Any] = {
        "cluster_sync_namespace": namespace,
        "cluster_sync_source": {"kubeconfig": lab_info["source"]["kubeconfig"]},
        "cluster_sync_destination": {"kubeconfig": lab_info["destination"]["kubeconfig"]},
    }
    if lab_info.get("prometheus"):
        values["cluster_sync_prometheus"] = {"prometheus_url": lab_info["prometheus"]["url"]}
    return values


def _region_variables(lab_info: dict[str, t.Any]) -> dict[str, t.Any]:
    source, destination = lab_info["source"], lab_info["destination"]
    keys = {name: source[name] for name in ("access_key", "secret_key", "session_token") if source[name]}
    return {
        "region_sync_vault_name": source["vault"],
        "region_sync_destination_vault_name": destination["vault"],
        "region_sync_source_region": source["region"],
        "region_sync_destination_region": destination["region"],
        "region_sync_source": {**keys, "endpoint_url": lab_info["url"], "aws_ca_bundle": lab_info["ca"]},
        "region_sync_destination": {"role_arn": destination["role_arn"]} if destination["role_arn"] else {},
    }


def environment(folder: Path) -> dict[str, str]:
    """A clean environment: no configuration of whoever runs the tests reaches the playbook."""
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")}
    keep.setdefault("LC_ALL", "C.UTF-8")
    keep["PATH"] = os.pathsep.join([str(ANSIBLE), keep.get("PATH", os.defpath)])
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        **keep,
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT.parents[2]),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
    }


def play(
    folder: Path,
    values: dict[str, t.Any],
    *arguments: str,
    playbook: str | None = None,
    timeout_s: float = 180.0,
) -> Run:
    """Run the playbook with these extra variables and read what it left in the report directory.

    playbook: by default the one whose variables are given.
    """
    if playbook is None:
        region = any(name.startswith("region_sync_") for name in values)
        playbook = f"sre.backup_sync.{'region' if region else 'cluster'}"
    code, output = _ansible_playbook(folder, playbook, values, *arguments, timeout_s=timeout_s)
    return _told(code, output, Path(values.get("sync_report_dir") or folder), "*")


def role_options(role: str) -> dict[str, t.Any]:
    """The variables of a role, {name: what its argument spec says of it}."""
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    return specs["argument_specs"]["main"]["options"]


def play_many(
    folder: Path, kind: str, hosts: dict[str, dict[str, t.Any]], *, timeout_s: float = 600.0, **values: t.Any
) -> dict[str, Run]:
    """Run the playbook of that kind once for many pairs: each host of the inventory is one, with variables of its own.

    values: variables for all of them. The reports come to the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({f"backup_sync_{kind}s": {"hosts": hosts}}))
    # Ansible looks a thousand times a second whether a worker has ended, which the other tests pay for.
    (folder / "ansible.cfg").write_text("[defaults]\ninternal_poll_interval = 0.02\n")
    reports = folder / "reports"
    values = {**values, "sync_report_dir": str(reports)}
    playbook = f"sre.backup_sync.{kind}"
    code, output = _ansible_playbook(folder, playbook, values, "-i", str(inventory), "-f", "2", timeout_s=timeout_s)
    runs = {name: _told(code, output, reports, name) for name in hosts}
    for name, run in runs.items():
        start = output.find(f"\n{name} | ")
        run.screen = output[start : output.find(f"{reports}/{name}\n", start)] if start >= 0 else ""
    return runs


def _ansible_playbook(
    folder: Path, playbook: str, values: dict[str, t.Any], *arguments: str, timeout_s: float
) -> tuple[int, str]:
    folder.mkdir(parents=True, exist_ok=True)
    extra = folder / "vars.json"
    extra.write_text(json.dumps(values))
    try:
        done = subprocess.run(
            [str(ANSIBLE / "ansible-playbook"), playbook, "-e", f"@{extra}", *arguments],
            env=environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        last = (exc.stdout or b"").decode("utf-8", "replace")[-3000:]
        raise AssertionError(f"{playbook} has not ended after {timeout_s:g} s; its last lines are:\n{last}") from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _told(code: int, output: str, report_dir: Path, target: str) -> Run:
    run = Run(code, output)
    for name in ("evidence", "diagnosis"):
        for path in report_dir.glob(f"{target}/{name}.json"):
            setattr(run, name, json.loads(path.read_text()))
    return run


# ----------------------------------------------------------------------------------------------------- comparing

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
# An age in a text, and the token of a credential, which each run makes with a key of its own.
_MOVING_TEXT = re.compile(r"\d+ (?:d|h|min|s)\b(?: \d+ (?:h|min)\b)?|(?<=\*{8})[0-9a-f]{4}")
_SLACK_S = {"metrics": 60.0}  # samples lie so far apart
_MOVING = frozenset({"clock", "observed_at", "skew_s", "skew_error_s"})


def evidence_differences(one: dict[str, t.Any], other: dict[str, t.Any]) -> list[str]:
    """Where two evidences of one state differ beyond what the time between their readings explains."""
    found = [f".{step}: only on one side" for step in sorted(set(one) ^ set(other))]
    both = sorted(set(one) & set(other))
    read_at = [{step: _read_at(told[step] or {}) for step in both} for told in (one, other)]
    latest = [max((at for at in times.values() if at), default=None) for times in read_at]
    for step in both:
        # where no server told its time, the step was about the last one that ran
        apart_s = _seconds_between(*(times[step] or newest for times, newest in zip(read_at, latest)))
        slack_s = _SLACK_S.get(step, 15.0)
        found += differences(one[step], other[step], slack_s=slack_s, apart_s=apart_s, path=f".{step}")
    return found


def _read_at(step: dict[str, t.Any]) -> str | None:
    """When a step was read: by the server's time, or, where no server told it, by the end of the window it asked for."""
    window = (step.get("query") or {}).get("window") or {}
    return step.get("observed_at") or window.get("end")


def differences(one: t.Any, other: t.Any, *, slack_s: float, apart_s: float = 0.0, path: str = "") -> list[str]:
    """Where two values differ. A duration or a time may have stayed or moved on by apart_s, give or take the slack."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for key in sorted(set(one) | set(other)):
            if key in _MOVING:
                continue
            if key not in one or key not in other:
                found.append(f"{path}.{key}: only on one side")
            else:
                found += differences(one[key], other[key], slack_s=slack_s, apart_s=apart_s, path=f"{path}.{key}")
        return found
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return [f"{path}: {len(one)} rows against {len(other)}"]
        return [
            text
            for number, (mine, theirs) in enumerate(zip(one, other))
            for text in differences(mine, theirs, slack_s=slack_s, apart_s=apart_s, path=f"{path}[{number}]")
        ]
    if _is_number(one) and _is_number(other):
        # durations move with time; a share of a window moves a little with its edges, and a count not at all
        moves = path.endswith("_s") or re.search(r"_s\[\d+\]$", path)
        shares = math.isclose(one, other, rel_tol=0.01, abs_tol=0.002)
        same = _moved_so(one - other, apart_s, slack_s) if moves else shares
        return [] if same else [f"{path}: {one} against {other}"]
    if isinstance(one, str) and isinstance(other, str) and _TIME.match(one) and _TIME.match(other):
        same = _moved_so(_seconds_between(one, other), apart_s, slack_s)
        return [] if same else [f"{path}: {one} against {other}"]
    if isinstance(one, str) and isinstance(other, str) and _MOVING_TEXT.sub("", one) == _MOVING_TEXT.sub("", other):
        return []  # a sentence that tells how long ago something was
    return [] if one == other else [f"{path}: {one!r} against {other!r}"]


def _moved_so(by_s: float, apart_s: float, slack_s: float) -> bool:
    return min(abs(by_s), abs(abs(by_s) - abs(apart_s))) <= slack_s


def _seconds_between(one: str | None, other: str | None) -> float:
    if one is None or other is None:
        return 0.0
    return (datetime.fromisoformat(other[:-1]) - datetime.fromisoformat(one[:-1])).total_seconds()


def _is_number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
