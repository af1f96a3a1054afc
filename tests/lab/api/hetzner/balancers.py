# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers: what is balanced where. In a lab a real HAProxy forwards and judges the targets; without machines nobody's health is known."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from . import catalogue, persistent, wiring
from .basics import Answer, alike, by_id, find_location, view_action
from .errors import ApiError, invalid
from .gate import Call
from .networks import leave, pick_address
from .query import listing, selects
from .schema import LABELS, Field, boolean, choice, integer, many, nested, nullable, parse, reference, text
from .world import Project, Resource, public

PORT = integer(1, 65535)
_CHECK_HTTP = {
    "domain": Field(nullable(text(0, 128))),
    "path": Field(text(1, 256)),
    "response": Field(text(0, 256)),
    "status_codes": Field(many(text(1, 3), 20)),
    "tls": Field(boolean),
}
_HEALTH = {
    "protocol": Field(choice("tcp", "http")),
    "port": Field(PORT),
    "interval": Field(integer(3, 60)),
    "timeout": Field(integer(1, 60)),
    "retries": Field(integer(1, 5)),
    "http": Field(nested(_CHECK_HTTP)),
}
_HTTP = {
    "cookie_name": Field(text(1, 100)),
    "cookie_lifetime": Field(integer(30, 86400)),
    "certificates": Field(many(integer())),
    "redirect_http": Field(boolean),
    "sticky_sessions": Field(boolean),
    "timeout_idle": Field(integer(30, 300)),
}
_SERVICE = {
    "protocol": Field(choice("tcp", "http", "https")),
    "listen_port": Field(PORT, True),
    "destination_port": Field(PORT),
    "proxyprotocol": Field(boolean),
    "health_check": Field(nested(_HEALTH)),
    "http": Field(nested(_HTTP)),
}
_USUAL_PORTS = {"http": 80, "https": 80}
_USUAL_HTTP = {
    "cookie_name": "HCLBSTICKY",
    "cookie_lifetime": 300,
    "certificates": [],
    "redirect_http": False,
    "sticky_sessions": False,
    "timeout_idle": 50,
}
_USUAL_CHECK = {"domain": "", "path": "/", "response": "", "status_codes": ["2??", "3??"], "tls": False}
_ALGORITHM = {"type": Field(choice("round_robin", "least_connections"), True)}


def selector(name: str, value: Any) -> str:
    """Accept a label selector."""
    found = str(text(1, 1000)(name, value))
    selects(found)
    return found


def address(name: str, value: Any) -> str:
    """Accept an address."""
    try:
        return str(ip_address(value))
    except ValueError as error:
        raise invalid(name, "must be an IP address") from error


_TARGET: dict[str, Field] = {
    "type": Field(choice("server", "label_selector", "ip"), True),
    "server": Field(nested({"id": Field(integer(), True)})),
    "label_selector": Field(nested({"selector": Field(selector, True)})),
    "ip": Field(nested({"ip": Field(address, True)})),
}
_NEW_TARGET = _TARGET | {"use_private_ip": Field(boolean, default=False)}


# --- types


def list_types(call: Call) -> Answer:
    """GET /load_balancer_types."""
    return 200, listing("load_balancer_types", catalogue.load_balancer_types(), call.query, sorts=("id",))


def get_type(call: Call) -> Answer:
    """GET /load_balancer_types/{id}."""
    return 200, {"load_balancer_type": by_id(catalogue.load_balancer_types(), call.id, "load balancer type")}


def _type(wanted: str) -> Resource:
    found = next((one for one in catalogue.load_balancer_types() if wanted in (str(one["id"]), one["name"])), None)
    if found is None:
        raise invalid("load_balancer_type", "load balancer type not found")
    return found


# --- load balancers


def view_balancer(project: Project, balancer: Resource) -> Resource:
    """Return a load balancer as the vendor shows it."""
    kind = _type(balancer["load_balancer_type"])
    return {
        **public(balancer),
        "location": next(one for one in project.world.locations if one["name"] == balancer["location"]),
        "load_balancer_type": kind,
        "targets": [_view_target(project, balancer, one) for one in balancer["targets"]],
        "included_traffic": next(one["included_traffic"] for one in kind["prices"] if one["location"] == balancer["location"]),
    }


def _view_target(project: Project, balancer: Resource, target: Resource) -> Resource:
    if target["type"] == "ip":
        return {"type": "ip", "ip": target["ip"], "health_status": _health(project, balancer, wiring.target_name(target))}
    if target["type"] == "server":
        return _view_server(project, balancer, target["server"]["id"], target["use_private_ip"])
    chosen = selects(target["label_selector"]["selector"])
    servers = [one["id"] for one in project.all("servers") if chosen(one["labels"])]
    return {
        "type": "label_selector",
        "label_selector": target["label_selector"],
        "targets": [_view_server(project, balancer, one, target["use_private_ip"]) for one in servers],
        "use_private_ip": target["use_private_ip"],
    }


