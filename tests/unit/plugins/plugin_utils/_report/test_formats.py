# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Markdown, JUnit and OpenMetrics: they say what the diagnosis says, and hostile text in it stays text."""

from __future__ import annotations

import copy
import html
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.formats import files_of, gathered_at
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import FORMATS
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.region_bundle import fail, healthy
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import (
    BUNDLE,
    DIAGNOSIS,
    HOSTILE,
    hostile,
)

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"h2", "h3", "p", "ul", "ol", "li", "strong", "code", "pre"}


def written(form, diagnosis, bundle=None):
    """The one file of a format."""
    return next(iter(files_of([form], diagnosis, BUNDLE if bundle is None else bundle, "/reports/prod").values()))


def tags(markdown):
    return set(re.findall(r"</?([a-z0-9]+)", PARSER.render(markdown)))


def test_each_format_has_its_file():
    names = ["diagnosis.json", "evidence.json", "junit.xml", "metrics.prom", "report.html", "report.md", "report.txt"]
    assert sorted(files_of(FORMATS, DIAGNOSIS, BUNDLE, "/reports/prod")) == names
    assert sorted(files_of(["json"], DIAGNOSIS, None, "/reports/prod")) == ["diagnosis.json"]


# ------------------------------------------------------------------------------------------------------------ Markdown


def test_markdown_says_what_is_wrong_and_what_to_do():
    text = written("markdown", DIAGNOSIS)
    assert text.startswith("## t: FAILING\n")
    for part in (
        "- **Cause:** DNS does not resolve the endpoint's name",
        "- **Chain:** ",
        "- **Disaster recovery:** NOT READY",
        "### Evidence",
        "no such host`",
        "### Next steps\n\n1. ",
        "```sh\n",
        "### Not ready\n\n- orders: not ready, exposure 6 h 30 min",
        "`/reports/prod`",
    ):
        assert part in text, part
    assert tags(text) == OURS


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_keeps_hostile_text_inert(name):
    text = written("markdown", hostile(HOSTILE[name]))
    rendered = PARSER.render(text)
    assert tags(text) <= OURS
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", text)
    assert not re.search(r"@\w", re.sub(r"<code[^>]*>.*?</code>", "", rendered, flags=re.DOTALL))
    if name in ("script", "marks", "formula", "backticks"):
        shown = " ".join(html.unescape(re.sub(r"<[^>]+>", "", rendered)).split())
        assert shown.count(" ".join(HOSTILE[name].split())) >= 8


def test_markdown_of_very_many_resources_is_bounded():
    told = copy.deepcopy(DIAGNOSIS)
    row = {"verdict": "not_ready", "exposure_s": 60}
    told["dr_readiness"]["resources"] = [{**row, "resource": f"volume-{number}"} for number in range(1000)]
    text = written("markdown", told)
    assert text.count("volume-") == 50 and "and 950 more" in text


def test_markdown_of_a_healthy_pair_is_short():
    text = written("markdown", diagnose(healthy()))
    assert "- **Cause:** none\n" in text and "Next steps" not in text and len(text.splitlines()) < 20


# --------------------------------------------------------------------------------------------------------------- JUnit


def cases(diagnosis):
    suite = ElementTree.fromstring(written("junit", diagnosis))[0]
    return suite, {case.get("name").partition(":")[0]: case for case in suite}


def test_junit_has_a_case_for_the_status_and_each_rule():
    suite, found = cases(DIAGNOSIS)
    assert set(found) == {"status", *(row["rule"] for row in DIAGNOSIS["findings"])}
    assert int(suite.get("tests")) == len(found) == len(suite)
    assert found["status"].find("failure").get("message").startswith("failing: DNS does not resolve the endpoint's name")
    for row in DIAGNOSIS["findings"]:
        case = found[row["rule"]]
        failed, skipped = case.find("failure") is not None, case.find("skipped") is not None
        assert failed == (row["state"] == "fired" and row["severity"] != "info"), row
        assert skipped == (row["state"] in ("unknown", "accepted")), row
    counted = sum(case.find("failure") is not None for case in suite)
    assert int(suite.get("failures")) == counted and int(suite.get("errors")) == 0


