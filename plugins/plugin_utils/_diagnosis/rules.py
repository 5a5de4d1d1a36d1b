# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Rules are data: JMESPath conditions over the evidence and the facts derived from it.

A rule is `unknown`, never `clear`, when a step that it needs could not answer.
"""

from __future__ import annotations

import string
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import human
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError, label_of
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.evidence_view import Citation, citation, figure
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.expressions import Expression, check_library
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.words import Words

SEVERITIES = ("critical", "error", "warning", "info")
_KEYS = frozenset(
    {
        "id",
        "runbook",
        "title",
        "severity",
        "needs",
        "sees",
        "when",
        "unknown",
        "cause",
        "link",
        "resources",
        "confirm",
        "refute",
        "cite",
        "values",
        "explanation",
        "next_steps",
    }
)
_LINES = ("id", "title")
_REQUIRED = ("id", "runbook", "title", "severity", "needs", "when", "explanation")


@dataclass(frozen=True)
class Rule:
    """One declared rule."""

    id: str
    runbook: tuple[str, ...]
    title: str
    severity: str
    needs: tuple[str, ...]
    when: Expression
    explanation: str
    sees: tuple[str, ...] = ()  # steps that it can fire by as well: without one of them it is never clear
    unknown: tuple[Expression, ...] = ()  # any of these leaves a rule that does not fire unknown: it could not see all
    cause: str | None = None
    link: str | None = None  # the hop that breaks here, where it is another than the cause's usual one
    resources: Expression | None = None
    confirm: tuple[Expression, ...] = ()
    refute: tuple[Expression, ...] = ()
    cite: tuple[tuple[str, Expression], ...] = ()
    values: dict[str, Expression] = field(default_factory=dict)
    next_steps: tuple[dict[str, str], ...] = ()

    def expressions(self) -> t.Iterator[Expression]:
        """All that are compiled when they are asked."""
        yield self.when
        yield from self.unknown + self.confirm + self.refute
        yield from (expression for dummy, expression in self.cite)
        yield from self.values.values()
        if self.resources is not None:
            yield self.resources


@dataclass(frozen=True)
class Result:
    """What a rule said of a bundle: state is fired, accepted (see accepted.py), clear or unknown."""

    rule: Rule
    state: str
    missing: tuple[str, ...] = ()
    confirmed_by: int = 0
    refuted: bool = False  # at least in part: `resources` are those that are left
    resources: tuple[str, ...] = ()
    cited: tuple[Citation, ...] = ()
    explanation: str = ""
    next_steps: tuple[dict[str, str], ...] = ()  # those of the rule, its values filled in
    accepted: dict[str, t.Any] | None = None  # {owner, reason, until, over}


def read_rules(entries: t.Sequence[t.Any], name: str, words: Words) -> list[Rule]:
    """The rules of the file of this name. Raises RuleError, which names file, rule and key."""
    check_library()
    rules = [_rule(entry, name, number, words) for number, entry in enumerate(entries, start=1)]
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise RuleError(f"{name}: the rule {rule.id} stands there twice; give one of them another id.")
        seen.add(rule.id)
    return rules


def _rule(entry: t.Any, name: str, number: int, words: Words) -> Rule:
    label = label_of(entry, name, "rule", number, name="id", keys=_KEYS)
    for key in _REQUIRED:
        if entry.get(key) is None:
            raise RuleError(f"{label}: the key {key!r} is missing.")
    for key in _LINES:
        if not isinstance(entry[key], str) or not entry[key].strip() or not entry[key].isprintable():
            raise RuleError(f"{label}: {key} must be a text of one line.")
    if not isinstance(entry["explanation"], str):
        raise RuleError(f"{label}: explanation must be a text.")
    if entry["severity"] not in SEVERITIES:
        raise RuleError(f"{label}: severity must be one of {', '.join(SEVERITIES)}.")
    if entry.get("link") is not None and entry["link"] not in words.chain:
        raise RuleError(f"{label}: link must be one of {', '.join(words.chain)}.")
    cite = []
    for expression in _texts(entry, "cite", label):
        cite.append((expression, Expression(expression, f"{label}: cite")))
    values = entry.get("values") or {}
    if not isinstance(values, dict):
        raise RuleError(f"{label}: values must be a mapping of names to expressions.")
    _check_explanation(entry["explanation"], values, label)
    if entry.get("cause") is not None and not isinstance(entry["cause"], str):
        raise RuleError(f"{label}: cause must be the id of one cause.")
    for key in ("needs", "sees"):
        for need in _texts(entry, key, label):
            strange = sorted(set(need.split("|") if key == "needs" else [need]) - set(words.steps))
            if strange:
                raise RuleError(f"{label}: {key} names {strange[0]!r}; the steps are {', '.join(words.steps)}.")
    steps = entry.get("next_steps") or []
    if not isinstance(steps, list) or not all(isinstance(item, dict) and "text" in item for item in steps):
        raise RuleError(f"{label}: next_steps must be a list of mappings with a text.")
    if not all(isinstance(told, str) for item in steps for told in item.values()):
        raise RuleError(f"{label}: what a next step says must be texts.")
    return Rule(
        id=entry["id"],
        runbook=tuple(_texts(entry, "runbook", label)),
        title=entry["title"],
        severity=entry["severity"],
        needs=tuple(_texts(entry, "needs", label)),
        sees=tuple(_texts(entry, "sees", label)),
        when=Expression(entry["when"], f"{label}: when"),
        explanation=entry["explanation"],
        unknown=tuple(Expression(text, f"{label}: unknown") for text in _texts(entry, "unknown", label)),
        cause=entry.get("cause"),
        link=entry.get("link"),
        resources=Expression(entry["resources"], f"{label}: resources") if entry.get("resources") is not None else None,
        confirm=tuple(Expression(text, f"{label}: confirm") for text in _texts(entry, "confirm", label)),
        refute=tuple(Expression(text, f"{label}: refute") for text in _texts(entry, "refute", label)),
        cite=tuple(cite),
        values={str(key): Expression(text, f"{label}: values.{key}") for key, text in values.items()},
        next_steps=tuple({str(key): text for key, text in item.items()} for item in steps),
    )


def _check_explanation(explanation: str, values: dict[str, t.Any], label: str) -> None:
    """Placeholders are plain {names} of values, without conversion or format."""
    try:
        places = list(string.Formatter().parse(explanation))
    except ValueError as exc:
        raise RuleError(f"{label}: explanation has a brace that opens or closes nothing: {exc}.") from exc
    for dummy, name, form, conversion in places:
        if name is None:
            continue
        if form or conversion:
            raise RuleError(f"{label}: explanation may hold plain {{names}} only, not {{{name}}} with a format.")
        if name not in values:
            raise RuleError(f"{label}: explanation uses {{{name}}}, which values does not define.")


def _texts(entry: dict[str, t.Any], key: str, label: str) -> list[str]:
    value = entry.get(key)
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise RuleError(f"{label}: {key} must be a text or a list of texts.")


def _search(compiled: t.Any, context: dict[str, t.Any]) -> t.Any:
    """The value, None where a function met a type it does not take: hand-edited evidence must not stop a diagnosis."""
    try:
        return compiled.search(context)
    except (ValueError, TypeError):  # all of JMESPath's are ValueErrors
        return None


def truthy(value: t.Any) -> bool:
    """JMESPath's own notion: null, false and anything empty are false; 0 is true."""
    return not (value is None or value is False or value == "" or value == [] or value == {})


