# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame all modules run in: read, compare, stop in check mode, apply, read again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure, Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Outcome, Plan, converge

ALL = ["a", "b", "c"]


class Account:
    """What a vendor holds: a list of names. `lost` answers of writes get lost after they took effect; a `deaf` one keeps nothing."""

    def __init__(self, *names: str, lost: int = 0, deaf: bool = False) -> None:
        self.names, self.lost, self.deaf = list(names), lost, deaf
        self.writes: list[str] = []

    def read(self) -> list[str]:
        return list(self.names)

    def write(self, todo: Plan[list[str]]) -> Sequence[str] | None:
        for step in todo.steps:
            self.writes.append(step)
            if not self.deaf:
                self.names.append(step)
            if self.lost:
                self.lost -= 1
                raise Uncertain("the answer was lost")
        return None


def plan(current: list[str]) -> Plan[list[str]]:
    return Plan(sorted({*current, *ALL}), [name for name in ALL if name not in current], ["z is unknown"] if "z" in current else [])


def run(account: Account, *, check: bool = False) -> Outcome[list[str]]:
    return converge(account.read, plan, account.write, check=check, vendor="Acme", rounds=3)


def test_what_is_there_stays() -> None:
    account = Account("a", "b", "c", "z")
    outcome = run(account)
    assert (outcome.changed, outcome.steps, outcome.after, account.writes) == (False, [], ["a", "b", "c", "z"], [])
    assert outcome.warnings == ["z is unknown"]


def test_check_mode_says_what_a_run_does() -> None:
    """The steps and the end of a check are those of the run after it, and a check writes nothing."""
    account = Account("b")
    checked = run(account, check=True)
    assert (account.writes, checked.before, checked.after) == ([], ["b"], ALL)
    done = run(account)
    assert (done.steps, sorted(done.after), done.before) == (checked.steps, checked.after, checked.before)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_leads_to_reading_and_to_no_second_write(lost: int) -> None:
    account = Account(lost=lost)
    outcome = run(account)
    assert (account.writes, outcome.steps, outcome.after) == (ALL, ALL, ALL)


def test_a_state_that_will_not_settle() -> None:
    """The failure has what was wanted, found and left, as data."""
    account = Account("a", deaf=True, lost=1)
    with pytest.raises(Failure, match=r"Acme does not keep what was written, after 3 rounds\. Last trouble: the answer was lost") as caught:
        run(account)
    assert (caught.value.code, caught.value.details) == ("not_converged", {"wanted": ALL, "found": ["a"], "left": ["b", "c"]})


def test_steps_that_were_not_done_are_not_told() -> None:
    """A writer may say that it did a part; the rest is planned again."""
    account = Account()

    def half(todo: Plan[list[str]]) -> Sequence[str]:
        account.names.append(todo.steps[0])
        return todo.steps[:1]

    outcome = converge(account.read, plan, half, check=False, vendor="Acme", rounds=3)
    assert outcome.steps == ALL


def test_a_refusal_ends_it() -> None:
    account = Account()

    def refuse(_todo: Plan[list[str]]) -> None:
        raise Failure("not allowed", "forbidden")

    with pytest.raises(Failure, match="not allowed"):
        converge(account.read, plan, refuse, check=False, vendor="Acme")
