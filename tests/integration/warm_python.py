# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Python for modules that has their libraries loaded already, because a thousand modules would load them one by one.

Loading takes a module longer than its work. So one process loads the clients, compiles what Ansible puts into the
modules' archives, and then forks for each module, which is still a process of its own, made from the file that Ansible
wrote, with its own standard streams, environment and working directory. Ansible is given a command that acts as
`python FILE` does: it hands all of this to that process and ends with the module's exit code. Tests that are about one
playbook use the plain Python.
"""

from __future__ import annotations

import os
import socket
import sys
import typing as t
from types import CodeType

LIBRARIES = ("boto3", "jmespath", "kubernetes.dynamic", "botocore.httpsession", "botocore.parsers", "botocore.signers")

ARCHIVED = (
    "ansible/module_utils",
    "ansible_collections/kubernetes/core/plugins/module_utils",
    "ansible_collections/sre/backup_sync/plugins/module_utils",
    "ansible_collections/sre/backup_sync/plugins/modules",
)


def serve(path: str) -> None:
    """Fork for each program that is asked for at the socket, until the process is ended."""
    import gc
    import importlib

    for name in LIBRARIES:
        importlib.import_module(name)
    places = [*sys.path, *os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep)]
    _compile_once([os.path.join(place, name) for place in places for name in ARCHIVED])
    gc.collect()
    gc.freeze()  # what is never looked at again is not copied into each fork
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen(16)
        os.rename(f"{path}.new", path)  # who sees it can connect
        while True:
            connection, dummy = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _run(connection)
            while _one_ended():
                pass


def _compile_once(folders: list[str]) -> None:
    """Have Python take the code of these sources from memory when it meets one of them in an archive.

    An archive holds no compiled files, so that Python compiles each of its sources in each process, twice.
    """
    import zipimport
    from pathlib import Path

    kept: dict[bytes, CodeType] = {}
    for folder in folders:
        for file in Path(folder).rglob("*.py"):
            if "facts" not in file.parts:  # what Ansible knows of operating systems is large, and not needed
                source = file.read_bytes()
                kept[source] = compile(source, str(file), "exec", dont_inherit=True)
    private = t.cast("dict[str, t.Any]", vars(zipimport))
    anew = private["_compile_source"]
    private["_compile_source"] = lambda path, source: kept.get(source) or anew(path, source)


def _one_ended() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _run(connection: socket.socket) -> None:
    """Be the program that the connection asks for, and tell its exit code."""
    import atexit
    import json
    import runpy
    import traceback

    code = 1
    try:
        head, streams, dummy, dummy = socket.recv_fds(connection, 8, 3)
        asked = json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        sys.argv = asked["program"]
        sys.path.insert(0, os.path.dirname(sys.argv[0]))
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    # As Python does with what a program lets through, an interrupt too: the trace is told, and the code is not 0.
    except BaseException:  # pylint: disable=broad-exception-caught
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # pylint: disable=protected-access
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(bytes([code & 255]))
        os._exit(code & 255)


def ask(path: str, program: list[str]) -> int:
    """Have the program run, with the streams, environment and folder of this process; its exit code."""
    import json

    asked = {"program": program, "environment": dict(os.environ), "folder": os.getcwd()}
    text = json.dumps(asked).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [len(text).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(text)
        told = connection.recv(1)
    return told[0] if told else 1


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3:]))
