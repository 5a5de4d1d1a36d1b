# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accepted findings: known for a while, never hidden, and back on the day after the last."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rule_files import load_file
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import report_lines
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

ENTRY = {
    "rule": "cluster.6.drift_explains",
    "owner": "storage team",
    "reason": "the new bucket comes in December",
    "until": "2026-11-20",
}


def drifting(day="2026-11-20"):
    """Copies that are refused for a setting in which the two sides differ."""
    bundle = failing_bundle("NoSuchBucket: The specified bucket does not exist: copies-old")
    bundle["evidence"]["jobs"]["observed_at"] = f"{day}T23:59:59Z"
    drift = [{"path": "target.bucket", "source": "copies-new", "destination": "copies-old"}]
    bundle["evidence"]["replication_rules"].update(drift=drift)
    return bundle


@pytest.fixture
def accepting(tmp_path):
    """Writes a file of accepted findings, and gives its path."""

    def write(*entries, **more):
        path = tmp_path / "own.yml"
        path.write_text(yaml.safe_dump({"accepted": list(entries), **more}))
        return str(path)

    return write


def finding(diagnosis, rule=ENTRY["rule"]):
    return next(row for row in diagnosis["findings"] if row["rule"] == rule)


def test_the_story_has_the_finding():
    assert finding(diagnose(drifting()))["state"] == "fired"


def test_an_accepted_finding_is_told_and_speaks_for_no_cause(accepting):
    plain = diagnose(drifting())
    diagnosis = diagnose(drifting(), rule_files=[accepting(ENTRY)])
    told = finding(diagnosis)
    assert told["state"] == "accepted" and told["next_steps"] == []
    assert told["accepted"] == {**{key: ENTRY[key] for key in ("owner", "reason", "until")}, "over": False}
    assert diagnosis["status"] == plain["status"] == "failing"
    confidence = [each["root_cause"]["confidence"] for each in (plain, diagnosis)]
    assert confidence == ["confirmed", "likely"]  # the message is left; the configuration no longer agrees with it
    screen = " ".join(" ".join(report_lines(diagnosis)).split())
    assert "ACCEPTED" in screen and "storage team, until 2026-11-20: the new bucket comes in December" in screen


def test_the_day_after_the_last_it_fires_again_and_says_so(accepting):
    diagnosis = diagnose(drifting("2026-11-21"), rule_files=[accepting(ENTRY)])
    told = finding(diagnosis)
    assert told["state"] == "fired" and told["accepted"]["over"] is True
    assert "storage team had accepted this until 2026-11-20" in told["explanation"]
    assert diagnosis["root_cause"]["confidence"] == "confirmed"


def test_where_the_evidence_tells_no_day_nothing_is_accepted(accepting):
    told = finding(diagnose(drifting(day="x"), rule_files=[accepting(ENTRY)]))
    assert told["state"] == "fired" and "the evidence does not tell its day" in told["explanation"]


@pytest.mark.parametrize("targets, state", [(["t"], "accepted"), (["other"], "fired"), (None, "accepted")])
def test_it_is_for_the_pairs_that_it_names(accepting, targets, state):
    entry = {**ENTRY, "targets": targets} if targets else ENTRY
    assert finding(diagnose(drifting(), rule_files=[accepting(entry)]))["state"] == state


def test_for_other_resources_it_goes_on_firing(accepting):
    some = diagnose(drifting(), rule_files=[accepting({**ENTRY, "resources": ["orders", "users"]})])
    assert finding(some)["state"] == "fired" and some["root_cause"]["confidence"] == "confirmed"
    every = diagnose(drifting(), rule_files=[accepting({**ENTRY, "resources": ["ledger", "media", "orders", "users"]})])
    assert finding(every)["state"] == "accepted"


def test_of_two_the_longer_one_holds(accepting):
    older = {**ENTRY, "until": "2026-01-01", "owner": "nobody"}
    for entries in ((older, ENTRY), (ENTRY, older)):
        told = finding(diagnose(drifting(), rule_files=[accepting(*entries)]))
        assert told["accepted"]["owner"] == "storage team"


def test_what_did_not_fire_is_not_accepted(accepting):
    diagnosis = diagnose(failing_bundle(), rule_files=[accepting(ENTRY)])
    assert finding(diagnosis)["state"] == "clear" and "accepted" not in finding(diagnosis)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"owner": None}, "own.yml: accepted cluster.6.drift_explains: the key 'owner' is missing"),
        ({"reason": " "}, "the key 'reason' is missing; who accepts a finding says who, why and how long"),
        ({"until": "soon"}, "until is 'soon'; write the last day like 2026-12-31"),
        ({"until": 20261231.5}, "until is 20261231.5; write the last day"),
        ({"untill": "2026-12-31"}, "unknown key 'untill'; the keys are owner, reason, resources, rule, targets, until"),
        ({"targets": "prod"}, "targets must be a list of the names of pairs; leave it out for all of them"),
        ({"targets": 7}, "targets must be a list"),
        ({"targets": []}, "targets must be a list"),
        ({"targets": [True]}, "targets must be a list"),
        ({"resources": {"orders": 1}}, "resources must be a list of the names of resources"),
        ({"rule": "cluster.9.nothing"}, "accepted cluster.9.nothing: there is no rule of this id for targets of kind cluster"),
    ],
)
def test_a_bad_entry_gets_one_sentence(accepting, change, sentence):
    path = accepting({**ENTRY, **change})
    with pytest.raises(RuleError) as refused:
        diagnose(drifting(), rule_files=[path])
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_dates_of_yaml_are_days(tmp_path):
    path = tmp_path / "own.yml"
    rest = "rule: a, owner: b, reason: c"
    ways = ("2026-12-31", "2026-12-31 08:00:00", "'2026-12-31'")
    path.write_text("accepted:\n" + "".join(f"  - {{{rest}, until: {until}}}\n" for until in ways))
    assert {entry.until.isoformat() for entry in load_file(str(path), "cluster").accepted} == {"2026-12-31"}
