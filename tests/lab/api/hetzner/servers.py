# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers: list, order, rename, delete."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Any

from . import extras, firewalls, persistent
from .basics import Answer, find_image, find_location, find_server_type, rename, require_orderable, stocked_types, view_action
from .errors import ApiError, invalid
from .gate import Call
from .query import listing
from .schema import LABELS, Field, boolean, hostname, integer, many, nested, nullable, parse, reference, user_data
from .world import Patch, Project, Resource, public

_PUBLIC_NET = {
    "enable_ipv4": Field(boolean, default=True),
    "enable_ipv6": Field(boolean, default=True),
    "ipv4": Field(nullable(integer())),
    "ipv6": Field(nullable(integer())),
}
_FIELDS = {
    "name": Field(hostname, True),
    "server_type": Field(reference, True),
    "image": Field(reference, True),
    "location": Field(reference),
    "start_after_create": Field(boolean, default=True),
    "placement_group": Field(integer()),
    "ssh_keys": Field(many(reference), default=[]),
    "volumes": Field(many(integer()), default=[]),
    "networks": Field(many(integer()), default=[]),
    "firewalls": Field(many(nested({"firewall": Field(integer(), True)})), default=[]),
    "user_data": Field(user_data, default=""),
    "labels": LABELS,
    "automount": Field(boolean),
    "public_net": Field(nested(_PUBLIC_NET), default={"enable_ipv4": True, "enable_ipv6": True, "ipv4": None, "ipv6": None}),
}


def view_server(project: Project, server: Resource) -> Resource:
    """Return a server as the vendor shows it."""
    world, number = project.world, server["id"]
    server_type = next(one for one in world.server_types if one["name"] == server["server_type"])
    traffic = next((one["included_traffic"] for one in server_type["prices"] if one["location"] == server["location"]), None)
    return {
        **public(server),
        "server_type": server_type,
        "location": next(one for one in world.locations if one["name"] == server["location"]),
        "public_net": _public_net(project, number),
        "volumes": [one["id"] for one in project.all("volumes") if one["server"] == number],
        "locked": project.locked(number),
        "placement_group": _group(project, server["placement_group"]),
        "load_balancers": [
            one["id"] for one in project.all("load_balancers") if any((target["server"] or {}).get("id") == number for target in one["targets"])
        ],
        "included_traffic": traffic,
    }


def _public_net(project: Project, server: int) -> Resource:
    own = {ip["type"]: ip for ip in project.all("primary_ips") if ip["assignee_id"] == server}
    four, six = own.get("ipv4"), own.get("ipv6")
    return {
        "ipv4": {"id": four["id"], "ip": four["ip"], "blocked": False, "dns_ptr": four["dns_ptr"][0]["dns_ptr"]} if four else None,
        "ipv6": {"id": six["id"], "ip": six["ip"], "blocked": False, "dns_ptr": six["dns_ptr"]} if six else None,
        "floating_ips": [one["id"] for one in project.all("floating_ips") if one["server"] == server],
        "firewalls": [{"id": one["id"], "status": "applied"} for one in firewalls.firewalls_of(project, server)],
    }


def _group(project: Project, number: int | None) -> Resource | None:
    return None if number is None else extras.view_group(project, project.get("placement_groups", number))


def list_servers(call: Call) -> Answer:
    """GET /servers. Only the page that is asked for is put together: ten thousand servers are listed often."""
    page = listing("servers", call.project.all("servers"), call.query, filters=("name", "status"))
    return 200, {**page, "servers": [view_server(call.project, one) for one in page["servers"]]}


def get_server(call: Call) -> Answer:
    """GET /servers/{id}."""
    return 200, {"server": view_server(call.project, call.project.get("servers", call.id))}


def put_server(call: Call) -> Answer:
    """PUT /servers/{id}."""
    if "name" in (call.body or {}):
        hostname("name", call.body["name"])
    server = rename(call, "servers")
    if any(one["_selectors"] for one in call.project.all("firewalls")):
        firewalls.refresh(call.project, call.id)
    return 200, {"server": view_server(call.project, server)}


