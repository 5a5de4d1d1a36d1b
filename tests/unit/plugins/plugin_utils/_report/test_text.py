# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.text import LINES, WIDTH, report_lines, whole_report
from hypothesis import given, settings
from hypothesis import strategies as st

FAILING = {
    "schema": "sre.backup_sync/diagnosis/v1",
    "target": {"kind": "cluster", "name": "prod", "source": "eu-west", "destination": "eu-dr", "namespace": "backup"},
    "status": "failing",
    "alert": {"name": "CrossClusterBackupSyncFailed", "verdict": "true_positive"},
    "root_cause": {
        "cause": "dns",
        "title": "DNS does not resolve the endpoint's name",
        "confidence": "confirmed",
        "because": "a message says so, and the settings agree",
        "score": 0.93,
        "explanation": "The mover asks for an address and gets none.",
        "chain": [
            {
                "link": "source_backup",
                "state": "proven",
                "evidence": {"step": "copy_lag", "path": "source_health.newest_at", "value": "2026-11-20T19:33:00Z", "at": None},
            },
            {"link": "mover_ran", "state": "unknown", "evidence": None},
            {
                "link": "transfer",
                "state": "broken",
                "evidence": {"step": "logs", "path": "lines[0]", "value": "lookup s3: no such host", "at": "2026-11-20T20:31:07Z"},
            },
            {"link": "store", "state": "unknown", "evidence": None},
        ],
        "evidence": [
            {"step": "logs", "path": "lines[0]", "value": "lookup s3: no such host", "at": "2026-11-20T20:31:07Z"},
            {"step": "jobs", "path": "summary.resources_failing", "value": 4, "at": None},
        ],
    },
    "runner_up": None,
    "settle_by": None,
    "scope": {
        "verdict": "systemic",
        "spread": {"resources_failing": 4, "resources": 5},
        "shared": {"endpoint": "s3.example.com", "cause": "dns"},
    },
    "dr_readiness": {
        "verdict": "not_ready",
        "rpo_s": 86400,
        "worst_exposure_s": 111960,
        "reason": None,
        "resources": [
            {"resource": "pvc-db", "verdict": "not_ready", "exposure_s": 111960},
            {"resource": "pvc-web", "verdict": "ready", "exposure_s": 60},
        ],
    },
    "findings": [
        {"state": "fired", "severity": "warning", "title": "The rules drifted", "evidence": []},
        {"state": "fired", "severity": "info", "title": "Only told on request", "evidence": []},
        {"state": "clear", "severity": "error", "title": "Not so", "evidence": []},
    ],
    "contradictions": [{"signals": ["The metric is green.", "A copy failed."], "believe": "jobs", "reason": "It is stale."}],
    "gaps": [
        {"step": "metrics", "outcome": "not_configured", "close": "Give prometheus_url.", "effect": "no rate"},
        {"step": "events", "outcome": "forbidden", "close": None, "effect": "no events"},
    ],
    "next_steps": [
        {"text": "Look at the resolver.", "command": "kubectl -n kube-system get pods"},
        {"text": "Check the spelling."},
    ],
}

SCREEN = """\
prod | eu-west -> eu-dr | namespace backup
==========================================
STATUS      FAILING
ALERT       CrossClusterBackupSyncFailed: true positive
CAUSE       DNS does not resolve the endpoint's name
            The mover asks for an address and gets none.
CONFIDENCE  confirmed: a message says so, and the settings agree
CHAIN       source backup > mover ran? > TRANSFER BROKEN
SCOPE       systemic: 4 of 5 resources fail; shared endpoint: s3.example.com
DR          NOT READY, worst exposure 31 h 6 min (RPO 24 h)
            pvc-db: not ready, exposure 31 h 6 min

EVIDENCE    logs lines[0]: lookup s3: no such host @ 11-20 20:31:07Z
            jobs summary.resources_failing: 4

BUT         The metric is green. A copy failed. Believe jobs: It is stale.
ALSO        The rules drifted

NEXT        1. Look at the resolver.
               $ kubectl -n kube-system get pods
            2. Check the spelling.

GAPS        metrics (not configured): Give prometheus_url.
            events (forbidden): no events

REPORT      /reports/prod
"""


def test_the_screen():
    assert "\n".join(report_lines(FAILING, where="/reports/prod")) + "\n" == SCREEN


