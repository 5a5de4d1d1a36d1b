# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Puts tokens in the place of credentials, before anything leaves a step.

A token is the same for the same secret in all steps of a run, so that one can see that two places use one password, or
that they do not. It is made with a key that only the run knows: it can neither be turned back nor tried out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import typing as t

STARS = "*" * 8
_TOKEN = re.compile(re.escape(STARS) + "[0-9a-f]{4}")


class _Key:
    """The key of this process: the run's, as soon as a step has been told it."""

    value = b""


def use_key(key: str | None) -> None:
    """Make the tokens of this process with this key; without one they are this process's own."""
    _Key.value = (key or secrets.token_hex(16)).encode()


def token(secret: t.Any) -> str:
    """What stands for this secret. A token stands for itself, so that masking twice changes nothing."""
    text = str(secret).strip("\"' ")
    if _TOKEN.fullmatch(text):
        return text
    if not _Key.value:
        use_key(None)
    return STARS + hmac.new(_Key.value, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:4]


# Of a match `keep` stays; the rest is the secret. Every repeat is bounded, so that the time is linear.
_SECRETS = tuple(
    re.compile(pattern)
    for pattern in (
        # user:password@ and token@ in URLs, up to the last @ before the path
        r"(?P<keep>://(?:[^\s/:@]{1,256}:)?)[^\s/]{1,512}(?=@)",
        # signed URLs and query strings
        r"(?i)(?P<keep>\b(?:X-Amz-(?:Signature|Credential|Security-Token)|X-Goog-(?:Signature|Credential)|sig|signature|"
        r"sv_?token|access_?token|AWSAccessKeyId)=)[^&\s\"']{1,2048}",
        # headers that authenticate, as a log or a debugger prints them
        r"(?i)(?P<keep>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"'\[]?)[^\r\n\"']{1,4096}",
        r"(?i)(?P<keep>\b(?:set-)?cookie:\s{0,8})[^\r\n\"']{1,4096}",
        r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?!auth|token|realm|cred|scheme)[A-Za-z0-9._~+/=-]{8,4096}",
        # key=value and key: value where the key names a secret; quotes may be escaped once, as in JSON within JSON
        r"(?i)(?P<keep>\b[\w.-]{0,64}(?:passw(?:or)?d|pwd|passphrase|secret(?:[ _-]?access)?(?:[ _-]?key)?(?:[ _-]?id)?|"
        r"credentials?|(?:api|private|account|storage|encryption|shared|signing|client)[_-]?key(?:[_-]data)?)"
        r"\\{0,3}[\"']?\s{0,8}[:=]\s{0,8})"
        r"(?:\\{0,3}\"[^\"\\\r\n]{1,4096}|'[^'\r\n]{1,4096}'?|[^\s\"',;&]{3,4096})",
        r"(?i)(?P<keep><[\w:-]{0,64}(?:password|passphrase|secret\w{0,16}|token|signature)>)[^<\r\n]{3,4096}",
        # "ExpiredToken: The provided ..." is no secret: a token needs "=", quotes, a header's name, or to look like one
        r"(?i)(?P<keep>\b[\w.-]{0,64}token\s{0,8}=\s{0,8}|\bX-[\w-]{0,64}(?:Token|Key):\s{0,8})[^\s\"',;&]{3,4096}",
        r"(?i)(?P<keep>token\\{0,3}[\"']\s{0,8}[:=]\s{0,8}\\{0,3}[\"']|\bauth\\{0,3}\"\s{0,8}:\s{0,8}\\{0,3}\")"
        r"[^\"'\\\r\n]{3,4096}",
        r"(?i)(?P<keep>(?:\b|[_-])token:\s{0,8})(?=[^\s\"',;&]{0,64}\d)[A-Za-z0-9._~+/=-]{16,4096}",
        # options of a command line
        r"(?i)(?P<keep>--?[\w-]{0,64}(?:pass(?:word|phrase)?|token|secret|key)(?:\s{1,8}|=))[^\s-][^\s]{2,4096}",
        r"(?P<keep>\b(?:mysql|mysqldump|mariadb|sshpass|ldapsearch)\b[^\r\n|]{0,256}?\s-[pw]\s?)(?=\S)[^\s-][^\s]{2,512}",
        r"(?P<keep>\b(?:curl|wget)\b[^\r\n|]{0,256}?\s(?:-u|--user)[\s=]\s{0,8}[^\s:]{1,64}:)[^\s]{2,512}",
        # shapes that are credentials wherever they stand: AWS, JSON web tokens, GitHub, GitLab, Vault, Slack, Google,
        # npm, PyPI, Stripe and the like, and PEM private keys
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\beyJ[A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{0,2048}",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{16,255}|hv[sb]\.[\w-]{16,255})\b",
        r"\b(?:xox[abeoprs]-[\w-]{10,255}|AIza[\w-]{35}|ya29\.[\w-]{16,1024}|GOCSPX-[\w-]{16,64}|npm_[A-Za-z0-9]{30,64}"
        r"|pypi-[\w-]{16,512}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,128}|sk-[\w-]{20,256}|dop_v1_[0-9a-f]{64}"
        r"|SG\.[\w-]{16,64}\.[\w-]{16,64})\b",
        r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]{0,16384}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?",
    )
)
# Most texts hold none of these and are done with one search.
_HINT = re.compile(
    r"(?i)://[^\s/]{0,800}@|=|pass|pwd|secret|credential|token|key|bearer|basic|auth|cookie|signature|akia|asia|eyj|gh[pousr]_"
    r"|github_pat|glpat|hv[sb]\.|xox|aiza|ya29|gocspx|npm_|pypi-|k_live|k_test|sk-|dop_v1|sg\.|mysql|mariadb|ldapsearch"
    r"|curl|wget"
)


def mask(text: str) -> str:
    """The text with tokens for what looks like a credential; linear in the length of the text."""
    if not _HINT.search(text):
        return text
    for pattern in _SECRETS:
        text = pattern.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    keep = match.groupdict().get("keep") or ""
    secret = match.group()[len(keep) :]
    # the quote or backslash that opens a value stays where it is
    opening = secret[: len(secret) - len(secret.lstrip("\\\"'"))]
    return keep + opening + token(secret[len(opening) :]) + _closing(opening, secret[len(opening) :])


def _closing(opening: str, secret: str) -> str:
    """The quote that ended the value within the match."""
    return secret[-1] if opening and secret.endswith(opening[-1]) else ""


def mask_all(value: t.Any) -> t.Any:
    """The same JSON value with every text in it masked; names of members stay."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: mask_all(item) for key, item in value.items()}
    return [mask_all(item) for item in value] if isinstance(value, list) else value
