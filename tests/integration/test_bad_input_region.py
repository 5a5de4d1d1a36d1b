# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The region playbook given what cannot be used: one sentence with the variable or the remedy, and nothing lost."""

from __future__ import annotations

import copy
import re
import socket
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import harness
import pytest
import yaml

pytestmark = pytest.mark.xdist_group("bad-input-region")

Values = t.Dict[str, t.Any]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[harness.Lab]:
    folder = tmp_path_factory.mktemp("bad-input-region")
    with harness.lab(harness.scenario_file("healthy", "region"), folder / "lab") as lab:
        yield lab


def _values(lab: harness.Lab, folder: Path) -> Values:
    return harness.variables(lab.info, harness.scenario("healthy", "region"), folder / "report")


def _plain(output: str) -> str:
    """The output as one line: Ansible wraps and escapes what it prints."""
    return re.sub(r"\s+", " ", output.replace('\\"', '"').replace("\\'", "'"))


def _changed(values: Values, changes: Values) -> Values:
    """The variables with others in their place; of a connection, single options, None for none."""
    merged = copy.deepcopy(values)
    for name, value in changes.items():
        if isinstance(value, dict):
            options = {**merged[name], **value}
            merged[name] = {option: given for option, given in options.items() if given is not None}
        else:
            merged[name] = value
    return merged


def _refused(folder: Path, values: Values, sentence: str) -> harness.Run:
    """Play, and look for the end with that sentence."""
    run = harness.play(folder, values)
    said = _plain(run.output)
    assert run.code != 0, said[-3000:]
    assert re.search(sentence, said), said[-3000:]
    assert "Traceback" not in said and "argument_spec_data" not in said
    assert said.count("fatal: [") == 1
    return run


def _story(folder: Path, **changes: t.Any) -> Path:
    """The healthy scenario with other keys."""
    path = folder / "story.yaml"
    path.write_text(yaml.safe_dump({**harness.scenario("healthy", "region"), **changes}))
    return path


def test_variables_that_are_null_are_as_those_that_are_not_given(healthy: harness.Lab, tmp_path: Path) -> None:
    options = harness.role_options("region_sync")
    nulls = [name for name, spec in options.items() if "choices" not in spec and name != "region_sync_name"]
    values = {**dict.fromkeys(nulls), **_values(healthy, tmp_path)}
    for playbook in ("sre.backup_sync.region", "sre.backup_sync.preflight"):
        run = harness.play(tmp_path, values, playbook=playbook)
        assert run.code == 0, run.output[-3000:]


# ------------------------------------------------------------------------------------------- before anything is read

AT_ONCE: dict[str, tuple[Values, str]] = {
    "unknown Region": (
        {"region_sync_source_region": "eu-west-9"},
        r"region_sync_source_region: 'eu-west-9' is no Region that AWS Backup has; did you mean eu-west-\d\?",
    ),
    "malformed Region": (
        {"region_sync_destination_region": "Frankfurt"},
        r"region_sync_destination_region: 'Frankfurt' is no name of a Region; write it like eu-west-1\.",
    ),
    "one vault": (
        {"region_sync_destination_region": "eu-west-1", "region_sync_destination_vault_name": "backup"},
        r"region_sync_destination_region: it is also the source's Region, and both vaults are called backup",
    ),
    "malformed copy job": (
        {"region_sync_copy_job_id": "copy-42"},
        r"region_sync_copy_job_id: 'copy-42' is no ID of a copy job; it looks like",
    ),
    "window beyond the history": (
        {"region_sync_window": "45d"},
        r"region_sync_window: '45d' is outside what can be asked",
    ),
    "look-back beyond the history": (
        {"region_sync_look_back": "90d"},
        r"region_sync_look_back: '90d' is outside what can be asked",
    ),
    "threshold in percent": (
        {"region_sync_success_threshold": 95},
        r"region_sync_success_threshold: 95 is no share; give a number above 0 and up to 1",
    ),
    "half a pair of keys": (
        {"region_sync_source": {"secret_key": None}},
        r"region_sync_source\.access_key: access_key and secret_key belong together",
    ),
    "profile beside keys": (
        {"region_sync_source": {"profile": "prod"}},
        r"region_sync_source\.profile: give either a profile or access_key and secret_key",
    ),
    "malformed role": (
        {"region_sync_destination": {"role_arn": "backup-sync-reader"}},
        r"region_sync_destination\.role_arn: 'backup-sync-reader' is no ARN of a role",
    ),
    "unknown option": (
        {"region_sync_source": {"acces_key": "x"}},
        r"region_sync_source\.acces_key: there is no such option; give access_key",
    ),
}


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_a_variable_is_refused_before_anything_is_read(name: str, healthy: harness.Lab, tmp_path: Path) -> None:
    changes, sentence = AT_ONCE[name]
    before = len(healthy.audit())
    run = _refused(tmp_path, _changed(_values(healthy, tmp_path), changes), sentence)
    assert "Step 1" not in run.output
    assert len(healthy.audit()) == before


