# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.
"""A diagnosis as one HTML file that needs nothing else: no script, no network, style and drawings inside. Pure.

Other people's text stays text: the templates escape all that they print, what is no printable character becomes a
blank, and the page's own policy lets nothing run or load, whatever might have slipped through.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import re
import typing as t

import jinja2
from markupsafe import Markup, escape

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    figure,
    rows,
    step,
    text,
    texts,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report import drawings
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.words import (
    Json,
    alert_in_words,
    chain_in_words,
    clean,
    contradiction_in_words,
    in_the_middle,
    member,
    minute,
    place_in_words,
    plain_text,
    readiness_in_words,
    scope_in_words,
    spaced,
    value_in_words,
)

_FOLDER = os.path.join(os.path.dirname(__file__), "page")
_LONGEST = 2000  # characters of one text of somebody else
_LONGEST_BLOCK = 200_000
_LONGEST_PATH = 60
_MOST_ROWS = 20  # of a list that a finding cites
_KINDS = {"critical": 0, "error": 1, "warning": 2, "info": 3}
_UNPRINTABLE = re.compile(r"[^\n -~]")


def html(
    diagnosis: Json,
    evidence: t.Any,
    *,
    gathered_at: str | None = None,
    where: str | None = None,
    history: Json | None = None,
) -> str:
    """The page.

    evidence: the bundle, or nothing; gathered_at: when it was gathered (RFC 3339); where: the folder of its files;
    history: as history.as_json() has it.
    """
    bundle = evidence if isinstance(evidence, dict) else {}
    gathered = bundle.get("evidence")
    view = {
        **_heading(diagnosis),
        **_answer(diagnosis),
        **_drawn(diagnosis, gathered, drawings.epoch(gathered_at)),
        **_resources(diagnosis, gathered),
        **_findings(diagnosis),
        "chain": [{**row, "evidence": member(row, "evidence")} for row in rows(member(diagnosis, "root_cause"), "chain")],
        "chain_of": text(diagnosis, "root_cause", "chain_of"),
        "next_steps": rows(diagnosis, "next_steps"),
        "contradictions": [contradiction_in_words(row) for row in rows(diagnosis, "contradictions")],
        "gaps": [_gap(row) for row in rows(diagnosis, "gaps")],
        "raw": _raw(gathered),
        "steps": list(gathered) if isinstance(gathered, dict) else [],
        "read": minute(gathered_at),
        "where": where,
        "history": _history(diagnosis, history or {}),
        "style": Markup(_style()),
        "style_digest": base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode(),
        "size": drawings.SIZE,
    }
    view["has_resources"] = any(view[name] for name in ("timeline", "exposure", "lag", "not_ready", "resources"))
    view["sections"] = [(anchor, title) for anchor, title, there in _sections(view) if there]
    return _environment().get_template("page.html.j2").render(view)


@functools.lru_cache(maxsize=1)
def _style() -> str:
    with open(os.path.join(_FOLDER, "style.css"), encoding="utf-8") as stream:
        return stream.read()


@functools.lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(block=_block, short=_short, spaced=spaced)
    environment.filters.update(told=value_in_words, rows_of=_rows_of, path_of=_path_of)
    return environment


def _printed(value: t.Any) -> t.Any:
    """What a template prints: one line of printable characters, and no more than anybody reads."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, float):
        return f"{value:.1f}".rstrip("0").rstrip(".")
    return _short(clean(str(value)), _LONGEST)


def _short(told: t.Any, most: int) -> str:
    """At most so many characters, of both ends; three dots say that something was cut."""
    return in_the_middle(clean(str(told)), most)


def _block(told: t.Any) -> Markup:
    """Text that keeps its lines."""
    lines = [clean(line, keep_indent=True) for line in str(told)[:_LONGEST_BLOCK].strip("\n").splitlines()]
    return escape("\n".join(lines))


# ---------------------------------------------------------------------------------------------------------- sections


def _sections(view: Json) -> list[tuple[str, str, t.Any]]:
    """(anchor, title, whether the page has it) in the order of the page."""
    return [
        ("next", "Next steps", view["next_steps"]),
        ("history", "Since when", view["history"]),
        ("resources", "Resources", view["has_resources"]),
        ("course", "Success, duration, hours", view["success"] or view["duration"] or view["hours"]),
        ("chain", "Chain", view["hops"]),
        ("contradictions", "Contradictions", view["contradictions"]),
        ("findings", "Findings", True),
        ("gaps", "Gaps", view["gaps"]),
        ("evidence", "Evidence", view["raw"]),
    ]


