# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's private networks, with packets: a router in a namespace of its own, and a pair of interfaces to each member.

As at the vendor, a member has a /32 address and reaches all others through the network's first address, the MTU is 1450, and no firewall of the
vendor stands in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab import net
from lab.config import Lab
from lab.process import locked
from lab.shell import run

MTU = 1450
_FIRST = 7
"""The vendor's servers name their private interfaces enp7s0, enp8s0, ..."""


@dataclass(frozen=True)
class Member:
    """What a node has in a network: its address, those it may use besides, and its interface's MAC."""

    addresses: tuple[str, ...]
    mac: str


@dataclass(frozen=True)
class Network:
    """One private network. `members` by node (`s1001` a server, `b1002` a load balancer); `routes` are pairs of destination and gateway."""

    ip_range: str
    gateway: str
    members: Mapping[str, Member] = field(default_factory=dict)
    routes: Sequence[tuple[str, str]] = ()


def declare(lab: Lab, networks: Mapping[int, Network]) -> None:
    """Make these networks, and no others, the lab's; members whose namespace is not there yet join by `connect`."""
    with locked(lab.path("networks.lock")):
        _kept(lab).write_text(json.dumps({str(number): asdict(network) for number, network in networks.items()}))
        for router in _routers(lab) - {_router(number) for number in networks}:
            run("ip", "netns", "delete", net.netns_name(lab, router))
        for number, network in networks.items():
            _make_router(lab, number)
            for gone in _links(lab, _router(number)) - set(network.members):
                run("ip", "-netns", net.netns_name(lab, _router(number)), "link", "delete", gone)
            for node in network.members:
                _join(lab, number, network, node, networks)
            _route(lab, number, network)


def connect(lab: Lab, node: str) -> None:
    """Join a node, which has its namespace now, to the networks it is declared in."""
    if not _kept(lab).exists():
        return
    with locked(lab.path("networks.lock")):
        networks = read(lab)
        for number, network in networks.items():
            if node in network.members:
                _join(lab, number, network, node, networks)
                _route(lab, number, network)


def read(lab: Lab) -> dict[int, Network]:
    """Return the networks as they were declared."""
    kept: dict[str, Any] = json.loads(_kept(lab).read_text()) if _kept(lab).exists() else {}
    return {
        int(number): Network(
            one["ip_range"],
            one["gateway"],
            {node: Member(tuple(member["addresses"]), member["mac"]) for node, member in one["members"].items()},
            [(destination, gateway) for destination, gateway in one["routes"]],
        )
        for number, one in kept.items()
    }


def _kept(lab: Lab) -> Path:
    return lab.path("networks.json")


def _router(number: int) -> str:
    return f"n{number}"


def _routers(lab: Lab) -> set[str]:
    begin = net.netns_name(lab, "n")
    names = {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(begin)}
    return {name.removeprefix(net.netns_name(lab, "")) for name in names if name.removeprefix(begin).isdigit()}


def _make_router(lab: Lab, number: int) -> None:
    space = net.netns_name(lab, _router(number))
    if Path("/run/netns", space).exists():
        return
    run("ip", "netns", "add", space)
    run("ip", "-netns", space, "link", "set", "lo", "up")
    # Everybody goes through the router, also to a neighbour: it must not tell them a shorter way.
    settings = {"ip_forward": 1, "conf/all/send_redirects": 0, "conf/default/send_redirects": 0}
    words = "; ".join(f"echo {value} > /proc/sys/net/ipv4/{key}" for key, value in settings.items())
    run("nsenter", f"--net=/run/netns/{space}", "--", "sh", "-c", words)


def _links(lab: Lab, router: str) -> set[str]:
    found = json.loads(run("ip", "-netns", net.netns_name(lab, router), "-json", "link", "show", "type", "veth") or "[]")
    return {link["ifname"] for link in found if "ifname" in link}


def _join(lab: Lab, number: int, network: Network, node: str, networks: Mapping[int, Network]) -> None:
    space, inside = net.netns_name(lab, _router(number)), net.netns_name(lab, node)
    if not Path("/run/netns", inside).exists():
        return
    member = network.members[node]
    if node in _links(lab, _router(number)):
        if _served(space, node) == set(member.addresses):
            return
        run("ip", "-netns", space, "link", "delete", node)
    position = [one for one in sorted(networks) if node in networks[one].members].index(number)
    link = f"enp{_FIRST + position}s0"
    run("ip", "-netns", space, "link", "add", node, "mtu", str(MTU), "type", "veth", "peer", "name", link, "mtu", str(MTU), "netns", inside)
    lines = [f"addr add {network.gateway}/32 dev {node}", f"link set {node} up", *(f"route add {one}/32 dev {node}" for one in member.addresses)]
    run("ip", "-netns", space, "-batch", "-", stdin="\n".join(lines) + "\n")
    lines = [f"link set {link} address {member.mac}", *(f"addr add {one}/32 dev {link}" for one in member.addresses[:1]), f"link set {link} up"]
    lines += [f"route replace {network.gateway}/32 dev {link} scope link src {member.addresses[0]}"]
    lines += [f"route replace {target} via {network.gateway} dev {link} src {member.addresses[0]}" for target in _destinations(network)]
    run("ip", "-netns", inside, "-batch", "-", stdin="\n".join(lines) + "\n")


def _destinations(network: Network) -> list[str]:
    return [network.ip_range, *(destination for destination, _gateway in network.routes)]


def _served(space: str, node: str) -> set[str]:
    routes = json.loads(run("ip", "-netns", space, "-json", "-4", "route", "show", "dev", node) or "[]")
    return {route["dst"] for route in routes if "via" not in route and "gateway" not in route}


def _route(lab: Lab, number: int, network: Network) -> None:
    """The network's own routes, for those whose gateway is there."""
    space = net.netns_name(lab, _router(number))
    present = {address for node, member in network.members.items() if node in _links(lab, _router(number)) for address in member.addresses}
    for destination, gateway in network.routes:
        if gateway in present:
            run("ip", "-netns", space, "route", "replace", destination, "via", gateway)
