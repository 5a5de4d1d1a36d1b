# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The JMESPath expressions of rules."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.entries import RuleError

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
    from jmespath.functions import Functions

    HAS_JMESPATH = True
except ImportError:
    HAS_JMESPATH = False

# What an expression begins with beside the steps.
BESIDE_STEPS = ("facts", "settings", "target")
_DEEPEST = 100  # nestings; the deepest shipped expression has 7
# Of these only the first child is asked of the evidence, the others of what that gives.
_CHAINS = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)


def check_library() -> None:
    """Raises RuleError where jmespath is not there, or cannot be used."""
    if not HAS_JMESPATH:
        raise RuleError("The Python library jmespath is not installed where the playbook runs: pip install jmespath.")
    if jmespath.__version__ == "1.0.0":  # with Python 3.11 and newer it fails at the 129th expression
        raise RuleError("jmespath 1.0.0 is installed where the playbook runs, which cannot be used: pip install 'jmespath>=1.0.1'.")


class Expression:
    """A JMESPath expression that is compiled when it is first asked: most of a rule is never looked at."""

    def __init__(self, text: t.Any, label: str) -> None:
        if not isinstance(text, str) or not text.strip():
            raise RuleError(f"{label}: it must be a text, one JMESPath expression; put it in quotes where YAML reads something else.")
        self._text = text
        self._label = label
        self._compiled: t.Any = None

    def compile(self) -> t.Any:
        """The compiled expression. Raises RuleError, which names the rule and the key, where it is none."""
        if self._compiled is None:
            try:
                self._compiled = jmespath.compile(self._text)
            except JMESPathError as exc:
                raise self._refused(f"is no JMESPath expression: {' '.join(str(exc).split())[:200]}") from exc
            except RecursionError:
                raise self._refused("is nested too deeply") from None
        return self._compiled

    def check(self, steps: t.Sequence[str]) -> None:
        """Raises RuleError for what would compile and never be true: a name that no evidence has, a function that is none."""
        known = (*steps, *BESIDE_STEPS)
        for node, at_root, depth in _nodes(self.compile().parsed):
            if depth > _DEEPEST:
                raise self._refused("is nested too deeply")
            if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
                raise self._refused(f"calls {node['value']}(), which JMESPath does not have")
            if node["type"] == "field" and at_root and node["value"] not in known:
                raise self._refused(f"begins with {node['value']!r}; an expression begins with one of {', '.join(known)}")

    def search(self, context: dict[str, t.Any]) -> t.Any:
        """Its value."""
        return self.compile().search(context)

    def _refused(self, why: str) -> RuleError:
        shown = self._text if len(self._text) <= 200 else f"{self._text[:200]}..."
        return RuleError(f"{self._label}: {shown!r} {why}.")


def _nodes(tree: dict[str, t.Any]) -> t.Iterator[tuple[dict[str, t.Any], bool, int]]:
    """(node, whether it is asked of the evidence itself, how deep it stands) of a parsed expression."""
    left = [(tree, True, 1)]
    while left:
        node, at_root, depth = left.pop()
        yield node, at_root, depth
        for place, child in enumerate(node["children"]):
            if isinstance(child, dict):  # a slice has numbers
                inner = node["type"] == "expref" or (node["type"] in _CHAINS and place > 0)
                left.append((child, at_root and not inner, depth + 1))
