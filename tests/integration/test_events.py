# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an alert to a diagnosis, by the real Alertmanager and the real ansible-rulebook; and from an event of AWS Backup."""

from __future__ import annotations

import json
import sys
import time
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import harness
import programs
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("events")

RULEBOOK = str(Path(sys.executable).parent / "ansible-rulebook")
TOKENS = {"alertmanager_token": "token-of-alertmanager", "eventbridge_token": "token-of-eventbridge"}
CLUSTERS, REGIONS = "dns-failure", "vault-access-policy"


@dataclass
class World:
    """What runs: where to post to, the reports, what the rulebook printed."""

    alertmanager: str
    webhook: str
    eventbridge: str
    folder: Path
    regions: dict[str, t.Any]

    def printed(self) -> str:
        """Output of the rulebook and of its playbooks so far."""
        return (self.folder / "rulebook.log").read_text()

    def runs(self) -> int:
        """How many playbooks it started."""
        return self.printed().count("PLAY [Find the pairs that the event is about]")

    def diagnosis(self, target: str, besides: str = "") -> dict[str, t.Any]:
        """The diagnosis of that target, when it has come; it is not the one in `besides`."""
        file = self.folder / "reports" / target / "diagnosis.json"
        programs.wait_until(lambda: file.is_file() and file.read_text() != besides, self.printed)
        return json.loads(file.read_text())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    folder = tmp_path_factory.mktemp("events")
    files = {harness.scenario_file(CLUSTERS): folder / "clusters", harness.scenario_file(REGIONS, "region"): folder / "regions"}
    with harness.labs(files) as (clusters, regions):
        inventory = {
            "all": {"vars": {"sync_report_dir": str(folder / "reports")}},
            "backup_sync_clusters": {
                "hosts": dict.fromkeys(["prod", "stage", "test"], harness.variables(clusters.info, harness.scenario(CLUSTERS)))
            },
            "backup_sync_regions": {"hosts": {"vaults": harness.variables(regions.info, harness.scenario(REGIONS, "region"))}},
        }
        (folder / "inventory.yml").write_text(yaml.dump(inventory, Dumper=_NoAliases))
        ports = programs.free_ports(3)
        described = {**TOKENS, "alertmanager_port": ports[0], "eventbridge_port": ports[1]}
        (folder / "vars.yml").write_text(yaml.safe_dump(described))
        rulebook = [RULEBOOK, "--rulebook", "sre.backup_sync.diagnose", "-i", str(folder / "inventory.yml")]
        with (
            programs.running(folder, "rulebook", [*rulebook, "--vars", str(folder / "vars.yml")], ports[:2]),
            programs.running(folder, "alertmanager", _alertmanager(folder, ports[0], ports[2]), ports[2:]),
        ):
            addresses = [f"http://127.0.0.1:{port}" for port in (ports[2], ports[0], ports[1])]
            yield World(*addresses, folder, regions.info)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _alertmanager(folder: Path, webhook: int, port: int) -> list[str]:
    receiver = {
        "name": "backup-sync",
        "webhook_configs": [
            {
                "url": f"http://127.0.0.1:{webhook}/",
                "send_resolved": False,
                "http_config": {"authorization": {"credentials": TOKENS["alertmanager_token"]}},
            }
        ],
    }
    route = {"receiver": "backup-sync", "group_by": ["target", "alertname"], "group_wait": "0s", "group_interval": "1s"}
    config = folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump({"route": route, "receivers": [receiver]}))
    return [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]


def _post(address: str, body: t.Any, token: str = "") -> int:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as exc:
        return exc.code


def _alert(world: World, **labels: str) -> None:
    assert _post(f"{world.alertmanager}/api/v2/alerts", [{"labels": labels}]) == 200


def test_an_alert_becomes_a_diagnosis(world: World, record_property: t.Callable[[str, t.Any], None]) -> None:
    began = time.monotonic()
    _alert(world, alertname="CrossClusterBackupSyncFailed", target="prod", severity="critical")
    found = world.diagnosis("prod")
    record_property("seconds_from_alert_to_diagnosis", round(time.monotonic() - began, 1))
    print(f"from the alert to diagnosis.json: {time.monotonic() - began:.1f} s")
    assert (found["target"]["name"], found["root_cause"]["cause"]) == ("prod", "network_dns")
    assert found["alert"]["name"] == "CrossClusterBackupSyncFailed" and found["alert"]["verdict"] == "true_positive"
    assert not (world.folder / "reports" / "stage").exists()