# ----------------------------------------------------------------------------------------- what the connection tells

_TASK = r"of region_sync_source and region_sync_destination\].{0,120}\W"
_NO_KEYS = {"access_key": None, "secret_key": None}

CONNECTIONS: dict[str, tuple[Values, str]] = {
    "profile that does not exist": (
        {"region_sync_source": {**_NO_KEYS, "profile": "nowhere"}},
        _TASK + r"profile: there is no profile 'nowhere' in the AWS configuration files",
    ),
    "no credentials": (
        {"region_sync_source": _NO_KEYS},
        _TASK + r"credentials: none were found; give profile, or access_key and secret_key",
    ),
    "certificates that are not there": (
        {"region_sync_source": {"aws_ca_bundle": "/nowhere/ca.pem"}},
        _TASK + r"aws_ca_bundle: there is no file /nowhere/ca\.pem; give the path of a PEM file",
    ),
    "URL without a scheme": (
        {"region_sync_source": {"endpoint_url": "127.0.0.1:4566"}},
        _TASK + r"endpoint_url: '127\.0\.0\.1:4566' is no URL; write it like https://",
    ),
    "copy job that is not there": (
        {"region_sync_copy_job_id": "00000000-0000-0000-0000-000000000000", "region_sync_on_error": "fail"},
        r"Step 3, the copy job of region_sync_copy_job_id .{0,3000}\WThe source knows no copy job 00000000-\S+, nor does",
    ),
    "port where nothing listens": (
        {"region_sync_source": {"endpoint_url": "https://127.0.0.1:1"}},
        r"Nothing can be read with region_sync_source and region_sync_destination: .{0,400}Could not connect .{0,400}"
        r"Check the option endpoint_url\.",
    ),
    "certificate of another authority": (
        {"region_sync_source": {"aws_ca_bundle": None}},
        r"Nothing can be read with region_sync_source and region_sync_destination: .{0,900}the option aws_ca_bundle\.",
    ),
}


@pytest.mark.parametrize("name", sorted(CONNECTIONS))
def test_a_connection_that_cannot_be_made(name: str, healthy: harness.Lab, tmp_path: Path) -> None:
    changes, sentence = CONNECTIONS[name]
    _refused(tmp_path, _changed(_values(healthy, tmp_path), changes), sentence)


@pytest.mark.parametrize(
    "credentials, sentence",
    [
        ("expired", "credentials: .{0,80}does not accept the credentials: the session token has expired; give the source"),
        ("unknown", "credentials: .{0,80}does not accept the credentials: the access key is not known"),
        ("wrong_secret", "credentials: .{0,80}does not accept the credentials: the secret key does not fit"),
    ],
)
def test_credentials_that_aws_does_not_take(credentials: str, sentence: str, tmp_path: Path) -> None:
    story = _story(tmp_path, source={"credentials": credentials})
    with harness.lab(story, tmp_path / "lab") as lab:
        _refused(tmp_path, _values(lab, tmp_path), _TASK + sentence)


def test_a_role_that_cannot_be_assumed(tmp_path: Path) -> None:
    story = _story(tmp_path, destination={"account": "444455556666", "role": "not_assumable"})
    with harness.lab(story, tmp_path / "lab") as lab:
        sentence = r"destination\.role_arn: the role arn:aws:iam::444455556666:\S+ cannot be assumed: .{0,300}; let the role"
        _refused(tmp_path, _values(lab, tmp_path), _TASK + sentence)


