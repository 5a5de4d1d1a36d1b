# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often the diagnosis is right, says that it does not know, or is wrong, over labelled bundles of evidence.

The labels are those that the scenarios and cases state; the bundles are what the playbooks gather from them in the lab,
and their variations (see variations.py). Prints the figures and writes them as JSON.

python tests/accuracy/measure.py build/accuracy.json
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE)]

import harness  # noqa: E402  pylint: disable=wrong-import-position
import variations  # noqa: E402  pylint: disable=wrong-import-position
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose  # noqa: E402

BATCH = 12
LEVELS = ("confirmed", "likely", "possible")
# What must hold: the share of complete bundles whose root cause is right.
LEAST_ACCURACY = 0.95


@dataclass
class Labelled:
    """One recorded bundle and what its scenario states; allowed: the causes that are right, None for no cause."""

    name: str
    kind: str
    bundle: dict[str, t.Any]
    allowed: list[str | None]


@dataclass
class Tally:
    """Verdicts, also by the confidence that the diagnosis stated."""

    verdicts: Counter[str] = field(default_factory=Counter)
    by_level: dict[str, Counter[str]] = field(default_factory=lambda: {level: Counter() for level in LEVELS})
    wrong_confirmed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, diagnosis: dict[str, t.Any], allowed: list[str | None]) -> None:
        """Count one diagnosis."""
        verdict, root = judged(diagnosis, allowed), diagnosis["root_cause"]
        self.verdicts[verdict] += 1
        if root:
            self.by_level[root["confidence"]][verdict] += 1
        if verdict == "wrong":
            self.wrong.append(f"{name}: {root['cause']} ({root['confidence']}) instead of {allowed}")
            if root["confidence"] == "confirmed":
                self.wrong_confirmed.append(name)

    def figures(self) -> dict[str, t.Any]:
        """bundles, accuracy (share that is right), abstained, wrong, wrong_confirmed, calibration per level."""
        number = sum(self.verdicts.values())
        return {
            "bundles": number,
            "accuracy": round(self.verdicts["right"] / number, 4) if number else None,
            "abstained": self.verdicts["abstained"],
            "wrong": self.verdicts["wrong"],
            "wrong_confirmed": len(self.wrong_confirmed),
            "calibration": {
                level: {"stated": sum(told.values()), "right": told["right"]} for level, told in self.by_level.items()
            },
        }


def judged(diagnosis: dict[str, t.Any], allowed: list[str | None]) -> str:
    """right | abstained (no cause where there is one) | wrong (another cause, or one where there is none)."""
    root = diagnosis["root_cause"]
    cause = root["cause"] if root else None
    if cause in allowed:
        return "right"
    return "abstained" if cause is None else "wrong"


def allowed_causes(described: dict[str, t.Any]) -> list[str | None] | None:
    """What the scenario states; None when it states nothing of the cause."""
    expect = described.get("expect") or {}
    if "cause" not in expect:
        return None
    stated = expect["cause"]
    return stated if isinstance(stated, list) else [stated]


def wordings() -> variations.Wordings:
    """The messages of rewordings.yml by kind of target and cause."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in yaml.safe_load((HERE / "rewordings.yml").read_text(encoding="utf-8"))["messages"]:
        if row["cause"] is not None:
            kind = "region" if row["where"] in ("copy_job", "aws_call") else "cluster"
            found.setdefault((kind, row["cause"]), []).append(row["text"])
    return found


def main() -> int:
    """0 when the corpus is diagnosed as well as it must be."""
    path = Path(sys.argv[1])
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="backup-sync-accuracy-") as folder:
        corpus = [labelled for kind in harness.SCENARIOS for labelled in record(kind, Path(folder) / kind)]
    complete, reduced, by_variation, longest = Tally(), Tally(), {}, 0.0
    told_otherwise = wordings()
    for row in corpus:
        for what, bundle in variations.same_label(row.bundle, row.allowed[0], told_otherwise):
            started = time.perf_counter()
            diagnosis = diagnose(bundle)
            longest = max(longest, time.perf_counter() - started)
            name = f"{row.kind} {row.name}, {what}"
            complete.add(name, diagnosis, row.allowed)
            by_variation.setdefault(what.rstrip(" 0123456789"), Tally()).add(name, diagnosis, row.allowed)
        for what, bundle in variations.less_known(row.bundle):
            reduced.add(f"{row.kind} {row.name}, {what}", diagnose(bundle), row.allowed)
    figures = {
        **complete.figures(),
        "by_variation": {what: tally.figures() for what, tally in by_variation.items()},
        "one_step_less": reduced.figures(),
        "recorded": len(corpus),
        "longest_diagnosis_s": round(longest, 4),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _print(figures, complete.wrong + reduced.wrong, time.monotonic() - began)
    good = figures["accuracy"] >= LEAST_ACCURACY and not complete.wrong_confirmed and not reduced.wrong_confirmed
    return 0 if good else 1


def record(kind: str, folder: Path) -> t.Iterator[Labelled]:
    """Play every labelled scenario and case of that kind in the lab."""
    files = [*sorted(harness.SCENARIOS[kind].glob("*.yaml")), *sorted((HERE / "cases" / kind).glob("*.yaml"))]
    described = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}
    labelled = [path for path in files if allowed_causes(described[path]) is not None]
    for first in range(0, len(labelled), BATCH):
        paths = labelled[first : first + BATCH]
        with harness.labs({path: folder / str(first) / path.stem for path in paths}) as labs:
            hosts = {path.stem: harness.variables(lab.info, described[path]) for path, lab in zip(paths, labs)}
            runs = harness.play_many(folder / str(first) / "reports", kind, hosts)
        for path in paths:
            run = runs[path.stem]
            if not run.evidence:
                raise SystemExit(f"{path.stem}: the playbook told nothing: {run.output[-2000:]}")
            allowed = t.cast("list[str | None]", allowed_causes(described[path]))
            yield Labelled(path.stem, kind, run.evidence, allowed)


def _print(figures: dict[str, t.Any], wrong: list[str], took_s: float) -> None:
    for sentence in wrong:
        print(f"wrong: {sentence}")
    rows = {"complete": figures, **{f"  {k}": v for k, v in figures["by_variation"].items()}}
    rows["one step less"] = figures["one_step_less"]
    print(f"{'':22}{'bundles':>8}{'right':>9}{'abstained':>11}{'wrong':>7}{'wrong and confirmed':>21}")
    for name, told in rows.items():
        print(
            f"{name:22}{told['bundles']:8}{told['accuracy']:9.1%}{told['abstained']:11}{told['wrong']:7}"
            f"{told['wrong_confirmed']:21}"
        )
    for level, told in figures["calibration"].items():
        share = f"{told['right'] / told['stated']:.1%}" if told["stated"] else "-"
        print(f"of {told['stated']} stated as {level}, right are {told['right']} ({share})")
    print(f"longest diagnosis {figures['longest_diagnosis_s'] * 1000:.0f} ms; {figures['recorded']} recorded in {took_s:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
