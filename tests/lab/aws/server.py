# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS on loopback for all services, Regions and accounts: threads, keep-alive, one write an answer."""

from __future__ import annotations

import socket
import socketserver
import ssl
import sys
import threading
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import IO, Any, cast

from lab.apiserver.http import Audit
from lab.apiserver.pki import Pki
from lab.aws.engine import Engine, Hangup, Record
from lab.aws.protocol import Answer, Request
from lab.aws.world import World
from lab.clock import rfc3339_micro

_HEAD_LIMIT = 65536


class AwsLab:
    """The server of one world: ``with AwsLab(world, pki) as lab: boto3.client("backup", endpoint_url=lab.url, ...)``.

    audit_stream takes one JSON line a call; without it the calls are kept in ``world.calls.entries``.
    """

    def __init__(self, world: World, pki: Pki, audit_stream: IO[str] | None = None) -> None:
        if audit_stream is not None:
            world.calls = Audit(audit_stream)
        self.world = world
        self._server = _Server(pki.context(), Engine(world))
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port that the system chose."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Return the endpoint URL of every service."""
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and close the port and every connection."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> AwsLab:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, context: ssl.SSLContext, engine: Engine) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.context = context
        self.engine = engine
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Wrap the connection here, in its own thread, so that a slow handshake holds up nobody else."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.context.wrap_socket(request, server_side=True) as secured:
            with self._lock:
                self._open.add(secured)
            try:
                super().finish_request(cast(Any, secured), client_address)
            finally:
                with self._lock:
                    self._open.discard(secured)

    def close_connections(self) -> None:
        """Close what clients keep alive."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was faster
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent where a client goes away or distrusts the certificate; anything else is a fault of the lab."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    rbufsize = 65536

    def handle(self) -> None:
        """Answer requests until the client, or a fault, ends the connection."""
        while True:
            request = self._read()
            if request is None or not self._answer(request):
                return

    def _read(self) -> Request | None:
        """Return the next request, None at the end of the connection.

        Read by hand: the headers of http.server go through the parser of e-mails, which costs more than our answer.
        """
        first = self.rfile.readline(_HEAD_LIMIT).decode("latin-1").split()
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(_HEAD_LIMIT)) not in (b"\r\n", b"\n", b""):
            name, dummy, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length") or 0)
        return Request(first[0], first[1], headers, self.rfile.read(length) if length else b"")

    def _answer(self, request: Request) -> bool:
        """Answer one request; tell whether the connection goes on."""
        record = Record()
        engine = self.server.engine
        try:
            answer = engine.answer(request, record)
        except Hangup as hangup:
            self._note(record, 0 if hangup.answer is None else hangup.answer.status)
            self._hang_up(hangup)
            return False
        self._note(record, answer.status)
        self.wfile.write(_head(answer) + answer.body)
        return request.headers.get("connection", "").lower() != "close"

    def _note(self, record: Record, status: int) -> None:
        """Add the call to the list before its answer goes out, so that who has the answer finds it there."""
        world = self.server.engine.world
        world.calls.add(
            {
                "at": rfc3339_micro(world.now()),
                "account": record.account,
                "region": record.region,
                "service": record.service,
                "operation": record.operation,
                "action": record.action,
                "resource": record.resource,
                "params": record.params,
                "status": status,
                "code": record.code,
                "identity": record.identity,
            }
        )

    def _hang_up(self, hangup: Hangup) -> None:
        answer = hangup.answer
        if answer is not None and hangup.sent != "before_headers":
            body = answer.body[: len(answer.body) // 2] if hangup.sent == "mid_body" else b""
            self.wfile.write(_head(answer) + body)


def _head(answer: Answer) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
