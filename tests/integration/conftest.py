# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs for integration tests, one shared by all that leave it as it was, and the platform as a user meets it: playbooks outside, curl through the edge."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import cloud, slots
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

    def curl(self, url: str, *args: str) -> subprocess.CompletedProcess[str]:
        """curl as a visitor of the edge: the lab's name resolution and authority, nothing else different."""
        names = [self.lab.domain, f"www.{self.lab.domain}"]
        resolve = [word for name in names for port in (80, 443) for word in ("--resolve", f"{name}:{port}:{self.lab.edge}")]
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


# Each lab's name and its number in the slot: two tests that run at the same time never use the same. `main` is shared.
LABS = ("main", "cut", "twin", "out", "rec", "grow", "life", "awx", "run", "ver", "enc", "rot")
NewLab = Callable[[str], AbstractContextManager[Lab]]


@pytest.fixture(scope="session")
def slot() -> slots.Slot:
    """This test process's own names and subnets."""
    return slots.take()


@pytest.fixture(scope="session")
def absent_lab(slot: slots.Slot) -> Callable[[str], Lab]:
    """A lab of this run's own by its name in LABS, not brought up; what a dead run left of it is gone."""

    def absent(name: str) -> Lab:
        lab = slot.lab(LABS.index(name), name)
        cloud.down(lab, abandoned=True)
        return lab

    return absent


@pytest.fixture(scope="session")
def new_lab(absent_lab: Callable[[str], Lab]) -> NewLab:
    """`with new_lab("rec") as lab:` brings it up; it is gone afterwards, whatever happens (TEST_LAB_KEEP keeps it, to be looked at)."""

    @contextmanager
    def up(name: str) -> Iterator[Lab]:
        lab = absent_lab(name)
        try:
            cloud.up(lab, print)
            yield lab
        finally:
            if not os.environ.get("TEST_LAB_KEEP"):
                cloud.down(lab)

    return up


@pytest.fixture(scope="session")
def lab(new_lab: NewLab) -> Iterator[Lab]:
    """The lab that tests share: each leaves it as `site.yml` does."""
    with new_lab("main") as made:
        yield made


@dataclass(frozen=True)
class Look:
    """What `site.yml --check --diff` said about an empty account, and what the vendors' APIs saw of it."""

    run: Run
    writes: list[dict[str, object]]


@pytest.fixture(scope="session")
def first_look(lab: Lab) -> Look:
    """The look beforehand: always before the first run, whichever test asks first."""
    platform = Platform(lab)
    run = platform.play("site", "--check", "--diff")
    exchanges = [*platform.exchanges("hetzner"), *platform.exchanges("cloudflare")]
    return Look(run, [exchange for exchange in exchanges if exchange["method"] != "GET"])


@pytest.fixture(scope="session")
def first_run(lab: Lab, first_look: Look) -> Run:
    """The first `site.yml` on an empty account."""
    run = Platform(lab).play("site", "--diff")
    assert run.code == 0, run.explain()
    return run


@pytest.fixture(scope="session")
def platform(lab: Lab, first_run: Run) -> Platform:
    """A platform that `site.yml` has built."""
    return Platform(lab)
