# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running lab: both clusters of a scenario, their kubeconfig files, and the list of calls."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from lab import prometheus
from lab.apiserver import proxy
from lab.apiserver.http import Audit
from lab.apiserver.pki import Pki, make_pki
from lab.clock import lab_shift
from lab.cluster import Cluster
from lab.scenario import SIDES, Scenario, build_cluster, kind_of, load_scenario

if TYPE_CHECKING:
    from lab.aws.run import RegionLab

_PROMETHEUS_PORT = 9090


def open_lab(path: Path, folder: Path) -> Lab | RegionLab:
    """Return the lab of a scenario file, of whichever kind it is."""
    if kind_of(path) == "cluster":
        return Lab(load_scenario(path), folder)
    # Only here: a cluster needs no AWS library, and is up in half the time without it.
    from lab.aws.run import RegionLab
    from lab.aws.scenario import load_region_scenario

    return RegionLab(load_region_scenario(path), folder)


class Lab:
    """Runs a scenario in a folder: ``with Lab(load_scenario(path), folder) as lab: lab.clusters["source"].url``."""

    def __init__(self, scenario: Scenario, folder: Path, audit: Path | None = None, pki: Pki | None = None) -> None:
        self.scenario = scenario
        self.folder = folder
        self.audit_path = audit or folder / "audit.jsonl"
        self.clusters: dict[str, Cluster] = {}
        self.metrics: prometheus.PrometheusLab | None = None
        self._pki = pki
        self._stream: IO[str] | None = None

    def __enter__(self) -> Lab:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and write ``lab.json`` last: who waits for that file finds a lab that is ready."""
        try:
            self._start()
        except BaseException:  # an interrupt too must not leave a server behind
            self.stop()
            raise

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        summary = self.folder / "lab.json"
        summary.unlink(missing_ok=True)
        self._stream = self.audit_path.open("w", encoding="utf-8")
        audit = Audit(self._stream)
        pki = self._pki or make_pki()
        (self.folder / "ca.pem").write_bytes(pki.ca)
        now = time.time() + lab_shift(self.scenario.now)
        for name in SIDES:
            self.clusters[name] = build_cluster(self.scenario, name, pki, audit, now)
            self.clusters[name].start()
            self._write_kubeconfigs(name)
        self._start_metrics(now)
        partial = summary.with_suffix(".part")
        partial.write_text(json.dumps(self.summary(), indent=2) + "\n", encoding="utf-8")
        partial.replace(summary)

    def stop(self) -> None:
        """Stop everything that was started."""
        if self.metrics is not None:
            self.metrics.stop()
            self.metrics = None
        for cluster in self.clusters.values():
            cluster.stop()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def calls(self) -> list[dict[str, Any]]:
        """Return the audit list so far."""
        return [json.loads(line) for line in self.audit_path.read_text(encoding="utf-8").splitlines()]

    def _write_kubeconfigs(self, name: str) -> None:
        cluster, ca = self.clusters[name], self.folder.resolve() / "ca.pem"
        namespace = self.scenario.namespace
        cluster.write_kubeconfig(self.folder / f"{name}.kubeconfig", ca, "reader", namespace)
        cluster.write_kubeconfig(self.folder / f"{name}-admin.kubeconfig", ca, "admin", namespace)

    def _start_metrics(self, now: float) -> None:
        """Start the Prometheus of the scenario where one is described, and lead services/proxy to it."""
        if self.scenario.prometheus is None:
            return
        self.metrics = prometheus.start(self.scenario.prometheus, now)
        if self.metrics.url is None:
            return
        for cluster in self.clusters.values():
            cluster.add(proxy.service_objects("monitoring", "prometheus", _PROMETHEUS_PORT, self.metrics.url))

    def summary(self) -> dict[str, Any]:
        """Return what ``lab.json`` says."""
        scenario = self.scenario
        keys = ("url", "token", "username", "password")
        metrics = {key: getattr(self.metrics, key) for key in keys} if self.metrics else None
        return {
            "name": scenario.name,
            "title": scenario.title,
            "namespace": scenario.namespace,
            "pid": os.getpid(),
            "ca": str(self.folder.resolve() / "ca.pem"),
            "audit": str(self.audit_path.resolve()),
            **{name: self._side(name) for name in SIDES},
            "prometheus": metrics,
            "vars": scenario.vars,
            "expect": scenario.expect,
            "must_not": scenario.must_not,
        }

    def _side(self, name: str) -> dict[str, Any]:
        cluster = self.clusters[name]
        folder = self.folder.resolve()
        return {
            "url": cluster.url,
            "port": cluster.port,
            "unreachable": cluster.unreachable,
            "kubeconfig": str(folder / f"{name}.kubeconfig"),
            "admin_kubeconfig": str(folder / f"{name}-admin.kubeconfig"),
            "tokens": cluster.tokens,
        }
