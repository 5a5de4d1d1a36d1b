# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""A configuration against a JSON Schema (2020-12). The library is imported only where a schema is given."""

from __future__ import annotations

import re
import sys
import typing as t
from itertools import islice

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._config_document import (
    Config,
    Problem,
    boolean,
    is_secret,
    join,
    name_of,
    problem,
)

MOST_FINDINGS = 100
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?")
_ANY_READING = ("type", "enum", "const")
_AS_NUMBER = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
# The library's messages about these name keys only; all others show the value, which may be a secret.
_ABOUT_KEYS = frozenset({"additionalProperties", "unevaluatedProperties", "dependentRequired"})


def check_schema(schema: dict[str, t.Any] | None) -> None:
    """Refuse a schema that cannot be applied, before any request. Raises BadParameter."""
    if schema is None:
        return
    library = _library()
    dialect = str(schema.get("$schema", _DIALECT)).rstrip("#")
    if dialect != _DIALECT:
        raise BadParameter(f"schema: the dialect {dialect!r} is not supported; write it for {_DIALECT}.")
    try:
        library.Draft202012Validator.check_schema(schema)
    except library.exceptions.SchemaError as exc:
        place = "/".join(map(str, exc.absolute_path)) or "its top level"
        raise BadParameter(f"schema: this is no JSON Schema, see {place}: {exc.message[:200]}.") from exc


def check_against(config: Config, schema: dict[str, t.Any] | None) -> list[Problem]:
    """Where the configuration breaks a schema that check_schema accepted, MOST_FINDINGS at most.

    Of a configuration that could not be read whole nothing is said. Raises BadParameter for a $ref that leads nowhere.
    """
    if schema is None or any(found["kind"] in ("unparsable", "missing_key") for found in config.problems):
        return []
    library = _library()
    from referencing import Registry  # comes with jsonschema
    from referencing.exceptions import Unresolvable

    kind = library.Draft202012Validator
    if config.root is config.tree or config.form not in ("yaml", "json"):
        kind = _reading_text(library)
    # An own, empty registry: the library's would fetch a $ref from the network. $schema would choose another class.
    rules = {name: value for name, value in schema.items() if name != "$schema"}
    try:
        errors = kind(rules, registry=Registry()).iter_errors(config.root)
        found: list[Problem] = []
        for error in islice(errors, MOST_FINDINGS + 1):
            found += [row for row in _problems(library.exceptions.best_match([error]), config.root) if row not in found]
    except Unresolvable as exc:
        raise BadParameter(f"schema: {str(exc)[:200]}; give it in the schema itself, nothing is fetched.") from exc
    except RecursionError:
        raise BadParameter("schema: a $ref leads back to itself without end; correct the schema.") from None
    if len(found) > MOST_FINDINGS:
        more = problem("unexpected_value", f"the schema is broken at more than {MOST_FINDINGS} places")
        found = [*found[:MOST_FINDINGS], more]
    return found


def _library() -> t.Any:
    try:
        import jsonschema
        import referencing  # noqa: F401 # pylint: disable=unused-import
    except ImportError:
        raise BadParameter(
            "schema: checking against a JSON Schema needs the Python library jsonschema 4.18 or newer, which "
            f"{sys.executable} does not have; pip install 'jsonschema>=4.18'."
        ) from None
    return jsonschema


# ------------------------------------------------------------------------------------------------ values as text


def _reading_text(library: t.Any) -> t.Any:
    """The validator for values that are always text (plain keys, INI, properties): "30" may be the number 30."""
    known = library.Draft202012Validator.VALIDATORS
    keywords = {name: _any_reading(known[name]) for name in _ANY_READING}
    keywords.update({name: _as_number(known[name]) for name in _AS_NUMBER})
    return library.validators.extend(library.Draft202012Validator, keywords)


def _readings(value: t.Any) -> list[t.Any]:
    """The value, and the number and the truth value that its text reads as."""
    number = _number(value)
    truth = boolean(value) if isinstance(value, str) else None
    return [value, *(reading for reading in (number, truth) if reading is not None)]


def _number(value: t.Any) -> int | float | None:
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def _any_reading(keyword: t.Any) -> t.Any:
    def check(validator: t.Any, wanted: t.Any, instance: t.Any, schema: t.Any) -> t.Iterator[t.Any]:
        faults = [list(keyword(validator, wanted, reading, schema) or ()) for reading in _readings(instance)]
        if all(faults):
            yield from faults[0]

    return check


def _as_number(keyword: t.Any) -> t.Any:
    def check(validator: t.Any, wanted: t.Any, instance: t.Any, schema: t.Any) -> t.Iterator[t.Any]:
        number = _number(instance)
        yield from keyword(validator, wanted, instance if number is None else number, schema) or ()

    return check


# ------------------------------------------------------------------------------------------------------ findings


def _problems(error: t.Any, root: t.Any) -> list[Problem]:
    path, keyword, wanted = _path(error.absolute_path, root), error.validator, error.validator_value
    place = path or "the configuration"
    if keyword == "required":
        missing = [join(path, str(name)) for name in wanted if name not in error.instance]
        text = "is required by the schema and is not set"
        return [problem("missing_key", f"{name} {text}", path=name) for name in missing]
    if keyword in _ABOUT_KEYS:
        return [problem("unexpected_value", f"{place} breaks the schema: {error.message[:300]}", path=path or None)]
    if keyword == "type":
        types = " or ".join([wanted] if isinstance(wanted, str) else wanted)
        kind, text = "type_mismatch", f"{place} is not of the schema's type {types}"
    elif keyword is None:  # the schema false
        kind, text = "unexpected_value", f"{place} is set and the schema does not allow it"
    else:
        shown = "" if is_secret(path) else f" {str(wanted)[:100]}"
        kind, text = "unexpected_value", f"{place} breaks the schema's {keyword}{shown}"
    return [problem(kind, text, path=path or None, expected=wanted, actual=error.instance)]


def _path(steps: t.Iterable[t.Any], root: t.Any) -> str:
    """As all paths of this step are written: the entries of a list by their names where they have one."""
    path, value = "", root
    for step in steps:
        value = value[step]
        if isinstance(step, int):
            path += f"[{name_of(value) or step}]"
        else:
            path = join(path, str(step))
    return path
