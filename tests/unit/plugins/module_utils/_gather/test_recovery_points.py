# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 8: the destination's recovery points against the source's backups."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather.fake_sides import (
    CONTENTS,
    SNAPSHOTS,
    FakeCluster,
    Sides,
    checked,
    items,
    minutes_ago,
    snapshot,
    source_side,
)

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.recovery_points import STEP

SKEW = {"skew_s": 0.0, "error_s": 1.0}


def fed(name, minutes, resource="orders", **more):
    """A source point as step 6 feeds it, cut so many minutes ago."""
    cut = None if minutes is None else minutes_ago(minutes)
    row = {"resource": resource, "name": name, "namespace": "backup", "point_in_time": cut, "completed_at": cut}
    return {**row, "state": "completed", "handle": None, "keys": {}, **more}


def step(snapshots, points=None, *, cluster=None, source=None, **given):
    """Run the step against the destination's snapshots."""
    params = checked(STEP, **{"source_points": points, "skew": SKEW, **given})
    return STEP.gather(params, Sides(cluster or FakeCluster({SNAPSHOTS: snapshots}), source))


def content(name, ref, handle, **status):
    """A VolumeSnapshotContent that was imported by its handle."""
    return {
        "metadata": {"name": name},
        "spec": {"volumeSnapshotRef": {"namespace": "backup", "name": ref}, "source": {"snapshotHandle": handle}},
        "status": {"snapshotHandle": handle, **status},
    }


def test_points_of_another_step_are_compared_without_reading_the_source():
    cluster, source = FakeCluster({SNAPSHOTS: [snapshot("s", 60)]}), source_side()
    evidence = step([], [fed("s", 60)], cluster=cluster, source=source, rpo="2h").evidence
    assert (evidence["outcome"], evidence["summary"]["compared"]) == ("ok", True)
    assert [path for path, dummy in cluster.calls] == [SNAPSHOTS] and source.calls == []
    assert evidence["summary"]["methods"] == {"exact_key": 0, "handle": 0, "name": 1, "time": 0}
    (row,) = evidence["resources"]
    assert (row["verdict"], row["exposure_s"], row["exposure_error_s"], row["ready"]) == ("current", 3600.0, 4.0, True)
    assert evidence["summary"]["resources_ready"] == 1 and evidence["points"] == []


def test_the_telling_points_come_worst_first_and_are_counted():
    snapshots = [snapshot("s1", 300), snapshot("s2", 200, ready=False), snapshot("x", 20), snapshot("old", 9000)]
    points = [fed("s1", 300), fed("s2", 200), fed("s3", 100), fed("s4", 10)]
    evidence = step(snapshots, points, max_rows=2).evidence
    assert [(row["source"], row["verdict"]) for row in evidence["points"]] == [("s3", "overdue"), ("s2", "not_ready")]
    assert (evidence["total"]["points"], evidence["truncated"]) == (5, True)
    summary = evidence["summary"]
    counted = ("matched", "overdue", "missing", "in_flight", "not_ready", "orphan", "pruned")
    assert [summary[name] for name in counted] == [1, 1, 0, 1, 1, 1, 1]


def test_the_timeline_says_what_became_of_each_point():
    points = [fed("s1", 300), fed("s2", 200), fed("s3", 10), fed("u1", 20, "users")]
    evidence = step([snapshot("s1", 300)], points).evidence
    assert [row["resource"] for row in evidence["timeline"]] == [row["resource"] for row in evidence["resources"]]
    told = {row["resource"]: row["verdicts"] for row in evidence["timeline"]}
    assert {verdict: len(times) for verdict, times in told["orders"].items()} == {"in_flight": 1, "overdue": 1, "matched": 1}
    assert list(told["users"]) == ["in_flight"]


def test_points_of_one_verdict_come_newest_first():
    evidence = step([], [fed("s1", 300), fed("s2", 100), fed("s3", 200)]).evidence
    assert [row["source"] for row in evidence["points"]] == ["s2", "s3", "s1"]


