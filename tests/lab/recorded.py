# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real Prometheus answered, kept in a file and told again where none can be installed.

A recording is {"recorded_at": epoch, "answers": {"<endpoint> <query>": the reply}}. It serves a past that ends now in the
same way every time, so an answer differs between two days only in its times: those are moved by the time passed.
"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Callable

_EPOCH_FROM = 1e9  # a value as large as this is a moment: no figure of the lab's metrics is
_Answer = Callable[[str, str], dict[str, Any]]  # of an endpoint and the form that was sent to it


def recorder(url: str, answers: dict[str, Any]) -> _Answer:
    """Ask the Prometheus at `url`, and keep what it says in `answers`."""

    def answer(endpoint: str, form: str) -> dict[str, Any]:
        # a query may be longer than an address, and nothing else can be sent as a form
        query = endpoint == "query"
        address = f"{url}/api/v1/{endpoint}" + ("" if query else f"?{form}")
        with urllib.request.urlopen(address, data=form.encode() if query else None, timeout=30) as reply:
            answers[_key(endpoint, form)] = told = json.load(reply)
        return told

    return answer


def player(recording: dict[str, Any]) -> _Answer:
    """Tell the recorded answers as if they were of now; to another question, that it was not recorded."""

    def answer(endpoint: str, form: str) -> dict[str, Any]:
        told = recording["answers"].get(_key(endpoint, form))
        if told is None:
            return {"status": "error", "errorType": "bad_data", "error": "this question was not recorded"}
        return _moved(told, time.time() - recording["recorded_at"])

    return answer


def load(path: Path) -> dict[str, Any]:
    """A recording from its file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _key(endpoint: str, form: str) -> str:
    """Which question it is, whenever it was asked."""
    given = dict(urllib.parse.parse_qsl(form))
    return f"{endpoint} {given.get('query') or given.get('metric')}"


def _moved(told: dict[str, Any], by_s: float) -> dict[str, Any]:
    """The reply with its sample times, and the values that are times, later by so much."""
    data = told.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "vector":
        return told
    rows = [{**row, "value": [row["value"][0] + by_s, _value(row["value"][1], by_s)]} for row in data["result"]]
    return {**told, "data": {**data, "result": rows}}


def _value(text: str, by_s: float) -> str:
    return repr(float(text) + by_s) if _EPOCH_FROM <= float(text) < float("inf") else text


def handler(answer: _Answer) -> type[BaseHTTPRequestHandler]:
    """A server of such answers, to be put in the place of Prometheus."""

    class Handler(BaseHTTPRequestHandler):
        """The query API, by GET and by POST."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *dummy: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """Answer what stands in the address or in the form."""
            address = urllib.parse.urlsplit(self.path)
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode() or address.query
            told = answer(address.path.rpartition("/")[2], form)
            body = json.dumps(told).encode()
            self.send_response(200 if told["status"] == "success" else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    return Handler
