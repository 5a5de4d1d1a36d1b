# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus on loopback, with a past that a scenario describes.

The samples are written as OpenMetrics, made into blocks by promtool, and served by the Debian package's prometheus.
Nothing is scraped: the past reaches a little into the future, so that the last values stay the present ones.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import os
import shutil
import signal
import socket
import subprocess  # nosec: the programs are the lab's own
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator

from lab import recorded
from lab.clock import seconds

SCRAPE_S = 60.0
AHEAD_S = 1800.0
USER, PASSWORD = "sre", "lab-password"  # what `basic: true` asks for
_PASSWORD_HASH = "$2b$04$h1eb5ZKHL.uEs3v65dcIT.SfNtGFmF7WJEMjug3Wj7jM02dmwB9Zm"
_START_S = 60.0
_LOGIN_PAGE = b"<!doctype html><title>Log in</title><form action='/login'>Password <input name='password'></form>"
_OPTIONS = {"absent", "down", "html", "redirect", "basic", "token", "series", "scrape", "warnings", "recorded"}


class PrometheusMissing(RuntimeError):
    """The Debian package prometheus is not installed."""


@dataclass
class PrometheusLab:
    """What a scenario's key `prometheus` has started; `url` is None when the scenario has no Prometheus."""

    url: str | None = None
    token: str | None = None
    username: str | None = None
    password: str | None = None
    audit: list[dict[str, Any]] = field(default_factory=list)  # requests that went through a front of ours
    _process: subprocess.Popen[bytes] | None = None
    _front: ThreadingHTTPServer | None = None
    _folder: str | None = None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(str(self.url).rsplit(":", 1)[1])

    @property
    def pids(self) -> list[int]:
        """The processes that were started."""
        return [self._process.pid] if self._process is not None else []

    def stop(self) -> None:
        """End what was started, by its own process id, and remove its files."""
        if self._front is not None:
            self._front.shutdown()
            self._front.server_close()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._front = self._process = self._folder = None

    def __enter__(self) -> PrometheusLab:
        return self

    def __exit__(self, *dummy: Any) -> None:
        self.stop()


def start(spec: dict[str, Any], now: float | None = None, folder: Path | None = None) -> PrometheusLab:
    """Start what the key `prometheus` of a scenario describes.

    now: epoch seconds that the relative times of the series refer to; Prometheus itself always lives in the present.
    folder: where a folder for the samples is made and removed again, by default the system's own. Raises
    PrometheusMissing, ValueError.
    """
    unknown = set(spec) - _OPTIONS
    if unknown:
        raise ValueError(f"prometheus: unknown keys {sorted(unknown)}; known are {sorted(_OPTIONS)}")
    lab = PrometheusLab()
    if spec.get("absent"):
        return lab
    if spec.get("down"):
        lab.url = f"http://127.0.0.1:{_free_port()}"
        return lab
    if spec.get("recorded"):  # the answers of a real one to the same samples, from a file
        return serve_front(lab, recorded.handler(recorded.player(recorded.load(Path(spec["recorded"])))))
    if spec.get("html") or spec.get("redirect"):
        return serve_front(lab, _login_front(bool(spec.get("redirect"))))
    try:
        _serve_past(lab, spec, folder, time.time() if now is None else now)
        if spec.get("basic"):
            lab.username, lab.password = USER, PASSWORD
        if spec.get("token") or spec.get("warnings"):
            lab.token = spec.get("token")
            serve_front(lab, _relay(lab.port, lab.token, spec.get("warnings") or [], lab.audit))
    except BaseException:  # an interrupt too must not leave a server behind
        lab.stop()
        raise
    return lab


# --------------------------------------------------------------------------------------------------------- samples


def openmetrics(spec: dict[str, Any], now: float) -> str:
    """The scenario's series as OpenMetrics text, one family after the other, as promtool wants it."""
    scrape_s = seconds(spec.get("scrape", SCRAPE_S))
    families: dict[str, list[str]] = {}
    for entry in spec.get("series", []):
        step_s = seconds(entry.get("scrape", scrape_s))
        samples = _samples(entry, now, step_s)
        for metric, labels, points in _series(entry, samples):
            inside = ",".join(f"{name}={json.dumps(str(text))}" for name, text in sorted(labels.items()))
            lines = families.setdefault(metric, [])
            lines += [f"{metric}{{{inside}}} {_number(value)} {at:.3f}" for at, value in points]
    blocks = ["\n".join([f"# TYPE {metric} unknown", *rows]) for metric, rows in families.items()]
    return "\n".join([*blocks, "# EOF", ""])


