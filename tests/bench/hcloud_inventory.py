# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin beside hetzner.hcloud's, in the same run, on the same answers: wall, CPU, requests, memory.

`python tests/bench/hcloud_inventory.py [--servers 25 1000 10000] [--runs 3] [--latency-ms 50]` prints JSON and keeps it in `results/`, beside the
figures of other numbers of servers. Each measurement is one `ansible-inventory --list` of its own process. The floor is an inventory of no
plugin at all. Pages are put together before anything is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import importlib.resources
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]
RESULT = Path(__file__).parent / "results" / "hcloud_inventory.json"
PER_PAGE = 50
PLUGINS = {"ours": "quetrex.platform.hcloud", "peer": "hetzner.hcloud.hcloud"}
KEYED = {"keyed_groups": [{"key": "hcloud_location", "prefix": "loc"}, {"key": "hcloud_labels.role", "prefix": "role"}]}
NATIVE = {"group_by": ["location", "role"]}


class Vendor:
    """Answers GET /servers and the like from pages made beforehand, each after the latency."""

    def __init__(self, latency: float) -> None:
        self.latency, self.pages, self.requests = latency, dict[int, bytes](), 0

    def hold(self, count: int) -> None:
        """Have that many servers."""
        from lab.api.hetzner.testing import hetzner_api

        with tempfile.TemporaryDirectory() as folder, hetzner_api(Path(folder)) as api:
            from hcloud import Client

            body = {"name": "a", "server_type": "cpx31", "image": "debian-13", "location": "ash"}
            made = Client(api.token, api_endpoint=api.url).request("POST", "/servers", json=body)["server"]
            sample = Client(api.token, api_endpoint=api.url).request("GET", f"/servers/{made['id']}")["server"]
        last = max(1, -(-count // PER_PAGE))
        servers = [{**sample, "id": 1000 + n, "name": f"s{n}", "status": "running", "labels": {"role": f"r{n % 5}", "n": str(n)}} for n in range(count)]
        self.pages = {}
        for page in range(1, last + 1):
            numbers: dict[str, int | None] = {"page": page, "per_page": PER_PAGE, "last_page": last, "total_entries": count}
            numbers["next_page"], numbers["previous_page"] = (page + 1 if page < last else None), (page - 1 if page > 1 else None)
            self.pages[page] = json.dumps({"servers": servers[(page - 1) * PER_PAGE : page * PER_PAGE], "meta": {"pagination": numbers}}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        self.requests += 1
        await asyncio.sleep(self.latency)
        query = parse_qs(scope["query_string"].decode())
        if scope["path"].endswith("/servers"):
            body = self.pages[int(query.get("page", ["1"])[0])]
        else:
            kind, one = (
                scope["path"].rsplit("/", 1)[1],
                {"page": 1, "per_page": 50, "last_page": 1, "total_entries": 0, "next_page": None, "previous_page": None},
            )
            body = json.dumps({kind: [], "meta": {"pagination": one}}).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]}
        )
        await send({"type": "http.response.body", "body": body})


def serve(vendor: Vendor) -> str:
    """Serve from a thread; return the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(vendor, log_level="error", lifespan="off", access_log=False))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


class Watch(threading.Thread):
    """Looks how much memory a process has at most, in MB. Not ru_maxrss: that of a child begins with what its parent had."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.status, self.peak = Path(f"/proc/{pid}/status"), 0.0

    def run(self) -> None:
        """Look until the process is gone."""
        while True:
            try:
                lines = self.status.read_text(encoding="utf-8").splitlines()
            except OSError:
                return
            found = [float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
            if not found:
                return
            self.peak = max(self.peak, *found)
            time.sleep(0.05)


def measure(folder: Path, options: dict[str, Any] | None, vendor: Vendor) -> dict[str, float]:
    """Run one inventory to its end; `options` None is the floor."""
    path = folder / "hcloud.yml"
    if options is None:
        path = folder / "hosts.yml"
        path.write_text("all: {}\n")
    else:
        path.write_text(json.dumps(options))
    from conftest import _tree

    # as installed: with what Python keeps compiled, which the first run of each case writes
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(_tree()), "ANSIBLE_HOME": str(folder), "ANSIBLE_INVENTORY_CACHE": "False"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    vendor.requests = 0
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(path), "--list", "--output", str(folder / "out.json")]
    begun = time.monotonic()
    child = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    watch = Watch(child.pid)
    watch.start()
    _pid, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - begun
    if status:
        raise RuntimeError(f"{command}: {child.stderr.read().decode() if child.stderr else status}")
    hosts = len(json.loads((folder / "out.json").read_text())["_meta"]["hostvars"]) if options else 0
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "requests": vendor.requests, "memory_mb": watch.peak, "hosts": hosts}


