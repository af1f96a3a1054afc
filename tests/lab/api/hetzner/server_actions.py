# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a server: power, type, image, protection, names."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from . import extras, persistent
from .basics import Answer, find_image, find_server_type, require_orderable, view_action
from .errors import ApiError, invalid
from .gate import Call
from .networks import attach, leave
from .schema import LABELS, Field, boolean, choice, integer, many, parse, reference, text, user_data
from .servers import image_folder
from .world import Patch, Resource, public

REBOOT_BUDGET = 30.0


def _server(call: Call) -> Resource:
    """Return the server, refusing one that another action holds."""
    server = call.project.get("servers", call.id)
    if call.project.locked(call.id):
        raise ApiError("locked", "server is locked")
    return server


def _act(call: Call, command: str, **more: Any) -> Resource:
    return view_action(call.project.act(command, [("server", call.id)], locks=call.id, **more))


def _power(command: str, during: str | None, after: str | None, method: str, seconds: float) -> Callable[[Call], Answer]:
    """Return the endpoint of a power action: the status meanwhile, the status afterwards, what the machine is told."""

    def endpoint(call: Call) -> Answer:
        server = _server(call)
        parse(call.body, {})
        before = server["status"]
        if during:
            server["status"] = during
        patches: list[Patch] = [("servers", call.id, {"status": after})] if after else []
        work = partial(getattr(call.project.world.hardware, method), call.id)
        action = _act(call, command, seconds=seconds, work=work, patches=patches, on_error=[("servers", call.id, {"status": before})])
        return 201, {"action": action}

    return endpoint


power_on = _power("start_server", "starting", "running", "power_on", 1.0)
power_off = _power("stop_server", "stopping", "off", "power_off", 1.0)
reset = _power("reset_server", None, "running", "reset", 1.0)
# Success only means that the button was pressed; the status follows when the machine is off.
shutdown = _power("shutdown_server", None, None, "shutdown", 0.5)


def reboot(call: Call) -> Answer:
    """POST /servers/{id}/actions/reboot."""
    _server(call)
    parse(call.body, {})
    hardware = call.project.world.hardware

    def work() -> None:
        hardware.shutdown(call.id)
        deadline = time.monotonic() + REBOOT_BUDGET
        while hardware.running(call.id) and not hardware.inline and time.monotonic() < deadline:
            time.sleep(0.2)
        hardware.reset(call.id)

    return 201, {"action": _act(call, "reboot_server", work=work, patches=[("servers", call.id, {"status": "running"})])}


def rebuild(call: Call) -> Answer:
    """POST /servers/{id}/actions/rebuild."""
    server = _server(call)
    body = parse(call.body, {"image": Field(reference, True), "user_data": Field(user_data)})
    if server["protection"]["rebuild"]:
        raise ApiError("protected", "server rebuild is protected")
    server_type = find_server_type(call.project, server["server_type"])
    image = find_image(call.project, body["image"], server_type["architecture"])
    data = server["_user_data"] if body["user_data"] is None else body["user_data"]
    server["status"] = "rebuilding"
    hardware, folder = call.project.world.hardware, image_folder(call.project, image)

    def work() -> None:
        hardware.power_off(call.id)
        hardware.rebuild(call.id, data, folder)
        hardware.power_on(call.id)

    patches: list[Patch] = [("servers", call.id, {"status": "running", "image": image, "_user_data": data})]
    action = _act(call, "rebuild_server", work=work, patches=patches, on_error=[("servers", call.id, {"status": "off"})])
    return 201, {"action": action, "root_password": None if server["_keys"] or data else secrets.token_urlsafe(12)}


def change_type(call: Call) -> Answer:
    """POST /servers/{id}/actions/change_type."""
    server = _server(call)
    body = parse(call.body, {"server_type": Field(reference, True), "upgrade_disk": Field(boolean, True)})
    wanted, present = find_server_type(call.project, body["server_type"]), find_server_type(call.project, server["server_type"])
    if server["status"] != "off":
        raise ApiError("server_not_stopped", "server must be stopped before changing its type")
    if wanted["architecture"] != present["architecture"] or wanted["disk"] < server["primary_disk_size"] or wanted["id"] == present["id"]:
        raise ApiError("invalid_server_type", "the server type does not fit for the given server")
    require_orderable(call.project, wanted, server["location"])
    server["status"] = "migrating"
    disk = {"primary_disk_size": wanted["disk"]} if body["upgrade_disk"] else {}
    patches: list[Patch] = [("servers", call.id, {"status": "off", "server_type": wanted["name"], **disk})]
    action = _act(call, "change_server_type", seconds=2.0, patches=patches, on_error=[("servers", call.id, {"status": "off"})])
    return 201, {"action": action}


def change_protection(call: Call) -> Answer:
    """POST /servers/{id}/actions/change_protection."""
    server = call.project.get("servers", call.id)
    body = parse(
        call.body, {"delete": Field(boolean, default=server["protection"]["delete"]), "rebuild": Field(boolean, default=server["protection"]["rebuild"])}
    )
    if body["delete"] != body["rebuild"]:
        raise invalid("rebuild", "delete and rebuild protection must be the same")
    server["protection"] = body
    return 201, {"action": view_action(call.project.act("change_protection", [("server", call.id)], seconds=0))}


