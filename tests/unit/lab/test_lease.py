# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server of the lab is answered by DHCP and ARP. That a real client takes it, each lab test shows by its server's address."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab import lease, net

OWN, FORMER = "10.213.4.2", "10.213.4.9"
MAC = bytes.fromhex("960000000001")
DISCOVER, REQUEST, INFORM = 1, 3, 8


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Path:
    (tmp_path / "server.json").write_text(json.dumps({"addresses": [OWN, "fd51:1::1"]}))
    return tmp_path


def packet(kind: int, *, present: str = "0.0.0.0", wanted: str | None = None) -> bytes:
    head = struct.pack("!4B4sHH4s4s4s4s16s64x128x", 1, 1, 6, 0, b"abcd", 0, 0, IPv4Address(present).packed, bytes(4), bytes(4), bytes(4), MAC)
    asked = b"" if wanted is None else bytes((50, 4)) + IPv4Address(wanted).packed
    return head + bytes((99, 130, 83, 99, 0, 53, 1, kind)) + asked + b"\xff"


def told(reply: lease.Reply | None) -> tuple[str, str, str]:
    """What a reply is, the address it gives and where it goes."""
    assert reply is not None
    assert (reply.data[0], reply.data[4:8], reply.data[28:34]) == (2, b"abcd", MAC)
    kind = {2: "offer", 5: "ack", 6: "refused"}[reply.data[242]]
    return kind, str(IPv4Address(reply.data[16:20])), reply.to


def test_its_one_address(server: Path) -> None:
    """As a network of its own, with the gateway that is outside of it."""
    offer = lease.reply(server, packet(DISCOVER))
    assert told(offer) == ("offer", OWN, "255.255.255.255")
    assert offer is not None
    for key, value in {1: b"\xff" * 4, 3: IPv4Address(net.GATEWAY).packed, 54: IPv4Address(net.GATEWAY).packed}.items():
        assert bytes((key, 4)) + value in offer.data
    assert told(lease.reply(server, packet(REQUEST, wanted=OWN))) == ("ack", OWN, "255.255.255.255")
    assert told(lease.reply(server, packet(REQUEST, present=OWN))) == ("ack", OWN, OWN), "a renewal is answered to the address itself"


def test_an_address_of_before_is_refused(server: Path) -> None:
    """A server asks for its last address first, and the owner may have given it another one since."""
    assert told(lease.reply(server, packet(REQUEST, wanted=FORMER))) == ("refused", "0.0.0.0", "255.255.255.255")


def test_what_gets_no_answer(server: Path) -> None:
    assert lease.reply(server, packet(INFORM, present=OWN)) is None
    assert lease.reply(server, packet(DISCOVER)[:100]) is None
    assert lease.reply(server, packet(DISCOVER).replace(bytes((99, 130, 83, 99)), bytes(4))) is None
    (server / "server.json").write_text(json.dumps({"addresses": ["fd51:1::1"]}))
    assert lease.reply(server, packet(DISCOVER)) is None


def test_only_the_gateway_is_told_by_arp() -> None:
    def question(wanted: str, operation: int = 1) -> bytes:
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, MAC, IPv4Address(OWN).packed, bytes(6), IPv4Address(wanted).packed)
        return b"\xff" * 6 + MAC + b"\x08\x06" + body

    end = bytes.fromhex("020000000002")
    answer = lease.arp_reply(question(net.GATEWAY), end)
    assert answer is not None
    assert (answer[:12], answer[20:22], answer[22:32]) == (MAC + end, b"\x00\x02", end + IPv4Address(net.GATEWAY).packed)
    assert lease.arp_reply(question(FORMER), end) is None
    assert lease.arp_reply(question(net.GATEWAY, operation=2), end) is None
    assert lease.arp_reply(b"\x00" * 20, end) is None
