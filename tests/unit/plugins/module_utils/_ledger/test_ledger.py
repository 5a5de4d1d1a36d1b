# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: which point is which, what is missing, and what a disaster now would cost."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.matching import match
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import (
    Point,
    Skew,
    judge_lag,
    known_time,
    point_from_feed,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.readiness import (
    POINT_VERDICTS,
    RESOURCE_VERDICTS,
    keep_ledger,
    resource_rows,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
EXACT = Skew(0.0, 1.0)  # uncertainty 1 + 1 + 2 x 2 = 6 s
KEYS = ("velero.io/volume-snapshot-name", "velero.io/backup-name")
HOUR = 3600.0


def at(minutes: float) -> datetime:
    """So many minutes before noon."""
    return NOON - timedelta(minutes=minutes)


def backup(name: str, minutes: float | None, resource: str = "orders", **more) -> Point:
    """A completed source backup, cut so many minutes before noon."""
    cut = None if minutes is None else at(minutes)
    return Point(**{"resource": resource, "name": name, "point_in_time": cut, "completed_at": cut, **more})


def copy(name: str, minutes: float | None, resource: str = "orders", **more) -> Point:
    """A ready recovery point whose own point in time lies so many minutes before noon."""
    cut = None if minutes is None else at(minutes)
    return Point(**{"resource": resource, "name": name, "point_in_time": cut, "ready": True, **more})


def pairs(sources, destinations, *, skew=EXACT, tolerance_s=300.0, rename=str):
    """{source name: (destination name, method)}"""
    found = match(sources, destinations, skew=skew, tolerance_s=tolerance_s, key_order=KEYS, rename=rename)
    return {sources[s].name: (destinations[d].name, method) for s, (d, method) in found.pairs.items()}


def ledger(sources, destinations, *, skew=EXACT, window_s=HOUR, tolerance_s=300.0, now=NOON):
    """Entries at noon on the source's clock."""
    matching = match(sources, destinations, skew=skew, tolerance_s=tolerance_s, key_order=KEYS)
    return keep_ledger(
        sources, destinations, matching, now=now.timestamp(), skew=skew, window_s=lambda dummy: window_s
    )


def verdicts(sources, destinations, **more):
    """{name of the source, else of the destination: verdict}"""
    return {(e.source or e.destination).name: e.verdict for e in ledger(sources, destinations, **more)}


def row(sources, destinations, *, rpo_s=None, skew=EXACT, **more):
    """The row of the only resource."""
    entries = ledger(sources, destinations, skew=skew, **more)
    (only,) = resource_rows(entries, now=NOON.timestamp(), rpo_s=rpo_s, skew=skew)
    return only


# ----------------------------------------------------------------------------------------------------- methods


def test_an_equal_key_wins_over_an_equal_name_and_an_equal_time():
    key = {"velero.io/backup-name": "nightly"}
    sources = [backup("a", 60, keys=key)]
    destinations = [copy("imported-1", 5, keys=key), copy("a", 60)]
    assert pairs(sources, destinations) == {"a": ("imported-1", "exact_key")}


def test_within_one_velero_backup_the_resource_decides():
    key = {"velero.io/backup-name": "nightly"}
    sources = [backup("s-orders", 60, "orders", keys=key), backup("s-users", 60, "users", keys=key)]
    destinations = [copy("d-users", None, "users", keys=key), copy("d-orders", None, "orders", keys=key)]
    assert pairs(sources, destinations) == {"s-orders": ("d-orders", "exact_key"), "s-users": ("d-users", "exact_key")}


def test_the_last_snapshot_of_a_backup_is_not_paired_with_that_of_another_known_resource():
    key = {"velero.io/backup-name": "nightly"}
    sources = [backup("s-orders", 60, "orders", keys=key), backup("s-users", 600, "users")]
    assert pairs(sources, [copy("d-users", None, "users", keys=key)]) == {}


def test_a_handle_wins_over_a_name():
    sources = [backup("a", 60, handle="snap-1"), backup("b", 30, handle="snap-2")]
    destinations = [copy("a", None, handle="snap-2"), copy("x", None, "imported", handle="snap-1")]
    assert pairs(sources, destinations) == {"a": ("x", "handle"), "b": ("a", "handle")}


def test_a_name_is_compared_after_renaming_the_destination():
    sources = [backup("orders-1", None)]
    destinations = [copy("orders-1-dr", None)]
    assert pairs(sources, destinations) == {}
    assert pairs(sources, destinations, rename=lambda name: name.replace("-dr", "")) == {
        "orders-1": ("orders-1-dr", "name")
    }


def test_time_pairs_within_the_tolerance_and_only_one_resource():
    sources = [backup("s", 60)]
    assert pairs(sources, [copy("d", 56)]) == {"s": ("d", "time")}
    assert pairs(sources, [copy("d", 54)]) == {}
    assert pairs(sources, [copy("d", 56, "users")]) == {}


def test_an_equal_time_is_no_guess_even_where_another_one_is_near():
    assert pairs([backup("s", 60)], [copy("d", 60), copy("near", 58)]) == {"s": ("d", "time")}


def test_times_of_the_destination_are_corrected_by_the_skew():
    fast = Skew(600.0, 1.0)  # the destination is ten minutes ahead
    assert pairs([backup("s", 60)], [copy("d", 48)], skew=fast) == {"s": ("d", "time")}  # 12 min apart as written
    assert pairs([backup("s", 60)], [copy("d", 70.1)], skew=fast) == {}


def test_a_corrected_time_that_is_equal_is_no_guess_either():
    destinations = [copy("d", 50), copy("near", 48)]
    assert pairs([backup("s", 60)], destinations, skew=Skew(600.0, 1.0)) == {"s": ("d", "time")}


def test_a_time_that_travelled_with_the_data_is_equal_as_written():
    assert pairs([backup("s", 60)], [copy("d", 60)], skew=Skew(7200.0, 1.0)) == {"s": ("d", "time")}


def test_two_candidates_in_time_are_ambiguous_on_both_sides():
    sources, destinations = [backup("s", 60)], [copy("d1", 58), copy("d2", 62)]
    assert verdicts(sources, destinations) == {"s": "ambiguous", "d1": "ambiguous", "d2": "ambiguous"}
    assert verdicts([backup("s1", 58), backup("s2", 62)], [copy("d", 60)]) == {
        "s1": "ambiguous",
        "s2": "ambiguous",
        "d": "ambiguous",
    }


def test_a_failed_backup_is_expected_nowhere_and_takes_no_copy_in_time():
    failed = backup("bad", 60, state="failed")
    assert verdicts([failed], [copy("d", 60)]) == {"d": "orphan"}
    assert verdicts([failed, backup("good", 61)], [copy("d", 61)]) == {"good": "matched"}


# ---------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    "minutes, expected",
    [(59, "in_flight"), (60, "in_flight"), (60.09, "in_flight"), (60.2, "overdue")],  # 60 min + 6 s
)
def test_a_backup_is_overdue_only_beyond_window_and_uncertainty(minutes, expected):
    assert verdicts([backup("s", minutes)], []) == {"s": expected}


def test_a_gap_before_a_newer_copy_is_missing_and_not_overdue():
    assert verdicts([backup("old", 300), backup("new", 120)], [copy("new", 120)]) == {
        "old": "missing",
        "new": "matched",
    }


def test_a_newer_copy_that_is_not_ready_does_not_excuse():
    sources = [backup("old", 300), backup("new", 120)]
    assert verdicts(sources, [copy("new", 120, ready=False)])["old"] == "overdue"


@pytest.mark.parametrize(
    "more, expected",
    [
        ({"ready": True}, "matched"),
        ({"ready": False}, "not_ready"),
        ({"ready": None}, "unknown"),
        ({"ready": True, "error": "content lost"}, "not_ready"),
    ],
)
def test_a_pair_is_as_good_as_its_copy(more, expected):
    assert verdicts([backup("s", 120)], [copy("s", 120, **more)]) == {"s": expected}


def test_what_only_the_destination_has():
    sources = [backup("s", 120)]
    found = verdicts(
        sources,
        [copy("s", 120), copy("older", 600), copy("foreign", 30), copy("broken", None, ready=False), copy("odd", None)],
    )
    assert found == {
        "s": "matched",
        "older": "pruned",
        "foreign": "orphan",
        "broken": "not_ready",
        "odd": "unknown",
    }


def test_a_backup_without_any_time_is_unknown():
    assert verdicts([backup("s", None)], []) == {"s": "unknown"}


def test_a_copy_without_a_time_is_unknown_and_never_a_mismatch():
    sources = [backup("s", 120)]
    imported = copy("import-1", None, imported=True, available_at=at(60))
    assert verdicts(sources, [imported]) == {"s": "unknown", "import-1": "unknown"}


def test_an_untimed_copy_explains_one_backup_and_none_that_is_newer_than_itself():
    sources = [backup("s1", 500), backup("s2", 400), backup("s3", 120)]
    imported = copy("import-1", None, imported=True, available_at=at(300))
    assert verdicts(sources, [imported]) == {
        "s1": "overdue",
        "s2": "unknown",
        "s3": "overdue",
        "import-1": "unknown",
    }


def test_an_untimed_copy_that_is_not_ready_explains_nothing():
    assert verdicts([backup("s", 120)], [copy("broken", None, ready=False)])["s"] == "overdue"


def test_of_two_copies_of_one_moment_the_worse_speaks_for_the_resource():
    sources = [backup("s1", 60), backup("s2", 60)]
    assert row(sources, [copy("s1", None), copy("s2", None, ready=False)])["ready"] is False
    assert row(sources, [copy("s1", None, ready=False), copy("s2", None)])["ready"] is False


def test_an_untimed_copy_of_another_known_resource_explains_nothing():
    sources = [backup("s", 120), backup("u", 10, "users")]
    found = verdicts(sources, [copy("import-1", None, "users", available_at=at(0))])
    assert found["s"] == "overdue"


def test_a_matched_copy_without_a_time_takes_the_source_s():
    assert row([backup("s", 120)], [copy("s", None)])["newest_matched_at"] == "2026-11-20T10:00:00Z"


def test_a_copy_that_is_older_than_its_source_is_suspect_and_counts_with_its_own_time():
    (entry,) = ledger([backup("latest", 60)], [copy("latest", 600)])
    assert entry.suspect and entry.time == at(600).timestamp()
    (later,) = ledger([backup("latest", 60)], [copy("latest", 30)])  # received half an hour after the cut
    assert not later.suspect and later.time == at(60).timestamp()


def test_a_copied_time_under_a_large_skew_is_not_suspect():
    (entry,) = ledger([backup("s", 60)], [copy("s", 60)], skew=Skew(900.0, 1.0))
    assert not entry.suspect and entry.time == at(60).timestamp()


# ----------------------------------------------------------------------------------------------- per resource


def test_exposure_counts_from_the_newest_ready_copy():
    sources = [backup("s1", 240), backup("s2", 120), backup("s3", 30)]
    destinations = [copy("s1", 240), copy("s2", 120, ready=False)]
    found = row(sources, destinations, rpo_s=2 * HOUR)
    assert found["newest_source_at"] == "2026-11-20T11:30:00Z"
    assert found["newest_matched_at"] == "2026-11-20T08:00:00Z"
    assert (found["exposure_s"], found["behind_s"]) == (4 * HOUR, 3.5 * HOUR)
    assert found["exposure_error_s"] == 4.0  # 1 + 1 + 2
    assert (found["ready"], found["verdict"], found["method"]) == (False, "not_ready", "name")


@pytest.mark.parametrize(
    "sources, destinations, rpo_s, expected",
    [
        ([backup("s", 60)], [copy("s", 60)], HOUR + 1, "current"),
        ([backup("s", 60)], [copy("s", 60)], HOUR - 3, "current"),  # late by less than the uncertainty
        ([backup("s", 60)], [copy("s", 60)], HOUR - 5, "lagging"),
        ([backup("s", 60)], [copy("s", 60)], None, "current"),
        ([backup("s", 300), backup("t", 120)], [copy("s", 300)], None, "lagging"),
        ([backup("s", 300), backup("t", 120)], [copy("s", 300)], 6 * HOUR, "current"),
        ([backup("s", 300), backup("t", 120)], [copy("s", 300), copy("t", 120, ready=False)], None, "not_ready"),
        ([backup("s", 120)], [], HOUR, "missing"),
        ([backup("s", 5)], [], HOUR, "missing"),  # in flight, and a disaster now would find nothing
        ([backup("s", 120)], [copy("s", 120, ready=False)], HOUR, "not_ready"),
        ([backup("s", 120)], [copy("s", 120, ready=None)], HOUR, "unknown"),
        ([backup("s", 120)], [copy("d1", 119), copy("d2", 121)], HOUR, "unknown"),
        ([backup("s", None)], [copy("s", None)], HOUR, "unknown"),
        ([backup("s", -60)], [copy("s", -60)], HOUR, "unknown"),  # data from the future
    ],
)
def test_the_verdict_of_a_resource(sources, destinations, rpo_s, expected):
    assert row(sources, destinations, rpo_s=rpo_s)["verdict"] == expected


def test_a_copy_whose_source_is_pruned_is_better_than_none():
    found = row([backup("s", 120)], [copy("gone", 6000)], rpo_s=HOUR)
    assert (found["exposure_s"], found["verdict"], found["missing"]) == (360_000.0, "lagging", 1)


def test_a_resource_that_only_the_destination_has_gets_no_row():
    entries = ledger([backup("s", 60)], [copy("s", 60), copy("x", 10, "gone")])
    rows = resource_rows(entries, now=NOON.timestamp(), rpo_s=None, skew=EXACT)
    assert [found["resource"] for found in rows] == ["orders"]


def test_rows_come_worst_first():
    sources = [backup("a", 60, "a"), backup("b", 300, "b"), backup("c", 200, "c"), backup("d", 500, "d")]
    destinations = [copy("a", 60, "a"), copy("b", 300, "b"), copy("c", 200, "c")]
    rows = resource_rows(ledger(sources, destinations), now=NOON.timestamp(), rpo_s=2 * HOUR, skew=EXACT)
    assert [(found["resource"], found["verdict"]) for found in rows] == [
        ("d", "missing"),
        ("b", "lagging"),
        ("c", "lagging"),
        ("a", "current"),
    ]


# ------------------------------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    "arrived, expected",
    [
        (100.0, (100.0, "on_time")),
        (5.0, (0.0, "on_time")),
        (-6.0, (0.0, "on_time")),
        (-6.1, (-6.1, "skew")),  # never clamped
        (3606.0, (3606.0, "on_time")),
        (3606.1, (3606.1, "late")),
    ],
)
def test_a_lag_is_late_only_beyond_doubt(arrived, expected):
    found = judge_lag(1000.0, 1000.0 + arrived, HOUR, 6.0)
    assert (found.lag_s, found.verdict) == expected