def test_a_copy_that_is_older_than_its_source_is_shown():
    evidence = step([snapshot("latest", 600)], [fed("latest", 60)]).evidence
    assert [(row["verdict"], row["suspect"]) for row in evidence["points"]] == [("matched", True)]
    assert evidence["summary"]["skew_suspected"] is True
    assert evidence["resources"][0]["exposure_s"] == 36000.0


def test_the_window_is_the_parameter_s_else_step_6_s_else_one_hour():
    late = [fed("s", 100)]
    assert step([], late).evidence["summary"]["overdue"] == 1
    assert step([], late, windows={"orders": 7200}).evidence["summary"]["in_flight"] == 1
    assert step([], late, windows={"orders": 7200}, expected_window="1h").evidence["summary"]["overdue"] == 1


def test_exposure_is_counted_on_the_source_s_clock():
    ahead = FakeCluster({SNAPSHOTS: [snapshot("s", 60)]}, offset_s=600.0)
    evidence = step([], [fed("s", 60)], cluster=ahead, skew={"skew_s": 600.0, "error_s": 1.0}).evidence
    assert evidence["resources"][0]["exposure_s"] == 3600.0


def test_an_unknown_skew_widens_the_uncertainty():
    evidence = step([snapshot("s", 60)], [fed("s", 60)], skew=None).evidence
    assert (evidence["summary"]["skew_error_s"], evidence["resources"][0]["exposure_error_s"]) == (30.0, 33.0)


def test_the_source_s_clock_is_asked_where_step_6_fed_no_skew():
    source = source_side({"/version": {}}, offset_s=-60.0)
    sides = Sides(FakeCluster({SNAPSHOTS: [snapshot("s", 60)]}), source)
    params = checked(STEP, source={"host": "x"}, source_points=[fed("s", 60)])
    evidence = STEP.gather(params, sides).evidence
    assert (evidence["summary"]["skew_s"], evidence["summary"]["skew_error_s"]) == (60.0, 1.0)
    assert [path for path, dummy in source.calls] == ["/version"]


def test_recorded_snapshots_against_their_own_sources():
    points = [
        fed("orders-20261120-0300", 1080, "orders-data"),
        fed("orders-20261120-0900", 720, "orders-data"),
        fed("users-20261120-0300", 1080, "users-data"),
    ]
    evidence = step(items("volumesnapshots-list"), points, rpo="24h").evidence
    verdicts = {row["source"] or row["destination"]: row["verdict"] for row in evidence["points"]}
    assert verdicts == {
        "orders-20261120-0900": "not_ready",
        "users-20261120-0300": "not_ready",
        "missing-class": "not_ready",
        "imported-dr-copy": "unknown",
        "fresh-no-status": "unknown",
    }
    assert {row["resource"]: row["verdict"] for row in evidence["resources"]} == {
        "users-data": "not_ready",
        "orders-data": "current",
    }
    error = next(row["error"] for row in evidence["points"] if row["source"] == "users-20261120-0300")
    assert "UnauthorizedOperation" in error


# ----------------------------------------------------------------------------------------------------- handles


def test_handles_pair_an_import_that_nothing_else_pairs():
    imported = snapshot("imported-dr-copy", None, "x", created=30, boundVolumeSnapshotContentName="imported-content")
    cluster = FakeCluster({SNAPSHOTS: [imported], CONTENTS: items("volumesnapshotcontents-list")})
    evidence = step([], [fed("s", 120, handle="snap-0bbb2222")], cluster=cluster).evidence
    assert (evidence["summary"]["methods"]["handle"], evidence["summary"]["matched"]) == (1, 1)
    assert evidence["resources"][0]["newest_matched_at"] == minutes_ago(120)
    assert [path for path, dummy in cluster.calls] == [SNAPSHOTS, CONTENTS]