def evaluate(
    rule: Rule, context: dict[str, t.Any], usable: t.Callable[[str], bool], seen: t.Callable[[str], bool] | None = None
) -> Result:
    """Apply one rule. A need written a|b is met when either step answered.

    usable: whether a step answered; seen: whether it leaves nothing in doubt, which `sees` asks for (by default the same).
    """
    missing = tuple(need for need in rule.needs if not any(usable(name) for name in need.split("|")))
    if missing:
        return Result(rule, "unknown", missing=missing)
    try:
        fired = truthy(rule.when.search(context))
    except (ValueError, TypeError):  # the evidence has not the shape that the condition asks for
        return Result(rule, "unknown", missing=rule.needs)
    if not fired:
        unseen = tuple(name for name in rule.sees if not (seen or usable)(name))
        if unseen:
            return Result(rule, "unknown", missing=unseen)
        blind = any(truthy(_search(compiled, context)) for compiled in rule.unknown)
        return Result(rule, "unknown", missing=rule.needs) if blind else Result(rule, "clear")
    resources = _names(rule.resources, context) if rule.resources is not None else []
    against = {name for compiled in rule.refute for name in _names(compiled, context)}
    left = [name for name in resources if name not in against]
    if resources and not left:
        return Result(rule, "clear")
    return Result(
        rule,
        "fired",
        confirmed_by=sum(1 for compiled in rule.confirm if truthy(_search(compiled, context))),
        refuted=len(left) < len(resources),
        resources=tuple(left),
        cited=tuple(_cited(rule, context)),
        explanation=_fill(rule, context),
        next_steps=tuple(_steps(rule, context)),
    )


def _names(compiled: t.Any, context: dict[str, t.Any]) -> list[str]:
    """The resource names that an expression gives, each once."""
    found = _search(compiled, context)
    return list(dict.fromkeys(item for item in found if isinstance(item, str))) if isinstance(found, list) else []


def _cited(rule: Rule, context: dict[str, t.Any]) -> t.Iterator[Citation]:
    for expression, compiled in rule.cite:
        value = _search(compiled, context)
        if truthy(value):
            step = expression.split(".", 1)[0].split("[", 1)[0].strip("()")
            yield citation(step, expression, _short(value))


def _short(value: t.Any) -> t.Any:
    return value[:5] if isinstance(value, list) else value


def _fill(rule: Rule, context: dict[str, t.Any]) -> str:
    filled = {name: _told(name, _search(compiled, context)) for name, compiled in rule.values.items()}
    return rule.explanation.format_map(filled) if filled else rule.explanation


def _steps(rule: Rule, context: dict[str, t.Any]) -> t.Iterator[dict[str, str]]:
    """The next steps with the rule's own values; what else they hold in braces is left for the names of the target.

    A step that holds a value which is not known is left out: half a command helps nobody.
    """
    filled = {name: _search(compiled, context) for name, compiled in rule.values.items()}
    for item in rule.next_steps:
        held = {name for name in filled if any("{" + name + "}" in text for text in item.values())}
        if all(truthy(filled[name]) for name in held):
            told = dict(item)
            for name in held:
                told = {key: text.replace("{" + name + "}", _told(name, filled[name])) for key, text in told.items()}
            yield told


def _told(name: str, value: t.Any) -> str:
    """A value inside a sentence; what is called something_s are seconds."""
    length = figure({name: value}, name) if name.endswith("_s") else None
    return _words(value) if length is None else human(length)


def _words(value: t.Any) -> str:
    """A value inside a sentence; a list shows its first five."""
    if value is None:
        return "unknown"
    if isinstance(value, list):
        named = ", ".join(_words(item) for item in value[:5])
        return named + (f" and {len(value) - 5} more" if len(value) > 5 else "") if value else "none"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:.0f}"
    return str(value)
