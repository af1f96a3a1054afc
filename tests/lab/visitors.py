# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors of a platform in the lab: one crowd through the edge, one at nginx itself from the edge's network with the edge's certificate."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import edge, net
from lab.config import CHECKOUT, Lab, LabError
from lab.process import until

# Kind of client -> how many, through the edge and at nginx itself.
THROUGH = {"get": 4, "post": 2, "slow": 4, "session": 2, "events": 2, "socket": 2}
DIRECT = {"get": 4, "post": 1, "slow": 0, "session": 0, "events": 0, "socket": 0}


class Visitors:
    """Loads that run until `end`, and what must have answered them."""

    def __init__(
        self, lab: Lab, server: str, through: Mapping[str, int] | None = None, direct: Mapping[str, int] | None = None, seconds: float = 900, pace: float = 1
    ) -> None:
        through, direct = through or THROUGH, direct or DIRECT
        self.scratch = tempfile.TemporaryDirectory(prefix="visitors-")
        self.watched = [Path(self.scratch.name, name) for name in ("through", "direct")]
        key, certificate = edge.pull_certificate(lab)
        shown = Path(self.scratch.name, "edge.pem")
        shown.write_text(certificate.read_text() + key.read_text())
        program = [sys.executable, "-m", "lab.load", "--name", lab.domain, "--seconds", str(seconds), "--pace", str(pace)]
        namespace = ["ip", "netns", "exec", net.netns_name(lab, "edge")]
        calls = [
            # the edge's own nginx reloads whenever the vendor's API is told something, and closes idle connections then
            [*program, "--address", lab.edge, "--ca", str(lab.path("pki", "ca.pem")), "--looks", *words(through)],
            # only the edge's addresses pass the firewalls, and the origin's certificate is for the edge to judge
            [*namespace, *program, "--address", server, "--certificate", str(shown), *words(direct)],
        ]
        self.children = [
            subprocess.Popen([*call, "--watch", str(watched)], cwd=CHECKOUT / "tests", stdout=subprocess.PIPE, text=True)
            for call, watched in zip(calls, self.watched, strict=True)
        ]
        self.results: list[dict[str, Any]] = []
        # (from, to, version): what has to answer requests that began in this time
        self.expected: list[tuple[float, float, str]] = []
        if not until(lambda: all(watched.exists() for watched in self.watched), 60, step=0.1):
            self.kill()
            raise LabError("the visitors did not start")

    def answered(self) -> int:
        """Answers so far."""
        return sum(int(watched.read_text() or 0) for watched in self.watched if watched.exists())

    def wait_for(self, number: int, budget: float = 300) -> bool:
        """Whether so many answers more have come within the budget: a slow machine takes longer, and proves as much."""
        wanted = self.answered() + number
        return until(lambda: self.answered() >= wanted, budget, step=0.3)

    @contextmanager
    def serving(self, version: str) -> Iterator[None]:
        """In this time nothing but `version` may answer."""
        began = time.time()
        yield
        self.expected.append((began, time.time(), version))

    def end(self) -> None:
        """Stops the clients and reads what they saw."""
        for child in self.children:
            child.terminate()
        self.results = [json.loads(child.communicate(timeout=120)[0]) for child in self.children]

    def kill(self) -> None:
        """Ends what may still run."""
        for child in self.children:
            child.kill()
            child.wait()
        self.scratch.cleanup()

    @property
    def losses(self) -> list[dict[str, Any]]:
        """The same, with the crowd it happened to."""
        return [{"crowd": crowd, **loss} for crowd, result in zip(("through", "direct"), self.results, strict=True) for loss in result["lost"]]

    def seen(self, name: str) -> list[Any]:
        """All that both crowds saw of one kind: answers, lost, streams, sockets."""
        return [item for result in self.results for item in result[name]]

    @property
    def lost(self) -> list[dict[str, Any]]:
        """Requests without a good answer."""
        return self.seen("lost")

    @property
    def answers(self) -> list[tuple[float, str]]:
        """Start and version of every answer."""
        return list(self.seen("answers"))

    @property
    def wrong(self) -> list[tuple[float, str, str]]:
        """Answers by another version than had to answer."""
        return [(start, got, want) for low, high, want in self.expected for start, got in self.answers if low <= start <= high and got != want]


CALM = 4.0
"""A pace for tests that run beside others: an answer costs six milliseconds of processor time, so visitors at their usual pace take a core."""

FEW_THROUGH, FEW_DIRECT = {"get": 2, "post": 1, "session": 2}, {"get": 2, "post": 1}


@contextmanager
def visited(lab: Lab, server: str, at_least: int = 50, pace: float = 1) -> Iterator[None]:
    """A few visitors all the time, and none without a good answer."""
    visitors = Visitors(lab, server, FEW_THROUGH, FEW_DIRECT, pace=pace)
    try:
        yield
        assert visitors.wait_for(at_least)
        visitors.end()
        print(f"{len(visitors.answers)} answers, {len(visitors.lost)} lost")
        assert visitors.lost == []
    finally:
        visitors.kill()


def words(kinds: Mapping[str, int]) -> list[str]:
    """The load program's arguments."""
    return [word for kind, number in kinds.items() for word in (f"--{kind}", str(number))]
