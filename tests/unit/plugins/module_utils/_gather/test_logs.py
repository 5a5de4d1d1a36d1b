# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 4: telling lines are found fast, counted rightly and kept in bounded memory; refusals are told apart."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import recorded_side as side
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._logreader import LogReader
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._telling import GENERAL, PHRASES, Telling, requirements
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import load_catalogue
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import telling_patterns
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.logs import STEP
from hypothesis import given, settings
from hypothesis import strategies as st

STAMP = "2026-11-20T20:54:57.151686789Z "
INFO = STAMP + "INFO  recovery point rp-orders-0038 replicated in 12 s\n"


def _log(pod):
    return f"{side.PODS}/{pod}/log"


def _pod(name="p", *, failed=False, state="running", restarts=0, created="2026-11-20T20:00:00Z", **more):
    container = {"container": "sync", "role": "main", "restarts": restarts, "state": state, "failed": failed}
    return {
        "pod": name,
        "job": "backup-sync-orders",
        "resource": "orders",
        "failed": failed,
        "phase": "Failed" if failed else "Running",
        "scheduled": True,
        "created_at": created,
        "containers": [container],
        **more,
    }


def _lines(*texts):
    return "".join(STAMP + text + "\n" for text in texts).encode()


def _gather(answers, pods, **params):
    cluster = side.FakeCluster({_log(pod): body for pod, body in answers.items()})
    return side.run(STEP, cluster, pods={"pods": pods}, **params).evidence, cluster


def test_phrases_are_counted_apart_from_what_a_pattern_tells():
    body = _lines("Copy FAILED for rp-1", "copy failed for rp-2", "replication error: sync failed", "all went well", "disk on fire")
    evidence, dummy = _gather({"p": body}, [_pod()], patterns=["on fire"])
    assert evidence["summary"]["phrases"] == {"copy failed": 2, "sync failed": 1, "replication error": 1}
    assert evidence["summary"]["matched"] == 1
    assert (evidence["summary"]["lines"], evidence["summary"]["bytes"]) == (5, len(body))
    assert {row["text"]: row["phrases"] for row in evidence["lines"]} == {
        "Copy FAILED for rp-1": ["copy failed"],
        "copy failed for rp-2": ["copy failed"],
        "replication error: sync failed": ["sync failed", "replication error"],
        "disk on fire": [],
    }


def test_equal_lines_are_folded_and_dated():
    body = b"".join(
        f"2026-11-20T20:{minute}:00.000000001Z ERROR upload of part {minute}77 failed\n".encode() for minute in range(10, 60)
    )
    (row,) = _gather({"p": body}, [_pod()])[0]["lines"]
    assert (row["count"], row["first_at"], row["last_at"]) == (50, "2026-11-20T20:10:00Z", "2026-11-20T20:59:00Z")


def test_last_lines_of_a_failed_container():
    body = _lines("ERROR first", *["INFO step"] * 20, "Fatal: unable to open repository", "exit")
    evidence, dummy = _gather({"p": body}, [_pod(failed=True, state="terminated")])
    final = {row["text"]: row["final"] for row in evidence["lines"]}
    assert final == {"ERROR first": False, "Fatal: unable to open repository": True}
    assert evidence["lines"][0]["final"]  # worst first
    (tail,) = evidence["tails"]
    assert len(tail["lines"]) == 10
    assert tail["lines"][-2:] == ["Fatal: unable to open repository", "exit"]


def test_what_is_asked_for_a_plain_container():
    dummy, cluster = _gather({"p": b""}, [_pod()], window="1h", tail_lines=7, max_bytes=99)
    assert cluster.asked == [
        (
            _log("p"),
            {"container": "sync", "timestamps": "true", "sinceSeconds": 3600, "tailLines": 7, "limitBytes": 99},
        )
    ]


def test_whole_logs_are_asked_without_bounds():
    dummy, cluster = _gather({"p": b""}, [_pod()], tail_lines=0, max_bytes=0)
    assert set(cluster.asked[0][1]) == {"container", "timestamps", "sinceSeconds"}  # 0 would be refused or empty


