# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers a server at the other end of its cable over IPv4: DHCP with its one address, and ARP for the gateway.

A server is known by its cable. Both come from the metadata service's process (metadata.py).
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from lab import net
from lab.config import Lab

SECONDS = 86400
_FIXED = struct.Struct("!4BIHH4s4s4s4s16s64x128x4s")
_MAGIC = bytes((99, 130, 83, 99))
_MASK, _ROUTER, _RESOLVERS, _WANTED, _LEASE, _TYPE, _SERVER = 1, 3, 6, 50, 51, 53, 54
_DISCOVER, _OFFER, _REQUEST, _ACK, _REFUSED = 1, 2, 3, 5, 6
_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_GATEWAY = IPv4Address(net.GATEWAY).packed


@dataclass(frozen=True)
class Reply:
    """A datagram and where it goes: to everybody on the cable, as long as the client has no address."""

    data: bytes
    to: str


def server_at(lab: Lab, interface: str) -> Path | None:
    """The folder of the server at a cable, None for anybody else's."""
    found = re.fullmatch(rf"{net.interface(lab, 's')}(\d+)", interface)
    folder = lab.root / "servers" / found[1] if found else None
    return folder if folder and folder.is_dir() else None


def reply(folder: Path, packet: bytes) -> Reply | None:
    """The answer to a client's datagram. An address that is no longer its own is refused, and what needs no answer gets none."""
    try:
        _op, kind, length, _hops, number, _seconds, flags, present, _yours, _next, _relay, client, magic = _FIXED.unpack_from(packet)
    except struct.error:
        return None
    own = next((IPv4Address(one) for one in json.loads((folder / "server.json").read_text())["addresses"] if "." in one), None)
    if magic != _MAGIC or own is None:
        return None
    options = dict(_options(packet[_FIXED.size :]))
    asked = options.get(_TYPE, b"\0")[0]
    wanted = options.get(_WANTED, present)
    if asked not in (_DISCOVER, _REQUEST):
        return None
    answer = _OFFER if asked == _DISCOVER else _ACK if wanted == own.packed else _REFUSED
    told = [(_TYPE, bytes((answer,))), (_SERVER, _GATEWAY)]
    if answer != _REFUSED:
        resolvers = b"".join(IPv4Address(one).packed for one in net.RESOLVERS if "." in one)
        told += [(_LEASE, SECONDS.to_bytes(4)), (_MASK, b"\xff" * 4), (_ROUTER, _GATEWAY), (_RESOLVERS, resolvers)]
    yours = bytes(4) if answer == _REFUSED else own.packed
    head = _FIXED.pack(2, kind, length, 0, number, 0, flags, present, yours, bytes(4), bytes(4), client, _MAGIC)
    body = b"".join(bytes((key, len(value))) + value for key, value in told)
    return Reply(head + body + b"\xff", str(own) if present == own.packed else "255.255.255.255")


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) > 1 and data[0] != 255:
        if data[0] == 0:
            data = data[1:]
            continue
        yield data[0], data[2 : 2 + data[1]]
        data = data[2 + data[1] :]


def arp_reply(frame: bytes, mac: bytes) -> bytes | None:
    """The answer to somebody who looks for the gateway: the cable's own end."""
    if len(frame) < _ARP.size:
        return None
    _to, _source, kind, *rest = _ARP.unpack_from(frame)
    operation, sender_mac, sender, wanted = rest[4], rest[5], rest[6], rest[8]
    if operation != 1 or wanted != _GATEWAY:
        return None
    return _ARP.pack(sender_mac, mac, kind, 1, 0x0800, 6, 4, 2, mac, _GATEWAY, sender_mac, sender)


def serve(lab: Lab) -> None:
    """Starts to answer. Several labs listen side by side: what goes to everybody reaches each of them, a renewal only the lab's own address."""
    for address in ("0.0.0.0", lab.control):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_PKTINFO, 1)
        listener.bind((address, 67))
        threading.Thread(target=_lease_addresses, args=(lab, listener), daemon=True).start()
    watcher = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    threading.Thread(target=_answer_arp, args=(lab, watcher), daemon=True).start()


def _lease_addresses(lab: Lab, listener: socket.socket) -> None:
    while True:
        packet, ancillary, _flags, _client = listener.recvmsg(2048, 64)
        number = next((struct.unpack("I4s4s", data[:12])[0] for _level, kind, data in ancillary if kind == socket.IP_PKTINFO), 0)
        try:
            folder = server_at(lab, socket.if_indextoname(number))
            answer = reply(folder, packet) if folder else None
            if answer:
                way = struct.pack("I4s4s", number, socket.inet_aton(lab.control), bytes(4))
                listener.sendmsg([answer.data], [(socket.IPPROTO_IP, socket.IP_PKTINFO, way)], 0, (answer.to, 68))
        except OSError:
            # the server or its cable is being taken away
            continue


def _answer_arp(lab: Lab, watcher: socket.socket) -> None:
    while True:
        frame, (interface, *_rest) = watcher.recvfrom(2048)
        try:
            if server_at(lab, interface):
                mac = bytes.fromhex(Path("/sys/class/net", interface, "address").read_text().strip().replace(":", ""))
                if answer := arp_reply(frame, mac):
                    watcher.sendto(answer, (interface, 0x0806))
        except OSError:
            continue
