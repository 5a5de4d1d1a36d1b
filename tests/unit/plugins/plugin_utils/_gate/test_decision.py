# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._gate.decision import Asked, decide, decision_in_words

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=timezone.utc)
QUARTER = 900.0
HOUR = 3600.0


def resource(name, verdict="ready", exposure_s=HOUR):
    """A row of the readiness."""
    return {"resource": name, "verdict": verdict, "exposure_s": exposure_s}


def diagnosis(verdict="ready", *resources, **more):
    """A diagnosis of prod with that readiness and an RPO of two hours."""
    listed = list(resources) or [resource("ledger"), resource("orders")]
    worst = max((row["exposure_s"] or 0.0 for row in listed), default=None)
    ready = {"verdict": verdict, "rpo_s": 2 * HOUR, "worst_exposure_s": worst, "reason": None, "resources": listed, **more}
    return {"target": {"name": "prod"}, "status": "healthy", "root_cause": None, "dr_readiness": ready}


def ask(told, minutes_ago=1.0, problem="", **asked):
    """The decision about evidence of so long ago."""
    read_at = None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago)
    wanted = Asked(**{"max_age_s": QUARTER, **asked})
    return decide(wanted, NOW, diagnosis=told, read_at=read_at, problem=problem, called="host1")


def test_ready_lets_the_runbook_go_on():
    decision = ask(diagnosis())
    assert (decision["decision"], decision["readiness"], decision["override"]) == ("passed", "ready", None)
    assert decision_in_words(decision) == "prod is ready: worst exposure 60 min (RPO 2 h). Read 60 s ago."
    assert (decision["age_s"], decision["read_at"], decision["decided_at"]) == (60.0, "2026-11-21T02:59:00Z", "2026-11-21T03:00:00Z")


def test_not_ready_stops_with_resources_and_cause():
    told = diagnosis("not_ready", *(resource(name, "not_ready", 7 * HOUR) for name in "abcd"), resource("e"))
    told["root_cause"] = {"cause": "network_dns", "title": "DNS fails", "confidence": "likely"}
    decision = ask(told)
    assert (decision["decision"], decision["readiness"], decision["cause"]) == ("stopped", "not_ready", "network_dns")
    lost = "a: not ready, exposure 7 h; b: not ready, exposure 7 h; c: not ready, exposure 7 h; and 1 more"
    assert decision["reason"] == f"{lost}; cause: DNS fails (likely)"
    assert decision_in_words(decision).endswith("To go on all the same, set sync_gate_override_by and sync_gate_override_reason.")


