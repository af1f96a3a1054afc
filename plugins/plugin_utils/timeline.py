# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages of a playbook run: which one is on, how long each took, what it changed. No ansible in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


def clock_text(seconds: float) -> str:
    """Elapsed time as people read it: 00:07, 12:40, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


@dataclass
class Stage:
    """One role of one play, or the play itself where a task belongs to no role."""

    play: str
    name: str
    started: float  # seconds since the run began
    seconds: float = 0.0
    tasks: int = 0
    changed: int = 0
    failed: int = 0


@dataclass
class Timeline:
    """Time passes in exactly one stage at a time; a stage that is entered again goes on where it was."""

    clock: Callable[[], float]
    playbook: str = ""
    stages: list[Stage] = field(default_factory=list)
    _index: dict[tuple[int, str], Stage] = field(default_factory=dict)
    _current: Stage | None = None
    _play: tuple[int, str] = (0, "")
    _origin: float = 0.0
    _entered: float = 0.0

    def __post_init__(self) -> None:
        self._origin = self._entered = self.clock()

    def elapsed(self) -> float:
        return self.clock() - self._origin

    def play(self, name: str) -> None:
        """A new play: its stages are its own even when an earlier play used the same role."""
        self._leave()
        self._current = None
        self._play = (self._play[0] + 1, name)

    def task(self, role: str | None) -> Stage | None:
        """Count a task that starts; the stage when it begins a different one than the task before."""
        name = role or self._play[1]
        key = (self._play[0], name)
        stage = self._index.get(key)
        if stage is None:
            stage = self._index[key] = Stage(self._play[1], name, round(self.elapsed(), 3))
            self.stages.append(stage)
        entered = stage is not self._current
        if entered:
            self._leave()
            self._current = stage
        stage.tasks += 1
        return stage if entered else None

    def result(self, *, changed: bool = False, failed: bool = False) -> None:
        if self._current is not None:
            self._current.changed += changed
            self._current.failed += failed

    def _leave(self) -> None:
        now = self.clock()
        if self._current is not None:
            self._current.seconds = round(self._current.seconds + now - self._entered, 3)
        self._entered = now

    def finish(self) -> None:
        self._leave()

    def as_data(self, *, finished: bool) -> dict[str, Any]:
        """What is written as JSON; `finished` is false while the run goes on, or when it was killed."""
        self._leave()
        return {
            "playbook": self.playbook,
            "finished": finished,
            "seconds": round(self.elapsed(), 3),
            "changed": sum(stage.changed for stage in self.stages),
            "failed": sum(stage.failed for stage in self.stages),
            "stages": [asdict(stage) for stage in self.stages],
        }

    def table(self, budget: float = 0.0) -> list[str]:
        """The closing table, one line per stage; with a budget, the last line holds the total against it."""
        width = max([len(stage.name) for stage in self.stages] + [len("total")])
        rows = [f"{'stage':<{width}}  {'at':>7}  {'seconds':>8}  {'changed':>7}  {'failed':>6}"]
        rows += [
            f"{stage.name:<{width}}  {clock_text(stage.started):>7}  {stage.seconds:>8.1f}  {stage.changed or '-':>7}  {stage.failed or '-':>6}"
            for stage in self.stages
        ]
        data = self.as_data(finished=True)
        rows.append(f"{'total':<{width}}  {'':>7}  {data['seconds']:>8.1f}  {data['changed'] or '-':>7}  {data['failed'] or '-':>6}")
        if budget:
            left = budget - data["seconds"]
            rows.append(f"{'budget':<{width}}  {'':>7}  {budget:>8.1f}  {f'{left:.1f} s left' if left >= 0 else f'exceeded by {-left:.1f} s'}")
        return rows
