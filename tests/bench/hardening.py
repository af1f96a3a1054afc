# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How hard a server is, and what that costs: a fresh one untouched, ours `standard`, ours `strict`, judged by lynis and ssh-audit.

Run as root; prints JSON and keeps it in `results/`. The auditors come from the server's own distribution and run on it.
OpenSCAP and docker-bench are left out: whether the packages of this system have content that fits Debian 13 has not been looked into.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import slots
from lab.process import until
from lab.solo import Run, Solo

PRESETS = ("host_baseline_preset", "ssh_hardening_preset", "host_firewall_preset")
# measured elsewhere, on another day: other people's roles on the same kind of server
PEERS = {
    "devsec": {"lynis": 76, "warnings": 2, "suggestions": 32, "ssh_audit": [1, 4], "tasks": 183, "second_run": 115, "changed_on_second": 1},
    "konstruktoid": {"lynis": 80, "warnings": 0, "suggestions": 19, "ssh_audit": [3, 5], "tasks": 390, "second_run": 213, "changed_on_second": 1},
    "geerlingguy.docker": {"tasks": 31, "first_run": 47, "second_run": 13.5, "changed_on_second": 0},
}


def audit(solo: Solo) -> dict[str, Any]:
    """What the auditors say of the server as it is."""
    solo.root(
        "rm -f /root/audited; systemd-run --quiet --collect /bin/sh -c 'lynis audit system --quick --no-colors --quiet >/dev/null 2>&1; touch /root/audited'"
    )
    if not until(lambda: solo.root("ls /root/audited 2>/dev/null || true").strip() != "", 600, step=2):
        raise RuntimeError("lynis did not end in ten minutes")
    report = solo.root("grep -E '^(hardening_index|warning|suggestion|lynis_version)' /var/log/lynis-report.dat")
    ssh = solo.root("ssh-audit -n --level=warn 127.0.0.1 || true")
    return {
        "lynis": int(re.search(r"hardening_index=(\d+)", report)[1]),  # type: ignore[index]
        "lynis_version": re.search(r"lynis_version=(\S+)", report)[1],  # type: ignore[index]
        "warnings": len(re.findall(r"^warning", report, flags=re.MULTILINE)),
        "suggestions": len(re.findall(r"^suggestion", report, flags=re.MULTILINE)),
        "ssh_audit": [len(re.findall(rf"\[{word}\]", ssh)) for word in ("fail", "warn")],
    }


def cost(first: Run, second: Run) -> dict[str, Any]:
    """What the two runs took."""
    return {
        "tasks": first.count("ok") + first.count("skipped"),
        "first_run": round(first.seconds, 1),
        "second_run": round(second.seconds, 1),
        "changed_on_second": second.count("changed"),
    }


def prepare(solo: Solo) -> None:
    """A fresh server with the auditors on it."""
    solo.down()
    solo.up()
    solo.root("export DEBIAN_FRONTEND=noninteractive; apt-get -q update >/dev/null; apt-get -q install -y --no-install-recommends lynis ssh-audit >/dev/null")


def measure(solo: Solo, preset: str | None) -> Mapping[str, Any]:
    """One line of the table: a fresh server each."""
    prepare(solo)
    if preset is None:
        return audit(solo)
    variables = dict.fromkeys(PRESETS, preset)
    first, second = solo.play(variables), solo.play(variables)
    if first.code or second.code:
        raise RuntimeError((first if first.code else second).output[-3000:])
    return audit(solo) | cost(first, second)


def main() -> None:
    """Measures and prints."""
    solo = Solo(slots.take().lab(4, "hard"))
    try:
        ours = {name: measure(solo, preset) for name, preset in (("untouched", None), ("standard", "standard"), ("strict", "strict"))}
    finally:
        solo.down()
    result = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "system": "Debian 13", "ours": ours, "peers": PEERS}
    text = json.dumps(result, indent=2) + "\n"
    place = Path(__file__).parent / "results" / "hardening.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
