# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals that cannot both be true are set against each other, and one is believed with a reason."""

from __future__ import annotations

import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis import region_bundle
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_region_rules import completed_with_message
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

NOW = "2026-11-20T20:40:00Z"
FATAL = "Fatal: unable to save snapshot: write /repo/data: no space left on device"


def good(**points):
    """Two resources whose latest copies succeeded and, unless told otherwise, arrived."""
    bundle = failing_bundle()
    evidence = bundle["evidence"]
    ended = {"state": "succeeded", "ended_at": "2026-11-20T20:15:00Z"}
    jobs = [{"resource": name, "job": f"{name}-1", **ended} for name in ("orders", "users")]
    evidence["jobs"] = {"outcome": "ok", "summary": {"jobs": 2, "resources": 2}, "resources": jobs, "jobs": []}
    evidence["logs"]["lines"] = []
    row = {"verdict": "current", "ready": True, "exposure_s": 600, "exposure_error_s": 1, **points}
    evidence["recovery_points"].update(
        observed_at=NOW, summary={"compared": True}, resources=[{**row, "resource": name} for name in ("orders", "users")]
    )
    return bundle


def metric(bundle, stale, succeeded, failed):
    rate = {"verdict": "ok", "type": "gauge", "avg": succeeded / (succeeded + failed), "threshold": 0.95}
    rate["runs"] = {"succeeded": succeeded, "failed": failed}
    bundle["evidence"]["metrics"] = {"outcome": "ok", "summary": {"success_rate": rate, "freshness": {"stale": stale}}}
    return bundle


def late(bundle, made="2026-11-20T19:33:00Z"):
    """Of a backup of that time there is no copy."""
    points = bundle["evidence"]["recovery_points"]
    for row in points["resources"]:
        row.update(verdict="lagging", exposure_s=30000)
    lost = {"verdict": "overdue", "point_in_time": made}
    points["points"] = [{"resource": name, "source": f"{name}-7", **lost} for name in ("orders", "users")]
    return bundle


def says(bundle, text, job="orders-1"):
    bundle["evidence"]["logs"]["lines"] = [{"job": job, "resource": "orders", "text": text, "final": False}]
    return bundle


def imported(bundle, arrived):
    times = {"newest_matched_at": "2026-11-20T12:20:00Z", "newest_arrived_at": arrived}
    bundle["evidence"]["recovery_points"]["resources"][0].update(exposure_s=30000, verdict="lagging", **times)
    return bundle


def suspect(bundle, source="orders-7"):
    point = {"resource": "orders", "source": source, "point_in_time": "2026-11-20T20:00:00Z", "suspect": True}
    bundle["evidence"]["recovery_points"]["points"] = [point]
    return bundle


CLUSTER = {
    "all is well": (good, []),
    "the metric fails, the points are there": (lambda: metric(good(), False, 60, 40), ["recovery_points"]),
    "an old metric fails, no copy does": (lambda: metric(late(good()), True, 60, 40), ["recovery_points"]),
    "an old metric fails, of the points nobody knows": (
        lambda: metric(good(verdict="unknown", exposure_s=None), True, 60, 40),
        ["jobs"],
    ),
    "a fresh metric fails, of the points nobody knows": (
        lambda: metric(good(verdict="unknown", exposure_s=None), False, 60, 40),
        [],
    ),
    "an old metric is green, copies fail": (lambda: metric(failing_bundle(), True, 100, 0), ["jobs"]),
    "jobs are green, points are behind": (lambda: late(good()), ["recovery_points"]),
    "the backup was made after the job": (lambda: late(good(), made="2026-11-20T20:33:00Z"), []),
    "a job is green, its log is not, its copy is there": (lambda: says(good(), FATAL), ["recovery_points"]),
    "a job is green, its log is not, its copy is not": (lambda: says(late(good()), FATAL), ["recovery_points", "logs"]),
    "an older job's log says it": (lambda: says(good(), FATAL, job="orders-0"), []),
    "a retry is no complaint": (lambda: says(good(), "retrying after error: connection reset by peer"), []),
    "imported within the RPO, cut before it": (lambda: imported(good(), "2026-11-20T20:00:00Z"), ["recovery_points"]),
    "imported before the RPO as well": (lambda: imported(good(), "2026-11-20T13:00:00Z"), []),
    "a copy that is older than its backup": (lambda: suspect(good()), ["recovery_points"]),
    "a copy of which nobody says whose it is": (lambda: suspect(good(), source=None), []),
}


@pytest.mark.parametrize("story", CLUSTER)
def test_of_clusters(story):
    make, expected = CLUSTER[story]
    found = diagnose(make())["contradictions"]
    assert [item["believe"] for item in found] == expected
    assert all(len(item["signals"]) == 2 and item["reason"] for item in found)


def test_the_words_of_the_log_are_told():
    [found] = diagnose(says(good(), FATAL))["contradictions"]
    assert found["signals"] == ["The latest copy job of orders is Complete.", f"Its log says: {FATAL}"]


def test_what_is_imported_is_as_old_as_its_backup():
    found = diagnose(imported(good(), "2026-11-20T20:00:00Z"))["contradictions"][-1]
    assert "2026-11-20T20:00:00Z, within the RPO" in found["signals"][0] and "2026-11-20T12:20:00Z" in found["signals"][1]


def test_a_completed_copy_job_with_a_message():
    [found] = diagnose(completed_with_message(region_bundle.healthy()))["contradictions"]
    assert found["believe"] == "copy_jobs" and found["signals"][0].endswith("are COMPLETED.")