def test_the_file_leaves_nothing_out():
    rows = [{"step": "logs", "path": f"lines[{number}]", "value": "word " * 80, "at": None} for number in range(9)]
    steps = [{"text": f"Step {number}.", "command": "kubectl get pods -l " + "a=b " * 90} for number in range(8)]
    resources = [{"resource": f"pvc-{number}", "verdict": "not_ready", "exposure_s": 60} for number in range(50)]
    gaps = [{"step": "logs", "outcome": "forbidden", "close": f"Grant {number}.", "effect": ""} for number in range(9)]
    diagnosis = dict(
        FAILING,
        root_cause=dict(FAILING["root_cause"], evidence=rows, explanation="Because it is so. " * 40),
        next_steps=steps,
        dr_readiness=dict(FAILING["dr_readiness"], resources=resources),
        gaps=gaps,
    )
    text = "\n".join(whole_report(diagnosis))
    assert "..." not in text and " more" not in text and "report.txt" not in text
    assert text.count("word") == 9 * 80 and text.count("a=b") == 8 * 90 and text.count("so.") == 40
    assert all(f"Step {number}." in text and f"Grant {number}." in text for number in range(8))
    assert text.count("pvc-") == 50
    assert "source backup proven by copy_lag source_health.newest_at: 2026-11-20T19:33:00Z" in text
    assert "transfer broken by logs lines[0]: lookup s3: no such host" in text
    assert len(report_lines(diagnosis)) <= LINES


def test_what_failures_keep_to_stands_with_the_scope():
    row = {"what": "node", "value": "node-2", "failing": 4, "of": 4, "others_failing": 0, "others": 5}
    scope = {"verdict": "specific", "spread": {"resources_failing": 4, "resources": 9}, "shared": {}, "apart": [row]}
    text = "\n".join(report_lines(dict(FAILING, scope=scope)))
    assert "SCOPE       specific: 4 of 9 resources fail; node node-2: 4 of 4, of others 0 of 5" in text


@pytest.mark.parametrize(
    "path, value, shown",
    [
        ("jobs.summary.failed", 3, "jobs summary.failed: 3"),
        ("summary.limits", {"low": 1, "high": None}, "jobs summary.limits: low: 1"),
        ("summary.verdict", "not_mentioned", "jobs summary.verdict: not mentioned"),
        ("summary.resource", "orders_db", "jobs summary.resource: orders_db"),
        ("problems", [{"message": "no key", "x": 1}, {"message": "bad"}], "jobs problems: no key; bad"),
        ("a[?b=='c'].{d: d, e: e, f: f, g: g, h: h}", [1, 2, 3, 4], "jobs: 1; 2; 3; ..."),
    ],
)
def test_evidence_is_readable(path, value, shown):
    evidence = [{"step": "jobs", "path": path, "value": value, "at": None}]
    lines = report_lines(dict(FAILING, root_cause=dict(FAILING["root_cause"], evidence=evidence)))
    assert f"EVIDENCE    {shown}" in lines


def test_of_a_long_line_the_end_is_kept():
    value = "copy failed: " + "https://objects.example.com/a/long/path " * 9 + "dial tcp: no such host"
    evidence = [{"step": "logs", "path": "lines[0]", "value": value, "at": "2026-11-20T20:31:07Z"}]
    lines = report_lines(dict(FAILING, root_cause=dict(FAILING["root_cause"], evidence=evidence)))
    start = next(index for index, line in enumerate(lines) if line.startswith("EVIDENCE"))
    assert lines[start].startswith("EVIDENCE    logs lines[0]: copy failed: ")
    assert lines[start + 2].endswith("dial tcp: no such host @ 11-20 20:31:07Z")
    shown = " ".join(line.strip() for line in lines[start : start + 3]).split()
    assert set(shown) <= {"EVIDENCE", "lines[0]:", "...", "@", "11-20", "20:31:07Z", *f"logs {value}".split()}  # whole words
    assert lines[start + 3] == ""


def test_of_many_rows_the_first_are_kept():
    rows = [{"resource": f"volume-{number}", "source": f"volume-{number}-20261120-2329"} for number in range(9)]
    evidence = [{"step": "recovery_points", "path": "points", "value": rows, "at": None}]
    lines = report_lines(dict(FAILING, root_cause=dict(FAILING["root_cause"], evidence=evidence)))
    start = next(index for index, line in enumerate(lines) if line.startswith("EVIDENCE"))
    shown = " ".join(line.strip() for line in lines[start : start + 3])
    assert "resource: volume-0, source: volume-0-20261120-2329; resource: volume-1, source:" in shown


