# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every scenario through the real playbook, in process and by the module path: what must and must not be concluded."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from pathlib import Path

import harness
import jmespath
import measure
import pytest
import variations
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from jsonschema import Draft202012Validator

READ_VERBS = {"get", "list"}
_ATTEMPTS = 3
REVIEWS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}


# AWS calls that read; each begins with one of these words.
READ_WORDS = ("Describe", "Get", "List", "Filter", "Lookup", "AssumeRole", "StartQuery", "StopQuery", "Simulate")
BATCH = 10  # scenarios whose labs run at the same time, so that one playbook takes all of them
ALL = [
    pytest.param((kind, first, name), id=f"{kind}-{name}", marks=pytest.mark.xdist_group(f"{kind}-{first}"))
    for kind in harness.SCENARIOS
    for names in [harness.scenario_names(kind)]
    for first in range(0, len(names), BATCH)
    for name in names[first : first + BATCH]
]


class _Batches:
    """What the scenarios told, run when the first of a batch is asked for; the labs of one batch run at a time."""

    def __init__(self, folders: pytest.TempPathFactory, python: Path) -> None:
        self._folders = folders
        self._python = python
        self._told: dict[tuple[str, int], dict[str, dict[str, t.Any]]] = {}

    def of(self, kind: str, first: int) -> dict[str, dict[str, t.Any]]:
        """{scenario: what it told} of the batch that begins with that number."""
        if (kind, first) not in self._told:
            names = harness.scenario_names(kind)[first : first + BATCH]
            self._told[kind, first] = _run(kind, names, self._folders.mktemp(f"{kind}-{first}-"), self._python)
        return self._told[kind, first]


def _run(kind: str, names: list[str], folder: Path, python: Path) -> dict[str, dict[str, t.Any]]:
    """All of the batch in the workers, then as ordinary modules; each scenario is a host of the inventory.

    python: what runs the modules.
    """
    as_modules = {"backup_sync_in_process": False, "ansible_python_interpreter": str(python)}
    told = {name: {"kind": kind, "described": harness.scenario(name, kind)} for name in names}
    with harness.labs({harness.scenario_file(name, kind): folder / name for name in names}) as started:
        labs = dict(zip(names, started))
        hosts = {name: harness.variables(lab.info, told[name]["described"]) for name, lab in labs.items()}
        here = harness.play_many(folder / "here", kind, hosts)
        for name, lab in labs.items():
            told[name].update(here=here[name], audit=lab.audit())
        modules = harness.play_many(folder / "modules", kind, hosts, **as_modules)
        for name, lab in labs.items():
            told[name].update(modules=modules[name], audit_modules=lab.audit(len(told[name]["audit"])))
            told[name]["differences"] = _differences(here[name], modules[name])
        # Time goes on between the two, and an hour or a copy leaves the window: what differs is read again, one right after the
        # other. What differs for another reason does so each time.
        for attempt in range(_ATTEMPTS):
            apart = {name: hosts[name] for name in names if told[name]["differences"]}
            if not apart:
                break
            here = harness.play_many(folder / f"here-{attempt}", kind, apart)
            modules = harness.play_many(folder / f"modules-{attempt}", kind, apart, **as_modules)
            for name in apart:
                told[name]["differences"] = _differences(here[name], modules[name])
    return told


def _differences(one: harness.Run, other: harness.Run) -> list[str]:
    return harness.evidence_differences(one.evidence.get("evidence", {}), other.evidence.get("evidence", {}))


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[_Batches]:
    """One for all scenarios that this worker runs."""
    with harness.warm_python() as python:
        yield _Batches(tmp_path_factory, python)


@pytest.fixture(scope="module", params=ALL)
def told(request: pytest.FixtureRequest, batches: _Batches) -> dict[str, t.Any]:
    """What one scenario told, run twice: in the workers and as ordinary modules."""
    kind, first, name = request.param
    return batches.of(kind, first)[name]


def _root(diagnosis: dict[str, t.Any]) -> dict[str, t.Any]:
    return diagnosis["root_cause"] or {"cause": None, "confidence": None}


def _rules(diagnosis: dict[str, t.Any], state: str) -> set[str]:
    return {finding["rule"] for finding in diagnosis["findings"] if finding["state"] == state}


def _fired(diagnosis: dict[str, t.Any]) -> set[str]:
    return _rules(diagnosis, "fired")


def _check(diagnosis: dict[str, t.Any], described: dict[str, t.Any]) -> list[str]:
    """Everything in which the diagnosis is not what the scenario states."""
    wrong = []
    expect, must_not = described["expect"], described["must_not"]
    seen = {
        "status": diagnosis["status"],
        "cause": _root(diagnosis)["cause"],
        "confidence": _root(diagnosis)["confidence"],
        "scope": diagnosis["scope"]["verdict"],
        "dr_readiness": diagnosis["dr_readiness"]["verdict"],
        "alert": (diagnosis["alert"] or {}).get("verdict"),
        "pattern": diagnosis["pattern"]["verdict"],
    }
    for name, value in expect.items():
        if name in seen:
            allowed = value if isinstance(value, list) else [value]
            if seen[name] not in allowed:
                wrong.append(f"{name} is {seen[name]}, expected {value}")
    for state in ("fired", "clear", "unknown"):
        stated = expect.get(state, [])
        wrong += [f"{rule} is not {state}" for rule in stated if rule not in _rules(diagnosis, state)]
    gaps = {gap["step"] for gap in diagnosis["gaps"]}
    wrong += [f"no gap is told for {step}" for step in expect.get("gaps", []) if step not in gaps]
    for name, values in must_not.items():
        if name in seen and seen[name] in values:
            wrong.append(f"{name} must not be {seen[name]}")
    wrong += [f"the cause must not be {cause}" for cause in must_not.get("causes", []) if cause == seen["cause"]]
    wrong += [f"{rule} must not fire" for rule in must_not.get("fired", []) if rule in _fired(diagnosis)]
    contradictions = len(diagnosis["contradictions"])
    if expect.get("contradictions") and not contradictions:
        wrong.append("no contradiction was told")
    return wrong


