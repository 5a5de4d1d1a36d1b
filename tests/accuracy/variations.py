# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other bundles of evidence of which the same label is true, or of which less can be known.

Pure: a bundle in, bundles out. What a variation does to the label is said with it.
"""

from __future__ import annotations

import copy
import json
import re
import typing as t
from datetime import datetime, timedelta

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.classification import classify

Bundle = t.Dict[str, t.Any]
Wordings = t.Mapping[t.Tuple[str, str], t.Sequence[str]]  # {(kind of target, cause): [messages]}

_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_WEEKS = timedelta(weeks=52)
_MOST_WORDINGS = 2
# What a copy tool, the kubelet and a controller say when nothing is wrong. None of it is in the catalogue's samples.
_LINES = (
    "I1120 02:00:01.204518       1 main.go:88] build 7c1d0e2, config reloaded from /etc/mover/config.yaml",
    "Transferred:   \t    3.204 GiB / 3.204 GiB, 100%, 41.2 MiB/s, ETA 0s",
    "level=info msg=\"snapshot 4f1c9a77 saved\" files_new=12 files_changed=3",
    "using parent snapshot 91ab03de",
)
_EVENTS = (
    ("Normal", "Pulled", "Pod", "Container image \"registry.example.com/mover:4.2\" already present on machine"),
    ("Normal", "Scheduled", "Pod", "Successfully assigned backup/mover-x7k2p to node-3"),
    ("Normal", "SuccessfulCreate", "Job", "Created pod: mover-x7k2p"),
)
_AWS_HEALTH = {
    "service": "SAGEMAKER",
    "code": "AWS_SAGEMAKER_OPERATIONAL_ISSUE",
    "category": "issue",
    "status": "closed",
    "region": "us-east-2",
    "text": "Between 1:10 AM and 1:50 AM PDT notebook instances were slow to start. The issue is resolved.",
}
# Where the words of a step were seen, as classify() calls it.
_PLACES = {
    "logs": {"cluster": "log", "region": "copy_job"},
    "events": {"cluster": "event"},
    "job_detail": {"cluster": "container"},
    "copy_jobs": {"region": "copy_job"},
    "copy_job_detail": {"region": "copy_job"},
}


def same_label(bundle: Bundle, cause: str | None, wordings: Wordings) -> t.Iterator[tuple[str, Bundle]]:
    """(what was done, the bundle): the cause is the same, and as much of it can be known."""
    yield "as recorded", bundle
    yield "with noise", with_noise(bundle)
    yield "renamed", renamed(bundle)
    yield "a year later", a_year_later(bundle)
    if cause is not None:
        for number, told in enumerate(reworded(bundle, cause, wordings), start=1):
            yield f"reworded {number}", told


def less_known(bundle: Bundle, *, refused: bool = True) -> t.Iterator[tuple[str, Bundle]]:
    """(what was done, the bundle) with one step left out, and with it refused: no cause is better than another one."""
    for name, told in bundle["evidence"].items():
        if told is not None:
            yield f"without {name}", dict(bundle, evidence={**bundle["evidence"], name: None})
        if told is not None and refused:
            yield f"refused {name}", dict(bundle, evidence={**bundle["evidence"], name: _refused(name)})


def with_noise(bundle: Bundle) -> Bundle:
    """Lines and events that mean nothing, an issue of AWS elsewhere, and members that this version does not know."""
    noisy = copy.deepcopy(bundle)
    evidence = noisy["evidence"]
    if noisy["target"]["kind"] == "cluster":
        at = _newest_time(bundle)
        lines = [
            {"text": text, "pod": "mover-x7k2p", "job": None, "resource": None, "failed_pod": False, "final": False}
            for text in _LINES
        ]
        events = [
            {"type": kind, "reason": reason, "kind": on, "object": "mover-x7k2p", "message": text, "count": 1, "last_at": at}
            for kind, reason, on, text in _EVENTS
        ]
        _add(evidence.get("logs"), "lines", lines)
        _add(evidence.get("events"), "events", events)
    else:
        _add(evidence.get("health"), "events", [dict(_AWS_HEALTH, start_at=_newest_time(bundle))])
    for told in evidence.values():
        if isinstance(told, dict):
            told["not_known_here"] = {"text": "of a later version", "rows": [1, None]}
    return noisy


def renamed(bundle: Bundle) -> Bundle:
    """Every resource has another name, wherever it is written."""
    names = sorted(_resource_names(bundle["evidence"]), key=len, reverse=True)
    text = json.dumps(bundle)
    for number, name in enumerate(names):
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(json.dumps(name)[1:-1])}(?![A-Za-z0-9])", f"zz{number}data", text)
    return t.cast(Bundle, json.loads(text))


def a_year_later(bundle: Bundle) -> Bundle:
    """Every time is 52 weeks later, so that the days of the week stay what they were."""

    def later(match: re.Match[str]) -> str:
        moved = datetime.fromisoformat(match[0][:-1]) + _WEEKS
        return moved.strftime("%Y-%m-%dT%H:%M:%SZ")

    return t.cast(Bundle, json.loads(_TIME.sub(later, json.dumps(bundle))))


def reworded(bundle: Bundle, cause: str, wordings: Wordings) -> t.Iterator[Bundle]:
    """What names the cause is said in the words of somebody else; nothing where no message names it."""
    kind = bundle["target"]["kind"]
    for words in wordings.get((kind, cause), ())[:_MOST_WORDINGS]:
        told = copy.deepcopy(bundle)
        if sum(_say(told["evidence"].get(name), place.get(kind), cause, words) for name, place in _PLACES.items()):
            yield told


def _say(node: t.Any, place: str | None, cause: str, words: str) -> int:
    """Put the words where a text stands for the cause, at any depth; how many were put."""
    if place is None:
        return 0
    if isinstance(node, list):
        put = [index for index, item in enumerate(node) if isinstance(item, str) and _names(item, place, cause)]
        for index in put:
            node[index] = words
        return len(put) + sum(_say(item, place, cause, words) for item in node if not isinstance(item, str))
    if not isinstance(node, dict):
        return 0
    put = [key for key in ("text", "message") if isinstance(node.get(key), str) and _names(node[key], place, cause)]
    for key in put:
        node[key] = words
    return len(put) + sum(_say(item, place, cause, words) for item in node.values())


def _names(text: str, place: str, cause: str) -> bool:
    return bool(classify(text, place)["cause"] == cause)


def _refused(step: str) -> dict[str, t.Any]:
    error = {"code": 403, "message": "forbidden", "hint": None, "grant": None}
    return {"step": step, "outcome": "forbidden", "query": {}, "summary": {}, "denied": [], "error": error}


def _add(told: t.Any, name: str, rows: list[dict[str, t.Any]]) -> None:
    if isinstance(told, dict) and isinstance(told.get(name), list):
        told[name] += rows


def _newest_time(bundle: Bundle) -> str | None:
    times = [told.get("observed_at") for told in bundle["evidence"].values() if isinstance(told, dict)]
    return max((at for at in times if at), default=None)


def _resource_names(node: t.Any) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _resource_names(item)}
    if not isinstance(node, dict):
        return set()
    own = node.get("resource")
    found = {own} if isinstance(own, str) and own else set()
    return found.union(*(_resource_names(item) for item in node.values()))
