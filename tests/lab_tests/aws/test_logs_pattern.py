# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter patterns: the examples of AWS's own documentation, and what it says is refused."""

from __future__ import annotations

import json

import pytest

from lab.aws.operations import logs_pattern
from lab.aws.operations.logs_pattern import PatternError, PatternNotInLab, compile_pattern

_COPY_EVENT = json.dumps(
    {
        "source": "aws.backup",
        "detail-type": "Copy Job State Change",
        "detail": {"state": "FAILED", "statusMessage": "Access Denied trying to call AWS Backup service", "size": 400},
    }
)
_TRAIL = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
    }
)
_USERS = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    }
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", [1, 2, 3]),
        ("ERROR", [1, 2]),
        ("?ERROR ?WARN", [1, 2, 3]),
        ("ERROR WARN", [1]),
        ("ERROR -WARN", [2]),
        ("-ERROR", [3]),
        ("error", []),
        ('"ERROR WARN"', [1]),
        ('"WARN ERROR"', []),
        ("?WARN ERROR", [1, 2]),
        ("?ERROR -message", []),
        ('" "', [1, 2, 3]),
        ("%ERR[OA]R%", [1, 2]),
        (r"%^WARN\smessage$%", [3]),
        (r"%^WARN m|\x4eothing%", [3]),
        ("%ERROR|nothing% -WARN", [2]),
    ],
)
def test_terms(pattern: str, expected: list[int]) -> None:
    """The three log events of the documentation's section on OR patterns."""
    messages = {1: "ERROR WARN message", 2: "ERROR message", 3: "WARN message"}
    matches = compile_pattern(pattern)
    assert [number for number, message in messages.items() if matches(message)] == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ('{ $.eventType = "UpdateTrail" }', _TRAIL),
        ("{ $.eventType = UpdateTrail }", _TRAIL),
        ("{ $.eventType = Update* }", _TRAIL),
        ('{ $.eventType = "*Trail" }', _TRAIL),
        ('{ $.eventType = "*dateTr*" }', _TRAIL),
        ('{ $.eventType = "*" }', _TRAIL),
        ("{ $.eventType = %^Upd[a-z]{3}Trail$% }", _TRAIL),
        ("{ $.sourceIPAddress != 123.123.* }", _TRAIL),
        ('{ $.arrayKey[0] = "value" }', _TRAIL),
        ("{ $.objectList[1].id = 2 }", _TRAIL),
        ("{ $.SomeObject IS NULL }", _TRAIL),
        ("{ $.SomeOtherObject NOT EXISTS }", _TRAIL),
        ("{ $.ThisFlag IS TRUE }", _TRAIL),
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', _USERS),
        (
            '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }',
            _USERS,
        ),
        ("{ $.user.id >= 1 }", _USERS),
        ("{ $.user.id < 10e-1 || $.user.id < 10e3 }", _USERS),
        ("{ $.user.id != 500 }", _USERS),
        ("{ $.user.id > -5.5 }", _USERS),
        (
            '{ ($.source = "aws.backup") && ($.detail-type = "Copy Job State Change") && ($.detail.state = "FAILED") }',
            _COPY_EVENT,
        ),
        ("{ $.detail.size = 400 }", json.dumps({"detail": {"size": 400}}).replace("400", "4e2")),
        ("{ $.arrayKey[*] = %val.{2}% }", _TRAIL),
        (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", _TRAIL),
        ("{ $.objectList[*].name = b }", _TRAIL),
        ("{ $.objectList[*].size NOT EXISTS }", _TRAIL),
        ("{ $.* IS NULL }", _TRAIL),
        ("{ $.['cluster.name'] = \"c\" }", '{"cluster.name": "c"}'),
        ("{ $.eventType = %^Start|^Update% }", _TRAIL),
        ('{ $.name = "A/B" }', r'{"name": "A\/B"}'),
        ('{ $.size = "*e+22" }', '{"size": 1E22}'),
        ('{ $.name = "A/B" }', r'{"name": "\u0041\/B"}'),
    ],
)
def test_json_matches(pattern: str, message: str) -> None:
    assert compile_pattern(pattern)(message)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ('{ $.eventType = "updatetrail" }', _TRAIL),
        ("{ $.eventType = Up*Trail }", _TRAIL),
        ('{ $.eventType = "UpdateTrail" }', "UpdateTrail"),
        ('{ $.eventType = "UpdateTrail" }', 'prefix {"eventType": "UpdateTrail"}'),
        ("{ $.sourceIPAddress != 111.111.* }", _TRAIL),
        ("{ $.arrayKey = 1 }", _TRAIL),
        ("{ $.arrayKey != 1 }", _TRAIL),
        ("{ $.arrayKey != x }", _TRAIL),
        ("{ $.objectList[2].id = 2 }", _TRAIL),
        ("{ $.eventType[0] = U }", _TRAIL),
        ("{ $.objectList[*].name = c }", _TRAIL),
        ("{ $.objectList[*].name NOT EXISTS }", _TRAIL),
        ("{ $.eventType IS NULL }", _TRAIL),
        ("{ $.SomeOtherObject IS NULL }", _TRAIL),
        ("{ $.SomeObject NOT EXISTS }", _TRAIL),
        ("{ $.ThisFlag IS FALSE }", _TRAIL),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', _USERS),
        (
            '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = no }',
            _USERS,
        ),
        ("{ $.user.email > 5 }", _USERS),
        ("{ $.ThisFlag >= 1 }", _TRAIL),
        ("{ $.ThisFlag = 1 }", _TRAIL),
        ('{ ($.detail.state = "FAILED") && ($.detail.state = "COMPLETED") }', _COPY_EVENT),
        ('{ $.errorCode = "*" }', _COPY_EVENT),
    ],
)
def test_json_does_not_match(pattern: str, message: str) -> None:
    assert not compile_pattern(pattern)(message)


