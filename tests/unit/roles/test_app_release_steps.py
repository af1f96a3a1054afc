# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever fails, and wherever a request to stop comes: everything that was begun is undone, or nothing is."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "app_release" / "files"))

from quetrex_release.outcome import Outcome, ReleaseError
from quetrex_release.plan import Container, Observed, Way, make_plan
from quetrex_release.release import STEPS
from quetrex_release.steps import Step, Walk


class World:
    """What is done and not undone, and an exception at the n-th call of anything."""

    def __init__(self, at: int) -> None:
        self.at, self.calls, self.done = at, 0, list[str]()

    def call(self, what: str = "") -> float:
        self.calls += 1
        if what:
            self.done.append(what)
        if self.calls == self.at:
            raise ReleaseError("interrupted", "asked to stop")
        return 0.0

    def step(self, name: str, *, after: bool = False) -> Step:
        def do() -> None:
            self.call(name)

        return Step(name, do, None if after else lambda: self.done.remove(name), after)

    def through(self) -> Walk:
        def tell(_name: str) -> None:
            self.call()

        walk = Walk(self.call, tell)
        walk.through([*(self.step(name) for name in ("start", "switch", "record")), *(self.step(name, after=True) for name in ("drain", "prune"))])
        return walk


def test_a_request_to_stop_at_any_moment_undoes_all_or_nothing() -> None:
    quiet = World(0)
    quiet.through()
    outcomes: list[Outcome | str | None] = []
    for at in range(1, quiet.calls + 1):
        world = World(at)
        try:
            walk = world.through()
        except ReleaseError as error:
            assert world.done == [], at
            outcomes.append(error.outcome)
        else:
            assert world.done[:3] == ["start", "switch", "record"], at
            assert walk.problem is not None
            outcomes.append("kept")
    # the first two calls are before anything was begun
    assert outcomes == [None] * 2 + [Outcome.failed] * 12 + ["kept"] * 6


def test_the_way_back_ends_at_what_cannot_be_undone() -> None:
    def no() -> None:
        raise OSError("the engine is away")

    done: list[str] = []
    steps = [Step("start", lambda: done.append("start"), done.clear), Step("switch", lambda: done.append("switch"), no), Step("verify", no)]
    with pytest.raises(ReleaseError, match="Then going back failed: the engine is away") as caught:
        Walk(lambda: 0.0, lambda _name: None).through(steps)
    assert caught.value.outcome is Outcome.unknown
    assert done == ["start", "switch"], "a container that visitors may be at stays"


def observed() -> list[Observed]:
    """A server at every moment that a plan can be made at."""
    found = []
    for serving in (None, "blue", "green"):
        for recorded in (None, "blue", "green"):
            for blue, green in itertools.product((None, False, True), repeat=2):
                made = {"blue": blue, "green": green}
                there = {name: Container("i", "c", running=runs, healthy=runs) for name, runs in made.items() if runs is not None}
                found.append(Observed(serving, recorded, there))
    return found


def test_a_plan_takes_steps_of_the_table_in_its_order() -> None:
    """Of every plan: the table is read from above, what cannot be undone comes after the record, and what leads visitors away has an undo."""
    order = {row.name: position for position, row in enumerate(STEPS)}
    for seen, *flags in itertools.product(observed(), *[(True, False)] * 3):
        for image in ("i", "other"):
            steps = make_plan(seen, image, "c", Way(*flags)).steps
            assert [order[name] for name in steps] == sorted(order[name] for name in steps), steps
    after = [row.name for row in STEPS if row.after]
    assert after == [row.name for row in STEPS[order["record"] + 1 :]]
    assert {row.name for row in STEPS if row.undo} == {"rest", "start", "switch", "record"}