@pytest.mark.parametrize(
    ("state", "restarts", "expected"),
    [
        ("running", 0, [False]),
        ("running", 2, [False, True]),
        ("terminated", 1, [False, True]),
        ("waiting", 3, [True]),  # the current log is that of the last run as well
        ("waiting", 0, [False]),
    ],
)
def test_which_logs_of_a_container_are_read(state, restarts, expected):
    dummy, cluster = _gather({"p": b""}, [_pod(state=state, restarts=restarts, failed=True)])
    assert sorted("previous" in query for dummy2, query in cluster.asked) == expected


def test_the_current_log_stands_in_for_a_previous_one_that_is_gone():
    status = side.recorded("log-previous-none-400")

    def answer(query):
        if "previous" in query:
            return ReadFailed("error", status["message"], code=400)
        return _lines("Fatal: killed")

    evidence, dummy = _gather({"p": answer}, [_pod(state="waiting", restarts=1, failed=True)])
    assert [(row["text"], row["previous"], row["final"]) for row in evidence["lines"]] == [("Fatal: killed", False, True)]
    assert evidence["unread"] == []


def test_mesh_proxies_and_unscheduled_pods_are_left_out():
    meshed = _pod("meshed")
    meshed["containers"].append({"container": "istio-proxy", "role": "sidecar", "restarts": 0, "state": "running"})
    evidence, cluster = _gather({"meshed": b""}, [meshed, _pod("gated", scheduled=False)])
    assert [query["container"] for dummy, query in cluster.asked] == ["sync"]
    (row,) = evidence["unread"]
    assert (row["pod"], row["outcome"]) == ("gated", "not_scheduled")
    assert row["message"].startswith("not scheduled")


def test_failed_pods_come_first_and_the_rest_is_counted():
    pods = [
        _pod("old", created="2026-11-20T10:00:00Z"),
        _pod("new", created="2026-11-20T20:00:00Z"),
        _pod("failed", failed=True, created="2026-11-20T01:00:00Z"),
    ]
    evidence, cluster = _gather({}, pods, max_pods=2)
    assert sorted(cluster.paths()) == [_log("failed"), _log("new")]
    assert [(row["pod"], row["outcome"]) for row in evidence["unread"]] == [("old", "not_read")]


def test_a_container_that_waits_tells_why():
    status = side.recorded("log-pending-imagepull-400")
    refusal = ReadFailed("error", "cluster: HTTP 400: " + status["message"], code=400)
    evidence, dummy = _gather({"p": refusal}, [_pod(state="waiting", failed=True)])
    (row,) = evidence["unread"]
    assert (evidence["outcome"], row["outcome"]) == ("empty", "not_started")
    assert "trying and failing to pull image" in row["message"]


def test_refused_everywhere_is_forbidden_and_found_out_in_few_requests():
    pods = [_pod(f"p{number}") for number in range(30)]
    evidence, cluster = _gather({pod["pod"]: side.refused("pods", "log") for pod in pods}, pods)
    assert evidence["outcome"] == "forbidden"
    assert evidence["error"]["grant"]["rule"] == {"resources": ["pods/log"]}
    assert len(cluster.asked) < 10
    assert evidence["summary"]["unread"] == 30


def test_refused_for_some_is_denied():
    evidence, dummy = _gather({"a": _lines("fine"), "b": side.refused("pods", "log")}, [_pod("a"), _pod("b")])
    assert evidence["outcome"] == "ok"
    assert [entry["what"] for entry in evidence["denied"]] == ["pods/log"]


def test_a_connection_that_breaks_leaves_what_came_before():
    answers = {"p": [_lines("ERROR one"), b"half a li", ReadFailed("unreachable", "connection broken")]}
    evidence, dummy = _gather(answers, [_pod()])
    assert evidence["outcome"] == "ok"
    assert evidence["lines"][0]["text"] == "ERROR one"
    assert evidence["unread"][0]["outcome"] == "unreachable"


def test_all_kubelets_down_is_not_an_empty_log():
    evidence, dummy = _gather({"p": ReadFailed("error", "HTTP 500: dial tcp", code=500)}, [_pod()])
    assert evidence["outcome"] == "error"


