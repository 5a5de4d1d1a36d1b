# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes client against the lab's API server over HTTPS: what each failure becomes, and the clock."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from ansible_collections.sre.backup_sync.plugins.module_utils._clients.kubernetes import (
    Clock,
    Cluster,
    grant_for,
    path_of,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from lab.run import Lab
from lab.scenario import Scenario

JOBS = "/apis/batch/v1/namespaces/backup/jobs"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/namespaces/backup/volumesnapshots"


def start(folder, *faults, **side):
    """A lab with a few Jobs in the destination."""
    side = {"stories": [{"bulk": {"jobs": 1200}}], "faults": list(faults), **side}
    return Lab(Scenario(name="client", destination=side), folder)


def client(lab, **options):
    """A client with the reader's rights."""
    return Cluster({"kubeconfig": str(lab.folder / "destination.kubeconfig"), **options}, name="cluster")


def outcome(cluster, path):
    """The failure of a read."""
    with pytest.raises(ReadFailed) as caught:
        cluster.get(path)
    return caught.value


def test_a_list_comes_in_pages_and_each_object_once(tmp_path):
    with start(tmp_path) as lab:
        cluster = client(lab)
        names = [job["metadata"]["name"] for job in cluster.list(JOBS)]
    assert len(names) == len(set(names)) == 1200
    assert cluster.requests == 3


def test_an_expired_token_restarts_the_list_and_repeats_nothing(tmp_path):
    with start(tmp_path, {"match": "GET /apis/.*jobs.*", "expire_continue": True, "times": 1}) as lab:
        names = [job["metadata"]["name"] for job in client(lab).list(JOBS)]
    assert len(names) == len(set(names)) == 1200


@pytest.mark.parametrize(
    "path, kind, code",
    [
        (f"{JOBS}/nope", "not_found", 404),
        ("/apis/batch/v1/namespaces/backup/crowjobs", "forbidden", 403),  # rights come before the route
        ("/api/v1/namespaces/backup/secrets", "forbidden", 403),
        ("/apis/nothing.example.org", "api_missing", 404),
    ],
)
def test_refusals_and_absences_are_told_apart(tmp_path, path, kind, code):
    with start(tmp_path) as lab:
        failure = outcome(client(lab), path)
    assert (failure.outcome, failure.code) == (kind, code)


def test_a_refusal_carries_the_rule_that_would_allow_it(tmp_path):
    with start(tmp_path, deny=["jobs.batch"]) as lab:
        failure = outcome(client(lab), JOBS)
    assert failure.grant == {
        "kind": "Role",
        "namespace": "backup",
        "rule": {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]},
    }


def test_a_token_that_is_not_accepted(tmp_path):
    with start(tmp_path, token_expired=True) as lab:
        failure = outcome(client(lab), JOBS)
    assert (failure.outcome, failure.code) == ("forbidden", 401)
    assert "renew" in failure.hint


@pytest.mark.parametrize("status, kind", [(429, "throttled"), (500, "error"), (503, "error"), (504, "timeout")])
def test_a_server_that_keeps_failing(tmp_path, status, kind):
    fault = {"match": "GET /apis/.*jobs.*", "status": status, "retry_after_s": 0}
    with start(tmp_path, fault) as lab:
        assert outcome(client(lab), JOBS).outcome == kind


@pytest.mark.parametrize("status, times", [(429, 2), (500, 1), (503, 1)])
def test_a_server_that_recovers_is_asked_again(tmp_path, status, times):
    fault = {"match": "GET /apis/.*jobs.*", "status": status, "times": times, "retry_after_s": 0}
    with start(tmp_path, fault) as lab:
        assert client(lab).get(JOBS)["kind"] == "JobList"


def test_a_server_that_does_not_answer_in_time(tmp_path):
    with start(tmp_path, {"match": "GET /apis/.*jobs.*", "slow_s": 3}) as lab:
        assert outcome(client(lab, timeout=0.5), JOBS).outcome == "timeout"


