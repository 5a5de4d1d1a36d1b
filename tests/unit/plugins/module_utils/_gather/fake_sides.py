# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two clusters that answer from dictionaries, for the steps that compare both sides."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed

NOW = datetime(2026, 11, 20, 21, tzinfo=timezone.utc)
_FIXTURES = Path(__file__).parents[3] / "fixtures" / "k8s"

SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/namespaces/backup/volumesnapshots"
CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
CONFIGMAP = "/api/v1/namespaces/backup/configmaps/backup-vault-config"


def recorded(name):
    """The body of a recorded reply."""
    return json.loads((_FIXTURES / f"{name}.json").read_text())["response"]["body"]


def items(name):
    """The items of a recorded list."""
    return recorded(name)["items"]


def minutes_ago(minutes):
    """RFC 3339, so many minutes before NOW."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def snapshot(name, minutes, claim="orders", *, ready=True, created=None, **status):
    """A VolumeSnapshot that was cut so many minutes ago (None: nobody says when)."""
    told = {"readyToUse": ready, **status}
    if minutes is not None:
        told["creationTime"] = minutes_ago(minutes)
    came = minutes if created is None else created
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {
            "name": name,
            "namespace": "backup",
            "creationTimestamp": None if came is None else minutes_ago(came),
        },
        "spec": {"source": {"persistentVolumeClaimName": claim}},
        "status": told,
    }


class FakeClock:
    """A clock whose reading does not move."""

    def __init__(self, offset_s=0.0, error_s=0.5):
        self.offset_s, self.error_s = offset_s, error_s

    def now(self):
        return NOW + timedelta(seconds=self.offset_s)

    def as_evidence(self):
        return {"offset_s": self.offset_s, "error_s": self.error_s, "samples": 1}


class FakeCluster:
    """routes: path -> list of items, one object, or the ReadFailed that the server answers with."""

    def __init__(
        self, routes=None, *, name="cluster", host="https://dr.example:6443", offset_s=0.0, groups=(), spaces=True
    ):
        self.routes = dict(routes or {})
        self.name, self.host = name, host
        self.clock = FakeClock(offset_s)
        self.groups, self.spaces = groups, spaces
        self.calls = []

    def _answer(self, path, query):
        self.calls.append((path, dict(query or {})))
        answer = self.routes.get(path, ReadFailed("api_missing", "404 page not found", code=404))
        if isinstance(answer, ReadFailed):
            raise answer
        return answer

    def get(self, path, query=None):
        return self._answer(path, query)

    def list(self, path, query=None):
        yield from self._answer(path, query)

    def has_group(self, group):
        self.calls.append((f"/apis/{group}", {}))
        return group in self.groups

    def namespace_exists(self, namespace):
        self.calls.append((f"/api/v1/namespaces/{namespace}", {}))
        return self.spaces


class Sides:
    """What Clients is to a step."""

    def __init__(self, cluster=None, source=None):
        self.cluster = cluster or FakeCluster()
        self.source = source or FakeCluster(name="source cluster", host="https://prod.example:6443")


def source_side(routes=None, **more):
    """The cluster of the option source."""
    return FakeCluster(routes, **{"name": "source cluster", "host": "https://prod.example:6443", **more})


def checked(step, **given):
    """The parameters as Ansible hands them over: defaults filled in, everything else None."""
    params = {name: option.get("default") for name, option in step.full_argument_spec().items()}
    return {**params, "namespace": "backup", **given}