def test_a_content_that_the_snapshot_is_not_bound_to_counts_for_nothing():
    imported = snapshot("imported-dr-copy", None, "x", created=30, boundVolumeSnapshotContentName="another")
    cluster = FakeCluster({SNAPSHOTS: [imported], CONTENTS: items("volumesnapshotcontents-list")})
    assert step([], [fed("s", 120, handle="snap-0bbb2222")], cluster=cluster).evidence["summary"]["matched"] == 0


def test_the_source_s_handles_are_read_where_step_6_fed_none():
    cluster = FakeCluster({SNAPSHOTS: [snapshot("d", None, "x", created=30)], CONTENTS: [content("c", "d", "h1")]})
    source = source_side({CONTENTS: [content("k", "s", "h1")]})
    params = checked(STEP, source={"host": "x"}, source_points=[fed("s", 120)], skew=SKEW)
    evidence = STEP.gather(params, Sides(cluster, source)).evidence
    assert evidence["summary"]["methods"]["handle"] == 1
    assert [path for path, dummy in source.calls] == [CONTENTS]


def test_a_content_gives_the_time_that_its_snapshot_lacks():
    nanoseconds = 1795201200_000000000  # 2026-11-20T19:00:00Z
    cut = content("c", "d", "h9", creationTime=nanoseconds)
    cluster = FakeCluster({SNAPSHOTS: [snapshot("d", None, created=30)], CONTENTS: [cut]})
    evidence = step([], [fed("s", 120, handle="h1")], cluster=cluster).evidence
    assert evidence["summary"]["methods"]["time"] == 1


def test_handles_that_cannot_pair_anything_are_not_read():
    cluster = FakeCluster({SNAPSHOTS: [snapshot("d", None, created=30)]})
    evidence = step([], [fed("s", 120)], cluster=cluster).evidence
    assert [path for path, dummy in cluster.calls] == [SNAPSHOTS] and evidence["denied"] == []


def test_refused_handles_are_no_error_and_are_said():
    cluster = FakeCluster({SNAPSHOTS: [snapshot("d", None, created=30)], CONTENTS: ReadFailed("forbidden", "no")})
    evidence = step([], [fed("s", 120, handle="h1")], cluster=cluster).evidence
    assert evidence["outcome"] == "ok" and evidence["summary"]["unknown"] == 2
    assert [(row["what"], row["outcome"]) for row in evidence["denied"]] == [
        ("storage handles of the destination", "forbidden")
    ]


# ----------------------------------------------------------------------------------------------------- outcomes


def test_without_a_source_nothing_is_an_orphan():
    evidence = step([snapshot("s", 60), snapshot("bad", 60, "users", ready=False)]).evidence
    summary = evidence["summary"]
    assert (evidence["outcome"], summary["compared"], summary["orphan"]) == ("ok", False, 0)
    assert (summary["unknown"], summary["not_ready"]) == (1, 1)
    assert [(row["resource"], row["verdict"]) for row in evidence["resources"]] == [
        ("users", "not_ready"),
        ("orders", "unknown"),
    ]
    assert evidence["denied"][0]["outcome"] == "not_configured"


def test_the_source_is_read_when_nobody_fed_its_points():
    source = source_side({SNAPSHOTS: [snapshot("s", 60)]})
    params = checked(STEP, source={"host": "x"})
    evidence = STEP.gather(params, Sides(FakeCluster({SNAPSHOTS: [snapshot("s", 60)]}), source)).evidence
    assert evidence["summary"]["matched"] == 1 and evidence["summary"]["skew_error_s"] == 1.0
    assert [path for path, dummy in source.calls] == [SNAPSHOTS]


def test_a_source_that_does_not_answer_leaves_the_destination_s_points():
    source = source_side({SNAPSHOTS: ReadFailed("unreachable", "no route")})
    params = checked(STEP, source={"host": "x"})
    evidence = STEP.gather(params, Sides(FakeCluster({SNAPSHOTS: [snapshot("s", 60)]}), source)).evidence
    assert (evidence["outcome"], evidence["summary"]["compared"]) == ("ok", False)
    assert (evidence["denied"][0]["what"], evidence["denied"][0]["outcome"]) == ("source backups", "unreachable")


