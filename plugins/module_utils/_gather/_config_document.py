# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""A ConfigMap as a tree of values: parsing, paths and comparing. Pure, bounded, and never executing what it reads."""

from __future__ import annotations

import configparser
import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, parse_duration, plain
from ansible_collections.sre.backup_sync.plugins.module_utils._redaction import mask, token

try:
    import yaml

    HAS_YAML = True
except ImportError:
    HAS_YAML = False

FORMATS = ("auto", "yaml", "json", "ini", "properties", "text")
MOST_BYTES = 1024 * 1024  # what the API server accepts for a whole ConfigMap
MOST_NODES = 50_000
MOST_LEVELS = 100
_SHOWN = 200

_SUFFIXES = {
    "json": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "ini": "ini",
    "cfg": "ini",
    "conf": "ini",
    "properties": "properties",
    "env": "properties",
}
_SECTION = re.compile(r"\s*\[[^\]\n,:{}\"]+\]\s*(\n|$)")
_YAML_LINE = re.compile(r"^\s*(- |[\w.\"'/-]+\s*:(\s|$))", re.MULTILINE)
_PROPERTY = re.compile(r"^\s*(?P<key>[\w./-]+)\s*[=:]\s?(?P<value>.*)$")
_SECRET_KEY = re.compile(r"(?i)pass|secret|token|credential|(?<!kms)(?<!kms[_-])key$")

Problem = t.Dict[str, t.Any]


class Unparsable(Exception):
    """The document is not what its format asks; line and column count from 1, None when nobody knows."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def problem(
    kind: str,
    message: str,
    *,
    rule: str | None = None,
    path: str | None = None,
    expected: t.Any = None,
    actual: t.Any = None,
) -> Problem:
    """One finding about the configuration; the value of a key that names a secret is masked."""
    return {
        "kind": kind,
        "rule": rule,
        "path": path,
        "expected": shown(path, expected),
        "actual": shown(path, actual),
        "message": mask(message),
    }


def shown(path: str | None, value: t.Any) -> t.Any:
    """A value as evidence may show it: bounded and without secrets."""
    if value is None or isinstance(value, (bool, int, float)) and not is_secret(path):
        return value
    if is_secret(path):
        return token(value)
    text = value if isinstance(value, str) else json.dumps(_without_secrets(plain(value)), sort_keys=True)
    text = mask(text[: _SHOWN * 4])
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _without_secrets(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: token(item) if is_secret(name) else _without_secrets(item) for name, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def is_secret(path: str | None) -> bool:
    """Whether the last step of a path names a secret."""
    return bool(path) and bool(_SECRET_KEY.search(re.split(r"[.\[\]]", str(path).rstrip("]"))[-1]))


# -------------------------------------------------------------------------------------------------------- parsing


@dataclass
class Config:
    """root: where paths begin: the only document, or all keys. tree: all keys. form: how the root was written."""

    root: t.Any
    tree: dict[str, t.Any]
    form: str
    problems: list[Problem] = field(default_factory=list)


def read_config(data: t.Mapping[str, t.Any], *, key: str | None, form: str, binary: t.Collection[str] = ()) -> Config:
    """Parse the values of a ConfigMap. What cannot be parsed is a problem, not an error.

    key: only this one. form: one of FORMATS, for the documents; short plain values stay as they are. binary: the keys
    of binaryData, where certificates and archives belong; a document there is not UTF-8, and nobody reads its rules.
    Raises BadParameter for YAML without PyYAML.
    """
    text = "stands in binaryData: it is not UTF-8 text (UTF-16, or compressed?)"
    problems = [
        dict(problem("unparsable", f"{name} {text}", path=name), line=None, column=None)
        for name in sorted(binary)
        if name == key or (key is None and name.rpartition(".")[2].lower() in _SUFFIXES)
    ]
    if key is not None and key not in data and key not in binary:
        problems.append(problem("missing_key", f"the ConfigMap has no key {key}", path=key))
    tree: dict[str, t.Any] = {}
    forms: dict[str, str] = {}
    for name in sorted(data) if key is None else [key] if key in data else []:
        text = str(data[name] if data[name] is not None else "")
        if text.startswith("\ufeff"):
            problems.append(problem("whitespace", f"{name} begins with a byte order mark", path=name))
            text = text[1:]
        used = _form_of(name, text, form, explicit=key is not None)
        try:
            tree[name], twice = parse(text, used)
        except Unparsable as exc:
            place = f" (line {exc.line}, column {exc.column})" if exc.line else ""
            finding = problem("unparsable", f"{name} is no usable {used}: {exc}{place}", path=name)
            problems.append(dict(finding, line=exc.line, column=exc.column))
            continue
        problems += [
            problem("duplicate_rule", f"{name}: the key {twin} stands twice; the last one counts", path=twin)
            for twin in twice
        ]
        if isinstance(tree[name], (dict, list)):
            forms[name] = used
    if len(forms) == 1:
        only = next(iter(forms))
        return Config(tree[only], tree, forms[only], problems)
    kinds = set(forms.values())
    return Config(tree, tree, kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "text", problems)


def _form_of(name: str, text: str, form: str, *, explicit: bool) -> str:
    """The format of one value: what the caller says, for documents; else by the key's suffix, else by its look."""
    body = text.strip()
    document = "\n" in body or body[:1] in ("{", "[")
    if form != "auto":
        return form if explicit or document else "text"
    suffix = _SUFFIXES.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None
    if suffix:
        return suffix
    if not document:
        return "text"
    if _SECTION.match(body):
        return "ini"
    if body[0] in "{[":
        return "json" if body[0] == "{" and '"' in body[:200] or body.startswith(('["', "[{", "[\n")) else "yaml"
    if all(_PROPERTY.match(line) and "=" in line for line in _lines(body)):
        return "properties"
    return "yaml" if _YAML_LINE.search(body) else "text"


