# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs: what is backed up in the source, copied every hour, and kept as a recovery point in the destination.

A scenario is mostly such pairs, of which some have gone wrong; this spares it from telling the healthy part again.
"""

from __future__ import annotations

from typing import Any

_KEYS = {"resources", "backups", "copy", "points", "fails"}
_BACKUPS = {"every": "1h", "for": "24h", "latest": "26m"}
_COPY = {"every": "1h", "for": "24h", "latest": "20m", "took": "4m", "log": ["level=info msg=copied", "done"]}
_POINTS = {"imported": True, "every": "1h", "for": "24h", "latest": "26m", "delay": "11m"}


def expand_pairs(raw: dict[str, Any]) -> dict[str, Any]:
    """Replace the key ``pairs`` of a scenario by stories of both sides.

    Each entry names ``resources`` and what differs from an hourly copy in good order: ``backups`` (keys of a
    ``snapshots`` story), ``copy`` (keys of a ``cronjob`` story), ``points`` (keys of a ``snapshots`` story), and
    ``fails``: keys of a run, with ``index`` (counted back from the newest) or ``hours`` (UTC) for the runs that end so
    and leave no recovery point. Part of a pair that is ``null`` is left out. ``rules`` overrides the rules in the vault ConfigMap of
    a side: {source|destination: {resource: {key: value}}}, and ``rules_changed`` says when it was written.
    """
    if "pairs" not in raw:
        return raw
    pairs, overrides = raw.pop("pairs"), raw.pop("rules", {})
    changed = raw.pop("rules_changed", "20d")
    stories: dict[str, list[dict[str, Any]]] = {"source": [], "destination": []}
    names: list[str] = []
    for pair in pairs:
        unknown = set(pair) - _KEYS
        if unknown:
            raise ValueError(f"pairs: unknown keys {sorted(unknown)}")
        for resource in pair["resources"]:
            names.append(resource)
            _pair(stories, resource, pair)
    for side, found in stories.items():
        found.append({"configmap": _rules(names, overrides.get(side, {}), changed)})
        described = raw.setdefault(side, {})
        described["stories"] = found + described.get("stories", [])
    return raw


def _pair(stories: dict[str, list[dict[str, Any]]], resource: str, pair: dict[str, Any]) -> None:
    fails = dict(pair.get("fails") or {})
    index, hours = fails.pop("index", []), fails.pop("hours", [])
    if pair.get("backups", {}) is not None:
        stories["source"].append({"snapshots": {**_BACKUPS, "resource": resource, **pair.get("backups", {})}})
    if pair.get("copy", {}) is not None:
        copy = {**_COPY, "name": f"backup-sync-{resource}", **pair.get("copy", {})}
        if fails:
            copy["except"] = [{"index": index, "hours": hours, **fails}, *copy.get("except", [])]
        stories["destination"].append({"cronjob": copy})
    if pair.get("points", {}) is not None:
        points = {**_POINTS, "resource": resource, "skip": index, "skip_hours": hours, **pair.get("points", {})}
        stories["destination"].append({"snapshots": points})


def _rules(names: list[str], overrides: dict[str, Any], changed: str) -> dict[str, Any]:
    rules = [
        {
            "name": name,
            "enabled": True,
            "schedule": "0 * * * *",
            "rpo": "2h",
            "source": {"claim": name},
            "destination": {"cluster": "dr", "bucket": "example-backup-dr"},
            **overrides.get(name, {}),
        }
        for name in names
    ]
    data = {"config.yaml": {"replicationRules": rules}}
    return {"name": "backup-vault-config", "changed": changed, "data": data}
