# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that others may have written so that whoever shows it does more than show it, and reports full of it."""

from __future__ import annotations

import copy

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.engine import diagnose
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._diagnosis.test_verdict import failing_bundle

_HOURS = [f"2026-11-21T{hour:02}:00:00Z" for hour in range(24)]


def _drawn():
    """A bundle that has something for each drawing: copies of six hours are missing, at an RPO of two."""
    bundle = failing_bundle()
    evidence, names = bundle["evidence"], ("orders", "users", "media", "ledger")
    evidence["jobs"].update(
        observed_at="2026-11-21T23:30:00Z",
        slots=[{"slot": hour, "runs": 4, "failed": 4 if hour > 17 else 0} for hour in range(12, 24)],
        cronjobs=[{"resource": name, "schedule": "24 * * * *", "time_zone": None} for name in names],
    )
    evidence["copy_lag"]["resources"] = [
        {"resource": name, "lag_s": 19000.0, "window_s": 3600.0, "verdict": "overdue", "why": "failing"} for name in names
    ]
    evidence["recovery_points"]["timeline"] = [
        {
            "resource": name,
            "verdicts": {"in_flight": _HOURS[23:], "overdue": _HOURS[22:17:-1], "matched": _HOURS[17::-1], "orphan": _HOURS[:1]},
        }
        for name in names
    ]
    evidence["recovery_points"]["observed_at"] = "2026-11-21T23:30:00Z"
    for row in evidence["recovery_points"]["resources"]:
        row.update(newest_matched_at=_HOURS[17], newest_source_at=_HOURS[23], exposure_s=23400.0)
    evidence["recovery_points"]["summary"].update(resources=4, worst_exposure_s=23400.0)
    evidence["metrics"].update(
        summary={
            "success_rate": {"threshold": 0.9, "previous_avg": 1.0, "avg": 0.75},
            "duration": {"baseline_s": 240.0},
        },
        course=[
            {
                "start": _HOURS[hour],
                "end": _HOURS[hour + 1],
                "success_rate": None if hour == 3 else float(hour < 18),
                "duration_s": None if hour == 3 else 200.0 + hour,
            }
            for hour in range(23)
        ],
    )
    return bundle


BUNDLE = _drawn()
DIAGNOSIS = diagnose(BUNDLE)
HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\" onmouseover=\"alert(1)\" x='y' --><svg onload=alert(1)></title></style></details>",
    "link": "[click](https://evil.example) https://evil.example www.evil.example <https://evil.example> ![x](y)",
    "mention": "@everyone please look, mail root@evil.example",
    "backticks": "`` ` ``` end of code ```` ~~~",
    "out of the code": "` <img src=x> [click](https://evil.example) `` <b>x</b>",
    "marks": "*bold* _it_ # head | cell | ~~gone~~ > quote $x$ {{ lookup('pipe', 'id') }} {% raw %} &lt; \\",
    "escapes": "\x1b[31mred\x1b[0m \x07 \u202eright to left\u202c \x00 \ud800 \r\n- item\n# head\n```\n",
    "quotes": "\"quoted\" 'too' ]]> --> <!-- \\n \\",
    "formula": '=HYPERLINK("https://evil.example","x")',
}
# What tells what a text is about, by which evidence is understood; it does not come from others.
_OWN = ("outcome", "verdict", "state", "step", "start", "end", "schedule", "kind", "verdicts")


def hostile(text):
    """A diagnosis with the text wherever it repeats what others wrote."""
    told = copy.deepcopy(DIAGNOSIS)
    told["target"].update(name=text, source=text, destination=text)
    told["root_cause"].update(title=text, explanation=text, because=text, chain_of=text)
    for row in told["root_cause"]["evidence"]:
        row.update(value=text)
    told["findings"][0].update(title=text, explanation=text, state="fired")
    told["findings"][0]["evidence"] = [{"step": "logs", "path": text, "value": [{"message": text}], "at": None}]
    told["next_steps"] = [{"text": text, "command": text}]
    told["contradictions"] = [{"signals": [text, text], "believe": "jobs", "reason": text}]
    told["gaps"] = [{"step": "logs", "outcome": "forbidden", "message": text, "close": text, "grant": {text: text}}]
    told["dr_readiness"]["resources"] = [{"resource": text, "verdict": "not_ready", "exposure_s": 7200}]
    return told


def hostile_bundle(text):
    """The bundle with the text wherever others could have written."""
    return {**BUNDLE, "evidence": {name: _told(read, text) for name, read in BUNDLE["evidence"].items()}}


def _told(value, text, name=""):
    if isinstance(value, str):
        return value if name in _OWN or name.endswith("_at") else text
    if isinstance(value, dict):
        return {key: held if key == "verdicts" else _told(held, text, key) for key, held in value.items()}
    return [_told(held, text, name) for held in value] if isinstance(value, list) else value
