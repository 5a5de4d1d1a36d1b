# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running lab of kind region: one server for all services, Regions and accounts, and the list of calls."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from lab.apiserver.pki import Pki, make_pki
from lab.aws.scenario import RegionScenario, build_stage
from lab.aws.server import AwsLab
from lab.aws.stories import people
from lab.aws.stories.stage import SIDES, Side, Stage


class RegionLab:
    """Runs a scenario in a folder: ``with RegionLab(load_region_scenario(path), folder) as lab: lab.url``."""

    def __init__(
        self, scenario: RegionScenario, folder: Path, audit: Path | None = None, pki: Pki | None = None
    ) -> None:
        self.scenario = scenario
        self.folder = folder
        self.audit_path = audit or folder / "audit.jsonl"
        self.stage: Stage | None = None
        self._pki = pki
        self._server: AwsLab | None = None
        self._stream: IO[str] | None = None

    def __enter__(self) -> RegionLab:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return the endpoint of every service in every Region."""
        if self._server is None:
            raise RuntimeError("the lab is not running")
        return self._server.url

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
        pki = self._pki or make_pki()
        (self.folder / "ca.pem").write_bytes(pki.ca)
        self.stage = build_stage(self.scenario)
        self._server = AwsLab(self.stage.world, pki, self._stream)
        self._server.start()
        partial = summary.with_suffix(".part")
        partial.write_text(json.dumps(self.summary(), indent=2) + "\n", encoding="utf-8")
        partial.replace(summary)

    def stop(self) -> None:
        """Stop everything that was started."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def calls(self) -> list[dict[str, Any]]:
        """Return the list of calls so far."""
        return [json.loads(line) for line in self.audit_path.read_text(encoding="utf-8").splitlines()]

    def summary(self) -> dict[str, Any]:
        """Return what ``lab.json`` says."""
        if self.stage is None:
            raise RuntimeError("the lab is not running")
        return {
            "kind": "region",
            "name": self.scenario.name,
            "title": self.scenario.title,
            "pid": os.getpid(),
            "url": self.url,
            "ca": str(self.folder.resolve() / "ca.pem"),
            "audit": str(self.audit_path.resolve()),
            **{name: _side(self.stage, self.stage.side(name)) for name in SIDES},
            "vars": self.scenario.vars,
            "expect": self.scenario.expect,
            "must_not": self.scenario.must_not,
        }


def _side(stage: Stage, side: Side) -> dict[str, Any]:
    """Return how a side is reached: one user's keys for both, and a role to assume where the account is another one."""
    return {
        "region": side.region,
        "account": side.account,
        "vault": side.vault,
        "access_key": people.reader_key(stage),
        "secret_key": people.READER_SECRET,
        "session_token": people.reader_token(stage),
        "role_arn": people.reader_role(stage) if side.name == "destination" else None,
    }