def _view_server(project: Project, balancer: Resource, server: int, private: bool) -> Resource:
    ip = wiring.target_address(project, balancer, server, private)
    health = _health(project, balancer, f"s{server}")
    return {"type": "server", "server": {"id": server, "ip": ip or ""}, "health_status": health, "use_private_ip": private}


def _health(project: Project, balancer: Resource, target: str) -> list[Resource]:
    known = project.world.hardware.health(balancer["id"])
    return [{"listen_port": one["listen_port"], "status": known.get((one["listen_port"], target), "unknown")} for one in balancer["services"]]


list_balancers, get_balancer, put_balancer = alike("load_balancers", view_balancer)


def create_balancer(call: Call) -> Answer:
    """POST /load_balancers."""
    fields = {
        "name": Field(text(1, 128), True),
        "load_balancer_type": Field(reference, True),
        "algorithm": Field(nested(_ALGORITHM), default={"type": "round_robin"}),
        "services": Field(many(nested(_SERVICE)), default=[]),
        "targets": Field(many(nested(_NEW_TARGET)), default=[]),
        "labels": LABELS,
        "public_interface": Field(boolean, default=True),
        "network": Field(integer()),
        "network_zone": Field(text(1)),
        "location": Field(reference),
    }
    body, project = parse(call.body, fields), call.project
    project.require_unique("load_balancers", body["name"])
    kind, place = _type(body["load_balancer_type"]), _place(project, body["location"], body["network_zone"])
    persistent.require_limit(project, "load_balancer_limit")
    new = {
        "name": body["name"],
        "public_net": {"enabled": body["public_interface"]},
        "private_net": [],
        "location": place,
        "load_balancer_type": kind["name"],
        "protection": {"delete": False},
        "labels": body["labels"] or {},
        "created": project.world.now(),
        "services": [],
        "targets": [],
        "algorithm": body["algorithm"],
        "outgoing_traffic": None,
        "ingoing_traffic": None,
    }
    balancer = project.add("load_balancers", new)
    used = {one.get("_number") for each in project.world.projects() for one in each.all("load_balancers")}
    balancer["_number"] = next(number for number in range(len(used) + 1) if number not in used)
    four, six = project.world.hardware.balancer_addresses(balancer["_number"])
    balancer["public_net"] |= {"ipv4": {"ip": four, "dns_ptr": persistent.usual_pointer(four)}, "ipv6": {"ip": six, "dns_ptr": None}}
    try:
        if body["network"]:
            _join(project, balancer, body["network"], None, None)
        for service in body["services"]:
            _add_service(project, balancer, service)
        for target in body["targets"]:
            _add_target(project, balancer, target)
    except ApiError:
        del project.data["load_balancers"][str(balancer["id"])]
        raise
    return 201, {"load_balancer": view_balancer(project, balancer), "action": _act(call, "create_load_balancer", balancer)}


def _place(project: Project, location: str | None, zone: str | None) -> str:
    if (location is None) == (zone is None):
        raise invalid("location", "exactly one of location and network_zone is needed")
    if location is not None:
        return str(find_location(project, location)["name"])
    found = next((one["name"] for one in project.world.locations if one["network_zone"] == zone), None)
    if found is None:
        raise invalid("network_zone", "network zone not found")
    return str(found)


def _act(call: Call, command: str, balancer: Resource) -> Resource:
    return view_action(call.project.act(command, [("load_balancer", balancer["id"])], seconds=0.5))


def _balancer(call: Call, fields: dict[str, Field]) -> tuple[Resource, dict[str, Any]]:
    return call.project.get("load_balancers", call.id), parse(call.body, fields)


def delete_balancer(call: Call) -> Answer:
    """DELETE /load_balancers/{id}."""
    balancer = call.project.get("load_balancers", call.id)
    if balancer["protection"]["delete"]:
        raise ApiError("protected", "load balancer deletion is protected")
    del call.project.data["load_balancers"][str(call.id)]
    return 201, {"action": _act(call, "delete_load_balancer", balancer)}


# --- services


