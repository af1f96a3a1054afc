# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls of the lab: the vendor's rules as packets meet them, in real namespaces."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import cloud, dns, metadata, net, slots
from lab.config import Lab, LabError
from lab.process import until
from lab.shell import run

pytestmark = [pytest.mark.lab]
LISTEN = (
    "import socket,sys,time\n"
    "for port in map(int, sys.argv[1:]):\n"
    "    server = socket.socket(socket.AF_INET6); server.bind(('::', port)); server.listen(); globals()[f's{port}'] = server\n"
    "print('ready', flush=True); sys.stdin.read()"
)
RESOLVE = (
    "import socket,sys\n"
    "for address in sys.argv[2:]:\n"
    "    one = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(3)\n"
    "    one.sendto(bytes.fromhex(sys.argv[1]), (address, 53)); print(bytes([192, 0, 2, 7]) in one.recv(512))\n"
)
ANYONE = ["0.0.0.0/0", "::/0"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A network with a server that listens on 22 and 80, and nothing else of a lab."""
    slot = slots.take()
    made = slot.lab(15, "net")
    cloud.down(made, abandoned=True)
    net.up(made)
    net.add_namespace(made, "s1", [net.server_address(made, 0), net.server_network6(made, 0).replace("/64", "1")])
    enter = ["nsenter", f"--net=/run/netns/{net.netns_name(made, 's1')}", "--"]
    with subprocess.Popen([*enter, sys.executable, "-c", LISTEN, "22", "80"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == b"ready\n"
        yield made
        listener.terminate()
    cloud.down(made)
    slot.lock.close()


def reaches(port: int, address: str) -> bool:
    """Whether the controller can connect; a dropped packet is a time-out."""
    try:
        socket.create_connection((address, port), timeout=0.4).close()
    except OSError:
        return False
    return True


def addresses(lab: Lab) -> list[str]:
    return [net.server_address(lab, 0), net.server_network6(lab, 0).replace("/64", "1")]


def test_without_a_firewall_everything_passes(lab: Lab) -> None:
    net.set_firewall(lab, "s1", None)
    assert all(reaches(port, address) for port in (22, 80) for address in addresses(lab))


def test_inward_only_what_a_rule_allows_passes(lab: Lab) -> None:
    net.set_firewall(lab, "s1", [{"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ANYONE}])
    assert all(reaches(22, address) for address in addresses(lab))
    assert not any(reaches(80, address) for address in addresses(lab))


def test_a_rule_for_others_does_not_let_us_in(lab: Lab) -> None:
    net.set_firewall(lab, "s1", [{"direction": "in", "protocol": "tcp", "port": "1-1024", "source_ips": [lab.network(1)]}])
    assert not any(reaches(port, address) for port in (22, 80) for address in addresses(lab))


def test_no_rules_at_all_drop_everything(lab: Lab) -> None:
    net.set_firewall(lab, "s1", [])
    assert not any(reaches(22, address) for address in addresses(lab))


def test_a_change_of_rules_is_one_step(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is allowed before and after is never cut off in between, and a set that is refused leaves the previous one."""
    ssh = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ANYONE}
    out = {"direction": "out", "protocol": "tcp", "port": "1-65535", "destination_ips": ANYONE}
    net.set_firewall(lab, "s1", [ssh, out])
    scripts: list[str] = []

    def recorded(*words: str, **more: Any) -> str:
        if "-f" in words:
            scripts.append(str(more.get("stdin")))
        return run(*words, **more)

    monkeypatch.setattr(net, "run", recorded)
    net.set_firewall(lab, "s1", [ssh])
    assert len(scripts) == 1
    with pytest.raises(LabError):
        net.set_firewall(lab, "s1", [{**ssh, "port": "nonsense-port"}])
    assert all(reaches(22, address) for address in addresses(lab))
    net.set_firewall(lab, "s1", None)
    net.set_firewall(lab, "s1", None)
    assert reaches(80, addresses(lab)[0])


def test_a_pulled_cable_and_its_return(lab: Lab) -> None:
    net.set_firewall(lab, "s1", None)
    net.set_carrier(lab, "s1", connected=False)
    assert not reaches(22, addresses(lab)[0])
    net.set_carrier(lab, "s1", connected=True)
    assert until(lambda: all(reaches(22, address) for address in addresses(lab)), 5)


def test_the_vendors_own_addresses(lab: Lab) -> None:
    """A server reaches the metadata service over both families, each time as itself, and the vendor's resolvers; a stranger is nobody there."""
    folder = lab.folder("servers", "1")
    (folder / "server.json").write_text(json.dumps({"hostname": "app", "addresses": addresses(lab), "ssh_keys": []}))
    (folder / "user-data").write_text("")
    dns.up(lab)
    metadata.up(lab)
    dns.publish(lab, "test", {"probe.quetrex.test": ["192.0.2.7"]})
    ask = [f"http://{place}/hetzner/v1/metadata/instance-id" for place in ("169.254.169.254", "[fe80::a9fe:a9fe%25eth0]")]
    inside = ["nsenter", f"--net=/run/netns/{net.netns_name(lab, 's1')}", "--"]
    assert [run(*inside, "curl", "-g", "-s", "-f", "-m", "3", one) for one in ask] == ["1", "1"]
    assert "via 172.31.1.1" in run(*inside, "ip", "route", "show", "default")
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05probe\x07quetrex\x04test\x00\x00\x01\x00\x01"
    words = [*inside, sys.executable, "-c", RESOLVE, query.hex()]
    assert run(*words, "185.12.64.1", "2a01:4ff:ff00::add:1").split() == ["True", "True"]
    with net.visitor(lab, "meta", 9) as space:
        stranger = ["nsenter", f"--net=/run/netns/{space}", "--", "curl", "-g", "-s", "-o", "/dev/null", "-m", "3", "-w", "%{http_code}"]
        assert [run(*stranger, one) for one in ask] == ["404", "404"]