def _samples(entry: dict[str, Any], now: float, step_s: float) -> list[tuple[float, float]]:
    """(time, value) of one series: pieces of constant value, or steady growth of a counter or a duration.

    A piece has `value`, `per_h` (growth per hour, counters), or `value` and `rise_to` (a straight line).
    """
    points: list[tuple[float, float]] = []
    grown = float(entry.get("start", 0))
    for piece in entry["values"]:
        begin, end = _moment(piece.get("from", "-24h"), now), _moment(piece.get("to", "now"), now)
        length = max(end - begin, 1.0)
        until = end + AHEAD_S if piece.get("to", "now") == "now" else end
        base = grown
        at = math.ceil(begin / step_s) * step_s
        while at < until:
            if "per_h" in piece:  # whole runs only: a counter does not count halves
                grown = base + math.floor((min(at, end) - begin) / 3600 * float(piece["per_h"]) + 1e-6)
                value = grown
            elif "rise_to" in piece:
                share = min((at - begin) / length, 1.0)
                value = float(piece["value"]) + (float(piece["rise_to"]) - float(piece["value"])) * share
            elif piece["value"] == "push_time":  # a Pushgateway's own metric: the time of the last push
                every = seconds(piece.get("every", "1h"))
                value = begin + math.floor((min(at, end) - begin) / every) * every
            else:
                value = float(piece["value"])
            points.append((at, value))
            at += step_s
    return points


def _series(
    entry: dict[str, Any], samples: list[tuple[float, float]]
) -> Iterator[tuple[str, dict[str, Any], list[tuple[float, float]]]]:
    """(metric, labels, points): the series itself, or what a histogram or summary of that many runs exposes.

    kind histogram | summary: the samples count runs, and `seconds` is what each run took: either one figure, or a list
    of {from_run, seconds}: from the so-manieth run on.
    """
    metric, labels = entry["metric"], entry.get("labels", {})
    if entry.get("kind") not in ("histogram", "summary"):
        yield metric, labels, samples
        return
    spans = entry["seconds"] if isinstance(entry["seconds"], list) else [{"from_run": 0, "seconds": entry["seconds"]}]
    took = [_run_seconds(spans, run) for run in range(int(samples[-1][1]) if samples else 0)]
    yield f"{metric}_count", labels, samples
    yield f"{metric}_sum", labels, [(at, sum(took[: int(n)])) for at, n in samples]
    if entry["kind"] == "summary":
        yield metric, {**labels, "quantile": "0.95"}, [(at, took[int(n) - 1] if n else math.nan) for at, n in samples]
        return
    for bound in [*entry.get("buckets", [60, 300, 900, 3600]), math.inf]:
        le = "+Inf" if bound == math.inf else str(bound)
        below = [(at, float(sum(1 for one in took[: int(n)] if one <= bound))) for at, n in samples]
        yield f"{metric}_bucket", {**labels, "le": le}, below


def _run_seconds(spans: list[dict[str, Any]], run: int) -> float:
    return float([span["seconds"] for span in spans if span["from_run"] <= run][-1])


def _moment(text: Any, now: float) -> float:
    return now if text == "now" else now + seconds(text)


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value == math.inf else repr(value)


# --------------------------------------------------------------------------------------------------------- process


