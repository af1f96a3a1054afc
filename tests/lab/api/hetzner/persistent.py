# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Primary IPs and volumes: what outlives a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lab.config import LabError

from .basics import Answer, alike, find_location, view_action
from .errors import ApiError, invalid
from .gate import Call
from .hardware import Hardware
from .schema import LABELS, Field, boolean, choice, integer, nullable, parse, reference, text
from .world import Project, Resource, public

POINTER = {"ip": Field(text(1), True), "dns_ptr": Field(nullable(text(1, 253)))}


def usual_pointer(address: str) -> str:
    """Return the name an IPv4 address has as long as nobody gives it one."""
    return f"static.{'.'.join(reversed(address.split('.')))}.clients.your-server.de"


# --- primary IPs


def view_ip(project: Project, ip: Resource) -> Resource:
    """Return a primary IP as the vendor shows it."""
    location = next(one for one in project.world.locations if one["name"] == ip["location"])
    return {**public(ip), "location": location}


list_ips, get_ip, put_ip = alike("primary_ips", view_ip, filters=("name", "ip"), sorts=("id", "created"), more={"auto_delete": Field(boolean)})


def create_ip(call: Call) -> Answer:
    """POST /primary_ips."""
    fields = {
        "name": Field(text(1, 128), True),
        "type": Field(choice("ipv4", "ipv6"), True),
        "labels": LABELS,
        "location": Field(reference),
        "assignee_type": Field(choice("server"), default="server"),
        "assignee_id": Field(nullable(integer())),
        "auto_delete": Field(boolean, default=False),
    }
    body, project = parse(call.body, fields), call.project
    project.require_unique("primary_ips", body["name"])
    if (body["assignee_id"] is None) == (body["location"] is None):
        raise invalid("location", "exactly one of location and assignee_id is needed")
    require_limit(project, "primary_ip_limit")
    server = _free_for(project, body["assignee_id"], body["type"]) if body["assignee_id"] else None
    place = server["location"] if server else find_location(project, body["location"])["name"]
    ip = new_ip(project, body["name"], body["type"], place, auto_delete=body["auto_delete"], labels=body["labels"])
    action = _assign(project, ip, server) if server else None
    return 201, {"primary_ip": view_ip(project, ip), "action": action}


def require_limit(project: Project, name: str) -> None:
    """Refuse when a fault says that the account's limit is reached."""
    if project.world.faults.domain("limit", name=name):
        raise ApiError("resource_limit_exceeded", f"{name.replace('_', ' ')} exceeded", {"limits": [{"name": name}]})


def new_ip(project: Project, name: str, family: str, location: str, *, auto_delete: bool, labels: dict[str, str] | None = None) -> Resource:
    """Take an address from the pool."""
    world = project.world
    number = world.pool_number(family)
    address = world.hardware.ipv4(number) if family == "ipv4" else world.hardware.ipv6(number)
    new = {
        "name": name,
        "labels": labels or {},
        "created": world.now(),
        "blocked": False,
        "location": location,
        "ip": address,
        "dns_ptr": [{"ip": address, "dns_ptr": usual_pointer(address)}] if family == "ipv4" else [],
        "protection": {"delete": False},
        "type": family,
        "auto_delete": auto_delete,
        "assignee_type": "server",
        "assignee_id": None,
        "_number": number,
    }
    return project.add("primary_ips", new)


def _free_for(project: Project, server: int, family: str) -> Resource:
    """Return the server if it can be given an address of that family now."""
    found = project.get("servers", server)
    if found["status"] != "off":
        raise ApiError("server_not_stopped", "The specified server is running, but needs to be powered off")
    if any(ip["assignee_id"] == server and ip["type"] == family for ip in project.all("primary_ips")):
        raise ApiError(f"server_has_{family}", f"The server already has an {family} address")
    return found


def _assign(project: Project, ip: Resource, server: Resource) -> Resource:
    ip["assignee_id"] = server["id"]
    return _addresses_action(project, "assign_primary_ip", ip, server["id"])


def _addresses_action(project: Project, command: str, ip: Resource, server: int) -> Resource:
    addresses = machine_addresses(project, server)
    work = partial(project.world.hardware.set_addresses, server, [one for one in addresses if one])
    return view_action(project.act(command, [("primary_ip", ip["id"]), ("server", server)], seconds=0.5, work=work, locks=server))


