# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gap tells its reader which variable closes it."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.factory import Clients
from ansible_collections.sre.backup_sync.plugins.module_utils._gather import copy_lag, metrics
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.copy_lag import no_source
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis._cluster.kind import KIND
from ansible_collections.sre.backup_sync.plugins.plugin_utils._diagnosis.gaps import gaps


def _closed_by(step: str, error: dict) -> str:
    evidence = {step: {"step": step, "outcome": "not_configured", "error": error}}
    return next(gap["close"] for gap in gaps(KIND, evidence) if gap["step"] == step)


def test_no_prometheus_names_the_variable_and_the_option_in_it():
    defaults = {name: option.get("default") for name, option in metrics.STEP.argument_spec.items()}
    found = metrics.gather(defaults, Clients(defaults)).evidence
    assert _closed_by("metrics", found["error"]) == (
        "Give cluster_sync_prometheus.prometheus_url, or prometheus_service to go through the API server."
    )


def test_no_source_names_the_variable():
    assert _closed_by(copy_lag.NAME, no_source().as_error()) == (
        "Give the connection options of the source cluster in cluster_sync_source."
    )


@pytest.mark.parametrize(
    "hint, told",
    [
        ("leave job_name out", "leave cluster_sync_job_name out"),
        ("say in source_backups and recovery_points", "say in cluster_sync_source_backups and cluster_sync_recovery_points"),
        ("set unit, or give success_rate_query.", "set unit, or give cluster_sync_prometheus.success_rate_query."),
        ("Is the source there?", "Is the source there?"),
    ],
)
def test_a_hint_is_told_in_the_words_of_the_role(hint, told):
    assert _closed_by("metrics", {"code": None, "message": "no", "hint": hint, "grant": None}) == told
