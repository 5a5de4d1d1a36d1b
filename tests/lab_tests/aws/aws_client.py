# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world, and the real SDK pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.apiserver.pki import Pki, make_pki
from lab.aws.model import model_of
from lab.aws.server import AwsLab
from lab.aws.world import Identity, World

ACCOUNT, OTHER = "111111111111", "222222222222"
SOURCE, DESTINATION = "eu-west-1", "eu-central-1"
READER, SECRET = "AKIAREADER", "s3cret"
READER_ARN = f"arn:aws:iam::{ACCOUNT}:user/reader"
# Read once here: ansible-test runs each test in a fork of its own, which would read all of it again.
SESSION = boto3.Session()
for _service in ("backup", "cloudwatch", "logs", "cloudtrail", "kms", "iam", "sts", "health", "service-quotas", "ec2"):
    SESSION.client(_service, region_name=SOURCE)
    model_of(_service)
PKI = make_pki()
ALL_ALLOWED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Aws:
    """A started lab. client(): a real client that tries once, unless a config says otherwise."""

    def __init__(self, lab: AwsLab, ca: Path) -> None:
        self.lab = lab
        self.world = lab.world
        self._ca = str(ca)

    def client(self, service: str, region: str = SOURCE, config: Config | None = None, **keys: Any) -> Any:
        """Return a client of the reader, or with other keys."""
        given = {"aws_access_key_id": READER, "aws_secret_access_key": SECRET, **keys}
        once = Config(retries={"total_max_attempts": 1}, read_timeout=10)
        return SESSION.client(
            service, region_name=region, endpoint_url=self.lab.url, verify=self._ca, config=config or once, **given
        )

    def calls(self) -> list[dict[str, Any]]:
        """Return the list of calls."""
        return self.world.calls.entries


def ago(**span: float) -> datetime:
    """Return a time in the past."""
    return datetime.now(timezone.utc).replace(microsecond=0) - timedelta(**span)


def allowing(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """Return a policy document that allows actions."""
    return {"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}]}


def new_world(*policies: dict[str, Any]) -> World:
    """Return a world with the reader, who may do everything unless policies are given."""
    reader = Identity(SECRET, None, ACCOUNT, READER_ARN, list(policies or (ALL_ALLOWED,)))
    return World(identities={READER: reader})


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str, int]:
    """Return code, message and status of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="session")
def pki() -> Pki:
    """Return one authority for all tests."""
    return PKI


@pytest.fixture
def serve(pki: Pki, tmp_path: Path) -> Iterator[Callable[[World], Aws]]:
    """Return what starts a world's server; it ends with the test."""
    started: list[AwsLab] = []
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pki.ca)

    def start(world: World) -> Aws:
        started.append(AwsLab(world, pki))
        started[-1].start()
        return Aws(started[-1], ca)

    yield start
    for lab in started:
        lab.stop()
