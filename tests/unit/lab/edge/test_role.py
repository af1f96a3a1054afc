# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role cloudflare_zone under visitors' eyes: engines change, addresses move, zones stand beside each other, and nobody notices.

The whole site is cached by the widest rule and the probed address ends in `.js`, so every moment without the bypass of `/api/*` would show.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from lab import net, pki
from lab.api.cloudflare.state import new_zone
from lab.api.cloudflare.testing import run_role

from .conftest import World, needs_root

pytestmark = [needs_root, pytest.mark.lab, pytest.mark.long]
CACHE = [{"match": "/api/*", "mode": "bypass"}, {"match": "/*", "mode": "everything", "edge_ttl": "1 month"}]
BUDGET = 240.0
ENTRY = "http_request_cache_settings"
OTHER = "second.test"


class Visitor:
    """Asks for the API over and over, at most for `BUDGET` seconds, and keeps each answer's status and what the edge said about its cache."""

    def __init__(self, world: World) -> None:
        self.seen: list[tuple[str, str]] = []
        self._stop = threading.Event()
        self._command = [
            # HTTP/1.1: the lab's edge reloads when rules change, and curl does not repeat what nginx ends with an HTTP/2 GOAWAY
            "curl", "-s", "--http1.1", "--max-time", "10", "--cacert", str(pki.ca(world.lab)), "--connect-to", f"::{world.lab.edge}:",
            "-w", "%{http_code} %header{cf-cache-status}%{errormsg}\n", *(["-o", "/dev/null", "https://quetrex.test/api/data.js"] * 4),
        ]  # fmt: skip
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        end = time.monotonic() + BUDGET
        while not self._stop.is_set() and time.monotonic() < end:
            text = subprocess.run(self._command, check=False, capture_output=True, text=True).stdout
            self.seen += [(code, cache) for code, _space, cache in (line.partition(" ") for line in text.splitlines())]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def two_zones(site: World) -> Iterator[World]:
    """The account has a second zone, whose origin is reached by IPv6 alone, and the origin's certificate covers it."""
    zone = new_zone(OTHER)
    site.api.cloud.state["zones"][zone["id"]] = zone
    _name, certificate, key = site.certificate("quetrex.test", "*.quetrex.test", OTHER)
    site.serve(certificate, key)
    yield site
    del site.api.cloud.state["zones"][zone["id"]]
    site.api.cloud.changed()


@pytest.fixture
def role(two_zones: World, tmp_path: Path) -> Callable[..., str]:
    """Runs the role for both zones; its output."""
    api = two_zones.api

    def run(engine: str, ipv4: str, ipv6: str) -> str:
        zones = [{"name": "quetrex.test"}, {"name": OTHER, "proxied_names": ["@"], "origin_ipv4": "", "origin_ipv6": two_zones.origin_ip6}]
        settings: dict[str, Any] = {"cloudflare_zone_zones": zones, "cloudflare_zone_cache": CACHE, "cloudflare_zone_cache_engine": engine}
        done = run_role(api, tmp_path, **settings, cloudflare_zone_origin_ipv4=ipv4, cloudflare_zone_origin_ipv6=ipv6)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def answering(world: World, host: str) -> str:
    """The origin's address that answered a request."""
    return str(json.loads(world.curl(f"https://{host}/api/who").body or "{}").get("address"))


def rules(world: World, name: str) -> tuple[int, int]:
    """How many page rules and cache rules a zone has."""
    zone = next(zone for zone in world.api.cloud.state["zones"].values() if zone["name"] == name)
    return len(zone["page_rules"]), len(zone["rulesets"].get(ENTRY, {"rules": []})["rules"])


def test_zones_engines_and_addresses_live(two_zones: World, role: Callable[..., str]) -> None:
    world, first = two_zones, (two_zones.origin_ip, two_zones.origin_ip6)
    second = (world.lab.address(4, 201), world.lab.address6(4, 201))
    role("page_rules", *first)
    world.until(lambda: world.cached("/page") in ("MISS", "HIT"), "the rules arrive")
    world.until(lambda: answering(world, OTHER) == first[1], "a zone whose origin has IPv6 alone answers")
    assert {answering(world, "quetrex.test") for dummy in range(8)} == set(first), "both families lead to the origin"

    with Visitor(world) as visitor:
        seen = []
        for engine in ("cache_rules", "page_rules"):
            role(engine, *first)
            before = len(visitor.seen)
            world.until(lambda before=before: len(visitor.seen) > before + 12, "visitors go on")  # type: ignore[misc]
            seen.append((rules(world, "quetrex.test"), rules(world, OTHER), world.cached("/page") in ("MISS", "HIT")))
        assert seen == [((0, 2), (0, 2), True), ((2, 0), (2, 0), True)]

        net.set_addresses(world.lab, "origin", [*first, *second])
        world.api.forget()
        role("page_rules", *second)
        assert [line.rpartition("/")[2] for line in world.api.writes()] == ["batch"], "both families in one write, the other zone untouched"
        world.until(lambda: {answering(world, "quetrex.test") for dummy in range(6)} == set(second), "the other machine answers")
    assert len(visitor.seen) > 40
    assert Counter(visitor.seen).keys() == {("200", "DYNAMIC")}, "never cached, never without an answer"

    net.set_addresses(world.lab, "origin", [*second, first[1]])
    assert answering(world, "quetrex.test") in second
    net.set_addresses(world.lab, "origin", list(first))
