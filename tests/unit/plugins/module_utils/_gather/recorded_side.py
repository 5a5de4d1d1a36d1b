# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster of recorded objects, as the steps on one namespace ask for them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed

NOW = datetime(2026, 11, 20, 21, tzinfo=timezone.utc)
_FIXTURES = Path(__file__).parents[3] / "fixtures" / "k8s"

JOBS = "/apis/batch/v1/namespaces/backup/jobs"
CRONJOBS = "/apis/batch/v1/namespaces/backup/cronjobs"
EVENTS = "/api/v1/namespaces/backup/events"
PODS = "/api/v1/namespaces/backup/pods"


def recorded(name):
    """The body of a recorded reply."""
    return json.loads((_FIXTURES / f"{name}.json").read_text())["response"]["body"]


def items(name):
    """The items of a recorded list."""
    return recorded(name)["items"]


def refused(resource, sub=None):
    """What the client makes of a 403."""
    grant = {"kind": "Role", "namespace": "backup", "rule": {"resources": [f"{resource}/{sub}" if sub else resource]}}
    return ReadFailed("forbidden", f"{resource} is forbidden", code=403, grant=grant)


class FakeClock:
    """A clock that stands still, so that ages are exact."""

    def __init__(self, now=NOW):
        self._now = now

    def now(self):
        return self._now

    def as_evidence(self):
        return {"offset_s": 0.0, "error_s": 0.5, "samples": 1}


class FakeCluster:
    """Answers from a dictionary path -> list, object, ReadFailed or function(query), and notes what it was asked."""

    name = "cluster"
    host = "https://dr.example.com:6443"

    def __init__(self, answers, *, namespace_exists=True, now=NOW):
        self.answers = answers
        self.clock = FakeClock(now)
        self.asked = []
        self._namespace_exists = namespace_exists

    def _answer(self, path, query):
        self.asked.append((path, query))
        answer = self.answers.get(path, [])
        answer = answer(query) if callable(answer) else answer
        if isinstance(answer, ReadFailed):
            raise answer
        return answer

    def list(self, path, query=None):
        yield from self._answer(path, query)

    def get(self, path, query=None):
        answer = self._answer(path, query)
        if answer == []:
            raise ReadFailed("not_found", f"{path.rsplit('/', 1)[-1]} not found", code=404)
        return answer

    def stream(self, path, query=None, chunk=65536):
        body = self._answer(path, query)
        if isinstance(body, bytes):
            body = [body[at : at + chunk] for at in range(0, len(body), chunk)]
        for piece in body:
            if isinstance(piece, ReadFailed):
                raise piece
            yield piece

    def namespace_exists(self, namespace):
        self.asked.append(("namespace", namespace))
        return self._namespace_exists

    def paths(self):
        return [path for path, dummy in self.asked]


class Clients:
    """The clients of one task."""

    def __init__(self, cluster):
        self._cluster = cluster

    @property
    def cluster(self):
        if isinstance(self._cluster, ReadFailed):
            raise self._cluster
        return self._cluster


def run(step, cluster, **params):
    """Gather with the defaults of the step's argument spec."""
    defaults = {name: option.get("default") for name, option in step.argument_spec.items()}
    return step.gather({**defaults, "namespace": "backup", **params}, Clients(cluster))


def by(rows, key):
    """Rows by the value of a member."""
    return {row[key]: row for row in rows}
