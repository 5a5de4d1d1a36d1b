# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Tell resources apart that have one name: tags called Name are rarely unique, and a diagnosis goes by names."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Row, text

_LISTS_OF_NAMES = frozenset({"resource_names", "resources"})


class _Twin(t.NamedTuple):
    label: str
    arn: str
    type: str | None
    failed: bool  # a copy of it, or the backup before it, came to no good end


def tell_apart(evidence: t.Any) -> t.Any:
    """The evidence, with a name of its own for each of several resources that share one; unique names stay.

    A row says which one it is about by its ARN, its copy job or its type. Where it tells none of these, or only names
    are listed, it is taken to be about all that fit. The evidence that was handed in stays as it is.
    """
    if not isinstance(evidence, dict):
        return evidence
    listed = list(_rows(evidence))
    twins = _twins(listed)
    if not twins:
        return evidence
    jobs = {
        job: arn for row in listed if (job := text(row, "copy_job")) and (arn := text(row, "resource_arn"))
    }
    return {name: _named_anew(found, twins, jobs) for name, found in evidence.items()}


def _rows(found: t.Any) -> t.Iterator[Row]:
    """All mappings inside."""
    if isinstance(found, dict):
        yield found
    for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from _rows(inner)


def _twins(listed: list[Row]) -> dict[str, list[_Twin]]:
    """{name: those who share it}."""
    known: dict[str, dict[str, list[Row]]] = {}
    for row in listed:
        name, arn = text(row, "resource"), text(row, "resource_arn")
        if name and arn:
            known.setdefault(name, {}).setdefault(arn, []).append(row)
    return {name: _labelled(name, by_arn) for name, by_arn in known.items() if len(by_arn) > 1}


def _labelled(name: str, by_arn: dict[str, list[Row]]) -> list[_Twin]:
    """The last part of the ARN tells most apart; the type does where that is the name itself, else the whole ARN."""
    types = {arn: next(filter(None, (text(row, "type") for row in found)), None) for arn, found in by_arn.items()}
    choices: tuple[dict[str, str | None], ...] = (
        {arn: arn.replace("/", ":").rsplit(":", 1)[-1] for arn in by_arn},
        {arn: types[arn] for arn in by_arn},
    )
    found = []
    for arn, rows in by_arn.items():
        own = [choice[arn] for choice in choices if list(choice.values()).count(choice[arn]) == 1]
        mark = next((item for item in own if item and item != name), arn)
        failed = any(text(row, "state") in ("FAILED", "PARTIAL") for row in rows)
        found.append(_Twin(f"{name} ({mark})", arn, types[arn], failed))
    return sorted(found)


def _named_anew(found: t.Any, twins: t.Mapping[str, list[_Twin]], jobs: t.Mapping[str, str]) -> t.Any:
    if isinstance(found, list):
        return [_named_anew(item, twins, jobs) for item in found]
    if not isinstance(found, dict):
        return found
    row = {name: _named_anew(item, twins, jobs) for name, item in found.items()}
    name = text(found, "resource")
    if name in twins:
        meant = _meant(found, twins[str(name)], jobs)
        row["resource"] = meant[0].label if len(meant) == 1 else name
    for column in _LISTS_OF_NAMES & set(found):
        names = found[column]
        if isinstance(names, list) and any(isinstance(item, str) and item in twins for item in names):
            row[column] = [label for item in names for label in _labels(item, twins, found)]
    return row


def _meant(row: Row, twins: list[_Twin], jobs: t.Mapping[str, str]) -> list[_Twin]:
    arn = text(row, "resource_arn") or jobs.get(text(row, "copy_job") or "")
    return [twin for twin in twins if (twin.arn == arn if arn else twin.type == text(row, "type"))]


def _labels(name: t.Any, twins: t.Mapping[str, list[_Twin]], row: Row) -> list[t.Any]:
    """Who is meant by a name in a list: those of its types that fit; of failed jobs those that failed."""
    if not isinstance(name, str) or name not in twins:
        return [name]
    types = row.get("types") if isinstance(row.get("types"), list) else None
    fitting = [twin for twin in twins[name] if not types or twin.type in types]
    if text(row, "state") in ("FAILED", "PARTIAL"):
        fitting = [twin for twin in fitting if twin.failed] or fitting
    return [twin.label for twin in fitting or twins[name]]
