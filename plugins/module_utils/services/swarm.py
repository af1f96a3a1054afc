# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service as Docker Swarm reads it: what `compose` makes of the description, placed on several servers. Nothing here reads or writes anything.

Differences to one server, each of which Swarm or the network between servers asks for: a name instead of a fixed address, as `endpoint_mode: dnsrr` with its
DNS records and no virtual address; ports in host mode, which keep the sender's address; limits below `deploy`; folders in memory as mounts; and no
`security_opt`, which `docker stack deploy` leaves out: the engine's own setting forbids new privileges to all containers.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from dataclasses import replace as replaced

from ansible_collections.quetrex.platform.plugins.module_utils.services.compose import PROBER, networks
from ansible_collections.quetrex.platform.plugins.module_utils.services.model import Service

Json = dict[str, t.Any]
STACK = "platform"
MTU = "1400"
"""Of overlay networks: the private network's 1450 without VXLAN's header."""
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# What `docker stack deploy` refuses, or what is said otherwise below.
LEFT_OUT = (
    *("container_name", "profiles", "restart", "security_opt", "mem_limit", "memswap_limit", "cpus", "pids_limit", "cpu_shares"),
    *("tmpfs", "volumes", "networks", "network_mode"),
)


@dataclass(frozen=True)
class Pool:
    """Several servers of one platform.

    `home` is the number of the one that holds what exists only once, `inside` the network of those that ask the application through nginx, and `sockets` the
    folder of a server in which nginx and the server's own programs meet.
    """

    servers: int
    home: int = 1
    inside: str = "172.28.1.0/24"
    sockets: str = "/run/platform/nginx"


@dataclass(frozen=True)
class Placed:
    """How often a service runs, and where. `copies` 0: once on every server."""

    copies: int = 1
    pinned: int = 0
    ports: tuple[int, ...] = ()
    one_by_one: bool = False


FRONT = (443, 8087)
"""Ports of nginx: for visitors, and for the balancer's question whether it serves."""
MEETING = "/run/platform"
"""The folder of the sockets, as nginx sees it."""
LEAD_SECONDS = 15
"""How long nginx goes on serving when it is told to end: until a balancer that asks every five seconds has noticed."""


def documents(service: Service, entries: t.Mapping[str, Json], pool: Pool, services: t.Sequence[Service]) -> dict[str, Json]:
    """The stack files of a service, by name of the entry. `entries` is what `compose` makes of it, `services` are all of the stack."""
    if service.in_parts:
        return {}
    by_home = {one.home: one for one in services}
    homes = tuple(one.home for one in services if one.public) if service.host_network else networks(service)
    joined: dict[str, Json] = {home: _options(by_home[home], pool) for home in dict.fromkeys(homes)}
    found = {}
    for name, entry in entries.items():
        where = placed(service, pool)
        if service.host_network:
            found[name] = stack(name, _front(entry, pool), replaced(where, ports=FRONT), joined)
        else:
            found[name] = stack(name, _inside(entry, service), where, joined)
    return found


def _options(service: Service, pool: Pool) -> Json:
    internal: Json = {"internal": True} if service.internal else {}
    return internal | ({"subnet": pool.inside} if service.inside else {})


def _inside(entry: Json, service: Service) -> Json:
    """On one server nginx is the network's gateway; on several it is a neighbour."""
    variables = {key: value.replace(service.gateway, "nginx") for key, value in entry.get("environment", {}).items()}
    return {**entry, **({"environment": variables} if variables else {})}


def _front(entry: Json, pool: Pool) -> Json:
    """nginx behind a balancer: it ends only when nobody is sent to it any more."""
    grace = int(entry["stop_grace_period"].rstrip("s")) + LEAD_SECONDS
    return {
        **entry,
        "command": [PROBER, "sh", "/etc/platform/nginx-run"],
        "environment": {"DRAIN_SECONDS": str(LEAD_SECONDS)},
        "stop_signal": "SIGTERM",
        "stop_grace_period": f"{grace}s",
        "healthcheck": {**entry["healthcheck"], "test": ["CMD", PROBER, "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8087/alive"]},
        "volumes": [*entry["volumes"], {"type": "bind", "source": pool.sockets, "target": MEETING}],
    }


