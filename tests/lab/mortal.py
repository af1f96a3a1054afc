# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that is killed and recovered: what writes to it meanwhile, what it must still know afterwards, and the vendor's side of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcloud

from lab.machine import Machines
from lab.platform import Platform

WORKSPACE = "/srv/platform/workspace"


@dataclass(frozen=True)
class Moment:
    """A time in a run of `site.yml`: so many seconds after a task of this name began."""

    task: str
    after: float = 0.5

    def come(self, said: str) -> bool:
        """Whether a run that has printed this is there."""
        return re.search(rf"^TASK \[quetrex\.platform\.{re.escape(self.task)}", said, flags=re.MULTILINE) is not None


# In each of them something has been told to somebody and is not known to be done: the order of the server, a migration, packages, a release …
MOMENTS = {
    "server": Moment("hetzner_server : server | Create or update the server", 1.0),
    "database": Moment("supabase_database : Apply the migrations"),
    "packages": Moment("host_baseline : Install the base packages", 1.5),
    "ssh": Moment("ssh_hardening"),
    "engine": Moment("docker_engine : Install the engine", 3.0),
    "certificate": Moment("origin_certificate : certificate | Issue a certificate"),
    "stack": Moment("app_stack : Write, validate and start the stack", 2.0),
    "release": Moment("app_release : Release the application", 3.0),
    "names": Moment("cloudflare_zone : records | Point the records"),
    "monitors": Moment("uptime_monitors"),
}


def cut_short(platform: Platform, moment: Moment) -> None:
    """Kills a run of `site.yml` at a moment, which it has to come to."""
    began: list[float] = []
    seen = [""]

    def when(said: str) -> bool:
        seen[0] = said
        if not began and moment.come(said):
            began.append(time.monotonic())
        return bool(began) and time.monotonic() - began[0] >= moment.after

    killed = platform.killed("site", when=when)
    assert began, f"site never came to {moment.task}:\n{seen[0][-4000:]}"
    assert killed, f"site ended before {moment.after} s of {moment.task} were over:\n{seen[0][-4000:]}"


def counts(platform: Platform) -> dict[str, int]:
    """How many of each resource the account holds."""
    client, kinds = api(platform), ("servers", "volumes", "primary_ips", "firewalls", "ssh_keys")
    return {kind: len(getattr(client, kind).get_all()) for kind in kinds}


WHOLE = {"servers": 1, "volumes": 1, "primary_ips": 2, "firewalls": 1, "ssh_keys": 1}
"""A platform's, with nothing made twice."""


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
