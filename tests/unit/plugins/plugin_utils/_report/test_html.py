# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: it says and draws what the diagnosis and its evidence say, and hostile text in it stays text."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.formats import gathered_at
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.html import html
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import healthy
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import (
    BUNDLE,
    DIAGNOSIS,
    HOSTILE,
    hostile,
    hostile_bundle,
)

VOID = {"meta", "link", "br", "circle", "path", "line", "rect"}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes and what stands in them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts, self.unclosed = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.unclosed.append((tag, self.open[-3:]))
        else:
            self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def of(self, tag, kind=None):
        return [attrs for found, attrs in self.elements if found == tag and (kind is None or kind in (attrs.get("class") or "").split())]


def page(diagnosis, bundle=None, **more):
    bundle = BUNDLE if bundle is None else bundle
    return Page(html(diagnosis, bundle, gathered_at=gathered_at(bundle), where="/reports/prod", **more))


def sound(found):
    """Nothing is left open, nothing is a script, every link leads somewhere in the page and every id is there once."""
    assert (found.open, found.unclosed) == ([], [])
    ids = [attrs["id"] for dummy, attrs in found.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for tag, attrs in found.elements if tag == "a"]
    assert links and all(link[:1] == "#" and link[1:] in ids for link in links)
    tags = {tag for tag, dummy in found.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert all(not name.startswith("on") and name != "style" for dummy, attrs in found.elements for name in attrs)
    assert "<Macro" not in found.text and "Undefined" not in found.text
    loads = [attrs[name] for tag, attrs in found.elements for name in ("src", "href") if name in attrs and tag != "a"]
    assert loads == ["data:,"]
    return found


def test_it_says_what_is_wrong_and_what_to_do():
    found = sound(page(DIAGNOSIS))
    for part in (
        "FAILING",
        "disaster recovery: not ready",
        "DNS does not resolve the endpoint's name",
        "NOT READY, worst exposure 6 h 30 min (RPO 2 h)",
        "Next steps",
        "no such host",
        "Not ready: 4",
        "All files: /reports/prod",
    ):
        assert part in found.text, part
    assert [attrs["class"] for attrs in found.of("header")] == ["failing"]


def test_it_says_which_pair_and_when_it_was_read():
    told = copy.deepcopy(DIAGNOSIS)
    told["target"].update(source="eu", destination="dr", namespace="backup", source_namespace="live")
    found = page(told)
    assert "eu -> dr | namespace live -> backup" in found.text and "read 2026-11-21 23:30Z" in found.text


def test_the_chain_is_drawn_up_to_its_broken_link():
    found = page(DIAGNOSIS)
    states = [hop["state"] for hop in DIAGNOSIS["root_cause"]["chain"]]
    assert [attrs["class"].split()[1] for attrs in found.of("circle", "hop")] == states
    assert states.count("broken") == 1
    assert [attrs["class"].split()[1] for attrs in found.of("line", "way")] == states[1:]


def test_the_timeline_draws_each_point_by_what_became_of_it():
    found = page(DIAGNOSIS)
    # and one of each in the legend
    assert len(found.of("circle", "there")) == 4 * 18 + 1
    assert len(found.of("path", "lost")) == 4 * 5 + 1
    assert len(found.of("circle", "open")) == 4 + 1
    assert len(found.of("path", "unclear")) == 4 + 1
    [rpo] = [attrs for attrs in found.of("line", "limit") if attrs["y1"] == "20"]
    risks = found.of("rect", "risk")
    assert len(risks) == 4 and all("bad" in attrs["class"] for attrs in risks)
    # what would be lost is longer than the RPO: it begins to the left of the line
    assert all(float(attrs["x"]) < float(rpo["x1"]) for attrs in risks)


def test_the_bars_stand_to_each_other_as_the_figures():
    told = copy.deepcopy(DIAGNOSIS)
    for row, exposure in zip(told["dr_readiness"]["resources"], (14400, 7200, 3600, 0)):
        row.update(exposure_s=exposure, verdict="not_ready" if exposure > 7200 else "ready")
    bars = [attrs for attrs in page(told).of("rect") if attrs.get("height") == "12"][:4]
    lengths = [float(attrs["width"]) for attrs in bars]
    assert lengths[0] == pytest.approx(2 * lengths[1], rel=0.01) == pytest.approx(4 * lengths[2], rel=0.01)
    assert [attrs["class"] for attrs in bars] == ["bad", "good", "good", "good"]


def test_the_columns_are_red_below_the_threshold_and_empty_where_nothing_ran():
    parts = [attrs["class"] for attrs in page(DIAGNOSIS).of("rect") if attrs.get("rx") == "2" and attrs.get("height") != "12"]
    assert parts[:23] == ["good"] * 3 + ["none"] + ["good"] * 14 + ["bad"] * 5
    assert parts[23:] == ["plain"] * 3 + ["none"] + ["plain"] * 19


def test_the_hours_show_failures_and_the_schedule():
    found = page(DIAGNOSIS)
    assert "Runs failed that began in the hours 18:00, 19:00, 20:00, 21:00, 22:00, 23:00 UTC." in found.text
    assert len(found.of("path", "due")) == 24
    pruned = copy.deepcopy(BUNDLE)
    pruned["evidence"]["jobs"]["summary"]["horizon"] = {"successful_limit": 3, "failed_limit": 1}
    assert "of a CronJob as few as 3 good and 1 failed are kept" in page(DIAGNOSIS, pruned).text
    nightly = copy.deepcopy(BUNDLE)
    for row in nightly["evidence"]["jobs"]["cronjobs"]:
        row.update(schedule="30 1,13 * * *", time_zone="Europe/Berlin")
    assert len(page(DIAGNOSIS, nightly).of("path", "due")) == 2
    assert "00:00 UTC: 0 of 0 failed, on the schedule" in page(DIAGNOSIS, nightly).text  # 01:30 in Berlin in winter


def test_a_suspended_cronjob_is_not_on_the_schedule():
    bundle = copy.deepcopy(BUNDLE)
    for row in bundle["evidence"]["jobs"]["cronjobs"]:
        row["suspended"] = True
    assert page(DIAGNOSIS, bundle).of("path", "due") == []


def test_the_timeline_goes_by_the_clock_that_dates_the_points():
    bundle = copy.deepcopy(BUNDLE)
    points = bundle["evidence"]["recovery_points"]
    as_it_is = [attrs["x"] for attrs in page(DIAGNOSIS, bundle).of("rect", "risk")]
    points["observed_at"], points["summary"]["skew_s"] = "2026-11-22T05:30:00Z", 21600.0  # six hours ahead
    assert [attrs["x"] for attrs in page(DIAGNOSIS, bundle).of("rect", "risk")] == as_it_is


def test_what_is_not_known_is_not_drawn_as_good():
    told, bundle = copy.deepcopy(DIAGNOSIS), copy.deepcopy(BUNDLE)
    for row in told["dr_readiness"]["resources"]:
        row.update(verdict="unknown")
    for row, verdict in zip(bundle["evidence"]["copy_lag"]["resources"], ("unknown", "late", "on_time", "on_time")):
        row["verdict"] = verdict
    bundle["evidence"]["copy_lag"]["resources"][3]["lag_s"] = -360.0
    bundle["evidence"]["metrics"]["summary"]["success_rate"]["verdict"] = "stale"
    bundle["evidence"]["metrics"]["course"][3]["runs"] = 0
    found = page(told, bundle)
    bars = [attrs["class"] for attrs in found.of("rect") if attrs.get("height") == "12"]
    assert bars == ["unclear"] * 4 + ["unclear", "bad", "good", "unclear"]
    assert not found.of("rect", "risk bad") and len(found.of("rect", "risk")) == len(found.of("rect", "unclear")) - 4 - 2 - 22
    assert "nothing ran" in found.text


def test_findings_are_told_with_their_evidence_and_gaps_with_their_grant():
    told = copy.deepcopy(DIAGNOSIS)
    told["gaps"] = [{"step": "logs", "outcome": "forbidden", "message": "pods/log: no", "grant": {"resources": ["pods/log"]}}]
    found = sound(page(told))
    fired = [row for row in told["findings"] if row["state"] == "fired"]
    assert all(row["title"] in found.text and row["rule"] in found.text for row in told["findings"])
    assert fired and '"resources": [ "pods/log" ]' in found.text
    assert len(found.of("details", "raw")) == len(BUNDLE["evidence"])


def test_a_healthy_pair_has_no_chain_and_no_next_steps():
    bundle = healthy()
    found = sound(page(diagnose(bundle), bundle))
    assert "Nothing is wrong: copies arrive." in found.text and not found.of("circle", "hop")
    assert [attrs["class"] for attrs in found.of("header")] == ["healthy"]


def test_a_thousand_resources_are_drawn_in_part_and_listed_in_full():
    told, bundle = copy.deepcopy(DIAGNOSIS), copy.deepcopy(BUNDLE)
    names = [f"volume-{number:04}" for number in range(1000)]
    told["dr_readiness"]["resources"] = [
        {"resource": name, "verdict": "not_ready" if number < 40 else "ready", "exposure_s": 9000 - number}
        for number, name in enumerate(names)
    ]
    bundle["evidence"]["recovery_points"]["timeline"] = [
        {"resource": name, "verdicts": bundle["evidence"]["recovery_points"]["timeline"][0]["verdicts"]} for name in names
    ]
    text = html(told, bundle)
    found = sound(Page(text))
    assert len(found.of("rect", "risk")) == 30 and found.text.count("970 more resources are in the table only") == 2
    assert "Not ready: 40" in found.text and "The 960 other resources" in found.text
    assert all(name in found.text for name in names)
    assert len(text) < 700_000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_stays_text(name):
    text = HOSTILE[name]
    found = sound(page(hostile(text), hostile_bundle(text)))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", html(hostile(text), hostile_bundle(text)))
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    assert found.text.count(shown) >= 15


def test_ten_megabytes_of_message_do_not_become_a_page_of_that_size():
    text = "word " * 2_000_000
    assert len(html(hostile(text), hostile_bundle(text))) < 1_000_000


def test_without_evidence_the_page_says_what_the_diagnosis_says():
    found = sound(page(DIAGNOSIS, {}))
    assert "DNS does not resolve the endpoint's name" in found.text and not found.of("details", "raw")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _leaves(value, path=()):
    if isinstance(value, (dict, list)):
        yield path
        for key, held in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(held, (*path, key))
    else:
        yield path


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_bundle_that_somebody_edited_is_told_all_the_same(data):
    whole = {"diagnosis": copy.deepcopy(DIAGNOSIS), "bundle": copy.deepcopy(BUNDLE)}
    for dummy in range(3):
        path = data.draw(st.sampled_from([found for found in _leaves(whole) if len(found) > 1]))
        holder = whole
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = data.draw(_JSON)
    sound(page(whole["diagnosis"], whole["bundle"]))