def test_junit_of_a_healthy_pair_has_no_failure_and_an_unknown_one_is_skipped():
    suite, found = cases(diagnose(healthy()))
    assert suite.get("failures") == "0" and len(found["status"]) == 0
    nothing = diagnose({"target": {"kind": "region", "name": "x"}, "evidence": {}})
    dummy, found = cases(nothing)
    assert found["status"].find("skipped").get("message") == "inconclusive"
    unknown = [row["rule"] for row in nothing["findings"] if row["state"] == "unknown"]
    assert unknown and all("unknown" in found[rule].find("skipped").get("message") for rule in unknown)


@pytest.mark.parametrize("name", HOSTILE)
def test_junit_stays_well_formed(name):
    suite, dummy = cases(hostile(HOSTILE[name]))
    failure = next(case for case in suite if case.get("name") == "status").find("failure")
    words = "".join(char if char.isprintable() else " " for char in HOSTILE[name]).split()
    assert failure.text.split() == words


# --------------------------------------------------------------------------------------------------------- OpenMetrics

SAMPLE = re.compile(r'^backup_sync_[a-z_]+\{[a-z]+="(?:[^"\\\n]|\\["\\])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\])*")*\} -?[0-9.]+$')


def samples(diagnosis, bundle=None):
    lines = written("openmetrics", diagnosis, bundle).splitlines()
    assert lines[-1] == "# EOF"
    return [line for line in lines if not line.startswith("#")]


def test_openmetrics_tells_status_exposure_lag_and_gaps():
    bundle = fail(healthy(), "Rate exceeded", "orders")
    bundle["evidence"]["copy_lag"]["observed_at"] = "2026-11-20T21:00:00Z"
    found = samples(diagnose(bundle), bundle)
    common = 'target="pair",kind="region"'
    for line in (
        f'backup_sync_status{{{common},status="failing"}} 1',
        f'backup_sync_status{{{common},status="healthy"}} 0',
        f"backup_sync_rpo_seconds{{{common}}} 93600",
        f'backup_sync_cause{{{common},cause="throttling",confidence="likely"}} 1',
        f"backup_sync_observed_timestamp_seconds{{{common}}} 1795208400",
        f"backup_sync_gaps{{{common}}} 0",
        f"backup_sync_resources_failing{{{common}}} 1",
    ):
        assert line in found, line
    assert any(line.startswith(f'backup_sync_lag_seconds{{{common},resource="orders"}}') for line in found)
    assert any(line.startswith(f'backup_sync_exposure_seconds{{{common},resource="orders"}}') for line in found)


@pytest.mark.parametrize("name", HOSTILE)
def test_openmetrics_stays_well_formed(name):
    found = samples(hostile(HOSTILE[name]))
    assert found and all(SAMPLE.match(line) for line in found)


def test_each_name_and_label_stands_in_the_guide():
    guide = (Path(CATALOGUE).parents[3] / "docs" / "reports.md").read_text()
    bundle = fail(healthy(), "Rate exceeded", "orders")
    bundle["evidence"]["copy_lag"]["observed_at"] = "2026-11-20T21:00:00Z"
    found = samples(diagnose(bundle), bundle)
    assert {line.partition("{")[0] for line in found} == set(re.findall(r"backup_sync_\w+", guide))
    labels = {label for line in found for label in re.findall(r'([a-z]+)="', line)}
    assert all(f"`{label}`" in guide for label in labels)


def test_what_is_not_known_has_no_sample():
    told = diagnose({"target": {"kind": "cluster", "name": "x"}, "evidence": {}})
    found = samples(told, {"evidence": {}})
    assert not [line for line in found if "seconds" in line or "cause" in line]
    assert 'backup_sync_status{target="x",kind="cluster",status="inconclusive"} 1' in found
    assert gathered_at({"evidence": {"jobs": None}}) is None
