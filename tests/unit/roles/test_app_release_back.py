# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to the colour before: no container goes while a worker of nginx still sends visitors to it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.docker import Docker
from quetrex_release.nginx import RELOAD_SECONDS, Nginx
from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Plan
from quetrex_release.record import Record
from quetrex_release.release import Release
from quetrex_release.settings import Settings
from quetrex_release.steps import Walk


class Engine(Docker):
    """An nginx that takes its time: some looks until the old workers hear of a reload, some more until they have ended."""

    def __init__(self, deaf: int = 0, busy: int = 0) -> None:
        self.deaf, self.busy, self.reloaded = deaf, busy, False
        self.time, self.did = 0.0, list[str]()

    def run(self, *words: str, env: object = None, check: bool = True, timeout: float = 600) -> str:
        if words[0] == "top":
            return self.top()
        self.reloaded = self.reloaded or words[-1] == "reload"
        self.did.append(words[-1])
        return ""

    def top(self) -> str:
        """Worker 7 is from before, worker 8 is new."""
        lines = ["PID                 COMMAND", "1                   nginx: master process"]
        if not self.reloaded:
            return "\n".join([*lines, "7                   nginx: worker process"])
        lines.append("8                   nginx: worker process  ")
        if self.deaf > 0:
            self.deaf -= 1
            lines.append("7                   nginx: worker process")
        elif self.busy > 0:
            self.busy -= 1
            lines.append("7                   nginx: worker process is shutting down")
        return "\n".join(lines)

    # the server's clock

    def now(self) -> str:
        return "now"

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


class Service:
    """A service behind that nginx, and the platform of which it is all there is."""

    settings = cast(Settings, SimpleNamespace(service="web", public=True))
    state = SimpleNamespace(record=Record)

    def __init__(self, engine: Engine) -> None:
        self.engine = self.host = engine
        self.nginx = Nginx(Path(), engine, engine)

    def reload(self) -> None:
        self.nginx.reload()

    def point(self, colour: str | None) -> None:
        self.engine.did.append(f"point {colour}")

    def _did(self, what: str, colour: str) -> None:
        self.engine.did.append(f"{what} {colour} after {self.engine.deaf} {self.engine.busy}")

    def start(self, colour: str, image: str, config: str) -> None:
        self._did("start", colour)

    def stop(self, colour: str) -> None:
        self._did("stop", colour)

    def remove(self, colour: str) -> None:
        self._did("remove", colour)

    def container(self, colour: str) -> None:
        return None


def release(engine: Engine, plan: Plan) -> Release:
    service = Service(engine)
    return Release(service, service, plan, "image", "config", lambda _text: None, None)  # type: ignore[arg-type]


def test_end_of_reload() -> None:
    """A reload is over when no worker from before takes requests."""
    engine = Engine(deaf=4, busy=3)
    Service(engine).reload()
    assert (engine.deaf, engine.did) == (0, ["-q", "reload"])
    assert engine.busy > 0, "what they still have is the draining's business"


def test_a_reload_that_no_worker_hears_of_ends_all_the_same() -> None:
    engine = Engine(deaf=10**6)
    Service(engine).reload()
    assert RELOAD_SECONDS <= engine.time < RELOAD_SECONDS + 1


def test_interrupted_release_is_undone() -> None:
    """An interrupted release is undone before its colour is made again."""
    engine, plan = Engine(deaf=3, busy=4), Plan(("restore", "start"), "green", "blue", "an interrupted release is undone first")
    for step in release(engine, plan).steps():
        step.do()
    assert engine.did == ["point blue", "-q", "reload", "start green after 0 3"]


@pytest.mark.parametrize("failing", ["verify", "gate"])
def test_failed_release_is_drained(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed ends what it has and goes when no new visitors get there."""
    engine = Engine(deaf=3, busy=4)
    made = release(engine, Plan(("start", "gate", "switch", "verify"), "green", "blue", "another image"))

    def fail() -> None:
        raise ReleaseError("broken_through_nginx", "HTTP 500")

    steps = [replace(step, do=fail) if step.name == failing else replace(step, do=lambda: None) if step.name == "gate" else step for step in made.steps()]
    with pytest.raises(ReleaseError) as caught:
        Walk(engine.clock, lambda _name: None, explain=lambda begun: f"last words after {begun[-1]}").through(steps)
    back = ["point green", "point blue", "-q", "reload", "stop green after 0 3", "remove green after 0 3"]
    assert engine.did[1:] == (back if failing == "verify" else ["remove green after 3 4"])
    assert caught.value.logs == f"last words after {failing}"