def test_the_skew_is_destination_minus_source_and_errors_add_up():
    source = {"offset_s": -2.0, "error_s": 0.5, "samples": 3}
    destination = {"offset_s": 300.0, "error_s": 0.75, "samples": 1}
    assert Skew.between(source, destination) == Skew(302.0, 1.25)
    assert Skew.between(source, destination).uncertainty() == 6.2  # 1.25 + 1 + 2 x 2, to a tenth
    assert Skew.between(source, None) == Skew(0.0, 30.0)


def test_the_zero_time_of_go_is_no_time():
    assert known_time("0001-01-01T00:00:00Z") is None
    assert known_time("0001-01-01T00:00:00+05:00") is None
    assert known_time("1970-01-01T00:00:00Z") is None
    assert known_time("2026-11-20T12:00:00Z") == NOON


def test_a_point_survives_the_feed():
    point = backup("s", 60, namespace="backup", handle="snap-1", keys={"a": "b"}, state="partial")
    assert point_from_feed(point.as_feed()) == point


# --------------------------------------------------------------------------------------------------- properties

_times = st.one_of(
    st.none(),
    st.datetimes(timezones=st.just(timezone.utc)),
    st.integers(-40, 40).map(lambda step: NOON + timedelta(minutes=step * 3)),
)
_points = st.lists(
    st.builds(
        Point,
        resource=st.sampled_from(["orders", "users", ""]),
        name=st.sampled_from(["a", "b", "c", "d"]),
        point_in_time=_times,
        completed_at=_times,
        available_at=_times,
        state=st.sampled_from(["completed", "partial", "failed", "in_progress", "unknown"]),
        ready=st.sampled_from([True, False, None]),
        handle=st.sampled_from([None, "h1", "h2"]),
        keys=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["k1", "k2"])),
    ),
    max_size=12,
)


