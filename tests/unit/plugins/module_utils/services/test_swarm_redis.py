# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in a pool as Docker Swarm reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.filter import swarm_redis as plugin
from ansible_collections.quetrex.platform.plugins.module_utils.services.swarm_redis import APPLICATIONS, INSIDE, NODES, Pool, services

POOL = Pool("/opt/p", "/srv/p", "redis@sha256:1", "haproxy@sha256:2")
NAMES = {"redis", *(f"{kind}-{node}" for kind in ("redis", "sentinel") for node in NODES)}


def test_names() -> None:
    assert set(services(POOL)) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_least_rights(name: str) -> None:
    """No rights, no other files than its own, no shell in what Docker runs, and limits."""
    entry = services(POOL)[name]
    assert (entry["read_only"], entry["cap_drop"]) == (True, ["ALL"])
    assert entry["user"] == ("70003:70003" if name == "redis" else "999:999")
    assert entry["healthcheck"]["test"][0] == "CMD"
    assert set(entry["deploy"]["resources"]["limits"]) == {"memory", "cpus", "pids"}
    assert "ports" not in entry
    assert entry["dns"] == ["127.0.0.1"]
    assert {mount["target"]: mount.get("read_only", False) for mount in entry["volumes"]}["/etc/platform"] is True


@pytest.mark.parametrize("node", NODES)
def test_pinned(node: int) -> None:
    """State is where its node is; what has no node runs on each."""
    found = services(POOL)
    for kind in ("redis", "sentinel"):
        assert found[f"{kind}-{node}"]["deploy"]["placement"] == {"constraints": [f"node.labels.platform.index == {node}"]}
    assert found["redis"]["deploy"]["mode"] == "global"


def test_single_server_files() -> None:
    """The data lies where the single Redis has it."""
    assert ("/srv/p/redis", "/data") in [(mount["source"], mount["target"]) for mount in services(POOL)["redis-1"]["volumes"]]


def test_reached_through_the_proxy() -> None:
    """Applications share a network with the proxy alone."""
    shared = {name for name, entry in services(POOL).items() if APPLICATIONS in entry["networks"]}
    assert shared == {"redis"}
    assert services(POOL)["redis"]["networks"][APPLICATIONS] == {"aliases": ["redis"]}
    assert all(INSIDE in entry["networks"] for entry in services(POOL).values())


@pytest.mark.parametrize(("part", "count"), [("redis", 3), ("sentinel", 3), ("proxy", 1)])
def test_revision(part: str, count: int) -> None:
    """Other files of one part make other containers of that part alone."""
    before, after = services(POOL), services(Pool(POOL.stack, POOL.state, POOL.redis_image, POOL.proxy_image, revisions={part: "other"}))
    assert len([name for name in before if before[name] != after[name]]) == count


def test_filter() -> None:
    given: dict[str, Any] = {"stack": "/opt/p", "state": "/srv/p", "redis_image": "redis@sha256:1", "proxy_image": "haproxy@sha256:2"}
    assert plugin.swarm_redis(given)["services"] == services(POOL)
    found = plugin.swarm_redis({**given, "redis_uid": "77", "limits": {"redis": {"memory_mb": "900", "cpus": "1"}}})
    assert found["services"]["redis-2"]["user"] == "77:77"
    assert found["services"]["redis-2"]["deploy"]["resources"]["limits"]["memory"] == "900M"
    assert all(network["internal"] for network in found["networks"].values())
    json.dumps(found)