def machine_addresses(project: Project, server: int) -> tuple[str | None, str | None]:
    """Return the addresses a server is to have: its IPv4, and the first of its IPv6 network."""
    own = {ip["type"]: ip["ip"] for ip in project.all("primary_ips") if ip["assignee_id"] == server}
    network = own.get("ipv6")
    return own.get("ipv4"), network.partition("/")[0] + "1" if network else None


def delete_ip(call: Call) -> Answer:
    """DELETE /primary_ips/{id}."""
    ip = call.project.get("primary_ips", call.id)
    if ip["protection"]["delete"]:
        raise ApiError("protected", "primary IP deletion is protected")
    if ip["assignee_id"] is not None:
        raise ApiError("must_be_unassigned", "primary IP must be unassigned")
    del call.project.data["primary_ips"][str(call.id)]
    call.project.touch()
    return 204, None


def assign_ip(call: Call) -> Answer:
    """POST /primary_ips/{id}/actions/assign."""
    ip = call.project.get("primary_ips", call.id)
    body = parse(call.body, {"assignee_id": Field(integer(), True), "assignee_type": Field(choice("server"), True)})
    if ip["assignee_id"] is not None:
        raise ApiError("primary_ip_already_assigned", "primary IP is already assigned to a server")
    server = _free_for(call.project, body["assignee_id"], ip["type"])
    if server["location"] != ip["location"]:
        raise ApiError("primary_ip_datacenter_mismatch", "primary IP is in a different location")
    return 201, {"action": _assign(call.project, ip, server)}


def unassign_ip(call: Call) -> Answer:
    """POST /primary_ips/{id}/actions/unassign."""
    ip = call.project.get("primary_ips", call.id)
    parse(call.body, {})
    if ip["assignee_id"] is None:
        raise invalid("id", "primary IP is not assigned")
    server = call.project.get("servers", ip["assignee_id"])
    if server["status"] != "off":
        raise ApiError("server_not_stopped", "The specified server is running, but needs to be powered off")
    ip["assignee_id"] = None
    return 201, {"action": _addresses_action(call.project, "unassign_primary_ip", ip, server["id"])}


def protect_ip(call: Call) -> Answer:
    """POST /primary_ips/{id}/actions/change_protection."""
    ip = call.project.get("primary_ips", call.id)
    ip["protection"] = parse(call.body, {"delete": Field(boolean, True)})
    return 201, {"action": view_action(call.project.act("change_protection", [("primary_ip", call.id)], seconds=0))}


def ip_pointer(call: Call) -> Answer:
    """POST /primary_ips/{id}/actions/change_dns_ptr."""
    ip = call.project.get("primary_ips", call.id)
    set_pointer(ip, parse(call.body, POINTER))
    return 201, {"action": view_action(call.project.act("change_dns_ptr", [("primary_ip", call.id)], seconds=0))}


def set_pointer(ip: Resource, body: dict[str, Any]) -> None:
    """Set or reset the reverse DNS of one address."""
    address = body["ip"]
    if ip["type"] == "ipv4" and address != ip["ip"]:
        raise invalid("ip", "is not an address of this primary IP")
    others = [one for one in ip["dns_ptr"] if one["ip"] != address]
    pointer = body["dns_ptr"]
    if pointer is None and ip["type"] == "ipv4":
        pointer = usual_pointer(address)
    ip["dns_ptr"] = others + ([{"ip": address, "dns_ptr": pointer}] if pointer else [])


# --- volumes


def view_volume(project: Project, volume: Resource) -> Resource:
    """Return a volume as the vendor shows it."""
    location = next(one for one in project.world.locations if one["name"] == volume["location"])
    return {**public(volume), "location": location, "linux_device": f"/dev/disk/by-id/scsi-0HC_Volume_{volume['id']}"}


list_volumes, get_volume, put_volume = alike("volumes", view_volume, filters=("name", "status"))


def create_volume(call: Call) -> Answer:
    """POST /volumes."""
    fields = {
        "name": Field(text(1, 64), True),
        "size": Field(integer(10, 10240), True),
        "labels": LABELS,
        "location": Field(reference),
        "server": Field(integer()),
        "format": Field(choice("ext4", "xfs")),
        "automount": Field(boolean),
    }
    body, project = parse(call.body, fields), call.project
    project.require_unique("volumes", body["name"])
    if (body["server"] is None) == (body["location"] is None):
        raise invalid("location", "exactly one of location and server is needed")
    if body["automount"] and not body["server"]:
        raise invalid("automount", "automount is only possible with a server")
    require_limit(project, "volume_limit")
    server = project.get("servers", body["server"]) if body["server"] else None
    place = server["location"] if server else find_location(project, body["location"])["name"]
    new = {"name": body["name"], "size": body["size"], "labels": body["labels"] or {}, "format": body["format"], "location": place}
    volume = project.add(
        "volumes", {**new, "created": project.world.now(), "server": server["id"] if server else None, "protection": {"delete": False}, "status": "creating"}
    )
    work = partial(project.world.hardware.make_volume, volume["id"], body["size"], body["format"])
    action = project.act("create_volume", [("volume", volume["id"])], seconds=0.5, work=work, patches=[("volumes", volume["id"], {"status": "available"})])
    following = [plug(project, volume["id"], server["id"], after=action)] if server else []
    return 201, {"volume": view_volume(project, volume), "action": view_action(action), "next_actions": following}


