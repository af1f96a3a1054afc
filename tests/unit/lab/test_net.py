# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls of the lab: the vendor's rules as packets meet them, in real namespaces."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import cloud, net, slots
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
    """What is allowed before and after is never cut off in between, and a set that is refused leaves the one before."""
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
