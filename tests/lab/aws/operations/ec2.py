# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2, as far as a question about Regions and networks goes: Regions, VPC peerings, transit gateways.

An opt-in Region is on where the account's place in it has anything, unless its setting ``enabled`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from botocore.session import get_session

from lab.aws.errors import AwsError
from lab.aws.operations import Call, Handler
from lab.aws.paging import page
from lab.aws.world import Place, Row

_ALWAYS_ON = frozenset(
    "ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 "
    "eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2".split()
)
_PAGE = 1000
Reader = Callable[[Row], Any]


def _path(*names: str) -> Reader:
    def read(row: Row) -> Any:
        value: Any = row
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read


_PEERING_FILTERS: dict[str, Reader] = {
    "vpc-peering-connection-id": _path("VpcPeeringConnectionId"),
    "status-code": _path("Status", "Code"),
    "status-message": _path("Status", "Message"),
    **{
        f"{side}-vpc-info.{name}": _path(f"{side.title()}VpcInfo", member)
        for side in ("accepter", "requester")
        for name, member in (("cidr-block", "CidrBlock"), ("owner-id", "OwnerId"), ("vpc-id", "VpcId"))
    },
}
_GATEWAY_FILTERS: dict[str, Reader] = {
    "owner-id": _path("OwnerId"),
    "state": _path("State"),
    "transit-gateway-id": _path("TransitGatewayId"),
}
_REGION_FILTERS: dict[str, Reader] = {
    "endpoint": _path("Endpoint"),
    "opt-in-status": _path("OptInStatus"),
    "region-name": _path("RegionName"),
}


def _check_dry_run(call: Call) -> None:
    if call.params.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def _filtered(rows: Iterable[Row], call: Call, readers: dict[str, Reader]) -> list[Row]:
    """Return the rows that fit all filters; several values of one filter mean any of them."""
    found = list(rows)
    for each in call.params.get("Filters", ()):
        name, values = each["Name"], each.get("Values", [])
        tag = name.removeprefix("tag:")
        if name in readers:
            found = [row for row in found if readers[name](row) in values]
        elif tag != name or name == "tag-key":
            found = [row for row in found if any(_tag_fits(pair, tag, name, values) for pair in row.get("Tags", ()))]
        else:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return found


def _tag_fits(pair: dict[str, str], tag: str, name: str, values: list[str]) -> bool:
    return pair["Key"] in values if name == "tag-key" else pair["Key"] == tag and pair["Value"] in values


def _by_id(rows: Iterable[Row], member: str, wanted: list[str], code: str, noun: str) -> list[Row]:
    found = [row for row in rows if not wanted or row[member] in wanted]
    missing = set(wanted) - {row[member] for row in found}
    if missing:
        raise AwsError(code, f"The {noun} ID '{sorted(missing)[0]}' does not exist")
    return found


def _page(call: Call, rows: list[Row], member: str) -> dict[str, Any]:
    rows = [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]
    size, token = call.params.get("MaxResults", _PAGE), call.params.get("NextToken")
    found, more = page(call, rows, size, token, "InvalidParameterValue")
    return {member: found, "NextToken": more} if more else {member: found}


def _describe_peerings(place: Place, call: Call) -> dict[str, Any]:
    _check_dry_run(call)
    wanted = call.params.get("VpcPeeringConnectionIds", [])
    code = "InvalidVpcPeeringConnectionID.NotFound"
    rows = _by_id(place.all("vpc_peerings"), "VpcPeeringConnectionId", wanted, code, "vpcPeeringConnection")
    return _page(call, _filtered(rows, call, _PEERING_FILTERS), "VpcPeeringConnections")


def _describe_gateways(place: Place, call: Call) -> dict[str, Any]:
    _check_dry_run(call)
    wanted = call.params.get("TransitGatewayIds", [])
    code = "InvalidTransitGatewayID.NotFound"
    rows = _by_id(place.all("transit_gateways"), "TransitGatewayId", wanted, code, "transitGateway")
    return _page(call, _filtered(rows, call, _GATEWAY_FILTERS), "TransitGateways")


@cache
def _region_names() -> tuple[str, ...]:
    return tuple(sorted(get_session().get_available_regions("ec2", "aws")))


def _describe_regions(place: Place, call: Call) -> dict[str, Any]:
    _check_dry_run(call)
    wanted = call.params.get("RegionNames", [])
    for name in wanted:
        if name not in _region_names():
            raise AwsError("InvalidParameterValue", f"Invalid region provided in the request: {name}")
    rows = [_region(place, name) for name in _region_names() if not wanted or name in wanted]
    if not wanted and not call.params.get("AllRegions"):
        rows = [row for row in rows if row["OptInStatus"] != "not-opted-in"]
    return {"Regions": _filtered(rows, call, _REGION_FILTERS)}


def _region(place: Place, name: str) -> Row:
    status = "opt-in-not-required" if name in _ALWAYS_ON else _opt_in(place, name)
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status}


def _opt_in(place: Place, name: str) -> str:
    other = place.world.places.get((place.account, name))
    return "opted-in" if other is not None and other.settings.get("enabled", bool(other.rows)) else "not-opted-in"


OPERATIONS: dict[str, Handler] = {
    "DescribeVpcPeeringConnections": _describe_peerings,
    "DescribeTransitGateways": _describe_gateways,
    "DescribeRegions": _describe_regions,
}
