# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the API's state to networks with packets and balancers that forward: what there should be, in the lab's own terms.

A service of protocol https is described and not served: the stand-in keeps no private keys.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from lab.balancer import Balancer, Check, Service
from lab.private import Member, Network

from . import catalogue, persistent
from .query import selects
from .world import Project, Resource, World


def networks(world: World) -> dict[int, Network]:
    """Return the private networks of all projects, with their members."""
    return {one["id"]: _network(project, one) for project in world.projects() for one in project.all("networks")}


def balancers(world: World) -> dict[int, Balancer]:
    """Return the load balancers of all projects, with the targets that they would forward to."""
    return {one["id"]: _balancer(project, one) for project in world.projects() for one in project.all("load_balancers")}


def target_name(target: Resource) -> str:
    """Return the name of a server or an address among a balancer's targets."""
    return f"s{target['server']['id']}" if target["type"] == "server" else f"ip-{target['ip']['ip'].replace(':', '-')}"


def _network(project: Project, network: Resource) -> Network:
    members = {}
    for begin, kind in (("s", "servers"), ("b", "load_balancers")):
        for one in project.all(kind):
            for joined in one["private_net"]:
                if joined["network"] == network["id"]:
                    mac = joined.get("mac_address") or f"86:00:01:{one['id'] // 256 % 256:02x}:{one['id'] % 256:02x}:{network['id'] % 256:02x}"
                    members[f"{begin}{one['id']}"] = Member((joined["ip"], *joined.get("alias_ips", [])), mac)
    gateway = network["subnets"][0]["gateway"] if network["subnets"] else _first(network["ip_range"])
    return Network(network["ip_range"], gateway, members, [(one["destination"], one["gateway"]) for one in network["routes"]])


def _first(ip_range: str) -> str:
    return str(ip_network(ip_range).network_address + 1)


def _balancer(project: Project, balancer: Resource) -> Balancer:
    public = balancer["public_net"]
    addresses = (public["ipv4"]["ip"], public["ipv6"]["ip"]) if public["enabled"] else ()
    services = [_service(one) for one in balancer["services"] if one["protocol"] != "https"]
    kind = next(one for one in catalogue.load_balancer_types() if one["name"] == balancer["load_balancer_type"])
    return Balancer(addresses, balancer["algorithm"]["type"], services, targets(project, balancer), kind["max_connections"])


def _service(service: Resource) -> Service:
    http, check = service.get("http") or {}, service["health_check"]
    more: dict[str, Any] = check.get("http") or {}
    asked = Check(
        check["protocol"],
        check["port"],
        check["interval"],
        check["timeout"],
        check["retries"],
        more.get("path", "/"),
        more.get("domain") or "",
        more.get("response", ""),
        tuple(more.get("status_codes", ("2??", "3??"))),
        more.get("tls", False),
    )
    cookie = http["cookie_name"] if http.get("sticky_sessions") else ""
    ports = service["listen_port"], service["destination_port"]
    return Service(service["protocol"], *ports, service["proxyprotocol"], asked, http.get("timeout_idle", 60), cookie)


def targets(project: Project, balancer: Resource) -> dict[str, str]:
    """Return the address of every target by its name; servers without an address of the wanted kind are none."""
    found: dict[str, str] = {}
    for target in balancer["targets"]:
        if target["type"] == "ip":
            found[target_name(target)] = target["ip"]["ip"]
            continue
        if target["type"] == "server":
            chosen = [target["server"]["id"]]
        else:
            chosen = [one["id"] for one in project.all("servers") if selects(target["label_selector"]["selector"])(one["labels"])]
        for number in chosen:
            if address := target_address(project, balancer, number, target["use_private_ip"]):
                found[f"s{number}"] = address
    return found


def target_address(project: Project, balancer: Resource, server: int, private: bool) -> str | None:
    """Return where a balancer reaches a server: in a network that both are in, or at its public address."""
    if str(server) not in project.data["servers"]:
        return None
    if not private:
        return persistent.machine_addresses(project, server)[0]
    shared = {one["network"] for one in balancer["private_net"]}
    return next((one["ip"] for one in project.get("servers", server)["private_net"] if one["network"] in shared), None)