def _heading(diagnosis: Json) -> Json:
    target = member(diagnosis, "target")
    status = str(diagnosis.get("status") or "unknown")
    ready = str(member(diagnosis, "dr_readiness").get("verdict") or "unknown")
    supposed = "; ".join(f"{place} is {plain_text(held)}" for place, held in member(diagnosis, "supposing").items())
    return {
        "name": target.get("name") or "backup sync",
        "kind": {"cluster": "two clusters", "region": "two AWS Regions"}.get(str(target.get("kind")), "two sides"),
        "pair": place_in_words(target),
        "status": status.upper(),
        "status_class": status if status in ("failing", "lagging", "healthy") else "inconclusive",
        "ready_words": f"disaster recovery: {spaced(ready)}",
        "ready_class": ready if ready in ("ready", "not_ready") else "unknown",
        "alert": alert_in_words(diagnosis),
        "supposed": supposed,
    }


def _answer(diagnosis: Json) -> Json:
    cause, runner_up = member(diagnosis, "root_cause"), member(diagnosis, "runner_up")
    told = [
        ("Confidence", ": ".join(str(cause[name]) for name in ("confidence", "because") if cause.get(name))),
        *(("And", f"{row.get('title')} ({row.get('confidence')})") for row in rows(diagnosis, "further_causes")),
        ("Or", f"{runner_up.get('title')} ({runner_up.get('confidence')})" if runner_up else ""),
        ("Decide by", str(diagnosis.get("settle_by") or "")),
        ("Chain", chain_in_words(cause)),
        ("Scope", scope_in_words(diagnosis) or ""),
        ("Disaster recovery", readiness_in_words(member(diagnosis, "dr_readiness"))),
        ("Resources", ", ".join(texts(cause, "resources")[:20])),
    ]
    nothing = "Nothing is wrong: copies arrive." if diagnosis.get("status") == "healthy" else "No cause was found."
    return {
        "cause_title": str(cause.get("title") or cause.get("cause") or nothing),
        "explanation": cause.get("explanation"),
        "answer": [(label, said) for label, said in told if said],
        "cause_evidence": rows(cause, "evidence"),
    }


def _drawn(diagnosis: Json, gathered: t.Any, now: float | None) -> Json:
    return {
        "hops": drawings.chain(member(diagnosis, "root_cause")),
        "timeline": drawings.timeline(gathered, diagnosis, _now_of_points(gathered)),
        "exposure": drawings.exposure(diagnosis),
        "lag": drawings.lag(gathered),
        "success": drawings.success(gathered),
        "duration": drawings.duration(gathered),
        "hours": drawings.hours(gathered, now),
        "rpo": figure(diagnosis, "dr_readiness", "rpo_s"),
        "pattern": _pattern(member(diagnosis, "pattern")),
    }


def _now_of_points(gathered: t.Any) -> float | None:
    """The moment of the reading on the clock by which the points are dated, which is the source's."""
    points = step(gathered, "recovery_points")
    read = drawings.epoch(text(points, "observed_at"))
    return None if read is None else read - (figure(points, "summary", "skew_s") or 0.0)


def _pattern(pattern: Json) -> str:
    verdict = pattern.get("verdict")
    if verdict not in ("periodic", "random", "single"):
        return ""
    following = text(pattern, "next_expected_at")
    return f"Pattern: {verdict}" + (f", next expected failure {following}." if following else ".")


def _resources(diagnosis: Json, gathered: t.Any) -> Json:
    """Rows of the table of resources, those that are not ready apart from the others."""
    points = {text(row, "resource"): row for row in rows(step(gathered, "recovery_points"), "resources")}
    lags = {text(row, "resource"): row for row in rows(step(gathered, "copy_lag"), "resources")}
    found: dict[bool, list[Json]] = {True: [], False: []}
    for row in rows(member(diagnosis, "dr_readiness"), "resources"):
        name = text(row, "resource")
        point, late = points.get(name, {}), lags.get(name, {})
        why = [spaced(told) for told in (point.get("why"), late.get("why")) if told]
        found[row.get("verdict") == "not_ready"].append(
            {
                "resource": name,
                "verdict": spaced(row.get("verdict") or "unknown"),
                "exposure": _length(figure(row, "exposure_s")),
                "newest_copy": minute(row.get("newest_matched_at")) or "none of known age",
                "newest_source": minute(point.get("newest_source_at")),
                "lag": _length(figure(late, "lag_s")),
                "why": ", ".join(dict.fromkeys(why)),
            }
        )
    not_listed = int(figure(diagnosis, "dr_readiness", "resources_not_shown") or 0)
    return {"not_ready": found[True], "resources": found[False], "not_listed": not_listed}


