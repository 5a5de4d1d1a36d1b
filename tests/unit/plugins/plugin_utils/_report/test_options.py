# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One sentence for each option of a report that cannot be used, with the variable that gives it."""

from __future__ import annotations

import pytest
from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.options import report_problems


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rename": "acounts"}, "rename (sync_report_rename): it cannot hold 'acounts'; give of account_ids, host_names."),
        ({"rename": ["host_names", 7]}, "rename (sync_report_rename): it cannot hold '7'"),
        ({"formats": "text,pdf"}, "formats (sync_report_formats): it cannot hold 'pdf'; give of text, json, html, markdown, junit, openmetrics."),
        ({"fail_on": "red"}, "fail_on (sync_report_fail_on): it cannot be 'red'; give one of never, failing"),
        ({"path": ["x"]}, "path (sync_report_dir): it is no text"),
        ({"path": "/dev/null/reports"}, "path (sync_report_dir): no folder can be made at '/dev/null/reports'"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_variable(options, sentence):
    [problem] = report_problems(options)
    assert problem.startswith(sentence)


@pytest.mark.parametrize("options", [{}, {"rename": "account_ids,host_names", "formats": ["text"], "fail_on": "lagging"}])
def test_what_can_be_used_is(options, tmp_path):
    assert report_problems({**options, "path": str(tmp_path / "a" / "b")}) == []
