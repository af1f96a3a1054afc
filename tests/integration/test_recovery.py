# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server dies in several ways; one command brings it back, and nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcloud
import pytest

from lab import offsite
from lab.config import CHECKOUT
from lab.machine import Machines

from .conftest import NewLab, Platform

pytestmark = [pytest.mark.lab]
REDIS_GRACE = 1.0
"""Seconds of acknowledged writes that `appendfsync everysec` may lose."""
WORKSPACE = "/srv/platform/workspace"


class Mortal(Platform):
    """A platform with copies elsewhere, to be killed."""

    def command(self, playbook: str, *args: str) -> list[str]:
        """The words of an ansible-playbook call."""
        return [*super().command(playbook, *args), "-e", f"@{self.lab.path('offsite.json')}"]

    @property
    def server(self) -> int:
        """The vendor's id of the one server in use; retired ones may be beside it."""
        (only,) = (one.id for one in api(self).servers.get_all(label_selector="role=app"))
        return int(str(only))

    def killed(self, playbook: str, *args: str, after: float) -> bool:
        """Start a playbook and kill it with all its children after a while; False when it had ended by itself."""
        with self.lab.path("log", "killed.txt").open("ab") as log:
            words = self.command(playbook, *args)
            child = subprocess.Popen(words, cwd=CHECKOUT, env=self.environment, stdout=log, stderr=log, start_new_session=True)
            try:
                child.wait(timeout=after)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                return True
        return False


@pytest.fixture(scope="module")
def mortal(new_lab: NewLab) -> Iterator[Mortal]:
    """A platform of its own."""
    with new_lab("rec") as lab:
        lab.path("offsite.json").write_text(json.dumps({"platform_backup": offsite.up(lab)}))
        platform = Mortal(lab)
        built = platform.play("site")
        assert built.code == 0, built.explain()
        yield platform


@dataclass
class Writer:
    """Writes to Redis and to the runner's workspace, one after the other, and keeps when each was acknowledged."""

    platform: Platform
    run: str = "r"
    acknowledged: dict[str, list[float]] = field(default_factory=lambda: {"redis": [], "files": []})
    clients: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        """Begins."""
        for work in (self._redis, self._files):
            threading.Thread(target=work, daemon=True).start()

    def end(self) -> float:
        """Ends both at once, which a server that is stopped cannot, and tells when: what was acknowledged before counts."""
        moment = time.monotonic()
        for client in self.clients:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(client.pid, signal.SIGKILL)
        return moment

    def busy(self) -> bool:
        """Whether both have been acknowledged often enough to be worth counting."""
        return min(map(len, self.acknowledged.values())) > 50

    def _redis(self) -> None:
        with contextlib.suppress(BrokenPipeError), self._inside(*redis_cli(self.platform)) as client:
            assert client.stdin
            assert client.stdout
            try:
                for number in range(100_000):
                    client.stdin.write(f"SET recovery:{self.run}:{number} {number}\n")
                    client.stdin.flush()
                    if client.stdout.readline().strip() != "OK":
                        return
                    self.acknowledged["redis"].append(time.monotonic())
            except (BrokenPipeError, ValueError):
                return

    def _files(self) -> None:
        file = f"{WORKSPACE}/{self.run}-$i"
        loop = f"i=0; while [ $i -lt 100000 ]; do echo $i > {file} && sync {file} && echo $i; i=$((i+1)); sleep 0.02; done"
        with self._inside("sh", "-c", loop) as client:
            assert client.stdout
            for _line in client.stdout:
                self.acknowledged["files"].append(time.monotonic())

    def _inside(self, *argv: str) -> subprocess.Popen[str]:
        target = Machines(self.platform.lab).init_pid(self.platform.server)
        words = ["nsenter", f"--target={target}", "--mount", "--uts", "--ipc", "--pid", "--net", "--", *argv]
        client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        self.clients.append(client)
        return client


def redis_cli(platform: Platform) -> list[str]:
    """The words that speak to Redis as the web application does."""
    password = (Path(platform.facts["state_dir"]) / "redis-password").read_text().split()[0]
    return ["docker", "exec", "--interactive", "--env", f"REDISCLI_AUTH={password}", "platform-redis", "redis-cli", "--user", "web"]


def missing_from_redis(platform: Platform, count: int, run: str = "r") -> list[int]:
    """Which of the writes `0 … count - 1` Redis does not know."""
    ask = f"seq -f 'EXISTS recovery:{run}:%.0f' 0 {count - 1}"
    said = platform.on_server(f"{ask} | {' '.join(redis_cli(platform))}").splitlines()
    assert len(said) == count
    return [number for number, line in enumerate(said) if line.strip() != "1"]


