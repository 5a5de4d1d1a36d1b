# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS on loopback: threads, keep-alive, one write per answer."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import sys
import threading
import uuid
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, cast

from lab.clock import rfc3339_micro
from lab.apiserver.api import Api, Record
from lab.apiserver.requests import Request
from lab.apiserver.status import Answer

_TLS_HANDSHAKE = 0x16
_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
_GZIP_FROM = 128 * 1024
_FAIR_QUEUE = {
    "X-Kubernetes-Pf-Flowschema-Uid": "7f2b5c1e-0000-4000-8000-000000000001",
    "X-Kubernetes-Pf-Prioritylevel-Uid": "7f2b5c1e-0000-4000-8000-000000000002",
}


class Audit:
    """The list of calls: one JSON line a request, written before the answer goes out."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.entries: list[dict[str, Any]] = []
        self._stream = stream
        self._lock = threading.Lock()

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry."""
        with self._lock:
            if self._stream is None:
                self.entries.append(entry)
                return
            self._stream.write(json.dumps(entry) + "\n")
            self._stream.flush()


class Server(ThreadingHTTPServer):
    """A listener with its TLS context. ``api`` may be replaced while it runs."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, name: str, context: ssl.SSLContext, audit: Audit) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.context = context
        self.audit = audit
        self.api: Api | None = None

    @property
    def port(self) -> int:
        """Return the port that the system chose."""
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Wrap the connection here, in its own thread, so that a slow handshake holds up nobody else."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = request.recv(1, socket.MSG_PEEK)
        if not first:
            return
        if first[0] != _TLS_HANDSHAKE:
            request.recv(65536)
            request.sendall(_PLAIN_HTTP)
            return
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(cast(Any, secured), client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent where a client goes away or distrusts the certificate; anything else is a fault of the lab."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the audit list is the log."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        request = Request(self.command, self.requestline.split(" ")[1], self.headers, body)
        record = Record()
        api = self.server.api
        if api is None:
            raise RuntimeError("the server was started without an API")
        answer = api.answer(request, record)
        self._audit(request, record, answer.status, api.state.clock.now())
        self._send(answer, api.state.clock.now())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _audit(self, request: Request, record: Record, status: int, now: float) -> None:
        wanted = record.wanted
        self.server.audit.add(
            {
                "at": rfc3339_micro(now),
                "cluster": self.server.name,
                "user": record.user,
                "verb": wanted.verb,
                "group": wanted.group,
                "resource": wanted.resource,
                "subresource": wanted.subresource,
                "namespace": wanted.namespace,
                "name": wanted.name,
                "path": request.path,
                "query": request.query_string,
                "status": status,
            }
        )

    def _send(self, answer: Answer, now: float) -> None:
        headers = self._headers(answer, now)
        body = answer.body
        if answer.chunks is not None:
            headers["Transfer-Encoding"] = "chunked"
        elif answer.status != 204:
            body = self._packed(answer, headers)
            headers["Content-Length"] = str(len(body))
        lines = [f"{self.protocol_version} {answer.status} {self.responses.get(answer.status, ('', ''))[0]}"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        lines += [f'Warning: 299 - "{_escaped(text)}"' for text in answer.warnings]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if answer.cut:
            self._cut(head, answer)
        elif answer.chunks is not None:
            self._stream(head, answer)
        else:
            self.wfile.write(head if self.command == "HEAD" else head + body)

    def _headers(self, answer: Answer, now: float) -> dict[str, str]:
        headers = {"Audit-Id": str(uuid.uuid4()), "Cache-Control": "no-cache, private"}
        if answer.content_type is not None:
            headers["Content-Type"] = answer.content_type
        if answer.fair_queue:
            headers.update(_FAIR_QUEUE)
        headers["Date"] = formatdate(now, usegmt=True)
        return {**headers, **answer.headers}

    def _packed(self, answer: Answer, headers: dict[str, str]) -> bytes:
        """Return the body, compressed where it is large and the client offers that, as the real server does."""
        if len(answer.body) < _GZIP_FROM or "gzip" not in self.headers.get("Accept-Encoding", ""):
            return answer.body
        headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        return gzip.compress(answer.body, 1)

    def _stream(self, head: bytes, answer: Answer) -> None:
        self.wfile.write(head)
        pending = bytearray()
        for chunk in answer.chunks or ():
            pending += chunk
            if len(pending) >= 65536:
                self.wfile.write(_chunk(pending))
                pending.clear()
        self.wfile.write((_chunk(pending) if pending else b"") + b"0\r\n\r\n")

    def _cut(self, head: bytes, answer: Answer) -> None:
        """Break the connection after the headers, or in the middle of the body."""
        body = answer.body
        if answer.chunks is not None:
            body = _chunk(bytearray(next(answer.chunks, b"")))
        self.wfile.write(head + (body[: len(body) // 2] if answer.cut == "mid_body" else b""))
        self.wfile.flush()
        self.close_connection = True


def _chunk(data: bytearray) -> bytes:
    return f"{len(data):x}\r\n".encode() + bytes(data) + b"\r\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
