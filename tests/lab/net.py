# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: one routed pair of interfaces per node, one nft table per lab.

A node (server, edge, database, visitor) has a namespace of its own and, like a server at the vendor, a /32 address with an
on-link gateway. The table masquerades what leaves the lab and holds the vendor's firewall of each server, outside of it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from lab.config import PORTS, SERVERS, Lab, LabError
from lab.process import locked
from lab.shell import run

GATEWAY = "172.31.1.1"
"""Where a server sends everything over IPv4, as at the vendor: an address outside of its own network."""
METADATA = ("169.254.169.254", "fe80::a9fe:a9fe")
RESOLVERS = ("185.12.64.1", "185.12.64.2", "2a01:4ff:ff00::add:1", "2a01:4ff:ff00::add:2")
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
_SHARED = Path("/run/quetrex-lab")


def netns_name(lab: Lab, node: str) -> str:
    """Name of a node's network namespace."""
    return f"q-{lab.name}-{node}"


def interface(lab: Lab, node: str) -> str:
    """Name of the machine's end of a node's pair of interfaces."""
    return f"q{lab.name}-{node}"


def table(lab: Lab) -> str:
    """Name of the lab's nft table (family inet)."""
    return f"quetrex_{lab.name}"


def _mtu() -> int:
    """Packets of the lab must fit the machine's own way out."""
    routes = json.loads(run("ip", "-json", "route", "show", "default") or "[]")
    links = json.loads(run("ip", "-json", "link", "show", "dev", routes[0]["dev"])) if routes else [{"mtu": 1500}]
    return int(links[0]["mtu"])


def up(lab: Lab) -> None:
    """Makes the control plane's interface, the nft table, and lets the machine forward (put back by the last `down`)."""
    control = f"q{lab.name}-control"
    with locked(_SHARED / "lock"):
        for key in _FORWARDING:
            setting, saved = Path("/proc/sys") / key, _SHARED / key.replace("/", ".")
            if not saved.exists():
                saved.write_text(setting.read_text())
            setting.write_text("1")
        (_SHARED / f"lab-{lab.name}").touch()
    if not Path("/sys/class/net", control).exists():
        _refuse_overlap(lab)
        addresses = f"addr add {lab.control}/32 dev {control}\naddr add {lab.address6(0)}/128 dev {control} nodad"
        run("ip", "-batch", "-", stdin=f"link add {control} type bridge\n{addresses}\nlink set {control} up\n{_void(lab, control)}")
    run("nft", "-f", "-", stdin=_table_text(lab))


def _refuse_overlap(lab: Lab) -> None:
    for entry in json.loads(run("ip", "-json", "-4", "route", "show") or "[]"):
        if entry["dst"] != "default" and ip_network(entry["dst"]).overlaps(lab.prefix):
            raise LabError(f"LAB_SUBNET {lab.prefix} overlaps the route {entry['dst']} of {entry.get('dev')}: choose another /20.")


def _void(lab: Lab, control: str) -> str:
    """Routes for addresses that nobody has: packets vanish without an answer, as they do at the vendor, and never leave the machine."""
    nobody, nobody6 = lab.address(0, 254), "fe80::dead"
    neighbours = "".join(f"neigh replace {address} lladdr 02:00:00:00:de:ad nud permanent dev {control}\n" for address in (nobody, nobody6))
    return f"{neighbours}route replace {lab.prefix} via {nobody} dev {control} onlink\nroute replace {lab.prefix6} via {nobody6} dev {control} onlink\n"


def _table_text(lab: Lab) -> str:
    name = table(lab)
    return f"""
table inet {name} {{
  map inward {{ type ifname : verdict; }}
  map outward {{ type ifname : verdict; }}
  chain services {{ type nat hook prerouting priority dstnat; policy accept; }}
  chain nat {{
    type nat hook postrouting priority srcnat; policy accept
    oifname "q{lab.name}-s*" udp sport 67 udp dport 68 ip daddr 255.255.255.255 snat ip to {GATEWAY}
    ip saddr {lab.prefix} ip daddr != {lab.prefix} masquerade
  }}
  chain arriving {{ type filter hook postrouting priority filter; policy accept; oifname vmap @inward; }}
  chain leaving {{ type filter hook prerouting priority filter; policy accept; iifname vmap @outward; }}
}}
flush chain inet {name} services
{_services_text(lab)}"""