def _usual(service: dict[str, Any]) -> Resource:
    """Fill in what was not said."""
    protocol = service["protocol"] or "tcp"
    port = service["destination_port"] or _USUAL_PORTS.get(protocol) or service["listen_port"]
    health = {key: value for key, value in (service["health_check"] or {}).items() if value is not None}
    checked = health.pop("protocol", "tcp" if protocol == "tcp" else "http")
    check = {"protocol": checked, "port": port, "interval": 15, "timeout": 10, "retries": 3, **health}
    http = {key: value for key, value in (service["http"] or {}).items() if value is not None}
    if checked == "http":
        check["http"] = _USUAL_CHECK | {key: value for key, value in health.get("http", {}).items() if value is not None}
    found = {
        "protocol": protocol,
        "listen_port": service["listen_port"],
        "destination_port": port,
        "proxyprotocol": bool(service["proxyprotocol"]),
        "health_check": check,
    }
    return found if protocol == "tcp" else {**found, "http": _USUAL_HTTP | http}


def _require_sound(project: Project, service: Resource) -> None:
    if service["health_check"]["timeout"] > service["health_check"]["interval"]:
        raise invalid("health_check.timeout", "must not be longer than the interval")
    certificates = service.get("http", {}).get("certificates", [])
    for number in certificates:
        if str(number) not in project.data["certificates"]:
            raise invalid("http.certificates", f"certificate with ID '{number}' not found")
    if service["protocol"] == "https" and not certificates:
        raise invalid("http.certificates", "a service with protocol https needs a certificate")


def _add_service(project: Project, balancer: Resource, given: dict[str, Any]) -> None:
    if any(one["listen_port"] == given["listen_port"] for one in balancer["services"]):
        raise ApiError("source_port_already_used", "the source port you are trying to add is already in use")
    service = _usual(given)
    _require_sound(project, service)
    if len(balancer["services"]) >= _type(balancer["load_balancer_type"])["max_services"]:
        raise ApiError("resource_limit_exceeded", "the load balancer's type allows no more services", {"limits": [{"name": "max_services"}]})
    balancer["services"].append(service)


