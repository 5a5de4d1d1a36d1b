# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of antsibull-nox.toml, and that of Galaxy."""

from __future__ import annotations

from pathlib import Path

import antsibull_nox
import nox

antsibull_nox.load_antsibull_nox_toml()


@nox.session(name="galaxy-import")
def galaxy_import(session: nox.Session) -> None:
    """Have Galaxy's importer read the tarball. In antsibull-nox's session what it reports is a warning; here it counts.

    It needs an older ansible-core than ours. The package ansible of that time brings kubernetes.core, without which the
    importer cannot read the documentation of the steps.
    """
    session.install("ansible==9.13.0", "galaxy-importer==0.4.44", "-r", "requirements.txt")
    folder = Path(session.create_tmp())
    for old in folder.glob("*.tar.gz"):  # of another version
        old.unlink()
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(folder))
    [tarball] = folder.glob("*.tar.gz")
    told = session.run("python", "-m", "galaxy_importer.main", str(tarball), silent=True)
    wrong = [line for line in str(told).splitlines() if line.startswith(("ERROR", "WARNING"))]
    if wrong:
        session.error("\n".join(wrong))