def test_the_end_of_a_log_that_max_bytes_cut_is_read_for_a_failed_container():
    stamps = [f"2026-11-20T20:00:{second:02d}.000000001Z" for second in range(60)]
    whole = [f"{stamp} ERROR line {'x' * index}\n".encode() for index, stamp in enumerate(stamps)]

    def answer(query):
        body = b"".join(whole[-query["tailLines"] :])
        return body[: query.get("limitBytes", len(body))]

    evidence, cluster = _gather({"p": answer}, [_pod(failed=True, state="terminated")], max_bytes=1000, max_rows=100)
    assert evidence["summary"]["cut"] == 1
    assert len(cluster.asked) == 2
    assert evidence["tails"][0]["lines"][-1] == "ERROR line " + "x" * 59
    assert sum(row["count"] for row in evidence["lines"]) <= 61  # no line counted twice, but for the one that was cut


def test_secrets_are_masked():
    body = _lines("ERROR login failed for https://user:hunter2@s3.example.com?X-Amz-Signature=abcdef password=hunter2")
    evidence, dummy = _gather({"p": body}, [_pod(failed=True, state="terminated")])
    assert "hunter2" not in str(evidence)
    assert "abcdef" not in str(evidence)


def test_bytes_and_colours():
    body = STAMP.encode() + b"\x1b[31mERROR\x1b[0m \xff\xfe copy \x1b[1mfailed\x1b[0m\r\n"
    (row,) = _gather({"p": body}, [_pod()])[0]["lines"]
    assert row["text"] == "ERROR \ufffd\ufffd copy failed"
    assert row["phrases"] == ["copy failed"]


def test_long_lines_show_the_place_that_tells():
    body = (STAMP + "x" * 50000 + " connection refused " + "y" * 50000 + "\n" + INFO).encode()
    evidence, dummy = _gather({"p": body}, [_pod()])
    (row,) = evidence["lines"]
    assert "connection refused" in row["text"]
    assert len(row["text"]) <= 600
    assert evidence["summary"]["lines"] == 2


def test_a_line_without_end_is_read_in_bounded_memory():
    reader = LogReader(Telling([GENERAL]))
    tracemalloc.start()
    for dummy in range(500):
        reader.feed(b"x" * 65536)
    reader.feed(b"\n" + _lines("ERROR after it"))
    reader.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20
    assert reader.lines == 2
    assert [line.text for line in reader.kept(False)] == ["ERROR after it"]


