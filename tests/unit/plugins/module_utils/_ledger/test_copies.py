# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which AWS recovery point is the copy of which."""

from __future__ import annotations

import random

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._ledger.aws_rows import (
    DESTINATION_VAULT,
    HOUR,
    NOON,
    OTHER_VAULT,
    SOURCE_VAULT,
    copy,
    job,
    point,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.copies import in_order, link, pair

SECOND = 1 / HOUR


def paired(sources, destinations, jobs=()):
    """The pairing of two lists."""
    return pair(sources, destinations, jobs, source_vault=SOURCE_VAULT, destination_vault=DESTINATION_VAULT)


def pairs(sources, destinations, jobs=()):
    """{source: (destination, method)}"""
    found = paired(sources, destinations, jobs)
    return {
        source.arn: (destinations[place].arn, method)
        for source, place, method in zip(sources, found.partner, found.method)
        if place is not None
    }


def names(points, places):
    """ARNs of the points at these places."""
    return {points[place].arn for place in places}


def test_a_copy_job_links_whatever_the_dates_say():
    assert pairs([point("s", 30)], [copy("d", 3)], [job("s", "d")]) == {"s": ("d", "linkage")}


@pytest.mark.parametrize("state", ["FAILED", "CREATED"])
def test_a_job_without_a_destination_point_links_nothing(state):
    assert not pairs([point("s", 30)], [copy("d", 3)], [job("s", None, state)])


@pytest.mark.parametrize(
    ("seconds", "found"), [(0, True), (0.4, True), (2, True), (59, True), (61, False), (-59, True), (-61, False)]
)
def test_the_date_that_a_copy_keeps_links_within_a_minute(seconds, found):
    expected = {"s": ("d", "source_vault")} if found else {}
    assert pairs([point("s", 5)], [copy("d", 5 - seconds * SECOND)]) == expected


def test_a_copy_that_does_not_say_where_it_is_from_is_linked_by_date_alone():
    assert pairs([point("s", 5)], [copy("d", 5, from_vault=None)]) == {"s": ("d", "time")}


def test_one_that_says_so_goes_before_one_that_does_not():
    found = pairs([point("s", 5)], [copy("silent", 5, from_vault=None), copy("told", 5 + SECOND)])
    assert found == {"s": ("told", "source_vault")}


def test_a_copy_from_another_vault_is_none_of_ours():
    destinations = [copy("d", 5, from_vault=OTHER_VAULT)]
    found = paired([point("s", 5)], destinations)
    assert found.partner == [None]
    assert names(destinations, found.elsewhere) == {"d"}


def test_unless_our_job_brought_it():
    assert pairs([point("s", 5)], [copy("d", 5, from_vault=OTHER_VAULT)], [job("s", "d")]) == {"s": ("d", "linkage")}


def test_a_backup_of_what_lives_at_the_destination_is_none_of_ours():
    home = "arn:aws:ec2:eu-central-1:111122223333:volume/local"
    destinations = [copy("d", 5, from_vault=None, resource_arn=home)]
    assert names(destinations, paired([point("s", 5)], destinations).elsewhere) == {"d"}


def test_another_resource_is_never_paired():
    assert not pairs([point("s", 5)], [copy("d", 5, "users")])


def test_dates_equal_to_the_millisecond_are_told_apart_from_close_ones():
    sources = [point("s1", 5), point("s2", 5 - SECOND)]
    destinations = [copy("d2", 5 - SECOND), copy("d1", 5)]
    assert pairs(sources, destinations) == {"s1": ("d1", "source_vault"), "s2": ("d2", "source_vault")}


def test_two_that_would_fit_are_ambiguous_and_paired_with_none():
    sources, destinations = [point("s", 5)], [copy("d1", 5 + SECOND), copy("d2", 5 - SECOND)]
    found = paired(sources, destinations)
    assert found.partner == [None]
    assert names(sources, found.ambiguous_sources) == {"s"}
    assert names(destinations, found.ambiguous_destinations) == {"d1", "d2"}


def test_one_copy_is_the_copy_of_one_source():
    sources = [point("s1", 5 + SECOND), point("s2", 5 - SECOND)]
    found = paired(sources, [copy("d", 5)])
    assert found.partner == [None, None]
    assert names(sources, found.ambiguous_sources) == {"s1", "s2"}


def test_a_second_copy_of_one_source_is_a_duplicate_and_no_orphan():
    destinations = [copy("old", 5), copy("new", 5)]
    jobs = [job("s", "old", hours=4), job("s", "new", hours=2)]
    found = paired([point("s", 5)], destinations, jobs)
    assert destinations[found.partner[0]].arn == "new"
    assert names(destinations, found.duplicates) == {"old"}


def test_a_usable_copy_goes_before_a_newer_broken_one():
    destinations = [copy("good", 5), copy("broken", 5, status="PARTIAL")]
    jobs = [job("s", "good", hours=4), job("s", "broken", hours=2)]
    assert pairs([point("s", 5)], destinations, jobs) == {"s": ("good", "linkage")}


# ------------------------------------------------------------------------------------------------- calibration


def shifted(hours):
    """Three linked pairs whose copies carry a later date, and one pair that no job links, dated alike."""
    sources = [point(f"s{n}", 24 * n) for n in (1, 2, 3, 4)]
    destinations = [copy(f"d{n}", 24 * n - hours) for n in (1, 2, 3)] + [copy("d4", 96)]
    return sources, destinations, [job(f"s{n}", f"d{n}", hours=24 * n - 1) for n in (1, 2, 3)]


def test_a_type_whose_copies_keep_the_date_may_be_paired_by_it():
    sources, destinations, jobs = shifted(0)
    found = paired(sources, destinations, jobs).calibration["EBS"]
    assert (found.pairs, found.median_offset_s, found.used) == (3, 0.0, True)
    assert pairs(sources, destinations, jobs)["s4"] == ("d4", "source_vault")


def test_a_type_whose_copies_do_not_is_paired_by_jobs_only():
    sources, destinations, jobs = shifted(2)
    found = paired(sources, destinations, jobs).calibration["EBS"]
    assert (found.pairs, found.median_offset_s, found.used) == (3, 7200.0, False)
    assert "s4" not in pairs(sources, destinations, jobs)


def test_one_odd_pair_does_not_switch_the_date_off():
    sources, destinations, jobs = shifted(0)
    destinations[0] = destinations[0]._replace(created=NOON)
    assert paired(sources, destinations, jobs).calibration["EBS"].used


def test_each_type_is_measured_for_itself():
    sources, destinations, jobs = shifted(2)
    sources.append(point("f", 5, "files", type="EFS"))
    destinations.append(copy("g", 5, "files", type="EFS"))
    found = paired(sources, destinations, jobs)
    assert (found.calibration["EFS"].pairs, found.calibration["EFS"].used) == (0, True)
    assert pairs(sources, destinations, jobs)["f"] == ("g", "source_vault")


# --------------------------------------------------------------------------------- continuous, and gone sources

CONTINUOUS = "arn:aws:backup:eu-west-1:111122223333:recovery-point:continuous:orders-1a2b3c4d"


def test_a_continuous_source_is_never_paired_by_date():
    sources, destinations = [point(CONTINUOUS, 5, status="AVAILABLE")], [copy("d", 5)]
    found = paired(sources, destinations)
    assert found.partner == [None]
    assert found.jobs_only == {sources[0].resource_arn}


def test_its_copies_are_explained_by_the_jobs_of_its_temporary_snapshots():
    sources, destinations = [point(CONTINUOUS, 400, status="AVAILABLE")], [copy("d", 5)]
    found = paired(sources, destinations, [job("temporary", "d")])
    assert found.partner == [None]
    assert {destinations[place].arn: made.source_point for place, made in found.explained.items()} == {"d": "temporary"}


def test_a_resource_with_jobs_but_without_any_point_is_one_of_jobs_only():
    assert paired([point("u", 5, "users")], [], [job("gone", "d")]).jobs_only == {point("s", 5).resource_arn}


def test_a_gone_point_of_a_resource_that_has_others_does_not_make_it_so():
    assert paired([point("s", 5)], [], [job("gone", "d")]).jobs_only == set()


# --------------------------------------------------------------------------------------------------- composites


def stack(prefix, make, hours, members, **more):
    """A composite point and its members: {identifier: resource}."""
    parent = make(f"{prefix}-stack", hours, "stack", type="CloudFormation", is_parent=True, **more)
    children = [
        make(f"{prefix}-{member}", hours + n * 0.001, resource, parent=parent.arn, member=member)
        for n, (member, resource) in enumerate(members.items())
    ]
    return [parent, *children]


def test_members_are_paired_by_their_identifiers_within_paired_parents():
    members = {"Db": "db", "Files": "files"}
    sources = stack("s", point, 5, members)
    # a restored stack may have other resources under the same identifiers
    destinations = stack("d", copy, 5, {"Db": "db-x", "Files": "files-x"})
    assert pairs(sources, destinations) == {
        "s-stack": ("d-stack", "source_vault"),
        "s-Db": ("d-Db", "composite"),
        "s-Files": ("d-Files", "composite"),
    }


def test_linked_members_link_their_parents_and_these_the_other_members():
    sources = stack("s", point, 50, {"Db": "db", "Files": "files"})
    destinations = stack("d", copy, 3, {"Db": "db", "Files": "files"})
    found = pairs(sources, destinations, [job("s-Db", "d-Db", resource="db")])
    assert found == {
        "s-Db": ("d-Db", "linkage"),
        "s-stack": ("d-stack", "linkage"),
        "s-Files": ("d-Files", "composite"),
    }


def test_parents_whose_members_disagree_are_not_linked_by_them():
    sources = stack("s", point, 50, {"Db": "db", "Files": "files"})
    one, two = stack("d", copy, 3, {"Db": "db"}), stack("e", copy, 2, {"Files": "files"})
    jobs = [job("s-Db", "d-Db", resource="db"), job("s-Files", "e-Files", resource="files")]
    assert "s-stack" not in pairs(sources, one + two, jobs)


def test_a_parent_without_a_job_is_as_far_as_the_worst_of_its_members():
    sources = stack("s", point, 5, {"Db": "db", "Files": "files", "Log": "log"})
    jobs = [job("s-Db", "d"), job("s-Files", None, "RUNNING"), job("s-Log", None, "FAILED")]
    assert link(sources, in_order(jobs)).latest[0].state == "RUNNING"
    jobs[1] = job("s-Files", "e")
    assert link(sources, in_order(jobs)).latest[0].state == "FAILED"


# ---------------------------------------------------------------------------------------------- order of rows

_TIMES = st.integers(min_value=0, max_value=6).map(lambda n: 24 + n * 25 * SECOND)
_SIDE = st.lists(st.tuples(_TIMES, st.sampled_from(["orders", "users"])), max_size=7)
_LINKED = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 3)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(_SIDE, _SIDE, _LINKED, st.randoms())
def test_the_order_of_rows_does_not_matter_and_pairs_are_one_to_one(left, right, linked, chance: random.Random):
    sources = [point(f"s{n}", hours, resource) for n, (hours, resource) in enumerate(left)]
    destinations = [
        copy(f"d{n}", hours, resource, from_vault=SOURCE_VAULT if n % 2 else None)
        for n, (hours, resource) in enumerate(right)
    ]
    jobs = [job(f"s{s}", f"d{d}", hours=float(h), copy_job=f"J{n}") for n, (s, d, h) in enumerate(linked)]

    def result(mine, theirs, runs):
        found = paired(mine, theirs, runs)
        return (
            pairs(mine, theirs, runs),
            names(mine, found.ambiguous_sources),
            names(theirs, found.ambiguous_destinations),
            names(theirs, found.duplicates),
            names(theirs, found.explained),
            found.calibration,
        )

    expected = result(sources, destinations, jobs)
    copies = [destination for destination, dummy in expected[0].values()]
    assert len(copies) == len(set(copies))
    for rows in (sources, destinations, jobs):
        chance.shuffle(rows)
    assert result(sources, destinations, jobs) == expected