def create_server(call: Call) -> Answer:
    """POST /servers."""
    project = call.project
    order = _order(project, parse(call.body, _FIELDS))
    server = _new_server(project, order)
    _take(project, server["id"], order)
    actions = _start_actions(project, server, order)
    password = None if order["keys"] or order["body"]["user_data"] else secrets.token_urlsafe(12)
    return 201, {"server": view_server(project, server), "action": actions[0], "next_actions": actions[1:], "root_password": password}


def _order(project: Project, body: dict[str, Any]) -> dict[str, Any]:
    """Check everything an order refers to before anything is changed."""
    project.require_unique("servers", body["name"])
    server_type = find_server_type(project, body["server_type"])
    ips = _chosen_ips(project, body["public_net"])
    location = _location(project, body["location"], server_type, ips)
    image = find_image(project, body["image"], server_type["architecture"])
    keys = [_key(project, one) for one in body["ssh_keys"]]
    volumes = [_one_of(project, "volumes", one) for one in body["volumes"]]
    for volume in volumes:
        persistent.require_attachable(volume, location)
    if body["automount"] and not volumes:
        raise invalid("automount", "automount is only possible with volumes")
    walls = [_one_of(project, "firewalls", one["firewall"]) for one in body["firewalls"]]
    networks = [_one_of(project, "networks", one) for one in body["networks"]]
    if body["placement_group"] is not None:
        extras.require_room(project, _one_of(project, "placement_groups", body["placement_group"], "placement_group"))
    persistent.require_limit(project, "server_limit")
    require_orderable(project, server_type, location)
    return {
        "body": body,
        "type": server_type,
        "location": location,
        "image": image,
        "keys": keys,
        "volumes": volumes,
        "walls": walls,
        "networks": networks,
        "ips": ips,
    }


def _chosen_ips(project: Project, wanted: dict[str, Any]) -> list[Resource]:
    chosen = []
    for family in ("ipv4", "ipv6"):
        if wanted[family] is None:
            continue
        ip = _one_of(project, "primary_ips", wanted[family], "public_net." + family)
        if ip["type"] != family or not wanted[f"enable_{family}"]:
            raise ApiError("primary_ip_version_mismatch", "the specified primary IP has the wrong IP version")
        if ip["assignee_id"] is not None:
            raise ApiError("primary_ip_assigned", "the specified primary IP is already assigned to a server")
        chosen.append(ip)
    return chosen


def _location(project: Project, wanted: str | None, server_type: Resource, ips: list[Resource]) -> str:
    places = {ip["location"] for ip in ips}
    location = find_location(project, wanted)["name"] if wanted else next(iter(places), None)
    if location is None:
        offered = next(one for one in stocked_types(project) if one["id"] == server_type["id"])["locations"]
        location = next((place["name"] for place in offered if place["available"]), offered[0]["name"])
    if places - {location}:
        raise ApiError("primary_ip_datacenter_mismatch", "the specified primary IP is in a different location")
    return str(location)


def _key(project: Project, reference_: str) -> Resource:
    found = project.find("ssh_keys", reference_)
    if found is None:
        raise invalid("ssh_keys", f"SSH key {reference_} not found")
    return found


def _one_of(project: Project, kind: str, number: int, field: str | None = None) -> Resource:
    found = project.data[kind].get(str(number))
    if found is None:
        raise invalid(field or kind, f"{kind} with ID '{number}' not found")
    return found


def _new_server(project: Project, order: dict[str, Any]) -> Resource:
    body = order["body"]
    new = {
        "name": body["name"],
        "status": "initializing",
        "created": project.world.now(),
        "server_type": order["type"]["name"],
        "location": order["location"],
        "image": order["image"],
        "iso": None,
        "private_net": [],
        "rescue_enabled": False,
        "backup_window": None,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "protection": {"delete": False, "rebuild": False},
        "labels": body["labels"] or {},
        "primary_disk_size": order["type"]["disk"],
        "placement_group": body["placement_group"],
        "_keys": [key["public_key"] for key in order["keys"]],
        "_user_data": body["user_data"],
    }
    return project.add("servers", new)


