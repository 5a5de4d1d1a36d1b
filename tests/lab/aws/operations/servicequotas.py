# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service Quotas. Rows of ``quotas`` are ServiceQuota with ``_default``: AWS's value where the account has another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler, Resource
from lab.aws.paging import page
from lab.aws.world import Place, Row

_PAGE = 100
_TO_SERVICE = str.maketrans("-_", "+/")
_FROM_SERVICE = str.maketrans("+/", "-_")


def _none(message: str) -> AwsError:
    return AwsError("NoSuchResourceException", message)


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _of_service(place: Place, call: Call) -> list[Row]:
    code = call.params["ServiceCode"]
    rows = list(place.matching("quotas", ServiceCode=code))
    if not rows:
        raise _none(f"The request failed because the specified service {code} does not exist.")
    return rows


def _quota(place: Place, call: Call) -> Row:
    code = call.params["QuotaCode"]
    found = next(
        (row for row in place.matching("quotas", ServiceCode=call.params["ServiceCode"], QuotaCode=code)), None
    )
    if found is None:
        raise _none(f"The request failed because the specified quota {code} does not exist.")
    return found


def _get_service_quota(place: Place, call: Call) -> dict[str, Any]:
    return {"Quota": _shown(_quota(place, call))}


def _get_default(place: Place, call: Call) -> dict[str, Any]:
    row = _quota(place, call)
    arn = f"arn:aws:servicequotas:{place.region}::{row['ServiceCode']}/{row['QuotaCode']}"
    return {"Quota": {**_shown(row), "QuotaArn": arn, "Value": row.get("_default", row["Value"])}}


def _list_service_quotas(place: Place, call: Call) -> dict[str, Any]:
    params = call.params
    rows = [
        _shown(row) for row in _of_service(place, call) if params.get("QuotaCode", row["QuotaCode"]) == row["QuotaCode"]
    ]
    # This service's tokens are of the other base64 alphabet.
    token = params["NextToken"].translate(_FROM_SERVICE) if "NextToken" in params else None
    asked = replace(call, params={key: value for key, value in params.items() if key != "NextToken"})
    found, more = page(asked, rows, params.get("MaxResults", _PAGE), token, "InvalidPaginationTokenException")
    return {"Quotas": found, "NextToken": more.translate(_TO_SERVICE)} if more else {"Quotas": found}


def _resource(place: Place, call: Call) -> str:
    return (
        f"arn:aws:servicequotas:{place.region}:{place.account}:{call.params['ServiceCode']}/{call.params['QuotaCode']}"
    )


OPERATIONS: dict[str, Handler] = {
    "GetServiceQuota": _get_service_quota,
    "GetAWSDefaultServiceQuota": _get_default,
    "ListServiceQuotas": _list_service_quotas,
}
RESOURCES: dict[str, Resource] = {"GetServiceQuota": _resource, "GetAWSDefaultServiceQuota": _resource}
