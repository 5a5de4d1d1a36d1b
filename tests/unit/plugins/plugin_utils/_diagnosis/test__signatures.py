# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signature catalogue and its classifier."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import (
    Signature,
    load_catalogue,
)
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import (
    Classifier,
    classifier_with,
    normalise,
)

CATALOGUE = load_catalogue()
LOG_PATTERNS = CATALOGUE.lists["log_patterns"]
BENIGN_PATTERNS = CATALOGUE.lists["benign_patterns"]
REASON_LISTS = {name.removesuffix("_reasons"): name for name in CATALOGUE.lists if name.endswith("_reasons")}


@pytest.fixture(name="classifier", scope="module")
def fixture_classifier() -> Classifier:
    return classifier_with()


# --- every entry ------------------------------------------------------------------------------------------------------


def test_every_sample_is_recognised_by_its_own_entry(classifier: Classifier) -> None:
    for entry in LOG_PATTERNS:
        assert entry.sample and entry.source, entry.id
        verdict = classifier.classify(entry.sample)
        assert (verdict.signature, verdict.cause) == (entry.id, entry.cause)
        assert verdict.matched_text and verdict.matched_text in normalise(entry.sample), entry.id


def test_every_benign_sample_matches_its_entry_and_has_no_cause(classifier: Classifier) -> None:
    for entry in BENIGN_PATTERNS:
        assert entry.sample and entry.search(entry.sample), entry.id
        assert classifier.classify(entry.sample).cause is None, entry.id


@pytest.mark.parametrize("where", sorted(REASON_LISTS))
def test_each_reason_alone_gives_the_cause_of_its_entry(classifier: Classifier, where: str) -> None:
    for entry in CATALOGUE.lists[REASON_LISTS[where]]:
        for reason in entry.reasons:
            verdict = classifier.classify(None, where=where, reason=reason)
            assert (verdict.signature, verdict.cause) == (entry.id, None if entry.benign else entry.cause)


def test_each_exit_code_of_a_known_tool_gives_the_cause_of_its_entry(classifier: Classifier) -> None:
    for entry in CATALOGUE.lists["exit_codes"]:
        for code in entry.codes:
            verdict = classifier.classify(None, where="container", exit_code=code, tool=entry.tool)
            assert (verdict.signature, verdict.cause) == (entry.id, entry.cause)


# --- whole texts -----------------------------------------------------------------------------------------------------


def test_harmless_words_do_not_hide_a_fault_in_the_same_line(classifier: Classifier) -> None:
    assert classifier.classify("throttled: 0, then AccessDenied on key db/1").cause == "auth_object_store"


def test_harmless_line_does_not_hide_a_fault_in_another_line(classifier: Classifier) -> None:
    text = "repo already locked, waiting up to 5m0s for the lock\nFatal: wrong password or no key found"
    assert classifier.classify(text, where="container").cause == "auth_object_store"


def test_escaped_quotes_and_colours_are_seen_through(classifier: Classifier) -> None:
    text = '\x1b[31msecret \\\\"restic-repo\\\\" not \x1b[0mfound\x1b[0m'
    assert classifier.classify(text).cause == "config_missing_reference"


# --- precedence -------------------------------------------------------------------------------------------------------