def placed(service: t.Any, pool: Pool) -> Placed:
    """Where a service runs: what visitors reach on every server, what keeps something where that is, everything else once, anywhere."""
    if service.host_network:
        return Placed(copies=0, one_by_one=True)
    if service.stateful:
        return Placed(pinned=pool.home)
    return Placed(copies=pool.servers if service.public and service.coloured else 1)


def stack(name: str, entry: Json, where: Placed, networks: t.Mapping[str, Json]) -> Json:
    """A stack file of one service. `entry` is its entry of a compose file, `networks` those that it is in: `{}`, or `{"internal": True}`."""
    kept = {key: value for key, value in entry.items() if key not in LEFT_OUT}
    labels = dict(kept.pop("labels", {}))
    # of a service in colours it is told at the start, and only compared; of others it is what a restart hangs on
    config = labels.pop("platform.config") if labels.get("platform.config", "").startswith("${") else ""
    mounts = [*map(_mount, entry.get("volumes", [])), *map(_in_memory, entry.get("tmpfs", []))]
    found = {
        **kept,
        "labels": labels,
        "networks": {network: _attached(entry, network) for network in networks},
        "deploy": _deploy(entry, where, config),
    }
    if mounts:
        found["volumes"] = mounts
    if where.ports:
        found["ports"] = [{"target": port, "published": port, "protocol": "tcp", "mode": "host"} for port in where.ports]
    return {"services": {name: found}, "networks": {network: overlay(**options) for network, options in networks.items()}}


def overlay(internal: bool = False, subnet: str = "") -> Json:
    """A network over all servers. The release program's own containers may join it."""
    inside = {"internal": True} if internal else {}
    fixed = {"ipam": {"config": [{"subnet": subnet}]}} if subnet else {}
    return {"driver": "overlay", "attachable": True, **inside, **fixed, "driver_opts": {"com.docker.network.driver.mtu": MTU}}


def _attached(entry: Json, network: str) -> Json:
    aliases = (entry.get("networks", {}).get(network) or {}).get("aliases")
    return {"aliases": aliases} if aliases else {}


def _deploy(entry: Json, where: Placed, config: str) -> Json:
    mode: Json = {"mode": "replicated", "replicas": where.copies} if where.copies else {"mode": "global"}
    placement: Json = {}
    if where.pinned:
        placement = {"constraints": [f"node.labels.platform.index == {where.pinned}"]}
    elif where.copies:
        placement = {"preferences": [{"spread": "node.id"}]}
    # a service with a port of the server, or with a folder, ends before its successor begins
    order = "stop-first" if where.one_by_one or where.pinned else "start-first"
    return {
        **mode,
        "endpoint_mode": "dnsrr",
        **({"placement": placement} if placement else {}),
        "labels": {"platform.hash": "${PLATFORM_HASH:-unset}"} | ({"platform.config": config} if config else {}),
        "resources": {"limits": {"memory": entry["mem_limit"].upper(), "cpus": str(entry["cpus"]), "pids": entry["pids_limit"]}},
        "restart_policy": {"condition": "any", "delay": "2s"},
        "update_config": {"parallelism": 1, "order": order, "failure_action": "rollback", "monitor": "10s"},
        "rollback_config": {"parallelism": 1, "order": order},
    }


def _mount(mount: Json) -> Json:
    """A folder of the server; it has to be there, because Swarm makes none."""
    return {key: value for key, value in mount.items() if key != "bind"}


def _in_memory(text: str) -> Json:
    """`/tmp:mode=1777,size=64m` as a mount."""
    path, _colon, options = text.partition(":")
    said = dict(word.partition("=")[::2] for word in options.split(","))
    size = said.get("size", "64m").lower()
    number, unit = size.rstrip("kmg"), size[-1] if size[-1] in UNITS else ""
    return {"type": "tmpfs", "target": path, "tmpfs": {"size": int(number) * UNITS[unit], "mode": int(said.get("mode", "1777"), 8)}}
