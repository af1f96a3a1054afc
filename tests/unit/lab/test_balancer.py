# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private networks and load balancers of the lab: packets between real namespaces, through a real HAProxy."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import balancer, cloud, net, private, process, slots
from lab.balancer import Balancer, Check, Service
from lab.config import Lab
from lab.private import Member, Network

pytestmark = [pytest.mark.lab]
NODES = ("s1", "s2", "s3")
ANSWER = """
import http.server, socketserver, sys, threading

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/up" else 404); self.end_headers()
    def log_message(self, *_words): pass

class Name(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        self.wfile.write(sys.argv[1].encode() + b" " + line)

socketserver.ThreadingTCPServer.allow_reuse_address = True
name = socketserver.ThreadingTCPServer(("0.0.0.0", 443), Name)
threading.Thread(target=name.serve_forever, daemon=True).start()
health = http.server.ThreadingHTTPServer(("0.0.0.0", 8087), Health)
print("ready", flush=True)
health.serve_forever()
"""
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 8087), timeout=1).close()
except ConnectionRefusedError:
    pass
except OSError:
    sys.exit(1)
"""
SEND = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: never in pieces
try:
    sock.sendto(bytes(int(sys.argv[2]) - 28), (sys.argv[1], 9))
except OSError:
    sys.exit(1)
"""


def inside(lab: Lab) -> Network:
    """Two servers and a balancer. Its range is the lab's, so that nothing for it ever leaves the machine."""
    members = {node: Member((lab.address(12, last),), f"86:00:00:00:00:{last:02x}") for node, last in (("s1", 2), ("s2", 3), ("b7", 10))}
    return Network(lab.network(12), lab.address(12), members)


def other(lab: Lab) -> Network:
    return Network(lab.network(13), lab.address(13), {"s3": Member((lab.address(13, 2),), "86:00:00:00:01:01")})


@dataclasses.dataclass
class Pool:
    """Three servers on the network, two of them in one private network, and what answers on each."""

    lab: Lab
    processes: dict[str, subprocess.Popen[bytes]]

    def enter(self, node: str, *words: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{net.netns_name(self.lab, node)}", "--", *words]

    def answer(self, node: str) -> None:
        begun = subprocess.Popen(self.enter(node, sys.executable, "-c", ANSWER, node), stdout=subprocess.PIPE)
        assert begun.stdout is not None
        assert begun.stdout.readline() == b"ready\n"
        self.processes[node] = begun

    def end(self, node: str) -> None:
        one = self.processes.pop(node)
        one.kill()
        one.communicate()

    def reaches(self, node: str, address: str) -> bool:
        """Whether an answer comes back, a refusal included; where nothing leads there it does not."""
        return subprocess.run(self.enter(node, sys.executable, "-c", REACH, address), check=False).returncode == 0

    def sends(self, node: str, address: str, size: int) -> bool:
        """Whether a packet of this size leaves the node in one piece."""
        return subprocess.run(self.enter(node, sys.executable, "-c", SEND, address, str(size)), check=False).returncode == 0

    def asked(self, address: str) -> str:
        """What the balancer's public side answers to a stranger: name of the server, and the first line that reached it."""
        with socket.create_connection((address, 443), timeout=3) as sock:
            sock.sendall(b"hello\n")
            return sock.makefile().readline().strip()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    slot = slots.take()
    lab = slot.lab(14, "lb")
    cloud.down(lab, abandoned=True)
    net.up(lab)
    made = Pool(lab, {})
    try:
        for number, node in enumerate(NODES):
            net.add_namespace(lab, node, [net.server_address(lab, number)])
        private.declare(lab, {5: inside(lab), 6: other(lab)})
        for node in NODES[:2]:
            made.answer(node)
        yield made
    finally:
        for node in list(made.processes):
            made.end(node)
        cloud.down(lab)
        slot.lock.close()


def test_members_reach_each_other(pool: Pool) -> None:
    assert pool.reaches("s1", pool.lab.address(12, 3))
    assert pool.reaches("s2", pool.lab.address(12, 2))


def test_networks_are_apart(pool: Pool) -> None:
    assert not pool.reaches("s3", pool.lab.address(12, 2))
    assert not pool.reaches("s1", pool.lab.address(13, 2))


def test_packets_are_the_vendors_size(pool: Pool) -> None:
    """1450 bytes fit and 1451 do not, so an overlay inside has to be smaller."""
    assert [pool.sends("s1", pool.lab.address(12, 3), size) for size in (1450, 1451)] == [True, False]


def test_leaving_and_joining_again(pool: Pool) -> None:
    whole = inside(pool.lab)
    alone = dataclasses.replace(whole, members={node: one for node, one in whole.members.items() if node != "s2"})
    private.declare(pool.lab, {5: alone, 6: other(pool.lab)})
    assert not pool.reaches("s1", pool.lab.address(12, 3))
    private.declare(pool.lab, {5: whole, 6: other(pool.lab)})
    assert pool.reaches("s1", pool.lab.address(12, 3))


@contextlib.contextmanager
def balanced(pool: Pool, **changes: object) -> Iterator[str]:
    """A balancer in front of both servers, asked at its public address."""
    check = Check("http", 8087, interval=3, timeout=1, retries=1, path="/up")
    service = dataclasses.replace(Service("tcp", 443, 443, True, check), **changes)  # type: ignore[arg-type]
    address = net.server_address(pool.lab, 9)
    balancer.declare(pool.lab, {7: Balancer((address,), "round_robin", [service], {"s1": pool.lab.address(12, 2), "s2": pool.lab.address(12, 3)})})
    try:
        yield address
    finally:
        balancer.declare(pool.lab, {})


def test_visitors_are_named_and_shared_out(pool: Pool) -> None:
    with balanced(pool) as address:
        assert process.until(lambda: set(balancer.health(pool.lab, 7).values()) == {"healthy"}, 10)
        answers = [pool.asked(address) for _turn in range(4)]
        assert {answer.split()[0] for answer in answers} == {"s1", "s2"}
        assert all(f"PROXY TCP4 {pool.lab.control} {address}" in answer for answer in answers)


def test_a_dead_target_gets_nobody(pool: Pool) -> None:
    with balanced(pool) as address:
        pool.end("s2")
        try:
            assert process.until(lambda: balancer.health(pool.lab, 7).get((443, "s2")) == "unhealthy", 10)
            assert {pool.asked(address).split()[0] for _turn in range(4)} == {"s1"}
        finally:
            pool.answer("s2")
        assert process.until(lambda: balancer.health(pool.lab, 7).get((443, "s2")) == "healthy", 10)


def test_page_that_says_no_counts_as_dead(pool: Pool) -> None:
    with balanced(pool, check=Check("http", 8087, interval=3, timeout=1, retries=1, path="/down")) as address:
        assert process.until(lambda: set(balancer.health(pool.lab, 7).values()) == {"unhealthy"}, 10)
        with pytest.raises(AssertionError):
            assert pool.asked(address)


def test_gone_with_its_namespace(pool: Pool) -> None:
    with balanced(pool):
        assert Path("/run/netns", net.netns_name(pool.lab, "b7")).exists()
    assert not Path("/run/netns", net.netns_name(pool.lab, "b7")).exists()
    assert not process.running(pool.lab, "b7")
