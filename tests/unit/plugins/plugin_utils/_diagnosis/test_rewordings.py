# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages that the catalogues' authors did not use: most are known, and what is not known is not guessed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.classification import OF_AWS, classify
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import CATALOGUE

ROWS = yaml.safe_load((Path(__file__).parents[4] / "accuracy" / "rewordings.yml").read_text())["messages"]
LEAST_RIGHT = 0.85


def judged(row):
    """right | unknown | undecided (the right cause among the alternatives of words that stand for several) | wrong."""
    told = classify(row["text"], row["where"], reason=row.get("reason"))
    allowed = {row["cause"], *row.get("also", ())}
    if told["cause"] in allowed:
        return "right"
    if told["cause"] is None:
        return "unknown"
    among = {entry["cause"] for entry in told["alternatives"]} & allowed
    return "undecided" if told["symptom"] and among else "wrong"


@pytest.mark.parametrize("rows", [ROWS, [row for row in ROWS if row["where"] in OF_AWS]], ids=["all", "of AWS"])
def test_most_are_right_and_none_is_wrong(rows):
    verdicts = Counter(judged(row) for row in rows)
    assert [row["text"] for row in rows if judged(row) == "wrong"] == []
    assert verdicts["right"] / len(rows) >= LEAST_RIGHT, verdicts


def test_there_are_enough_with_a_source_and_none_is_a_sample_of_the_catalogues():
    samples = set()

    def collect(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "sample":
                samples.add(value)
            elif isinstance(value, (dict, list)):
                collect(value)

    for name in ("signatures.yml", "messages_aws.yml"):
        collect(yaml.safe_load((Path(CATALOGUE) / name).read_text()))
    assert len(samples) > 200
    assert [row["text"] for row in ROWS if row["text"] in samples] == []
    assert len({row["text"] for row in ROWS}) == len(ROWS) >= 60
    assert all(row["source"].startswith("https://") for row in ROWS)
    assert len({row["cause"] for row in ROWS}) >= 40
