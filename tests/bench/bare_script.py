# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same reads one after the other in a plain script: what the fastest hand would do, without any conclusion."""

from __future__ import annotations

import json
import sys
import urllib.request
from urllib.parse import quote

from kubernetes import config
from kubernetes.dynamic import DynamicClient


def main() -> None:
    """Read everything once and count it."""
    told = json.loads(sys.argv[1])
    namespace = told["namespace"]
    destination = _client(told["destination_kubeconfig"])
    source = _client(told["source_kubeconfig"])
    batch = f"/apis/batch/v1/namespaces/{namespace}"
    core = f"/api/v1/namespaces/{namespace}"
    snapshots = f"/apis/snapshot.storage.k8s.io/v1/namespaces/{namespace}/volumesnapshots"
    selector = "labelSelector=app%3Dbackup-sync"
    jobs = _items(destination, f"{batch}/jobs?{selector}")
    _items(destination, f"{batch}/cronjobs")
    _items(destination, f"{core}/events")
    destination.request("get", f"{batch}/jobs/{jobs[0]['metadata']['name']}", serialize=False)
    for pod in _items(destination, f"{core}/pods?{selector}"):
        container = pod["spec"]["containers"][0]["name"]
        path = f"{core}/pods/{pod['metadata']['name']}/log?container={container}"
        destination.request("get", path, serialize=False, header_params={"Accept": "*/*"}).read()
    if told["prometheus_url"]:
        for query in ("backup_copy_job_success_rate", "backup_copy_job_duration"):
            with urllib.request.urlopen(f"{told['prometheus_url']}/api/v1/query?query={quote(query)}") as reply:
                reply.read()
    _items(source, snapshots)
    for client in (destination, source):
        client.request("get", f"{core}/configmaps/backup-vault-config", serialize=False)
    print(len(_items(destination, snapshots)))


def _client(kubeconfig: str) -> DynamicClient:
    return DynamicClient(config.new_client_from_config(kubeconfig), discoverer=lambda *dummy, **dummies: None)


def _items(client: DynamicClient, path: str) -> list[dict]:
    return json.loads(client.request("get", path, serialize=False).data)["items"]


if __name__ == "__main__":
    main()
