# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.sre.backup_sync.plugins.module_utils._access import needs
from ansible_collections.sre.backup_sync.plugins.plugin_utils._permissions import report

SETTINGS = {
    "copy_side": "destination",
    "namespace": "dr",
    "source_namespace": "prod",
    "configmap": "vault",
    "has_source": True,
}


def answered(side, *missing):
    """The evidence of a cluster that allows all but these resources."""
    checks = [need._asdict() for need in needs(SETTINGS) if need.side == side]
    return {"checks": [{**check, "allowed": check["resource"] not in missing} for check in checks]}


def test_of_clusters_each_read_is_permitted_missing_or_unknown():
    wanted = needs(SETTINGS)
    rows = report.of_cluster(wanted, {"destination": answered("destination", "events")})
    states = {(row.side, row.step): row.state for row in rows}
    assert states["destination", "jobs"] == report.PERMITTED
    assert [row.what for row in rows if row.state == report.MISSING] == ["list events in dr"] * 2
    assert states["source", "copy_lag"] == report.UNKNOWN
    [role] = report.missing_rules(wanted, rows)["destination"]
    assert role["metadata"] == {"name": "backup-sync-reader", "namespace": "dr"}
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert {("events", "list"), ("jobs", "get"), ("pods/log", "get")} < allowed  # whole, as it is to be


def test_what_belongs_to_no_namespace_is_a_cluster_role():
    wanted = needs(SETTINGS)
    wanted = [need._replace(optional=False) for need in wanted]
    rows = report.of_cluster(wanted, {"source": answered("source", "volumesnapshotcontents")})
    [role] = report.missing_rules(wanted, rows)["source"]
    assert (role["kind"], "namespace" in role["metadata"]) == ("ClusterRole", False)


def test_what_is_seldom_needed_is_told_and_not_asked_for():
    wanted = needs(SETTINGS)
    rows = report.of_cluster(wanted, {"source": answered("source", "volumesnapshotcontents")})
    assert [row.state for row in rows if "contents" in row.what] == [report.UNKNOWN, report.OPTIONAL]
    assert report.missing_rules(wanted, rows) == {}


REFUSED = {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": "*"}
ANSWERS = [
    {"source": {"permitted": ["backup:ListCopyJobs"], "refused": []}, "destination": {"permitted": [], "refused": []}},
    {"source": {"permitted": ["logs:DescribeLogGroups"], "refused": [REFUSED, REFUSED]}},
]


def test_of_regions_what_was_not_asked_is_no_permission():
    rows = report.of_region(ANSWERS)
    states = {row.what: row.state for row in rows if row.side == "source"}
    assert states["backup:ListCopyJobs"] == report.PERMITTED
    assert states["logs:FilterLogEvents"] == report.MISSING
    assert states["kms:DescribeKey"] == report.NOT_ASKED
    assert {row.state for row in rows if row.side == "destination"} == {report.UNKNOWN}  # nothing was heard from there


def test_a_missing_statement_is_as_narrow_as_the_policy():
    assert report.missing_statements(ANSWERS) == {
        "source": [{"Effect": "Allow", "Action": ["logs:FilterLogEvents"], "Resource": "arn:aws:logs:*:*:log-group:*"}]
    }


def test_the_screen_goes_by_the_numbers_of_the_steps():
    rows = report.of_region(ANSWERS)
    lines = report.lines("region", "prod", {"source": "eu-west-1"}, rows, report.missing_statements(ANSWERS))
    assert lines[0] == "prod | what its steps may read" and lines[2] == "SOURCE      eu-west-1"
    assert lines[4] == "  2 copy jobs         permitted; not needed now: backup:ListBackupJobs"
    assert lines[6] == "  4 logs              MISSING logs:FilterLogEvents"
    assert "TO BE ADDED for the identity of the source:" in lines
