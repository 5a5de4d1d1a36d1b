# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines as real tools write them: what each means, and which mean nothing."""

from __future__ import annotations

import pytest

from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._catalogue import Signature, required_literals
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._signatures import (
    classifier_with,
    telling_patterns,
)

# Lines as the tools write them, none taken from the catalogue.
REAL_LINES = [
    # restic
    (
        "Fatal: unable to open repository at s3:https://s3.dr.example/backup: client.BucketExists: "
        'Get "https://s3.dr.example/backup/?location=": dial tcp: lookup s3.dr.example on 172.20.0.10:53: no such host',
        "network_dns",
    ),
    (
        "Fatal: unable to create lock in backend: repository is already locked exclusively by PID 23 on "
        "backup-sync-28765440-x7k2p by root (UID 0, GID 0)",
        "repository_lock",
    ),
    (
        'Save(<data/1f2e3d>) returned error, retrying after 552.33ms: client.PutObject: Access Denied.',
        "auth_object_store",
    ),
    ("Load(<index/91ab>, 0, 0) returned error, retrying after 720ms: connection reset by peer", "network_refused"),
    ("Fatal: wrong password or no key found", "auth_object_store"),
    (
        'Fatal: repository does not exist: unable to open config file: stat /repo/config: no such file',
        "repository_not_initialised",
    ),
    ("error: lstat /data/pgdata: permission denied", "auth_permission_fs"),
    ("error: load <data/00ab>: ciphertext verification failed", "data_corruption"),
    ("Fatal: unable to save snapshot: write /tmp/restic-temp-pack-1: no space left on device", "storage_capacity"),
    # rclone
    (
        '2026/03/01 02:10:11 ERROR : db/dump.zst: Failed to copy: NoSuchBucket: The specified bucket does not exist',
        "config_invalid",
    ),
    ("ERROR : base.tar: corrupted on transfer: md5 hashes differ src(S3) 9a0b vs dst(S3) 77fe", "data_corruption"),
    (
        "Failed to sync: couldn't list directory: AccessDenied: Access Denied status code: 403, request id: 4F",
        "auth_object_store",
    ),
    (
        'ERROR : Attempt 3/3 failed with 1 errors and: SlowDown: Please reduce your request rate. status code: 503',
        "throttling",
    ),
    ("CRITICAL: Failed to create file system for \"dr:\": didn't find section in config file", "config_invalid"),
    # rsync and ssh
    ("rsync: connection unexpectedly closed (0 bytes received so far) [sender]", "network_refused"),
    ('rsync: [receiver] mkstemp "/data/.base.Xy12" failed: No space left on device (28)', "storage_capacity"),
    ("rsync: [generator] chown failed: [Receiver] write error: Broken pipe (32)", "network_refused"),
    ("ssh: connect to host 10.40.7.9 port 22: No route to host", "network_refused"),
    ("ssh: Could not resolve hostname dst.example: Temporary failure in name resolution", "network_dns"),
    ("root@10.40.7.9: Permission denied (publickey).", "auth_transport"),
    # kopia
    ("ERROR unable to open repository: invalid repository password", "auth_object_store"),
    (
        'ERROR error connecting to repository: repository not initialized in the provided storage',
        "repository_not_initialised",
    ),
    (
        'error refreshing maintenance: clock skew detected: local clock is out of sync with repository timestamp',
        "clock_skew",
    ),
    ("error loading manifest: unable to read index blob x1n2: BLOB not found", "data_corruption"),
    # velero
    (
        'time="2026-03-01T02:00:01Z" level=error msg="Error getting a backup store" controller=backup-sync '
        'error="rpc error: code = Unknown desc = AuthorizationHeaderMalformed: the region is unexpected"',
        "config_invalid",
    ),
    (
        'level=error msg="Error listing backups in backup store" backupLocation=dr error="rpc error: code = Unknown '
        "desc = operation error S3: ListObjectsV2, https response error StatusCode: 403, RequestID: 1A, "
        'api error InvalidAccessKeyId: The AWS access key Id you provided does not exist"',
        "auth_object_store",
    ),
    (
        'level=error msg="data path backup failed: error to initialize data path: error to boost backup repository '
        "connection dr-app-kopia: error to connect backup repo: x509: certificate signed by unknown authority\"",
        "network_tls",
    ),
    ("failed to wait BackupRepository: backup repository is not ready: error to connect: QuotaExceeded", "quota"),
    (
        "timed out waiting: failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: "
        "GetMetadata, canceled, context deadline exceeded",
        "auth_object_store",
    ),
    (
        "failed to refresh cached credentials, operation error STS: AssumeRoleWithWebIdentity, https response error "
        "StatusCode: 403, api error AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "auth_object_store",
    ),
    (
        'level=error msg="no matches for kind \\"VolumeSnapshotClass\\" in version \\"snapshot.storage.k8s.io/v1\\""',
        "api_version_mismatch",
    ),
    ('level=error msg="Error: backups.velero.io \\"nightly-20260301\\" not found"', "source_backup_missing"),
    ("Fail to wait VolumeSnapshot snapshot handle created: context deadline exceeded", "snapshot_not_ready"),
    # longhorn
    (
        'failed to execute: cannot find backupstore/volumes/9c/7b/pvc-1/backups/backup_b-1.cfg in backupstore',
        "source_backup_missing",
    ),
    ("cannot mount nfs 10.3.0.4:/backup: mount.nfs: Connection timed out", "network_timeout"),
    ("failed to list backups: AWS Error: RequestTimeTooSkewed The difference between the request time", "clock_skew"),
    # stores and libraries
    (
        'azcore: RESPONSE 403: 403 This request is not authorized. ERROR CODE: AuthorizationPermissionMismatch',
        "auth_object_store",
    ),
    ("RESPONSE 404: 404 The specified container does not exist. ERROR CODE: ContainerNotFound", "config_invalid"),
    ("RESPONSE 503: 503 The server is busy. ERROR CODE: ServerBusy", "throttling"),
    (
        'googleapi: Error 403: dr@p.iam.gserviceaccount.com does not have storage.objects.list access, forbidden',
        "auth_object_store",
    ),
    (
        'oauth2: cannot fetch token: Post https://oauth2.example/token: dial tcp: lookup oauth2.example: no such host',
        "network_dns",
    ),
    (
        'An error occurred (ExpiredToken) when calling the PutObject operation: The provided token has expired.',
        "credential_expired",
    ),
    ("Could not connect to the endpoint URL: \"https://s3.eu-north-9.example/b\"", "network_timeout"),
    ("fatal error: Unable to locate credentials", "auth_object_store"),
    (
        'ssl.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate',
        "network_tls",
    ),
    ("storage backend: XMinioStorageFull: no room", "storage_capacity"),
    # Kubernetes
    (
        'Error from server (Forbidden): volumesnapshots.snapshot.storage.k8s.io is forbidden: User '
        '"system:serviceaccount:dr:mover" cannot list resource "volumesnapshots" in API group "x"',
        "auth_permission_rbac",
    ),
    (
        'pods "copy-28-" is forbidden: exceeded quota: backup, requested: pods=1, used: pods=20, limited: pods=20',
        "quota",
    ),
    ('MountVolume.SetUp failed for volume "cfg" : configmap "replication-rules" not found', "config_missing_reference"),
    (
        'AttachVolume.Attach failed for volume p: rpc error: code = DeadlineExceeded desc = context deadline exceeded',
        "csi_driver",
    ),
    (
        'failed to provision volume: driver name x.csi.example not found in the list of registered CSI drivers',
        "csi_driver",
    ),
    (
        '0/5 nodes are available: 5 node(s) had volume node affinity conflict. preemption: 0/5 nodes are available',
        "scheduling",
    ),
    (
        'Get "https://10.0.3.7:10250/containerLogs/dr/copy-1/copy": dial tcp 10.0.3.7:10250: i/o timeout',
        "infrastructure",
    ),
    ("The node was low on resource: memory. Container copy was using 3Gi, request is 0", "oom"),
    ("failed to create fsnotify watcher: panic: runtime error: index out of range [3]", "crash"),
]

