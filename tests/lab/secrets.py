# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Made-up credentials in the texts of secrets.yml, each one different, to look for afterwards."""

from __future__ import annotations

import base64
import random
import string
import typing as t
from pathlib import Path

import yaml

_LETTERS = string.ascii_letters + string.digits
_PART = 10  # characters of a credential that nobody may see in a row


class Planted(t.NamedTuple):
    """A text, and the credentials in it."""

    text: str
    secrets: tuple[str, ...]

    def seen_in(self, output: str) -> bool:
        """Whether a credential, or a telling part of it, stands there."""
        return any(
            secret[at : at + _PART] in output for secret in self.secrets for at in range(len(secret) - _PART + 1)
        )


def planted(count: int, seed: int = 7) -> list[Planted]:
    """That many texts, the kinds in turn; the same on every call."""
    kinds = yaml.safe_load(Path(__file__).with_name("secrets.yml").read_text(encoding="utf-8"))["texts"]
    chance = random.Random(seed)
    return [_fill(kinds[number % len(kinds)], chance) for number in range(count)]


def _fill(kind: str, chance: random.Random) -> Planted:
    secrets = {
        "word": _some(chance, _LETTERS, 14),
        "long": _some(chance, _LETTERS, 40),
        "hex": _some(chance, "0123456789abcdef", 64),
        "base64": base64.b64encode(_some(chance, _LETTERS, 22).encode()).decode(),
        "jwt": ".".join("eyJ" + _some(chance, _LETTERS, 30) for dummy in range(3)),
        "akia": "AKIA" + _some(chance, string.ascii_uppercase, 16),
        "asia": "ASIA" + _some(chance, string.ascii_uppercase, 16),
        "pem": _some(chance, _LETTERS, 64),
    }
    holes = {part[1] for part in string.Formatter().parse(kind) if part[1]}
    pem = f"-----BEGIN PRIVATE KEY----- {secrets['pem']} -----END PRIVATE KEY-----"
    return Planted(kind.format(**{**secrets, "pem": pem}), tuple(secrets[name] for name in sorted(holes)))


def _some(chance: random.Random, alphabet: str, count: int) -> str:
    return "".join(chance.choice(alphabet) for dummy in range(count))