def change_dns_ptr(call: Call) -> Answer:
    """POST /servers/{id}/actions/change_dns_ptr."""
    call.project.get("servers", call.id)
    body = parse(call.body, persistent.POINTER)
    family = "ipv6" if ":" in body["ip"] else "ipv4"
    own = [ip for ip in call.project.all("primary_ips") if ip["assignee_id"] == call.id and ip["type"] == family]
    if not own:
        raise invalid("ip", "is not an address of this server")
    persistent.set_pointer(own[0], body)
    return 201, {"action": view_action(call.project.act("change_dns_ptr", [("server", call.id)], seconds=0))}


def create_image(call: Call) -> Answer:
    """POST /servers/{id}/actions/create_image."""
    server = _server(call)
    fields = {"description": Field(text(0, 255)), "type": Field(choice("snapshot", "backup"), default="snapshot"), "labels": LABELS}
    body, project = parse(call.body, fields), call.project
    base = server["image"]
    new = {
        **(base or {}),
        "type": body["type"],
        "status": "creating",
        "name": None,
        "description": body["description"] or f"{body['type']} of {server['name']}",
        "image_size": None,
        "disk_size": server["primary_disk_size"],
        "created": project.world.now(),
        "created_from": {"id": call.id, "name": server["name"]},
        "bound_to": call.id if body["type"] == "backup" else None,
        "rapid_deploy": False,
        "labels": body["labels"] or {},
        "protection": {"delete": False},
    }
    new.pop("id", None)
    image = project.add("images", new)

    def work() -> None:
        folder = project.world.hardware.snapshot(call.id, image["id"])
        image["_folder"] = str(folder) if folder else None

    patches: list[Patch] = [("images", image["id"], {"status": "available", "image_size": 1.2})]
    action = project.act(
        "create_image", [("server", call.id), ("image", image["id"])], work=work, patches=patches, on_error=[("images", image["id"], None)], locks=call.id
    )
    return 201, {"image": public(image), "action": view_action(action)}


def enable_rescue(call: Call) -> Answer:
    """POST /servers/{id}/actions/enable_rescue."""
    server = _server(call)
    parse(call.body, {"type": Field(choice("linux64"), default="linux64"), "ssh_keys": Field(many(integer()), default=[])})
    server["rescue_enabled"] = True
    return 201, {"action": _act(call, "enable_rescue", seconds=0), "root_password": secrets.token_urlsafe(12)}


def disable_rescue(call: Call) -> Answer:
    """POST /servers/{id}/actions/disable_rescue."""
    server = _server(call)
    server["rescue_enabled"] = False
    return 201, {"action": _act(call, "disable_rescue", seconds=0)}


def enable_backup(call: Call) -> Answer:
    """POST /servers/{id}/actions/enable_backup."""
    _server(call)["backup_window"] = "22-02"
    return 201, {"action": _act(call, "enable_backup", seconds=0)}


def disable_backup(call: Call) -> Answer:
    """POST /servers/{id}/actions/disable_backup."""
    _server(call)["backup_window"] = None
    return 201, {"action": _act(call, "disable_backup", seconds=0)}


def attach_to_network(call: Call) -> Answer:
    """POST /servers/{id}/actions/attach_to_network."""
    server = _server(call)
    fields = {"network": Field(integer(), True), "ip": Field(text(1)), "alias_ips": Field(many(text(1)), default=[]), "ip_range": Field(text(1))}
    body = parse(call.body, fields)
    attach(call.project, server, call.project.get("networks", body["network"]), body["ip"], body["alias_ips"], body["ip_range"])
    return 201, {"action": view_action(call.project.act("attach_to_network", [("server", call.id), ("network", body["network"])], seconds=0.3))}


def detach_from_network(call: Call) -> Answer:
    """POST /servers/{id}/actions/detach_from_network."""
    server = _server(call)
    network = parse(call.body, {"network": Field(integer(), True)})["network"]
    leave(server, network)
    return 201, {"action": view_action(call.project.act("detach_from_network", [("server", call.id), ("network", network)], seconds=0.3))}


def change_alias_ips(call: Call) -> Answer:
    """POST /servers/{id}/actions/change_alias_ips."""
    server = _server(call)
    body = parse(call.body, {"network": Field(integer(), True), "alias_ips": Field(many(text(1)), True)})
    joined = next((one for one in server["private_net"] if one["network"] == body["network"]), None)
    if joined is None:
        raise invalid("network", "server is not attached to the network")
    joined["alias_ips"] = body["alias_ips"]
    return 201, {"action": view_action(call.project.act("change_alias_ips", [("server", call.id), ("network", body["network"])], seconds=0.3))}


def add_to_placement_group(call: Call) -> Answer:
    """POST /servers/{id}/actions/add_to_placement_group."""
    server = _server(call)
    group = call.project.get("placement_groups", parse(call.body, {"placement_group": Field(integer(), True)})["placement_group"])
    if server["placement_group"] is not None:
        raise ApiError("already_in_placement_group", "server is already part of a placement group")
    if server["status"] != "off":
        raise ApiError("server_not_stopped", "server must be stopped before it is added to a placement group")
    extras.require_room(call.project, group)
    server["placement_group"] = group["id"]
    return 201, {"action": _act(call, "add_to_placement_group", seconds=0.3)}


def remove_from_placement_group(call: Call) -> Answer:
    """POST /servers/{id}/actions/remove_from_placement_group."""
    server = _server(call)
    parse(call.body, {})
    if server["placement_group"] is None:
        raise ApiError("not_found", "server is not in a placement group")
    server["placement_group"] = None
    return 201, {"action": _act(call, "remove_from_placement_group", seconds=0.3)}