def _length(seconds: float | None) -> str:
    return "" if seconds is None else human(seconds)


def _findings(diagnosis: Json) -> Json:
    """Those that fired, worst first, and the others by what they are."""
    by_state: dict[str, list[Json]] = {}
    for row in rows(diagnosis, "findings"):
        state = str(row.get("state"))
        kind = str(row.get("severity")) if state == "fired" else state
        told = {
            "kind": kind,
            "rule": row.get("rule"),
            "title": row.get("title") or row.get("rule"),
            "explanation": row.get("explanation") or "",
            "accepted": member(row, "accepted"),
            "missing": texts(row, "missing") if state == "unknown" else [],
            "runbook": texts(row, "runbook"),
            "evidence": rows(row, "evidence"),
            "next_steps": rows(row, "next_steps"),
        }
        by_state.setdefault(state, []).append(told)
    fired = sorted(by_state.pop("fired", []), key=lambda told: _KINDS.get(told["kind"], len(_KINDS)))
    titles = (("accepted", "Accepted"), ("unknown", "Unknown, for lack of evidence"), ("clear", "Looked for and not so"))
    return {"fired": fired, "other_findings": [(state, title, by_state.get(state, [])) for state, title in titles]}


def _path_of(seen: Json) -> str:
    """Where in the evidence it was seen; an expression that nobody reads at a glance is left to the JSON."""
    path = str(seen.get("path") or "").removeprefix(f"{seen.get('step')}.")
    return path if len(path) <= _LONGEST_PATH else ""


def _history(diagnosis: Json, history: Json) -> Json | None:
    told = [text(history, "since_in_words"), *texts(history, "changes_in_words")]
    if not any(told):
        return None
    drawing = drawings.trend(history, figure(diagnosis, "dr_readiness", "rpo_s"))
    return {"told": [each for each in told if each], "drawing": drawing}


def _rows_of(seen: Json) -> Json | None:
    """A cited list of rows as a table; None of anything else."""
    listed = rows(seen, "value")
    columns = list(dict.fromkeys(name for row in listed[:_MOST_ROWS] for name, held in row.items() if held is not None))
    whole = isinstance(seen.get("value"), list) and len(listed) == len(seen["value"])
    if not columns or not whole or len(columns) > 8:
        return None
    told = [[_cell(name, row.get(name)) for name in columns] for row in listed[:_MOST_ROWS]]
    return {"columns": [spaced(name.removesuffix("_s")) for name in columns], "rows": told, "left_out": max(0, len(listed) - _MOST_ROWS)}


def _cell(name: str, held: t.Any) -> str:
    """A member of a row; what ends in _s are seconds."""
    length = figure({name: held}, name) if name.endswith("_s") else None
    if length is not None:
        return human(length)
    return "" if held is None else plain_text(held)


def _gap(row: Json) -> Json:
    grant = member(row, "grant")
    told = [str(row[name]) for name in ("message", "effect", "close") if row.get(name)]
    return {
        "step": row.get("step"),
        "outcome": spaced(row.get("outcome") or "unknown"),
        "told": list(dict.fromkeys(told)),
        "grant": json.dumps(grant, indent=2, ensure_ascii=False) if grant else "",
    }


def _raw(gathered: t.Any) -> list[Json]:
    """What each step read, as JSON in which every character can be seen."""
    found = []
    for name, read in gathered.items() if isinstance(gathered, dict) else ():
        shown = _UNPRINTABLE.sub(_visible, json.dumps(_bounded(read), indent=1, ensure_ascii=False, default=str))
        outcome = spaced(member(gathered, name).get("outcome") or "unknown")
        found.append({"name": name, "outcome": outcome, "when": text(read, "observed_at") or "", "json": shown})
    return found


def _visible(found: re.Match[str]) -> str:
    """A character that can be printed as it is, any other as JSON writes it."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _bounded(value: t.Any) -> t.Any:
    if isinstance(value, str):
        cut = len(value) - _LONGEST
        return value if cut <= 0 else f"{value[:_LONGEST]} ... ({cut} characters more)"
    if isinstance(value, dict):
        return {str(name)[:_LONGEST]: _bounded(held) for name, held in value.items()}
    return [_bounded(held) for held in value] if isinstance(value, list) else value
