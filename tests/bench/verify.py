# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long `verify.yml` looks at a clean platform and at one with a fault in every layer, and `status.yml` at a clean one.

Beside the seconds it keeps the processor time of the controller, which a busy machine does not change, how many faults were injected and how many
of them were named. Prints JSON and keeps it in `results/`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import cloud, slots
from lab.config import CHECKOUT, Lab
from lab.faults import injected


def run(lab: Lab, playbook: str, code: int = 0) -> dict[str, float]:
    """Seconds and processor seconds of a playbook, and the seconds of its look; another exit code than the wanted one ends the bench."""
    environment = {**os.environ, "LAB_NAME": lab.name, "LAB_SUBNET": str(lab.prefix), "ANSIBLE_HOME": str(lab.folder("ansible")), "NO_COLOR": "1"}
    words = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(words, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise SystemExit(f"{playbook} ended with {done.returncode}:\n" + "\n".join(done.stdout.splitlines()[-40:]))
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 1), "controller_cpu_seconds": round(processor, 1)}


def report(lab: Lab) -> dict[str, Any]:
    """What verify wrote for machines."""
    found: dict[str, Any] = json.loads(lab.path("controller", "verify.json").read_text())
    return found


def measure(lab: Lab) -> dict[str, Any]:
    """A platform is built, looked at twice, spoilt, and looked at again."""
    cloud.up(lab, print)
    result: dict[str, Any] = {"site_first_run": run(lab, "site"), "verify_clean": run(lab, "verify")}
    clean = report(lab)
    result["findings_on_a_clean_platform"] = [one["what"] for one in clean["findings"] if one["state"] != "note"]
    result["tasks_of_site_looked_at"] = clean["observed"]["drift"]["tasks"]
    result["seconds_of_the_run_in_check_mode"] = clean["observed"]["drift"]["seconds"]
    result["status_clean"] = run(lab, "status")
    with injected(lab) as faults:
        result["verify_with_faults"] = run(lab, "verify", code=2)
        found = report(lab)["findings"]
        named = [fault.name for fault in faults if any(one["part"] == fault.part and fault.words in one["what"] for one in found)]
    return {**result, "faults_planted": [fault.name for fault in faults], "faults_named": len(named)}


def main() -> None:
    """Measures, prints, keeps."""
    lab = slots.take().lab(7, "ver")
    cloud.down(lab, abandoned=True)
    try:
        result = {"bench": "verify", "cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2), **measure(lab)}
    finally:
        cloud.down(lab)
    text = json.dumps(result, indent=2)
    Path(__file__).with_name("results").joinpath("verify.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
