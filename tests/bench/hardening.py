# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How hard a server is, and what that costs: a fresh one untouched, ours `standard`, ours `strict`, judged by lynis, ssh-audit and OpenSCAP.

Run as root, with the names of the lines to measure or none for all, after `--costs` only what the roles take; prints JSON and keeps it
in `results/`. The auditors come from the server's own distribution and run on it; only OpenSCAP's content for Debian 13 comes from
unstable, the first that has it. docker-bench-security is in no distribution, so it is no judge here.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import base, slots
from lab.process import until
from lab.solo import Run, Solo

RESULTS = Path(__file__).parent / "results" / "hardening.json"
LINES: dict[str, str | None] = {"untouched": None, "standard": "standard", "strict": "strict"}
PRESETS = ("host_baseline_preset", "ssh_hardening_preset", "host_firewall_preset")
PROFILES = {"cis_level1": "cis_level1_server", "cis_level2": "cis_level2_server", "anssi_enhanced": "anssi_bp28_enhanced"}
# measured elsewhere, on another day: other people's roles on the same kind of server (OpenSCAP: passes and failures)
PEERS = {
    "devsec os + ssh": {
        "lynis": 76,
        "warnings": 2,
        "suggestions": 32,
        "ssh_audit": [1, 4],
        "openscap": {"cis_level1": [276, 64], "cis_level2": [300, 149], "anssi_enhanced": [131, 124]},
        "tasks": 183,
        "first_run": 400,
        "second_run": 115,
        "changed_on_second": 1,
    },
    "konstruktoid": {
        "lynis": 80,
        "warnings": 0,
        "suggestions": 19,
        "ssh_audit": [3, 5],
        "openscap": {"cis_level1": [300, 60], "cis_level2": [355, 115], "anssi_enhanced": [157, 110]},
        "tasks": 390,
        "first_run": 321,
        "second_run": 213,
        "changed_on_second": 1,
    },
    "geerlingguy.docker": {"tasks": 31, "first_run": 47, "second_run": 13.5, "changed_on_second": 0},
    "geerlingguy.security": {"tasks": 20, "first_run": 35, "second_run": 16, "changed_on_second": 0},
}
# linux-base belongs to every kernel's package; a server of the lab runs on the machine's kernel and has none, and OpenSCAP
# would take it for a container, for which most rules do not count.
AUDITORS = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends lynis ssh-audit openscap-scanner linux-base
cat >/root/unstable.list
mkdir -p /root/unstable/partial
cd /root
unstable='-o Dir::Etc::SourceList=/root/unstable.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=/root/unstable'
apt-get -q $unstable update
apt-get -q $unstable -o APT::Sandbox::User=root download ssg-base ssg-debian
dpkg -i /root/ssg-*.deb
"""
AUDIT = """
lynis audit system --quick --no-colors --quiet
ssh-audit -n --level=warn 127.0.0.1 >/root/ssh-audit
for profile in PROFILES; do
  oscap xccdf eval --profile xccdf_org.ssgproject.content_profile_$profile /usr/share/xml/scap/ssg/content/ssg-debian13-ds.xml >/root/oscap-$profile
done
"""


def work(solo: Solo, script: str, budget: float) -> None:
    """Runs a long script as a service of the server, without a terminal or a connection that could end."""
    solo.root(f"rm -f /root/done; cat >/root/work.sh <<'EOF'\n{script}\nEOF\n")
    solo.root("systemd-run --quiet --collect /bin/sh -c 'cd /root; HOME=/root sh /root/work.sh >/root/work.log 2>&1; touch /root/done'")
    if not until(lambda: solo.root("ls /root/done 2>/dev/null || true").strip() != "", budget, step=2):
        raise RuntimeError("not done in time: " + solo.root("tail -n 20 /root/work.log"))


def audit(solo: Solo) -> dict[str, Any]:
    """What the auditors say of the server as it is."""
    work(solo, AUDIT.replace("PROFILES", " ".join(PROFILES.values())), 600)
    report = solo.root("grep -E '^(hardening_index|warning|suggestion|lynis_version)' /var/log/lynis-report.dat")
    ssh = solo.root("cat /root/ssh-audit")
    return {
        "lynis": int(re.search(r"hardening_index=(\d+)", report)[1]),  # type: ignore[index]
        "lynis_version": re.search(r"lynis_version=(\S+)", report)[1],  # type: ignore[index]
        "warnings": len(re.findall(r"^warning", report, flags=re.MULTILINE)),
        "suggestions": len(re.findall(r"^suggestion", report, flags=re.MULTILINE)),
        "suggested": [line.split("|")[:2] for line in re.findall(r"^suggestion\[\]=(.*)$", report, flags=re.MULTILINE)],
        "ssh_audit": [len(re.findall(rf"\[{word}\]", ssh)) for word in ("fail", "warn")],
        "openscap": {name: rules(solo.root(f"cat /root/oscap-{profile}")) for name, profile in PROFILES.items()},
    }


def rules(said: str) -> list[int]:
    """How many rules of a profile passed and failed; the others do not concern this server."""
    results = Counter(re.findall(r"^Result\s+(\w+)", said.replace("\r", "\n"), flags=re.MULTILINE))
    if not results["pass"]:
        raise RuntimeError(f"OpenSCAP judged nothing: {said[-500:]}")
    return [results["pass"], results["fail"]]


def cost(first: Run, second: Run) -> dict[str, Any]:
    """What the two runs took."""
    return {
        "tasks": first.count("ok") + first.count("skipped"),
        "first_run": round(first.seconds, 1),
        "second_run": round(second.seconds, 1),
        "changed_on_second": second.count("changed"),
    }


def measure(solo: Solo, preset: str | None, *, judged: bool) -> Mapping[str, Any]:
    """One line of the table: a fresh server each."""
    solo.down()
    solo.up()
    costs = {}
    if preset is not None:
        variables = dict.fromkeys(PRESETS, preset)
        first, second = solo.play(variables), solo.play(variables)
        if first.code or second.code:
            raise RuntimeError((first if first.code else second).output[-3000:])
        docker = solo.play(variables, ["docker_engine"])
        costs = cost(first, second) | {"second_run_docker_engine": round(docker.seconds, 1), "load": round(os.getloadavg()[0], 1)}
    if not judged:
        return costs
    work(solo, AUDITORS.replace("cat >/root/unstable.list", f"echo '{base.sources('sid').strip()}' >/root/unstable.list"), 300)
    return audit(solo) | costs


def main() -> None:
    """Measures and prints; each line is kept as soon as it is there."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    ours = known.get("ours", {})
    names = [name for name in sys.argv[1:] if name != "--costs"] or list(LINES)
    solo = Solo(slots.take().lab(7, "hard"))
    try:
        for name in names:
            before = ours[name] if "--costs" in sys.argv else {}
            found = measure(solo, LINES[name], judged=not before)
            ours[name] = {**before, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **found}
            ordered = {line: ours[line] for line in LINES if line in ours}
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps({"system": "Debian 13", "ours": ordered, "peers": PEERS}, indent=2) + "\n")
    finally:
        solo.down()
    sys.stdout.write(RESULTS.read_text())


if __name__ == "__main__":
    main()