@pytest.mark.parametrize("status", [200, 502])
def test_an_endpoint_that_is_not_aws(status: int, tmp_path: Path) -> None:
    story = _story(tmp_path, faults=[{"match": "*", "html": True, "status": status}])
    with harness.lab(story, tmp_path / "lab") as lab:
        sentence = r"Nothing can be read with region_sync_source .{0,400}Check the option endpoint_url: is https://\S+ AWS"
        _refused(tmp_path, _values(lab, tmp_path), sentence)


# --------------------------------------------------------------------------------------- one side alone is evidence


def _told(run: harness.Run, folder: Path) -> list[Values]:
    """The gaps of a run that came to its end, with a report, without a verdict that it cannot know."""
    assert run.code == 0, run.output[-4000:]
    assert "Traceback" not in run.output
    assert list((folder / "report").glob("*/report.txt"))
    assert run.diagnosis["status"] == "inconclusive"
    assert run.diagnosis["dr_readiness"]["verdict"] == "unknown"
    return run.diagnosis["gaps"]


def test_one_side_that_is_not_aws_is_a_gap(tmp_path: Path) -> None:
    story = _story(tmp_path, faults=[{"match": "*", "region": "destination", "html": True}])
    with harness.lab(story, tmp_path / "lab") as lab:
        gaps = _told(harness.play(tmp_path, _values(lab, tmp_path)), tmp_path)
    assert any("status 502 and no error that AWS has" in str(gap["message"]) for gap in gaps)
    assert all("<html" not in str(gap["message"]) for gap in gaps)


def test_one_side_that_is_denied_is_a_gap_with_its_statement(tmp_path: Path) -> None:
    denied = ["backup:DescribeBackupVault", "backup:ListRecoveryPointsByBackupVault"]
    with harness.lab(_story(tmp_path, destination={"deny": denied}), tmp_path / "lab") as lab:
        gaps = _told(harness.play(tmp_path, _values(lab, tmp_path)), tmp_path)
    statements = [gap["grant"]["statement"] for gap in gaps if gap["grant"]]
    assert set(denied) <= {statement["Action"] for statement in statements}
    assert all(statement["Effect"] == "Allow" and statement["Resource"] for statement in statements)


def test_a_destination_where_nothing_listens_is_a_gap(healthy: harness.Lab, tmp_path: Path) -> None:
    values = _changed(_values(healthy, tmp_path), {"region_sync_destination": {"endpoint_url": "https://127.0.0.1:1"}})
    gaps = _told(harness.play(tmp_path, values), tmp_path)
    assert any(gap["outcome"] == "unreachable" and "region_sync_destination.endpoint_url" in gap["close"] for gap in gaps)


@contextmanager
def _black_hole() -> t.Iterator[str]:
    """A port on which connections are neither taken nor refused: its queue is full, and nobody takes from it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for dummy in range(4)]
        try:
            for caller in waiting:
                caller.setblocking(False)
                caller.connect_ex(server.getsockname())
            yield f"https://127.0.0.1:{server.getsockname()[1]}"
        finally:
            for caller in waiting:
                caller.close()


def test_a_region_that_swallows_what_is_sent_costs_bounded_time(healthy: harness.Lab, tmp_path: Path) -> None:
    """Five seconds for each step that asks there; five tries of each call would take many minutes."""
    with _black_hole() as url:
        values = _changed(_values(healthy, tmp_path), {"region_sync_destination": {"endpoint_url": url}})
        start = time.monotonic()
        gaps = _told(harness.play(tmp_path, values), tmp_path)
        taken = time.monotonic() - start
    assert any(gap["outcome"] == "unreachable" and "within 5 s" in gap["message"] for gap in gaps)
    assert taken < 60


def test_two_regions_that_swallow_what_is_sent_are_told_at_once(healthy: harness.Lab, tmp_path: Path) -> None:
    with _black_hole() as url:
        start = time.monotonic()
        values = _changed(_values(healthy, tmp_path), {"region_sync_source": {"endpoint_url": url}})
        _refused(tmp_path, values, r"Nothing can be read with region_sync_source .{0,600}within 5 s\.")
        assert time.monotonic() - start < 20
