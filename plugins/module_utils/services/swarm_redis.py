# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in a pool as Docker Swarm reads it: three servers, three Sentinels, and a proxy on every node. Nothing here reads or writes anything.

Servers and Sentinels are pinned to the nodes that hold their state. Applications share a network with the proxy alone, where its name is `redis`.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.quetrex.platform.plugins.module_utils.services.compose import PROBER

Json = dict[str, t.Any]
NODES = (1, 2, 3)
"""Indices of the nodes that hold Redis's state, however many there are: a quorum of two survives one."""
INSIDE, APPLICATIONS = "state", "cache"
"""Networks: of servers, Sentinels and proxies, and of the proxies and whoever uses Redis. Both internal: a name that is gone is asked of nobody else."""
LIVE = {"redis": "redis.conf", "sentinel": "sentinel.conf"}
"""Files in the state folder that a process rewrites with what it has learned. The role's own are included after them, and win."""


@dataclass(frozen=True)
class Limits:
    """What a container may take at most."""

    memory_mb: int
    cpus: float
    pids: int = 128


@dataclass(frozen=True)
class Pool:
    """Where the role's files (`stack`) and the state lie on the nodes, images, users and limits.

    `revisions` are digests of each part's files: another one restarts that part.
    """

    stack: str
    state: str
    redis_image: str
    proxy_image: str
    redis_uid: int = 999
    proxy_uid: int = 70003
    redis: Limits = Limits(640, 0.5)
    sentinel: Limits = Limits(64, 0.25)
    proxy: Limits = Limits(128, 0.5)
    log_size: str = "10m"
    log_files: int = 5
    prober: str = "/usr/bin/busybox"
    revisions: t.Mapping[str, str] = field(default_factory=dict)


def services(pool: Pool) -> dict[str, Json]:
    """By name: what goes into the stack's services."""
    found = {f"redis-{node}": _server(pool, node) for node in NODES}
    found |= {f"sentinel-{node}": _sentinel(pool, node) for node in NODES}
    return {**found, "redis": _proxy(pool)}


def networks(mtu: int = 1400) -> dict[str, Json]:
    """The networks these need, unless the stack has them already."""
    one = {"driver": "overlay", "internal": True, "driver_opts": {"com.docker.network.driver.mtu": str(mtu)}}
    return {INSIDE: one, APPLICATIONS: {**one, "attachable": True}}


def _server(pool: Pool, node: int) -> Json:
    return {
        **_common(pool, "redis", pool.redis_image, pool.redis_uid, f"redis-{node}"),
        "command": ["redis-server", f"/state/{LIVE['redis']}", "--include", "/etc/platform/redis.conf"],
        # a primary waits up to ten seconds for its replicas before it ends
        "stop_grace_period": "30s",
        "volumes": [
            _bind(f"{pool.stack}/redis", "/etc/platform", read_only=True),
            _bind(f"{pool.state}/pool-redis/redis", "/state"),
            # the folder of the single Redis, so that one server grows to three and back on the same files
            _bind(f"{pool.state}/redis", "/data"),
        ],
        "networks": {INSIDE: {"aliases": [f"redis-{node}"]}},
        "healthcheck": _health(["redis-cli", "-e", "ping"]),
        "deploy": _deploy(pool.redis, node),
    }


def _sentinel(pool: Pool, node: int) -> Json:
    return {
        **_common(pool, "sentinel", pool.redis_image, pool.redis_uid, f"sentinel-{node}"),
        "command": ["redis-server", f"/state/{LIVE['sentinel']}", "--sentinel", "--include", "/etc/platform/sentinel.conf"],
        "stop_grace_period": "10s",
        "volumes": [
            _bind(f"{pool.stack}/sentinel", "/etc/platform", read_only=True),
            _bind(f"{pool.state}/pool-redis/sentinel", "/state"),
        ],
        "networks": {INSIDE: {"aliases": [f"sentinel-{node}"]}},
        "healthcheck": _health(["redis-cli", "-e", "-p", "26379", "ping"]),
        "deploy": _deploy(pool.sentinel, node),
    }


def _proxy(pool: Pool) -> Json:
    return {
        **_common(pool, "proxy", pool.proxy_image, pool.proxy_uid, "redis-proxy"),
        "command": ["haproxy", "-W", "-db", "-f", "/etc/platform/haproxy.cfg"],
        "stop_signal": "SIGUSR1",
        "stop_grace_period": "10s",
        "volumes": [
            _bind(f"{pool.stack}/proxy", "/etc/platform", read_only=True),
            _bind(pool.prober, PROBER, read_only=True),
        ],
        "networks": {INSIDE: {}, APPLICATIONS: {"aliases": ["redis"]}},
        "healthcheck": _health([PROBER, "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8405/"]),
        "deploy": _deploy(pool.proxy),
    }


def _common(pool: Pool, part: str, image: str, user: int, name: str) -> Json:
    return {
        "image": image,
        "hostname": name,
        # of the container: another digest makes another one
        "labels": {"platform.part": "base", "platform.config": pool.revisions.get(part, "")},
        "user": f"{user}:{user}",
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        # no resolver but Docker's own: Sentinel stands still while somebody else is asked for the name of a dead container and does not answer
        "dns": ["127.0.0.1"],
        "logging": {"driver": "json-file", "options": {"max-size": pool.log_size, "max-file": str(pool.log_files)}},
    }


def _deploy(limits: Limits, node: t.Optional[int] = None) -> Json:
    pinned: Json = {"mode": "global"}
    if node is not None:
        pinned = {"mode": "replicated", "replicas": 1, "placement": {"constraints": [f"node.labels.platform.index == {node}"]}}
    return {
        **pinned,
        # the name is the task's own address, which has to be there for others to reach it
        "endpoint_mode": "dnsrr",
        "resources": {"limits": {"memory": f"{limits.memory_mb}M", "cpus": str(limits.cpus), "pids": limits.pids}},
        "restart_policy": {"condition": "any", "delay": "1s"},
        "update_config": {"parallelism": 1, "order": "stop-first", "failure_action": "pause", "delay": "5s"},
    }


def _bind(source: str, target: str, *, read_only: bool = False) -> Json:
    return {"type": "bind", "source": source, "target": target, **({"read_only": True} if read_only else {})}


def _health(command: list[str]) -> Json:
    return {"test": ["CMD", *command], "interval": "10s", "timeout": "5s", "retries": 3, "start_period": "60s", "start_interval": "1s"}