def _serve_past(lab: PrometheusLab, spec: dict[str, Any], parent: Path | None, now: float) -> None:
    """Write the past, start Prometheus on it and wait until it is ready."""
    programs = {name: shutil.which(name) for name in ("prometheus", "promtool")}
    if not all(programs.values()):
        raise PrometheusMissing("prometheus and promtool are not installed; on Debian: apt-get install prometheus")
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    lab._folder = tempfile.mkdtemp(prefix="backup-sync-prometheus-", dir=parent)
    folder = Path(lab._folder)
    (folder / "samples.om").write_text(openmetrics(spec, now), encoding="utf-8")
    (folder / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
    (folder / "web.yml").write_text(
        f"basic_auth_users: {{{USER}: {_PASSWORD_HASH}}}\n" if spec.get("basic") else "", encoding="utf-8"
    )
    if spec.get("series"):
        # One block of two hours costs 40 ms: eight days would take four seconds, in long blocks they take a tenth.
        command = [str(programs["promtool"]), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        command += ["--max-block-duration=768h", "samples.om", "data"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # nosec
        if made.returncode:
            raise ValueError(f"prometheus: promtool refuses the series: {made.stderr.strip() or made.stdout.strip()}")
    for dummy in range(3):  # somebody else may take the free port before Prometheus does
        port = _free_port()
        _launch(lab, folder, str(programs["prometheus"]), port)
        if _ready(lab, port):
            lab.url = f"http://127.0.0.1:{port}"
            return
    raise RuntimeError(f"prometheus did not start: {(folder / 'log').read_text(encoding='utf-8')[-1500:]}")


def _launch(lab: PrometheusLab, folder: Path, program: str, port: int) -> None:
    arguments = [program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
    arguments += [f"--web.listen-address=127.0.0.1:{port}", "--web.config.file=web.yml"]
    arguments += ["--storage.tsdb.retention.time=60d"]
    with open(folder / "log", "ab") as log:
        lab._process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)  # nosec
    os.makedirs(folder / "data", exist_ok=True)


def _ready(lab: PrometheusLab, port: int) -> bool:
    """Wait until it says that it is ready; a 401 comes earlier than that. False when the process has ended."""
    known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    ask = urllib.request.Request(f"http://127.0.0.1:{port}/-/ready", headers={"Authorization": f"Basic {known}"})
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and lab._process is not None and lab._process.poll() is None:
        try:
            with urllib.request.urlopen(ask, timeout=1):  # nosec: loopback
                return True
        except OSError:  # not listening yet, or listening and answering 503
            pass
        time.sleep(0.03)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---------------------------------------------------------------------------------------------------------- fronts


def serve_front(lab: PrometheusLab, handler: type[BaseHTTPRequestHandler]) -> PrometheusLab:
    """Put a front of ours before Prometheus, or in its place."""
    lab._front = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    lab._front.daemon_threads = True
    threading.Thread(target=lab._front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    lab.url = f"http://127.0.0.1:{lab._front.server_address[1]}"
    return lab


class _Front(BaseHTTPRequestHandler):
    """A quiet HTTP/1.1 server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *dummy: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        """Send a whole reply."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _login_front(redirects: bool) -> type[BaseHTTPRequestHandler]:
    class LoginPage(_Front):
        """An OAuth proxy that has not seen us before."""

        def do_GET(self) -> None:
            """Everything ends at the login page."""
            if redirects and not self.path.startswith("/login"):
                self.answer(302, "text/plain", b"", Location="/login?next=1")
            else:
                self.answer(200, "text/html; charset=utf-8", _LOGIN_PAGE)

        do_POST = do_GET

    return LoginPage


def _relay(
    port: int, token: str | None, warnings: list[str], audit: list[dict[str, Any]]
) -> type[BaseHTTPRequestHandler]:
    class Relay(_Front):
        """What stands before Prometheus: a bearer token, or a querier that warns of missing stores."""

        def do_GET(self) -> None:
            """Check the token and pass the request on."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            audit.append({"method": self.command, "path": self.path.split("?")[0], "size": len(self.path) + len(body)})
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                self.answer(401, "text/plain", b"Unauthorized")
                return
            inner = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            kinds = {"Content-Type": self.headers["Content-Type"]} if body else {}
            inner.request(self.command, self.path, body or None, kinds)
            reply = inner.getresponse()
            data = reply.read()
            inner.close()
            if warnings and reply.status == 200:
                data = json.dumps({**json.loads(data), "warnings": warnings}).encode()
            self.answer(reply.status, reply.headers.get("Content-Type", ""), data)

        do_POST = do_GET

    return Relay
