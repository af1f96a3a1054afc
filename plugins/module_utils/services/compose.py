# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service as Docker Compose reads it. Nothing here reads or writes anything."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.quetrex.platform.plugins.module_utils.services.model import COLOURS, Service

Json = dict[str, t.Any]
PROBER = "/.platform/busybox"
DATABASE_CA = "/etc/platform/database-ca.pem"


@dataclass(frozen=True)
class Places:
    """Where the stack lies on the server, and what all its services share."""

    stack: str
    state: str
    log_size: str = "10m"
    log_files: int = 5
    database_ca: bool = False
    # a static program of the host that asks a service whether it is well, so that its image needs none
    prober: str = "/usr/bin/busybox"


def variable(name: str) -> str:
    """How a service is called in the names of variables."""
    return name.upper().replace("-", "_")


def reads(service: Service) -> tuple[str, ...]:
    """The env files of a service, the last of which wins."""
    if service.reads is not None:
        return service.reads
    return tuple(f"{name}.env" for name in (*(("web",) if "web" in service.uses else ()), service.name))


def networks(service: Service) -> tuple[str, ...]:
    """Its own, and those of the services that it uses or says it reaches."""
    if service.host_network:
        return ()
    return tuple(dict.fromkeys((service.home, *service.shares, *service.reaches)))


def compose(service: Service, places: Places, config: str = "") -> dict[str, Json]:
    """By name: two colours of what is released, one entry of a job and of what is exchanged in place. `config` is what a restart hangs on."""
    if service.coloured:
        return {f"{service.name}-{colour}": _one(service, places, colour) for colour in COLOURS}
    return {service.name: _one(service, places, "") if service.job else _exchanged(service, places, config)}


def network(service: Service) -> Json:
    """The bridge of a service, named so that the firewall can tell it."""
    inside = {"internal": True} if service.internal else {}
    name = {"com.docker.network.bridge.name": f"br-{service.home}"}
    return {"driver": "bridge", **inside, "driver_opts": name, "ipam": {"config": [{"subnet": service.numbers[1]}]}}


def _one(service: Service, places: Places, colour: str) -> Json:
    """Started by the release program alone, which says which image."""
    name = f"{service.name}-{colour}" if colour else service.name
    part = {"platform.part": "job" if service.job else "service", "platform.service": service.name} if service.own else {"platform.part": service.name}
    colours = {"platform.colour": colour, "platform.config": f"${{{variable(service.name)}_CONFIG_HASH:-unset}}"} if colour else {}
    return {
        "container_name": f"platform-{name}",
        "profiles": ["release"],
        "image": f"${{{variable(name)}_IMAGE:-unset}}",
        "labels": part | colours,
        "restart": "no" if service.job else "unless-stopped",
        **_common(service, places, {home: _attached(service, home, colour) for home in networks(service)}),
    }


def _exchanged(service: Service, places: Places, config: str) -> Json:
    """Started with the stack. Its image is the inventory's, or the one that was released last, which the release program writes into `.env`."""
    attached = {home: {"ipv4_address": service.address} if home == service.home else {} for home in networks(service)}
    return {
        "container_name": f"platform-{service.name}",
        "image": f"${{{variable(service.name)}_IMAGE:-{as_it_is(service.image)}}}" if service.released else as_it_is(service.image),
        "labels": {"platform.part": "base"} | ({"platform.config": config} if config else {}),
        "restart": "unless-stopped",
        **_common(service, places, attached),
    }


def _common(service: Service, places: Places, attached: Json) -> Json:
    """What is the same of all: rights, folders, limits, health."""
    user = service.numbers[0]
    found: Json = {
        "init": True,
        "read_only": service.read_only,
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": ["ALL"],
        "logging": {"driver": "json-file", "options": {"max-size": places.log_size, "max-file": str(places.log_files)}},
        "stop_grace_period": f"{service.stop_grace_period}s",
        "mem_limit": f"{service.limits.memory_mb}m",
        "memswap_limit": f"{service.limits.memory_mb}m",
        "cpus": service.limits.cpus,
        "pids_limit": service.limits.pids,
        "healthcheck": healthcheck(service),
    }
    optional: Json = {
        "env_file": [f"{places.stack}/env/{file}" for file in reads(service)],
        "environment": service.variables,
        "user": f"{user}:{user}" if user else "",
        "tmpfs": list(service.folders),
        "entrypoint": [as_it_is(word) for word in service.entrypoint],
        "command": [as_it_is(word) for word in service.command],
        "volumes": _mounts(service, places),
        "networks": attached,
        "network_mode": "host" if service.host_network else "",
        "cap_add": list(service.capabilities),
        "sysctls": dict(service.sysctls),
        "stop_signal": service.stop_signal,
        "cpu_shares": service.weight,
    }
    found |= {key: value for key, value in optional.items() if value}
    if service.job:
        del found["healthcheck"]
    return found


def as_it_is(text: str) -> str:
    """A text in which Compose puts no variable."""
    return text.replace("$", "$$")


def _attached(service: Service, network: str, colour: str) -> Json:
    if network != service.home:
        return {}
    address = {"ipv4_address": service.addresses[colour]} if colour and service.public else {}
    return {**address, **({"aliases": [service.name]} if service.own else {})}


def _mounts(service: Service, places: Places) -> list[Json]:
    def bind(source: str, target: str, *, read_only: bool, made: bool = False) -> Json:
        kept = {"read_only": True} if read_only else {}
        return {"type": "bind", "source": source, "target": target, **kept, "bind": {"create_host_path": made}}

    roots = {"stack": places.stack, "state": places.state}
    found = [bind(f"{roots[one.root]}/{one.source}", one.target, read_only=one.read_only, made=one.made) for one in service.places]
    if places.database_ca and {"database", "web"} & set(service.uses):
        found.append(bind(f"{places.stack}/web/database-ca.pem", DATABASE_CA, read_only=True))
    if service.health.kind in ("http", "tcp"):
        found.append(bind(places.prober, PROBER, read_only=True))
    return found


def healthcheck(service: Service) -> Json:
    """What Docker runs in the container. HTTP and TCP need nothing of the image."""
    health, port = service.health, service.health.port or service.port
    test = {
        "http": ["CMD", PROBER, "wget", "-q", "-O", "/dev/null", as_it_is(f"http://127.0.0.1:{port}{health.path}")],
        "tcp": ["CMD", PROBER, "nc", "-w", "4", "127.0.0.1", str(port), "-e", PROBER, "true"],
        "command": ["CMD", *map(as_it_is, health.command)],
    }.get(health.kind)
    if test is None:
        return {"disable": True}
    return {"test": test, "interval": "15s", "timeout": "5s", "retries": 3, "start_period": "60s", "start_interval": "1s"}
