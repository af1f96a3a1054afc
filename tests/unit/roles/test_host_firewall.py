# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewall's rules let containers reach, loaded by the kernel into a server made of namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles" / "host_firewall"
READY = os.geteuid() == 0 and all(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in ("ip", "nft"))
pytestmark = [pytest.mark.lab, pytest.mark.skipif(not READY, reason="needs root, ip and nft")]
SHARED = {"platform_edge_cidrs": ["192.0.2.0/24"], "platform_ssh_cidrs": ["203.0.113.0/24"]}
# Place -> its network; the server is .1 in each, what is there .10.
PLACES = {"br-runner": "172.30.2", "br-web": "172.30.0", "docker0": "172.17.0", "outside": "203.0.113"}
LISTEN = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for word in sys.argv[1:]:
    address, _colon, port = word.rpartition(":")
    family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    one = socket.create_server((address.strip("[]"), int(port)), family=family, backlog=200)
    chosen.register(one, selectors.EVENT_READ)
print("ready", flush=True)
kept = []
while True:
    for key, _events in chosen.select():
        kept.append(key.fileobj.accept()[0])
"""
KNOCK = """
import json, os, socket, sys
number, user, *words = sys.argv[1:]
pairs = [(word, *word.rpartition(":")[::2]) for word in words]
sockets = {word: socket.getaddrinfo(address.strip("[]"), int(port), type=socket.SOCK_STREAM)[0] for word, address, port in pairs}
# not before: another user may not be let into this interpreter's own folders
os.setuid(int(user))
found, kept = {}, []
for word, (family, kind, protocol, _name, address) in sockets.items():
    found[word] = 0
    for _each in range(int(number)):
        one = socket.socket(family, kind, protocol)
        one.settimeout(0.4)
        try:
            one.connect(address)
            kept.append(one)
            found[word] += 1
        except OSError:
            break
print(json.dumps(found))
"""


def rules(**more: Any) -> str:
    """The rules' file, as Ansible writes it."""
    found = rendering.value(ROLE, "lookup('ansible.builtin.template', 'firewall.nft.j2')", rendering.trusted(SHARED | more))
    return str(found)


def run(*words: str, text: str | None = None) -> str:
    return subprocess.run(words, input=text, check=True, capture_output=True, text=True).stdout