REPOSITORY = "Is there a repository at the following location?\ns3:https://s3.dr.example/backup"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (f"Fatal: unable to open config file: SlowDown: Please reduce your request rate\n{REPOSITORY}", "H1"),
        (f"Fatal: unable to open config file: Stat: InvalidAccessKeyId: unknown key\n{REPOSITORY}", "O1"),
        (f"Fatal: unable to open config file: Stat: Access Denied.\n{REPOSITORY}", "O12"),
        (f"ExpiredToken: The provided token has expired.\n{REPOSITORY}", "E1"),
        ("found existing data in storage location; connect failed before: AccessDenied", "O3"),
        ('BackupStorageLocation "dr" is unavailable, was AccessDenied', "O3"),
        ("backup repository is not ready: x509: certificate signed by unknown authority", "L1"),
        ("dial tcp: lookup s3.dr on 10.96.0.10:53: dial tcp 10.96.0.10:53: i/o timeout", "D2"),
        ("dial tcp: lookup s3.dr on 10.96.0.10:53: dial udp 10.96.0.10:53: connect: connection refused", "D2"),
        ("WebIdentityErr: failed to retrieve credentials: AccessDenied: no trust", "O9"),
        ("proxyconnect tcp: dial tcp 10.9.9.9:3128: i/o timeout", "R9"),
        ('dial tcp: lookup https://minio.dr: no such host', "D5"),
        ("RequestTimeTooSkewed: StatusCode: 403", "W1"),
        ("reason OOMKilled, exit code 137", "M1"),
        ("rsync: write failed: No space left on device (28)\nerror in rsync protocol data stream (code 12)", "S2"),
        ("ssh: connect to host x port 22: Connection timed out\nunexplained error (code 255)", "T4"),
        ("Permission denied (publickey)\nconnection unexpectedly closed (0 bytes received so far)", "A8"),
        ("Failed to pull image \"x\": dial tcp: lookup registry.example on 10.0.0.2:53: no such host", "G4"),
        ("dial tcp 169.254.169.254:80: i/o timeout, failed to refresh cached credentials", "O13"),
        ('admission webhook "v" denied the request: expect resource to be {snapshot.storage.k8s.io v1 x}', "P3"),
        ("snapshot handle wait: context deadline exceeded", "T9"),
        ("Backup phase PartiallyFailed: NoSuchKey", "B2"),
        ("Job has reached the specified backoff limit; last pod: OOMKilled", "M1"),
        ("Job was active longer than specified deadline after SlowDown", "H1"),
        ("unable to refresh lock: connection reset by peer", "R3"),
    ],
)
def test_precedence(classifier: Classifier, text: str, signature: str) -> None:
    assert classifier.classify(text).signature == signature
    assert classifier.classify("\n".join(reversed(text.splitlines()))).signature == signature


def test_cause_of_a_fatal_line_is_final_itself(classifier: Classifier) -> None:
    text = f"Load(<config>) returned error, retrying after 1s: SlowDown\nFatal: cannot read config: {REPOSITORY}"
    assert classifier.classify(text).kind == "final"


def test_first_of_two_equal_errors_is_the_root(classifier: Classifier) -> None:
    text = "error: dial tcp 10.1.1.1:443: i/o timeout\nerror: server gave HTTP response to HTTPS client"
    verdict = classifier.classify(text)
    assert verdict.cause == "network_timeout"
    assert verdict.alternatives == ("network_tls",)


def test_innermost_error_of_one_line_is_the_root(classifier: Classifier) -> None:
    verdict = classifier.classify("oauth2: cannot fetch token: connect: connection refused")
    assert verdict.cause == "network_refused"


def test_repository_made_on_the_first_run_is_no_fault(classifier: Classifier) -> None:
    assert classifier.classify(f"{REPOSITORY}\ncreated restic repository 1f2e at s3").cause is None


# --- wrappers and symptoms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", [entry for entry in LOG_PATTERNS if entry.wrapper], ids=lambda entry: entry.id)
def test_wrapper_takes_the_class_of_its_tail(classifier: Classifier, wrapper: Signature) -> None:
    assert classifier.classify(f"{wrapper.sample}: dial tcp 10.2.0.9:443: i/o timeout").cause == "network_timeout"
    assert classifier.classify(f"{wrapper.sample}: a text that nobody knows").cause == wrapper.cause


def test_what_stands_before_a_wrapper_does_not_win_over_its_tail(classifier: Classifier) -> None:
    text = "SlowDown seen earlier; backup repository is not ready: Access Denied."
    assert classifier.classify(text).signature == "O12"


@pytest.mark.parametrize("tail", ["Job has reached the specified backoff limit", "some files vanished (code 24)"])
def test_wrapper_keeps_its_own_class_where_the_tail_names_no_cause(classifier: Classifier, tail: str) -> None:
    assert classifier.classify(f"backup repository is not ready: {tail}").signature == "I4"


def test_reason_after_the_schedulers_sum_is_the_finer_one(classifier: Classifier) -> None:
    text = "0/5 nodes are available: 5 node(s) had volume node affinity conflict."
    assert classifier.classify(text).signature == "X2"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Failed to check and update snapshot content: failed: context deadline exceeded", "snapshot_not_ready"),
        ("AttachVolume.Attach failed for volume x: context deadline exceeded", "csi_driver"),
        ('BackupStorageLocation "dr" is unavailable: context deadline exceeded', "network_timeout"),
    ],
)
def test_timeout_takes_its_class_from_the_words_before_it(classifier: Classifier, text: str, cause: str) -> None:
    assert classifier.classify(text).cause == cause