UNKNOWN = {
    "too old": (diagnosis(), {"minutes_ago": 16}, "what was read is older than the 15 min that are allowed; it was ready then"),
    "of no known time": (diagnosis(), {"minutes_ago": None}, "nobody can say when the evidence was read"),
    "of the future": (diagnosis(), {"minutes_ago": -5}, "the evidence is dated 5 min ahead of this machine's clock"),
    "of another": (diagnosis(), {"target": "stage"}, "the diagnosis is of prod"),
    "of another kind": ({**diagnosis(), "target": {"name": "prod", "kind": "cluster"}}, {"kind": "region"}, "the diagnosis is of the pair of clusters"),
    "of no kind": (diagnosis(), {"kind": "cluster"}, "the diagnosis is of the pair of something else"),
    "supposed": ({**diagnosis(), "supposing": {}}, {}, "the diagnosis is of supposed values"),
    "of nobody": ({**diagnosis(), "target": "prod"}, {}, "the diagnosis does not say what it is of"),
    "of an odd verdict for all": (diagnosis(None), {"resources": ("orders",)}, "the diagnosis does not say whether it is ready"),
    "with an error": (
        diagnosis("ready", {**resource("ledger", exposure_s=2 * HOUR - 300), "exposure_error_s": 270.0}),
        {},
        "worst exposure 115 min (RPO 2 h), which with the 60 s since then is more than the RPO",
    ),
    "run out since": (
        diagnosis("ready", resource("ledger", exposure_s=2 * HOUR - 60)),
        {"minutes_ago": 2},
        "worst exposure 119 min (RPO 2 h), which with the 2 min since then is more than the RPO",
    ),
    "no resource of that name": (
        diagnosis(),
        {"resources": ("ledgre",)},
        "the diagnosis says nothing of ledgre; it lists ledger, orders",
    ),
    "without exposure": (diagnosis("ready", worst_exposure_s=None), {}, "the diagnosis calls it ready and tells no exposure"),
    "of an odd verdict": (diagnosis(["ready"]), {}, "the diagnosis does not say why"),
    "of a gap": (
        {**diagnosis("unknown", reason="points could not be compared"), "settle_by": "Close the gap in jobs."},
        {},
        "points could not be compared; to decide it: Close the gap in jobs",
    ),
    "without readiness": ({"target": {"name": "prod"}}, {}, "the diagnosis does not say why"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_stops(name):
    told, asked, reason = UNKNOWN[name]
    decision = ask(told, **asked)
    assert (decision["decision"], decision["readiness"]) == ("stopped", "unknown")
    assert decision["reason"].startswith(reason)


def test_of_the_pair_of_that_kind():
    told = {**diagnosis(), "target": {"name": "prod", "kind": "region"}}
    assert [ask(told, kind=kind)["decision"] for kind in ("region", "cluster", "")] == ["passed", "stopped", "passed"]
    assert [ask(told, kind=kind)["kind"] for kind in ("region", "cluster", "")] == ["region", "cluster", "region"]


def test_evidence_of_the_future_was_not_read_just_now():
    decision = ask(diagnosis(), minutes_ago=-5)
    assert decision["age_s"] == -300.0 and "ago" not in decision_in_words(decision)


def test_a_minute_of_the_future_is_a_clock():
    assert ask(diagnosis(), minutes_ago=-0.9)["decision"] == "passed"


def test_without_a_diagnosis_the_reason_is_why_there_is_none():
    decision = ask(None, minutes_ago=None, problem="Nothing can be read:\n\tno route")
    assert (decision["target"], decision["reason"], decision["readiness"]) == ("host1", "Nothing can be read: no route", "unknown")
    assert ask(None)["reason"] == "there is no diagnosis"


def test_only_the_resources_that_are_failed_over_count():
    told = diagnosis("not_ready", resource("ledger", "not_ready", 7 * HOUR), resource("orders"), resource("media", "unknown", None))
    assert ask(told, resources=("orders",))["decision"] == "passed"
    assert ask(told, resources=("orders", "ledger"))["readiness"] == "not_ready"
    assert ask(told, resources=("orders", "media"))["reason"] == "media: unknown"
    twice = diagnosis("not_ready", resource("ledger", "not_ready", 7 * HOUR), resource("ledger"))
    assert ask(twice, resources=("ledger",))["readiness"] == "not_ready"


def test_what_speaks_against_all_speaks_against_one():
    told = diagnosis("not_ready", reason="there is no destination vault")
    decision = ask(told, resources=("orders",))
    assert (decision["readiness"], decision["reason"]) == ("not_ready", "there is no destination vault")
    same = diagnosis("unknown", reason="source and destination are the same cluster", resources=[])
    assert ask(same, resources=("orders",))["reason"].endswith("source and destination are the same cluster")


def test_the_exposure_of_the_wanted_resources_runs_out():
    told = diagnosis("ready", resource("ledger", exposure_s=2 * HOUR - 60), resource("orders"))
    assert ask(told, minutes_ago=2, resources=("orders",))["decision"] == "passed"
    assert ask(told, minutes_ago=2)["decision"] == "stopped"


def test_an_override_names_who_and_why_and_what_would_have_stopped():
    asked = {"by": "Jane Doe", "reason": "restored by hand, see INC-42"}
    decision = ask(diagnosis("unknown", reason="no RPO was given"), **asked)
    assert (decision["decision"], decision["readiness"], decision["reason"]) == ("overridden", "unknown", "no RPO was given")
    assert decision["override"] == {"by": "Jane Doe", "reason": "restored by hand, see INC-42"}
    words = "Jane Doe goes on all the same: restored by hand, see INC-42. prod is not known to be ready: no RPO was given."
    assert decision_in_words(decision) == f"{words} Read 60 s ago."
    assert ask(None, minutes_ago=None, **asked)["decision"] == "overridden"


def test_an_override_that_is_not_needed_is_none():
    decision = ask(diagnosis(), by="Jane Doe", reason="to be sure")
    assert (decision["decision"], decision["override"]) == ("passed", None)
    assert ask(diagnosis("unknown"), by="Jane Doe")["decision"] == "stopped"
