# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, writes and seconds of the role cloudflare_zone, and of its records against community.general.cloudflare_dns.

Every run talks to the local API on loopback. The peer has no option for the API's address; its class attribute is set from outside when its
process starts, its code is what is installed. Prints JSON and keeps it in `results/`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.api.cloudflare.testing import CloudflareServer, cloudflare_server, run_role

TESTS = Path(__file__).resolve().parents[1]
CHECKOUT = TESTS.parent
FIRST, SECOND = "192.0.2.1", "192.0.2.2"
STATIC = {"match": "/_next/static/*", "mode": "everything", "edge_ttl": "1 month"}
API = {"match": "/api/*", "mode": "bypass"}
# Runs one module as Ansible does, with its arguments on standard input; argument 1 is the module, argument 2 the peer's endpoint.
MODULE = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
sys.path.insert(0, sys.argv[3])
import conftest
module = importlib.import_module(sys.argv[1])
if sys.argv[2]:
    module.CloudflareAPI.cf_api_endpoint = sys.argv[2]
with patch_module_args(json.load(sys.stdin)):
    module.main()
"""


def processor() -> float:
    """Processor seconds of all child processes that have ended: what a busy machine does not change."""
    spent = os.times()
    return spent.children_user + spent.children_system


def counted(api: CloudflareServer, began: float, spent: float) -> dict[str, Any]:
    """What happened since the log was forgotten."""
    log = api.log()
    writes = [line for line in log if line["method"] != "GET"]
    cpu = round(processor() - spent, 2)
    return {"seconds": round(time.monotonic() - began, 2), "cpu_seconds": cpu, "requests": len(log), "writes": len(writes)}


def environment() -> dict[str, str]:
    """Ansible that finds this checkout's collection and nothing of the user's."""
    return {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}


def role(api: CloudflareServer, folder: Path, entries: Sequence[str] = ("main",), **settings: Any) -> dict[str, Any]:
    """One run of the role in a playbook of its own."""
    api.forget()
    began, spent = time.monotonic(), processor()
    done = run_role(api, folder, entries, **{"cloudflare_zone_origin_ipv4": FIRST, **settings})
    if done.returncode != 0:
        raise SystemExit(done.stdout)
    return counted(api, began, spent)


def startup(folder: Path) -> float:
    """Seconds of ansible-playbook with nothing to do."""
    play = folder / "empty.json"
    play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": []}]))
    began = time.monotonic()
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(play)]
    subprocess.run(words, cwd=CHECKOUT, env=environment(), capture_output=True, check=True)
    return round(time.monotonic() - began, 2)


def module(api: CloudflareServer, name: str, endpoint: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Modules in processes of their own, one after another."""
    api.forget()
    began, spent = time.monotonic(), processor()
    for arguments in calls:
        words = [sys.executable, "-c", MODULE, name, endpoint, str(TESTS)]
        done = subprocess.run(words, input=json.dumps(arguments), text=True, capture_output=True, cwd=CHECKOUT, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{name}: {done.stdout}{done.stderr}")
    return counted(api, began, spent)


def records(api: CloudflareServer, address: str, *, ours: bool) -> dict[str, Any]:
    """The apex and www at an address, as each of the two does it."""
    names = ["@", "www"]
    if ours:
        rows = [{"name": name, "type": "A", "content": address, "proxied": True} for name in names]
        calls = [{"api_token": api.token, "api_url": api.url, "zone": api.zone["name"], "records": rows}]
        return module(api, "ansible_collections.quetrex.platform.plugins.modules.cloudflare_dns_records", "", calls)
    peer = [
        {"api_token": api.token, "zone": api.zone["name"], "record": name, "type": "A", "value": address, "proxied": True, "solo": True, "state": "present"}
        for name in names
    ]
    return module(api, "ansible_collections.community.general.plugins.modules.cloudflare_dns", api.url, peer)


def zone(scratch: Path, engine: str) -> dict[str, Any]:
    """The whole zone with one engine, on an account of its own."""
    edited: dict[str, Any] = {"cloudflare_zone_cache": [API, {**STATIC, "edge_ttl": "2 hours"}]}
    with cloudflare_server(scratch / engine) as api:
        settings: dict[str, Any] = {"cloudflare_zone_cache_engine": engine}
        found = {"first_build": role(api, scratch, **settings)}
        runs = [role(api, scratch, **settings) for _number in range(3)]
        found["no_change"] = {**runs[0], "seconds": statistics.median(run["seconds"] for run in runs), "kinds": kinds(api)}
        found["no_change_with_prepare"] = role(api, scratch, ("prepare", "main"), **settings)
        found["one_rule_edited"] = role(api, scratch, **settings, **edited)
        found["failover"] = role(api, scratch, **settings, **edited, cloudflare_zone_origin_ipv4=SECOND)
        return found


def kinds(api: CloudflareServer) -> dict[str, int]:
    """Requests of the last run by kind of resource."""
    path = f"/client/v4/zones/{api.zone['id']}/"
    names = [line["path"].removeprefix(path).split("/")[0] for line in api.log()]
    return dict(Counter(name or "zones" for name in names))


def measure(scratch: Path) -> dict[str, Any]:
    """Everything, each on an account of its own."""
    # a busy machine shows in the seconds, and not in the processor's
    found: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "ansible_startup_seconds": statistics.median(startup(scratch) for _number in range(3))}
    found |= {engine: zone(scratch, engine) for engine in ("page_rules", "cache_rules")}
    found["records"] = {}
    for who, ours in (("quetrex.platform", True), ("community.general", False)):
        with cloudflare_server(scratch / who) as api:
            rows: dict[str, Any] = {
                "first": records(api, FIRST, ours=ours), "no_change": records(api, FIRST, ours=ours), "failover": records(api, SECOND, ours=ours),
            }  # fmt: skip
            rows["records_afterwards"] = sorted(f"{row['name']} {row['content']}" for row in api.zone["records"].values())
            found["records"][who] = rows
    return found


def main() -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch))
    text = json.dumps(found, indent=2)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "cloudflare_zone.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