def test_wrapper_before_a_benign_conflict_is_benign(classifier: Classifier) -> None:
    text = "Failed to create snapshot content: the object has been modified; please apply your changes"
    assert classifier.classify(text).kind == "benign"


SYMPTOMS = [entry for entry in LOG_PATTERNS if entry.symptom]


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda entry: entry.id)
def test_symptom_never_wins_over_a_cause_in_the_same_text(classifier: Classifier, symptom: Signature) -> None:
    alone = classifier.classify(symptom.sample)
    assert alone.kind == "symptom" and not alone.is_cause
    for text in (f"{symptom.sample}\nNoSuchBucket", f"NoSuchBucket\nFatal: {symptom.sample}"):
        assert classifier.classify(text).cause == "config_invalid"


# --- kinds and weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "kind", "weight"),
    [
        ("Fatal: no space left on device", "log", "final", 1.0),
        ("giving up after 5 tries: no space left on device", "log", "final", 1.0),
        ("level=error msg=x: no space left on device", "log", "error", 1.0),
        ("level=warning msg=x: no space left on device", "log", "warning", 0.3),
        ("returned error, retrying after 1s: no space left on device", "log", "retry", 0.2),
        ("Attempt 1/3 failed: no space left on device", "log", "retry", 0.2),
        ("Attempt 3/3 failed: no space left on device", "log", "final", 1.0),
        ("no space left on device", "container", "final", 1.0),
        ("no space left on device", "copy_job", "final", 1.0),
        ("no space left on device", "event", "error", 1.0),
        ("error: context deadline exceeded", "log", "error", 0.3),
        ("BackoffLimitExceeded", "job", "symptom", 1.0),
        ("nothing known", "log", "unknown", 0.0),
    ],
)
def test_kind_and_weight(classifier: Classifier, text: str, where: str, kind: str, weight: float) -> None:
    verdict = classifier.classify(text, where=where)
    assert (verdict.kind, verdict.weight) == (kind, weight)


def test_split_brain_needs_confirmation(classifier: Classifier) -> None:
    assert "both clusters" in (classifier.classify("image in split-brain").confirm_by or "")
    assert classifier.classify("checksum mismatch").confirm_by is None


# --- reasons and exit codes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "reason", "exit_code", "tool", "cause"),
    [
        ("dial tcp 10.1.1.1:443: i/o timeout", "container", "OOMKilled", 137, "restic", "oom"),
        ("NoSuchBucket", "container", "Error", 1, "restic", "config_invalid"),
        (None, "container", "Error", 1, "restic", None),
        (None, "container", "Error", 11, None, None),
        (None, "container", "Error", 11, "restic", "repository_lock"),
        ("retrying in 2s: connection refused", "container", "Error", 11, "restic", "repository_lock"),
        ("Fatal: connection refused", "container", "Error", 11, "restic", "network_refused"),
        ("Fatal: AccessDenied", "container", "Completed", 0, "restic", None),
        ("Back-off restarting failed container", "container", "CrashLoopBackOff", 3, "restic", "source_backup_partial"),
        (None, "container", "Error", 137, "restic", "terminated"),
        (None, "container", "Error", 139, None, "crash"),
        (None, "container", "Error", 24, "rsync", None),
        ("couldn't find key password in Secret dr/repo",
         "container", "CreateContainerError", None, None, "config_missing_reference"),
        ('exceeded quota: pods', "event", "FailedCreate", None, None, "quota"),
        ('violates PodSecurity "restricted:latest"', "event", "FailedCreate", None, None, "auth_permission_rbac"),
        ("a text that nobody knows", "event", "FailedCreate", None, None, None),
        ("Back-off pulling image \"x\"", "event", "BackOff", None, None, "image_pull"),
        ("Back-off restarting failed container copy", "event", "BackOff", None, None, "backoff"),
        ('secret "repo" not found', "event", "FailedMount", None, None, "config_missing_reference"),
        ("timeout expired waiting for volumes", "event", "FailedMount", None, None, "csi_driver"),
        ("please apply your changes: object has been modified; please apply your changes", "event",
         "SnapshotContentCheckandUpdateFailed", None, None, None),
        ("Saw completed job: copy-1, condition: Failed", "event", "SawCompletedJob", None, None, "backoff"),
        ("Saw completed job: copy-1, condition: Complete", "event", "SawCompletedJob", None, None, None),
        ("The node was low on resource: ephemeral-storage.", "pod", "Evicted", None, None, "storage_capacity"),
        ("Pod was evicted", "pod", "Evicted", None, None, "infrastructure"),
        ("0/3 nodes are available: 3 Insufficient memory.", "pod", "Unschedulable", None, None, "scheduling"),
        ("Job has reached the specified backoff limit", "job", "BackoffLimitExceeded", None, None, "backoff"),
        ('Container copy failed with exit code 12 matching FailJob rule',
         "job", "PodFailurePolicy", None, None, "backoff"),
        ("x", "job", "SomeNewReason", None, None, None),
    ],
)
def test_reason_text_and_exit_code(
    classifier: Classifier,
    text: str | None,
    where: str,
    reason: str | None,
    exit_code: int | None,
    tool: str | None,
    cause: str | None,
) -> None:
    assert classifier.classify(text, where=where, reason=reason, exit_code=exit_code, tool=tool).cause == cause