class Host:
    """A server with a cable to each place."""

    def __init__(self) -> None:
        self.name = f"fw{os.getpid()}"
        self.spaces = {place: f"{self.name}-{place}" for place in PLACES}
        self.listeners: list[subprocess.Popen[str]] = []

    def up(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        for place, net in PLACES.items():
            space = self.spaces[place]
            run("ip", "netns", "add", space)
            run("ip", "-n", self.name, "link", "add", place, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "-n", self.name, "addr", "add", f"{net}.1/24", "dev", place)
            run("ip", "-n", self.name, "link", "set", place, "up")
            for words in (["addr", "add", f"{net}.10/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
                run("ip", "-n", space, *words)
            run("ip", "-n", space, "route", "add", "default", "via", f"{net}.1")
        self.inside(self.name, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.br-runner.route_localnet=1")
        # as an engine without a proxy for published ports has it
        run("ip", "-n", self.spaces["br-runner"], "route", "add", "127.1.0.0/16", "via", f"{PLACES['br-runner']}.1")
        self.inside(self.spaces["br-runner"], "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1")
        self.listen(self.name, "0.0.0.0:22", "0.0.0.0:8088", "0.0.0.0:443", "127.1.0.1:8087")
        self.listen(self.spaces["outside"], "0.0.0.0:443", "0.0.0.0:5432", "0.0.0.0:6543")

    def inside(self, space: str, *words: str, text: str | None = None) -> str:
        return run("ip", "netns", "exec", space, *words, text=text)

    def listen(self, space: str, *sockets: str) -> None:
        words = ["ip", "netns", "exec", space, sys.executable, "-c", LISTEN, *sockets]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.listeners.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

    def load(self, **more: Any) -> None:
        self.inside(self.name, "nft", "-f", "-", text=rules(**more))

    def reached(self, place: str, *sockets: str, number: int = 1, user: int = 0) -> dict[str, int]:
        """How many connections were answered, of each socket."""
        space = self.spaces.get(place, self.name)
        found: dict[str, int] = json.loads(self.inside(space, sys.executable, "-c", KNOCK, str(number), str(user), *sockets))
        return found

    def down(self) -> None:
        for child in self.listeners:
            child.kill()
            child.wait()
        for space in (*self.spaces.values(), self.name):
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


@pytest.fixture(scope="module", name="host")
def _host() -> Iterator[Host]:
    host = Host()
    try:
        host.up()
        yield host
    finally:
        host.down()


ELSEWHERE = ("203.0.113.10:443", "203.0.113.10:5432", "203.0.113.10:6543")
OURS = ("172.30.2.1:22", "172.30.0.1:22", "203.0.113.1:22", "172.30.2.1:443", "127.1.0.1:8087", "172.30.2.1:8088")


def test_runner_egress(host: Host) -> None:
    """User's code reaches the application and the world but neither the server nor a database."""
    assert set(host.reached("br-runner", *ELSEWHERE, *OURS).values()) == {1}, "without the firewall nothing answers either: the look proves nothing"
    host.load()
    found = host.reached("br-runner", *ELSEWHERE, *OURS)
    assert {socket for socket, number in found.items() if number} == {"203.0.113.10:443", "172.30.2.1:8088"}


@pytest.mark.parametrize("place", ["br-web", "docker0"])
def test_container_egress(host: Host, place: str) -> None:
    """Other containers reach databases but no port of the server."""
    host.load()
    found = host.reached(place, *ELSEWHERE, *OURS)
    assert {socket for socket, number in found.items() if number} == set(ELSEWHERE)


def test_a_database_that_is_declared_can_be_reached(host: Host) -> None:
    host.load(host_firewall_database_cidrs=["203.0.113.0/24", "2001:db8::/32"])
    assert set(host.reached("br-runner", *ELSEWHERE).values()) == {1}
    host.load(platform_supabase_database={"port": 443})
    assert set(host.reached("br-runner", *ELSEWHERE).values()) == {0}


def test_a_port_that_is_declared_takes_so_many_connections(host: Host) -> None:
    host.load(host_firewall_container_connections=10)
    assert host.reached("br-runner", "172.30.2.1:8088", number=30) == {"172.30.2.1:8088": 10}


def test_the_owner_and_what_containers_answer_still_pass(host: Host) -> None:
    host.load()
    assert host.reached("outside", "203.0.113.1:22", "203.0.113.1:443") == {"203.0.113.1:22": 1, "203.0.113.1:443": 0}
    host.listen(host.spaces["br-web"], "0.0.0.0:3000")
    assert host.reached("server", "172.30.0.10:3000") == {"172.30.0.10:3000": 1}


def test_the_metadata_service_is_closed(host: Host) -> None:
    """To users other than root over both families, and to containers: it holds the server's private host key."""
    outside, four, six = host.spaces["outside"], "169.254.169.254:80", "[fe80::a9fe:a9fe%outside]:80"
    run("ip", "-n", outside, "addr", "add", "169.254.169.254/32", "dev", "eth0")
    run("ip", "-n", outside, "addr", "add", "fe80::a9fe:a9fe/64", "dev", "eth0", "nodad")
    run("ip", "-n", host.name, "route", "add", "169.254.169.254/32", "dev", "outside")
    host.listen(outside, "0.0.0.0:80", "[::]:80")

    host.load(host_firewall_metadata=True)
    assert [*host.reached("server", four, six, user=65534).values(), *host.reached("br-web", four).values()] == [1, 1, 1]
    host.load()
    assert host.reached("server", four, six, user=65534) == {four: 0, six: 0}
    assert host.reached("br-web", four) == {four: 0}
    assert host.reached("server", four, six) == {four: 1, six: 1}, "cloud-init asks as root"
