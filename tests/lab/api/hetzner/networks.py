# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private networks: who is in which, with what address. wiring.py makes them real in a lab."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from .basics import Answer, rename, view_action
from .errors import ApiError, invalid
from .gate import Call
from .query import listing
from .schema import LABELS, Field, boolean, choice, cidr, integer, many, nested, nullable, parse, text
from .world import Project, Resource

_SUBNET = {
    "type": Field(choice("cloud", "server", "vswitch"), True),
    "ip_range": Field(cidr),
    "network_zone": Field(choice("eu-central", "us-east", "us-west", "ap-southeast"), True),
    "vswitch_id": Field(nullable(integer())),
}
_ROUTE = {"destination": Field(cidr, True), "gateway": Field(text(1), True)}
PUBLIC_GATEWAY = IPv4Address("172.31.1.1")
"""Where every server sends what is for its public network."""


def view_network(project: Project, network: Resource) -> Resource:
    """Return a network as the vendor shows it."""
    servers = [one["id"] for one in project.all("servers") if any(net["network"] == network["id"] for net in one["private_net"])]
    balancers = [one["id"] for one in project.all("load_balancers") if any(net["network"] == network["id"] for net in one["private_net"])]
    return {**network, "servers": servers, "load_balancers": balancers}


def list_networks(call: Call) -> Answer:
    """GET /networks."""
    return 200, listing("networks", [view_network(call.project, one) for one in call.project.all("networks")], call.query)


def get_network(call: Call) -> Answer:
    """GET /networks/{id}."""
    return 200, {"network": view_network(call.project, call.project.get("networks", call.id))}


def put_network(call: Call) -> Answer:
    """PUT /networks/{id}."""
    network = rename(call, "networks", {"expose_routes_to_vswitch": Field(boolean)})
    return 200, {"network": view_network(call.project, network)}


def create_network(call: Call) -> Answer:
    """POST /networks."""
    fields = {
        "name": Field(text(1, 128), True),
        "ip_range": Field(cidr, True),
        "labels": LABELS,
        "subnets": Field(many(nested(_SUBNET)), default=[]),
        "routes": Field(many(nested(_ROUTE)), default=[]),
        "expose_routes_to_vswitch": Field(boolean, default=False),
    }
    body, project = parse(call.body, fields), call.project
    project.require_unique("networks", body["name"])
    new = {**body, "labels": body["labels"] or {}, "created": project.world.now(), "protection": {"delete": False}, "subnets": [], "routes": []}
    for subnet in body["subnets"]:
        _add_subnet(new, subnet)
    for route in body["routes"]:
        _add_route(new, route)
    network = project.add("networks", new)
    return 201, {"network": view_network(project, network)}


def delete_network(call: Call) -> Answer:
    """DELETE /networks/{id}."""
    network = call.project.get("networks", call.id)
    if network["protection"]["delete"]:
        raise ApiError("protected", "network deletion is protected")
    for member in (*call.project.all("servers"), *call.project.all("load_balancers")):
        member["private_net"] = [one for one in member["private_net"] if one["network"] != call.id]
    del call.project.data["networks"][str(call.id)]
    call.project.touch()
    return 204, None


def _add_subnet(network: Resource, subnet: dict[str, Any]) -> None:
    whole = ip_network(network["ip_range"])
    taken = [ip_network(one["ip_range"]) for one in network["subnets"]]
    free = (one for one in whole.subnets(new_prefix=max(24, whole.prefixlen)) if not any(one.overlaps(other) for other in taken))
    wanted = ip_network(subnet["ip_range"]) if subnet["ip_range"] else next(free)
    if wanted.version != whole.version or not wanted.subnet_of(whole) or any(wanted.overlaps(other) for other in taken):  # type: ignore[arg-type]
        raise invalid("ip_range", "must be within the network and overlap no other subnet")
    network["subnets"].append({**subnet, "ip_range": str(wanted), "gateway": str(whole.network_address + 1)})


def _changed(call: Call, command: str) -> Answer:
    return 201, {"action": view_action(call.project.act(command, [("network", call.id)], seconds=0.2))}


def add_subnet(call: Call) -> Answer:
    """POST /networks/{id}/actions/add_subnet."""
    network = call.project.get("networks", call.id)
    _add_subnet(network, parse(call.body, _SUBNET))
    return _changed(call, "add_subnet")


