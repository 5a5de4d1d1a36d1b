# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The atoms of a region bundle: what AWS says of copy jobs, of backup jobs before them, and of calls made for them."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._aws_messages import category_hint, classify
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import Verdict
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.atoms import Atom, weight
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import (
    Row,
    figure,
    rows,
    step,
    text,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.own_signatures import OwnSignature

_Judge = t.Callable[[str], Verdict]

BAD_STATES = frozenset({"FAILED", "PARTIAL"})
# Where names of resources stand beside their ARNs.
_NAMED_IN = (
    ("copy_lag", "resources"),
    ("recovery_points", "resources"),
    ("copy_jobs", "jobs"),
    ("copy_jobs", "resources"),
)
# AWS's own sorting of messages, where there is no message to read: weak, as its words are no contract.
_CATEGORY_WEIGHT = 0.4
# Backups end in states that say something without a message.
_UPSTREAM_STATES = {
    "EXPIRED": "upstream_window",
    "ABORTED": "upstream_failed",
    "FAILED": "upstream_failed",
    "PARTIAL": "upstream_failed",
}


def is_failing(row: Row) -> bool:
    """The newest copy job of the resource that ended came to no good end."""
    return text(row, "state") in BAD_STATES or bool(figure(row, "consecutive_failures"))


def collect(evidence: t.Any, own: tuple[OwnSignature, ...] = ()) -> list[Atom]:
    """All atoms of a region bundle: those of copies, then those of the backups before them.

    Signatures of the user come before the shipped ones.
    """
    judge = functools.partial(classify, own=own)
    return [
        *_from_copy_jobs(evidence, judge),
        *_from_detail(evidence, judge),
        *_from_logs(evidence, judge),
        *_from_upstream(evidence, judge),
    ]


def _atom(
    judge: _Judge,
    row: Row,
    message: str | None,
    *,
    step_name: str,
    path: str,
    recorder: str = "aws",
    at: str | None = None,
    resource: str | None = None,
    state: str | None = None,
    final: bool = True,
) -> t.Iterator[Atom]:
    """The atom of one message; none when it is unknown, or says that nothing is wrong."""
    verdict = judge(message) if message else Verdict()
    if verdict.kind == "benign":
        return
    cause, weighs = verdict.cause, weight(verdict, final)
    if cause is None:
        cause, weighs = _hint(row, recorder, state), _CATEGORY_WEIGHT
    if cause is None:
        return
    yield Atom(
        cause=cause,
        signature=verdict.signature or "category",
        weight=weighs,
        recorder=recorder,
        step=step_name,
        path=path,
        text=message or f"{state or text(row, 'state')} ({text(row, 'category') or 'without a message'})",
        at=at,
        job=text(row, "copy_job"),
        resource=resource or text(row, "resource"),
        fix=verdict.fix,
        alternatives=tuple(verdict.alternatives),
        confirm_by=verdict.confirm_by,
    )


def _hint(row: Row, recorder: str, state: str | None) -> str | None:
    if recorder == "upstream" and state in _UPSTREAM_STATES:
        return _UPSTREAM_STATES[state]
    return category_hint(text(row, "category"))


def _from_copy_jobs(evidence: t.Any, judge: _Judge) -> t.Iterator[Atom]:
    jobs = step(evidence, "copy_jobs")
    for listed in ("resources", "jobs"):
        for index, row in enumerate(rows(jobs, listed)):
            if text(row, "state") in BAD_STATES and not row.get("composite"):
                yield from _atom(
                    judge,
                    row,
                    text(row, "message"),
                    step_name="copy_jobs",
                    path=f"{listed}[{index}].message",
                    at=text(row, "completed_at"),
                )
    for index, row in enumerate(rows(jobs, "groups")):
        names = row.get("resource_names") if text(row, "state") in BAD_STATES else None
        for name in names if isinstance(names, list) else []:
            yield from _atom(
                judge,
                row,
                text(row, "message"),
                step_name="copy_jobs",
                path=f"groups[{index}].message",
                at=text(row, "last_at"),
                resource=name if isinstance(name, str) else None,
            )


def _from_detail(evidence: t.Any, judge: _Judge) -> t.Iterator[Atom]:
    detail = step(evidence, "copy_job_detail")
    job = detail.get("job")
    told = [("job", job)] if isinstance(job, dict) else []
    told += [(f"children[{index}]", row) for index, row in enumerate(rows(detail, "children"))]
    for path, row in told:
        if text(row, "state") in BAD_STATES:
            yield from _atom(
                judge,
                row,
                text(row, "message"),
                step_name="copy_job_detail",
                path=f"{path}.message",
                at=text(row, "completed_at"),
            )


def _from_logs(evidence: t.Any, judge: _Judge) -> t.Iterator[Atom]:
    """Events repeat what the job says. A refused call is CloudTrail's own observation, of no resource that it names."""
    logs = step(evidence, "logs")
    known = _names_by_arn(evidence)
    for index, row in enumerate(rows(logs, "events")):
        resource = known.get(text(row, "resource_arn") or "")
        if text(row, "state") in BAD_STATES and resource:
            yield from _atom(
                judge,
                row,
                text(row, "message"),
                step_name="logs",
                path=f"events[{index}].message",
                at=text(row, "at"),
                resource=resource,
            )
    for index, row in enumerate(rows(logs, "api_errors")):
        said = ": ".join(filter(None, (text(row, "error_code"), text(row, "message"))))
        yield from _atom(
            judge,
            {},
            said,
            step_name="logs",
            path=f"api_errors[{index}].message",
            recorder="cloudtrail",
            at=text(row, "at"),
        )


def _names_by_arn(evidence: t.Any) -> dict[str, str]:
    """{ARN: name of the resource}, as the steps have them that answered."""
    return {
        arn: name
        for step_name, listed in _NAMED_IN
        for row in rows(step(evidence, step_name), listed)
        if (arn := text(row, "resource_arn")) and (name := text(row, "resource"))
    }


def failed_in_logs(evidence: t.Any) -> list[str]:
    """Resources of whose copies the logs have a failed event; an event of one that is not known says nothing."""
    known, events = _names_by_arn(evidence), rows(step(evidence, "logs"), "events")
    arns = {text(row, "resource_arn") for row in events if text(row, "state") in BAD_STATES}
    return sorted({known[arn] for arn in arns if arn in known})


def _from_upstream(evidence: t.Any, judge: _Judge) -> t.Iterator[Atom]:
    """Of backups that ended badly with no good one since; what a later one has made good explains nothing."""
    for index, row in enumerate(rows(step(evidence, "copy_jobs"), "upstream")):
        if row.get("latest") is not False:
            yield from _atom(
                judge,
                row,
                text(row, "message"),
                step_name="copy_jobs",
                path=f"upstream[{index}].message",
                recorder="upstream",
                at=text(row, "ended_at"),
                state=text(row, "state"),
            )
    for index, row in enumerate(rows(step(evidence, "copy_lag"), "source_problems")):
        if text(row, "state") == "never":  # no job has said anything: the words are our own
            continue
        yield from _atom(
            judge,
            row,
            text(row, "message"),
            step_name="copy_lag",
            path=f"source_problems[{index}].message",
            recorder="upstream",
            at=text(row, "at"),
            state=(text(row, "state") or "").upper(),
        )