def parse(text: str, form: str) -> tuple[t.Any, list[str]]:
    """The value, and the keys that stand twice. Raises Unparsable, BadParameter (no PyYAML)."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise Unparsable("it is larger than 1 MiB")
    readers = {"yaml": _parse_yaml, "json": _parse_json, "ini": _parse_ini, "properties": _parse_properties}
    if form not in readers:
        return text, []
    try:
        value, twice = readers[form](text)
        if _deeper(value, MOST_LEVELS):  # Pythons differ in how deep they go before they give up
            raise RecursionError
        size = sum(1 for dummy in leaves(value))
    except RecursionError:
        raise Unparsable("it is nested too deeply") from None
    if size > MOST_NODES:
        raise Unparsable(f"it has more than {MOST_NODES} values")
    return value, twice


def _deeper(value: t.Any, most: int) -> bool:
    """Whether dictionaries and lists are nested deeper than that."""
    level = [value]
    for dummy in range(most + 1):
        level = [item for item in level if isinstance(item, (dict, list))]
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return bool(level)


def _parse_yaml(text: str) -> tuple[t.Any, list[str]]:
    if not HAS_YAML:
        raise BadParameter("format: reading YAML needs the Python library PyYAML; pip install PyYAML.")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}, []
        twice: list[str] = []
        if _expanded(node, {}, twice) > MOST_NODES:
            raise Unparsable("its aliases expand to too many values")
        return plain(loader.construct_document(node)), twice  # native types: YAML makes dates
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        fault = " ".join(filter(None, (exc.context, exc.problem)))
        if mark and "\t" in "".join(text.split("\n")[mark.line : mark.line + 1])[: mark.column + 1]:
            fault += " (there is a tab; YAML is indented with spaces only)"
        raise Unparsable(fault, mark.line + 1 if mark else None, mark.column + 1 if mark else None) from exc
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as exc:  # impossible dates, unhashable keys
        raise Unparsable(" ".join(str(exc).split())[:300]) from exc
    finally:
        loader.dispose()


def _expanded(node: t.Any, sizes: dict[int, int], twice: list[str]) -> int:
    """How many values the node holds with every alias written out; an endless one counts as too many."""
    if id(node) in sizes:
        return sizes[id(node)]
    sizes[id(node)] = MOST_NODES + 1  # met again before it is done: it holds itself
    children: list[t.Any] = []
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, dummy in node.value if isinstance(key, yaml.ScalarNode)]
        twice += sorted({name for name in names if name != "<<" and names.count(name) > 1}) if len(names) < 1000 else []
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    total = 1
    for child in children:
        total = min(total + _expanded(child, sizes, twice), MOST_NODES + 1)
    sizes[id(node)] = total
    return total


def _parse_json(text: str) -> tuple[t.Any, list[str]]:
    twice: list[str] = []

    def members(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
        seen: dict[str, t.Any] = {}
        for name, value in pairs:
            if name in seen:
                twice.append(name)
            seen[name] = value
        return seen

    try:
        return json.loads(text, object_pairs_hook=members), twice
    except json.JSONDecodeError as exc:
        raise Unparsable(exc.msg, exc.lineno, exc.colno) from exc
    except ValueError as exc:  # a number with thousands of digits
        raise Unparsable(str(exc)) from exc


def _parse_ini(text: str) -> tuple[t.Any, list[str]]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        line = getattr(exc, "lineno", None) or next((number for number, dummy in getattr(exc, "errors", ())), None)
        raise Unparsable(exc.message.splitlines()[0], line, 1 if line else None) from exc
    return {name: dict(parser.items(name)) for name in parser.sections()}, []


def _parse_properties(text: str) -> tuple[t.Any, list[str]]:
    values: dict[str, t.Any] = {}
    twice: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip()[0] in "#!;":
            continue
        match = _PROPERTY.match(line)
        if match is None:
            raise Unparsable("a line is neither key=value nor a comment", number, 1)
        if match["key"] in values:
            twice.append(match["key"])
        values[match["key"]] = match["value"]
    return values, twice


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#!;"]


# ---------------------------------------------------------------------------------------------------------- paths


def leaves(value: t.Any, path: str = "") -> t.Iterator[tuple[str, t.Any]]:
    """Every plain value with its path; an entry of a list goes by its name where it has one: order is no drift."""
    if isinstance(value, dict) and value:
        for name in value:
            yield from leaves(value[name], join(path, str(name)))
    elif isinstance(value, list) and value:
        names = [name_of(entry) for entry in value]
        for place, entry in enumerate(value):
            unique = names[place] is not None and names.count(names[place]) == 1 if len(names) < 1000 else False
            yield from leaves(entry, f"{path}[{names[place] if unique else place}]")
    else:
        yield path, value


def join(path: str, name: str) -> str:
    """path.name, and ["name"] where the name holds what a path is written with."""
    if re.search(r"[.\[\]]", name):
        return f'{path}["{name}"]'
    return f"{path}.{name}" if path else name


def name_of(entry: t.Any) -> str | None:
    """What a rule calls itself."""
    for key in ("name", "id", "rule", "ruleName", "rule_name") if isinstance(entry, dict) else ():
        if isinstance(entry.get(key), (str, int)) and not isinstance(entry.get(key), bool):
            return str(entry[key])
    return None


def resolve(value: t.Any, path: str) -> list[tuple[str, t.Any]]:
    """What a path names: (full path, value), several with [*], none when it is absent.

    a.b, a[0], a[*], a[name of the entry], ["key.with.dots"]; a key with dots is found without quoting too.
    """
    return list(_walk(value, path.strip(), ""))


def _walk(value: t.Any, rest: str, done: str) -> t.Iterator[tuple[str, t.Any]]:
    if not rest:
        yield done, value
        return
    if rest[0] == "[":
        end = rest.find("]")
        wanted, rest = (rest[1:end].strip("\"' "), rest[end + 1 :].lstrip(".")) if end > 0 else ("", "")
        for name, child in _children(value, wanted):
            yield from _walk(child, rest, f"{done}[{name}]" if isinstance(value, list) else join(done, name))
        return
    if not isinstance(value, dict):
        return
    for name in sorted(map(str, value), key=len, reverse=True):
        if name and rest.startswith(name) and rest[len(name) : len(name) + 1] in ("", ".", "["):
            yield from _walk(value[name], rest[len(name) :].lstrip("."), join(done, name))
            return


def _children(value: t.Any, wanted: str) -> t.Iterator[tuple[str, t.Any]]:
    if isinstance(value, dict):
        yield from ((name, child) for name, child in value.items() if wanted in ("*", str(name)))
    elif isinstance(value, list):
        for place, child in enumerate(value):
            name = name_of(child)
            if wanted in ("*", str(place), name):
                yield str(place) if name is None or wanted == str(place) else name, child


# ------------------------------------------------------------------------------------------------------ comparing

_TRUE = frozenset({"true", "yes", "on", "enabled", "enable"})
_FALSE = frozenset({"false", "no", "off", "disabled", "disable"})
_SIZE = re.compile(r"(?P<n>\d+(?:\.\d+)?)\s*(?P<u>[kKMGTPE]i?)B?")  # 10m is ten minutes
_POWERS = "KMGTPE"


def boolean(value: t.Any) -> bool | None:
    """ConfigMap values are strings: true, "true", on, Enabled. None when it is neither."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    return True if word in _TRUE else False if word in _FALSE else None


def amount(value: t.Any) -> float | None:
    """A number, a size in bytes (10Gi, 500MB) or a duration in seconds (24h, P1D); None when it is none of them."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if not isinstance(value, str):
        return None
    size = _SIZE.fullmatch(value.strip())
    if size:
        base = 1024 if size["u"].endswith("i") else 1000
        return float(size["n"]) * float(base) ** (_POWERS.index(size["u"][0].upper()) + 1)
    try:
        return float(value)
    except ValueError:
        return parse_duration(value)


def equal(one: t.Any, other: t.Any) -> bool:
    """Equal after typing: "30" and 30, "true" and true, 24h and P1D, 1Gi and 1024Mi."""
    if one == other and isinstance(one, bool) == isinstance(other, bool):
        return True
    if isinstance(one, (dict, list)) or isinstance(other, (dict, list)):
        return type(one) is type(other) and one == other
    for typed in (boolean, amount):
        left, right = typed(one), typed(other)
        if left is not None and right is not None:
            return left == right
    return str(one).strip() == str(other).strip() if None not in (one, other) else False
