# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with nothing but the Cloudflare API, the edge and an origin that echoes."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import cloud, edge, net, pki, process, slots
from lab.api.cloudflare import BASE, create_app
from lab.api.cloudflare.testing import CloudflareServer
from lab.api.kit import wrap
from lab.api.testing import serving
from lab.config import Lab

ECHO = Path(__file__).parent / "echo.py"
needs_root = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nginx") is None, reason="needs root and nginx")


@dataclass
class Answer:
    """What curl saw."""

    status: int
    headers: dict[str, str]
    body: str
    error: int


@dataclass
class World:
    """The lab, its API, and what tests do with them."""

    lab: Lab
    api: CloudflareServer

    @property
    def origin_ip(self) -> str:
        return self.lab.address(4, 200)

    @property
    def origin_ip6(self) -> str:
        return self.lab.address6(4, 200)

    def serve(self, *arguments: str | Path, port: int = 443) -> None:
        """(Re)start the origin on a port; no arguments is plain HTTP."""
        process.stop(self.lab, f"origin{port}")
        space = net.netns_name(self.lab, "origin")
        process.start(self.lab, f"origin{port}", [sys.executable, ECHO, str(port), *arguments], netns=space, ready=lambda: self.listening(port))

    def stop_origin(self, port: int = 443) -> None:
        process.stop(self.lab, f"origin{port}")

    def listening(self, port: int) -> bool:
        space = net.netns_name(self.lab, "origin")
        return f":{port} " in subprocess.run(["ip", "netns", "exec", space, "ss", "-Hltn"], check=False, capture_output=True, text=True).stdout

    def certificate(self, *hosts: str, days: int = 7) -> tuple[str, Path, Path]:
        """A certificate of the Origin CA for a fresh key: identifier, certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        body = {
            "csr": request.public_bytes(serialization.Encoding.PEM).decode(),
            "hostnames": list(hosts),
            "request_type": "origin-ecc",
            "requested_validity": days,
        }
        made = self.api.call("POST", "/certificates", body).json()["result"]
        folder = self.lab.folder("test", made["id"])
        pki.save_key(folder / "key.pem", key)
        (folder / "cert.pem").write_text(made["certificate"])
        return made["id"], folder / "cert.pem", folder / "key.pem"

    def set(self, name: str, value: Any) -> None:
        assert self.api.call("PATCH", f"/zones/{{zone}}/settings/{name}", {"value": value}).status_code == 200

    def curl(self, url: str, *options: str) -> Answer:
        """Ask the edge as a visitor who trusts the lab's public authority."""
        command = ["curl", "-s", "-i", "--max-time", "30", "--cacert", str(pki.ca(self.lab)), "--connect-to", f"::{self.lab.edge}:", *options, url]
        done = subprocess.run(command, check=False, capture_output=True)
        head, _blank, body = done.stdout.decode().partition("\r\n\r\n")
        lines = head.split("\r\n")
        status = int(lines[0].split()[1]) if done.returncode == 0 and lines[0] else 0
        return Answer(status, {k.lower(): v for k, _colon, v in (line.partition(": ") for line in lines[1:])}, body, done.returncode)

    def cached(self, path: str, *options: str) -> str:
        """The cache status of a request to the site."""
        return self.curl(f"https://quetrex.test{path}", *options).headers.get("cf-cache-status", "-")

    @contextlib.contextmanager
    def connection(self, name: str) -> Iterator[Callable[[str], int]]:
        """One connection of a visitor to the edge that is kept open; asks for a path and returns the status."""
        with socket.create_connection((self.lab.edge, 443), timeout=30) as plain:
            secure = ssl.create_default_context(cafile=str(pki.ca(self.lab))).wrap_socket(plain, server_hostname=name)
            client = http.client.HTTPSConnection(name)
            client.sock, client.auto_open = secure, 0

            def ask(path: str) -> int:
                client.request("GET", path)
                answer = client.getresponse()
                answer.read()
                return answer.status

            yield ask

    def settled(self) -> bool:
        """Whether nothing but the API's present state decides: it is written, and every process that takes visitors began after that."""
        edge.apply(self.lab)
        written = self.lab.path("edge", "nginx.conf").stat().st_mtime
        running = float(Path("/proc/uptime").read_text().split()[0])
        master = int(self.lab.path("edge", "nginx.pid").read_text())
        began = []
        for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
            with contextlib.suppress(OSError):
                if b"shutting down" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
                    began.append(time.time() - running + ticks / os.sysconf("SC_CLK_TCK"))
        return bool(began) and min(began) > written - 0.02

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """The edge follows the API within moments, as the vendor's does."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The world, on a /20 of its own."""
    os.environ["LAB_EDGE_CONNECT_TIMEOUT"] = "2"
    slot = slots.take()
    lab = slot.lab(13, "edge")
    cloud.down(lab, abandoned=True)
    lab.folder()
    net.up(lab)
    try:
        net.add_namespace(lab, "origin", [lab.address(4, 200), lab.address6(4, 200)])
        app = create_app(lab)
        with serving(wrap(app, lab, "cloudflare")) as url:
            edge.up(lab)
            edge.follow(lab, app)
            yield World(lab, CloudflareServer(lab.root, app, url))
        assert BASE
    finally:
        cloud.down(lab, abandoned=True)
        slot.lock.close()


@pytest.fixture
def site(world: World) -> World:
    """The zone's apex and www behind the proxy, Full (strict), a good origin certificate, no rules."""
    zone = world.api.zone
    zone.update({"records": {}, "settings": {}, "page_rules": [], "rulesets": {}, "cache_generation": zone["cache_generation"] + 1})
    for name in ("@", "www"):
        world.api.call("POST", "/zones/{zone}/dns_records", {"type": "A", "name": name, "content": world.origin_ip, "proxied": True})
    world.set("ssl", "strict")
    world.set("min_tls_version", "1.2")
    _name, certificate, key = world.certificate("quetrex.test", "*.quetrex.test")
    world.serve(certificate, key)
    world.until(world.settled, "the edge has the site")
    world.until(lambda: world.curl("https://quetrex.test/").status == 200, "the site answers")
    return world