def test_more_alerts_about_one_pair_are_one_run(world: World) -> None:
    before, told = world.runs(), _notifications(world)
    for name in ("BackupCopiesNotReady", "BackupCopiesFailing"):
        _alert(world, alertname=name, target="prod")
    programs.wait_until(lambda: _notifications(world) == told + 2, world.printed)
    _alert(world, alertname="BackupCopiesFailing", target="test")
    world.diagnosis("test")
    assert world.runs() - before == 1, world.printed()[-3000:]


def _notifications(world: World) -> float:
    """How many Alertmanager has delivered."""
    with urllib.request.urlopen(f"{world.alertmanager}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith('alertmanager_notifications_total{integration="webhook"'))


def test_a_failed_copy_job_becomes_a_diagnosis_that_looks_at_it(world: World) -> None:
    job = _failed_job(world)
    detail = {
        "copyJobId": job["copy_job"],
        "sourceBackupVaultArn": _vault_arn(world),
        "destinationRecoveryPointArn": {},
        "state": "FAILED",
    }
    event = {"version": "0", "id": "1", "source": "aws.backup", "detail-type": "Copy Job State Change", "detail": detail}
    before = (world.folder / "reports" / "vaults" / "diagnosis.json").read_text()
    assert _post(world.eventbridge, event, TOKENS["eventbridge_token"]) == 200
    found = world.diagnosis("vaults", besides=before)
    assert found["root_cause"]["cause"] == "vault_access_policy"
    evidence = json.loads((world.folder / "reports" / "vaults" / "evidence.json").read_text())
    assert evidence["evidence"]["copy_job_detail"]["query"]["copy_job"] == job["copy_job"]


def _failed_job(world: World) -> dict[str, t.Any]:
    """A failed copy job, as a run of the playbook tells it."""
    values = harness.variables(world.regions, harness.scenario(REGIONS, "region"), world.folder / "reports")
    run = harness.play(world.folder / "first", {**values, "region_sync_name": "vaults"})
    assert run.code == 0, run.output[-2000:]
    evidence = json.loads((world.folder / "reports" / "vaults" / "evidence.json").read_text())
    return next(row for row in evidence["evidence"]["copy_jobs"]["jobs"] if row["state"] == "FAILED")


def _vault_arn(world: World) -> str:
    source = world.regions["source"]
    return f"arn:aws:backup:{source['region']}:111122223333:backup-vault:{source['vault']}"


HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch %s') }}"


def test_only_names_are_taken_and_only_with_the_token(world: World) -> None:
    marker = world.folder / "marker"
    before = world.runs()
    evil = HOSTILE % marker
    alerts = [
        {"status": "firing", "labels": {"alertname": "A", "target": evil}},
        {"status": "firing", "labels": {"alertname": evil, "target": "stage"}},
        {"status": "firing", "labels": {"alertname": evil}},
        {"status": "resolved", "labels": {"alertname": "A", "target": "stage"}},
        {"labels": "stage"},
    ]
    assert _post(world.webhook, {"alerts": alerts}, TOKENS["alertmanager_token"]) == 200
    stage = {"alerts": [{"status": "firing", "labels": {"alertname": "A", "target": "stage"}}]}
    assert (_post(world.webhook, stage), _post(world.webhook, stage, "another")) == (401, 401)
    assert world.runs() == before
    assert _post(world.webhook, stage, TOKENS["alertmanager_token"]) == 200  # what came before it was looked at by now
    world.diagnosis("stage")
    assert world.runs() - before == 1 and not marker.exists(), world.printed()[-3000:]


def test_an_event_about_nobody_is_told_and_the_next_is_taken(world: World) -> None:
    _alert(world, alertname="BackupCopiesFailing", target="nobody")
    programs.wait_until(lambda: "No pair of the inventory is what the event is about (nobody)" in world.printed(), world.printed)
    before = (world.folder / "reports" / "vaults" / "diagnosis.json").read_text()
    _alert(world, alertname="CrossRegionBackupSyncFailed", target="vaults")
    assert world.diagnosis("vaults", besides=before)["alert"]["name"] == "CrossRegionBackupSyncFailed"
