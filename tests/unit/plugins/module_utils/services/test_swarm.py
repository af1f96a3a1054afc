# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack file of Docker Swarm says of a service that compose describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.services import swarm
from ansible_collections.quetrex.platform.plugins.module_utils.services.swarm import Placed, Pool

ENTRY: dict[str, Any] = {
    "container_name": "platform-web-blue",
    "profiles": ["release"],
    "image": "${WEB_BLUE_IMAGE:-unset}",
    "labels": {"platform.part": "web", "platform.colour": "blue", "platform.config": "${WEB_CONFIG_HASH:-unset}"},
    "restart": "unless-stopped",
    "init": True,
    "read_only": True,
    "security_opt": ["no-new-privileges:true"],
    "cap_drop": ["ALL"],
    "env_file": ["/opt/platform/env/web.env"],
    "tmpfs": ["/tmp:size=128m,mode=1777", "/app/cache:size=1g,mode=755"],
    "volumes": [{"type": "bind", "source": "/usr/bin/busybox", "target": "/.platform/busybox", "read_only": True, "bind": {"create_host_path": False}}],
    "networks": {"web": {"ipv4_address": "172.30.0.11", "aliases": ["shop"]}, "cache": {}},
    "mem_limit": "512m",
    "memswap_limit": "512m",
    "cpus": 1.5,
    "pids_limit": 512,
}


def only(document: dict[str, Any]) -> dict[str, Any]:
    """The one service of a stack file."""
    (entry,) = document["services"].values()
    assert isinstance(entry, dict)
    return entry


def test_what_swarm_cannot_read_is_said_in_its_own_words() -> None:
    """Nothing of one server's compose file is left that `docker stack deploy` refuses or leaves out without a word."""
    found = only(swarm.stack("web-blue", ENTRY, Placed(copies=3), {"web": {}, "cache": {"internal": True}}))
    assert not set(found) & set(swarm.LEFT_OUT) - {"volumes", "networks"}
    assert found["networks"] == {"web": {"aliases": ["shop"]}, "cache": {}}
    assert found["volumes"] == [
        {"type": "bind", "source": "/usr/bin/busybox", "target": "/.platform/busybox", "read_only": True},
        {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 128 << 20, "mode": 0o1777}},
        {"type": "tmpfs", "target": "/app/cache", "tmpfs": {"size": 1 << 30, "mode": 0o755}},
    ]
    assert found["deploy"]["resources"] == {"limits": {"memory": "512M", "cpus": "1.5", "pids": 512}}
    assert found["env_file"] == ["/opt/platform/env/web.env"]
    assert found["cap_drop"] == ["ALL"]


def test_names_and_no_virtual_addresses() -> None:
    """A task that ends leaves DNS before it is told to end; with a virtual address it would get requests until it is gone."""
    document = swarm.stack("web-blue", ENTRY, Placed(copies=3), {"web": {}, "cache": {"internal": True}})
    assert only(document)["deploy"]["endpoint_mode"] == "dnsrr"
    assert document["networks"]["cache"]["internal"] is True
    assert {network["driver_opts"]["com.docker.network.driver.mtu"] for network in document["networks"].values()} == {"1400"}


@pytest.mark.parametrize(
    ("config", "container", "service"),
    [("${WEB_CONFIG_HASH:-unset}", None, "${WEB_CONFIG_HASH:-unset}"), ("4f2a", "4f2a", None)],
    ids=["told at the start", "restarts what runs"],
)
def test_configuration_label(config: str, container: str | None, service: str | None) -> None:
    """What a restart hangs on is a label of the container; what is only compared is one of the service."""
    found = only(swarm.stack("web-blue", {**ENTRY, "labels": {"platform.config": config}}, Placed(), {}))
    assert found["labels"].get("platform.config") == container
    assert found["deploy"]["labels"].get("platform.config") == service


def test_ports_keep_the_sender() -> None:
    """Visitors are told apart by their address, which a port of the routing mesh would hide."""
    found = only(swarm.stack("nginx", ENTRY, Placed(copies=0, ports=(443,), one_by_one=True), {}))
    assert found["ports"] == [{"target": 443, "published": 443, "protocol": "tcp", "mode": "host"}]
    assert found["deploy"]["mode"] == "global"
    assert found["deploy"]["update_config"]["order"] == "stop-first"
    assert "replicas" not in found["deploy"]


@dataclass
class Described:
    """What of a service decides where it runs."""

    host_network: bool = False
    stateful: bool = False
    public: tuple[str, ...] = ()
    coloured: bool = True
    volumes: tuple[str, ...] = field(default_factory=tuple)


@pytest.mark.parametrize(
    ("service", "where"),
    [
        (Described(host_network=True), Placed(copies=0, one_by_one=True)),
        (Described(public=("/",)), Placed(copies=5)),
        (Described(), Placed(copies=1)),
        (Described(public=("/",), stateful=True), Placed(copies=1, pinned=2)),
        (Described(public=("/",), coloured=False), Placed(copies=1)),
    ],
    ids=["nginx", "for visitors", "a worker", "keeps a folder", "one at a time"],
)
def test_where_it_runs(service: Described, where: Placed) -> None:
    assert swarm.placed(service, Pool(servers=5, home=2)) == where