def test_memory_follows_what_is_kept():
    reader = LogReader(Telling([GENERAL]))
    block = (INFO * 1000).encode()
    tracemalloc.start()
    for number in range(200):
        reader.feed(block)
        reader.feed(_lines("ERROR of a kind " + "abcdefghij"[number % 10] * (1 + number // 10)))
    reader.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20
    assert (reader.lines, reader.matched) == (200200, 200)
    assert len(reader.kept(False)) == 100


def test_pieces_may_end_anywhere():
    body = (INFO + STAMP + "ERROR copy failed é\n") * 9
    for size in (1, 7, 64, 100000):
        reader = LogReader(Telling([GENERAL]))
        raw = body.encode()
        for at in range(0, len(raw), size):
            reader.feed(raw[at : at + size])
        reader.close()
        assert (reader.lines, reader.matched, reader.phrases["copy failed"]) == (18, 9, 9)


# ------------------------------------------------------------------------------------------------- patterns


def test_a_wrong_pattern_is_named_before_any_request():
    cluster = side.FakeCluster({})
    with pytest.raises(BadParameter, match=r"^patterns: '\(oops' is no regular expression"):
        side.run(STEP, cluster, patterns=["fine", "(oops"])
    assert cluster.asked == []


@pytest.mark.parametrize("params", [{"tail_lines": -1}, {"max_bytes": -1}, {"max_pods": 0}])
def test_wrong_numbers(params):
    with pytest.raises(BadParameter, match=f"^{next(iter(params))}: "):
        side.run(STEP, side.FakeCluster({}), **params)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("no space left", [{"no space left"}]),
        (r"lookup \S+: no such host", [{"lookup "}, {": no such host"}]),
        ("(?:denied|refused)", [{"denied", "refused"}]),
        ("(?i)AccessDenied", [{"accessdenied"}]),
        (r"time(?:d )?out", [{"time"}, {"out"}]),
        ("[Ff]atal", [{"fatal"}]),
        (r"\bfatal\b", [{"fatal"}]),
        (r"\d+", []),
        ("a|bcdef", []),
        ("x*", []),
        ("(foo)?bar", [{"bar"}]),
        ("(foobar)+", [{"foobar"}]),
        ("(?:copy .* failed|denied)", [{" failed", "denied"}]),
        (r"[Ss]tatus ?[Cc]ode:? 504|gateway", [{" 504", "gateway"}]),  # "status" is in every line
    ],
)
def test_requirements_of_a_pattern(pattern, expected):
    assert [set(found) for found in requirements(pattern)] == expected


@pytest.mark.parametrize(
    "line",
    [
        'level=info msg="copied chunk" status=200 code=0 duration=12ms',
        'time="2026-11-20T21:00:00Z" level=info msg="backup item" backup=velero/nightly status=Completed error="<nil>"',
        '{"level":"info","msg":"uploaded","status":200,"error":null,"message":"ok"}',
        "snapshot of volume pvc-1: status: 403 of 504 chunks",
    ],
)
def test_the_words_of_every_healthy_line_do_not_lead_to_the_patterns(line):
    telling = Telling(telling_patterns())
    shape = line.lower().encode().translate(None, b"0123456789")
    assert telling._look_at([shape]) == {}  # the patterns themselves are many times slower than the search of words


def test_the_fast_search_finds_every_wording_of_the_catalogue():
    patterns = telling_patterns()
    lines = [entry.sample for entry in load_catalogue().lists["log_patterns"]]
    lines += [line.upper() for line in lines] + [re.sub(r"\d", "7", line) for line in lines]
    block = "".join(STAMP + line + "\n" for line in lines).encode()
    found = {block[: match.start].count(b"\n") for match in Telling(patterns).search(block) if match.pattern}
    slow = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
    assert found == {number for number, line in enumerate(lines) if slow.search(line)}
    assert len(found) > 300


_WORDS = ["error", "ERROR", "copy failed", "Sync Failed", "replication error", "denied", "timed out", "x509", "ok", "info"]


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.lists(st.sampled_from([*_WORDS, "zz", "7", "77", "é"]), max_size=4).map(" ".join), max_size=12),
    patterns=st.lists(
        st.sampled_from(
            [
                *(GENERAL, r"\d", "z{2}", "(denied|ok)", "^info", "out$", "(?:a|er)ror", "e.*z", "7.*failed"),
                *("(co|sy).*fail", "x(?:509|7.*denied)", "7 info|77.+err"),
            ]
        ),
        max_size=3,
    ),
)
def test_the_fast_search_finds_what_a_slow_one_finds(lines, patterns):
    block = "".join(STAMP + line + "\n" for line in lines).encode()
    found = {
        (block[: match.start].count(b"\n"), match.phrases, match.pattern) for match in Telling(patterns).search(block)
    }
    expected = set()
    for number, line in enumerate(lines):
        phrases = tuple(phrase for phrase in PHRASES if phrase in line.lower())
        told = any(re.search(pattern, line, re.IGNORECASE) for pattern in patterns)
        if phrases or told:
            expected.add((number, phrases, told))
    assert found == expected


def test_without_a_feed_the_pods_are_listed_by_label():
    cluster = side.FakeCluster({side.PODS: side.items("pods-list-by-batch-job-name")})
    for pod in side.items("pods-list-by-batch-job-name"):
        cluster.answers[_log(pod["metadata"]["name"])] = _lines("ERROR AccessDenied")
    evidence = side.run(STEP, cluster).evidence
    assert cluster.asked[0] == (side.PODS, {"labelSelector": "app=backup-sync"})
    # two pods of two containers each
    assert (evidence["summary"]["pods"], evidence["summary"]["containers"]) == (2, 4)
    assert {row["resource"] for row in evidence["lines"]} == {"users"}


@pytest.mark.parametrize(("exists", "outcome"), [(True, "empty"), (False, "not_found")])
def test_no_pods(exists, outcome):
    evidence = side.run(STEP, side.FakeCluster({}, namespace_exists=exists)).evidence
    assert evidence["outcome"] == outcome