def test_a_port_where_nothing_listens_is_unreachable_and_no_timeout(tmp_path):
    with start(tmp_path) as lab:
        cluster = client(lab)
    failure = outcome(cluster, JOBS)
    assert failure.outcome == "unreachable"
    assert "object at 0x" not in failure.message


def test_a_certificate_that_is_not_trusted_says_so(tmp_path):
    with start(tmp_path) as lab:
        cluster = Cluster({"host": lab.clusters["destination"].url, "api_key": "x", "validate_certs": True}, name="dr")
        failure = outcome(cluster, JOBS)
    assert failure.outcome == "unreachable"
    assert "ca_cert" in failure.hint


def test_a_stream_that_is_cut_ends_in_a_failure_not_in_silence(tmp_path):
    fault = {"match": "GET /apis/.*jobs.*", "cut": "mid_body"}
    with start(tmp_path, fault) as lab:
        with pytest.raises(ReadFailed):
            list(client(lab).stream(JOBS))


@pytest.mark.parametrize("token", ["bad\nheader", "bad\u2028header"])
def test_a_token_with_odd_characters_is_refused_without_being_shown(tmp_path, token):
    with start(tmp_path) as lab:
        cluster = Cluster({"host": lab.clusters["destination"].url, "api_key": token, "validate_certs": False}, name="dr")
        with pytest.raises(BadParameter) as caught:
            cluster.get(JOBS)
    assert "bad" not in str(caught.value)


def test_a_newline_at_the_end_of_a_token_does_no_harm(tmp_path):
    with start(tmp_path) as lab:
        side = lab.clusters["destination"]
        options = {"host": side.url, "api_key": side.tokens["reader"] + "\n", "ca_cert": str(tmp_path / "ca.pem")}
        assert Cluster(options, name="dr").get(JOBS)["kind"] == "JobList"


@pytest.mark.parametrize("options", [{"timeout": -5.0}, {"kubeconfig": "/nowhere"}, {"context": "nonsense"}])
def test_options_that_cannot_connect_name_themselves(tmp_path, options):
    with start(tmp_path) as lab:
        with pytest.raises(BadParameter, match=next(iter(options))):
            client(lab, **options)


@pytest.mark.parametrize("name", ["a/b", "../x", "", "a b", "a%2Fb", "-a"])
def test_a_name_that_would_change_the_path_is_refused(name):
    with pytest.raises(BadParameter):
        path_of("batch", "v1", "jobs", "backup", name) if name else path_of("batch", "v1", "jobs", name)


@pytest.mark.parametrize(
    "path, rule",
    [
        ("/api/v1/namespaces/b/pods/p/log", {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}),
        (
            "/api/v1/namespaces/b/configmaps/c",
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["c"]},
        ),
        (
            "/api/v1/namespaces/m/services/http:prom:9090/proxy/api/v1/query",
            {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"], "resourceNames": ["http:prom:9090"]},
        ),
    ],
)
def test_grants(path, rule):
    assert grant_for(path)["rule"] == rule


def test_the_clock_narrows_with_every_reply():
    clock, true_offset = Clock(), 300.0
    for moment in (1000.05, 1000.40, 1000.75):  # three replies in different parts of a second
        clock.add(formatdate(int(moment + true_offset), usegmt=True), moment, moment + 0.01)
    told = clock.as_evidence()
    assert abs(told["offset_s"] - true_offset) <= told["error_s"] <= 0.35
    assert told["samples"] == 3


def test_replicas_with_clocks_of_their_own_widen_what_is_known():
    clock = Clock()
    for offset in (0, 60):
        clock.add(formatdate(1000 + offset, usegmt=True), 1000.2, 1000.3)
    assert clock.as_evidence()["error_s"] > 29


def test_without_a_date_the_clock_says_nothing():
    clock = Clock()
    clock.add(None, 0, 1)
    clock.add("yesterday", 0, 1)
    assert clock.as_evidence() is None
    assert abs(clock.now().timestamp() - time.time()) < 5
