# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""What if a fact were another: values put at places that are named as rules and reports name them. Pure.

A place is a JMESPath expression that leads to members or rows, for example keys.kms_keys[?state=='Disabled'].state or
facts.keys_refusing. It must be there already, so that a slip of the pen is not taken for an answer. Of the settings only
the RPO is asked after the gathering; figures that a step has worked out with it stay as they are.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.rules import truthy
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.thresholds import own_values, thresholds_of

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
    from jmespath.visitor import TreeInterpreter
except ImportError:  # rules need it too, and say that it is missing before anything is supposed
    pass

Document = t.Dict[str, t.Any]
Place = t.Tuple[t.Any, t.Any]  # the dictionary or list, and the key or index in it
_FACTS = "facts."
_THRESHOLDS = "settings.thresholds."
_SETTINGS = ("settings.rpo_s", _THRESHOLDS)
_TYPES = {dict: "a dictionary", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}


class SuppositionError(Exception):
    """A place that cannot be changed; the text says why and what to give."""


def check_thresholds(supposing: t.Mapping[str, t.Any], kind: str) -> None:
    """What is supposed of thresholds keeps to the same bounds as what a file says of them. Raises SuppositionError."""
    for place, value in supposing.items():
        name = place[len(_THRESHOLDS) :] if place.startswith(_THRESHOLDS) else None
        if name in thresholds_of(kind):
            try:
                own_values({name: value}, "supposing", kind)
            except RuleError as exc:
                raise SuppositionError(str(exc)) from exc


def gathered(evidence: Document, settings: Document, supposing: t.Mapping[str, t.Any]) -> tuple[Document, Document]:
    """The evidence and the settings with the values at those places that are not of derived facts.

    Raises SuppositionError.
    """
    document = _changed({**evidence, "settings": settings}, supposing, lambda place: not place.startswith(_FACTS))
    settings = document.pop("settings")
    return document, settings


def derived(facts: Document, supposing: t.Mapping[str, t.Any]) -> Document:
    """The facts with the values at their places. Raises SuppositionError."""
    return t.cast(Document, _changed({"facts": facts}, supposing, lambda place: place.startswith(_FACTS))["facts"])


def _changed(document: Document, supposing: t.Mapping[str, t.Any], mine: t.Callable[[str], bool]) -> Document:
    """A copy of the document with the values at my places."""
    wanted = {expression: value for expression, value in supposing.items() if mine(expression)}
    document = copy.deepcopy(document) if wanted else document
    for expression, value in wanted.items():
        if expression.startswith("settings.") and not expression.startswith(_SETTINGS):
            raise SuppositionError(
                f"{expression!r} bears on the gathering alone; of the settings only settings.rpo_s and those of "
                "settings.thresholds can be supposed."
            )
        for holder, key in _places(expression, document):
            _check_type(expression, holder[key], value)
            holder[key] = copy.deepcopy(value)
    return document


def _check_type(expression: str, held: t.Any, value: t.Any) -> None:
    """What is not known can become anything, and anything not known."""
    of, given = _TYPES.get(type(held)), _TYPES.get(type(value))
    if of != given and held is not None and value is not None:
        raise SuppositionError(f"{expression!r} holds {of}, and the value given for it is {given}; give {of}.")


def _places(expression: str, document: Document) -> list[Place]:
    try:
        parsed = jmespath.compile(expression).parsed
        found = _walk(parsed, [document])
    except (JMESPathError, ValueError, TypeError) as exc:
        problem = " ".join(str(exc).split())[:200]
        raise SuppositionError(f"{expression!r} is no JMESPath expression that can be looked up: {problem}") from exc
    if not found:
        raise SuppositionError(
            f"{expression!r} is nowhere in this evidence; name a step and its members as they stand in evidence.json, like "
            "keys.kms_keys[0].state, or one of the derived facts."
        )
    return found


def _walk(node: dict[str, t.Any], values: list[t.Any]) -> list[Place]:
    """The places that the expression means, seen from each of the values."""
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        return [(value, node["value"]) for value in values if isinstance(value, dict) and node["value"] in value]
    if kind == "index":
        at = node["value"]
        return [(value, at) for value in values if isinstance(value, list) and -len(value) <= at < len(value)]
    if kind in ("subexpression", "index_expression"):
        found = _walk(children[0], values)
        for child in children[1:]:
            found = _walk(child, _held(found))
        return found
    if kind in ("projection", "filter_projection"):
        lists = values if children[0]["type"] == "identity" else _held(_walk(children[0], values))
        rows = [(rows, index) for rows in lists if isinstance(rows, list) for index in range(len(rows))]
        if kind == "filter_projection":
            rows = [(held, index) for held, index in rows if truthy(TreeInterpreter().visit(children[2], held[index]))]
        return rows if children[1]["type"] == "identity" else _walk(children[1], _held(rows))
    raise SuppositionError("only members, [number], [*] and [?condition] lead to a place that can be changed.")


def _held(places: list[Place]) -> list[t.Any]:
    return [holder[key] for holder, key in places]


# ----------------------------------------------------------------------------------------------------- comparing


def compared(before: Document, after: Document) -> dict[str, t.Any]:
    """What of two diagnoses differs: {before, after, findings: [{rule, before, after}]}.

    before, after: status, alert, cause, title, confidence, dr_readiness and worst_exposure_s of each.
    """
    states = [{row["rule"]: row["state"] for row in diagnosis["findings"]} for diagnosis in (before, after)]
    rules = list(dict.fromkeys([*states[0], *states[1]]))
    return {
        "before": _gist(before),
        "after": _gist(after),
        "findings": [
            {"rule": rule, "before": states[0].get(rule), "after": states[1].get(rule)}
            for rule in rules
            if states[0].get(rule) != states[1].get(rule)
        ],
    }


def _gist(diagnosis: Document) -> dict[str, t.Any]:
    root = diagnosis["root_cause"] or {}
    return {
        "status": diagnosis["status"],
        "alert": (diagnosis["alert"] or {}).get("verdict"),
        "cause": root.get("cause"),
        "title": root.get("title"),
        "confidence": root.get("confidence"),
        "dr_readiness": diagnosis["dr_readiness"]["verdict"],
        "worst_exposure_s": diagnosis["dr_readiness"]["worst_exposure_s"],
    }