def _take(project: Project, server: int, order: dict[str, Any]) -> None:
    """Give the new server what was ordered for it: addresses, volumes, firewalls, networks."""
    from .networks import attach

    wanted = order["body"]["public_net"]
    for ip in order["ips"]:
        ip["assignee_id"] = server
    for family in ("ipv4", "ipv6"):
        if wanted[f"enable_{family}"] and wanted[family] is None:
            persistent.new_ip(project, f"primary_ip-{server}-{family}", family, order["location"], auto_delete=True)["assignee_id"] = server
    for volume in order["volumes"]:
        volume["server"] = server
    for wall in order["walls"]:
        wall["_servers"].append(server)
    for network in order["networks"]:
        attach(project, project.get("servers", server), network, None, [])


def _start_actions(project: Project, server: Resource, order: dict[str, Any]) -> list[Resource]:
    number, hardware = server["id"], project.world.hardware
    body = order["body"]
    ipv4, ipv6 = persistent.machine_addresses(project, number)
    rules = firewalls.rules_of(project, number)
    snapshot, suite = image_folder(project, order["image"]), SUITES.get(str(order["image"].get("os_version")), "trixie")

    def build() -> None:
        keys = server["_keys"]
        hardware.create(number, ipv4=ipv4, ipv6=ipv6, user_data=body["user_data"], ssh_keys=keys, hostname=server["name"], image=snapshot, suite=suite)
        hardware.set_firewall(number, rules)

    ready: list[Patch] = [("servers", number, {"status": "starting" if body["start_after_create"] else "off"})]
    failed: list[Patch] = [("servers", number, {"status": "off"})]
    last = project.act("create_server", [("server", number)], work=build, patches=ready, on_error=failed, locks=number)
    actions = [view_action(last)]
    for volume in order["volumes"]:
        actions.append(persistent.plug(project, volume["id"], number, after=last))
        last = project.get("actions", actions[-1]["id"])
    if body["start_after_create"]:
        on: list[Patch] = [("servers", number, {"status": "running"})]
        work = partial(hardware.power_on, number)
        start = project.act("start_server", [("server", number)], work=work, patches=on, on_error=failed, after=last, locks=number)
        actions.append(view_action(start))
    return actions


# Debian's own names of the systems whose images are really there
SUITES = {"12": "bookworm", "13": "trixie"}


def image_folder(project: Project, image: Resource) -> Path | None:
    """Return where the disk of a snapshot lies; None for the vendor's own images."""
    own = project.data["images"].get(str(image["id"]))
    return Path(own["_folder"]) if own and own.get("_folder") else None


def delete_server(call: Call) -> Answer:
    """DELETE /servers/{id}."""
    project, server = call.project, call.project.get("servers", call.id)
    if server["protection"]["delete"]:
        raise ApiError("protected", "server deletion is protected")
    if project.locked(call.id):
        raise ApiError("locked", "server is locked")
    for balancer in project.all("load_balancers"):
        balancer["targets"] = [one for one in balancer["targets"] if (one["server"] or {}).get("id") != call.id]
    for ip in project.all("floating_ips"):
        ip["server"] = None if ip["server"] == call.id else ip["server"]
    for firewall in project.all("firewalls"):
        firewall["_servers"] = [one for one in firewall["_servers"] if one != call.id]
    server["status"] = "deleting"
    volumes = [one["id"] for one in project.all("volumes") if one["server"] == call.id]
    ips = [ip for ip in project.all("primary_ips") if ip["assignee_id"] == call.id]
    patches: list[Patch] = [("servers", call.id, None), *(("volumes", one, {"server": None}) for one in volumes)]
    patches += [("primary_ips", ip["id"], None if ip["auto_delete"] else {"assignee_id": None}) for ip in ips]

    def remove() -> None:
        for volume in volumes:
            project.world.hardware.detach_volume(call.id, volume)
        project.world.hardware.delete(call.id)

    failed: list[Patch] = [("servers", call.id, {"status": "off"})]
    action = project.act("delete_server", [("server", call.id)], work=remove, patches=patches, on_error=failed, locks=call.id)
    return 200, {"action": view_action(action)}
