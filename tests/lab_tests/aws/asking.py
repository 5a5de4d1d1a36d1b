# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the operations of a service without a server; every answer is held against the SDK's model of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from lab.aws.errors import AwsError
from lab.aws.operations import Call, module_of
from lab.aws.world import Identity, Place, World

ACCOUNT = "111122223333"
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=timezone.utc).timestamp()
_WHO = Identity("secret", None, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/reader")


def new_place(region: str = "eu-central-1", **rows: Any) -> Place:
    """Return a place of a new world whose clock stands at NOW."""
    place = World(now=lambda: NOW).place(ACCOUNT, region)
    place.rows.update(rows)
    return place


def utc(at: float) -> datetime:
    """Return an aware time, as the SDK hands it over."""
    return datetime.fromtimestamp(at, timezone.utc)


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def ask(place: Place, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
    """Return the answer of an operation; fail where the request or the answer does not have the modelled shape."""
    model = _model(service).operation_model(operation)
    _valid(params, model.input_shape)
    call = Call(place.account, place.region, service, operation, params, _WHO, NOW)
    module = module_of(service)
    assert module is not None
    answer: dict[str, Any] = module.OPERATIONS[operation](place, call)
    _valid(answer, model.output_shape)
    assert not [key for key in _keys(answer) if key.startswith("_")], "a private member leaves the server"
    return answer


def refused(place: Place, service: str, operation: str, /, **params: Any) -> AwsError:
    """Return the error that an operation answers with."""
    with pytest.raises(AwsError) as caught:
        ask(place, service, operation, **params)
    return caught.value


def pages(
    place: Place, service: str, operation: str, /, token: str = "NextToken", **params: Any
) -> Iterator[dict[str, Any]]:
    """Yield all pages of a listing."""
    answer = ask(place, service, operation, **params)
    yield answer
    while token in answer:
        answer = ask(place, service, operation, **params, **{token: answer[token]})
        yield answer


def _valid(value: Any, shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from _keys(child)
    elif isinstance(value, list):
        for child in value:
            yield from _keys(child)