def test_healthy_needs_few_lines():
    diagnosis = {
        "target": {"name": "prod"},
        "status": "healthy",
        "dr_readiness": {"verdict": "ready", "rpo_s": 86400, "worst_exposure_s": 3600, "resources": []},
    }
    assert report_lines(diagnosis) == [
        "prod",
        "====",
        "STATUS      HEALTHY",
        "CAUSE       none",
        "DR          READY, worst exposure 60 min (RPO 24 h)",
    ]


def test_without_a_cause_the_fired_findings_give_the_evidence():
    finding = {
        "state": "fired",
        "severity": "warning",
        "title": "Events speak",
        "evidence": [{"step": "events", "path": "events[0]", "value": "BackupCopyFailed", "at": None}],
    }
    diagnosis = {"status": "inconclusive", "root_cause": None, "findings": [finding], "settle_by": "Read the logs."}
    lines = report_lines(diagnosis)
    assert "CAUSE       none found" in lines
    assert "DECIDE BY   Read the logs." in lines
    assert "EVIDENCE    events events[0]: BackupCopyFailed" in lines


def test_a_terminal_is_not_at_the_mercy_of_a_log_line():
    evil = dict(FAILING["root_cause"], evidence=[{"step": "logs", "path": "x", "value": "a\x1b[2Jb\r\nc\u202ed", "at": None}])
    text = "\n".join(report_lines(dict(FAILING, root_cause=evil)))
    assert "a [2Jb c d" in text
    assert all(char.isprintable() or char == "\n" for char in text)


def _words(command):
    """The arguments as a shell takes them."""
    script = f"show() {{ printf '%s|' \"$@\"; }}; show {command}"
    return subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.split("|")


@pytest.mark.parametrize(
    "command",
    [
        "kubectl --context a-rather-long-context-name -n backup get jobs -l app=backup-sync -o wide --sort-by=.status.startTime",
        "kubectl -n backup patch cronjob copy-pvc-db --type merge -p '{\"spec\": {\"suspend\": false}}' --dry-run=server -o yaml",
    ],
)
def test_a_long_command_can_be_copied(command):
    lines = report_lines(dict(FAILING, next_steps=[{"text": "Do.", "command": command}]))
    start = next(index for index, line in enumerate(lines) if line.strip().startswith("$ "))
    shown = [lines[start].split("$ ", 1)[1]]
    while shown[-1].endswith("\\"):
        start += 1
        shown.append(lines[start])
    assert len(shown) > 1
    assert max(len(line) for line in lines) <= WIDTH
    assert _words("\n".join(shown)) == _words(command)


def test_a_policy_too_long_for_the_screen_is_named():
    policy = "\n".join(f"line {number}" for number in range(30))
    lines = report_lines(dict(FAILING, next_steps=[{"text": "Apply.", "command": policy}]))
    assert any("the text to use has 30 lines" in line for line in lines)


_TEXT = st.text(max_size=400)
_VALUE = st.one_of(st.none(), st.integers(), _TEXT, st.lists(_TEXT, max_size=3), st.dictionaries(_TEXT, _TEXT, max_size=3))


def _mappings(*names: str) -> st.SearchStrategy:
    return st.lists(st.one_of(_VALUE, st.fixed_dictionaries({}, optional=dict.fromkeys(names, _VALUE))), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "status": _VALUE,
            "root_cause": st.fixed_dictionaries(
                {"title": _TEXT, "explanation": _VALUE, "score": _VALUE, "evidence": _mappings("step", "path", "value")}
            ),
        },
        optional={
            "target": st.one_of(_VALUE, st.fixed_dictionaries({"name": _VALUE, "namespace": _VALUE})),
            "alert": st.one_of(_VALUE, st.fixed_dictionaries({"name": _VALUE})),
            "settle_by": _VALUE,
            "scope": _VALUE,
            "findings": _mappings("state", "title", "severity", "evidence"),
            "contradictions": _mappings("signals", "believe", "reason"),
            "gaps": _mappings("step", "outcome", "close", "effect"),
            "next_steps": _mappings("text"),
        },
    ),
    st.none() | st.fixed_dictionaries({"since_in_words": _VALUE, "changes_in_words": _VALUE}),
)
def test_it_always_fits_the_screen(diagnosis, history):
    lines = report_lines(diagnosis, where="/reports", history=history)
    assert len(lines) <= LINES
    assert max(len(line) for line in lines) <= WIDTH
    assert lines[-1] == "REPORT      /reports"
