# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the lab for a scenario of either kind, or for several at once, and keep it running until SIGTERM or SIGINT.

python tests/lab/serve.py --scenario tests/lab/scenarios/healthy.yaml --dir build/lab
python tests/lab/serve.py --scenario tests/lab/region_scenarios/healthy.yaml --dir build/lab
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

# As a program this file lies in the folder of the package: import it from above, and let no file here hide a library.
_FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(_FOLDER.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != _FOLDER)]

from lab.run import open_lab  # noqa: E402


def _arguments() -> list[tuple[Path, Path]]:
    """The scenario files, each with its folder."""
    parser = argparse.ArgumentParser(description="Start the API servers of scenarios on loopback.")
    parser.add_argument(
        "--scenario", type=Path, action="append", required=True, help="the YAML file of a scenario; more than one may be given"
    )
    parser.add_argument(
        "--dir",
        type=Path,
        action="append",
        required=True,
        help="folder for its lab.json, audit.jsonl, ca.pem and kubeconfig files; one for each scenario, in their order",
    )
    given = parser.parse_args()
    if len(given.scenario) != len(given.dir):
        parser.error("give as many folders (--dir) as scenarios (--scenario)")
    return list(zip(given.scenario, given.dir))


def main() -> int:
    """Run until a signal comes."""
    wanted = _arguments()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_unused: done.set())
    with ExitStack() as stack:
        for path, folder in wanted:
            lab = open_lab(path, folder)
            stack.enter_context(lab)
            print(f"{lab.scenario.name}: ready, see {folder / 'lab.json'}", flush=True)
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