def host_key(platform: Platform) -> str:
    """The key by which the server is known."""
    return platform.on_server("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def recover(platform: Mortal, *args: str) -> dict[str, Any]:
    """Runs recover.yml and returns the record it leaves; the platform works afterwards, and the last line holds the time against the budget."""
    run = platform.play("recover", *args)
    assert run.code == 0, run.explain()
    assert "DIAGNOSIS: API ok" in " ".join(run.output.split()), run.explain()
    assert platform.status("/api/health") == 200
    record: dict[str, Any] = json.loads((Path(platform.facts["state_dir"]) / "recovery.json").read_text())
    assert record["seconds"] <= record["budget"] == 600
    budget, seconds, *left = run.output.rstrip().splitlines()[-1].split()
    assert (budget, seconds, left[1:]) == ("budget", "600.0", ["s", "left"]), run.explain()
    return record


def api(platform: Platform) -> hcloud.Client:
    """The vendor's SDK on the lab's account."""
    hetzner = platform.facts["apis"]["hetzner"]
    return hcloud.Client(token=hetzner["token"], api_endpoint=hetzner["url"])


def faults(platform: Platform, api: str, *rules: dict[str, Any]) -> None:
    """Replace the faults of an API."""
    for method, body in (("DELETE", None), *((("POST", json.dumps(rules).encode()),) if rules else ())):
        request = urllib.request.Request(f"{platform.lab.origin(api)}/_lab/faults", data=body, method=method, headers={"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()


def dns_writes(platform: Platform) -> list[dict[str, Any]]:
    """Changes of DNS records that took effect."""
    return [one for one in platform.exchanges("cloudflare") if one["method"] != "GET" and "dns_records" in str(one["path"]) and one["status"] == 200]


def deaf_to_ssh(platform: Mortal) -> None:
    """The daemon for logins and the application are gone, the rest lives."""
    ended = "docker ps --quiet | xargs docker kill; systemctl stop docker.socket docker"
    platform.on_server(f"{ended}; systemctl mask --now ssh.service ssh.socket 2>/dev/null; pkill -x sshd || true")


def test_a_healthy_server_is_left_alone(mortal: Mortal) -> None:
    server = mortal.server
    refused = mortal.play("recover")
    assert refused.code != 0
    assert "Nothing was done: it is healthy" in " ".join(refused.output.split())
    assert (refused.changed, mortal.server, mortal.status("/api/health")) == (0, server, 200)


def test_killed_under_a_writer_it_comes_back_with_all_that_was_acknowledged(mortal: Mortal) -> None:
    writer, identity = Writer(mortal), host_key(mortal)
    writer.start()
    assert mortal.eventually(writer.busy, 60)
    time.sleep(2)
    died = writer.end()
    Machines(mortal.lab).lose_power(mortal.server)
    assert recover(mortal)["cures"][0] == "power_on"
    redis, files = writer.acknowledged["redis"], writer.acknowledged["files"]
    lost = missing_from_redis(mortal, len(redis))
    assert [number for number in lost if redis[number] < died - REDIS_GRACE] == []
    present = set(mortal.on_server(f"cd {WORKSPACE} && cat r-*").split())
    # what was acknowledged while the power went is neither kept nor lost by promise
    assert {str(number) for number, at in enumerate(files) if at < died} - present == set()
    assert host_key(mortal) == identity


def test_deleted_and_its_recovery_killed_half_way_it_is_back_on_its_address_with_its_volume(mortal: Mortal) -> None:
    server, address, identity = mortal.server, mortal.server_ipv4, host_key(mortal)
    mortal.on_server(f"echo kept > {WORKSPACE}/kept && sync")
    client = api(mortal)
    client.servers.get_by_id(server).delete().wait_until_finished()
    before, records = client.volumes.get_all(), dns_writes(mortal)
    assert mortal.killed("recover", after=25)
    recover(mortal)
    assert mortal.server != server
    assert (mortal.server_ipv4, host_key(mortal)) == (address, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/kept").strip() == "kept"
    assert [one.id for one in client.volumes.get_all()] == [one.id for one in before]
    assert dns_writes(mortal) == records
    certificates = json.loads(mortal.lab.path("api", "cloudflare.json").read_text())["certificates"].values()
    assert ["revoked_at" in one for one in certificates] == [True, False], "the dead server's certificate is worth nothing any more"


def test_afterwards_site_has_nothing_to_do(mortal: Mortal) -> None:
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


@pytest.mark.long
def test_from_a_golden_image_visitors_are_served_before_zone_and_database_are_looked_after(mortal: Mortal) -> None:
    built = mortal.play("image_build")
    assert built.code == 0, built.explain()
    server, identity, asked = mortal.server, host_key(mortal), len(mortal.exchanges("supabase"))
    mortal.on_server(f"echo kept > {WORKSPACE}/pictured && sync")
    api(mortal).servers.get_by_id(server).delete().wait_until_finished()
    assert recover(mortal)["cures"] == ["recreate"]
    assert (mortal.server != server, host_key(mortal)) == (True, identity)
    assert mortal.on_server(f"cat {WORKSPACE}/pictured").strip() == "kept"
    released = datetime.datetime.fromisoformat(json.loads(mortal.on_server("tail -n 1 /srv/platform/releases.log"))["at"]).timestamp()
    looked_after = [float(str(one["time"])) for one in mortal.exchanges("supabase")[asked:] if str(one["path"]).startswith("/v1/projects")]
    assert looked_after
    assert min(looked_after) > released, "site does the rest, and does it afterwards"
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()


@pytest.mark.long
def test_where_a_reset_brings_back_the_visitors_and_not_the_login_its_owner_chooses_when_they_wait_for_the_rest(mortal: Mortal) -> None:
    deaf_to_ssh(mortal)
    stopped = mortal.play("recover")
    assert stopped.code != 0
    # a server that is young is waited for first
    words = r"Visitors are served again, by (wait, then )?reset\. But visitors are served, only its owner cannot log in"
    assert re.search(words, " ".join(stopped.output.split())), stopped.explain()
    assert mortal.status("/api/health") == 200
    assert recover(mortal, "-e", "platform_recovery_cure=rebuild")["cures"] == ["rebuild", "converge"]
    assert mortal.on_server("systemctl is-active ssh.service ssh.socket || true").split().count("active") >= 1


@pytest.mark.long
def test_where_no_cure_can_be_given_the_server_is_cut_off_and_all_is_elsewhere_with_the_state_of_the_copy(mortal: Mortal) -> None:
    server, address, identity = mortal.server, mortal.server_ipv4, host_key(mortal)
    mortal.on_server(f"echo copied > {WORKSPACE}/copied && echo 'SET copied yes' | {' '.join(redis_cli(mortal))} && platform-backup backup")
    assert json.loads(mortal.on_server("platform-backup status"))["age_seconds"] < 60
    releases = mortal.on_server("cat /srv/platform/releases.log")
    client, records = api(mortal), dns_writes(mortal)
    Machines(mortal.lab).hang(server)
    commands = ("reset_server", "rebuild_server", "start_server")
    # of this one alone: the server elsewhere is started by the same command
    dead = [{"domain": "action", "command": command, "server": server, "code": "action_failed"} for command in commands]
    faults(mortal, "hetzner", *({"effect": effect} for effect in [*dead, {"domain": "sold_out", "location": "ash"}]))
    try:
        record = recover(mortal, "-e", '{"platform_recovery_locations": ["hil"]}')
    finally:
        faults(mortal, "hetzner")
    assert (record["cures"], record["location"]) == (["reset", "rebuild", "power_on", "recreate", "relocate"], "hil")
    old = client.servers.get_by_id(server)
    assert (old.status, (old.labels or {})["role"]) == ("off", "retired")
    assert mortal.server_ipv4 != address
    assert host_key(mortal) == identity
    assert mortal.on_server(f"cat {WORKSPACE}/copied; echo 'GET copied' | {' '.join(redis_cli(mortal))}").split() == ["copied", "yes"]
    assert sorted(str(one.location and one.location.name) for one in client.volumes.get_all()) == ["ash", "hil"]
    switched = dns_writes(mortal)[len(records) :]
    assert switched
    recorded = mortal.on_server("cat /srv/platform/releases.log")
    assert recorded.startswith(releases), "the record of releases goes on where the copy ended"
    released = json.loads(recorded.splitlines()[-1])
    assert released["outcome"] == "released"
    assert min(float(one["time"]) for one in switched) >= datetime.datetime.fromisoformat(released["at"]).timestamp(), "the origin answers first"


@pytest.mark.long
def test_elsewhere_site_has_nothing_to_do_either_and_says_where_the_inventory_is_wrong(mortal: Mortal) -> None:
    again = mortal.play("site", "--diff")
    assert (again.code, again.changed) == (0, 0), again.explain()
    assert "location is hil, wanted is ash" in " ".join(again.output.split())
