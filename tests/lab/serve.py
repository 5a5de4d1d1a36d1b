# Copyright: (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the lab for one scenario, of either kind, and keep it running until SIGTERM or SIGINT.

python tests/lab/serve.py --scenario tests/lab/scenarios/healthy.yaml --dir build/lab
python tests/lab/serve.py --scenario tests/lab/region_scenarios/healthy.yaml --dir build/lab
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

# As a program this file lies in the folder of the package: import it from above, and let no file here hide a library.
_FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(_FOLDER.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != _FOLDER)]

from lab.run import open_lab  # noqa: E402


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start the API servers of a scenario on loopback.")
    parser.add_argument("--scenario", type=Path, required=True, help="the YAML file of the scenario")
    parser.add_argument("--dir", type=Path, required=True, help="folder for lab.json, ca.pem and kubeconfig files")
    parser.add_argument("--audit", type=Path, help="file for the list of calls (default: audit.jsonl in --dir)")
    return parser.parse_args()


def main() -> int:
    """Run until a signal comes."""
    arguments = _arguments()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_unused: done.set())
    with open_lab(arguments.scenario, arguments.dir, arguments.audit) as lab:
        print(f"{lab.scenario.name}: ready, see {arguments.dir / 'lab.json'}", flush=True)
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
