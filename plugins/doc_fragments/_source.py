# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Options of the steps that compare the destination with the source cluster."""

from __future__ import annotations


class ModuleDocFragment:
    """The connection to the source; `_source.backups` is what a backup is and how both sides are paired."""

    DOCUMENTATION = r"""
options:
  source:
    description:
      - Connection to the source cluster, by the same options as the connection to the destination.
      - Nothing is taken over from the connection to the destination.
    type: dict
    suboptions:
      host:
        description: Address of the API server.
        type: str
      api_key:
        description: Token to authenticate with.
        type: str
      kubeconfig:
        description: Path of a kubeconfig file, or its content as a dictionary.
        type: raw
      context:
        description: Name of a context in the kubeconfig.
        type: str
      username:
        description: Name for HTTP basic authentication.
        type: str
      password:
        description: Password for HTTP basic authentication.
        type: str
      client_cert:
        description: Path of a client certificate.
        type: path
        aliases: [cert_file]
      client_key:
        description: Path of the key of the client certificate.
        type: path
        aliases: [key_file]
      ca_cert:
        description: Path of the certificate chain that signs the server's certificate.
        type: path
        aliases: [ssl_ca_cert]
      validate_certs:
        description: Whether to verify the server's certificate.
        type: bool
        aliases: [verify_ssl]
      proxy:
        description: URL of an HTTP proxy.
        type: str
      no_proxy:
        description: Hosts that are reached without the proxy, separated by commas.
        type: str
      proxy_headers:
        description: Headers for the proxy.
        type: dict
        suboptions:
          proxy_basic_auth:
            description: User and password for the proxy, separated by a colon.
            type: str
          basic_auth:
            description: User and password for basic authentication, separated by a colon.
            type: str
          user_agent:
            description: The user agent.
            type: str
      persist_config:
        description: Whether to save refreshed tokens in the kubeconfig.
        type: bool
      impersonate_user:
        description: User to impersonate.
        type: str
      impersonate_groups:
        description: Groups to impersonate.
        type: list
        elements: str
      timeout:
        description: Seconds to wait for one answer.
        type: float
        default: 20.0
      namespace:
        description: Namespace there; by default O(namespace).
        type: str
"""

    BACKUPS = r"""
options:
  source_backups:
    description:
      - What a backup is in the source cluster.
    type: dict
    suboptions:
      kind:
        description:
          - V(volumesnapshot) reads VolumeSnapshots, V(job) takes each Job for one backup, V(custom) reads any resource
            through the expressions below.
        type: str
        choices: [volumesnapshot, job, custom]
        default: volumesnapshot
      group:
        description: API group of the custom resource, for example V(velero.io).
        type: str
      version:
        description: API version, for example V(v1). Needed for kind V(custom).
        type: str
      plural:
        description: Name of the resource in the URL, for example V(backups). Needed for kind V(custom).
        type: str
      label_selector:
        description: Only objects with these labels.
        type: str
      identity:
        description: JMESPath of the name that both clusters know it by; by default C(metadata.name).
        type: str
      point_in_time:
        description: JMESPath of the moment that the data is from. Needed for kind V(custom).
        type: str
      completed:
        description: JMESPath of the moment when the backup was complete. Needed for kind V(custom).
        type: str
      available:
        description: JMESPath of the moment since when it has been in this cluster; by default
          C(metadata.creationTimestamp).
        type: str
      state:
        description:
          - JMESPath of the word for its state. The words of the usual tools are known; for others let the expression
            give V(completed), V(partial), V(failed) or V(in_progress).
          - Without it a backup with a completion time is complete.
        type: str
      resource:
        description: JMESPath of the resource that is backed up; by default a label or the name decides.
        type: str
  resource_label:
    description:
      - Label that says which resource an object is about.
      - Without it the claim of a VolumeSnapshot, the owner or the name decides.
    type: str
    default: backup-sync/resource
  match_keys:
    description:
      - Labels and annotations that have equal values on a backup and its copy, the most specific first.
      - By default those that Velero writes.
    type: list
    elements: str
  look_back:
    description:
      - Source backups that are older are left out, but for the newest of each resource.
    type: str
    default: 30d
"""
