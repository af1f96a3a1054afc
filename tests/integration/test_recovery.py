# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server dies in three ways; one command brings it back, and nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcloud
import pytest

from lab import cloud, slots
from lab.machine import Machines

from .conftest import Platform

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("recovery")]
REDIS_GRACE = 1.0
"""Seconds of acknowledged writes that `appendfsync everysec` may lose."""
WORKSPACE = "/srv/platform/workspace"


@pytest.fixture(scope="module")
def mortal(slot: slots.Slot) -> Iterator[Platform]:
    """A platform of its own, to be killed."""
    lab = slot.lab(4, "rec")
    cloud.down(lab, abandoned=True)
    try:
        cloud.up(lab, print)
        platform = Platform(lab)
        built = platform.play("site")
        assert built.code == 0, built.explain()
        yield platform
    finally:
        cloud.down(lab)


@dataclass
class Writer:
    """Writes to Redis and to the runner's workspace, one after the other, and keeps when each was acknowledged."""

    platform: Platform
    acknowledged: dict[str, list[float]] = field(default_factory=lambda: {"redis": [], "files": []})

    def start(self) -> None:
        """Begins; both end with the server."""
        for work in (self._redis, self._files):
            threading.Thread(target=work, daemon=True).start()

    def _redis(self) -> None:
        with self._inside(*redis_cli(self.platform)) as client:
            assert client.stdin
            assert client.stdout
            try:
                for number in range(100_000):
                    client.stdin.write(f"SET recovery:{number} {number}\n")
                    client.stdin.flush()
                    if client.stdout.readline().strip() != "OK":
                        return
                    self.acknowledged["redis"].append(time.monotonic())
            except (BrokenPipeError, ValueError):
                return

    def _files(self) -> None:
        loop = f"i=0; while [ $i -lt 100000 ]; do echo $i > {WORKSPACE}/r$i && sync {WORKSPACE}/r$i && echo $i; i=$((i+1)); sleep 0.02; done"
        with self._inside("sh", "-c", loop) as client:
            assert client.stdout
            for _line in client.stdout:
                self.acknowledged["files"].append(time.monotonic())

    def _inside(self, *argv: str) -> subprocess.Popen[str]:
        target = Machines(self.platform.lab).init_pid(self.platform.server)
        words = ["nsenter", f"--target={target}", "--mount", "--uts", "--ipc", "--pid", "--net", "--", *argv]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def redis_cli(platform: Platform) -> list[str]:
    """The words that speak to Redis as the web application does."""
    password = (Path(platform.facts["state_dir"]) / "redis-password").read_text().split()[0]
    return ["docker", "exec", "--interactive", "--env", f"REDISCLI_AUTH={password}", "platform-redis", "redis-cli", "--user", "web"]


def missing_from_redis(platform: Platform, count: int) -> list[int]:
    """Which of the writes `0 … count - 1` Redis does not know."""
    ask = f"seq -f 'EXISTS recovery:%.0f' 0 {count - 1}"
    said = platform.on_server(f"{ask} | {' '.join(redis_cli(platform))}").splitlines()
    assert len(said) == count
    return [number for number, line in enumerate(said) if line.strip() != "1"]


def host_key(platform: Platform) -> str:
    """The key by which the server is known."""
    return platform.on_server("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def recover(platform: Platform) -> dict[str, Any]:
    """Runs recover.yml and returns the record it leaves; the platform works afterwards, and another run refuses to touch it."""
    run = platform.play("recover")
    assert run.code == 0, run.explain()
    assert "DIAGNOSIS: API ok" in " ".join(run.output.split()), run.explain()
    assert platform.status("/api/health") == 200
    record: dict[str, Any] = json.loads((Path(platform.facts["state_dir"]) / "recovery.json").read_text())
    assert record["seconds"] <= record["budget"] == 600
    return record


def api(platform: Platform) -> hcloud.Client:
    """The vendor's SDK on the lab's account."""
    hetzner = platform.facts["apis"]["hetzner"]
    return hcloud.Client(token=hetzner["token"], api_endpoint=hetzner["url"])


def test_a_healthy_server_is_left_alone(mortal: Platform) -> None:
    server = mortal.server
    refused = mortal.play("recover")
    assert refused.code != 0
    assert "Nothing was done: it is healthy" in " ".join(refused.output.split())
    assert (refused.changed, mortal.server, mortal.status("/api/health")) == (0, server, 200)


def test_killed_under_a_writer_it_comes_back_with_all_that_was_acknowledged(mortal: Platform) -> None:
    writer, identity = Writer(mortal), host_key(mortal)
    writer.start()
    assert mortal.eventually(lambda: min(map(len, writer.acknowledged.values())) > 100, 60)
    died = time.monotonic()
    Machines(mortal.lab).power_off(mortal.server)
    assert recover(mortal)["cures"][0] == "power_on"
    redis, files = writer.acknowledged["redis"], writer.acknowledged["files"]
    lost = missing_from_redis(mortal, len(redis))
    assert [number for number in lost if redis[number] < died - REDIS_GRACE] == []
    present = set(mortal.on_server(f"cd {WORKSPACE} && cat r*").split())
    assert {str(number) for number in range(len(files))} - present == set()
    assert host_key(mortal) == identity


def test_a_hanging_server_is_reset(mortal: Platform) -> None:
    server, identity = mortal.server, host_key(mortal)
    Machines(mortal.lab).hang(server)
    assert recover(mortal)["cures"][0] == "reset"
    assert (mortal.server, host_key(mortal)) == (server, identity)


def test_a_deleted_server_is_made_again_on_its_address_with_its_volume(mortal: Platform) -> None:
    server, address, identity = mortal.server, mortal.server_ipv4, host_key(mortal)
    mortal.on_server(f"echo kept > {WORKSPACE}/kept && sync")
    client = api(mortal)
    client.servers.get_by_id(server).delete().wait_until_finished()
    before = client.volumes.get_all()
    records = [one for one in mortal.exchanges("cloudflare") if one["method"] != "GET"]
    assert recover(mortal)["cures"] == ["recreate"]
    assert mortal.server != server
    assert (mortal.server_ipv4, host_key(mortal)) == (address, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/kept").strip() == "kept"
    assert [one.id for one in client.volumes.get_all()] == [one.id for one in before]
    changed = [one for one in mortal.exchanges("cloudflare") if one["method"] != "GET"][len(records) :]
    assert [one for one in changed if "dns_records" in str(one["path"]) and one["status"] == 200] == []
    certificates = json.loads(mortal.lab.path("api", "cloudflare.json").read_text())["certificates"].values()
    assert ["revoked_at" in one for one in certificates] == [True, False], "the dead server's certificate is worth nothing any more"


def test_afterwards_site_has_nothing_to_do(mortal: Platform) -> None:
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()
