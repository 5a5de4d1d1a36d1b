# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service Quotas."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.asking import ACCOUNT, ask, new_place, pages, refused
from lab.aws.world import Place

_POINTS = {"ServiceCode": "backup", "QuotaCode": "L-514878B6"}


def _quota(code: str, value: float, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:servicequotas:eu-central-1:{ACCOUNT}:backup/{code}"
    return {"ServiceCode": "backup", "QuotaCode": code, "QuotaArn": arn, "Value": value, "Adjustable": True, **more}


def _place() -> Place:
    return new_place(quotas=[_quota("L-514878B6", 2_000_000.0, _default=1_000_000.0), _quota("L-7705D2CB", 300.0)])


def test_the_value_that_applies_and_the_default() -> None:
    assert ask(_place(), "service-quotas", "GetServiceQuota", **_POINTS)["Quota"]["Value"] == 2_000_000.0
    default = ask(_place(), "service-quotas", "GetAWSDefaultServiceQuota", **_POINTS)["Quota"]
    assert default["Value"] == 1_000_000.0
    assert default["QuotaArn"] == "arn:aws:servicequotas:eu-central-1::backup/L-514878B6"
    vaults = {"ServiceCode": "backup", "QuotaCode": "L-7705D2CB"}
    assert ask(_place(), "service-quotas", "GetAWSDefaultServiceQuota", **vaults)["Quota"]["Value"] == 300.0


def test_listing() -> None:
    codes = [
        quota["QuotaCode"]
        for quota in ask(_place(), "service-quotas", "ListServiceQuotas", ServiceCode="backup")["Quotas"]
    ]
    assert codes == ["L-514878B6", "L-7705D2CB"]
    one = ask(_place(), "service-quotas", "ListServiceQuotas", **_POINTS)["Quotas"]
    assert [quota["QuotaCode"] for quota in one] == ["L-514878B6"]


def test_pages_with_tokens_that_the_model_of_the_service_allows() -> None:
    place = new_place(quotas=[_quota(f"L-{index:08d}", 1.0) for index in range(130)])
    found = list(pages(place, "service-quotas", "ListServiceQuotas", ServiceCode="backup", MaxResults=1))
    assert [answer["Quotas"][0]["QuotaCode"] for answer in found] == [f"L-{index:08d}" for index in range(130)]
    tokens = [answer["NextToken"] for answer in found[:-1]]
    assert all(re.fullmatch("[a-zA-Z0-9/+]*={0,2}", token) for token in tokens)
    assert any("/" in token or "+" in token for token in tokens)
    sizes = [
        len(answer["Quotas"]) for answer in pages(place, "service-quotas", "ListServiceQuotas", ServiceCode="backup")
    ]
    assert sizes == [100, 30]


def test_what_does_not_exist() -> None:
    unknown = {"ServiceCode": "backup", "QuotaCode": "L-00000000"}
    for operation in ("GetServiceQuota", "GetAWSDefaultServiceQuota"):
        assert refused(_place(), "service-quotas", operation, **unknown).code == "NoSuchResourceException"
    assert (
        refused(_place(), "service-quotas", "ListServiceQuotas", ServiceCode="none").code == "NoSuchResourceException"
    )
    error = refused(_place(), "service-quotas", "ListServiceQuotas", ServiceCode="backup", NextToken="made")
    assert error.code == "InvalidPaginationTokenException"
