# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CronJobs with their runs, their history limits and the events of the cronjob controller."""

from __future__ import annotations

from typing import Any

from lab.clock import rfc3339, seconds
from lab.stories.jobs import APP_LABELS, GIVES_UP, Outcome, Run, parse_run, play
from lab.stories.pods import owner_of
from lab.stories.side import Side, Slot, cron_text, slots

_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_OWN_KEYS = (
    "name",
    "schedule",
    "suspend",
    "concurrency_policy",
    "keep_all",
    "successful_history",
    "failed_history",
    "starting_deadline",
    "time_zone",
    "created",
)
_ACTIVE = "Not starting job because prior execution is running and concurrency policy is Forbid"


def story_cronjob(side: Side, story: dict[str, Any]) -> None:
    """Expand a ``cronjob`` story."""
    runs = [(slot, _run(slot)) for slot in slots(story, side.moment)]
    _same_limit([run for _slot, run in runs])
    cronjob = _cronjob(side, story, [slot for slot, _unused in runs], [run for _slot, run in runs])
    kept = _survivors(story, runs, side.moment.now)
    outcomes: list[tuple[Run, Outcome]] = []
    for index, (_slot, run) in enumerate(runs):
        outcomes.append((run, _play(side, cronjob, run, kept=index in kept)))
    _pruning_events(side, cronjob, outcomes, kept)
    _forbidden_starts(side, cronjob, story, outcomes)
    cronjob["status"] = _status(outcomes)
    side.add(cronjob)


def _same_limit(runs: list[Run]) -> None:
    """Give all Jobs of the template one backoffLimit: that of the runs that failed, if the story does not say."""
    limit = max((run.limit for run in runs if run.result in GIVES_UP), default=None)
    for run in runs:
        if run.backoff_limit is None:
            run.backoff_limit = limit


def _run(slot: Slot) -> Run:
    return parse_run({key: value for key, value in slot.spec.items() if key not in _OWN_KEYS}, slot.at)


def _cronjob(side: Side, story: dict[str, Any], found: list[Slot], runs: list[Run]) -> dict[str, Any]:
    name = story["name"]
    labels = story.get("labels", APP_LABELS)
    sample = runs[-1] if runs else _run(Slot(-1, side.moment.now, story))
    template = sample.template()
    schedule = story.get("schedule") or cron_text(story, max(slot.at for slot in found if slot.index >= 0))
    job_spec: dict[str, Any] = {
        "backoffLimit": sample.limit,
        "template": {"metadata": {"labels": template.labels}, "spec": template.spec()},
    }
    if sample.deadline is not None:
        job_spec["activeDeadlineSeconds"] = int(sample.deadline)
    spec: dict[str, Any] = {"schedule": schedule}
    if story.get("time_zone"):
        spec["timeZone"] = story["time_zone"]
    if story.get("starting_deadline") is not None:
        spec["startingDeadlineSeconds"] = int(seconds(story["starting_deadline"]))
    spec["concurrencyPolicy"] = story.get("concurrency_policy", "Forbid")
    spec["suspend"] = bool(story.get("suspend", False))
    spec["jobTemplate"] = {"metadata": {"labels": dict(labels)}, "spec": job_spec}
    spec["successfulJobsHistoryLimit"] = story.get("successful_history", 3)
    spec["failedJobsHistoryLimit"] = story.get("failed_history", 1)
    created = side.moment.ago(story.get("created", "60d"))
    generation = 2 if spec["suspend"] else 1
    metadata = side.metadata("CronJob", name, created, generation=generation, labels=labels)
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


def _survivors(story: dict[str, Any], runs: list[tuple[Slot, Run]], now: float) -> set[int]:
    """Return the runs whose Job still exists: unfinished ones, and as many finished ones as the history limits keep."""
    if story.get("keep_all"):
        return set(range(len(runs)))
    good, bad, kept = story.get("successful_history", 3), story.get("failed_history", 1), set()
    for index in reversed(range(len(runs))):
        run = runs[index][1]
        ended = run.created + run.took <= now
        if run.result == "succeeded" and ended:
            good -= 1
            keep = good >= 0
        elif run.result in (*GIVES_UP, "deadline") and ended:
            bad -= 1
            keep = bad >= 0
        else:
            keep = True
        if keep:
            kept.add(index)
    return kept


def _play(side: Side, cronjob: dict[str, Any], run: Run, *, kept: bool) -> Outcome:
    """Write one run: its Job is named after the minute of its slot and says the slot in an annotation."""
    name = f"{cronjob['metadata']['name']}-{int(run.at // 60)}"
    outcome = play(
        side, name, run, kept=kept, owners=[owner_of(cronjob)], annotations={_SCHEDULED: rfc3339(run.at)}
    )
    _say(side, cronjob, "SuccessfulCreate", f"Created job {name}", run.created)
    if outcome.ended is not None:
        text = f"Saw completed job: {name}, condition: {outcome.condition}"
        _say(side, cronjob, "SawCompletedJob", text, outcome.ended)
    return outcome


def _say(side: Side, cronjob: dict[str, Any], reason: str, message: str, at: float, **more: Any) -> None:
    side.event(cronjob, reason, message, at, component="cronjob-controller", **more)


def _pruning_events(
    side: Side, cronjob: dict[str, Any], outcomes: list[tuple[Run, Outcome]], kept: set[int]
) -> None:
    """Write a deletion for each pruned Job, at the moment when a younger one of its kind ended."""
    for condition, limit in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        ended = [
            (index, outcome) for index, (_run, outcome) in enumerate(outcomes) if outcome.condition == condition
        ]
        keep = cronjob["spec"][limit]
        for position, (index, outcome) in enumerate(ended):
            if index in kept or position + keep >= len(ended):
                continue
            cause = ended[position + keep][1].ended
            text = f"Deleted job {outcome.job['metadata']['name']}"
            _say(side, cronjob, "SuccessfulDelete", text, cause or side.moment.now)


def _forbidden_starts(
    side: Side, cronjob: dict[str, Any], story: dict[str, Any], outcomes: list[tuple[Run, Outcome]]
) -> None:
    """Write JobAlreadyActive, of type Normal, where Forbid kept the schedule from starting while a run goes on."""
    active = [run for run, outcome in outcomes if outcome.ended is None and run.result != "suspended"]
    if not active or "every" not in story or cronjob["spec"]["concurrencyPolicy"] != "Forbid":
        return
    period = seconds(story["every"])
    missed = int((side.moment.now - active[-1].at) // period)
    if missed > 0:
        first, last = active[-1].at + period, active[-1].at + missed * period
        _say(side, cronjob, "JobAlreadyActive", _ACTIVE, last, first=first, count=missed)


def _status(outcomes: list[tuple[Run, Outcome]]) -> dict[str, Any]:
    status: dict[str, Any] = {}
    active = [_reference(outcome.job) for _run, outcome in outcomes if outcome.ended is None]
    if active:
        status["active"] = active
    if outcomes:
        status["lastScheduleTime"] = rfc3339(max(run.at for run, _outcome in outcomes))
    good = [outcome.ended for _run, outcome in outcomes if outcome.condition == "Complete" and outcome.ended]
    if good:
        status["lastSuccessfulTime"] = rfc3339(max(good))
    return status


def _reference(job: dict[str, Any]) -> dict[str, Any]:
    metadata = job["metadata"]
    return {
        "kind": "Job",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": "batch/v1",
        "resourceVersion": metadata["resourceVersion"],
    }
