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
    return tuple(f"{name}.env" for name in (*(("web",) if "web" in service.uses else ()), service.name))


def networks(service: Service) -> tuple[str, ...]:
    """Its own, and those of the services that it says it reaches."""
    cache = ("cache",) if {"redis", "web"} & set(service.uses) else ()
    return tuple(dict.fromkeys((service.name, *cache, *service.reaches)))


def compose(service: Service, places: Places) -> dict[str, Json]:
    """By name: two colours of what runs all the time, one entry of a job. The release program starts them, and says which image."""
    if service.job:
        return {service.name: _one(service, places, "")}
    return {f"{service.name}-{colour}": _one(service, places, colour) for colour in COLOURS}


def _one(service: Service, places: Places, colour: str) -> Json:
    name = f"{service.name}-{colour}" if colour else service.name
    labels = {"platform.part": "job" if service.job else "service", "platform.service": service.name}
    colours = {"platform.colour": colour, "platform.config": f"${{{variable(service.name)}_CONFIG_HASH:-unset}}"} if colour else {}
    found: Json = {
        "container_name": f"platform-{name}",
        "profiles": ["release"],
        "image": f"${{{variable(name)}_IMAGE:-unset}}",
        "labels": labels | colours,
        "restart": "no" if service.job else "unless-stopped",
        "init": True,
        "read_only": service.read_only,
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": ["ALL"],
        "logging": {"driver": "json-file", "options": {"max-size": places.log_size, "max-file": str(places.log_files)}},
        "env_file": [f"{places.stack}/env/{file}" for file in reads(service)],
        "user": f"{service.numbers[0]}:{service.numbers[0]}",
        "tmpfs": list(service.folders),
        "stop_grace_period": f"{service.stop_grace_period}s",
        "networks": {network: _attached(service, network, colour) for network in networks(service)},
        "mem_limit": f"{service.limits.memory_mb}m",
        "memswap_limit": f"{service.limits.memory_mb}m",
        "cpus": service.limits.cpus,
        "pids_limit": service.limits.pids,
    }
    if service.port:
        found["environment"] = {"HOSTNAME": "0.0.0.0", "PORT": str(service.port)}  # noqa: S104 - in the container's own network
    for key, words in (("entrypoint", service.entrypoint), ("command", service.command)):
        if words:
            found[key] = [as_it_is(word) for word in words]
    mounts = _mounts(service, places)
    if mounts:
        found["volumes"] = mounts
    if not service.job:
        found["healthcheck"] = healthcheck(service)
    return found


def as_it_is(text: str) -> str:
    """A text in which Compose puts no variable."""
    return text.replace("$", "$$")


def _attached(service: Service, network: str, colour: str) -> Json:
    if network != service.name:
        return {}
    address = {"ipv4_address": service.addresses[colour]} if colour and service.public else {}
    return {**address, "aliases": [service.name]}


def _mounts(service: Service, places: Places) -> list[Json]:
    def bind(source: str, target: str, *, read_only: bool) -> Json:
        kept = {"read_only": True} if read_only else {}
        return {"type": "bind", "source": source, "target": target, **kept, "bind": {"create_host_path": False}}

    found = [bind(f"{places.state}/services/{service.name}/{volume.name}", volume.target, read_only=False) for volume in service.volumes]
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