def test_an_empty_destination_is_empty_and_its_backups_are_missing():
    evidence = step([], [fed("s", 120)]).evidence
    assert (evidence["outcome"], evidence["summary"]["overdue"]) == ("empty", 1)
    assert evidence["resources"][0]["verdict"] == "missing"


@pytest.mark.parametrize(
    "failure, groups, expected",
    [
        (ReadFailed("forbidden", "no", code=403), ["snapshot.storage.k8s.io"], "forbidden"),
        (ReadFailed("forbidden", "no", code=403), [], "api_missing"),
        (ReadFailed("api_missing", "404 page not found", code=404), [], "api_missing"),
        (ReadFailed("unreachable", "no route"), [], "unreachable"),
    ],
)
def test_the_outcome_is_that_of_the_list(failure, groups, expected):
    cluster = FakeCluster({SNAPSHOTS: failure}, groups=groups)
    assert step([], [fed("s", 60)], cluster=cluster).evidence["outcome"] == expected


def test_velero_backups_on_both_sides():
    mapping = {
        "kind": "custom",
        "group": "velero.io",
        "version": "v1",
        "plural": "backups",
        "point_in_time": "status.startTimestamp",
        "completed": "status.completionTimestamp",
        "state": "status.phase",
    }
    path = "/apis/velero.io/v1/namespaces/backup/backups"
    synced = [item for item in items("velero-backups-list") if item["metadata"]["name"] == "daily-20261119030000"]
    sides = Sides(FakeCluster({path: synced}), source_side({path: items("velero-backups-list")}))
    params = checked(STEP, source={"host": "x"}, source_backups=mapping, recovery_points=mapping, rpo="24h")
    evidence = STEP.gather(params, sides).evidence
    (row,) = evidence["resources"]
    assert (row["resource"], row["verdict"], row["newest_matched_at"]) == ("daily", "lagging", "2026-11-19T03:00:00Z")
    assert (row["exposure_s"], row["behind_s"]) == (42 * 3600.0, 24 * 3600.0)
    assert [(r["source"], r["verdict"]) for r in evidence["points"]] == [("daily-20261120030000", "overdue")]


def test_one_cluster_given_twice_is_said():
    sides = Sides(FakeCluster({SNAPSHOTS: []}), FakeCluster({SNAPSHOTS: []}))
    gathered = STEP.gather(checked(STEP, source={"host": "x"}), sides)
    assert gathered.evidence["summary"]["same_cluster"] is True and len(gathered.warnings) == 1


@pytest.mark.parametrize(
    "given, words",
    [
        ({"rpo": "-1h"}, "rpo"),
        ({"tolerance": "2d"}, "tolerance"),
        ({"name_rewrite": {"pattern": "(", "replacement": ""}}, "name_rewrite"),
        ({"name_rewrite": {"pattern": "-dr$", "replacement": "\\2"}}, "name_rewrite"),
        ({"source_points": [{"name": "s"}]}, "source_points"),
        ({"source_points": ["s"]}, "source_points"),
        ({"windows": {"orders": "1h"}}, "windows"),
        ({"recovery_points": {"kind": "pvc"}}, "recovery_points.kind"),
    ],
)
def test_unusable_parameters_are_named_before_anything_is_read(given, words):
    cluster = FakeCluster({SNAPSHOTS: []})
    with pytest.raises(BadParameter) as caught:
        STEP.gather(checked(STEP, **given), Sides(cluster))
    assert words in str(caught.value) and cluster.calls == []


def test_a_name_is_rewritten_before_it_is_compared():
    rewrite = {"pattern": "-dr$", "replacement": ""}
    evidence = step([snapshot("s-dr", None, created=5)], [fed("s", 60)], name_rewrite=rewrite).evidence
    assert evidence["summary"]["methods"]["name"] == 1
