# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the region playbook takes, side by side with the same reads by the AWS command line and by a bare script.

The reads are those that the playbook was seen to make: both rivals get them as a list. Writes build/bench.json.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import rounds
import yaml
from botocore import xform_name
from rounds import HERE, harness

RATIOS = {
    "region_vs_awscli": ("region", "awscli"),
    "region_vs_bare_script": ("region", "bare_script"),
    "region_vs_bare_script_50ms": ("region_50ms", "bare_script_50ms"),
}
LATENCY_MS = 50
AWSCLI_VERSION = "1.46.2"


def main() -> int:
    """Run the rounds."""
    options = rounds.options(str(__doc__), str(HERE / "account.yaml"))
    scenario = Path(options.scenario)
    described = yaml.safe_load(scenario.read_text())
    aws = _aws_command_line(options.output.parent / "awscli")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slow = folder / "slow.yaml"
        faults = [*described.get("faults", []), {"latency_ms": LATENCY_MS}]
        slow.write_text(yaml.safe_dump({**described, "faults": faults}))
        with (
            harness.lab(scenario, folder / "lab") as lab,
            harness.lab(slow, folder / "slow-lab") as slow_lab,
        ):
            quick = _contestants(folder / "quick", lab, described, aws)
            late = _contestants(folder / "late", slow_lab, described, None)
            told = rounds.contest({**quick, **{f"{title}_50ms": run for title, run in late.items()}}, options.rounds)
    rounds.tell(rounds.figures(told, RATIOS), options.output)
    return 0


def _contestants(
    folder: Path, lab: harness.Lab, described: dict[str, t.Any], aws: Path | None
) -> dict[str, rounds.Contestant]:
    """The playbook and the bare script, and the AWS command line where it is given."""
    folder.mkdir()
    values = harness.variables(lab.info, described, folder / "report")
    rounds.playbook(folder / "seen", values)
    reads = _reads(lab)
    environment = {**os.environ, **_configured(folder, lab.info)}
    listed = folder / "reads.json"
    listed.write_text(json.dumps(reads))
    script = [sys.executable, str(HERE / "bare_aws.py"), str(listed)]
    found: dict[str, rounds.Contestant] = {
        "region": lambda: rounds.playbook(folder / "region", values),
        "bare_script": lambda: rounds.program(script, env=environment),
    }
    if aws is not None:
        bash = folder / "reads.sh"
        bash.write_text("\n".join(["set -e", *(_command(aws, lab.info["url"], read) for read in reads)]) + "\n")
        found["awscli"] = lambda: rounds.program(["bash", str(bash)], env=environment)
    return found


def _reads(lab: harness.Lab) -> list[dict[str, t.Any]]:
    """The calls of the playbook's run, without those for further pages, and without those that AWS refused."""
    return [
        {
            "service": row["service"],
            "operation": row["operation"],
            "region": row["region"],
            "arguments": row["params"],
            "profile": "source" if row["account"] == lab.info["source"]["account"] else "destination",
        }
        for row in lab.audit()
        if row["status"] < 400
        and row["operation"] != "AssumeRole"
        and not {"NextToken", "nextToken", "Marker"} & set(row["params"])
    ]


def _configured(folder: Path, info: dict[str, t.Any]) -> dict[str, str]:
    """Configuration files with a profile for either side, as somebody at a shell would have them."""
    source, destination = info["source"], info["destination"]
    keys = f"aws_access_key_id = {source['access_key']}\naws_secret_access_key = {source['secret_key']}\n"
    role = f"role_arn = {destination['role_arn']}\nsource_profile = source\n" if destination["role_arn"] else keys
    config = folder / "config"
    config.write_text(f"[profile source]\n{keys}\n[profile destination]\n{role}")
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_ENDPOINT_URL": info["url"],
        "AWS_CA_BUNDLE": info["ca"],
        "AWS_PAGER": "",
        "HOME": str(folder),
    }


def _command(aws: Path, url: str, read: dict[str, t.Any]) -> str:
    """One read as a command; the command line follows further pages by itself."""
    # its botocore is older and does not know this one, which only says where in time to begin
    arguments = {name: value for name, value in read["arguments"].items() if name != "startFromHead"}
    words = [
        str(aws),
        read["service"],
        xform_name(read["operation"], "-"),
        "--endpoint-url",
        url,
        "--region",
        read["region"],
        "--profile",
        read["profile"],
        "--cli-input-json",
        json.dumps(arguments),
    ]
    return shlex.join(words)


def _aws_command_line(place: Path) -> Path:
    """The AWS command line, put into an environment of its own where there is none: it insists on its own botocore."""
    found = shutil.which("aws")
    if found:
        return Path(found)
    program = place / "bin" / "aws"
    if not program.exists():
        for step in (
            [sys.executable, "-m", "venv", str(place)],
            [str(place / "bin" / "pip"), "install", "--quiet", f"awscli=={AWSCLI_VERSION}"],
        ):
            subprocess.run(step, check=True)
    return program


if __name__ == "__main__":
    sys.exit(main())
