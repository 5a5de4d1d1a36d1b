# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What failures keep to: the node, type, role or rule that fails more often than all others of its sort."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.module_utils._statistics import wilson
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Row, figure, rows, text


def with_apart(scope: dict[str, t.Any], told: Row) -> dict[str, t.Any]:
    """The scope with what failures keep to. What keeps to something is specific, where the numbers alone say nothing."""
    found = apart(told)
    verdict = "specific" if found and scope["verdict"] == "unknown" else scope["verdict"]
    return {**scope, "verdict": verdict, "apart": found}


def apart(told: Row) -> list[dict[str, t.Any]]:
    """Of a step's list `spread` those values that stand apart, the clearest first.

    A value stands apart when the 95 % interval (Wilson) of its share of failures lies wholly above that of all others of
    its sort: few data never do. interval, others_interval: those shares.
    """
    listed = [row for row in rows(told, "spread") if figure(row, "of") and figure(row, "failing") is not None]
    found = []
    for row in listed:
        alike = [other for other in listed if text(other, "what") == text(row, "what") and other is not row]
        of, failing = (int(figure(row, name) or 0) for name in ("of", "failing"))
        others, others_failing = (int(sum(figure(other, name) or 0 for other in alike)) for name in ("of", "failing"))
        mine, theirs = wilson(failing, of), wilson(others_failing, others)
        if mine[0] > theirs[1]:
            found.append(
                {
                    "what": text(row, "what"),
                    "value": text(row, "value"),
                    "failing": failing,
                    "of": of,
                    "others_failing": others_failing,
                    "others": others,
                    "interval": [round(bound, 3) for bound in mine],
                    "others_interval": [round(bound, 3) for bound in theirs],
                }
            )
    return sorted(found, key=lambda item: (item["others_interval"][1] - item["interval"][0], str(item["what"]), str(item["value"])))
