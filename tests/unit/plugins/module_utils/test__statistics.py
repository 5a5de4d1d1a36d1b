# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small statistics against values from the literature."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._statistics import percentile, wilson

# Newcombe, Two-sided confidence intervals for the single proportion (1998), table I: the score method
_PUBLISHED = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("successes", "runs", "low", "high"), _PUBLISHED)
def test_wilson(successes, runs, low, high):
    assert wilson(successes, runs) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_nothing_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
    assert percentile([], 0.95) is None


@pytest.mark.parametrize(("values", "expected"), [([7.0], 7.0), (list(range(1, 101)), 95), (list(range(20, 0, -1)), 19)])
def test_percentile(values, expected):
    assert percentile(values, 0.95) == expected
