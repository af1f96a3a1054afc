# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the API's servers to hosts with variables. The names of the variables are those of hetzner.hcloud's inventory."""

from __future__ import annotations

import typing as t
from ipaddress import IPv6Network

from .client import Answer, Client
from .errors import HetznerError
from .ownership import OWNERS, POSITION
from .pool import summary


class Selection(t.NamedTuple):
    """Which servers, and how they are reached. Empty means no restriction."""

    label_selector: str = ""
    status: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    network: str = ""
    connect_with: str = "public_ipv4"


def hosts_of(client: Client, selection: Selection, project: str | None = None) -> list[dict[str, t.Any]]:
    """Return the host variables of the chosen servers of one project, without prefix; `ansible_host` among them where there is one."""
    if selection.connect_with == "private_ipv4" and not selection.network:
        raise HetznerError("invalid_input", "connect_with: private_ipv4 needs the option network")
    query = [("label_selector", selection.label_selector)] if selection.label_selector else []
    query += [("status", one) for one in selection.status]
    servers = client.all("/servers", "servers", query)
    networks = _networks(client) if selection.network or any(one["private_net"] for one in servers) else {}
    network = _network_id(networks, selection.network) if selection.network else None
    chosen = sorted((one for one in servers if _chosen(one, selection, network)), key=lambda one: _index(one) or 0)
    found = [_hostvars(one, selection, networks, network, project) for one in chosen]
    if any(_index(one) for one in chosen):
        _add_pools(client, chosen, networks, found)
    return found


def _index(server: Answer) -> int | None:
    """Return the number of a server in its pool; a single one has none."""
    label = server["labels"].get(POSITION, "")
    return int(label) if label.isdecimal() else None


def _add_pools(client: Client, servers: list[Answer], networks: dict[int, Answer], found: list[dict[str, t.Any]]) -> None:
    """Give each server of a pool its number, its private address and the balancer before it."""
    balancers = {_pool(one["labels"]): one for one in client.all("/load_balancers", "load_balancers", [("label_selector", "role=balancer")])}
    for server, hostvars in zip(servers, found, strict=True):
        balancer = balancers.get(_pool(server["labels"]))
        if not _index(server) or balancer is None:
            continue
        shared = {one["network"] for one in balancer["private_net"]}
        private = next((one for one in server["private_net"] if one["network"] in shared), None)
        hostvars["index"] = _index(server)
        if private:
            hostvars["private_ipv4"] = private["ip"]
            hostvars["balancer"] = summary(balancer, networks.get(private["network"]))


def _pool(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(key, "") for key in OWNERS)


def _networks(client: Client) -> dict[int, Answer]:
    """Return all networks by id, in one request instead of one per network."""
    return {one["id"]: one for one in client.all("/networks", "networks")}


def _network_id(networks: dict[int, Answer], wanted: str) -> int:
    for number, row in networks.items():
        if wanted in (row["name"], str(number)):
            return number
    raise HetznerError("not_found", f"there is no network {wanted!r} in this project")


def _chosen(server: Answer, selection: Selection, network: int | None) -> bool:
    image = server["image"] or {}
    return (
        (not selection.locations or server["location"]["name"] in selection.locations)
        and (not selection.types or server["server_type"]["name"] in selection.types)
        and (not selection.images or image.get("os_flavor") in selection.images)
        and (network is None or any(one["network"] == network for one in server["private_net"]))
    )


def _hostvars(server: Answer, selection: Selection, networks: dict[int, Answer], network: int | None, project: str | None) -> dict[str, t.Any]:
    """Keep it lean: with thousands of servers the variables cost more than the requests."""
    kind, image = server["server_type"], server["image"]
    found: dict[str, t.Any] = {
        "id": server["id"],
        "name": server["name"],
        "status": server["status"],
        "type": kind["name"],
        "server_type": kind["name"],
        "architecture": kind["architecture"],
    }
    found.update(_addresses(server))
    found["private_networks"] = [
        {"id": one["network"], "name": networks.get(one["network"], {"name": ""})["name"], "ip": one["ip"]} for one in server["private_net"]
    ]
    for one in server["private_net"]:
        if one["network"] == network:
            found["private_ipv4"] = one["ip"]
    found["location"] = server["location"]["name"]
    if image is not None:
        found.update(image_id=image["id"], image_os_flavor=image["os_flavor"], image_name=image["name"] or image["description"])
    found["labels"] = dict(server["labels"])
    found["volumes"] = list(server["volumes"])
    if project is not None:
        found["project"] = project
    address = _address(server, found, selection.connect_with)
    if address:
        found["ansible_host"] = address
    return found


def _addresses(server: Answer) -> dict[str, str]:
    found, public = {}, server["public_net"]
    if public["ipv4"]:
        found["ipv4"] = public["ipv4"]["ip"]
    if public["ipv6"]:
        network = IPv6Network(public["ipv6"]["ip"])
        found["ipv6"] = str(network.network_address + 1)
        found["ipv6_network"], _slash, found["ipv6_network_mask"] = public["ipv6"]["ip"].partition("/")
    return found


def _address(server: Answer, found: dict[str, t.Any], connect_with: str) -> str | None:
    if connect_with == "hostname":
        return str(server["name"])
    if connect_with == "ipv4_dns_ptr":
        return (server["public_net"]["ipv4"] or {}).get("dns_ptr")
    return found.get({"public_ipv4": "ipv4", "public_ipv6": "ipv6"}.get(connect_with, connect_with))


def native_groups(server: dict[str, t.Any], kinds: t.Iterable[str]) -> list[str]:
    """Return the names of the groups a server is in, made without templates."""
    groups = []
    for kind in kinds:
        if kind == "label":
            groups += [f"hcloud_label_{key}_{value}" if value else f"hcloud_label_{key}" for key, value in server["labels"].items()]
        elif kind == "role":
            groups += [f"hcloud_role_{server['labels']['role']}"] if server["labels"].get("role") else []
        else:
            groups.append(f"hcloud_{kind}_{server[kind]}")
    return groups
