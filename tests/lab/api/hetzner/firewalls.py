# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls: rules as data, applied to servers directly or by label, effective in front of the real ones."""

from __future__ import annotations

from typing import Any

from .basics import Answer, alike, view_action
from .errors import ApiError, invalid
from .gate import Call
from .query import selects
from .schema import LABELS, Field, choice, cidr, integer, many, nested, nullable, parse, port, text
from .world import Project, Resource, public

_RULE = {
    "direction": Field(choice("in", "out"), True),
    "protocol": Field(choice("tcp", "udp", "icmp", "esp", "gre"), True),
    "port": Field(nullable(port)),
    "source_ips": Field(many(cidr, 100), default=[]),
    "destination_ips": Field(many(cidr, 100), default=[]),
    "description": Field(nullable(text(0, 255))),
}
_TARGET = {
    "type": Field(choice("server", "label_selector"), True),
    "server": Field(nested({"id": Field(integer(), True)})),
    "label_selector": Field(nested({"selector": Field(text(1), True)})),
}
_RULES = Field(many(nested(_RULE), 50), default=[])


def _view(project: Project, firewall: Resource) -> Resource:
    direct = [{"type": "server", "server": {"id": server}} for server in firewall["_servers"]]
    by_label = []
    for selector in firewall["_selectors"]:
        test = selects(selector)
        found = [{"type": "server", "server": {"id": one["id"]}} for one in project.all("servers") if test(one["labels"])]
        by_label.append({"type": "label_selector", "label_selector": {"selector": selector}, "applied_to_resources": found})
    return {**public(firewall), "applied_to": [*direct, *by_label]}


list_firewalls, get_firewall, put_firewall = alike("firewalls", _view)


def create_firewall(call: Call) -> Answer:
    """POST /firewalls."""
    project = call.project
    fields = {"name": Field(text(1, 128), True), "labels": LABELS, "rules": _RULES, "apply_to": Field(many(nested(_TARGET)), default=[])}
    body = parse(call.body, fields)
    rules = _checked(body["rules"])
    project.require_unique("firewalls", body["name"])
    servers, selectors = _targets(project, body["apply_to"])
    if len(set(servers)) != len(servers):
        raise ApiError("server_already_added", "server is applied more than once")
    new = {"name": body["name"], "labels": body["labels"] or {}, "created": project.world.now(), "rules": rules}
    firewall = project.add("firewalls", {**new, "_servers": servers, "_selectors": selectors})
    actions = [_apply(project, firewall, server) for server in members(project, firewall)]
    return 201, {"firewall": _view(project, firewall), "actions": [_rules_action(project, firewall), *actions]}


def delete_firewall(call: Call) -> Answer:
    """DELETE /firewalls/{id}."""
    firewall = call.project.get("firewalls", call.id)
    if firewall["_servers"] or firewall["_selectors"]:
        raise ApiError("resource_in_use", "firewall is still in use")
    del call.project.data["firewalls"][str(call.id)]
    call.project.touch()
    return 204, None


def set_rules(call: Call) -> Answer:
    """POST /firewalls/{id}/actions/set_rules."""
    firewall = call.project.get("firewalls", call.id)
    body = parse(call.body, {"rules": Field(_RULES.check, True)})
    firewall["rules"] = _checked(body["rules"])
    actions = [_apply(call.project, firewall, server) for server in members(call.project, firewall)]
    return 201, {"actions": [_rules_action(call.project, firewall), *actions]}


def apply_to_resources(call: Call) -> Answer:
    """POST /firewalls/{id}/actions/apply_to_resources."""
    project, firewall = call.project, call.project.get("firewalls", call.id)
    servers, selectors = _targets(project, parse(call.body, {"apply_to": Field(many(nested(_TARGET)), True)})["apply_to"])
    if set(servers) & set(firewall["_servers"]) or set(selectors) & set(firewall["_selectors"]):
        raise ApiError("firewall_already_applied", "firewall is already applied to the resource")
    before = set(members(project, firewall))
    firewall["_servers"] += servers
    firewall["_selectors"] += selectors
    return 201, {"actions": [_apply(project, firewall, server) for server in members(project, firewall) if server not in before]}


