# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three servers of one platform: made together, who gets in, released without a lost request, and one of them dies."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.config import Lab
from lab.machine import Machines
from lab.platform import Platform
from lab.visitors import Visitors

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("pool")]
WORDS = ("-e", json.dumps({"platform_servers": 3}))
OLD, NEW = "1.0.0", "1.1.0"
CALM, FEW, SOME = 4.0, {"get": 4, "post": 2, "session": 2, "slow": 2}, {"get": 2}


class Pool(Platform):
    """Several servers, by their numbers."""

    @property
    def servers(self) -> dict[int, int]:
        """The vendor's ids by number, from the vendor's API."""
        made = self.api("servers")
        return {int(one["labels"]["index"]): int(one["id"]) for one in made if one["labels"].get("role") == "app"}

    def api(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind that the vendor's API has."""
        facts = self.facts["apis"]["hetzner"]
        answer = self.curl(f"{facts['url']}/{kind}", "--header", f"Authorization: Bearer {facts['token']}")
        found: list[dict[str, Any]] = json.loads(answer.stdout)[kind]
        return found

    @property
    def balancer(self) -> str:
        """The load balancer's public address."""
        (one,) = self.api("load_balancers")
        return str(one["public_net"]["ipv4"]["ip"])

    def on(self, number: int, script: str) -> str:
        """Runs a script as root on one of the servers."""
        return Machines(self.lab).enter(self.servers[number], "/bin/sh", "-euc", script)


@pytest.fixture(name="pool", scope="module")
def _pool(new_lab: NewLab) -> Iterator[Pool]:
    with new_lab("pool") as lab:
        pool = Pool(lab)
        run = pool.play("site", *WORDS, timeout=1800)
        assert run.code == 0, run.explain()
        yield pool


@contextmanager
def visitors(lab: Lab, balancer: str) -> Iterator[Visitors]:
    """Through the edge, and at the balancer with the edge's certificate from the edge's network."""
    crowd = Visitors(lab, balancer, FEW, SOME, pace=CALM)
    try:
        yield crowd
    finally:
        crowd.kill()


def opens(address: str, port: int) -> bool:
    """Whether anybody outside can connect."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def deploy(pool: Pool, version: str) -> str:
    run = pool.play("deploy", *WORDS, "-e", f"image={pool.facts['registry']['images']['web'][version]}")
    assert run.code == 0, run.explain()
    return str(run.output)


def test_made_together(pool: Pool) -> None:
    """Three managers, a copy of the application on each server, and a second run without a change."""
    nodes = pool.on(1, "docker node ls --format '{{.Status}} {{.ManagerStatus}}'").splitlines()
    assert sorted(nodes) == ["Ready Leader", "Ready Reachable", "Ready Reachable"]
    where = pool.on(1, "docker service ps --filter desired-state=running --format '{{.Node}}' platform_web-blue").split()
    assert len(set(where)) == 3
    assert [pool.status(path) for path in ("/", "/api/health", "/runner/health")] == [200, 200, 200]
    again = pool.play("site", *WORDS, timeout=1800)
    assert again.code == 0, again.explain()
    assert again.changed == 0, again.explain()


def test_only_the_edge_gets_in(pool: Pool) -> None:
    """The balancer is open to everybody, and leads nobody in without the edge's certificate; the servers themselves offer SSH and nothing else."""
    name = pool.lab.domain
    found = pool.curl(f"https://{name}/", "--resolve", f"{name}:443:{pool.balancer}", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}")
    assert found.stdout == "403"
    for one in pool.api("servers"):
        address = str(one["public_net"]["ipv4"]["ip"])
        assert opens(address, 22)
        assert [port for port in (80, 443, 2375, 2377, 6379, 7946, 8087) if opens(address, port)] == []


def test_release_loses_nothing(pool: Pool) -> None:
    """A good release, one that never gets healthy, and the way back."""
    with visitors(pool.lab, pool.balancer) as crowd:
        assert crowd.wait_for(100)
        deploy(pool, NEW)
        bad = pool.play("deploy", *WORDS, "-e", f"image={pool.facts['registry']['images']['web']['crash']}")
        assert bad.code != 0
        with crowd.serving(NEW):
            assert crowd.wait_for(100)
        back = pool.play("rollback", *WORDS)
        assert back.code == 0, back.explain()
        with crowd.serving(OLD):
            assert crowd.wait_for(100)
        crowd.end()
        print(f"{len(crowd.answers)} answers, {len(crowd.lost)} lost")
        assert crowd.lost == []
        assert crowd.wrong == []


@pytest.mark.parametrize("number", [3, 1])
def test_a_server_dies(pool: Pool, number: int) -> None:
    """Requests in flight to it are all that may fail; nobody acts, and it is back in its place when it has power again."""
    machines, server = Machines(pool.lab), pool.servers[number]
    with visitors(pool.lab, pool.balancer) as crowd:
        assert crowd.wait_for(200)
        died = time.time()
        machines.lose_power(server)
        assert crowd.wait_for(600)
        crowd.end()
        late = [loss for loss in crowd.losses if loss["at"] > died + 30]
        print(f"{len(crowd.answers)} answers, {len(crowd.lost)} lost, {len(late)} of them later than 30 s")
        assert late == []
        assert len(crowd.lost) <= max(10, len(crowd.answers) // 50)
    machines.power_on(server)
    other = 2
    assert pool.eventually(lambda: pool.on(other, "docker node ls --format '{{.Status}}'").split() == ["Ready"] * 3, 180)
