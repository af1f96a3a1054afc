# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the engine, the controller, Docker and the server at random moments of deploys; visitors have to be served afterwards, and the next deploy has to work.

Adds to `results/killed.json`: `killed.py [NUMBER [SEED]]` (ten kills, another seed each time), `killed.py --clear`. With LAB_NAME set it works on the
platform in that lab, otherwise on one of its own.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from lab.borrowed import borrowed
from lab.config import Lab, LabError
from lab.machine import Machines
from lab.platform import Platform
from lab.process import until
from lab.visitors import Visitors

RESULT = Path(__file__).parent / "results" / "killed.json"
SAID = "/run/killed.log"
VERSIONS = ("1.0.0", "1.1.0")


class Killer:
    """The platform, and ways to kill a deploy on it."""

    def __init__(self, dice: random.Random) -> None:
        self.platform, self.dice = Platform(Lab.from_env()), dice
        self.images: dict[str, str] = self.platform.facts["registry"]["images"]["web"]
        self.ways: dict[str, Callable[[str], float]] = {"engine": self.engine, "controller": self.controller, "docker": self.docker, "server": self.server}

    def ask(self, *words: str) -> dict[str, Any]:
        """The release program's answer."""
        said = self.platform.on_server(f"quetrex-release --json {' '.join(words)} || true").strip().splitlines()
        found: dict[str, Any] = json.loads(said[-1])
        return found

    def engine(self, image: str) -> float:
        """The release program."""
        moment = self.dice.uniform(0.1, 5.5)
        self.platform.on_server(f"timeout --signal=KILL {moment:.2f} quetrex-release deploy {image} >{SAID} 2>&1 || true")
        return moment

    def docker(self, image: str) -> float:
        """The Docker daemon; systemd starts it again."""
        moment = self.dice.uniform(0.1, 5)
        kill = f"(sleep {moment:.2f}; systemctl kill --signal=KILL docker)"
        self.platform.on_server(f"{kill} & quetrex-release deploy {image} >{SAID} 2>&1 || true; wait; systemctl start docker")
        return moment

    def controller(self, image: str) -> float:
        """The connection of who asked, as continuous integration holds it; the program on the server notices at most that nobody listens."""
        moment = self.dice.uniform(0.3, 6)
        facts = self.platform.facts
        known = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={Path(facts['state_dir'], 'known_hosts')}"]
        words = ["ssh", "-i", facts["ssh_key"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", *known, f"deploy@{self.platform.server_ipv4}"]
        with subprocess.Popen([*words, f"deploy {image}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            try:
                child.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                child.kill()
        return moment

    def server(self, image: str) -> float:
        """The power."""
        moment = self.dice.uniform(0.1, 5)
        self.platform.on_server(
            f"systemd-run --quiet --collect sh -c 'quetrex-release deploy {image} >{SAID} 2>&1'; sleep {moment:.2f}; sync; cp {SAID} /root/killed.log"
        )
        Machines(self.platform.lab).reset(self.platform.server)
        return moment

    def reached(self, what: str) -> str:
        """The step at which it was killed, as far as it told."""
        file = "/root/killed.log" if what == "server" else SAID
        lines = self.platform.on_server(f"cat {file} 2>/dev/null || true").splitlines()
        steps = [line.split()[0] for line in lines if len(line.split()) == 2 and ":" not in line]
        return "done" if any(line.startswith("kept_off_server") for line in lines) else steps[-1] if steps else "before the first step"

    def serves(self) -> bool:
        """Whether a visitor gets the page."""
        return self.platform.status("/api/health") == 200

    def kill(self, what: str) -> dict[str, Any]:
        """One kill, and what came of it."""
        now = self.ask("status")["current"]["version"]
        other = next(version for version in VERSIONS if version != now)
        visitors = Visitors(self.platform.lab, self.platform.server_ipv4, through={"get": 2, "post": 1, "slow": 1}, direct={"get": 1})
        try:
            moment = self.ways[what](self.images[other])
            began = time.monotonic()
            served = until(self.serves, 120, step=0.1)
            back = round(time.monotonic() - began, 2)
            visitors.end()
        finally:
            visitors.kill()
        reached = self.reached(what) if what != "controller" else ""
        # a controller that died leaves the program on the server at work: it ends by itself
        answer: dict[str, Any] = {}
        wanted = VERSIONS[self.dice.randrange(2)]
        until(lambda: answer.update(self.ask("deploy", self.images[wanted])) or answer.get("failure", {}).get("code") != "locked", 90, step=0.5)
        worked = answer.get("current", {}).get("version") == wanted and json.loads(self.platform.curl(self.page).stdout or "{}").get("version") == wanted
        lost = len(visitors.lost)
        return {
            "what": what,
            "at": round(moment, 2),
            "step": reached,
            "served": served,
            "back": back,
            "lost": lost,
            "next_deploy": worked,
            "answer": {} if worked else answer,
        }

    @property
    def page(self) -> str:
        """What tells the version."""
        return f"https://{self.platform.lab.domain}/api/health"


def summary(kills: list[dict[str, Any]]) -> dict[str, Any]:
    """How many of which, and whether all is well."""
    return {
        "kills": len(kills),
        "of": dict(Counter(kill["what"] for kill in kills)),
        "steps": dict(Counter(kill["step"] for kill in kills if kill["step"])),
        "served_afterwards": sum(kill["served"] for kill in kills),
        "next_deploy_worked": sum(kill["next_deploy"] for kill in kills),
        "requests_lost": {what: sum(kill["lost"] for kill in kills if kill["what"] == what) for what in ("engine", "controller", "docker", "server")},
        "seconds_until_served_after_a_reset": sorted(kill["back"] for kill in kills if kill["what"] == "server"),
    }


def main() -> None:
    """Kills, and keeps what came of it after each."""
    if sys.argv[1:] == ["--clear"]:
        RESULT.unlink(missing_ok=True)
        return
    signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit(1))
    number = int(sys.argv[1]) if sys.argv[1:] else 10
    seed = int(sys.argv[2]) if sys.argv[2:] else random.SystemRandom().randrange(1, 2**31)
    with borrowed(7, "kill") as new:
        if new and (built := Platform(Lab.from_env()).play("site")).code != 0:
            raise LabError(built.explain())
        repeat(Killer(random.Random(seed)), number, seed)


def repeat(killer: Killer, number: int, seed: int) -> None:
    """Kills one after the other; what came of each is kept at once."""
    kinds = ["engine", "docker", "controller", "engine", "server", "docker", "controller", "engine", "docker", "server"]
    for turn in range(number):
        kept = json.loads(RESULT.read_text()) if RESULT.exists() else {"kills": []}
        found = {**killer.kill(kinds[len(kept["kills"]) % len(kinds)]), "seed": seed, "turn": turn}
        kills = [*kept["kills"], found]
        RESULT.write_text(json.dumps({"summary": summary(kills), "kills": kills}, indent=1) + "\n")
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