def test_unknown_refusal_names_what_it_can_be(classifier: Classifier) -> None:
    verdict = classifier.classify("a text that nobody knows", where="event", reason="FailedCreate")
    assert verdict.alternatives == ("quota", "auth_permission_rbac", "config_invalid")


@pytest.mark.parametrize(
    ("texts", "tool"),
    [
        (("registry.example/backup/restic:0.17", "copy"), "restic"),
        (("registry.example/volsync:1", "rclone"), "rclone"),
        ((None, "copy", "rsync error: code 23"), "rsync"),
        (("busybox", "copy"), None),
    ],
)
def test_tool_of(classifier: Classifier, texts: tuple[str | None, ...], tool: str | None) -> None:
    assert classifier.tool_of(*texts) == tool


def test_unknown_place_is_refused(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="where is 'logs'; it must be one of"):
        classifier.classify("x", where="logs")


# --- bounds -----------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from([*(entry.sample or "" for entry in LOG_PATTERNS), "\n", '\\"', "\x1b[31m", "://", ": 0", "\0"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.one_of(st.text(), st.lists(st.one_of(st.text(max_size=9), WORDS), max_size=8).map("".join)),
    where=st.sampled_from(["log", "event", "container", "job", "pod", "copy_job", "metric"]),
    reason=st.one_of(st.none(), st.sampled_from(["OOMKilled", "FailedCreate", "Evicted", "Completed"]), st.text()),
    exit_code=st.one_of(st.none(), st.integers(-1, 300)),
    tool=st.one_of(st.none(), st.sampled_from(["restic", "rsync"])),
)
def test_any_text_gives_a_sound_verdict(
    text: str, where: str, reason: str | None, exit_code: int | None, tool: str | None
) -> None:
    verdict = classifier_with().classify(text, where=where, reason=reason, exit_code=exit_code, tool=tool)
    assert verdict.cause is None or verdict.cause in CATALOGUE.causes
    assert 0 <= verdict.weight <= 1
    assert verdict.cause not in verdict.alternatives
    assert (verdict.kind in ("benign", "unknown")) <= (verdict.cause is None)
    assert json.loads(json.dumps(verdict.as_dict())) == verdict.as_dict()


@pytest.mark.parametrize(
    "piece",
    ["a", " ", "7", "0 ", "lookup a on b:53: ", "dial tcp ", "open ", "https://h/", '\\"', "a: ", "\n", "Killed "],
)
def test_huge_line_takes_bounded_time(classifier: Classifier, piece: str) -> None:
    line = piece * (1_000_000 // len(piece)) + " no such host, context deadline exceeded, permission denied: 0, Killed"
    start = time.process_time()
    verdict = classifier.classify(line)
    assert time.process_time() - start < 2
    assert verdict.signature is None or verdict.matched_text


def test_ten_thousand_distinct_lines_take_well_under_a_second() -> None:
    classifier = Classifier()
    lines = [f"02:00:{i % 60:02} INFO copied object {i} to dr-backup in {i * 7} ms, checksum ok" for i in range(10_000)]
    start = time.process_time()
    assert not any(classifier.classify(line).cause for line in lines)
    assert time.process_time() - start < 1
