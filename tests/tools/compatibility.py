# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Try the collection with other versions of Ansible, Python and the libraries: those of tests/compatibility.yml.

Each gets a virtual environment and a laid-out tree of its own in build. Its ansible-test runs sanity, units and the targets there;
the playbooks of the integration tests run with its Ansible and its libraries, the lab and the tests themselves with ours. Exits with 0
when all that were asked for passed; a Python that is not here is told, and is no pass.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests" / "tools"
BUILD = ROOT / "build"
DESCRIBED = yaml.safe_load((ROOT / "tests" / "compatibility.yml").read_text())
# What this Ansible has no part in, and what says nothing about it.
NOT_ITS_OWN = ("test_page.py", "test_environment.py", "test_alerts.py", "test_recordings.py", "test_policies.py")
STEPS = ("sanity", "units", "targets", "integration")
PACKAGES = ("ansible-core", "kubernetes", "boto3", "jmespath", "PyYAML", "cronsim")


def main() -> int:
    """Exit status for the shell; the last lines tell what passed, with the versions."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(DESCRIBED)}; all unless given")
    parser.add_argument("--only", choices=STEPS, action="append", help="these steps only")
    parser.add_argument("--tests", nargs="+", help="these files of tests/integration only")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(DESCRIBED)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))} is none of {', '.join(DESCRIBED)}")
    told = [_tried(name, asked.only or STEPS, asked.tests) for name in asked.names or DESCRIBED]
    for name, (outcome, dummy) in zip(asked.names or DESCRIBED, told):
        print(f"{name}: {outcome}")
    return 0 if all(passed for dummy, passed in told) else 1


def _tried(name: str, steps: t.Sequence[str], tests: list[str] | None) -> tuple[str, bool]:
    """(what to tell, whether everything passed)"""
    described = DESCRIBED[name]
    base = interpreter(described["python"])
    if base is None:
        return f"NOT TESTED, no python{described['python']} that runs is on the PATH", False
    try:
        programs = _provided(name, base, described)
    except subprocess.CalledProcessError as exc:
        return f"NOT TESTED, {' '.join(exc.cmd)} failed; its lines above say why", False
    tree = f"tree-{name}"
    copy = pathlib.Path(_run([programs / "python", TOOLS / "tree.py", tree], stdout=subprocess.PIPE).stdout.strip())
    _constrain(copy, described)
    passed = {
        step: _integration(programs, tree, copy, tests) if step == "integration" else _ansible_test(step, programs, tree)
        for step in steps
    }
    failed = [step for step, fine in passed.items() if not fine]
    told = f"{', '.join(failed)} FAILED" if failed else f"{', '.join(steps)} passed"
    return f"{told}: {_versions(programs)}", not failed


def interpreter(version: str) -> str | None:
    """The Python of that version; a command that is there and does not run (a shim of pyenv, say) is none."""
    for folder in os.get_exec_path():
        command = os.path.join(folder, f"python{version}")
        if os.access(command, os.X_OK) and not subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode:
            return command
    return None


def _provided(name: str, base: str, described: dict[str, t.Any]) -> pathlib.Path:
    """The folder of the programs of that environment, which is made anew when it is not there as described."""
    place = BUILD / "compatibility" / name
    stamp = place / "described"
    wanted = repr((base, described, _bounds(described)))
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(place, ignore_errors=True)
        _run([base, "-m", "venv", place])
    # also where it is there: what is newest today need not have been so when it was made
    pip = [place / "bin" / "pip", "install", "--quiet", "--no-compile", "--upgrade"]
    _run([*pip, *described["packages"], *_bounds(described)])
    _run([*pip, "--no-deps", described["collections"]])
    theirs = next(place.glob("lib/python*/site-packages/ansible_collections"))
    if not (theirs / "awx").exists():  # the package ansible had it up to its version 13
        shutil.copytree(pathlib.Path(sysconfig.get_path("purelib")) / "ansible_collections" / "awx", theirs / "awx")
    stamp.write_text(wanted)
    return place / "bin"


def libraries(asked: str, which: str) -> list[str]:
    """What requirements.txt asks for, for pip: the lines as they are, or of the lowest the lower bounds and nothing else."""
    lines = [line for line in asked.splitlines() if line and not line.startswith("#")]
    return lines if which == "newest" else [re.sub(r"^([\w.-]+)>=([\w.]+).*", r"\1==\2", line) for line in lines]


def _bounds(described: dict[str, t.Any]) -> list[str]:
    return libraries((ROOT / "requirements.txt").read_text(), described["libraries"])


def _constrain(copy: pathlib.Path, described: dict[str, t.Any]) -> None:
    """The unit tests run with the same libraries: ansible-test reads this file."""
    (copy / "tests" / "unit" / "constraints.txt").write_text("\n".join(_bounds(described)) + "\n")


def _ansible_test(command: str, programs: pathlib.Path, tree: str) -> bool:
    """Whether sanity, units or the targets passed, by the ansible-test of that environment."""
    if command == "targets":
        return not _run([sys.executable, TOOLS / "targets.py", "--python", programs / "python", tree], check=False).returncode
    return not _run([programs / "python", TOOLS / "ansible_test.py", tree, command], check=False).returncode


def _integration(programs: pathlib.Path, tree: str, copy: pathlib.Path, tests: list[str] | None) -> bool:
    """Whether the playbooks passed with the Ansible of that environment."""
    files = tests or [path.name for path in (copy / "tests" / "integration").glob("test_*.py") if path.name not in NOT_ITS_OWN]
    environment = {
        **os.environ,
        "BACKUP_SYNC_ANSIBLE": str(programs),
        "ANSIBLE_HOME": str(BUILD / "compatibility" / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD / tree),
        "PYTHONPATH": str(BUILD / tree),
        "LC_ALL": "C.UTF-8",
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
    }
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder", "-q"]
    chosen = [f"tests/integration/{name}" for name in sorted(files)]
    return not _run([*command, "-p", "no:cacheprovider", *chosen], cwd=copy, env=environment, check=False).returncode


def _versions(programs: pathlib.Path) -> str:
    code = "import importlib.metadata as m, sys; print(*(f'{p} {m.version(p)}' for p in sys.argv[1:]), sep=', ')"
    python = _run([programs / "python", "--version"], stdout=subprocess.PIPE).stdout.strip()
    return f"{python}, {_run([programs / 'python', '-c', code, *PACKAGES], stdout=subprocess.PIPE).stdout.strip()}"


def _run(command: list[t.Any], *, check: bool = True, **more: t.Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], text=True, check=check, **more)


if __name__ == "__main__":
    sys.exit(main())
