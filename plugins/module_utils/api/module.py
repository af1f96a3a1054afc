# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module runs: read, compare, stop here in check mode, apply, read again, and report with the difference.

A write whose answer was lost leads to another round, never to a second write.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ansible.module_utils.basic import AnsibleModule

from .errors import Failure, Uncertain

Json = dict[str, t.Any]
State = t.TypeVar("State")
ROUNDS = 4


@dataclass(frozen=True)
class Plan(t.Generic[State]):
    """What has to be written, and what will be there afterwards. Nothing to do is no steps."""

    after: State
    steps: Sequence[t.Any] = ()
    warnings: Sequence[str] = ()


@dataclass
class Outcome(t.Generic[State]):
    """What a run found, left and did; in check mode what it would leave and do."""

    before: State
    after: State
    steps: list[t.Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether there was something to do."""
        return bool(self.steps)


def converge(
    fetch: Callable[[], State],
    plan: Callable[[State], Plan[State]],
    apply: Callable[[Plan[State]], Sequence[t.Any] | None],
    *,
    check: bool,
    vendor: str,
    rounds: int = ROUNDS,
    shown: Callable[[State], t.Any] = lambda state: state,
    told: Callable[[t.Any], t.Any] = lambda step: step,
) -> Outcome[State]:
    """Write until the plan is empty. Trouble in the middle means reading again; a state that will not settle is an error.

    `apply` returns the steps it did where these are not all; `shown` and `told` make data for an error of states and steps.
    """
    before = current = fetch()
    steps: list[t.Any] = []
    warnings: list[str] = []
    lost: Uncertain | None = None
    for number in range(rounds + 1):
        todo = plan(current)
        warnings = list(dict.fromkeys([*warnings, *todo.warnings]))
        if not todo.steps:
            return Outcome(before, current, steps, warnings)
        if number == rounds:
            break
        if check:
            return Outcome(before, todo.after, list(todo.steps), warnings)
        done: Sequence[t.Any] | None = None
        try:
            done = apply(todo)
        except Uncertain as error:
            lost = error
        steps += [step for step in (todo.steps if done is None else done) if step not in steps]
        current = fetch()
    raise Failure(
        f"{vendor} does not keep what was written, after {rounds} rounds.{f' Last trouble: {lost}' if lost else ''}",
        code="not_converged",
        details={"wanted": shown(todo.after), "found": shown(current), "left": [told(step) for step in todo.steps]},
    )


def unmoved(what: str, seen: t.Any, now: t.Any) -> None:
    """Stop right before the first write when somebody else wrote in the meantime: the plan is about a state that is gone."""
    if seen != now:
        raise Failure(
            f"The {what} were changed by somebody else while this ran; nothing was written. Run again.", code="conflict", details={"seen": seen, "now": now}
        )


def report(module: AnsibleModule, outcome: Outcome[t.Any], shown: Callable[[t.Any], t.Any], **result: t.Any) -> Json:
    """What happened, as a module's result; the difference is between what was found and what is there (in check mode: will be)."""
    for warning in outcome.warnings:
        module.warn(warning)
    diff = {"before": _mapping(shown(outcome.before)), "after": _mapping(shown(outcome.after))}
    return {"changed": outcome.changed, "diff": diff, "steps": outcome.steps, **result}


def run(module: AnsibleModule, work: Callable[[], Json], failed: Callable[[], Json] | None = None) -> t.NoReturn:
    """Do a module's work and end it: with the result, or with a message for people and the failure as data.

    `failed` gives what belongs into the result of a failed run as well.
    """
    try:
        result = work()
    except Failure as error:
        module.fail_json(msg=str(error), failure=error.failure(), **(failed() if failed else {}))
    module.exit_json(**result)


def _mapping(data: t.Any) -> t.Any:
    """A difference is shown of mappings and texts, not of lists."""
    return {"list": data} if isinstance(data, list) else data
