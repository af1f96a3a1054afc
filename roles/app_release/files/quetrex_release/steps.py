# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps as pairs of do and undo. Until the release is recorded a failure undoes every step that was begun; afterwards nothing is undone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from quetrex_release.outcome import Outcome, ReleaseError, as_error


@dataclass(frozen=True)
class Step:
    """What is done, and how it is undone, also when it was only begun. `after`: the release serves and is recorded by then."""

    name: str
    do: Callable[[], None]
    undo: Callable[[], None] | None = None
    after: bool = False


@dataclass
class Walk:
    """Goes through steps; `begun` and `seconds` tell how far it came, `problem` what is left to clean up."""

    clock: Callable[[], float]
    tell: Callable[[str], None]
    # keeps a request to stop from interrupting the way back
    shield: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    explain: Callable[[list[str]], str] = lambda _begun: ""
    begun: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    problem: ReleaseError | None = None

    def through(self, steps: Sequence[Step]) -> None:
        """Every step in order. A failure before the release is recorded is raised when everything is undone; a later one ends the walk and is kept."""
        try:
            for step in steps:
                began = self.clock()
                self.tell(step.name)
                self.begun.append(step.name)
                step.do()
                self.seconds[step.name] = round(self.clock() - began, 2)
        except Exception as problem:  # whatever it is, and between two steps too: a request to stop comes at any time
            error, begun = as_error(problem), steps[: len(self.begun)]
            if begun and begun[-1].after:
                self.problem = error
                return
            if begun:
                self._back(begun, error)
            raise error from problem

    def _back(self, steps: Sequence[Step], error: ReleaseError) -> None:
        with self.shield():
            error.outcome = Outcome.failed
            try:
                error.logs = error.logs or self.explain(self.begun)
                for step in reversed(steps):
                    if step.undo:
                        step.undo()
            except Exception as second:  # noqa: BLE001  # it is reported beside the first
                error.outcome = Outcome.unknown
                error.args = (f"{error} Then going back failed: {second}",)