def _services_text(lab: Lab) -> str:
    """What servers send to the vendor's own addresses, led to the control plane."""
    chain = f'add rule inet {table(lab)} services iifname "q{lab.name}-*"'
    four, six = (", ".join(one for one in RESOLVERS if (":" in one) == wanted) for wanted in (False, True))
    names, port = "meta l4proto { tcp, udp } th dport 53", PORTS["metadata"]
    return f"""
{chain} ip daddr {METADATA[0]} tcp dport 80 dnat ip to {lab.control}:{port}
{chain} ip daddr {GATEWAY} udp dport 67 dnat ip to {lab.control}
{chain} ip6 daddr {METADATA[1]} tcp dport 80 dnat ip6 to [{lab.address6(0)}]:{port}
{chain} ip daddr {{ {four} }} {names} dnat ip to {lab.control}
{chain} ip6 daddr {{ {six} }} {names} dnat ip6 to {lab.address6(0)}
"""


def down(lab: Lab) -> None:
    """Removes every namespace, interface and rule of the lab."""
    for name in run("ip", "netns", "list").split("\n"):
        if name.startswith(f"q-{lab.name}-"):
            run("ip", "netns", "delete", name.split()[0])
    for link in json.loads(run("ip", "-json", "link", "show") or "[]"):
        if link["ifname"].startswith(f"q{lab.name}-"):
            run("ip", "link", "delete", link["ifname"], check=False)
    run("nft", "delete", "table", "inet", table(lab), check=False)
    _restore_forwarding(lab)


def _restore_forwarding(lab: Lab) -> None:
    if not _SHARED.is_dir():
        return
    with locked(_SHARED / "lock"):
        (_SHARED / f"lab-{lab.name}").unlink(missing_ok=True)
        if any(_SHARED.glob("lab-*")):
            return
        for key in _FORWARDING:
            saved = _SHARED / key.replace("/", ".")
            if saved.exists():
                (Path("/proc/sys") / key).write_text(saved.read_text())
                saved.unlink()


def exists(lab: Lab, node: str) -> bool:
    """Whether the node has its namespace and its interface."""
    return Path("/run/netns", netns_name(lab, node)).exists() and Path("/sys/class/net", interface(lab, node)).exists()


def add_namespace(lab: Lab, node: str, addresses: Sequence[str] = ()) -> None:
    """A namespace with the machine at the other end of its cable; `addresses` of both families, without masks."""
    if not exists(lab, node):
        remove_namespace(lab, node)
        _make_pair(lab, node)
    set_addresses(lab, node, addresses)