def delete_subnet(call: Call) -> Answer:
    """POST /networks/{id}/actions/delete_subnet."""
    network = call.project.get("networks", call.id)
    gone = parse(call.body, {"ip_range": Field(cidr, True)})["ip_range"]
    network["subnets"] = [one for one in network["subnets"] if one["ip_range"] != gone]
    return _changed(call, "delete_subnet")


def add_route(call: Call) -> Answer:
    """POST /networks/{id}/actions/add_route."""
    _add_route(call.project.get("networks", call.id), parse(call.body, _ROUTE))
    return _changed(call, "add_route")


def _add_route(network: Resource, route: dict[str, Any]) -> None:
    """Refuse what the vendor cannot route: a gateway outside of the network or one of its own, and a destination that is taken."""
    whole, destination = ip_network(network["ip_range"]), ip_network(route["destination"])
    first = whole.network_address + 1
    try:
        gateway = ip_address(route["gateway"])
    except ValueError as error:
        raise invalid("gateway", "must be an IP address") from error
    if gateway not in whole or gateway in (first, PUBLIC_GATEWAY):
        raise invalid("gateway", "must be an address of the network, and neither its first nor that of the public network")
    taken = [ip_network(one["ip_range"]) for one in network["subnets"]] + [ip_network(one["destination"]) for one in network["routes"]]
    if any(destination.overlaps(one) for one in taken) or first in destination or PUBLIC_GATEWAY in destination:
        raise invalid("destination", "must not overlap with a subnet, another route, or the first address of the network")
    network["routes"].append(route)


def delete_route(call: Call) -> Answer:
    """POST /networks/{id}/actions/delete_route."""
    network, route = call.project.get("networks", call.id), parse(call.body, _ROUTE)
    network["routes"] = [one for one in network["routes"] if one != route]
    return _changed(call, "delete_route")


def change_ip_range(call: Call) -> Answer:
    """POST /networks/{id}/actions/change_ip_range."""
    call.project.get("networks", call.id)["ip_range"] = parse(call.body, {"ip_range": Field(cidr, True)})["ip_range"]
    return _changed(call, "change_ip_range")


def protect_network(call: Call) -> Answer:
    """POST /networks/{id}/actions/change_protection."""
    network = call.project.get("networks", call.id)
    network["protection"] = parse(call.body, {"delete": Field(boolean, default=network["protection"]["delete"])})
    return _changed(call, "change_protection")


def pick_address(project: Project, member: Resource, network: Resource, ip: str | None, ip_range: str | None) -> str:
    """Return the address a server or a load balancer gets in a network, or refuse; `ip_range` is the subnet it has to be in."""
    if any(one["network"] == network["id"] for one in member["private_net"]):
        raise ApiError("server_already_attached", "server is already attached to the network")
    subnets = [ip_network(one["ip_range"]) for one in network["subnets"] if ip_range in (None, one["ip_range"])]
    if not subnets:
        raise ApiError("no_subnet_available", "no subnet is available in the network" if ip_range is None else f"the network has no subnet {ip_range}")
    members = (*project.all("servers"), *project.all("load_balancers"))
    used = {
        address for other in members for one in other["private_net"] if one["network"] == network["id"] for address in (one["ip"], *one.get("alias_ips", []))
    }
    if ip is not None and (ip in used or not any(ip_address(ip) in one for one in subnets)):
        raise ApiError("ip_not_available", "the IP is not available")
    free = next((str(one) for subnet in subnets for one in list(subnet.hosts())[1:] if str(one) not in used), None) if ip is None else ip
    if free is None:
        raise ApiError("no_subnet_available", "no IP is available in the network")
    return free


def attach(project: Project, server: Resource, network: Resource, ip: str | None, alias_ips: list[str], ip_range: str | None = None) -> None:
    """Give a server an address in a network."""
    free = pick_address(project, server, network, ip, ip_range)
    mac = f"86:00:00:{server['id'] % 256:02x}:{network['id'] % 256:02x}:01"
    server["private_net"].append({"network": network["id"], "ip": free, "alias_ips": alias_ips, "mac_address": mac})


def leave(member: Resource, network: int) -> None:
    """Take a server or a load balancer out of a network."""
    if all(one["network"] != network for one in member["private_net"]):
        raise invalid("network", "is not attached to the network")
    member["private_net"] = [one for one in member["private_net"] if one["network"] != network]