def remove_from_resources(call: Call) -> Answer:
    """POST /firewalls/{id}/actions/remove_from_resources."""
    project, firewall = call.project, call.project.get("firewalls", call.id)
    servers, selectors = _targets(project, parse(call.body, {"remove_from": Field(many(nested(_TARGET)), True)})["remove_from"])
    before = members(project, firewall)
    for server in servers:
        if server not in firewall["_servers"]:
            managed = server in before
            code = "firewall_managed_by_label_selector" if managed else "firewall_resource_not_found"
            raise ApiError(code, "firewall is managed by a label selector" if managed else "firewall is not applied to the server")
    firewall["_servers"] = [one for one in firewall["_servers"] if one not in servers]
    firewall["_selectors"] = [one for one in firewall["_selectors"] if one not in selectors]
    after = members(project, firewall)
    return 201, {"actions": [_apply(project, firewall, server, "remove_firewall") for server in before if server not in after]}


def _targets(project: Project, targets: list[dict[str, Any]]) -> tuple[list[int], list[str]]:
    servers, selectors = [], []
    for target in targets:
        if target[target["type"]] is None:
            raise invalid(f"apply_to.{target['type']}", "Missing data for required field.")
        if target["type"] == "server":
            if str(target["server"]["id"]) not in project.data["servers"]:
                raise ApiError("firewall_resource_not_found", "server not found")
            servers.append(target["server"]["id"])
        else:
            selects(target["label_selector"]["selector"])
            selectors.append(target["label_selector"]["selector"])
    return servers, selectors


def _checked(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refuse what is well-formed but makes no sense: a rule without a side, a port where there is none."""
    for position, rule in enumerate(rules):
        side, other = ("source_ips", "destination_ips") if rule["direction"] == "in" else ("destination_ips", "source_ips")
        if not rule[side]:
            raise invalid(f"rules.{position}.{side}", f"{side} is required for direction {rule['direction']}")
        if rule[other]:
            raise invalid(f"rules.{position}.{other}", f"{other} must be empty for direction {rule['direction']}")
        if (rule["protocol"] in ("tcp", "udp")) != (rule["port"] is not None):
            raise invalid(f"rules.{position}.port", "port is required for tcp and udp, and only for them")
    return rules


def members(project: Project, firewall: Resource) -> list[int]:
    """Return the ids of the servers a firewall stands before."""
    chosen = [selects(selector) for selector in firewall["_selectors"]]
    by_label = [server["id"] for server in project.all("servers") if any(test(server["labels"]) for test in chosen)]
    return sorted({*firewall["_servers"], *by_label})


def firewalls_of(project: Project, server: int) -> list[Resource]:
    """Return the firewalls before one server."""
    return [firewall for firewall in project.all("firewalls") if server in members(project, firewall)]


def rules_of(project: Project, server: int) -> list[dict[str, Any]] | None:
    """Return the rules before one server; None when there is no firewall, which lets everything through."""
    firewalls = firewalls_of(project, server)
    return [rule for firewall in firewalls for rule in firewall["rules"]] if firewalls else None


def refresh(project: Project, server: int) -> None:
    """Have the machines filter by the rules as they are now."""
    rules = rules_of(project, server)
    project.world.submit(lambda: project.world.hardware.set_firewall(server, rules), None)


def _apply(project: Project, firewall: Resource, server: int, command: str = "apply_firewall") -> Resource:
    rules = rules_of(project, server)

    def work() -> None:
        project.world.hardware.set_firewall(server, rules)

    return view_action(project.act(command, [("firewall", firewall["id"]), ("server", server)], seconds=0.3, work=work))


def _rules_action(project: Project, firewall: Resource) -> Resource:
    return view_action(project.act("set_firewall_rules", [("firewall", firewall["id"])], seconds=0))
