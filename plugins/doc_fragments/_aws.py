# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""Options of the steps of the region runbook: the pair of vaults and the connections to both sides."""

from __future__ import annotations


class ModuleDocFragment:
    """A module names it before `_evidence`, whose `timeout` has a default that is here left to the connection."""

    DOCUMENTATION = r"""
options:
  vault_name:
    description:
      - Name of the backup vault in the source Region.
    type: str
    required: true
  destination_vault_name:
    description:
      - Name of the backup vault in the destination Region, where it is not that of O(vault_name).
    type: str
  region:
    description:
      - The source Region. When not set, that of the environment or of the profile is used.
    type: str
    aliases: [aws_region]
  profile:
    description:
      - A profile of the AWS configuration files to connect to the source with.
      - It cannot stand together with O(access_key), O(secret_key) or O(session_token).
    type: str
    aliases: [aws_profile]
  access_key:
    description:
      - Access key of the identity on the source side.
      - When neither this nor O(profile) is set, credentials are looked for where boto3 does - the environment,
        the configuration files, the role of the machine or container.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description:
      - Secret key that belongs to O(access_key).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description:
      - Session token that belongs to a temporary O(access_key).
    type: str
    aliases: [aws_session_token]
  role_arn:
    description:
      - ARN of a role to assume on the source side, with the credentials of the other options.
    type: str
  external_id:
    description:
      - External id that the trust policy of O(role_arn) asks for.
    type: str
  endpoint_url:
    description:
      - URL to send every request to, in place of AWS's own endpoints.
    type: str
    aliases: [aws_endpoint_url]
  aws_ca_bundle:
    description:
      - File with the certificates of the authorities to trust.
    type: path
  validate_certs:
    description:
      - Whether the certificate of the endpoint must be valid. When not set, it must.
    type: bool
  aws_config:
    description:
      - Settings of C(botocore.config.Config), like C(proxies) or C(retries), over those of this collection.
    type: dict
  timeout:
    description:
      - Seconds to wait for one answer of AWS; 20 when not set.
    type: float
    default:
  destination:
    description:
      - What is different on the destination side. What is not set here is as on the source side, but for the Region.
      - Who sets other credentials means only those. A O(destination.role_arn) alone is assumed with the credentials of
        the source side, not with its role.
    type: dict
    suboptions:
      region:
        description: The destination Region.
        type: str
        aliases: [aws_region]
      profile:
        description: A profile of the AWS configuration files.
        type: str
        aliases: [aws_profile]
      access_key:
        description: Access key of the identity on the destination side.
        type: str
        aliases: [aws_access_key_id, aws_access_key]
      secret_key:
        description: Secret key that belongs to O(destination.access_key).
        type: str
        aliases: [aws_secret_access_key, aws_secret_key]
      session_token:
        description: Session token that belongs to a temporary O(destination.access_key).
        type: str
        aliases: [aws_session_token]
      role_arn:
        description: ARN of a role to assume on the destination side, commonly one in the other account.
        type: str
      external_id:
        description: External id that the trust policy of O(destination.role_arn) asks for.
        type: str
      endpoint_url:
        description: URL to send every request to.
        type: str
        aliases: [aws_endpoint_url]
      aws_ca_bundle:
        description: File with the certificates of the authorities to trust.
        type: path
      validate_certs:
        description: Whether the certificate of the endpoint must be valid.
        type: bool
      aws_config:
        description: Settings of C(botocore.config.Config).
        type: dict
      timeout:
        description: Seconds to wait for one answer of AWS.
        type: float
requirements:
  - boto3 >= 1.35.0
notes:
  - Nothing is changed in AWS. The actions that a step needs stand in its description; they do not change anything either.
  - Calls that AWS throttles are tried again, up to five times and more slowly each time.
  - When the module runs on another host than the controller, profiles and environment variables are those of that host.
"""