def plug(project: Project, volume: int, server: int, after: Resource | None = None) -> Resource:
    """Start attaching; return the action as shown. With the fault `volume` the device appears in the server so many seconds after the action's end."""
    work: Callable[[], Any] | None = partial(project.world.hardware.attach_volume, server, volume)
    late = project.world.faults.domain("volume", server=server)
    then = None
    if late is not None:
        timer = threading.Timer(float(late["seconds"]), _attach_once_up, (project.world.hardware, server, volume))
        timer.daemon = True
        work, then = None, timer.start
    about = [("server", server), ("volume", volume)]
    return view_action(project.act("attach_volume", about, seconds=0.5, work=work, after=after, locks=server, then=then))


def _attach_once_up(hardware: Hardware, server: int, volume: int) -> None:
    """A server that is just starting takes no device for a moment."""
    for _attempt in range(20):
        try:
            hardware.attach_volume(server, volume)
            break
        except LabError:
            time.sleep(0.5)


def attach_volume(call: Call) -> Answer:
    """POST /volumes/{id}/actions/attach."""
    volume = call.project.get("volumes", call.id)
    body = parse(call.body, {"server": Field(integer(), True), "automount": Field(boolean)})
    server = call.project.get("servers", body["server"])
    require_attachable(volume, server["location"])
    if call.project.locked(server["id"]):
        raise ApiError("locked", "server is locked")
    volume["server"] = server["id"]
    return 201, {"action": plug(call.project, call.id, server["id"])}


def require_attachable(volume: Resource, location: str) -> None:
    """Refuse a volume that is elsewhere or in use."""
    if volume["server"] is not None:
        raise ApiError("volume_already_attached", "volume is already attached")
    if volume["location"] != location:
        raise invalid("volumes", "volume is in a different location than the server")


def detach_volume(call: Call) -> Answer:
    """POST /volumes/{id}/actions/detach."""
    volume = call.project.get("volumes", call.id)
    parse(call.body, {})
    server = volume["server"]
    if server is None:
        raise invalid("id", "volume is not attached")
    if call.project.locked(server):
        raise ApiError("locked", "server is locked")
    volume["server"] = None
    work = partial(call.project.world.hardware.detach_volume, server, call.id)
    return 201, {"action": view_action(call.project.act("detach_volume", [("server", server), ("volume", call.id)], seconds=0.5, work=work, locks=server))}


def resize_volume(call: Call) -> Answer:
    """POST /volumes/{id}/actions/resize."""
    volume = call.project.get("volumes", call.id)
    size = parse(call.body, {"size": Field(integer(10, 10240), True)})["size"]
    if size <= volume["size"]:
        raise invalid("size", "must be greater than the current size")
    work = partial(call.project.world.hardware.make_volume, call.id, size, None)
    patches: list[Any] = [("volumes", call.id, {"size": size})]
    return 201, {"action": view_action(call.project.act("resize_volume", [("volume", call.id)], seconds=0.5, work=work, patches=patches))}


def protect_volume(call: Call) -> Answer:
    """POST /volumes/{id}/actions/change_protection."""
    volume = call.project.get("volumes", call.id)
    volume["protection"] = parse(call.body, {"delete": Field(boolean, default=volume["protection"]["delete"])})
    return 201, {"action": view_action(call.project.act("change_protection", [("volume", call.id)], seconds=0))}


def delete_volume(call: Call) -> Answer:
    """DELETE /volumes/{id}."""
    volume = call.project.get("volumes", call.id)
    if volume["protection"]["delete"]:
        raise ApiError("protected", "volume deletion is protected")
    if volume["server"] is not None:
        raise ApiError("resource_in_use", "volume is still attached to a server")
    del call.project.data["volumes"][str(call.id)]
    call.project.touch()
    call.project.world.submit(partial(call.project.world.hardware.remove_volume, call.id), None)
    return 204, None
