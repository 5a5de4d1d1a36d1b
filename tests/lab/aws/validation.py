# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks by the model: what AWS refuses in a request, and what the lab must not answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from lab.aws.errors import LabFixtureError
from lab.aws.model import model_of

# A longer list is checked at this many places: its rows come from one story, and alike.
_CHECK_ALL_TO = 200
_SAMPLES = 20
_NUMBERS = ("integer", "long", "float", "double")
_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime,),
    "blob": (bytes,),
}


def input_problems(shape: Any, params: dict[str, Any]) -> list[str]:
    """Return what breaks the model's constraints, in the words of AWS's own validation."""
    return [] if shape is None else list(_problems(shape, params, ""))


def problems_text(problems: Sequence[str]) -> str:
    """Return the message of the error."""
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
    return count + "; ".join(problems)


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind in _TYPES and not _is_a(kind, value):
        yield f"Value at '{path}' is not of type {kind}"
        return
    yield from _constraints(shape, value, path)
    if kind == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
        for name, item in value.items():
            yield from _problems(shape.members[name], item, _join(path, name))
    elif kind == "list":
        for index, item in enumerate(value, 1):
            yield from _problems(shape.member, item, f"{path}.{index}.member")
    elif kind == "map":
        for key, item in value.items():
            yield from _problems(shape.value, item, f"{path}.{key}.member")


def _constraints(shape: Any, value: Any, path: str) -> Iterator[str]:
    meta = shape.metadata
    broken = []
    if meta.get("enum") and isinstance(value, str) and value not in meta["enum"]:
        broken.append(f"Member must satisfy enum value set: [{', '.join(meta['enum'])}]")
    pattern = _compiled(meta["pattern"]) if isinstance(value, str) and "pattern" in meta else None
    if pattern and not pattern.fullmatch(value):
        broken.append(f"Member must satisfy regular expression pattern: {meta['pattern']}")
    size, unit = (value, "value") if shape.type_name in _NUMBERS else (_length(value), "length")
    if size is not None and size < meta.get("min", size):
        broken.append(f"Member must have {unit} greater than or equal to {meta['min']}")
    if size is not None and size > meta.get("max", size):
        broken.append(f"Member must have {unit} less than or equal to {meta['max']}")
    for text in broken:
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: {text}"


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, (str, bytes, list, tuple, dict)) else None


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern of the model; None for the few that use what Python's expressions do not have (\\p{L})."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _join(path: str, name: str) -> str:
    member = name[0].lower() + name[1:]
    return f"{path}.{member}" if path else member


def check_output(shape: Any, value: dict[str, Any]) -> None:
    """Raise LabFixtureError where an answer does not have its operation's shape; long lists are sampled."""
    if shape is None:
        if value:
            raise LabFixtureError(f"the operation answers nothing, not {sorted(value)}")
        return
    _check(shape, value, shape.name)


def check_row(service: str, operation: str, row: dict[str, Any], member: str | None = None) -> None:
    """Check one row of a fixture against an operation's output, or one ``member`` of it (an item, where it is a list).

    Keys that begin with "_" are the lab's own and are left out.
    """
    model = model_of(service).operation(operation)
    if model is None:
        raise LabFixtureError(f"no operation {service}:{operation}")
    shape = model.output_shape.members[member] if member else model.output_shape
    shape = shape.member if shape.type_name == "list" else shape
    _check(shape, {key: value for key, value in row.items() if not key.startswith("_")}, shape.name)


def _check(shape: Any, value: Any, path: str) -> None:
    kind = shape.type_name
    if kind in _TYPES and not _is_a(kind, value):
        raise LabFixtureError(f"{path} wants a {kind}, not {value!r:.80}")
    if kind == "structure":
        _check_structure(shape, value, path)
    elif kind == "list":
        for index in _samples(len(value)):
            _check(shape.member, value[index], f"{path}[{index}]")
    elif kind == "map":
        for key, item in value.items():
            _check(shape.key, key, f"{path} key")
            _check(shape.value, item, f"{path}[{key}]")
    elif kind == "timestamp" and value.tzinfo is None:
        raise LabFixtureError(f"{path} has a time without a time zone")
    elif kind == "string" and value not in (shape.metadata.get("enum") or (value,)):
        raise LabFixtureError(f"{path} cannot be {value!r}: {shape.metadata['enum']}")


def _check_structure(shape: Any, value: dict[str, Any], path: str) -> None:
    members = shape.members
    for name, item in value.items():
        if name not in members:
            raise LabFixtureError(f"{path} has no member {name!r}")
        _check(members[name], item, f"{path}.{name}")
    for name in shape.required_members:
        if name not in value:
            raise LabFixtureError(f"{path} wants the member {name!r}")


def _samples(length: int) -> Sequence[int]:
    if length <= _CHECK_ALL_TO:
        return range(length)
    return sorted({*range(0, length, length // _SAMPLES), length - 1})


def _is_a(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
