# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server and its owner, without the vendors' APIs: for tests and measurements of the roles that prepare a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import cloud, disks, dns, metadata, net
from lab.config import CHECKOUT, Lab
from lab.machine import Machines
from lab.process import until
from lab.shell import run

ROLES = ("host_baseline", "ssh_hardening", "host_firewall", "docker_engine")
SERVER, VOLUME = 1, 77


@dataclass(frozen=True)
class Run:
    """How a playbook ended, and how long it took."""

    code: int
    output: str
    seconds: float

    def count(self, word: str) -> int:
        """A number of the recap: ok, changed, failed, unreachable."""
        found = re.search(rf"^app\s+:.*\b{word}=(\d+)", self.output, flags=re.MULTILINE)
        return int(found.group(1)) if found else -1


class Solo:
    """A fresh server `app` whose owner `ops` has a key, with a data volume plugged in."""

    def __init__(self, lab: Lab, suite: str = "trixie", *, prepared: bool = False) -> None:
        self.lab, self.suite, self.prepared = lab, suite, prepared
        self.machines = Machines(lab)
        self.ipv4 = net.server_address(lab, 0)
        self.ipv6 = net.server_network6(lab, 0).replace("/64", "1")

    @property
    def key(self) -> Path:
        """The owner's key."""
        return self.lab.folder("controller") / "id_ed25519"

    def up(self) -> None:
        """Boots the server and waits until its owner can log in."""
        self.lab.folder().chmod(0o755)
        if self.prepared:
            self.lab.path("prepared").touch()
        cloud.owner_file(self.lab).write_text(str(self.lab.root))
        net.up(self.lab)
        dns.up(self.lab)
        metadata.up(self.lab)
        for key in (self.key, self.stranger_key):
            if not key.exists():
                run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        public = self.key.with_suffix(".pub").read_text().strip()
        owner = {"name": "ops", "groups": "sudo", "shell": "/bin/bash", "sudo": "ALL=(ALL) NOPASSWD:ALL", "ssh_authorized_keys": [public]}
        data = "#cloud-config\n" + json.dumps({"users": ["default", owner], "disable_root": True})
        self.machines.create(SERVER, ipv4=self.ipv4, ipv6=self.ipv6, user_data=data, ssh_keys=[public], hostname="app", suite=self.suite)
        self.machines.attach_volume(SERVER, VOLUME, disks.make(self.lab, VOLUME, 10))
        self.machines.power_on(SERVER)
        if not self.reachable(60):
            raise RuntimeError("the fresh server does not answer its owner")
        self.root("cloud-init status --wait >/dev/null || true")

    def down(self) -> None:
        """Ends the lab and removes what it made."""
        cloud.down(self.lab, abandoned=True)

    @property
    def stranger_key(self) -> Path:
        """A key that no server knows."""
        return self.lab.folder("controller") / "id_stranger"

    def ssh(self, *command: str, user: str = "ops", key: Path | None = None, seconds: int = 5) -> subprocess.CompletedProcess[str]:
        """A login of its own, as from another terminal."""
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            f"ConnectTimeout={seconds}",
            "LogLevel=ERROR",
        ]
        words = [word for option in options for word in ("-o", option)]
        argv = ["ssh", "-F", "/dev/null", "-i", str(key or self.key), *words, f"{user}@{self.ipv4}", *command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + 60)

    def reachable(self, budget: float) -> bool:
        """Whether the owner gets in within so many seconds and can become root."""
        return until(lambda: self.ssh("sudo", "-n", "true", seconds=2).returncode == 0, budget, step=0.3)

    def root(self, script: str) -> str:
        """Runs a script as root inside, past SSH and firewall."""
        return self.machines.enter(SERVER, "/bin/sh", "-euc", script)

    def reboot(self) -> None:
        """Cuts the power and gives it back."""
        self.machines.reset(SERVER)

    def command(self, variables: Mapping[str, Any], roles: Sequence[str], *args: str) -> list[str]:
        """The words of a play of these roles."""
        folder = self.lab.folder("solo")
        hosts = {"app": {"ansible_host": self.ipv4, "ansible_user": "ops", "ansible_ssh_private_key_file": str(self.key)}}
        common = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o LogLevel=ERROR"
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": {"ansible_ssh_common_args": common}}}))
        play = {"hosts": "app", "gather_facts": False, "roles": [f"quetrex.platform.{role}" for role in roles]}
        (folder / "play.json").write_text(json.dumps([play]))
        defaults = {
            "platform_edge_cidrs": [self.lab.network(1), self.lab.network6(1)],
            "host_baseline_volume_device": f"/dev/disk/by-id/scsi-0HC_Volume_{VOLUME}",
        }
        (folder / "vars.json").write_text(json.dumps(defaults | dict(variables)))
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return [program, "-i", str(folder / "hosts.json"), str(folder / "play.json"), "-e", f"@{folder / 'vars.json'}", *args]

    @property
    def environment(self) -> dict[str, str]:
        """What a terminal would have set."""
        return {**os.environ, "ANSIBLE_HOME": str(self.lab.folder("ansible")), "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1", "NO_COLOR": "1"}

    def play(self, variables: Mapping[str, Any] | None = None, roles: Sequence[str] = ROLES, *args: str, environment: Mapping[str, str] | None = None) -> Run:
        """Runs the roles to their end."""
        began = time.monotonic()
        argv = self.command(variables or {}, roles, *args)
        done = subprocess.run(
            argv,
            cwd=CHECKOUT,
            env=self.environment | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        with self.lab.path("log", "solo.txt").open("a") as log:
            log.write(done.stdout)
        return Run(done.returncode, done.stdout, time.monotonic() - began)