def plug_in(lab: Lab, node: str, addresses: Sequence[str]) -> None:
    """A server's cable before it starts. With ifupdown the machine knows the way to its addresses, and the server has yet to set them up."""
    if not lab.ifupdown:
        add_namespace(lab, node, addresses)
        return
    if not exists(lab, node):
        remove_namespace(lab, node)
        _make_pair(lab, node)
    space, link = netns_name(lab, node), interface(lab, node)
    for family in ("-4", "-6"):
        run("ip", "-netns", space, family, "addr", "flush", "dev", "eth0", "scope", "global")
        run("ip", family, "route", "flush", "dev", link, "proto", "boot")
    for address in addresses:
        _route_to(lab, node, address)
    # nobody else is on the cable: looking for a second one with the same address takes each start a second
    run("nsenter", f"--net=/run/netns/{space}", "--", "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
    _know_gateway(space, link)


def _make_pair(lab: Lab, node: str) -> None:
    space, link, mtu = netns_name(lab, node), interface(lab, node), _mtu()
    run("ip", "netns", "add", space)
    pair = f"link add {link} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {space}"
    run("ip", "-batch", "-", stdin=f"{pair}\n{_link_addresses(link, 'add')}link set {link} up\n")
    run("ip", "-netns", space, "-batch", "-", stdin="link set lo up\nlink set eth0 up\n")


def _link_addresses(link: str, verb: str) -> str:
    """The vendor's own addresses on a cable: the gateway over IPv6, and the metadata service."""
    return "".join(f"addr {verb} {address}/64 dev {link} nodad\n" for address in ("fe80::1", METADATA[1]))


def set_addresses(lab: Lab, node: str, addresses: Iterable[str]) -> None:
    """Gives the node exactly these addresses, inside and as routes outside."""
    space, link = netns_name(lab, node), interface(lab, node)
    for family in ("-4", "-6"):
        wanted = {address for address in addresses if (":" in address) == (family == "-6")}
        links = json.loads(run("ip", "-netns", space, "-json", family, "addr", "show", "dev", "eth0", "scope", "global") or "[]")
        present = {item["local"] for entry in links for item in entry.get("addr_info", []) if "local" in item}
        # a server has a network of its own over IPv6, of which it uses one address
        mask = _mask(node, family)
        for address in sorted(present - wanted):
            run("ip", "-netns", space, family, "addr", "del", f"{address}/{mask}", "dev", "eth0")
            run("ip", family, "route", "del", str(ip_interface(f"{address}/{mask}").network), "dev", link, check=False)
        for address in sorted(wanted - present):
            run("ip", "-netns", space, family, "addr", "add", f"{address}/{mask}", "dev", "eth0", *(["nodad"] if family == "-6" else []))
        for address in sorted(wanted):
            _route_to(lab, node, address)
    _default_routes(space, link)


def _mask(node: str, family: str) -> str:
    return "32" if family == "-4" else "64" if re.fullmatch(r"s\d+", node) else "128"


def _route_to(lab: Lab, node: str, address: str) -> None:
    family, source = ("-6", lab.address6(0)) if ":" in address else ("-4", lab.control)
    network = str(ip_interface(f"{address}/{_mask(node, family)}").network)
    run("ip", family, "route", "replace", network, "dev", interface(lab, node), "src", source)


def _know_gateway(space: str, link: str) -> None:
    mac = json.loads(run("ip", "-json", "link", "show", "dev", link))[0]["address"]
    # the machine itself has no such address, and must not: a network of its own may hold it
    run("ip", "-netns", space, "neigh", "replace", GATEWAY, "lladdr", mac, "nud", "permanent", "dev", "eth0")


def _default_routes(space: str, link: str) -> None:
    _know_gateway(space, link)
    run("ip", "-netns", space, "route", "replace", GATEWAY, "dev", "eth0", "scope", "link")
    run("ip", "-netns", space, "route", "replace", "default", "via", GATEWAY, "dev", "eth0")
    run("ip", "-netns", space, "-6", "route", "replace", "default", "via", "fe80::1", "dev", "eth0")


def remove_namespace(lab: Lab, node: str) -> None:
    """Takes the node off the network."""
    set_firewall(lab, node, None)
    run("ip", "link", "delete", interface(lab, node), check=False)
    run("ip", "netns", "delete", netns_name(lab, node), check=False)


def set_carrier(lab: Lab, node: str, connected: bool) -> None:
    """Pulls or plugs the node's cable."""
    if not exists(lab, node):
        return
    run("ip", "link", "set", interface(lab, node), "up" if connected else "down")
    if connected:
        run("ip", "-6", "-batch", "-", stdin=_link_addresses(interface(lab, node), "replace"))
        inside = json.loads(run("ip", "-netns", netns_name(lab, node), "-json", "addr", "show", "dev", "eth0", "scope", "global") or "[]")
        for address in [item["local"] for entry in inside for item in entry.get("addr_info", []) if "local" in item]:
            _route_to(lab, node, address)


def set_firewall(lab: Lab, node: str, rules: Sequence[Mapping[str, Any]] | None) -> None:
    """The vendor's firewall in front of a node: a list of rules as its API takes them, None for no firewall.

    Inward everything not allowed is dropped; outward only when there is an outward rule. Answers always pass. One change of all rules at
    once: no packet meets half of them.
    """
    name, link = table(lab), interface(lab, node)
    present = run("nft", "list", "table", "inet", name, check=False)
    if not present:
        return
    lines = []
    for way, direction, key in (("inward", "in", "source_ips"), ("outward", "out", "destination_ips")):
        if f"chain {way}_{node} {{" in present:
            lines += [f'delete element inet {name} {way} {{ "{link}" }}', f"flush chain inet {name} {way}_{node}", f"delete chain inet {name} {way}_{node}"]
        chosen = [rule for rule in rules or () if rule["direction"] == direction]
        if rules is not None and (chosen or direction == "in"):
            lines.append(_chain_text(name, f"{way}_{node}", way, link, chosen, key))
    if lines:
        run("nft", "-f", "-", stdin="\n".join(lines) + "\n")


def _chain_text(name: str, chain: str, way: str, link: str, rules: Iterable[Mapping[str, Any]], key: str) -> str:
    # the vendor's firewall lets pass what a server gets its address with
    addresses = ["udp sport { 67, 68 } udp dport { 67, 68 } accept"]
    neighbours = ["icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept"]
    lines = ["ct state established,related accept", *addresses, *neighbours]
    lines += [line for rule in rules for line in _rule_lines(rule, key)]
    body = "\n".join(f"add rule inet {name} {chain} {line}" for line in [*lines, "drop"])
    return f'add chain inet {name} {chain}\n{body}\nadd element inet {name} {way} {{ "{link}" : jump {chain} }}\n'


def _rule_lines(rule: Mapping[str, Any], key: str) -> list[str]:
    protocol, port = rule["protocol"], str(rule.get("port") or "any")
    side = "saddr" if key == "source_ips" else "daddr"
    lines = []
    for family, version in (("ip", 4), ("ip6", 6)):
        sources = [str(ip_network(item, strict=False)) for item in rule.get(key, []) if ip_network(item, strict=False).version == version]
        if not sources:
            continue
        if protocol == "icmp":
            match = "meta l4proto icmp" if version == 4 else "meta l4proto ipv6-icmp"
        elif protocol in ("tcp", "udp"):
            match = f"meta l4proto {protocol}" if port == "any" else f"{protocol} dport {port}"
        else:
            match = f"meta l4proto {protocol}"
        everywhere = any(ip_network(item).prefixlen == 0 for item in sources)
        where = f"meta nfproto {'ipv4' if version == 4 else 'ipv6'}" if everywhere else f"{family} {side} {{ {', '.join(sources)} }}"
        lines.append(f"{where} {match} accept")
    return lines


def server_address(lab: Lab, number: int) -> str:
    """Public IPv4 address number `number` (0-1019) of the vendor's pool."""
    address = lab.prefix.network_address + 256 * SERVERS + 2 + number
    if address not in lab.prefix:
        raise LabError("The lab's pool of public addresses is used up.")
    return str(address)


def server_network6(lab: Lab, number: int) -> str:
    """The IPv6 /64 number `number` of the vendor's pool."""
    return f"{ip_address(int(lab.prefix6.network_address) + ((0x4000 + number) << 64))}/64"


@contextlib.contextmanager
def visitor(lab: Lab, node: str, number: int) -> Any:
    """A namespace outside of everything, to look at the platform as a stranger does; removed at the end."""
    add_namespace(lab, node, [lab.address(3, number), lab.address6(3, number)])
    try:
        yield netns_name(lab, node)
    finally:
        remove_namespace(lab, node)