def cases(url: str, only: list[str]) -> dict[str, dict[str, Any] | None]:
    """Return what is measured for each number of servers."""
    base = {"api_endpoint": url, "api_token": "x" * 64}
    found: dict[str, dict[str, Any] | None] = {"floor": None}
    for who, plugin in PLUGINS.items():
        found[who] = {"plugin": plugin, **base}
        found[f"{who}, two keyed groups"] = {"plugin": plugin, **base, **KEYED}
    found["ours, two native groups"] = {"plugin": PLUGINS["ours"], **base, **NATIVE}
    return {case: options for case, options in found.items() if not only or case in only}


RATIOS = {
    "plain": ("ours", "peer"),
    "keyed groups": ("ours, two keyed groups", "peer, two keyed groups"),
    "native groups": ("ours, two native groups", "peer, two keyed groups"),
}


def main() -> None:
    """Measure in turns, so that what else the machine does meets all alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--servers", type=int, nargs="+", default=[25, 1000, 10000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="cases to measure, for example 'ours' 'peer'; all without it")
    parser.add_argument("--into", type=Path, default=RESULT, help="JSON file to put the figures into, beside those of other numbers of servers")
    parser.add_argument("--latency-ms", type=float, default=50)
    arguments = parser.parse_args()
    vendor = Vendor(arguments.latency_ms / 1000)
    url, report = serve(vendor), {}
    with tempfile.TemporaryDirectory() as name:
        vendor.hold(1)
        for options in cases(url, arguments.only).values():
            measure(Path(name), options, vendor)
        for count in arguments.servers:
            vendor.hold(count)
            runs: dict[str, list[dict[str, float]]] = {case: [] for case in cases(url, arguments.only)}
            for _run in range(arguments.runs):
                for case, options in cases(url, arguments.only).items():
                    runs[case].append(measure(Path(name), options, vendor))
            medians = {case: {key: round(statistics.median(one[key] for one in all_), 3) for key in all_[0]} for case, all_ in runs.items()}
            pairs = {key: (medians.get(one), medians.get(other)) for key, (one, other) in RATIOS.items()}
            ratios = {key: round(one["wall"] / other["wall"], 3) for key, (one, other) in pairs.items() if one and other}
            over = round(medians["ours"]["wall"] - medians["floor"]["wall"], 3) if {"ours", "floor"} <= set(medians) else None
            report[str(count)] = {"medians": medians, "wall_to_peer": ratios, "over_floor": over}
            print(f"{count} servers: {ratios}, over the floor {over} s", file=sys.stderr)
            report[str(count)]["runs"], report[str(count)]["load"] = arguments.runs, round(os.getloadavg()[0], 1)
    whole: dict[str, Any] = json.loads(arguments.into.read_text()) if arguments.into.exists() else {"servers": {}}
    whole = {"latency_ms": arguments.latency_ms, "versions": versions(), "servers": {**whole["servers"], **report}}
    text = json.dumps(whole, indent=1) + "\n"
    arguments.into.write_text(text)
    print(text, end="")


def versions() -> dict[str, str]:
    """What was measured against."""
    manifest = importlib.resources.files("ansible_collections.hetzner.hcloud").joinpath("MANIFEST.json")
    peer = json.loads(manifest.read_text())["collection_info"]["version"]
    return {"python": platform.python_version(), "ansible_core": importlib.metadata.version("ansible-core"), "hetzner.hcloud": peer}


if __name__ == "__main__":
    main()
