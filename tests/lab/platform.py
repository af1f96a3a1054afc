# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform in a lab as a user meets it: playbooks outside, curl through the edge; and what lies behind, for tests."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.config import CHECKOUT, Lab
from lab.machine import Machines
from lab.process import until


@dataclass(frozen=True)
class Run:
    """How a playbook ended: exit code, all it printed, and the recap per host."""

    code: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """`{host: {ok, changed, unreachable, failed, skipped, …}}`."""
        lines = re.findall(r"^(\S+)\s+:\s+(ok=.*)$", self.output, flags=re.MULTILINE)
        return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}

    @property
    def changed(self) -> int:
        """Tasks that changed something, on all hosts."""
        return sum(counts["changed"] for counts in self.recap.values())

    @property
    def changed_tasks(self) -> list[str]:
        """Names of the tasks that reported a change."""
        found, task = [], ""
        for line in self.output.splitlines():
            if line.startswith("TASK ["):
                task = line[6:].partition("]")[0]
            elif line.startswith("changed:"):
                found.append(task)
        return found

    def explain(self) -> str:
        """The end of the output, for an assertion's message."""
        return f"exit {self.code}, changed: {self.changed_tasks}\n" + "\n".join(self.output.splitlines()[-60:])


@dataclass(frozen=True)
class Platform:
    """The lab and everything a test does with it."""

    lab: Lab

    @property
    def environment(self) -> dict[str, str]:
        """What a terminal would have set for this lab."""
        return {**os.environ, "LAB_NAME": self.lab.name, "LAB_SUBNET": str(self.lab.prefix), "ANSIBLE_HOME": str(self.lab.folder("ansible")), "NO_COLOR": "1"}

    def command(self, playbook: str, *args: str) -> list[str]:
        """The words of an ansible-playbook call."""
        return [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml", *args]

    def play(self, playbook: str, *args: str, timeout: float = 900) -> Run:
        """Runs a playbook to its end, from the checkout, as a user would."""
        done = subprocess.run(
            self.command(playbook, *args),
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
        with self.lab.path("log", f"{playbook}.txt").open("a") as log:
            log.write(done.stdout)
        return Run(done.returncode, done.stdout)

    def killed(self, playbook: str, *args: str, when: Callable[[str], bool], budget: float = 900) -> bool:
        """Starts a playbook and kills it with all its children as soon as `when` holds of what it has printed; False when it had ended by itself."""
        log = self.lab.path("log", f"killed-{time.time_ns()}.txt")
        with log.open("wb") as output:
            child = subprocess.Popen(self.command(playbook, *args), cwd=CHECKOUT, env=self.environment, stdout=output, stderr=output, start_new_session=True)
            try:
                until(lambda: child.poll() is not None or when(log.read_text(errors="replace")), budget, step=0.1)
            finally:
                ended = child.poll() is not None
                if not ended:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
        return not ended

    def killed_after(self, seconds: float, playbook: str, *args: str) -> bool:
        """The same after a while."""
        end = time.monotonic() + seconds
        return self.killed(playbook, *args, when=lambda _said: time.monotonic() >= end)

    def curl(self, url: str, *args: str) -> subprocess.CompletedProcess[str]:
        """curl as a visitor of the edge: the lab's name resolution and authority, nothing else different."""
        names = {self.lab.domain, f"www.{self.lab.domain}", str(urlsplit(url).hostname)}
        resolve = [word for name in sorted(names) for port in (80, 443) for word in ("--resolve", f"{name}:{port}:{self.lab.edge}")]
        words = ["curl", "--silent", "--show-error", "--max-time", "30", "--cacert", str(self.lab.path("pki", "ca.pem")), *resolve, *args, url]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def status(self, path: str, *args: str, scheme: str = "https") -> int:
        """Status code of a path of the platform, through the edge."""
        return int(self.curl(f"{scheme}://{self.lab.domain}{path}", "--output", "/dev/null", "--write-out", "%{http_code}", *args).stdout or 0)

    def headers(self, path: str, *args: str) -> dict[str, str]:
        """Answer headers of a path, names in lower case."""
        text = self.curl(f"https://{self.lab.domain}{path}", "--output", "/dev/null", "--dump-header", "-", *args).stdout
        pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
        return {name.strip().lower(): value.strip() for name, _colon, value in pairs}

    @property
    def facts(self) -> dict[str, Any]:
        """What `lab.json` tells the inventory."""
        facts: dict[str, Any] = json.loads(self.lab.path("lab.json").read_text())
        return facts

    @property
    def server(self) -> int:
        """The vendor's id of the one server that runs."""
        (only,) = (int(path.parent.name) for path in (self.lab.root / "servers").glob("*/server.json"))
        return only

    @property
    def server_ipv4(self) -> str:
        """Its public address."""
        facts = json.loads((self.lab.root / "servers" / str(self.server) / "server.json").read_text())
        return str(facts["addresses"][0])

    def on_server(self, script: str) -> str:
        """Runs a shell script as root inside the server, past SSH and firewall."""
        return Machines(self.lab).enter(self.server, "/bin/sh", "-euc", script)

    def eventually(self, condition: Callable[[], bool], budget: float = 20) -> bool:
        """Whether something becomes true within `budget` seconds."""
        return until(condition, budget, step=0.2)

    def exchanges(self, api: str) -> list[dict[str, object]]:
        """Every request a vendor's API has answered, oldest first."""
        path = self.lab.root / "log" / f"{api}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def secrets_of(platform: Platform) -> dict[str, str]:
    """Everything a run must never print."""
    facts = platform.facts
    tokens = {f"token of {api}": entry["token"] for api, entry in facts["apis"].items()}
    database = {"database password": facts["supabase"]["password"], "service role key": facts["supabase"]["service_role_key"]}
    redis = (Path(facts["state_dir"]) / "redis-password").read_text().split()[0]
    key = next(path for path in Path(facts["state_dir"]).glob("*") if path.read_bytes().startswith(b"-----BEGIN OPENSSH") and path.name != "id_ed25519")
    host_key = key.read_text().splitlines()[2]
    return {**tokens, **database, "registry password": facts["registry"]["password"], "redis password": redis, "SSH host key": host_key}