def _summary(sources, destinations, skew):
    """Everything that evidence would show, free of the order of reading."""
    entries = ledger(sources, destinations, skew=skew)
    lines = sorted(
        (e.verdict, str(e.method), str(e.time), repr(e.source), repr(e.destination), e.suspect) for e in entries
    )
    return lines, resource_rows(entries, now=NOON.timestamp(), rpo_s=HOUR, skew=skew)


@settings(max_examples=150, deadline=None)
@given(_points, _points, st.floats(-1e6, 1e6), st.randoms(use_true_random=False))
def test_any_points_pair_one_to_one_and_in_any_order_alike(sources, destinations, skew_s, chance):
    skew = Skew(skew_s, 0.5)
    found = match(sources, destinations, skew=skew, tolerance_s=300.0, key_order=KEYS)
    taken = [destination for destination, dummy in found.pairs.values()]
    assert len(taken) == len(set(taken))
    assert not found.ambiguous_sources & set(found.pairs) and not found.ambiguous_destinations & set(taken)
    lines, rows = _summary(sources, destinations, skew)
    assert {line[0] for line in lines} <= set(POINT_VERDICTS)
    assert {found_row["verdict"] for found_row in rows} <= set(RESOURCE_VERDICTS)
    shuffled = [chance.sample(points, len(points)) for points in (sources, destinations)]
    assert _summary(*shuffled, skew) == (lines, rows)


def test_two_thousand_points_a_side_pair_in_a_moment():
    sources = [backup(f"s{n}", 15 * n, f"r{n % 20}") for n in range(2000)]
    destinations = [copy(f"d{n}", 15 * n - 1, f"r{n % 20}") for n in range(2000)]
    random.Random(1).shuffle(destinations)
    started = datetime.now()
    assert len(pairs(sources, destinations)) == 2000
    assert (datetime.now() - started).total_seconds() < 2
