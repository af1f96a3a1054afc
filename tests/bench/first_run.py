# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a clone to the first 200 through the edge and to the status page, as a first user goes: with every cache empty, and with caches warm.

Packages of the machine's own package manager are installed already; everything else (Python packages, collections, server image,
container images) is recreated in the cold run. The commands are counted as they are typed, and a file that differs from the clone afterwards
would count as an edit. Prints JSON and keeps it in `results/`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import cloud, slots
from lab.config import CHECKOUT, Lab


class PeakMemory(threading.Thread):
    """Watches a lab's proportional memory, in MiB, until told to stop."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self.lab, self.peak, self.done = lab, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(1.0):
            self.peak = max(self.peak, cloud.memory(self.lab))


def timed(clone: Path, environment: dict[str, str], *words: str) -> float:
    """Seconds a command takes; a failure ends the bench with the command's last words."""
    began = time.monotonic()
    done = subprocess.run(words, cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed ({done.returncode}):\n" + "\n".join(done.stdout.splitlines()[-30:]))
    return round(time.monotonic() - began, 1)


def answers(clone: Path, lab: Lab) -> bool:
    """Whether the platform answers 200 through the edge."""
    words = ["curl", "-sf", "--cacert", f"{clone}/.lab/{lab.name}/pki/ca.pem", "--resolve", f"{lab.domain}:443:{lab.edge}", f"https://{lab.domain}/api/health"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def edited(clone: Path) -> int:
    """Files of the clone that are not as they were given."""
    done = subprocess.run(["git", "status", "--porcelain"], cwd=clone, check=True, stdout=subprocess.PIPE, text=True)
    return len(done.stdout.splitlines())


def measure(scratch: Path, lab: Lab) -> dict[str, Any]:
    """The runs, each from the state the previous one left."""
    clone = scratch / "clone"
    caches = {"LAB_CACHE": str(scratch / "lab"), "UV_CACHE_DIR": str(scratch / "uv"), "npm_config_cache": str(scratch / "npm")}
    # `make bench ARGS=…` hands its own arguments to every make below it.
    own = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key not in ("ARGS", "MFLAGS")}
    environment = {**own, **caches, "LAB_NAME": lab.name, "LAB_SUBNET": str(lab.prefix)}
    memory = PeakMemory(lab)
    memory.start()
    try:
        cloning = timed(scratch, environment, "git", "clone", "--quiet", str(CHECKOUT), str(clone))
        figures = {"cold_clone_to_first_200_s": round(cloning + timed(clone, environment, "make", "site"), 1)}
        assert answers(clone, lab)
        figures["then_to_the_status_page_s"] = timed(clone, environment, ".venv/bin/ansible-playbook", "playbooks/status.yml")
        assert (clone / ".lab" / lab.name / "controller" / "status.html").is_file()
        user = {"commands": ["git clone …", "cd …", "make site", ".venv/bin/ansible-playbook playbooks/status.yml"], "edits": edited(clone)}
        figures["second_site_s"] = timed(clone, environment, ".venv/bin/ansible-playbook", "playbooks/site.yml")
        timed(clone, environment, "make", "lab-down")
        figures["warm_to_first_200_s"] = timed(clone, environment, "make", "site")
        assert answers(clone, lab)
    finally:
        memory.done.set()
        if clone.is_dir():
            timed(clone, environment, "make", "lab-down")
    return {**user, **figures, "peak_memory_of_the_lab_mib": float(memory.peak)}


def main() -> None:
    """Measures, prints, keeps."""
    slot = slots.take()
    with tempfile.TemporaryDirectory(prefix="quetrex-bench-") as scratch:
        Path(scratch).chmod(0o755)
        result = {"bench": "first_run", "cores": os.cpu_count(), "load_before": os.getloadavg()[0], **measure(Path(scratch), slot.lab(7, "run"))}
    text = json.dumps(result, indent=2)
    Path(__file__).with_name("results").joinpath("first_run.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
