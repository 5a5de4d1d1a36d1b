# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""When copy runs covered a resource's source backups: pure, on the source's clock.

A run covers a backup when it started after the backup was complete; whatever runs later covers the older ones too, so
that the backups without a copy are always the newest. Runs that Kubernetes has already pruned are thought of: where
the listed ones cannot prove a lag, only its upper bound counts.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import median
from ansible_collections.sre.backup_sync.plugins.module_utils._ledger.points import (
    Point,
    Skew,
    epoch,
    judge_lag,
    known_time,
)

VERDICTS = ("overdue", "late", "unknown", "in_flight", "on_time")  # worst first
LONG_RUN = 1.5  # a run this many times as long as usual is what made its copy late
_FAILED = frozenset({"failed", "failing"})
_UNSTARTED = frozenset({"suspended", "blocked"})


@dataclass(frozen=True)
class Run:
    """One run of a copy job, its times on the source's clock (epoch seconds)."""

    job: str | None
    resource: str
    state: str
    scheduled: float | None
    started: float | None
    ended: float | None

    @property
    def length_s(self) -> float | None:
        """How long it ran; None while it runs."""
        return None if self.started is None or self.ended is None else round(self.ended - self.started, 1)

    def start_delay_s(self, completed: float) -> float | None:
        """How late it started after its slot, or without a slot after its backup was there."""
        if self.started is None:
            return None
        return round(self.started - (completed if self.scheduled is None else self.scheduled), 1)


@dataclass(frozen=True)
class Copies:
    """The copy runs that serve one resource.

    interval_s: of their schedule; prunable: whether ended runs may already be gone; suspended: whether new ones start.
    """

    runs: tuple[Run, ...]
    interval_s: float | None = None
    prunable: bool = True
    suspended: bool = False

    @property
    def succeeded(self) -> list[Run]:
        """Successful runs in the order of their start."""
        good = [run for run in self.runs if run.state == "succeeded" and run.ended is not None]
        return sorted(good, key=lambda run: (_start(run), run.job or ""))

    @property
    def usual_s(self) -> float | None:
        """The median length of the successful runs."""
        return median([run.length_s for run in self.succeeded if run.length_s is not None])


def run_of(row: t.Mapping[str, t.Any], skew: Skew) -> Run:
    """A row of the feed of the job step. Raises AttributeError when it is none."""
    times = [skew.to_source(known_time(row.get(name))) for name in ("scheduled_at", "started_at", "ended_at")]
    return Run(row.get("job"), str(row.get("resource")), str(row.get("state")), *times)


def _start(run: Run) -> float:
    return run.started if run.started is not None else run.ended or 0.0


@dataclass
class Outcome:
    """The backup that decides a resource's verdict, and the run that copied it or should have."""

    verdict: str
    backup: Point | None = None
    run: Run | None = None
    lag_s: float | None = None
    why: str | None = None
    suspect: bool = False


def judge(backups: t.Iterable[Point], copies: Copies, *, now: float, window_s: float, error_s: float) -> Outcome:
    """The verdict of one resource from its completed source backups. now: the source's clock, epoch seconds.

    The newest backup decides, unless an older one is already overdue or the last copied one was late: with a window as
    long as the interval the newest is always still in flight.
    """
    known = ((epoch(backup.completed_at), backup) for backup in backups)
    completed = sorted(
        ((time, backup) for time, backup in known if time is not None), key=lambda pair: (pair[0], pair[1].name)
    )
    if not completed:
        return Outcome("unknown")
    good = copies.succeeded
    newest_start = _start(good[-1]) if good else float("-inf")
    # one that completed within the uncertainty of the newest start counts as covered
    waiting = [pair for pair in completed if newest_start < pair[0] - error_s]
    covered = completed[: len(completed) - len(waiting)]
    copied = _copied_lag(covered[-1], copies, window_s, error_s) if covered else None
    if waiting and not copies.runs:
        # Not one run is listed: older backups may have been copied by runs that are gone, so only the newest overdue
        # one counts, and its age is the least that the copies lag.
        waiting = [pair for pair in waiting if now - pair[0] - error_s > window_s][-1:] or waiting
    if waiting:
        age = round(now - waiting[0][0], 1)
        if age - error_s > window_s:
            return _overdue(waiting[0], copies, now, age)
        if copied is None or copied.verdict != "late":
            pending = _since(copies, waiting[-1][0])
            return Outcome("in_flight", waiting[-1][1], pending)
    return copied or Outcome("unknown")


def _copied_lag(pair: tuple[float, Point], copies: Copies, window_s: float, error_s: float) -> Outcome:
    """How long the copying of one covered backup took."""
    completed, backup = pair
    good = copies.succeeded
    place, run = next((place, run) for place, run in enumerate(good) if _start(run) >= completed - error_s)
    lag = judge_lag(completed, t.cast(float, run.ended), window_s, error_s)
    outcome = Outcome(lag.verdict, backup, run, lag.lag_s)
    if lag.verdict == "skew":
        outcome.verdict, outcome.suspect = "unknown", True
    elif lag.verdict == "late":
        if _proven(completed, run, place, copies, error_s):
            outcome.why = _why(run, completed, copies.usual_s)
        else:
            outcome.verdict = "unknown"  # an earlier run may have copied it and be pruned by now
    return outcome


def _proven(completed: float, run: Run, place: int, copies: Copies, error_s: float) -> bool:
    """Whether no pruned run can have copied the backup before this one did."""
    if not copies.prunable or place > 0:
        return True  # pruning takes the oldest, and an older success than this one is still listed
    slot = run.scheduled if run.scheduled is not None else run.started
    return copies.interval_s is not None and slot is not None and slot - copies.interval_s <= completed + error_s


def _overdue(pair: tuple[float, Point], copies: Copies, now: float, age: float) -> Outcome:
    completed, backup = pair
    run = _since(copies, completed)
    outcome = Outcome("overdue", backup, run, age)
    if run is None:
        outcome.why = "suspended" if copies.suspended else "not_started"
    elif run.state in _FAILED:
        outcome.why = "failing"
    elif run.state in _UNSTARTED:
        outcome.why = "suspended" if run.state == "suspended" else "not_started"
    elif run.ended is None:
        so_far = Run(run.job, run.resource, run.state, run.scheduled, run.started, now)
        outcome.why = _why(so_far, completed, copies.usual_s)
    return outcome


def _since(copies: Copies, completed: float) -> Run | None:
    """The newest run that belongs to a backup: started after it, or not started yet, or still running."""
    mine = [
        run
        for run in copies.runs
        if run.state != "succeeded"
        and (run.ended is None or (run.started is not None and run.started >= completed) or run.ended >= completed)
    ]
    return max(mine, key=lambda run: (_start(run), run.job or ""), default=None)


def _why(run: Run, completed: float, usual_s: float | None) -> str | None:
    """late_start when waiting took most of the time, long_run when the run did and took far longer than usual."""
    if run.started is None or run.length_s is None:
        return "not_started" if run.ended is None else None
    waited = max(run.started - completed, run.start_delay_s(completed) or 0.0)
    if waited >= run.length_s:
        return "late_start"
    return "long_run" if usual_s is not None and run.length_s > LONG_RUN * usual_s else None
