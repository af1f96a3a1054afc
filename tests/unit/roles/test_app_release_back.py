# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to the colour before: no container goes while a worker of nginx still sends visitors to it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.engine import Engine
from quetrex_release.outcome import ReleaseError
from quetrex_release.plan import Plan
from quetrex_release.record import Record
from quetrex_release.server import RELOAD_SECONDS, Server, Settings


class Nginx(Server):
    """A server whose nginx takes its time: some looks until the old workers hear of a reload, some more until they have ended."""

    def __init__(self, deaf: int = 0, busy: int = 0) -> None:
        self.settings = cast(Settings, SimpleNamespace(service="web", public=True))
        self.deaf, self.busy, self.reloaded = deaf, busy, False
        self.time, self.did = 0.0, list[str]()

    def docker(self, *words: str, env: dict[str, str] | None = None, check: bool = True, timeout: float = 600) -> str:
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

    def point(self, colour: str | None) -> None:
        self.did.append(f"point {colour}")

    def start(self, colour: str, image: str, config: str) -> None:
        self.did.append(f"start {colour} after {self.deaf} {self.busy}")

    def stop(self, colour: str) -> None:
        self.did.append(f"stop {colour} after {self.deaf} {self.busy}")

    def remove(self, colour: str) -> None:
        self.did.append(f"remove {colour} after {self.deaf} {self.busy}")

    def record(self) -> Record:
        return Record()

    def container(self, colour: str) -> None:
        return None

    def audit(self, line: dict[str, Any]) -> None:
        self.did.append(f"audit {line['outcome']}")

    def logs(self, colour: str) -> str:
        return f"last words of {colour}"

    def clock(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


def engine(nginx: Nginx) -> Engine:
    return Engine(nginx, lambda _text: None)


def test_end_of_reload() -> None:
    """A reload is over when no worker from before takes requests."""
    nginx = Nginx(deaf=4, busy=3)
    nginx.reload()
    assert (nginx.deaf, nginx.did) == (0, ["-q", "reload"])
    assert nginx.busy > 0, "what they still have is the draining's business"


def test_a_reload_that_no_worker_hears_of_ends_all_the_same() -> None:
    nginx = Nginx(deaf=10**6)
    nginx.reload()
    assert RELOAD_SECONDS <= nginx.time < RELOAD_SECONDS + 1


def test_interrupted_release_is_undone() -> None:
    """An interrupted release is undone before its colour is made again."""
    nginx, plan = Nginx(deaf=3, busy=4), Plan(("restore", "start"), "green", "blue", "an interrupted release is undone first")
    for step in engine(nginx)._steps(plan, "image", "config", None):
        step.do()
    assert nginx.did == ["point blue", "-q", "reload", "start green after 0 3"]


@pytest.mark.parametrize("failing", ["verify", "gate"])
def test_failed_release_is_drained(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed ends what it has and goes when no new visitors get there."""
    nginx = Nginx(deaf=3, busy=4)
    plan = Plan(("start", "gate", "switch", "verify"), "green", "blue", "another image")
    made = engine(nginx)
    for name in ("_gate", "_verify"):
        monkeypatch.setattr(made, name, lambda colour, name=name: fail() if name == f"_{failing}" else None)

    def fail() -> None:
        raise ReleaseError("broken_through_nginx", "HTTP 500")

    with pytest.raises(ReleaseError) as caught:
        made._go(made._walk(str, "green"), made._steps(plan, "image", "config", None), {}, silent=False)
    back = ["point green", "point blue", "-q", "reload", "stop green after 0 3", "remove green after 0 3"]
    assert nginx.did[1:-1] == (back if failing == "verify" else ["remove green after 3 4"])
    assert nginx.did[-1] == "audit broken_through_nginx"
    assert caught.value.logs == "last words of green"
