# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful stand-in for the Hetzner Cloud API v1 that drives real machines.

`create_app(lab)` serves it under `/v1`. Requests are refused as the vendor refuses them: unknown or mistyped fields, names that are
taken, types that are not sold or sold out, servers that are locked, protected or not stopped. Faults of its own kind, switched on like the
others (`../faults.py`): `{"domain": "sold_out", "type"?, "location"?, "hidden"?}`, `{"domain": "action", "command"?, "server"?, "code"?,
"message"?, "seconds"?}` (`seconds` may be two numbers, between which it
lasts: at the vendor 10 to 60), `{"domain": "volume", "seconds": 5}` (a volume's device appears that long after it was attached),
`{"domain": "limit", "name": "server_limit"}`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route

from ..kit import LabPaths, Store
from . import balancers, basics, extras, firewalls, networks, persistent, server_actions, servers
from .gate import Endpoint, Gate, removed, unknown
from .hardware import Hardware, LabHardware, NullHardware
from .world import World

if TYPE_CHECKING:
    from lab.config import Lab

__all__ = ["Hardware", "LabHardware", "NullHardware", "create_app", "token", "token_of"]


def token(name: str, project: str = "default") -> str:
    """Return the token of a project in the lab of that name: 64 letters and digits, as the vendor's."""
    return hashlib.sha256(f"hetzner {name} {project}".encode()).hexdigest()


def token_of(lab: Lab) -> str:
    """Return the token of the lab's one project that the inventory uses."""
    return token(lab.name)


def create_app(
    lab: LabPaths,
    hardware: Hardware | None = None,
    *,
    clock: Callable[[], float] = time.time,
    pace: float = 1.0,
    tokens: Mapping[str, Mapping[str, Any]] | None = None,
) -> Starlette:
    """Return the API. `tokens` maps a token to `{project, readonly?}`; `pace` stretches or (0) ends the time actions take."""
    name = getattr(lab, "name", "scratch")
    machines: Hardware = hardware or LabHardware(lab)  # type: ignore[arg-type]
    world = World(Store(lab, "hetzner"), machines, clock, pace)
    world.store.data["tokens"] = {key: dict(value) for key, value in (tokens or {token(name): {"project": "default"}}).items()}
    gate = Gate(world)
    routes = [Route(f"/v1{path}", gate.endpoint(function), methods=[method]) for method, path, function in _endpoints()]
    gone = [Route(f"/v1/datacenters{rest}", removed) for rest in ("", "/{id}")]
    app = Starlette(routes=_merged(routes) + gone, exception_handlers={404: unknown, 405: unknown})
    app.state.faults = world.faults
    app.state.world = world
    app.state.gate = gate
    return app


def _merged(routes: list[Route]) -> list[Route]:
    """Fixed paths before those with an id, so that `/servers/actions` is not taken for a server."""
    return sorted(routes, key=lambda route: (route.path.count("{"), route.path))


def _crud(kind: str, module: Any, one: str, create: bool = True, change: bool = True) -> list[tuple[str, str, Endpoint]]:
    path = f"/{kind}"
    found = [("GET", path, getattr(module, f"list_{one}s")), ("GET", path + "/{id:int}", getattr(module, f"get_{one}"))]
    if create:
        found.append(("POST", path, getattr(module, f"create_{one}")))
    if change:
        found += [("PUT", path + "/{id:int}", getattr(module, f"put_{one}")), ("DELETE", path + "/{id:int}", getattr(module, f"delete_{one}"))]
    return found


def _actions(kind: str, one: str, functions: Mapping[str, Endpoint]) -> list[tuple[str, str, Endpoint]]:
    path = f"/{kind}/{{id:int}}/actions"
    return [
        ("GET", f"/{kind}/actions", basics.list_resource_actions(one)),
        ("GET", f"/{kind}/actions/{{id:int}}", basics.get_action),
        ("GET", path, basics.list_resource_actions(one)),
        ("GET", path + "/{action_id:int}", basics.get_action),
        *(("POST", f"{path}/{name}", function) for name, function in functions.items()),
    ]


def _endpoints() -> list[tuple[str, str, Endpoint]]:
    return [
        *_crud("locations", basics, "location", create=False, change=False),
        *_crud("server_types", basics, "server_type", create=False, change=False),
        *_crud("isos", basics, "iso", create=False, change=False),
        ("GET", "/load_balancer_types", balancers.list_types),
        ("GET", "/load_balancer_types/{id:int}", balancers.get_type),
        ("GET", "/pricing", basics.get_pricing),
        ("GET", "/actions", basics.list_actions),
        ("GET", "/actions/{id:int}", basics.get_action),
        *_crud("images", basics, "image", create=False),
        *_actions("images", "image", {"change_protection": basics.protect_image}),
        *_crud("ssh_keys", basics, "ssh_key"),
        *_crud("firewalls", firewalls, "firewall"),
        *_actions(
            "firewalls",
            "firewall",
            {
                "set_rules": firewalls.set_rules,
                "apply_to_resources": firewalls.apply_to_resources,
                "remove_from_resources": firewalls.remove_from_resources,
            },
        ),
        *_crud("networks", networks, "network"),
        *_actions(
            "networks",
            "network",
            {
                "add_subnet": networks.add_subnet,
                "delete_subnet": networks.delete_subnet,
                "add_route": networks.add_route,
                "delete_route": networks.delete_route,
                "change_ip_range": networks.change_ip_range,
                "change_protection": networks.protect_network,
            },
        ),
        *_crud("primary_ips", persistent, "ip"),
        *_actions(
            "primary_ips",
            "primary_ip",
            {
                "assign": persistent.assign_ip,
                "unassign": persistent.unassign_ip,
                "change_protection": persistent.protect_ip,
                "change_dns_ptr": persistent.ip_pointer,
            },
        ),
        *_crud("volumes", persistent, "volume"),
        *_actions(
            "volumes",
            "volume",
            {
                "attach": persistent.attach_volume,
                "detach": persistent.detach_volume,
                "resize": persistent.resize_volume,
                "change_protection": persistent.protect_volume,
            },
        ),
        *_crud("servers", servers, "server"),
        *_actions(
            "servers",
            "server",
            {
                "poweron": server_actions.power_on,
                "poweroff": server_actions.power_off,
                "shutdown": server_actions.shutdown,
                "reboot": server_actions.reboot,
                "reset": server_actions.reset,
                "rebuild": server_actions.rebuild,
                "change_type": server_actions.change_type,
                "change_protection": server_actions.change_protection,
                "change_dns_ptr": server_actions.change_dns_ptr,
                "create_image": server_actions.create_image,
                "enable_rescue": server_actions.enable_rescue,
                "disable_rescue": server_actions.disable_rescue,
                "enable_backup": server_actions.enable_backup,
                "disable_backup": server_actions.disable_backup,
                "attach_to_network": server_actions.attach_to_network,
                "change_alias_ips": server_actions.change_alias_ips,
                "detach_from_network": server_actions.detach_from_network,
                "add_to_placement_group": server_actions.add_to_placement_group,
                "remove_from_placement_group": server_actions.remove_from_placement_group,
            },
        ),
        *_crud("placement_groups", extras, "group"),
        *_crud("certificates", extras, "certificate"),
        *_crud("floating_ips", extras, "floating"),
        *_actions(
            "floating_ips",
            "floating_ip",
            {
                "assign": extras.assign_floating,
                "unassign": extras.unassign_floating,
                "change_protection": extras.protect_floating,
                "change_dns_ptr": extras.floating_pointer,
            },
        ),
        *_crud("load_balancers", balancers, "balancer"),
        *_actions(
            "load_balancers",
            "load_balancer",
            {
                "add_service": balancers.add_service,
                "update_service": balancers.update_service,
                "delete_service": balancers.delete_service,
                "add_target": balancers.add_target,
                "remove_target": balancers.remove_target,
                "attach_to_network": balancers.attach_to_network,
                "detach_from_network": balancers.detach_from_network,
                "change_algorithm": balancers.change_algorithm,
                "change_type": balancers.change_type,
                "change_protection": balancers.change_protection,
                "change_dns_ptr": balancers.change_dns_ptr,
                "enable_public_interface": balancers.enable_public_interface,
                "disable_public_interface": balancers.disable_public_interface,
            },
        ),
    ]
