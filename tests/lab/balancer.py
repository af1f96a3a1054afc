# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's load balancers: a real HAProxy each, in a namespace of its own with addresses of the lab's pool.

What the vendor does not document is chosen here: the PROXY line is version 1, health checks come without it, and a connection that is silent for
`IDLE` seconds is closed.
"""

from __future__ import annotations

import csv
import re
import resource
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import net, private, process
from lab.config import BALANCERS, Lab

CONNECT, IDLE = 5, 60
_ALGORITHMS = {"round_robin": "roundrobin", "least_connections": "leastconn"}


@dataclass(frozen=True)
class Check:
    """How a target is asked. A target goes out after `retries` failures in a row and comes back after as many successes."""

    protocol: str
    port: int
    interval: int
    timeout: int
    retries: int
    path: str = "/"
    domain: str = ""
    response: str = ""
    status_codes: tuple[str, ...] = ("2??", "3??")
    tls: bool = False


@dataclass(frozen=True)
class Service:
    """One port of the balancer and the one behind it. `certificates` are PEM files with their key."""

    protocol: str
    listen_port: int
    destination_port: int
    proxyprotocol: bool
    check: Check
    timeout_idle: int = IDLE
    sticky_cookie: str = ""
    certificates: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Balancer:
    """What a balancer is to do; `targets` are addresses by name. Without `addresses` it has no public interface."""

    addresses: tuple[str, ...]
    algorithm: str
    services: Sequence[Service]
    targets: Mapping[str, str]
    connections: int = 10_000


def node(number: int) -> str:
    """Return the name of a balancer's namespace within the lab."""
    return f"b{number}"


def addresses(lab: Lab, number: int) -> tuple[str, str]:
    """Return the public addresses of balancer number `number` (0-253) of the lab's pool."""
    return lab.address(BALANCERS, number + 1), lab.address6(BALANCERS, number + 1)


def declare(lab: Lab, balancers: Mapping[int, Balancer]) -> None:
    """Make these balancers, and no others, the lab's."""
    with process.locked(lab.path("balancers.lock")):
        kept = {int(path.stem) for path in (lab.root / "balancers").glob("*.cfg")}
        for number in kept - set(balancers):
            _remove(lab, number)
        for number, balancer in balancers.items():
            net.add_namespace(lab, node(number), balancer.addresses)
            private.connect(lab, node(number))
            _serve(lab, number, configuration(balancer, _socket(lab, number)))


def _serve(lab: Lab, number: int, text: str) -> None:
    """Start HAProxy, or have the running one take a new configuration: its old workers end their connections."""
    path = lab.folder("balancers") / f"{number}.cfg"
    same = path.exists() and path.read_text() == text
    path.write_text(text)
    if not process.running(lab, node(number)):
        argv = ["haproxy", "-W", "-db", "-f", str(path)]
        process.start(lab, node(number), argv, netns=net.netns_name(lab, node(number)), ready=lambda: bool(_told(lab, number, "show info")))
    elif not same:
        process.signal(lab, node(number), signal.SIGUSR2)


def _remove(lab: Lab, number: int) -> None:
    process.kill(lab, node(number))
    net.remove_namespace(lab, node(number))
    for path in (lab.root / "balancers" / f"{number}.cfg", _socket(lab, number)):
        path.unlink(missing_ok=True)


def _socket(lab: Lab, number: int) -> Path:
    # Not below the lab's folder: the path of a socket may hold 107 bytes.
    folder = Path("/run/quetrex-lab") / lab.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"balancer-{number}"


def configuration(balancer: Balancer, admin: Path) -> str:
    """Return HAProxy's configuration."""
    # each connection takes two descriptors, and this machine may allow fewer
    most = min(balancer.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 64)
    head = f"""global
  maxconn {most}
  stats socket {admin} mode 600 level user
defaults
  mode tcp
  timeout connect {CONNECT}s
  timeout client {IDLE}s
  timeout server {IDLE}s
  balance {_ALGORITHMS[balancer.algorithm]}
"""
    return head + "".join(_service(one, balancer) for one in balancer.services)


def _service(service: Service, balancer: Balancer) -> str:
    check, tls = service.check, "".join(f" ssl crt {path}" for path in service.certificates)
    lines = [f"listen port{service.listen_port}"]
    lines += [f"bind {f'[{one}]' if ':' in one else one}:{service.listen_port}{tls}" for one in balancer.addresses]
    if service.protocol != "tcp":
        lines += ["mode http", "option forwardfor", f"timeout client {service.timeout_idle}s", f"timeout server {service.timeout_idle}s"]
        lines += [f"cookie {service.sticky_cookie} insert indirect nocache"] if service.sticky_cookie else []
    if check.protocol == "http":
        codes = "|".join(code.replace("?", "[0-9]") for code in check.status_codes)
        host = f" hdr Host {_quoted(check.domain)}" if check.domain else ""
        lines += ["option httpchk", f"http-check send meth GET uri {_quoted(check.path)} ver HTTP/1.1{host}", f"http-check expect rstatus ^({codes})$"]
        lines += [f"http-check expect string {_quoted(check.response)}"] if check.response else []
    lines.append(f"timeout check {check.timeout}s")
    asked = f"check port {check.port} inter {check.interval}s fall {check.retries} rise {check.retries}{' check-ssl verify none' if check.tls else ''}"
    for name, address in balancer.targets.items():
        cookie = f" cookie {name}" if service.sticky_cookie else ""
        lines.append(f"server {name} {address}:{service.destination_port} {asked}{' send-proxy' if service.proxyprotocol else ''}{cookie}")
    return "\n  ".join(lines) + "\n"


def _quoted(word: str) -> str:
    return "'" + re.sub(r"[\n\r]", "", word).replace("'", "'\\''") + "'"


def _told(lab: Lab, number: int, question: str) -> str:
    """Return HAProxy's answer, or nothing when it does not run."""
    asked = socket.socket(socket.AF_UNIX)
    asked.settimeout(2)
    try:
        with asked:
            asked.connect(str(_socket(lab, number)))
            asked.sendall(f"{question}\n".encode())
            return b"".join(iter(lambda: asked.recv(65536), b"")).decode()
    except OSError:
        return ""


def health(lab: Lab, number: int) -> dict[tuple[int, str], str]:
    """Return what the checks say: healthy, unhealthy or unknown, by listening port and target."""
    found = {}
    for row in csv.DictReader(_told(lab, number, "show stat").removeprefix("# ").splitlines()):
        if row["svname"] in ("FRONTEND", "BACKEND") or not row["pxname"].startswith("port"):
            continue
        asked = bool(row["check_status"]) and row["check_status"] != "INI"
        word = "unknown" if not asked else "healthy" if row["status"].startswith("UP") else "unhealthy"
        found[int(row["pxname"].removeprefix("port")), row["svname"]] = word
    return found