HARMLESS_LINES = [
    "",
    "SlowDown avoided: 0",
    "AccessDenied=0 NoSuchKey=0 throttled=0",
    '{"AccessDenied":0,"objects":1201}',
    "errors: 0, checksum mismatch: 0",
    "finished with 0 connection refused errors",
    "verification done, no checksum mismatches",
    "replicapool/csi-vol-1: healthy, no split-brain",
    "container copy was not OOMKilled",
    "transport: TLS handshake timeout=10s, idle timeout=90s",
    "client option i/o timeout: 30s",
    "copied backup/NoSuchKey-report/AccessDenied.csv (12 KiB)",
    'GET "https://docs.example/errors/AccessDenied/SlowDown" 200',
    "GET https://docs.example/errors?code=AccessDenied&next=SlowDown 200",
    "GET https://docs.example/errors/s3:NoSuchKey,QuotaExceeded 200",
    "downloaded s3://dr-bucket/OOMKilled/no_space_left_on_device.txt",
    "registered AccessDeniedHandler and SlowDownPolicy",
    "metric aws_AccessDenied_total is exported",
    "job backup-sync-no-such-host-test completed",
    "transferred 504 files through the gateway",
    "processed 403 objects, 407 skipped, 301 unchanged",
    "rsync: sent 1,204 bytes  received 23 bytes (code 0)",
    "snapshot 4f2a saved",
    "no snapshots found to delete",
    "created new cache in /cache",
    "repository opened (version 2, compression level auto)",
    "Removing missing schedule ownership reference velero/daily from backup daily-1",
    "Operation cannot be fulfilled on volumesnapshotcontents: the object has been modified; please apply your changes",
    "repo already locked, waiting up to 10m0s for the lock",
    "rsync warning: some files vanished before they could be transferred (code 24) at main.c(1338)",
    'previous terminated container "copy" in pod "copy-1" not found',
    'container "copy" in pod "copy-1" is waiting to start: ContainerCreating',
    '{"message_type":"status","percent_done":0.9,"current_files":["/d/connection refused.log"]}',
    "quota usage 71% of 2Ti",
    "lookup table loaded, 53: entries",
    "the copy failed",
    "sync failed",
    "replication error",
    "exit status 1",
    "error: something nobody has seen before",
    "rpc error: code = Unknown desc = something nobody has seen before",
    "signal strength ok",
    "Killed 0 stale sessions",
    "PodSecurity admission is enabled",
    "policy deadline-exceeded-handler loaded",
]


@pytest.mark.parametrize(("line", "cause"), REAL_LINES, ids=[line[:60] for line, _cause in REAL_LINES])
def test_real_line(line: str, cause: str) -> None:
    assert classifier_with().classify(line).cause == cause


@pytest.mark.parametrize("line", HARMLESS_LINES)
def test_harmless_or_neutral_line_has_no_cause(line: str) -> None:
    verdict = classifier_with().classify(line)
    assert verdict.cause is None
    assert verdict.kind in ("benign", "unknown")
    assert verdict.weight == 0


def test_telling_patterns_keep_raw_lines_that_matter() -> None:
    patterns = telling_patterns()
    assert len(patterns) == len(set(patterns))
    assert all(required_literals(pattern) for pattern in patterns)
    for line, _cause in REAL_LINES:
        assert any(Signature("x", pattern).search(line) for pattern in patterns), line
