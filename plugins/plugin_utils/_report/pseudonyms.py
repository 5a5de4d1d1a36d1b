# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Other names for accounts and hosts, so that a report can be shown to others.

A name has one pseudonym in the whole bundle, of the same form, so that the evidence can be diagnosed as before. Credentials
are not dealt with here: they never leave a step.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

KINDS = ("account_ids", "host_names")

_ACCOUNT_MEMBERS = frozenset({"account", "account_id", "owner"})
_ACCOUNT = re.compile(r"\d{12}")
_ACCOUNT_OF_ARN = re.compile(r"\barn:aws[\w-]{0,16}:[\w-]{0,64}:[\w-]{0,32}:(\d{12}):")
_ACCOUNT_OF_PRINCIPAL = re.compile(r"(?i)\baccount(?: id)?[ :=]{1,3}(\d{12})\b")

_HOST_MEMBERS = frozenset({"host", "node", "server", "endpoint", "instance"})
_HOST = r"([A-Za-z0-9](?:[\w.-]{0,252}[A-Za-z0-9])?)"  # an address in brackets has a pattern of its own
_HOST_IN_TEXT = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b\w{1,16}://(?:[^\s/@]{1,512}@)?" + _HOST,
        r"(?i)\b(?:lookup|dial (?:tcp|udp)|connect(?:ion)? to(?: host)?|resolve host)\s{1,4}" + _HOST,
        r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.]\d)",
        r"(?i)(?<![\w:])((?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}|[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){1,5}::[0-9a-f:]{0,24})",
    )
)
# What stands for a host in a text: the longest run of the characters that names are made of.
_WORD = re.compile(r"[A-Za-z0-9](?:[\w.:-]*[A-Za-z0-9])?")
_REGISTRY = re.compile(r"([A-Za-z0-9][\w-]{0,62}(?:\.[\w-]{1,63}){1,10})(?::\d{1,5})?/")  # before the path of an image
_IMAGE_IN_TEXT = re.compile(r"(?i)\bimage:?\s{0,2}[\"']?(?=[\w.-]{1,253}[:/])" + _REGISTRY.pattern)
_NO_NAMES = frozenset({"localhost", "tcp", "udp", "host"})


def renamed(values: t.Any, kinds: t.Collection[str]) -> t.Any:
    """The JSON values with pseudonyms for all names of these kinds (see KINDS) that stand in any of them."""
    found: dict[str, str] = {}
    if "account_ids" in kinds:
        found.update((name, f"{number:012d}") for number, name in enumerate(_all(values, _accounts), start=1))
    if "host_names" in kinds:
        found.update((name, f"host-{number}.invalid") for number, name in enumerate(_all(values, _hosts), start=1))
    return _replaced(values, found) if found else values


_Find = t.Callable[[t.Optional[str], str], t.Iterable[str]]  # the names in a text, and under which member it stands


def _all(value: t.Any, find: _Find, member: str | None = None) -> dict[str, None]:
    """The names in the order in which they are met."""
    found: dict[str, None] = {}
    if isinstance(value, str):
        found.update(dict.fromkeys(find(member, value)))
    elif isinstance(value, dict):
        for key, item in value.items():
            found.update(dict.fromkeys(find(None, key)))
            found.update(_all(item, find, key))
    elif isinstance(value, list):
        for item in value:
            found.update(_all(item, find, member))
    return found


def _accounts(member: str | None, text: str) -> t.Iterator[str]:
    if member in _ACCOUNT_MEMBERS and _ACCOUNT.fullmatch(text):
        yield text
    for pattern in (_ACCOUNT_OF_ARN, _ACCOUNT_OF_PRINCIPAL):
        yield from pattern.findall(text)


def _hosts(member: str | None, text: str) -> t.Iterator[str]:
    names = [name for pattern in _HOST_IN_TEXT for name in pattern.findall(text)]
    if member in _HOST_MEMBERS and re.fullmatch(_HOST, text):
        names.append(text)
    names += _IMAGE_IN_TEXT.findall(text)
    registry = _REGISTRY.match(text) if member == "image" else None
    names += [registry.group(1)] if registry else []
    for name in names:
        if name.lower() not in _NO_NAMES and not _is_here(name):
            yield name


def _is_here(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _replaced(value: t.Any, found: dict[str, str]) -> t.Any:
    if isinstance(value, str):
        return _WORD.sub(lambda match: _other_name(match.group(), found), value)
    if isinstance(value, dict):
        return {_replaced(key, found): _replaced(item, found) for key, item in value.items()}
    return [_replaced(item, found) for item in value] if isinstance(value, list) else value


def _other_name(word: str, found: dict[str, str]) -> str:
    """The pseudonym of the word, or of its parts between colons, as in an ARN and in host:port."""
    return found.get(word) or ":".join(found.get(part, part) for part in word.split(":"))
