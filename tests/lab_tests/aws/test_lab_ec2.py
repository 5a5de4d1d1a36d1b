# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2: Regions and opting in to them, VPC peerings, transit gateways."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.asking import ACCOUNT, ask, new_place, pages, refused
from lab.aws.world import Place

_OPT_IN = ("af-south-1", "eu-south-1", "me-south-1")


def _status(place: Place, **params: Any) -> dict[str, str]:
    regions = ask(place, "ec2", "DescribeRegions", **params)["Regions"]
    return {region["RegionName"]: region["OptInStatus"] for region in regions}


def _world() -> Place:
    """Return a place of an account that uses eu-south-1, has switched me-south-1 off and never heard of af-south-1."""
    place = new_place()
    place.world.place(ACCOUNT, "eu-south-1").rows["vaults"] = [{}]
    off = place.world.place(ACCOUNT, "me-south-1")
    off.rows["vaults"], off.settings["enabled"] = [{}], False
    place.world.place(ACCOUNT, "af-south-1")
    place.world.place("999988887777", "ap-east-1").rows["vaults"] = [{}]
    return place


def test_regions_that_are_on() -> None:
    found = _status(_world())
    assert found["us-east-1"] == "opt-in-not-required" and found["eu-south-1"] == "opted-in"
    assert not {"af-south-1", "me-south-1", "ap-east-1"} & set(found)


def test_all_regions() -> None:
    found = _status(_world(), AllRegions=True)
    assert [found[name] for name in _OPT_IN] == ["not-opted-in", "opted-in", "not-opted-in"]
    assert list(found.values()).count("opt-in-not-required") == 17


def test_regions_by_name_and_filter() -> None:
    assert _status(_world(), RegionNames=["me-south-1"]) == {"me-south-1": "not-opted-in"}
    wanted = [{"Name": "opt-in-status", "Values": ["opted-in"]}]
    assert _status(_world(), AllRegions=True, Filters=wanted) == {"eu-south-1": "opted-in"}
    assert refused(_world(), "ec2", "DescribeRegions", RegionNames=["eu-nowhere-1"]).code == "InvalidParameterValue"


def _peering(number: int, state: str = "active") -> dict[str, Any]:
    return {
        "VpcPeeringConnectionId": f"pcx-{number}",
        "Status": {"Code": state, "Message": state},
        "RequesterVpcInfo": {"VpcId": f"vpc-{number}", "OwnerId": ACCOUNT, "Region": "eu-central-1"},
        "AccepterVpcInfo": {"VpcId": "vpc-99", "OwnerId": ACCOUNT, "Region": "eu-west-1"},
        "Tags": [{"Key": "team", "Value": f"team-{number}"}],
    }


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ([], [1, 2]),
        ([("status-code", "active", "failed")], [1, 2]),
        ([("status-code", "failed")], [2]),
        ([("requester-vpc-info.vpc-id", "vpc-1"), ("accepter-vpc-info.vpc-id", "vpc-99")], [1]),
        ([("requester-vpc-info.vpc-id", "vpc-1"), ("status-code", "failed")], []),
        ([("tag:team", "team-2")], [2]),
        ([("tag-key", "team")], [1, 2]),
        ([("tag-key", "owner")], []),
    ],
)
def test_peerings_by_filter(filters: list[tuple[str, ...]], numbers: list[int]) -> None:
    place = new_place(vpc_peerings=[_peering(1), _peering(2, "failed")])
    wanted = [{"Name": name, "Values": list(values)} for name, *values in filters]
    found = ask(place, "ec2", "DescribeVpcPeeringConnections", Filters=wanted)["VpcPeeringConnections"]
    assert [row["VpcPeeringConnectionId"] for row in found] == [f"pcx-{number}" for number in numbers]


def test_transit_gateways_by_id_and_filter() -> None:
    gateways = [
        {"TransitGatewayId": f"tgw-{number}", "State": state} for number, state in enumerate(("available", "deleted"))
    ]
    place = new_place(transit_gateways=gateways)
    assert ask(place, "ec2", "DescribeTransitGateways", TransitGatewayIds=["tgw-1"])["TransitGateways"] == gateways[1:]
    wanted = [{"Name": "state", "Values": ["available"]}]
    assert ask(place, "ec2", "DescribeTransitGateways", Filters=wanted)["TransitGateways"] == gateways[:1]


def test_pages() -> None:
    place = new_place(vpc_peerings=[_peering(number) for number in range(12)])
    found = pages(place, "ec2", "DescribeVpcPeeringConnections", MaxResults=5)
    assert [len(answer["VpcPeeringConnections"]) for answer in found] == [5, 5, 2]


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        (
            "DescribeVpcPeeringConnections",
            {"VpcPeeringConnectionIds": ["pcx-9"]},
            "InvalidVpcPeeringConnectionID.NotFound",
        ),
        ("DescribeTransitGateways", {"TransitGatewayIds": ["tgw-9"]}, "InvalidTransitGatewayID.NotFound"),
        ("DescribeTransitGateways", {"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue"),
        ("DescribeTransitGateways", {"NextToken": "made-up"}, "InvalidParameterValue"),
        ("DescribeTransitGateways", {"DryRun": True}, "DryRunOperation"),
    ],
)
def test_refusals(operation: str, params: dict[str, Any], code: str) -> None:
    assert refused(new_place(), "ec2", operation, **params).code == code