def test_diagnosis(told: dict[str, t.Any]) -> None:
    assert told["here"].code == 0, told["here"].output[-4000:]
    assert _check(told["here"].diagnosis, told["described"]) == [], told["here"].output[-6000:]


def test_the_module_path_gives_equal_evidence(told: dict[str, t.Any]) -> None:
    assert told["modules"].code == 0, told["modules"].output[-4000:]
    assert told["modules"].evidence and told["differences"] == []
    assert _check(told["modules"].diagnosis, told["described"]) == []


def test_with_a_step_less_it_knows_less_and_is_never_wrong_and_sure(told: dict[str, t.Any]) -> None:
    """A rule that fired is unknown without what it fired by; that its step did not answer clears nothing."""
    fired, allowed = _fired(told["here"].diagnosis), measure.allowed_causes(told["described"])
    for what, bundle in variations.less_known(told["here"].evidence, refused=False):
        diagnosis = diagnose(bundle)
        cleared = {row["rule"] for row in diagnosis["findings"] if row["state"] == "clear"}
        assert fired & cleared == set(), what
        if allowed is not None and measure.judged(diagnosis, allowed) == "wrong":
            assert _root(diagnosis)["confidence"] != "confirmed", what


@pytest.mark.parametrize("name", ["evidence", "diagnosis"])
def test_the_files_are_as_their_schema_says(told: dict[str, t.Any], name: str) -> None:
    schema = json.loads((harness.ROOT / "docs" / "schemas" / f"{name}.json").read_text())
    for way in ("here", "modules"):
        errors = Draft202012Validator(schema).iter_errors(getattr(told[way], name))
        assert [f"{list(error.absolute_path)}: {error.message[:300]}" for error in errors] == []


def test_what_proves_a_hop_stands_in_the_evidence(told: dict[str, t.Any]) -> None:
    run = told["here"]
    for hop in (run.diagnosis["root_cause"] or {}).get("chain", []):
        seen = hop["evidence"]
        assert (hop["state"] == "unknown") >= (seen is None), hop  # what is said to be so is shown
        if hop["state"] == "proven":
            assert jmespath.search(seen["path"], run.evidence["evidence"][seen["step"]]) == seen["value"], hop


def test_the_same_evidence_gives_the_same_bytes(told: dict[str, t.Any]) -> None:
    """In another process, with other hashes, from the saved file."""
    run = told["here"]
    assert json.dumps(diagnose(run.evidence)) == json.dumps(run.diagnosis)


@pytest.mark.parametrize("audit", ["audit", "audit_modules"])
def test_only_reads_and_no_list_twice(told: dict[str, t.Any], audit: str) -> None:
    requests = told[audit]
    assert requests or all(told["described"].get(side, {}).get("unreachable") for side in ("source", "destination"))
    if told["kind"] == "region":
        assert _of_region(requests) == []
    else:
        assert _of_cluster(requests, both_sides="cluster.x.same_cluster" in _fired(told["here"].diagnosis)) == []


def _of_cluster(requests: list[dict[str, t.Any]], both_sides: bool) -> list[t.Any]:
    """The lists that were read twice; whatever else must not be asked fails here.

    both_sides: the cluster is the source and the destination, and is read as each of them.
    """
    writes = [row for row in requests if row["verb"] not in READ_VERBS and row["resource"] not in REVIEWS]
    assert writes == []
    assert [row for row in requests if row["resource"] == "secrets"] == []
    lists = Counter(
        (row["cluster"], row["path"], row["query"]) for row in requests if row["verb"] == "list" and row["status"] < 400
    )
    return [key for key, times in lists.items() if times > 1 + both_sides]


def _of_region(requests: list[dict[str, t.Any]]) -> list[t.Any]:
    assert [row["operation"] for row in requests if not row["operation"].startswith(READ_WORDS)] == []
    calls = Counter(
        (row["account"], row["region"], row["operation"], json.dumps(row["params"], sort_keys=True))
        for row in requests
        # a role is assumed by each step that needs it; who is asked to slow down, or gets no answer, may ask again
        if (0 < row["status"] < 400 or row["status"] == 403) and row["operation"] != "AssumeRole"
    )
    return [key for key, times in calls.items() if times > 1]


def test_the_answer_is_the_first_screen(told: dict[str, t.Any]) -> None:
    diagnosis, output = told["here"].diagnosis, told["here"].screen
    assert diagnosis["status"].upper() in output.upper()
    if diagnosis["root_cause"]:
        assert diagnosis["root_cause"]["title"] in output
    assert "Traceback" not in told["here"].output
