# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Kubernetes cluster of the lab: a server, its users, and the kubeconfig files that lead to it."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from lab.clock import Clock
from lab.apiserver import rbac
from lab.apiserver.api import Api, State
from lab.apiserver.http import Audit, Server
from lab.apiserver.pki import Pki, make_pki
from lab.apiserver.resources import Registry
from lab.apiserver.store import Store

READER_GROUP = "sre"
_READER = rbac.User("reader", (READER_GROUP, "system:authenticated"), "reader")
_ADMIN = rbac.User("admin", ("system:masters", "system:authenticated"), "admin")


class Cluster:
    """A cluster that can be started in-process: ``with Cluster("source") as cluster: ...``.

    ``tokens`` maps the users ``reader`` and ``admin`` to their bearer tokens. ``state`` may be changed, also while the
    server runs; an unreachable cluster has an address where nothing listens.
    """

    def __init__(
        self,
        name: str,
        *,
        registry: Registry | None = None,
        clock: Clock | None = None,
        pki: Pki | None = None,
        audit: Audit | None = None,
        unreachable: bool = False,
    ) -> None:
        self.name = name
        self.audit = audit or Audit()
        self.pki = pki or make_pki()
        self.unreachable = unreachable
        self.tokens = {user: secrets.token_hex(16) for user in ("reader", "admin")}
        users = {self.tokens["reader"]: _READER, self.tokens["admin"]: _ADMIN}
        self.state = State(Store(), registry or Registry(), clock or Clock(), users)
        self.port = 0
        self._server: Server | None = None
        self.add(rbac.bootstrap_objects())

    def add(self, objects: Iterable[dict[str, Any]]) -> None:
        """Store whole objects; their type must be known to the registry."""
        for body in objects:
            self.state.store.add(self.state.registry.of_object(body), body)

    def use(self, store: Store) -> None:
        """Answer from another set of objects from now on."""
        self.state.store = store
        if self._server is not None:
            self._server.api = Api(self.state)

    @property
    def url(self) -> str:
        """Return the address that clients use."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen on a free port, or choose one and leave it closed."""
        if self.unreachable:
            self.port = _closed_port()
            return
        server = Server(self.name, self.pki.context(), self.audit)
        self.port = server.port
        self.state.address = f"127.0.0.1:{self.port}"
        server.api = Api(self.state)
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), name=self.name, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def write_kubeconfig(self, path: Path, ca: Path, user: str, namespace: str = "default") -> None:
        """Write a kubeconfig with one context, named like the cluster."""
        cluster = {"server": self.url, "certificate-authority": str(ca)}
        context = {"cluster": self.name, "user": user, "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": self.name, "context": context}],
            "current-context": self.name,
        }
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        path.chmod(0o600)


def _closed_port() -> int:
    """Return a port where nothing listens: bound once, and closed again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
