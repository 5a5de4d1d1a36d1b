# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that ask the AWS lab through the real SDK."""

from __future__ import annotations

from ansible_collections.sre.backup_sync.tests.lab_tests.aws.aws_client import pki, serve

__all__ = ["pki", "serve"]