@pytest.mark.parametrize(
    "pattern",
    [
        "copy-failed",
        'ERROR"',
        '"open',
        "%open",
        "%[%",
        "%something!%",
        "%[Cc]opy (job )?[Ff]ailed%",
        "%é%",
        "%a% %b% %c%",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = b",
        "{ $.a = b && }",
        "{ ($.a = b }",
        "{ $.a = b c }",
        "{ a = b }",
        "{ $ = b }",
        "{ $.a[*].* = b }",
        "{ $.a[*] = b || $.b[*] = b || $.c[*] = b || $.d[*] = b }",
        "{ $.a EXISTS }",
        "{ $.a IS NOT NULL }",
        "{ $.a > b }",
        "{ $.a IS b }",
        "{ $.a == b }",
        "{ $.a = %b% || $.a = %c% || $.a = %d% }",
    ],
)
def test_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_words_of_a_refusal() -> None:
    with pytest.raises(PatternError, match="^Invalid filter pattern$"):
        compile_pattern("%(%")
    with pytest.raises(PatternError, match=r"starts with '\{' it must end with '\}'"):
        compile_pattern("{ $.a = b")


def test_space_delimited_patterns_are_not_in_the_lab() -> None:
    with pytest.raises(PatternNotInLab):
        compile_pattern("[ip, user, status=4*]")


def test_messages_without_the_literal_texts_are_never_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def loads(text: str) -> object:
        parsed.append(text)
        return {}

    monkeypatch.setattr(logs_pattern.json, "loads", loads)
    matches = compile_pattern('{ $.s = "aws.backup" && ($.state = "FAILED" || $.state = "PARTIAL") }')
    for message in ('"aws.backup" "COMPLETED"', '"FAILED"', '"aws.backup" "PARTIAL"', r'"aws.backup" "FAIL\u0045D"'):
        matches(message)
    assert parsed == ['"aws.backup" "PARTIAL"', r'"aws.backup" "FAIL\u0045D"']
