# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that run beside a test and listen on ports of 127.0.0.1: Alertmanager, ansible-rulebook."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import harness

LONGEST_S = 60.0


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on at this moment, for programs that cannot choose one by themselves."""
    sockets = [socket.socket() for dummy in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(folder: Path, name: str, command: list[str], ports: list[int]) -> t.Iterator[None]:
    """The program, when it listens; it and what it started are ended by their own group."""
    log = folder / f"{name}.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            command,
            env={**harness.environment(folder), **{k: v for k, v in os.environ.items() if k == "JAVA_HOME"}},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or all(map(_listens, ports)), log.read_text)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(done: t.Callable[[], bool], told: t.Callable[[], str]) -> None:
    """Fails with what is told when it is not done after a minute."""
    deadline = time.monotonic() + LONGEST_S
    while not done():
        assert time.monotonic() < deadline, told()[-3000:]
        time.sleep(0.05)