def add_service(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/add_service."""
    balancer, body = _balancer(call, _SERVICE)
    _add_service(call.project, balancer, body)
    return 201, {"action": _act(call, "add_service", balancer)}


def _service_at(balancer: Resource, port: int) -> Resource:
    found = next((one for one in balancer["services"] if one["listen_port"] == port), None)
    if found is None:
        raise ApiError("not_found", f"service with listen port '{port}' not found")
    return dict(found)


def update_service(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/update_service: what is not given stays."""
    balancer, body = _balancer(call, _SERVICE)
    present = _service_at(balancer, body["listen_port"])
    merged = {**dict.fromkeys(_SERVICE), **present}
    for key, value in body.items():
        if isinstance(value, dict):
            merged[key] = {**(merged[key] or {}), **{name: item for name, item in value.items() if item is not None}}
        elif value is not None:
            merged[key] = value
    service = _usual(merged)
    _require_sound(call.project, service)
    balancer["services"] = [service if one["listen_port"] == body["listen_port"] else one for one in balancer["services"]]
    return 201, {"action": _act(call, "update_service", balancer)}


def delete_service(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/delete_service."""
    balancer, body = _balancer(call, {"listen_port": Field(PORT, True)})
    balancer["services"].remove(_service_at(balancer, body["listen_port"]))
    return 201, {"action": _act(call, "delete_service", balancer)}


# --- targets


def _same(one: Resource, other: Resource) -> bool:
    return bool(one["type"] == other["type"] and one[one["type"]] == other[other["type"]])


def _add_target(project: Project, balancer: Resource, target: dict[str, Any]) -> None:
    if target[target["type"]] is None:
        raise invalid(target["type"], "is needed for a target of this type")
    if any(_same(one, target) for one in balancer["targets"]):
        raise ApiError("target_already_defined", "target is already defined")
    if target["type"] == "server" and str(target["server"]["id"]) not in project.data["servers"]:
        raise invalid("server", "server not found")
    if target["use_private_ip"] and target["type"] == "ip":
        raise invalid("use_private_ip", "is only valid for targets of type server and label_selector")
    if target["use_private_ip"] and not balancer["private_net"]:
        raise ApiError("load_balancer_not_attached_to_network", "the load balancer is not attached to a network")
    if not target["use_private_ip"] and not balancer["public_net"]["enabled"]:
        raise ApiError("load_balancer_public_interface_disabled", "the load balancer's public network interface is disabled")
    if target["type"] == "server":
        _require_reachable(project, balancer, target["server"]["id"], target["use_private_ip"])
    if _width(project, [*balancer["targets"], target]) > _type(balancer["load_balancer_type"])["max_targets"]:
        raise ApiError("resource_limit_exceeded", "the load balancer's type allows no more targets", {"limits": [{"name": "max_targets"}]})
    balancer["targets"].append(target)


def _require_reachable(project: Project, balancer: Resource, server: int, private: bool) -> None:
    if wiring.target_address(project, balancer, server, private) is not None:
        return
    if private:
        raise ApiError("resolve_cloud_private_targets_error", "the server is not attached to the same network as the load balancer")
    raise ApiError("resolve_cloud_public_targets_error", "the server does not have a public IPv4 address")


def _width(project: Project, targets: list[Resource]) -> int:
    """Count targets as the type's limit does: a selector with every server that it chooses."""
    count = 0
    for one in targets:
        chosen = selects(one["label_selector"]["selector"]) if one["type"] == "label_selector" else None
        count += 1 if chosen is None else sum(chosen(server["labels"]) for server in project.all("servers"))
    return count


def add_target(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/add_target."""
    balancer, body = _balancer(call, _NEW_TARGET)
    _add_target(call.project, balancer, body)
    return 201, {"action": _act(call, "add_target", balancer)}


def remove_target(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/remove_target."""
    balancer, body = _balancer(call, _TARGET)
    kept = [one for one in balancer["targets"] if not _same(one, body)]
    if kept == balancer["targets"]:
        raise ApiError("not_found", "target not found")
    balancer["targets"] = kept
    return 201, {"action": _act(call, "remove_target", balancer)}


# --- networks and the rest


def _join(project: Project, balancer: Resource, network: int, ip: str | None, ip_range: str | None) -> None:
    if balancer["private_net"]:
        raise ApiError("load_balancer_already_attached", "the load balancer is already attached to a network")
    ip = pick_address(project, balancer, project.get("networks", network), ip, ip_range)
    balancer["private_net"].append({"network": network, "ip": ip})


def attach_to_network(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/attach_to_network."""
    balancer, body = _balancer(call, {"network": Field(integer(), True), "ip": Field(text(1)), "ip_range": Field(text(1))})
    _join(call.project, balancer, body["network"], body["ip"], body["ip_range"])
    return 201, {"action": _act(call, "attach_to_network", balancer)}


def detach_from_network(call: Call) -> Answer:
    """POST /load_balancers/{id}/actions/detach_from_network."""
    balancer, body = _balancer(call, {"network": Field(integer(), True)})
    leave(balancer, body["network"])
    return 201, {"action": _act(call, "detach_from_network", balancer)}


def _set(command: str, fields: dict[str, Field], change: Any) -> Any:
    """Return the endpoint of an action that changes one thing."""

    def endpoint(call: Call) -> Answer:
        balancer, body = _balancer(call, fields)
        balancer.update(change(balancer, body))
        return 201, {"action": _act(call, command, balancer)}

    return endpoint


def _public(enabled: bool) -> Any:
    def change(balancer: Resource, _body: dict[str, Any]) -> Resource:
        if not enabled and not balancer["private_net"]:
            raise ApiError("load_balancer_not_attached_to_network", "the load balancer is not attached to a network")
        if not enabled and not all(one["use_private_ip"] for one in balancer["targets"]):
            raise ApiError("targets_without_use_private_ip", "the load balancer has targets that use the public IP")
        return {"public_net": {**balancer["public_net"], "enabled": enabled}}

    return change


def _pointer(balancer: Resource, body: dict[str, Any]) -> Resource:
    net = balancer["public_net"]
    family = next((one for one in ("ipv4", "ipv6") if net[one]["ip"] == body["ip"]), None)
    if family is None:
        raise invalid("ip", "is not an address of this load balancer")
    usual = persistent.usual_pointer(body["ip"]) if family == "ipv4" else None
    return {"public_net": {**net, family: {"ip": body["ip"], "dns_ptr": body["dns_ptr"] or usual}}}


def _resized(balancer: Resource, body: dict[str, Any]) -> Resource:
    kind = _type(body["load_balancer_type"])
    if len(balancer["services"]) > kind["max_services"] or len(balancer["targets"]) > kind["max_targets"]:
        raise ApiError("invalid_load_balancer_type", "the load balancer type does not fit for the given load balancer")
    return {"load_balancer_type": kind["name"]}


change_algorithm = _set("change_algorithm", _ALGORITHM, lambda _balancer, body: {"algorithm": body})
change_type = _set("change_load_balancer_type", {"load_balancer_type": Field(reference, True)}, _resized)
change_protection = _set("change_protection", {"delete": Field(boolean, True)}, lambda _balancer, body: {"protection": body})
change_dns_ptr = _set("change_dns_ptr", persistent.POINTER, _pointer)
enable_public_interface = _set("enable_public_interface", {}, _public(True))
disable_public_interface = _set("disable_public_interface", {}, _public(False))
