# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's metadata service: what a server is told about itself, at one address of each family, whoever asks from that server.

It listens at the control plane; `net` leads what servers send to the vendor's addresses there. A server is known by its address, or over
IPv6, where the address is one of the link's, by the cable that the question comes through. The same process leases the addresses (lease.py).
"""

from __future__ import annotations

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, ClassVar

from lab import lease, net, process
from lab.config import CHECKOUT, PORTS, Lab

PORT = PORTS["metadata"]
BASE = "/hetzner/v1/"


def facts_of(lab: Lab, address: str, scope: int) -> Path | None:
    """The folder of the server that asks, None for anybody else."""
    servers = lab.root / "servers"
    if scope:
        return lease.server_at(lab, socket.if_indextoname(scope))
    known = ((path.parent, json.loads(path.read_text())["addresses"]) for path in servers.glob("*/server.json"))
    return next((folder for folder, addresses in known if address in addresses), None)


def described(lab: Lab, folder: Path) -> dict[str, Any]:
    """The document that the vendor gives as YAML; JSON is some."""
    facts = json.loads((folder / "server.json").read_text())
    return {
        "availability-zone": "ash-dc1",
        "hostname": facts["hostname"],
        "instance-id": int(folder.name),
        "local-ipv4": "",
        "network-config": network_config(facts["addresses"]),
        "public-ipv4": next((one for one in facts["addresses"] if "." in one), ""),
        "public-keys": facts["ssh_keys"],
        "region": "us-east",
        "vendor_data": "",
    }


def network_config(addresses: list[str]) -> dict[str, Any]:
    """How the vendor wants the network set up."""
    subnets: list[dict[str, Any]] = []
    for address in addresses:
        if "." in address:
            subnets.append({"ipv4": True, "type": "dhcp"})
        else:
            subnets.append({"ipv6": True, "type": "static", "address": str(ip_interface(f"{address}/64")), "gateway": "fe80::1"})
    resolvers = {"type": "nameserver", "address": list(net.RESOLVERS)}
    return {"version": 1, "config": [{"type": "physical", "name": "eth0", "subnets": subnets}, resolvers]}


def answer(lab: Lab, folder: Path, path: str) -> bytes | None:
    """What is at a path; None where there is nothing."""
    document = described(lab, folder)
    if path == "userdata":
        return (folder / "user-data").read_bytes()
    if path == "metadata":
        return json.dumps(document).encode()
    if path == "metadata/private-networks":
        return b"[]"
    value = document.get(path.removeprefix("metadata/")) if path.startswith("metadata/") else None
    return None if value is None else (value if isinstance(value, str) else json.dumps(value)).encode()


class Handler(BaseHTTPRequestHandler):
    """One question."""

    lab: ClassVar[Lab]
    timeout = 5

    def do_GET(self) -> None:
        """Answer."""
        folder = facts_of(self.lab, self.client_address[0].partition("%")[0], self.client_address[3] if len(self.client_address) > 2 else 0)
        found = answer(self.lab, folder, self.path.removeprefix(BASE)) if folder and self.path.startswith(BASE) else None
        self.send_response(404 if found is None else 200 if found else 204)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        if found:
            self.wfile.write(found)


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def _listening(lab: Lab) -> bool:
    for address in (lab.control, lab.address6(0)):
        try:
            socket.create_connection((address, PORT), timeout=0.5).close()
        except OSError:
            return False
    return True


def up(lab: Lab) -> None:
    """Starts the service."""
    environment = {"LAB_NAME": lab.name, "LAB_SUBNET": str(lab.prefix)}
    process.start(lab, "metadata", [sys.executable, "-m", "lab.metadata"], env=environment, cwd=CHECKOUT / "tests", ready=lambda: _listening(lab))


def main() -> None:
    """Serves both families."""
    import threading

    Handler.lab = lab = Lab.from_env()
    lease.serve(lab)
    threading.Thread(target=ThreadingHTTPServer((lab.control, PORT), Handler).serve_forever, daemon=True).start()
    _Server6((lab.address6(0), PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
